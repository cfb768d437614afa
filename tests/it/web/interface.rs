//! What is asked for and what is answered.

use std::io::{BufRead, BufReader};

use serde_json::Value;

use super::{Server, labelling};
use crate::support::{Broker, ConfigFile, PATIENCE, complaints, photos, run};

#[test]
fn every_documented_operation_is_there_and_every_one_is_documented() {
    let (_daemon, server) = labelling(5, "", "");
    let document = server.get("/api/v1/openapi.json").json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut operations: Vec<String> = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            operations.push(format!("{} {path}", method.to_uppercase()));
            assert!(operation["operationId"].is_string() && operation["summary"].is_string(), "{method} {path}");
            // The other method is not there, so this one is.
            assert_ne!(server.open(&path.replace("{view}", "main").replace("{camera}", "main")).0, 404, "{path}");
        }
    }
    operations.sort();
    assert_eq!(
        operations,
        [
            "DELETE /api/v1/models/{name}/fetch",
            "GET /api/v1/cameras",
            "GET /api/v1/cameras/found",
            "GET /api/v1/cameras/{camera}/frame.jpeg",
            "GET /api/v1/cameras/{camera}/snapshot",
            "GET /api/v1/cameras/{camera}/stream.mjpeg",
            "GET /api/v1/compare",
            "GET /api/v1/config",
            "GET /api/v1/day",
            "GET /api/v1/days",
            "GET /api/v1/events",
            "GET /api/v1/frame.jpeg",
            "GET /api/v1/info",
            "GET /api/v1/live",
            "GET /api/v1/models",
            "GET /api/v1/openapi.json",
            "GET /api/v1/setup",
            "GET /api/v1/state",
            "GET /api/v1/stream.mjpeg",
            "GET /api/v1/timeline",
            "GET /api/v1/views",
            "GET /api/v1/views/{view}/change.jpeg",
            "GET /api/v1/views/{view}/day",
            "GET /api/v1/views/{view}/days",
            "GET /api/v1/views/{view}/state",
            "GET /api/v1/views/{view}/teach",
            "GET /api/v1/views/{view}/teach/now",
            "GET /api/v1/views/{view}/teach/picture",
            "GET /api/v1/views/{view}/teach/pictures",
            "GET /api/v1/views/{view}/teach/unsure",
            "GET /api/v1/views/{view}/timeline",
            "GET /livez",
            "GET /metrics",
            "GET /readyz",
            "POST /api/v1/accurate",
            "POST /api/v1/cameras/{camera}/retry",
            "POST /api/v1/classify",
            "POST /api/v1/compare",
            "POST /api/v1/model",
            "POST /api/v1/models/{name}/fetch",
            "POST /api/v1/reload",
            "POST /api/v1/restart",
            "POST /api/v1/settings",
            "POST /api/v1/setup",
            "POST /api/v1/setup/broker",
            "POST /api/v1/setup/camera",
            "POST /api/v1/views",
            "POST /api/v1/views/undo",
            "POST /api/v1/views/{view}/accurate",
            "POST /api/v1/views/{view}/classify",
            "POST /api/v1/views/{view}/model",
            "POST /api/v1/views/{view}/settings",
            "POST /api/v1/views/{view}/teach/frame",
            "POST /api/v1/views/{view}/teach/move",
            "POST /api/v1/views/{view}/teach/pictures",
            "POST /api/v1/views/{view}/teach/undo",
            "POST /api/v1/views/{view}/teach/unsure",
            "POST /api/v1/views/{view}/teach/use",
        ]
    );
    // Every reference leads somewhere.
    let text = document.to_string();
    for reference in text.split("\"#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(document["components"]["schemas"].get(reference).is_some(), "no {reference}");
    }
}

#[test]
fn the_answers_are_what_the_document_says() {
    let broker = Broker::start();
    let accurate = "[accurate]\nenabled = true\nmodel = \"efficientnet-lite0-int8\"";
    let (_daemon, server) = labelling(5, "", &format!("{accurate}\n[mqtt]\nurl = {:?}\n", broker.url()));
    let document = server.get("/api/v1/openapi.json").json();
    let fits = |schema: &str, answer: &Value| {
        let mut document = document.clone();
        document["$ref"] = format!("#/components/schemas/{schema}").into();
        assert_eq!(complaints(&document, answer), [""; 0], "{schema}: {answer}");
    };
    let state = server.until("/api/v1/state", |state| state["health"]["mqtt"]["connected"] == true);
    assert_eq!(state["camera"]["status"], "online");
    fits("State", &state);
    for (path, schema) in [
        ("/api/v1/info", "InfoPayload"),
        ("/api/v1/config", "Configuration"),
        ("/api/v1/models", "Models"),
        ("/api/v1/timeline", "Timeline"),
        ("/api/v1/day", "DayPayload"),
        ("/api/v1/compare", "Comparison"),
        ("/api/v1/cameras", "Cameras"),
        ("/api/v1/cameras/found", "CamerasFound"),
        ("/api/v1/views", "Views"),
        ("/api/v1/views/main/state", "State"),
        ("/api/v1/views/main/timeline", "Timeline"),
        ("/api/v1/views/main/day", "DayPayload"),
        ("/api/v1/views/main/teach", "Teaching"),
        ("/readyz", "Readiness"),
    ] {
        fits(schema, &server.get(path).json());
    }
    fits("Reloaded", &server.post("/api/v1/reload", "").json());
    // It rests after each frame, and may have looked at one just now.
    let deadline = std::time::Instant::now() + PATIENCE;
    let opinion = loop {
        let answer = server.post("/api/v1/accurate", "");
        if answer.status == 200 {
            break answer.json();
        }
        assert!(answer.status == 409 && std::time::Instant::now() < deadline, "{}", answer.text());
    };
    fits("SecondOpinionPayload", &opinion);
    assert_eq!(
        (&opinion["model"]["precision"], &opinion["fast"]["model"]["precision"]),
        (&"int8".into(), &"fp32".into())
    );
    fits("State", &server.until("/api/v1/state", |state| !state["second"].is_null()));
}

