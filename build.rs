//! Packs the page into the program: the modules that it starts with become one script, and those of each place another, which is
//! loaded when the place is opened. Each file is compressed, and the address of all of them has a hash of what they hold, so that a
//! browser asks for them once and never again.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use flate2::Compression;
use flate2::write::GzEncoder;

const ASSETS: &str = "src/web/assets";

/// The module that the page starts; what it imports, and what that imports, becomes part of its script.
const ENTRY: &str = "app.js";

/// Modules that are loaded on demand, each with what it imports and the page's script has not.
const ON_DEMAND: [&str; 4] = ["day.js", "session.js", "settings.js", "teach.js"];

/// A module that is served as it is, because the page loads it where nothing else works.
const STAND_ALONE: [&str; 2] = ["fallback.js", "theme.js"];

/// Parts of the page's HTML that are in the scripts of their places.
const PARTS: [&str; 3] = ["day.html", "settings.html", "teach.html"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={ASSETS}");
    let out = PathBuf::from(env::var("OUT_DIR")?).join("assets");
    fs::create_dir_all(&out)?;
    let mut files = read(Path::new(ASSETS))?;
    let scripts = join(&files)?;
    files.retain(|name, _| !name.ends_with(".js") || STAND_ALONE.contains(&name.as_str()));
    files.retain(|name, _| !PARTS.iter().any(|end| name.ends_with(end)));
    files.extend(scripts);
    let hash = hash_of(&files);
    for (name, text) in &mut files {
        if name.ends_with(".html") {
            *text = squeezed(text).replace("\"assets/", &format!("\"assets/{hash}/"));
        }
    }
    let mut list = format!("const HASH: &str = \"{hash}\";\n\nconst FILES: &[Packed] = &[\n");
    for (name, text) in &files {
        fs::write(out.join(name), text)?;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(text.as_bytes())?;
        fs::write(out.join(format!("{name}.gz")), gzip.finish()?)?;
        let bytes = |end| format!("include_bytes!(concat!(env!(\"OUT_DIR\"), \"/assets/{name}{end}\"))");
        writeln!(list, "    Packed {{ name: \"{name}\", plain: {}, gzip: {} }},", bytes(""), bytes(".gz"))?;
    }
    list.push_str("];\n");
    Ok(fs::write(out.join("list.rs"), list)?)
}

/// The files of a directory, by name. All of them are text.
fn read(directory: &Path) -> Result<BTreeMap<String, String>, Box<dyn Error>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        files.insert(entry.file_name().to_string_lossy().into_owned(), fs::read_to_string(entry.path())?);
    }
    Ok(files)
}

fn hash_of(files: &BTreeMap<String, String>) -> String {
    let mut hasher = DefaultHasher::new();
    files.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The scripts by name, each of the modules that it needs.
fn join(files: &BTreeMap<String, String>) -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let mut shared = Vec::new();
    collect(ENTRY, files, &mut shared)?;
    let names: Vec<String> = shared.iter().map(|name| variable(name)).collect();
    let names = names.join(", ");
    let text = script(&shared, files)?;
    let mut scripts = vec![(ENTRY.to_owned(), format!("{text}export {{ {names} }};\n"))];
    for entry in ON_DEMAND {
        let mut modules = shared.clone();
        collect(entry, files, &mut modules)?;
        let text = script(&modules[shared.len()..], files)?;
        let entry_exports = exports(entry, &files[entry])?.join(", ");
        let text = format!(
            "import {{ {names} }} from \"./{ENTRY}\";\n{text}export const {{ {entry_exports} }} = {};\n",
            variable(entry)
        );
        scripts.push((entry.to_owned(), text));
    }
    Ok(scripts)
}

fn script(modules: &[String], files: &BTreeMap<String, String>) -> Result<String, Box<dyn Error>> {
    let mut script = String::from("\"use strict\";\n");
    for name in modules {
        script.push_str(&wrapped(name, &files[name])?);
    }
    Ok(script)
}

/// Lists a module after everything that it imports.
fn collect(name: &str, files: &BTreeMap<String, String>, done: &mut Vec<String>) -> Result<(), Box<dyn Error>> {
    if done.iter().any(|one| one == name) {
        return Ok(());
    }
    let text = files.get(name).ok_or_else(|| format!("{ASSETS} has no {name}"))?;
    for (_, from) in text.lines().filter_map(import) {
        collect(from, files, done)?;
    }
    done.push(name.to_owned());
    Ok(())
}

/// Names and module of a line `import { one, two } from "./module.js";`.
fn import(line: &str) -> Option<(&str, &str)> {
    let (names, from) = line.strip_prefix("import { ")?.split_once(" } from \"./")?;
    Some((names, from.strip_suffix("\";")?))
}

/// What a module exports.
fn exports<'a>(name: &str, text: &'a str) -> Result<Vec<&'a str>, Box<dyn Error>> {
    let mut exports = Vec::new();
    for declaration in text.lines().filter_map(|line| line.strip_prefix("export ")) {
        let rest = declaration.strip_prefix("async ").unwrap_or(declaration);
        let rest = rest.strip_prefix("const ").or_else(|| rest.strip_prefix("function "));
        let rest =
            rest.ok_or_else(|| format!("{name}: only constants and functions can be exported: {declaration}"))?;
        let end = rest.find(|letter: char| !(letter.is_alphanumeric() || "_$".contains(letter)));
        exports.push(&rest[..end.unwrap_or(rest.len())]);
    }
    Ok(exports)
}

/// The module as a constant with what it exports. A part of the page's HTML is one that exports its text.
fn wrapped(name: &str, text: &str) -> Result<String, Box<dyn Error>> {
    if name.ends_with(".html") {
        // Rust and JavaScript write such a text alike.
        return Ok(format!("const {} = {{ html: {:?} }};\n", variable(name), squeezed(text)));
    }
    let mut body = String::new();
    for line in text.lines() {
        if let Some((names, from)) = import(line).filter(|(names, _)| !names.contains(" as ")) {
            writeln!(body, "const {{ {names} }} = {};", variable(from))?;
        } else if line.starts_with("import ") {
            return Err(
                format!("{name}: an import is `import {{ one }} from \"./module.js\";`, in one line: {line}").into()
            );
        } else if !line.trim_start().starts_with("// ") {
            writeln!(body, "{}", line.strip_prefix("export ").unwrap_or(line).trim_start())?;
        }
    }
    let exports = exports(name, text)?.join(", ");
    Ok(format!("const {} = (() => {{\n{body}return {{ {exports} }};\n}})();\n", variable(name)))
}

/// Without the spaces that only people need.
fn squeezed(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// A module's name as that of a constant.
fn variable(name: &str) -> String {
    name.replace(['.', '-'], "_")
}
