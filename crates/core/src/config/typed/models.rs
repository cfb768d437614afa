//! The models' tables, and the model of a view.

use std::path::{Path, PathBuf};

use super::super::diagnostics::{list, suggestion};
use super::super::identity::is_id;
use super::super::raw;
use super::checker::Checker;
use crate::domain::settings::PrecisionChoice;
use crate::models::catalog;
use crate::models::labels::LabelSource;
use crate::models::spec::{ModelSpec, Quantised};
use crate::models::threads::Threads;
use glimpsed_base::files::resolve;
use glimpsed_inference::{Backend, ChannelOrder, FitChoice, InputHints, Layout, Scores};

/// Each can be chosen in Home Assistant and on the page.
const MAX_MODELS: usize = 100;

impl Checker<'_, '_> {
    pub(super) fn models(&mut self, directories: &[PathBuf]) -> Vec<ModelSpec> {
        let mut models: Vec<ModelSpec> = catalog::all().iter().map(|entry| entry.spec(directories)).collect();
        let given = &self.raw.models;
        if given.len() > MAX_MODELS {
            let found = format!("found {}", given.len());
            self.complain(&["models"], &format!("must have at most {MAX_MODELS} models"), found, None);
        }
        for (name, file) in given.iter().take(MAX_MODELS) {
            let spec = self.model_file(name, file, directories);
            match models.iter_mut().find(|model| model.name == *name) {
                Some(known) => *known = spec,
                None => models.push(spec),
            }
        }
        self.taught_models(&mut models);
        for model in &mut models {
            model.backend = match self.raw.model.backend {
                raw::BackendChoice::Auto => Backend::Auto,
                raw::BackendChoice::Native => Backend::Native,
                raw::BackendChoice::Tract => Backend::Tract,
            };
            model.threads = self.raw.model.threads;
        }
        models
    }

    /// Where the catalogue's files are downloaded from, if not from their publishers.
    pub(super) fn mirror(&mut self) -> Option<String> {
        let given = self.raw.model.mirror.as_deref()?;
        let key = ["model", "mirror"];
        self.not_longer(&key, given, 1000);
        self.printable(&key, given);
        let Some((scheme, rest)) = given.split_once("://") else {
            return Some(resolve(self.base, Path::new(given)).display().to_string());
        };
        let host = rest.split('/').next().unwrap_or_default();
        if !["http", "https"].contains(&scheme) || host.is_empty() || host.contains('@') {
            let hint = "for example `https://models.lan/glimpsed`, or a directory".to_owned();
            // It may hold a password.
            self.complain(&key, "must be an http or https address without a login", "found another", Some(hint));
        }
        Some(given.to_owned())
    }

