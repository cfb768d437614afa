//! The names of cameras and views.

use std::fmt;
use std::sync::Arc;

/// What the one camera and the one view of a configuration without names are called where a name is needed.
const MAIN: &str = "main";

/// The name of a camera or a view: that of its table in the configuration. The camera or view of a configuration without such tables
/// has none.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Option<Arc<str>>);

impl Name {
    /// The name of the only one.
    pub const ONLY: Self = Self(None);

    pub fn new(name: &str) -> Self {
        Self(Some(name.into()))
    }

    /// The name in the configuration, if it has one there.
    pub fn given(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// For people, programs and addresses: `main` for the only one.
    pub fn as_str(&self) -> &str {
        self.given().unwrap_or(MAIN)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
