//! Events that the broker did not get before the daemon stopped, in a file of the state directory: written once at the stop, sent
//! after the next start. A disk may be slow, so all of it happens beside the main thread.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::task::{JoinHandle, spawn_blocking};

use super::topics::Topics;
use crate::directories::{self, NotKept};
use glimpsed_base::hex::hex;
use glimpsed_base::{budget, files};
use glimpsed_mqtt::{BrokerUrl, Delivery, Message, Outbox};

/// The largest number of events that are kept: the newest.
const MAX_EVENTS: usize = 1000;

/// The largest file: JSON quotes each quote.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// Only this user may read what was seen.
const MODE: u32 = 0o600;

/// Interval of the checks whether everything was sent.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The events of one device at one broker.
#[derive(Debug, Clone)]
pub(super) struct Unsent {
    file: String,
    /// That of the only view of a device, and what the topics of others' begin with.
    topic: String,
    base: String,
    directories: Vec<PathBuf>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    topic: String,
    /// Events that were lost at the stop, because the file holds no more. The next run counts them, since the counters of the run that
    /// lost them end with it.
    #[serde(default)]
    lost: u64,
    /// Oldest first.
    events: Vec<String>,
    /// The topic of each event, unless it is `topic` for all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    topics: Vec<String>,
}

/// What an earlier run has left.
#[derive(Debug, Default)]
struct Left {
    lost: u64,
    /// Oldest first.
    events: Vec<Message>,
}

