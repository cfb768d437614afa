//! The device's default identity at the broker, and the rules for names.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::directories;
use glimpsed_base::hex::hex;
use glimpsed_base::{files, leaving};

/// What may stand in a topic without being taken apart: letters, digits, `_` and `-`, at most 64.
pub fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// A name as Home Assistant writes it in an id.
fn in_ids(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

/// Whether two names are the same in an id.
pub(super) fn are_one_in_ids(one: &str, other: &str) -> bool {
    in_ids(one) == in_ids(other)
}

/// Whether an entity of one view and one of the other would have the same id, because what one is called begins with the rest of the
/// other's name: `door` has a `teach_label`, and `door_teach` a `label`.
pub fn share_ids(one: &str, other: &str) -> bool {
    let (one, other) = (in_ids(one), in_ids(other));
    let begins_an_entity = |rest: &str| matches!(rest, "_teach" | "_shows") || rest.starts_with("_shows_");
    one == other
        || one.strip_prefix(&*other).is_some_and(begins_an_entity)
        || other.strip_prefix(&*one).is_some_and(begins_an_entity)
}

/// `text` with everything replaced that may not stand in an id.
pub(super) fn clean_id(text: &str) -> String {
    let cleaned: String =
        text.chars().take(64).map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    if cleaned.is_empty() { "glimpsed".into() } else { cleaned }
}

/// The file of the state directory with the default id, so that it stays when the host is renamed.
const ID_FILE: &str = "device-id";

/// What a daemon of before has left there: such an installation has the bare host name for its id.
const OLD_FILE: &str = "precision.json";

/// The device's id unless one is configured: what an earlier start has kept, or else the host name with a suffix made from the
/// machine's id, because many boards are called `raspberrypi`. An installation from before there was a suffix has none.
pub(super) fn default_id() -> String {
    let machine = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    default_id_within(&directories::state(), &host, machine.trim())
}

fn default_id_within(state: &[PathBuf], host: &str, machine: &str) -> String {
    if let Some(id) = kept_id(state) {
        return id;
    }
    let host = clean_id(host);
    let is_old = state.iter().any(|directory| directory.join(OLD_FILE).is_file());
    if is_old || machine.is_empty() {
        return host;
    }
    // Hashed, because the machine's id must not be shown (machine-id(5)).
    let digest = Sha256::digest(format!("glimpsed device {machine}"));
    let suffix = hex(&digest[..2]);
    let host: String = host.chars().take(59).collect();
    format!("{host}-{suffix}")
}

/// The id that an earlier start has kept. A file without one, as a power cut may leave it, counts as none.
fn kept_id(state: &[PathBuf]) -> Option<String> {
    let texts = state.iter().filter_map(|directory| files::read_text(&directory.join(ID_FILE), 256).ok());
    texts.map(|text| text.trim().to_owned()).find(|id| is_id(id))
}

/// Keeps the default id in the first state directory that can be written, unless one is kept already. Nothing is lost where none
/// can: the id is the same after the next start, until the host is renamed.
pub fn keep_default_id() {
    keep_within(&directories::state(), &default_id());
}

fn keep_within(state: &[PathBuf], id: &str) {
    if kept_id(state).is_some() {
        return;
    }
    // Readable by every user, because a command that one runs by hand means the same device.
    let _ = directories::keep_within(state, ID_FILE, id.as_bytes(), 0o644);
}

/// The same after every start and unlike other machines': the machine's id, hashed because it must not be shown
/// (machine-id(5)), or the device's id where there is none.
pub(super) fn default_client_id(device_id: &str) -> String {
    let machine = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let digest = Sha256::digest(format!("glimpsed {} {device_id}", machine.trim()));
    let suffix = hex(&digest[..4]);
    format!("glimpsed-{device_id}-{suffix}")
}

/// What keeps `topic` from being the first part of every topic.
pub(super) fn topic_problem(topic: &str) -> Option<&'static str> {
    if topic.is_empty() || topic.len() > 256 {
        Some("must have 1 to 256 bytes")
    } else if topic.contains(['+', '#', '\0']) {
        Some("must not hold the wildcards `+` and `#`")
    } else if topic.contains(leaving::is_control) {
        Some("must not hold control characters or line breaks")
    } else if topic.starts_with(['/', '$']) || topic.ends_with('/') {
        Some("must not start with `/` or `$`, nor end with `/`")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_boards_with_the_default_host_name_have_two_ids_each_the_same_after_every_start() {
        let ids = ["a", "b", "a"].map(|machine| default_id_within(&[], "raspberrypi", machine));
        assert!(
            ids[0].starts_with("raspberrypi-") && ids[0].len() == "raspberrypi-0000".len() && is_id(&ids[0]),
            "{ids:?}"
        );
        assert!(ids[0] != ids[1] && ids[0] == ids[2], "{ids:?}");
        assert!(is_id(&default_id_within(&[], &"x".repeat(64), "a")));
        assert_eq!(default_id_within(&[], "container", ""), "container");
    }

    #[test]
    fn an_installation_from_before_the_suffix_keeps_its_id_and_one_that_is_renamed_too() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let state = [directory.path().to_owned()];
        std::fs::write(directory.path().join(OLD_FILE), "[]").expect("writable");
        assert_eq!(default_id_within(&state, "raspberrypi", "a"), "raspberrypi");
        keep_within(&state, "raspberrypi");
        keep_within(&state, "another");
        assert_eq!(default_id_within(&state, "renamed", "a"), "raspberrypi");
        for damaged in ["not an id/#", ""] {
            std::fs::write(directory.path().join(ID_FILE), damaged).expect("writable");
            assert_eq!(default_id_within(&state, "raspberrypi", "a"), "raspberrypi");
            keep_within(&state, "raspberrypi");
            assert_eq!(default_id_within(&state, "renamed", "a"), "raspberrypi", "it is repaired");
        }
    }
}
