//! The second opinion, in the running daemon.

use serde_json::{Value, json};

use crate::support::{Broker, ConfigFile, Running, Subscriber, glimpsed, root, run, shared};

struct Bench {
    broker: Broker,
    heard: Subscriber,
    daemon: Running,
    config: String,
    _directory: tempfile::TempDir,
}

/// Two networks that answer alike, so that it can be told who answered.
const MODELS: &str = "[model]\nactive = \"efficientnet-lite0-int8\"\n";

impl Bench {
    fn start(accurate: &str) -> Self {
        let broker = Broker::start();
        let heard = broker.subscribe("#", &[]);
        let text = format!(
            "[labels]\ngroups = \"imagenet\"\n[mqtt]\nurl = {:?}\nclassification_interval = \"0s\"\n{MODELS}\
             [accurate]\nmodel = \"efficientnet-lite0\"\n{accurate}",
            broker.url()
        );
        let (config, directory) = ConfigFile::replay(10, &text).keep();
        let daemon = Running::start(&mut glimpsed(&["run", "-c", &config]));
        let mut bench = Self { broker, heard, daemon, config, _directory: directory };
        bench.heard.next("/test/classification");
        bench
    }

    fn publish(&self, topic: &str, payload: &str) {
        let port = self.broker.port.to_string();
        let topic = format!("glimpsed/test/{topic}");
        let mut command = std::process::Command::new("mosquitto_pub");
        command.args(["-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", &topic, "-m", payload]);
        assert!(command.status().expect("mosquitto_pub is installed").success());
    }

    fn ask(&mut self, number: u32) -> Value {
        self.publish("request/accurate", &json!({ "transaction": number }).to_string());
        self.heard.find("a response", |message| {
            let response = message.topic.ends_with("/response/accurate").then(|| message.json())?;
            (response["transaction"] == number).then_some(response)
        })
    }

    fn setting(&self) -> String {
        self.broker.retained_payload("glimpsed/test/accurate/state")
    }

    fn until_setting(&self, wanted: &str) {
        let start = std::time::Instant::now();
        while self.setting() != wanted {
            assert!(start.elapsed().as_secs() < 20, "accurate/state does not become {wanted}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    fn threads(&self) -> Vec<String> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.daemon.child.id())).expect("alive");
        let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).ok();
        tasks.flatten().filter_map(name).map(|name| name.trim().to_owned()).collect()
    }
}

#[test]
fn both_models_look_at_the_same_frame() {
    let mut bench = Bench::start("enabled = true\nevery = \"0s\"\nwhen_unsure = false\n");
    bench.publish("request/accurate", "");
    // Either may come first.
    let (mut response, mut told) = (Value::Null, Value::Null);
    while response.is_null() || told.is_null() {
        let message = bench.heard.find("both", Some);
        match &*message.topic {
            "glimpsed/test/accurate" => told = message.json(),
            "glimpsed/test/response/accurate" => response = message.json(),
            _ => {}
        }
    }
    assert_eq!(response["status"], "ok", "{response}");
    let opinion = &response["data"];
    assert_eq!(opinion["model"]["name"], "efficientnet-lite0");
    assert_eq!(opinion["fast"]["model"]["name"], "efficientnet-lite0-int8");
    assert_eq!((opinion["reason"].as_str(), opinion["agree"].as_bool()), (Some("asked"), Some(true)), "{opinion}");
    assert_eq!(&told, opinion);
}

#[test]
fn it_is_asked_by_the_clock_but_not_more_often_than_it_may() {
    let mut bench = Bench::start("enabled = true\nevery = \"100ms\"\nmax_duty = 0.2\n");
    let opinions: Vec<Value> = (0..4).map(|_| bench.heard.next("/test/accurate").json()).collect();
    assert!(opinions.iter().all(|opinion| opinion["reason"] == "interval" || opinion["reason"] == "unsure"));
    let time =
        |value: &Value| value["ts"].as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok()).expect("a time");
    for pair in opinions.windows(2) {
        let apart = time(&pair[1]).duration_since(time(&pair[0])).as_secs_f64() * 1000.0;
        let work =
            pair[0]["timing_ms"]["preprocess"].as_f64().unwrap() + pair[0]["timing_ms"]["infer"].as_f64().unwrap();
        assert!(apart >= 4.0 * work, "{apart} ms after {work} ms of work");
    }
}

#[test]
fn it_is_switched_off_and_on_and_takes_its_thread_along() {
    let mut bench = Bench::start("enabled = true\nevery = \"0s\"\nwhen_unsure = false\n");
    bench.until_setting("ON");
    let info = bench.broker.retained_json("glimpsed/test/info", |info| info["models"][1]["role"] == "accurate");
    assert_eq!(
        (&info["models"][0]["role"], &info["models"][1]["name"]),
        (&json!("fast"), &json!("efficientnet-lite0"))
    );
    assert!(bench.threads().contains(&"accurate".to_owned()), "{:?}", bench.threads());
    bench.publish("accurate/set", "OFF");
    bench.until_setting("OFF");
    assert!(!bench.threads().contains(&"accurate".to_owned()), "{:?}", bench.threads());
    let response = bench.ask(1);
    assert_eq!(response["status"], "error");
    assert!(response["error"].as_str().is_some_and(|error| error.contains("switch it on")), "{response}");
    bench.publish("accurate/set", "ON");
    bench.until_setting("ON");
    assert_eq!(bench.ask(2)["status"], "ok");
}

