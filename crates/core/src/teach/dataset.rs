//! A folder of labelled pictures: a folder for each class, as Teachable Machine, Frigate and Keras have them too.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io};

use glimpsed_base::{files, leaving};

/// More classes than a small head can tell apart.
pub const MAX_CLASSES: usize = 100;

/// The directory entries that are looked at, pictures or not.
const MAX_ENTRIES: usize = 100_000;

/// The classes of a folder with their pictures, both in the order of their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dataset {
    pub classes: Vec<Class>,
    /// Symbolic links, which are never followed: they may lead anywhere.
    pub links: usize,
}

/// The pictures of a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    pub label: String,
    pub pictures: Vec<PathBuf>,
}

/// Why a folder is no dataset.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    #[error("cannot list `{}`: {cause}", directory.display())]
    Unreadable { directory: PathBuf, cause: io::Error },
    #[error("the folder `{}` {wrong}", folder.display())]
    Label { folder: PathBuf, wrong: &'static str },
    #[error("`{}` has more than {MAX_CLASSES} folders", directory.display())]
    Classes { directory: PathBuf },
    #[error("`{}` has more than {MAX_ENTRIES} files; a folder for each class is meant", directory.display())]
    Entries { directory: PathBuf },
    #[error("a name in `{}` is not UTF-8: {}", directory.display(), name.display())]
    Name { directory: PathBuf, name: OsString },
}

impl Dataset {
    /// Lists a folder. One that is not there is empty.
    ///
    /// # Errors
    /// See [`DatasetError`].
    pub fn read(directory: &Path) -> Result<Self, DatasetError> {
        let mut dataset = Self::default();
        let mut seen = 0;
        for (name, path, kind) in entries(directory, &mut seen)? {
            if kind.is_symlink() {
                dataset.links += 1;
            }
            if !kind.is_dir() || name.starts_with('.') {
                continue;
            }
            check_label(&name).map_err(|wrong| DatasetError::Label { folder: path.clone(), wrong })?;
            if dataset.classes.len() == MAX_CLASSES {
                return Err(DatasetError::Classes { directory: directory.to_owned() });
            }
            let mut pictures = Vec::new();
            for (_, path, kind) in entries(&path, &mut seen)? {
                dataset.links += usize::from(kind.is_symlink());
                if kind.is_file() && files::is_picture(&path) {
                    pictures.push(path);
                }
            }
            pictures.sort();
            dataset.classes.push(Class { label: name, pictures });
        }
        dataset.classes.sort_by(|a, b| a.label.cmp(&b.label));
        Ok(dataset)
    }

    pub fn pictures(&self) -> usize {
        self.classes.iter().map(|class| class.pictures.len()).sum()
    }

    /// All pictures with the index of their class.
    pub fn each(&self) -> impl Iterator<Item = (usize, &Path)> {
        let classes = self.classes.iter().enumerate();
        classes.flat_map(|(index, class)| class.pictures.iter().map(move |path| (index, path.as_path())))
    }
}

fn entries(directory: &Path, seen: &mut usize) -> Result<Vec<(String, PathBuf, fs::FileType)>, DatasetError> {
    let unreadable = |cause| DatasetError::Unreadable { directory: directory.to_owned(), cause };
    let listed = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.map_err(unreadable)?,
    };
    let mut found = Vec::new();
    for entry in listed {
        let entry = entry.map_err(unreadable)?;
        *seen += 1;
        if *seen > MAX_ENTRIES {
            return Err(DatasetError::Entries { directory: directory.to_owned() });
        }
        let name = entry.file_name().into_string();
        let name = name.map_err(|name| DatasetError::Name { directory: directory.to_owned(), name })?;
        // Not of what a link leads to.
        found.push((name, entry.path(), entry.file_type().map_err(unreadable)?));
    }
    Ok(found)
}

/// Whether something can be a label, and so the name of a folder on every system.
///
/// # Errors
/// A phrase that continues it.
pub fn check_label(label: &str) -> Result<(), &'static str> {
    if label.trim() != label || label.is_empty() {
        return Err("is no label: it is empty, or begins or ends with a space");
    }
    if label.len() > 100 {
        return Err("is no label: it has more than 100 bytes");
    }
    if label.starts_with('.') || label.contains(['/', '\\', ':']) {
        return Err("is no label: it begins with a dot, or holds `/`, `\\` or `:`");
    }
    if label.contains(leaving::is_control) {
        return Err("is no label: it holds a control character");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_folders_and_links_are_not_followed() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        for class in ["open", "closed", ".hidden"] {
            std::fs::create_dir(path(class)).expect("a folder");
            std::fs::write(path(class).join("1.jpg"), "x").expect("writable");
        }
        std::fs::write(path("open/notes.txt"), "x").expect("writable");
        std::fs::write(path("open/.1.jpg.vector"), "x").expect("writable");
        std::os::unix::fs::symlink("/etc", path("elsewhere")).expect("a link");
        std::os::unix::fs::symlink("/etc/passwd", path("open/2.jpg")).expect("a link");
        let dataset = Dataset::read(directory.path()).expect("listed");
        let found: Vec<(&str, usize)> =
            dataset.classes.iter().map(|class| (class.label.as_str(), class.pictures.len())).collect();
        assert_eq!((found, dataset.links), (vec![("closed", 1), ("open", 1)], 2));
        assert_eq!(Dataset::read(&path("nowhere")).expect("empty"), Dataset::default());
    }

    #[test]
    fn labels_are_names_of_folders_on_every_system() {
        for label in ["", " open", ".", "..", "a/b", "a\\b", "c:", "a\nb", &"x".repeat(101)] {
            assert!(check_label(label).is_err(), "{label:?}");
        }
        assert_eq!(check_label("bin is out, München"), Ok(()));
    }
}
