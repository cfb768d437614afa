//! What a network's numbers mean, and probabilities of them.

use serde::Serialize;

use crate::input::Scores;

/// What the end of a graph says of the numbers that come out of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct End {
    /// What they are; `None` where the graph leaves that open.
    pub scores: Option<Scores>,
    /// The numbers of an impossible and of a sure class, such as 0 and 100 where they are percentages. Logits have none.
    pub range: [f32; 2],
    /// Whether classes are left out behind a softmax, so that the probabilities of the rest add up to less than one.
    pub part: bool,
    /// The operator that says so, and where it stands: "`Softmax` (at `probabilities`)".
    pub says: String,
}

/// Turns logits into probabilities in place: `exp(x) / sum(exp(x))`. The largest logit is subtracted first, so that no
/// exponential overflows (Goodfellow et al., "Deep Learning", section 4.1).
pub fn softmax(values: &mut [f32]) {
    let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for value in values.iter_mut() {
        *value = (*value - largest).exp();
        sum += *value;
    }
    for value in values.iter_mut() {
        *value /= sum;
    }
}

/// Turns logits of independent classes into their probabilities in place: `1 / (1 + exp(-x))`.
pub fn sigmoid(values: &mut [f32]) {
    for value in values {
        *value = 1.0 / (1.0 + (-*value).exp());
    }
}
#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn softmax_of_huge_logits_stays_finite() {
        let mut values = [1000.0, 999.0, -1000.0];
        softmax(&mut values);
        assert!((values[0] - 0.731_058_6).abs() < 1e-5, "{values:?}");
        assert!(values[2] == 0.0);
    }

    #[test]
    fn sigmoids_of_huge_logits_are_certain() {
        let mut values = [1000.0, -1000.0, 0.0];
        sigmoid(&mut values);
        assert_eq!(values, [1.0, 0.0, 0.5]);
    }

    proptest! {
        #[test]
        fn softmax_adds_up_to_one_and_keeps_the_order(mut values in proptest::collection::vec(-50.0f32..50.0, 1..60)) {
            let largest = |values: &[f32]| (0..values.len()).max_by(|a, b| values[*a].total_cmp(&values[*b]));
            let before = largest(&values).expect("not empty");
            softmax(&mut values);
            prop_assert!((values.iter().sum::<f32>() - 1.0).abs() < 1e-4);
            prop_assert!(values[before] >= values.iter().copied().fold(0.0, f32::max) - 1e-6);
        }
    }
}
