//! The text of a configuration with what overrides it, and what becomes of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::diagnostics::{Absent, Place, Problem, Problems};
use super::document::{Document, PREFIX};
use super::drop_ins::{self, DropIn};
use super::texts::Texts;
use super::typed::{Config, View};
use glimpsed_base::files::resolve;
use glimpsed_base::{budget, files};

/// The path in the Debian package.
pub const DEFAULT_PATH: &str = "/etc/glimpsed/glimpsed.toml";

/// What may be missing around a configuration that is used all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tolerance {
    Nothing,
    Models,
    /// Models, secrets, programs, pictures.
    Surroundings,
}

/// The texts of a configuration, and the environment that can override it.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The file's path for messages; relative paths start from its directory.
    pub path: PathBuf,
    pub text: String,
    /// The files in `conf.d` beside it, of which a later one overrides the keys of those before.
    pub drop_ins: Vec<DropIn>,
    /// `GLIMPSED_*` variables; others are ignored.
    pub environment: Vec<(String, String)>,
}

impl Sources {
    /// Reads the file, what is beside it in `conf.d`, and the process's environment.
    ///
    /// # Errors
    /// The reasons why files cannot be read; with them, what is wrong in those that can.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        let fail = |label: String, hint: &str| {
            let mut problems = Problems::new(path.display().to_string(), "");
            problems.push(Problem {
                place: Place::Nowhere,
                title: format!("cannot read the configuration `{}`", path.display()),
                label,
                hint: Some(hint.to_owned()),
            });
            problems
        };
        let text = files::read_text(path, budget::CONFIGURATION).map_err(|cause| {
            let hint = if path.exists() {
                "a configuration is a TOML text file of at most 256 KiB"
            } else {
                "name a file with `-c FILE`; `config/glimpsed.toml` explains every key"
            };
            fail(cause.to_string(), hint)
        })?;
        let (drop_ins, unreadable) = match drop_ins::read(path, text.len()) {
            Ok(drop_ins) => (drop_ins, Vec::new()),
            Err((readable, problems)) => (readable, problems),
        };
        let read = Self { path: path.to_owned(), text, drop_ins, environment: process_environment() };
        if unreadable.is_empty() {
            return Ok(read);
        }
        let mut problems = read.load().err().unwrap_or_else(|| Problems::of(read.texts()));
        unreadable.into_iter().for_each(|problem| problems.push(problem));
        problems.sort();
        Err(problems)
    }

    /// A text alone: without files beside it, and whatever the process's environment is.
    pub fn alone(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into(), drop_ins: Vec::new(), environment: Vec::new() }
    }

    /// Only defaults and the process's environment.
    pub fn defaults() -> Self {
        Self { environment: process_environment(), ..Self::alone("(defaults)", "") }
    }

    /// Whether both are the same, but for the environment.
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        self.text == other.text && self.drop_ins == other.drop_ins
    }

    /// The file that is empty and was not `before`. Editors truncate before they write, and a crash or a full disk leaves it so.
    pub fn emptied_since(&self, before: &Self) -> Option<&Path> {
        let is_empty = |text: &str| text.trim().is_empty();
        if is_empty(&self.text) && !is_empty(&before.text) {
            return Some(&self.path);
        }
        let had_text = |path: &Path| before.drop_ins.iter().any(|old| old.path == path && !is_empty(&old.text));
        self.drop_ins.iter().find(|now| is_empty(&now.text) && had_text(&now.path)).map(|now| now.path.as_path())
    }

    /// Each file that was read, in the order in which they are read.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        [self.path.as_path()].into_iter().chain(self.drop_ins.iter().map(|file| file.path.as_path()))
    }

    /// Whether one of the files has this key or table. A file that is no TOML has what can be read of it.
    pub fn has(&self, path: &[&str]) -> bool {
        self.parsed(&mut Problems::default()).has(path)
    }

    /// Parses and checks the configuration.
    ///
    /// # Errors
    /// Every problem of the file and the overrides.
    pub fn load(&self) -> Result<Config, Problems> {
        self.evaluate(Tolerance::Nothing).0
    }

    /// As [`Self::load`], but a model's file may be missing: who calls it waits for the file.
    ///
    /// # Errors
    /// Every other problem.
    pub fn load_awaiting_models(&self) -> Result<Config, Problems> {
        self.evaluate(Tolerance::Models).0
    }

    /// As [`Self::load_awaiting_models`], but without the parts whose files, secrets or programs are missing, and without the variables
    /// of the environment that are wrong. It never gives anybody more than the whole would.
    ///
    /// # Errors
    /// What is wrong in the text itself.
    pub fn load_without_the_absent(mut self) -> Result<(Self, Config), Problems> {
        let wrong = self.load().err().map(|problems| problems.wrong_variables()).unwrap_or_default();
        self.environment.retain(|(name, _)| !wrong.contains(name));
        let mut config = self.evaluate(Tolerance::Surroundings).0?;
        // What was to be restricted is not known.
        let concern = |tables: &[&str]| {
            let begins =
                |name: &String, table: &&str| name.strip_prefix(PREFIX).is_some_and(|rest| rest.starts_with(table));
            wrong.iter().any(|name| tables.iter().any(|table| begins(name, table)))
        };
        if concern(&["HTTP_", "PRIVACY_"]) {
            leave_out(&mut config, &[Absent::Page]);
        }
        if concern(&["MQTT_", "PRIVACY_"]) {
            leave_out(&mut config, &[Absent::Broker]);
        }
        Ok((self, config))
    }

    /// The configured directory of the catalogue's models. Also available if the configuration is otherwise invalid,
    /// because the model is yet to be downloaded.
    pub fn model_directory(&self) -> Option<PathBuf> {
        let (_, raw, _) = self.evaluate(Tolerance::Nothing);
        let base = self.path.parent().unwrap_or(Path::new("."));
        raw.model.directory.map(|directory| resolve(base, &directory))
    }

    /// Where the catalogue's files are downloaded from, if not from their publishers; as [`Self::model_directory`].
    pub fn mirror(&self) -> Option<String> {
        self.evaluate(Tolerance::Models).0.ok()?.mirror
    }

    /// The effective configuration as TOML, with the origin of each value.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn show(&self) -> Result<String, Problems> {
        let (config, raw, document) = self.evaluate(Tolerance::Nothing);
        config.map(|config| super::show::effective(&config, &raw, &document))
    }

    /// As [`Self::show`], without the keys that have their defaults.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn show_set(&self) -> Result<String, Problems> {
        let (config, raw, document) = self.evaluate(Tolerance::Nothing);
        config.map(|config| super::show::set(&config, &raw, &document))
    }

    /// As [`Self::show_json`], with file and line of what is set; if wanted, `only` that.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn show_places_json(&self, only: bool) -> Result<serde_json::Value, Problems> {
        let (config, raw, document) = self.evaluate(Tolerance::Nothing);
        config.map(|config| super::show::places_json(&config, &raw, &document, only))
    }

    /// As [`Self::show`], for scripts: `{"key": {"value", "origin"}}`.
    ///
    /// # Errors
    /// As [`Self::load_awaiting_models`].
    pub fn show_json(&self) -> Result<serde_json::Value, Problems> {
        let (config, raw, document) = self.evaluate(Tolerance::Models);
        config.map(|config| super::show::effective_json(&config, &raw, &document))
    }

    fn texts(&self) -> Arc<Texts> {
        let mut texts = Texts::new(self.path.display().to_string(), &self.text);
        for file in &self.drop_ins {
            texts.add(file.path.display().to_string(), file.name(), &file.text);
        }
        Arc::new(texts)
    }

    /// The views that no table names: each named camera has one that is called like it, and the first table of a view ends all of them.
    pub(super) fn views_without_tables(&self) -> Vec<View> {
        match self.evaluate(Tolerance::Models) {
            (Ok(config), raw, _) if raw.views.is_empty() && !raw.cameras.is_empty() => config.views,
            _ => Vec::new(),
        }
    }

    /// Without the environment.
    pub(super) fn parsed(&self, problems: &mut Problems) -> Document<'_> {
        self.parsed_as(self.texts(), problems)
    }

    fn parsed_as(&self, texts: Arc<Texts>, problems: &mut Problems) -> Document<'_> {
        let parts = [self.text.as_str()].into_iter().chain(self.drop_ins.iter().map(|file| file.text.as_str()));
        Document::parse(texts, parts, problems)
    }

    fn evaluate(&self, tolerance: Tolerance) -> (Result<Config, Problems>, super::raw::Raw, Document<'_>) {
        let texts = self.texts();
        let mut problems = Problems::of(Arc::clone(&texts));
        let mut document = self.parsed_as(texts, &mut problems);
        document.override_from(&self.environment, &mut problems);
        let raw = document.read(&mut problems);
        let base = self.path.parent().unwrap_or(Path::new("."));
        let mut config = super::typed::check(&raw, &document, base, &mut problems);
        problems.sort();
        let can_work = match (tolerance, problems.absent_parts()) {
            _ if problems.is_empty() => true,
            (Tolerance::Models, _) => problems.are_missing_models(),
            (Tolerance::Surroundings, Some(absent)) => {
                leave_out(&mut config, &absent);
                true
            }
            _ => false,
        };
        let result = if can_work { Ok(config) } else { Err(problems) };
        (result, raw, document)
    }
}

/// A page without its token would be open to everybody, a broker would be told another user.
fn leave_out(config: &mut Config, absent: &[Absent]) {
    for part in absent {
        match part {
            Absent::Page => config.http = None,
            Absent::Broker => config.mqtt = None,
            Absent::Notices => config.notices.clear(),
            // It cannot be opened, which is told, and tried again.
            Absent::Camera => {}
        }
    }
}

pub(super) fn process_environment() -> Vec<(String, String)> {
    std::env::vars_os()
        // Invalid UTF-8 is kept with replacement characters, so that it is reported instead of ignored.
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .filter(|(name, _)| name.starts_with(super::document::PREFIX))
        .collect()
}
