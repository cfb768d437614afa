//! The orders that the inference thread executes between two frames.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::feed::Source;
use super::second_opinion;
use crate::decide::escalation;
use crate::decide::gate::GateRules;
use crate::decide::rules::{DisagreementChoice, LabelRules};
use crate::domain::classification::{Answer, Classification, ModelId};
use crate::domain::frame::Frame;
use crate::domain::framing::Framing;
use crate::domain::health::Pace;
use crate::domain::name::Name;
use crate::infer::ModelError;
use crate::infer::labeller::Labeller;
use crate::preprocess::decode::decode;
use crate::preprocess::encode::PictureError;
use crate::preprocess::picture::RgbImage;
use glimpsed_base::signal::Signal;
use glimpsed_inference::Tensor;

/// An order for the inference thread, executed between two frames.
pub enum Order {
    /// Take the frames of this camera, too.
    AddCamera(Box<Source>),
    RemoveCamera(Name),
    /// Show nobody the frame that is held of this camera.
    DropFrame(Name),
    AddView(Box<NewView>),
    /// Its labeller is sent back, so that it is dropped off the inference thread.
    RemoveView(Name, oneshot::Sender<Option<Box<Labeller>>>),
    /// Keep the views in this order.
    Arrange(Vec<Name>),
    /// Label at most this share of the time (0..1).
    MaxDuty(f64),
    /// Label this share of the frames from now on.
    Pace(Pace),
    /// This thread has the accurate models from now on. No view has one until the next [`Order::Accurate`].
    Second(Option<Box<second_opinion::Asked>>),
    /// Ask these accurate models: which view asks which. Views that are left out ask none.
    Accurate(Vec<(Name, Arc<ModelId>)>),
    /// Answer once every frame taken before this order is labelled by one view at least.
    Settle(oneshot::Sender<()>),
    /// For one view. Dropped if there is no such view.
    View(Name, ViewOrder),
}

/// A view that the inference thread is to label.
pub struct NewView {
    pub name: Name,
    pub camera: Name,
    pub enabled: bool,
    /// `None` until its model could be loaded; no frame is labelled before.
    pub labeller: Option<Box<Labeller>>,
    pub rules: Rules,
}

/// An order for one view.
pub enum ViewOrder {
    /// Use this labeller from now on. The previous one, if any, is sent back, so that it is dropped off the inference thread.
    Labeller(Box<Labeller>, oneshot::Sender<Option<Box<Labeller>>>),
    Enabled(bool),
    Rules(Box<Rules>),
    Framing(Framing),
    /// Copy the next labelled frame.
    Snapshot(oneshot::Sender<Snapshot>),
    /// Request the accurate model's opinion on the next labelled frame, or the reason why there is none.
    SecondOpinion(oneshot::Sender<second_opinion::Opinion>),
    /// Label a tensor that was prepared for the model of this id.
    Classify(Box<Prepared>, oneshot::Sender<Result<Answer, Refusal>>),
}

/// The rules that a view's frames are judged by.
pub struct Rules {
    pub labels: LabelRules,
    pub policy: DisagreementChoice,
    pub gate: GateRules,
    pub ask: escalation::Rules,
    /// Longest time between two events that carry the stable label.
    pub heartbeat: Duration,
    /// Whether the frames of changes are published.
    pub remembers: bool,
    /// Without a frame for this long, the label is unknown. Longer than any timeout of the camera.
    pub stale_after: Duration,
}

/// Why a prepared picture has no label.
pub enum Refusal {
    /// The model was replaced after the tensor was prepared.
    Exchanged,
    /// Labelling is paused until the board has cooled down.
    TooWarm,
    Failed(ModelError),
}

/// A tensor made from an uploaded picture, and the model it was made for.
pub struct Prepared {
    pub tensor: Tensor,
    pub model: Arc<ModelId>,
}

/// A frame with the model's answer for it.
pub struct Snapshot {
    /// As the camera delivered it.
    pub frame: Frame,
    /// How its view sees it.
    pub framing: Framing,
    pub labelled: Classification,
}

impl Snapshot {
    /// Decodes the frame at full size, not rotated. Takes as long as decoding does.
    ///
    /// # Errors
    /// When the frame is damaged in a part that the model does not use.
    pub fn picture(&self) -> Result<RgbImage, PictureError> {
        let mut picture = RgbImage::default();
        decode(self.frame.encoding, &self.frame.bytes, &mut picture)?;
        Ok(picture)
    }
}

/// Why an order was not executed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// The queue is full, because the inference thread is stuck, or the thread has ended.
    #[error("the inference thread does not take orders")]
    NotTaken,
    #[error("there is no such view, or the inference thread has ended")]
    NoView,
    /// What did not happen in time.
    #[error("{0}")]
    Late(String),
}

/// Capacity of the order queue.
const MAX_ORDERS: usize = 32;

/// The sending end of the order queue.
#[derive(Clone)]
pub struct Orders {
    sender: SyncSender<Order>,
    signal: Arc<Signal>,
}

impl Orders {
    /// `signal` wakes the inference thread.
    pub fn new(signal: Arc<Signal>) -> (Self, Receiver<Order>) {
        let (sender, receiver) = sync_channel(MAX_ORDERS);
        (Self { sender, signal }, receiver)
    }

    /// Queues an order. Never blocks.
    ///
    /// # Errors
    /// [`OrderError::NotTaken`].
    pub fn give(&self, order: Order) -> Result<(), OrderError> {
        self.sender.try_send(order).map_err(|_| OrderError::NotTaken)?;
        self.signal.raise();
        Ok(())
    }

    /// Queues the order that `order` makes from the answer's sender, and waits for the answer.
    ///
    /// # Errors
    /// See [`OrderError`]; `late` says what did not arrive within `patience`.
    pub async fn ask<T>(
        &self,
        order: impl FnOnce(oneshot::Sender<T>) -> Order,
        patience: Duration,
        late: &str,
    ) -> Result<T, OrderError> {
        let (to, answer) = oneshot::channel();
        self.give(order(to))?;
        match timeout(patience, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(OrderError::NoView),
            Err(_) => Err(OrderError::Late(late.to_owned())),
        }
    }

    /// A copy of the next labelled frame of a view.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn snapshot(&self, view: &Name, patience: Duration) -> Result<Snapshot, OrderError> {
        let late = format!("no frame was labelled within {} s", patience.as_secs());
        let view = view.clone();
        self.ask(|to| Order::View(view, ViewOrder::Snapshot(to)), patience, &late).await
    }
}
