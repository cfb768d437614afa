//! What a view has shown on a day (topic `day`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::rounding::{VERSION, rounded};
use super::words::time;
use crate::domain::day::{Day, DayLabel, Others, ViewDay};
use glimpsed_base::leaving;

/// More labels than a day has; a payload with more is nobody's.
const MAX_LABELS: usize = 256;

/// A label is a line of a file.
const MAX_LABEL_BYTES: usize = 256;

/// A day has at most 25 hours, and a clock that is set can make it look longer.
const MAX_SECONDS: f64 = 7.0 * 86_400.0;

/// Thousands of labels may hold beside each other.
const MAX_OTHER_SECONDS: f64 = 10_000.0 * MAX_SECONDS;

/// The labels of the local date: how often, how long, first and last.
#[derive(Serialize, JsonSchema)]
pub(super) struct DayPayload<'a> {
    /// Version of this format.
    v: u32,
    /// Name of the view, of a device that has several or one with a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    view: Option<&'a str>,
    /// The local date.
    #[schemars(extend("format" = "date"))]
    date: String,
    /// How often a label began to hold, all together.
    times: u64,
    /// The label that holds, the most likely of several; `null` while none does.
    now: Option<&'a str>,
    /// The labels that hold beside it, of those that do not exclude each other; left out where none does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    also: Vec<&'a str>,
    /// In the order of their first appearance.
    labels: Vec<DayLabelPayload<'a>>,
    /// The labels beyond 64, together.
    others: OthersPayload,
    /// By label: how often it began to hold.
    counts: BTreeMap<&'a str, u32>,
    /// Over MQTT: unlike that of every other process, so that a new one goes on where another was.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<&'a str>,
}

/// One label of a day.
#[derive(Serialize, JsonSchema)]
struct DayLabelPayload<'a> {
    label: &'a str,
    /// How often it began to hold.
    times: u32,
    /// How long it has held.
    seconds: f64,
    /// When it began to hold for the first time: RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    first: String,
    /// When it held last.
    #[schemars(extend("format" = "date-time"))]
    last: String,
}

#[derive(Default, Serialize, Deserialize, JsonSchema)]
struct OthersPayload {
    times: u32,
    seconds: f64,
}

/// The payload of `day`; over MQTT with the process that says so.
pub fn day_json(of: &ViewDay, instance: Option<&str>) -> Value {
    let ViewDay { view, day } = of;
    let payload = DayPayload {
        v: VERSION,
        view: view.given(),
        date: day.date.to_string(),
        times: day.labels.iter().map(|label| u64::from(label.times)).sum::<u64>() + u64::from(day.others.times),
        now: day.holds.first().map(|label| &**label),
        also: day.holds.iter().skip(1).take(MAX_LABELS).map(|label| &**label).collect(),
        labels: day
            .labels
            .iter()
            .map(|label| DayLabelPayload {
                label: &label.label,
                times: label.times,
                seconds: seconds(label.held),
                first: time(label.first),
                last: time(label.last),
            })
            .collect(),
        others: OthersPayload { times: day.others.times, seconds: seconds(day.others.held) },
        counts: day.labels.iter().map(|label| (&*label.label, label.times)).collect(),
        instance,
    };
    // Strings and numbers only: serialising them cannot fail.
    serde_json::to_value(payload).unwrap_or_default()
}

fn seconds(held: Duration) -> f64 {
    rounded(held.as_secs_f64(), 1)
}

/// What an earlier process has published.
#[derive(Deserialize)]
struct Kept {
    date: String,
    #[serde(default)]
    now: Option<String>,
    #[serde(default)]
    also: Vec<String>,
    labels: Vec<KeptLabel>,
    #[serde(default)]
    others: OthersPayload,
    #[serde(default)]
    instance: String,
}

#[derive(Deserialize)]
struct KeptLabel {
    label: String,
    times: u32,
    seconds: f64,
    first: String,
    last: String,
}

