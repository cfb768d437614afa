//! What the daemon starts with, what a restart is refused for, and what a start bears.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Broker, ConfigFile, PATIENCE, Running, fixture, glimpsed, photos, root, write_secret};

/// A daemon that keeps its state in a directory of the test.
struct Device {
    state: tempfile::TempDir,
    config: String,
    _directory: tempfile::TempDir,
}

impl Device {
    fn new(rest: &str) -> Self {
        let (config, directory) = ConfigFile::replay(10, rest).keep();
        Self { state: tempfile::tempdir().expect("a directory"), config, _directory: directory }
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = glimpsed(&[&["run", "-c", &self.config], more].concat());
        command.env("STATE_DIRECTORY", self.state.path());
        command
    }

    fn start(&self) -> Running {
        let mut daemon = Running::start(&mut self.command(&[]));
        daemon.line_with("first label");
        daemon
    }

    fn write(&self, text: &str) {
        std::fs::write(&self.config, text).expect("writable");
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.config).expect("readable")
    }

    fn kept(&self) -> std::path::PathBuf {
        let files =
            std::fs::read_dir(self.state.path()).expect("readable").map(|entry| entry.expect("readable").path());
        let mut kept = files.filter(|path| path.to_string_lossy().contains("/last-good-"));
        kept.next().unwrap_or_else(|| self.state.path().join("nothing is kept yet"))
    }

    /// Waits until the configuration in effect is kept.
    fn wait_until_kept(&self) {
        let deadline = Instant::now() + PATIENCE;
        while !std::fs::read_to_string(self.kept()).is_ok_and(|kept| kept.ends_with(&self.text())) {
            assert!(Instant::now() < deadline, "it is not kept");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Runs once until the first label.
    fn run_well(&self) {
        let mut daemon = self.start();
        self.wait_until_kept();
        daemon.signal(Signal::TERM);
        assert!(daemon.wait().success());
    }
}

#[test]
fn a_start_with_a_broken_file_goes_on_with_the_last_configuration_that_worked() {
    let broker = Broker::start();
    let device = Device::new(&format!("[mqtt]\nurl = {:?}\n", broker.url()));
    device.run_well();
    assert_eq!(std::fs::metadata(device.kept()).expect("there").permissions().mode() & 0o777, 0o600);
    let good = device.text();
    for (broken, says) in [
        (good.replace("fps = 10", "fsp = 10"), "fsp"),
        ("{\"camera\": 3}\n".into(), "not valid TOML"),
        (String::new(), "the configuration is empty, and was not before"),
        (good.replace("[mqtt]", "[model]\nactive = \"resnet-19\"\n[mqtt]"), "model.active"),
    ] {
        device.write(&broken);
        let mut daemon = device.start();
        let info = broker.retained_json("glimpsed/test/info", |info| info["config_error"].is_string());
        assert!(info["config_error"].to_string().contains(says), "{info}");
        // Corrected, the file is in effect again.
        device.write(&good.replace("fps = 10", "fps = 9"));
        let info = broker.retained_json("glimpsed/test/info", |info| info["config_error"].is_null());
        assert_eq!(info["config"]["camera.fps"]["value"], 9.0);
        device.wait_until_kept();
        daemon.signal(Signal::TERM);
        assert!(daemon.wait().success());
        let log = daemon.rest().join("\n");
        assert!(log.contains("this configuration cannot work; the last one that worked is in effect"), "{log}");
    }
}

#[test]
fn what_is_missing_around_a_configuration_that_worked_takes_its_own_part_away_and_no_other() {
    let broker = Broker::start();
    let directory = tempfile::tempdir().expect("a directory");
    let [token, password] = ["token", "password"].map(|name| directory.path().join(name));
    write_secret(&token, "0123456789abcdef0123456789abcdef");
    write_secret(&password, "hunter2 hunter2");
    let device = Device::new(&format!(
        "[mqtt]\nurl = {:?}\nusername = \"me\"\npassword_file = {password:?}\n[http]\nlisten = \"127.0.0.1:0\"\ntoken_file = {token:?}\n",
        broker.url()
    ));
    device.run_well();
    let starts_with = |variables: &[(&str, &str)]| {
        let mut command = device.command(&[]);
        command.envs(variables.iter().copied());
        let mut daemon = Running::start(&mut command);
        daemon.line_with("the rest of the last configuration that worked is in effect");
        daemon.line_with("first label");
        daemon.signal(Signal::TERM);
        assert!(daemon.wait().success());
        daemon.rest().join("\n")
    };
    let is_told = |says: &str| {
        broker.retained_json("glimpsed/test/info", |info| {
            info["config_error"].as_str().is_some_and(|text| text.contains(says))
        })
    };
    let moved = directory.path().join("moved");
    std::fs::rename(&token, &moved).expect("moved");
    let log = starts_with(&[]);
    assert!(!log.contains("the web page is at"), "a page without its token: {log}");
    is_told("http.token_file");
    std::fs::rename(&moved, &token).expect("moved");
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o666)).expect("ours");
    assert!(!starts_with(&[]).contains("the web page is at"));
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).expect("ours");
    // Without the password nobody is told; the page is there.
    std::fs::remove_file(&password).expect("there");
    starts_with(&[]);
    write_secret(&password, "");
    starts_with(&[]);
    write_secret(&password, "hunter2 hunter2");
    for variable in [("GLIMPSED_CAMERA_FPS", "abc"), ("GLIMPSED_NOPE_X", "1")] {
        starts_with(&[variable]);
        is_told(variable.0);
    }
    // What was to be restricted is not known, so there is no page.
    assert!(!starts_with(&[("GLIMPSED_PRIVACY_PREVIEW", "flase")]).contains("the web page is at"));
    // And both at once.
    device.write("no TOML");
    std::fs::remove_file(&token).expect("there");
    starts_with(&[]);
    assert_eq!(crate::support::ran(&mut device.command(&["--strict"])).code, 78);
}

