//! Teaching: from labelled pictures to a model that has one's own labels.

pub mod album;
pub mod course;
pub mod eye;
mod kept;
pub mod model;
pub mod pack;
pub mod shelf;
pub mod strange;
pub mod unpack;
