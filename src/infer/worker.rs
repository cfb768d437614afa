//! The inference thread: takes the newest frame, labels it, tells the sinks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{Model, ModelError};
use crate::clock::Clock;
use crate::config::typed::{LabelRules, Rotation};
use crate::decide::Decider;
use crate::frame::Frame;
use crate::label::{Classification, Status, Timing};
use crate::preprocess::decode::{DecodeError, RgbImage, decode};
use crate::preprocess::{Preprocessor, Tensor};
use crate::pulse::Pulse;
use crate::shutdown::Shutdown;
use crate::sinks::Hub;
use crate::slot::{Slot, Taken};

/// How long to wait for a frame before shutdown is looked at again; closing the slot wakes at once.
const LOOK_UP: Duration = Duration::from_secs(1);

/// The thread's word to the watchdog: by when a wait has ended, and a frame is labelled. The slowest model on the slowest
/// board takes some seconds, more while the board swaps.
const WAKES_WITHIN: Duration = Duration::from_secs(20);
const LABELS_WITHIN: Duration = Duration::from_secs(60);

/// Everything that turns one frame into its labels; the buffers serve again.
pub struct Labeller {
    model: Model,
    preprocessor: Preprocessor,
    picture: RgbImage,
    tensor: Tensor,
    rules: LabelRules,
}

/// Why a frame has no label.
#[derive(Debug, thiserror::Error)]
pub enum LabelError {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl Labeller {
    pub fn new(model: Model, rotation: Rotation, rules: LabelRules) -> Self {
        Self {
            preprocessor: Preprocessor::new(model.input.clone(), rotation),
            tensor: Tensor::for_input(&model.input),
            picture: RgbImage::default(),
            model,
            rules,
        }
    }

    pub fn model(&self) -> &Model {
        &self.model
    }

    pub fn set_rules(&mut self, rules: LabelRules) {
        self.rules = rules;
    }

    pub fn set_rotation(&mut self, rotation: Rotation) {
        self.preprocessor = Preprocessor::new(self.model.input.clone(), rotation);
    }

    /// Labels one frame. `total_ms` of its timing is left to the caller, who knows when it arrived.
    ///
    /// # Errors
    /// When the frame cannot be decoded or the network cannot be evaluated.
    pub fn label(&mut self, frame: &Frame) -> Result<Classification, LabelError> {
        let start = Instant::now();
        decode(frame.encoding, &frame.bytes, &mut self.picture)?;
        let decoded = Instant::now();
        self.preprocessor.prepare(&self.picture, &mut self.tensor)?;
        let prepared = Instant::now();
        let top = self.model.classify(&self.tensor, self.rules.top_k)?;
        let inferred = Instant::now();
        let likely = top.first().is_some_and(|best| best.confidence >= self.rules.unknown_below);
        Ok(Classification {
            seq: frame.seq,
            ts: frame.wall,
            model: self.model.id.clone(),
            status: if likely { Status::Known } else { Status::Unknown },
            top,
            timing: Timing {
                capture_ms: milliseconds(frame.capture_time),
                decode_ms: milliseconds(decoded - start),
                preprocess_ms: milliseconds(prepared - decoded),
                infer_ms: milliseconds(inferred - prepared),
                total_ms: milliseconds(inferred - start),
            },
            origin: frame.origin.clone(),
        })
    }
}

/// What happened so far.
#[derive(Debug, Default)]
pub struct Counters {
    pub labelled: AtomicU64,
    pub failed: AtomicU64,
}

/// What the worker does between two frames when it is told to.
pub enum Order {
    /// Label with this one from now on; the one before comes back, to be dropped where nothing waits for it.
    Labeller(Box<Labeller>, oneshot::Sender<Box<Labeller>>),
    Rules {
        rules: LabelRules,
        heartbeat: Duration,
        stale_after: Duration,
    },
    Rotation(Rotation),
    /// Say that what was taken before is labelled.
    Settle(oneshot::Sender<()>),
    /// A copy of the next frame that is labelled.
    Shot(oneshot::Sender<Shot>),
}

/// A decoded picture and what the model says of it.
pub struct Shot {
    pub picture: RgbImage,
    pub answer: Classification,
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

/// What the worker needs from the rest of the program.
pub struct Worker {
    pub slot: Arc<Slot<Frame>>,
    pub clock: Arc<dyn Clock>,
    pub shutdown: Shutdown,
    pub labeller: Box<Labeller>,
    pub decider: Decider,
    pub hub: Hub,
    pub counters: Arc<Counters>,
    pub orders: Receiver<Order>,
    pub pulse: Pulse,
    /// Without a frame for this long, nothing is known of now. Longer than any camera is waited for.
    pub stale_after: Duration,
}

impl Worker {
    /// Labels frames until the slot is closed or shutdown is asked for.
    pub fn run(mut self) {
        let mut last_frame = self.clock.now();
        let mut wanted = Vec::new();
        while !self.shutdown.is_set() {
            while let Ok(order) = self.orders.try_recv() {
                self.obey(order, &mut wanted);
            }
            self.pulse.promise(self.clock.now() + WAKES_WITHIN);
            match self.slot.take(LOOK_UP) {
                Taken::Value(frame) => {
                    self.pulse.promise(self.clock.now() + LABELS_WITHIN);
                    self.handle(&frame, &mut wanted);
                    self.slot.give_back(frame);
                    last_frame = self.clock.now();
                }
                Taken::Nothing if self.clock.now().saturating_sub(last_frame) >= self.stale_after => {
                    if let Some(event) = self.decider.grow_stale(self.clock.wall()) {
                        self.hub.publish(&event);
                    }
                }
                Taken::Nothing => {}
                Taken::Closed => break,
            }
        }
        self.pulse.rest();
    }

