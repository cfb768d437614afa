//! The inference thread: takes the newest frame, labels it, and publishes the events.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::orders::{Order, Prepared, Refusal, Rules, Snapshot};
use super::second_opinion::{Asked, Look, Opinion, Outcome, Wanted};
use crate::bus::hub::Hub;
use crate::bus::preview::Preview;
use crate::decide::escalation::EscalationPolicy;
use crate::decide::gate::{self, Gate};
use crate::decide::rules::LabelRules;
use crate::decide::{Decider, Seen};
use crate::domain::classification::{Answer, Classification, Labels, Status, Timing};
use crate::domain::frame::Frame;
use crate::domain::health::Pace;
use crate::domain::view::View;
use crate::infer::labeller::{LabelError, Labeller, milliseconds};
use crate::preprocess::thumbnail::Thumbnail;
use glimpsed_base::clock::Clock;
use glimpsed_base::liveness::Liveness;
use glimpsed_base::repetition::is_logged;
use glimpsed_base::shutdown::Shutdown;
use glimpsed_base::slot::{Slot, Taken};
use glimpsed_base::sync::Mutex;

/// Longest wait for a frame before the orders and shutdown are checked again. Closing the slot wakes it at once.
const LOOK_UP: Duration = Duration::from_secs(1);

/// The thread's liveness deadlines: for the end of a wait, and for the label of a frame. The slowest model on the
/// slowest board takes several seconds, and longer while the board swaps.
const WAKES_WITHIN: Duration = Duration::from_secs(20);
const LABELS_WITHIN: Duration = Duration::from_secs(60);

/// Counters since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Frames with an answer, of any status.
    pub labelled: AtomicU64,
    /// Of these, frames whose content had not changed and that reused the previous answer.
    pub cached: AtomicU64,
    /// Of these, frames that were too dark for the model, or of one colour.
    pub too_dark: AtomicU64,
    pub failed: AtomicU64,
    /// Frames that came sooner than the configured rate allows.
    pub skipped: AtomicU64,
    /// The share of frames that is labelled at the current temperature.
    pace: Mutex<Pace>,
}

impl Counters {
    pub fn pace(&self) -> Pace {
        *self.pace.lock()
    }

    fn set_pace(&self, pace: Pace) {
        *self.pace.lock() = pace;
    }
}

/// The worker's dependencies.
pub struct Parts {
    pub slot: Arc<Slot<Frame>>,
    pub clock: Arc<dyn Clock>,
    pub shutdown: Shutdown,
    /// `None` until a model could be loaded; no frame is labelled before.
    pub labeller: Option<Box<Labeller>>,
    pub rules: Rules,
    pub hub: Hub,
    pub counters: Arc<Counters>,
    pub orders: Receiver<Order>,
    pub liveness: Liveness,
    /// Viewers see every frame, whether it is labelled or not.
    pub preview: Arc<Preview>,
}

/// Labels frames, on a thread of its own.
pub struct Worker {
    parts: Parts,
    gate: Gate,
    thumbnail: Thumbnail,
    decider: Decider,
    escalation: EscalationPolicy,
    second: Option<Box<Asked>>,
    /// The last answer of the model.
    last: Option<Classification>,
    /// Requesters of snapshots, and of second opinions.
    snapshots: Vec<oneshot::Sender<Snapshot>>,
    opinions: Wanted,
}

impl Worker {
    pub fn new(parts: Parts) -> Self {
        let Rules { labels, policy, gate, ask, heartbeat, .. } = &parts.rules;
        let classes = match &parts.labeller {
            Some(labeller) => labeller.model().labels().clone(),
            None => Labels::parse(""),
        };
        let decider = Decider::new(classes, labels, *policy, *heartbeat);
        Self {
            gate: Gate::new(*gate),
            thumbnail: Thumbnail::default(),
            decider,
            escalation: EscalationPolicy::new(*ask),
            second: None,
            last: None,
            snapshots: Vec::new(),
            opinions: Vec::new(),
            parts,
        }
    }

    /// Labels frames until the slot is closed or shutdown is requested.
    pub fn run(mut self) {
        let mut last_frame = self.now();
        while !self.parts.shutdown.is_set() {
            while let Ok(order) = self.parts.orders.try_recv() {
                self.execute(order);
            }
            self.receive_opinions();
            self.parts.liveness.expect_by(self.now() + WAKES_WITHIN);
            match self.parts.slot.take(LOOK_UP) {
                Taken::Value(frame) => {
                    self.parts.liveness.expect_by(self.now() + LABELS_WITHIN);
                    // Undecodable frames do not keep the label from becoming stale.
                    if self.handle(&frame) {
                        last_frame = self.now();
                    }
                    self.parts.slot.give_back(frame);
                }
                Taken::Nothing => {}
                Taken::Closed => break,
            }
            if self.now().saturating_sub(last_frame) >= self.parts.rules.stale_after {
                self.grow_stale();
            }
        }
        self.parts.liveness.pause();
    }

