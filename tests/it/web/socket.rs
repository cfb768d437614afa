//! The page's one connection: events and pictures over a WebSocket.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};
use tungstenite::client::IntoClientRequest;
use tungstenite::http::HeaderValue;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket};

use super::client::Server;
use super::{labelling, serving};
use crate::support::{PATIENCE, complaints};

pub(super) type Socket = WebSocket<TcpStream>;

fn open_as(server: &Server, origin: Option<&str>) -> Result<Socket, u16> {
    open_with(server, &origin.map(|origin| ("origin", origin)).into_iter().collect::<Vec<_>>())
}

/// The status of the refusal, if it is one.
pub(super) fn open_with(server: &Server, headers: &[(&'static str, &str)]) -> Result<Socket, u16> {
    open_at(server, "/api/v1/live", headers)
}

fn open_at(server: &Server, path: &str, headers: &[(&'static str, &str)]) -> Result<Socket, u16> {
    let mut request = format!("ws://{}{path}", server.address).into_client_request().expect("an address");
    for (name, value) in headers {
        request.headers_mut().insert(*name, HeaderValue::from_str(value).expect("a header"));
    }
    match tungstenite::client(request, server.connect()) {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(answer))) => Err(answer.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

fn open(server: &Server) -> Socket {
    open_as(server, None).expect("a WebSocket")
}

fn say(socket: &mut Socket, message: &Value) {
    socket.send(Message::text(message.to_string())).expect("sent");
}

fn event(message: &Message) -> Option<Value> {
    match message {
        Message::Text(text) => Some(serde_json::from_str(text).expect("JSON")),
        _ => None,
    }
}

/// The next message with a picture in it.
fn next_picture(socket: &mut Socket) -> Vec<u8> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Message::Binary(bytes) = socket.read().expect("a message") {
            return bytes.to_vec();
        }
    }
    panic!("no picture")
}

/// When it was captured, in milliseconds since 1970.
fn captured(message: &[u8]) -> u64 {
    u64::from_be_bytes(message[1..9].try_into().expect("eight bytes"))
}

/// The next picture: the subscription's index, its age and its size.
fn picture(socket: &mut Socket) -> (u8, Duration, (u32, u32)) {
    let message = next_picture(socket);
    let now = jiff::Timestamp::now().as_millisecond() as u64;
    let shown = image::load_from_memory(&message[9..]).expect("a JPEG");
    (message[0], Duration::from_millis(now - captured(&message)), (shown.width(), shown.height()))
}

/// How many pictures come within a second.
fn pictures_in_a_second(socket: &mut Socket) -> usize {
    let deadline = Instant::now() + Duration::from_secs(1);
    let mut count = 0;
    while Instant::now() < deadline {
        count += usize::from(socket.read().expect("events go on").is_binary());
    }
    count
}

#[test]
fn one_connection_tells_everything_and_each_event_is_as_the_document_says() {
    let (_daemon, server) = labelling(10, "", "[labels]\nsmoothing = \"none\"\nconsecutive = 1\n");
    let document = server.get("/api/v1/openapi.json").json();
    let schema = json!({ "$ref": "#/components/schemas/LiveEvent", "components": document["components"] });
    let mut socket = open_as(&server, Some(&format!("http://{}", server.address))).expect("of our own page");
    let first = event(&socket.read().expect("a message")).expect("an event");
    let told: jiff::Timestamp = first["data"]["now"].as_str().expect("a time").parse().expect("a time");
    assert!(first["event"] == "clock" && (jiff::Timestamp::now() - told).as_secs().abs() < 10, "{first}");
    let mut missing = vec![
        "clock",
        "camera",
        "info",
        "settings",
        "classification",
        "state",
        "strange",
        "timeline",
        "day",
        "pictures",
        "comparison",
        "vitals",
        "change",
    ];
    let deadline = Instant::now() + PATIENCE;
    while !missing.is_empty() {
        assert!(Instant::now() < deadline, "no {missing:?}");
        let Some(event) = event(&socket.read().expect("a message")) else { continue };
        assert_eq!(complaints(&schema, &event), [""; 0], "{event}");
        assert_eq!(event["camera"], "main");
        missing.retain(|name| event["event"] != *name);
    }
}

#[test]
fn pictures_come_as_fast_as_they_are_drawn_and_in_the_width_that_is_wanted() {
    let (_daemon, server) = labelling(20, "", "");
    let mut socket = open(&server);
    assert_eq!(pictures_in_a_second(&mut socket), 0, "none is wanted");
    say(&mut socket, &json!({ "want": [{ "camera": "main", "width": 320 }, { "camera": "main", "width": 600 }] }));
    let mut widths = [0; 2];
    for _ in 0..4 {
        let (index, age, (width, height)) = picture(&mut socket);
        assert!(age < PATIENCE && height > 0);
        widths[usize::from(index)] = width.max(height);
    }
    assert!(widths[0] == 320 && widths[1] > 320 && widths[1] <= 640, "{widths:?}");
    assert_eq!(pictures_in_a_second(&mut socket), 0, "two of each are under way, and none was drawn");
    say(&mut socket, &json!({ "drawn": 1 }));
    assert_eq!(picture(&mut socket).0, 1);
    say(&mut socket, &json!({ "want": [{ "camera": "main", "width": 1280 }] }));
    for _ in 0..10 {
        let (index, _, _) = picture(&mut socket);
        say(&mut socket, &json!({ "drawn": index }));
    }
    say(&mut socket, &json!({ "want": [] }));
    say(&mut socket, &json!({ "drawn": 0 }));
    let _ = pictures_in_a_second(&mut socket);
    assert_eq!(pictures_in_a_second(&mut socket), 0, "a hidden page costs nothing");
}

#[test]
fn a_first_picture_comes_before_what_is_shown_later_and_is_small() {
    let (_daemon, server) = labelling(20, "", "");
    let mut socket = open_at(&server, "/api/v1/live?picture=160", &[]).expect("a WebSocket");
    let mut before = Vec::new();
    let shown = loop {
        match socket.read().expect("a message") {
            Message::Binary(bytes) => break bytes,
            message => before.extend(event(&message).map(|event| event["event"].clone())),
        }
    };
    assert!(before.starts_with(&["clock", "layout", "camera"].map(Value::from)), "{before:?}");
    assert!(before.iter().all(|name| name != "info" && name != "timeline" && name != "vitals"), "{before:?}");
    let small = image::load_from_memory(&shown[9..]).expect("a JPEG");
    assert_eq!(small.width().max(small.height()), 160);
    assert!(shown.len() < 8000, "{} bytes", shown.len());
    assert_eq!(pictures_in_a_second(&mut socket), 0, "it is one");
    say(&mut socket, &json!({ "want": [{ "camera": "main", "width": 640 }] }));
    assert!(picture(&mut socket).2.0 > 320);
    assert_eq!(open_at(&server, "/api/v1/live?picture=wide", &[]).err(), Some(400));
}

#[test]
fn a_first_picture_that_does_not_come_holds_nothing_up() {
    let (_daemon, server) = serving(5, "", "[privacy]\npreview = false\n");
    for name in ["refused", "info", "vitals"] {
        let mut socket = open_at(&server, "/api/v1/live?picture=160", &[]).expect("a WebSocket");
        let asked = Instant::now();
        until_event(&mut socket, name);
        assert!(asked.elapsed() < Duration::from_secs(5), "{name} came after {:?}", asked.elapsed());
    }
}

/// The data of the next event of this name.
fn until_event(socket: &mut Socket, name: &str) -> Value {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(mut event) = event(&socket.read().expect("a message"))
            && event["event"] == name
        {
            return event["data"].take();
        }
    }
    panic!("no {name}")
}

#[test]
fn who_finds_all_places_taken_gets_pictures_slowly_until_there_is_one() {
    let (_daemon, server) = labelling(20, "max_clients = 1", "");
    let wanted = json!({ "want": [{ "camera": "main", "width": 320 }] });
    let mut first = open(&server);
    say(&mut first, &wanted);
    picture(&mut first);
    let mut second = open(&server);
    say(&mut second, &wanted);
    assert_eq!(until_event(&mut second, "crowd"), json!({ "watching": 1, "every_s": 2 }));
    let begun = Instant::now();
    for _ in 0..3 {
        let (index, _, _) = picture(&mut second);
        say(&mut second, &json!({ "drawn": index }));
        // Who asks for other pictures gets them no sooner.
        say(&mut second, &wanted);
    }
    assert!(begun.elapsed() > Duration::from_millis(3900), "three pictures in {:?}", begun.elapsed());
    // The third page of one is one too many, and is told.
    assert_eq!(open_as(&server, None).err(), Some(503));
    drop(first);
    assert_eq!(until_event(&mut second, "crowd"), json!({ "watching": 1, "every_s": null }));
    let begun = Instant::now();
    for _ in 0..5 {
        let (index, _, _) = picture(&mut second);
        say(&mut second, &json!({ "drawn": index }));
    }
    assert!(begun.elapsed() < Duration::from_secs(4), "five pictures took {:?}", begun.elapsed());
}

#[test]
fn a_picture_that_takes_long_to_encode_is_shown_all_the_same() {
    let directory = tempfile::tempdir().expect("a directory");
    let large = image::RgbImage::from_fn(5000, 3750, |x, y| image::Rgb([x as u8, y as u8, (x ^ y) as u8]));
    large.save(directory.path().join("large.jpg")).expect("written");
    let config = crate::support::ConfigFile::new(&format!(
        "[camera]\nsource = \"replay\"\npath = {:?}\nfps = 1\n",
        directory.path()
    ));
    let mut daemon = config.daemon();
    let server = Server::of(&mut daemon);
    let mut socket = open(&server);
    let subscriptions = [320, 640, 1280].map(|width| json!({ "camera": "main", "width": width }));
    say(&mut socket, &json!({ "want": subscriptions }));
    let sizes: std::collections::BTreeSet<u32> = (0..3).map(|_| picture(&mut socket).2.0).collect();
    assert_eq!(sizes.into_iter().collect::<Vec<_>>(), [320, 640, 1280]);
}

#[test]
fn a_picture_is_encoded_once_however_many_want_it() {
    let (_daemon, server) = labelling(4, "", "");
    let encoded = || {
        let metrics = String::from_utf8(server.get("/metrics").body).expect("text");
        let line =
            metrics.lines().find_map(|line| line.strip_prefix("glimpsed_http_pictures_total{made=\"encoded\"} "));
        line.expect("the metric").parse::<usize>().expect("a number")
    };
    assert_eq!(encoded(), 0, "nobody has looked yet");
    let mut windows: Vec<Socket> = (0..8).map(|_| open(&server)).collect();
    for socket in &mut windows {
        say(socket, &json!({ "want": [{ "camera": "main", "width": 640 }] }));
    }
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..6 {
        for socket in &mut windows {
            seen.insert(captured(&next_picture(socket)));
            say(socket, &json!({ "drawn": 0 }));
        }
    }
    // 48 were received. A few may have been made that no window had time for.
    let made = encoded();
    assert!(made >= seen.len() && made <= seen.len() + 4, "{made} were encoded, of {} frames", seen.len());
    assert!(seen.len() <= 24, "{} frames in 48 messages: the windows share none", seen.len());
}

#[test]
fn many_windows_leave_room_for_requests() {
    let (_daemon, server) = labelling(10, "", "");
    let mut windows: Vec<Socket> = (0..20).map(|_| open(&server)).collect();
    for socket in &mut windows {
        say(socket, &json!({ "want": [{ "camera": "main", "width": 640 }] }));
    }
    for socket in &mut windows {
        picture(socket);
    }
    let asked = Instant::now();
    assert_eq!(server.get("/api/v1/state").status, 200);
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
}

#[test]
fn another_sites_page_cannot_listen_and_plain_requests_are_told() {
    let (_daemon, server) = serving(5, "", "");
    for origin in ["http://evil.example", "null", "http://localhost:1"] {
        assert_eq!(open_as(&server, Some(origin)).err(), Some(403), "{origin}");
    }
    let plain = server.get("/api/v1/live");
    assert!((400..500).contains(&plain.status), "{plain:?}");
    assert_eq!(server.get("/livez").status, 200);
}

/// The close frame that comes next.
pub(super) fn closed(socket: &mut Socket) -> (CloseCode, String) {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        match socket.read() {
            Ok(Message::Close(Some(frame))) => return (frame.code, frame.reason.to_string()),
            Ok(_) => {}
            Err(error) => panic!("cut without a word: {error}"),
        }
    }
    panic!("not closed")
}

#[test]
fn what_is_not_understood_closes_with_the_reason() {
    let (_daemon, server) = labelling(5, "", "");
    for (message, why) in [
        (json!({ "want": 3 }), "the message cannot be read"),
        (json!({ "drawn": 0, "want": [] }), "the message cannot be read"),
        (json!("x".repeat(5000)), ""),
        (json!({ "want": vec![json!({ "camera": "main", "width": 1 }); 18] }), "at most 17 pictures"),
    ] {
        let mut socket = open(&server);
        say(&mut socket, &message);
        if why.is_empty() {
            while socket.read().is_ok() {}
        } else {
            let (code, reason) = closed(&mut socket);
            assert_eq!(code, CloseCode::Unsupported);
            assert!(reason.starts_with(why), "{reason}");
        }
    }
    // Who says too much is closed, too.
    let mut socket = open(&server);
    let flood = Message::text(json!({ "drawn": 7 }).to_string());
    let sent = (0..20_000).take_while(|_| socket.write(flood.clone()).is_ok()).count();
    let _ = socket.flush();
    assert!(sent < 20_000 || closed(&mut socket).0 == CloseCode::Policy);
    assert_eq!(server.get("/livez").status, 200);
}

#[test]
fn of_a_camera_that_is_not_there_any_more_nothing_comes_and_the_others_go_on() {
    let (_daemon, server) = labelling(5, "", "");
    let mut socket = open(&server);
    say(&mut socket, &json!({ "want": [{ "camera": "cellar", "width": 320 }, { "camera": "main", "width": 320 }] }));
    let refused = until_event(&mut socket, "refused");
    assert_eq!(refused, json!({ "reason": "unknown", "detail": "there is no camera `cellar`" }));
    assert!(pictures_in_a_second(&mut socket) > 0);
}

#[test]
fn a_page_whose_pictures_are_not_allowed_is_told_and_has_its_events() {
    let (_daemon, server) = labelling(5, "", "[privacy]\npreview = false\n");
    let mut socket = open(&server);
    say(&mut socket, &json!({ "want": [{ "camera": "main", "width": 640 }] }));
    assert_eq!(until_event(&mut socket, "refused")["reason"], "forbidden");
    assert_eq!(pictures_in_a_second(&mut socket), 0);
}

#[test]
fn a_stop_closes_it_in_time_and_says_so() {
    let (mut daemon, server) = labelling(5, "", "");
    let mut socket = open(&server);
    let asked = Instant::now();
    daemon.signal(Signal::TERM);
    assert_eq!(closed(&mut socket).0, CloseCode::Away);
    assert!(daemon.wait().success());
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
}
