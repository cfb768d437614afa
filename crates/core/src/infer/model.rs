//! A loaded model with its labels.

use std::sync::Arc;
use std::time::Instant;

use glimpsed_base::sync::Mutex;
use glimpsed_inference::{
    Error, InputHints, InputSpec, Inspection, Kernels, Loaded, MAX_THREADS, OwnMatrix, Source, Tensor, load_onto,
};
use serde::Serialize;

use super::error::{ModelError, with_remedy};
use super::familiar::{Familiar, Judgement};
use super::network::{Look, Network, Networks, Shared};
use super::reading::{Reading, Seen};
use super::test_pictures::TestPictures;
use crate::domain::classification::{Labels, ModelId, Ranked, Top, top_k};
use crate::models::catalog;
use crate::models::spec::{Family, ModelSpec};
use crate::models::threads::Threads;

/// A loaded, warmed-up model.
pub struct Model {
    pub id: Arc<ModelId>,
    pub input: InputSpec,
    pub inspection: Inspection,
    /// Whether the first class is a background class, which is never reported.
    pub background_class: bool,
    /// Number of threads that evaluate one picture.
    pub threads: usize,
    /// What is odd about the labels, in one sentence.
    pub warning: Option<String>,
    /// Why it cannot tell strange pictures, though it was taught to, in one sentence.
    pub unfamiliar: Option<String>,
    labels: Labels,
    network: Arc<Mutex<Network>>,
    /// The last matrix, where the network ends before it.
    matrix: Option<OwnMatrix>,
    /// The pictures that taught it.
    familiar: Option<Familiar>,
    scores: Vec<f32>,
    /// `None` until the first pictures have been looked at.
    reading: Option<Reading>,
}

impl Model {
    /// Reads, checks and warms up the model.
    ///
    /// # Errors
    /// What is wrong with the file, its labels or its declared properties.
    pub fn load(spec: &ModelSpec) -> Result<Self, ModelError> {
        Self::load_among(spec, &Networks::default())
    }

    /// [`Self::load`] for a given instruction set, which need not be the best of this processor.
    ///
    /// # Errors
    /// As those of [`Self::load`].
    pub fn load_onto(spec: &ModelSpec, kernels: Kernels) -> Result<Self, ModelError> {
        Self::of(spec, Parts::whole(engine(spec, kernels)?))
    }

    /// [`Self::load`] beside others, with which it may share its network.
    ///
    /// # Errors
    /// As those of [`Self::load`].
    pub fn load_among(spec: &ModelSpec, networks: &Networks) -> Result<Self, ModelError> {
        let shared = networks.of(spec).map_err(|cause| refusal(spec, cause))?;
        let parts = match shared {
            None => Parts::whole(engine(spec, Kernels::detect())?),
            Some(Shared { network, matrix, is_shared }) => {
                let inspection = matrix.inspection(&network.lock().inspection);
                Parts { network, matrix: Some(matrix), inspection, is_shared }
            }
        };
        Self::of(spec, parts)
    }

    fn of(spec: &ModelSpec, parts: Parts) -> Result<Self, ModelError> {
        let Parts { network, matrix, inspection, is_shared } = parts;
        let list = spec.labels.read().map_err(|(path, cause)| ModelError::Labels { path, cause })?;
        let warning = list.warning();
        let familiar = spec
            .taught
            .as_ref()
            .zip(matrix.as_ref())
            .map(|(taught, matrix)| Familiar::read(taught, matrix.weights.len() / matrix.classes().max(1)));
        let (familiar, unfamiliar) = match familiar.transpose() {
            Ok(familiar) => (familiar, None),
            Err(cause) => (None, Some(format!("{cause}, so strange pictures are not told; teach it again"))),
        };
        let labels = list.labels;
        let background_class = check_count(spec, inspection.classes, &labels, list.source)?;
        let id =
            ModelId { name: spec.name.clone(), precision: inspection.precision, sha256: inspection.sha256.clone() };
        let input = inspection.input.clone();
        let scores = Vec::with_capacity(inspection.classes);
        let id = Arc::new(id);
        let threads = network.lock().threads;
        let mut model = Self {
            id,
            input,
            inspection,
            background_class,
            threads,
            warning,
            unfamiliar,
            labels,
            network,
            matrix,
            familiar,
            scores,
            reading: None,
        };
        model.reading = model.settle(spec)?;
        if model.reading.is_some_and(Reading::is_multi_label) {
            model.labels = model.labels.independent();
        }
        match spec.threads {
            // They were set for those who have it already.
            _ if is_shared => {}
            Threads::Fixed(1) => {}
            Threads::Fixed(threads) => model.set_threads(threads),
            Threads::Auto => model.measure_threads()?,
        }
        Ok(model)
    }

