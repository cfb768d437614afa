//! A model that could not be loaded at the start is tried again: when its files change, and now and then.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::Controller;
use crate::error::Result;

/// How often it is tried even if they look the same: a disk may have been mounted, or a library may be there now.
const TRY_EVERY: Duration = Duration::from_secs(60);

impl Controller {
    /// Opens the camera, if there is a model to label its pictures.
    pub(super) fn open_camera(&mut self) -> Result<()> {
        match &self.model {
            Ok(_) => self.parts.camera.start(&self.desired.live.camera),
            Err(cause) => {
                self.parts.camera.tell_no_model(cause);
                Ok(())
            }
        }
    }

    /// Loads the model in effect if there is a reason to believe that it works now.
    pub(super) async fn try_the_model_again(&mut self) -> Result<()> {
        let spec = self.desired.live.model.clone();
        let Ok(files) = spawn_blocking(move || spec.files()).await else { return Ok(()) };
        if self.last_try.as_ref().is_some_and(|(before, at)| *before == files && at.elapsed() < TRY_EVERY) {
            return Ok(());
        }
        self.last_try = Some((files, Instant::now()));
        match self.install(self.desired.live.model.clone()).await {
            Ok(()) => {
                tracing::info!(model = self.desired.live.model.name, "the model can be loaded now");
                if self.desired.error.is_some() {
                    // That may have been the reason.
                    return self.reload().await.map(drop);
                }
                self.keep_as_last_good();
            }
            Err(cause) if self.model.as_ref().err() == Some(&cause) => return Ok(()),
            Err(cause) => {
                tracing::error!(cause, "the model still cannot be loaded");
                if self.desired.enabled {
                    self.parts.camera.tell_no_model(&cause);
                }
                self.model = Err(cause);
            }
        }
        self.tell_info();
        self.tell_health();
        self.tell_settings();
        Ok(())
    }
}