#[test]
fn a_camera_whose_pictures_are_gone_is_offline_after_the_start_and_not_the_daemon() {
    let directory = tempfile::tempdir().expect("a directory");
    let picture = directory.path().join("rocket.jpg");
    std::fs::copy(photos().join("rocket.jpg"), &picture).expect("copied");
    let text = format!("[camera]\nsource = \"replay\"\npath = {picture:?}\nfps = 10\nreconnect_max = \"500ms\"\n");
    let (config, _kept) = ConfigFile::new(&text).keep();
    let device = Device { state: tempfile::tempdir().expect("a directory"), config, _directory: _kept };
    device.run_well();
    let moved = directory.path().join("moved");
    std::fs::rename(&picture, &moved).expect("moved");
    let mut daemon = Running::start(&mut device.command(&[]));
    daemon.line_with("cannot open");
    std::fs::rename(&moved, &picture).expect("moved");
    daemon.line_with("first label");
}

#[test]
fn a_start_with_a_damaged_model_goes_on_with_the_configuration_before_it() {
    let device = Device::new("");
    device.run_well();
    let broken = device.state.path().join("broken.onnx");
    std::fs::write(&broken, "no model").expect("writable");
    device.write(&format!("{}[models.mine]\npath = {broken:?}\n[model]\nactive = \"mine\"\n", device.text()));
    let mut daemon = Running::start(&mut device.command(&[]));
    daemon.line_with("is not an ONNX model");
    daemon.line_with("first label");
}

