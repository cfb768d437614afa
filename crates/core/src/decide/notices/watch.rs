//! When a notice is due.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::decide::time::Time;
use crate::domain::classification::{Stable, Status};
use crate::domain::layout::Layout;
use crate::domain::name::Name;

/// Labels of one day whose first appearance a rule remembers, over all views. The first of one more is not told.
const MAX_FIRSTS: usize = 256;

/// What is told of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// It has become the label that holds.
    Appears,
    /// Another label holds in its place, or none.
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
    /// The last label that was seen. Darkness and the lack of frames do not change it: nobody has seen it leave.
    label: Option<Arc<str>>,
    /// When the label will have held long enough; the change that brought it.
    holds_at: Option<(Duration, Box<Occasion>)>,
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

    /// Another label holds.
    pub fn changed(&mut self, now: &Stable, time: Time) -> Option<Verdict> {
        self.see(now, time, true)
    }

    /// This label holds, and has for a while: nothing is told of it but that it goes on.
    pub fn holds(&mut self, now: &Stable, time: Time) {
        self.see(now, time, false);
    }

    /// When [`Self::due`] has something to tell.
    pub fn due_at(&self) -> Option<Duration> {
        let first = self.views.iter().filter_map(|seen| seen.holds_at.as_ref()).map(|(at, _)| *at).min();
        first.map(|at| at.max(self.may_tell_at()))
    }

    /// What has held long enough at the monotonic time `now`; to be called until there is nothing. What comes sooner than the rule allows
    /// waits, for as long as the label holds.
    pub fn due(&mut self, now: Duration) -> Option<Verdict> {
        if now < self.may_tell_at() {
            return None;
        }
        let is_due = |seen: &&mut Seen| seen.holds_at.as_ref().is_some_and(|(at, _)| *at <= now);
        let (_, occasion) = self.views.iter_mut().find(is_due)?.holds_at.take()?;
        Some(self.tell(occasion, now))
    }

    fn see(&mut self, now: &Stable, time: Time, is_change: bool) -> Option<Verdict> {
        let view = &now.frame.view;
        if self.rule.view.as_ref().is_some_and(|wanted| wanted != view) {
            return None;
        }
        let index = match self.views.iter().position(|seen| seen.view == *view) {
            Some(index) => index,
            None => {
                self.views.push(Seen { view: view.clone(), label: None, holds_at: None });
                self.views.len() - 1
            }
        };
        if matches!(now.status, Status::Stale | Status::TooDark | Status::Covered) {
            self.views[index].holds_at = None;
            return None;
        }
        let before = std::mem::replace(&mut self.views[index].label, now.label.clone());
        let appears = now.label.clone().filter(|label| before.as_ref() != Some(label) && self.is_wanted(label));
        let leaves = before.clone().filter(|label| now.label.as_ref() != Some(label) && self.is_wanted(label));
        let occasion = |label: Arc<str>| Box::new(Occasion { label, now: now.clone(), before: before.clone() });
        if let When::Held(long) = self.rule.when {
            let is_new = is_change || before != now.label;
            if is_new {
                let label = now.label.clone().filter(|label| self.is_wanted(label));
                // It has held since before it was watched.
                let since = if is_change { Duration::ZERO } else { elapsed(now.since, time.wall) };
                let left = long.checked_sub(since).filter(|left| !left.is_zero());
                self.views[index].holds_at =
                    label.zip(left).map(|(label, left)| (time.now.saturating_add(left), occasion(label)));
            }
            return None;
        }
        if !is_change {
            return None;
        }
        match self.rule.when {
            When::Appears => appears.map(|label| self.tell(occasion(label), time.now)),
            When::Leaves => leaves.map(|label| self.tell(occasion(label), time.now)),
            When::FirstOfDay => self.first(occasion(appears?), time),
            When::Held(_) => None,
        }
    }

    fn is_wanted(&self, label: &Arc<str>) -> bool {
        self.rule.label.as_ref().is_none_or(|wanted| wanted == label)
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
mod tests {
    use super::*;
    use crate::domain::classification::tests_support::stable;
    use jiff::civil::date;
    use proptest::prelude::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn time(seconds: u64) -> Time {
        let wall = Timestamp::from_second(seconds as i64).expect("in range");
        let today = date(2026, 3, 1).saturating_add(jiff::Span::new().days((seconds / 86_400) as i64));
        Time { now: Duration::from_secs(seconds), wall, today, midnight: wall }
    }

    fn watch(label: Option<&str>, when: When, every: Duration) -> Watch {
        Watch::new(Rule { view: None, label: label.map(Arc::from), when, every })
    }

    fn blind(status: Status) -> Stable {
        Stable { status, ..stable(None) }
    }

    /// The labels that are told of these changes, at these seconds; `None` leaves the view without a label.
    fn told(watch: &mut Watch, changes: &[(u64, Option<&str>)]) -> Vec<(u64, String)> {
        let mut told = Vec::new();
        for (at, label) in changes {
            if let Some(Verdict::Tell(occasion)) = watch.changed(&stable(*label), time(*at)) {
                told.push((*at, occasion.label.to_string()));
            }
        }
        told
    }

    fn at(second: u64, label: &str) -> (u64, String) {
        (second, label.into())
    }

    #[test]
    fn a_label_appears_and_leaves() {
        let changes = [(0, Some("open")), (10, Some("closed")), (20, None), (30, Some("open"))];
        let all = Duration::ZERO;
        assert_eq!(told(&mut watch(Some("open"), When::Appears, all), &changes), [at(0, "open"), at(30, "open")]);
        assert_eq!(told(&mut watch(Some("open"), When::Leaves, all), &changes), [at(10, "open")]);
        let any = told(&mut watch(None, When::Leaves, all), &changes);
        assert_eq!(any, [at(10, "open"), at(20, "closed")]);
    }

    #[test]
    fn nobody_has_seen_a_label_leave_in_the_dark_or_without_frames() {
        for status in [Status::TooDark, Status::Covered, Status::Stale] {
            let mut leaves = watch(Some("car"), When::Leaves, Duration::ZERO);
            let mut appears = watch(Some("car"), When::Appears, Duration::ZERO);
            for watch in [&mut leaves, &mut appears] {
                told(watch, &[(0, Some("car"))]);
                assert_eq!(watch.changed(&blind(status), time(10)), None);
                assert_eq!(told(watch, &[(20, Some("car"))]), [], "it is still there");
                assert_eq!(watch.changed(&blind(status), time(30)), None);
            }
            assert_eq!(told(&mut leaves, &[(40, Some("empty"))]), [at(40, "car")]);
            assert_eq!(told(&mut appears, &[(40, Some("empty")), (50, Some("car"))]), [at(50, "car")]);
        }
    }

    #[test]
    fn a_label_that_holds_long_enough_is_told_once_and_one_that_is_interrupted_is_not() {
        let mut watch = watch(Some("open"), When::Held(5 * MINUTE), Duration::ZERO);
        watch.changed(&stable(Some("open")), time(0));
        assert_eq!(watch.due_at(), Some(5 * MINUTE));
        watch.changed(&stable(Some("closed")), time(200));
        assert_eq!((watch.due_at(), watch.due(5 * MINUTE)), (None, None));
        watch.changed(&stable(Some("open")), time(400));
        watch.holds(&stable(Some("open")), time(460));
        assert_eq!(watch.due(Duration::from_secs(699)), None);
        assert!(matches!(watch.due(Duration::from_secs(700)), Some(Verdict::Tell(told)) if &*told.label == "open"));
        watch.holds(&stable(Some("open")), time(760));
        assert_eq!(watch.due(10_000 * MINUTE), None, "once");
        watch.changed(&stable(Some("closed")), time(800));
        watch.changed(&stable(Some("open")), time(900));
        watch.changed(&blind(Status::Stale), time(910));
        assert_eq!(watch.due_at(), None, "without frames nobody knows");
    }

    #[test]
    fn what_has_held_long_enough_too_soon_after_another_is_told_as_soon_as_it_may() {
        let of = |view: &str, label| {
            let mut stable = stable(label);
            stable.frame.view = Name::new(view);
            stable
        };
        let mut watch = watch(Some("open"), When::Held(MINUTE), 10 * MINUTE);
        for view in ["left", "right", "third"] {
            watch.changed(&of(view, Some("open")), time(0));
        }
        let tells = |watch: &mut Watch, at: u64| {
            let due = std::iter::from_fn(|| watch.due(Duration::from_secs(at)));
            let mut views = Vec::new();
            views.extend(due.map(|verdict| match verdict {
                Verdict::Tell(occasion) => occasion.now.frame.view.as_str().to_owned(),
                Verdict::TooSoon => "too soon".to_owned(),
            }));
            views
        };
        assert_eq!(tells(&mut watch, 60), ["left"]);
        assert_eq!(watch.due_at(), Some(11 * MINUTE));
        watch.changed(&of("right", Some("closed")), time(100));
        assert_eq!(tells(&mut watch, 659), [""; 0]);
        assert_eq!(tells(&mut watch, 660), ["third"], "the other has left meanwhile");
        assert_eq!(watch.due_at(), None);
    }

    #[test]
    fn a_rule_that_comes_later_counts_what_held_before_and_tells_no_change() {
        let mut held = watch(None, When::Held(5 * MINUTE), Duration::ZERO);
        held.holds(&stable(Some("open")), time(200));
        assert_eq!(held.due_at(), Some(5 * MINUTE), "it has held since 0");
        let mut late = watch(None, When::Held(5 * MINUTE), Duration::ZERO);
        late.holds(&stable(Some("open")), time(400));
        assert_eq!(late.due_at(), None, "that was before there was a rule");
        let mut appears = watch(None, When::Appears, Duration::ZERO);
        appears.holds(&stable(Some("open")), time(200));
        assert_eq!(told(&mut appears, &[(210, Some("open"))]), []);
    }

    #[test]
    fn the_first_of_a_day_is_told_again_on_the_next() {
        let day = 86_400;
        let changes =
            [(10, Some("bird")), (20, Some("cat")), (30, Some("bird")), (day, Some("cat")), (day + 9, Some("bird"))];
        let mut watch = watch(Some("bird"), When::FirstOfDay, Duration::ZERO);
        assert_eq!(told(&mut watch, &changes), [at(10, "bird"), at(day + 9, "bird")]);
    }

    #[test]
    fn what_another_run_has_told_today_is_told_on_the_next_day() {
        let mut before = watch(None, When::FirstOfDay, Duration::ZERO);
        told(&mut before, &[(10, Some("bird"))]);
        let mut after = watch(None, When::FirstOfDay, Duration::ZERO);
        after.resume(before.firsts().cloned().expect("told"));
        let changes = [(20, Some("bird")), (30, Some("cat")), (86_400, Some("bird"))];
        assert_eq!(told(&mut after, &changes), [at(30, "cat"), at(86_400, "bird")]);
    }

    #[test]
    fn what_comes_too_soon_is_counted_and_a_first_that_was_not_told_is_still_to_be() {
        let mut watch = watch(None, When::FirstOfDay, MINUTE);
        let verdicts: Vec<Option<bool>> = [(0, "bird"), (10, "cat"), (70, "dog"), (140, "cat"), (300, "dog")]
            .into_iter()
            .map(|(at, label)| watch.changed(&stable(Some(label)), time(at)).map(|verdict| verdict != Verdict::TooSoon))
            .collect();
        assert_eq!(verdicts, [Some(true), Some(false), Some(true), Some(true), None]);
    }

    #[test]
    fn a_rule_that_was_edited_does_not_tell_again_what_was_just_told() {
        let mut first = watch(Some("bird"), When::FirstOfDay, MINUTE);
        told(&mut first, &[(0, Some("bird"))]);
        let rule = Rule { every: Duration::from_secs(1), ..first.rule().clone() };
        let mut next = Watch::after(rule, first);
        assert_eq!(told(&mut next, &[(100, Some("cat")), (110, Some("bird"))]), []);
    }

    #[test]
    fn labels_beyond_the_bound_are_not_remembered() {
        let mut watch = watch(None, When::FirstOfDay, Duration::ZERO);
        let labels: Vec<String> = (0..2 * MAX_FIRSTS).map(|number| format!("label {number}")).collect();
        let changes: Vec<(u64, Option<&str>)> = labels.iter().map(|label| (0, Some(label.as_str()))).collect();
        assert_eq!(told(&mut watch, &changes).len(), MAX_FIRSTS);
    }

    proptest! {
        #[test]
        fn notices_are_never_closer_than_the_rule_allows(
            steps in proptest::collection::vec((0u64..100, 0u8..4), 0..80), every in 1u64..300, when in 0u8..4, held in 1u64..200,
        ) {
            let when = [When::Appears, When::Leaves, When::Held(Duration::from_secs(held)), When::FirstOfDay][usize::from(when)];
            let mut watch = watch(None, when, Duration::from_secs(every));
            let (mut second, mut told) = (0, Vec::new());
            for (step, label) in steps {
                second += step;
                while let Some(verdict) = watch.due(Duration::from_secs(second)) {
                    told.extend((verdict != Verdict::TooSoon).then_some(second));
                }
                let label = (label > 0).then(|| format!("label {label}"));
                let verdict = watch.changed(&stable(label.as_deref()), time(second));
                told.extend(verdict.filter(|verdict| *verdict != Verdict::TooSoon).map(|_| second));
            }
            prop_assert!(told.windows(2).all(|pair| pair[1] - pair[0] >= every), "{told:?}");
        }
    }
}
