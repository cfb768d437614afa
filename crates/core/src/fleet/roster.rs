//! All devices below a base topic, made from the messages that arrive.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;

use super::device::{Device, Presence};
use super::payload::{self, Health, Info, State, text, texts};
use crate::config::is_id;

/// More are counted and not kept. What is kept of a device has some kilobytes at most.
pub const MAX_DEVICES: usize = 20_000;

/// The topics that are asked for by name.
pub(super) const MAX_MISSING: usize = 200_000;

/// The views of a device that are kept.
const MAX_VIEWS: usize = 16;

/// What a device publishes and a client reads: below the device's topic, and below that of a view.
pub(super) const STATUS: &str = "status";
pub(super) const INFO: &str = "info";
pub(super) const HEALTH: &str = "health";
pub(super) const STATE: &str = "state";
pub(super) const ENABLED: &str = "enabled/state";

/// The devices, by id.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    base: String,
    devices: BTreeMap<String, Device>,
    /// Messages of devices that were too many.
    pub beyond: u64,
    /// Messages that were larger than a packet may be, of whomever.
    pub too_large: u64,
}

impl Roster {
    /// Nobody yet below this base topic.
    pub fn new(base_topic: &str) -> Self {
        Self { base: base_topic.to_owned(), ..Self::default() }
    }

    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        self.devices.values()
    }

    pub fn device(&self, id: &str) -> Option<&Device> {
        self.devices.get(id)
    }

    pub fn len(&self) -> usize {
        self.devices.len()
    }

    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    /// Takes a message in. `retained` ones may be old. False if it changes nothing, such as one on another topic.
    pub fn note(&mut self, topic: &str, payload: &[u8], retained: bool, now: Timestamp) -> bool {
        let below = topic.strip_prefix(&self.base).and_then(|rest| rest.strip_prefix('/'));
        let Some((id, rest)) = below.and_then(|below| below.split_once('/')).filter(|(id, _)| is_id(id)) else {
            return false;
        };
        let view_of = rest.strip_prefix("view/").and_then(|rest| rest.split_once('/'));
        let (view, kind) = view_of.filter(|(view, _)| is_id(view)).unwrap_or(("", rest));
        let known = [STATUS, INFO, HEALTH, STATE, ENABLED].into_iter().find(|known| *known == kind);
        let Some(kind) = known.filter(|kind| view.is_empty() || [STATE, ENABLED].contains(kind)) else { return false };
        if payload.is_empty() {
            // So what is retained of a device is removed, the status or the rest of it.
            let is_removed =
                self.devices.get(id).is_some_and(|device| kind == STATUS || !device.heard.contains(STATUS));
            return is_removed && self.devices.remove(id).is_some();
        }
        if !self.devices.contains_key(id) && self.devices.len() >= MAX_DEVICES {
            self.beyond += 1;
            return false;
        }
        let device = self.devices.entry(id.to_owned()).or_insert_with(|| Device::new(id));
        device.heard.insert(kind);
        device.nonsense.remove(kind);
        let understood = match kind {
            STATUS => payload::presence(payload).map(|presence| device.note_presence(presence, retained, now)),
            INFO => read(payload, |info| device.note_info(info)),
            HEALTH => payload::read(payload)
                .and_then(|health: Health| health.check().map(|()| device.note_health(health, now))),
            STATE => read(payload, |state| device.note_state(view, state)),
            _ => {
                device.note_enabled(view, payload == b"OFF");
                Ok(())
            }
        };
        if let Err(cause) = understood {
            device.nonsense.insert(kind, cause);
        }
        true
    }

    /// Another session begins: what is not heard in it is for [`Self::forget_the_silent`].
    pub fn listen_anew(&mut self) {
        self.devices.values_mut().for_each(|device| device.heard.clear());
        (self.beyond, self.too_large) = (0, 0);
    }

    /// Removes the devices that nothing was heard of since [`Self::listen_anew`], and returns how many: what was retained of them was
    /// removed meanwhile.
    pub fn forget_the_silent(&mut self) -> usize {
        let before = self.devices.len();
        self.devices.retain(|_, device| !device.heard.is_empty());
        before - self.devices.len()
    }

    /// The retained topics that a device has and that were not heard, such as when a broker gives wildcards no retained messages or
    /// not all: of these devices, and of those that are known; at most `MAX_MISSING`.
    pub fn missing<'a>(&self, expected: impl Iterator<Item = &'a String>) -> Vec<String> {
        let strangers = expected.filter(|id| !self.devices.contains_key(*id)).map(|id| Device::new(id));
        let strangers: Vec<Device> = strangers.collect();
        let mut topics = Vec::new();
        for device in self.devices.values().chain(&strangers) {
            if topics.len() >= MAX_MISSING {
                break;
            }
            let mut wanted = |kind: &'static str, view: &str| {
                let view = if view.is_empty() { String::new() } else { format!("view/{view}/") };
                topics.push(format!("{}/{}/{view}{kind}", self.base, device.id));
            };
            // Of one that is known from an earlier session it is enough to hear whether it is still there.
            if device.heard.is_empty() && self.devices.contains_key(&device.id) {
                wanted(STATUS, "");
                continue;
            }
            let own = [STATUS, INFO, HEALTH].into_iter().filter(|kind| !device.heard.contains(kind));
            own.for_each(|kind| wanted(kind, ""));
            match device.view_names.as_slice() {
                [] => [STATE, ENABLED]
                    .into_iter()
                    .filter(|kind| !device.heard.contains(kind))
                    .for_each(|kind| wanted(kind, "")),
                names => {
                    for view in names.iter().filter(|view| !device.said.contains_key(*view)) {
                        [STATE, ENABLED].into_iter().for_each(|kind| wanted(kind, view));
                    }
                }
            }
        }
        topics.truncate(MAX_MISSING);
        topics
    }
}

