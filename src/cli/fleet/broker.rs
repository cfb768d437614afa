//! Which broker, and which devices.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;

use crate::cli::files::OptionalConfigFile;
use glimpsed_base::files;
use glimpsed_base::sync::Mutex;
use glimpsed_core::config::interval::Interval;
use glimpsed_core::config::is_id;
use glimpsed_core::config::typed::Mqtt;
use glimpsed_core::error::{Error, Result};
use glimpsed_core::fleet::device::Device;
use glimpsed_core::fleet::filter::Filter;
use glimpsed_core::fleet::roster::{MAX_DEVICES, Roster};
use glimpsed_core::fleet::watch::{Gathered, Watch};
use glimpsed_mqtt::Loss;

/// A list of 20 000 ids of 64 bytes.
const MAX_LIST_BYTES: u64 = 2 << 20;

/// Where the devices are.
#[derive(Debug, Args)]
pub(super) struct Broker {
    #[command(flatten)]
    file: OptionalConfigFile,
    /// The broker, such as mqtts://broker.example.org [default: `url` in [mqtt] of the configuration]
    #[arg(long, value_name = "URL")]
    broker: Option<String>,
    /// What the devices' topics begin with [default: `base_topic` in [mqtt], which is `glimpsed`]
    #[arg(long, value_name = "TOPIC")]
    base_topic: Option<String>,
    /// The user at the broker [default: `username` in [mqtt]]
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// The file with the user's password [default: `password_file` in [mqtt]]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// The certificate of the CA that the broker's is checked with [default: `ca` in [mqtt.tls], or those of the system]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// A file with the ids of the devices, one in a line: they are asked for by name, and missed if nothing is heard of them
    #[arg(long, value_name = "FILE")]
    devices: Option<PathBuf>,
    /// The longest time to wait for what the broker retains of all devices
    #[arg(long, value_name = "TIME", default_value = "20s")]
    patience: Interval,
}

/// Which of the devices.
#[derive(Debug, Args)]
pub(super) struct Chosen {
    /// Only devices of which this holds, such as `status=online`, `device=gate-*` or `temperature>70`; several all have to hold
    #[arg(long = "where", value_name = "CONDITION")]
    conditions: Vec<Filter>,
}

impl Chosen {
    pub(super) fn filter(&self) -> Filter {
        self.conditions.iter().cloned().fold(Filter::default(), Filter::and)
    }
}

/// The broker's address and the login, and the devices that have to be there.
pub(super) struct Reached {
    pub(super) settings: Mqtt,
    pub(super) expected: BTreeSet<String>,
    pub(super) patience: Duration,
}

impl Broker {
    /// # Errors
    /// When the configuration or one of the options is wrong.
    pub(super) fn reached(&self) -> Result<Reached> {
        let mut sources = self.file.sources()?;
        let options = [
            ("GLIMPSED_MQTT_URL", self.broker.clone()),
            ("GLIMPSED_MQTT_BASE_TOPIC", self.base_topic.clone()),
            ("GLIMPSED_MQTT_USERNAME", self.username.clone()),
            ("GLIMPSED_MQTT_PASSWORD_FILE", self.password_file.as_deref().map(absolute)),
            ("GLIMPSED_MQTT_TLS_CA", self.ca.as_deref().map(absolute)),
        ];
        for (variable, value) in options {
            let Some(value) = value else { continue };
            sources.environment.retain(|(name, _)| name != variable);
            sources.environment.push((variable.to_owned(), value));
        }
        let config = sources.load_awaiting_models()?;
        let none = || Error::Failed("no broker is named; use `--broker mqtt://HOST`, or set `url` in [mqtt]".into());
        let settings = config.mqtt.ok_or_else(none)?;
        let expected = self.devices.as_deref().map(ids_in).transpose()?.unwrap_or_default();
        Ok(Reached { settings, expected, patience: self.patience.0 })
    }
}

/// Relative paths of an option start from where the command runs, and not from the configuration.
fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

