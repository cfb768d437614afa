//! Whether what a camera shows looks like what the models of its views were taught with.

use crate::cli::doctor::finding::{Finding, Verdict};
use glimpsed_core::config::typed::{Camera, Config, View};
use glimpsed_core::domain::classification::Classification;
use glimpsed_core::domain::frame::Frame;
use glimpsed_core::infer::labeller::Labeller;
use glimpsed_core::infer::precision;
use glimpsed_core::preprocess::source::FrameDecoder;

/// A finding for each view of the camera whose model was taught on this device.
pub(super) fn findings(config: &Config, camera: &Camera, frame: &Frame) -> Vec<Finding> {
    let views = config.views.iter().filter(|view| view.camera == camera.name && view.model.taught.is_some());
    views.filter_map(|view| finding(config, view, frame)).collect()
}

/// Nothing of a model that cannot be loaded, or was taught with too few pictures to tell.
fn finding(config: &Config, view: &View, frame: &Frame) -> Option<Finding> {
    let seen = look(config, view, frame)?;
    let model = &view.model.name;
    let (verdict, says) = match seen.answer.strange? {
        true => (
            Verdict::Warning,
            format!("what the camera shows is unlike all that `{model}` was taught with: has it moved, or is it dark?"),
        ),
        false => (Verdict::Ok, format!("what the camera shows looks like what `{model}` was taught with")),
    };
    let says = view.name.given().map_or(says.clone(), |name| format!("{name}: {says}"));
    Some(Finding { subject: "view", verdict, says })
}

fn look(config: &Config, view: &View, frame: &Frame) -> Option<Classification> {
    let model = precision::load(&view.model, view.precision).ok()?.model;
    let mut labeller = Labeller::new(model, config.framing(view), view.labels.answering());
    labeller.label(&mut FrameDecoder::default(), frame).ok()
}
