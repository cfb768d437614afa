//! Why pictures cannot be packed, or taken from where they were packed.

use std::io;
use std::path::{Path, PathBuf};

use super::dataset::{DatasetError, MAX_CLASSES};
use glimpsed_base::files::ReadError;

/// The entries of an archive, pictures or not.
pub(super) const MAX_ENTRIES: u64 = 100_000;

/// All pictures of an archive together, inflated: two thousand with 2 MB each.
pub(super) const MAX_BYTES: u64 = 4 << 30;

/// Why pictures were not packed, or are not taken from a folder or an archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("`{}` is there already, and is not replaced", .0.display())]
    There(PathBuf),
    #[error("cannot write `{}`: {cause}", path.display())]
    Write { path: PathBuf, cause: io::Error },
    #[error("{} {cause}", path.display())]
    Picture { path: PathBuf, cause: ReadError },
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The text of the cause continues the archive's name.
    #[error("`{}` {cause}", path.display())]
    Refused { path: PathBuf, cause: Refused },
}

/// What is wrong with an archive as a whole.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("is no folder and no zip archive")]
    Neither,
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("is not a zip archive, or a damaged one: {0}")]
    Damaged(#[from] rawzip::Error),
    #[error("has {entries} entries; at most {MAX_ENTRIES} are read")]
    Entries { entries: u64 },
    #[error("has more than {MAX_CLASSES} classes, or {} GB of pictures", MAX_BYTES >> 30)]
    TooMuch,
    #[error("has a name that is not UTF-8: {0}")]
    NotUtf8(String),
    #[error("has a name that leads out of it: {0}")]
    LeadsOut(String),
    #[error("has a picture in no folder: {0}; a folder for each label is meant, or `--label`")]
    NoLabel(String),
    #[error("has a folder that {wrong}: {name}")]
    Label { name: String, wrong: &'static str },
}

/// Why one picture is passed over. The text continues its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("{0}")]
    Unreadable(String),
    #[error("is damaged: {0}")]
    Damaged(String),
    #[error("has more than {0} bytes")]
    TooLong(u64),
    #[error("is compressed in a way that glimpsed does not read; pack it with `zip`")]
    Method,
}

pub(super) fn refused(path: &Path) -> impl Fn(Refused) -> ArchiveError {
    move |cause| ArchiveError::Refused { path: path.to_owned(), cause }
}
