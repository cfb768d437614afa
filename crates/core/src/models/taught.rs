//! Models that were taught on this device: a network with a last matrix of its own, and where it comes from.
//!
//! A model `door` is three files: `door.onnx`, `door.txt` (its labels) and `door.toml` (this). They are replaced together:
//! first all are written beside the old ones, `door.toml.new` last, then each is renamed, `door.toml` last. So wherever that
//! was interrupted, [`Files::current`] finds three files that belong together.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::labels::LabelSource;
use super::spec::{ModelSpec, TaughtWith};
use super::threads::Threads;
use crate::directories;
use crate::domain::framing::{Region, Rotation};
use glimpsed_base::files;
use glimpsed_inference::{Backend, InputHints};

/// The longest `door.toml`.
const MAX_BYTES: u64 = 64 << 10;

/// More models than anybody teaches.
const MAX_MODELS: usize = 200;

/// What `door.toml` says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taught {
    /// Of `door.onnx`, in lower-case hexadecimal.
    pub sha256: String,
    pub taught_at: Timestamp,
    /// What is taught, if its pictures are kept here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub view: Option<String>,
    pub pictures: usize,
    /// How many of them were left out as copies of others.
    pub copies: usize,
    /// The share of pictures that were named rightly, 0 to 1, the mean over classes.
    pub accuracy: f64,
    /// How many times some pictures were left out to find that.
    pub folds: usize,
    /// By how much its confidence differs from the share of right answers.
    pub calibration_error: f64,
    /// A picture whose nearest taught picture has a smaller cosine is strange.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strange_below: Option<f64>,
    pub base: Base,
    /// How the camera's pictures are seen, if it is a camera's view.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
    /// How pictures are fitted to the network's input.
    pub input: InputHints,
    /// In the order of the labels.
    pub class: Vec<Class>,
}

/// The network whose last matrix was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    pub name: String,
    pub sha256: String,
}

/// The part of a camera's picture, and its rotation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    pub region: Region,
    pub rotation: Rotation,
}

/// A class and the number of its pictures, copies counted once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    pub label: String,
    pub pictures: usize,
}

/// The files of a taught model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    pub onnx: PathBuf,
    pub labels: PathBuf,
    pub toml: PathBuf,
    /// The vectors of the taught pictures, for [`Taught::strange_below`].
    pub vectors: PathBuf,
}

impl Files {
    /// Their names, whether or not they are there.
    pub fn of(directory: &Path, name: &str) -> Self {
        let file = |extension: &str| directory.join(format!("{name}.{extension}"));
        Self { onnx: file("onnx"), labels: file("txt"), toml: file("toml"), vectors: file("vectors") }
    }

    /// The same with `.new` behind each name.
    pub fn new(&self) -> Self {
        let new = |path: &Path| {
            let mut name = path.as_os_str().to_owned();
            name.push(".new");
            PathBuf::from(name)
        };
        Self { onnx: new(&self.onnx), labels: new(&self.labels), toml: new(&self.toml), vectors: new(&self.vectors) }
    }

    /// The files that belong together: those whose replacement was interrupted have `.new` behind their names.
    pub fn current(directory: &Path, name: &str) -> Self {
        let (old, new) = (Self::of(directory, name), Self::of(directory, name).new());
        if !new.toml.is_file() {
            return old;
        }
        let either = |new: PathBuf, old: PathBuf| if new.is_file() { new } else { old };
        Self {
            onnx: either(new.onnx, old.onnx),
            labels: either(new.labels, old.labels),
            toml: new.toml,
            vectors: either(new.vectors, old.vectors),
        }
    }

    /// In the order in which they are renamed.
    pub fn all(&self) -> [&Path; 4] {
        [&self.onnx, &self.labels, &self.vectors, &self.toml]
    }
}

/// Why a taught model cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaughtError {
    #[error("`{}` {cause}", path.display())]
    Unreadable { path: PathBuf, cause: String },
    #[error("`{}` is not the description of a taught model: {cause}", path.display())]
    NotTaught { path: PathBuf, cause: String },
}

impl Taught {
    /// Reads a model's description.
    ///
    /// # Errors
    /// See [`TaughtError`].
    pub fn read(path: &Path) -> Result<Self, TaughtError> {
        let path_of = || path.to_owned();
        let text = files::read_text(path, MAX_BYTES)
            .map_err(|cause| TaughtError::Unreadable { path: path_of(), cause: cause.to_string() })?;
        toml::from_str(&text)
            .map_err(|error| TaughtError::NotTaught { path: path_of(), cause: error.message().to_owned() })
    }

