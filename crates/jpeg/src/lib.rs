//! JPEG for cameras: the end of a picture in a stream, missing Huffman tables, and a decoder to reduced size.
//!
//! Cameras and programs put pictures one after another, truncate them, and leave stale bytes behind them. [`Scanner`]
//! follows the markers (ITU-T T.81, annex B) to the end of a picture without decoding it. [`huffman`] adds the tables
//! that MJPEG cameras leave out, and [`decoder`] decodes.

#![deny(missing_docs)]

pub mod decoder;
pub mod huffman;
mod scan;

pub use scan::{END, START, Scan, Scanner};

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
