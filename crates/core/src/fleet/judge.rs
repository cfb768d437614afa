//! Who is not well: what a check of all devices finds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::column::short_time;
use super::device::{Device, Presence, elapsed};
use super::natural;

/// What a device has to be like.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// A device that is as warm as this is too warm.
    pub warm_celsius: f64,
    /// A view without an answer for a frame for this long has no labels.
    pub unlabelled_after: Duration,
    pub version: Wanted,
    pub config: Wanted,
    /// Devices that have to be there.
    pub expected: BTreeSet<String>,
}

/// Which value is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// That which most devices have.
    Most,
    Any,
    /// This version; of a configuration this hash, or one that begins with it.
    Exactly(String),
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Offline,
    Missing,
    NoLabels,
    TooWarm,
    OtherVersion,
    OtherConfiguration,
    Twin,
    NotUnderstood,
    Problem,
}

/// One thing that is wrong with one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub device: String,
    pub kind: Kind,
    /// In words.
    pub says: String,
}

/// All that is wrong, in the order of the devices. `at` is now.
pub fn judge<'a>(devices: impl Iterator<Item = &'a Device>, rules: &Rules, now: Timestamp) -> Vec<Finding> {
    let devices: Vec<&Device> = devices.collect();
    let version = rules.version.among(devices.iter().filter_map(|device| device.version.as_deref()));
    let config = rules.config.among(devices.iter().filter_map(|device| device.config_hash.as_deref()));
    let mut found = Vec::new();
    for device in &devices {
        let mut find = |kind, says: String| found.push(Finding { device: device.id.clone(), kind, says });
        match (device.presence, device.since(now)) {
            (Presence::Online, _) => {}
            (Presence::Offline, Some(time)) => find(Kind::Offline, format!("offline for {}", short_time(time))),
            (Presence::Offline, None) => find(Kind::Offline, "offline".to_owned()),
            (Presence::Unknown, _) => find(Kind::Missing, "it has never said whether it is online".to_owned()),
        }
        if device.is_online() {
            unlabelled(device, rules.unlabelled_after, now).into_iter().for_each(|says| find(Kind::NoLabels, says));
            if let Some(temperature) =
                device.temperature_celsius.filter(|temperature| *temperature >= rules.warm_celsius)
            {
                find(Kind::TooWarm, format!("{temperature:.1} °C, and {:.0} is too warm", rules.warm_celsius));
            }
        }
        if let (Some(own), Some(wanted)) = (&device.version, &version)
            && own != wanted
        {
            find(Kind::OtherVersion, format!("version {own}, not {wanted}"));
        }
        if let (Some(own), Some(wanted)) = (&device.config_hash, &config)
            && !own.starts_with(wanted.as_str())
        {
            find(Kind::OtherConfiguration, format!("configuration {}, not {}", short(own), short(wanted)));
        }
        if let Some(twin) = &device.twin {
            find(Kind::Twin, format!("another device has the same id: {twin}"));
        }
        device
            .nonsense
            .iter()
            .for_each(|(topic, cause)| find(Kind::NotUnderstood, format!("`{topic}` is not understood: {cause}")));
        // The twin is told already.
        let problems =
            device.problems.iter().filter(|problem| device.twin.is_none() || !problem.contains("the same id"));
        problems.for_each(|problem| find(Kind::Problem, problem.clone()));
    }
    let known = |id: &&String| !devices.iter().any(|device| device.id == **id);
    let missing = rules.expected.iter().filter(known);
    found.extend(missing.map(|id| Finding {
        device: id.clone(),
        kind: Kind::Missing,
        says: "nothing was ever heard of it".to_owned(),
    }));
    found.sort_by(|one, other| natural::compare(&one.device, &other.device));
    found
}

fn short(hash: &str) -> &str {
    hash.get(..8).unwrap_or(hash)
}

/// What is wrong with the labels of a device that is online.
fn unlabelled(device: &Device, after: Duration, now: Timestamp) -> Vec<String> {
    let name = |view: &str| if view.is_empty() { String::new() } else { format!("view `{view}`: ") };
    let up_long = device.started.is_none_or(|started| elapsed(started, now) >= after);
    let silent = |view: &str| format!("{}no frame has had an answer since it started", name(view));
    let mut found = Vec::new();
    let views: Vec<&str> = match device.view_names.as_slice() {
        [] => vec![""],
        names => names.iter().map(String::as_str).collect(),
    };
    for view in views.into_iter().filter(|view| !device.switched_off.contains(*view)) {
        match device.said.get(view) {
            None if up_long => found.push(silent(view)),
            Some(said) => match said.at.map(|at| elapsed(at, now)) {
                Some(time) if time >= after => found.push(format!("{}no labels for {}", name(view), short_time(time))),
                Some(_) => {}
                None => found.push(silent(view)),
            },
            None => {}
        }
    }
    found
}

