//! Asks devices for something, and waits for the answer of each.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use glimpsed_mqtt::{Delivery, Loss, Message, Received, Sent};
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use super::device::Device;
use super::order::{Letter, Meaning, Order};
use super::watch::Watch;

/// After another value than the wanted one, the wanted one is waited for this long: the other may be that from before.
const STAYS_AFTER: Duration = Duration::from_secs(2);

/// The bytes of all answers together that are kept: some two thousand reports of comparisons.
const MAX_KEPT: usize = 64 << 20;

/// What became of an order to a device.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It was done, with what the device answered.
    Done(Value),
    /// The device has refused it, with the reason.
    Refused(String),
    /// The broker does not let this user ask it, with the reason.
    Forbidden(String),
    /// It was asked, and the broker does not let this user read the answer, with the reason.
    Unreadable(String),
    /// It was asked, and has not answered within this time.
    Silent(Duration),
    /// It is not online, and was not asked.
    Offline,
    /// It has no view of that name, and was not asked.
    NoView,
    /// It was asked, and the broker was lost, or the wait was ended, before it answered: nobody knows.
    Unknown,
    /// The broker was lost, or the wait was ended, before it was asked.
    NotAsked,
}

impl Outcome {
    /// A word for scripts.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Done(_) => "done",
            Self::Refused(_) => "refused",
            Self::Forbidden(_) => "forbidden",
            Self::Unreadable(_) => "unreadable",
            Self::Silent(_) => "silent",
            Self::Offline => "offline",
            Self::NoView => "no_view",
            Self::Unknown => "unknown",
            Self::NotAsked => "not_asked",
        }
    }

    /// In words.
    pub fn describe(&self) -> String {
        match self {
            Self::Done(_) => "done".into(),
            Self::Refused(cause) => format!("refused: {cause}"),
            Self::Forbidden(cause) => format!("the broker does not let this user ask it: {cause}"),
            Self::Unreadable(cause) => {
                format!("was asked, and the broker does not let this user read the answer: {cause}")
            }
            Self::Silent(time) => format!("no answer within {} s", time.as_secs()),
            Self::Offline => "offline, not asked".into(),
            Self::NoView => "has no such view, not asked".into(),
            Self::Unknown => "was asked, and nobody knows what became of it".into(),
            Self::NotAsked => "not asked".into(),
        }
    }

    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done(_))
    }

    /// Which of two views' outcomes counts for the device: the worse.
    fn worse(self, other: Self) -> Self {
        if self.is_done() { other } else { self }
    }
}

/// How devices are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// At most so many are asked at a time.
    pub at_once: usize,
    /// The longest wait for the answer of one.
    pub wait: Duration,
}

/// What became of it.
#[derive(Debug)]
pub struct Steered {
    /// Of each device, by id.
    pub outcomes: BTreeMap<String, Outcome>,
    /// Devices whose request was answered twice: two have the same id.
    pub answered_twice: Vec<String>,
    /// Devices whose answer was left out, because all of them together were too much.
    pub left_out: BTreeSet<String>,
    /// Why the session ended in the middle.
    pub lost: Option<Loss>,
}

/// A letter that was sent.
struct Open {
    device: String,
    letter: Letter,
    /// Until the broker has taken it.
    packet: Option<u16>,
    deadline: Instant,
    stays: Option<String>,
}

/// One run.
struct Run<'a> {
    watch: &'a mut Watch,
    pace: Pace,
    waiting: VecDeque<(String, Letter)>,
    open: Vec<Open>,
    /// The topics of answers that the broker has not yet granted, in the order that it answers in.
    subscribing: VecDeque<String>,
    /// Transactions that were answered, with their device.
    answered: Vec<(Letter, String)>,
    kept: Kept,
    steered: Steered,
}

/// How much of the answers is kept.
struct Kept {
    bytes: usize,
    most: usize,
}

impl Kept {
    /// Whether there is room for an answer of so many bytes, which is taken.
    fn has_room_for(&mut self, bytes: usize) -> bool {
        let has_room = self.bytes + bytes <= self.most;
        self.bytes += if has_room { bytes } else { 0 };
        has_room
    }
}

/// Asks each of the devices, and returns when each has answered or was waited for, when the broker is lost, or when `stop` is. Every
/// device has one outcome. `progress` is told how many are done of how many.
pub async fn steer(
    watch: &mut Watch,
    order: &Order,
    devices: impl Iterator<Item = &Device>,
    pace: Pace,
    stop: impl Future<Output = ()>,
    mut progress: impl FnMut(usize, usize),
) -> Steered {
    let mut steered =
        Steered { outcomes: BTreeMap::new(), answered_twice: Vec::new(), left_out: BTreeSet::new(), lost: None };
    let mut waiting = VecDeque::new();
    let run_id = fastrand::u64(..);
    for (number, device) in devices.enumerate() {
        if !device.is_online() {
            steered.outcomes.insert(device.id.clone(), Outcome::Offline);
            continue;
        }
        let letters = order.letters(watch.base_topic(), device, &format!("fleet-{run_id:016x}-{number}"));
        if letters.is_empty() {
            steered.outcomes.insert(device.id.clone(), Outcome::NoView);
        }
        waiting.extend(letters.into_iter().map(|letter| (device.id.clone(), letter)));
    }
    let all = waiting.len();
    let mut run = Run {
        watch,
        pace,
        waiting,
        open: Vec::new(),
        subscribing: VecDeque::new(),
        answered: Vec::new(),
        kept: Kept { bytes: 0, most: MAX_KEPT },
        steered,
    };
    let mut stop = std::pin::pin!(stop);
    let lost = loop {
        if let Err(loss) = run.send_more() {
            break Some(loss);
        }
        progress(all - run.waiting.len() - run.open.len(), all);
        let Some(deadline) = run.open.iter().map(|open| open.deadline).min() else { break None };
        tokio::select! {
            received = run.watch.next() => match received {
                Ok(received) => run.take_in(&received),
                Err(loss) => break Some(loss),
            },
            () = sleep_until(deadline) => run.give_up(Instant::now()),
            () = &mut stop => break None,
        }
    };
    run.finish(lost)
}

