//! Events that the broker did not get before the daemon stopped, in a file of the state directory: written once at the stop, sent
//! after the next start.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::topics::Topics;
use crate::directories;
use glimpsed_base::files;
use glimpsed_mqtt::{BrokerUrl, Delivery, Message, Outbox};

/// So many events are kept, the newest.
const MAX_EVENTS: usize = 1000;

/// The largest total size of what is kept.
const MAX_BYTES: usize = 1 << 20;

/// The largest file: JSON quotes each quote.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// Only this user may read what was seen.
const MODE: u32 = 0o600;

/// How often it is looked at whether everything was sent.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The events of one topic at one broker.
pub(super) struct Unsent {
    file: String,
    topic: String,
    directories: Vec<PathBuf>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    topic: String,
    /// Oldest first.
    events: Vec<String>,
}

impl Unsent {
    pub(super) fn new(topics: &Topics, broker: &BrokerUrl) -> Self {
        Self::within(directories::state(), topics, broker)
    }

    fn within(directories: Vec<PathBuf>, topics: &Topics, broker: &BrokerUrl) -> Self {
        // One broker's events are none of another's business.
        let digest = Sha256::digest(format!("{broker} {}", topics.event));
        let name: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        Self { file: format!("unsent-events-{name}.json"), topic: topics.event.clone(), directories }
    }

    /// Queues what an earlier run has left; true if there was something.
    pub(super) fn queue(&self, outbox: &Outbox) -> bool {
        let found = self
            .directories
            .iter()
            .map(|directory| directory.join(&self.file))
            .find(|path| std::fs::File::open(path).is_ok());
        let Some(path) = found else { return false };
        let read = files::read_text(&path, MAX_FILE_BYTES)
            .and_then(|text| serde_json::from_str::<Kept>(&text).map_err(|error| error.to_string()));
        match read {
            Ok(kept) if kept.topic == self.topic => {
                let surplus = kept.events.len().saturating_sub(MAX_EVENTS);
                tracing::info!(events = kept.events.len() - surplus, "events from before the start are sent now");
                for event in kept.events.into_iter().skip(surplus) {
                    outbox.push(Message::new(self.topic.clone(), event, Delivery::Event, false));
                }
                true
            }
            other => {
                let cause = other.err().unwrap_or_else(|| "they are for another topic".into());
                tracing::warn!(file = %path.display(), cause, "the events from before the start are lost");
                self.remove();
                false
            }
        }
    }

    /// Removes the file once no event waits any more. Until then, what a loss of power takes from memory is still there.
    pub(super) async fn remove_when_sent(self, outbox: Arc<Outbox>) {
        while outbox.waiting_events() > 0 {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.remove();
    }

    /// Keeps what waits, in place of what was kept before. What cannot be kept is counted in the log.
    pub(super) fn keep(&self, outbox: &Outbox) {
        let waiting = outbox.take_events();
        if waiting.is_empty() {
            return self.remove();
        }
        let all = waiting.len();
        let mut bytes = 0;
        let mut events: Vec<String> = waiting
            .into_iter()
            .rev()
            .filter(|message| message.topic == self.topic)
            .filter_map(|message| String::from_utf8(message.payload).ok())
            .take(MAX_EVENTS)
            .take_while(|event| {
                bytes += event.len();
                bytes <= MAX_BYTES
            })
            .collect();
        events.reverse();
        let kept = events.len();
        match self.write(&Kept { topic: self.topic.clone(), events }) {
            Ok(file) => {
                tracing::info!(events = kept, file = %file.display(), "events that the broker did not get are sent after the next start");
                if kept < all {
                    tracing::warn!(events = all - kept, "events are lost: more than the file may hold");
                }
            }
            Err(cause) => tracing::warn!(events = all, cause, "events that the broker did not get are lost"),
        }
    }

    fn write(&self, kept: &Kept) -> Result<PathBuf, String> {
        let text = serde_json::to_string(kept).map_err(|error| error.to_string())?;
        directories::keep_within(&self.directories, &self.file, text.as_bytes(), MODE)
    }

    fn remove(&self) {
        for directory in &self.directories {
            let _ = std::fs::remove_file(directory.join(&self.file));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    fn unsent(directory: &Path, topics: &Topics) -> Unsent {
        Unsent::within(vec![directory.to_owned()], topics, &"mqtt://broker".parse().expect("an address"))
    }

    fn outbox_with(topics: &Topics, events: impl IntoIterator<Item = String>) -> Outbox {
        let outbox = Outbox::new(100_000);
        for event in events {
            outbox.push(Message::new(topics.event.clone(), event, Delivery::Event, false));
        }
        outbox
    }

    #[test]
    fn what_waited_at_the_stop_is_there_after_the_start_once() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let topics = Topics::new("glimpsed", "shelf");
        let unsent = unsent(directory.path(), &topics);
        unsent.keep(&outbox_with(&topics, ["{\"a\": 1}".into(), "second".into()]));
        let file = directory.path().join(&unsent.file);
        let mode = std::fs::metadata(&file).expect("written").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let next = Outbox::new(10);
        assert!(unsent.queue(&next));
        let sent: Vec<Vec<u8>> = std::iter::from_fn(|| next.take()).map(|(_, message)| message.payload).collect();
        assert_eq!(sent, [b"{\"a\": 1}".to_vec(), b"second".to_vec()]);
        unsent.keep(&Outbox::new(10));
        assert!(!file.exists() && !unsent.queue(&next));
    }

    #[test]
    fn the_newest_are_kept_in_a_bounded_file() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let topics = Topics::new("glimpsed", "shelf");
        let unsent = unsent(directory.path(), &topics);
        unsent.keep(&outbox_with(&topics, (0..5000).map(|number| number.to_string())));
        let next = Outbox::new(100_000);
        unsent.queue(&next);
        assert_eq!(next.waiting_events(), MAX_EVENTS);
        assert_eq!(next.take().expect("the oldest kept").1.payload, b"4000");
        unsent.keep(&outbox_with(&topics, (0..100).map(|_| "\"".repeat(100_000))));
        assert!(std::fs::metadata(directory.path().join(&unsent.file)).expect("written").len() < MAX_FILE_BYTES);
    }

    #[test]
    fn a_file_that_is_damaged_or_anothers_is_told_and_removed() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let topics = Topics::new("glimpsed", "shelf");
        let unsent = unsent(directory.path(), &topics);
        for text in ["{", "{\"topic\": \"other\", \"events\": [\"x\"]}", ""] {
            std::fs::write(directory.path().join(&unsent.file), text).expect("writable");
            let outbox = Outbox::new(10);
            assert!(!unsent.queue(&outbox) && outbox.waiting_events() == 0);
            assert!(!directory.path().join(&unsent.file).exists());
        }
    }
}
