//! The `command` source: programs that write MJPEG, well and badly.

use rustix::process::Signal;

use crate::support::{Broker, ConfigFile, Running, photos, root, run};

fn daemon(script: &str) -> Running {
    let rocket = photos().join("rocket.jpg");
    let script = script.replace("ROCKET", rocket.to_str().expect("UTF-8"));
    ConfigFile::new(&format!(
        "[camera]\nsource = \"command\"\ncommand = [\"sh\", \"-c\", {script:?}]\nframe_timeout = \"1s\"\nreconnect_min = \"50ms\"\n\
         [stdout]\nformat = \"text\"\n"
    ))
    .daemon()
}

#[test]
fn pictures_from_a_program_are_labelled() {
    let mut daemon = daemon("while cat ROCKET; do sleep 0.05; done");
    for _ in 0..5 {
        daemon.line_with("missile");
    }
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().success());
}

#[test]
fn the_resolution_may_change_from_one_picture_to_the_next() {
    let other = root().join("tests/fixtures/images/grey.jpg");
    let script = format!("while true; do cat ROCKET; sleep 0.2; cat {}; sleep 0.2; done", other.display());
    let mut daemon = daemon(&script);
    for _ in 0..3 {
        daemon.line_with("missile");
    }
    daemon.signal(Signal::TERM);
    let line = daemon.line_with("stopped");
    for none in ["failed=0", "damaged=0", "reconnects=0"] {
        assert!(line.contains(none), "{line}");
    }
}

#[test]
fn garbage_and_half_pictures_are_skipped() {
    let mut daemon =
        daemon("while true; do head -c 9000 /dev/urandom; head -c 5000 ROCKET; cat ROCKET; sleep 0.1; done");
    for _ in 0..5 {
        daemon.line_with("missile");
    }
}

/// A file that a script can `cat`.
fn stored(directory: &tempfile::TempDir, name: &str, bytes: &[u8]) -> String {
    let path = directory.path().join(name);
    std::fs::write(&path, bytes).expect("writable");
    path.to_str().expect("UTF-8").to_owned()
}

#[test]
fn pictures_whose_end_is_not_marked_are_labelled() {
    let directory = tempfile::tempdir().expect("a directory");
    let rocket = std::fs::read(photos().join("rocket.jpg")).expect("a photograph");
    let unmarked = stored(&directory, "unmarked.jpg", &rocket[..rocket.len() - 2]);
    let mut daemon = daemon(&format!("while cat {unmarked}; do sleep 0.3; done"));
    for _ in 0..3 {
        daemon.line_with("missile");
    }
    daemon.signal(Signal::TERM);
    let line = daemon.line_with("stopped");
    assert!(line.contains("failed=0") && line.contains("damaged=0"), "{line}");
}

#[test]
fn pictures_that_lack_blocks_are_counted_and_not_labelled() {
    let directory = tempfile::tempdir().expect("a directory");
    let rocket = std::fs::read(photos().join("rocket.jpg")).expect("a photograph");
    let half = stored(&directory, "half.jpg", &rocket[..rocket.len() / 2]);
    let mut daemon = daemon(&format!("while cat {half}; do sleep 0.05; done"));
    let line = daemon.line_with("damaged frame skipped");
    assert!(line.contains("it is cut short: the next picture begins inside of it"), "{line}");
    let line = daemon.line_with("no frames");
    assert!(line.contains("damaged frames in a row; the last: it is cut short"), "{line}");
    daemon.signal(Signal::TERM);
    assert!(!daemon.rest().iter().any(|line| line.contains("missile")));
}

