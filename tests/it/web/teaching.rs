//! Teaching over HTTP: pictures in, a model out, and what is refused.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Server;
use crate::support::{ConfigFile, PATIENCE, Running, complaints};
use crate::teach::{Scene, jpeg, scene};

const PATH: &str = "/api/v1/views/main/teach";

/// A daemon that keeps pictures in a directory of its own.
fn teaching(more: &str) -> (tempfile::TempDir, Running, Server) {
    let directory = tempfile::tempdir().expect("a directory");
    let tables = format!("[teach]\ndirectory = {:?}\n{more}\n[http]\n", directory.path());
    let mut daemon = ConfigFile::replay(5, &tables).daemon();
    let server = Server::of(&mut daemon);
    (directory, daemon, server)
}

fn send(server: &Server, label: &str, kind: Scene, seed: u64) -> super::client::Answer {
    let picture = jpeg(&scene(kind, seed));
    server.ask("POST", &format!("{PATH}/pictures?label={label}&burst=7"), &[("Content-Type", "image/jpeg")], &picture)
}

fn fits(server: &Server, schema: &str, answer: &Value) {
    let mut document = server.get("/api/v1/openapi.json").json();
    document["$ref"] = format!("#/components/schemas/{schema}").into();
    assert_eq!(complaints(&document, answer), [""; 0], "{schema}: {answer}");
}

fn counts(report: &Value) -> Vec<(String, u64)> {
    let classes = report["classes"].as_array().expect("classes").iter();
    classes
        .map(|class| {
            (class["label"].as_str().expect("a label").to_owned(), class["pictures"].as_u64().expect("a number"))
        })
        .collect()
}

fn until(server: &Server, mut wanted: impl FnMut(&Value) -> bool) -> Value {
    server.until(PATH, |status| wanted(&status["report"]))["report"].clone()
}

#[test]
fn labelled_pictures_become_a_model_that_labels() {
    let (directory, _daemon, server) = teaching("");
    for (label, kind) in [("bars", Scene::Bars), ("rings", Scene::Rings)] {
        for seed in 0..10 {
            let kept = send(&server, label, kind, seed);
            assert_eq!(kept.status, 200, "{}", kept.text());
            fits(&server, "KeptPicture", &kept.json());
        }
    }
    let report = until(&server, |report| report["lesson"].is_object());
    fits(&server, "TeachReport", &report);
    let kept = counts(&report);
    assert!(kept.iter().all(|(_, pictures)| (2..=10).contains(pictures)), "{kept:?}");
    // What it says of the camera's frame, before it is in use; the photographs are neither.
    let look = server.get(&format!("{PATH}/now"));
    fits(&server, "TaughtLook", &look.json());
    assert_eq!(look.json()["top"].as_array().map(Vec::len), Some(2));
    let used = server.post(&format!("{PATH}/use"), "");
    assert_eq!((used.status, &used.json()["model"]), (200, &json!("main")), "{}", used.text());
    server.until("/api/v1/state", |state| state["classification"]["model"]["name"] == "main");
    assert!(directory.path().join("main.onnx").is_file());
    assert_eq!(until(&server, |report| report["written"] == true)["behind"], false);
}

#[test]
fn it_learns_while_something_else_is_asked_all_the_time() {
    let (_directory, _daemon, server) = teaching("");
    for (label, kind) in [("bars", Scene::Bars), ("rings", Scene::Rings)] {
        for seed in 0..3 {
            assert_eq!(send(&server, label, kind, seed).status, 200);
        }
    }
    until(&server, |report| report["behind"] == false);
    let (ended, begun) = (AtomicBool::new(false), Instant::now());
    std::thread::scope(|scope| {
        // As pages do that stay open: more often than the pause that learning waits for.
        let others = [(); 2].map(|()| {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) && begun.elapsed() < PATIENCE {
                    assert_eq!(server.get(&format!("{PATH}/unsure?id=77")).status, 404);
                }
            })
        });
        assert_eq!(send(&server, "bars", Scene::Bars, 77).status, 200);
        let behind = || server.get(PATH).json()["report"]["behind"] == true;
        while behind() && begun.elapsed() < PATIENCE / 2 {
            std::thread::sleep(Duration::from_millis(20));
        }
        ended.store(true, Ordering::Relaxed);
        assert!(begun.elapsed() < PATIENCE / 2, "it has not learnt after {:?}", begun.elapsed());
        others.into_iter().for_each(|other| other.join().expect("each was answered"));
    });
}

