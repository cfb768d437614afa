//! A view on the inference thread: from a frame of its camera to its events.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::oneshot;

use super::counters::Counters;
use super::orders::{NewView, Prepared, Refusal, Rules, Snapshot, ViewOrder};
use super::scheduler::Turn;
use super::second_opinion::{Asked, Look, NoOpinion, Opinion, Outcome, Wanted};
use crate::bus::hub::Hub;
use crate::bus::unsure::{SURE, UnsureFrame, UnsureFrames};
use crate::decide::escalation::EscalationPolicy;
use crate::decide::gate::{self, Gate};
use crate::decide::scene::Scene;
use crate::decide::{Decider, Seen};
use crate::domain::classification::{Answer, Classification, Labels, ModelId, Status, Timing};
use crate::domain::event::Event;
use crate::domain::frame::Frame;
use crate::domain::framing::Framing;
use crate::domain::health::Pace;
use crate::domain::moment::Moment;
use crate::domain::name::Name;
use crate::domain::teaching::Strange;
use crate::infer::Judgement;
use crate::infer::labeller::{LabelError, Labeller, milliseconds};
use crate::preprocess::source::{FrameDecoder, Wanted as Part};
use crate::preprocess::thumbnail::Thumbnail;
use glimpsed_base::clock::Clock;
use glimpsed_base::repetition::is_logged;

/// So many frames in a row that cannot be decoded are no hiccup. Views may look seldom, and one alone is no reason to know nothing.
const FAILING: u32 = 2;

/// What all views share.
pub(super) struct Shared<'a> {
    pub(super) clock: &'a dyn Clock,
    pub(super) hub: &'a Hub,
    pub(super) counters: &'a Counters,
    pub(super) second: Option<&'a Asked>,
    pub(super) unsure: &'a UnsureFrames,
}

pub(super) struct View {
    pub(super) name: Name,
    pub(super) camera: Name,
    pub(super) turn: Turn,
    /// Number of the newest frame of its camera that it was shown.
    pub(super) seen: u64,
    enabled: bool,
    labeller: Option<Box<Labeller>>,
    rules: Rules,
    gate: Gate,
    thumbnail: Thumbnail,
    decider: Decider,
    escalation: EscalationPolicy,
    scene: Scene,
    /// The accurate model that it asks.
    accurate: Option<Arc<ModelId>>,
    /// The last answer of the model.
    last: Option<Classification>,
    /// When its camera's newest frame came, up to the last that could be decoded.
    last_frame: Duration,
    /// Frames in a row that it was shown and that could not be decoded or labelled.
    failed: u32,
    /// Requesters of snapshots, and of second opinions.
    snapshots: Vec<oneshot::Sender<Snapshot>>,
    opinions: Wanted,
}

impl View {
    pub(super) fn new(new: NewView, now: Duration) -> Self {
        let NewView { name, camera, enabled, labeller, rules } = new;
        let classes = match &labeller {
            Some(labeller) => labeller.model().labels().clone(),
            None => Labels::parse(""),
        };
        Self {
            name,
            camera,
            enabled,
            turn: Turn::default(),
            seen: 0,
            gate: Gate::new(rules.gate),
            thumbnail: Thumbnail::default(),
            decider: Decider::new(classes, &rules.labels, rules.policy, rules.heartbeat),
            escalation: EscalationPolicy::new(rules.ask),
            scene: Scene::default(),
            accurate: None,
            last: None,
            last_frame: now,
            failed: 0,
            snapshots: Vec::new(),
            opinions: Vec::new(),
            labeller,
            rules,
        }
    }

    /// Whether it labels frames.
    pub(super) fn is_active(&self) -> bool {
        self.enabled && self.labeller.is_some()
    }

    /// How it frames its camera's pictures.
    pub(super) fn framing(&self) -> Framing {
        self.labeller.as_ref().map(|labeller| labeller.framing()).unwrap_or_default()
    }

    /// The scale and part at which it needs a picture of this size.
    pub(super) fn part(&self, width: usize, height: usize) -> Option<Part> {
        self.labeller.as_ref().map(|labeller| labeller.wanted(width, height))
    }

    /// Takes the labeller out, because the view is removed.
    pub(super) fn into_labeller(self) -> Option<Box<Labeller>> {
        self.labeller
    }

