//! The daemon and those whom it tells something.

use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::listener::{Listener, Told, reply};
use crate::support::{Broker, ConfigFile, Running, free_port, glimpsed, photos, write_secret};
use crate::web::Server;

/// Each photograph is another label, some times a second.
const QUICK: &str = "[labels]\nsmoothing = \"none\"\nconsecutive = 1\n";

fn rule(url: &str, more: &str) -> String {
    format!("[[notify]]\nurl = \"{url}\"\nevery = \"0s\"\n{more}\n")
}

fn daemon(rules: &str) -> (Running, Server) {
    let mut daemon = ConfigFile::replay(4, &format!("{QUICK}{rules}")).daemon();
    let server = Server::of(&mut daemon);
    (daemon, server)
}

fn count(server: &Server, result: &str) -> u64 {
    let page = server.get("/metrics").text();
    let start = format!("glimpsed_notices_total{{result=\"{result}\"}} ");
    let line = page.lines().find_map(|line| line.strip_prefix(&start));
    line.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no {start} in {page}"))
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + crate::support::PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn each_change_is_told_with_a_picture_of_what_the_view_sees() {
    let listener = Listener::start();
    let more = "picture = true\ntext = \"{previous} > {now}\"";
    let rules = format!("[privacy]\nnotify_image = true\n[roi]\nwidth = 0.5\n{}", rule(&listener.url("/"), more));
    let (_daemon, _server) = daemon(&rules);
    let told: Vec<Told> = (0..3).map(|_| listener.next()).collect();
    let events: Vec<Value> =
        told.iter().map(|told| serde_json::from_slice(&told.part("event")).expect("JSON")).collect();
    assert_eq!(events[0]["previous"], Value::Null);
    assert_eq!(events[1]["previous"], events[0]["label"], "{events:?}");
    for (told, event) in told.iter().zip(&events) {
        assert_eq!(event["notice"]["label"], event["label"]);
        let picture = image::load_from_memory(&told.part("picture")).expect("a picture");
        assert!(picture.width().max(picture.height()) <= 640);
        let (left, right) = (differs(&picture, 0), differs(&picture, 1));
        assert!(left < 12.0 && left < right / 2.0, "{left} from the half that the view sees, {right} from the other");
    }
}

/// How much the picture differs from this half of the bundled photograph that it resembles most, in steps of 0..255.
fn differs(picture: &image::DynamicImage, half: u32) -> f64 {
    let small = |picture: &image::DynamicImage| picture.thumbnail_exact(30, 40).into_rgb8();
    let seen = small(picture);
    let from = |name: &str| {
        let photo = image::open(photos().join(name)).expect("a bundled photograph");
        let width = photo.width() / 2;
        let part = small(&photo.crop_imm(half * width, 0, width, photo.height()));
        let sum: u64 = part.iter().zip(seen.iter()).map(|(one, other)| u64::from(one.abs_diff(*other))).sum();
        sum as f64 / part.len() as f64
    };
    ["chelsea.png", "coffee.png", "rocket.jpg"].into_iter().map(from).fold(f64::INFINITY, f64::min)
}

#[test]
fn those_who_refuse_hang_drip_or_redirect_hold_nobody_up() {
    let good = Listener::start();
    let hangs = Listener::answering(|_, _, _| {
        std::thread::sleep(Duration::from_secs(60));
        Ok(())
    });
    let drips = Listener::answering(|_, _, stream| {
        loop {
            stream.write_all(b"H")?;
            std::thread::sleep(Duration::from_millis(500));
        }
    });
    let stranger = Listener::start();
    let elsewhere = stranger.url("/caught");
    let redirects = Listener::answering(move |_, _, stream| {
        reply(stream, "307 Temporary Redirect", &format!("Location: {elsewhere}\r\n"), b"")
    });
    let refuses = Listener::answering(|_, _, stream| reply(stream, "403 Forbidden", "", b""));
    let gone = format!("http://127.0.0.1:{}/", free_port());
    let addresses = [&gone, &hangs.url("/"), &drips.url("/"), &redirects.url("/"), &refuses.url("/"), &good.url("/")];
    let rules: String = addresses.iter().map(|url| rule(url, "")).collect();
    let (mut daemon, server) = daemon(&rules);
    for _ in 0..12 {
        good.next();
    }
    until("what was refused is lost", || count(&server, "lost") >= 2);
    until("what was taken is counted", || count(&server, "sent") >= 12);
    assert!(stranger.rest().is_empty(), "nobody else is told");
    let waiting = server.get("/metrics").text();
    let waiting = waiting.lines().find_map(|line| line.strip_prefix("glimpsed_notices_waiting "));
    assert!(waiting.and_then(|count| count.parse::<u32>().ok()).is_some_and(|count| (3..=64).contains(&count)));
    // A stop waits for none of them.
    let start = Instant::now();
    daemon.signal(rustix::process::Signal::TERM);
    assert!(daemon.wait().success() && start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    let log = daemon.rest().join("\n");
    assert!(log.contains("it redirects to http://127.0.0.1:") && log.contains("403 Forbidden"), "{log}");
    assert!(log.contains("notices were not sent any more"), "{log}");
}

#[test]
fn one_who_fails_for_a_while_gets_each_notice_once_and_in_order() {
    let listener = Listener::answering(|number, _, stream| match number {
        0 => reply(stream, "503 Service Unavailable", "", b""),
        1 => Ok(()),
        _ => reply(stream, "204 No Content", "", b""),
    });
    let (_daemon, server) = daemon(&rule(&listener.url("/"), ""));
    let told: Vec<Value> = (0..5).map(|_| listener.next().json()).collect();
    assert_eq!((&told[0], &told[1]), (&told[1], &told[2]), "the first one, three times");
    let numbers: Vec<u64> = told[2..].iter().map(|event| event["seq"].as_u64().expect("a number")).collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    until("they are counted", || count(&server, "sent") >= 3);
    assert_eq!(count(&server, "lost"), 0);
}

#[test]
fn a_redirect_on_the_same_server_is_followed_with_what_is_told() {
    let listener = Listener::answering(|_, told, stream| match told.path.as_str() {
        "/old" => reply(stream, "308 Permanent Redirect", "Location: new\r\n", b""),
        _ => reply(stream, "200 OK", "", b""),
    });
    let (_daemon, _server) = daemon(&rule(&listener.url("/old"), ""));
    let (first, second) = (listener.next(), listener.next());
    assert_eq!((first.path.as_str(), second.path.as_str()), ("/old", "/new"));
    assert_eq!(first.body, second.body);
    let rounds = Listener::answering(|_, _, stream| reply(stream, "307 Temporary Redirect", "Location: /\r\n", b""));
    let (mut daemon, _server) = self::daemon(&rule(&rounds.url("/"), ""));
    daemon.line_with("it redirects more than 3 times");
}

#[test]
fn one_notice_a_minute_is_enough_unless_the_rule_says_otherwise() {
    let listener = Listener::start();
    let (_daemon, server) = daemon(&format!("[[notify]]\nurl = \"{}\"\n", listener.url("/")));
    listener.next();
    until("the others are counted", || count(&server, "too_soon") >= 5);
    assert!(listener.rest().is_empty());
    let health = server.get("/api/v1/state").json()["health"].clone();
    assert_eq!(health["notices"]["sent"], 1, "{health}");
}

#[test]
fn a_label_that_holds_long_enough_is_told_once() {
    let listener = Listener::start();
    // One photograph: its label holds.
    let photo = crate::support::photos().join("rocket.jpg");
    let text = format!(
        "[camera]\nsource = \"replay\"\npath = {photo:?}\nfps = 5\n{}",
        rule(&listener.url("/"), "when = \"held for 2s\"")
    );
    let start = Instant::now();
    let _daemon = ConfigFile::new(&text).daemon();
    let event = listener.next().json();
    assert!(start.elapsed() >= Duration::from_secs(2));
    assert_eq!(event["notice"]["when"], "held for 2s");
    std::thread::sleep(Duration::from_secs(3));
    assert!(listener.rest().is_empty(), "once");
}

#[test]
fn the_first_of_the_day_is_not_told_again_after_a_restart() {
    let listener = Listener::start();
    let photo = crate::support::photos().join("rocket.jpg");
    let text = format!(
        "[camera]\nsource = \"replay\"\npath = {photo:?}\nfps = 5\n{}",
        rule(&listener.url("/"), "when = \"first of the day\"")
    );
    let (config, _directory) = ConfigFile::new(&text).keep();
    let state = tempfile::tempdir().expect("a directory");
    let start = || Running::start(glimpsed(&["run", "-c", &config]).env("STATE_DIRECTORY", state.path()));
    let mut daemon = start();
    let label = listener.next().json()["label"].clone();
    let is_told_today = |name: &str| name.starts_with("told-today-");
    let files = || std::fs::read_dir(state.path()).expect("a directory").flatten();
    until("it is kept", || files().any(|file| is_told_today(&file.file_name().to_string_lossy())));
    daemon.signal(rustix::process::Signal::TERM);
    daemon.wait();
    let mut again = start();
    again.line_with("first label");
    std::thread::sleep(Duration::from_secs(2));
    // At midnight between the two runs, it is told once more.
    assert!(listener.rest().is_empty(), "{label} was told before");
}

#[test]
fn rules_change_while_the_daemon_runs_and_what_waits_goes_to_who_is_still_told() {
    let (first, second) = (Listener::start(), Listener::start());
    let base = |rules: &str| {
        let photos = crate::support::photos();
        format!("[camera]\nsource = \"replay\"\npath = {photos:?}\nfps = 4\n{QUICK}{rules}")
    };
    let (path, directory) = ConfigFile::new(&base(&rule(&first.url("/"), ""))).keep();
    let mut daemon = Running::start(&mut glimpsed(&["run", "-c", &path]));
    let server = Server::of(&mut daemon);
    first.next();
    std::fs::write(&path, base(&rule(&second.url("/"), "text = \"now {label}\""))).expect("writable");
    let event = second.next().json();
    assert!(event["notice"]["text"].as_str().is_some_and(|text| text.starts_with("now ")), "{event}");
    until("the first one hears no more", || {
        first.rest();
        std::thread::sleep(Duration::from_secs(1));
        first.rest().is_empty()
    });
    std::fs::write(&path, base("")).expect("writable");
    until("nobody is told anything", || !server.get("/metrics").text().contains("glimpsed_notices_total"));
    drop((daemon, directory));
}

#[test]
fn tokens_and_secret_addresses_are_in_no_log_and_on_no_topic() {
    let broker = Broker::start();
    let refuses = Listener::answering(|_, told, stream| {
        // Telegram says what is wrong, and some servers repeat the address.
        let body = format!(r#"{{"description":"Unauthorized: token={}"}}"#, &told.path[4..]);
        reply(stream, "401 Unauthorized", "", body.as_bytes())
    });
    let directory = tempfile::tempdir().expect("a directory");
    let (token, address) = (directory.path().join("token"), directory.path().join("url"));
    write_secret(&token, "77:hunter2\n");
    write_secret(&address, &format!("{}\n", refuses.url("/bot/hunter2")));
    let rules = format!(
        "[mqtt]\nurl = {:?}\n[log]\nlevel = \"debug\"\n[[notify]]\nservice = \"telegram\"\nchat = \"1\"\nurl = \"{}\"\ntoken_file = {token:?}\n\
         [[notify]]\nurl_file = {address:?}\n",
        broker.url(),
        refuses.url("")
    );
    let (mut daemon, server) = daemon(&rules);
    refuses.next();
    until("it is a problem", || server.get("/api/v1/state").text().contains("notices do not arrive"));
    let info =
        broker.retained_json("glimpsed/test/info", |info| info["config"]["notify.0.service"]["value"] == "telegram");
    daemon.signal(rustix::process::Signal::TERM);
    daemon.wait();
    let log = daemon.rest().join("\n");
    assert!(log.contains("401 Unauthorized"), "{log}");
    for text in [log, info.to_string()] {
        assert!(!text.contains("hunter2"), "{text}");
    }
}
