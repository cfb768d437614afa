//! The effective configuration, with the origin of each value.

use serde_json::{Value, json};

use super::document::{Document, Origin};
use super::key_list;
use super::raw::Raw;
use super::typed::Config;
use glimpsed_base::leaving;
use glimpsed_base::secret::MASK;

type Entry = (Vec<String>, Value, Origin);

/// As TOML; each line ends in a comment that names the origin.
pub(super) fn effective(config: &Config, raw: &Raw, document: &Document<'_>) -> String {
    as_toml(entries(config, raw, document))
}

/// As [`effective`], without the keys that have their defaults.
pub(super) fn set(config: &Config, raw: &Raw, document: &Document<'_>) -> String {
    as_toml(entries(config, raw, document).into_iter().filter(is_set).collect())
}

fn is_set((_, _, origin): &Entry) -> bool {
    *origin != Origin::Default
}

fn as_toml(entries: Vec<Entry>) -> String {
    let mut out = String::new();
    let mut table = Vec::new();
    for (path, value, origin) in entries {
        let (name, parents) = path.split_last().map_or(("", &[][..]), |(name, parents)| (name.as_str(), parents));
        if parents != table.as_slice() {
            if !out.is_empty() {
                out.push('\n');
            }
            let quoted: Vec<String> = parents.iter().map(|part| quoted(part)).collect();
            out.push_str(&format!("{}\n", key_list::header(&quoted)));
            table = parents.to_vec();
        }
        out.push_str(&format!("{:<44} # {}\n", format!("{name} = {value}"), describe(&origin)));
    }
    out
}

/// As JSON: `{"mqtt.url": {"value": ..., "origin": "line 12"}}`.
pub(super) fn effective_json(config: &Config, raw: &Raw, document: &Document<'_>) -> Value {
    entries(config, raw, document)
        .into_iter()
        .map(|(path, value, origin)| (path.join("."), json!({ "value": value, "origin": describe(&origin) })))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// As [`effective_json`], with the file and the line of what is set in one; if wanted, `only` what is set.
pub(super) fn places_json(config: &Config, raw: &Raw, document: &Document<'_>, only: bool) -> Value {
    let shown = |(path, value, origin): Entry| {
        let mut shown = json!({ "value": value, "origin": describe(&origin) });
        if let Origin::File { path, line, .. } = origin {
            (shown["file"], shown["line"]) = (path.into(), line.into());
        }
        (path.join("."), shown)
    };
    let entries = entries(config, raw, document).into_iter().filter(|entry| !only || is_set(entry));
    entries.map(shown).collect::<serde_json::Map<_, _>>().into()
}

/// A name as a key in a table header, quoted if necessary.
fn quoted(part: &str) -> String {
    let bare = part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if bare { part.to_owned() } else { Value::from(part).to_string() }
}

fn describe(origin: &Origin) -> String {
    match origin {
        Origin::Default => "default".into(),
        Origin::File { short, .. } => short.clone(),
        Origin::Variable(name) => name.clone(),
    }
}

/// Every key with its value; a key that is absent and has a derived default has the derived value.
fn entries(config: &Config, raw: &Raw, document: &Document<'_>) -> Vec<Entry> {
    let mut filled = raw.clone();
    filled.device.id = Some(config.device.id.clone());
    filled.device.name = Some(config.device.name.clone());
    filled.model.directory = Some(config.model_directories[0].clone());
    if let Some(mqtt) = &config.mqtt {
        filled.mqtt.client_id = Some(mqtt.connection.client_id.clone());
    }
    let mut entries = Vec::new();
    let tree = serde_json::to_value(&filled).unwrap_or_default();
    flatten(&tree, &mut Vec::new(), &mut |path, value| {
        let shown = match (path, value) {
            ([table, _, key], Value::String(text)) if table == "notify" && key == "url" => without_path(text).into(),
            _ => masked(value),
        };
        entries.push((path.to_vec(), shown, document.origin(path)));
    });
    entries
}

/// The path of a service's address is often all that sending to it needs.
fn without_path(address: &str) -> String {
    let address = leaving::masked(address);
    let host = address.find("://").map_or(0, |at| at + 3);
    match address[host..].find(['/', '?', '#']) {
        Some(at) if host + at + 1 < address.len() => format!("{}/{MASK}", &address[..host + at]),
        _ => address.into_owned(),
    }
}

/// Masks logins, because camera addresses often contain a password.
fn masked(value: &Value) -> Value {
    match value {
        Value::String(text) => leaving::masked(text).into(),
        Value::Array(list) if list.iter().all(Value::is_string) => {
            leaving::masked_arguments(list.iter().filter_map(Value::as_str)).into()
        }
        Value::Array(list) => list.iter().map(masked).collect(),
        other => other.clone(),
    }
}

fn flatten(value: &Value, path: &mut Vec<String>, visit: &mut impl FnMut(&[String], &Value)) {
    let members: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, member)| (name.clone(), member)).collect(),
        Value::Array(tables) if key_list::are_tables(path) => {
            tables.iter().enumerate().map(|(number, table)| (number.to_string(), table)).collect()
        }
        value => return visit(path, value),
    };
    for (name, member) in members {
        path.push(name);
        flatten(member, path, visit);
        path.pop();
    }
}
