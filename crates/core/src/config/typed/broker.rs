//! The broker's tables.

use std::path::PathBuf;

use super::super::diagnostics::Absent;
use super::super::identity::{default_client_id, topic_problem};
use super::super::interval::Interval;
use super::super::raw::MqttVersion;
use super::checker::{At, Checker};
use super::configuration::Mqtt;
use glimpsed_base::files::resolve;
use glimpsed_mqtt::tls::{Files, Problem as TlsProblem, Tls, is_server_name};
use glimpsed_mqtt::{BrokerUrl, InvalidUrl, Options, Version};

impl Checker<'_, '_> {
    pub(super) fn mqtt(&mut self, device_id: &str) -> Option<Mqtt> {
        let mqtt = &self.raw.mqtt;
        if let Some(problem) = topic_problem(&mqtt.base_topic) {
            self.complain(
                &["mqtt", "base_topic"],
                problem,
                format!("found `{}`", mqtt.base_topic),
                Some("for example glimpsed or home/glimpsed".into()),
            );
        }
        self.interval_within(&["mqtt", "keepalive"], mqtt.keepalive, Interval::from_secs(5), Interval::from_secs(3600));
        self.interval_within(
            &["mqtt", "heartbeat"],
            mqtt.heartbeat,
            Interval::from_secs(1),
            Interval::from_secs(86_400),
        );
        self.within(&["mqtt", "buffer"], mqtt.buffer, 1, 100_000);
        let client_id = mqtt.client_id.clone().unwrap_or_else(|| default_client_id(device_id));
        if client_id.is_empty() || client_id.len() > 128 || client_id.contains(char::is_control) {
            self.complain(&["mqtt", "client_id"], "must have 1 to 128 bytes", format!("found `{client_id}`"), None);
        }
        self.not_longer(&["mqtt", "username"], mqtt.username.as_deref().unwrap_or_default(), 256);
        self.printable(&["mqtt", "username"], mqtt.username.as_deref().unwrap_or_default());
        let password = self.password(
            Absent::Broker,
            &At::table(&["mqtt"]),
            mqtt.password_file.as_deref(),
            mqtt.username.as_deref(),
        );
        let url = mqtt.url.as_ref()?;
        match url.parse::<BrokerUrl>() {
            Ok(broker) => Some(Mqtt {
                connection: Options {
                    tls: self.tls(broker.tls),
                    broker,
                    version: match mqtt.version {
                        MqttVersion::Auto => None,
                        MqttVersion::V5 => Some(Version::V5),
                        MqttVersion::V311 => Some(Version::V311),
                    },
                    client_id,
                    username: mqtt.username.clone(),
                    password,
                    keepalive: mqtt.keepalive.0,
                    software: concat!("glimpsed ", env!("CARGO_PKG_VERSION")).to_owned(),
                },
                base_topic: mqtt.base_topic.clone(),
                buffer: mqtt.buffer as usize,
                classification_interval: mqtt.classification_interval.0,
                heartbeat: mqtt.heartbeat.0,
            }),
            Err(InvalidUrl { cause, hint }) => {
                self.complain(&["mqtt", "url"], "is not the address of a broker", cause, Some(hint));
                None
            }
        }
    }

    /// Reads the TLS files, if TLS is used.
    fn tls(&mut self, wanted: bool) -> Option<Tls> {
        let tls = &self.raw.mqtt.tls;
        if !wanted {
            let set = [("ca", tls.ca.is_some()), ("cert", tls.cert.is_some()), ("key", tls.key.is_some())];
            let set = set.into_iter().chain([("server_name", tls.server_name.is_some())]).find(|(_, set)| *set);
            if let Some((key, _)) = set {
                let hint = "write `url` with mqtts:// to use TLS, or remove [mqtt.tls]".to_owned();
                self.complain(&["mqtt", "tls", key], "has no effect", "`mqtt.url` is without TLS", Some(hint));
            }
            return None;
        }
        if let Some(name) = &tls.server_name
            && !is_server_name(name)
        {
            let found = format!("found `{name}`");
            self.complain(&["mqtt", "tls", "server_name"], "must be a host name or an address", found, None);
        }
        let path = |file: &Option<PathBuf>| file.as_ref().map(|file| resolve(self.base, file));
        let (ca, cert, key) = (path(&tls.ca), path(&tls.cert), path(&tls.key));
        let files = Files { ca: ca.as_deref(), cert: cert.as_deref(), key: key.as_deref() };
        match Tls::load(&files, tls.server_name.clone()) {
            Ok(tls) => Some(tls),
            Err(TlsProblem { key, cause, hint }) => {
                self.absent(Absent::Broker, &["mqtt", "tls", key], "cannot be used", cause, hint);
                None
            }
        }
    }
}
