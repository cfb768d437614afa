//! The names of a model's classes.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::domain::classification::Labels;
use glimpsed_base::{budget, files};

/// The names of the 1000 ImageNet classes in class order, one per line.
pub const IMAGENET_LABELS: &str = include_str!("../../models/imagenet-labels.txt");

/// The source of the class names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LabelSource {
    /// The built-in list of the 1000 ImageNet classes.
    ImageNet,
    File(PathBuf),
}

/// Home Assistant limits a state to 255 characters.
const MAX_LABEL_LENGTH: usize = 255;

impl LabelSource {
    /// The labels, and the name of their source: `imagenet` or the file.
    ///
    /// # Errors
    /// The file, and why it cannot be used.
    pub fn read(&self) -> Result<(Labels, String), (String, String)> {
        let path = match self {
            Self::ImageNet => return Ok((Labels::parse(IMAGENET_LABELS), "imagenet".into())),
            Self::File(path) => path,
        };
        let name = path.display().to_string();
        let text = match files::read_text(path, budget::LABELS) {
            Ok(text) => text,
            Err(cause) => return Err((name, format!("it {cause}"))),
        };
        match text.lines().position(|line| line.len() > MAX_LABEL_LENGTH) {
            Some(line) => Err((name, format!("line {} has more than {MAX_LABEL_LENGTH} bytes", line + 1))),
            None => Ok((Labels::parse(&text), name)),
        }
    }
}
