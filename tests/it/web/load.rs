//! Many who watch and many who send pictures, for as long as it takes to see what that does.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::labelling;
use crate::cable::Cable;
use crate::support::{ConfigFile, PATIENCE, Running, glimpsed, photos};
use crate::web::client::Server;

fn value(page: &str, name: &str) -> f64 {
    let line = page.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name}"));
    line.rsplit_once(' ').expect("a value").1.parse().expect("a number")
}

/// Labels a second over `time`.
fn rate(server: &Server, time: Duration) -> f64 {
    let labelled = |server: &Server| value(&server.get("/metrics").text(), "glimpsed_end_to_end_latency_seconds_count");
    let (before, begun) = (labelled(server), Instant::now());
    std::thread::sleep(time);
    (labelled(server) - before) / begun.elapsed().as_secs_f64()
}

/// `make soak` runs it.
#[test]
#[ignore = "more than a minute, and root"]
fn who_has_gone_out_of_reach_gives_the_place_back_although_there_is_nothing_to_send() {
    let Some(cable) = Cable::plug(78) else { return };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let token = directory.path().join("token");
    crate::support::write_secret(&token, "0123456789abcdef0123456789abcdef\n");
    // One frame, and then none for a long time.
    let script = format!("cat {}; sleep 600", photos().join("rocket.jpg").display());
    let (config, _directory) = ConfigFile::new(&format!(
        "[camera]\nsource = \"command\"\ncommand = [\"sh\", \"-c\", {script:?}]\nframe_timeout = \"10m\"\n\
         [http]\ntoken_file = {token:?}\n"
    ))
    .keep();
    let address = format!("{}:0", cable.near());
    let mut daemon = Running::start(glimpsed(&["run", "-c", &config]).env("GLIMPSED_HTTP_LISTEN", address));
    let server = Server::of(&mut daemon);
    let header = "Authorization: Bearer 0123456789abcdef0123456789abcdef";
    let _watchers = ["stream.mjpeg", "events"].map(|path| {
        let url = format!("http://{}/api/v1/{path}", server.address);
        Running::start(cable.command("curl").args(["-sN", "-o", "/dev/null", "-H", header, &url]))
    });
    let watching = || {
        let (name, token) = header.split_once(": ").expect("a header");
        let page = server.ask("GET", "/metrics", &[(name, token)], b"").text();
        value(&page, "glimpsed_http_streams ")
    };
    let until = |wanted: f64, patience: Duration| {
        let begun = Instant::now();
        while watching() != wanted {
            assert!(begun.elapsed() < patience, "{} watch after {patience:?}", watching());
            std::thread::sleep(Duration::from_millis(200));
        }
        begun.elapsed()
    };
    until(2.0, PATIENCE);
    cable.cut();
    eprintln!("noticed after {:?}", until(0.0, Duration::from_secs(90)));
}

/// `make soak` runs it; the figures are printed.
#[test]
#[ignore = "takes more than a minute"]
fn fifty_who_watch_and_twenty_who_send_pictures_do_not_disturb_the_labels() {
    let (_daemon, server) = labelling(10, "max_clients = 64", "");
    let alone = rate(&server, Duration::from_secs(10));
    let stop = Arc::new(AtomicBool::new(false));
    let (watched, answered, later) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let coffee = std::fs::read(photos().join("coffee.png")).expect("a bundled photograph");
    let (beside, memory) = std::thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                let (status, mut stream) = server.open("/api/v1/stream.mjpeg");
                assert_eq!(status, 200);
                let mut buffer = vec![0; 1 << 16];
                while !stop.load(Ordering::Relaxed) {
                    watched.fetch_add(stream.read(&mut buffer).expect("it goes on") as u64, Ordering::Relaxed);
                }
            });
        }
        for client in 0..20u32 {
            let (stop, coffee, answered, later) = (&stop, &coffee, &answered, &later);
            scope.spawn(move || {
                let mut number = client << 20;
                while !stop.load(Ordering::Relaxed) {
                    number += 1;
                    let bytes = [&coffee[..], &number.to_be_bytes()].concat();
                    let answer = server.try_ask("POST", "/api/v1/classify", &[("Content-Type", "image/png")], &bytes);
                    match answer.map(|answer| answer.status) {
                        Some(200) => answered.fetch_add(1, Ordering::Relaxed),
                        _ => later.fetch_add(1, Ordering::Relaxed),
                    };
                    // As a client that was told to come later does.
                    std::thread::sleep(Duration::from_millis(200));
                }
            });
        }
        std::thread::sleep(Duration::from_secs(2));
        let beside = rate(&server, Duration::from_secs(60));
        let memory = value(&server.get("/metrics").text(), "process_resident_memory_bytes");
        stop.store(true, Ordering::Relaxed);
        (beside, memory)
    });
    eprintln!(
        "labels a second: {alone:.2} alone, {beside:.2} beside 50 streams and 20 uploads; {} MB streamed, {} pictures labelled, \
         {} sent away; {:.0} MB of memory",
        watched.load(Ordering::Relaxed) / 1_000_000,
        answered.load(Ordering::Relaxed),
        later.load(Ordering::Relaxed),
        memory / 1e6,
    );
    assert!(beside > 0.9 * alone, "{beside} of {alone} labels a second");
    assert!(memory < 400e6, "{memory} bytes");
}
