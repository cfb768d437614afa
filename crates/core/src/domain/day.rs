//! What a view has shown on a day.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;

use super::name::Name;

/// The labels of a local date.
#[derive(Debug, Clone, PartialEq)]
pub struct Day {
    pub date: Date,
    /// In the order of their first appearance.
    pub labels: Vec<DayLabel>,
    /// The labels that there was no room for, together.
    pub others: Others,
    /// The labels that hold, the most likely first: one at most where they exclude each other.
    pub holds: Vec<Arc<str>>,
}

/// One label of a day.
#[derive(Debug, Clone, PartialEq)]
pub struct DayLabel {
    pub label: Arc<str>,
    /// How often it began to hold; holding at midnight counts as one beginning.
    pub times: u32,
    /// How long it has held.
    pub held: Duration,
    /// When it began to hold, and when it held last.
    pub first: Timestamp,
    pub last: Timestamp,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Others {
    pub times: u32,
    pub held: Duration,
}

impl Day {
    pub fn new(date: Date) -> Self {
        Self { date, labels: Vec::new(), others: Others::default(), holds: Vec::new() }
    }
}

/// The day of a view.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewDay {
    pub view: Name,
    pub day: Day,
}
