//! `glimpsed demo`, the first thing that anybody runs.

use rustix::process::Signal;

use crate::support::{Running, fixture, glimpsed, run};

#[test]
fn the_cat_is_a_cat_and_the_coffee_is_espresso() {
    let ran = run(&["demo", "--once", "--fps", "20"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let line = |file: &str| {
        let line = ran.stdout.lines().find(|line| line.contains(file) && line.contains("/classification"));
        line.unwrap_or_else(|| panic!("no {file} in {ran:?}")).to_owned()
    };
    let cat = line("chelsea.png");
    assert!(cat.contains("cat") && cat.matches(" %").count() == 3, "{cat}");
    assert!(line("coffee.png").contains("coffee.png: espresso 9"));
    let day = ran.stdout.lines().find(|line| line.contains("/day ")).unwrap_or_else(|| panic!("no day in {ran:?}"));
    assert!(day.contains(" labels, now "), "{day}");
    assert!(ran.stdout.contains("glimpsed/demo/status           online"));
    assert!(ran.stdout.trim_end().ends_with("glimpsed/demo/status           offline"), "{ran:?}");
}

#[test]
fn ctrl_c_ends_the_demo_and_its_broker() {
    let mut demo = Running::start(&mut glimpsed(&["demo", "--fps", "20"]));
    let page = demo.find("the page", |line| {
        line.split_once("The page is at http://").map(|(_, rest)| rest.trim().trim_end_matches('/').to_owned())
    });
    let port = demo.find("port", |line| {
        line.split_once("on port ").and_then(|(_, rest)| rest.split(';').next()?.parse::<u16>().ok())
    });
    demo.line_with("/classification");
    assert!(std::net::TcpStream::connect(&page).is_ok(), "the page is not served at {page}");
    demo.signal(Signal::INT);
    assert!(demo.wait().success());
    let listens = std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
    assert!(!listens, "the private broker is still there");
}

/// Command lines of running processes that hold `text`.
fn processes_with(text: &str) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(text)).collect()
}

#[test]
fn ctrl_c_during_the_start_leaves_no_broker_behind() {
    for milliseconds in [20, 80, 150, 300] {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut command = glimpsed(&["demo", "--fps", "20"]);
        let mut demo = Running::start(command.env("TMPDIR", directory.path()));
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
        demo.signal(Signal::INT);
        demo.wait();
        drop(demo);
        let left = std::fs::read_dir(directory.path()).expect("readable").count();
        assert_eq!(left, 0, "after {milliseconds} ms");
        let name = directory.path().to_str().expect("UTF-8");
        assert_eq!(processes_with(name), [] as [String; 0], "after {milliseconds} ms");
    }
}

#[test]
fn a_directory_without_photographs_fails_with_the_reason() {
    let ran = run(&["demo", "--once", "--images", fixture("logits").to_str().expect("UTF-8")]);
    assert_eq!(ran.code, 78);
    assert!(ran.stderr.contains("holds no picture (.jpg, .jpeg, .jfif, .jpe, .png or .webp)"), "{ran:?}");
}
