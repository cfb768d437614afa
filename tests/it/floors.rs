//! The order of the modules: no folder uses one that stands above it or beside it on the same floor, no two files use each
//! other, directly or through others, and a `mod.rs` or `lib.rs` only lists and re-exports. Inside one crate the compiler
//! forbids none of it.
//!
//! A path is followed to the file that defines its last name, through re-exports, so a `mod.rs` may list and re-export
//! what stands below it. Tests inside the sources are left out: they may look anywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

mod parser;

use parser::{definitions, is_name, leaves, tokens, without_comments, without_tests};

type Floors = &'static [&'static [&'static str]];

/// The folders and files of the crates that have several floors, from the ground up. A name may use what stands in an earlier
/// line, and nothing else but itself.
const FLOORS: &[(&str, Floors)] = &[
    (
        "crates/core/src",
        &[
            &["directories", "board", "http_client"],
            &["domain"],
            &["bus", "preprocess", "models"],
            &["decide", "infer", "payload"],
            &["config", "pipeline", "teach"],
            &["capture", "sinks", "compare"],
            &["telemetry", "error", "fleet"],
            &["command_error"],
        ],
    ),
    ("src", &[&["web"], &["control"], &["app"], &["cli"]]),
];

#[test]
fn no_folder_uses_one_above_it() {
    let mut wrong = BTreeSet::new();
    for (root, floors) in FLOORS {
        let floor_of = |name: &str| floors.iter().position(|floor| floor.contains(&name));
        for (user, used) in Sources::read(&repository().join(root)).uses() {
            let (from, to) = (user[0].as_str(), used[0].as_str());
            let (Some(own), Some(other)) = (floor_of(from), floor_of(to)) else {
                let stranger = if floor_of(from).is_none() { from } else { to };
                wrong.insert(format!("{root}/{stranger} stands on no floor; add it to FLOORS"));
                continue;
            };
            if from != to && other >= own {
                wrong.insert(format!("{from} > {to}: {} uses {}", user.join("::"), used.join("::")));
            }
        }
    }
    let report: Vec<String> = wrong.into_iter().collect();
    assert!(report.is_empty(), "{} paths lead upwards:\n{}", report.len(), report.join("\n"));
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    for root in roots() {
        let sources = Sources::read(&root);
        let circles = circles(&sources.uses());
        let report: Vec<String> = circles
            .iter()
            .map(|circle| circle.iter().map(|file| file.join("::")).collect::<Vec<_>>().join(", "))
            .collect();
        assert!(report.is_empty(), "files of {} use each other:\n{}", root.display(), report.join("\n"));
    }
}

#[test]
fn every_floor_is_there() {
    for (root, floors) in FLOORS {
        let sources = Sources::read(&repository().join(root));
        for name in floors.iter().copied().flatten() {
            assert!(sources.files.keys().any(|file| file[0] == *name), "`{name}` is not in {root}; take it off FLOORS");
        }
    }
}

#[test]
fn a_module_that_lists_others_defines_nothing() {
    let (mut lists, mut wrong) = (0, Vec::new());
    for root in roots() {
        for path in rust_files(&root).into_iter().filter(|path| path.ends_with("mod.rs") || path.ends_with("lib.rs")) {
            lists += 1;
            let defined = definitions(&std::fs::read_to_string(&path).expect("text"));
            wrong.extend(defined.into_iter().map(|item| format!("{}: {item}", path.display())));
        }
    }
    assert!(lists > 30, "{lists} lists were found");
    assert!(wrong.is_empty(), "these belong into files with names:\n{}", wrong.join("\n"));
}

#[test]
fn lists_re_exports_and_examples_for_tests_are_no_definitions() {
    let list = "//! What it is.\n#![deny(missing_docs)]\n\nmod a;\npub(crate) mod b;\n#[cfg(feature = \"x\")]\nmod c;\npub use a::{One, Two};\n\
        #[cfg(doctest)]\n#[doc = include_str!(\"../README.md\")]\nstruct Readme;\n#[cfg(test)]\nmod tests { fn f() {} }\n";
    assert!(definitions(list).is_empty(), "{:?}", definitions(list));
    for item in [
        "pub fn f() {}",
        "const X: u8 = 1;",
        "pub struct A;",
        "impl A {}",
        "mod inner { }",
        "macro_rules! m { () => {} }",
    ] {
        assert_eq!(definitions(&format!("mod a;\n{item}\nmod b;")).len(), 1, "{item}");
    }
}

#[test]
fn paths_are_followed_through_re_exports_groups_and_modules() {
    let files = [
        ("a", "pub struct One; pub mod inner;"),
        ("a::inner", "pub use super::One as Uno; pub struct Two;"),
        ("b", "use crate::a::{One, inner::{self, Two}};\nfn f() { inner::Uno; }"),
        ("c", "/* crate::b */ // crate::b\nfn f() { \"crate::b\"; crate::a::inner::Two; }"),
        ("d", "#[cfg(test)]\nmod tests { use crate::b; }\nuse crate::a::inner::*;"),
        ("e", "enum E { A, #[cfg(test)] B(crate::b), #[cfg(test)] C }\nfn f() { { crate::d::G } }"),
    ];
    let sources = Sources::of(files.map(|(name, text)| (module(name), text.to_owned())).into());
    let uses: Vec<String> =
        sources.uses().iter().map(|(user, used)| format!("{} {}", user.join("::"), used.join("::"))).collect();
    assert_eq!(uses, ["a::inner a", "b a", "b a::inner", "c a::inner", "d a::inner", "e d"]);
}

#[test]
fn a_circle_is_found_however_long_it_is() {
    let pairs = [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("e", "a")];
    let uses = pairs.iter().map(|(one, other)| (module(one), module(other))).collect();
    assert_eq!(circles(&uses), [["a", "b", "c"].map(module)]);
}

/// The path of a module inside its crate, the crate left out.
type Module = Vec<String>;

fn module(path: &str) -> Module {
    path.split("::").map(str::to_owned).collect()
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The sources of the daemon and of each crate.
fn roots() -> Vec<PathBuf> {
    let mut roots = vec![repository().join("src")];
    let crates = std::fs::read_dir(repository().join("crates")).into_iter().flatten().flatten();
    roots.extend(crates.map(|entry| entry.path().join("src")).filter(|path| path.is_dir()));
    roots
}

fn rust_files(root: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|end| end == "rs") => files.push(path),
                false => {}
            }
        }
    }
    files
}

