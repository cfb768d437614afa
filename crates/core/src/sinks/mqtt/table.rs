//! The table of all topics: what the daemon publishes, subscribes to and wills. The daemon, `mqtt test`, `mqtt clean` and the
//! access list of docs/mqtt.md are made of it.

use std::collections::BTreeSet;

use glimpsed_mqtt::{Delivery, Message};
use serde::{Deserialize, Serialize};

use super::inbound::REQUESTS;
use super::topics::{Key, Names, Topics};
use crate::domain::name::Name;

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub topic: String,
    /// How the device publishes on it; `None` if it does not.
    pub writes: Option<Writes>,
    /// Whether the device subscribes to it.
    pub reads: bool,
}

/// How a topic is published on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// QoS 1, retained.
    Retained,
    /// QoS 1.
    Event,
    /// QoS 1, to one who asked.
    Answer,
    /// QoS 0.
    Live,
}

/// The topics of a device with this discovery prefix, if it has one.
pub fn table(topics: &Topics, device_id: &str, discovery_prefix: Option<&str>) -> Vec<Row> {
    let row = |topic: &str, writes, reads| Row { topic: topic.to_owned(), writes, reads };
    let written = |topic: &str, writes| row(topic, Some(writes), false);
    let mut rows = vec![
        // Also heard, to notice another device of the same id.
        row(&topics.status, Some(Writes::Retained), true),
        row(&topics.info, Some(Writes::Retained), true),
        written(&topics.health, Writes::Retained),
    ];
    for camera in &topics.cameras {
        rows.extend([written(&camera.status, Writes::Retained), written(&camera.image, Writes::Live)]);
    }
    for view in &topics.views {
        rows.push(written(&view.state, Writes::Retained));
        // Also heard, to go on where an earlier run was.
        rows.push(row(&view.day, Some(Writes::Retained), true));
        rows.extend(Key::ALL.map(|key| written(&view.setting(key), Writes::Retained)));
        rows.push(written(&view.event, Writes::Event));
        rows.extend([&view.classification, &view.accurate].map(|topic| written(topic, Writes::Live)));
        rows.extend(Key::ALL.map(|key| row(&view.set(key), None, true)));
        rows.extend([&view.taught, &view.unsure].map(|topic| written(topic, Writes::Retained)));
        rows.push(written(&view.setting(Key::TeachLabel), Writes::Retained));
        rows.extend([&view.set(Key::TeachLabel), &view.teach_add].map(|topic| row(topic, None, true)));
    }
    rows.extend(REQUESTS.iter().map(|(name, _)| written(&topics.response(name), Writes::Answer)));
    rows.extend(REQUESTS.iter().map(|(name, _)| row(&topics.request(name), None, true)));
    if let Some(prefix) = discovery_prefix {
        rows.push(written(&Topics::discovery(prefix, device_id), Writes::Retained));
        rows.extend(Topics::births(prefix).iter().map(|birth| row(birth, None, true)));
    }
    rows
}

/// Where a device publishes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) broker: String,
    pub(super) base_topic: String,
    pub(super) device_id: String,
    pub(super) discovery_prefix: Option<String>,
    /// The views and cameras with names; none of a device that has one of each, without a name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) views: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) cameras: Vec<String>,
}

impl Place {
    pub(super) fn topics(&self) -> Topics {
        Topics::new(&self.base_topic, &self.device_id, &self.names())
    }

    /// The views and cameras that it has there.
    pub(super) fn names(&self) -> Names {
        let names = |given: &[String]| match given {
            [] => vec![Name::ONLY],
            given => given.iter().map(|name| Name::new(name)).collect(),
        };
        Names { views: names(&self.views), cameras: names(&self.cameras) }
    }

    /// What is retained there.
    pub(super) fn retained(&self) -> BTreeSet<String> {
        let rows = table(&self.topics(), &self.device_id, self.discovery_prefix.as_deref());
        retained(&rows).map(str::to_owned).collect()
    }
}

/// What is subscribed to.
pub fn subscriptions(table: &[Row]) -> Vec<String> {
    table.iter().filter(|row| row.reads).map(|row| row.topic.clone()).collect()
}

/// What is retained.
pub fn retained(table: &[Row]) -> impl Iterator<Item = &str> {
    table.iter().filter(|row| row.writes == Some(Writes::Retained)).map(|row| row.topic.as_str())
}

/// The last will, and with `online` its opposite.
pub fn status(topics: &Topics, payload: &str) -> Message {
    Message::new(topics.status.clone(), payload, Delivery::Latest, true)
}