    /// The label becomes unknown, because it is too old.
    fn grow_stale(&mut self) {
        if let Some(event) = self.decider.grow_stale(self.parts.clock.wall()) {
            self.gate.forget();
            self.parts.hub.publish(&event);
        }
    }

    fn now(&self) -> Duration {
        self.parts.clock.now()
    }

    fn execute(&mut self, order: Order) {
        match order {
            // The requester timed out and keeps its current model.
            Order::Labeller(_, back) if back.is_closed() => {}
            Order::Labeller(labeller, back) => {
                self.decider.set_labels(labeller.model().labels().clone());
                self.gate.forget();
                // If the requester has just timed out, the old labeller is dropped here.
                let _ = back.send(self.parts.labeller.replace(labeller));
            }
            Order::Rules(rules) => self.set_rules(*rules),
            Order::View(view) => {
                if let Some(labeller) = &mut self.parts.labeller {
                    labeller.set_view(view);
                }
                self.gate.forget();
            }
            Order::Pace(pace) => {
                self.gate.set_pace(pace);
                self.parts.counters.set_pace(pace);
                if pace == Pace::None {
                    self.grow_stale();
                }
            }
            Order::Second(second) => {
                self.lose_second("the accurate model was switched off or exchanged");
                self.second = second;
            }
            Order::Settle(settled) => drop(settled.send(())),
            Order::Snapshot(to) => {
                self.snapshots.retain(|waiting| !waiting.is_closed());
                self.snapshots.push(to);
            }
            Order::SecondOpinion(to) => self.want_opinion(to),
            Order::Classify(prepared, to) => {
                let _ = to.send(self.classify(&prepared));
            }
        }
    }

    /// Labels an uploaded picture.
    fn classify(&mut self, prepared: &Prepared) -> Result<Answer, Refusal> {
        if self.gate.pace() == Pace::None {
            return Err(Refusal::TooWarm);
        }
        let Some(labeller) = &mut self.parts.labeller else { return Err(Refusal::Exchanged) };
        if !Arc::ptr_eq(&labeller.model().id, &prepared.model) {
            return Err(Refusal::Exchanged);
        }
        labeller.classify_tensor(&prepared.tensor).map_err(Refusal::Failed)
    }

    /// Drops the accurate model with its opinions, which no model could revise any more.
    fn lose_second(&mut self, why: &str) {
        self.second = None;
        self.escalation.forget();
        self.decider.forget_opinions();
        for to in self.opinions.drain(..) {
            let _ = to.send(Err(why.to_owned()));
        }
    }

    fn set_rules(&mut self, rules: Rules) {
        if let Some(labeller) = &mut self.parts.labeller {
            labeller.set_answering(rules.labels.answering());
        }
        self.decider.set_rules(&rules.labels, rules.policy, rules.heartbeat);
        self.gate.set_rules(rules.gate);
        // An unchanged frame must be judged by the new rules, too.
        self.gate.forget();
        self.escalation.set_rules(rules.ask);
        self.parts.rules = rules;
    }

    fn want_opinion(&mut self, to: oneshot::Sender<Opinion>) {
        if self.second.is_none() {
            let _ = to.send(Err("no accurate model is in use; switch it on first".into()));
            return;
        }
        self.opinions.retain(|waiting| !waiting.is_closed());
        self.opinions.push(to);
    }

