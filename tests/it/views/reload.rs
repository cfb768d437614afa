//! Cameras and views that come and go while the daemon runs, and while it does not.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Instant;

use super::live::{Device, VIEWS};
use crate::support::{PATIENCE, photos};

fn until(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "not {what}");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

#[test]
fn views_and_cameras_come_and_go_with_the_file_and_those_that_stay_are_not_disturbed() {
    let mut device = Device::new(VIEWS);
    let since =
        device.broker.retained_json("glimpsed/test/view/cat/state", |state| state["status"] == "known")["since"]
            .clone();
    // Another view, and another region of one that stays.
    device
        .edit("region = { width = 0.5 }", "region = { width = 0.4 }\n[views.second]\ncamera = \"desk\"\nmax_fps = 1.0");
    device.broker.retained_json("glimpsed/test/view/second/state", |state| state["camera"] == "desk");
    let discovery = device.broker.retained_json("homeassistant/device/test/config", |message| {
        message["components"]["view_second_label"]["name"] == "second"
    });
    assert_eq!(discovery["components"]["view_cat_label"]["platform"], "sensor");
    assert_eq!(device.json("/api/v1/views/left/state")["state"]["view"], "left");
    assert_eq!(device.json("/api/v1/views")[1]["region"]["width"], 0.4);
    // A camera goes with its views: their topics and entities, too.
    device.edit("[views.right]\ncamera = \"yard\"", "[views.right]\ncamera = \"desk\"");
    device.edit("[views.left]\ncamera = \"yard\"", "[views.left]\ncamera = \"desk\"");
    let yard = device.text.find("[cameras.yard]").expect("there");
    let desk = device.text.find("[cameras.desk]").expect("there");
    let without = device.text[..yard].to_owned() + &device.text[desk..];
    let left = without.find("[views.left]").expect("there");
    let second = without.find("[views.second]").expect("there");
    device.write(&(without[..left].to_owned() + &without[second..]));
    device.daemon.line_with("the configuration was read again");
    until("gone", || {
        let all = device.broker.retained("glimpsed/test/#");
        !all.iter().any(|topic| topic.contains("/view/left/") || topic.contains("/camera/yard/"))
    });
    let discovery = device.broker.retained_json("homeassistant/device/test/config", |message| {
        message["components"]["view_left_label"] == serde_json::json!({ "platform": "sensor" })
    });
    assert_eq!(discovery["components"]["camera_yard_online"], serde_json::json!({ "platform": "binary_sensor" }));
    assert_eq!(device.get("/api/v1/views/left/state").0, 404);
    until("without its stream", || device.get("/api/v1/cameras/yard/frame.jpeg").0 == 404);
    // The view that stayed all the time has held its label all the time.
    let state = device.broker.retained_json("glimpsed/test/view/cat/state", |state| state["status"] == "known");
    assert_eq!(state["since"], since);
}

/// Somebody who watches a camera.
fn watch(port: u16, camera: &str) -> TcpStream {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    let request = format!("GET /api/v1/cameras/{camera}/stream.mjpeg HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    stream
}

/// Fails if the stream ends before so many pictures.
fn pictures(stream: &mut TcpStream, count: usize) {
    let (mut seen, mut bytes) = (Vec::new(), [0; 65536]);
    let found = |seen: &[u8]| seen.windows(12).filter(|text| text == b"X-Timestamp:").count();
    while found(&seen) < count {
        let read = stream.read(&mut bytes).expect("it goes on");
        assert!(read > 0, "the stream ended after {} pictures", found(&seen));
        seen.extend_from_slice(&bytes[..read]);
    }
}

#[test]
fn whoever_watches_a_camera_that_stays_goes_on_watching_while_others_come_and_go() {
    let mut device = Device::new(VIEWS);
    let [mut yard, mut desk] = ["yard", "desk"].map(|camera| watch(device.port, camera));
    pictures(&mut yard, 1);
    pictures(&mut desk, 1);
    let rocket = photos().join("rocket.jpg");
    let third = format!("[cameras.third]\nsource = \"replay\"\npath = {rocket:?}\nfps = 5.0\n[views.left]");
    device.edit("[views.left]", &third);
    device.edit("[views.cat]", "[views.rocket]\ncamera = \"third\"\n[views.cat]");
    pictures(&mut watch(device.port, "third"), 2);
    pictures(&mut yard, 2);
    let all = device.text.clone();
    let (left, cat) = (all.find("[views.left]").expect("there"), all.find("[views.rocket]").expect("there"));
    let yards = all.find("[cameras.yard]").expect("there")..all.find("[cameras.desk]").expect("there");
    device.write(&format!("{}{}{}", &all[..yards.start], &all[yards.end..left], &all[cat..]));
    device.daemon.line_with("the configuration was read again");
    // Somebody who asks for another camera then does not keep the stream of this one open.
    pictures(&mut watch(device.port, "third"), 1);
    std::io::copy(&mut yard, &mut std::io::sink()).expect("it ends");
    pictures(&mut desk, 2);
}

#[test]
fn a_file_that_gets_names_while_the_daemon_is_stopped_leaves_nothing_of_before() {
    let mut device = Device::new(VIEWS);
    device.broker.retained_json("glimpsed/test/view/cat/state", |_| true);
    let desk = |text: &str| {
        let start = text.find("[cameras.yard]").expect("there");
        let photo = crate::support::photos().join("chelsea.png");
        format!("{}[camera]\nsource = \"replay\"\npath = {photo:?}\nfps = 5.0\n", &text[..start])
    };
    let named = device.text.clone();
    device.restart_with(desk);
    let state = device.broker.retained_json("glimpsed/test/state", |state| state["status"] == "known");
    assert!(state["view"].is_null() && state["camera"] == "main", "{state}");
    let of_views = |device: &Device| {
        let all = device.broker.retained("glimpsed/test/#");
        all.iter().any(|topic| topic.contains("/view/") || topic.ends_with("camera/desk/status"))
    };
    until("gone", || !of_views(&device));
    device.broker.retained_json("homeassistant/device/test/config", |message| {
        let components = &message["components"];
        components["label"]["name"].is_null()
            && components["label"]["state_topic"] == "glimpsed/test/state"
            && components["view_cat_label"] == serde_json::json!({ "platform": "sensor" })
    });
    // And back.
    device.restart_with(|_| named.clone());
    until("gone", || !device.broker.retained("glimpsed/test/#").contains(&"glimpsed/test/state".to_owned()));
    device.broker.retained_json("homeassistant/device/test/config", |message| {
        message["components"]["label"] == serde_json::json!({ "platform": "sensor" })
    });
}

#[test]
fn a_file_with_a_mistake_in_a_view_changes_nothing() {
    let mut device = Device::new(VIEWS);
    device.broker.retained_json("glimpsed/test/view/cat/state", |state| state["status"] == "known");
    let good = device.text.clone();
    device.write(&good.replace("camera = \"desk\"", "camera = \"roof\""));
    device.daemon.line_with("the configuration was not changed");
    let mut cat = device.broker.subscribe("glimpsed/test/view/cat/classification", &[]);
    cat.next("/classification");
    let info = device.broker.retained_json("glimpsed/test/info", |info| !info["config_error"].is_null());
    assert!(info["config_error"].as_str().expect("text").contains("names no camera"), "{info}");
}
