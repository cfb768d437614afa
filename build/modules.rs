//! Makes scripts of JavaScript modules, for the few forms of `import` and `export` that the page uses. Others are errors of the build:
//! a browser would find them only when it opens the page.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// The scripts by name: that of the module `entry` with all that it imports, and one for each module that is loaded on demand, with what
/// it imports and the entry's script has not. A part of the page's HTML is a module that exports its text as `html`.
///
/// # Errors
/// Which line of which module cannot be joined, and what it has to look like.
pub(crate) fn scripts(
    entry: &str,
    on_demand: &[&str],
    files: &BTreeMap<String, String>,
) -> Result<Vec<(String, String)>, String> {
    let (mut shared, mut exported) = (Vec::new(), BTreeMap::new());
    collect(entry, files, &mut Vec::new(), &mut shared)?;
    let mut script = joined(&shared, files, &mut exported)?;
    let names: Vec<String> = shared.iter().map(|name| variable(name)).collect();
    let names = names.join(", ");
    if !on_demand.is_empty() {
        push(&mut script, format_args!("export {{ {names} }};"));
    }
    let mut scripts = vec![(entry.to_owned(), script)];
    for module in on_demand {
        let (mut all, mut exported) = (shared.clone(), exported.clone());
        collect(module, files, &mut Vec::new(), &mut all)?;
        let text = joined(&all[shared.len()..], files, &mut exported)?;
        let exports: Vec<&str> = exported.get(*module).into_iter().flatten().map(String::as_str).collect();
        let (exports, module_variable) = (exports.join(", "), variable(module));
        let script = format!(
            "import {{ {names} }} from \"./{entry}\";\n{text}export const {{ {exports} }} = {module_variable};\n"
        );
        scripts.push(((*module).to_owned(), script));
    }
    Ok(scripts)
}

/// What each module exports, by its name.
type Exports = BTreeMap<String, BTreeSet<String>>;

fn joined(modules: &[String], files: &BTreeMap<String, String>, exported: &mut Exports) -> Result<String, String> {
    let mut script = String::from("\"use strict\";\n");
    for name in modules {
        let text = files.get(name).map_or("", String::as_str);
        let module = if name.ends_with(".html") { html(name, text) } else { wrapped(name, text, exported)? };
        script.push_str(&module.script);
        exported.insert(name.clone(), module.exports);
    }
    Ok(script)
}

fn html(name: &str, text: &str) -> Module {
    // Rust and JavaScript write such a text alike.
    let script = format!("const {} = {{ html: {:?} }};\n", variable(name), squeezed(text));
    Module { script, exports: BTreeSet::from(["html".to_owned()]) }
}

/// HTML without the spaces that only people need.
pub(crate) fn squeezed(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// A script or a style without the lines and the spaces that only people need.
pub(crate) fn without_comments(text: &str) -> String {
    let is_comment = |line: &&str| line.starts_with("// ") || (line.starts_with("/*") && line.ends_with("*/"));
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !is_comment(line))
        .map(|line| line.to_owned() + "\n")
        .collect()
}

/// Refuses a script that is loaded alone, and yet imports or exports something.
pub(crate) fn check_alone(name: &str, text: &str) -> Result<(), String> {
    match text.lines().find(|line| is_statement(line, "import") || is_statement(line, "export")) {
        None => Ok(()),
        Some(line) => Err(format!("{name} is loaded alone, so it is no module: {line}")),
    }
}

/// Lists a module after everything that it imports. `path` leads from the entry to the module.
fn collect(
    name: &str,
    files: &BTreeMap<String, String>,
    path: &mut Vec<String>,
    done: &mut Vec<String>,
) -> Result<(), String> {
    if done.iter().any(|one| one == name) {
        return Ok(());
    }
    let again = path.iter().any(|one| one == name);
    path.push(name.to_owned());
    if again {
        return Err(format!("modules import each other in a circle: {}", path.join(" -> ")));
    }
    let text = files.get(name).ok_or_else(|| format!("there is no module {}", path.join(" -> ")))?;
    for Import { from, .. } in text.lines().filter_map(Import::parse) {
        collect(from, files, path, done)?;
    }
    path.pop();
    done.push(name.to_owned());
    Ok(())
}

/// A line `import { one, two as other } from "./module.js";`.
struct Import<'a> {
    /// Each with its name in the importing module.
    names: Vec<(&'a str, &'a str)>,
    from: &'a str,
}

impl<'a> Import<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (names, from) = line.strip_prefix("import { ")?.split_once(" } from \"./")?;
        let names = names.split(',').map(str::trim).map(|name| name.split_once(" as ").unwrap_or((name, name)));
        Some(Self { names: names.collect(), from: from.strip_suffix("\";")? })
    }
}

/// A module as a constant with what it exports.
struct Module {
    script: String,
    exports: BTreeSet<String>,
}

fn wrapped(name: &str, text: &str, exported: &Exports) -> Result<Module, String> {
    let (mut body, mut exports) = (String::new(), BTreeSet::new());
    for (number, line) in text.lines().enumerate() {
        let wrong = |what: &str| format!("{name}:{}: {what}: {line}", number + 1);
        if let Some(Import { names, from }) = Import::parse(line) {
            let offered = exported.get(from);
            if let Some((missing, _)) = names.iter().find(|(name, _)| !offered.is_some_and(|all| all.contains(*name))) {
                return Err(wrong(&format!("{from} does not export `{missing}`")));
            }
            let one =
                |(name, here): &(&str, &str)| if name == here { (*name).to_owned() } else { format!("{name}: {here}") };
            let names: Vec<String> = names.iter().map(one).collect();
            push(&mut body, format_args!("const {{ {} }} = {};", names.join(", "), variable(from)));
        } else if let Some(declaration) = line.strip_prefix("export ") {
            let rest = declaration.strip_prefix("async ").unwrap_or(declaration);
            let rest = rest.strip_prefix("const ").or_else(|| rest.strip_prefix("function "));
            let rest = rest.ok_or_else(|| wrong("an export is `export const` or `export function`"))?;
            let end = rest.find(|letter: char| !(letter.is_alphanumeric() || "_$".contains(letter)));
            exports.insert(rest[..end.unwrap_or(rest.len())].to_owned());
            push(&mut body, format_args!("{declaration}"));
        } else if is_statement(line, "import") || is_statement(line, "export") {
            return Err(wrong("an import is `import { one, two as other } from \"./module.js\";`, in one line"));
        } else if !line.trim_start().starts_with("// ") {
            push(&mut body, format_args!("{}", line.trim_start()));
        }
    }
    let list: Vec<&str> = exports.iter().map(String::as_str).collect();
    let list = list.join(", ");
    let script = format!("const {} = (() => {{\n{body}return {{ {list} }};\n}})();\n", variable(name));
    Ok(Module { script, exports })
}

/// Whether the line begins with this word, as a statement: `import(...)` loads a module of its own file later, and is no statement.
fn is_statement(line: &str, word: &str) -> bool {
    let rest = line.trim_start().strip_prefix(word);
    rest.is_some_and(|rest| !rest.starts_with(|letter: char| letter.is_alphanumeric() || "_$:(".contains(letter)))
}

/// A module's name as that of a constant.
fn variable(name: &str) -> String {
    name.replace(['.', '-'], "_")
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{line}");
}