#[test]
fn what_is_no_mjpeg_is_named_with_what_to_do() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut transport = vec![0; 188 * 20];
    (0..20).for_each(|packet| transport[188 * packet] = 0x47);
    let png = std::fs::read(photos().join("coffee.png")).expect("a photograph");
    let h264 = [&b"\0\0\0\x01\x67\x42\xc0\x1e\xd9"[..], &[0x55; 4000]].concat();
    for (bytes, expected) in [
        (&h264[..], "it writes H.264, not MJPEG: add --codec mjpeg (rpicam-vid) or -f mjpeg (ffmpeg)"),
        (&transport, "it writes an MPEG transport stream, not MJPEG: add"),
        (&png, "it writes PNG pictures, not MJPEG: add"),
        (
            b"<!DOCTYPE html><html><title>Login</title>",
            "it writes HTML (a login page?), not MJPEG: does its address need",
        ),
    ] {
        let file = stored(&directory, "stream", bytes);
        let mut daemon = daemon(&format!("cat {file}; sleep 0.3"));
        let line = daemon.line_with("no frames");
        assert!(line.contains(expected), "{line}");
        daemon.signal(Signal::TERM);
        let line = daemon.line_with("stopped");
        assert!(!line.contains("damaged=0"), "it is counted: {line}");
    }
}

#[test]
fn what_is_no_picture_is_named_although_nothing_follows() {
    for (script, expected) in [
        ("printf '<!-- portal --><html><body>Login'; sleep 100", "it writes HTML (a login page?), not MJPEG: does its"),
        ("printf '\\001\\002\\003'; sleep 100", "it writes data of an unknown kind, not MJPEG: add"),
        ("printf 'no '; while sleep 0.1; do printf 'camera '; done", "it writes text, not MJPEG: does its"),
    ] {
        let config = ConfigFile::new(&format!(
            "[camera]\nsource = \"command\"\ncommand = [\"sh\", \"-c\", {script:?}]\nstart_timeout = \"1s\"\nframe_timeout = \"1s\"\n"
        ));
        let ran = run(&["cameras", "probe", "-c", &config.path()]);
        assert!(ran.code == 69 && ran.stderr.contains(expected), "{ran:?}");
        let mut daemon = config.daemon();
        let line = daemon.line_with("no frames");
        assert!(line.contains(expected), "{line}");
        daemon.signal(Signal::TERM);
        let line = daemon.line_with("stopped");
        assert!(!line.contains("damaged=0"), "it is counted: {line}");
    }
}

#[test]
fn a_flood_of_what_is_no_picture_is_given_up() {
    let mut daemon = daemon("exec cat /dev/zero");
    let line = daemon.line_with("no frames");
    assert!(line.contains("it writes data of an unknown kind, not MJPEG"), "{line}");
}

#[test]
fn a_program_may_take_longer_to_start_than_between_two_pictures() {
    let mut daemon = daemon("sleep 2.5; while cat ROCKET; do sleep 0.1; done");
    daemon.line_with("missile");
    daemon.signal(Signal::TERM);
    let line = daemon.line_with("stopped");
    assert!(line.contains("reconnects=0"), "{line}");
}

#[test]
fn probe_waits_for_the_first_picture_as_long_as_the_daemon_does() {
    let config = |timeout: &str| {
        ConfigFile::new(&format!(
            "[camera]\nsource = \"command\"\nstart_timeout = \"{timeout}\"\nframe_timeout = \"200ms\"\n\
             command = [\"sh\", \"-c\", \"sleep 1; while cat {}; do sleep 0.05; done\"]\n",
            photos().join("rocket.jpg").display()
        ))
    };
    let ran = run(&["cameras", "probe", "-c", &config("10s").path()]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = run(&["cameras", "probe", "-c", &config("300ms").path()]);
    assert!(ran.code == 69 && ran.stderr.contains("no frame for 300 ms"), "{ran:?}");
}

#[test]
fn a_program_that_ends_is_started_again_and_its_last_words_are_logged() {
    let mut daemon = daemon("cat ROCKET; echo out of film >&2; exit 3");
    daemon.line_with("out of film");
    let line = daemon.line_with("no frames");
    assert!(line.contains("it ended (exit status: 3): out of film"), "{line}");
    daemon.line_with("missile");
}

#[test]
fn a_program_that_falls_silent_is_replaced() {
    let mut daemon = daemon("cat ROCKET; exec sleep 1000");
    daemon.line_with("missile");
    let line = daemon.line_with("no frames");
    assert!(line.contains("no frame for 1"), "{line}");
    daemon.line_with("missile");
}

#[test]
fn what_the_program_started_ends_with_the_daemon() {
    let mut daemon = daemon("sleep 1234 & echo child $! >&2; while cat ROCKET; do sleep 0.05; done");
    let child = daemon.find("child", |line| line.split_once("child ").map(|(_, pid)| pid.trim_matches('"').to_owned()));
    daemon.line_with("missile");
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().success());
    let state = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
    // Gone, or waiting for a parent that does not fetch it.
    assert!(state.is_empty() || state.contains(" Z "), "{state}");
}

