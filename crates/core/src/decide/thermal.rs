//! Thermal throttling: fewer frames are labelled on a board that is too warm.

use crate::domain::health::Pace;
use std::time::Duration;

/// Temperature limits in degrees Celsius.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Above this, fewer frames are labelled, step by step.
    pub soft: f64,
    /// Above this, none are.
    pub hard: f64,
}

/// Number of steps: half of the frames, a quarter, an eighth.
const STEPS: u32 = 3;

/// A heat sink settles in about this time, so the next step waits for it.
const SETTLES_IN: Duration = Duration::from_secs(30);

/// Hysteresis in degrees: a step is taken back only this far below its limit, or it would come and go.
const COOLER_BY: f64 = 5.0;

/// The throttling state.
#[derive(Debug)]
pub struct Thermal {
    limits: Limits,
    step: u32,
    paused: bool,
    changed: Option<Duration>,
}

impl Thermal {
    pub fn new(limits: Limits) -> Self {
        Self { limits, step: 0, paused: false, changed: None }
    }

    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// The pace at this temperature. Without a sensor there is no throttling.
    pub fn observe(&mut self, temperature: Option<f64>, now: Duration) -> Pace {
        let Some(temperature) = temperature else {
            *self = Self::new(self.limits);
            return Pace::Full;
        };
        let Limits { soft, hard } = self.limits;
        if temperature >= hard && !self.paused {
            // Stops at once, without waiting for the previous step to settle.
            (self.paused, self.step, self.changed) = (true, STEPS, Some(now));
        } else if self.changed.is_none_or(|changed| now.saturating_sub(changed) >= SETTLES_IN) {
            let before = (self.paused, self.step);
            if self.paused {
                self.paused = temperature > hard - COOLER_BY;
            } else if temperature >= soft {
                self.step = (self.step + 1).min(STEPS);
            } else if temperature <= soft - COOLER_BY {
                self.step = self.step.saturating_sub(1);
            }
            if before != (self.paused, self.step) {
                self.changed = Some(now);
            }
        }
        match self.step {
            _ if self.paused => Pace::None,
            0 => Pace::Full,
            step => Pace::OneIn(1 << step),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits { soft: 75.0, hard: 84.0 };

    /// The pace at intervals of ten seconds.
    fn play(temperatures: &[f64]) -> Vec<Pace> {
        let mut thermal = Thermal::new(LIMITS);
        let at = |(ten, temperature): (usize, &f64)| {
            thermal.observe(Some(*temperature), Duration::from_secs(10 * ten as u64))
        };
        temperatures.iter().enumerate().map(at).collect()
    }

    #[test]
    fn a_heat_wave_is_met_step_by_step_and_recovered_from_in_the_same_way() {
        let rising = [70.0, 76.0, 76.0, 76.0, 76.0, 76.0, 76.0, 76.0, 76.0, 76.0, 76.0];
        use Pace::{Full, OneIn};
        let (half, quarter, eighth) = (OneIn(2), OneIn(4), OneIn(8));
        assert_eq!(play(&rising), [Full, half, half, half, quarter, quarter, quarter, eighth, eighth, eighth, eighth]);
        let wave = [76.0, 72.0, 72.0, 72.0, 69.0, 69.0];
        assert_eq!(play(&wave), [half, half, half, half, Full, Full], "between the limits it stays as it is");
    }

    #[test]
    fn at_the_hard_limit_it_stops_at_once_and_goes_on_slowly_when_it_is_cooler() {
        let paces = play(&[70.0, 84.0, 82.0, 78.0, 78.0, 70.0, 70.0, 70.0]);
        use Pace::{Full, None, OneIn};
        assert_eq!(paces, [Full, None, None, None, OneIn(8), OneIn(8), OneIn(8), OneIn(4)]);
    }

    #[test]
    fn without_a_sensor_nothing_is_held_back() {
        let mut thermal = Thermal::new(LIMITS);
        assert_eq!(thermal.observe(Some(90.0), Duration::ZERO), Pace::None);
        assert_eq!(thermal.observe(None, Duration::from_secs(1)), Pace::Full);
    }

    proptest! {
        #[test]
        fn it_never_labels_above_the_hard_limit_and_does_not_flap(
            temperatures in proptest::collection::vec(60.0f64..95.0, 1..200),
        ) {
            let paces = play(&temperatures);
            for (temperature, pace) in temperatures.iter().zip(&paces) {
                prop_assert!(*temperature < LIMITS.hard || *pace == Pace::None);
            }
            // At most one change in 30 seconds, except for stopping.
            let mut last = None;
            for (ten, pair) in paces.windows(2).enumerate().filter(|(_, pair)| pair[0] != pair[1]) {
                prop_assert!(pair[1] == Pace::None || last.is_none_or(|last| ten - last >= 3), "{paces:?}");
                last = Some(ten);
            }
        }
    }
}
