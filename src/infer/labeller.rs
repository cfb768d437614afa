//! From a frame to its labels, with one model.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Look, ModelError, SharedModel};
use crate::domain::classification::{Answer, Answering, Classification, Status, Timing, Top};
use crate::domain::frame::Frame;
use crate::domain::framing::Framing;
use crate::domain::name::Name;
use crate::preprocess::Preprocessor;
use crate::preprocess::decode::DecodeError;
use crate::preprocess::samples::Samples;
use crate::preprocess::source::{FrameDecoder, Wanted};
use glimpsed_inference::Tensor;

/// Labels the frames of one view with a model, which others may use, too. Its buffers are reused for every frame.
pub struct Labeller {
    model: Arc<SharedModel>,
    preprocessor: Preprocessor,
    answering: Answering,
    /// Of all classes, in the picture that was labelled last.
    probabilities: Vec<f32>,
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
        Self { preprocessor: Preprocessor::new(model.input.clone(), framing), model, answering, probabilities }
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
        let top = self.model.classify_tensor(tensor, self.answering.top_k, &mut self.probabilities)?;
        let infer_ms = milliseconds(start.elapsed());
        Ok(self.answer(top, Timing { infer_ms, total_ms: infer_ms, ..Timing::default() }))
    }

    /// The probabilities of all classes in the picture that was labelled last.
    pub fn probabilities(&self) -> &[f32] {
        &self.probabilities
    }

    fn answer(&self, top: Top, timing: Timing) -> Answer {
        let likely = top.first().is_some_and(|best| best.confidence >= self.answering.unknown_below);
        let status = if likely { Status::Known } else { Status::Unknown };
        Answer { model: self.model.id.clone(), status, top, timing }
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
        let (k, probabilities) = (labeller.answering.top_k, &mut labeller.probabilities);
        let top = labeller.model.classify(look, picture, || prepared = Instant::now(), k, probabilities)?;
        let timing = Timing {
            capture_ms: milliseconds(frame.capture_time),
            decode_ms: milliseconds(decode),
            preprocess_ms: milliseconds(prepared - start),
            infer_ms: milliseconds(prepared.elapsed()),
            total_ms: milliseconds(decode + start.elapsed()),
        };
        Ok(classification(frame, labeller.answer(top, timing)))
    }

    /// The answer for a frame that shows nothing for a model to be run on: too dark, or of one colour.
    pub fn without_label(self, status: Status) -> Classification {
        let (capture_ms, decode_ms) = (milliseconds(self.frame.capture_time), milliseconds(self.time));
        let timing = Timing { capture_ms, decode_ms, total_ms: decode_ms, ..Timing::default() };
        let answer = Answer { status, ..self.labeller.answer(Top::new(), timing) };
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
