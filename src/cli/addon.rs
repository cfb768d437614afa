//! `glimpsed addon`, which Home Assistant's Supervisor starts as an app (add-on): what its page of options says becomes variables of the
//! environment, its MQTT service the broker, and the daemon takes this process's place.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clap::Args;
use glimpsed_base::{files, leaving};
use glimpsed_core::config::{DEFAULT_PATH, Sources};
use glimpsed_core::directories;
use glimpsed_core::error::{Error, Result};
use hyper::header::HeaderValue;
use hyper::{StatusCode, Uri};
use serde::Deserialize;
use tokio::time::{sleep, timeout};

use super::ask;
use super::block_on::block_on;
use super::streams::Streams;

/// What the Supervisor answers for is there before an app starts; only its own restart takes longer.
const WITHIN: Duration = Duration::from_secs(5);
const TRIES: u32 = 5;
const BETWEEN: Duration = Duration::from_secs(2);

/// The options have some hundred bytes.
const MAX_BYTES: u64 = 1 << 16;

/// The variable with what the Supervisor knows an app by.
const TOKEN: &str = "SUPERVISOR_TOKEN";

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Where the Supervisor keeps the options, and the daemon its passwords
    #[arg(long, default_value = "/data")]
    data: PathBuf,
    /// The configuration; without one, the commented defaults are put there
    #[arg(long, default_value = "/config/glimpsed.toml")]
    config: PathBuf,
    /// Where the Supervisor answers
    #[arg(long, default_value = "http://supervisor")]
    supervisor: Uri,
}

/// What stands on the page of options; `packaging/homeassistant/config.yaml` has the same names. What is empty is as if it were not
/// there, so that the configuration has its say.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Chosen {
    name: String,
    camera: String,
    camera_url: String,
    camera_username: String,
    camera_password: String,
    mqtt_url: String,
    mqtt_username: String,
    mqtt_password: String,
    publish_image: bool,
    log_level: String,
}

/// The answer to `/services/mqtt`.
#[derive(Debug, Deserialize)]
struct Answer {
    data: Option<Service>,
    #[serde(default)]
    message: String,
}

#[derive(Debug, Default, Deserialize)]
struct Service {
    #[serde(default)]
    host: String,
    #[serde(default)]
    port: Port,
    #[serde(default)]
    ssl: bool,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
}

/// It is documented as text, and is a number.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Port {
    Number(u16),
    Text(String),
}

impl Default for Port {
    fn default() -> Self {
        Self::Number(1883)
    }
}

