//! The web page, the HTTP interface and the metrics.
//!
//! They have a thread and an asynchronous runtime of their own, so that viewers do not delay the broker session.
//! Pictures are decoded and encoded on at most two further threads.

mod admission;
mod api;
mod assets;
mod body;
mod cameras;
mod classify;
mod connection;
pub mod downloads;
mod editing;
mod ended_sessions;
mod events;
mod exposition;
mod fetching;
mod guard;
pub mod live_state;
mod login;
mod manual;
mod message;
pub mod metrics;
mod named;
mod network;
mod openapi;
mod operations;
mod page;
mod pictures;
mod probes;
mod problem;
mod process;
mod remembered;
mod router;
mod schemas;
mod seen;
mod server;
mod session;
mod setup;
mod setup_routes;
mod setup_schemas;
mod setup_secrets;
mod site;
mod socket;
mod stream;
mod teaching;
mod teaching_routes;
mod upload_budget;
mod watching;

pub use page::Web;
pub use session::{LINK, setup_link};
pub use setup_secrets::{keep_token, new_token};
pub use site::{Parts, Settings};
