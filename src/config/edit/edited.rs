//! A text that was changed.

/// A changed text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    pub text: String,
    /// The tables that were changed or added, alone, for somebody who edits the file by hand.
    pub lines: String,
}

/// For a file in which somebody has made a mistake.
pub(super) const NOT_TOML: &str = "the configuration is not valid TOML now; correct it first";
