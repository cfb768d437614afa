//! Server-sent events of several views.

use std::io::{BufRead, BufReader};

use serde_json::Value;

use crate::support::ConfigFile;
use crate::web::Server;

/// The events of a stream, until each of these names was seen: name and data.
fn events(server: &Server, path: &str, wanted: &[&str]) -> Vec<(String, Value)> {
    let (status, stream) = server.open(path);
    assert_eq!(status, 200, "{path}");
    let (mut lines, mut seen) = (BufReader::new(stream).lines(), Vec::new());
    while !wanted.iter().all(|name| seen.iter().any(|(known, _)| known == name)) {
        let line = lines.next().expect("it goes on").expect("readable");
        if let Some(name) = line.strip_prefix("event: ") {
            let data = lines.next().expect("it goes on").expect("readable");
            let data = serde_json::from_str(data.strip_prefix("data: ").expect("data")).expect("JSON");
            seen.push((name.to_owned(), data));
        }
    }
    seen
}

#[test]
fn events_are_separated_by_view_or_say_which_they_are_about() {
    let photos = crate::support::photos();
    let cameras =
        ["yard", "desk"].map(|name| format!("[cameras.{name}]\nsource = \"replay\"\npath = {photos:?}\nfps = 5\n"));
    let views = "[views.door]\ncamera = \"yard\"\n[views.bin]\ncamera = \"yard\"\n[views.cup]\ncamera = \"desk\"\n";
    let mut daemon = ConfigFile::new(&(cameras.concat() + views)).daemon();
    let server = Server::of(&mut daemon);
    for view in ["door", "bin", "cup"] {
        server.until(&format!("/api/v1/views/{view}/state"), |state| state["state"].is_object());
    }
    let wanted = ["camera", "settings", "classification", "state", "timeline", "day", "vitals"];
    for (name, data) in events(&server, "/api/v1/events?view=door", &wanted) {
        match name.as_str() {
            "camera" => assert_eq!(data["camera"], "yard"),
            "settings" | "classification" | "state" | "day" | "change" => assert_eq!(data["view"], "door", "{name}"),
            _ => {}
        }
    }
    let all = events(&server, "/api/v1/events?whole=true", &wanted);
    for (name, data) in &all {
        assert_eq!(data["event"], name.as_str());
        if data["view"] == "cup" {
            assert_eq!(data["camera"], "desk");
        }
    }
    for view in ["door", "bin", "cup"] {
        assert!(all.iter().any(|(name, data)| name == "timeline" && data["view"] == view), "{view}");
    }
    assert_eq!(server.get("/api/v1/events?view=none").status, 404);
    assert_eq!(server.get("/api/v1/events?whole=maybe").status, 400);
}