#[test]
fn a_start_without_its_model_says_so_everywhere_and_labels_when_the_file_is_right_again() {
    let broker = Broker::start();
    let own = tempfile::tempdir().expect("a directory");
    let model = own.path().join("own.onnx");
    let right = root().join("models/efficientnet-lite0.onnx");
    std::fs::copy(&right, &model).expect("copied");
    let device = Device::new(&format!(
        "[mqtt]\nurl = {:?}\n[models.own]\npath = {model:?}\nfamily = \"efficientnet-lite\"\n[model]\nactive = \"own\"\n",
        broker.url()
    ));
    device.run_well();
    let good = device.text();
    for (broken_file, damage, says) in [
        (false, Some("damaged"), "not an ONNX model"),
        (false, None, "own.onnx"),
        (true, Some("damaged"), "not an ONNX model"),
        (true, None, "own.onnx"),
    ] {
        match damage {
            Some(text) => std::fs::write(&model, text).expect("writable"),
            None => std::fs::remove_file(&model).expect("there"),
        }
        device.write(&if broken_file { good.replace("fps = 10", "fsp = 10") } else { good.clone() });
        let strict = device.command(&["--strict"]).output().expect("it starts");
        assert_eq!(strict.status.code(), Some(78), "{strict:?}");

        let mut daemon = Running::start(&mut device.command(&[]));
        daemon.line_with("nothing is labelled until the model can be loaded");
        let server = crate::web::Server::of(&mut daemon);
        let info = broker.retained_json("glimpsed/test/info", |info| info["models"] == json!([]));
        let told = if broken_file { "fsp" } else { says };
        assert!(info["config_error"].to_string().contains(told), "{info}");
        let health = broker.retained_json("glimpsed/test/health", |health| health["problems"] != json!([]));
        assert!(health["problems"].to_string().contains(says), "{health}");
        let state = server.get("/api/v1/state").text();
        assert!(state.contains("no_model") && state.contains(says), "{state}");
        let retried = server.post("/api/v1/cameras/main/retry", "").text();
        assert!(retried.contains("\"retried\":false") && retried.contains(says), "{retried}");
        for told in [info.to_string(), health.to_string(), state, retried] {
            assert!(!told.contains("os error"), "the number of an error is told: {told}");
        }
        assert_eq!(health["camera"]["fault"], "no_model", "{health}");
        assert_eq!(broker.retained_payload("glimpsed/test/status"), "online");
        assert_eq!(broker.retained_payload("glimpsed/test/camera/status"), "offline", "an old label is no present one");
        assert_eq!((server.get("/readyz").status, server.get("/livez").status), (503, 200));
        let picture = std::fs::read(photos().join("rocket.jpg")).expect("a photograph");
        let answer = server.ask("POST", "/api/v1/classify", &[("Content-Type", "image/jpeg")], &picture);
        assert!(answer.status == 503 && answer.text().contains("there is no model"), "{answer:?}");

        std::fs::copy(&right, &model).expect("copied");
        daemon.line_with("the model can be loaded now");
        daemon.line_with("first label");
        let info = broker.retained_json("glimpsed/test/info", |info| info["models"][0]["name"] == "own");
        assert_eq!(info["config_error"].is_null(), !broken_file, "{info}");
        assert_eq!(server.get("/readyz").status, 200);
        daemon.signal(Signal::TERM);
        assert!(daemon.wait().success());
    }
}

#[test]
fn a_daemon_whose_model_is_missing_takes_another_one() {
    let broker = Broker::start();
    let own = tempfile::tempdir().expect("a directory");
    let model = own.path().join("own.onnx");
    std::fs::copy(root().join("models/efficientnet-lite0.onnx"), &model).expect("copied");
    let device = Device::new(&format!(
        "[mqtt]\nurl = {:?}\n[models.own]\npath = {model:?}\nfamily = \"efficientnet-lite\"\n[model]\nactive = \"own\"\n",
        broker.url()
    ));
    device.run_well();
    std::fs::write(&model, "damaged").expect("writable");
    let mut daemon = Running::start(&mut device.command(&["--camera-off"]));
    daemon.line_with("nothing is labelled until the model can be loaded");
    broker.retained_json("glimpsed/test/info", |info| info["models"] == json!([]));
    assert_eq!(broker.retained_payload("glimpsed/test/camera/status"), "disabled");
    publish(&broker, "glimpsed/test/request/restart", "{}");
    daemon.line_with("nothing is labelled until the model can be loaded");
    daemon.line_with("connected to the broker");
    publish(&broker, "glimpsed/test/enabled/set", "ON");
    broker.retained_json("glimpsed/test/health", |health| health["camera"]["fault"] == "no_model");
    publish(&broker, "glimpsed/test/model/set", "efficientnet-lite0");
    daemon.line_with("first label");
    broker.retained_json("glimpsed/test/info", |info| info["models"][0]["name"] == "efficientnet-lite0");
}

