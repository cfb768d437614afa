//! What somebody wants of the views in the configuration file.

use super::framing::Region;
use super::name::Name;

/// Changes to views, made together or not at all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ViewsEdit {
    /// Views that get another region, and new ones.
    pub set: Vec<SetView>,
    /// Views that go.
    pub remove: Vec<String>,
}

/// A view and its region.
#[derive(Debug, Clone, PartialEq)]
pub struct SetView {
    /// [`Name::ONLY`] is the view of a file without names, whose region is `[roi]`.
    pub name: Name,
    /// The camera of a new view; `None` where there is only one, without a name.
    pub camera: Option<String>,
    pub region: Region,
}
