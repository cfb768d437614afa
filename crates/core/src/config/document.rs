//! A configuration with source positions: the byte range of each value in the texts of its files, and the environment variables that
//! override it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::diagnostics::{MAX_PROBLEMS, Place, Problem, Problems, nearest, suggestion};
use super::key_list::{self, Kind};
use super::raw::Raw;
use super::texts::Texts;
use super::tree::{self, find, insert, table};

/// Environment variables with this prefix override keys: `GLIMPSED_MQTT_URL` stands for `mqtt.url`.
pub const PREFIX: &str = "GLIMPSED_";

/// Variables with the prefix that do not override a key.
pub const RESERVED: [&str; 2] = ["GLIMPSED_CONFIG", crate::board::ROOT_VARIABLE];

/// The parsed files, later ones over earlier ones, with the overrides applied.
pub struct Document<'a> {
    texts: Arc<Texts>,
    root: Spanned<DeTable<'a>>,
    /// Of several files, each alone: a mistake counts where a later file says otherwise, too.
    files: Vec<DeTable<'a>>,
    variables: BTreeMap<Vec<String>, String>,
}

/// The origin of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Default,
    /// The file, the 1-based line, and both in a few words.
    File {
        path: String,
        line: usize,
        short: String,
    },
    Variable(String),
}

impl<'a> Document<'a> {
    /// Parses as much as possible of each of the `parts` of `texts`; every syntax error becomes a problem.
    pub fn parse(texts: Arc<Texts>, parts: impl IntoIterator<Item = &'a str>, problems: &mut Problems) -> Self {
        let mut files = Vec::new();
        for (part, start) in parts.into_iter().zip(texts.starts()) {
            let (table, errors) = DeTable::parse_recoverable(part);
            for error in errors {
                let place =
                    error.span().map_or(Place::Nowhere, |span| Place::File(span.start + start..span.end + start));
                problems.push_syntax(place, error.message());
            }
            files.push(tree::shifted(table.into_inner(), start));
        }
        let mut root = DeTable::new();
        if files.len() == 1 {
            root = files.pop().unwrap_or_default();
        }
        for file in &files {
            tree::lay_over(&mut root, file.clone());
        }
        let whole = 0..texts.whole().len();
        Self { texts, root: Spanned::new(whole, root), files, variables: BTreeMap::new() }
    }

    /// Applies the overrides to the document. A variable that matches no key, or has an invalid value for it, becomes a
    /// problem.
    pub fn override_from(&mut self, environment: &'a [(String, String)], problems: &mut Problems) {
        for (name, value) in environment {
            if !name.starts_with(PREFIX) || RESERVED.contains(&name.as_str()) {
                continue;
            }
            let Some(key) = key_list::fixed().find(|key| variable_name(&key.path) == *name) else {
                problems.push(unknown_variable(name));
                continue;
            };
            let path = &key.path;
            let Some(value) = parse_override(value, &key.kind) else {
                problems.push(Problem {
                    place: Place::Variable(name.clone()),
                    title: format!("`{}` must be {}", path.join("."), key.kind.describe()),
                    label: format!("found `{value}`"),
                    hint: None,
                });
                continue;
            };
            // A unique span outside of the file, so that a later error can be traced back to this variable.
            let start = NOT_IN_FILE + 4 * self.variables.len();
            insert(self.root.get_mut(), path, value, start..start + 2);
            self.variables.insert(path.clone(), name.clone());
        }
    }

    /// Deserialises the whole document. Each invalid value becomes a problem and is removed, so that its default
    /// applies and one run reports all problems.
    pub fn read(&mut self, problems: &mut Problems) -> Raw {
        for file in &self.files {
            if !problems.has_more() {
                self.read_table(Spanned::new(self.root.span(), file.clone()), problems);
            }
        }
        self.read_table(self.root.clone(), problems)
    }