#[test]
fn what_worked_for_another_file_or_nowhere_or_is_not_wanted_is_not_used() {
    let device = Device::new("");
    let never_worked = |more: &[&str], config: &str| {
        let mut command = glimpsed(&[&["run", "-c", config], more].concat());
        let ran = command.env("STATE_DIRECTORY", device.state.path()).output().expect("it starts");
        assert_eq!(ran.status.code(), Some(78), "{ran:?}");
    };
    let good = device.text();
    device.write("fsp = 10\n");
    never_worked(&[], &device.config);
    device.write(&good);
    device.run_well();
    device.write("fsp = 10\n");
    never_worked(&["--strict"], &device.config);
    device.write("");
    never_worked(&["--strict"], &device.config);
    device.write("fsp = 10\n");
    never_worked(&[], &ConfigFile::new("fsp = 10\n").path());
    never_worked(&[], "/nonexistent/glimpsed.toml");
    std::fs::write(device.kept(), [0xFF; 100]).expect("writable");
    never_worked(&[], &device.config);
}

fn publish(broker: &Broker, topic: &str, payload: &str) {
    let port = broker.port.to_string();
    let mut command = Command::new("mosquitto_pub");
    command.args(["-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", topic, "-m", payload]);
    assert!(command.status().expect("mosquitto_pub is installed").success());
}

fn ask_for_restart(broker: &Broker, transaction: &str) -> Value {
    let mut heard = broker.subscribe("glimpsed/test/response/restart", &[]);
    publish(broker, "glimpsed/test/request/restart", &json!({ "transaction": transaction }).to_string());
    heard.find("the answer", |message| {
        let answer = message.json();
        (answer["transaction"] == transaction).then_some(answer)
    })
}

#[test]
fn a_restart_that_would_end_the_daemon_is_refused_and_it_goes_on() {
    let broker = Broker::start();
    let device = Device::new(&format!("[mqtt]\nurl = {:?}\nclassification_interval = \"0s\"\n", broker.url()));
    let mut daemon = device.start();
    let good = device.text();
    device.write(&good.replace("fps = 10", "fsp = 10"));
    daemon.line_with("the configuration was not changed");
    let answer = ask_for_restart(&broker, "broken file");
    assert_eq!(answer["status"], "error", "{answer}");
    assert!(answer["error"].to_string().contains("fsp"), "{answer}");

    // The model's file is damaged while the daemon labels with what it has read of it.
    let model = device.state.path().join("own.onnx");
    std::fs::copy(root().join("models/efficientnet-lite0.onnx"), &model).expect("copied");
    device.write(&format!(
        "{good}[models.own]\npath = {model:?}\nfamily = \"efficientnet-lite\"\n[model]\nactive = \"own\"\n"
    ));
    broker.retained_json("glimpsed/test/info", |info| info["models"][0]["name"] == "own");
    std::fs::write(&model, "damaged").expect("writable");
    let answer = ask_for_restart(&broker, "broken model");
    assert_eq!(answer["status"], "error", "{answer}");
    assert!(answer["error"].to_string().contains("not an ONNX model"), "{answer}");
    let mut fresh = broker.subscribe("glimpsed/test/classification", &[]);
    assert_eq!(fresh.next("/classification").json()["model"]["name"], "own");

    std::fs::copy(root().join("models/efficientnet-lite0.onnx"), &model).expect("copied");
    let text = device.text();
    std::fs::remove_file(&device.config).expect("there");
    let answer = ask_for_restart(&broker, "no file");
    assert!(answer["error"].to_string().contains("cannot read the configuration"), "{answer}");
    device.write(&text);
    assert_eq!(ask_for_restart(&broker, "all is well")["status"], "ok");
    daemon.line_with("first label");
}

#[test]
fn the_page_is_told_why_a_restart_is_refused() {
    let device = Device::new("");
    let mut daemon = Running::start(&mut device.command(&[]));
    let server = crate::web::Server::of(&mut daemon);
    daemon.line_with("first label");
    device.write("fsp = 10\n");
    daemon.line_with("the configuration was not changed");
    let answer = server.post("/api/v1/restart", "");
    assert_eq!(answer.status, 409, "{answer:?}");
    assert!(answer.text().contains("fsp"), "{answer:?}");
    assert_eq!(server.get("/livez").status, 200);
}

/// Whether the process handles `SIGTERM` itself.
fn catches_term(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask >> 14 & 1 == 1)
}

