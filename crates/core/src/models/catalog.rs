//! The catalogue: the models that glimpsed knows by name.

use std::path::PathBuf;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::labels::LabelSource;
use super::spec::{ModelSpec, Quantised};
use crate::directories;
use crate::models::threads::Threads;
use glimpsed_inference::{Backend, InputHints};

/// One entry of `models/catalog.toml`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub name: String,
    pub description: String,
    pub file: String,
    pub bytes: u64,
    pub sha256: String,
    /// The address to download the file from; absent for bundled models.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    pub licence: String,
    /// Published ImageNet top-1 accuracy in percent, which is not what the model reaches on a given device's pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published_top1: Option<f32>,
    /// The source of the accuracy, or why there is none.
    pub accuracy_source: String,
    pub mean: [f32; 3],
    pub std: [f32; 3],
    /// Name of the entry that is this model's int8 variant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub int8: Option<String>,
}

impl Entry {
    pub fn bundled(&self) -> bool {
        self.url.is_none()
    }

    /// The model's spec, with the first of `directories` that has its file.
    pub fn spec(&self, directories: &[PathBuf]) -> ModelSpec {
        ModelSpec {
            name: self.name.clone(),
            path: self.locate(directories),
            labels: LabelSource::ImageNet,
            background: None,
            sha256: Some(self.sha256.clone()),
            input: self.hints(),
            backend: Backend::Auto,
            threads: Threads::default(),
            taught: None,
            int8: self.quantised(directories),
        }
    }

    /// The model's file in the first of `directories` that has it; if none has, its path in the first one.
    pub fn locate(&self, directories: &[PathBuf]) -> PathBuf {
        let mut candidates = directories.iter().map(|directory| directory.join(&self.file));
        let expected = directories.first().map(|directory| directory.join(&self.file)).unwrap_or_default();
        candidates.find(|candidate| candidate.is_file()).unwrap_or(expected)
    }

    fn quantised(&self, directories: &[PathBuf]) -> Option<Quantised> {
        let entry = find(self.int8.as_deref()?)?;
        Some(Quantised { path: entry.locate(directories), sha256: Some(entry.sha256.clone()) })
    }

    /// The catalogue's description of the input.
    pub fn hints(&self) -> InputHints {
        InputHints { mean: Some(self.mean), std: Some(self.std), ..InputHints::default() }
    }
}

#[derive(Deserialize)]
struct File {
    model: Vec<Entry>,
}

/// All entries, in the order of the file.
pub fn all() -> &'static [Entry] {
    static CATALOG: LazyLock<Vec<Entry>> = LazyLock::new(|| {
        let file: Result<File, _> = toml::from_str(include_str!("../../../../models/catalog.toml"));
        // The text is compiled in and a test parses it, so this cannot fail at run time.
        file.map(|file| file.model).unwrap_or_default()
    });
    &CATALOG
}

/// The entry whose file has this spec's hash.
pub fn of_file(spec: &ModelSpec) -> Option<&'static Entry> {
    all().iter().find(|entry| spec.sha256.as_ref() == Some(&entry.sha256))
}

/// The same, if it can be downloaded.
pub fn downloadable(spec: &ModelSpec) -> Option<&'static Entry> {
    of_file(spec).filter(|entry| !entry.bundled())
}

pub fn find(name: &str) -> Option<&'static Entry> {
    all().iter().find(|entry| entry.name == name)
}

/// The directories to search for catalogue models, in order: the configured one or that of the bundled models, then
/// those that models are downloaded to.
pub fn search_path(configured: Option<PathBuf>) -> Vec<PathBuf> {
    let mut directories = vec![configured.unwrap_or_else(default_directory)];
    for directory in directories::fetched_models() {
        if !directories.contains(&directory) {
            directories.push(directory);
        }
    }
    directories
}

/// The directories to download models into, best first, of those that are searched: the configured one, or else not that of the
/// bundled models.
pub fn fetch_directories(searched: &[PathBuf]) -> Vec<PathBuf> {
    match searched.first() {
        Some(first) if *first != default_directory() => vec![first.clone()],
        _ => directories::fetched_models(),
    }
}

/// The directory of the bundled photographs.
pub fn photographs() -> PathBuf {
    default_directory().join("photos")
}

/// The directory of the bundled models: the first that has them of `share/glimpsed/models` and `models` beside or above
/// the program (an installation or a checkout), else `/usr/share/glimpsed/models`.
pub fn default_directory() -> PathBuf {
    let installed = PathBuf::from("/usr/share/glimpsed/models");
    let program = std::env::current_exe().ok();
    let beside = program
        .iter()
        .flat_map(|program| program.ancestors().skip(1).take(4))
        .flat_map(|ancestor| [ancestor.join("share/glimpsed/models"), ancestor.join("models")]);
    beside
        .chain([installed.clone()])
        .find(|candidate| candidate.join("efficientnet-lite0.onnx").is_file())
        .unwrap_or(installed)
}