struct Sources {
    files: BTreeMap<Module, File>,
}

#[derive(Default)]
struct File {
    /// What it says at its top: the names of its items and child modules.
    defines: BTreeSet<String>,
    /// What it passes on under which name; `*` for everything of a module.
    passes_on: Vec<(String, Module)>,
    /// The paths that it uses, from the crate's root.
    paths: Vec<Module>,
}

impl Sources {
    fn read(root: &Path) -> Self {
        let others = ["main.rs", "lib.rs", "tests.rs", "freshness_tests.rs"];
        let read = |path: PathBuf| {
            let below = path.strip_prefix(root).expect("below").with_extension("");
            let mut module: Module = below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            module.retain(|part| part != "mod");
            (module, std::fs::read_to_string(&path).expect("text"))
        };
        let files = rust_files(root).into_iter().filter(|path| !others.iter().any(|other| path.ends_with(other)));
        Self::of(files.map(read).collect())
    }

    fn of(texts: BTreeMap<Module, String>) -> Self {
        let files = texts.iter().map(|(module, text)| (module.clone(), File::parse(module, text))).collect();
        Self { files }
    }

    /// Which file uses which, each pair once.
    fn uses(&self) -> BTreeSet<(Module, Module)> {
        let mut pairs = BTreeSet::new();
        for (module, file) in &self.files {
            for path in &file.paths {
                if let Some(used) = self.file_of(path, 0).filter(|used| used != module) {
                    pairs.insert((module.clone(), used));
                }
            }
        }
        pairs
    }

    /// The file that defines what `path` leads to; `None` for what is no file of this crate.
    fn file_of(&self, path: &[String], depth: usize) -> Option<Module> {
        // A module of that name, or the longest one on the way.
        let mut length = path.len();
        while length > 0 && !self.files.contains_key(&path[..length]) {
            length -= 1;
        }
        let module = &path[..length];
        let file = self.files.get(module)?;
        let Some(name) = path.get(length).filter(|name| *name != "*" && depth < 8) else {
            return Some(module.to_vec());
        };
        if file.defines.contains(name) {
            return Some(module.to_vec());
        }
        let named = file.passes_on.iter().find(|(as_name, _)| as_name == name);
        if let Some((_, target)) = named {
            let rest = path[length + 1..].iter().cloned();
            return self.file_of(&target.iter().cloned().chain(rest).collect::<Vec<_>>(), depth + 1);
        }
        let globs = file.passes_on.iter().filter(|(as_name, _)| as_name == "*");
        let through = globs.filter_map(|(_, target)| {
            let target = &target[..target.len() - 1];
            self.files.get(target)?.defines.contains(name).then(|| target.to_vec())
        });
        Some(through.into_iter().next().unwrap_or_else(|| module.to_vec()))
    }
}

