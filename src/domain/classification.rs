//! What a model says of a frame, and the label that holds.

use std::sync::Arc;

use jiff::Timestamp;
use smallvec::SmallVec;

use glimpsed_inference::Precision;

/// The names of a model's classes, in class order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels(Arc<[Arc<str>]>);

impl Labels {
    /// One label a line; empty lines at the end do not count.
    pub fn parse(text: &str) -> Self {
        Self(text.trim_end().lines().map(|line| Arc::from(line.trim())).collect())
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn get(&self, class: usize) -> Option<&Arc<str>> {
        self.0.get(class)
    }

    /// In class order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.iter()
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

/// Which model gave an answer.
#[derive(Debug, PartialEq, Eq)]
pub struct ModelId {
    pub name: String,
    pub precision: Precision,
    pub sha256: String,
}

/// What an answer is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answering {
    /// How many labels it has.
    pub top_k: usize,
    /// Below this probability of the most likely class (0..1) the answer is "unknown".
    pub unknown_below: f32,
}

/// How the answer is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Known,
    /// No class is likely enough.
    Unknown,
    /// There is not enough light to see anything.
    TooDark,
    /// No frame has come for a while, so nothing is known of now.
    Stale,
}

/// Milliseconds that each stage took.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Timing {
    pub capture_ms: f64,
    pub decode_ms: f64,
    pub preprocess_ms: f64,
    pub infer_ms: f64,
    /// From the frame's arrival to its label.
    pub total_ms: f64,
}

/// The most likely classes of one frame. As many as usual need no memory of their own.
pub type Top<T = Ranked> = SmallVec<[T; 4]>;

/// The raw answer for one frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Classification {
    pub seq: u64,
    /// When the frame was captured.
    pub ts: Timestamp,
    pub model: Arc<ModelId>,
    pub status: Status,
    /// Most likely first; none when no model has looked at it.
    pub top: Top,
    /// The answer is that of an earlier frame, which showed the same.
    pub cached: bool,
    pub timing: Timing,
    /// The file a replayed frame comes from.
    pub origin: Option<Arc<str>>,
}

impl Classification {
    /// The most likely class, unless nothing is likely enough.
    pub fn label(&self) -> Option<&Ranked> {
        match self.status {
            Status::Known => self.top.first(),
            Status::Unknown | Status::TooDark | Status::Stale => None,
        }
    }
}

/// Why the accurate model was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It was time.
    Interval,
    /// The fast model was unsure.
    Unsure,
    /// Somebody wanted to know.
    Asked,
}

/// What both models say of the same frame.
#[derive(Debug, Clone, PartialEq)]
pub struct SecondOpinion {
    pub accurate: Classification,
    pub fast: Classification,
    /// The labels of the two, by this frame alone and after groups are put together; `None`: unknown.
    pub accurate_label: Option<Arc<str>>,
    pub fast_label: Option<Arc<str>>,
    pub reason: Reason,
}

impl SecondOpinion {
    pub fn agree(&self) -> bool {
        self.accurate_label == self.fast_label
    }
}

/// The label that holds, as opposed to the one of a single frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Stable {
    /// The frame that was looked at last.
    pub frame: Classification,
    pub status: Status,
    /// `None` while nothing is known.
    pub label: Option<Arc<str>>,
    /// The label's probability in the frame that was looked at last; 0 when it is not among its top.
    pub confidence: f32,
    /// When this label began to hold.
    pub since: Timestamp,
}

/// The `k` largest of `probabilities` as `(class, probability)`, largest first, equal ones in class order. What is not a
/// number is never among them.
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

#[cfg(test)]
pub mod tests_support {
    use super::*;

    /// A frame with one label, or with none likely enough.
    pub fn frame(seq: u64, label: Option<&str>) -> Classification {
        let model = ModelId { name: "test".into(), precision: Precision::Fp32, sha256: "00".into() };
        let top =
            Ranked { label: label.unwrap_or("noise").into(), class_id: 7, confidence: label.map_or(0.1, |_| 0.9) };
        Classification {
            seq,
            ts: Timestamp::UNIX_EPOCH,
            model: Arc::new(model),
            status: if label.is_some() { Status::Known } else { Status::Unknown },
            top: Top::from_iter([top]),
            cached: false,
            timing: Timing::default(),
            origin: None,
        }
    }

    /// A label that holds, or that none does.
    pub fn stable(label: Option<&str>) -> Stable {
        let frame = frame(1, label);
        Stable { status: frame.status, label: label.map(Arc::from), confidence: 0.9, since: frame.ts, frame }
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
