//! A loaded network, which those models share that differ in nothing but their last matrix.

use std::sync::{Arc, Weak};

use crate::domain::framing::Framing;
use crate::models::spec::ModelSpec;
use crate::models::threads::Threads;
use glimpsed_base::sync::Mutex;
use glimpsed_inference::{
    Backend, Classifier, Error, InputHints, Inspection, Loaded, OwnMatrix, Source, Tensor, load_vector,
};

/// A part of a frame, in one position: what a network looks at. The frame's number is not that of another one, whatever its camera.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    pub frame: u64,
    pub framing: Framing,
}

/// A network with its buffers. Whoever uses it has it alone for that time.
pub(super) struct Network {
    classifier: Box<dyn Classifier>,
    /// The picture that it looks at.
    tensor: Tensor,
    output: Vec<f32>,
    /// What the output is of, where that may be asked for again.
    seen: Option<Look>,
    /// The number of threads that evaluate one picture.
    pub(super) threads: usize,
    /// Of the network itself.
    pub(super) inspection: Inspection,
}

impl From<Loaded> for Network {
    fn from(Loaded { classifier, inspection }: Loaded) -> Self {
        let tensor = Tensor::for_input(&inspection.input);
        let output = Vec::with_capacity(inspection.classes);
        Self { classifier, tensor, output, seen: None, threads: 1, inspection }
    }
}

impl Network {
    /// Evaluates it on a tensor.
    pub(super) fn run(&mut self, input: &Tensor) -> Result<&[f32], Error> {
        self.seen = None;
        self.classifier.run(input, &mut self.output)?;
        Ok(&self.output)
    }

    /// Evaluates it on a part of a frame, which `prepare` makes a tensor of; not again if that was the last that it was evaluated on.
    pub(super) fn look(&mut self, look: Option<Look>, prepare: impl FnOnce(&mut Tensor)) -> Result<&[f32], Error> {
        if look.is_none() || self.seen != look {
            self.seen = None;
            prepare(&mut self.tensor);
            self.classifier.run(&self.tensor, &mut self.output)?;
            self.seen = look;
        }
        Ok(&self.output)
    }

    pub(super) fn set_threads(&mut self, threads: usize) {
        self.threads = self.classifier.set_threads(threads);
    }
}

/// All that decides whether two models can share a network.
#[derive(Debug, Clone, PartialEq)]
struct Key {
    /// Of the file without its last matrix.
    sha256: String,
    input: InputHints,
    backend: Backend,
    threads: Threads,
}

/// The networks in memory that others can share.
#[derive(Clone, Default)]
pub struct Networks(Arc<Mutex<Vec<(Key, Weak<Mutex<Network>>)>>>);

impl Networks {
    /// The network of a model that ends in a matrix of its own, and whether others have it already; `None` for other models.
    pub(super) fn of(&self, spec: &ModelSpec) -> Result<Option<(Arc<Mutex<Network>>, OwnMatrix, bool)>, Error> {
        let source =
            Source { path: &spec.path, sha256: spec.sha256.as_deref(), input: &spec.input, backend: spec.backend };
        let Some(matrix) = spec.taught.then(|| OwnMatrix::read(&source)).transpose()?.flatten() else {
            return Ok(None);
        };
        let key = Key {
            sha256: matrix.rest_sha256.clone(),
            input: spec.input.clone(),
            backend: spec.backend,
            threads: spec.threads,
        };
        if let Some(network) = self.known(&key) {
            return Ok(Some((network, matrix, true)));
        }
        let network = Arc::new(Mutex::new(Network::from(load_vector(&source)?)));
        self.0.lock().push((key, Arc::downgrade(&network)));
        Ok(Some((network, matrix, false)))
    }

    fn known(&self, wanted: &Key) -> Option<Arc<Mutex<Network>>> {
        let mut networks = self.0.lock();
        networks.retain(|(_, network)| network.strong_count() > 0);
        networks.iter().find(|(key, _)| key == wanted).and_then(|(_, network)| network.upgrade())
    }

    /// How many are in memory.
    pub fn count(&self) -> usize {
        self.0.lock().iter().filter(|(_, network)| network.strong_count() > 0).count()
    }
}
