//! What is asked of devices: a setting or a request, as each of them takes it.

use serde_json::{Value, json};

use super::device::Device;
use crate::domain::name::Name;
use crate::sinks::mqtt::inbound::{self, REQUESTS};
use crate::sinks::mqtt::{Key, Names, Topics};

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// A setting of each view, or of one.
    Set { key: Key, value: String, view: Option<String> },
    /// A request without a parameter.
    Request(&'static str),
}

/// Why nothing can be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOrder {
    #[error("there is no setting `{found}`; there is {known}")]
    NoSetting { found: String, known: String },
    #[error("`{key}` cannot be set: the value {cause}")]
    Value { key: &'static str, cause: inbound::Invalid },
    #[error("there is no request `{found}`; there is {known}")]
    NoRequest { found: String, known: String },
}

/// Requests that concern a device as a whole and are safe to ask of many.
const OF_A_FLEET: [&str; 4] = ["restart", "reload", "compare", "health"];

impl Order {
    /// A setting, with the value checked as a device would.
    ///
    /// # Errors
    /// When there is no such setting, or no device would take the value.
    pub fn set(key: &str, value: &str, view: Option<String>) -> Result<Self, InvalidOrder> {
        let known = || Key::ALL.map(Key::name).join(", ");
        let found = Key::ALL.into_iter().find(|known| known.name() == key);
        let key = found.ok_or_else(|| InvalidOrder::NoSetting { found: key.to_owned(), known: known() })?;
        let topics = Topics::new("glimpsed", "any", &Names::default());
        let topic = topics.views[0].set(key);
        match inbound::parse(&topics, None, &topic, value.as_bytes(), false, None) {
            Ok(_) => Ok(Self::Set { key, value: value.trim().to_owned(), view }),
            Err(cause) => Err(InvalidOrder::Value { key: key.name(), cause }),
        }
    }

    /// A request by its name.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn request(name: &str) -> Result<Self, InvalidOrder> {
        let found = REQUESTS.iter().find(|(known, _)| *known == name && OF_A_FLEET.contains(known));
        match found {
            Some((name, _)) => Ok(Self::Request(name)),
            None => Err(InvalidOrder::NoRequest { found: name.to_owned(), known: OF_A_FLEET.join(", ") }),
        }
    }

    /// In words, for the question.
    pub fn describe(&self) -> String {
        match self {
            Self::Set { key, value, view: None } => format!("set {} to `{value}`", key.name()),
            Self::Set { key, value, view: Some(view) } => format!("set {} of view `{view}` to `{value}`", key.name()),
            Self::Request(name) => format!("request {name}"),
        }
    }

    /// What this device is sent: nothing if it has no view of that name. `transaction` is returned with the answer.
    pub(super) fn letters(&self, base_topic: &str, device: &Device, transaction: &str) -> Vec<Letter> {
        let views: Vec<Name> = match device.view_names.as_slice() {
            [] => vec![Name::ONLY],
            names => names.iter().map(|name| Name::new(name)).collect(),
        };
        let topics = Topics::new(base_topic, &device.id, &Names { views, cameras: Vec::new() });
        match self {
            Self::Set { key, value, view } => {
                let meant =
                    topics.views.iter().filter(|of| view.as_deref().is_none_or(|view| of.view.as_str() == view));
                let letter = |of: &crate::sinks::mqtt::topics::ViewTopics| Letter {
                    topic: of.set(*key),
                    payload: value.clone(),
                    answered_on: of.setting(*key),
                    expects: Expects::Value(value.clone()),
                };
                meant.map(letter).collect()
            }
            Self::Request(name) => vec![Letter {
                topic: topics.request(name),
                payload: json!({ "transaction": transaction }).to_string(),
                answered_on: topics.response(name),
                expects: Expects::Response(transaction.to_owned()),
            }],
        }
    }
}

/// A message to a device, and where its answer comes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Letter {
    pub(super) topic: String,
    pub(super) payload: String,
    pub(super) answered_on: String,
    pub(super) expects: Expects,
}

/// What the answer is recognised by.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expects {
    /// The value of a setting, which is published whenever it is set.
    Value(String),
    /// This transaction.
    Response(String),
}

/// What a message on the topic of the answer means.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Meaning {
    /// It is no answer to this.
    Other,
    Done(Value),
    Refused(String),
    /// Another value holds. It may be that from before.
    Stays(String),
}

