//! From a frame to its labels, with one model.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::model::{Looked, Wanted as Question};
use super::{Judgement, Look, ModelError, SharedModel};
use crate::domain::classification::{Answer, Answering, Classification, Status, Timing, Top};
use crate::domain::frame::Frame;
use crate::domain::framing::Framing;
use crate::domain::name::Name;
use crate::preprocess::Preprocessor;
use crate::preprocess::decode::DecodeError;
use crate::preprocess::samples::Samples;
use crate::preprocess::source::{FrameDecoder, Wanted};
use glimpsed_inference::Tensor;

/// Comparing what a view shows with what was taught takes milliseconds, and a scene does not change between two frames.
const JUDGE_EVERY: Duration = Duration::from_secs(1);

/// It takes at most one part in so many of the time.
const JUDGE_SHARE: u32 = 50;

/// Labels the frames of one view with a model, which others may use, too. Its buffers are reused for every frame.
pub struct Labeller {
    model: Arc<SharedModel>,
    preprocessor: Preprocessor,
    answering: Answering,
    /// Of all classes, in the picture that was labelled last.
    probabilities: Vec<f32>,
    /// Of the frame that was labelled last, if it was compared with what was taught.
    judgement: Option<Judgement>,
    /// The last that was found.
    strange: Option<bool>,
    judge_at: Instant,
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
    pub fn new(model: impl Into<Arc<SharedModel>>, framing: impl Into<Framing>, answering: Answering) -> Self {
        let model = model.into();
        let probabilities = Vec::with_capacity(model.labels().len());
        let preprocessor = Preprocessor::new(model.input.clone(), framing);
        let judge_at = Instant::now();
        Self { preprocessor, model, answering, probabilities, judgement: None, strange: None, judge_at }
    }

    pub fn model(&self) -> &Arc<SharedModel> {
        &self.model
    }

    pub fn framing(&self) -> Framing {
        self.preprocessor.framing()
    }

    pub fn set_answering(&mut self, answering: Answering) {
        self.answering = answering;
    }

    pub fn set_framing(&mut self, framing: Framing) {
        if framing != self.framing() {
            self.preprocessor = Preprocessor::new(self.model.input.clone(), framing);
            (self.strange, self.judge_at) = (None, Instant::now());
        }
    }

    /// The scale and part at which a picture of this size must be decoded for this view.
    pub fn wanted(&self, width: usize, height: usize) -> Wanted {
        self.preprocessor.wanted(width, height)
    }

    /// Decodes and labels one frame. `total_ms` of its timing is left to the caller, who knows when it arrived.
    ///
    /// # Errors
    /// When the frame cannot be decoded or the network cannot be evaluated.
    pub fn label(&mut self, decoder: &mut FrameDecoder, frame: &Frame) -> Result<Classification, LabelError> {
        let start = Instant::now();
        decoder.decode(frame.encoding, &frame.bytes, |width, height| self.wanted(width, height))?;
        Ok(self.decoded(decoder, frame, start.elapsed()).classify(None)?)
    }

    /// The frame that the decoder holds, before a model runs; decoding it took `time`.
    pub fn decoded<'a>(&'a mut self, decoder: &'a FrameDecoder, frame: &'a Frame, time: Duration) -> Decoded<'a> {
        Decoded { labeller: self, decoder, frame, time }
    }

    /// Labels a tensor that was prepared for this model from an uploaded picture.
    ///
    /// # Errors
    /// When the network cannot be evaluated.
    pub fn classify_tensor(&mut self, tensor: &Tensor) -> Result<Answer, ModelError> {
        let start = Instant::now();
        let question = Question { labels: self.answering.top_k, judgement: true };
        let Looked { top, judgement } = self.model.classify_tensor(tensor, question, &mut self.probabilities)?;
        let infer_ms = milliseconds(start.elapsed());
        let answer = self.answer(top, Timing { infer_ms, total_ms: infer_ms, ..Timing::default() });
        Ok(Answer { strange: judgement.and_then(|judgement| judgement.strange), ..answer })
    }

    /// The probabilities of all classes in the picture that was labelled last.
    pub fn probabilities(&self) -> &[f32] {
        &self.probabilities
    }

    /// Compares the next frame with what was taught, however short the time since the last was.
    pub fn judge_next(&mut self) {
        self.judge_at = Instant::now();
    }

    /// How the frame that was labelled last compares with what was taught, if it was compared: about once a second.
    pub fn take_judgement(&mut self) -> Option<Judgement> {
        self.judgement.take()
    }

    fn judged(&mut self, judgement: Option<Judgement>) {
        if let Some(judgement) = &judgement {
            self.strange = judgement.strange;
            self.judge_at = Instant::now() + JUDGE_EVERY.max(judgement.time * JUDGE_SHARE);
        }
        self.judgement = judgement;
    }

    fn answer(&self, top: Top, timing: Timing) -> Answer {
        let likely = top.first().is_some_and(|best| best.confidence >= self.answering.unknown_below);
        let status = if likely { Status::Known } else { Status::Unknown };
        Answer { model: self.model.id.clone(), status, top, strange: self.strange, timing }
    }
}

/// A decoded frame, before a model runs.
pub struct Decoded<'a> {
    labeller: &'a mut Labeller,
    decoder: &'a FrameDecoder,
    frame: &'a Frame,
    /// How long decoding took.
    time: Duration,
}

impl Decoded<'_> {
    /// How long decoding took.
    pub fn time(&self) -> Duration {
        self.time
    }

    /// The decoded picture.
    pub fn samples(&self) -> Samples<'_> {
        self.decoder.samples(&self.frame.bytes)
    }

    /// Runs the model on it. By the frame's `number`, which no other frame has, the network knows what it has looked at for another
    /// view.
    ///
    /// # Errors
    /// When the network cannot be evaluated.
    pub fn classify(self, number: Option<u64>) -> Result<Classification, ModelError> {
        let Self { labeller, decoder, frame, time: decode } = self;
        let start = Instant::now();
        let mut prepared = start;
        let look = number.map(|frame| Look { frame, framing: labeller.framing() });
        let picture = (&mut labeller.preprocessor, decoder.samples(&frame.bytes));
        let question = Question { labels: labeller.answering.top_k, judgement: start >= labeller.judge_at };
        let probabilities = &mut labeller.probabilities;
        let seen = labeller.model.classify(look, picture, || prepared = Instant::now(), question, probabilities)?;
        let timing = Timing {
            capture_ms: milliseconds(frame.capture_time),
            decode_ms: milliseconds(decode),
            preprocess_ms: milliseconds(prepared - start),
            infer_ms: milliseconds(prepared.elapsed()),
            total_ms: milliseconds(decode + start.elapsed()),
        };
        labeller.judged(seen.judgement);
        Ok(classification(frame, labeller.answer(seen.top, timing)))
    }

    /// The answer for a frame that shows nothing for a model to be run on: too dark, or of one colour.
    pub fn without_label(self, status: Status) -> Classification {
        let (capture_ms, decode_ms) = (milliseconds(self.frame.capture_time), milliseconds(self.time));
        let timing = Timing { capture_ms, decode_ms, total_ms: decode_ms, ..Timing::default() };
        let answer = Answer { status, strange: None, ..self.labeller.answer(Top::new(), timing) };
        classification(self.frame, answer)
    }
}

fn classification(frame: &Frame, answer: Answer) -> Classification {
    let (camera, view, origin) = (Name::ONLY, Name::ONLY, frame.origin.clone());
    Classification { camera, view, seq: frame.seq, ts: frame.wall, answer, cached: false, origin }
}

pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
