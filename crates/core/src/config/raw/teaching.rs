//! The table of what is taught.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Labels of one's own: which network is taught, and where its pictures are kept.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawTeach {
    /// Where pictures and taught models are kept, relative to this configuration file. Default: `teach` in the directory of what was measured here (`/var/lib/glimpsed`, or `~/.local/state/glimpsed`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// Name of the model whose last matrix is replaced, for `glimpsed teach`.
    pub base: String,
    /// Keep frames in memory that a taught model is not sure of, or that look like nothing that it was taught with, until somebody says on the page what they show: at most 64, of 30 KiB each. Only with `directory`.
    pub ask: bool,
    /// How many pictures are kept at most; each has at most 256 KiB.
    pub max_pictures: u32,
    /// Of how many changes of labels the page shows a picture. They are in memory alone, at most 30 kB each, and only while `preview` in `[privacy]` allows it.
    pub remember: u32,
}

impl Default for RawTeach {
    fn default() -> Self {
        Self { directory: None, base: "efficientnet-lite0".into(), ask: true, max_pictures: 2000, remember: 64 }
    }
}
