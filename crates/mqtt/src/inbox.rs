//! What the broker sends to us: commands, bounded.

use tokio::sync::mpsc;

/// A message on one of the subscribed topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    pub topic: String,
    pub payload: Vec<u8>,
    /// It was there before us: what it asks for was asked for at some other time.
    pub retained: bool,
}

/// Commands that wait to be attended to. One more is dropped: whoever sends so many will send again.
const CAPACITY: usize = 64;

/// The connection's end.
#[derive(Debug)]
pub struct Inbox {
    pub(super) subscriptions: Vec<String>,
    sender: mpsc::Sender<Incoming>,
}

impl Inbox {
    /// Both ends; `subscriptions` are topics or filters, subscribed at the beginning of each session.
    pub fn new(subscriptions: Vec<String>) -> (Self, mpsc::Receiver<Incoming>) {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        (Self { subscriptions, sender }, receiver)
    }

    /// False when it was dropped, because too many wait or nobody listens.
    pub(super) fn deliver(&self, incoming: Incoming) -> bool {
        self.sender.try_send(incoming).is_ok()
    }
}
