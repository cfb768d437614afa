//! Teaches a picture classifier labels of one's own, from a few pictures of each.
//!
//! The network stays as it is. What stands before its last matrix, a vector for each picture, is kept in [`Vectors`];
//! [`Lesson::of`] fits a new last matrix (the [`Head`]), estimates by folds how good it is ([`Quality`]), and finds from which
//! distance on a picture is unlike everything that was taught ([`Strangeness`]). Everything here is a pure function of its
//! arguments: no files, threads, clocks or random numbers.

#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod gram;
mod head;
mod lesson;
mod minimiser;
mod quality;
mod refusal;
mod span;
mod strangeness;
mod vectors;
mod words;

pub use head::Head;
pub use lesson::Lesson;
pub use quality::{Mistake, Quality};
pub use refusal::Refusal;
pub use strangeness::Strangeness;
pub use vectors::{COPY, Unusable, Vectors};
pub use words::{Enough, Few, share_in_words};

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
