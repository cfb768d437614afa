//! What is made of frames: the part that is looked at, pictures that stay the same or are dark, labels put together.

use serde_json::Value;

use crate::support::{Broker, ConfigFile, Running, Subscriber, glimpsed, photos};

/// A daemon that replays one picture, ten times a second.
struct Scene {
    heard: Subscriber,
    broker: Broker,
    _daemon: Running,
    _directory: tempfile::TempDir,
}

impl Scene {
    fn of(picture: &image::RgbImage, rest: &str) -> Self {
        let broker = Broker::start();
        let heard = broker.subscribe("#", &[]);
        let directory = tempfile::tempdir().expect("a directory");
        picture.save(directory.path().join("scene.png")).expect("writable");
        let text = format!(
            "[device]\nid = \"test\"\n[camera]\nsource = \"replay\"\npath = \"scene.png\"\nfps = 10.0\n\
             [mqtt]\nurl = {:?}\nclassification_interval = \"0s\"\n{rest}",
            broker.url()
        );
        let config = directory.path().join("glimpsed.toml");
        std::fs::write(&config, text).expect("writable");
        let daemon = Running::start(&mut glimpsed(&["run", "-c", &config.display().to_string()]));
        Self { heard, broker, _daemon: daemon, _directory: directory }
    }

    fn classification(&mut self) -> Value {
        self.heard.next("/test/classification").json()
    }

    fn state(&self) -> Value {
        self.broker.retained_json("glimpsed/test/state", |_| true)
    }
}

fn photo(name: &str) -> image::RgbImage {
    image::open(photos().join(name)).expect("a bundled photograph").into_rgb8()
}

/// A cat on the left, a cup of coffee on the right.
fn cat_and_coffee() -> image::RgbImage {
    let half = |name| image::imageops::resize(&photo(name), 320, 240, image::imageops::FilterType::Triangle);
    let mut both = image::RgbImage::new(640, 240);
    image::imageops::replace(&mut both, &half("chelsea.png"), 0, 0);
    image::imageops::replace(&mut both, &half("coffee.png"), 320, 0);
    both
}

#[test]
fn only_the_region_is_looked_at() {
    let seen = |x: f64| {
        let roi = format!("[roi]\nx = {x}\nwidth = 0.5\n[labels]\ngroups = \"imagenet\"\n");
        let mut scene = Scene::of(&cat_and_coffee(), &roi);
        scene.classification();
        scene.state()["label"].as_str().map(str::to_owned)
    };
    assert_eq!(seen(0.0).as_deref(), Some("cat"));
    assert_eq!(seen(0.5).as_deref(), Some("espresso"));
}

#[test]
fn a_region_is_of_the_picture_as_it_is_after_turning() {
    // The camera hangs upside down: what it gives first lies on the right, and on its head.
    let hung = image::imageops::rotate180(&cat_and_coffee());
    let text = "rotate = 180\n[roi]\nx = 0.0\nwidth = 0.5\n[labels]\ngroups = \"imagenet\"\n";
    let broker = Broker::start();
    let directory = tempfile::tempdir().expect("a directory");
    hung.save(directory.path().join("scene.png")).expect("writable");
    let config = directory.path().join("glimpsed.toml");
    let head = "[device]\nid = \"test\"\n[camera]\nsource = \"replay\"\npath = \"scene.png\"\nfps = 10.0\n";
    std::fs::write(&config, format!("{head}{text}[mqtt]\nurl = {:?}\n", broker.url())).expect("writable");
    let _daemon = Running::start(&mut glimpsed(&["run", "-c", &config.display().to_string()]));
    assert_eq!(broker.retained_json("glimpsed/test/state", |_| true)["label"], "cat");
}

#[test]
fn groups_name_the_stable_label_and_leave_the_raw_answer_alone() {
    let mut scene = Scene::of(&photo("chelsea.png"), "[labels]\ngroups = \"imagenet\"\n");
    let frame = scene.classification();
    assert!(frame["label"].as_str().is_some_and(|label| label.ends_with("cat") && label != "cat"), "{frame}");
    let state = scene.state();
    assert_eq!(state["label"], "cat");
    let added = state["top"].as_array().expect("a list").iter().map(|top| top["confidence"].as_f64().expect("one"));
    assert!(state["confidence"].as_f64() >= Some(added.sum::<f64>() - 0.05), "tabby and tiger cat together: {state}");
}

