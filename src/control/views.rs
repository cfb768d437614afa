//! The views and cameras at run time: which are enabled, and what each labels with.

use std::sync::Arc;

use serde_json::json;

use super::Controller;
use super::controller::{LATE, SWAP_WITHIN};
use super::from_config::rules_of;
use super::model_info::{ModelInfo, ModelState, NotLoaded};
use super::model_pool::Loaded;
use glimpsed_base::repetition::is_logged;
use glimpsed_core::bus::commands::{Answer, CommandError, Commanded};
use glimpsed_core::config::Config;
use glimpsed_core::config::typed::{Camera, Choice, View};
use glimpsed_core::domain::event::Event;
use glimpsed_core::domain::name::Name;
use glimpsed_core::domain::settings::{PrecisionChoice, Settings};
use glimpsed_core::error::Result;
use glimpsed_core::infer::labeller::Labeller;
use glimpsed_core::models::spec::ModelSpec;
use glimpsed_core::pipeline::orders::{NewView, Order, ViewOrder};
use glimpsed_core::pipeline::uploads::Target;

/// What labels the frames of a view.
pub fn labeller_of(config: &Config, view: &View, loaded: Loaded) -> Labeller {
    Labeller::new(loaded.model, config.framing(view), view.labels.answering())
}

/// A view for the inference thread; `None` is for a model that cannot be loaded.
pub fn new_view(config: &Config, view: &View, loaded: Option<Loaded>) -> NewView {
    NewView {
        name: view.name.clone(),
        camera: view.camera.clone(),
        enabled: view.enabled,
        labeller: loaded.map(|loaded| Box::new(labeller_of(config, view, loaded))),
        rules: rules_of(config, view),
    }
}

impl Controller {
    /// The view that is meant: [`Name::ONLY`] stands for the first.
    pub(super) fn view_meant(&self, name: &Name) -> Commanded<Name> {
        let views = &self.desired.live.views;
        match self.desired.live.view(name) {
            Some(_) => Ok(name.clone()),
            None if *name == Name::ONLY => Ok(views[0].name.clone()),
            None => {
                let known: Vec<&str> = views.iter().map(|view| view.name.as_str()).collect();
                Err(CommandError::Refused(format!("there is no view `{name}`; there is {}", known.join(", "))))
            }
        }
    }

    /// The configuration in effect of a view that exists.
    pub(super) fn view(&self, name: &Name) -> &View {
        self.desired.live.view(name).unwrap_or_else(|| self.desired.live.first())
    }

    pub(super) fn view_mut(&mut self, name: &Name) -> &mut View {
        let views = &mut self.desired.live.views;
        let index = views.iter().position(|view| view.name == *name).unwrap_or_default();
        &mut views[index]
    }

    /// The model of a view that exists.
    pub(super) fn model(&self, view: &Name) -> std::result::Result<&ModelInfo, &NotLoaded> {
        let state = self.models.iter().find(|(name, _)| name == view).or(self.models.first());
        state.map_or(Err(&NotLoaded::NoView), |(_, state)| state.as_ref())
    }

    pub(super) fn set_model(&mut self, view: &Name, state: ModelState) {
        match self.models.iter_mut().find(|(name, _)| name == view) {
            Some((_, model)) => *model = state,
            None => self.models.push((view.clone(), state)),
        }
    }

    /// Why a view has no model, with the view's name where there are several.
    pub(super) fn model_error(&self) -> Option<String> {
        self.desired.live.views.iter().find_map(|view| {
            let cause = self.model(&view.name).err()?;
            Some(match view.name.given() {
                None => cause.to_string(),
                Some(name) => format!("view `{name}`: {cause}"),
            })
        })
    }

    pub(super) async fn enable(&mut self, view: &Name, enabled: bool) -> Result<Answer> {
        if enabled != self.view(view).enabled {
            self.view_mut(view).enabled = enabled;
            let order = Order::View(view.clone(), ViewOrder::Enabled(enabled));
            self.parts.orders.give(order)?;
            if !enabled {
                self.pictures = None;
            }
            self.follow_cameras().await?;
            self.watch_for_pictures();
            match view.given() {
                None => tracing::info!(enabled, "the camera was switched"),
                Some(view) => tracing::info!(view, enabled, "the view was switched"),
            }
        }
        self.tell_settings(view);
        Ok(Ok(json!({ "enabled": self.view(view).enabled })))
    }