    fn read_table(&self, mut remaining: Spanned<DeTable<'a>>, problems: &mut Problems) -> Raw {
        self.remove_unknown(remaining.get_mut(), problems);
        // Each turn reads the whole document, so their number is bounded, whether or not their problems are kept.
        for _ in 0..=MAX_PROBLEMS {
            match Raw::deserialize(toml::Deserializer::from(remaining.clone())) {
                Ok(raw) => return raw,
                Err(error) => {
                    let offender = error.span().and_then(|span| take_at(remaining.get_mut(), &span, &mut Vec::new()));
                    let Some(offender) = offender else {
                        // An error without a position cannot be removed, so the rest cannot be read either.
                        problems.push(Problem {
                            place: Place::Nowhere,
                            title: "the configuration cannot be read".into(),
                            label: error.message().into(),
                            hint: None,
                        });
                        return Raw::default();
                    };
                    problems.push(self.explain(&offender));
                }
            }
        }
        problems.stop_counting();
        Raw::default()
    }

    /// Removes and reports the tables and keys that another program's file has: one by one, as below, thousands would take long.
    fn remove_unknown(&self, table: &mut DeTable<'_>, problems: &mut Problems) {
        const TABLES: usize = 2;
        fn remove(table: &mut DeTable<'_>, path: &mut Vec<String>, found: &mut Vec<Offender>) {
            for (key, mut value) in std::mem::replace(table, DeTable::new()) {
                path.push(key.get_ref().to_string());
                if key_list::find(path).is_none() {
                    found.push(Offender::of(path.clone(), &key, &value));
                } else {
                    if path.len() < TABLES
                        && let DeValue::Table(inner) = value.get_mut()
                    {
                        remove(inner, path, found);
                    }
                    table.insert(key, value);
                }
                path.pop();
            }
        }
        let mut found = Vec::new();
        remove(table, &mut Vec::new(), &mut found);
        found.sort_by_key(|offender| offender.key.start);
        for offender in found.iter().take(MAX_PROBLEMS + 1) {
            problems.push(self.explain(offender));
        }
    }

    /// The position of a value, for a problem found later. For an absent value, the header of its table.
    pub fn place(&self, path: &[&str]) -> Place {
        if let Some((_, name)) = self.variables.iter().find(|(overridden, _)| *overridden == path) {
            return Place::Variable(name.clone());
        }
        if let Some((_, value, _)) = find(self.root.get_ref(), path) {
            return Place::File(value);
        }
        let table = path.split_last().and_then(|(_, table)| find(self.root.get_ref(), table));
        // A table created by an override is not in the file.
        table.filter(|(key, ..)| key.start < NOT_IN_FILE).map_or(Place::Nowhere, |(key, ..)| Place::File(key))
    }

    /// Whether there is a value at `path`.
    pub fn has(&self, path: &[&str]) -> bool {
        find(self.root.get_ref(), path).is_some()
    }

    /// The keys that are written in the table at `path`.
    pub fn keys_in(&self, path: &[&str]) -> Vec<String> {
        table(self.root.get_ref(), path)
            .into_iter()
            .flat_map(DeTable::keys)
            .map(|key| key.get_ref().to_string())
            .collect()
    }

    /// The origin of the value at `path`.
    pub fn origin(&self, path: &[String]) -> Origin {
        if let Some(name) = self.variables.get(path) {
            return Origin::Variable(name.clone());
        }
        match find(self.root.get_ref(), path) {
            Some((key, ..)) => {
                let place = self.texts.position(key.start);
                Origin::File { path: place.path.to_owned(), line: place.line, short: self.texts.short(key.start) }
            }
            None => Origin::Default,
        }
    }

    /// The text at `path`.
    pub fn text(&self, path: &[String]) -> Option<&str> {
        find(self.root.get_ref(), path)?.2.as_str()
    }