    pub(super) fn execute(&mut self, order: ViewOrder, shared: &Shared<'_>) {
        match order {
            // The requester timed out and keeps its current model.
            ViewOrder::Labeller(_, back) if back.is_closed() => {}
            ViewOrder::Labeller(labeller, back) => {
                self.decider.set_labels(labeller.model().labels().clone());
                self.begin_anew(shared);
                // If the requester has just timed out, the old labeller is dropped here.
                let _ = back.send(self.labeller.replace(labeller));
            }
            ViewOrder::Enabled(enabled) => {
                self.enabled = enabled;
                self.begin_anew(shared);
            }
            ViewOrder::Rules(rules) => self.set_rules(*rules),
            ViewOrder::Framing(framing) => {
                if let Some(labeller) = &mut self.labeller {
                    labeller.set_framing(framing);
                }
                self.begin_anew(shared);
            }
            ViewOrder::Snapshot(to) => {
                self.snapshots.retain(|waiting| !waiting.is_closed());
                self.snapshots.push(to);
            }
            ViewOrder::SecondOpinion(to) => self.want_opinion(to),
            ViewOrder::Classify(prepared, to) => {
                let _ = to.send(self.classify(&prepared));
            }
        }
    }

    pub(super) fn set_pace(&mut self, pace: Pace, shared: &Shared<'_>) {
        self.gate.set_pace(pace);
        if pace == Pace::None {
            self.grow_stale(shared);
        }
    }

    /// The accurate model that is asked from now on.
    pub(super) fn set_accurate(&mut self, accurate: Option<Arc<ModelId>>) {
        if self.accurate != accurate {
            self.lose_accurate(&NoOpinion::Exchanged);
            self.accurate = accurate;
        }
    }

    /// Drops the accurate model with its opinions, which no model could revise any more.
    pub(super) fn lose_accurate(&mut self, why: &NoOpinion) {
        self.accurate = None;
        self.escalation.forget();
        self.decider.forget_opinions();
        for to in self.opinions.drain(..) {
            let _ = to.send(Err(why.clone()));
        }
    }

    /// Receives the accurate model's opinion on a frame of this view.
    pub(super) fn receive_opinion(&mut self, outcome: Outcome, now: Duration) {
        self.escalation.end(now, outcome.work);
        // The model may have been exchanged since it was asked.
        if let Some(opinion) = outcome.opinion
            && self.accurate.as_ref() == Some(&opinion.accurate.answer.model)
        {
            self.decider.receive_opinion(&opinion);
        }
    }

    /// Labels an uploaded picture.
    fn classify(&mut self, prepared: &Prepared) -> Result<Answer, Refusal> {
        if self.gate.pace() == Pace::None {
            return Err(Refusal::TooWarm);
        }
        let Some(labeller) = &mut self.labeller else { return Err(Refusal::Exchanged) };
        if !Arc::ptr_eq(&labeller.model().id, &prepared.model) {
            return Err(Refusal::Exchanged);
        }
        labeller.classify_tensor(&prepared.tensor).map_err(Refusal::Failed)
    }

    fn set_rules(&mut self, rules: Rules) {
        if let Some(labeller) = &mut self.labeller {
            labeller.set_answering(rules.labels.answering());
        }
        self.decider.set_rules(&rules.labels, rules.policy, rules.heartbeat);
        self.gate.set_rules(rules.gate);
        // An unchanged frame must be judged by the new rules, too.
        self.gate.forget();
        self.escalation.set_rules(rules.ask);
        self.rules = rules;
    }

    fn want_opinion(&mut self, to: oneshot::Sender<Opinion>) {
        if self.accurate.is_none() {
            let _ = to.send(Err(NoOpinion::Off));
            return;
        }
        self.opinions.retain(|waiting| !waiting.is_closed());
        self.opinions.push(to);
    }

    /// The label becomes unknown if no frame has come for too long. `newest`: when the newest of its camera came, which may wait for the
    /// view's turn.
    pub(super) fn check_age(&mut self, newest: Option<Duration>, shared: &Shared<'_>) {
        if self.is_active() && self.failed < FAILING {
            self.last_frame = newest.map_or(self.last_frame, |newest| newest.max(self.last_frame));
        }
        if shared.clock.now().saturating_sub(self.last_frame) >= self.rules.stale_after {
            self.grow_stale(shared);
        }
    }

