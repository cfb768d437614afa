//! The configuration file as it is written: one struct per table, one field per key.
//!
//! Nothing here is checked beyond its type; [`super::typed`] does that. The doc comment of a field is what the JSON
//! Schema says of the key, and the `Default` implementations are the only place where a default is written.

mod labelling;
mod network;
mod notify;
mod tables;
mod teaching;
mod views;

pub use labelling::*;
pub use network::*;
pub use notify::*;
pub use tables::*;
pub use teaching::*;
pub use views::*;