impl Wanted {
    /// The value that is right, of those that there are.
    fn among<'a>(&self, values: impl Iterator<Item = &'a str>) -> Option<String> {
        match self {
            Self::Any => None,
            Self::Exactly(value) => Some(value.clone()),
            Self::Most => {
                let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
                values.for_each(|value| *counts.entry(value).or_default() += 1);
                // Of two that are as frequent, the newer one: devices are on their way to it.
                let most = counts
                    .into_iter()
                    .max_by(|one, other| one.1.cmp(&other.1).then_with(|| natural::compare(one.0, other.0)));
                most.map(|(value, _)| value.to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::roster::Roster;
    use super::super::roster::tests::{noon, well};
    use super::*;
    use jiff::SignedDuration;
    use proptest::prelude::*;
    use serde_json::json;

    fn rules() -> Rules {
        Rules {
            warm_celsius: 80.0,
            unlabelled_after: Duration::from_secs(600),
            version: Wanted::Most,
            config: Wanted::Most,
            expected: BTreeSet::new(),
        }
    }

    fn three() -> Roster {
        let mut roster = Roster::new("glimpsed");
        ["a", "b", "c"].iter().for_each(|id| well(&mut roster, id));
        roster
    }

    fn kinds(roster: &Roster, rules: &Rules, now: Timestamp) -> Vec<(String, Kind)> {
        judge(roster.devices(), rules, now).into_iter().map(|finding| (finding.device, finding.kind)).collect()
    }

    #[test]
    fn devices_that_are_well_give_no_finding() {
        assert_eq!(judge(three().devices(), &rules(), noon()), []);
    }

    #[test]
    fn each_thing_that_is_wrong_is_found() {
        let mut roster = three();
        let mut say = |topic: &str, payload: serde_json::Value| {
            roster.note(&format!("glimpsed/{topic}"), payload.to_string().as_bytes(), false, noon())
        };
        say("a/info", json!({ "version": "0.0.9", "config_hash": "bbbb", "twin": "`a` on a Pi" }));
        say(
            "a/health",
            json!({ "temperature_c": 80.0, "problems": ["it is unplugged", "another device has the same id: x"] }),
        );
        say("b/state", json!({ "status": "stale", "ts": "2026-11-30T11:50:00Z" }));
        roster.note("glimpsed/c/status", b"offline", false, noon() - SignedDuration::from_secs(90));
        roster.note("glimpsed/d/info", b"nonsense", false, noon());
        let rules = Rules { expected: ["a".to_owned(), "z".to_owned()].into(), ..rules() };
        let found = judge(roster.devices(), &rules, noon());
        let told: Vec<String> = found.iter().map(|finding| format!("{} {}", finding.device, finding.says)).collect();
        assert_eq!(
            told,
            [
                "a 80.0 °C, and 80 is too warm",
                "a version 0.0.9, not 0.1.0",
                "a configuration bbbb, not aaaa",
                "a another device has the same id: `a` on a Pi",
                "a it is unplugged",
                "b no labels for 10m 0s",
                "c offline for 1m 30s",
                "d it has never said whether it is online",
                "d `info` is not understood: expected ident at line 1 column 2",
                "z nothing was ever heard of it",
            ]
        );
    }

    #[test]
    fn a_view_that_is_switched_off_and_a_device_that_has_just_started_need_no_labels() {
        let mut roster = three();
        let late = noon() + SignedDuration::from_secs(3600);
        roster.note("glimpsed/a/enabled/state", b"OFF", true, noon());
        assert_eq!(
            kinds(&roster, &rules(), late),
            [("b".to_owned(), Kind::NoLabels), ("c".to_owned(), Kind::NoLabels)]
        );
        let mut roster = Roster::new("glimpsed");
        roster.note("glimpsed/x/status", b"online", true, noon());
        roster.note("glimpsed/x/health", br#"{"uptime_s": 5}"#, false, noon());
        assert_eq!(kinds(&roster, &rules(), noon()), []);
        roster.note("glimpsed/x/health", br#"{"uptime_s": 601}"#, false, noon());
        assert_eq!(kinds(&roster, &rules(), noon()), [("x".to_owned(), Kind::NoLabels)]);
    }

    #[test]
    fn a_version_or_configuration_that_is_given_is_the_right_one_and_any_is_right_if_that_is_said() {
        let roster = three();
        let given = Rules { version: Wanted::Exactly("0.2.0".into()), config: Wanted::Exactly("aa".into()), ..rules() };
        assert_eq!(kinds(&roster, &given, noon()), ["a", "b", "c"].map(|id| (id.to_owned(), Kind::OtherVersion)));
        let any = Rules { version: Wanted::Any, config: Wanted::Any, ..rules() };
        assert_eq!(kinds(&roster, &any, noon()), []);
        assert_eq!(Wanted::Most.among(["0.9", "0.10"].into_iter()).as_deref(), Some("0.10"));
    }

    proptest! {
        #[test]
        fn the_majority_is_never_found_wrong(versions in proptest::collection::vec("[0-2]", 1..20)) {
            let mut roster = Roster::new("glimpsed");
            for (number, version) in versions.iter().enumerate() {
                roster.note(&format!("glimpsed/d{number}/info"), json!({ "version": version }).to_string().as_bytes(), true, noon());
            }
            let other = judge(roster.devices(), &rules(), noon()).iter().filter(|finding| finding.kind == Kind::OtherVersion).count();
            let most = ["0", "1", "2"].map(|version| versions.iter().filter(|own| *own == version).count()).into_iter().max().unwrap_or(0);
            prop_assert_eq!(other, versions.len() - most);
        }
    }
}
