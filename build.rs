//! Packs the page into the program: the modules that it starts with become one script, and those of each place another, which is
//! loaded when the place is opened. Each file is compressed, and the address of all of them has a hash of what they hold, so that a
//! browser asks for them once and never again.

#[path = "build/modules.rs"]
mod modules;

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
const ON_DEMAND: [&str; 12] = [
    "absent.js",
    "arranging.js",
    "day.js",
    "editor.js",
    "fallback.js",
    "labelling.js",
    "session.js",
    "settings.js",
    "setup.js",
    "teach.js",
    "tiles.js",
    "wall.js",
];

/// Scripts that import nothing: what comes before the page's script, and what stands in its place.
const STAND_ALONE: [&str; 2] = ["early.js", "login.js"];

/// Parts of the page's HTML that are in the scripts of their places.
const PARTS: [&str; 4] = ["day.html", "settings.html", "setup.html", "teach.html"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={ASSETS}");
    println!("cargo::rerun-if-changed=build");
    let out = PathBuf::from(env::var("OUT_DIR")?).join("assets");
    fs::create_dir_all(&out)?;
    let mut files = read(Path::new(ASSETS))?;
    let scripts = modules::scripts(ENTRY, &ON_DEMAND, &files).map_err(|cause| format!("{ASSETS}: {cause}"))?;
    files.retain(|name, _| !name.ends_with(".js") || STAND_ALONE.contains(&name.as_str()));
    files.retain(|name, _| !PARTS.iter().any(|part| name.ends_with(part)));
    files.extend(scripts);
    for (name, text) in &mut files {
        if name.ends_with(".css") || STAND_ALONE.contains(&name.as_str()) {
            *text = modules::without_comments(text);
            modules::check_alone(name, text).map_err(|cause| format!("{ASSETS}: {cause}"))?;
        }
    }
    let hash = hash_of(&files);
    for (name, text) in &mut files {
        if name.ends_with(".html") {
            *text = modules::squeezed(text).replace("\"assets/", &format!("\"assets/{hash}/"));
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
