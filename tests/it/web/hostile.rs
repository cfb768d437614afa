//! What is slow, too much, broken or a bomb: answered or cut, and nothing is hurt.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use super::{labelling, serving};
use crate::support::{PATIENCE, fixture, photos};
use crate::web::client::{Server, read_answer};

fn classify(server: &Server, kind: &str, body: &[u8]) -> (u16, String) {
    // Pictures that take time are few; what is refused early may be cut while it is still being sent.
    match server.try_ask("POST", "/api/v1/classify", &[("Content-Type", kind)], body) {
        Some(answer) => (answer.status, answer.text()),
        None => (0, String::new()),
    }
}

fn is_well(server: &Server) {
    assert_eq!(server.get("/livez").status, 200);
    let seq = |server: &Server| server.get("/api/v1/state").json()["classification"]["seq"].as_u64().unwrap_or(0);
    let before = seq(server);
    let deadline = Instant::now() + PATIENCE;
    while seq(server) <= before {
        assert!(Instant::now() < deadline, "nothing is labelled any more");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_is_no_picture_or_too_large_is_refused_with_the_reason() {
    let (_daemon, server) = labelling(10, "max_upload = 1000000", "");
    let image = |name: &str| std::fs::read(fixture("images").join(name)).expect("a fixture");
    for (name, status, reason) in [
        ("huge-header-65535x65535.jpg", 413, "65535x65535"),
        ("huge-30000x30000.png", 413, "30000x30000"),
        ("truncated.jpg", 422, "cut short"),
        ("truncated.png", 422, "cut short"),
        ("text.jpg", 422, "not a picture"),
        ("animated.gif", 422, "a GIF"),
    ] {
        let (found, text) = classify(&server, "application/octet-stream", &image(name));
        assert_eq!(found, status, "{name}: {text}");
        assert!(text.contains(reason), "{name}: {text}");
    }
    assert_eq!(classify(&server, "image/jpeg", b"").0, 422);
    assert_eq!(classify(&server, "text/html", b"<p>").0, 415);
    assert_eq!(classify(&server, "multipart/form-data", b"x").0, 400);
    assert_eq!(classify(&server, "multipart/form-data; boundary=x", b"--x\r\nnonsense").0, 400);
    assert_eq!(classify(&server, "multipart/form-data; boundary=x", b"--x--\r\n").0, 400);
    let mut declared = server.connect();
    let head = "POST /api/v1/classify HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 999999999999\r\n\r\n";
    declared.write_all(head.as_bytes()).expect("sent");
    assert_eq!(read_answer(&mut declared).expect("an answer").status, 413, "before anything of it is sent");
    let many = vec![0xFF; 3_000_000];
    assert!([0, 413].contains(&classify(&server, "image/jpeg", &many).0));
    is_well(&server);
}

#[test]
fn a_png_of_65535_pixels_each_way_is_refused_by_its_header() {
    let (_daemon, server) = labelling(10, "", "");
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\xFF\xFF\0\0\xFF\xFF\x08\x02\0\0\0".to_vec();
    png.extend(crc32(&png[12..]).to_be_bytes());
    png.extend(b"\0\0\0\x04IDAT\x78\x9C\x03\0");
    let asked = Instant::now();
    let (status, text) = classify(&server, "image/png", &png);
    assert_eq!(status, 413, "{text}");
    assert!(asked.elapsed() < Duration::from_secs(2));
    is_well(&server);
}

/// As PNG wants it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 })
    })
}

#[test]
fn garbage_heads_and_endless_ones_are_cut() {
    let (_daemon, server) = serving(10, "", "");
    let long = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(200_000));
    let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X-A: b\r\n".repeat(5000));
    for head in [
        &b"\x16\x03\x01\x02\0\x01\0\x01"[..],
        b"nonsense\r\n\r\n",
        long.as_bytes(),
        many.as_bytes(),
        b"GET / HTTP/1.1\r\n\r\n",
    ] {
        let mut stream = server.connect();
        let _ = stream.write_all(head);
        if head.starts_with(b"\x16") {
            // What speaks TLS waits for an answer.
            let _ = stream.shutdown(std::net::Shutdown::Write);
        }
        let mut answer = Vec::new();
        let _ = stream.take(10_000).read_to_end(&mut answer);
        let text = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || text.starts_with("HTTP/1.1 4"), "{text}");
    }
    is_well(&server);
}

