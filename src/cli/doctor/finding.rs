//! The result of one check.

use serde::Serialize;

/// What was looked at, and how it is.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Finding {
    pub subject: &'static str,
    pub verdict: Verdict,
    /// What was seen, or what went wrong and what to do about it.
    pub says: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Ok,
    /// It works, and should not stay like this.
    Warning,
    Failed,
    /// Something outside does not answer: a camera or a broker.
    Unreachable,
}
