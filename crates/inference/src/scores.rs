//! From logits to probabilities.

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
