//! A broker behind a cable that can be cut: a mosquitto in a network namespace, which takes root and `ip`.

use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use super::{Device, settings};
use crate::support::{PATIENCE, Running};

const BROKER: &str = "10.231.77.2";
const PORT: u16 = 1883;

struct Namespace {
    name: String,
    _broker: Running,
    _directory: tempfile::TempDir,
}

fn ip(arguments: &str) -> bool {
    Command::new("ip").args(arguments.split(' ')).output().is_ok_and(|output| output.status.success())
}

impl Namespace {
    /// `None` where no namespace can be made.
    fn start() -> Option<Self> {
        let name = format!("glimpsed{}", std::process::id());
        let near = format!("gl{}", std::process::id());
        if !ip(&format!("netns add {name}")) {
            eprintln!("SKIPPED: no network namespace can be made here, so this test proved nothing");
            return None;
        }
        let directory = tempfile::tempdir().expect("a temporary directory");
        for step in [
            format!("link add {near} type veth peer name far netns {name}"),
            format!("addr add 10.231.77.1/30 dev {near}"),
            format!("link set {near} up"),
            format!("-n {name} addr add {BROKER}/30 dev far"),
            format!("-n {name} link set far up"),
        ] {
            assert!(ip(&step), "ip {step}");
        }
        let file = directory.path().join("mosquitto.conf");
        std::fs::write(&file, format!("listener {PORT} {BROKER}\nallow_anonymous true\nuser root\n"))
            .expect("writable");
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &name, "/usr/sbin/mosquitto", "-c"]).arg(&file);
        let namespace = Self { name, _broker: Running::start(&mut command), _directory: directory };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect((BROKER, PORT)).is_err() {
            assert!(Instant::now() < deadline, "mosquitto does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(namespace)
    }

    /// From here on packets vanish; nobody is told. Or they arrive again.
    fn cable(&self, plugged: bool) {
        let state = if plugged { "up" } else { "down" };
        assert!(ip(&format!("-n {} link set far {state}", self.name)));
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // The pair of devices goes with it.
        ip(&format!("netns del {}", self.name));
    }
}

#[test]
#[ignore = "a minute, and root; `make soak`"]
fn a_cable_that_is_cut_is_noticed_and_nothing_is_lost_when_it_is_plugged_in_again() {
    let Some(namespace) = Namespace::start() else { return };
    let device = Device::start(settings(&format!("mqtt://{BROKER}:{PORT}"), "keepalive = \"5s\"\n"));
    device.idle();
    namespace.cable(false);
    device.events(0..50);
    let cut = Instant::now();
    device.until("lost", |counters| counters.failures == 1);
    eprintln!("noticed after {:?}", cut.elapsed());
    assert!(cut.elapsed() < Duration::from_secs(27));
    namespace.cable(true);
    let plugged = Instant::now();
    let counters = device.idle();
    eprintln!("everything was sent {:?} after the cable was back", plugged.elapsed());
    assert_eq!((counters.dropped.event, counters.waiting), (0, 0));
    assert_eq!(counters.published.event, 50);
}
