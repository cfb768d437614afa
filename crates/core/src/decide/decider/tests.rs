use super::*;
use crate::decide::rules::{LabelFilter, Smoothing};
use crate::decide::stable::Debounce;
use crate::domain::classification::tests_support::frame;
use crate::domain::classification::{ModelId, Reason};
use glimpsed_inference::Precision;
use proptest::prelude::*;

const LABELS: &str = "cat\ndog\nbird";
const MINUTE: Duration = Duration::from_secs(60);

fn rules() -> LabelRules {
    LabelRules {
        top_k: 3,
        unknown_below: 0.2,
        smoothing: Smoothing::None,
        enter: None,
        keep: None,
        margin: 0.0,
        debounce: Debounce { consecutive: 2, hold: Duration::ZERO },
        filter: LabelFilter::default(),
    }
}

fn at_once() -> LabelRules {
    LabelRules { debounce: Debounce { consecutive: 1, hold: Duration::ZERO }, ..rules() }
}

fn decider_with(rules: &LabelRules, policy: DisagreementChoice) -> Decider {
    Decider::new(Labels::parse(LABELS), rules, policy, MINUTE)
}

fn decider() -> Decider {
    decider_with(&rules(), DisagreementChoice::Fast)
}

const CAT: Seen<'static> = Seen::Scores(&[0.9, 0.05, 0.05]);
const DOG: Seen<'static> = Seen::Scores(&[0.05, 0.9, 0.05]);

fn at(decider: &mut Decider, seconds: u64, seen: Seen) -> Events {
    decider.observe(frame(seconds, Some("raw")), seen, Duration::from_secs(seconds))
}

/// The label of a change event, "unknown", "too dark" or "covered".
fn change(events: &[Event]) -> Option<String> {
    match events {
        [Event::Classified(_)] => None,
        [Event::Classified(_), Event::Changed { now, .. }] => Some(match now.status {
            Status::Known => now.label.as_deref().expect("known").to_owned(),
            Status::TooDark => "too dark".into(),
            Status::Covered => "covered".into(),
            Status::Unknown => "unknown".into(),
            Status::Stale => "stale".into(),
        }),
        other => panic!("{other:?}"),
    }
}

fn changes(decider: &mut Decider, frames: &[Seen]) -> Vec<String> {
    frames.iter().enumerate().filter_map(|(second, seen)| change(&at(decider, second as u64, *seen))).collect()
}

