//! Detects pictures that are unlike all that a model was taught with.

use std::path::PathBuf;

use super::embedder::{EmbedError, Embedder};
use super::model::vectors;
use crate::infer::ModelError;
use crate::models::spec::ModelSpec;
use crate::models::taught::{self, Taught};
use glimpsed_teach::{Strangeness, Vectors};

/// Detects pictures that are unlike those that one model was taught with.
pub struct Detector {
    embedder: Embedder,
    vectors: Vectors,
    strangeness: Strangeness,
}

/// Why there is no detector.
#[derive(Debug, thiserror::Error)]
pub enum NoDetector {
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error("{0}")]
    Vectors(String),
}

impl Detector {
    /// `None` for a model that was not taught, or with fewer than ten pictures of a label.
    ///
    /// # Errors
    /// When the model's files are damaged, or do not belong together.
    pub fn of(model: &ModelSpec, directories: &[PathBuf]) -> Result<Option<Self>, NoDetector> {
        let Some((Taught { strange_below: Some(least_cosine), .. }, files)) =
            taught::of_network(&model.path, directories)
        else {
            return Ok(None);
        };
        let (embedder, vectors) = (Embedder::open(model)?, vectors(&files).map_err(NoDetector::Vectors)?);
        if embedder.length() != vectors.length() {
            let file = files.vectors.display();
            return Err(NoDetector::Vectors(format!("`{file}` is not that of the model; teach it again")));
        }
        Ok(Some(Self { embedder, vectors, strangeness: Strangeness { least_cosine: least_cosine as f32 } }))
    }

    /// Whether a picture file is strange.
    ///
    /// # Errors
    /// When it is no picture.
    pub fn is_strange(&mut self, picture: &[u8]) -> Result<bool, EmbedError> {
        let vector = self.embedder.embed(picture)?;
        let nearest = Strangeness::nearest(vector, &self.vectors);
        Ok(nearest.is_none_or(|nearest| self.strangeness.is_strange(nearest)))
    }
}
