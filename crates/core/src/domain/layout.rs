//! Which cameras and views there are.

use super::framing::Region;
use super::name::Name;

/// The cameras and views of the configuration in effect, in its order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Layout {
    pub cameras: Vec<Name>,
    pub views: Vec<ViewEntry>,
}

/// A view, for those who show it.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewEntry {
    pub name: Name,
    /// What people call it.
    pub title: String,
    /// The camera that it looks through.
    pub camera: Name,
    /// Of the rotated picture.
    pub region: Region,
}

impl Layout {
    /// The view of this name.
    pub fn view(&self, name: &Name) -> Option<&ViewEntry> {
        self.views.iter().find(|view| view.name == *name)
    }

    /// The views of this camera.
    pub fn views_of<'a>(&'a self, camera: &'a Name) -> impl Iterator<Item = &'a ViewEntry> {
        self.views.iter().filter(move |view| view.camera == *camera)
    }

    /// The camera that is called so.
    pub fn camera_called(&self, name: &str) -> Option<&Name> {
        self.cameras.iter().find(|camera| camera.as_str() == name)
    }

    /// The view that is called so.
    pub fn view_called(&self, name: &str) -> Option<&ViewEntry> {
        self.views.iter().find(|view| view.name.as_str() == name)
    }
}