impl File {
    fn parse(module: &[String], text: &str) -> Self {
        let code = without_tests(&without_comments(text));
        let mut file = Self::default();
        let mut children = BTreeSet::new();
        let mut tokens = tokens(&code).into_iter().peekable();
        let mut imported: BTreeMap<String, Module> = BTreeMap::new();
        let (mut rest, mut is_public) = (Vec::new(), false);
        // How deep it is, and the modules that are written out in this file with the depth of their blocks.
        let (mut depth, mut inline): (usize, Vec<(String, usize)>) = (0, Vec::new());
        let here = |inline: &[(String, usize)], path: Vec<String>| -> Vec<String> {
            let inside = ["super", "self"].contains(&path[0].as_str());
            let names = inline.iter().map(|(name, _)| name.clone());
            match inline.is_empty() || !inside {
                true => path,
                false => ["self".to_owned()].into_iter().chain(names).chain(path).collect(),
            }
        };
        while let Some(token) = tokens.next() {
            match token.as_str() {
                "{" => depth += 1,
                "}" => {
                    depth -= 1;
                    inline.pop_if(|(_, block)| *block > depth);
                }
                // Not the captures of an `impl Trait + use<...>`.
                "use" if tokens.peek().is_none_or(|next| next != "<") => {
                    let tree: Vec<String> = tokens.by_ref().take_while(|token| token != ";").collect();
                    for (path, name) in leaves(&tree) {
                        rest.push((here(&inline, path), Some(name), is_public && inline.is_empty()));
                    }
                }
                "mod" => {
                    let Some(name) = tokens.next_if(|name| is_name(name)) else { continue };
                    match tokens.peek().is_some_and(|next| next == "{") {
                        true => inline.push((name, depth + 1)),
                        false => drop(children.insert(name)),
                    }
                }
                "struct" | "enum" | "fn" | "const" | "static" | "trait" | "type" | "union" | "macro_rules" => {
                    let name = tokens.peek().filter(|name| is_name(name)).cloned();
                    file.defines.extend(name);
                }
                first if is_name(first) => {
                    let mut path = vec![first.to_owned()];
                    while tokens.peek().is_some_and(|token| token == "::") {
                        tokens.next();
                        match tokens.peek().filter(|name| is_name(name)) {
                            Some(name) => path.push(name.clone()),
                            None => break,
                        }
                        tokens.next();
                    }
                    if path.len() > 1 {
                        rest.push((here(&inline, path), None, false));
                    }
                }
                _ => {}
            }
            is_public = token == "pub" || (is_public && ["(", ")", "crate", "super", "in"].contains(&token.as_str()));
        }
        // First what names mean, then the paths that begin with them.
        let absolute = |path: &[String], imported: &BTreeMap<String, Module>| -> Option<Module> {
            let mut own = module.to_vec();
            let mut parts = path.iter();
            match parts.next()?.as_str() {
                "crate" => own.clear(),
                "self" => {}
                "super" => drop(own.pop()),
                name if imported.contains_key(name) => own = imported[name].clone(),
                name if children.contains(name) => own.push(name.to_owned()),
                _ => return None,
            }
            for part in parts {
                match part.as_str() {
                    "super" => drop(own.pop()),
                    "self" => {}
                    name => own.push(name.to_owned()),
                }
            }
            Some(own)
        };
        for (path, name, is_public) in rest.iter().filter(|(_, name, _)| name.is_some()) {
            let Some(target) = absolute(path, &BTreeMap::new()) else { continue };
            let name = name.clone().unwrap_or_default();
            // To list what stands below is no use of it; to pass on what stands elsewhere is.
            if !(*is_public && target.starts_with(module)) {
                file.paths.push(target.clone());
            }
            if *is_public {
                file.passes_on.push((name, target.clone()));
            }
            if path.last().is_some_and(|last| last != "*") {
                imported.insert(rest_name(path, &target, &file.passes_on), target);
            }
        }
        let inline = rest.iter().filter(|(_, name, _)| name.is_none());
        file.paths.extend(inline.filter_map(|(path, ..)| absolute(path, &imported)));
        file
    }
}

/// The name under which a leaf is known.
fn rest_name(path: &[String], target: &Module, passes_on: &[(String, Module)]) -> String {
    let renamed = passes_on.iter().find(|(_, known)| known == target).map(|(name, _)| name.clone());
    renamed.or_else(|| path.last().cloned()).unwrap_or_default()
}

/// Groups of files each of which leads to every other of its group; sorted.
fn circles(uses: &BTreeSet<(Module, Module)>) -> Vec<Vec<Module>> {
    let reach = |from: &Module| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(at) = open.pop() {
            for (_, next) in uses.iter().filter(|(user, _)| *user == at) {
                if seen.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        seen
    };
    let all: BTreeMap<Module, BTreeSet<Module>> = uses.iter().map(|(user, _)| (user.clone(), reach(user))).collect();
    let mut groups: Vec<Vec<Module>> = Vec::new();
    for (file, _) in all.iter().filter(|(file, reached)| reached.contains(*file)) {
        if groups.iter().any(|group| group.contains(file)) {
            continue;
        }
        let together =
            |other: &&Module| all[file].contains(*other) && all.get(*other).is_some_and(|r| r.contains(file));
        groups.push(all.keys().filter(together).cloned().collect());
    }
    groups
}
