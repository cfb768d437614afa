//! Notices to people: over ntfy, Gotify, Telegram, or to any web server.
//!
//! ```text
//! event -> sink (decide::notices says whether) -> composer (words, picture) -> queue -> delivery (a request, again and again)
//! ```

mod compose;
mod counters;
mod deliver;
mod example;
mod queue;
mod request;
mod session;
mod sink;
mod told_today;

pub use counters::{Counters, Counts};
pub use deliver::{Refusal, try_recipient};
pub use example::send_example;
pub use session::Notices;
