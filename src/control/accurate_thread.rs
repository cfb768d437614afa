//! The accurate model in use.

use glimpsed_base::thread::Thread;

use super::model_info::ModelInfo;
use crate::models::spec::ModelSpec;

/// The accurate model's thread, and the spec of the loaded model.
pub(super) struct Second {
    pub(super) thread: Thread,
    pub(super) spec: ModelSpec,
    pub(super) info: ModelInfo,
}
