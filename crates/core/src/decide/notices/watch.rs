//! When a notice is due.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::decide::time::Time;
use crate::domain::classification::Stable;
use crate::domain::layout::Layout;
use crate::domain::name::Name;

/// Labels of one day whose first appearance a rule remembers, over all views. The first of one more is not told.
const MAX_FIRSTS: usize = 256;

/// What is told of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// It holds, and has not before.
    Appears,
    /// It does not hold any more: another does in its place, or none.
    Leaves,
    /// It has held for this long.
    Held(Duration),
    /// It appears for the first time on this day.
    FirstOfDay,
}

/// Which labels are told, and how often at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// `None`: every view.
    pub view: Option<Name>,
    /// `None`: every label.
    pub label: Option<Arc<str>>,
    pub when: When,
    /// Shortest time between two notices.
    pub every: Duration,
}

/// What is to be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Occasion {
    /// The label that it is about.
    pub label: Arc<str>,
    /// The change that it is about: what held then, and what had held before.
    pub now: Stable,
    pub before: Option<Arc<str>>,
}

impl Rule {
    fn wants(&self, label: &Arc<str>) -> bool {
        self.label.as_ref().is_none_or(|wanted| wanted == label)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    Tell(Box<Occasion>),
    /// It would be told, if the last notice were not so young.
    TooSoon,
}

/// Watches the labels for one rule.
#[derive(Debug)]
pub struct Watch {
    rule: Rule,
    views: Vec<Seen>,
    last_told: Option<Duration>,
    firsts: Option<Firsts>,
}

/// What a rule has told on a date: the labels with their views.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firsts {
    pub date: Date,
    pub told: Vec<(Name, Arc<str>)>,
}

/// What a view shows.
#[derive(Debug)]
struct Seen {
    view: Name,
    /// The labels that hold as far as anybody has seen, the most likely first.
    labels: Vec<Shown>,
}

#[derive(Debug)]
struct Shown {
    label: Arc<str>,
    /// In the dark and without frames: nobody has seen it leave.
    is_hidden: bool,
    /// When it will have held long enough; the change that brought it.
    holds_at: Option<(Duration, Box<Occasion>)>,
}

impl Seen {
    /// A view that was not watched before. What has not come with this change was there already.
    fn first(now: &Stable, is_change: bool) -> Self {
        let was_there = now.held().filter(|(_, since)| !is_change || *since < now.since);
        let shown = |label: &Arc<str>| Shown { label: label.clone(), is_hidden: true, holds_at: None };
        Self { view: now.frame.view.clone(), labels: was_there.map(|(label, _)| shown(label)).collect() }
    }

    /// What does not hold any more is hidden.
    fn hide(&mut self, now: &Stable) {
        for shown in &mut self.labels {
            if now.held().all(|(label, _)| *label != shown.label) {
                (shown.is_hidden, shown.holds_at) = (true, None);
            }
        }
    }
}

impl Watch {
    pub fn new(rule: Rule) -> Self {
        Self { rule, views: Vec::new(), last_told: None, firsts: None }
    }

    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// Goes on where a watch of another rule was: what was told lately is not told again.
    pub fn after(rule: Rule, before: Self) -> Self {
        let same_subject = rule.view == before.rule.view && rule.label == before.rule.label;
        let same_day = same_subject && rule.when == before.rule.when;
        Self { last_told: before.last_told, firsts: before.firsts.filter(|_| same_day), ..Self::new(rule) }
    }

    /// What a rule for the first of the day has told, on the date when it last told something.
    pub fn firsts(&self) -> Option<&Firsts> {
        self.firsts.as_ref()
    }

    /// Goes on where an earlier run of the daemon was.
    pub fn resume(&mut self, mut earlier: Firsts) {
        earlier.told.truncate(MAX_FIRSTS);
        if self.rule.when == When::FirstOfDay && self.firsts.is_none() {
            self.firsts = Some(earlier);
        }
    }

    /// Forgets the views that there are no more.
    pub fn arrange(&mut self, layout: &Layout) {
        self.views.retain(|seen| layout.view(&seen.view).is_some());
    }

    /// Other labels hold.
    pub fn changed(&mut self, now: &Stable, time: Time) -> Vec<Verdict> {
        self.see(now, time, true)
    }

    /// These labels hold, and have for a while: nothing is told of them but that they go on.
    pub fn holds(&mut self, now: &Stable, time: Time) {
        self.see(now, time, false);
    }

