//! Parses messages on the subscribed topics into commands. The content is untrusted.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::topics::{HOME_ASSISTANT, Key, Topics};
use crate::bus::commands::{Command, CommandError, ViewCommand};
use crate::domain::day::Day;
use crate::domain::name::Name;
use crate::domain::settings::PrecisionChoice;
use crate::payload::day_from_json;
use glimpsed_base::budget;
use glimpsed_mqtt::Reply;

/// As it was in the request, it goes into the answer.
const MAX_CORRELATION_BYTES: usize = 256;

/// A response topic is short.
const MAX_TOPIC_BYTES: usize = 256;

/// A transaction id is a counter or a UUID of the requester.
const MAX_TRANSACTION_BYTES: usize = 256;

/// Why a message is not acted upon. The text continues "the message" in the log; that of a request is also its answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    #[error("is retained, and a command that is repeated for ever is not acted upon; publish it without")]
    Retained,
    #[error("has {bytes} bytes; a command has at most {}", budget::MQTT_COMMAND)]
    TooLong { bytes: usize },
    #[error("is not UTF-8")]
    NotUtf8,
    #[error("is {found:?}, not {wanted}")]
    Value { found: String, wanted: &'static str },
    #[error("the request is wrong: {0}")]
    Request(String),
    #[error("the transaction id has more than {MAX_TRANSACTION_BYTES} bytes")]
    Transaction,
    #[error("there is no view `{0}`")]
    NoView(String),
    #[error("the response topic may not be answered on; take one of your own")]
    ResponseTopic,
}

impl Invalid {
    fn value(found: &str, wanted: &'static str) -> Self {
        Self::Value { found: found.to_owned(), wanted }
    }
}

impl From<Invalid> for CommandError {
    fn from(invalid: Invalid) -> Self {
        Self::Refused(invalid.to_string())
    }
}

/// A parsed message.
#[derive(Debug, PartialEq)]
pub enum Inbound {
    /// A value for a setting of a view; only the newest of each counts.
    Set((Name, Key), ViewCommand),
    Request(Call),
    /// Home Assistant has started and has no state of the device yet.
    HomeAssistantStarted,
    /// Somebody, perhaps this daemon itself, says other than `online` of this device.
    Offline,
    /// Somebody, perhaps this daemon itself, says what this device is; `None` if it was not said in JSON, or removed.
    Info(Option<Identity>),
    /// A process, perhaps this one, has said what a view has shown on a day.
    Day {
        view: Name,
        day: Day,
        instance: String,
    },
}

/// Who published an `info`; untrusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The daemon's process; empty where it does not say.
    pub instance: String,
    /// Its name and board, for people.
    pub says: String,
}

/// A request, and what its answer needs.
#[derive(Debug, PartialEq)]
pub struct Call {
    pub name: &'static str,
    /// The command, or why the request is invalid, which is then the answer.
    pub command: Result<Command, Invalid>,
    /// Returned with the answer unchanged.
    pub transaction: Option<Value>,
    /// Where the answer goes besides its usual topic, as MQTT 5 has it; checked.
    pub response_topic: Option<String>,
    /// Returned with the answer unchanged (MQTT 5's Correlation Data).
    pub correlation: Option<Vec<u8>>,
}

/// The names of the requests.
pub static REQUESTS: LazyLock<Vec<(&'static str, Command)>> = LazyLock::new(|| {
    vec![
        ("restart", Command::Restart),
        ("reload", Command::Reload),
        ("snapshot", Command::View(Name::ONLY, ViewCommand::Snapshot)),
        ("accurate", Command::View(Name::ONLY, ViewCommand::SecondOpinion)),
        ("compare", Command::Compare),
        ("health", Command::Health),
        ("teach", Command::View(Name::ONLY, ViewCommand::Learn)),
    ]
});