#[test]
fn the_page_is_kept_by_browsers_and_asked_for_again() {
    let (_daemon, server) = labelling(5, "", "");
    let page = server.get("/");
    assert!(page.text().contains("<title>glimpsed</title>"));
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let script = page
        .text()
        .split("\"assets/")
        .find_map(|rest| rest.split('"').next().filter(|name| name.ends_with("app.js")))
        .map(str::to_owned);
    let script = format!("/assets/{}", script.expect("a script"));
    let sent = server.ask("GET", &script, &[("Accept-Encoding", "gzip, deflate, br")], b"");
    assert_eq!((sent.status, sent.header("content-encoding")), (200, Some("gzip")));
    assert!(sent.body.starts_with(&[0x1F, 0x8B]) && sent.body.len() < 16_000, "{} bytes", sent.body.len());
    assert!(sent.header("cache-control").is_some_and(|value| value.contains("immutable")), "its address has its hash");
    let plain = server.get(&script);
    assert!(plain.header("content-encoding").is_none() && plain.text().contains("use strict"));
    assert_ne!(plain.header("etag"), sent.header("etag"));
    let old = server.get("/assets/0123456789abcdef/style.css");
    assert_eq!((old.status, old.header("cache-control")), (200, Some("no-cache")), "a page of before an upgrade");
    let etag = page.header("etag").expect("an etag").to_owned();
    let again = server.ask("GET", "/", &[("If-None-Match", &etag)], b"");
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(server.get("/api/v1/state").header("cache-control"), Some("no-store"));
    for path in [
        "/assets/../Cargo.toml",
        "/assets/%2e%2e%2fCargo.toml",
        "/assets/",
        "/assets//etc/passwd",
        "/etc/passwd",
        "/assets/app.js/x",
    ] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
    assert_eq!(server.ask("PUT", "/", &[], b"").status, 405);
    assert_eq!(server.ask("HEAD", "/api/v1/state", &[], b"").body.len(), 0);
}

#[test]
fn a_picture_is_labelled_raw_or_in_a_form_and_from_memory_the_second_time() {
    let (_daemon, server) = labelling(5, "", "");
    let coffee = std::fs::read(photos().join("coffee.png")).expect("a bundled photograph");
    let raw = server.ask("POST", "/api/v1/classify", &[("Content-Type", "image/png")], &coffee);
    assert_eq!(raw.status, 200, "{}", raw.text());
    let opinion = raw.json();
    assert_eq!((&opinion["fast"]["label"], &opinion["cached"]), (&Value::from("espresso"), &Value::from(false)));
    assert_eq!(opinion["fast"]["top"].as_array().map(Vec::len), Some(3));
    let ts: jiff::Timestamp = opinion["fast"]["ts"].as_str().and_then(|ts| ts.parse().ok()).expect("a time");
    assert!(ts > jiff::Timestamp::now() - jiff::SignedDuration::from_mins(1));
    let head = "--x\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n--x\r\nContent-Disposition: form-data; \
                name=\"image\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n";
    let form = [head.as_bytes(), &coffee, b"\r\n--x--\r\n"].concat();
    let sent = server.ask("POST", "/api/v1/classify", &[("Content-Type", "multipart/form-data; boundary=x")], &form);
    assert_eq!((sent.status, &sent.json()["cached"]), (200, &Value::from(true)), "{}", sent.text());
}