    fn set_threads(&mut self, threads: usize) {
        let mut network = self.network.lock();
        network.set_threads(threads);
        self.threads = network.threads;
    }

    /// Doubles the number of threads as long as each doubling saves a fifth of the time. Otherwise the additional cores
    /// are better left idle.
    fn measure_threads(&mut self) -> Result<(), ModelError> {
        const WORTH: f64 = 0.8;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let tensor = Tensor::for_input(&self.input);
        let mut best = self.fastest_run(&tensor)?;
        for threads in [2, 4, 8].into_iter().take_while(|threads| *threads <= cores.min(MAX_THREADS)) {
            let before = self.threads;
            self.set_threads(threads);
            let time = self.fastest_run(&tensor)?;
            if self.threads != threads || time > best * WORTH {
                self.set_threads(before);
                break;
            }
            best = time;
        }
        tracing::info!(threads = self.threads, "the number of inference threads was measured");
        Ok(())
    }

    /// Seconds of the fastest of six runs, which the rest of the system has disturbed least.
    fn fastest_run(&mut self, tensor: &Tensor) -> Result<f64, ModelError> {
        let mut fastest = f64::INFINITY;
        for _ in 0..6 {
            let start = Instant::now();
            self.run(tensor)?;
            fastest = fastest.min(start.elapsed().as_secs_f64());
        }
        Ok(fastest)
    }

    /// How its numbers are read, by its graph, the configuration's key and its numbers for some pictures. The first run also allocates
    /// the workspace and touches every weight.
    fn settle(&mut self, spec: &ModelSpec) -> Result<Option<Reading>, ModelError> {
        let declared = spec.input.scores;
        let mut seen = Seen::default();
        let mut tensor = Tensor::for_input(&self.input);
        self.run(&tensor)?;
        self.check_length()?;
        seen.add(&self.scores);
        // A matrix of its own was taught here; and what the numbers of a file of the catalogue mean was confirmed when it was entered.
        let is_confirmed = declared.is_none() && catalog::of_file(spec).is_some();
        if self.matrix.is_none() && !is_confirmed {
            let mut pictures = TestPictures::new(&self.input);
            for picture in [TestPictures::noise, TestPictures::patches] {
                picture(&mut pictures, &mut tensor);
                self.run(&tensor)?;
                seen.add(&self.scores);
            }
        }
        Reading::settle(&self.id.name, &self.inspection, declared, self.labels.len(), &seen).map(Some)
    }

    fn check_length(&self) -> Result<(), ModelError> {
        let expected = self.inspection.classes;
        if self.scores.len() == expected {
            return Ok(());
        }
        let cause = format!("it answered with {} numbers instead of {expected}", self.scores.len());
        Err(self.failed(Error::Evaluation { cause }))
    }

    fn run(&mut self, input: &Tensor) -> Result<(), ModelError> {
        self.evaluate(false, |network| network.run(input)).map(drop)
    }

    /// Takes the scores of what the network answers with. With `judge` a taught model compares it with what it was taught with.
    fn evaluate(
        &mut self,
        judge: bool,
        answer: impl FnOnce(&mut Network) -> Result<&[f32], Error>,
    ) -> Result<Option<Judgement>, ModelError> {
        let network = &mut *self.network.lock();
        let taken = answer(network).and_then(|output| match &self.matrix {
            Some(matrix) => {
                matrix.apply(output, &mut self.scores)?;
                Ok(self.familiar.as_ref().filter(|_| judge).map(|familiar| familiar.judge(output)))
            }
            None => {
                self.scores.clear();
                self.scores.extend_from_slice(output);
                Ok(None)
            }
        });
        taken.map_err(|cause| self.failed(cause))
    }

    fn failed(&self, cause: Error) -> ModelError {
        ModelError::Engine { name: self.id.name.clone(), cause }
    }

    /// One probability per label.
    ///
    /// # Errors
    /// When the network cannot be evaluated.
    pub fn probabilities(&mut self, input: &Tensor) -> Result<&[f32], ModelError> {
        self.run(input)?;
        self.finish()
    }

