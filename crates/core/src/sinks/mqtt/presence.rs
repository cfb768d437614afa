//! Detects another device with the same id: two daemons that share their topics overwrite each other's messages, and when one stops,
//! both are offline.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::time::Instant;

use super::inbound::Identity;
use super::table::status;
use super::topics::Topics;
use glimpsed_base::shutdown::Shutdown;
use glimpsed_base::sync::Mutex;
use glimpsed_mqtt::Outbox;

/// Shortest time between two contradictions (`online` published again), which bounds the traffic between two daemons.
const CONTRADICT_EVERY: Duration = Duration::from_secs(10);

/// Shortest time between two introductions (`info` published again): the other device receives it and answers with its own.
const INTRODUCE_EVERY: Duration = Duration::from_secs(60);

/// The other device is considered gone when it has published nothing for this long.
const FORGET_AFTER: Duration = Duration::from_secs(300);

/// Tells this process from others of the same device id.
pub(super) fn instance() -> &'static str {
    static INSTANCE: LazyLock<String> = LazyLock::new(|| format!("{:016x}", fastrand::u64(..)));
    &INSTANCE
}

/// The identity that the other device with the same id published; shared with the health report and the page.
pub(super) type Twin = Arc<Mutex<Option<String>>>;

/// Receives what is published on this device's `status` and `info`, and publishes a correction where that is wrong.
pub(super) struct Presence {
    topics: Topics,
    outbox: Arc<Outbox>,
    /// Set when this daemon says `offline` itself.
    leaving: Shutdown,
    twin: Twin,
    heard_at: Option<Instant>,
    contradict: Due,
    introduce: Due,
}

/// Something to do, at most once an interval.
struct Due {
    every: Duration,
    at: Option<Instant>,
    last: Option<Instant>,
}

impl Due {
    fn new(every: Duration) -> Self {
        Self { every, at: None, last: None }
    }

    fn schedule(&mut self, now: Instant) {
        let at = self.last.map_or(now, |last| now.max(last + self.every));
        self.at.get_or_insert(at);
    }

    fn is_due(&mut self, now: Instant) -> bool {
        let due = self.at.is_some_and(|at| at <= now);
        if due {
            (self.at, self.last) = (None, Some(now));
        }
        due
    }
}

impl Presence {
    pub(super) fn new(topics: Topics, outbox: Arc<Outbox>, leaving: Shutdown, twin: Twin) -> Self {
        let (contradict, introduce) = (Due::new(CONTRADICT_EVERY), Due::new(INTRODUCE_EVERY));
        Self { topics, outbox, leaving, twin, heard_at: None, contradict, introduce }
    }

    /// `offline` was received: from another daemon of the same id that stops, or from the last will of a connection that
    /// was lost before this one.
    pub(super) fn heard_offline(&mut self, now: Instant) {
        if !self.leaving.is_set() {
            self.contradict.schedule(now);
        }
    }

    /// An `info` was received.
    pub(super) fn heard_info(&mut self, identity: Option<&Identity>, now: Instant) {
        if identity.is_some_and(|identity| identity.instance == instance()) || self.leaving.is_set() {
            return;
        }
        // What is retained is no longer what this daemon has said.
        self.introduce.schedule(now);
        let Some(identity) = identity else { return };
        self.heard_at = Some(now);
        let mut twin = self.twin.lock();
        if twin.as_ref() != Some(&identity.says) {
            let hint = "give each its own `id` in [device]; what they publish is mixed until then";
            tracing::warn!(
                other = identity.says,
                hint,
                "another device has the same id and publishes on the same topics"
            );
            *twin = Some(identity.says.clone());
        }
    }

    /// When something is to be done.
    pub(super) fn due_at(&self) -> Option<Instant> {
        let forget = self.heard_at.map(|heard| heard + FORGET_AFTER);
        [self.contradict.at, self.introduce.at, forget].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(super) fn act(&mut self, now: Instant) {
        if self.contradict.is_due(now) && !self.leaving.is_set() {
            tracing::info!("another client published that this device is offline; `online` is published again");
            self.outbox.push(status(&self.topics, "online"));
        }
        if self.introduce.is_due(now) {
            if self.twin.lock().is_none() {
                let topic = &self.topics.info;
                tracing::info!(topic, "another client wrote over what this device is; it is published again");
            }
            self.outbox.repeat_one(&self.topics.info);
        }
        if self.heard_at.is_some_and(|heard| heard + FORGET_AFTER <= now) {
            self.heard_at = None;
            *self.twin.lock() = None;
            tracing::info!("the other device with the same id has published nothing for five minutes");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presence() -> (Presence, Arc<Outbox>, Twin) {
        let (outbox, twin) = (Arc::new(Outbox::new(10)), Twin::default());
        outbox.connected();
        let topics = Topics::new("glimpsed", "shelf", &Default::default());
        outbox.push(glimpsed_mqtt::Message::new("glimpsed/shelf/info", "{}", glimpsed_mqtt::Delivery::Latest, true));
        while outbox.take().is_some() {}
        (Presence::new(topics, outbox.clone(), Shutdown::new(), twin.clone()), outbox, twin)
    }

    fn sent(outbox: &Outbox) -> Vec<String> {
        std::iter::from_fn(|| outbox.take()).map(|(_, message)| message.topic).collect()
    }

    #[test]
    fn a_wrong_offline_is_contradicted_at_once_and_then_seldom() {
        let (mut presence, outbox, _) = presence();
        let (mut contradicted, mut now) = (0, Instant::now());
        for _ in 0..60 {
            presence.heard_offline(now);
            presence.act(now);
            contradicted += sent(&outbox).len();
            now += Duration::from_secs(1);
        }
        assert_eq!(contradicted, 6);
        presence.leaving.trigger();
        presence.heard_offline(now);
        presence.act(now + CONTRADICT_EVERY);
        assert_eq!(sent(&outbox).len(), 0, "now it is true");
    }

    #[test]
    fn another_device_is_named_introduced_to_and_forgotten_when_it_is_silent() {
        let (mut presence, outbox, twin) = presence();
        let now = Instant::now();
        let info = |instance: &str| Identity { instance: instance.into(), says: "`Shelf` on a board".into() };
        presence.heard_info(Some(&info(instance())), now);
        assert_eq!((presence.due_at(), &*twin.lock()), (None, &None), "its own voice");
        presence.heard_info(Some(&info("another")), now);
        assert_eq!(twin.lock().as_deref(), Some("`Shelf` on a board"));
        presence.act(now);
        assert_eq!(sent(&outbox), ["glimpsed/shelf/info"]);
        presence.heard_info(Some(&info("another")), now);
        presence.act(now);
        assert!(sent(&outbox).is_empty(), "not again within a minute");
        presence.act(now + FORGET_AFTER);
        assert_eq!((&*twin.lock(), presence.heard_at), (&None, None));
    }
}
