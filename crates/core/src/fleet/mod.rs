//! Many devices of one base topic, seen from a client of their broker: what each says of itself, who is not well, and what is
//! asked of them. [`roster`], [`filter`], [`mod@column`] and [`judge`] are pure; [`watch`] and [`steer`] speak with the broker.

pub mod column;
pub mod comparison;
pub mod comparison_page;
pub mod device;
pub mod filter;
pub mod judge;
pub mod natural;
pub mod order;
mod payload;
pub mod roster;
pub mod steer;
pub mod targets;
pub mod watch;