/// The ids of a list; lines with `#` are comments.
fn ids_in(path: &Path) -> Result<BTreeSet<String>> {
    let failed = |cause: String| Error::Failed(format!("`{}` {cause}", path.display()));
    let text = files::read_text(path, MAX_LIST_BYTES).map_err(|cause| failed(cause.to_string()))?;
    let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line.trim()));
    let mut ids = BTreeSet::new();
    for (number, id) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        if !is_id(id) {
            return Err(Error::Failed(format!(
                "`{}`, line {number}: `{id}` is no device id: letters, digits, `_` and `-`",
                path.display()
            )));
        }
        ids.insert(id.to_owned());
    }
    match ids.len() {
        0 => Err(failed("names no device".into())),
        count if count > MAX_DEVICES => {
            Err(failed(format!("names {count} devices, and at most {MAX_DEVICES} are looked at")))
        }
        _ => Ok(ids),
    }
}

impl Reached {
    pub(super) fn unreachable(&self, loss: &Loss) -> Error {
        Error::Unreachable(format!("{}: {loss}", self.settings.connection.broker))
    }

    pub(super) async fn connect(&self) -> Result<Watch> {
        Watch::connect(&self.settings).await.map_err(|loss| self.unreachable(&loss))
    }

    /// Connects and takes in what is retained.
    ///
    /// # Errors
    /// When the broker cannot be reached, or does not let the user read.
    pub(super) async fn gather(&self) -> Result<(Watch, Roster, Gathered)> {
        let (mut watch, roster) = (self.connect().await?, self.nobody());
        let gathered = self.gather_into(&mut watch, &roster).await?;
        let roster = std::mem::take(&mut *roster.lock());
        Ok((watch, roster, gathered))
    }

    /// What is retained, without staying.
    ///
    /// # Errors
    /// As [`Self::gather`].
    pub(super) async fn snapshot(&self) -> Result<(Roster, Gathered)> {
        let (watch, roster, gathered) = self.gather().await?;
        watch.end().await;
        Ok((roster, gathered))
    }

    pub(super) fn nobody(&self) -> Mutex<Roster> {
        Mutex::new(Roster::new(&self.settings.base_topic))
    }

    /// Takes in what is retained.
    ///
    /// # Errors
    /// When the broker is lost, or does not let the user read.
    pub(super) async fn gather_into(&self, watch: &mut Watch, roster: &Mutex<Roster>) -> Result<Gathered> {
        watch.gather(roster, &self.expected, self.patience).await.map_err(|loss| match loss {
            Loss::Refused(cause) => Error::Failed(format!("{}: {cause}", self.settings.connection.broker)),
            loss => self.unreachable(&loss),
        })
    }

    /// The error if nobody is there.
    pub(super) fn somebody(&self, roster: &Roster) -> Result<()> {
        if !roster.is_empty() {
            return Ok(());
        }
        let (broker, base) = (&self.settings.connection.broker, &self.settings.base_topic);
        let user =
            self.settings.connection.username.as_ref().map_or("everybody".to_owned(), |name| format!("`{name}`"));
        Err(Error::Failed(format!(
            "{broker} has told nothing below `{base}/+`: no device has ever connected, or its access list does not let {user} read it"
        )))
    }

    /// Whether all devices that there are were heard.
    pub(super) fn all_came(roster: &Roster, gathered: &Gathered) -> bool {
        !gathered.cut_short && roster.beyond == 0
    }

    /// What was not read, in words.
    pub(super) fn notes(&self, roster: &Roster, gathered: &Gathered) -> Vec<String> {
        let mut notes = Vec::new();
        if gathered.cut_short {
            notes.push(format!(
                "not everything had arrived within {}; --patience waits longer",
                Interval(self.patience)
            ));
        }
        if roster.too_large > 0 {
            notes.push(format!("{} messages were larger than 1 MiB and were not read", roster.too_large));
        }
        if roster.beyond > 0 {
            notes.push(format!("there are more than {MAX_DEVICES} devices; the others were not looked at"));
        }
        notes
    }
}

/// The error if the conditions hold of no device.
pub(super) fn none_is_meant(roster: &Roster) -> Error {
    Error::Failed(format!("none of {} devices is meant: `--where` is true of none", roster.len()))
}

/// The devices that are meant.
pub(super) fn chosen<'a>(roster: &'a Roster, filter: &'a Filter, now: Timestamp) -> impl Iterator<Item = &'a Device> {
    roster.devices().filter(move |device| filter.is_true_of(device, now))
}
