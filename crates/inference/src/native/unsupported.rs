//! The error of compiling: why the kernels do not support a graph.

/// Why the kernels do not support a graph, or that its weights could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unsupported {
    reason: String,
    is_unreadable: bool,
}

impl Unsupported {
    /// The kernels do not support something in the graph.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_unreadable: false }
    }

    /// The weights could not be read from the file.
    pub fn unreadable(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_unreadable: true }
    }

    /// The same error, with the operator and the result of the node.
    pub fn at(self, operator: &str, result: &str) -> Self {
        Self { reason: format!("{operator} (at `{result}`): {}", self.reason), ..self }
    }

    /// Whether the weights could not be read.
    pub fn is_unreadable(&self) -> bool {
        self.is_unreadable
    }
}
