//! From a TOML file to a configuration that cannot be invalid.
//!
//! `drop_ins` are files beside the main one, [`document`] parses and keeps positions, [`raw`] mirrors the file, [`typed`] checks and converts; every mistake is
//! collected in [`diagnostics`] and reported at once.

pub mod diagnostics;
pub mod document;
mod drop_ins;
pub mod edit;
mod fingerprint;
mod identity;
pub mod interval;
pub mod key_list;
mod last_good;
pub mod raw;
pub mod reference;
mod show;
mod sources;
pub mod texts;
mod tree;
pub mod typed;

pub use drop_ins::{DIRECTORY as DROP_INS, DropIn, MAX_FILES as MAX_DROP_INS, directory as drop_in_directory};
pub use fingerprint::{OF_EACH_DEVICE, fingerprint};
pub use identity::{is_id, keep_default_id, share_ids};
pub use sources::{DEFAULT_PATH, Sources};
pub use typed::Config;
