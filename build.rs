//! Packs the page into the program: its modules become one script, each file is compressed, and the address of all of them
//! has a hash of what they hold, so that a browser asks for them once and never again.

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

/// The module that the page starts; what it imports, and what that imports, becomes part of it.
const ENTRY: &str = "app.js";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={ASSETS}");
    let out = PathBuf::from(env::var("OUT_DIR")?).join("assets");
    fs::create_dir_all(&out)?;
    let mut files = read(Path::new(ASSETS))?;
    let script = join(&mut files)?;
    files.insert(ENTRY.into(), script);
    let hash = hash_of(&files);
    for (name, text) in &mut files {
        if name.ends_with(".html") {
            *text = text.replace("\"assets/", &format!("\"assets/{hash}/"));
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

/// Takes the entry and its imports out of the files, and makes one script of them.
fn join(files: &mut BTreeMap<String, String>) -> Result<String, Box<dyn Error>> {
    let mut modules = Vec::new();
    collect(ENTRY, files, &mut modules)?;
    let mut script = String::from("\"use strict\";\n");
    for name in &modules {
        let text = files.remove(name).ok_or("listed twice")?;
        script.push_str(&wrapped(name, &text)?);
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

/// The module as a constant with what it exports.
fn wrapped(name: &str, text: &str) -> Result<String, Box<dyn Error>> {
    let mut body = String::new();
    let mut exports = Vec::new();
    for line in text.lines() {
        if let Some((names, from)) = import(line) {
            writeln!(body, "const {{ {names} }} = {};", variable(from))?;
        } else if let Some(declaration) = line.strip_prefix("export ") {
            let rest = declaration.strip_prefix("async ").unwrap_or(declaration);
            let rest = rest.strip_prefix("const ").or_else(|| rest.strip_prefix("function "));
            let rest = rest.ok_or_else(|| format!("{name}: only constants and functions can be exported: {line}"))?;
            let end = rest.find(|letter: char| !(letter.is_alphanumeric() || "_$".contains(letter)));
            exports.push(&rest[..end.unwrap_or(rest.len())]);
            writeln!(body, "{declaration}")?;
        } else if line.starts_with("import ") {
            return Err(
                format!("{name}: an import is `import {{ one }} from \"./module.js\";`, in one line: {line}").into()
            );
        } else if !line.trim_start().starts_with("// ") {
            writeln!(body, "{line}")?;
        }
    }
    let exports = exports.join(", ");
    Ok(format!("const {} = (() => {{\n{body}return {{ {exports} }};\n}})();\n", variable(name)))
}

/// A module's name as that of a constant.
fn variable(name: &str) -> String {
    name.replace(['.', '-'], "_")
}
