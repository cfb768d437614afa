//! The health figures as JSON.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::camera::{CameraStatusPayload, NamedCameraPayload};
use super::rounding::{VERSION, rounded};
use crate::domain::camera::{CameraState, FaultKind, MAX_REASON_BYTES};
use crate::domain::health::{Broker, Health, Pace};
use crate::domain::name::Name;
use crate::domain::teaching::Strange;
use glimpsed_base::leaving;

/// How the device and the daemon are (topic `health`). Counts are since the daemon started.
#[derive(Serialize, JsonSchema)]
pub(super) struct HealthPayload {
    /// Version of this format.
    v: u32,
    uptime_s: u64,
    /// Of the warmest part of the board; `null` where it has no sensor.
    temperature_c: Option<f64>,
    /// Whether the supply is too weak; `null` where the board cannot say.
    throttled: Option<bool>,
    /// What the temperature makes of the frames: all are labelled, one in some, or none.
    #[schemars(extend("enum" = ["normal", "reduced", "paused"]))]
    thermal: &'static str,
    /// Frames labelled a second.
    fps: f64,
    captured: u64,
    /// Frames that have an answer.
    labelled: u64,
    /// Of these, those that show what an earlier one showed, and have its answer.
    cached: u64,
    /// Of these, those that no model looked at because there is no light.
    too_dark: u64,
    /// Frames that came sooner than they are wanted.
    skipped: u64,
    /// Frames that could not be decoded or labelled.
    failed: u64,
    /// Frames that a newer one replaced before they were looked at.
    overwritten: u64,
    /// Frames that came broken from the camera.
    damaged: u64,
    /// How often the camera was opened again.
    reconnects: u64,
    rss_bytes: Option<u64>,
    /// What somebody should look after, in words; empty when all is well.
    problems: Vec<String>,
    /// The camera, or the first of several; left out before anything is known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    camera: Option<CameraStatusPayload>,
    /// All cameras, where they have names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    cameras: Vec<NamedCameraPayload>,
    /// The views of whose frames most are strange: unlike all that their models were taught with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    strange: Vec<StrangePayload>,
    /// The views of whose pictures none can be labelled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    failing: Vec<FailingPayload>,
    mqtt: Option<BrokerPayload>,
    /// The notices to people, where the configuration has rules for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    notices: Option<NoticesPayload>,
    /// The web page, unless it is switched off.
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<WebPayload>,
}

/// A view of whose frames most are strange.
#[derive(Serialize, JsonSchema)]
pub(super) struct StrangePayload {
    /// Its name, of a device that has several or one with a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    view: Option<String>,
    /// Since when: RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    since: String,
}

impl StrangePayload {
    pub(super) fn of(strange: &Strange) -> Option<Self> {
        let since = strange.since?.to_string();
        Some(Self { view: strange.view.given().map(str::to_owned), since })
    }
}

/// A view of whose pictures none can be labelled.
#[derive(Serialize, JsonSchema)]
struct FailingPayload {
    /// Its name, of a device that has several or one with a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    view: Option<String>,
    reason: String,
}

impl FailingPayload {
    fn of((view, cause): &(Name, String)) -> Self {
        let reason = leaving::short_line(cause, MAX_REASON_BYTES).into_owned();
        Self { view: view.given().map(str::to_owned), reason }
    }
}

/// Whether the web page is served.
#[derive(Serialize, JsonSchema)]
struct WebPayload {
    /// Not while another program has its port.
    listening: bool,
    /// Address and port.
    address: Option<String>,
}

/// What became of the notices to people.
#[derive(Serialize, JsonSchema)]
struct NoticesPayload {
    sent: u64,
    /// They wait to be sent, or to be sent again.
    waiting: u64,
    /// They came sooner after the last one than their rule allows, and were not sent.
    too_soon: u64,
    /// They will never arrive: too many waited, for too long, or they were refused.
    lost: u64,
    /// Whose last try failed, and why; `null` while all arrive.
    failing: Option<String>,
}

/// The connection to the broker.
#[derive(Serialize, JsonSchema)]
struct BrokerPayload {
    /// The broker's address.
    broker: String,
    connected: bool,
    /// Why the last session was lost, or the last try led to none; kept when there is a session again.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    /// Sessions that have begun.
    connects: u64,
    /// Tries that led to no session, and sessions that were lost.
    failures: u64,
    published: u64,
    /// Messages that wait to be sent or acknowledged.
    waiting: u64,
    /// Events that will never arrive: too many while the broker was away, or refused by it.
    dropped_events: u64,
    /// Other messages that were not sent: mostly answers for single frames while the broker was away.
    dropped_others: u64,
    /// Commands that were thrown away because too many came at once.
    refused_commands: u64,
    /// Another device of the same id, which publishes on the same topics: what it says of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    twin: Option<String>,
}

