//! The last configuration that worked, kept in the state directory: a device without a screen starts with it when its file was broken.

use std::path::Path;

use super::sources::{Sources, process_environment};
use crate::directories::{self, NotKept};
use glimpsed_base::{budget, files};

fn file(path: &Path) -> String {
    directories::name_for(path, "last-good", "toml")
}

/// The configuration may hold passwords.
const MODE: u32 = 0o600;

/// The comment before the text; it says whose configuration this is.
fn head(path: &Path) -> String {
    format!("# The last configuration in {path:?} that worked, kept by glimpsed\n")
}

impl Sources {
    /// Keeps the text as the last one that worked, unless it is kept already.
    ///
    /// # Errors
    /// Why it cannot be kept.
    pub fn keep_as_last_good(&self) -> Result<(), NotKept> {
        // The defaults need not be kept, and a pipe cannot be read twice.
        if !self.path.is_file() {
            return Ok(());
        }
        let text = head(&absolute(&self.path)) + &self.text;
        if read(&self.path).is_some_and(|kept| kept == text) {
            return Ok(());
        }
        directories::keep_state(&file(&self.path), text.as_bytes(), MODE).map(drop)
    }

    /// The last text of the file `path` that worked, with the process's environment; `None` if none is kept.
    pub fn last_good(path: &Path) -> Option<Self> {
        let text = read(path)?.strip_prefix(&head(&absolute(path)))?.to_owned();
        Some(Self { path: path.to_owned(), text, environment: process_environment() })
    }
}

fn read(path: &Path) -> Option<String> {
    let most = budget::CONFIGURATION + head(Path::new("")).len() as u64 + 4096;
    let file = file(path);
    directories::state().iter().find_map(|directory| files::read_text(&directory.join(&file), most).ok())
}

fn absolute(path: &Path) -> std::path::PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
