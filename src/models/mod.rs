//! Models as files: which there are, where they lie, what they contain.

pub mod catalog;
pub mod fetch;
pub mod labels;
pub mod spec;
pub mod threads;
