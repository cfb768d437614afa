//! Where the pictures that teach are kept: `<directory>/<view>/<label>/<time>-<hash>.jpg`, each with its vector in a hidden
//! file beside it. The folders are what other tools read too.

use std::path::{Path, PathBuf};

use glimpsed_base::files;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::dataset::{Dataset, DatasetError, check_label};
use super::embedder::{EmbedError, Embedder, beside};
use super::kept::kept;
use crate::directories;
use crate::models::taught::is_name;
use crate::preprocess::encode::PictureError;
use glimpsed_inference::hex;
use glimpsed_teach::Vectors;

/// Space that is left on the disk for everything else, in bytes.
const LEFT_FREE: u64 = 64 << 20;

/// A file that was being written when the program was ended is removed once it is this old.
const ABANDONED: SignedDuration = SignedDuration::from_mins(10);

/// A directory of views, and how many pictures it may hold.
#[derive(Debug, Clone)]
pub struct PictureStore {
    pub directory: PathBuf,
    pub max_pictures: usize,
    /// As of when it was opened, and those that were added since.
    pictures: usize,
}

/// What became of a picture that was to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Added {
    Kept(PathBuf),
    /// This very picture was there.
    There(PathBuf),
    Copy,
}

/// Why a picture was not kept, or none was found.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "{pictures} pictures are kept, which is as many as `max_pictures` in [teach] allows; `glimpsed teach remove` makes room"
    )]
    Full { pictures: usize },
    #[error("the disk has {} MB left, and so many are kept free; make room on it first", free / 1_000_000)]
    DiskFull { free: u64 },
    #[error("`{label}` {wrong}")]
    Label { label: String, wrong: &'static str },
    #[error("`{0}` is no name of a view: letters, digits, `.`, `_` and `-`")]
    View(String),
    #[error(transparent)]
    Picture(#[from] EmbedError),
    /// The view cannot be cut out of the frame.
    #[error(transparent)]
    Frame(#[from] PictureError),
    #[error("the picture is a copy")]
    Copy,
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    #[error("cannot write into `{}`: {cause}", directory.display())]
    Write { directory: PathBuf, cause: std::io::Error },
}

impl PictureStore {
    /// # Errors
    /// When the directory cannot be listed.
    pub fn open(directory: PathBuf, max_pictures: usize) -> Result<Self, StoreError> {
        let mut store = Self { directory, max_pictures, pictures: 0 };
        for view in store.views()? {
            store.pictures += store.dataset(&view)?.pictures();
        }
        Ok(store)
    }

    /// The views that have pictures.
    ///
    /// # Errors
    /// When the directory cannot be listed.
    pub fn views(&self) -> Result<Vec<String>, StoreError> {
        let entries = match std::fs::read_dir(&self.directory) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|cause| {
                let directory = self.directory.clone();
                DatasetError::Unreadable { directory, cause }
            })?,
        };
        let folders = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        let mut views: Vec<String> =
            folders.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| is_name(name)).collect();
        views.sort();
        Ok(views)
    }

    /// The pictures of a view.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn dataset(&self, view: &str) -> Result<Dataset, StoreError> {
        Ok(Dataset::read(&self.folder(view)?)?)
    }

    /// Where the pictures of a view are.
    ///
    /// # Errors
    /// When no view can have this name.
    pub fn folder(&self, view: &str) -> Result<PathBuf, StoreError> {
        match is_name(view) {
            true => Ok(self.directory.join(view)),
            false => Err(StoreError::View(view.to_owned())),
        }
    }

    /// The number of pictures of all views.
    pub fn pictures(&self) -> usize {
        self.pictures
    }

    pub(super) fn count(&mut self, change: isize) {
        self.pictures = self.pictures.saturating_add_signed(change);
    }

    /// Keeps a picture file (JPEG, PNG or WebP) under a label, whole or not at all, and its vector. The same picture under the
    /// same label is kept once.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn add(
        &mut self,
        view: &str,
        label: &str,
        picture: &[u8],
        embedder: &mut Embedder,
    ) -> Result<PathBuf, StoreError> {
        match self.add_unless(view, label, picture, embedder, |_| false)? {
            Added::Kept(path) | Added::There(path) => Ok(path),
            // Nothing is taken for a copy here.
            Added::Copy => Err(StoreError::Copy),
        }
    }

    /// As [`Self::add`], unless `is_copy` says of the picture's vector that it is one.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn add_unless(
        &mut self,
        view: &str,
        label: &str,
        picture: &[u8],
        embedder: &mut Embedder,
        is_copy: impl FnOnce(&[f32]) -> bool,
    ) -> Result<Added, StoreError> {
        check_label(label).map_err(|wrong| StoreError::Label { label: label.to_owned(), wrong })?;
        let folder = self.folder(view)?.join(label);
        let picture = kept(picture).map_err(EmbedError::Decode)?;
        let hash = hex(Sha256::new_with_prefix(&picture))[..12].to_owned();
        if let Some(there) = same(&folder, &hash) {
            return Ok(Added::There(there));
        }
        if self.pictures >= self.max_pictures {
            return Err(StoreError::Full { pictures: self.pictures });
        }
        // What has no vector is not kept.
        let mut vectors = Vectors::new(embedder.length());
        vectors.push(embedder.embed(&picture)?).map_err(EmbedError::from)?;
        if is_copy(embedder.vector()) {
            return Ok(Added::Copy);
        }
        let write = |cause| StoreError::Write { directory: folder.clone(), cause };
        create(&folder).map_err(write)?;
        if let Some(free) = free_bytes(&folder).filter(|free| *free < LEFT_FREE + picture.len() as u64) {
            return Err(StoreError::DiskFull { free });
        }
        sweep(&folder);
        // Seconds and their fraction in one order with the names of files.
        let path = folder.join(format!("{}-{hash}.jpg", Timestamp::now().strftime("%Y%m%dT%H%M%S%.6fZ")));
        directories::write(&path, &picture, 0o600).map_err(write)?;
        self.pictures += 1;
        embedder.keep_beside(&path, &picture, &vectors);
        Ok(Added::Kept(path))
    }

    /// Removes a picture with its vector.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&mut self, picture: &Path) -> Result<(), StoreError> {
        let directory = picture.parent().unwrap_or(Path::new("/")).to_owned();
        let failed = |cause| StoreError::Write { directory: directory.clone(), cause };
        std::fs::remove_file(picture).map_err(failed)?;
        self.pictures = self.pictures.saturating_sub(1);
        match std::fs::remove_file(beside(picture)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(error)),
            _ => Ok(()),
        }
    }

    /// Removes the folder of a class that has no pictures left; one that holds anything else stays.
    ///
    /// # Errors
    /// When no view can have this name.
    pub fn tidy(&self, view: &str, label: &str) -> Result<(), StoreError> {
        let folder = self.folder(view)?.join(label);
        sweep(&folder);
        let _ = std::fs::remove_dir(folder);
        Ok(())
    }
}

/// Pictures are the user's: their folders are closed to others.
pub(super) fn create(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn same(folder: &Path, hash: &str) -> Option<PathBuf> {
    let end = format!("-{hash}.jpg");
    files::pictures_in(folder)
        .ok()?
        .into_iter()
        .find(|path| path.as_os_str().as_encoded_bytes().ends_with(end.as_bytes()))
}

/// What the disk has left for this user; `None` where the system does not say.
fn free_bytes(folder: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(folder).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Removes what was being written when the program was ended, and vectors whose picture is gone.
fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().into_string().unwrap_or_default();
        let picture = name.strip_prefix('.').and_then(|name| name.strip_suffix(".vector"));
        let orphan = picture.is_some_and(|picture| !folder.join(picture).exists());
        if orphan || (name.starts_with(".tmp") && is_abandoned(&entry)) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn is_abandoned(entry: &std::fs::DirEntry) -> bool {
    let modified = entry.metadata().and_then(|metadata| metadata.modified());
    let modified = modified.ok().and_then(|time| Timestamp::try_from(time).ok());
    modified.is_some_and(|time| Timestamp::now().duration_since(time) > ABANDONED)
}
