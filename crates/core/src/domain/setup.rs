//! What somebody has chosen in the set-up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What the file of the state directory is called with choices that wait for somebody who may write the configuration.
pub const PROPOSAL: &str = "setup";

/// The choices; what was skipped stays as it is. Passwords and the token are in files by now, so this holds no secret.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Setup {
    pub camera: Option<CameraChoice>,
    /// Where the pictures are kept that somebody teaches with.
    pub teach: Option<PathBuf>,
    pub broker: Option<ServerChoice>,
    pub page: Option<PageChoice>,
}

/// Where pictures come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "lowercase")]
pub enum CameraChoice {
    V4l2 {
        device: PathBuf,
    },
    Http(ServerChoice),
    Rtsp(ServerChoice),
    /// Files, in place of a camera.
    Replay {
        path: PathBuf,
    },
}

/// A network camera or a broker, and who logs in there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerChoice {
    pub url: String,
    pub username: Option<String>,
    /// `None` keeps the file that is configured, as long as there is a user name.
    pub password_file: Option<PathBuf>,
}

/// Who can open the page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageChoice {
    pub listen: SocketAddr,
    /// `None` keeps what is configured.
    pub token_file: Option<PathBuf>,
}

/// The same port, for this machine alone or for `others` too.
pub fn listening(now: SocketAddr, others: bool) -> SocketAddr {
    let address: IpAddr = match (now.ip(), others) {
        (address, true) if !address.is_loopback() => address,
        (IpAddr::V4(_), true) => Ipv4Addr::UNSPECIFIED.into(),
        (IpAddr::V6(_), true) => Ipv6Addr::UNSPECIFIED.into(),
        (IpAddr::V4(_), false) => Ipv4Addr::LOCALHOST.into(),
        (IpAddr::V6(_), false) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(address, now.port())
}