/// Events from before the start, on their way into an outbox and out of it; then the file is removed. Until then, what a loss of power
/// takes from memory is still there.
pub(super) struct Earlier {
    unsent: Unsent,
    /// The outbox has them, so the file has nothing that is not there.
    queued: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Drop for Earlier {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Earlier {
    /// Must be called within the asynchronous runtime.
    pub(super) fn send(unsent: Unsent, outbox: Arc<Outbox>) -> Self {
        let queued = Arc::<AtomicBool>::default();
        let (of_it, done) = (unsent.clone(), queued.clone());
        let task = tokio::spawn(async move {
            let reader = of_it.clone();
            let Ok(Left { lost, events }) = spawn_blocking(move || reader.read()).await else { return };
            outbox.count_lost_events(lost);
            let is_some = !events.is_empty();
            if is_some {
                tracing::info!(events = events.len(), "events from before the start are sent now");
                outbox.push_earlier(events);
            }
            done.store(true, Ordering::Relaxed);
            while is_some && outbox.waiting_events() > 0 {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            let _ = spawn_blocking(move || of_it.remove()).await;
        });
        Self { unsent, queued, task }
    }

    /// Whether it is about this file.
    pub(super) fn is_of(&self, unsent: &Unsent) -> bool {
        self.unsent.file == unsent.file
    }

    pub(super) fn is_done(&self) -> bool {
        self.task.is_finished()
    }

    /// Removes the file, whose events the outbox has.
    pub(super) async fn forget(self) {
        self.task.abort();
        if self.queued.load(Ordering::Relaxed) {
            let unsent = self.unsent.clone();
            let _ = spawn_blocking(move || unsent.remove()).await;
        }
    }
}

/// Keeps what waits in the outbox as the events of `unsent`, in place of what was kept before; `earlier` are those that were on their way.
pub(super) async fn keep(unsent: Unsent, outbox: Arc<Outbox>, earlier: Vec<Earlier>) {
    let mut is_queued = true;
    for one in earlier {
        match one.is_of(&unsent) {
            true => is_queued = one.queued.load(Ordering::Relaxed),
            // They wait in the outbox, and are kept with the others.
            false => one.forget().await,
        }
    }
    let _ = spawn_blocking(move || unsent.keep(&outbox, is_queued)).await;
}

impl Unsent {
    pub(super) fn new(topics: &Topics, broker: &BrokerUrl) -> Self {
        Self::within(directories::state(), topics, broker)
    }

    fn within(directories: Vec<PathBuf>, topics: &Topics, broker: &BrokerUrl) -> Self {
        // The events of one broker must not go to another.
        let topic = topics.event_without_name();
        let digest = Sha256::digest(format!("{broker} {topic}"));
        let name = hex(&digest[..6]);
        let base = topic.trim_end_matches("event").to_owned();
        Self { file: format!("unsent-events-{name}.json"), topic, base, directories }
    }

    fn read(&self) -> Left {
        let found = self
            .directories
            .iter()
            .map(|directory| directory.join(&self.file))
            .find(|path| std::fs::File::open(path).is_ok());
        let Some(path) = found else { return Left::default() };
        let read = files::read_text(&path, MAX_FILE_BYTES)
            .map_err(|error| error.to_string())
            .and_then(|text| serde_json::from_str::<Kept>(&text).map_err(|error| error.to_string()));
        match read {
            Ok(kept) if kept.topic == self.topic => {
                let surplus = kept.events.len().saturating_sub(MAX_EVENTS);
                let topics = kept.topics.into_iter().chain(std::iter::repeat(self.topic.clone()));
                let events = kept.events.into_iter().zip(topics).skip(surplus);
                let ours = events.filter(|(_, topic)| topic.starts_with(&self.base));
                let message = |(event, topic)| Message::new(topic, event, Delivery::Event, false);
                Left { lost: kept.lost, events: ours.map(message).collect() }
            }
            other => {
                let cause = other.err().unwrap_or_else(|| "they are for another topic".into());
                tracing::warn!(file = %path.display(), cause, "the events from before the start are lost");
                self.remove();
                Left::default()
            }
        }
    }

    /// What cannot be kept is counted, and logged.
    fn keep(&self, outbox: &Outbox, is_queued: bool) {
        // A stop that came before the file was read.
        let earlier = if is_queued { Left::default() } else { self.read() };
        let waiting: Vec<Message> = earlier.events.into_iter().chain(outbox.take_events()).collect();
        if waiting.is_empty() && earlier.lost == 0 {
            return self.remove();
        }
        let all = waiting.len();
        let mut bytes = 0;
        let mut newest: Vec<(String, String)> = waiting
            .into_iter()
            .rev()
            .filter(|message| message.topic.starts_with(&self.base))
            .filter_map(|message| Some((message.topic, String::from_utf8(message.payload).ok()?)))
            .take(MAX_EVENTS)
            .take_while(|(_, event)| {
                bytes += event.len();
                bytes <= budget::MQTT_KEPT
            })
            .collect();
        newest.reverse();
        let kept = newest.len();
        let (mut topics, events): (Vec<String>, Vec<String>) = newest.into_iter().unzip();
        if topics.iter().all(|topic| *topic == self.topic) {
            topics.clear();
        }
        let lost = (all - kept) as u64;
        match self.write(&Kept { topic: self.topic.clone(), lost: earlier.lost + lost, events, topics }) {
            Ok(file) => {
                if kept > 0 {
                    tracing::info!(events = kept, file = %file.display(), "events that the broker did not get are sent after the next start");
                }
                if lost > 0 {
                    outbox.count_lost_events(lost);
                    tracing::warn!(events = lost, "events are lost: more than the file may hold");
                }
            }
            Err(cause) => {
                outbox.count_lost_events(all as u64);
                tracing::warn!(events = all, %cause, "events that the broker did not get are lost");
            }
        }
    }

    fn write(&self, kept: &Kept) -> Result<PathBuf, NotKept> {
        directories::keep_json_within(&self.directories, &self.file, kept, MODE)
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
            outbox.push(Message::new(topics.event_without_name(), event, Delivery::Event, false));
        }
        outbox
    }

    #[test]
    fn what_waited_at_the_stop_is_there_after_the_start_once() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let topics = Topics::new("glimpsed", "shelf", &Default::default());
        let unsent = unsent(directory.path(), &topics);
        unsent.keep(&outbox_with(&topics, ["{\"a\": 1}".into(), "second".into()]), true);
        let file = directory.path().join(&unsent.file);
        let mode = std::fs::metadata(&file).expect("written").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let payloads = |messages: Vec<Message>| messages.into_iter().map(|event| event.payload).collect::<Vec<_>>();
        assert_eq!(payloads(unsent.read().events), [b"{\"a\": 1}".to_vec(), b"second".to_vec()]);
        unsent.keep(&outbox_with(&topics, ["third".into()]), false);
        assert_eq!(unsent.read().events.len(), 3, "a stop that comes before the file was read loses nothing");
        unsent.keep(&Outbox::new(10), true);
        assert!(!file.exists() && unsent.read().events.is_empty());
    }

    #[tokio::test]
    async fn after_a_change_of_the_broker_no_event_is_kept_twice() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let topics = Topics::new("glimpsed", "shelf", &Default::default());
        let first = unsent(directory.path(), &topics);
        first.keep(&outbox_with(&topics, ["kept".into()]), true);
        let outbox = Arc::new(Outbox::new(10));
        outbox.push(Message::new(topics.event_without_name(), "new", Delivery::Event, false));
        let earlier = Earlier::send(first.clone(), outbox.clone());
        while outbox.waiting_events() < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(outbox.take().expect("an event").1.payload, b"kept", "the older one comes first");
        let second =
            Unsent::within(vec![directory.path().to_owned()], &topics, &"mqtt://another".parse().expect("an address"));
        keep(second.clone(), outbox, vec![earlier]).await;
        assert_eq!((first.read().events.len(), second.read().events.len()), (0, 2));
    }