fn read<T: DeserializeOwned>(payload: &[u8], note: impl FnOnce(T)) -> Result<(), String> {
    payload::read(payload).map(note)
}

impl Device {
    fn note_presence(&mut self, presence: Presence, retained: bool, now: Timestamp) {
        if presence != self.presence {
            self.offline_since = (presence == Presence::Offline && !retained).then_some(now);
        }
        self.presence = presence;
    }

    fn note_info(&mut self, info: Info) {
        let short = |value: &Option<String>| value.as_deref().map(text);
        (self.name, self.version, self.board) = (short(&info.name), short(&info.version), short(&info.board));
        self.config_hash = short(&info.config_hash);
        self.models = texts(info.models.iter().filter(|model| model.role == "fast").map(|model| &model.name));
        self.view_names =
            info.views.into_iter().map(|view| view.name).filter(|name| is_id(name)).take(MAX_VIEWS).collect();
        let names = &self.view_names;
        let stays = |view: &str| if names.is_empty() { view.is_empty() } else { names.iter().any(|name| name == view) };
        self.said.retain(|view, _| stays(view));
        self.switched_off.retain(|view| stays(view));
        self.twin = short(&info.twin);
        let instance = short(&info.instance);
        if instance != self.instances[0] {
            // A daemon that starts again is another process; one that was there before is another device's.
            if instance.is_some() && instance == self.instances[1] && self.twin.is_none() {
                self.twin = Some("two processes take turns".to_owned());
            }
            self.instances = [instance, self.instances[0].take()];
        }
    }

    fn note_health(&mut self, health: Health, now: Timestamp) {
        let uptime = health.uptime_s.and_then(|seconds| SignedDuration::try_from(Duration::from_secs(seconds)).ok());
        self.started = uptime.and_then(|uptime| now.checked_sub(uptime).ok());
        (self.fps, self.temperature_celsius) = (health.fps, health.temperature_c);
        let frames = health.overwritten.saturating_add(health.damaged).saturating_add(health.failed);
        self.dropped_frames = Some(frames);
        self.dropped_events = health.mqtt.as_ref().map(|mqtt| mqtt.dropped_events);
        self.problems = texts(&health.problems);
        self.page = health.http.filter(|page| page.listening).and_then(|page| page.address.as_deref().map(text));
        if let Some(twin) = health.mqtt.and_then(|mqtt| mqtt.twin) {
            self.twin = Some(text(&twin));
        }
    }

    fn note_state(&mut self, view: &str, state: State) {
        if self.said.contains_key(view) || self.said.len() < MAX_VIEWS {
            self.said.insert(view.to_owned(), state.said());
        }
    }