    fn grow_stale(&mut self, shared: &Shared<'_>) {
        if let Some(event) = self.decider.grow_stale(shared.clock.wall()) {
            self.gate.forget();
            shared.hub.publish(&event);
        }
    }

    /// Whether this frame is labelled; see [`Gate::admits`].
    pub(super) fn admits(&mut self, shared: &Shared<'_>) -> bool {
        let wanted = !self.snapshots.is_empty() || !self.opinions.is_empty();
        let now = shared.clock.now();
        let admitted = self.gate.admits(now, wanted);
        if !admitted {
            shared.counters.skip(&self.name);
            if self.failed < FAILING {
                self.last_frame = now;
            }
        }
        admitted
    }

    /// Labels a frame with its number. `part` is what is decoded of it, which others may need, too. Returns whether the accurate model was asked.
    pub(super) fn label(
        &mut self,
        (frame, number): (&Frame, u64),
        decoder: &mut FrameDecoder,
        part: &dyn Fn(usize, usize, Part) -> Part,
        shared: &Shared<'_>,
    ) -> bool {
        let Some(mut labeller) = self.labeller.take() else { return false };
        let asked = match self.look(&mut labeller, (frame, number), decoder, part, shared) {
            Ok((answer, verdict)) => {
                self.note_scene(&answer, shared);
                self.offer_unsure(&mut labeller, frame, &answer, shared);
                // Undecodable frames do not keep the label from becoming stale.
                (self.last_frame, self.failed) = (shared.clock.now(), 0);
                self.tell(&labeller, frame, answer, verdict, shared)
            }
            Err(error) => {
                self.gate.forget();
                self.failed = self.failed.saturating_add(1);
                let cause = format!("{} {error}", frame.origin.as_deref().unwrap_or("frame"));
                let failed = shared.counters.fail(&self.name, &cause, shared.clock.now());
                if is_logged(failed) {
                    let view = self.name.given();
                    tracing::warn!(seq = frame.seq, failed, view, "{cause}");
                }
                false
            }
        };
        self.labeller = Some(labeller);
        asked
    }

    fn note_scene(&mut self, answer: &Classification, shared: &Shared<'_>) {
        if let Some(strange) = answer.answer.strange
            && let Some(since) = self.scene.note(strange, shared.clock.now(), answer.ts)
        {
            self.tell_scene(since, shared);
        }
    }

    /// Another model looks, or at another part: what was seen before says nothing of what will be.
    fn begin_anew(&mut self, shared: &Shared<'_>) {
        self.gate.forget();
        if self.scene.forget() {
            self.tell_scene(None, shared);
        }
    }

    fn tell_scene(&self, strange_since: Option<Timestamp>, shared: &Shared<'_>) {
        shared.hub.publish(&Event::Strange(Strange { view: self.name.clone(), since: strange_since }));
    }

    /// Passes on a frame that a taught model is not sure of, for somebody to say what it shows. About one in a second is looked at.
    fn offer_unsure(&self, labeller: &mut Labeller, frame: &Frame, answer: &Classification, shared: &Shared<'_>) {
        let Some(Judgement { strange, copy: false, vector, .. }) = labeller.take_judgement() else { return };
        let Some(best) = answer.answer.top.first() else { return };
        if (best.confidence < SURE || strange == Some(true)) && shared.unsure.are_wanted() {
            shared.unsure.offer(UnsureFrame {
                view: self.name.clone(),
                frame: frame.clone(),
                framing: labeller.framing(),
                vector,
                said: best.label.clone(),
                confidence: best.confidence,
            });
        }
    }

