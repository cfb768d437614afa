//! Models that could not be loaded at the start are tried again: when their files change, and now and then.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::Controller;
use glimpsed_core::domain::name::Name;
use glimpsed_core::error::Result;
use glimpsed_core::models::spec::ModelSpec;

/// How often it is tried even if they look the same: a disk may have been mounted, or a library may be there now.
const TRY_EVERY: Duration = Duration::from_secs(60);

impl Controller {
    /// Opens a camera now that waits for its next try, or for its model, which is loaded now if that is possible. Returns whether it is
    /// being opened.
    pub(super) async fn retry(&mut self, camera: &Name) -> Result<bool> {
        if self.models.iter().all(|(_, model)| model.is_ok()) {
            return Ok(self.parts.cameras.retry(camera));
        }
        self.last_try = None;
        self.try_the_models_again().await?;
        let opens = self.parts.cameras.running(camera).is_some();
        Ok(self.parts.cameras.retry(camera) || opens)
    }

    /// Loads the models that views have none of, if there is a reason to believe that they work now.
    pub(super) async fn try_the_models_again(&mut self) -> Result<()> {
        let without: Vec<Name> =
            self.models.iter().filter(|(_, model)| model.is_err()).map(|(view, _)| view.clone()).collect();
        let specs: Vec<ModelSpec> = without.iter().map(|view| self.view(view).model.clone()).collect();
        let files = move || specs.iter().map(ModelSpec::files).collect::<Vec<_>>();
        let Ok(files) = spawn_blocking(files).await else { return Ok(()) };
        if self.last_try.as_ref().is_some_and(|(before, at)| *before == files && at.elapsed() < TRY_EVERY) {
            return Ok(());
        }
        self.last_try = Some((files, Instant::now()));
        let mut news = false;
        for view in &without {
            news |= self.try_the_model_again(view).await?;
        }
        if !news {
            return Ok(());
        }
        if self.models.iter().all(|(_, model)| model.is_ok()) {
            if self.desired.error.is_some() {
                // That may have been the reason.
                return self.reload().await.map(drop);
            }
            self.keep_as_last_good();
        }
        self.tell_info();
        self.tell_health();
        self.tell_all_settings();
        Ok(())
    }

    /// Returns whether anything has changed.
    async fn try_the_model_again(&mut self, view: &Name) -> Result<bool> {
        let choice = self.view(view).choice();
        let loaded = match self.load(&choice).await {
            Ok(loaded) => loaded,
            Err(cause) if self.model(view).err() == Some(&cause) => return Ok(false),
            Err(cause) => {
                tracing::error!(%cause, view = view.given(), "the model still cannot be loaded");
                self.set_model(view, Err(cause));
                self.follow_cameras().await?;
                return Ok(true);
            }
        };
        match self.swap(view, &choice, loaded).await {
            Ok(()) => {
                let model = &self.view(view).model.name;
                tracing::info!(model, view = view.given(), "the model can be loaded now");
                Ok(true)
            }
            Err(cause) => {
                tracing::error!(%cause, view = view.given(), "the model is there and not in use yet");
                Ok(false)
            }
        }
    }
}
