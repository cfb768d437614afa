//! From a picture to the vector that stands before a network's last matrix.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::directories;
use crate::domain::frame::Encoding;
use crate::domain::framing::Framing;
use crate::infer::ModelError;
use crate::models::spec::ModelSpec;
use crate::preprocess::Preprocessor;
use crate::preprocess::decode::DecodeError;
use crate::preprocess::source::FrameDecoder;
use glimpsed_base::files::{self, ReadError};
use glimpsed_inference::{Classifier, Error, Inspection, MAX_THREADS, Source, Tensor, load_vector};
use glimpsed_teach::{Unusable, Vectors};

/// A network without its last matrix, with all buffers of a picture's way to its vector.
pub struct Embedder {
    /// The whole network's file.
    pub base: ModelSpec,
    /// Of the network without its last matrix; its `sha256` is the whole file's.
    pub inspection: Inspection,
    classifier: Box<dyn Classifier>,
    preprocessor: Preprocessor,
    decoder: FrameDecoder,
    tensor: Tensor,
    vector: Vec<f32>,
    /// The largest share of the time (0..1) that it works.
    max_duty: f64,
}

/// Why a picture has no vector. The text continues the file's name.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    #[error("{0}")]
    Decode(#[from] DecodeError),
    #[error("cannot be seen by the base model: {0}")]
    Model(#[from] Error),
    #[error("gives {0}")]
    Unusable(#[from] Unusable),
    #[error("{0}")]
    Unreadable(#[from] ReadError),
}

/// However small its share, somebody waits for the picture.
const LONGEST_REST: Duration = Duration::from_secs(2);

/// What precedes the key in a file of a vector.
const MAGIC: [u8; 4] = *b"GLV1";

/// A hash of all that a vector depends on: the network, its input and the picture.
type Key = [u8; 32];

impl Embedder {
    /// # Errors
    /// What is wrong with the file.
    pub fn open(base: &ModelSpec) -> Result<Self, ModelError> {
        // Which of several outputs is that of the classes depends on their number.
        let labels = base.labels.read().map(|list| list.labels.len()).ok();
        let mut base = base.clone();
        base.input.labels = labels;
        let (path, input) = (&base.path, &base.input);
        let source = Source { path, sha256: base.sha256.as_deref(), input, backend: base.backend };
        let mut loaded = load_vector(&source).map_err(|cause| ModelError::Engine { name: base.name.clone(), cause })?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        loaded.classifier.set_threads(cores.min(MAX_THREADS));
        let input = &loaded.inspection.input;
        Ok(Self {
            base,
            preprocessor: Preprocessor::new(input.clone(), Framing::default()),
            tensor: Tensor::for_input(input),
            decoder: FrameDecoder::default(),
            classifier: loaded.classifier,
            vector: Vec::new(),
            max_duty: 1.0,
            inspection: loaded.inspection,
        })
    }

    /// The length of the vectors.
    pub fn length(&self) -> usize {
        self.inspection.classes
    }

    /// The vector of a picture file.
    ///
    /// # Errors
    /// When it is no picture, or the network cannot be evaluated.
    pub fn embed(&mut self, bytes: &[u8]) -> Result<&[f32], EmbedError> {
        let begun = Instant::now();
        self.decoder.decode(Encoding::File, bytes, |width, height| self.preprocessor.wanted(width, height))?;
        self.preprocessor.prepare(self.decoder.samples(bytes), &mut self.tensor);
        self.classifier.run(&self.tensor, &mut self.vector)?;
        std::thread::sleep(self.rest(begun.elapsed()));
        Ok(&self.vector)
    }

    /// How long it rests after this much work.
    fn rest(&self, work: Duration) -> Duration {
        work.mul_f64((1.0 / self.max_duty.max(0.01) - 1.0).max(0.0)).min(LONGEST_REST)
    }

    /// Leaves the other cores to threads with a deadline, and works at most this share of the time (0..1).
    pub(super) fn be_modest(&mut self, max_duty: f64) {
        self.classifier.set_threads(1);
        self.max_duty = max_duty;
    }

    /// The vector of the picture that was seen last.
    pub fn vector(&self) -> &[f32] {
        &self.vector
    }

    /// The tensor of the picture that was seen last.
    pub fn tensor(&self) -> &Tensor {
        &self.tensor
    }

    /// Adds the vector of a picture to others. If it is `kept`, it comes from the file beside the picture where there is one, and
    /// is put there where there is none.
    ///
    /// # Errors
    /// When the picture has none; nothing was added then.
    pub fn embed_file(&mut self, path: &Path, most: u64, kept: bool, vectors: &mut Vectors) -> Result<(), EmbedError> {
        let bytes = files::read(path, most)?;
        let key = self.key(&bytes);
        if kept && remembered(path, &key).is_some_and(|vector| vectors.push_encoded(&vector).is_ok()) {
            return Ok(());
        }
        vectors.push(self.embed(&bytes)?)?;
        if kept {
            remember(path, &key, vectors);
        }
        Ok(())
    }

    /// Puts the vector that was added last beside the picture that it is of.
    pub(super) fn keep_beside(&self, path: &Path, picture: &[u8], vectors: &Vectors) {
        remember(path, &self.key(picture), vectors);
    }

    fn key(&self, picture: &[u8]) -> Key {
        let mut hasher = Sha256::new();
        hasher.update(&self.inspection.sha256);
        hasher.update(format!("{:?}", self.inspection.input));
        hasher.update(picture);
        hasher.finalize().into()
    }
}

/// The hidden file with the vector of a picture.
pub(super) fn beside(picture: &Path) -> PathBuf {
    let name = picture.file_name().unwrap_or_default().to_string_lossy();
    picture.with_file_name(format!(".{name}.vector"))
}

/// The vector can be computed again, so it is no error that it cannot be written.
fn remember(picture: &Path, key: &Key, vectors: &Vectors) {
    let encoded = vectors.encoded(vectors.len() - 1).unwrap_or_default();
    let _ = directories::write(&beside(picture), &[&MAGIC, &key[..], &encoded].concat(), 0o600);
}

fn remembered(picture: &Path, key: &Key) -> Option<Vec<u8>> {
    // Twice as much as the longest vector in use.
    let bytes = files::read(&beside(picture), 16 << 10).ok()?;
    let vector = bytes.strip_prefix(&MAGIC)?.strip_prefix(key)?;
    Some(vector.to_vec())
}
