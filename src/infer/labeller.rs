//! From a frame to its labels, with one model.

use std::time::{Duration, Instant};

use super::{Model, ModelError};
use crate::domain::classification::{Answer, Answering, Classification, Status, Timing, Top};
use crate::domain::frame::Frame;
use crate::domain::view::View;
use crate::preprocess::Preprocessor;
use crate::preprocess::decode::DecodeError;
use crate::preprocess::samples::Samples;
use crate::preprocess::source::FrameDecoder;
use glimpsed_inference::Tensor;

/// A model with all buffers of a frame's way to its labels. They are reused for every frame.
pub struct Labeller {
    model: Model,
    preprocessor: Preprocessor,
    decoder: FrameDecoder,
    tensor: Tensor,
    answering: Answering,
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
    pub fn new(model: Model, view: impl Into<View>, answering: Answering) -> Self {
        let view = view.into();
        Self {
            preprocessor: Preprocessor::new(model.input.clone(), view),
            tensor: Tensor::for_input(&model.input),
            decoder: FrameDecoder::default(),
            model,
            answering,
        }
    }

    pub fn model(&self) -> &Model {
        &self.model
    }

    pub fn view(&self) -> View {
        self.preprocessor.view()
    }

    pub fn set_answering(&mut self, answering: Answering) {
        self.answering = answering;
    }

    pub fn set_view(&mut self, view: View) {
        if view != self.view() {
            self.preprocessor = Preprocessor::new(self.model.input.clone(), view);
        }
    }

    /// Decodes and labels one frame. `total_ms` of its timing is left to the caller, who knows when it arrived.
    ///
    /// # Errors
    /// When the frame cannot be decoded or the network cannot be evaluated.
    pub fn label(&mut self, frame: &Frame) -> Result<Classification, LabelError> {
        Ok(self.decode(frame)?.classify()?)
    }

    /// Decodes one frame, as far as this model needs it.
    ///
    /// # Errors
    /// When the frame cannot be decoded.
    pub fn decode<'a>(&'a mut self, frame: &'a Frame) -> Result<Decoded<'a>, DecodeError> {
        let start = Instant::now();
        let wanted = |width, height| self.preprocessor.wanted(width, height);
        self.decoder.decode(frame.encoding, &frame.bytes, wanted)?;
        Ok(Decoded { labeller: self, frame, time: start.elapsed() })
    }

    /// Labels a tensor that was prepared for this model from an uploaded picture.
    ///
    /// # Errors
    /// When the network cannot be evaluated.
    pub fn classify_tensor(&mut self, tensor: &Tensor) -> Result<Answer, ModelError> {
        let start = Instant::now();
        let top = self.model.classify(tensor, self.answering.top_k)?;
        let infer_ms = milliseconds(start.elapsed());
        Ok(self.answer(top, Timing { infer_ms, total_ms: infer_ms, ..Timing::default() }))
    }

    /// The probabilities of all classes in the picture that was labelled last.
    pub fn probabilities(&self) -> &[f32] {
        self.model.last_probabilities()
    }

    fn answer(&self, top: Top, timing: Timing) -> Answer {
        let likely = top.first().is_some_and(|best| best.confidence >= self.answering.unknown_below);
        let status = if likely { Status::Known } else { Status::Unknown };
        Answer { model: self.model.id.clone(), status, top, timing }
    }
}

/// A decoded frame, before a model runs. It borrows the labeller, so no other frame can take its place meanwhile.
pub struct Decoded<'a> {
    labeller: &'a mut Labeller,
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
        self.labeller.decoder.samples(&self.frame.bytes)
    }

    /// Runs the model on it.
    ///
    /// # Errors
    /// When the network cannot be evaluated.
    pub fn classify(self) -> Result<Classification, ModelError> {
        let Self { labeller, frame, time: decode } = self;
        let start = Instant::now();
        labeller.preprocessor.prepare(labeller.decoder.samples(&frame.bytes), &mut labeller.tensor);
        let prepared = Instant::now();
        let top = labeller.model.classify(&labeller.tensor, labeller.answering.top_k)?;
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
    Classification { seq: frame.seq, ts: frame.wall, answer, cached: false, origin: frame.origin.clone() }
}

pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
