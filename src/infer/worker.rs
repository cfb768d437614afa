//! The inference thread: takes the newest frame, labels it, tells the sinks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Model, ModelError};
use crate::clock::Clock;
use crate::config::typed::{LabelRules, Rotation};
use crate::decide::Decider;
use crate::frame::Frame;
use crate::label::{Classification, Status, Timing};
use crate::preprocess::decode::{DecodeError, RgbImage, decode};
use crate::preprocess::{Preprocessor, Tensor};
use crate::shutdown::Shutdown;
use crate::sinks::Sink;
use crate::slot::{Slot, Taken};

/// How long to wait for a frame before shutdown is looked at again; closing the slot wakes at once.
const LOOK_UP: Duration = Duration::from_secs(1);

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

/// What the worker needs from the rest of the program.
pub struct Worker {
    pub slot: Arc<Slot<Frame>>,
    pub clock: Arc<dyn Clock>,
    pub shutdown: Shutdown,
    pub labeller: Labeller,
    pub decider: Decider,
    pub sinks: Vec<Box<dyn Sink>>,
    pub counters: Arc<Counters>,
}

impl Worker {
    /// Labels frames until the slot is closed or shutdown is asked for.
    pub fn run(mut self) {
        while !self.shutdown.is_set() {
            match self.slot.take(LOOK_UP) {
                Taken::Value(frame) => {
                    self.handle(&frame);
                    self.slot.give_back(frame);
                }
                Taken::Nothing => {}
                Taken::Closed => break,
            }
        }
    }

    fn handle(&mut self, frame: &Frame) {
        match self.labeller.label(frame) {
            Ok(mut classification) => {
                let now = self.clock.now();
                classification.timing.total_ms = milliseconds(now.saturating_sub(frame.captured_at));
                if self.counters.labelled.fetch_add(1, Ordering::Relaxed) == 0 {
                    tracing::info!(since_start_ms = now.as_millis() as u64, "first label");
                }
                for event in self.decider.observe(classification, now) {
                    for sink in &mut self.sinks {
                        sink.publish(&event);
                    }
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
