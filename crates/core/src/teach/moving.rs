//! Moves kept pictures between labels, and sets them aside so that a removal can be undone.

use std::path::{Path, PathBuf};

use super::embedder::beside;
use super::store::{PictureStore, StoreError, create};

/// The hidden folder of a view for pictures that were removed and can be brought back.
const ASIDE: &str = ".removed";

impl PictureStore {
    /// Moves a picture with its vector to a label, or aside. Returns where it is.
    ///
    /// # Errors
    /// When the disk refuses it.
    pub fn relocate(&mut self, picture: &Path, view: &str, label: Option<&str>) -> Result<PathBuf, StoreError> {
        let folder = match label {
            Some(label) => self.folder(view)?.join(label),
            // Below a folder of its label, so that two of one name are not in each other's way.
            None => {
                let from = picture.parent().and_then(Path::file_name).unwrap_or_default();
                self.folder(view)?.join(ASIDE).join(from)
            }
        };
        let to = folder.join(picture.file_name().unwrap_or_default());
        self.put_back(picture, &to)?;
        Ok(to)
    }

    /// Moves a picture with its vector.
    ///
    /// # Errors
    /// When the disk refuses it.
    pub fn put_back(&mut self, now: &Path, before: &Path) -> Result<(), StoreError> {
        let folder = before.parent().unwrap_or(Path::new("/"));
        let failed = |cause| StoreError::Write { directory: folder.to_owned(), cause };
        create(folder).map_err(failed)?;
        std::fs::rename(now, before).map_err(failed)?;
        // The vector can be computed again.
        let _ = std::fs::rename(beside(now), beside(before));
        match (Self::is_aside(now), Self::is_aside(before)) {
            (true, false) => self.count(1),
            (false, true) => self.count(-1),
            _ => {}
        }
        Ok(())
    }

    /// Whether a path is that of a picture which was set aside.
    pub fn is_aside(path: &Path) -> bool {
        path.components().any(|part| part.as_os_str() == ASIDE)
    }

    /// Removes for good what was set aside.
    pub fn forget_aside(&self, view: &str) {
        if let Ok(folder) = self.folder(view) {
            let _ = std::fs::remove_dir_all(folder.join(ASIDE));
        }
    }
}
