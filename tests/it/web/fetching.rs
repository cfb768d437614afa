//! Models that are not here are downloaded over HTTP, from a directory as a mirror.

use serde_json::{Value, json};

use super::Server;
use crate::support::{ConfigFile, Running, root};

const INT8: &str = "efficientnet-lite0-int8";
const PATH: &str = "/api/v1/models/efficientnet-lite0-int8/fetch";

/// A directory with one of the two bundled models, and a mirror that has the other, or something that is not that.
fn without_int8(mirrored: &[u8]) -> (tempfile::TempDir, Running, Server) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    std::fs::create_dir(path("here")).expect("a folder");
    std::fs::create_dir(path("mirror")).expect("a folder");
    let file = "efficientnet-lite0.onnx";
    std::fs::copy(root().join("models").join(file), path("here").join(file)).expect("copied");
    std::fs::write(path("mirror/efficientnet-lite0-int8.onnx"), mirrored).expect("writable");
    let tables = format!("[model]\ndirectory = {:?}\nmirror = {:?}\n[http]\n", path("here"), path("mirror"));
    let mut daemon = ConfigFile::replay(5, &tables).daemon();
    let server = Server::of(&mut daemon);
    (directory, daemon, server)
}

fn int8() -> Vec<u8> {
    std::fs::read(root().join("models/efficientnet-lite0-int8.onnx")).expect("bundled")
}

fn model(models: &Value, name: &str) -> Value {
    models.as_array().expect("a list").iter().find(|model| model["name"] == name).expect("it is listed").clone()
}

#[test]
fn a_model_that_is_not_here_is_fetched_and_then_labels() {
    let (directory, _daemon, server) = without_int8(&int8());
    let before = model(&server.get("/api/v1/models").json(), INT8);
    assert_eq!(
        (&before["present"], &before["fetchable"], &before["bytes"]),
        (&json!(false), &json!(true), &json!(5_071_486))
    );
    assert_eq!(model(&server.get("/api/v1/models").json(), "efficientnet-lite0")["int8"], INT8);
    let begun = server.ask("POST", PATH, &[], b"");
    assert_eq!(begun.status, 202, "{}", begun.text());
    let models = server.until("/api/v1/models", |models| model(models, INT8)["present"] == true);
    assert_eq!(model(&models, INT8)["active"], false);
    assert!(directory.path().join("here/efficientnet-lite0-int8.onnx").is_file());
    let set = server.post("/api/v1/model", &format!("{{\"name\":\"{INT8}\"}}"));
    assert_eq!((set.status, &set.json()["model"]), (200, &json!(INT8)), "{}", set.text());
    let again = server.ask("POST", PATH, &[], b"");
    assert!(again.status == 409 && again.text().contains("is here already"), "{}", again.text());
}

#[test]
fn what_is_not_the_model_is_not_kept_and_the_reason_is_told() {
    let mut wrong = int8();
    wrong[1_000_000] ^= 1;
    let (directory, mut daemon, server) = without_int8(&wrong);
    assert_eq!(server.ask("POST", PATH, &[], b"").status, 202);
    daemon.line_with("was not downloaded");
    let events = first_events(&server);
    let download = events.lines().skip_while(|line| *line != "event: download").nth(1).expect("told");
    let download: Value = serde_json::from_str(download.trim_start_matches("data: ")).expect("JSON");
    assert_eq!((&download["state"], &download["name"]), (&json!("failed"), &json!(INT8)));
    assert!(download["error"].as_str().is_some_and(|error| error.contains("its sha256 is")), "{download}");
    assert!(!directory.path().join("here/efficientnet-lite0-int8.onnx").exists());
}

#[test]
fn a_place_that_cannot_be_written_gets_the_command_to_run() {
    let (directory, mut daemon, server) = without_int8(&int8());
    // Root writes everywhere but below a file.
    std::fs::remove_dir_all(directory.path().join("here")).expect("removed");
    std::fs::write(directory.path().join("here"), "a file").expect("writable");
    assert_eq!(server.ask("POST", PATH, &[], b"").status, 202);
    daemon.line_with("was not downloaded");
    let events = first_events(&server);
    assert!(events.contains("sudo glimpsed models fetch efficientnet-lite0-int8"), "{events}");
}

#[test]
fn models_that_cannot_be_fetched_say_why() {
    let (_daemon, server) = super::labelling(5, "", "");
    let unknown = server.ask("POST", "/api/v1/models/nonsense/fetch", &[], b"");
    assert!(
        unknown.status == 404 && unknown.text().contains("the catalogue has no model `nonsense`"),
        "{}",
        unknown.text()
    );
    let bundled = server.ask("POST", PATH, &[], b"");
    assert!(bundled.status == 409 && bundled.text().contains("is here already"), "{}", bundled.text());
    let idle = server.ask("DELETE", PATH, &[], b"");
    assert!(idle.status == 409 && idle.text().contains("is not being downloaded"), "{}", idle.text());
    let foreign = server.ask("POST", PATH, &[("Origin", "http://evil.example")], b"");
    assert_eq!(foreign.status, 403);
}

/// The events of the current state.
fn first_events(server: &Server) -> String {
    use std::io::Read;
    let (_, mut stream) = server.open("/api/v1/events");
    let mut text = String::new();
    let mut bytes = [0; 4096];
    while !text.contains("event: vitals") {
        let read = stream.read(&mut bytes).expect("it goes on");
        text.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
    text
}

#[test]
fn an_address_of_a_mirror_is_checked() {
    for (mirror, is_right) in [
        ("https://models.lan/glimpsed", true),
        ("models", true),
        ("ftp://models.lan", false),
        ("http://me:secret@models.lan", false),
    ] {
        let ran =
            crate::support::run(&["check", "-c", &ConfigFile::new(&format!("[model]\nmirror = {mirror:?}\n")).path()]);
        assert_eq!(ran.code == 0, is_right, "{mirror}: {ran:?}");
        assert!(
            is_right || ran.stderr.contains("`model.mirror` must be an http or https address without a login"),
            "{ran:?}"
        );
    }
}