/// The lines of mosquitto's access list for a device whose user has its id. The device may read all of its own topics, which only
/// `mqtt test` and `mqtt clean` do.
pub fn access_list(table: &[Row], topics: &Topics, user: &str) -> String {
    let outside = table.iter().filter(|row| topics.below(&row.topic).is_none());
    let mut lines = vec![format!("user {user}"), format!("topic readwrite {}", topics.everything())];
    lines.extend(outside.map(|row| match row.writes {
        // It is read back to see whether it was removed.
        Some(_) => format!("topic readwrite {}", row.topic),
        None => format!("topic read {}", row.topic),
    }));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::mqtt::inbound::{Inbound, parse};

    fn shelf(prefix: Option<&str>) -> (Topics, Vec<Row>) {
        let topics = Topics::new("glimpsed", "shelf", &Names::default());
        let rows = table(&topics, "shelf", prefix);
        (topics, rows)
    }

    #[test]
    fn everything_that_is_subscribed_to_is_understood() {
        let (topics, rows) = shelf(Some("ha"));
        let day = r#"{"date": "2026-11-29", "labels": []}"#;
        for topic in subscriptions(&rows) {
            let payload = if topic.ends_with("threshold/set") {
                "0.5"
            } else if topic.ends_with("teach/add") {
                r#"{"label": "open"}"#
            } else if topic.ends_with("precision/set") {
                "int8"
            } else if topic.ends_with("/status") {
                "online"
            } else if topic.ends_with("/info") {
                "{}"
            } else if topic.ends_with("/day") {
                day
            } else {
                "on"
            };
            let payload = if topic == topics.status { "offline" } else { payload };
            let parsed = parse(&topics, Some("ha"), &topic, payload.as_bytes(), payload == day, None);
            assert!(matches!(parsed, Ok(Some(_))), "{topic}: {parsed:?}");
        }
    }

    #[test]
    fn the_access_list_of_the_documentation_is_that_of_the_table() {
        let (topics, rows) = shelf(Some("homeassistant"));
        let list = access_list(&rows, &topics, "shelf");
        let page =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/mqtt.md")).expect("the page");
        assert!(page.contains(&format!("```text\n{list}\n\nuser homeassistant\n")), "docs/mqtt.md lacks\n{list}");
        let pattern = list.replace("user shelf\n", "").replace("topic ", "pattern ").replace("shelf", "%u");
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operate-many.md"))
            .expect("the page");
        assert!(
            page.contains(&format!("```text\n{pattern}\n\nuser homeassistant\n")),
            "docs/operate-many.md lacks\n{pattern}"
        );
    }

    /// The cells of the rows of docs/mqtt-topics.md below a heading, with the topics of `shelf`.
    fn rows_of_the_page(heading: &str) -> Vec<Vec<String>> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/mqtt-topics.md");
        let page = std::fs::read_to_string(path).expect("the page");
        let section = page.split("\n## ").find_map(|section| section.strip_prefix(heading)).expect("the heading");
        let rows = section.lines().filter(|line| line.starts_with("| `"));
        let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        rows.map(|row| cells(&row.replace("`B/", "`glimpsed/shelf/"))).collect()
    }

    fn topics_of(rows: &[Vec<String>]) -> BTreeSet<String> {
        rows.iter().map(|row| row[0].trim_matches('`').to_owned()).collect()
    }

    #[test]
    fn the_page_has_each_topic_that_is_published_with_its_qos_and_whether_it_is_retained() {
        let (_, table) = shelf(Some("homeassistant"));
        let published = table.iter().filter_map(|row| {
            let (qos, retained) = match row.writes? {
                Writes::Retained => ("1", "yes"),
                Writes::Event | Writes::Answer => ("1", "no"),
                Writes::Live => ("0", "no"),
            };
            Some([format!("`{}`", row.topic), qos.to_owned(), retained.to_owned()])
        });
        let page = rows_of_the_page("What the device publishes");
        let told: Vec<&[String]> = page.iter().map(|row| &row[..3]).collect();
        let published: Vec<[String; 3]> = published.collect();
        for row in &published {
            assert!(told.contains(&row.as_slice()), "docs/mqtt-topics.md lacks {row:?}");
        }
        assert_eq!(told.len(), published.len(), "docs/mqtt-topics.md has more");
    }

    #[test]
    fn the_page_has_each_topic_that_is_subscribed_to_and_each_of_its_commands_is_understood() {
        let (topics, table) = shelf(Some("homeassistant"));
        let obeyed = rows_of_the_page("What the device obeys");
        let heard = rows_of_the_page("What it also hears");
        let told: BTreeSet<String> = topics_of(&obeyed).union(&topics_of(&heard)).cloned().collect();
        assert_eq!(told, subscriptions(&table).into_iter().collect());
        for row in &obeyed {
            let line = row[2].trim_matches('`');
            let (topic, payload) =
                line.strip_prefix("mosquitto_pub -q 1 -t ").and_then(|rest| rest.split_once(' ')).expect(line);
            assert_eq!(topic, row[0].trim_matches('`'), "{line}");
            let payload = payload.strip_prefix("-m ").map_or("", |payload| payload.trim_matches('\''));
            let parsed = parse(&topics, Some("homeassistant"), topic, payload.as_bytes(), false, None);
            let is_understood = match &parsed {
                Ok(Some(Inbound::Set(..))) => true,
                Ok(Some(Inbound::Request(call))) => call.command.is_ok(),
                _ => false,
            };
            assert!(is_understood, "{line}: {parsed:?}");
        }
    }

    #[test]
    fn no_topic_is_there_twice() {
        let (_, rows) = shelf(Some("homeassistant"));
        let mut topics: Vec<&String> = rows.iter().map(|row| &row.topic).collect();
        let all = topics.len();
        topics.sort();
        topics.dedup();
        assert_eq!(topics.len(), all);
    }
}