#[test]
fn every_frame_is_classified_and_a_change_follows_it() {
    let mut decider = decider();
    let events = at(&mut decider, 1, CAT);
    let [Event::Classified(_), Event::Changed { now, before: None }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((now.label.as_deref(), now.confidence), (Some("cat"), 0.9));
    assert_eq!(change(&at(&mut decider, 2, DOG)), None, "one frame is not enough");
}

#[test]
fn the_state_is_told_again_when_the_heartbeat_is_due() {
    let mut decider = decider();
    let told = [1, 60, 61, 62].map(|second| at(&mut decider, second, CAT).len());
    assert_eq!(told, [2, 1, 2, 1]);
}

#[test]
fn without_frames_the_state_grows_stale_once_and_the_next_frame_holds_at_once() {
    let mut decider = decider();
    assert_eq!(decider.grow_stale(Timestamp::UNIX_EPOCH), None, "nothing was known");
    at(&mut decider, 1, CAT);
    let Some(Event::Changed { now, before }) = decider.grow_stale(Timestamp::UNIX_EPOCH) else { panic!("stale") };
    assert_eq!((now.status, now.label, before.as_deref()), (Status::Stale, None, Some("cat")));
    assert_eq!(decider.grow_stale(Timestamp::UNIX_EPOCH), None);
    assert_eq!(change(&at(&mut decider, 9, DOG)).as_deref(), Some("dog"));
}

#[test]
fn the_label_that_holds_needs_less_to_remain_than_another_to_take_its_place() {
    let rules = LabelRules { enter: Some(0.5), keep: Some(0.3), margin: 0.2, ..at_once() };
    let mut decider = decider_with(&rules, DisagreementChoice::Fast);
    let frames = [
        [0.45, 0.1, 0.1],  // not enough to become the stable label,
        [0.55, 0.1, 0.1],  // enough,
        [0.35, 0.1, 0.1],  // enough to remain it,
        [0.4, 0.55, 0.05], // not enough of a lead for the other,
        [0.3, 0.55, 0.05], // enough,
        [0.2, 0.25, 0.2],  // not enough of any label.
    ];
    let frames = frames.each_ref().map(|scores| Seen::Scores(scores));
    assert_eq!(changes(&mut decider, &frames), ["unknown", "cat", "dog", "unknown"]);
}

#[test]
fn a_label_that_no_frame_shows_any_more_is_not_known_with_confidence_zero() {
    let mut decider = decider();
    let frames = [[0.9, 0.0, 0.0], [0.0, 0.6, 0.3], [0.0, 0.3, 0.6], [0.0, 0.6, 0.3], [0.0, 0.3, 0.6], [0.0, 0.3, 0.6]];
    let frames = frames.each_ref().map(|scores| Seen::Scores(scores));
    assert_eq!(changes(&mut decider, &frames), ["cat", "unknown", "bird"]);
}

#[test]
fn darkness_is_an_answer_like_any_other() {
    let mut decider = decider();
    let frames = [CAT, Seen::Dark, CAT, Seen::Dark, Seen::Dark, Seen::Dark, CAT, CAT];
    assert_eq!(changes(&mut decider, &frames), ["cat", "too dark", "cat"]);
}

#[test]
fn a_frame_that_shows_the_same_counts_like_the_one_before() {
    assert_eq!(changes(&mut decider(), &[CAT, DOG, Seen::Same]), ["cat", "dog"]);
}

#[test]
fn another_model_s_labels_are_judged_by_their_own_names() {
    let mut decider = decider();
    at(&mut decider, 1, CAT);
    decider.set_labels(Labels::parse("bird\ncat"));
    assert_eq!(change(&at(&mut decider, 2, Seen::Scores(&[0.1, 0.9]))), None, "it is the same label");
    let frames = [Seen::Scores(&[0.9, 0.1]), Seen::Same];
    assert_eq!(changes(&mut decider, &frames), ["bird"]);
}

/// The accurate model's opinion where the fast model answers `fast`.
fn opinion(fast: Option<&str>, accurate: Option<&str>) -> SecondOpinion {
    let model = Arc::new(ModelId { name: "second".into(), precision: Precision::Fp32, sha256: "11".into() });
    let mut accurate_frame = frame(1, accurate);
    accurate_frame.answer.model = model;
    SecondOpinion {
        accurate: accurate_frame,
        fast: frame(1, fast),
        accurate_label: accurate.map(Arc::from),
        fast_label: fast.map(Arc::from),
        reason: Reason::Interval,
    }
}

/// The changes when the fast model still answers "cat" after an opinion.
fn after_opinion(policy: DisagreementChoice, accurate: Option<&str>) -> Vec<String> {
    let mut decider = decider_with(&rules(), policy);
    at(&mut decider, 0, CAT);
    decider.receive_opinion(&opinion(Some("cat"), accurate));
    changes(&mut decider, &[CAT, CAT, CAT])
}

#[test]
fn where_the_models_disagree_the_policy_decides() {
    use DisagreementChoice::{Accurate, Fast, Unknown};
    assert_eq!(after_opinion(Fast, Some("lynx")), [""; 0]);
    assert_eq!(after_opinion(Accurate, Some("lynx")), ["lynx"]);
    assert_eq!(after_opinion(Unknown, Some("lynx")), ["unknown"]);
    assert_eq!(after_opinion(Accurate, None), [""; 0], "the accurate model has no idea");
    assert_eq!(after_opinion(Unknown, Some("cat")), [""; 0], "they agree");
}

#[test]
fn a_disagreement_ends_when_the_fast_model_says_something_else_or_an_opinion_agrees() {
    let mut decider = decider_with(&rules(), DisagreementChoice::Accurate);
    at(&mut decider, 0, CAT);
    decider.receive_opinion(&opinion(Some("cat"), Some("lynx")));
    assert_eq!(changes(&mut decider, &[CAT, CAT, DOG, CAT, CAT]), ["lynx"], "a single frame does not end it");
    assert_eq!(changes(&mut decider, &[DOG, DOG, CAT, CAT]), ["dog", "cat"]);
    decider.receive_opinion(&opinion(Some("cat"), Some("lynx")));
    assert_eq!(changes(&mut decider, &[CAT, CAT]), ["lynx"]);
    decider.receive_opinion(&opinion(Some("cat"), Some("cat")));
    assert_eq!(changes(&mut decider, &[CAT, CAT]), ["cat"]);
}

#[test]
fn a_disagreement_ends_with_the_model_that_disagreed() {
    let mut decider = decider_with(&rules(), DisagreementChoice::Accurate);
    at(&mut decider, 0, CAT);
    decider.receive_opinion(&opinion(Some("cat"), Some("lynx")));
    assert_eq!(changes(&mut decider, &[CAT, CAT]), ["lynx"]);
    decider.forget_opinions();
    assert_eq!(changes(&mut decider, &[CAT, CAT]), ["cat"]);
}

#[test]
fn an_opinion_may_name_what_the_fast_model_did_not_know() {
    let mut decider = decider_with(&rules(), DisagreementChoice::Accurate);
    const NOTHING: Seen<'static> = Seen::Scores(&[0.1, 0.1, 0.1]);
    at(&mut decider, 0, NOTHING);
    decider.receive_opinion(&opinion(None, Some("lynx")));
    assert_eq!(changes(&mut decider, &[NOTHING, NOTHING]), ["lynx"]);
}

/// Ten frames per second of a cat that is sometimes taken for a dog or for nothing, then of a dog.
fn flickering() -> Vec<[f32; 3]> {
    let mut random = fastrand::Rng::with_seed(42);
    let mut frame = |likely: usize| {
        let mut scores = [0.05f32; 3];
        match random.u32(0..10) {
            0..6 => scores[likely] = 0.5 + 0.4 * random.f32(),
            6..8 => scores[1 - likely] = 0.3 + 0.4 * random.f32(),
            8 => {}
            _ => (scores[0], scores[1]) = (0.4 + 0.05 * random.f32(), 0.4 + 0.05 * random.f32()),
        }
        scores
    };
    (0..600).map(|number| frame(usize::from(number >= 300))).collect()
}

fn changes_of_flicker(rules: &LabelRules) -> Vec<String> {
    let mut decider = decider_with(rules, DisagreementChoice::Fast);
    let tenths = flickering().into_iter().enumerate();
    let observe = |(tenth, scores): (usize, [f32; 3])| {
        let now = Duration::from_millis(100 * tenth as u64);
        change(&decider.observe(frame(1, Some("raw")), Seen::Scores(&scores), now))
    };
    tenths.filter_map(observe).collect()
}

#[test]
fn of_a_minute_s_flicker_only_the_real_change_remains() {
    let raw = LabelRules { keep: Some(0.2), ..at_once() };
    let in_a_row = LabelRules { debounce: Debounce { consecutive: 3, hold: Duration::ZERO }, ..rules() };
    let by_default = crate::config::Sources::defaults().load().expect("valid").first().labels.clone();
    let window = LabelRules { smoothing: Smoothing::Window { frames: 10 }, ..by_default.clone() };
    let counts = [&raw, &in_a_row].map(|rules| changes_of_flicker(rules).len());
    assert_eq!(counts, [293, 25], "of 600 frames");
    assert_eq!(changes_of_flicker(&by_default), ["cat", "dog"]);
    assert_eq!(changes_of_flicker(&window), ["cat", "dog"]);
}

proptest! {
    #[test]
    fn whatever_the_frames_say_the_events_are_consistent(
        frames in proptest::collection::vec((0u8..5, [0.0f32..0.5, 0.0f32..0.5, 0.0f32..0.5]), 1..60),
        consecutive in 1u32..4,
        margin in 0.0f32..0.3,
        window in 0usize..5,
    ) {
        let smoothing = if window == 0 { Smoothing::None } else { Smoothing::Window { frames: window } };
        let rules = LabelRules { debounce: Debounce { consecutive, hold: Duration::ZERO }, margin, smoothing, ..rules() };
        let mut decider = decider_with(&rules, DisagreementChoice::Accurate);
        let mut holds: Option<Arc<str>> = None;
        for (second, (kind, scores)) in frames.iter().enumerate() {
            let seen = match kind {
                0 => Seen::Dark,
                1 if second > 0 => Seen::Same,
                _ => Seen::Scores(scores),
            };
            if let [_, Event::Changed { now, before }] = &at(&mut decider, second as u64, seen)[..] {
                prop_assert_eq!(before, &holds);
                prop_assert_eq!(now.status == Status::Known, now.label.is_some());
                prop_assert!((0.0..=1.0).contains(&now.confidence));
                holds = now.label.clone();
            }
        }
    }
}

/// The labels that are held after each frame of three probabilities, of a model whose labels do not exclude each other.
fn held(rules: &LabelRules, frames: &[Seen]) -> Vec<String> {
    let labels = Labels::parse(LABELS).independent();
    let mut decider = Decider::new(labels, rules, DisagreementChoice::Fast, MINUTE);
    let mut last = String::new();
    let names = frames.iter().enumerate().map(|(second, seen)| {
        if let [_, Event::Changed { now, .. }] = &at(&mut decider, second as u64, *seen)[..] {
            let held = &now.labels.as_ref().expect("independent labels").held;
            assert_eq!(now.label, held.first().map(|held| held.label.clone()));
            let names: Vec<&str> = held.iter().map(|held| &*held.label).collect();
            last = if names.is_empty() { format!("{:?}", now.status) } else { names.join("+") };
        }
        last.clone()
    });
    names.collect()
}

const BOTH: Seen<'static> = Seen::Scores(&[0.9, 0.95, 0.1]);
const NONE: Seen<'static> = Seen::Scores(&[0.0, 0.0, 0.0]);

#[test]
fn independent_labels_are_each_held_for_themselves() {
    let weak_cat = Seen::Scores(&[0.3, 0.9, 0.1]);
    let no_cat = Seen::Scores(&[0.05, 0.9, 0.1]);
    let names = held(&at_once(), &[BOTH, CAT, weak_cat, no_cat, BOTH]);
    // A label that is held needs less to remain: `keep` is half of what it needs to be held.
    assert_eq!(names, ["dog+cat", "cat", "dog+cat", "dog", "dog+cat"]);
}

#[test]
fn an_independent_label_changes_after_enough_frames_in_a_row() {
    assert_eq!(held(&rules(), &[CAT, BOTH, CAT, BOTH, BOTH]), ["cat", "cat", "cat", "cat", "dog+cat"]);
}

#[test]
fn without_a_likely_one_no_independent_label_is_held_and_darkness_says_why() {
    assert_eq!(held(&at_once(), &[NONE, BOTH, NONE]), ["Unknown", "dog+cat", "Unknown"]);
    assert_eq!(held(&at_once(), &[BOTH, Seen::Dark, Seen::Covered]), ["dog+cat", "TooDark", "Covered"]);
}

#[test]
fn stale_independent_labels_are_none() {
    let labels = Labels::parse(LABELS).independent();
    let mut decider = Decider::new(labels, &at_once(), DisagreementChoice::Fast, MINUTE);
    at(&mut decider, 0, BOTH);
    let Some(Event::Changed { now, before }) = decider.grow_stale(Timestamp::UNIX_EPOCH) else { panic!("stale") };
    assert_eq!((now.status, before.as_deref()), (Status::Stale, Some("dog")));
    assert_eq!(now.labels.expect("independent labels").held, []);
}