#[test]
fn a_stop_is_obeyed_while_the_model_is_loaded() {
    // tract takes the longest to load.
    let config = ConfigFile::replay(10, "[model]\nbackend = \"tract\"\n");
    let mut daemon = Running::start(&mut glimpsed(&["run", "-c", &config.path()]));
    let deadline = Instant::now() + PATIENCE;
    while !catches_term(daemon.child.id()) {
        assert!(Instant::now() < deadline, "signals are not handled");
        std::thread::sleep(Duration::from_millis(1));
    }
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().success());
    let log = daemon.rest().join("\n");
    assert!(!log.contains("model loaded"), "it was too late to prove anything: {log}");
}

#[test]
fn a_full_disk_behind_the_output_is_no_reason_to_panic() {
    let full = || std::fs::File::options().write(true).open("/dev/full").expect("there");
    let broken = ConfigFile::new("fsp = 10\n");
    let once = ConfigFile::new(&format!("[camera]\nsource = \"replay\"\npath = {:?}\nloop = false\n", photos()));
    let photo = photos().join("chelsea.png").display().to_string();
    for (arguments, expected) in [
        (&["check", "-c", &broken.path()][..], 78),
        (&["run", "-c", &broken.path()], 78),
        (&["run", "-c", &once.path()], 0),
        (&["models", "inspect", "nonsense"], 1),
        (&["classify", &photo], 0),
        (&["nonsense"], 64),
    ] {
        let status = glimpsed(arguments).stderr(full()).stdout(Stdio::null()).status().expect("it starts");
        assert_eq!(status.code(), Some(expected), "{arguments:?}");
    }
    for arguments in [&["classify", &photo][..], &["check", "--json", "-c", &broken.path()], &["models", "list"]] {
        let ran = glimpsed(arguments).stdout(full()).output().expect("it starts");
        assert!(matches!(ran.status.code(), Some(1 | 78)), "{arguments:?} {ran:?}");
        assert!(String::from_utf8_lossy(&ran.stderr).contains("cannot write to standard output"), "{ran:?}");
    }
}

/// The daemon with a clock that shows `time`.
fn run_at(time: &str, config: &ConfigFile) -> Running {
    let paths =
        ["/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1", "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1"];
    let library = paths.into_iter().find(|path| Path::new(path).exists());
    let library = library.expect("libfaketime is installed (Debian package faketime)");
    let mut command = glimpsed(&["run", "-c", &config.path()]);
    command.env("LD_PRELOAD", library).env("FAKETIME", time).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    Running::start(&mut command)
}

#[test]
fn a_clock_that_cannot_be_right_stops_neither_labels_nor_the_page() {
    let broker = Broker::start();
    for (time, page) in
        [("@1969-06-01 00:00:00", false), ("@9999-12-31 20:00:00", true), ("@1901-12-14 00:00:00", false)]
    {
        let config =
            ConfigFile::replay(10, &format!("[mqtt]\nurl = {:?}\nclassification_interval = \"0s\"\n", broker.url()));
        let mut daemon = run_at(time, &config);
        let server = crate::web::Server::of(&mut daemon);
        let message = broker.subscribe("glimpsed/test/classification", &[]).next("/classification").json();
        assert!(message["ts"].as_str().is_some_and(|ts| ts.starts_with(&time[1..5])), "{message}");
        let answer = server.try_ask("GET", "/livez", &[], b"");
        assert_eq!(answer.map(|answer| answer.status), page.then_some(200), "{time}");
        daemon.signal(Signal::TERM);
        assert!(daemon.wait().success(), "{time}");
        let log = daemon.rest().join("\n");
        assert!(!log.contains("panicked"), "{log}");
        assert_eq!(log.contains("the page is not served"), !page, "{log}");
    }
}

