//! What can be asked of a teacher, and what it answers.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::model::NotWritten;
use super::store::StoreError;
use super::training::NothingLearnt;
use crate::bus::commands::CommandError;
use crate::bus::preview::Offered;
use crate::domain::framing::Framing;
use crate::domain::name::Name;
use crate::models::spec::ModelSpec;

/// What is taught, from what, and where its pictures are.
#[derive(Debug, Clone, PartialEq)]
pub struct Lessons {
    /// Best first.
    pub directories: Vec<PathBuf>,
    pub base: ModelSpec,
    pub max_pictures: usize,
    pub view: Name,
    /// Name of the view, and of the model that is written.
    pub name: String,
    /// How the camera's pictures are seen.
    pub framing: Framing,
    /// The largest share of the time (0..1) that pictures are looked at.
    pub max_duty: f64,
}

/// A picture on its way in.
#[derive(Debug, Clone)]
pub enum Picture {
    /// A picture file.
    File(Bytes),
    /// A frame, of which the view is kept.
    Frame(Arc<Offered>),
}

/// What the network says of a frame now.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// Labels with their probabilities, most likely first.
    pub top: Vec<(String, f32)>,
    pub strange: bool,
}

/// Why nothing can be taught.
const OFF: &str = "teaching is off; set `directory` in [teach] to keep pictures";

/// Why a request led to nothing.
#[derive(Debug, thiserror::Error)]
pub enum TeachError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("there is nothing to undo")]
    NothingToUndo,
    /// The model was written and is not in use.
    #[error(transparent)]
    NotInUse(#[from] CommandError),
    #[error("there is no such picture; another window may have moved it")]
    NoPicture,
    #[error("there is no such frame any more")]
    NoFrame,
    #[error("too many requests wait; try again")]
    Busy,
    /// Nothing can be learnt from the pictures yet.
    #[error(transparent)]
    NothingLearnt(#[from] NothingLearnt),
    #[error("{OFF}")]
    Off,
    #[error("`{0}` is the name of another model, so it cannot be taught")]
    Name(String),
    #[error(transparent)]
    Model(#[from] NotWritten),
    #[error("cannot start the teacher's thread: {0}")]
    Thread(std::io::Error),
}

/// What became of a picture.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Kept {
    /// `None` if it was not kept.
    pub name: Option<String>,
    /// Whether it looks like one of its label that is there.
    pub copy: bool,
    /// The pictures of the label now.
    pub pictures: usize,
}

/// A picture that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Chosen {
    pub label: String,
    /// Its file's name.
    pub name: String,
}
