//! A real RabbitMQ, as Debian packages it: it speaks MQTT 3.1.1 alone, and gives wildcards no retained messages.

use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::{Device, settings};
use crate::support::{ConfigFile, Running, free_port, run, write_secret};

const PROGRAM: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// It starts within this; it is a virtual machine with a database.
const STARTS_WITHIN: Duration = Duration::from_secs(90);

/// A private RabbitMQ with all its files in one directory.
struct RabbitMq {
    port: u16,
    epmd_port: u16,
    running: Running,
    _directory: tempfile::TempDir,
}

impl RabbitMq {
    fn start() -> Self {
        assert!(Path::new(PROGRAM).exists(), "RabbitMQ is installed (Debian package rabbitmq-server)");
        let directory = tempfile::tempdir().expect("a temporary directory");
        let at = |name: &str| directory.path().join(name);
        let (port, epmd_port) = (free_port(), free_port());
        let config = format!(
            "listeners.tcp = none\nmqtt.listeners.tcp.1 = 127.0.0.1:{port}\nmqtt.allow_anonymous = true\nlog.console = true\n"
        );
        std::fs::write(at("rabbitmq.conf"), config).expect("writable");
        std::fs::write(at("plugins"), "[rabbitmq_mqtt].\n").expect("writable");
        write_secret(&at(".erlang.cookie"), &format!("{:032x}", fastrand::u128(..)));
        let mut command = Command::new(PROGRAM);
        command
            .env("HOME", directory.path())
            .env("RABBITMQ_NODENAME", format!("test{port}@localhost"))
            .env("RABBITMQ_MNESIA_BASE", at("mnesia"))
            .env("RABBITMQ_LOG_BASE", at("log"))
            .env("RABBITMQ_GENERATED_CONFIG_DIR", at("generated"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", at("plugins"))
            .env("RABBITMQ_CONFIG_FILE", at("rabbitmq.conf"))
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_DIST_PORT", free_port().to_string())
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}")
            .env("ERL_EPMD_PORT", epmd_port.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1");
        let running = Running::start(&mut command);
        let deadline = Instant::now() + STARTS_WITHIN;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(Instant::now() < deadline, "RabbitMQ does not listen");
            std::thread::sleep(Duration::from_millis(100));
        }
        Self { port, epmd_port, running, _directory: directory }
    }

    fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// What is retained on a topic.
    fn retained(&self, topic: &str) -> String {
        let port = self.port.to_string();
        let mut command = Command::new("mosquitto_sub");
        command.args(["-h", "127.0.0.1", "-p", &port, "-V", "mqttv311", "-t", topic, "-C", "1", "-W", "2", "-N"]);
        String::from_utf8(command.output().expect("installed").stdout).expect("UTF-8")
    }
}

impl Drop for RabbitMq {
    /// Its port mapper is a process of its own, which would stay.
    fn drop(&mut self) {
        let _ = rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.running.child),
            rustix::process::Signal::TERM,
        );
        let _ = self.running.child.wait();
        let _ = Command::new("epmd").arg("-port").arg(self.epmd_port.to_string()).arg("-kill").output();
    }
}

#[test]
fn rabbitmq_is_spoken_to_tested_and_cleaned() {
    let broker = RabbitMq::start();
    let device = Device::start(settings(&broker.url(), ""));
    device.events(0..50);
    let counters = device.idle();
    assert_eq!((counters.published.event, counters.dropped.event, counters.connects), (50, 0, 1), "{counters:?}");
    device.stop();

    let file = ConfigFile::replay(5, &format!("[mqtt]\nurl = {:?}\n", broker.url()));
    let path = file.path();
    let ran = run(&["mqtt", "test", "-c", &path]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("MQTT 3.1.1; the broker does not speak MQTT 5"), "{ran:?}");

    let mut daemon = file.daemon();
    let line = daemon.line_with("using MQTT 3.1.1");
    assert!(line.contains("the broker does not speak MQTT 5"), "{line}");
    daemon.line_with("connected to the broker");
    let deadline = Instant::now() + Duration::from_secs(30);
    while broker.retained("glimpsed/test/state").is_empty() {
        assert!(Instant::now() < deadline, "no state");
    }
    let ran = run(&["mqtt", "clean", "-c", &path]);
    assert!(ran.code == 1 && ran.stderr.contains("stop the daemon first"), "{ran:?}");
    daemon.signal(rustix::process::Signal::TERM);
    daemon.wait();
    assert_eq!(broker.retained("glimpsed/test/status"), "offline");
    let ran = run(&["mqtt", "clean", "-c", &path]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("glimpsed/test/status\n") && ran.stdout.contains("are removed"), "{ran:?}");
    for topic in
        ["homeassistant/device/test/config", "glimpsed/test/status", "glimpsed/test/state", "glimpsed/test/info"]
    {
        assert_eq!(broker.retained(topic), "", "{topic}");
    }
    assert!(run(&["mqtt", "clean", "-c", &path]).stdout.contains("keeps nothing of `test`"));
    super::renamed::nothing_is_left_behind(&broker.url(), |topic| broker.retained(topic));
}
