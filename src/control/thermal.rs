//! Checks the board's temperature, and reduces the share of labelled frames when it is too warm.

use super::Controller;
use glimpsed_core::domain::health::Pace;
use glimpsed_core::pipeline::orders::{Order, OrderError};

impl Controller {
    /// Sends the inference thread its pace when that changes.
    pub(super) async fn look_at_the_temperature(&mut self) {
        let temperature = self.parts.monitor.board.temperature();
        self.thermal.set_limits(self.desired.live.thermal);
        let pace = self.thermal.observe(temperature, self.parts.clock.now());
        if pace == self.parts.monitor.labelled.pace() {
            return;
        }
        if let Err(cause) = self.set_pace(pace).await {
            // It is retried at the next check.
            tracing::warn!(%cause, "the frame rate could not be adapted to the temperature");
            return;
        }
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
    /// On return, frames are labelled at this pace.
    async fn set_pace(&self, pace: Pace) -> Result<(), OrderError> {
        self.parts.orders.give(Order::Pace(pace))?;
        self.settle().await
    }
}
