//! Teaching: from labelled pictures to a model that has one's own labels.

pub mod archive;
mod classroom;
pub mod dataset;
pub mod embedder;
mod kept;
pub mod lessons;
pub mod model;
mod moving;
pub mod pack;
pub mod report;
mod reporting;
pub mod store;
pub mod teacher;
pub mod teachers;
pub mod training;
pub mod unpack;
mod unsure;
mod viewed;
