//! The gate: which frames are classified.

use std::time::Duration;

use crate::domain::health::Pace;
use crate::preprocess::thumbnail::Thumbnail;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GateRules {
    /// Mean brightness (0..255) below which a picture is too dark; 0 never. Unless it is 0, a picture of one colour counts as that
    /// of a covered lens.
    pub min_luma: f32,
    /// Change of brightness (0..255) in some cell that makes it a different picture; 0: every picture is different.
    pub min_change: f32,
    /// Largest rate of labelled frames; `None`: unlimited.
    pub max_fps: Option<f64>,
    /// Longest time for which an answer is reused.
    pub ttl: Duration,
}

/// What to do with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Infer,
    /// Its content is that of the last classified frame.
    Same,
    TooDark,
    /// It is of one colour.
    Covered,
}

/// Keeps the thumbnail of the last classified frame, and when that was.
#[derive(Debug)]
pub struct Gate {
    rules: GateRules,
    inferred: Option<(Thumbnail, Duration)>,
    /// When the next frame is due.
    next: Option<Duration>,
    pace: Pace,
    /// Frames that the rate limit `max_fps` has let through.
    passed: u32,
}

impl Gate {
    pub fn new(rules: GateRules) -> Self {
        Self { rules, inferred: None, next: None, pace: Pace::Full, passed: 0 }
    }

    pub fn set_rules(&mut self, rules: GateRules) {
        (self.rules, self.next) = (rules, None);
    }

    /// The last answer must not be reused: the model or the region changed.
    pub fn forget(&mut self) {
        self.inferred = None;
    }