    /// Opens and closes cameras, so that those run that an enabled view with a model looks through, with their settings in effect.
    /// On return, every frame of a camera that was closed is published or dropped.
    pub(super) async fn follow_cameras(&mut self) -> Result<()> {
        let mut cameras = self.desired.live.cameras.clone();
        // The devices that are named come first, so that `auto` finds one of the others.
        cameras.sort_by_key(Camera::is_to_be_found);
        for camera in cameras {
            let name = &camera.name;
            let mut views =
                self.desired.live.views.iter().filter(|view| view.enabled && view.camera == *name).peekable();
            let is_enabled = views.peek().is_some();
            let cause = views.clone().find_map(|view| self.model(&view.name).err().cloned());
            let has_model = views.any(|view| self.model(&view.name).is_ok());
            let running = self.parts.cameras.running(name);
            if running.is_some_and(|running| *running != camera || !has_model) {
                match self.parts.cameras.stop(name).await? {
                    None => self.parts.orders.give(Order::DropFrame(name.clone()))?,
                    Some(source) => {
                        self.parts.orders.give(Order::RemoveCamera(name.clone()))?;
                        self.parts.orders.give(Order::AddCamera(Box::new(source)))?;
                    }
                }
                self.settle().await?;
            }
            match (is_enabled, has_model) {
                (false, _) => self.parts.cameras.tell_disabled(name),
                (true, false) => {
                    self.parts.cameras.tell_no_model(name, &cause.unwrap_or(NotLoaded::NoView).to_string());
                }
                (true, true) if self.parts.cameras.running(name).is_none() => self.parts.cameras.start(&camera)?,
                (true, true) => {}
            }
        }
        Ok(())
    }

    pub(super) async fn switch_model(&mut self, view: &Name, name: &str) -> Answer {
        let result = self.try_switch_model(view, name).await;
        // Also on failure, so that the requester sees the value in effect.
        self.tell_settings(view);
        if let Err(cause) = &result {
            self.unknown_models += 1;
            if is_logged(self.unknown_models) {
                tracing::warn!(%cause, tries = self.unknown_models, view = view.given(), "the model was not switched");
            }
        }
        result.map(|()| json!({ "model": self.view(view).model.name }))
    }

    async fn try_switch_model(&mut self, view: &Name, name: &str) -> Commanded<()> {
        let Some(spec) = self.desired.live.models.iter().find(|model| model.name == name).cloned() else {
            let known: Vec<&str> = self.usable_models().map(|model| model.name.as_str()).collect();
            let name = name.chars().take(64).collect::<String>();
            return Err(CommandError::Refused(format!("there is no model `{name}`; there is {}", known.join(", "))));
        };
        if spec != self.view(view).model || self.model(view).is_err() {
            self.install(view, Choice { spec, precision: self.view(view).precision }).await?;
            self.tell_info();
        }
        Ok(())
    }

    /// Labels with the requested file of the model from now on.
    pub(super) async fn set_precision(&mut self, view: &Name, wanted: PrecisionChoice) -> Answer {
        let before = self.view(view).precision;
        let choice = Choice { spec: self.view(view).model.clone(), precision: wanted };
        let result = if wanted == before { Ok(()) } else { self.install(view, choice).await };
        match &result {
            Ok(()) => self.tell_info(),
            Err(cause) => tracing::warn!(%cause, view = view.given(), "the precision was not changed"),
        }
        self.tell_settings(view);
        result?;
        let ModelInfo { id, why, .. } = self.model(view).map_err(NotLoaded::clone)?;
        Ok(json!({ "precision": wanted, "in_use": id.precision.to_string(), "reason": why }))
    }

    /// Loads the model while the current one runs, and swaps them between two frames.
    pub(super) async fn install(&mut self, view: &Name, choice: Choice) -> Commanded<()> {
        let loaded = self.load(&choice).await?;
        self.swap(view, &choice, loaded).await
    }

    /// The model, loaded now if no view has it.
    pub(super) async fn load(&self, choice: &Choice) -> std::result::Result<Loaded, NotLoaded> {
        match self.pool.get(choice) {
            Some(loaded) => Ok(loaded),
            None => self.load_anew(&choice.spec, choice.precision).await,
        }
    }

