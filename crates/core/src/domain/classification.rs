//! A model's classification of a frame, and the stable label.

use std::sync::Arc;

use jiff::Timestamp;
use smallvec::SmallVec;

use super::name::Name;
use glimpsed_inference::Precision;

/// The names of a model's classes, in class order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    names: Arc<[Arc<str>]>,
    /// Whether any number of them may be true of one picture, each with a probability of its own; otherwise one is.
    pub are_independent: bool,
}

impl Labels {
    /// One label per line; empty lines at the end do not count.
    pub fn parse(text: &str) -> Self {
        text.trim_end().lines().map(str::trim).collect()
    }

    /// The same names, of classes that do not exclude each other.
    pub fn independent(self) -> Self {
        Self { are_independent: true, ..self }
    }

    pub fn len(&self) -> usize {
        self.names.len()
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    pub fn get(&self, class: usize) -> Option<&Arc<str>> {
        self.names.get(class)
    }

    /// In class order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<str>> {
        self.names.iter()
    }
}

impl<'a> FromIterator<&'a str> for Labels {
    fn from_iter<T: IntoIterator<Item = &'a str>>(names: T) -> Self {
        Self { names: names.into_iter().map(Arc::from).collect(), are_independent: false }
    }
}

/// One class with its probability.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    pub label: Arc<str>,
    pub class_id: usize,
    /// From 0 to 1.
    pub confidence: f32,
}

/// Which model gave the answer.
#[derive(Debug, PartialEq, Eq)]
pub struct ModelId {
    pub name: String,
    pub precision: Precision,
    pub sha256: String,
}

/// How an answer is derived from the class probabilities.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answering {
    /// Number of labels in the answer.
    pub top_k: usize,
    /// Below this probability of the most likely class (0..1) the answer is "unknown".
    pub unknown_below: f32,
}

/// How to interpret the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Known,
    /// No class reaches the confidence threshold.
    Unknown,
    /// The picture is too dark to classify.
    TooDark,
    /// The picture is of one colour, as behind a covered lens.
    Covered,
    /// No frame has arrived for too long, so the present state is unknown.
    Stale,
}

/// Latency of each stage in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Timing {
    pub capture_ms: f64,
    pub decode_ms: f64,
    pub preprocess_ms: f64,
    pub infer_ms: f64,
    /// From the frame's arrival to its label.
    pub total_ms: f64,
}

/// The most likely classes of one frame. The default number of them needs no heap allocation.
pub type Top<T = Ranked> = SmallVec<[T; 4]>;

/// A model's answer for one picture, before smoothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub model: Arc<ModelId>,
    pub status: Status,
    /// Most likely first; empty when no model was run.
    pub top: Top,
    /// Of a model that was taught on this device: whether the picture is unlike all that it was taught with, as it was found within
    /// about the last second; `None` where that cannot be told.
    pub strange: Option<bool>,
    pub timing: Timing,
}

impl Answer {
    /// The most likely class; `None` below the confidence threshold.
    pub fn label(&self) -> Option<&Ranked> {
        match self.status {
            Status::Known => self.top.first(),
            Status::Unknown | Status::TooDark | Status::Covered | Status::Stale => None,
        }
    }
}

/// A frame of the camera with its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Classification {
    /// Through which camera it was seen, and for which view.
    pub camera: Name,
    pub view: Name,
    /// Number of the camera's frame.
    pub seq: u64,
    /// When the frame was captured.
    pub ts: Timestamp,
    pub answer: Answer,
    /// The answer was reused from an earlier frame with the same content.
    pub cached: bool,
    /// The file that a replayed frame was read from.
    pub origin: Option<Arc<str>>,
}

/// Why the accurate model was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The configured interval has passed.
    Interval,
    /// The fast model was unsure.
    Unsure,
    /// A user requested it.
    Asked,
}

/// The answers of both models for the same frame.
#[derive(Debug, Clone, PartialEq)]
pub struct SecondOpinion {
    pub accurate: Classification,
    pub fast: Classification,
    /// The labels of both models for this frame alone, after grouping; `None`: unknown.
    pub accurate_label: Option<Arc<str>>,
    pub fast_label: Option<Arc<str>>,
    pub reason: Reason,
}

impl SecondOpinion {
    pub fn agree(&self) -> bool {
        self.accurate_label == self.fast_label
    }
}

/// The stable label, as opposed to that of a single frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Stable {
    /// The last frame.
    pub frame: Classification,
    pub status: Status,
    /// `None` while the label is unknown.
    pub label: Option<Arc<str>>,
    /// The label's smoothed probability (0..1); 0 if the current model does not have the label.
    pub confidence: f32,
    /// When this label became the stable one; of independent labels, when one more or less was held last.
    pub since: Timestamp,
    /// All labels that are held, where they do not exclude each other. `label` is the most likely of them.
    pub labels: Option<Independent>,
}

