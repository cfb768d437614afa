//! The live picture and the snapshot.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;

use super::{labelling, serving};
use crate::support::{ConfigFile, photos};
use crate::web::client::Server;

/// The next picture of a stream. Chunks are ours, one a part, so their sizes can be read over.
fn next_picture(reader: &mut BufReader<TcpStream>) -> Vec<u8> {
    let mut length = None;
    loop {
        let mut line = String::new();
        assert!(reader.read_line(&mut line).expect("readable") > 0, "the stream has ended");
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse::<usize>().ok();
        }
        if let (Some(length), "\r\n") = (length, line.as_str()) {
            let mut picture = vec![0; length];
            reader.read_exact(&mut picture).expect("a whole picture");
            return picture;
        }
    }
}

#[test]
fn a_cameras_jpeg_is_passed_on_bit_for_bit() {
    let rocket = std::fs::read(photos().join("rocket.jpg")).expect("a bundled photograph");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("day.mjpeg");
    std::fs::write(&file, [&rocket[..], &rocket].concat()).expect("writable");
    let camera = format!("[camera]\nsource = \"replay\"\npath = {file:?}\nfps = 10\n");
    let mut daemon = ConfigFile::new(&camera).daemon();
    let server = Server::of(&mut daemon);
    let (status, stream) = server.open("/api/v1/stream.mjpeg");
    assert_eq!(status, 200);
    let mut reader = BufReader::new(stream);
    for _ in 0..3 {
        assert!(next_picture(&mut reader) == rocket, "the picture was encoded again");
    }
}

#[test]
fn photographs_are_encoded_and_a_turned_camera_shows_turned_pictures() {
    let (_daemon, server) = labelling(10, "", "");
    let (_, stream) = server.open("/api/v1/stream.mjpeg");
    let picture = image::load_from_memory(&next_picture(&mut BufReader::new(stream))).expect("a JPEG");
    assert!(picture.width() > picture.height());

    let photos = photos();
    let camera = format!("[camera]\nsource = \"replay\"\npath = {photos:?}\nfps = 10\nrotate = 90\n");
    let mut daemon = ConfigFile::new(&camera).daemon();
    let server = Server::of(&mut daemon);
    let (_, stream) = server.open("/api/v1/stream.mjpeg");
    let picture = image::load_from_memory(&next_picture(&mut BufReader::new(stream))).expect("a JPEG");
    assert!(picture.width() < picture.height(), "{}x{}", picture.width(), picture.height());
    let shot = image::load_from_memory(&server.get("/api/v1/frame.jpeg").body).expect("a JPEG");
    assert!(shot.width() < shot.height());
}

#[test]
fn a_snapshot_has_its_labels_drawn_in_unless_that_is_not_wanted() {
    let (_daemon, server) = labelling(10, "", "");
    let shot = server.get("/api/v1/frame.jpeg");
    assert_eq!((shot.status, shot.header("content-type")), (200, Some("image/jpeg")));
    assert!(image::load_from_memory(&shot.body).is_ok());
    assert_eq!(server.get("/api/v1/frame.jpeg?labels=false").status, 200);
    assert_eq!(server.get("/api/v1/frame.jpeg?labels=maybe").status, 400);
}

#[test]
fn only_so_many_watch_and_a_place_is_free_again_when_one_goes() {
    let (_daemon, server) = labelling(10, "max_clients = 2", "");
    for path in ["/api/v1/stream.mjpeg", "/api/v1/events"] {
        let first = server.open(path);
        let second = server.open(path);
        assert_eq!((first.0, second.0), (200, 200));
        let third = server.get(path);
        assert_eq!((third.status, third.header("retry-after")), (503, Some("10")), "{path}");
        drop(first);
        let deadline = std::time::Instant::now() + crate::support::PATIENCE;
        while server.open(path).0 != 200 {
            assert!(std::time::Instant::now() < deadline, "no place is free on {path}");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}

#[test]
fn pictures_stay_on_the_device_when_they_are_not_to_be_shown() {
    let (_daemon, server) = serving(10, "", "[privacy]\npreview = false\n");
    for path in ["/api/v1/stream.mjpeg", "/api/v1/frame.jpeg"] {
        assert_eq!(server.get(path).status, 403, "{path}");
    }
    assert_eq!(server.get("/api/v1/state").status, 200);
}

#[test]
fn a_camera_that_is_switched_off_is_not_looked_through() {
    let (_daemon, server) = labelling(10, "", "");
    server.post("/api/v1/settings", "{\"enabled\":false}");
    server.until("/api/v1/state", |state| state["camera"]["status"] == "disabled");
    let (_, mut stream) = server.open("/api/v1/stream.mjpeg");
    stream.set_read_timeout(Some(std::time::Duration::from_millis(700))).expect("a timeout");
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    assert!(bytes.len() < 100, "there are {} bytes of an old picture", bytes.len());
    assert_eq!(server.get("/readyz").status, 200, "that is a known state");
    assert_eq!(server.get("/api/v1/frame.jpeg").status, 409);
}

#[test]
fn each_change_of_the_label_has_a_small_picture_of_its_moment() {
    let quick = "[labels]\nsmoothing = \"none\"\nconsecutive = 1\n[roi]\nwidth = 0.5\n[teach]\nremember = 3\n";
    let (_daemon, server) = labelling(4, "", quick);
    let mut shown = 0;
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    while shown < 3 {
        assert!(std::time::Instant::now() < deadline, "{shown} pictures");
        let timeline = server.get("/api/v1/timeline").json();
        let change = timeline.as_array().expect("a list").last().expect("a change").clone();
        let since = change["since"].as_str().expect("a time").to_owned();
        let answer = server.get(&format!("/api/v1/views/main/change.jpeg?since={since}"));
        if answer.status == 200 {
            let picture = image::load_from_memory(&answer.body).expect("a picture");
            assert!(picture.width().max(picture.height()) <= 320 && answer.body.len() <= 30_000);
            shown += 1;
        }
        std::thread::sleep(std::time::Duration::from_millis(150));
    }
    // At most three are kept; the first of the day is not among them.
    let all = server.until("/api/v1/timeline", |timeline| timeline.as_array().is_some_and(|list| list.len() >= 8));
    let first = all[0]["since"].as_str().expect("a time");
    assert_eq!(server.get(&format!("/api/v1/views/main/change.jpeg?since={first}")).status, 404);
    assert_eq!(server.get("/api/v1/views/main/change.jpeg?since=soon").status, 400);
}

#[test]
fn where_pictures_are_not_shown_none_is_remembered() {
    let (_daemon, server) = labelling(4, "", "[privacy]\npreview = false\n");
    let change = server.until("/api/v1/timeline", |timeline| timeline.as_array().is_some_and(|list| !list.is_empty()));
    let since = change[0]["since"].as_str().expect("a time");
    let answer = server.get(&format!("/api/v1/views/main/change.jpeg?since={since}"));
    assert_eq!(
        (answer.status, answer.json()["detail"].as_str().is_some_and(|detail| detail.contains("preview"))),
        (403, true)
    );
}
