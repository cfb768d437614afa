//! All keys and their kinds of values, derived from the JSON Schema of [`Raw`].

use std::sync::LazyLock;

use glimpsed_inference::MAX_THREADS;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::raw::Raw;
use crate::models::threads;

/// One key, by its dotted path; `models.*.path` stands for `path` in every `[models.NAME]`, and `notify.*.url` for `url` in every `[[notify]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub path: Vec<String>,
    pub kind: Kind,
    pub help: String,
    /// The default as written in the file; `None` for a key that is absent by default, and for a table.
    pub default: Option<Value>,
}

/// The kind of a key's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Table,
    /// Tables without names, in double brackets.
    Tables,
    Text,
    Interval,
    Choice(Vec<String>),
    Integer,
    /// An integer from 1, or "auto".
    Threads,
    Number,
    Switch,
    /// What a control of a camera is set to.
    Setting,
    /// With this number of elements, if it is fixed.
    List(Option<u64>),
}

impl Kind {
    /// For the sentence "`key` must be ...".
    pub fn describe(&self) -> String {
        match self {
            Self::Table => "a table".into(),
            Self::Tables => "tables in double brackets".into(),
            Self::Text => "a string in quotes".into(),
            Self::Interval => "a length of time in quotes, such as \"500ms\", \"5s\" or \"1m 30s\"".into(),
            Self::Choice(choices) => {
                let quoted: Vec<String> = choices.iter().map(|choice| format!("\"{choice}\"")).collect();
                format!("one of {}", quoted.join(", "))
            }
            Self::Integer => "a whole number, zero or more".into(),
            Self::Threads => format!("a whole number from 1 to {MAX_THREADS}, or \"auto\" in quotes"),
            Self::Number => "a number".into(),
            Self::Switch => "true or false".into(),
            Self::Setting => "a whole number, true or false, or a menu's item in quotes".into(),
            Self::List(None) => "a list in brackets".into(),
            Self::List(Some(length)) => format!("a list of {length} numbers in brackets"),
        }
    }
}

/// The JSON Schema of the configuration file (draft 2020-12).
pub fn schema() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Raw>().into()
}

/// Every table and key.
pub fn all() -> &'static [Key] {
    static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
        let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        let schema: Value = settings.into_generator().into_root_schema_for::<Raw>().into();
        let mut keys = Vec::new();
        collect(&schema, &mut Vec::new(), &mut keys);
        keys
    });
    &KEYS
}

/// The keys with a fixed path: neither tables nor keys of a table that the user names.
pub fn fixed() -> impl Iterator<Item = &'static Key> {
    all().iter().filter(|key| !key.is_table() && !key.path.iter().any(|part| part == "*"))
}

impl Key {
    /// Whether it has keys instead of a value.
    pub fn is_table(&self) -> bool {
        matches!(self.kind, Kind::Table | Kind::Tables)
    }
}

/// Whether the path is that of tables without names: the part behind it is the number of one.
pub fn are_tables(path: &[impl AsRef<str>]) -> bool {
    matches!(path, [only] if all().iter().any(|key| key.kind == Kind::Tables && key.path[0] == only.as_ref()))
}

/// A path as people write it: without the numbers of tables that have no names.
pub fn dotted(path: &[impl AsRef<str>]) -> String {
    let named = |index: &usize| *index == 0 || !are_tables(&path[..*index]);
    let parts: Vec<&str> = (0..path.len()).filter(named).map(|index| path[index].as_ref()).collect();
    parts.join(".")
}

/// The header of a table as it is written.
pub fn header(path: &[impl AsRef<str>]) -> String {
    match path.split_last() {
        Some((_, tables)) if are_tables(tables) => format!("[[{}]]", dotted(path)),
        _ => format!("[{}]", dotted(path)),
    }
}

/// The key at `path`, if there is one.
pub fn find(path: &[String]) -> Option<&'static Key> {
    all().iter().find(|key| {
        key.path.len() == path.len() && key.path.iter().zip(path).all(|(known, given)| known == "*" || known == given)
    })
}

/// The names of the keys and tables in the table at `path`.
pub fn children(path: &[String]) -> Vec<&'static str> {
    let inside = |key: &&Key| {
        key.path.len() == path.len() + 1
            && key.path.iter().zip(path).all(|(known, given)| known == "*" || known == given)
    };
    all().iter().filter(inside).filter_map(|key| key.path.last().map(String::as_str)).collect()
}

fn collect(schema: &Value, path: &mut Vec<String>, keys: &mut Vec<Key>) {
    let members = schema["properties"].as_object().into_iter().flatten().map(|(name, member)| (name.as_str(), member));
    let any = schema.get("additionalProperties").filter(|any| any.is_object()).map(|any| ("*", any));
    let each = schema.get("items").filter(|each| each["properties"].is_object()).map(|each| ("*", each));
    for (name, member) in members.chain(any).chain(each) {
        path.push(name.to_owned());
        let help = member["description"].as_str().unwrap_or_default().replace('\n', " ");
        let default = member.get("default").filter(|value| !value.is_null() && !value.is_object()).cloned();
        keys.push(Key { path: path.clone(), kind: kind(member), help, default });
        collect(member, path, keys);
        path.pop();
    }
}

fn kind(schema: &Value) -> Kind {
    if schema["anyOf"].as_array().is_some_and(|list| list.iter().filter(|one| one["type"] != "null").count() > 1) {
        return Kind::Setting;
    }
    // An optional key is `anyOf: [T, null]` for an enumeration and `type: [T, null]` for the rest.
    if let Some(present) = schema["anyOf"].as_array().and_then(|list| list.iter().find(|one| one["type"] != "null")) {
        return kind(present);
    }
    if let Some(choices) = schema["enum"].as_array() {
        return Kind::Choice(choices.iter().filter_map(Value::as_str).map(str::to_owned).collect());
    }
    let types = &schema["type"];
    let is = |name: &str| types == name || types.as_array().is_some_and(|list| list.iter().any(|one| one == name));
    if schema["format"] == threads::FORMAT {
        Kind::Threads
    } else if schema["items"]["properties"].is_object() {
        Kind::Tables
    } else if is("object") {
        Kind::Table
    } else if is("string") {
        if schema["format"] == "duration" { Kind::Interval } else { Kind::Text }
    } else if is("integer") {
        Kind::Integer
    } else if is("number") {
        Kind::Number
    } else if is("boolean") {
        Kind::Switch
    } else {
        Kind::List(schema["minItems"].as_u64())
    }
}
