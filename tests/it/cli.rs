//! The commands, their help and their exit codes.

use std::os::unix::fs::PermissionsExt;

use crate::support::{Broker, ConfigFile, free_port, photos, run};

#[test]
fn usage_mistakes_have_exit_code_64_and_a_hint() {
    let ran = run(&["rnu"]);
    assert_eq!(ran.code, 64);
    assert!(ran.stderr.contains("unrecognized subcommand 'rnu'"), "{ran:?}");
    assert_eq!(run(&["classify"]).code, 64);
    assert_eq!(run(&["classify", "--top", "0", "x.jpg"]).code, 64);
    assert_eq!(run(&[]).code, 64);
}

#[test]
fn every_level_has_help() {
    for level in [
        &["--help"][..],
        &["run", "--help"],
        &["classify", "--help"],
        &["models", "--help"],
        &["models", "inspect", "--help"],
        &["config", "show", "--help"],
        &["demo", "--help"],
        &["check", "--help"],
        &["doctor", "--help"],
    ] {
        let ran = run(level);
        assert_eq!(ran.code, 0, "{level:?}");
        assert!(ran.stdout.contains("Usage: glimpsed"), "{level:?}: {ran:?}");
    }
    assert_eq!(run(&["--version"]).stdout, format!("glimpsed {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn classify_prints_a_table_for_people_and_json_for_scripts() {
    let coffee = photos().join("coffee.png");
    let coffee = coffee.to_str().expect("UTF-8");
    let ran = run(&["classify", "--top", "2", coffee]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{ran:?}");
    assert!(lines[0].starts_with(coffee) && lines[0].ends_with(" %  espresso"), "{ran:?}");
    assert_eq!(ran.stderr, "", "no progress bar where nobody watches");

    let answers = run(&["classify", "--json", "--model", "efficientnet-lite0-int8", coffee]).json();
    assert_eq!(answers[0]["model"], "efficientnet-lite0-int8");
    assert_eq!(answers[0]["top"].as_array().map(Vec::len), Some(3));
    assert_eq!(answers[0]["top"][0]["class_id"], 967);
}

#[test]
fn an_unknown_model_is_refused_with_the_nearest_name() {
    let ran = run(&["classify", "--model", "mobilnet-v2", "x.jpg"]);
    assert_eq!(ran.code, 1);
    assert_eq!(ran.stderr, "error: no model named `mobilnet-v2`; did you mean `mobilenet-v2`?\n");
}

#[test]
fn a_model_that_is_not_there_names_the_file() {
    let ran = run(&["classify", "--model", "resnet-18", "x.jpg"]);
    assert_eq!(ran.code, 78);
    assert!(
        ran.stderr.contains("resnet18-v1-7.onnx` is not there; `glimpsed models fetch resnet-18` downloads it"),
        "{ran:?}"
    );
    let config = ConfigFile::new("[model]\nactive = \"resnet-18\"\n");
    let ran = run(&["check", "-c", &config.path()]);
    assert_eq!(ran.code, 78);
    assert!(ran.stderr.contains("hint: `glimpsed models fetch resnet-18` downloads it"), "{ran:?}");
}

#[test]
fn models_are_listed_for_people_and_for_scripts() {
    let ran = run(&["models", "list"]);
    assert!(ran.stdout.contains("*  efficientnet-lite0 "), "{ran:?}");
    let list = run(&["models", "list", "--json"]).json();
    let names: Vec<&str> = list.as_array().expect("a list").iter().filter_map(|model| model["name"].as_str()).collect();
    assert_eq!(
        names,
        ["efficientnet-lite0", "efficientnet-lite0-int8", "mobilenet-v2", "mobilenet-v2-int8", "resnet-18"]
    );
    assert_eq!(list[0]["present"], true);
    assert_eq!(list[4]["present"], false);
}

#[test]
fn a_missing_configuration_says_how_to_name_one() {
    let ran = run(&["run", "-c", "/nonexistent/glimpsed.toml"]);
    assert_eq!(ran.code, 78);
    assert!(ran.stderr.contains("hint: name a file with `-c FILE`"), "{ran:?}");
}

#[test]
fn a_camera_that_is_not_there_is_unreachable() {
    let ran = run(&["cameras", "probe", "/dev/video-none"]);
    assert_eq!(ran.code, 69);
    assert_eq!(
        ran.stderr,
        "error: cannot open camera /dev/video-none: there is no such device; is the camera plugged in?\n"
    );
    assert_eq!(run(&["cameras", "list"]).code, 0);
    assert!(run(&["cameras", "list", "--json"]).json().is_array());
}

#[test]
fn doctor_says_in_a_line_each_what_works() {
    let broker = Broker::start();
    let config = ConfigFile::replay(100, &format!("[mqtt]\nurl = \"{}\"\n", broker.url()));
    let ran = run(&["doctor", "-c", &config.path()]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 5, "{ran:?}");
    for (line, (subject, says)) in lines.iter().zip([
        ("configuration", "is valid"),
        ("model", "efficientnet-lite0 (fp32) loads in"),
        ("camera", ": 451x300, open after"),
        ("broker", "accepts the connection"),
        ("disk", " MB are free in "),
    ]) {
        assert!(line.starts_with("ok") && line.contains(subject) && line.contains(says), "{line}");
    }
}

#[test]
fn doctor_names_the_remedy_and_its_exit_code_tells_unreachable_from_failed() {
    let port = free_port();
    let text = format!("[camera]\ndevice = \"/dev/video-none\"\n[mqtt]\nurl = \"mqtt://127.0.0.1:{port}\"\n");
    let config = ConfigFile::new(&text);
    std::fs::set_permissions(config.path(), std::fs::Permissions::from_mode(0o666)).expect("ours");
    let ran = run(&["doctor", "--json", "-c", &config.path()]);
    assert_eq!(ran.code, 69, "{ran:?}");
    assert_eq!(ran.stderr, "error: 2 of 5 cannot be reached\n");
    let findings = ran.json();
    let finding = |index: usize, key| findings[index][key].as_str().expect("text").to_owned();
    assert_eq!(finding(0, "verdict"), "warning");
    assert!(finding(0, "says").contains("can be written by other users: chmod go-w "), "{findings}");
    assert_eq!(finding(1, "verdict"), "ok");
    assert_eq!(finding(2, "verdict"), "unreachable");
    assert!(finding(2, "says").contains("there is no such device; is the camera plugged in?"), "{findings}");
    assert_eq!(finding(3, "verdict"), "unreachable");
    assert!(finding(3, "says").contains("connection refused; is the broker running"), "{findings}");

    let config = ConfigFile::replay(100, "[model]\nactive = \"bad\"\n[models.bad]\npath = \"glimpsed.toml\"\n");
    let ran = run(&["doctor", "-c", &config.path()]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("FAILED") && ran.stdout.contains("bad: "), "{ran:?}");
}

#[test]
fn probe_times_whatever_the_configuration_names() {
    let config = ConfigFile::replay(100, "");
    let report = run(&["cameras", "probe", "--json", "-c", &config.path()]).json();
    assert_eq!(report["frames"], 10);
    assert_eq!((report["width"].as_u64(), report["height"].as_u64()), (Some(451), Some(300)));
    assert!(report["fps"].as_f64().is_some_and(|fps| (20.0..200.0).contains(&fps)), "{report}");
}

#[test]
fn what_could_be_waited_for_for_ever_is_refused() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let fifo = directory.path().join("pipe.jpg");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).expect("a fifo");
    let path = fifo.to_str().expect("UTF-8");
    assert!(run(&["classify", path]).stderr.contains("pipe.jpg is not a file"));
    assert!(run(&["classify", "/dev/zero"]).stderr.contains("/dev/zero is not a file"));
    let config = ConfigFile::new(&format!(
        "[camera]\nsource = \"replay\"\npath = {path:?}\n[model]\nactive = \"m\"\n[models.m]\npath = {path:?}\n\
         [mqtt]\nusername = \"me\"\npassword_file = {path:?}\n"
    ));
    let ran = run(&["check", "-c", &config.path()]);
    assert_eq!(ran.code, 78);
    assert!(ran.stderr.ends_with("3 problems in the configuration\n"), "{ran:?}");
}
