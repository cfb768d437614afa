//! Why a graph is left to the general backend.

/// Why a graph is left to the general backend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unsupported {
    reason: String,
    is_unreadable: bool,
}

impl Unsupported {
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_unreadable: false }
    }

    /// What is wrong is the disk, and not the graph.
    pub fn unreadable(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_unreadable: true }
    }

    /// The same at a node.
    pub fn at(self, operator: &str, result: &str) -> Self {
        Self { reason: format!("{operator} (at `{result}`): {}", self.reason), ..self }
    }

    pub fn is_unreadable(&self) -> bool {
        self.is_unreadable
    }
}
