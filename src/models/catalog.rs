//! The models that glimpsed knows by name.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::spec::{Backend, InputHints, LabelSource, ModelSpec};

/// One entry of `models/catalog.toml`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub name: String,
    pub description: String,
    pub file: String,
    pub bytes: u64,
    pub sha256: String,
    /// Where the file can be fetched; absent for the models that come with glimpsed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    pub licence: String,
    /// Published ImageNet top-1 accuracy in percent; what a model reaches on a device is measured, not read here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published_top1: Option<f32>,
    /// Who published it; or why there is no figure.
    pub accuracy_source: String,
    pub mean: [f32; 3],
    pub std: [f32; 3],
}

impl Entry {
    pub fn bundled(&self) -> bool {
        self.url.is_none()
    }

    pub fn spec(&self, directory: &Path) -> ModelSpec {
        ModelSpec {
            name: self.name.clone(),
            path: directory.join(&self.file),
            labels: LabelSource::ImageNet,
            sha256: Some(self.sha256.clone()),
            input: self.hints(),
            backend: Backend::Auto,
        }
    }

    /// What the catalogue knows of the input.
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
        let file: Result<File, _> = toml::from_str(include_str!("../../models/catalog.toml"));
        // The text is compiled in and a test parses it, so this cannot fail on a user's machine.
        file.map(|file| file.model).unwrap_or_default()
    });
    &CATALOG
}

pub fn find(name: &str) -> Option<&'static Entry> {
    all().iter().find(|entry| entry.name == name)
}

/// The names of the 1000 ImageNet classes in class order, one a line.
pub const IMAGENET_LABELS: &str = include_str!("../../models/imagenet-labels.txt");

/// Where the bundled models are: `share/glimpsed/models` beside the program's `bin`, or `models` in the checkout that the
/// program was built in, whichever exists first.
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
