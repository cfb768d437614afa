//! The connection's state and counters, for other threads.

use std::sync::{Arc, MutexGuard};

use serde::Serialize;

use crate::message::{Delivery, Tally};
use crate::outbox::Outbox;
use glimpsed_base::sync::Mutex;

/// The connection's state, and its counters since the start of the process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Whether there is a session.
    pub connected: bool,
    /// Sessions that have begun.
    pub connects: u64,
    /// Attempts that led to no session, and sessions that were lost.
    pub failures: u64,
    /// Live messages that were handed to the stream, and others that were acknowledged.
    pub published: Tally,
    /// Messages that were dropped; see [`Outbox::dropped`].
    pub dropped: Tally,
    /// Messages that wait to be sent or acknowledged.
    pub waiting: usize,
    /// Messages on subscribed topics that were handed over.
    pub received: u64,
    /// Messages on subscribed topics that were too many, or too large, to be handed over.
    pub refused: u64,
}

/// A view of a connection, for use from any thread.
#[derive(Debug, Clone)]
pub struct Monitor {
    outbox: Arc<Outbox>,
    counters: Arc<Mutex<Counters>>,
    last_loss: Arc<Mutex<Option<String>>>,
}

impl Monitor {
    pub(super) fn new(outbox: Arc<Outbox>) -> Self {
        Self { outbox, counters: Arc::default(), last_loss: Arc::default() }
    }

    /// The current state and counters.
    pub fn counters(&self) -> Counters {
        // The order matters: a message that needs an acknowledgement is counted as published or dropped before it stops
        // waiting, and the waiting ones are read first. So it is never missing from all three.
        let waiting = self.outbox.waiting();
        let dropped = self.outbox.dropped();
        Counters { dropped, waiting, ..*self.lock() }
    }

    pub(super) fn began(&self) {
        let mut counters = self.lock();
        counters.connected = true;
        counters.connects += 1;
    }

    /// Why the last session was lost, or the last attempt led to none; it is kept when there is a session again. The text may hold what a
    /// broker sent.
    pub fn last_loss(&self) -> Option<String> {
        self.last_loss.lock().clone()
    }

    pub(super) fn failed(&self, cause: &str) {
        *self.last_loss.lock() = Some(cause.to_owned());
        self.lock().failures += 1;
    }

    pub(super) fn ended(&self) {
        self.lock().connected = false;
    }

    pub(super) fn published(&self, delivery: Delivery) {
        self.lock().published.count(delivery);
    }

    pub(super) fn received(&self, taken: bool) {
        let mut counters = self.lock();
        match taken {
            true => counters.received += 1,
            false => counters.refused += 1,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock()
    }
}