    fn obey(&mut self, order: Order, wanted: &mut Vec<oneshot::Sender<Shot>>) {
        match order {
            // Whoever has stopped waiting has gone back to the one in use.
            Order::Labeller(_, back) if back.is_closed() => {}
            Order::Labeller(labeller, back) => {
                // Whoever does not wait for it any more lets it be dropped here.
                let _ = back.send(std::mem::replace(&mut self.labeller, labeller));
            }
            Order::Rules { rules, heartbeat, stale_after } => {
                self.stale_after = stale_after;
                self.labeller.set_rules(rules);
                self.decider.set_rules(&rules, heartbeat);
            }
            Order::Rotation(rotation) => self.labeller.set_rotation(rotation),
            Order::Settle(settled) => drop(settled.send(())),
            Order::Shot(to) => {
                wanted.retain(|waiting| !waiting.is_closed());
                wanted.push(to);
            }
        }
    }

    fn handle(&mut self, frame: &Frame, wanted: &mut Vec<oneshot::Sender<Shot>>) {
        match self.labeller.label(frame) {
            Ok(mut answer) => {
                let now = self.clock.now();
                answer.timing.total_ms = milliseconds(now.saturating_sub(frame.captured_at));
                if self.counters.labelled.fetch_add(1, Ordering::Relaxed) == 0 {
                    tracing::info!(since_start_ms = now.as_millis() as u64, "first label");
                }
                for to in wanted.drain(..) {
                    let _ = to.send(Shot { picture: self.labeller.picture.clone(), answer: answer.clone() });
                }
                for event in self.decider.observe(answer, now) {
                    self.hub.publish(&event);
                }
            }
            Err(error) => {
                let failed = self.counters.failed.fetch_add(1, Ordering::Relaxed) + 1;
                // A camera that sends garbage for a night must not fill the journal: the 1st, 2nd, 4th, 8th, ... is logged.
                if failed.is_power_of_two() {
                    let origin = frame.origin.as_deref().unwrap_or("frame");
                    tracing::warn!(seq = frame.seq, failed, "{origin} {error}");
                }
            }
        }
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