/// `None` for a message without a command.
///
/// # Errors
/// Why it is invalid, for the log.
pub fn parse(
    topics: &Topics,
    discovery_prefix: Option<&str>,
    topic: &str,
    payload: &[u8],
    retained: bool,
    reply: Option<&Reply>,
) -> Result<Option<Inbound>, Invalid> {
    if discovery_prefix.is_some_and(|prefix| Topics::births(prefix).iter().any(|birth| topic == birth)) {
        // A retained birth message is older than this connection, after which everything is sent anyway.
        return Ok((payload == b"online" && !retained).then_some(Inbound::HomeAssistantStarted));
    }
    // What is retained may be this device's own, from before.
    if topic == topics.status {
        // An empty one is `mqtt test`'s, or the removal of the retained one.
        return Ok((payload != b"online" && !retained).then_some(Inbound::Offline));
    }
    if topic == topics.info {
        return Ok((!retained).then(|| Inbound::Info(identity(payload))));
    }
    if let Some(view) = topics.views.iter().find(|view| topic == view.day) {
        // What comes later is this daemon's own.
        let earlier = day_from_json(payload).filter(|_| retained);
        return Ok(earlier.map(|(day, instance)| Inbound::Day { view: view.view.clone(), day, instance }));
    }
    let Some(below) = topics.below(topic) else { return Ok(None) };
    if retained {
        return Err(Invalid::Retained);
    }
    // It is a word, a number, or a small object.
    if payload.len() > budget::MQTT_COMMAND {
        return Err(Invalid::TooLong { bytes: payload.len() });
    }
    let text = std::str::from_utf8(payload).map_err(|_| Invalid::NotUtf8)?.trim();
    for view in &topics.views {
        if topic == view.teach_add {
            return Ok(Some(Inbound::Request(added(topics, discovery_prefix, &view.view, text, reply))));
        }
        if let Some(key) = Key::ALL.into_iter().chain([Key::TeachLabel]).find(|key| topic == view.set(*key)) {
            return set(key, text).map(|command| Some(Inbound::Set((view.view.clone(), key), command)));
        }
    }
    let Some((name, command)) = REQUESTS.iter().find(|(name, _)| below.strip_prefix("request/") == Some(name)) else {
        return Ok(None);
    };
    let Request { transaction, member, wrong } = request(text, "view");
    let view = member.map(|view| Name::new(&view));
    let wrong = wrong.or_else(|| {
        let known = view.as_ref().is_none_or(|view| topics.view(view).is_some());
        (!known).then(|| Invalid::NoView(view.as_ref().map_or("", Name::as_str).to_owned()))
    });
    let command = match (wrong, command, view) {
        (Some(cause), ..) => Err(cause),
        (None, Command::View(_, command), Some(view)) => Ok(Command::View(view, command.clone())),
        (None, command, _) => Ok(command.clone()),
    };
    Ok(Some(Inbound::Request(call(topics, discovery_prefix, (name, command, transaction), reply))))
}