    /// When [`Self::due`] has something to tell.
    pub fn due_at(&self) -> Option<Duration> {
        let labels = self.views.iter().flat_map(|seen| &seen.labels);
        let first = labels.filter_map(|shown| shown.holds_at.as_ref()).map(|(at, _)| *at).min();
        first.map(|at| at.max(self.may_tell_at()))
    }

    /// What has held long enough at the monotonic time `now`; to be called until there is nothing. What comes sooner than the rule allows
    /// waits, for as long as the label holds.
    pub fn due(&mut self, now: Duration) -> Option<Verdict> {
        if now < self.may_tell_at() {
            return None;
        }
        let is_due = |shown: &&mut Shown| shown.holds_at.as_ref().is_some_and(|(at, _)| *at <= now);
        let (_, occasion) = self.views.iter_mut().flat_map(|seen| &mut seen.labels).find(is_due)?.holds_at.take()?;
        Some(self.tell(occasion, now))
    }

    fn see(&mut self, now: &Stable, time: Time, is_change: bool) -> Vec<Verdict> {
        let view = &now.frame.view;
        if self.rule.view.as_ref().is_some_and(|wanted| wanted != view) {
            return Vec::new();
        }
        let index = self.views.iter().position(|seen| seen.view == *view);
        let before = index.and_then(|index| self.views[index].labels.first()).map(|shown| shown.label.clone());
        let index = index.unwrap_or_else(|| {
            self.views.push(Seen::first(now, is_change));
            self.views.len() - 1
        });
        let Self { rule, views, .. } = self;
        let labels = match now.is_unseen() {
            true => {
                views[index].hide(now);
                return Vec::new();
            }
            false => &mut views[index].labels,
        };
        let occasion = |label: Arc<str>| Box::new(Occasion { label, now: now.clone(), before: before.clone() });
        let holds_at = |label: &Arc<str>, since| {
            let When::Held(long) = rule.when else { return None };
            // It may have held since before it was watched.
            let held = elapsed(since, if is_change { now.since } else { time.wall });
            let left = long.checked_sub(held).filter(|left| !left.is_zero() && rule.wants(label))?;
            Some((time.now.saturating_add(left), occasion(label.clone())))
        };
        let (mut left, mut came) = (std::mem::take(labels), Vec::new());
        for (label, since) in now.held() {
            let known = left.iter().position(|shown| shown.label == *label).map(|index| left.remove(index));
            if known.is_none() && rule.wants(label) {
                came.push(label.clone());
            }
            labels.push(known.filter(|shown| !shown.is_hidden).unwrap_or_else(|| Shown {
                label: label.clone(),
                is_hidden: false,
                holds_at: holds_at(label, since),
            }));
        }
        left.retain(|shown| rule.wants(&shown.label));
        match self.rule.when {
            When::Appears if is_change => came.into_iter().map(|label| self.tell(occasion(label), time.now)).collect(),
            When::Leaves if is_change => {
                left.into_iter().map(|shown| self.tell(occasion(shown.label), time.now)).collect()
            }
            When::FirstOfDay if is_change => {
                came.into_iter().filter_map(|label| self.first(occasion(label), time)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn first(&mut self, occasion: Box<Occasion>, time: Time) -> Option<Verdict> {
        if self.firsts.as_ref().is_none_or(|firsts| firsts.date != time.today) {
            self.firsts = Some(Firsts { date: time.today, told: Vec::new() });
        }
        let subject = (occasion.now.frame.view.clone(), occasion.label.clone());
        let is_known = |firsts: &Firsts| firsts.told.contains(&subject) || firsts.told.len() >= MAX_FIRSTS;
        if self.firsts.as_ref().is_some_and(is_known) {
            return None;
        }
        let verdict = self.tell(occasion, time.now);
        // What was not told is still to be told today.
        if let (Verdict::Tell(_), Some(firsts)) = (&verdict, &mut self.firsts) {
            firsts.told.push(subject);
        }
        Some(verdict)
    }

    /// When the last notice is old enough.
    fn may_tell_at(&self) -> Duration {
        self.last_told.map_or(Duration::ZERO, |last| last.saturating_add(self.rule.every))
    }

    fn tell(&mut self, occasion: Box<Occasion>, now: Duration) -> Verdict {
        if now < self.may_tell_at() {
            return Verdict::TooSoon;
        }
        self.last_told = Some(now);
        Verdict::Tell(occasion)
    }
}

/// The time since then; none if the clock was set back meanwhile.
fn elapsed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
