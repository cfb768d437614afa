//! The device's default identity at the broker, and the rules for names.

use sha2::{Digest, Sha256};

/// What may stand in a topic without being taken apart: letters, digits, `_` and `-`, at most 64.
pub(super) fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// `text` with everything replaced that may not stand in an id.
pub(super) fn clean_id(text: &str) -> String {
    let cleaned: String =
        text.chars().take(64).map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    if cleaned.is_empty() { "glimpsed".into() } else { cleaned }
}

/// The host name, as an id.
pub(super) fn default_id() -> String {
    clean_id(&rustix::system::uname().nodename().to_string_lossy())
}

/// The same after every start and unlike other machines': the machine's id, hashed because it must not be shown
/// (machine-id(5)), or the device's id where there is none.
pub(super) fn default_client_id(device_id: &str) -> String {
    let machine = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let digest = Sha256::digest(format!("glimpsed {} {device_id}", machine.trim()));
    let suffix: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("glimpsed-{device_id}-{suffix}")
}

/// What keeps `topic` from being the first part of every topic.
pub(super) fn topic_problem(topic: &str) -> Option<&'static str> {
    if topic.is_empty() || topic.len() > 256 {
        Some("must have 1 to 256 bytes")
    } else if topic.contains(['+', '#', '\0']) {
        Some("must not hold the wildcards `+` and `#`")
    } else if topic.starts_with(['/', '$']) || topic.ends_with('/') {
        Some("must not start with `/` or `$`, nor end with `/`")
    } else {
        None
    }
}