    pub fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
    }

    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// Whether the frame is due and the board is cool enough. Called before the frame is decoded. A requested frame
    /// need not be due.
    pub fn admits(&mut self, now: Duration, wanted: bool) -> bool {
        if self.pace == Pace::None {
            return false;
        }
        let due = self.is_due(now);
        if wanted || !due {
            return wanted;
        }
        self.passed = self.passed.wrapping_add(1);
        match self.pace {
            Pace::Full => true,
            Pace::OneIn(frames) => self.passed.is_multiple_of(frames),
            Pace::None => false,
        }
    }

    fn is_due(&mut self, now: Duration) -> bool {
        let Some(max_fps) = self.rules.max_fps else { return true };
        let interval = Duration::from_secs_f64(1.0 / max_fps);
        // Frames arrive at the camera's pace. One that is early by less than a quarter of the interval passes, and the
        // next due time stays on the same grid, so the average rate holds.
        let next = self.next.unwrap_or(now);
        if now + interval / 4 < next {
            return false;
        }
        let on_time = now < next + interval;
        self.next = Some(if on_time { next } else { now } + interval);
        true
    }

    pub fn judge(&mut self, picture: &Thumbnail, now: Duration) -> Verdict {
        let is_dark = picture.mean() < self.rules.min_luma;
        if is_dark || (self.rules.min_luma > 0.0 && picture.is_blank()) {
            self.forget();
            return if is_dark { Verdict::TooDark } else { Verdict::Covered };
        }
        let same = self.rules.min_change > 0.0
            && self.inferred.as_ref().is_some_and(|(inferred, at)| {
                now.saturating_sub(*at) < self.rules.ttl && picture.largest_change(inferred) < self.rules.min_change
            });
        if same {
            return Verdict::Same;
        }
        match &mut self.inferred {
            Some((inferred, at)) => {
                inferred.copy_from(picture);
                *at = now;
            }
            none => *none = Some((picture.clone(), now)),
        }
        Verdict::Infer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::framing::Region;
    use crate::preprocess::picture::RgbImage;
    use proptest::prelude::*;

    const RULES: GateRules = GateRules { min_luma: 10.0, min_change: 6.0, max_fps: None, ttl: Duration::from_secs(5) };

    fn grey(luma: u8) -> Thumbnail {
        let mut thumbnail = Thumbnail::default();
        // Brighter at the left than at the right by some steps.
        let pixel = |at: usize| [if at % 64 < 32 { luma.saturating_add(2) } else { luma.saturating_sub(2) }; 3];
        let pixels = (0..64 * 48).flat_map(pixel).collect();
        thumbnail.take(&RgbImage { width: 64, height: 48, pixels }, Region::default());
        thumbnail
    }

    fn judge(gate: &mut Gate, luma: u8, seconds: u64) -> Verdict {
        gate.judge(&grey(luma), Duration::from_secs(seconds))
    }

    #[test]
    fn a_picture_that_has_hardly_changed_is_the_same_until_the_answer_is_too_old() {
        let mut gate = Gate::new(RULES);
        let verdicts = [(100, 0), (103, 1), (100, 4), (100, 5), (100, 9), (100, 10)];
        let verdicts = verdicts.map(|(luma, seconds)| judge(&mut gate, luma, seconds));
        use Verdict::{Infer, Same};
        assert_eq!(verdicts, [Infer, Same, Same, Infer, Same, Infer]);
    }

    #[test]
    fn a_slow_change_counts_from_the_picture_that_was_inferred() {
        let mut gate = Gate::new(RULES);
        let verdicts: Vec<Verdict> = (0..8).map(|step| judge(&mut gate, 100 + 2 * step, 0)).collect();
        use Verdict::{Infer, Same};
        assert_eq!(verdicts, [Infer, Same, Same, Infer, Same, Same, Infer, Same]);
    }

    #[test]
    fn in_the_dark_nothing_is_inferred_and_the_light_is_another_picture() {
        let mut gate = Gate::new(RULES);
        let verdicts = [20, 9, 9, 20].map(|luma| judge(&mut gate, luma, 0));
        use Verdict::{Infer, TooDark};
        assert_eq!(verdicts, [Infer, TooDark, TooDark, Infer]);
    }

    #[test]
    fn a_covered_lens_is_told_however_bright_its_black_is() {
        let mut blank = Thumbnail::default();
        blank.take(&RgbImage { width: 64, height: 48, pixels: vec![30; 64 * 48 * 3] }, Region::default());
        assert_eq!(Gate::new(RULES).judge(&blank, Duration::ZERO), Verdict::Covered);
        let darker = GateRules { min_luma: 40.0, ..RULES };
        assert_eq!(Gate::new(darker).judge(&blank, Duration::ZERO), Verdict::TooDark);
        let off = GateRules { min_luma: 0.0, ..RULES };
        assert_eq!(Gate::new(off).judge(&blank, Duration::ZERO), Verdict::Infer);
    }

    #[test]
    fn both_can_be_switched_off() {
        let mut gate = Gate::new(GateRules { min_luma: 0.0, min_change: 0.0, ..RULES });
        assert_eq!([0, 0].map(|luma| judge(&mut gate, luma, 0)), [Verdict::Infer; 2]);
    }

    #[test]
    fn a_warm_board_lets_some_frames_through_and_a_hot_one_none() {
        let mut gate = Gate::new(RULES);
        let passed =
            |gate: &mut Gate| (0..16).filter(|&second| gate.admits(Duration::from_secs(second), false)).count();
        let counts = [Pace::Full, Pace::OneIn(2), Pace::OneIn(8), Pace::None].map(|pace| {
            gate.set_pace(pace);
            passed(&mut gate)
        });
        assert_eq!(counts, [16, 8, 2, 0]);
        assert!(!gate.admits(Duration::from_secs(99), true), "a waiter gets it");
    }

    #[test]
    fn another_model_has_not_answered_yet() {
        let mut gate = Gate::new(RULES);
        judge(&mut gate, 100, 0);
        gate.forget();
        assert_eq!(judge(&mut gate, 100, 1), Verdict::Infer);
    }

    proptest! {
        #[test]
        fn never_more_frames_than_allowed_and_hardly_fewer(
            max_fps in 0.5f64..20.0,
            camera_fps in 1.0f64..60.0,
            jitter in proptest::collection::vec(-0.2f64..0.2, 400),
        ) {
            let mut gate = Gate::new(GateRules { max_fps: Some(max_fps), ..RULES });
            let at = |(index, jitter): (usize, &f64)| Duration::from_secs_f64((100.0 + index as f64 + jitter) / camera_fps);
            let passed = jitter.iter().enumerate().filter(|&frame| gate.admits(at(frame), false)).count() as f64;
            let seconds = 400.0 / camera_fps;
            prop_assert!(passed <= seconds * max_fps + 2.0, "{passed} in {seconds} s");
            // At the camera's rate, every second or third frame may be the nearest match.
            prop_assert!(passed + 2.0 >= seconds * max_fps.min(camera_fps) * 0.5, "{passed} in {seconds} s");
        }
    }
}
