//! A network namespace behind a cable that can be pulled, which takes root and `ip`.

use std::process::Command;

/// Whoever is behind it is reached at [`Cable::far`].
pub(crate) struct Cable {
    name: String,
    network: u8,
}

fn ip(arguments: &str) -> bool {
    Command::new("ip").args(arguments.split(' ')).output().is_ok_and(|output| output.status.success())
}

impl Cable {
    /// A network of its own for each test; `None` where no namespace can be made.
    pub(crate) fn plug(network: u8) -> Option<Self> {
        let name = format!("glimpsed{}", std::process::id());
        let near = format!("gl{}", std::process::id());
        if !ip(&format!("netns add {name}")) {
            eprintln!("SKIPPED: no network namespace can be made here, so this test proved nothing");
            return None;
        }
        let cable = Self { name, network };
        let (name, here, there) = (&cable.name, cable.near(), cable.far());
        for step in [
            format!("link add {near} type veth peer name far netns {name}"),
            format!("addr add {here}/30 dev {near}"),
            format!("link set {near} up"),
            format!("-n {name} addr add {there}/30 dev far"),
            format!("-n {name} link set far up"),
        ] {
            assert!(ip(&step), "ip {step}");
        }
        Some(cable)
    }

    /// The address of this end.
    pub(crate) fn near(&self) -> String {
        format!("10.231.{}.1", self.network)
    }

    pub(crate) fn far(&self) -> String {
        format!("10.231.{}.2", self.network)
    }

    /// A command that runs at the far end; its arguments follow.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// From here on packets vanish; nobody is told.
    pub(crate) fn cut(&self) {
        assert!(ip(&format!("-n {} link set far down", self.name)));
    }

    /// They arrive again.
    pub(crate) fn mend(&self) {
        assert!(ip(&format!("-n {} link set far up", self.name)));
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        // The pair of devices goes with it.
        ip(&format!("netns del {}", self.name));
    }
}
