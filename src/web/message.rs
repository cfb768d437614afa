//! An event for the viewers of the page.

use std::sync::Arc;

use serde_json::Value;

use glimpsed_core::domain::layout::{Layout, ViewEntry};
use glimpsed_core::domain::name::Name;

/// An event for the viewers.
#[derive(Debug, Clone)]
pub struct Message {
    pub name: &'static str,
    pub about: About,
    /// JSON without line breaks.
    pub data: Arc<str>,
}

impl Message {
    /// As one object: what it is about, and the data. The layout says which camera a view has.
    pub(super) fn whole(&self, layout: &Layout) -> String {
        let Self { name, about, data } = self;
        let first = || layout.views.first().map(|view| view.camera.clone()).unwrap_or_default();
        match about {
            About::Device => format!(r#"{{"event":"{name}","camera":"{}","data":{data}}}"#, first()),
            About::Camera(camera) => format!(r#"{{"event":"{name}","camera":"{camera}","data":{data}}}"#),
            About::View(view) => {
                let camera = layout.view(view).map_or_else(first, |view| view.camera.clone());
                format!(r#"{{"event":"{name}","camera":"{camera}","view":"{view}","data":{data}}}"#)
            }
        }
    }

    /// Whether it is about this view, its camera, or the device.
    pub(super) fn concerns(&self, view: &ViewEntry) -> bool {
        match &self.about {
            About::Device => true,
            About::Camera(camera) => *camera == view.camera,
            About::View(name) => *name == view.name,
        }
    }
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    Device,
    Camera(Name),
    View(Name),
}

pub(super) fn message(about: About, name: &'static str, data: &Value) -> Message {
    Message { name, about, data: data.to_string().into() }
}
