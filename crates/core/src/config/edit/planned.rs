//! A change of a configuration file, and what the file would be then.

use std::path::Path;

use super::super::diagnostics::Problems;
use super::super::key_list;
use super::super::sources::Sources;
use super::super::typed::{Config, View};
use super::change::{asked, change};
use super::edited::{EditError, Edited};
use crate::domain::file_edit::FileEdit;
use crate::domain::views_edit::{SetView, ViewsEdit};

/// A change that can work. Nothing is written yet.
pub struct Planned {
    /// The text of the file.
    pub before: String,
    pub edited: Edited,
    /// The configuration as it would be.
    pub config: Config,
}

/// Reads the file, makes the change in its text, and checks that the result can work, and that no file of `conf.d` says otherwise.
///
/// # Errors
/// See [`EditError`].
pub fn planned(path: &Path, edit: &FileEdit) -> Result<Planned, EditError> {
    let mut sources = Sources::read(path)?;
    let edit = &completed(&sources, edit);
    let mut edited = match change(&sources.text, edit) {
        // The view is in another file.
        Err(EditError::NoView(name)) => return Err(overridden(&sources, edit).unwrap_or(EditError::NoView(name))),
        changed => changed?,
    };
    edited.text = with_line_ends_of(&sources.text, edited.text);
    let before = std::mem::replace(&mut sources.text, edited.text.clone());
    if let Some(refusal) = overridden(&sources, edit) {
        return Err(refusal);
    }
    let config = sources.load_awaiting_models()?;
    Ok(Planned { before, edited, config })
}

/// With a table for each view that is in effect without one, and would end with the first table of another.
fn completed(sources: &Sources, edit: &FileEdit) -> FileEdit {
    let FileEdit::Views(ViewsEdit { set, remove }) = edit else { return edit.clone() };
    let implicit = sources.views_without_tables();
    let is_set = |view: &View| set.iter().any(|set| set.name == view.name);
    let is_removed = |view: &View| remove.iter().any(|name| *name == view.name.as_str());
    let others = implicit.iter().filter(|view| !is_set(view) && !is_removed(view)).map(|view| SetView {
        name: view.name.clone(),
        camera: Some(view.camera.to_string()),
        region: view.region,
    });
    let set: Vec<SetView> = others.chain(set.iter().cloned()).collect();
    // What would be left is what there is: a view for each camera.
    if set.is_empty() {
        return edit.clone();
    }
    let remove =
        remove.iter().filter(|name| !implicit.iter().any(|view| view.name.as_str() == **name)).cloned().collect();
    FileEdit::Views(ViewsEdit { set, remove })
}

/// Why the change would have no effect in these sources, where a later file says something else.
fn overridden(sources: &Sources, edit: &FileEdit) -> Option<EditError> {
    if sources.drop_ins.is_empty() {
        return None;
    }
    let document = sources.parsed(&mut Problems::default());
    asked(edit).into_iter().find_map(|(path, wanted)| {
        if wanted.is_some() && document.text(&path) == wanted.as_deref() {
            return None;
        }
        let (key, place) = document.overridden(&path)?;
        Some(EditError::Overridden { place, key: key_list::dotted(&key) })
    })
}

/// An editor of another system ends lines with CR LF, which a change of a few keys is not to make a change of all lines.
fn with_line_ends_of(before: &str, text: String) -> String {
    let (ends, of_windows) = (before.matches('\n').count(), before.matches("\r\n").count());
    match ends > 0 && ends == of_windows {
        true => text.replace("\r\n", "\n").replace('\n', "\r\n"),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::with_line_ends_of;

    #[test]
    fn the_ends_of_lines_stay_as_they_are() {
        let (unix, windows) = ("a = 1\nb = 2\n", "a = 1\r\nb = 2\r\n");
        for changed in [unix, windows, "a = 1\r\nb = 2\n"] {
            assert_eq!(with_line_ends_of(windows, changed.to_owned()), windows);
        }
        assert_eq!(with_line_ends_of(unix, unix.to_owned()), unix);
        assert_eq!(with_line_ends_of("a = 1\r\nb = 2\n", unix.to_owned()), unix, "no line is changed for another");
        assert_eq!(with_line_ends_of("", unix.to_owned()), unix);
    }
}
