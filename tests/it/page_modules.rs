//! The page's modules become one script while the program is built.

use std::collections::BTreeMap;

#[path = "../../build/modules.rs"]
mod modules;

fn scripts(files: &[(&str, &str)], on_demand: &[&str]) -> Result<Vec<(String, String)>, String> {
    let files: BTreeMap<String, String> =
        files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    modules::scripts("app.js", on_demand, &files)
}

/// The script of the module `app.js`.
fn joined(files: &[(&str, &str)]) -> Result<String, String> {
    let mut scripts = scripts(files, &[])?;
    Ok(scripts.remove(0).1)
}

#[test]
fn what_is_imported_stands_before_what_imports_it_and_keeps_its_other_name() {
    let script = joined(&[
        ("app.js", "import { one as first, two } from \"./parts.js\";\nfirst(two);\n"),
        ("parts.js", "// A comment.\nexport const two = 2;\nexport async function one(value) {}\n"),
    ]);
    let expected = "\"use strict\";\n\
        const parts_js = (() => {\nconst two = 2;\nasync function one(value) {}\nreturn { one, two };\n})();\n\
        const app_js = (() => {\nconst { one: first, two } = parts_js;\nfirst(two);\nreturn {  };\n})();\n";
    assert_eq!(script.as_deref(), Ok(expected));
}

#[test]
fn what_only_people_read_is_not_sent() {
    let script = modules::without_comments("// Why.\n(() => {\n  // How.\n  go(\"// no comment\");\n})();\n");
    assert_eq!(script, "(() => {\ngo(\"// no comment\");\n})();\n");
    let style = modules::without_comments("/* Why. */\na { color: red; } /* kept */\n\n  b { top: 0; }\n");
    assert_eq!(style, "a { color: red; } /* kept */\nb { top: 0; }\n");
}

#[test]
fn a_script_that_is_loaded_alone_is_no_module() {
    let alone = |text: &str| modules::check_alone("early.js", text);
    let of = |text: &str| Err(format!("early.js is loaded alone, so it is no module: {text}"));
    for line in ["import { one } from \"./parts.js\";", "export const two = 2;"] {
        assert_eq!(alone(&format!("go();\n{line}\n")), of(line));
    }
    assert_eq!(alone("import(\"./parts.js\").then(go);\nexports = 1;\n"), Ok(()));
}

#[test]
fn modules_that_import_each_other_are_an_error_with_the_circle() {
    let (one, other) =
        ("import { b } from \"./b.js\";\nexport const a = 1;", "import { a } from \"./a.js\";\nexport const b = 1;");
    let error = joined(&[("app.js", "import { a } from \"./a.js\";"), ("a.js", one), ("b.js", other)]);
    assert_eq!(error, Err("modules import each other in a circle: app.js -> a.js -> b.js -> a.js".into()));
}

#[test]
fn a_form_that_cannot_be_joined_is_an_error_with_its_line() {
    for line in [
        "import * as parts from \"./parts.js\";",
        "import parts from \"./parts.js\";",
        "import \"./parts.js\";",
        "import { one,",
        "import{ one } from \"./parts.js\";",
        "export default 1;",
        "export { one };",
        "export class One {}",
        "import { three } from \"./parts.js\";",
        "import { one } from \"./missing.js\";",
    ] {
        let result = joined(&[("app.js", &format!("first();\n{line}\n")), ("parts.js", "export const one = 1;")]);
        let error = result.expect_err(line);
        assert!(error.contains("app.js:2: ") || error == "there is no module app.js -> missing.js", "{error}");
    }
    assert!(joined(&[("app.js", "importance();\n  import(\"./later.js\");\nexported = {\n  import: 1,\n};")]).is_ok());
}

#[test]
fn what_is_loaded_on_demand_has_what_the_first_script_has_not() {
    let files = [
        ("app.js", "import { one } from \"./parts.js\";\none();"),
        ("parts.js", "export function one() {}"),
        (
            "day.js",
            "import { one } from \"./parts.js\";\nimport { html } from \"./day.html\";\nexport function open() { one(html); }",
        ),
        ("day.html", "<p>\n  \"A day\"\n</p>\n"),
    ];
    let all = scripts(&files, &["day.js"]).expect("joined");
    let [(_, first), (name, day)] = &all[..] else { panic!("two scripts") };
    assert!(first.ends_with("export { parts_js, app_js };\n"), "{first}");
    let expected = "import { parts_js, app_js } from \"./app.js\";\n\"use strict\";\n\
        const day_html = { html: \"<p>\\n\\\"A day\\\"\\n</p>\" };\n\
        const day_js = (() => {\nconst { one } = parts_js;\nconst { html } = day_html;\nfunction open() { one(html); }\nreturn { open };\n})();\n\
        export const { open } = day_js;\n";
    assert_eq!((name.as_str(), day.as_str()), ("day.js", expected));
}
