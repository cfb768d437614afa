//! What the inference thread is told between two frames.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::second_opinion;
use crate::decide::escalation;
use crate::decide::gate::GateRules;
use crate::decide::rules::{DisagreementChoice, LabelRules};
use crate::domain::classification::{Classification, ModelId};
use crate::domain::frame::Frame;
use crate::domain::health::Pace;
use crate::domain::view::{Rotation, View};
use crate::infer::ModelError;
use crate::infer::labeller::Labeller;
use crate::preprocess::decode::decode;
use crate::preprocess::picture::RgbImage;
use glimpsed_base::slot::Slot;
use glimpsed_inference::Tensor;

/// What the worker does between two frames when it is told to.
pub enum Order {
    /// Label with this one from now on; the one before comes back, to be dropped where nothing waits for it.
    Labeller(Box<Labeller>, oneshot::Sender<Box<Labeller>>),
    Rules(Box<Rules>),
    View(View),
    /// Label so many of the frames from now on.
    Pace(Pace),
    /// Ask this model for its opinion from now on, or none.
    Second(Option<Box<second_opinion::Asked>>),
    /// Say that what was taken before is labelled.
    Settle(oneshot::Sender<()>),
    /// A copy of the next frame that is labelled.
    Snapshot(oneshot::Sender<Snapshot>),
    /// The accurate model's opinion on the next frame that is labelled; or why there is none.
    SecondOpinion(oneshot::Sender<second_opinion::Opinion>),
    /// Label what was prepared for the model of this id.
    Classify(Box<Prepared>, oneshot::Sender<Result<Classification, Refusal>>),
}

/// How frames are judged.
pub struct Rules {
    pub labels: LabelRules,
    pub policy: DisagreementChoice,
    pub gate: GateRules,
    pub ask: escalation::Rules,
    /// Longest time between two states.
    pub heartbeat: Duration,
    /// Without a frame for this long, nothing is known of now. Longer than any camera is waited for.
    pub stale_after: Duration,
}

/// Why a prepared picture has no label.
pub enum Refusal {
    /// Another model labels by now.
    Exchanged,
    /// Nothing is labelled until the board is cooler.
    TooWarm,
    Failed(ModelError),
}

/// A picture that is not the camera's, ready for a model.
pub struct Prepared {
    pub tensor: Tensor,
    pub model: Arc<ModelId>,
}

/// A frame and what the model says of it.
pub struct Snapshot {
    /// As the camera has it.
    pub frame: Frame,
    /// How it is to be turned.
    pub rotation: Rotation,
    pub answer: Classification,
}

impl Snapshot {
    /// The frame as a picture of its full size, not turned. Takes as long as decoding does.
    ///
    /// # Errors
    /// When it is damaged where the model does not look.
    pub fn picture(&self) -> Result<RgbImage, String> {
        let mut picture = RgbImage::default();
        let decoded = decode(self.frame.encoding, &self.frame.bytes, &mut picture);
        decoded.map(|()| picture).map_err(|error| format!("the frame {error}"))
    }
}

/// Orders that wait for the worker; whoever gives them gives one after another.
const MAX_ORDERS: usize = 8;

/// Gives orders to the worker.
#[derive(Clone)]
pub struct Orders {
    sender: SyncSender<Order>,
    slot: Arc<Slot<Frame>>,
}

impl Orders {
    pub fn new(slot: Arc<Slot<Frame>>) -> (Self, Receiver<Order>) {
        let (sender, receiver) = sync_channel(MAX_ORDERS);
        (Self { sender, slot }, receiver)
    }

    /// Never waits.
    ///
    /// # Errors
    /// When the worker has not looked at its orders for a while, or has ended.
    pub fn give(&self, order: Order) -> Result<(), &'static str> {
        self.sender.try_send(order).map_err(|_| "the inference thread does not take orders")?;
        self.slot.nudge();
        Ok(())
    }

    /// Gives the order that `order` makes of where its answer goes, and waits for that.
    ///
    /// # Errors
    /// As [`Self::give`], or that the worker has ended; `late` when there is no answer within `patience`.
    pub async fn ask<T>(
        &self,
        order: impl FnOnce(oneshot::Sender<T>) -> Order,
        patience: Duration,
        late: &str,
    ) -> Result<T, String> {
        let (to, answer) = oneshot::channel();
        self.give(order(to))?;
        match timeout(patience, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err("the inference thread has ended".into()),
            Err(_) => Err(late.to_owned()),
        }
    }
}
