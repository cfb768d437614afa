//! Notices to people: when what a view shows is worth telling, and in which words.

mod template;
mod watch;

pub use template::{Template, UnknownWord, WORDS, Words};
pub use watch::{Firsts, Occasion, Rule, Verdict, Watch, When};