impl Run<'_> {
    fn send_more(&mut self) -> Result<(), Loss> {
        let most = self.pace.at_once.clamp(1, self.watch.window());
        while self.open.len() < most {
            let Some((device, letter)) = self.waiting.pop_front() else { return Ok(()) };
            // Before the question, so that no answer is missed.
            self.watch.subscribe(std::slice::from_ref(&letter.answered_on))?;
            self.subscribing.push_back(letter.answered_on.clone());
            let message = Message::new(letter.topic.clone(), letter.payload.clone(), Delivery::Event, false);
            let sent = self.watch.publish(message)?;
            let packet = match sent {
                Sent::Expecting(id) => Some(id),
                Sent::Unacknowledged => None,
                Sent::TooLarge => {
                    self.conclude(device, Outcome::Forbidden("the question is larger than it takes".into()));
                    continue;
                }
            };
            self.open.push(Open { device, letter, packet, deadline: Instant::now() + self.pace.wait, stays: None });
        }
        Ok(())
    }

    fn take_in(&mut self, received: &Received) {
        match received {
            Received::Acknowledged { id, refusal } => {
                let Some(at) = self.open.iter().position(|open| open.packet == Some(*id)) else { return };
                self.open[at].packet = None;
                if let Some(refusal) = refusal {
                    let open = self.open.swap_remove(at);
                    self.conclude(open.device, Outcome::Forbidden(refusal.reason.clone()));
                }
            }
            Received::Subscribed(refusals) => {
                let Some(topic) = self.subscribing.pop_front() else { return };
                let Some(refusal) = refusals.iter().flatten().next() else { return };
                if let Some(at) = self.open.iter().position(|open| open.letter.answered_on == topic) {
                    let open = self.open.swap_remove(at);
                    self.conclude(open.device, Outcome::Unreadable(refusal.reason.clone()));
                }
            }
            // What is retained is from before the question.
            Received::Message { topic, payload, retained: false, .. } => self.hear(topic, payload),
            _ => {}
        }
    }

    fn hear(&mut self, topic: &str, payload: &[u8]) {
        let Some(at) = self.open.iter().position(|open| open.letter.answered_on == topic) else {
            let twice = self.answered.iter().find(|(letter, _)| {
                topic.contains("/response/")
                    && letter.answered_on == topic
                    && letter.expects.read(payload) != Meaning::Other
            });
            if let Some((_, device)) = twice.filter(|(_, device)| !self.steered.answered_twice.contains(device)) {
                self.steered.answered_twice.push(device.clone());
            }
            return;
        };
        let outcome = match self.open[at].letter.expects.read(payload) {
            Meaning::Other => return,
            Meaning::Stays(value) => {
                let open = &mut self.open[at];
                open.stays = Some(value);
                open.deadline = open.deadline.min(Instant::now() + STAYS_AFTER);
                return;
            }
            Meaning::Done(data) if self.kept.has_room_for(payload.len()) => Outcome::Done(data),
            Meaning::Done(_) => {
                self.steered.left_out.insert(self.open[at].device.clone());
                Outcome::Done(Value::Null)
            }
            Meaning::Refused(cause) => Outcome::Refused(cause),
        };
        let open = self.open.swap_remove(at);
        self.answered.push((open.letter, open.device.clone()));
        self.conclude(open.device, outcome);
    }

    fn give_up(&mut self, now: Instant) {
        let (late, open) = std::mem::take(&mut self.open).into_iter().partition(|open| open.deadline <= now);
        self.open = open;
        for Open { device, stays, .. } in late {
            let outcome = match stays {
                Some(value) => Outcome::Refused(format!("it stays `{value}`; the device's log says why")),
                None => Outcome::Silent(self.pace.wait),
            };
            self.conclude(device, outcome);
        }
    }

    fn conclude(&mut self, device: String, outcome: Outcome) {
        let worse = match self.steered.outcomes.remove(&device) {
            Some(other) => other.worse(outcome),
            None => outcome,
        };
        self.steered.outcomes.insert(device, worse);
    }

    fn finish(mut self, lost: Option<Loss>) -> Steered {
        for open in std::mem::take(&mut self.open) {
            self.conclude(open.device, Outcome::Unknown);
        }
        for (device, _) in std::mem::take(&mut self.waiting) {
            self.conclude(device, Outcome::NotAsked);
        }
        Steered { lost, ..self.steered }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_kept_up_to_a_sum_and_a_smaller_one_may_still_fit() {
        let mut kept = Kept { bytes: 0, most: 100 };
        assert_eq!([60, 41, 40, 1, 0].map(|bytes| kept.has_room_for(bytes)), [true, false, true, false, true]);
    }
}