    /// Makes probabilities of the scores.
    fn finish(&mut self) -> Result<&[f32], ModelError> {
        self.check_length()?;
        // The background class has its share of the probability: a picture of nothing is not almost certainly something else.
        if let Some(reading) = self.reading {
            reading.apply(&mut self.scores);
        }
        if self.scores.iter().any(|score| !score.is_finite()) {
            let cause = "its scores are infinite or no numbers: a sum has left the range of its numbers".into();
            return Err(self.failed(Error::Evaluation { cause }));
        }
        Ok(self.last_probabilities())
    }

    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// The result of the last [`Self::probabilities`].
    pub fn last_probabilities(&self) -> &[f32] {
        self.scores.get(usize::from(self.background_class)..).unwrap_or_default()
    }

    /// Labels pictures of one colour and of noise, as a test: a black picture alone proves little. The noise is the same each time.
    ///
    /// # Errors
    /// As [`Self::probabilities`].
    pub fn try_pictures(&mut self) -> Result<(), ModelError> {
        let mut pictures = TestPictures::new(&self.input);
        let mut tensor = Tensor::for_input(&self.input);
        for picture in [TestPictures::white, TestPictures::grey, TestPictures::noise, TestPictures::patches] {
            picture(&mut pictures, &mut tensor);
            self.probabilities(&tensor)?;
        }
        Ok(())
    }

    /// The network's raw output for all classes.
    ///
    /// # Errors
    /// When the network cannot be evaluated.
    pub fn raw_scores(&mut self, input: &Tensor) -> Result<&[f32], ModelError> {
        self.run(input)?;
        Ok(&self.scores)
    }

    /// The `k` most likely labels.
    ///
    /// # Errors
    /// When the network cannot be evaluated.
    pub fn classify(&mut self, input: &Tensor, k: usize) -> Result<Top, ModelError> {
        self.probabilities(input)?;
        Ok(self.top(k))
    }

    fn top(&self, k: usize) -> Top {
        let best = top_k(self.last_probabilities(), k);
        let ranked = best.into_iter().filter_map(|(class_id, confidence)| {
            self.labels.get(class_id).map(|label| Ranked { label: label.clone(), class_id, confidence })
        });
        ranked.collect()
    }
}

/// What is wanted of a picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// The number of labels.
    pub(super) labels: usize,
    /// Whether it is compared with what the model was taught with.
    pub(super) judgement: bool,
}

/// What a model says of a picture.
pub(super) struct Looked {
    /// Most likely first.
    pub(super) top: Top,
    /// Of a taught model, if it was wanted.
    pub(super) judgement: Option<Judgement>,
}

impl Model {
    /// The most likely labels of a part of a frame. `prepare` makes a tensor of it; see [`Network::look`].
    ///
    /// # Errors
    /// When the network cannot be evaluated.
    pub(super) fn look(
        &mut self,
        look: Option<Look>,
        prepare: impl FnOnce(&mut Tensor),
        wanted: Wanted,
        probabilities: &mut Vec<f32>,
    ) -> Result<Looked, ModelError> {
        let judgement = self.evaluate(wanted.judgement, |network| network.look(look, prepare))?;
        self.looked(judgement, wanted, probabilities)
    }

    /// The same of a tensor.
    ///
    /// # Errors
    /// When the network cannot be evaluated.
    pub(super) fn look_at(
        &mut self,
        input: &Tensor,
        wanted: Wanted,
        probabilities: &mut Vec<f32>,
    ) -> Result<Looked, ModelError> {
        let judgement = self.evaluate(wanted.judgement, |network| network.run(input))?;
        self.looked(judgement, wanted, probabilities)
    }

    fn looked(
        &mut self,
        judgement: Option<Judgement>,
        wanted: Wanted,
        probabilities: &mut Vec<f32>,
    ) -> Result<Looked, ModelError> {
        self.finish()?;
        probabilities.clear();
        probabilities.extend_from_slice(self.last_probabilities());
        Ok(Looked { top: self.top(wanted.labels), judgement })
    }
}

/// What the file contains, and what glimpsed makes of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspected {
    pub name: String,
    #[serde(flatten)]
    pub file: Inspection,
    /// Whether the first class is a background class, which is never reported.
    pub background_class: bool,
    /// Number of threads that evaluate one picture.
    pub threads: usize,
    /// Its labels, if they can be read.
    pub labels: Option<InspectedLabels>,
    /// Why they cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels_error: Option<String>,
    /// What neither the file nor the configuration says, so that it cannot label yet; `file` has what was assumed to read it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub to_set: Vec<ToSet>,
}