/// A call with what its answer needs; one whose answer may not go where the requester wants it is invalid.
fn call(
    topics: &Topics,
    discovery_prefix: Option<&str>,
    (name, command, transaction): (&'static str, Result<Command, Invalid>, Option<Value>),
    reply: Option<&Reply>,
) -> Call {
    let (response_topic, command) =
        match reply.map_or(Ok(None), |reply| response_topic(topics, discovery_prefix, reply)) {
            Ok(topic) => (topic, command),
            Err(cause) => (None, command.and(Err(cause))),
        };
    let correlation =
        reply.and_then(|reply| reply.correlation.clone()).filter(|data| data.len() <= MAX_CORRELATION_BYTES);
    Call { name, command, transaction, response_topic, correlation }
}

/// The request to keep the view's next frame under a label, which a button of Home Assistant does not say. It is answered as `teach` is.
fn added(topics: &Topics, discovery_prefix: Option<&str>, view: &Name, text: &str, reply: Option<&Reply>) -> Call {
    let Request { transaction, member, wrong } = request(text, "label");
    let is_word = !text.is_empty() && text != "PRESS" && !text.starts_with('{');
    let wrong = wrong.or_else(|| is_word.then(|| Invalid::Request(r#"expected {"label": "..."}"#.into())));
    let teach = Command::View(view.clone(), ViewCommand::Teach(member));
    call(topics, discovery_prefix, ("teach", wrong.map_or(Ok(teach), Err), transaction), reply)
}

/// The requester's response topic. It is published on with this device's rights, so it must be nobody's but a requester's.
fn response_topic(topics: &Topics, discovery_prefix: Option<&str>, reply: &Reply) -> Result<Option<String>, Invalid> {
    let Some(topic) = &reply.topic else { return Ok(None) };
    let discovery = |prefix: &str| topic.strip_prefix(prefix).is_some_and(|below| below.starts_with('/'));
    let below = |base: &str| topic.strip_prefix(base).and_then(|below| below.strip_prefix('/'));
    let ours = topics.below(topic).is_some_and(|below| below.starts_with("response/"));
    // Another device would take an answer there for a request.
    let taken = (below(topics.base_topic()).is_some() && !ours)
        || discovery_prefix.into_iter().chain([HOME_ASSISTANT]).any(discovery);
    if topic.is_empty()
        || topic.len() > MAX_TOPIC_BYTES
        || topic.starts_with('$')
        || topic.contains(['+', '#', '\0'])
        || taken
    {
        return Err(Invalid::ResponseTopic);
    }
    Ok(Some(topic.clone()))
}

fn identity(payload: &[u8]) -> Option<Identity> {
    let info: Value = serde_json::from_slice(payload).ok()?;
    let text = |key: &str| -> String {
        info[key].as_str().unwrap_or_default().chars().filter(|c| !c.is_control()).take(64).collect()
    };
    let says = match [text("name"), text("board"), text("version")] {
        [name, board, version] if [&name, &board, &version].iter().any(|text| text.is_empty()) => {
            "a program that does not say what it is".to_owned()
        }
        [name, board, version] => format!("`{name}` on {board}, glimpsed {version}"),
    };
    info.is_object().then(|| Identity { instance: text("instance"), says })
}

fn on_or_off(text: &str) -> Result<bool, Invalid> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "true" | "1" => Ok(true),
        "off" | "false" | "0" => Ok(false),
        _ => Err(Invalid::value(text, "ON or OFF")),
    }
}

fn set(key: Key, text: &str) -> Result<ViewCommand, Invalid> {
    match key {
        Key::Enabled => on_or_off(text).map(ViewCommand::Enable),
        Key::Accurate => on_or_off(text).map(ViewCommand::Accurate),
        Key::TeachLabel => Ok(ViewCommand::TeachLabel(text.to_owned())),
        Key::Model if text.is_empty() => Err(Invalid::value(text, "the name of a model")),
        Key::Model => Ok(ViewCommand::Model(text.to_owned())),
        Key::Precision => match PrecisionChoice::ALL.into_iter().find(|choice| choice.name() == text) {
            Some(choice) => Ok(ViewCommand::Precision(choice)),
            None => Err(Invalid::value(text, "auto, fp32 or int8")),
        },
        Key::Threshold => match text.parse::<f32>() {
            Ok(threshold) if (0.0..=1.0).contains(&threshold) => Ok(ViewCommand::Threshold(threshold)),
            _ => Err(Invalid::value(text, "a number from 0 to 1")),
        },
    }
}

/// What a request says.
#[derive(Default)]
struct Request {
    transaction: Option<Value>,
    /// The text of its other member.
    member: Option<String>,
    /// Why it is invalid.
    wrong: Option<Invalid>,
}

/// A request with a member of this name, or without. A button of Home Assistant sends a word, which is ignored.
fn request(text: &str, name: &str) -> Request {
    if !text.starts_with('{') {
        return Request::default();
    }
    let wrong = |cause| Request { wrong: Some(cause), ..Request::default() };
    let mut members: Map<String, Value> = match serde_json::from_str(text) {
        Ok(members) => members,
        Err(error) => return wrong(Invalid::Request(error.to_string())),
    };
    let transaction = members.remove("transaction");
    if transaction.as_ref().is_some_and(|id| id.to_string().len() > MAX_TRANSACTION_BYTES) {
        return wrong(Invalid::Transaction);
    }
    let (member, wrong) = match members.remove(name) {
        None => (None, None),
        Some(Value::String(text)) => (Some(text), None),
        Some(_) => (None, Some(Invalid::Request(format!("`{name}` must be a text")))),
    };
    let unknown = members.keys().next();
    let unknown = unknown.map(|key| format!("unknown member `{key}`, expected `transaction` or `{name}`"));
    let unknown = unknown.map(Invalid::Request);
    Request { transaction, member, wrong: wrong.or(unknown) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn topics() -> Topics {
        Topics::new("home/glimpsed", "shelf", &Default::default())
    }

    fn ask(topic: &str, payload: &str) -> Result<Option<Inbound>, Invalid> {
        parse(&topics(), Some("homeassistant"), topic, payload.as_bytes(), false, None)
    }

    #[test]
    fn settings_are_understood_as_people_and_programs_write_them() {
        let set = |key: &str, payload: &str| match ask(&format!("home/glimpsed/shelf/{key}/set"), payload) {
            Ok(Some(Inbound::Set(_, command))) => Ok(command),
            Err(cause) => Err(cause),
            other => panic!("{other:?}"),
        };
        for (payload, expected) in [("ON", true), ("off", false), ("true", true), (" 0\n", false)] {
            assert_eq!(set("enabled", payload), Ok(ViewCommand::Enable(expected)), "{payload}");
        }
        assert_eq!(set("model", "mobilenet-v2"), Ok(ViewCommand::Model("mobilenet-v2".into())));
        assert_eq!(set("precision", "auto"), Ok(ViewCommand::Precision(PrecisionChoice::Auto)));
        assert_eq!(set("threshold", "0.35"), Ok(ViewCommand::Threshold(0.35)));
        for (key, wrong) in [
            ("enabled", "maybe"),
            ("model", ""),
            ("precision", "int4"),
            ("threshold", "1.5"),
            ("threshold", "NaN"),
            ("threshold", "-0.1"),
        ] {
            assert!(set(key, wrong).is_err(), "{key} {wrong}");
        }
    }

    #[test]
    fn a_request_gives_its_transaction_back_even_with_an_error() {
        let Ok(Some(Inbound::Request(call))) = ask("home/glimpsed/shelf/request/health", r#"{"transaction": 7}"#)
        else {
            panic!("a request");
        };
        assert_eq!((call.name, call.command), ("health", Ok(Command::Health)));
        assert_eq!(call.transaction, Some(json!(7)));
        let wrong = ask("home/glimpsed/shelf/request/health", r#"{"transaction": 7, "now": true}"#);
        let Ok(Some(Inbound::Request(call))) = wrong else { panic!("a request") };
        assert!(
            call.command.is_err_and(|cause| cause.to_string().contains("`now`")) && call.transaction == Some(json!(7))
        );
    }

    #[test]
    fn a_picture_is_taught_under_the_label_that_is_said_or_under_the_chosen_one() {
        let ask = |payload: &str| match ask("home/glimpsed/shelf/teach/add", payload) {
            Ok(Some(Inbound::Request(call))) => (call.name, call.command, call.transaction),
            other => panic!("{other:?}"),
        };
        let teach = |label: Option<&str>| Ok(Command::View(Name::ONLY, ViewCommand::Teach(label.map(str::to_owned))));
        assert_eq!(ask(r#"{"label": "open"}"#), ("teach", teach(Some("open")), None));
        assert_eq!(ask(r#"{"label": "open", "transaction": 3}"#), ("teach", teach(Some("open")), Some(json!(3))));
        for pressed in ["", "PRESS", "{}"] {
            assert_eq!(ask(pressed).1, teach(None), "{pressed}");
        }
        for wrong in ["open", r#"{"label": 3}"#, r#"{"labels": "open"}"#, r#"["open"]"#, r#"{"label""#] {
            assert!(ask(wrong).1.is_err(), "{wrong}");
        }
        let chosen = super::parse(&topics(), None, "home/glimpsed/shelf/teach/label/set", b"open", false, None);
        let expected = ((Name::ONLY, Key::TeachLabel), ViewCommand::TeachLabel("open".into()));
        assert_eq!(chosen, Ok(Some(Inbound::Set(expected.0, expected.1))));
    }

    #[test]
    fn a_button_that_sends_a_word_is_a_request() {
        for payload in ["", "PRESS", "{}"] {
            let parsed = ask("home/glimpsed/shelf/request/restart", payload);
            let Ok(Some(Inbound::Request(call))) = parsed else { panic!("{payload}: {parsed:?}") };
            assert_eq!(call.command, Ok(Command::Restart));
        }
    }

    #[test]
    fn a_request_that_is_no_json_is_answered_with_what_is_wrong() {
        for payload in ["{", r#"{"unknown": 1}"#, &format!(r#"{{"transaction": {:?}}}"#, "x".repeat(300))] {
            let Ok(Some(Inbound::Request(call))) = ask("home/glimpsed/shelf/request/reload", payload) else {
                panic!("{payload}")
            };
            assert!(call.command.is_err(), "{payload}");
        }
    }

    #[test]
    fn a_retained_command_is_refused_and_a_retained_birth_is_nothing_new() {
        let retained = |topic| parse(&topics(), Some("homeassistant"), topic, b"online", true, None);
        assert!(retained("home/glimpsed/shelf/model/set").is_err());
        assert!(retained("home/glimpsed/shelf/request/restart").is_err());
        assert_eq!(retained("homeassistant/status"), Ok(None));
        assert_eq!(ask("homeassistant/status", "online"), Ok(Some(Inbound::HomeAssistantStarted)));
        assert_eq!(ask("homeassistant/status", "offline"), Ok(None));
    }

    #[test]
    fn an_answer_goes_where_the_requester_wants_it_but_never_where_it_would_be_taken_for_something_else() {
        let ask = |topic: &str| {
            let reply = Reply { topic: Some(topic.into()), correlation: Some(vec![1, 2]) };
            match parse(&topics(), Some("ha"), "home/glimpsed/shelf/request/health", b"", false, Some(&reply)) {
                Ok(Some(Inbound::Request(call))) => (call.command.is_ok(), call.response_topic, call.correlation),
                other => panic!("{other:?}"),
            }
        };
        for topic in ["me/answers", "home/glimpsed/shelf/response/mine", "home/glimpsedish"] {
            assert_eq!(ask(topic), (true, Some(topic.to_owned()), Some(vec![1, 2])));
        }
        let long = "a".repeat(257);
        for topic in [
            "",
            "a/+",
            "#",
            "$SYS/x",
            &long,
            "home/glimpsed/shelf/status",
            "home/glimpsed/shelf/request/restart",
            "home/glimpsed/other/request/restart",
            "ha/device/shelf/config",
            "homeassistant/status",
        ] {
            assert_eq!(ask(topic), (false, None, Some(vec![1, 2])), "{topic}");
        }
    }

    #[test]
    fn what_is_said_of_this_device_is_heard_unless_it_is_retained() {
        assert_eq!(ask("home/glimpsed/shelf/status", "offline"), Ok(Some(Inbound::Offline)));
        assert_eq!(ask("home/glimpsed/shelf/status", "online"), Ok(None));
        let info = r#"{"instance": "abc", "name": "Shelf", "board": "Pi", "version": "1"}"#;
        let identity = Identity { instance: "abc".into(), says: "`Shelf` on Pi, glimpsed 1".into() };
        assert_eq!(ask("home/glimpsed/shelf/info", info), Ok(Some(Inbound::Info(Some(identity)))));
        let heard = ask("home/glimpsed/shelf/info", r#"{"instance": "abc"}"#);
        assert!(matches!(heard, Ok(Some(Inbound::Info(Some(Identity { says, .. })))) if says.contains("does not say")));
        for nonsense in ["nonsense", "", "[1]"] {
            assert_eq!(ask("home/glimpsed/shelf/info", nonsense), Ok(Some(Inbound::Info(None))));
        }
        let retained = |topic, payload: &[u8]| parse(&topics(), None, topic, payload, true, None);
        assert_eq!(retained("home/glimpsed/shelf/status", b"offline"), Ok(None));
        assert_eq!(retained("home/glimpsed/shelf/info", info.as_bytes()), Ok(None));
        let day = br#"{"date": "2026-11-29", "labels": [], "instance": "abc"}"#;
        let heard = retained("home/glimpsed/shelf/day", day);
        assert!(matches!(heard, Ok(Some(Inbound::Day { instance, .. })) if instance == "abc"));
        assert_eq!(parse(&topics(), None, "home/glimpsed/shelf/day", day, false, None), Ok(None), "this run's own");
        assert_eq!(retained("home/glimpsed/shelf/day", b"nonsense"), Ok(None));
    }

    proptest! {
        #[test]
        fn nothing_that_is_sent_makes_it_panic(
            key in "(enabled|model|threshold|request/(restart|health|x)|)(/set)?", payload in proptest::collection::vec(any::<u8>(), 0..80),
            retained in any::<bool>(),
        ) {
            let _ = parse(&topics(), None, &format!("home/glimpsed/shelf/{key}"), &payload, retained, None);
        }

        #[test]
        fn what_is_accepted_as_a_threshold_is_one(text in "[-+0-9.eEinfaN]{0,8}") {
            if let Ok(ViewCommand::Threshold(threshold)) = set(Key::Threshold, &text) {
                prop_assert!((0.0..=1.0).contains(&threshold));
            }
        }
    }
}
