//! What somebody wants of the configuration file.

use super::setup::Setup;
use super::views_edit::ViewsEdit;

/// A change, made as a whole or not at all.
#[derive(Debug, Clone, PartialEq)]
pub enum FileEdit {
    Views(ViewsEdit),
    Setup(Box<Setup>),
}
