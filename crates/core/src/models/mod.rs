//! Models as files: the catalogue, specs, labels and downloads.

pub mod catalog;
pub mod fetch;
pub mod labels;
pub mod spec;
pub mod taught;
pub mod threads;
pub mod vectors_file;
