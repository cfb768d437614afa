//! The teacher that is at work.

use std::sync::Arc;

use crate::teach::lessons::Lessons;
use crate::teach::teacher::Teacher;
use glimpsed_base::sync::Mutex;

/// The teacher that is at work, if any. It outlives the web server, which another configuration may restart.
#[derive(Clone, Default)]
pub struct Teachers(pub(super) Arc<Mutex<Option<(Lessons, Teacher)>>>);