#[test]
fn a_program_that_ignores_sigterm_does_not_outlive_a_second_signal() {
    let mut daemon = daemon("trap '' TERM; echo child $$ >&2; while true; do cat ROCKET; sleep 0.05; done");
    let child = daemon.find("child", |line| line.split_once("child ").map(|(_, pid)| pid.trim_matches('"').to_owned()));
    daemon.line_with("missile");
    daemon.signal(Signal::INT);
    daemon.line_with("stopping");
    daemon.signal(Signal::INT);
    daemon.wait();
    let state = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
    assert!(state.is_empty() || state.contains(" Z "), "{state}");
}

#[test]
fn a_program_that_ends_again_and_again_is_started_less_and_less_often() {
    let mut daemon = daemon("cat ROCKET");
    let waits: Vec<u64> = (0..4)
        .map(|_| {
            daemon.find("wait", |line| {
                let (_, rest) = line.split_once("retry_in_ms=")?;
                rest.split(' ').next()?.parse().ok()
            })
        })
        .collect();
    assert!(waits[3] > 2 * waits[0], "{waits:?}");
}

#[test]
fn a_program_that_ignores_sigterm_is_killed() {
    let mut daemon = daemon("trap '' TERM; while true; do cat ROCKET; sleep 0.05; done");
    daemon.line_with("missile");
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().success());
    assert!(daemon.rest().iter().any(|line| line.contains("does not end by itself; killed")));
}

#[test]
fn a_program_that_repeats_its_last_picture_for_too_long_is_frozen() {
    let mut daemon = ConfigFile::new(&format!(
        "[camera]\nsource = \"command\"\nfrozen_after = \"1s\"\nreconnect_min = \"50ms\"\n\
         command = [\"sh\", \"-c\", \"while cat {}; do sleep 0.05; done\"]\n[stdout]\nformat = \"text\"\n",
        photos().join("rocket.jpg").display()
    ))
    .daemon();
    daemon.line_with("missile");
    let line = daemon.line_with("no frames");
    assert!(line.contains("the picture has been the same for 1 s"), "{line}");
}

#[test]
fn that_no_picture_can_be_labelled_and_that_one_can_is_told_over_mqtt_when_it_is_so() {
    let directory = tempfile::tempdir().expect("a directory");
    let odd = root().join("tests/fixtures/jpegs/arithmetic.jpg");
    let shown = directory.path().join("shown.jpg");
    std::fs::copy(&odd, &shown).expect("copied");
    let script = format!("while cat {}; do sleep 0.3; done", shown.display());
    let broker = Broker::start();
    let mut health = broker.subscribe("glimpsed/test/health", &[]);
    let _daemon = ConfigFile::new(&format!(
        "[device]\nid = \"test\"\n[camera]\nsource = \"command\"\ncommand = [\"sh\", \"-c\", {script:?}]\n[mqtt]\nurl = {:?}\n",
        broker.url()
    ))
    .daemon();
    let mut until = |what: &str, told: bool| {
        health.find(what, |message| {
            let health: serde_json::Value = serde_json::from_str(&message.payload).ok()?;
            let problems = health["problems"].to_string();
            (problems.contains("no picture can be labelled") == told).then(|| health["uptime_s"].as_u64())?
        })
    };
    // Ten seconds of it make a problem.
    let begun = until("the problem", true);
    assert!(begun < 30, "after {begun} s");
    std::fs::copy(photos().join("rocket.jpg"), directory.path().join("next.jpg")).expect("copied");
    std::fs::rename(directory.path().join("next.jpg"), &shown).expect("moved");
    let ended = until("its end", false);
    assert!(ended < begun + 20, "from {begun} s to {ended} s");
}
