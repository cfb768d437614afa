//! Looks at the board's temperature, and labels fewer frames when it is too warm.

use std::time::Duration;

use super::Controller;
use crate::decide::thermal::{Pace, Thermal};
use crate::infer::orders::Order;

/// Between two looks. A processor without a heat sink warms by a degree or two in that time.
pub const EVERY: Duration = Duration::from_secs(5);

/// What the temperature makes of the frames.
pub struct Cooling {
    thermal: Thermal,
    pace: Pace,
}

impl Cooling {
    pub fn new(thermal: Thermal) -> Self {
        Self { thermal, pace: Pace::Full }
    }
}

impl Controller {
    /// Tells the inference thread when its pace is to change.
    pub(super) async fn look_at_the_temperature(&mut self) {
        let temperature = self.parts.monitor.board.temperature();
        self.cooling.thermal.set_limits(self.live.thermal);
        let pace = self.cooling.thermal.observe(temperature, self.parts.clock.now());
        if pace == self.cooling.pace {
            return;
        }
        let given = self.parts.orders.give(Order::Pace(pace)).map_err(str::to_owned);
        let settled = match given {
            Ok(()) => self.settle().await,
            Err(cause) => Err(cause),
        };
        if let Err(cause) = settled {
            // It is tried again at the next look.
            tracing::warn!(cause, "the pace was not changed");
            return;
        }
        self.cooling.pace = pace;
        let celsius = temperature.unwrap_or_default();
        match pace {
            Pace::Full => tracing::info!(celsius, "cool enough: every frame is labelled again"),
            Pace::OneIn(frames) => {
                tracing::warn!(celsius, "warm: one frame in {frames} is labelled (`soft_c` in [thermal])");
            }
            Pace::None => {
                tracing::error!(celsius, "too warm: nothing is labelled until it is cooler (`hard_c` in [thermal])");
            }
        }
        self.tell_health();
    }
}
