//! The device as Home Assistant is told about it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::board::Board;
use crate::config::Config;
use crate::config::typed::View;
use crate::domain::health::HEALTH_EVERY;
use crate::domain::name::Name;
use crate::domain::teaching::Teaching;
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
    /// The labels of a model whose labels do not exclude each other, once it has answered.
    pub labels: Vec<ViewLabel>,
}

/// A label that holds or does not, for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewLabel {
    pub label: Arc<str>,
    /// Unique within the view, of letters, digits and `_`.
    pub key: String,
    /// False for one that the model in use does not have any more, whose entity is to be removed.
    pub exists: bool,
}

/// As many labels of a view have an entity each; further ones are in the attributes of the label's entity alone.
const MOST_LABELS: usize = 20;

impl DeviceView {
    /// Takes over which labels were taught. Returns whether anything changed.
    pub(in crate::sinks::mqtt) fn set_taught(&mut self, teaching: &Teaching) -> bool {
        let taught = teaching.state.as_ref().map(|state| state.labels().map(str::to_owned).collect());
        let changed = taught != self.taught;
        self.taught = taught;
        changed
    }

    /// Takes over which independent labels the view's model has: none, if they exclude each other. Returns whether anything changed.
    pub(in crate::sinks::mqtt) fn set_labels(&mut self, possible: &[Arc<str>]) -> bool {
        let exist: Vec<&Arc<str>> = self.labels.iter().filter(|one| one.exists).map(|one| &one.label).collect();
        let possible = &possible[..possible.len().min(MOST_LABELS)];
        if exist.iter().copied().eq(possible) {
            return false;
        }
        let mut labels: Vec<ViewLabel> = Vec::new();
        for label in possible {
            let slug: String = label
                .to_lowercase()
                .chars()
                .map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' })
                .take(40)
                .collect();
            let is_taken = |key: &str| labels.iter().any(|other| other.key == key);
            let key = match is_taken(&slug) {
                false => slug,
                true => (2..).map(|number| format!("{slug}_{number}")).find(|key| !is_taken(key)).unwrap_or_default(),
            };
            labels.push(ViewLabel { label: label.clone(), key, exists: true });
        }
        for former in std::mem::take(&mut self.labels) {
            if labels.iter().all(|label| label.key != former.key) && labels.len() < 3 * MOST_LABELS {
                labels.push(ViewLabel { exists: false, ..former });
            }
        }
        self.labels = labels;
        true
    }
}

impl DeviceView {
    fn of(view: &View, taught: Option<Vec<String>>) -> Self {
        Self {
            name: view.name.clone(),
            title: view.title.clone(),
            camera: view.camera.clone(),
            accurate: view.accurate.model.path.is_file(),
            taught,
            labels: Vec::new(),
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
            labels: Vec::new(),
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