    /// What a file of `conf.d` says at `path` instead of what the main file says there, or beside it: its key, and where that is.
    pub fn overridden(&self, path: &[String]) -> Option<(Vec<String>, String)> {
        let [main, ..] = self.files.as_slice() else { return None };
        let (key, _, value) = find(self.root.get_ref(), path)?;
        let below = find(main, path).map(|(.., value)| value);
        let (more, place) = match tree::difference(value, below) {
            Some(different) => different,
            None if below.is_some_and(|below| tree::same(value, below)) => return None,
            None => (Vec::new(), key),
        };
        let is_elsewhere = self.texts.file(place.start) > 0;
        is_elsewhere.then(|| (path.iter().cloned().chain(more).collect(), self.texts.short(place.start)))
    }

    /// The source text of a short value.
    fn snippet(&self, span: &Range<usize>) -> Option<&str> {
        self.texts.get(span).filter(|text| text.len() <= 40 && !text.contains('\n'))
    }

    fn explain(&self, offender: &Offender) -> Problem {
        let dotted = key_list::dotted(&offender.path);
        let place = match self.variables.get(&offender.path) {
            Some(name) if offender.span.start >= NOT_IN_FILE => Place::Variable(name.clone()),
            _ => Place::File(offender.span.clone()),
        };
        let Some(key) = key_list::find(&offender.path) else {
            let (name, table) =
                offender.path.split_last().map_or(("", &[][..]), |(name, table)| (name.as_str(), table));
            let known = key_list::children(table);
            let (what, within) = match table {
                [] => ("table", "at the top level".to_owned()),
                _ => ("key", format!("in {}", key_list::header(table))),
            };
            return Problem {
                place: match &place {
                    Place::File(_) => Place::File(offender.key.clone()),
                    other => other.clone(),
                },
                title: format!("unknown {what} `{name}` {within}"),
                label: "not known".into(),
                hint: Some(elsewhere(name, table).unwrap_or_else(|| suggestion(name, known.iter().copied()))),
            };
        };
        let hint = match (&key.kind, &offender.text) {
            (Kind::Choice(_), Some(text)) if dotted == "camera.source" && is_network_source(text) => {
                Some(NETWORK_CAMERA.to_owned())
            }
            (Kind::Choice(choices), Some(text)) => {
                nearest(text, choices.iter().map(String::as_str)).map(|choice| format!("did you mean \"{choice}\"?"))
            }
            _ => None,
        };
        let found = match &offender.text {
            Some(text) => format!("found \"{text}\""),
            None => format!("found {}", self.snippet(&offender.span).unwrap_or(offender.found)),
        };
        Problem { place, title: format!("`{dotted}` must be {}", key.kind.describe()), label: found, hint }
    }
}

/// `mqtt.base_topic` -> `GLIMPSED_MQTT_BASE_TOPIC`.
pub fn variable_name(path: &[String]) -> String {
    format!("{PREFIX}{}", path.join("_").to_uppercase())
}

struct Offender {
    path: Vec<String>,
    key: Range<usize>,
    span: Range<usize>,
    /// The value, if it is a string.
    text: Option<String>,
    found: &'static str,
}

impl Offender {
    fn of(path: Vec<String>, key: &Spanned<DeString<'_>>, value: &Spanned<DeValue<'_>>) -> Self {
        let text = value.get_ref().as_str().map(str::to_owned);
        Self { path, key: key.span(), span: value.span(), text, found: value.get_ref().type_str() }
    }
}

fn unknown_variable(name: &str) -> Problem {
    let known: Vec<String> = key_list::fixed().map(|key| variable_name(&key.path)).collect();
    let hint = match nearest(name, known.iter().map(String::as_str)) {
        Some(candidate) => format!("did you mean {candidate}?"),
        None => format!(
            "{PREFIX}<TABLE>_<KEY> overrides a key, for example {PREFIX}MQTT_URL; unset what is not meant for glimpsed"
        ),
    };
    Problem {
        place: Place::Variable(name.to_owned()),
        title: format!("{name} stands for no key"),
        label: "not known".into(),
        hint: Some(hint),
    }
}