    fn model_file(&mut self, name: &str, file: &raw::RawModelFile, directories: &[PathBuf]) -> ModelSpec {
        if !is_id(name) && !name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
            let found = format!("found `{name}`");
            self.complain(&["models", name], "may hold only letters, digits, `.`, `_` and `-`", found, None);
        }
        let known = catalog::find(name);
        let path = match (&file.path, known) {
            (Some(path), _) => resolve(self.base, path),
            (None, Some(entry)) => entry.locate(directories),
            (None, None) => {
                let hint = format!(
                    "`path = \"...\"` names its ONNX file; without it only {} can stand here",
                    list(catalog::all().iter().map(|entry| entry.name.as_str()))
                );
                self.complain(&["models", name], "has no `path`", "this model is not in the catalogue", Some(hint));
                PathBuf::new()
            }
        };
        // A user's file under a catalogue name keeps that entry's input conventions, but neither its hash nor its int8
        // variant.
        let catalogued = known.filter(|_| file.path.is_none()).map(|entry| entry.spec(directories));
        let int8 = match &file.int8 {
            Some(path) => Some(Quantised { path: resolve(self.base, path), sha256: None }),
            None => catalogued.as_ref().and_then(|entry| entry.int8.clone()),
        };
        ModelSpec {
            name: name.to_owned(),
            labels: match &file.labels {
                None if known.is_some() => LabelSource::ImageNet,
                None => LabelSource::Own(path.clone()),
                Some(name) if name == Path::new("imagenet") => LabelSource::ImageNet,
                Some(path) => LabelSource::File(resolve(self.base, path)),
            },
            path,
            background: file.background,
            sha256: self.sha256(name, file).or(catalogued.and_then(|entry| entry.sha256)),
            input: self.input_hints(name, file).or(known.map(catalog::Entry::hints).unwrap_or_default()),
            backend: Backend::Auto,
            threads: Threads::default(),
            taught: None,
            int8,
        }
    }

    fn sha256(&mut self, name: &str, file: &raw::RawModelFile) -> Option<String> {
        let sha256 = file.sha256.as_ref()?;
        if sha256.len() != 64 || !sha256.chars().all(|c| c.is_ascii_hexdigit()) {
            let found = format!("found {} characters", sha256.chars().count());
            self.complain(&["models", name, "sha256"], "must be 64 hexadecimal digits", found, None);
        }
        Some(sha256.to_lowercase())
    }

    /// The input's properties that the table has, those of `family` included.
    fn input_hints(&mut self, name: &str, file: &raw::RawModelFile) -> InputHints {
        let place = |key| ["models", name, key];
        for (key, value) in [("mean", file.mean), ("std", file.std)] {
            let (low, high) = if key == "std" { (1e-6, 1e6) } else { (-1e6, 1e6) };
            for number in value.into_iter().flatten() {
                self.within(&place(key), number, low, high);
            }
        }
        for size in file.input.into_iter().flatten() {
            self.within(&place("input"), size, 8, 4096);
        }
        if let Some(resize) = file.resize {
            self.within(&place("resize"), resize, 8, 8192);
        }
        if let Some(output) = &file.output {
            self.not_longer(&place("output"), output, 200);
            self.printable(&place("output"), output);
        }
        let family = file.family.map(|family| {
            if file.mean.is_some() || file.std.is_some() {
                let hint = "a family stands for both; leave it out, or them".to_owned();
                self.complain(&place("family"), "contradicts `mean` and `std`", "found both", Some(hint));
            }
            family.hints()
        });
        let own = InputHints {
            size: file.input.map(|[height, width]| [height as usize, width as usize]),
            mean: file.mean.map(|mean| mean.map(|value| value as f32)),
            std: file.std.map(|std| std.map(|value| value as f32)),
            layout: file.layout.map(|layout| match layout {
                raw::LayoutChoice::Nchw => Layout::Nchw,
                raw::LayoutChoice::Nhwc => Layout::Nhwc,
            }),
            channels: file.channels.map(|channels| match channels {
                raw::ChannelChoice::Rgb => ChannelOrder::Rgb,
                raw::ChannelChoice::Bgr => ChannelOrder::Bgr,
            }),
            fit: file.fit.map(|fit| match fit {
                raw::FitChoice::Crop => FitChoice::Crop,
                raw::FitChoice::Stretch => FitChoice::Stretch,
            }),
            resize: file.resize.map(|resize| resize as usize),
            scores: file.scores.and_then(|scores| match scores {
                raw::ScoreChoice::Auto => None,
                raw::ScoreChoice::Logits => Some(Scores::Logits),
                raw::ScoreChoice::Softmax => Some(Scores::Softmax),
                raw::ScoreChoice::Sigmoid => Some(Scores::Sigmoid),
                raw::ScoreChoice::Binary => Some(Scores::Binary),
                raw::ScoreChoice::SigmoidLogits => Some(Scores::SigmoidLogits),
            }),
            output: file.output.clone(),
            labels: None,
        };
        own.or(family.unwrap_or_default())
    }

    /// The model of this name, which the key `chosen` has.
    pub(super) fn model(&mut self, chosen: &[&str], name: &str, models: &[ModelSpec]) -> ModelSpec {
        let Some(model) = models.iter().find(|model| model.name == name) else {
            let hint = suggestion(name, models.iter().map(|model| model.name.as_str()));
            self.complain(chosen, "names no model", format!("found `{name}`"), Some(hint));
            return models.first().cloned().unwrap_or_else(|| catalog::all()[0].spec(&[]));
        };
        self.has_file(chosen, model);
        model.clone()
    }

    /// Reports a problem if the model's file does not exist, at the key that chose the model or that names the file.
    pub(super) fn has_file(&mut self, chosen: &[&str], model: &ModelSpec) {
        if model.path.as_os_str().is_empty() || model.path.is_file() {
            return;
        }
        let name = &model.name;
        let own = self.raw.models.get(name).is_some_and(|file| file.path.is_some());
        let hint = match catalog::find(name) {
            Some(entry) if !own && !entry.bundled() => format!("`glimpsed models fetch {name}` downloads it"),
            _ => format!("set `path` in [models.{name}] to its ONNX file, or `directory` in [model]"),
        };
        let place: Vec<&str> = if own { vec!["models", name, "path"] } else { chosen.to_vec() };
        let found = format!("found no `{}`", model.path.display());
        let problem = self.problem(&place, "has no file", found, Some(hint));
        self.problems.push_missing_model(problem);
    }

    /// Reports a missing file of the int8 variant if `precision` demands it. A model without an int8 variant is
    /// accepted.
    pub(super) fn precision(&mut self, chosen: &[&str], model: &ModelSpec, precision: PrecisionChoice) {
        let Some(int8) = model.int8.as_ref().filter(|int8| !int8.path.is_file()) else { return };
        if precision != PrecisionChoice::Int8 {
            return;
        }
        let hint = match catalog::find(&model.name).and_then(|entry| entry.int8.as_ref()) {
            Some(int8_variant) if int8.sha256.is_some() => {
                format!("`glimpsed models fetch {int8_variant}` downloads it")
            }
            _ => format!("set `int8` in [models.{}] to a file that is there", model.name),
        };
        let found = format!("found no `{}`", int8.path.display());
        let problem = self.problem(chosen, "asks for a file that is not there", found, Some(hint));
        self.problems.push_missing_model(problem);
    }
}