#[test]
fn who_sends_one_byte_after_another_is_cut_and_disturbs_nobody() {
    let (_daemon, server) = serving(10, "", "");
    let slow: Vec<_> = (0..50).map(|_| server.connect()).collect();
    let begun = Instant::now();
    let mut open: Vec<_> = slow.into_iter().map(Some).collect();
    while open.iter().any(Option::is_some) {
        assert!(begun.elapsed() < Duration::from_secs(20), "still open after {:?}", begun.elapsed());
        for slot in &mut open {
            let Some(stream) = slot else { continue };
            stream.set_read_timeout(Some(Duration::from_millis(1))).expect("a timeout");
            let mut byte = [0; 64];
            let ended = stream.write_all(b"X").is_err() || matches!(stream.read(&mut byte), Ok(0));
            if ended {
                *slot = None;
            }
        }
        // Others are served meanwhile.
        let asked = Instant::now();
        assert_eq!(server.get("/livez").status, 200);
        assert!(asked.elapsed() < Duration::from_secs(2), "an answer took {:?}", asked.elapsed());
        std::thread::sleep(Duration::from_millis(300));
    }
    is_well(&server);
}

#[test]
fn bodies_that_trickle_are_cut_and_probes_have_places_of_their_own() {
    let (_daemon, server) = serving(10, "", "");
    let head = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n",
            server.address
        )
    };
    let paths = ["/api/v1/settings", "/api/v1/model"];
    let mut slow: Vec<_> = (0..256)
        .map(|number| {
            let mut stream = server.connect();
            stream.write_all(head(paths[number % paths.len()]).as_bytes()).expect("sent");
            stream
        })
        .collect();
    let begun = Instant::now();
    // All places are taken: the page has to wait, and a supervisor has not.
    let page = server.get("/");
    assert_eq!((page.status, page.header("retry-after")), (503, Some("5")), "{}", page.head);
    while begun.elapsed() < Duration::from_secs(4) {
        for path in ["/livez", "/readyz"] {
            let asked = Instant::now();
            assert!([200, 503].contains(&server.get(path).status), "{path}");
            assert!(asked.elapsed() < Duration::from_secs(2), "{path} took {:?}", asked.elapsed());
        }
        for stream in &mut slow {
            let _ = stream.write_all(b" ");
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    // The rule for uploads: 32 kB a second after five seconds.
    for mut stream in slow {
        if let Some(answer) = read_answer(&mut stream) {
            assert!([408, 503].contains(&answer.status), "{answer:?}");
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    assert_eq!(server.get("/").status, 200);
    is_well(&server);
}

#[test]
fn a_thousand_connections_at_once_are_answered_or_cut() {
    let (_daemon, server) = labelling(10, "", "");
    let connections: Vec<_> =
        (0..1000).filter_map(|_| std::net::TcpStream::connect_timeout(&server.address, PATIENCE).ok()).collect();
    assert!(connections.len() > 900, "{}", connections.len());
    let request = format!("GET /livez HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", server.address);
    let (mut answered, mut told, mut cut) = (0, 0, 0);
    for mut stream in connections {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let _ = stream.write_all(request.as_bytes());
        match read_answer(&mut stream) {
            Some(answer) if answer.status == 200 => answered += 1,
            Some(answer) => {
                assert_eq!(answer.status, 503);
                told += 1;
            }
            None => cut += 1,
        }
    }
    assert!(answered >= 200, "{answered} answered, {told} told that it is too much, {cut} cut");
    is_well(&server);
}

#[test]
fn a_client_that_takes_nothing_is_cut_and_others_see_the_newest_picture() {
    let (_daemon, server) = labelling(20, "", "");
    let stalled: Vec<_> = (0..8).map(|_| server.open("/api/v1/stream.mjpeg")).collect();
    std::thread::sleep(Duration::from_secs(2));
    let (_, stream) = server.open("/api/v1/stream.mjpeg");
    let mut taken = 0;
    let begun = Instant::now();
    let mut stream = stream.take(u64::MAX);
    let mut buffer = vec![0; 1 << 16];
    while begun.elapsed() < Duration::from_secs(2) {
        taken += stream.read(&mut buffer).expect("it goes on");
    }
    assert!(taken > 300_000, "{taken} bytes in two seconds");
    let streams = |server: &Server| {
        let page = server.get("/metrics").text();
        page.lines().find_map(|line| line.strip_prefix("glimpsed_http_streams ")?.parse::<u32>().ok()).expect("a gauge")
    };
    drop(stream);
    let deadline = Instant::now() + PATIENCE;
    while streams(&server) > 0 {
        assert!(Instant::now() < deadline, "{} still hold a place", streams(&server));
        std::thread::sleep(Duration::from_millis(250));
    }
    drop(stalled);
    is_well(&server);
}

#[test]
fn who_sends_a_picture_byte_by_byte_does_not_keep_others_from_their_turn() {
    let (_daemon, server) = labelling(10, "", "");
    let head =
        "POST /api/v1/classify HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 100000\r\n\r\n";
    let mut slow: Vec<_> = (0..2).map(|_| server.connect()).collect();
    for stream in &mut slow {
        stream.write_all(head.as_bytes()).expect("it listens");
    }
    let coffee = std::fs::read(photos().join("coffee.png")).expect("a bundled photograph");
    let begun = Instant::now();
    while classify(&server, "image/png", &coffee).0 != 200 {
        assert!(begun.elapsed() < Duration::from_secs(15), "no turn after {:?}", begun.elapsed());
        slow.iter_mut().for_each(|stream| drop(stream.write_all(b"x")));
    }
    for mut stream in slow {
        assert_eq!(read_answer(&mut stream).expect("an answer").status, 408);
    }
}

#[test]
fn pictures_that_cannot_be_read_cost_what_they_take() {
    let (_daemon, server) = labelling(10, "", "");
    let mut large = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_fn(4000, 4000, |x, y| image::Rgb([(x / 16) as u8, (y / 16) as u8, 0]))
        .write_to(&mut large, image::ImageFormat::Jpeg)
        .expect("a picture");
    let mut bytes = large.into_inner();
    bytes.truncate(bytes.len() - bytes.len() / 8);
    let begun = Instant::now();
    let mut found = Vec::new();
    while found.last() != Some(&429) {
        assert!(begun.elapsed() < Duration::from_secs(30), "{found:?}");
        found.push(classify(&server, "image/jpeg", &bytes).0);
    }
    assert!(found.contains(&422), "{found:?}");
    is_well(&server);
}

#[test]
fn pictures_sent_without_pause_do_not_keep_the_camera_waiting() {
    let (_daemon, server) = labelling(10, "", "");
    let coffee = std::fs::read(photos().join("coffee.png")).expect("a bundled photograph");
    let (mut labelled, mut later) = (0, 0);
    let begun = Instant::now();
    let mut number = 0u32;
    while begun.elapsed() < Duration::from_secs(8) {
        // Other bytes behind the picture's end make it another one to the cache.
        number += 1;
        let bytes = [&coffee[..], &number.to_be_bytes()].concat();
        match server.try_ask("POST", "/api/v1/classify", &[("Content-Type", "image/png")], &bytes) {
            Some(answer) if answer.status == 200 => labelled += 1,
            Some(answer) if [429, 503].contains(&answer.status) => {
                assert!(answer.header("retry-after").is_some());
                later += 1;
            }
            Some(answer) => panic!("{}", answer.text()),
            None => later += 1,
        }
    }
    assert!(labelled > 3 && later > 0, "{labelled} labelled, {later} sent away");
    is_well(&server);
}
