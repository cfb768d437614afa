//! The sessions that a logout has ended, in a small file, so that a restart does not begin them again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use glimpsed_base::files;
use glimpsed_core::directories::{self, NotKept};

const FILE: &str = "ended-sessions.json";
const MODE: u32 = 0o600;

/// Capacity. Those that end first by themselves are dropped first; only who has the token can end sessions.
const MOST: usize = 1000;
const MAX_BYTES: u64 = 1 << 17;

/// The number of each session, and when it would have ended by itself, in seconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct EndedSessions(BTreeMap<String, i64>);

impl EndedSessions {
    /// A damaged file counts as missing.
    pub(super) fn read() -> Self {
        let read = |directory: &std::path::PathBuf| files::read_text(&directory.join(FILE), MAX_BYTES).ok();
        let text = directories::state().iter().find_map(read);
        text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    pub(super) fn contains(&self, number: &str) -> bool {
        self.0.contains_key(number)
    }

    /// False if it was there already.
    pub(super) fn add(&mut self, number: &str, until: i64, now: i64) -> bool {
        self.0.retain(|_, until| *until > now);
        if self.0.len() >= MOST
            && let Some(first) = self.0.iter().min_by_key(|(_, until)| **until).map(|(number, _)| number.clone())
        {
            self.0.remove(&first);
        }
        self.0.insert(number.to_owned(), until).is_none()
    }

    pub(super) fn merge(&mut self, other: Self) {
        let room = MOST.saturating_sub(self.0.len());
        self.0.extend(other.0.into_iter().take(room));
    }

    /// # Errors
    /// Why it cannot be stored.
    pub(super) fn store(&self) -> Result<(), NotKept> {
        directories::keep_json_within(&directories::state(), FILE, self, MODE).map(drop)
    }
}
