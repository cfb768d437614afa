//! Any change.

use super::edited::{Asked, EditError, Edited};
use super::{setup, views};
use crate::domain::file_edit::FileEdit;

/// Makes the change in a text. That the result can work is for the caller to check.
///
/// # Errors
/// See [`EditError`].
pub(super) fn change(text: &str, edit: &FileEdit) -> Result<Edited, EditError> {
    match edit {
        FileEdit::Views(edit) => views::edited(text, edit),
        FileEdit::Setup(setup) => setup::edited(text, setup),
    }
}

/// What the change is about, whether or not the text says so already.
pub(super) fn asked(edit: &FileEdit) -> Vec<Asked> {
    match edit {
        FileEdit::Views(edit) => views::asked(edit),
        FileEdit::Setup(setup) => setup::asked(setup),
    }
}