/// The payload of `health`.
pub fn health_json(health: &Health) -> Value {
    let broker = |broker: &Broker| BrokerPayload {
        broker: broker.address.clone(),
        last_error: broker.last_error.as_ref().map(|cause| leaving::short_line(cause, MAX_REASON_BYTES).into_owned()),
        connected: broker.connected,
        connects: broker.connects,
        failures: broker.failures,
        published: broker.published.sum(),
        waiting: broker.waiting,
        dropped_events: broker.dropped.event,
        dropped_others: broker.dropped.live + broker.dropped.latest + broker.dropped.answer,
        refused_commands: broker.refused_commands,
        twin: broker.twin.clone(),
    };
    let payload = HealthPayload {
        v: VERSION,
        uptime_s: health.uptime.as_secs(),
        temperature_c: health.temperature_celsius.map(|temperature| rounded(temperature, 1)),
        throttled: health.throttled,
        thermal: match health.pace {
            Pace::Full => "normal",
            Pace::OneIn(_) => "reduced",
            Pace::None => "paused",
        },
        fps: rounded(health.fps, 2),
        captured: health.captured,
        labelled: health.labelled,
        cached: health.cached,
        too_dark: health.too_dark,
        skipped: health.skipped,
        failed: health.failed,
        overwritten: health.overwritten,
        damaged: health.damaged,
        reconnects: health.reconnects,
        rss_bytes: health.rss_bytes,
        problems: problems(health),
        camera: health.cameras.first().map(CameraStatusPayload::of),
        cameras: health.cameras.iter().filter_map(NamedCameraPayload::of).collect(),
        strange: health.strange.iter().filter_map(StrangePayload::of).collect(),
        failing: health.failing.iter().map(FailingPayload::of).collect(),
        mqtt: health.broker.as_ref().map(broker),
        notices: health.notices.as_ref().map(|notices| NoticesPayload {
            sent: notices.sent,
            waiting: notices.waiting,
            too_soon: notices.too_soon,
            lost: notices.lost,
            failing: notices.failing.as_ref().map(|cause| leaving::short_line(cause, MAX_REASON_BYTES).into_owned()),
        }),
        http: health.web.map(|web| WebPayload {
            listening: web.listening,
            address: web.address.map(|address| address.to_string()),
        }),
    };
    // Numbers and strings only: serialising them cannot fail.
    serde_json::to_value(payload).unwrap_or_default()
}

/// The longest text of one problem, in characters: a report of mistakes has many lines.
const MAX_PROBLEM: usize = 200;

/// What somebody should look after, most urgent first.
fn problems(health: &Health) -> Vec<String> {
    let heat = match health.pace {
        Pace::Full => None,
        Pace::OneIn(_) => Some("it is hot: fewer frames are labelled".to_owned()),
        Pace::None => Some("it is too hot: no frame is labelled".to_owned()),
    };
    let config =
        health.config_error.as_ref().map(|cause| format!("the edited configuration is not in effect: {cause}"));
    let model = health.model_error.as_ref().map(|cause| format!("there is no model to label with: {cause}"));
    // A covered lens may be meant, and a model that is missing was told.
    let offline = health.cameras.iter().filter(|camera| camera.state == CameraState::Offline);
    let cameras = offline.filter_map(|camera| {
        let fault = camera.fault.as_ref().filter(|fault| fault.kind != FaultKind::NoModel)?;
        Some(match camera.camera.given() {
            None => fault.reason.to_string(),
            Some(name) => format!("camera `{name}`: {}", fault.reason),
        })
    });
    let twin = health.broker.as_ref().and_then(|broker| broker.twin.as_ref());
    let twin = twin.map(|twin| format!("another device has the same id: {twin}"));
    let strange = health.strange.iter().filter_map(|strange| {
        let view = strange.view.given().map_or_else(String::new, |name| format!("view `{name}`: "));
        let since = in_words(strange.since?, Timestamp::now(), TimeZone::system());
        Some(format!("{view}most frames look strange since {since}: has the camera moved?"))
    });
    let unlabelled = health.failing.iter().map(|(view, cause)| {
        let view = view.given().map_or_else(String::new, |name| format!("view `{name}`: "));
        format!("{view}no picture can be labelled: {cause}")
    });
    let supply = (health.throttled == Some(true)).then(|| "the voltage of the supply is too low".to_owned());
    let page =
        health.web.is_some_and(|web| !web.listening).then(|| "another program has the port of the page".to_owned());
    let failing = health.notices.as_ref().and_then(|notices| notices.failing.as_ref());
    let failing = failing.map(|cause| format!("notices do not arrive: {cause}"));
    let all = [config, model].into_iter().flatten().chain(cameras).chain(unlabelled);
    let all = all.chain(strange).chain([twin, heat, supply, page, failing].into_iter().flatten());
    all.map(|problem| {
        leaving::clean(&problem).chars().take(MAX_PROBLEM).map(|c| if c.is_whitespace() { ' ' } else { c }).collect()
    })
    .collect()
}