/// Reads what [`day_json`] has made: the day, and the process that said so. The bytes are untrusted; `None` if they are something else.
pub fn day_from_json(bytes: &[u8]) -> Option<(Day, String)> {
    let kept: Kept = serde_json::from_slice(bytes).ok()?;
    if kept.labels.len() > MAX_LABELS || kept.also.len() > MAX_LABELS {
        return None;
    }
    let date: Date = kept.date.parse().ok()?;
    let labels = kept.labels.iter().map(label_of).collect::<Option<Vec<_>>>()?;
    let others = Others { times: kept.others.times, held: length(kept.others.seconds, MAX_OTHER_SECONDS)? };
    let holds = kept.now.iter().chain(&kept.also).map(|label| word(label)).collect::<Option<Vec<_>>>()?;
    Some((Day { date, labels, others, holds }, kept.instance))
}

fn label_of(kept: &KeptLabel) -> Option<DayLabel> {
    let at = |text: &str| text.parse::<Timestamp>().ok();
    Some(DayLabel {
        label: word(&kept.label)?,
        times: kept.times,
        held: length(kept.seconds, MAX_SECONDS)?,
        first: at(&kept.first)?,
        last: at(&kept.last)?,
    })
}

fn word(label: &str) -> Option<Arc<str>> {
    let is_one = !label.is_empty() && label.len() <= MAX_LABEL_BYTES && !label.chars().any(leaving::is_control);
    is_one.then(|| label.into())
}

fn length(seconds: f64, most: f64) -> Option<Duration> {
    if (0.0..=most).contains(&seconds) { Duration::try_from_secs_f64(seconds).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::name::Name;
    use jiff::civil::date;
    use proptest::prelude::*;

    fn day() -> Day {
        let label = |label: &str, times| DayLabel {
            label: label.into(),
            times,
            held: Duration::from_millis(1500),
            first: Timestamp::UNIX_EPOCH,
            last: Timestamp::from_second(7).expect("in range"),
        };
        let labels = vec![label("open", 2), label("closed", 3)];
        let others = Others { times: 1, held: Duration::from_secs(4) };
        Day { date: date(2026, 11, 29), labels, others, holds: vec!["open".into(), "closed".into()] }
    }

    #[test]
    fn a_day_that_was_published_is_read_again() {
        let json = day_json(&ViewDay { view: Name::new("garage"), day: day() }, Some("this process"));
        assert_eq!(
            (&json["times"], &json["counts"]["closed"], &json["view"]),
            (&6.into(), &3.into(), &"garage".into())
        );
        assert_eq!((&json["now"], &json["also"]), (&"open".into(), &vec!["closed"].into()));
        assert_eq!(day_from_json(json.to_string().as_bytes()), Some((day(), "this process".into())));
    }

    #[test]
    fn what_is_no_day_is_not_read() {
        let with = |member: &str, value: Value| {
            let mut json = day_json(&ViewDay { view: Name::ONLY, day: day() }, None);
            *json.pointer_mut(member).expect("there") = value;
            day_from_json(json.to_string().as_bytes())
        };
        assert!(with("/date", "2026-11-28".into()).is_some());
        for (member, value) in [
            ("/date", "yesterday".into()),
            ("/labels/0/label", "a\u{1b}b".into()),
            ("/labels/0/label", "x".repeat(300).into()),
            ("/labels/0/seconds", (-1).into()),
            ("/labels/0/seconds", 1e9.into()),
            ("/labels/0/times", (1_u64 << 40).into()),
            ("/labels/0/first", "soon".into()),
            ("/labels", Value::Null),
            ("/also/0", "a\u{1b}b".into()),
            ("/also", vec!["label"; 300].into()),
        ] {
            assert_eq!(with(member, value.clone()), None, "{member} {value}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_retained_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = day_from_json(&bytes);
        }
    }
}
