//! The table of what is taught, and the models that were taught.

use std::path::PathBuf;

use super::super::diagnostics::suggestion;
use super::checker::Checker;
use super::configuration::{Config, Teach, View};
use crate::models::spec::ModelSpec;
use crate::models::taught::{Seen, Taught};
use crate::models::{catalog, taught};
use glimpsed_base::files::resolve;
use glimpsed_inference::sha256_of;

impl Config {
    /// What is no longer as it was when the models of the views were taught, a sentence each; nothing for models that were not taught.
    pub fn changes_since_taught(&self) -> Vec<String> {
        let mut sentences: Vec<String> = Vec::new();
        for view in &self.views {
            let taught = taught::of_network(&view.model.path, &self.teach.directories);
            let changes = taught.map(|(taught, _)| self.changes_since(&taught, view)).unwrap_or_default();
            let model = &view.model.name;
            sentences.extend(changes.into_iter().map(|change| format!("since `{model}` was taught {change}")));
        }
        sentences.dedup();
        sentences
    }

    /// What is no longer as it was when the model of a view was taught: phrases. Its network is part of its file, so another base changes what it
    /// would become, and not what it says; another region or rotation changes what it sees.
    pub fn changes_since(&self, taught: &Taught, view: &View) -> Vec<String> {
        let (mut changes, base) = (Vec::new(), &self.teach.base);
        if base.name != taught.base.name {
            changes.push(format!("`base` in [teach] has become {}, from {}", base.name, taught.base.name));
        } else {
            let file = base.sha256.clone().or_else(|| sha256_of(&base.path).ok());
            if file.is_some_and(|file| file != taught.base.sha256) {
                changes.push(format!("the file of its base {} has changed", base.name));
            }
            if base.input != taught.input {
                changes.push(format!("how pictures are fitted to the input of {} has changed", base.name));
            }
        }
        let now = Seen { region: view.region, rotation: self.camera_of(view).rotation };
        match taught.seen {
            Some(then) if then.rotation != now.rotation => {
                changes.push("`rotate` in [camera] has changed; teach it again with new pictures".into());
            }
            Some(then) if then.region != now.region => {
                changes.push("the region has changed; teach it again with new pictures".into());
            }
            _ => {}
        }
        changes
    }
}

impl Checker<'_, '_> {
    pub(super) fn teach_directories(&self) -> Vec<PathBuf> {
        match &self.raw.teach.directory {
            Some(directory) => vec![resolve(self.base, directory)],
            None => taught::directories(),
        }
    }

    pub(super) fn teach(&mut self, models: &[ModelSpec]) -> Teach {
        let raw = &self.raw.teach;
        // Fitting takes a number of 4 bytes for each pair of pictures: 100 MB with five thousand.
        self.within(&["teach", "max_pictures"], raw.max_pictures, 10, 5000);
        self.within(&["teach", "remember"], raw.remember, 0, 500);
        let base = models.iter().find(|model| model.name == raw.base).cloned();
        let base = base.unwrap_or_else(|| {
            let hint = suggestion(&raw.base, models.iter().map(|model| model.name.as_str()));
            self.complain(&["teach", "base"], "names no model", format!("found `{}`", raw.base), Some(hint));
            catalog::all()[0].spec(&[])
        });
        Teach {
            directories: self.teach_directories(),
            base,
            ask: raw.ask,
            max_pictures: raw.max_pictures as usize,
            while_running: raw.directory.is_some(),
            remember: raw.remember as usize,
        }
    }

    /// The models that were taught on this device, except for those whose name another model has.
    pub(super) fn taught_models(&mut self, models: &mut Vec<ModelSpec>) {
        for directory in self.teach_directories() {
            for (name, found) in taught::all(&directory) {
                match found {
                    Ok((taught, files)) if models.iter().all(|model| model.name != name) => {
                        models.push(taught.spec(&name, &files));
                    }
                    Err(cause) if self.raw.model.active == name => {
                        let hint = format!("`glimpsed teach` writes it again; it stands in `{}`", directory.display());
                        self.complain(
                            &["model", "active"],
                            "names a taught model that cannot be used",
                            cause.to_string(),
                            Some(hint),
                        );
                        // So that it is not reported once more, as unknown.
                        let path = PathBuf::new();
                        models.push(ModelSpec { name, path, int8: None, ..catalog::all()[0].spec(&[]) });
                    }
                    _ => {}
                }
            }
        }
    }
}
