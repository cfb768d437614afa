//! Teaching: from labelled pictures to a model that has one's own labels.

pub mod dataset;
pub mod embedder;
mod kept;
pub mod model;
pub mod pack;
pub mod store;
pub mod strange;
pub mod training;
pub mod unpack;
