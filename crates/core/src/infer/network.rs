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

/// A network with its buffers. It is used by one thread at a time.
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

/// A network that several models may use.
type SharedNetwork = Arc<Mutex<Network>>;

/// A network that others may use, and the last matrix of one that does.
pub(super) struct Shared {
    pub(super) network: SharedNetwork,
    pub(super) matrix: OwnMatrix,
    /// Whether others had the network in memory already.
    pub(super) is_shared: bool,
}

/// A network for as long as a model uses it.
struct Entry {
    key: Key,
    network: Weak<Mutex<Network>>,
}

/// The networks in memory that others can share.
#[derive(Clone, Default)]
pub struct Networks(Arc<Mutex<Vec<Entry>>>);

impl Networks {
    /// The network and the matrix of a model that ends in one of its own; `None` for other models.
    pub(super) fn of(&self, spec: &ModelSpec) -> Result<Option<Shared>, Error> {
        let source =
            Source { path: &spec.path, sha256: spec.sha256.as_deref(), input: &spec.input, backend: spec.backend };
        let Some(matrix) = spec.taught.as_ref().map(|_| OwnMatrix::read(&source)).transpose()?.flatten() else {
            return Ok(None);
        };
        let key = Key {
            sha256: matrix.rest_sha256.clone(),
            input: spec.input.clone(),
            backend: spec.backend,
            threads: spec.threads,
        };
        if let Some(network) = self.known(&key) {
            return Ok(Some(Shared { network, matrix, is_shared: true }));
        }
        let network = Arc::new(Mutex::new(Network::from(load_vector(&source)?)));
        self.0.lock().push(Entry { key, network: Arc::downgrade(&network) });
        Ok(Some(Shared { network, matrix, is_shared: false }))
    }

    fn known(&self, wanted: &Key) -> Option<SharedNetwork> {
        let mut entries = self.0.lock();
        entries.retain(|entry| entry.network.strong_count() > 0);
        entries.iter().find(|entry| entry.key == *wanted).and_then(|entry| entry.network.upgrade())
    }

    /// How many are in memory.
    pub fn count(&self) -> usize {
        self.0.lock().iter().filter(|entry| entry.network.strong_count() > 0).count()
    }
}
