//! From a tensor to class probabilities.

pub mod labeller;
mod load;
mod native;
mod onnx;
pub mod precision;
mod scores;
mod tract;

use std::sync::Arc;
use std::time::Instant;

use self::scores::softmax;
use crate::domain::classification::{Labels, ModelId, Ranked, Top, top_k};
use crate::models::inspect::{Inspection, Precision};
use crate::models::labels::LabelSource;
use crate::models::spec::{InputSpec, ModelSpec, Scores};
use crate::models::threads::{self, Threads};
use crate::preprocess::Tensor;
pub use native::kernels::Kernels;

/// Runs a network. One value belongs to one thread.
pub trait Classifier: Send {
    /// Fills `scores` with the network's output, one number per class, background class included.
    ///
    /// # Errors
    /// When the network cannot be evaluated on this tensor.
    fn run(&mut self, input: &Tensor, scores: &mut Vec<f32>) -> Result<(), ModelError>;

    /// Shares each picture among so many threads from now on, where it can; returns among how many.
    fn set_threads(&mut self, _threads: usize) -> usize {
        1
    }
}

/// Why a model cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ModelError {
    #[error("cannot read `{path}`: {cause}")]
    Unreadable { path: String, cause: String },
    #[error("`{path}` is not there; `glimpsed models fetch {name}` downloads it")]
    NotFetched { path: String, name: String },
    #[error("`{path}` is not the file that was meant: its sha256 is {found}, not {expected}; fetch it again")]
    WrongHash { path: String, expected: String, found: String },
    #[error("`{path}` is not an ONNX model: {cause}")]
    NotOnnx { path: String, cause: String },
    #[error("keeps weights in another file (`{location}`), which glimpsed refuses to open; save it as one file")]
    ExternalData { location: String },
    #[error("uses operators that are not supported: {operators}")]
    UnsupportedOperators { operators: String },
    #[error("cannot run on the native kernels: {reason}; leave `backend` out, and tract runs it")]
    NotNative { reason: String },
    #[error("is not a picture classifier: {cause}")]
    NotAClassifier { cause: String },
    #[error(
        "has {classes} classes, but `{labels}` has {found} labels; they must match (or the model have one more, a background class)"
    )]
    LabelCount { classes: usize, labels: String, found: usize },
    #[error(
        "does not say how its input is scaled; set `family` in [models.{name}] (\"imagenet\" for what PyTorch's libraries trained, \"inception\" for TensorFlow's MobileNets), or `mean` and `std`"
    )]
    UnknownScaling { name: String },
    #[error(
        "gives numbers that add up to {sum}, which are no probabilities; leave `scores` out or set it to \"logits\""
    )]
    NotProbabilities { sum: f32 },
    #[error("cannot be evaluated: {cause}")]
    Evaluation { cause: String },
}

/// A loaded, warmed-up model.
pub struct Model {
    pub id: Arc<ModelId>,
    pub input: InputSpec,
    pub inspection: Inspection,
    labels: Labels,
    classifier: Box<dyn Classifier>,
    scores: Vec<f32>,
}

impl Model {
    /// Reads, checks and warms up the model.
    ///
    /// # Errors
    /// Whatever is wrong with the file, its labels or what was declared of it.
    pub fn load(spec: &ModelSpec) -> Result<Self, ModelError> {
        Self::load_onto(spec, Kernels::detect())
    }

    /// [`Self::load`] for an instruction set that need not be the best of this processor.
    ///
    /// # Errors
    /// As those of [`Self::load`].
    pub fn load_onto(spec: &ModelSpec, kernels: Kernels) -> Result<Self, ModelError> {
        let (classifier, mut inspection) = load::load(spec, kernels)?;
        let (labels, labels_name) =
            spec.labels.read().map_err(|(path, cause)| ModelError::Unreadable { path, cause })?;
        inspection.background_class = match inspection.classes.checked_sub(labels.len()) {
            Some(0) => false,
            Some(1) => true,
            _ => {
                let (classes, found) = (inspection.classes, labels.len());
                return Err(ModelError::LabelCount { classes, labels: labels_name, found });
            }
        };
        let id =
            ModelId { name: spec.name.clone(), precision: inspection.precision, sha256: inspection.sha256.clone() };
        let input = inspection.input.clone();
        let scores = Vec::with_capacity(inspection.classes);
        let mut model = Self { id: Arc::new(id), input, inspection, labels, classifier, scores };
        // The first run allocates and touches every weight; it also proves that the network gives numbers.
        let probabilities = model.probabilities(&Tensor::for_input(&model.input))?;
        if probabilities.iter().any(|probability| !probability.is_finite()) {
            return Err(ModelError::Evaluation {
                cause: "it answers a black picture with something that is no number".into(),
            });
        }
        model.check_scores()?;
        match spec.threads {
            Threads::Fixed(1) => {}
            Threads::Fixed(threads) => model.set_threads(threads),
            Threads::Auto => model.measure_threads()?,
        }
        Ok(model)
    }