/// A moment in local time, with its date unless it was within the last day.
fn in_words(at: Timestamp, now: Timestamp, zone: TimeZone) -> String {
    let recent = now.duration_since(at).as_hours() < 24;
    at.to_zoned_datetime(zone).strftime(if recent { "%H:%M" } else { "%-d %B %H:%M" }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::camera::tests_support::{missing, status};
    use jiff::SignedDuration;

    #[test]
    fn a_camera_whose_pictures_cannot_be_labelled_is_a_problem_although_it_is_online() {
        let failing = vec![(Name::new("door"), "frame is cut short".to_owned())];
        let health = health_json(&Health { failing, ..Health::default() });
        let expected = "view `door`: no picture can be labelled: frame is cut short";
        assert_eq!(health["problems"], serde_json::json!([expected]));
        assert_eq!(health["failing"], serde_json::json!([{ "view": "door", "reason": "frame is cut short" }]));
    }

    #[test]
    fn a_camera_that_is_missing_is_a_problem_with_its_reason_and_its_time_and_one_that_starts_or_is_off_is_none() {
        let told = |camera| health_json(&Health { cameras: vec![camera], ..Health::default() });
        let health = told(missing("it is unplugged"));
        assert_eq!(health["problems"], serde_json::json!(["it is unplugged"]));
        assert_eq!(
            health["camera"],
            serde_json::json!({ "status": "offline", "since": "1970-01-01T00:00:00Z", "fault": "missing", "reason": "it is unplugged" })
        );
        for state in [CameraState::Offline, CameraState::Online, CameraState::Disabled] {
            let health = told(status(state));
            assert_eq!((&health["problems"], &health["camera"]["reason"]), (&serde_json::json!([]), &Value::Null));
        }
    }

    #[test]
    fn a_view_of_whose_frames_most_are_strange_is_a_problem_with_its_time() {
        let since = Timestamp::now();
        let strange = [Name::new("door"), Name::ONLY].map(|view| Strange { view, since: Some(since) });
        let health = health_json(&Health { strange: strange.to_vec(), ..Health::default() });
        let problems: Vec<&str> =
            health["problems"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        assert!(problems[0].starts_with("view `door`: most frames look strange since "), "{problems:?}");
        assert!(
            problems[1].starts_with("most frames") && problems[1].ends_with(": has the camera moved?"),
            "{problems:?}"
        );
        let at = since.to_string();
        assert_eq!(health["strange"], serde_json::json!([{ "view": "door", "since": at }, { "since": at }]));
    }

    #[test]
    fn a_moment_is_told_in_local_time_and_with_its_date_after_a_day() {
        let at: Timestamp = "2026-11-28T13:10:00Z".parse().expect("a time");
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        for (hours, said) in [(1, "14:10"), (23, "14:10"), (24, "28 November 14:10")] {
            assert_eq!(in_words(at, at + SignedDuration::from_hours(hours), zone.clone()), said);
        }
    }

    #[test]
    fn what_somebody_should_look_after_is_told_in_words() {
        assert_eq!(health_json(&Health::default())["problems"], serde_json::json!([]));
        let health = Health {
            config_error: Some("line 3:\n".repeat(100)),
            throttled: Some(true),
            broker: Some(Broker { twin: Some("`Shelf` on a board".into()), ..Broker::default() }),
            ..Health::default()
        };
        let told = health_json(&health)["problems"].clone();
        assert_eq!(
            (&told[1], &told[2]),
            (
                &"another device has the same id: `Shelf` on a board".into(),
                &"the voltage of the supply is too low".into()
            )
        );
        let first = told[0].as_str().expect("text");
        assert!(first.starts_with("the edited configuration is not in effect: line 3: line 3") && first.len() == 200);
    }
}