/// A variable, and those whose value is a secret that goes into a file of this name.
#[derive(Debug, PartialEq, Eq)]
enum Value {
    Plain(String),
    Kept { file: &'static str, secret: String },
}

const MQTT_PASSWORD: &str = "mqtt-password";
const CAMERA_PASSWORD: &str = "camera-password";

type Variables = Vec<(&'static str, Value)>;

/// Does not return, unless the daemon cannot be started.
pub(super) fn run(options: &Options, streams: &mut Streams) -> Result<()> {
    let file = options.data.join("options.json");
    let text = files::read_text(&file, MAX_BYTES);
    let text = text.map_err(|cause| Error::Failed(format!("`{}` {cause}", file.display())))?;
    let chosen: Chosen = serde_json::from_str(&text).map_err(|cause| {
        Error::Failed(format!("`{}` is not what the Supervisor writes: {}", file.display(), place(&cause)))
    })?;
    configuration(&options.config)?;
    let mut variables = chosen.variables();
    if chosen.mqtt_url.is_empty() && !names_a_broker(&options.config) {
        match block_on(service(&options.supervisor))? {
            Ok(service) => {
                let broker = service.variables();
                streams.print(&format!("the broker is Home Assistant's: {}\n", service.url()))?;
                variables.extend(broker);
            }
            Err(cause) => streams.print(&format!(
                "without a broker, because Home Assistant offers none: {}\n",
                leaving::short_line(&cause, 200)
            ))?,
        }
    }
    let mut daemon = Command::new(crate::control::program().map_err(Error::io("the daemon cannot be started"))?);
    daemon.args(["run", "-c"]).arg(&options.config);
    forget(&variables, &options.data)?;
    for (name, value) in variables {
        daemon.env(name, given(value, &options.data)?);
    }
    // The daemon has no use for it.
    daemon.env_remove(TOKEN).env_remove("HASSIO_TOKEN");
    Err(Error::io("the daemon cannot be started")(daemon.exec()))
}

/// The configuration is made where there is none, and can be read.
fn configuration(path: &Path) -> Result<()> {
    if !path.exists() {
        let default = files::read(Path::new(DEFAULT_PATH), MAX_BYTES).unwrap_or_default();
        directories::write(path, &default, 0o644).map_err(Error::io(format!("cannot write `{}`", path.display())))?;
    }
    let text = files::read_text(path, glimpsed_base::budget::CONFIGURATION);
    text.map(drop).map_err(|cause| Error::Failed(format!("`{}` {cause}", path.display())))
}

/// What cannot be read names none: the daemon says what is wrong with it.
fn names_a_broker(config: &Path) -> bool {
    Sources::read(config).is_ok_and(|sources| sources.has(&["mqtt", "url"]))
}

/// Where the options are none. What stands there may be a password.
fn place(cause: &serde_json::Error) -> String {
    let what = if cause.is_data() { "a value of another kind" } else { "no JSON" };
    format!("{what} in line {}, column {}", cause.line(), cause.column())
}

/// Removes the secrets of before that nothing asks for now: backups take them along.
fn forget(variables: &Variables, data: &Path) -> Result<()> {
    let is_kept = |file: &str| {
        variables.iter().any(|(_, value)| matches!(value, Value::Kept { file: kept, .. } if *kept == file))
    };
    for file in [MQTT_PASSWORD, CAMERA_PASSWORD].into_iter().filter(|file| !is_kept(file)) {
        let path = data.join(file);
        match std::fs::remove_file(&path) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io(format!("cannot remove `{}`", path.display()))(cause));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A secret is handed over in a file of its own.
fn given(value: Value, data: &Path) -> Result<String> {
    match value {
        Value::Plain(text) => Ok(text),
        Value::Kept { file, secret } => {
            let path = data.join(file);
            directories::write(&path, format!("{secret}\n").as_bytes(), 0o600)
                .map_err(Error::io(format!("cannot write `{}`", path.display())))?;
            Ok(path.display().to_string())
        }
    }
}

impl Chosen {
    fn variables(&self) -> Variables {
        let mut found = Vec::new();
        let mut add = |name, text: &str| {
            if !text.is_empty() {
                found.push((name, Value::Plain(text.to_owned())));
            }
        };
        add("GLIMPSED_DEVICE_NAME", &self.name);
        if self.camera_url.is_empty() {
            add("GLIMPSED_CAMERA_SOURCE", if self.camera.is_empty() { "" } else { "v4l2" });
            add("GLIMPSED_CAMERA_DEVICE", &self.camera);
        } else {
            let is_rtsp = self.camera_url.starts_with("rtsp");
            add("GLIMPSED_CAMERA_SOURCE", if is_rtsp { "rtsp" } else { "http" });
            add("GLIMPSED_CAMERA_URL", &self.camera_url);
            add("GLIMPSED_CAMERA_USERNAME", &self.camera_username);
        }
        add("GLIMPSED_MQTT_URL", &self.mqtt_url);
        add("GLIMPSED_PRIVACY_PUBLISH_IMAGE", if self.publish_image { "true" } else { "" });
        add("GLIMPSED_LOG_LEVEL", &self.log_level);
        if !self.mqtt_url.is_empty() {
            add("GLIMPSED_MQTT_USERNAME", &self.mqtt_username);
            found.extend(kept("GLIMPSED_MQTT_PASSWORD_FILE", MQTT_PASSWORD, &self.mqtt_password));
        }
        if !self.camera_url.is_empty() {
            found.extend(kept("GLIMPSED_CAMERA_PASSWORD_FILE", CAMERA_PASSWORD, &self.camera_password));
        }
        found
    }
}

fn kept(name: &'static str, file: &'static str, secret: &str) -> Option<(&'static str, Value)> {
    (!secret.is_empty()).then(|| (name, Value::Kept { file, secret: secret.to_owned() }))
}

impl Service {
    fn url(&self) -> String {
        let scheme = if self.ssl { "mqtts" } else { "mqtt" };
        match &self.port {
            Port::Number(port) => format!("{scheme}://{}:{port}", self.host),
            Port::Text(port) => format!("{scheme}://{}:{port}", self.host),
        }
    }

    fn variables(&self) -> Variables {
        let mut found = vec![("GLIMPSED_MQTT_URL", Value::Plain(self.url()))];
        if !self.username.is_empty() {
            found.push(("GLIMPSED_MQTT_USERNAME", Value::Plain(self.username.clone())));
        }
        found.extend(kept("GLIMPSED_MQTT_PASSWORD_FILE", MQTT_PASSWORD, &self.password));
        found
    }
}

/// What the Supervisor knows of a broker, or why it knows none.
async fn service(supervisor: &Uri) -> std::result::Result<Service, String> {
    let token = std::env::var(TOKEN).map_err(|_| format!("{TOKEN} is not set"))?;
    let bearer = HeaderValue::from_str(&format!("Bearer {token}"));
    let bearer = bearer.map_err(|_| format!("{TOKEN} is no token"))?;
    let mut last = String::new();
    for number in 0..TRIES {
        if number > 0 {
            sleep(BETWEEN).await;
        }
        let asked = timeout(WITHIN, ask::get(supervisor, "/services/mqtt", Some(&bearer))).await;
        last = match asked {
            // It answers for itself; another try gives the same.
            Ok(Ok((status, body))) => return read(status, &body),
            Ok(Err(cause)) => cause.to_string(),
            Err(_) => format!("nothing came within {} s", WITHIN.as_secs()),
        };
    }
    Err(format!("its Supervisor does not answer: {last}"))
}

fn read(status: StatusCode, body: &[u8]) -> std::result::Result<Service, String> {
    let answer: Answer = serde_json::from_slice(body).map_err(|_| format!("its Supervisor answers with {status}"))?;
    match answer.data {
        Some(service) if status.is_success() && !service.host.is_empty() => Ok(service),
        _ if answer.message.is_empty() => Err(format!("its Supervisor answers with {status}")),
        _ => Err(answer.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Value {
        Value::Plain(text.to_owned())
    }

    #[test]
    fn what_is_chosen_becomes_variables_and_what_is_empty_none() {
        assert_eq!(Chosen::default().variables(), []);
        let chosen: Chosen = serde_json::from_str(
            r#"{"name": "Shelf", "camera": "/dev/video0", "camera_password": "unused", "publish_image": true, "later": 1}"#,
        )
        .expect("options");
        assert_eq!(
            chosen.variables(),
            [
                ("GLIMPSED_DEVICE_NAME", plain("Shelf")),
                ("GLIMPSED_CAMERA_SOURCE", plain("v4l2")),
                ("GLIMPSED_CAMERA_DEVICE", plain("/dev/video0")),
                ("GLIMPSED_PRIVACY_PUBLISH_IMAGE", plain("true")),
            ]
        );
    }

    #[test]
    fn an_address_of_a_camera_says_what_it_is_and_its_password_goes_into_a_file() {
        let chosen = |url: &str| Chosen {
            camera: "/dev/video0".into(),
            camera_url: url.into(),
            camera_password: "hunter2".into(),
            ..Chosen::default()
        };
        let secret = Value::Kept { file: "camera-password", secret: "hunter2".into() };
        for (url, source) in
            [("rtsp://192.0.2.10/a", "rtsp"), ("rtsps://192.0.2.10/a", "rtsp"), ("http://192.0.2.10/", "http")]
        {
            let variables = chosen(url).variables();
            assert_eq!(variables[0], ("GLIMPSED_CAMERA_SOURCE", plain(source)));
            assert_eq!(variables[1], ("GLIMPSED_CAMERA_URL", plain(url)));
            assert_eq!(variables[2].1, secret);
        }
    }

    #[test]
    fn the_supervisors_answer_is_a_broker_with_a_port_of_either_kind_or_a_reason() {
        let answer = |port: &str, ssl: bool| {
            format!(
                r#"{{"result": "ok", "data": {{"addon": "core_mosquitto", "host": "core-mosquitto", "port": {port}, "ssl": {ssl},
                    "username": "addons", "password": "s3cret", "protocol": "3.1.1"}}}}"#
            )
        };
        for (port, ssl, url) in
            [("1883", false, "mqtt://core-mosquitto:1883"), ("\"8883\"", true, "mqtts://core-mosquitto:8883")]
        {
            let service = read(StatusCode::OK, answer(port, ssl).as_bytes()).expect("a service");
            assert_eq!(service.variables()[0], ("GLIMPSED_MQTT_URL", plain(url)));
            assert_eq!(service.variables()[1], ("GLIMPSED_MQTT_USERNAME", plain("addons")));
        }
        let refused = br#"{"result": "error", "message": "Service mqtt not enabled", "data": {}}"#;
        assert_eq!(read(StatusCode::BAD_REQUEST, refused).err().as_deref(), Some("Service mqtt not enabled"));
        assert_eq!(read(StatusCode::OK, b"<html>").err().as_deref(), Some("its Supervisor answers with 200 OK"));
    }

    #[test]
    fn a_broker_of_the_configuration_is_found_and_one_in_a_comment_is_none() {
        let directory = tempfile::tempdir().expect("a directory");
        let config = directory.path().join("glimpsed.toml");
        let names = |text: &str| {
            std::fs::write(&config, text).expect("writable");
            names_a_broker(&config)
        };
        assert!(names("[mqtt]\nurl = \"mqtt://192.0.2.20\"\n"));
        assert!(!names("[mqtt]\n#url = \"mqtt://192.0.2.20\"\n") && !names("no toml ["));
        std::fs::create_dir(directory.path().join("conf.d")).expect("made");
        std::fs::write(directory.path().join("conf.d/site.toml"), "mqtt.url = \"mqtt://192.0.2.20\"")
            .expect("writable");
        assert!(names(""), "one in conf.d is found too");
    }

    #[test]
    fn a_secret_is_in_a_file_for_the_daemon_alone_and_the_defaults_are_put_where_there_is_no_configuration() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().expect("a directory");
        let value = Value::Kept { file: "mqtt-password", secret: "s3cret".into() };
        let path = given(value, directory.path()).expect("written");
        assert_eq!(std::fs::read_to_string(&path).expect("there"), "s3cret\n");
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        let kept = |file| (directory.path().join(file).exists(), Value::Kept { file, secret: "s3cret".into() });
        forget(&vec![("GLIMPSED_MQTT_PASSWORD_FILE", kept(MQTT_PASSWORD).1)], directory.path()).expect("looked");
        assert!(kept(MQTT_PASSWORD).0, "it is asked for");
        forget(&Vec::new(), directory.path()).expect("removed");
        assert!(!kept(MQTT_PASSWORD).0, "a password that was taken out is gone");
        let config = directory.path().join("glimpsed.toml");
        configuration(&config).expect("made");
        assert!(config.is_file());
        std::fs::write(&config, "# mine\n").expect("writable");
        configuration(&config).expect("read");
        assert_eq!(std::fs::read_to_string(&config).expect("there"), "# mine\n");
    }
}
