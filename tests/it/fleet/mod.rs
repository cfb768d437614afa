//! `glimpsed fleet` with a real mosquitto, with devices that are played and with the daemon itself.

mod devices;
mod hostile;
mod look;
mod steer;
mod targets;

use crate::support::{Broker, Ran, run};

/// Runs a subcommand of `fleet` with this broker.
fn fleet(broker: &Broker, arguments: &[&str]) -> Ran {
    let url = broker.url();
    let (name, rest) = arguments.split_first().expect("a subcommand");
    run(&[&["fleet", name, "--broker", &url], rest].concat())
}
