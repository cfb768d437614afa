//! Smoothing: one answer from those of several frames.

use std::collections::VecDeque;
use std::time::Duration;

use super::rules::Smoothing;

/// Averages each label's probability over time.
#[derive(Debug)]
pub(super) struct Smoother {
    smoothing: Smoothing,
    average: Vec<f32>,
    /// When the last frame arrived; `None` before the first.
    last: Option<Duration>,
    /// The frames of the window, oldest first, and their sum. The sum is of double precision, so that rounding errors
    /// of a year of additions and subtractions stay negligible.
    window: VecDeque<Vec<f32>>,
    sum: Vec<f64>,
}

impl Smoother {
    pub(super) fn new(smoothing: Smoothing) -> Self {
        Self { smoothing, average: Vec::new(), last: None, window: VecDeque::new(), sum: Vec::new() }
    }

    pub(super) fn set(&mut self, smoothing: Smoothing) {
        if smoothing != self.smoothing {
            *self = Self::new(smoothing);
        }
    }

    /// Returns to the state before the first frame.
    pub(super) fn forget(&mut self) {
        self.last = None;
        self.window.clear();
    }

    /// Adds a frame's probabilities.
    pub(super) fn update(&mut self, scores: &[f32], now: Duration) {
        let elapsed = self.last.replace(now).map(|last| now.saturating_sub(last));
        match (self.smoothing, elapsed) {
            (Smoothing::Exponential { half_life }, Some(elapsed)) if self.average.len() == scores.len() => {
                let keep = (-elapsed.as_secs_f32() / half_life.as_secs_f32()).exp2();
                for (average, score) in self.average.iter_mut().zip(scores) {
                    *average = keep * *average + (1.0 - keep) * score;
                }
            }
            (Smoothing::Window { frames }, _) => self.slide(scores, frames),
            (Smoothing::None | Smoothing::Exponential { .. }, _) => {
                self.average.clear();
                self.average.extend_from_slice(scores);
            }
        }
    }

    /// The smoothed probability of each label.
    pub(super) fn average(&self) -> &[f32] {
        &self.average
    }

    fn slide(&mut self, scores: &[f32], frames: usize) {
        if self.window.is_empty() || self.sum.len() != scores.len() {
            self.window.clear();
            self.sum.clear();
            self.sum.resize(scores.len(), 0.0);
        }
        let mut row =
            if self.window.len() >= frames { self.window.pop_front().unwrap_or_default() } else { Vec::new() };
        for (sum, old) in self.sum.iter_mut().zip(&row) {
            *sum -= f64::from(*old);
        }
        row.clear();
        row.extend_from_slice(scores);
        for (sum, new) in self.sum.iter_mut().zip(&row) {
            *sum += f64::from(*new);
        }
        self.window.push_back(row);
        let count = self.window.len() as f64;
        self.average.clear();
        self.average.extend(self.sum.iter().map(|sum| (sum / count) as f32));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TENTH: Duration = Duration::from_millis(100);

    fn run(smoothing: Smoothing, frames: &[[f32; 2]]) -> Vec<f32> {
        let mut smoother = Smoother::new(smoothing);
        for (number, frame) in frames.iter().enumerate() {
            smoother.update(frame, TENTH * number as u32);
        }
        smoother.average().to_vec()
    }

    #[test]
    fn a_frame_counts_half_as_much_after_its_half_life() {
        let average = run(Smoothing::Exponential { half_life: TENTH }, &[[1.0, 0.0], [0.0, 1.0]]);
        assert!((average[0] - 0.5).abs() < 1e-6, "{average:?}");
    }

    #[test]
    fn a_window_forgets_what_has_left_it() {
        let average = run(Smoothing::Window { frames: 2 }, &[[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]);
        assert_eq!(average, [0.25, 0.75]);
    }

    #[test]
    fn after_a_gap_exponential_smoothing_has_forgotten() {
        let mut smoother = Smoother::new(Smoothing::Exponential { half_life: TENTH });
        smoother.update(&[1.0, 0.0], Duration::ZERO);
        smoother.update(&[0.0, 1.0], Duration::from_secs(3600));
        assert_eq!(smoother.average(), [0.0, 1.0]);
    }

    proptest! {
        #[test]
        fn an_average_stays_among_what_was_averaged(
            frames in proptest::collection::vec([0.0f32..1.0, 0.0f32..1.0], 1..40),
            window in 1usize..9,
            half_life in 1u64..1000,
        ) {
            let half_life = Duration::from_millis(half_life);
            for smoothing in [Smoothing::None, Smoothing::Window { frames: window }, Smoothing::Exponential { half_life }] {
                let average = run(smoothing, &frames);
                for label in 0..2 {
                    let values = frames.iter().map(|frame| frame[label]);
                    let (low, high) = (values.clone().fold(1.0, f32::min), values.fold(0.0, f32::max));
                    prop_assert!(average[label] >= low - 1e-5 && average[label] <= high + 1e-5, "{smoothing:?}");
                }
            }
        }

        #[test]
        fn a_window_is_the_mean_of_its_frames(
            frames in proptest::collection::vec([0.0f32..1.0, 0.0f32..1.0], 1..40), window in 1usize..9,
        ) {
            let inside = &frames[frames.len().saturating_sub(window)..];
            let mean = inside.iter().map(|frame| frame[0]).sum::<f32>() / inside.len() as f32;
            let average = run(Smoothing::Window { frames: window }, &frames);
            prop_assert!((average[0] - mean).abs() < 1e-5);
        }
    }
}
