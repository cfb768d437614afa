//! Each configuration that a page shows can be used.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use glimpsed_core::config::Sources;
use tempfile::TempDir;

use super::{fenced, pages, text};
use crate::support::root;

/// What a page need not show: the views and labels that a rule is about, what is allowed elsewhere in the file, the programs of a
/// board, and what is in a certificate.
const SURROUNDINGS: [&str; 5] =
    ["names no view", "names no label", "is not allowed", "cannot be started", "`mqtt.tls.cert` cannot be used"];

/// A directory with the files that the pages name, so that only what the pages say can be wrong.
fn files_of_the_pages() -> TempDir {
    let files = TempDir::new().expect("a directory");
    for secret in ["mqtt-password", "camera-password", "http-token", "notify-token", "client.key"] {
        let path = files.path().join(secret);
        std::fs::write(&path, "0123456789abcdef0123456789abcdef").expect("written");
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("permissions");
    }
    for (name, bundled) in [("mine.onnx", "efficientnet-lite0.onnx"), ("mine.txt", "imagenet-labels.txt")] {
        std::fs::copy(root().join("models").join(bundled), files.path().join(name)).expect("copied");
    }
    files
}

#[test]
fn each_configuration_in_the_pages_is_valid() {
    let files = files_of_the_pages();
    let (mut count, mut wrong) = (0, Vec::new());
    for page in pages() {
        for (_, block) in fenced(&text(&page)).into_iter().filter(|(language, _)| *language == "toml") {
            count += 1;
            let here = format!("{}/", files.path().display());
            let text = block.replace("/etc/glimpsed/", &here).replace("/var/lib/glimpsed/", &here);
            // What containers have there.
            let photographs = root().join("models/photos").display().to_string();
            let text = text.replace("/run/glimpsed/", &here).replace("/usr/share/glimpsed/models/photos", &photographs);
            let sources = Sources::alone(files.path().join("glimpsed.toml"), text);
            let Err(problems) = sources.load_awaiting_models() else { continue };
            let is_of_the_page = |line: &&str| !SURROUNDINGS.iter().any(|surroundings| line.contains(surroundings));
            let told = problems.summary();
            wrong.extend(told.lines().filter(is_of_the_page).map(|line| format!("{}: {line}", page.display())));
        }
    }
    assert!(count > 20, "only {count} configurations");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
