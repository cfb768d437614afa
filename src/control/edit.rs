//! Changes to the configuration file, for somebody who does not edit it.

use std::path::Path;

use serde_json::json;
use tokio::task::spawn_blocking;

use super::Controller;
use glimpsed_base::leaving;
use glimpsed_core::bus::commands::{Answer, CommandError};
use glimpsed_core::config::Sources;
use glimpsed_core::config::edit::{EditError, Edited, Planned, planned};
use glimpsed_core::directories;
use glimpsed_core::domain::file_edit::FileEdit;

impl Controller {
    /// The answer, and whether there is another file now, which is to be read.
    pub(super) async fn edit_file(&mut self, edit: FileEdit, save: bool) -> (Answer, bool) {
        let path = self.desired.sources.path.clone();
        let changed = spawn_blocking(move || changed(&path, &edit)).await;
        let Planned { before, edited: Edited { text, lines }, .. } = match changed.unwrap_or(Err(EditError::Panicked)) {
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
            // A person who may write the file can still paste the lines.
            Err(cause) => (answer(false, Some(leaving::cleaned(cause))), false),
        }
    }

    /// As [`Self::edit_file`].
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
        let written = spawn_blocking(move || directories::replace(&path, &text)).await;
        Ok(written.map_err(|_| EditError::Panicked)??)
    }
}

fn changed(path: &Path, edit: &FileEdit) -> Result<Planned, EditError> {
    if path.is_file() { planned(path, edit) } else { Err(EditError::NoFile) }
}