    fn note_enabled(&mut self, view: &str, off: bool) {
        match off {
            false => drop(self.switched_off.remove(view)),
            true if self.switched_off.len() < MAX_VIEWS => drop(self.switched_off.insert(view.to_owned())),
            true => {}
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    pub(in crate::fleet) fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    pub(in crate::fleet) fn noon() -> Timestamp {
        at("2026-11-30T12:00:00Z")
    }

    /// A device that is well.
    pub(in crate::fleet) fn well(roster: &mut Roster, id: &str) {
        let topic = |kind: &str| format!("glimpsed/{id}/{kind}");
        let info = json!({ "v": 1, "name": id, "version": "0.1.0", "board": "Pi", "config_hash": "aaaa", "models": [{ "role": "fast", "name": "m" }] });
        let health = json!({ "uptime_s": 3600, "temperature_c": 50.0, "fps": 5.0, "overwritten": 1, "damaged": 2, "failed": 3, "problems": [],
            "mqtt": { "dropped_events": 4 } });
        let state = json!({ "ts": "2026-11-30T11:59:30Z", "status": "known", "label": "tabby", "confidence": 0.9 });
        for (kind, payload) in [(INFO, info), (HEALTH, health), (STATE, state)] {
            roster.note(&topic(kind), payload.to_string().as_bytes(), true, noon());
        }
        roster.note(&topic(STATUS), b"online", true, noon());
    }

    #[test]
    fn a_device_is_what_its_messages_say() {
        let mut roster = Roster::new("glimpsed");
        well(&mut roster, "shelf");
        let device = roster.device("shelf").expect("known");
        assert_eq!(
            (device.labels().collect::<Vec<_>>(), device.models.as_slice()),
            (vec!["tabby"], &["m".to_owned()][..])
        );
        assert_eq!(device.since(noon()), Some(Duration::from_secs(3600)));
        assert_eq!((device.dropped_frames, device.dropped_events), (Some(6), Some(4)));
        roster.note("glimpsed/shelf/status", b"offline", false, noon());
        let device = roster.device("shelf").expect("known");
        assert_eq!(device.since(noon() + SignedDuration::from_secs(5)), Some(Duration::from_secs(5)));
    }

    #[test]
    fn nonsense_is_told_by_its_topic_until_it_makes_sense_again_and_what_was_known_stays() {
        let mut roster = Roster::new("home/glimpsed");
        roster.note("home/glimpsed/x/info", br#"{"version": "1"}"#, true, noon());
        roster.note("home/glimpsed/x/info", b"\x1b[2J{", true, noon());
        roster.note("home/glimpsed/x/status", b"on\x1b[2J", true, noon());
        roster.note("home/glimpsed/x/health", &vec![b'['; payload::MAX_PAYLOAD + 1], true, noon());
        let device = roster.device("x").expect("known");
        assert_eq!(device.version.as_deref(), Some("1"));
        assert_eq!(device.nonsense.keys().copied().collect::<Vec<_>>(), [HEALTH, INFO, STATUS]);
        assert!(!device.nonsense.values().any(|cause| cause.contains('\u{1b}')), "{:?}", device.nonsense);
        roster.note("home/glimpsed/x/status", b"online", true, noon());
        assert!(!roster.device("x").expect("known").nonsense.contains_key(STATUS));
    }

    #[test]
    fn only_topics_of_devices_are_taken_in() {
        let mut roster = Roster::new("glimpsed");
        for topic in [
            "glimpsed/status",
            "other/x/status",
            "glimpsed/a b/status",
            "glimpsed/x/day",
            "glimpsed/x/view/y/info",
            "glimpsedx/x/status",
        ] {
            assert!(!roster.note(topic, b"online", true, noon()), "{topic}");
        }
        assert!(!roster.note("glimpsed/x/status", b"", false, noon()));
        assert!(roster.is_empty());
    }

    #[test]
    fn a_device_whose_status_is_emptied_is_gone_and_what_else_is_emptied_removes_nothing() {
        let mut roster = Roster::new("glimpsed");
        ["x", "y"].into_iter().for_each(|id| well(&mut roster, id));
        for topic in ["glimpsed/x/info", "glimpsed/x/view/door/status"] {
            assert!(!roster.note(topic, b"", true, noon()));
        }
        assert!(roster.note("glimpsed/x/status", b"", false, noon()));
        assert!(roster.device("x").is_none() && roster.device("y").is_some());
        roster.note("glimpsed/x/info", b"{}", true, noon());
        assert!(roster.note("glimpsed/x/info", b"", false, noon()) && roster.device("x").is_none());
    }

    #[test]
    fn who_is_not_heard_in_another_session_is_asked_for_by_name_and_then_forgotten() {
        let mut roster = Roster::new("glimpsed");
        ["gone", "here", "late"].into_iter().for_each(|id| well(&mut roster, id));
        roster.listen_anew();
        assert_eq!(roster.len(), 3, "what was known stays to be seen");
        well(&mut roster, "here");
        let missing = roster.missing([].iter());
        assert_eq!(missing, ["glimpsed/gone/status", "glimpsed/here/enabled/state", "glimpsed/late/status"]);
        roster.note("glimpsed/late/health", br#"{"fps": 1.0}"#, false, noon());
        assert_eq!(roster.forget_the_silent(), 1);
        assert_eq!(roster.devices().map(|device| device.id.as_str()).collect::<Vec<_>>(), ["here", "late"]);
    }

    #[test]
    fn more_devices_than_are_looked_at_are_counted_and_the_others_go_on() {
        let mut roster = Roster::new("glimpsed");
        for number in 0..=MAX_DEVICES {
            roster.note(&format!("glimpsed/d{number}/status"), b"online", true, noon());
        }
        assert_eq!((roster.len(), roster.beyond), (MAX_DEVICES, 1));
        assert!(roster.note("glimpsed/d0/status", b"offline", false, noon()), "one that is known");
        roster.note("glimpsed/d1/status", b"", false, noon());
        assert!(roster.note(&format!("glimpsed/d{MAX_DEVICES}/status"), b"online", false, noon()), "there is room");
    }

    #[test]
    fn health_with_a_number_that_no_board_has_is_not_understood_and_what_was_known_stays() {
        let mut roster = Roster::new("glimpsed");
        well(&mut roster, "x");
        for health in [r#"{"fps": 1e9}"#, r#"{"fps": -1}"#, r#"{"temperature_c": 1e6}"#, r#"{"temperature_c": -300}"#] {
            roster.note("glimpsed/x/health", health.as_bytes(), false, noon());
            let device = roster.device("x").expect("known");
            let said = device.nonsense.get(HEALTH).cloned().unwrap_or_default();
            assert!(said.contains(", and can be "), "{health}: {said}");
            assert_eq!((device.fps, device.temperature_celsius), (Some(5.0), Some(50.0)));
        }
        roster.note("glimpsed/x/health", br#"{"fps": 3.0, "temperature_c": 84.5}"#, false, noon());
        assert!(roster.device("x").is_some_and(|device| device.nonsense.is_empty()));
    }

    #[test]
    fn two_processes_that_take_turns_are_twins_and_a_restart_is_none() {
        let mut roster = Roster::new("glimpsed");
        let mut tell = |instance: &str| {
            roster.note("glimpsed/x/info", json!({ "instance": instance }).to_string().as_bytes(), false, noon());
            roster.device("x").expect("known").twin.is_some()
        };
        assert_eq!(["a", "b", "c", "b"].map(&mut tell), [false, false, false, true]);
    }

    #[test]
    fn views_that_are_gone_are_forgotten_and_those_that_were_not_heard_are_missing() {
        let mut roster = Roster::new("glimpsed");
        well(&mut roster, "x");
        assert_eq!(roster.missing([].iter()), ["glimpsed/x/enabled/state"]);
        roster.note("glimpsed/x/info", br#"{"views": [{"name": "door"}, {"name": "not/a/name"}]}"#, false, noon());
        let device = roster.device("x").expect("known");
        assert_eq!((device.view_names.as_slice(), device.said.len()), (&["door".to_owned()][..], 0));
        assert_eq!(roster.missing([].iter()), ["glimpsed/x/view/door/state", "glimpsed/x/view/door/enabled/state"]);
        roster.note("glimpsed/x/view/door/state", br#"{"status": "stale"}"#, true, noon());
        assert_eq!(roster.missing(["x".to_owned(), "y".to_owned()].iter()).len(), 5, "all of y's");
    }

    proptest! {
        #[test]
        fn whatever_arrives_is_bounded_and_ends_nothing(
            messages in proptest::collection::vec(
                ("glimpsed/[ab]/(status|info|health|state|view/[a-z]{1,2}/state|enabled/state)", proptest::collection::vec(any::<u8>(), 0..60)), 0..80)
        ) {
            let mut roster = Roster::new("glimpsed");
            for (topic, payload) in &messages {
                roster.note(topic, payload, false, noon());
            }
            prop_assert!(roster.len() <= 2);
            prop_assert!(roster.devices().all(|device| device.said.len() <= MAX_VIEWS && device.nonsense.values().all(|text| text.len() < 400)));
        }
    }
}
