//! Why models cannot be compared, and why one of them has no figures.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use glimpsed_base::files::ReadError;

/// Why there is nothing to compare.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    #[error("there is no model to compare")]
    NoModel,
    #[error("`{}` holds no picture (.jpg, .jpeg, .jfif, .jpe, .png or .webp)", .0.display())]
    NoPicture(PathBuf),
    #[error("`{}` holds more than {most} pictures", path.display())]
    TooMany { path: PathBuf, most: usize },
    #[error("cannot read `{}`: {cause}", directory.display())]
    Directory { directory: PathBuf, cause: io::Error },
    #[error("`{}` {cause}", path.display())]
    Csv { path: PathBuf, cause: ReadError },
    /// A line of a CSV file.
    #[error("{}:{line}: {cause}", path.display())]
    Line { path: PathBuf, line: usize, cause: String },
    #[error("`{picture}` is said to show `{label}`, which no model has for a label; {hint}")]
    Label { picture: String, label: String, hint: String },
    #[error("comparing the models panicked")]
    Panicked,
}

/// Why a model has no figures. What its process says of it is a text already.
#[derive(Debug, thiserror::Error)]
pub(super) enum TurnError {
    #[error("{0}")]
    Model(String),
    #[error("cannot start a process for it: {0}")]
    NotStarted(io::Error),
    #[error("its process said nothing for {} s and was ended", .0.as_secs())]
    Silent(Duration),
    #[error("its process is not understood: {0}")]
    NotUnderstood(#[from] serde_json::Error),
    #[error("its process says too much")]
    TooLong,
    #[error("cannot read from its process: {0}")]
    Pipe(io::Error),
    #[error("its process ended before it was done: {0}")]
    Ended(String),
}