    pub(super) async fn load_anew(
        &self,
        spec: &ModelSpec,
        precision: PrecisionChoice,
    ) -> std::result::Result<Loaded, NotLoaded> {
        let (name, spec, networks) = (spec.name.clone(), spec.clone(), self.pool.networks.clone());
        match self.parts.loader.run(move || Loaded::read(&spec, precision, &networks)).await {
            Some(loaded) => loaded.map_err(|cause| NotLoaded::Refused { name, cause }),
            None => Err(NotLoaded::Panicked { name }),
        }
    }

    /// The view labels with this model from its next frame on.
    pub(super) async fn swap(&mut self, view: &Name, choice: &Choice, loaded: Loaded) -> Commanded<()> {
        let labeller = Box::new(labeller_of(&self.desired.live, self.view(view), loaded.clone()));
        let name = view.clone();
        let swap = |back| Order::View(name, ViewOrder::Labeller(labeller, back));
        let old = self.parts.orders.ask(swap, SWAP_WITHIN, LATE).await?;
        let Loaded { info, .. } = &loaded;
        let (model, precision, why) = (&info.id.name, info.id.precision, info.why.as_deref());
        tracing::info!(model, %precision, why, view = view.given(), "labelling with another model");
        self.set_model(view, Ok(info.clone()));
        self.pool.keep(choice.clone(), loaded);
        let live = self.view_mut(view);
        (live.model, live.precision) = (choice.spec.clone(), choice.precision);
        drop(old);
        self.free_unused();
        self.tell_uploads();
        Ok(self.follow_cameras().await?)
    }

    /// Freeing a hundred megabytes takes milliseconds, which would delay the commands.
    pub(super) fn free_unused(&mut self) {
        let unused = self.pool.take_unused();
        if !unused.is_empty() {
            self.parts.loader.free(unused);
        }
    }

    pub(super) async fn set_threshold(&mut self, view: &Name, threshold: f32) -> Answer {
        let before = std::mem::replace(&mut self.view_mut(view).labels.unknown_below, threshold);
        let told = self.tell_rules(view).await;
        if told.is_err() {
            self.view_mut(view).labels.unknown_below = before;
        }
        self.tell_settings(view);
        told.map(|()| json!({ "threshold": threshold }))
    }

    /// On return, no frame of the view is judged by the old rules any more.
    pub(super) async fn tell_rules(&self, view: &Name) -> Commanded<()> {
        let rules = Box::new(rules_of(&self.desired.live, self.view(view)));
        self.parts.orders.give(Order::View(view.clone(), ViewOrder::Rules(rules)))?;
        self.settle().await?;
        self.tell_uploads();
        Ok(())
    }

    /// What uploaded pictures are labelled with from now on.
    pub(super) fn tell_uploads(&self) {
        let target = |view: &View| {
            let fast = self.model(&view.name).ok().and(self.pool.get(&view.choice()));
            let accurate =
                self.seconds.iter().find(|second| view.accurate.enabled && second.spec == view.accurate.model);
            Target {
                view: view.name.clone(),
                fast: fast.map(|loaded| (loaded.info.id, loaded.model.input.clone())),
                accurate: accurate.map(|second| second.classifies.clone()),
                rules: view.labels.clone(),
            }
        };
        let live = &self.desired.live;
        self.parts.uploads.set(live.views.iter().map(target).collect(), live.cache_entries);
    }

    pub(super) fn tell_settings(&self, view: &Name) {
        let live = self.view(view);
        self.parts.hub.publish(&Event::Settings(Settings {
            view: live.name.clone(),
            enabled: live.enabled,
            model: live.model.name.clone(),
            model_error: self.model(view).err().map(ToString::to_string),
            precision: live.precision,
            threshold: live.labels.unknown_below,
            accurate: live.accurate.model.path.is_file().then_some(self.has_accurate(live)),
            max_fps: live.gate.max_fps,
        }));
    }

    pub(super) fn tell_all_settings(&self) {
        for view in &self.desired.live.views {
            self.tell_settings(&view.name);
        }
    }

    pub(super) fn tell_layout(&self) {
        self.parts.hub.publish(&Event::Layout(Arc::new(super::from_config::layout_of(&self.desired.live))));
    }
}
