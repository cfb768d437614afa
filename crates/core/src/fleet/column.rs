//! What is shown, sorted and asked for of a device, by its column.

use std::cmp::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::device::Device;
use super::natural;

/// Shown where nothing is known.
pub const NOTHING: &str = "-";

/// A column of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    Device,
    Status,
    /// Of the daemon while the device is online, else how long it has been offline.
    Since,
    Version,
    Model,
    Label,
    Fps,
    Temperature,
    Dropped,
    Lost,
    Config,
    Problems,
    Name,
    Board,
}

/// What stands in a cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Nothing,
    Number(f64),
    /// Several of a device with several views.
    Texts(Vec<String>),
}

impl Column {
    pub const ALL: [Self; 14] = [
        Self::Device,
        Self::Status,
        Self::Since,
        Self::Version,
        Self::Model,
        Self::Label,
        Self::Fps,
        Self::Temperature,
        Self::Dropped,
        Self::Lost,
        Self::Config,
        Self::Problems,
        Self::Name,
        Self::Board,
    ];

    /// Those of the table, which are the first; the others can be asked for.
    pub const SHOWN: [Self; 12] = {
        let [shown @ .., _name, _board] = Self::ALL;
        shown
    };

    /// As it is written in a condition, and in the heading.
    pub fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Status => "status",
            Self::Since => "since",
            Self::Version => "version",
            Self::Model => "model",
            Self::Label => "label",
            Self::Fps => "fps",
            Self::Temperature => "temperature",
            Self::Dropped => "dropped",
            Self::Lost => "lost",
            Self::Config => "config",
            Self::Problems => "problems",
            Self::Name => "name",
            Self::Board => "board",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|column| column.name() == name)
    }

    /// Whether it has numbers, which are shown to the right.
    pub fn is_number(self) -> bool {
        matches!(self, Self::Since | Self::Fps | Self::Temperature | Self::Dropped | Self::Lost | Self::Problems)
    }

    /// What stands in the device's cell; times are in seconds.
    pub fn of(self, device: &Device, now: Timestamp) -> Cell {
        let text = |text: &Option<String>| text.clone().map_or(Cell::Nothing, |text| Cell::Texts(vec![text]));
        let number = |number: Option<f64>| number.map_or(Cell::Nothing, Cell::Number);
        let texts = |texts: Vec<String>| if texts.is_empty() { Cell::Nothing } else { Cell::Texts(texts) };
        match self {
            Self::Device => Cell::Texts(vec![device.id.clone()]),
            Self::Status => Cell::Texts(vec![device.presence.name().to_owned()]),
            Self::Since => number(device.since(now).map(|time| time.as_secs_f64())),
            Self::Version => text(&device.version),
            Self::Model => texts(device.models.clone()),
            Self::Label => texts(device.labels().map(str::to_owned).collect()),
            Self::Fps => number(device.fps),
            Self::Temperature => number(device.temperature_celsius),
            Self::Dropped => number(device.dropped_frames.map(|count| count as f64)),
            Self::Lost => number(device.dropped_events.map(|count| count as f64)),
            Self::Config => text(&device.config_hash.as_ref().map(|hash| hash.chars().take(8).collect())),
            Self::Problems => Cell::Number(
                (device.problems.len() + device.nonsense.len()) as f64 + f64::from(u8::from(device.twin.is_some())),
            ),
            Self::Name => text(&device.name),
            Self::Board => text(&device.board),
        }
    }

    /// The cell as text.
    pub fn show(self, device: &Device, now: Timestamp) -> String {
        match (self, self.of(device, now)) {
            (_, Cell::Nothing) => NOTHING.to_owned(),
            (_, Cell::Texts(texts)) => texts.join(", "),
            (Self::Since, Cell::Number(seconds)) => {
                short_time(Duration::try_from_secs_f64(seconds).unwrap_or_default())
            }
            (Self::Fps | Self::Temperature, Cell::Number(number)) => format!("{number:.1}"),
            (_, Cell::Number(number)) => format!("{number:.0}"),
        }
    }
}

