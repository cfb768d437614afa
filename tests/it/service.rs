//! What a service manager is told, on the socket that it gives.

use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::{Broker, ConfigFile, PATIENCE, Running, glimpsed};

/// The manager's side.
struct Manager {
    socket: UnixDatagram,
    daemon: Running,
    _directory: tempfile::TempDir,
    _config: tempfile::TempDir,
}

impl Manager {
    fn start(config: ConfigFile) -> Self {
        Self::start_with(config, &[])
    }

    fn start_with(config: ConfigFile, arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let (file, config) = config.keep();
        let mut command = glimpsed(&[&["run", "-c", &file], arguments].concat());
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "2000000").env_remove("WATCHDOG_PID");
        Self { socket, daemon: Running::start(&mut command), _directory: directory, _config: config }
    }

    /// What is said until something that holds `text` is.
    fn until(&self, text: &str) -> Vec<String> {
        let mut said = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let length =
                self.socket.recv(&mut buffer).unwrap_or_else(|error| panic!("no {text} ({error}) in {said:?}"));
            said.push(String::from_utf8_lossy(&buffer[..length]).trim_end().to_owned());
            if said.last().is_some_and(|last| last.contains(text)) {
                return said;
            }
        }
    }
}

#[test]
fn ready_comes_with_the_first_label_and_the_end_is_announced() {
    let mut manager = Manager::start(ConfigFile::replay(10, "[labels]\nsmoothing = \"none\"\nconsecutive = 1\n"));
    let said = manager.until("READY=1");
    assert!(said.iter().any(|word| word.starts_with("STATUS=efficientnet-lite0: ")), "{said:?}");
    manager.daemon.signal(Signal::HUP);
    let said = manager.until("RELOADING=1");
    assert!(said.last().is_some_and(|word| word.contains("MONOTONIC_USEC=")), "{said:?}");
    manager.until("READY=1");
    manager.daemon.signal(Signal::TERM);
    manager.until("STOPPING=1");
    assert!(manager.daemon.wait().success());
}

#[test]
fn a_restart_in_place_is_no_end_to_the_service_manager() {
    let broker = Broker::start();
    let manager = Manager::start(ConfigFile::replay(10, &format!("[mqtt]\nurl = {:?}\n", broker.url())));
    manager.until("READY=1");
    let port = broker.port.to_string();
    let ask = ["-h", "127.0.0.1", "-p", &port, "-t", "glimpsed/test/request/restart", "-n"];
    let mut heard = broker.subscribe("glimpsed/test/status", &[]);
    assert_eq!(heard.next("/status").payload, "online");
    assert!(std::process::Command::new("mosquitto_pub").args(ask).status().expect("installed").success());
    assert_eq!(heard.next("/status").payload, "offline");
    let said = manager.until("READY=1");
    assert!(!said.iter().any(|word| word.contains("STOPPING")), "{said:?}");
}

#[test]
fn a_camera_that_is_switched_off_is_a_state_to_be_ready_in() {
    let manager = Manager::start_with(ConfigFile::replay(10, ""), &["--camera-off"]);
    let said = manager.until("READY=1");
    assert!(said.iter().any(|word| word.starts_with("STATUS=the camera is switched off")), "{said:?}");
}

#[test]
fn frames_that_nobody_can_read_are_a_state_to_be_ready_in() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let stream = directory.path().join("broken.mjpeg");
    // Whole pictures to whoever splits the stream, and none to a decoder.
    let picture = [&[0xFF, 0xD8, 0xFF, 0xDA, 0x00, 0x02][..], &[0x55; 400], &[0xFF, 0xD9]].concat();
    std::fs::write(&stream, picture.repeat(20)).expect("written");
    let config = format!("[device]\nid = \"test\"\n[camera]\nsource = \"replay\"\npath = {stream:?}\nfps = 10\n");
    let manager = Manager::start(ConfigFile::new(&config));
    manager.until("READY=1");
}

#[test]
fn a_camera_that_is_absent_is_a_state_to_be_ready_in() {
    let config = ConfigFile::new("[camera]\ndevice = \"/dev/no-such-camera\"\n");
    let manager = Manager::start(config);
    let said = manager.until("READY=1");
    let reason = "cannot open camera /dev/no-such-camera: there is no such device; is the camera plugged in?";
    assert!(said.contains(&format!("STATUS=no camera, trying again: {reason}")), "{said:?}");
}

#[test]
fn the_watchdog_is_petted_in_time() {
    let manager = Manager::start(ConfigFile::replay(10, ""));
    manager.until("READY=1");
    let start = Instant::now();
    for _ in 0..3 {
        manager.until("WATCHDOG=1");
    }
    // At half the time that is asked for; the machine may be busy.
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
}
