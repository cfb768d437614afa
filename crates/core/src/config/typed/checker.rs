//! The checks of all tables.

use std::path::Path;

use super::super::diagnostics::{Absent, Problem, Problems};
use super::super::document::Document;
use super::super::identity::{clean_id, default_id, is_id, topic_problem};
use super::super::interval::Interval;
use super::super::key_list;
use super::super::raw::Raw;
use super::configuration::{Config, Device, Log};
use crate::models::catalog;
use glimpsed_base::files::resolve;
use glimpsed_base::leaving;
use glimpsed_base::secret::Secret;

/// Checks everything and reports every problem. An invalid value is replaced by a harmless one, so that the rest can be
/// checked. The result may be used only if no problem was added.
pub fn check(raw: &Raw, document: &Document<'_>, base: &Path, problems: &mut Problems) -> Config {
    let mut checker = Checker { raw, document, base, problems };
    let device = checker.device();
    let configured = raw.model.directory.as_ref().map(|directory| resolve(base, directory));
    let model_directories = catalog::search_path(configured);
    let models = checker.models(&model_directories);
    let cameras = checker.cameras();
    let views = checker.views(&cameras, &models);
    Config {
        notices: checker.notices(&views),
        views,
        cameras,
        max_duty: checker.max_duty(),
        cache_entries: checker.cache_entries(),
        thermal: checker.thermal(),
        mqtt: checker.mqtt(&device.id),
        homeassistant: checker.homeassistant(),
        http: checker.http(),
        preview: raw.privacy.preview,
        publish_image: raw.privacy.publish_image,
        teach: checker.teach(&models),
        stdout: raw.stdout.format,
        log: Log { level: raw.log.level, format: raw.log.format },
        device,
        models,
        model_directories,
        mirror: checker.mirror(),
    }
}

pub(super) struct Checker<'a, 'd> {
    pub(super) raw: &'a Raw,
    pub(super) document: &'a Document<'d>,
    pub(super) base: &'a Path,
    pub(super) problems: &'a mut Problems,
}

/// Where the keys of a table are written.
pub(super) struct At<'a> {
    own: Vec<&'a str>,
    /// The table that has the keys which the own one leaves out, and the keys that the own one has.
    shared: Option<(&'a str, Vec<String>)>,
}

impl<'a> At<'a> {
    pub(super) fn table(own: &[&'a str]) -> Self {
        Self { own: own.to_vec(), shared: None }
    }

    /// A view's own table, over one that all views share. A default is told at the own table if only that is written.
    pub(super) fn over(shared: &'a str, own: &[&'a str], document: &Document<'_>) -> Self {
        let is_only_own = document.has(own) && !document.has(&[shared]);
        let shared = (!is_only_own).then(|| (shared, document.keys_in(own)));
        Self { own: own.to_vec(), shared }
    }

    /// The path of a key, where it is written or would be.
    pub(super) fn key(&self, key: &'a str) -> Vec<&'a str> {
        match &self.shared {
            Some((shared, own)) if !own.iter().any(|name| name == key) => vec![shared, key],
            _ => self.own.iter().copied().chain([key]).collect(),
        }
    }

    /// The table's name, if that is all of its path: its keys have environment variables.
    fn only(&self) -> Option<&'a str> {
        if let [table] = self.own[..] { Some(table) } else { None }
    }
}

impl Checker<'_, '_> {
    pub(super) fn complain(&mut self, path: &[&str], wrong: &str, found: impl Into<String>, hint: Option<String>) {
        let problem = self.problem(path, wrong, found, hint);
        self.problems.push(problem);
    }

    /// As [`Self::complain`], about something outside of the file without which a part of the daemon cannot work.
    pub(super) fn absent(
        &mut self,
        part: Absent,
        path: &[&str],
        wrong: &str,
        found: impl Into<String>,
        hint: Option<String>,
    ) {
        let problem = self.problem(path, wrong, found, hint);
        self.problems.push_absent(problem, part);
    }

    pub(super) fn problem(
        &self,
        path: &[&str],
        wrong: &str,
        found: impl Into<String>,
        hint: Option<String>,
    ) -> Problem {
        let title = format!("`{}` {wrong}", key_list::dotted(path));
        Problem { place: self.document.place(path), title, label: found.into(), hint }
    }

    /// Reports a problem unless `low <= value <= high`; NaN is outside.
    pub(super) fn within<T: PartialOrd + std::fmt::Display>(&mut self, path: &[&str], value: T, low: T, high: T) {
        if !(value >= low && value <= high) {
            self.complain(path, &format!("must be from {low} to {high}"), format!("found {value}"), None);
        }
    }

    pub(super) fn interval_within(&mut self, path: &[&str], value: Interval, low: Interval, high: Interval) {
        self.within(path, value, low, high);
    }

    pub(super) fn not_longer(&mut self, path: &[&str], text: &str, max_bytes: usize) {
        if text.len() > max_bytes {
            self.complain(path, &format!("must have at most {max_bytes} bytes"), format!("found {}", text.len()), None);
        }
    }

    /// A name is shown in one line, on terminals too.
    pub(super) fn printable(&mut self, path: &[&str], text: &str) {
        if let Some(control) = text.chars().find(|letter| leaving::is_control(*letter)) {
            let found = format!("found U+{:04X}", u32::from(control));
            self.complain(path, "must not hold control characters or line breaks", found, None);
        }
    }

    /// The password in the `password_file` of a table, which `username` goes with. `part` cannot work without it.
    pub(super) fn password(
        &mut self,
        part: Absent,
        at: &At<'_>,
        file: Option<&Path>,
        username: Option<&str>,
    ) -> Option<Secret> {
        let path = resolve(self.base, file?);
        let password = Secret::from_file(&path);
        if let Err(cause) = &password {
            // The path of credentials from `LoadCredential=`.
            let hint = at.only().filter(|_| path.starts_with("/run/credentials")).map(|table| {
                format!(
                    "systemd puts it there for the service alone, while that runs; elsewhere name the file that it takes it \
                     from: GLIMPSED_{}_PASSWORD_FILE=...",
                    table.to_uppercase()
                )
            });
            let found = format!("`{}` {cause}", path.display());
            self.absent(part, &at.key("password_file"), "cannot be used", found, hint);
        }
        if username.is_none() {
            let hint = "no password is sent without a user name: set `username` too".to_owned();
            self.complain(&at.key("password_file"), "stands alone", "found no `username`", Some(hint));
        }
        password.ok()
    }

    pub(super) fn device(&mut self) -> Device {
        let id = self.raw.device.id.clone().unwrap_or_else(default_id);
        if !is_id(&id) {
            let hint = format!("for example `{}`", clean_id(&id));
            self.complain(
                &["device", "id"],
                "may hold only letters, digits, `_` and `-`, at most 64",
                format!("found `{id}`"),
                Some(hint),
            );
        }
        let name = self.raw.device.name.clone();
        if let Some(name) = &name {
            self.not_longer(&["device", "name"], name, 128);
            self.printable(&["device", "name"], name);
        }
        Device { name: name.unwrap_or_else(|| id.clone()), id }
    }

    pub(super) fn homeassistant(&mut self) -> Option<String> {
        let prefix = &self.raw.homeassistant.prefix;
        if let Some(wrong) = topic_problem(prefix) {
            self.complain(&["homeassistant", "prefix"], wrong, format!("found `{prefix}`"), None);
        }
        self.raw.homeassistant.enabled.then(|| prefix.clone())
    }
}