#[test]
fn the_address_of_a_view_labels_what_the_view_sees_of_a_picture_and_the_one_without_a_name_all_of_it() {
    let config =
        ConfigFile::replay(5, "[http]\n[views.corner]\nregion = { x = 0.1, y = 0.2, width = 0.4, height = 0.5 }\n");
    let path = config.path();
    let mut daemon = config.daemon();
    let server = Server::of(&mut daemon);
    server.until("/api/v1/views/corner/state", |state| !state["state"].is_null());
    let picture = photos().join("coffee.png");
    let coffee = std::fs::read(&picture).expect("a bundled photograph");
    let top = |answer: &Value| {
        let best = &answer["top"][0];
        (best["label"].clone(), best["confidence"].as_f64().map(|share| (share * 1000.0).round()))
    };
    let over_http = |path: &str| {
        let answer = server.ask("POST", path, &[("Content-Type", "image/png")], &coffee);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["cached"], false, "the parts of one picture are kept apart");
        top(&answer.json()["fast"])
    };
    let by_command = |arguments: &[&str]| {
        let picture = picture.to_str().expect("a path of letters");
        top(&run(&[&["classify", "--json", "-c", &path], arguments, &[picture]].concat()).json()[0])
    };
    let (whole, part) = (over_http("/api/v1/classify"), over_http("/api/v1/views/corner/classify"));
    assert_ne!(whole, part);
    assert_eq!(whole, by_command(&[]));
    assert_eq!(part, by_command(&["--view", "corner"]));
}

#[test]
fn settings_are_set_and_what_is_wrong_is_said() {
    let (_daemon, server) = labelling(5, "", "");
    let set = server.post("/api/v1/settings", "{\"threshold\":0.55}");
    assert_eq!((set.status, &set.json()["threshold"]), (200, &Value::from(0.55)));
    let model = server.post("/api/v1/model", "{\"name\":\"efficientnet-lite0-int8\"}");
    assert_eq!(
        (model.status, &model.json()["model"]),
        (200, &Value::from("efficientnet-lite0-int8")),
        "{}",
        model.text()
    );
    let unknown = server.post("/api/v1/model", "{\"name\":\"nonsense\"}");
    assert_eq!(unknown.status, 409);
    assert!(unknown.json()["detail"].as_str().is_some_and(|detail| detail.contains("there is no model `nonsense`")));
    assert_eq!(server.post("/api/v1/settings", "{\"threshold\":7}").status, 422);
    assert_eq!(
        server.post("/api/v1/settings", "{\"treshold\":0.5}").status,
        422,
        "a slip of the pen is not silently nothing"
    );
    assert_eq!(server.post("/api/v1/settings", "{").status, 400);
    assert_eq!(server.ask("POST", "/api/v1/settings", &[("Content-Type", "text/plain")], b"{}").status, 415);
    // Without one in use the reason is said; tests of the second opinion have one.
    let opinion = server.post("/api/v1/accurate", "");
    assert!(opinion.status == 409 && opinion.text().contains("switch it on"), "{}", opinion.text());
    let reload = server.post("/api/v1/reload", "");
    assert_eq!(reload.status, 200, "{}", reload.text());
}

#[test]
fn a_restart_that_is_asked_for_brings_the_page_back() {
    let (mut daemon, server) = labelling(5, "", "");
    assert_eq!(server.post("/api/v1/restart", "").status, 202);
    daemon.line_with("stopped");
    let again = super::client::Server::of(&mut daemon);
    assert_eq!(again.get("/").status, 200);
}

#[test]
fn events_tell_how_things_are_and_then_what_happens() {
    let (_daemon, server) = labelling(10, "", "[labels]\nsmoothing = \"none\"\nconsecutive = 1\n");
    let (status, stream) = server.open("/api/v1/events");
    assert_eq!(status, 200);
    let mut seen = std::collections::BTreeSet::new();
    let mut lines = BufReader::new(stream).lines();
    let wanted = [
        "camera",
        "change",
        "classification",
        "clock",
        "comparison",
        "day",
        "download",
        "info",
        "layout",
        "pictures",
        "settings",
        "state",
        "strange",
        "timeline",
        "vitals",
    ];
    while seen.len() < wanted.len() {
        let line = lines.next().expect("it goes on").expect("readable");
        if let Some(name) = line.strip_prefix("event: ") {
            let data = lines.next().expect("it goes on").expect("readable");
            let data = data.strip_prefix("data: ").expect("data follows the name");
            serde_json::from_str::<Value>(data).unwrap_or_else(|error| panic!("{error}: {data}"));
            seen.insert(name.to_owned());
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), wanted);
}

/// Whether or not there is a manual here.
#[test]
fn the_manual_has_its_own_files_alone() {
    let (_daemon, server) = labelling(5, "", "");
    let moved = server.get("/docs");
    assert_eq!((moved.status, moved.header("location")), (308, Some("docs/")));
    for path in [
        "/docs/nothing.html",
        "/docs/../Cargo.toml",
        "/docs/%2e%2e/Cargo.toml",
        "/docs/..%2fCargo.toml",
        "/docs//etc/passwd",
        "/docs/%2fetc%2fpasswd",
    ] {
        let answer = server.get(path);
        assert_eq!((answer.status, answer.header("content-type")), (404, Some("application/problem+json")), "{path}");
    }
    let first = server.get("/docs/");
    match first.status {
        200 => assert!(first.header("content-security-policy").is_some_and(|policy| policy.contains("'sha256-"))),
        _ => assert!(first.text().contains("`make docs` makes it"), "{}", first.text()),
    }
}
