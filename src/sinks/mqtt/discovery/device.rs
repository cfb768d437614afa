//! The device as Home Assistant is told about it.

use std::net::IpAddr;
use std::time::Duration;

use crate::board::Board;
use crate::config::Config;
use crate::config::typed::View;
use crate::domain::health::HEALTH_EVERY;
use crate::domain::name::Name;
use crate::sinks::mqtt::topics::Names;

/// The properties of the device that its entities depend on.
#[derive(Debug, Clone)]
pub struct Device {
    pub id: String,
    pub name: String,
    /// The board's model name.
    pub board: String,
    /// The models that can be selected.
    pub models: Vec<String>,
    pub heartbeat: Duration,
    /// Longest time between two messages on the health topic.
    pub health_every: Duration,
    /// Whether pictures are published.
    pub pictures: bool,
    /// In the order of the configuration.
    pub views: Vec<DeviceView>,
    pub cameras: Vec<Name>,
    /// Whether the board has a temperature sensor.
    pub temperature: bool,
    /// The page's address, if other machines reach it.
    pub page: Option<String>,
}

/// What the entities of a view depend on.
#[derive(Debug, Clone)]
pub struct DeviceView {
    pub name: Name,
    /// What people call it.
    pub title: String,
    pub camera: Name,
    /// Whether an accurate model can be enabled.
    pub accurate: bool,
    /// The labels that were taught; `None` where nothing can be.
    pub taught: Option<Vec<String>>,
}

impl DeviceView {
    fn of(view: &View, taught: Option<Vec<String>>) -> Self {
        Self {
            name: view.name.clone(),
            title: view.title.clone(),
            camera: view.camera.clone(),
            accurate: view.accurate.model.path.is_file(),
            taught,
        }
    }
}

impl Device {
    /// The device as it was when it had these views and cameras, as far as its entities' names go.
    pub(super) fn as_it_was(&self, names: &Names) -> Self {
        let view = |name: &Name| DeviceView {
            name: name.clone(),
            title: name.to_string(),
            camera: names.cameras.first().cloned().unwrap_or_default(),
            accurate: true,
            taught: Some(vec![String::new()]),
        };
        Self {
            views: names.views.iter().map(view).collect(),
            cameras: names.cameras.clone(),
            pictures: true,
            ..self.clone()
        }
    }

    /// The device that a configuration describes, on this board; of each view there are the labels that were taught, if any can be.
    pub fn of(config: &Config, taught: &[Option<Vec<String>>], board: &Board) -> Self {
        let taught = taught.iter().cloned().chain(std::iter::repeat(None));
        Self {
            id: config.device.id.clone(),
            name: config.device.name.clone(),
            board: board.model(),
            models: config.models.iter().filter(|model| model.path.is_file()).map(|model| model.name.clone()).collect(),
            heartbeat: config.mqtt.as_ref().map_or(HEALTH_EVERY, |mqtt| mqtt.heartbeat),
            health_every: HEALTH_EVERY,
            pictures: config.publish_image,
            views: config.views.iter().zip(taught).map(|(view, taught)| DeviceView::of(view, taught)).collect(),
            cameras: config.cameras.iter().map(|camera| camera.name.clone()).collect(),
            temperature: board.temperature().is_some(),
            page: page_of(config),
        }
    }
}

/// The page's address for other machines; `None` if they do not reach it.
fn page_of(config: &Config) -> Option<String> {
    let http = config.http.as_ref().filter(|http| !http.listen.ip().is_loopback() && http.listen.port() != 0)?;
    let ip = http.listen.ip();
    let host = match (http.hosts.first(), ip.is_unspecified()) {
        (Some(host), _) => host.clone(),
        (None, false) => match ip {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        },
        (None, true) => {
            let name = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
            if name.contains('.') { name } else { format!("{name}.local") }
        }
    };
    Some(format!("http://{host}:{}/", http.listen.port()))
}