#[test]
fn a_clock_that_no_certificate_is_valid_at_is_told_and_tls_is_tried_again() {
    let broker = Broker::start();
    let config = ConfigFile::replay(10, &format!("[mqtt]\nurl = \"mqtts://127.0.0.1:{}\"\n", broker.port));
    let mut daemon = run_at("@1969-06-01 00:00:00", &config);
    daemon.line_with("at the time that this device's clock shows; set the clock");
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().success());
    let log = daemon.rest().join("\n");
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn secrets_and_control_characters_reach_neither_the_log_nor_a_subscriber_nor_a_terminal() {
    let broker = Broker::start();
    let mut heard = broker.subscribe("glimpsed/#", &[]);
    let script = "printf 'rtsp://admin:hunter2@cam/1 \\033[2J\\rfailed: http://cam/snap?password=hunter2\\n401 for h%%75nter2\\n' >&2; sleep 1";
    let config = ConfigFile::new(&format!(
        "[device]\nid = \"test\"\n[camera]\nsource = \"command\"\ncommand = [\"sh\", \"-c\", {script:?}, \"rtsp://admin:hunter2@cam/2\"]\n\
         [mqtt]\nurl = {:?}\n[log]\nlevel = \"debug\"\n",
        broker.url()
    ));
    let mut daemon = Running::start(&mut glimpsed(&["run", "-c", &config.path()]));
    daemon.line_with("rtsp://********@cam/1 \\u{1b}[2J\\rfailed: http://cam/snap?password=********");
    // The password that stands in its arguments, alone and in another spelling.
    daemon.line_with("401 for ********");
    let info = heard.next("/test/info").payload;
    assert!(info.contains("rtsp://********@cam/2") && !info.contains("hunter2"), "{info}");
    daemon.signal(Signal::TERM);
    daemon.wait();
    let log = daemon.rest().join("\n");
    assert!(!log.contains("hunter2") && !log.contains('\u{1b}') && !log.contains('\r'), "{log}");
    for arguments in [&["config", "show"][..], &["cameras", "probe"], &["doctor"]] {
        let ran = glimpsed(&[arguments, &["-c", &config.path()]].concat()).output().expect("it starts");
        let text = [ran.stdout, ran.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(!text.contains("hunter2") && !text.contains('\u{1b}'), "{arguments:?}: {text}");
        assert!(text.contains("********"), "{arguments:?}: {text}");
    }
}

#[test]
fn weights_that_are_no_numbers_are_refused_although_a_bound_hides_what_comes_of_them() {
    use glimpsed_inference::pb::ModelProto;
    use prost::Message;
    let file = std::fs::read(root().join("models/efficientnet-lite0.onnx")).expect("bundled");
    let directory = tempfile::tempdir().expect("a directory");
    for (number, backend) in [(f32::NAN, "auto"), (f32::INFINITY, "auto"), (f32::NAN, "tract")] {
        let mut model = ModelProto::decode(&file[..]).expect("a model");
        let graph = model.graph.as_mut().expect("a graph");
        let weights = graph.initializer.iter_mut().find(|tensor| tensor.raw_data.len() > 1000).expect("weights");
        weights.raw_data[400..404].copy_from_slice(&number.to_le_bytes());
        let path = directory.path().join("broken.onnx");
        std::fs::write(&path, model.encode_to_vec()).expect("writable");
        let config = ConfigFile::new(&format!(
            "[models.broken]\npath = {path:?}\nfamily = \"bytes\"\n[model]\nactive = \"broken\"\nbackend = \"{backend}\"\n"
        ));
        let ran = crate::support::run(&["check", "-c", &config.path()]);
        assert!(ran.code == 78 && ran.stderr.contains("hold infinite numbers or NaN"), "{number}, {backend}: {ran:?}");
    }
}

#[test]
fn a_model_whose_scores_overflow_fails_with_the_reason_and_is_not_passed_by_the_check() {
    let model = fixture("edges/overflows.onnx");
    let labels = fixture("edges/overflows.txt");
    let text = format!(
        "[camera]\nsource = \"replay\"\npath = {:?}\nfps = 10\n[models.big]\npath = {model:?}\nlabels = {labels:?}\nfamily = \"bytes\"\n[model]\nactive = \"big\"\n",
        photos()
    );
    let config = ConfigFile::new(&text);
    let ran = crate::support::run(&["check", "-c", &config.path()]);
    assert_eq!(ran.code, 78, "{ran:?}");
    assert!(ran.stderr.contains("infinite or no numbers"), "{ran:?}");
    let mut daemon = Running::start(&mut glimpsed(&["run", "-c", &config.path()]));
    let line = daemon.line_with("infinite or no numbers");
    assert!(line.contains("set `family`, or `mean` and `std`"), "{line}");
}