/// The devices in the order of a column. What is not known comes last in either direction; what is equal is in the order of the ids.
pub fn sorted<'a>(
    devices: impl Iterator<Item = &'a Device>,
    column: Column,
    descending: bool,
    now: Timestamp,
) -> Vec<&'a Device> {
    let mut cells: Vec<(Cell, &Device)> = devices.map(|device| (column.of(device, now), device)).collect();
    cells.sort_by(|(one, device), (other, other_device)| {
        let by_cell = match (one, other) {
            (Cell::Nothing, Cell::Nothing) => Ordering::Equal,
            (Cell::Nothing, _) => return Ordering::Greater,
            (_, Cell::Nothing) => return Ordering::Less,
            (Cell::Number(one), Cell::Number(other)) => one.total_cmp(other),
            (Cell::Texts(one), Cell::Texts(other)) => natural::compare(&one.join(", "), &other.join(", ")),
            // A column has numbers or texts.
            (Cell::Number(_), Cell::Texts(_)) => Ordering::Less,
            (Cell::Texts(_), Cell::Number(_)) => Ordering::Greater,
        };
        let by_cell = if descending { by_cell.reverse() } else { by_cell };
        by_cell.then_with(|| natural::compare(&device.id, &other_device.id))
    });
    cells.into_iter().map(|(_, device)| device).collect()
}

/// A length of time in its two largest units: `45s`, `12m 3s`, `5h 20m`, `3d 4h`.
pub fn short_time(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m {}s", seconds % 60),
        3600..86_400 => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

/// A device for scripts. Members may be added.
pub fn json(device: &Device, now: Timestamp) -> Value {
    let views: Map<String, Value> = (device.said.iter())
        .map(|(view, said)| {
            let at = said.at.map(|at| at.to_string());
            let name = if view.is_empty() { "main" } else { view };
            (
                name.to_owned(),
                json!({ "label": said.label, "status": said.status, "confidence": said.confidence, "ts": at }),
            )
        })
        .collect();
    json!({
        "device": device.id,
        "status": device.presence.name(),
        "since_s": device.since(now).map(|time| time.as_secs()),
        "name": device.name,
        "version": device.version,
        "board": device.board,
        "models": device.models,
        "labels": device.labels().collect::<Vec<_>>(),
        "views": views,
        "fps": device.fps,
        "temperature_c": device.temperature_celsius,
        "dropped_frames": device.dropped_frames,
        "dropped_events": device.dropped_events,
        "config_hash": device.config_hash,
        "problems": device.problems,
        "twin": device.twin,
        "not_understood": device.nonsense,
    })
}

#[cfg(test)]
mod tests {
    use super::super::roster::Roster;
    use super::super::roster::tests::{noon, well};
    use super::*;

    #[test]
    fn times_have_two_units() {
        for (seconds, text) in [(0, "0s"), (59, "59s"), (723, "12m 3s"), (19_200, "5h 20m"), (273_600, "3d 4h")] {
            assert_eq!(short_time(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn what_is_not_known_is_last_and_equal_devices_are_in_the_order_of_their_ids() {
        let mut roster = Roster::new("glimpsed");
        for id in ["gate-10", "gate-2"] {
            well(&mut roster, id);
        }
        roster.note("glimpsed/a/status", b"offline", true, noon());
        for (column, descending, expected) in [
            (Column::Temperature, false, ["gate-2", "gate-10", "a"]),
            (Column::Temperature, true, ["gate-2", "gate-10", "a"]),
            (Column::Device, true, ["gate-10", "gate-2", "a"]),
        ] {
            let ids: Vec<&str> =
                sorted(roster.devices(), column, descending, noon()).iter().map(|device| device.id.as_str()).collect();
            assert_eq!(ids, expected, "{column:?}");
        }
        let row =
            |id: &str| Column::SHOWN.map(|column| column.show(roster.device(id).expect("known"), noon())).join(" ");
        assert_eq!(row("gate-2"), "gate-2 online 1h 0m 0.1.0 m tabby 5.0 50.0 6 4 aaaa 0");
        assert_eq!(row("a"), "a offline - - - - - - - - - 0");
    }

    #[test]
    fn each_column_has_a_name_of_its_own() {
        for column in Column::ALL {
            assert_eq!(Column::named(column.name()), Some(column));
        }
    }
}
