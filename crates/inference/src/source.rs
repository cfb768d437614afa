//! A model file with the configuration that it needs.

use std::path::Path;

use crate::input::{Backend, InputHints};

/// A model file with the configuration that it needs: what to load, and how.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// An ONNX file of at most 1 GiB.
    pub path: &'a Path,
    /// The file's expected SHA-256 in lower-case hexadecimal; `None` accepts any file.
    pub sha256: Option<&'a str>,
    /// The input's properties that the file leaves open.
    pub input: &'a InputHints,
    /// The backend that is to run it.
    pub backend: Backend,
}
