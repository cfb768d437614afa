//! What was taught of a view so far, and whether it looks like that.

use jiff::Timestamp;

use super::name::Name;

/// What was taught of a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Teaching {
    pub view: Name,
    /// `None` where nothing can be taught.
    pub state: Option<TeachingState>,
}

/// The pictures of a view, and what was learnt from them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TeachingState {
    /// Each label with the number of its pictures, in the order of the labels.
    pub classes: Vec<(String, usize)>,
    /// The label of a picture that is added without one.
    pub label: Option<String>,
    /// How good what was learnt is, such as "about 19 in 20"; `None` before it was learnt, or with too few pictures to tell.
    pub right: Option<String>,
    /// Whether the model that was written is what was learnt; `None` before that was looked at.
    pub written: Option<bool>,
    /// The frames that wait for somebody to say what they show, and when the newest was seen.
    pub unsure: usize,
    pub newest_unsure: Option<Timestamp>,
}

impl TeachingState {
    /// The number of pictures.
    pub fn pictures(&self) -> usize {
        self.classes.iter().map(|(_, pictures)| pictures).sum()
    }

    /// The labels, in their order.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.classes.iter().map(|(label, _)| label.as_str())
    }
}

/// Whether most of what a view shows is unlike all that its model was taught with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strange {
    pub view: Name,
    /// Since when; `None` if it is not.
    pub since: Option<Timestamp>,
}
