//! A broker behind a cable that can be cut: a mosquitto in a network namespace.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{Device, settings};
use crate::cable::Cable;
use crate::support::{PATIENCE, Running};

const PORT: u16 = 1883;

#[test]
#[ignore = "a minute, and root; `make soak`"]
fn a_cable_that_is_cut_is_noticed_and_nothing_is_lost_when_it_is_plugged_in_again() {
    let Some(cable) = Cable::plug(77) else { return };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("mosquitto.conf");
    let broker = cable.far();
    std::fs::write(&file, format!("listener {PORT} {broker}\nallow_anonymous true\nuser root\n")).expect("writable");
    let _broker = Running::start(cable.command("/usr/sbin/mosquitto").arg("-c").arg(&file));
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect((&*broker, PORT)).is_err() {
        assert!(Instant::now() < deadline, "mosquitto does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    let device = Device::start(settings(&format!("mqtt://{broker}:{PORT}"), "keepalive = \"5s\"\n"));
    device.idle();
    cable.cut();
    device.events(0..50);
    let cut = Instant::now();
    device.until("lost", |counters| counters.failures == 1);
    eprintln!("noticed after {:?}", cut.elapsed());
    assert!(cut.elapsed() < Duration::from_secs(27));
    cable.mend();
    let plugged = Instant::now();
    let counters = device.idle();
    eprintln!("everything was sent {:?} after the cable was back", plugged.elapsed());
    assert_eq!((counters.dropped.event, counters.waiting), (0, 0));
    assert_eq!(counters.published.event, 50);
}