#[test]
fn an_edit_switches_it_on_or_is_refused_as_a_whole() {
    let bench = Bench::start("enabled = false\n");
    bench.until_setting("OFF");
    let text = std::fs::read_to_string(&bench.config).expect("readable");
    let garbage = std::path::Path::new(&bench.config).with_file_name("garbage.onnx");
    std::fs::write(&garbage, "no model").expect("writable");
    let broken = text.replace("model = \"efficientnet-lite0\"\nenabled = false", "model = \"bad\"\nenabled = true");
    std::fs::write(&bench.config, broken + "[models.bad]\npath = \"garbage.onnx\"\n").expect("writable");
    let info = bench.broker.retained_json("glimpsed/test/info", |info| info["config_error"].is_string());
    assert!(info["config_error"].as_str().is_some_and(|error| error.contains("model `bad`")), "{info}");
    assert_eq!(bench.setting(), "OFF");
    std::fs::write(&bench.config, text.replace("enabled = false", "enabled = true")).expect("writable");
    bench.until_setting("ON");
}

#[test]
fn a_broken_accurate_model_is_found_by_check_and_does_not_stop_the_labels() {
    let models = "[accurate]\nenabled = true\nmodel = \"bad\"\n[models.bad]\npath = \"garbage.onnx\"\n\
                  mean = [0.5, 0.5, 0.5]\nstd = [0.5, 0.5, 0.5]\n";
    let broker = Broker::start();
    let file = ConfigFile::replay(10, &format!("[mqtt]\nurl = {:?}\n{models}", broker.url()));
    let path = std::path::Path::new(&file.path()).with_file_name("garbage.onnx");
    std::fs::write(&path, "no model").expect("writable");
    let ran = run(&["check", "-c", &file.path()]);
    assert!(ran.code == 78 && ran.stderr.contains("model `bad`"), "{ran:?}");
    let mut daemon = file.daemon();
    daemon.line_with("the accurate model cannot be used, so there are no second opinions");
    assert!(broker.retained_json("glimpsed/test/state", |_| true)["label"].is_string());
    // Once the file is mended, a reload is enough.
    std::fs::copy(root().join("models/efficientnet-lite0.onnx"), &path).expect("copied");
    daemon.signal(rustix::process::Signal::HUP);
    broker.retained_json("glimpsed/test/info", |info| info["models"][1]["name"] == "bad");
}

#[test]
fn an_accurate_model_without_a_file_is_refused_only_when_it_is_wanted() {
    let text = |enabled| format!("[accurate]\nenabled = {enabled}\nmodel = \"resnet-18\"\n");
    assert_eq!(run(&["check", "-c", &ConfigFile::replay(1, &text(false)).path()]).code, 0);
    let ran = run(&["check", "-c", &ConfigFile::replay(1, &text(true)).path()]);
    assert!(ran.code == 78 && ran.stderr.contains("`accurate.model` has no file"), "{ran:?}");
}

/// The pair that the project began with. ResNet-18's weights are random here, so its opinions are worth nothing but their
/// time.
#[test]
#[ignore = "needs the virtual environment of `make test-models`"]
fn resnet_18_gives_second_opinions_beside_mobilenet_v2() {
    let (Some(fast), Some(tool)) = (shared("models/mobilenet-v2.onnx"), shared("tools/random_resnet18.py")) else {
        return;
    };
    let directory = tempfile::tempdir().expect("a directory");
    let resnet = directory.path().join("resnet18.onnx");
    let python = root().join("target/models-venv/bin/python");
    let made = std::process::Command::new(python).arg(tool).arg(&resnet).status().expect("the virtual environment");
    assert!(made.success());
    let broker = Broker::start();
    let mut heard = broker.subscribe("#", &[]);
    let text = format!(
        "[mqtt]\nurl = {:?}\nclassification_interval = \"0s\"\n[model]\nactive = \"mobilenet-v2\"\nprecision = \"fp32\"\n\
         [models.mobilenet-v2]\npath = {fast:?}\nmean = [0.5, 0.5, 0.5]\nstd = [0.5, 0.5, 0.5]\n\
         [models.resnet-18]\npath = {resnet:?}\n[accurate]\nenabled = true\nevery = \"100ms\"\nmax_duty = 1.0\n",
        broker.url()
    );
    let _daemon = ConfigFile::replay(10, &text).daemon();
    let (mut opinions, mut frames) = (0, Vec::new());
    while opinions < 10 {
        let message = heard.find("labels and opinions", Some);
        match &*message.topic {
            "glimpsed/test/classification" => frames.push(message.json()["seq"].as_u64().expect("a number")),
            "glimpsed/test/accurate" => {
                let opinion = message.json();
                assert_eq!(opinion["model"]["name"], "resnet-18");
                assert_eq!(opinion["fast"]["model"]["name"], "mobilenet-v2");
                assert!(frames.contains(&opinion["seq"].as_u64().expect("a number")), "of a frame that was labelled");
                opinions += 1;
            }
            _ => {}
        }
    }
    // Photographs wait for their turn: each was labelled, whatever the accurate model was at.
    assert!(frames.windows(2).all(|pair| pair[1] == pair[0] + 1), "{frames:?}");
}

#[test]
fn the_switch_is_on_from_the_start_and_not_off_until_the_model_is_loaded() {
    let broker = Broker::start();
    let mut heard = broker.subscribe("#", &[]);
    let text = format!(
        "[mqtt]\nurl = {:?}\n{MODELS}[accurate]\nenabled = true\nmodel = \"efficientnet-lite0\"\nevery = \"1s\"\n",
        broker.url()
    );
    let _daemon = ConfigFile::replay(10, &text).daemon();
    let mut said = Vec::new();
    heard.find("an opinion", |message| {
        if message.topic.ends_with("/accurate/state") {
            said.push(message.payload.clone());
        }
        message.topic.ends_with("/test/accurate").then_some(())
    });
    assert!(!said.is_empty() && said.iter().all(|value| value == "ON"), "{said:?}");
}
