use super::*;
use crate::domain::classification::Status;
use crate::domain::classification::tests_support::{several, stable};
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
        told.extend(labels(watch.changed(&stable(*label), time(*at))).into_iter().map(|label| (*at, label)));
    }
    told
}

fn labels(verdicts: Vec<Verdict>) -> Vec<String> {
    let label = |verdict| match verdict {
        Verdict::Tell(occasion) => Some(occasion.label.to_string()),
        Verdict::TooSoon => None,
    };
    verdicts.into_iter().filter_map(label).collect()
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
            assert_eq!(watch.changed(&blind(status), time(10)), []);
            assert_eq!(told(watch, &[(20, Some("car"))]), [], "it is still there");
            assert_eq!(watch.changed(&blind(status), time(30)), []);
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
    let verdicts: Vec<Vec<bool>> = [(0, "bird"), (10, "cat"), (70, "dog"), (140, "cat"), (300, "dog")]
        .into_iter()
        .map(|(at, label)| watch.changed(&stable(Some(label)), time(at)))
        .map(|verdicts| verdicts.into_iter().map(|verdict| verdict != Verdict::TooSoon).collect())
        .collect();
    assert_eq!(verdicts, [vec![true], vec![false], vec![true], vec![true], vec![]]);
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

#[test]
fn labels_that_do_not_exclude_each_other_are_watched_each_for_itself() {
    let possible = ["cat", "dog", "bird"];
    let shows = |at: u64, held: &[(&str, u64)]| {
        let mut stable = several(&held.iter().map(|(label, _)| *label).collect::<Vec<_>>(), &possible);
        let beside = &mut stable.labels.as_mut().expect("several").held;
        beside.iter_mut().zip(held).for_each(|(label, (_, since))| label.since = time(*since).wall);
        Stable { since: time(at).wall, ..stable }
    };
    let steps = [
        (10, shows(10, &[("dog", 10)])),
        (20, shows(20, &[("dog", 10), ("cat", 20)])),
        (30, shows(30, &[("cat", 20), ("dog", 10), ("bird", 30)])),
        (40, shows(40, &[("cat", 20)])),
    ];
    let told = |when, label: Option<&str>, steps: &[(u64, Stable)]| {
        let mut watch = watch(label, when, Duration::ZERO);
        let each = |(at, now): &(u64, Stable)| {
            labels(watch.changed(now, time(*at))).into_iter().map(|label| (*at, label)).collect::<Vec<_>>()
        };
        steps.iter().flat_map(each).collect::<Vec<_>>()
    };
    assert_eq!(told(When::Appears, None, &steps), [at(10, "dog"), at(20, "cat"), at(30, "bird")]);
    assert_eq!(told(When::Leaves, None, &steps), [at(40, "dog"), at(40, "bird")]);
    assert_eq!(told(When::FirstOfDay, Some("bird"), &steps), [at(30, "bird")]);
    assert_eq!(told(When::Appears, None, &steps[1..2]), [at(20, "cat")], "a new rule finds that the dog was there");

    let mut held = watch(Some("dog"), When::Held(MINUTE), Duration::ZERO);
    steps[..3].iter().for_each(|(at, now)| assert_eq!(held.changed(now, time(*at)), []));
    assert_eq!(held.due_at(), Some(Duration::from_secs(70)), "another that comes does not begin it anew");
    held.changed(&steps[3].1, time(40));
    assert_eq!(held.due_at(), None);
}

#[test]
fn of_labels_beside_each_other_none_is_seen_to_leave_as_it_grows_dark() {
    let shows = |held: &[&str], status| {
        let mut stable = several(held, &["cat", "dog"]);
        stable.frame.answer.status = status;
        stable
    };
    let mut leaves = watch(None, When::Leaves, Duration::ZERO);
    leaves.changed(&shows(&["cat", "dog"], Status::Known), time(0));
    // One that has come lately holds for a moment longer.
    assert_eq!(leaves.changed(&shows(&["cat"], Status::TooDark), time(10)), []);
    assert_eq!(leaves.changed(&blind(Status::TooDark), time(20)), []);
    assert_eq!(labels(leaves.changed(&shows(&["cat"], Status::Known), time(30))), ["dog"]);
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
            let verdicts = watch.changed(&stable(label.as_deref()), time(second));
            told.extend(verdicts.into_iter().filter(|verdict| *verdict != Verdict::TooSoon).map(|_| second));
        }
        prop_assert!(told.windows(2).all(|pair| pair[1] - pair[0] >= every), "{told:?}");
    }
}