    /// Receives a finished opinion of the accurate model.
    fn receive_opinions(&mut self) {
        let Some(second) = &self.second else { return };
        match second.verdict() {
            Ok(Outcome { opinion, work }) => {
                self.escalation.end(self.now(), work);
                if let Some(opinion) = opinion {
                    self.decider.receive_opinion(&opinion);
                }
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => {
                tracing::error!(
                    "the accurate model's thread has ended; there are no second opinions until it is switched on again"
                );
                self.lose_second("the accurate model's thread has ended");
            }
        }
    }

    /// Labels a frame. False if that failed, or there is no model.
    fn handle(&mut self, frame: &Frame) -> bool {
        let Some(mut labeller) = self.parts.labeller.take() else { return false };
        let labelled = self.label(&mut labeller, frame);
        self.parts.labeller = Some(labeller);
        labelled
    }

    fn label(&mut self, labeller: &mut Labeller, frame: &Frame) -> bool {
        let now = self.now();
        self.parts.preview.offer(frame, labeller.view().rotation);
        let wanted = !self.snapshots.is_empty() || !self.opinions.is_empty();
        if !self.gate.admits(now, wanted) {
            self.parts.counters.skipped.fetch_add(1, Ordering::Relaxed);
            return true;
        }
        match self.look(labeller, frame) {
            Ok((answer, verdict)) => {
                self.tell(labeller, frame, answer, verdict);
                true
            }
            Err(error) => {
                self.gate.forget();
                let failed = self.parts.counters.failed.fetch_add(1, Ordering::Relaxed) + 1;
                if is_logged(failed) {
                    let origin = frame.origin.as_deref().unwrap_or("frame");
                    tracing::warn!(seq = frame.seq, failed, "{origin} {error}");
                }
                false
            }
        }
    }

    /// The frame's answer; the model runs only if the gate requires it.
    fn look(&mut self, labeller: &mut Labeller, frame: &Frame) -> Result<(Classification, gate::Verdict), LabelError> {
        let now = self.now();
        let region = labeller.view().before_turning();
        let decoded = labeller.decode(frame)?;
        self.thumbnail.take(decoded.samples(), region);
        let verdict = self.gate.judge(&self.thumbnail, now);
        let answer = match (verdict, &self.last) {
            (gate::Verdict::TooDark, _) => decoded.without_label(Status::TooDark),
            (gate::Verdict::Covered, _) => decoded.without_label(Status::Covered),
            (gate::Verdict::Same, Some(last)) => again(last, frame, decoded.time()),
            (gate::Verdict::Same | gate::Verdict::Infer, _) => {
                let answer = decoded.classify()?;
                self.last = Some(answer.clone());
                answer
            }
        };
        Ok((answer, verdict))
    }

    fn tell(&mut self, labeller: &Labeller, frame: &Frame, mut labelled: Classification, verdict: gate::Verdict) {
        let now = self.now();
        labelled.answer.timing.total_ms = milliseconds(now.saturating_sub(frame.captured_at));
        let counters = &self.parts.counters;
        let skipped = match verdict {
            gate::Verdict::Infer => None,
            gate::Verdict::Same => Some(&counters.cached),
            gate::Verdict::TooDark | gate::Verdict::Covered => Some(&counters.too_dark),
        };
        if let Some(skipped) = skipped {
            skipped.fetch_add(1, Ordering::Relaxed);
        }
        if counters.labelled.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::info!(since_start_ms = now.as_millis() as u64, "first label");
        }
        for to in self.snapshots.drain(..) {
            let rotation = labeller.view().rotation;
            let _ = to.send(Snapshot { frame: frame.clone(), rotation, labelled: labelled.clone() });
        }
        let seen = match verdict {
            gate::Verdict::Infer => Seen::Scores(labeller.probabilities()),
            gate::Verdict::Same => Seen::Same,
            gate::Verdict::TooDark => Seen::Dark,
            gate::Verdict::Covered => Seen::Covered,
        };
        let fast = self.second.is_some().then(|| labelled.clone());
        for event in self.decider.observe(labelled, seen, now) {
            self.parts.hub.publish(&event);
        }
        if let Some(fast) = fast.filter(|_| !matches!(verdict, gate::Verdict::TooDark | gate::Verdict::Covered)) {
            self.ask_second(labeller.view(), frame, fast, verdict == gate::Verdict::Infer, now);
        }
    }

    /// Passes the frame to the accurate model if the escalation policy has a reason to.
    fn ask_second(&mut self, view: View, frame: &Frame, fast: Classification, fresh: bool, now: Duration) {
        let Some(second) = &self.second else { return };
        self.opinions.retain(|waiting| !waiting.is_closed());
        let Some(reason) = self.escalation.reason(self.decider.scores(), fresh, !self.opinions.is_empty(), now) else {
            return;
        };
        let rules: &LabelRules = &self.parts.rules.labels;
        let asked = second.look(Look {
            frame: frame.clone(),
            view,
            rules: rules.clone(),
            fast,
            fast_label: self.decider.frame_label().cloned(),
            reason,
            wanted: std::mem::take(&mut self.opinions),
        });
        match asked {
            Ok(()) => self.escalation.begin(now),
            // The thread is busy with an upload. The next frame will do.
            Err(waiting) => self.opinions = waiting,
        }
    }
}

/// The last answer, reused for a frame with the same content.
fn again(last: &Classification, frame: &Frame, decode: Duration) -> Classification {
    let (capture_ms, decode_ms) = (milliseconds(frame.capture_time), milliseconds(decode));
    let timing = Timing { capture_ms, decode_ms, ..Timing::default() };
    let answer = Answer { timing, ..last.answer.clone() };
    Classification { seq: frame.seq, ts: frame.wall, answer, cached: true, origin: frame.origin.clone() }
}