impl Stable {
    /// The labels that hold, the most likely first, and since when each does.
    pub fn held(&self) -> impl Iterator<Item = (&Arc<str>, Timestamp)> {
        let beside = self.labels.iter().flat_map(|labels| &labels.held).map(|held| (&held.label, held.since));
        let alone = self.label.iter().filter(|_| self.labels.is_none()).map(|label| (label, self.since));
        alone.chain(beside)
    }

    /// How likely a label that holds is.
    pub fn confidence_of(&self, label: &str) -> Option<f32> {
        let mut beside = self.labels.iter().flat_map(|labels| &labels.held);
        let beside = beside.find(|held| *held.label == *label).map(|held| held.confidence);
        beside.or_else(|| (self.label.as_deref() == Some(label)).then_some(self.confidence))
    }

    /// Whether nobody can see a label: what does not hold any more has not been seen to leave. Of labels that do not exclude each other,
    /// some may hold for a moment longer than others in the dark.
    pub fn is_unseen(&self) -> bool {
        let is_blind = |status| matches!(status, Status::TooDark | Status::Covered | Status::Stale);
        is_blind(self.status) || is_blind(self.frame.answer.status)
    }
}

/// Labels that do not exclude each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Independent {
    /// Those that are held, most likely first.
    pub held: Vec<HeldLabel>,
    /// All that can be.
    pub possible: Arc<[Arc<str>]>,
}

/// A label that is held beside others.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldLabel {
    pub label: Arc<str>,
    /// Smoothed, from 0 to 1.
    pub confidence: f32,
    /// When the frame that decided it was captured.
    pub since: Timestamp,
}

/// The `k` largest of `probabilities` as `(class, probability)`, largest first, ties in class order. NaN is skipped.
pub fn top_k(probabilities: &[f32], k: usize) -> Top<(usize, f32)> {
    let mut best = Top::<(usize, f32)>::new();
    for (class, &probability) in probabilities.iter().enumerate() {
        let worse_than_all = best.len() == k && best.last().is_none_or(|last| probability <= last.1);
        if probability.is_nan() || worse_than_all {
            continue;
        }
        let at = best.partition_point(|entry| entry.1 >= probability);
        if best.len() == k {
            best.pop();
        }
        best.insert(at, (class, probability));
    }
    best
}

/// Examples for tests, those of the daemon included, which is another crate; a program that uses none of them has none.
#[doc(hidden)]
pub mod tests_support {
    use super::*;

    /// A frame with one label, or with none above the threshold.
    pub fn frame(seq: u64, label: Option<&str>) -> Classification {
        let model = ModelId { name: "test".into(), precision: Precision::Fp32, sha256: "00".into() };
        let top =
            Ranked { label: label.unwrap_or("noise").into(), class_id: 7, confidence: label.map_or(0.1, |_| 0.9) };
        let answer = Answer {
            model: Arc::new(model),
            status: if label.is_some() { Status::Known } else { Status::Unknown },
            top: Top::from_iter([top]),
            strange: None,
            timing: Timing::default(),
        };
        Classification {
            camera: Name::ONLY,
            view: Name::ONLY,
            seq,
            ts: Timestamp::UNIX_EPOCH,
            answer,
            cached: false,
            origin: None,
        }
    }

    /// A stable label, or "unknown".
    pub fn stable(label: Option<&str>) -> Stable {
        let frame = frame(1, label);
        let (status, since) = (frame.answer.status, frame.ts);
        Stable { status, label: label.map(Arc::from), confidence: 0.9, since, labels: None, frame }
    }

    /// Of labels that do not exclude each other, those that are held.
    pub fn several(held: &[&str], possible: &[&str]) -> Stable {
        let stable = stable(held.first().copied());
        let held_label = |label: &&str| HeldLabel { label: Arc::from(*label), confidence: 0.9, since: stable.since };
        let held = held.iter().map(held_label).collect();
        let possible = possible.iter().map(|&label| Arc::from(label)).collect();
        Stable { labels: Some(Independent { held, possible }), ..stable }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn equal_probabilities_come_in_class_order() {
        assert_eq!(top_k(&[0.1, 0.4, 0.4, 0.1], 3)[..], [(1, 0.4), (2, 0.4), (0, 0.1)]);
    }

    #[test]
    fn a_nan_is_never_a_label() {
        assert_eq!(top_k(&[f32::NAN, 0.2, f32::NAN], 3)[..], [(1, 0.2)]);
    }

    proptest! {
        #[test]
        fn top_k_is_what_sorting_everything_gives(values in proptest::collection::vec(0.0f32..1.0, 0..60), k in 0usize..8) {
            let mut sorted: Vec<(usize, f32)> = values.iter().copied().enumerate().collect();
            sorted.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            sorted.truncate(k);
            prop_assert_eq!(top_k(&values, k).into_vec(), sorted);
        }
    }
}
