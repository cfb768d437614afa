//! The page's modules become one script while the program is built.

use std::collections::BTreeMap;

#[path = "../../build/modules.rs"]
mod modules;

/// The script of the module `app.js`.
fn joined(files: &[(&str, &str)]) -> Result<String, String> {
    let mut files: BTreeMap<String, String> =
        files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    modules::join("app.js", &mut files)
}

#[test]
fn what_is_imported_stands_before_what_imports_it_and_keeps_its_other_name() {
    let script = joined(&[
        ("app.js", "import { one as first, two } from \"./parts.js\";\nfirst(two);\n"),
        ("parts.js", "// A comment.\nexport const two = 2;\nexport async function one(value) {}\n"),
    ]);
    let expected = "\"use strict\";\n\
        const parts_js = (() => {\nconst two = 2;\nasync function one(value) {}\nreturn { one, two };\n})();\n\
        const app_js = (() => {\nconst { one: first, two: two } = parts_js;\nfirst(two);\nreturn {  };\n})();\n";
    assert_eq!(script.as_deref(), Ok(expected));
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