#[test]
fn frames_of_the_camera_are_kept_once_where_they_look_the_same() {
    // Of the photographs each comes again and again.
    let (_directory, _daemon, server) = teaching("");
    let mut copies = 0;
    for _ in 0..8 {
        let kept = server.post(&format!("{PATH}/frame"), "{\"label\":\"anything\",\"burst\":3}");
        assert_eq!(kept.status, 200, "{}", kept.text());
        copies += usize::from(kept.json()["copy"] == true);
    }
    assert!(copies >= 4, "{copies} of eight");
    let report = until(&server, |report| report["behind"] == false);
    assert!(counts(&report)[0].1 <= 4);
    assert_eq!(report["missing"], "two classes are the least, for example `open` and `closed`");
    // All of a burst are undone at once.
    assert_eq!(server.post(&format!("{PATH}/undo"), "").status, 200);
    assert!(counts(&until(&server, |report| report["behind"] == false)).is_empty());
    assert_eq!(server.post(&format!("{PATH}/undo"), "").status, 409);
}

#[test]
fn pictures_are_moved_removed_and_brought_back() {
    let (directory, _daemon, server) = teaching("");
    for seed in 0..4 {
        assert_eq!(send(&server, "bars", Scene::Bars, seed).status, 200);
        assert_eq!(send(&server, "rings", Scene::Rings, seed).status, 200);
    }
    let before = counts(&until(&server, |report| report["behind"] == false));
    let names = server.get(&format!("{PATH}/pictures?label=bars")).json();
    let name = names[0].as_str().expect("a name").to_owned();
    let chosen = json!([{ "label": "bars", "name": name }]);
    let moved = |to: Value| server.post(&format!("{PATH}/move"), &json!({ "pictures": chosen, "to": to }).to_string());
    assert_eq!(moved(json!("rings")).status, 200);
    assert!(directory.path().join("main/rings").join(&name).is_file());
    // Another window has not heard of it yet.
    assert_eq!(moved(json!("rings")).status, 404);
    assert_eq!(server.post(&format!("{PATH}/undo"), "").status, 200);
    assert_eq!(moved(Value::Null).status, 200);
    assert!(!directory.path().join("main/bars").join(&name).exists());
    assert_eq!(counts(&until(&server, |report| report["behind"] == false))[0].1, before[0].1 - 1);
    assert_eq!(server.post(&format!("{PATH}/undo"), "").status, 200);
    assert_eq!(counts(&until(&server, |report| report["behind"] == false)), before);
    let small = server.get(&format!("{PATH}/picture?label=bars&name={name}"));
    assert_eq!((small.status, small.header("content-type")), (200, Some("image/jpeg")));
}