    fn set_threads(&mut self, threads: usize) {
        self.inspection.threads = self.classifier.set_threads(threads);
    }

    /// Takes twice as many threads as long as that is worth it: each doubling has to save a fifth of the time, or the
    /// additional cores are better left to sleep.
    fn measure_threads(&mut self) -> Result<(), ModelError> {
        const WORTH: f64 = 0.8;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let tensor = Tensor::for_input(&self.input);
        let mut best = self.fastest_run(&tensor)?;
        for threads in [2, 4, 8].into_iter().take_while(|threads| *threads <= cores.min(threads::MOST)) {
            let before = self.inspection.threads;
            self.set_threads(threads);
            let time = self.fastest_run(&tensor)?;
            if self.inspection.threads != threads || time > best * WORTH {
                self.set_threads(before);
                break;
            }
            best = time;
        }
        tracing::info!(threads = self.inspection.threads, "measured among how many threads a picture is shared");
        Ok(())
    }

    /// Seconds of the fastest of a few runs, which the rest of the system has disturbed least.
    fn fastest_run(&mut self, tensor: &Tensor) -> Result<f64, ModelError> {
        let mut fastest = f64::INFINITY;
        for _ in 0..6 {
            let start = Instant::now();
            self.classifier.run(tensor, &mut self.scores)?;
            fastest = fastest.min(start.elapsed().as_secs_f64());
        }
        Ok(fastest)
    }

    /// Numbers that were declared to be probabilities must be some; those of the warm-up are at hand.
    fn check_scores(&self) -> Result<(), ModelError> {
        let sum: f32 = self.scores.iter().sum();
        // In 8 bits those below half a step are nothing, and of a thousand classes many are.
        let least = if self.inspection.precision == Precision::Int8 { 0.0 } else { 0.9 };
        let each = self.scores.iter().all(|score| (-0.01..=1.01).contains(score));
        let probabilities = each && (least..1.1).contains(&sum);
        if self.inspection.scores == Scores::Softmax && !probabilities {
            return Err(ModelError::NotProbabilities { sum });
        }
        Ok(())
    }

    /// One probability per label.
    ///
    /// # Errors
    /// When the network cannot be evaluated.
    pub fn probabilities(&mut self, input: &Tensor) -> Result<&[f32], ModelError> {
        self.classifier.run(input, &mut self.scores)?;
        let expected = self.inspection.classes;
        if self.scores.len() != expected {
            let cause = format!("it answered with {} numbers instead of {expected}", self.scores.len());
            return Err(ModelError::Evaluation { cause });
        }
        let skipped = usize::from(self.inspection.background_class);
        let classes = self.scores.get_mut(skipped..).unwrap_or_default();
        if self.inspection.scores == Scores::Logits {
            softmax(classes);
        }
        Ok(classes)
    }

    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// What [`Self::probabilities`] gave last.
    pub fn last_probabilities(&self) -> &[f32] {
        self.scores.get(usize::from(self.inspection.background_class)..).unwrap_or_default()
    }

    /// The network's own numbers for all classes, as they come out of it.
    ///
    /// # Errors
    /// When the network cannot be evaluated.
    pub fn raw_scores(&mut self, input: &Tensor) -> Result<&[f32], ModelError> {
        self.classifier.run(input, &mut self.scores)?;
        Ok(&self.scores)
    }

    /// The `k` most likely labels.
    ///
    /// # Errors
    /// When the network cannot be evaluated.
    pub fn classify(&mut self, input: &Tensor, k: usize) -> Result<Top, ModelError> {
        let best = top_k(self.probabilities(input)?, k);
        let ranked = best.into_iter().filter_map(|(class_id, confidence)| {
            self.labels.get(class_id).map(|label| Ranked { label: label.clone(), class_id, confidence })
        });
        Ok(ranked.collect())
    }
}

/// What the file contains, without loading its labels.
///
/// # Errors
/// Whatever is wrong with the file.
pub fn inspect(spec: &ModelSpec) -> Result<Inspection, ModelError> {
    let (_, mut inspection) = load::load(spec, Kernels::detect())?;
    inspection.background_class = inspection.classes == 1001 && spec.labels == LabelSource::ImageNet;
    Ok(inspection)
}
