//! What a taught model was taught with, which the pictures that it looks at are compared with.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::models::spec::TaughtWith;
use crate::models::vectors_file::{self, VectorsError};
use glimpsed_teach::{COPY, Strangeness, Vectors};

/// What the comparison says of a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// Whether it is unlike all that was taught; `None` where too little was taught to tell.
    pub strange: Option<bool>,
    /// Whether it looks like a picture that was taught.
    pub copy: bool,
    /// The network's vector of it.
    pub vector: Vec<f32>,
    /// How long the comparison took.
    pub time: Duration,
}

/// Why a model cannot tell strange pictures.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfamiliar {
    #[error(transparent)]
    Vectors(#[from] VectorsError),
    #[error("`{}` is not that of the model", .0.display())]
    OtherNetwork(PathBuf),
}

/// The vectors of the pictures that taught a model.
pub(super) struct Familiar {
    vectors: Vectors,
    strangeness: Option<Strangeness>,
}

impl Familiar {
    /// The vectors of what taught a model, for a network whose vectors have this length.
    ///
    /// # Errors
    /// When their file cannot be read, or is another network's.
    pub(super) fn read(taught: &TaughtWith, length: usize) -> Result<Self, Unfamiliar> {
        let strangeness = taught.strange_below.map(|least_cosine| Strangeness { least_cosine });
        let vectors = vectors_file::read(&taught.vectors)?;
        match vectors.length() == length {
            true => Ok(Self { vectors, strangeness }),
            false => Err(Unfamiliar::OtherNetwork(taught.vectors.clone())),
        }
    }

    /// Compares the vector of a picture with all of them.
    pub(super) fn judge(&self, vector: &[f32]) -> Judgement {
        let begun = Instant::now();
        let nearest = Strangeness::nearest(vector, &self.vectors);
        let strange = self.strangeness.map(|limit| nearest.is_none_or(|nearest| limit.is_strange(nearest)));
        let copy = nearest.is_some_and(|nearest| nearest > COPY);
        Judgement { strange, copy, vector: vector.to_vec(), time: begun.elapsed() }
    }
}