    /// The frame's answer; the model runs only if the gate requires it.
    fn look(
        &mut self,
        labeller: &mut Labeller,
        (frame, number): (&Frame, u64),
        decoder: &mut FrameDecoder,
        part: &dyn Fn(usize, usize, Part) -> Part,
        shared: &Shared<'_>,
    ) -> Result<(Classification, gate::Verdict), LabelError> {
        let now = shared.clock.now();
        let region = labeller.framing().before_turning();
        decoder.decode_once(frame, |width, height| part(width, height, labeller.wanted(width, height)))?;
        let decoded = labeller.decoded(decoder, frame, shared.clock.now().saturating_sub(now));
        self.thumbnail.take(decoded.samples(), region);
        let verdict = self.gate.judge(&self.thumbnail, now);
        let answer = match (verdict, &self.last) {
            (gate::Verdict::TooDark, _) => decoded.without_label(Status::TooDark),
            (gate::Verdict::Covered, _) => decoded.without_label(Status::Covered),
            (gate::Verdict::Same, Some(last)) => again(last, frame, decoded.time()),
            (gate::Verdict::Same | gate::Verdict::Infer, _) => {
                let answer = decoded.classify(Some(number))?;
                self.last = Some(answer.clone());
                answer
            }
        };
        Ok((answer, verdict))
    }

    fn tell(
        &mut self,
        labeller: &Labeller,
        frame: &Frame,
        mut labelled: Classification,
        verdict: gate::Verdict,
        shared: &Shared<'_>,
    ) -> bool {
        let now = shared.clock.now();
        (labelled.camera, labelled.view) = (self.camera.clone(), self.name.clone());
        labelled.answer.timing.total_ms = milliseconds(now.saturating_sub(frame.captured_at));
        shared.counters.count(&self.name, verdict, now);
        for to in self.snapshots.drain(..) {
            let framing = labeller.framing();
            let _ = to.send(Snapshot { frame: frame.clone(), framing, labelled: labelled.clone() });
        }
        let seen = match verdict {
            gate::Verdict::Infer => Seen::Scores(labeller.probabilities()),
            gate::Verdict::Same => Seen::Same,
            gate::Verdict::TooDark => Seen::Dark,
            gate::Verdict::Covered => Seen::Covered,
        };
        let fast = self.accurate.is_some().then(|| labelled.clone());
        for event in self.decider.observe(labelled, seen, now) {
            shared.hub.publish(&event);
            if let (true, Event::Changed { now, .. }) = (self.rules.remembers, &event) {
                let (view, framing) = (self.name.clone(), labeller.framing());
                let moment = Moment { view, since: now.since, frame: frame.clone(), framing };
                shared.hub.publish(&Event::Moment(Arc::new(moment)));
            }
        }
        match fast.filter(|_| !matches!(verdict, gate::Verdict::TooDark | gate::Verdict::Covered)) {
            Some(fast) => self.ask_second(labeller.framing(), frame, fast, verdict == gate::Verdict::Infer, shared),
            None => false,
        }
    }

    /// Passes the frame to the accurate model if the escalation policy has a reason to.
    fn ask_second(
        &mut self,
        framing: Framing,
        frame: &Frame,
        fast: Classification,
        fresh: bool,
        shared: &Shared<'_>,
    ) -> bool {
        let (Some(second), Some(model)) = (shared.second, &self.accurate) else { return false };
        let now = shared.clock.now();
        self.opinions.retain(|waiting| !waiting.is_closed());
        let Some(reason) = self.escalation.reason(self.decider.scores(), fresh, !self.opinions.is_empty(), now) else {
            return false;
        };
        let asked = second.look(Look {
            model: model.clone(),
            frame: frame.clone(),
            framing,
            rules: self.rules.labels.clone(),
            fast,
            fast_label: self.decider.frame_label().cloned(),
            reason,
            wanted: std::mem::take(&mut self.opinions),
        });
        match asked {
            Ok(()) => {
                self.escalation.begin(now);
                true
            }
            // The thread is busy with another view or an upload. The next frame will do.
            Err(waiting) => {
                self.opinions = waiting;
                false
            }
        }
    }
}

/// The last answer, reused for a frame with the same content.
fn again(last: &Classification, frame: &Frame, decode: Duration) -> Classification {
    let (capture_ms, decode_ms) = (milliseconds(frame.capture_time), milliseconds(decode));
    let timing = Timing { capture_ms, decode_ms, ..Timing::default() };
    let answer = Answer { timing, ..last.answer.clone() };
    let origin = frame.origin.clone();
    Classification { seq: frame.seq, ts: frame.wall, answer, cached: true, origin, ..last.clone() }
}