/// How a network camera is configured.
pub(super) const NETWORK_CAMERA: &str = "a network camera has `source = \"rtsp\"` or `source = \"http\"`, and `url`; \
                              config/examples/ip-camera.toml (in the package /usr/share/doc/glimpsed/examples) has all of it";

/// What people call the address of a network camera, and where it comes from.
const ADDRESSES: [&str; 6] = ["uri", "rtsp", "address", "host", "ip", "stream"];
const NETWORK_SOURCES: [&str; 6] = ["rtsps", "https", "ip", "ffmpeg", "network", "onvif"];

fn is_network_source(text: &str) -> bool {
    text.contains("://") || NETWORK_SOURCES.iter().any(|source| text.eq_ignore_ascii_case(source))
}

/// A key that exists, only in another table: the commonest slip of a text editor's user.
fn elsewhere(name: &str, table: &[String]) -> Option<String> {
    if table == ["camera"] && ADDRESSES.contains(&name) {
        return Some(NETWORK_CAMERA.to_owned());
    }
    let known = key_list::children(table);
    if nearest(name, known.iter().copied()).is_some() {
        return None;
    }
    let tables = key_list::all().iter().filter(|key| key.path.len() == 2 && key.path[1] == name);
    let tables: Vec<String> = tables.map(|key| format!("[{}]", key.path[0])).collect();
    (!tables.is_empty()).then(|| format!("`{name}` belongs in {}", tables.join(" or ")))
}

/// Strings need no quotes in the environment; other values are written as in the file.
fn parse_override<'a>(value: &'a str, kind: &Kind) -> Option<DeValue<'a>> {
    if matches!(kind, Kind::Text | Kind::Interval | Kind::Choice(_)) {
        return Some(DeValue::String(value.into()));
    }
    if *kind == Kind::Threads && value == "auto" {
        return Some(DeValue::String(value.into()));
    }
    let parsed = DeValue::parse(value).ok()?.into_inner();
    let fits = match kind {
        Kind::Integer | Kind::Threads => parsed.is_integer(),
        Kind::Number => parsed.is_integer() || parsed.is_float(),
        Kind::Switch => parsed.is_bool(),
        Kind::List(_) => parsed.is_array(),
        Kind::Setting | Kind::Table | Kind::Tables | Kind::Text | Kind::Interval | Kind::Choice(_) => false,
    };
    fits.then_some(parsed)
}

/// Beyond every file's length: the span of a value from the environment.
const NOT_IN_FILE: usize = usize::MAX / 2;

/// Removes and returns the smallest entry whose key or value contains `span`.
fn take_at(table: &mut DeTable<'_>, span: &Range<usize>, path: &mut Vec<String>) -> Option<Offender> {
    let holds = |outer: &Range<usize>| outer.start <= span.start && span.end <= outer.end;
    let mut hit = None;
    for (key, value) in table.iter_mut() {
        let name = key.get_ref().to_string();
        // The span of `[table]` is its header, so its entries are searched first.
        if let DeValue::Table(inner) = value.get_mut() {
            path.push(name.clone());
            if let Some(offender) = take_at(inner, span, path) {
                return Some(offender);
            }
            path.pop();
        }
        if let DeValue::Array(list) = value.get_mut() {
            for (number, one) in list.iter_mut().enumerate() {
                let DeValue::Table(inner) = one.get_mut() else { continue };
                path.extend([name.clone(), number.to_string()]);
                if let Some(offender) = take_at(inner, span, path) {
                    return Some(offender);
                }
                path.truncate(path.len() - 2);
            }
        }
        if holds(&key.span()) || holds(&value.span()) {
            path.push(name);
            hit = Some(Offender::of(std::mem::take(path), key, value));
            break;
        }
    }
    let offender = hit?;
    table.remove(offender.path.last()?.as_str());
    Some(offender)
}
