//! The error of compiling: why the kernels do not support a graph.

/// Why the kernels do not support a graph, or that its weights could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct Unsupported {
    reason: String,
    is_unreadable: bool,
}

impl Unsupported {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_unreadable: false }
    }

    /// What is wrong is the disk, and not the graph.
    pub(crate) fn unreadable(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_unreadable: true }
    }

    /// The same at a node.
    pub(crate) fn at(self, operator: &str, result: &str) -> Self {
        Self { reason: format!("{operator} (at `{result}`): {}", self.reason), ..self }
    }

    pub(crate) fn is_unreadable(&self) -> bool {
        self.is_unreadable
    }
}