#[test]
fn nothing_is_kept_beyond_the_bounds_and_nothing_leads_out_of_the_directory() {
    let (directory, _daemon, server) = teaching("max_pictures = 10");
    let mut last = 200;
    for seed in 0..30 {
        last = send(
            &server,
            if seed % 2 == 0 { "bars" } else { "rings" },
            if seed % 2 == 0 { Scene::Bars } else { Scene::Rings },
            seed,
        )
        .status;
        if last != 200 {
            break;
        }
    }
    assert_eq!(last, 507, "as many are kept as may be");
    for label in ["..", ".hidden", "a%2Fb", "%2Fetc", "a%0Ab", ""] {
        let refused = send(&server, label, Scene::Bars, 1);
        assert_eq!(refused.status, 422, "{label}: {}", refused.text());
    }
    std::fs::write(directory.path().join("secret.jpg"), "secret").expect("writable");
    for query in [
        "label=bars&name=..%2F..%2Fsecret.jpg",
        "label=..&name=secret.jpg",
        "label=bars&name=.hidden.jpg",
        "label=bars&name=1.txt",
    ] {
        let refused = server.get(&format!("{PATH}/picture?{query}"));
        assert!([404, 422].contains(&refused.status), "{query}: {}", refused.text());
    }
    let text =
        server.ask("POST", &format!("{PATH}/pictures?label=bars"), &[("Content-Type", "image/jpeg")], b"no picture");
    assert_eq!(text.status, 422, "{}", text.text());
    assert_eq!(server.get("/api/v1/views/nonsense/teach").status, 404);
    let foreign = server.ask("POST", &format!("{PATH}/undo"), &[("Origin", "http://evil.example")], b"");
    assert_eq!(foreign.status, 403);
}

#[test]
fn frames_that_cannot_be_told_wait_for_somebody_who_says_what_they_show() {
    let (_directory, _daemon, server) = teaching("");
    for (label, kind) in [("bars", Scene::Bars), ("rings", Scene::Rings)] {
        for seed in 0..14 {
            assert_eq!(send(&server, label, kind, seed).status, 200);
        }
    }
    until(&server, |report| report["lesson"].is_object());
    // The camera's photographs are neither.
    let mut asked = 0;
    let report = until(&server, |report| {
        asked += 1;
        assert_eq!(server.get(&format!("{PATH}/now")).status, 200, "the {asked}th");
        report["unsure"].as_array().is_some_and(|frames| frames.len() >= 2)
    });
    fits(&server, "TeachReport", &report);
    let ids: Vec<u64> =
        report["unsure"].as_array().expect("frames").iter().filter_map(|frame| frame["id"].as_u64()).collect();
    let small = server.get(&format!("{PATH}/unsure?id={}", ids[0]));
    assert_eq!((small.status, small.header("content-type")), (200, Some("image/jpeg")));
    assert!(small.body.len() <= 30 << 10, "{} bytes", small.body.len());
    let said = server.post(&format!("{PATH}/unsure"), &json!({ "ids": [ids[0]], "label": "neither" }).to_string());
    assert_eq!((said.status, &said.json()["kept"]), (200, &json!(1)), "{}", said.text());
    let forgotten = server.post(&format!("{PATH}/unsure"), &json!({ "ids": [ids[1]], "label": null }).to_string());
    assert_eq!((forgotten.status, &forgotten.json()["kept"]), (200, &json!(0)));
    for id in &ids[..2] {
        assert_eq!(server.get(&format!("{PATH}/unsure?id={id}")).status, 404);
    }
    assert!(counts(&until(&server, |report| report["behind"] == false)).contains(&("neither".into(), 1)));
}

#[test]
fn without_a_directory_nothing_is_taught() {
    let (_daemon, server) = super::labelling(5, "", "");
    let status = server.get(PATH).json();
    assert_eq!(status, json!({ "enabled": false, "report": null }));
    let refused = server.post(&format!("{PATH}/frame"), "{\"label\":\"open\"}");
    assert!(refused.status == 409 && refused.text().contains("set `directory` in [teach]"), "{}", refused.text());
}

#[test]
fn labels_come_while_it_is_taught() {
    let (_directory, _daemon, server) = teaching("");
    server.until("/api/v1/state", |state| !state["state"].is_null());
    let seq = || server.get("/api/v1/state").json()["classification"]["seq"].as_u64().expect("a frame");
    let (begun, first) = (std::time::Instant::now(), seq());
    for seed in 0..10 {
        assert_eq!(send(&server, "bars", Scene::Bars, seed).status, 200);
    }
    let frames = seq() - first;
    // Five a second come; nothing waits for the teacher.
    let expected = begun.elapsed().as_secs_f64() * 5.0;
    assert!(frames as f64 >= expected / 2.0 - 1.0, "{frames} of {expected:.1}");
}