    /// How the model is loaded.
    pub fn spec(&self, name: &str, files: &Files) -> ModelSpec {
        ModelSpec {
            name: name.to_owned(),
            path: files.onnx.clone(),
            labels: LabelSource::File(files.labels.clone()),
            background: Some(false),
            sha256: Some(self.sha256.clone()),
            input: self.input.clone(),
            backend: Backend::Auto,
            threads: Threads::default(),
            taught: Some(TaughtWith {
                vectors: files.vectors.clone(),
                strange_below: self.strange_below.map(|below| below as f32),
            }),
            int8: None,
        }
    }
}

/// The taught model whose network is in this file, with its files; `None` for any other network.
pub fn of_network(onnx: &Path, directories: &[PathBuf]) -> Option<(Taught, Files)> {
    let mut found = directories.iter().flat_map(|directory| all(directory)).filter_map(|(_, found)| found.ok());
    found.find(|(_, files)| files.onnx == onnx)
}

/// A taught model with its files, or why it cannot be used.
pub type Found = Result<(Taught, Files), TaughtError>;

/// The taught models in a directory with their names, in the order of these.
pub fn all(directory: &Path) -> Vec<(String, Found)> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let name = name.strip_suffix(".new").unwrap_or(&name).strip_suffix(".toml")?.to_owned();
            is_name(&name).then_some(name)
        })
        .collect();
    names.sort();
    names.dedup();
    names.truncate(MAX_MODELS);
    let read = |name: String| {
        let files = Files::current(directory, &name);
        let taught = Taught::read(&files.toml).map(|taught| (taught, files));
        (name, taught)
    };
    names.into_iter().map(read).collect()
}

/// Whether a model can have this name.
pub fn is_name(name: &str) -> bool {
    let letters = name.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter));
    (1..=64).contains(&name.len()) && letters && !name.starts_with('.')
}

/// Where pictures and taught models are kept unless the configuration says so: best first.
pub fn directories() -> Vec<PathBuf> {
    directories::state().into_iter().map(|directory| directory.join("teach")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taught() -> Taught {
        Taught {
            sha256: "0".repeat(64),
            taught_at: Timestamp::UNIX_EPOCH,
            view: Some("main".into()),
            pictures: 4,
            copies: 0,
            accuracy: 0.95,
            folds: 2,
            calibration_error: 0.1,
            strange_below: None,
            base: Base { name: "efficientnet-lite0".into(), sha256: "1".repeat(64) },
            seen: Some(Seen { region: Region::default(), rotation: Rotation::None }),
            input: InputHints { mean: Some([0.5; 3]), std: Some([0.25; 3]), ..InputHints::default() },
            class: vec![Class { label: "open".into(), pictures: 2 }, Class { label: "closed".into(), pictures: 2 }],
        }
    }

    #[test]
    fn a_description_survives_its_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("door.toml");
        std::fs::write(&path, toml::to_string(&taught()).expect("TOML")).expect("writable");
        assert_eq!(Taught::read(&path), Ok(taught()));
        std::fs::write(&path, "sha256 = 3").expect("writable");
        assert!(matches!(Taught::read(&path), Err(TaughtError::NotTaught { .. })));
    }

    #[test]
    fn files_belong_together_wherever_their_replacement_was_interrupted() {
        let directory = tempfile::tempdir().expect("a directory");
        let (old, new) = (Files::of(directory.path(), "door"), Files::of(directory.path(), "door").new());
        old.all().iter().for_each(|path| std::fs::write(path, "old").expect("writable"));
        let says = || {
            let current = Files::current(directory.path(), "door");
            current.all().map(|path| std::fs::read_to_string(path).expect("readable"))
        };
        for path in new.all() {
            assert_eq!(says(), ["old"; 4], "before {}", path.display());
            std::fs::write(path, "new").expect("writable");
        }
        for (from, to) in new.all().into_iter().zip(old.all()) {
            assert_eq!(says(), ["new"; 4], "before {}", to.display());
            std::fs::rename(from, to).expect("renamed");
        }
        assert_eq!(says(), ["new"; 4]);
        assert_eq!(all(directory.path()).len(), 1);
    }

    #[test]
    fn names_do_not_lead_out_of_the_directory() {
        for name in ["", ".", "..", ".hidden", "a/b", "a\\b", "ä", "a b"] {
            assert!(!is_name(name), "{name}");
        }
        assert!(is_name("garage-door_2.1"));
    }
}
