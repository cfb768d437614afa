//! Received messages (commands), in a queue of bounded capacity.

use tokio::sync::mpsc;

/// A message on one of the subscribed topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// The topic on which it was published.
    pub topic: String,
    /// Its content; with topics and correlation data at most 64 KiB.
    pub payload: Vec<u8>,
    /// The broker had it retained: it was published before this subscription, so its command may be out of date.
    pub retained: bool,
    /// Where the sender wants an answer, if it said so (MQTT 5).
    pub reply: Option<Reply>,
}

impl Incoming {
    /// The approximate size in memory, in bytes.
    pub(crate) fn size(&self) -> usize {
        let reply = self
            .reply
            .iter()
            .map(|reply| reply.topic.as_ref().map_or(0, String::len) + reply.correlation.as_ref().map_or(0, Vec::len));
        self.topic.len() + self.payload.len() + reply.sum::<usize>()
    }
}

/// Where and with what a requester wants its answer (MQTT 5's Response Topic and Correlation Data).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The topic, as the requester wrote it: untrusted.
    pub topic: Option<String>,
    /// What the requester recognises the answer by.
    pub correlation: Option<Vec<u8>>,
}

/// The queue capacity. Further messages are dropped, because a sender of that many commands can repeat them.
const CAPACITY: usize = 64;

/// The connection's end of the queue, and the subscriptions.
#[derive(Debug)]
pub struct Inbox {
    pub(super) subscriptions: Vec<String>,
    sender: mpsc::Sender<Incoming>,
}

impl Inbox {
    /// Both ends of a queue for 64 messages; further ones are dropped. `subscriptions` are topics or topic filters,
    /// which are subscribed to at the beginning of each session.
    pub fn new(subscriptions: Vec<String>) -> (Self, mpsc::Receiver<Incoming>) {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        (Self { subscriptions, sender }, receiver)
    }

    /// Queues a message. False when it was dropped, because the queue is full or has no receiver any more.
    pub(super) fn deliver(&self, incoming: Incoming) -> bool {
        self.sender.try_send(incoming).is_ok()
    }
}
