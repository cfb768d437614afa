//! The table of what is taught, and the models that were taught.

use std::path::PathBuf;

use super::super::diagnostics::suggestion;
use super::checker::Checker;
use super::configuration::Teach;
use crate::models::spec::ModelSpec;
use crate::models::{catalog, taught};
use glimpsed_base::files::resolve;

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
        let base = models.iter().find(|model| model.name == raw.base).cloned();
        let base = base.unwrap_or_else(|| {
            let hint = suggestion(&raw.base, models.iter().map(|model| model.name.as_str()));
            self.complain(&["teach", "base"], "names no model", format!("found `{}`", raw.base), Some(hint));
            catalog::all()[0].spec(&[])
        });
        Teach { directories: self.teach_directories(), base, max_pictures: raw.max_pictures as usize }
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
                            cause,
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