    #[test]
    fn the_newest_are_kept_in_a_bounded_file() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let topics = Topics::new("glimpsed", "shelf", &Default::default());
        let unsent = unsent(directory.path(), &topics);
        let outbox = outbox_with(&topics, (0..5000).map(|number| number.to_string()));
        unsent.keep(&outbox, true);
        assert_eq!(outbox.dropped().event, 4000);
        let kept = unsent.read();
        assert_eq!(kept.events.len(), MAX_EVENTS);
        assert_eq!(kept.events.first().expect("the oldest kept").payload, b"4000");
        unsent.keep(&outbox_with(&topics, (0..100).map(|_| "\"".repeat(100_000))), true);
        assert!(std::fs::metadata(directory.path().join(&unsent.file)).expect("written").len() < MAX_FILE_BYTES);
    }

    #[tokio::test]
    async fn what_was_lost_at_a_stop_is_counted_by_the_next_run() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let topics = Topics::new("glimpsed", "shelf", &Default::default());
        let unsent = unsent(directory.path(), &topics);
        unsent.keep(&outbox_with(&topics, (0..1010).map(|number| number.to_string())), true);
        unsent.keep(&Outbox::new(10), false);
        assert_eq!(unsent.read().lost, 10, "a run that stops before it has read the file passes the number on");
        let outbox = Arc::new(Outbox::new(10_000));
        let _earlier = Earlier::send(unsent, outbox.clone());
        while outbox.waiting_events() < MAX_EVENTS {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(outbox.dropped().event, 10);
    }

    #[test]
    fn an_event_that_cannot_be_kept_is_counted() {
        let topics = Topics::new("glimpsed", "shelf", &Default::default());
        let unsent = unsent(Path::new("/proc/nowhere"), &topics);
        let outbox = outbox_with(&topics, ["one".into(), "two".into()]);
        unsent.keep(&outbox, true);
        assert_eq!(outbox.dropped().event, 2);
    }

    #[test]
    fn a_file_that_is_damaged_or_anothers_is_told_and_removed() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let topics = Topics::new("glimpsed", "shelf", &Default::default());
        let unsent = unsent(directory.path(), &topics);
        for text in ["{", "{\"topic\": \"other\", \"events\": [\"x\"]}", ""] {
            std::fs::write(directory.path().join(&unsent.file), text).expect("writable");
            assert!(unsent.read().events.is_empty());
            assert!(!directory.path().join(&unsent.file).exists());
        }
    }
}