/// What an answer may have: a report of a comparison has some 30 KB.
const MAX_ANSWER: usize = 512 << 10;

impl Expects {
    pub(super) fn read(&self, payload: &[u8]) -> Meaning {
        match self {
            Self::Value(wanted) => match std::str::from_utf8(payload) {
                Ok(value) if same(value, wanted) => Meaning::Done(value.into()),
                Ok(value) => Meaning::Stays(super::payload::text(value)),
                Err(_) => Meaning::Other,
            },
            Self::Response(_) if payload.len() > MAX_ANSWER => Meaning::Other,
            Self::Response(transaction) => {
                let answer: Value = serde_json::from_slice(payload).unwrap_or_default();
                if answer["transaction"].as_str() != Some(transaction) {
                    return Meaning::Other;
                }
                match answer["status"].as_str() {
                    Some("ok") => Meaning::Done(answer["data"].clone()),
                    _ => Meaning::Refused(super::payload::text(
                        answer["error"].as_str().unwrap_or("it does not say why"),
                    )),
                }
            }
        }
    }
}

/// Whether two values of a setting are the same, as numbers where they are numbers: `0.40` and `0.4`.
fn same(one: &str, other: &str) -> bool {
    let number = |text: &str| text.parse::<f32>().ok();
    one == other || number(one).is_some_and(|one| number(other) == Some(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_no_device_takes_is_refused_before_anything_is_sent() {
        let error = |key: &str, value: &str| Order::set(key, value, None).expect_err("wrong").to_string();
        assert_eq!(error("threshold", "2"), "`threshold` cannot be set: the value is \"2\", not a number from 0 to 1");
        assert!(
            error("colour", "red")
                .contains("there is no setting `colour`; there is enabled, model, precision, threshold, accurate")
        );
        assert!(
            Order::request("snapshot")
                .expect_err("not of many")
                .to_string()
                .contains("there is restart, reload, compare, health")
        );
        assert_eq!(Order::set("threshold", " 0.4 ", None).expect("fine").describe(), "set threshold to `0.4`");
    }

    #[test]
    fn a_device_with_views_is_sent_a_letter_for_each_that_is_meant() {
        let mut device = Device::new("x");
        let topics = |order: &Order, device: &Device| -> Vec<(String, String)> {
            order
                .letters("glimpsed", device, "t")
                .into_iter()
                .map(|letter| (letter.topic, letter.answered_on))
                .collect()
        };
        let order = Order::set("enabled", "OFF", None).expect("fine");
        assert_eq!(topics(&order, &device), [("glimpsed/x/enabled/set".into(), "glimpsed/x/enabled/state".into())]);
        device.view_names = vec!["door".into(), "gate".into()];
        assert_eq!(topics(&order, &device).len(), 2);
        let order = Order::set("enabled", "OFF", Some("gate".into())).expect("fine");
        assert_eq!(
            topics(&order, &device),
            [("glimpsed/x/view/gate/enabled/set".into(), "glimpsed/x/view/gate/enabled/state".into())]
        );
        let order = Order::set("enabled", "OFF", Some("none".into())).expect("fine");
        assert_eq!(topics(&order, &device), []);
        let request = Order::request("reload").expect("fine");
        assert_eq!(
            topics(&request, &device),
            [("glimpsed/x/request/reload".into(), "glimpsed/x/response/reload".into())]
        );
    }

    #[test]
    fn an_answer_is_recognised_by_its_transaction_and_a_setting_by_its_value() {
        let response = Expects::Response("t1".into());
        assert_eq!(response.read(br#"{"status": "ok", "data": 5, "transaction": "t1"}"#), Meaning::Done(5.into()));
        assert_eq!(
            response.read(br#"{"status": "error", "error": "no\u001b", "transaction": "t1"}"#),
            Meaning::Refused("no\\u{1b}".into())
        );
        for other in
            [&br#"{"status": "ok", "transaction": "t2"}"#[..], b"nonsense", b"", b"[[[", &vec![b' '; MAX_ANSWER + 1]]
        {
            assert_eq!(response.read(other), Meaning::Other);
        }
        let value = Expects::Value("0.40".into());
        assert_eq!(value.read(b"0.4"), Meaning::Done("0.4".into()));
        assert_eq!((value.read(b"0.5"), value.read(&[0xff])), (Meaning::Stays("0.5".into()), Meaning::Other));
    }
}