#[test]
fn a_denied_label_is_never_the_stable_one() {
    let rules = "[labels]\ngroups = \"imagenet\"\ndeny = [\"cat\"]\nunknown_below = 0.3\n";
    let mut scene = Scene::of(&photo("chelsea.png"), rules);
    scene.classification();
    let state = scene.state();
    assert_eq!((state["status"].as_str(), &state["label"]), (Some("unknown"), &Value::Null), "{state}");
}

#[test]
fn a_picture_that_stays_the_same_is_answered_from_the_last_time_until_that_is_too_old() {
    let mut scene = Scene::of(&photo("coffee.png"), "[cache]\nttl = \"1s\"\n");
    let frames: Vec<Value> = (0..25).map(|_| scene.classification()).collect();
    let inferred = frames.iter().filter(|frame| frame["cached"] == false).count();
    assert_eq!(frames[0]["cached"], false);
    // Two and a half seconds, give or take a slow machine's pauses.
    assert!((2..=6).contains(&inferred), "{inferred} of 25 were inferred");
    let cached = frames.iter().find(|frame| frame["cached"] == true).expect("most are");
    assert_eq!((&cached["top"], &cached["timing_ms"]["infer"]), (&frames[0]["top"], &Value::from(0.0)));
    assert!(cached["seq"].as_u64() > frames[0]["seq"].as_u64());
}

#[test]
fn without_the_gate_every_frame_is_inferred() {
    let mut scene = Scene::of(&photo("coffee.png"), "[gate]\nmin_change = 0.0\n");
    assert!((0..10).all(|_| scene.classification()["cached"] == false));
}

#[test]
fn darkness_is_told_and_costs_no_inference() {
    let mut scene = Scene::of(&image::RgbImage::from_pixel(64, 48, image::Rgb([6; 3])), "");
    let frame = scene.classification();
    assert_eq!((frame["status"].as_str(), &frame["label"]), (Some("too_dark"), &Value::Null), "{frame}");
    assert_eq!((&frame["top"], &frame["timing_ms"]["infer"]), (&serde_json::json!([]), &Value::from(0.0)));
    assert_eq!(scene.state()["status"], "too_dark");
}

#[test]
fn a_covered_lens_is_told_and_labelled_nothing() {
    let mut scene = Scene::of(&image::RgbImage::from_pixel(64, 48, image::Rgb([90, 60, 50])), "");
    let frame = scene.classification();
    assert_eq!((frame["status"].as_str(), &frame["label"]), (Some("covered"), &Value::Null), "{frame}");
    assert_eq!((&frame["top"], &frame["timing_ms"]["infer"]), (&serde_json::json!([]), &Value::from(0.0)));
    assert_eq!(scene.state()["status"], "covered");
}

#[test]
fn frames_that_come_too_soon_are_skipped_and_counted() {
    let text = "[labels]\nconsecutive = 1\n[gate]\nmax_fps = 4.0\nmin_change = 0.0\n";
    let mut scene = Scene::of(&photo("coffee.png"), text);
    let first = scene.classification();
    let mut last = Value::Null;
    for _ in 0..8 {
        last = scene.classification();
    }
    // Of ten frames a second every second or third is taken.
    let seqs = last["seq"].as_u64().expect("a number") - first["seq"].as_u64().expect("a number");
    assert!((16..=26).contains(&seqs), "8 labels in {seqs} frames");
    let health = scene.broker.retained_json("glimpsed/test/health", |_| true);
    assert!(health["skipped"].as_u64() >= Some(8), "{health}");
}

#[test]
fn groups_can_be_one_s_own() {
    let file = ConfigFile::new("[labels]\ngroups = \"groups.toml\"\nallow = [\"feline\"]\n");
    let beside = std::path::Path::new(&file.path()).with_file_name("groups.toml");
    std::fs::write(&beside, "feline = [\"tabby\", \"lynx\"]\n").expect("writable");
    let ran = crate::support::run(&["config", "groups", "-c", &file.path()]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "feline: tabby, lynx\n"), "{ran:?}");
    std::fs::write(&beside, "feline = \"tabby\"\n").expect("writable");
    let ran = crate::support::run(&["check", "-c", &file.path()]);
    assert_eq!(ran.code, 78);
    assert!(ran.stderr.contains("`feline` must be a list of labels"), "{ran:?}");
}
