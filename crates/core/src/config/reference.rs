//! The reference of all keys with their values and defaults, as Markdown and as a manual page.

use std::collections::BTreeMap;

use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use super::drop_ins::DIRECTORY as DROP_INS;
use super::key_list::{self, Key, Kind, all};
use super::sources::DEFAULT_PATH;

/// One table of the file.
struct Table {
    /// The table's header in the file: `[camera]`, `[models.NAME]`, `[[notify]]`.
    header: String,
    help: &'static str,
    keys: Vec<&'static Key>,
}

/// `docs/configuration.md`.
pub fn markdown() -> String {
    let mut out = String::from(
        "# Configuration reference\n\n\
         Made from the program, and a test compares them. `glimpsed config show` prints what is in effect and where it comes\n\
         from; [config/glimpsed.toml](../config/glimpsed.toml) has the same keys with longer explanations, and is what\n\
         the package installs.\n\n\
         Every key may be left out. Each that is not below a table with a name of yours (`NAME`) or in double brackets can be overridden by an\n\
         environment variable: `GLIMPSED_MQTT_URL` stands for `url` in `[mqtt]`. Unknown keys are refused.\n\n\
         Files `*.toml` in the directory `conf.d` beside the file are read after it, sorted by name: of each key the last file that sets it is in\n\
         effect, and the environment comes after all of them. [fleet-configuration.md](fleet-configuration.md) has the rules, and examples.\n",
    );
    for table in tables() {
        out.push_str(&format!("\n## `{}`\n\n", table.header));
        if !table.help.is_empty() {
            out.push_str(&format!("{}\n\n", cell(table.help)));
        }
        out.push_str("| key | value | default | |\n|---|---|---|---|\n");
        for key in table.keys {
            let default = default(key).map_or("-".into(), |value| format!("`{value}`"));
            out.push_str(&format!(
                "| `{}` | {} | {} | {} |\n",
                name(key),
                values(key),
                cell(&default),
                cell(&key.help)
            ));
        }
    }
    out
}

/// `glimpsed.toml(5)`, as roff.
pub fn manual_page() -> String {
    let mut page = Roff::new();
    page.control("TH", ["glimpsed.toml", "5", "", &format!("glimpsed {}", env!("CARGO_PKG_VERSION"))]);
    page.control("SH", ["NAME"]).text([roman("glimpsed.toml - configuration of glimpsed")]);
    page.control("SH", ["SYNOPSIS"]).text([italic(DEFAULT_PATH)]);
    page.control("SH", ["DESCRIPTION"]);
    page.text([roman(
        "A TOML file. Every key may be left out, and unknown keys are refused. Lengths of time are written with their unit: \
         \"500ms\", \"5s\", \"1m 30s\". Relative paths start at this file's directory.",
    )]);
    page.control("PP", []);
    page.text([
        roman("Each key that is not below a table with a name of yours (NAME) or in double brackets can be overridden by an environment variable: "),
        bold("GLIMPSED_MQTT_URL"),
        roman(" stands for "),
        bold("url"),
        roman(" in [mqtt]."),
    ]);
    page.control("PP", []);
    page.text([
        roman("Files *.toml in the directory "),
        italic(DROP_INS),
        roman(
            " beside the file are read after it, sorted by name. Tables are merged key by key, lists are replaced as a whole: of each key the last \
             file that sets it is in effect. The environment comes after all of them. ",
        ),
        bold("glimpsed config show --set"),
        roman(" prints what is set with its file and line."),
    ]);
    for table in tables() {
        page.control("SH", [table.header.as_str()]);
        if !table.help.is_empty() {
            page.text([roman(table.help.replace('`', ""))]);
        }
        for key in table.keys {
            page.control("TP", []);
            let mut head: Vec<Inline> = vec![bold(name(key)), roman(" = "), italic(values(key).replace('`', ""))];
            if let Some(value) = default(key) {
                head.push(roman(format!(" (default {value})")));
            }
            page.text(head);
            page.text([roman(key.help.replace('`', ""))]);
        }
    }
    page.control("SH", ["FILES"]).control("TP", []);
    page.text([italic(DEFAULT_PATH)]).text([roman("Read where no other is named with -c.")]);
    page.control("TP", []);
    page.text([italic(format!("/etc/glimpsed/{DROP_INS}/*.toml"))]).text([roman("Read after it.")]);
    page.control("SH", ["SEE ALSO"]).text([bold("glimpsed"), roman("(1), "), bold("glimpsed-check"), roman("(1)")]);
    page.to_roff()
}

fn tables() -> Vec<Table> {
    let help: BTreeMap<&[String], &str> =
        all().iter().filter(|key| key.is_table()).map(|key| (&key.path[..], key.help.as_str())).collect();
    let mut tables: Vec<Table> = Vec::new();
    for key in all().iter().filter(|key| !key.is_table()) {
        let Some((_, parents)) = key.path.split_last() else { continue };
        let header = key_list::header(parents).replace('*', "NAME");
        match tables.iter_mut().find(|table| table.header == header) {
            Some(table) => table.keys.push(key),
            None => {
                let help = help.get(parents).copied().unwrap_or_default();
                tables.push(Table { header, help, keys: vec![key] });
            }
        }
    }
    tables
}

fn name(key: &Key) -> &str {
    match key.path.last().map_or("", String::as_str) {
        "*" => "NAME",
        name => name,
    }
}

fn values(key: &Key) -> String {
    match &key.kind {
        Kind::Table | Kind::Tables => "table".into(),
        Kind::Text => "string".into(),
        Kind::Interval => "length of time".into(),
        Kind::Choice(choices) => choices.iter().map(|choice| format!("`\"{choice}\"`")).collect::<Vec<_>>().join(", "),
        Kind::Integer => "whole number".into(),
        Kind::Threads => "whole number, `\"auto\"`".into(),
        Kind::Number => "number".into(),
        Kind::Switch => "`true`, `false`".into(),
        Kind::Setting => "whole number, `true`, `false`, string".into(),
        Kind::List(None) => "list".into(),
        Kind::List(Some(length)) => format!("list of {length} numbers"),
    }
}

fn default(key: &Key) -> Option<String> {
    key.default.as_ref().map(ToString::to_string)
}

/// Escapes text for a cell of a Markdown table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