/// A key that is needed before a model can label.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ToSet {
    /// `family` or `input`.
    pub key: &'static str,
    /// What is not known, and what to write.
    pub says: String,
}

/// The labels of a model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InspectedLabels {
    pub count: usize,
    /// The file that they are from, or `imagenet`.
    pub source: String,
    /// The first ones.
    pub first: Vec<String>,
}

/// What the file contains.
///
/// # Errors
/// What is wrong with the file.
pub fn inspect(spec: &ModelSpec) -> Result<Inspected, ModelError> {
    let (file, to_set) = read_assuming(spec)?;
    let labels = spec.labels.read().map_err(|(path, cause)| format!("cannot read `{path}`: {cause}"));
    let labelled = labels.as_ref().map_or(file.classes, |list| list.labels.len());
    let background_class = file.classes > 1 && spec.has_background(file.classes, labelled).unwrap_or_default();
    const FIRST: usize = 5;
    let labels_error = labels.as_ref().err().cloned();
    let labels = labels.ok().map(|list| InspectedLabels {
        count: list.labels.len(),
        source: list.source,
        first: list.labels.iter().take(FIRST).map(|label| label.to_string()).collect(),
    });
    Ok(Inspected { name: spec.name.clone(), file, background_class, threads: 1, labels, labels_error, to_set })
}

/// Reads the file. Where its scaling or size is not known, one is assumed and told.
fn read_assuming(spec: &ModelSpec) -> Result<(Inspection, Vec<ToSet>), ModelError> {
    const ASSUMED_SIDE: usize = 224;
    let (mut spec, mut to_set) = (spec.clone(), Vec::new());
    loop {
        let cause = match engine(&spec, Kernels::detect()) {
            Ok(loaded) => return Ok((loaded.inspection, to_set)),
            Err(ModelError::Engine { cause, .. }) => cause,
            Err(other) => return Err(other),
        };
        let key = match cause {
            Error::UnknownScaling if spec.input.mean.is_none() => {
                spec.input = spec.input.or(Family::Unit.hints());
                "family"
            }
            Error::SizeLeftOpen if spec.input.size.is_none() => {
                spec.input.size = Some([ASSUMED_SIDE; 2]);
                "input"
            }
            cause => return Err(refusal(&spec, cause)),
        };
        to_set.push(ToSet { key, says: with_remedy(&spec.name, &cause) });
    }
}

/// Whether the first class is a background class; refuses labels of another number than the classes.
fn check_count(spec: &ModelSpec, classes: usize, labels: &Labels, source: String) -> Result<bool, ModelError> {
    let found = labels.len();
    match (classes, found) {
        (_, 0) => Err(ModelError::NoLabels { classes, labels: source }),
        // One number may tell two labels apart.
        (1, 1 | 2) => Ok(false),
        (1, _) => Err(ModelError::OneNumber { labels: source, found }),
        _ => spec.has_background(classes, found).ok_or_else(|| ModelError::LabelCount {
            name: spec.name.clone(),
            classes,
            labels: source,
            found,
        }),
    }
}

fn engine(spec: &ModelSpec, kernels: Kernels) -> Result<Loaded, ModelError> {
    // Which of several outputs is meant depends on the labels.
    let labels = spec.labels.read().map(|list| list.labels.len()).ok();
    let input = InputHints { labels, ..spec.input.clone() };
    let source = Source { path: &spec.path, sha256: spec.sha256.as_deref(), input: &input, backend: spec.backend };
    load_onto(&source, kernels).map_err(|cause| refusal(spec, cause))
}

fn refusal(spec: &ModelSpec, cause: Error) -> ModelError {
    match cause {
        Error::NotFound { path, cause } => match catalog::downloadable(spec) {
            Some(entry) => ModelError::NotFetched { path, name: entry.name.clone() },
            None => ModelError::Engine { name: spec.name.clone(), cause: Error::NotFound { path, cause } },
        },
        cause => ModelError::Engine { name: spec.name.clone(), cause },
    }
}

/// What a model is made of.
struct Parts {
    network: Arc<Mutex<Network>>,
    matrix: Option<OwnMatrix>,
    inspection: Inspection,
    /// Whether other models have the network, too.
    is_shared: bool,
}

impl Parts {
    fn whole(loaded: Loaded) -> Self {
        let inspection = loaded.inspection.clone();
        Self { network: Arc::new(Mutex::new(loaded.into())), matrix: None, inspection, is_shared: false }
    }
}
