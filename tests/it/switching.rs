//! Models are switched again and again while frames come, and nothing is left behind.

use std::path::PathBuf;
use std::process::Command;

use crate::support::{Broker, ConfigFile, Running, Subscriber, root};

struct Bench {
    broker: Broker,
    heard: Subscriber,
    daemon: Running,
    models: Vec<String>,
}

/// What a process has.
#[derive(Debug, Clone, Copy)]
struct Held {
    rss_kb: u64,
    threads: usize,
    files: usize,
}

impl Bench {
    fn start() -> Self {
        let broker = Broker::start();
        let heard = broker.subscribe("glimpsed/test/classification", &[]);
        let own = |name: &str, path: PathBuf, family: &str| {
            format!("[models.{name}]\npath = {path:?}\nfamily = \"{family}\"\n")
        };
        // The real MobileNets where they are, else the bundled models once more.
        let tables =
            match root().parent().map(|parent| parent.join("shared/models")).filter(|directory| directory.exists()) {
                Some(directory) => {
                    own("a", directory.join("mobilenet-v1.onnx"), "inception")
                        + &own("b", directory.join("mobilenet-v2-int8.onnx"), "inception")
                }
                None => {
                    own("a", root().join("models/efficientnet-lite0.onnx"), "efficientnet-lite")
                        + &own("b", root().join("models/efficientnet-lite0-int8.onnx"), "efficientnet-lite")
                }
            };
        let mqtt = format!("[mqtt]\nurl = {:?}\nclassification_interval = \"0s\"\n{tables}", broker.url());
        let daemon = ConfigFile::replay(30, &mqtt).daemon();
        let models = ["efficientnet-lite0", "a", "efficientnet-lite0-int8", "b"].map(str::to_owned).to_vec();
        let mut bench = Self { broker, heard, daemon, models };
        bench.labelled_by("efficientnet-lite0");
        bench
    }

    fn labelled_by(&mut self, model: &str) {
        self.heard.find(model, |message| (message.json()["model"]["name"] == model).then_some(()));
    }

    /// Switches through all of them, `rounds` times, and ends at the first.
    fn go_round(&mut self, rounds: usize) {
        for number in 1..=rounds * self.models.len() {
            let model = self.models[number % self.models.len()].clone();
            let port = self.broker.port.to_string();
            let arguments = ["-h", "127.0.0.1", "-p", &port, "-t", "glimpsed/test/model/set", "-m", &model];
            assert!(Command::new("mosquitto_pub").args(arguments).status().expect("installed").success());
            self.labelled_by(&model);
        }
    }

    fn held(&self) -> Held {
        // What is freed is freed on another thread.
        std::thread::sleep(std::time::Duration::from_millis(500));
        let process = PathBuf::from(format!("/proc/{}", self.daemon.child.id()));
        let status = std::fs::read_to_string(process.join("status")).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        let count = |name: &str| std::fs::read_dir(process.join(name)).expect("it runs").count();
        let rss_kb = line.trim().trim_end_matches(" kB").parse().expect("a number");
        Held { rss_kb, threads: count("task"), files: count("fd") }
    }

    /// After a warm-up of `warm_up` rounds, `rounds` more leave nothing behind.
    fn leaves_nothing(mut self, warm_up: usize, rounds: usize, grows_kb: u64) {
        self.go_round(warm_up);
        let before = self.held();
        self.go_round(rounds);
        let after = self.held();
        eprintln!("{} switches: before {before:?}, after {after:?}", rounds * self.models.len());
        assert_eq!(after.files, before.files);
        // Threads for blocking work come and go.
        assert!(after.threads <= before.threads + 2, "{before:?} {after:?}");
        assert!(after.rss_kb <= before.rss_kb + grows_kb, "{before:?} {after:?}");
    }
}

#[test]
fn switching_among_four_models_under_load_leaves_nothing_behind() {
    Bench::start().leaves_nothing(2, 3, 30_000);
}

#[test]
#[ignore = "takes a minute"]
fn a_hundred_switches_among_four_models_leave_nothing_behind() {
    Bench::start().leaves_nothing(3, 25, 30_000);
}
