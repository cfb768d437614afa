//! A file, and what it does not say of itself.

use std::path::Path;

use crate::input::{Backend, InputHints};

/// A file, and what it does not say of itself.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// An ONNX file of at most 1 GiB.
    pub path: &'a Path,
    /// Lower-case hexadecimal; the file must hash to it.
    pub sha256: Option<&'a str>,
    /// How its input is prepared, as far as the file leaves it open.
    pub input: &'a InputHints,
    /// What is to run it.
    pub backend: Backend,
}
