//! A lane of the outbox: a bounded queue whose drop policy is to drop the oldest messages.

use std::collections::VecDeque;

use crate::message::Message;

/// A waiting message.
#[derive(Debug)]
pub(crate) struct Queued {
    /// Its place among all messages of the outbox.
    pub ticket: u64,
    pub message: Message,
    /// How often the broker has refused it for a passing reason.
    pub tries: u8,
}

impl Queued {
    pub(crate) fn new(ticket: u64, message: Message) -> Self {
        Self { ticket, message, tries: 0 }
    }
}

/// The message of a lane that is to be sent next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct First {
    place: usize,
    pub ticket: u64,
}

/// Messages in the order of their tickets.
#[derive(Debug)]
pub(crate) struct Lane {
    queue: VecDeque<Queued>,
    bytes: usize,
    pub capacity: usize,
    max_bytes: usize,
}

impl Lane {
    pub(crate) fn new(capacity: usize, max_bytes: usize) -> Self {
        Self { queue: VecDeque::new(), bytes: 0, capacity, max_bytes }
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn push_back(&mut self, queued: Queued) {
        self.bytes += queued.message.size();
        self.queue.push_back(queued);
    }

    /// Puts a message back into its place, which is near the front.
    pub(crate) fn insert(&mut self, queued: Queued) {
        self.bytes += queued.message.size();
        let place = self.queue.iter().position(|later| later.ticket > queued.ticket).unwrap_or(self.queue.len());
        self.queue.insert(place, queued);
    }

    pub(crate) fn pop(&mut self) -> Option<Queued> {
        self.remove(0)
    }

    fn remove(&mut self, place: usize) -> Option<Queued> {
        let queued = self.queue.remove(place)?;
        self.bytes -= queued.message.size();
        Some(queued)
    }

    /// The first message whose topic does not wait: its ticket, or the largest possible one.
    pub(crate) fn first(&self, waits: impl Fn(&str) -> bool) -> First {
        let place = self.queue.iter().position(|queued| !waits(&queued.message.topic));
        let ticket = place.and_then(|place| self.queue.get(place)).map_or(u64::MAX, |queued| queued.ticket);
        First { place: place.unwrap_or_default(), ticket }
    }

    /// Takes that message out.
    pub(crate) fn take(&mut self, first: First) -> Option<Queued> {
        if first.ticket == u64::MAX { None } else { self.remove(first.place) }
    }

    /// Drops the oldest messages beyond the capacity and the size, and returns their number.
    pub(crate) fn trim(&mut self) -> u64 {
        let mut dropped = 0;
        while (self.queue.len() > self.capacity || self.bytes > self.max_bytes) && self.pop().is_some() {
            dropped += 1;
        }
        dropped
    }
}
