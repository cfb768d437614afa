//! Changes to the views in the configuration file, for somebody who does not edit it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;
use tokio::task::spawn_blocking;

use super::Controller;
use crate::bus::commands::{Answer, CommandError};
use crate::config::Sources;
use crate::config::edit::{EditError, Edited, edited};
use crate::directories;
use crate::domain::views_edit::ViewsEdit;

impl Controller {
    /// The answer, and whether there is another file now, which is to be read.
    pub(super) async fn edit_views(&mut self, edit: ViewsEdit) -> (Answer, bool) {
        let (path, save) = (self.desired.sources.path.clone(), edit.save);
        let changed = spawn_blocking(move || changed(&path, &edit)).await;
        let (before, Edited { text, lines }) = match changed.unwrap_or(Err(EditError::Panicked)) {
            Ok(changed) => changed,
            Err(cause) => return (Err(cause.into()), false),
        };
        let answer = |saved, reason: Option<String>| Ok(json!({ "lines": lines, "saved": saved, "reason": reason }));
        if !save {
            return (answer(false, None), false);
        }
        match self.write(text.clone()).await {
            Ok(()) => {
                self.edited = Some((before, text));
                (answer(true, None), true)
            }
            // Whoever may write the file can still paste the lines.
            Err(cause) => (answer(false, Some(cause.to_string())), false),
        }
    }

    /// As [`Self::edit_views`].
    pub(super) async fn undo_edit(&mut self) -> (Answer, bool) {
        let Some((before, after)) = self.edited.take() else {
            let cause = "nothing was changed here that could be taken back";
            return (Err(CommandError::Refused(cause.into())), false);
        };
        let path = self.desired.sources.path.clone();
        let now = spawn_blocking(move || Sources::read(&path)).await;
        if !matches!(now, Ok(Ok(now)) if now.text == after) {
            let cause = "the file was edited since; take the change back there";
            return (Err(CommandError::Refused(cause.into())), false);
        }
        match self.write(before).await {
            Ok(()) => (Ok(json!({ "undone": true })), true),
            Err(cause) => (Err(cause.into()), false),
        }
    }

    async fn write(&self, text: String) -> Result<(), EditError> {
        let path = self.desired.sources.path.clone();
        let written = spawn_blocking(move || write(&path, &text)).await;
        written.unwrap_or(Err(EditError::Panicked))
    }
}

/// The text of the file, and what becomes of it.
fn changed(path: &Path, edit: &ViewsEdit) -> Result<(String, Edited), EditError> {
    if !path.is_file() {
        return Err(EditError::NoFile);
    }
    let before = Sources::read(path)?;
    let edited = edited(&before.text, edit)?;
    let after = Sources { text: edited.text.clone(), ..before.clone() };
    after.load_awaiting_models()?;
    Ok((before.text, edited))
}

/// Replaces the contents of a file that may be written; a reader sees the old ones or the new ones.
fn write(path: &Path, text: &str) -> Result<(), EditError> {
    let cannot = |cause: std::io::Error| EditError::NotWritten { path: path.to_owned(), cause };
    // Behind a link, that stays one.
    let target: PathBuf = path.canonicalize().map_err(cannot)?;
    rustix::fs::access(&target, rustix::fs::Access::WRITE_OK).map_err(|error| cannot(error.into()))?;
    let mode = std::fs::metadata(&target).map_err(cannot)?.permissions().mode() & 0o7777;
    directories::write(&target, text.as_bytes(), mode).map_err(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_keeps_its_mode_and_its_link() {
        let directory = tempfile::tempdir().expect("a directory");
        let (file, link) = (directory.path().join("real.toml"), directory.path().join("glimpsed.toml"));
        std::fs::write(&file, "old").expect("writable");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).expect("ours");
        symlink(&file, &link).expect("a link");
        write(&link, "new").expect("written");
        assert_eq!(std::fs::read_to_string(&file).expect("there"), "new");
        assert!(std::fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!(std::fs::metadata(&file).expect("there").permissions().mode() & 0o7777, 0o640);
        assert!(
            write(&directory.path().join("none.toml"), "x")
                .is_err_and(|error| error.to_string().contains("cannot be written"))
        );
    }
}
