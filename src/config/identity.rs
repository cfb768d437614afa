//! The device's default identity at the broker, and the rules for names.

use sha2::{Digest, Sha256};

/// Whether `text` can be an id in a topic: letters, digits, `_` and `-`, at most 64.
pub fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 64 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// `text` with every character replaced that an id must not contain.
pub fn clean_id(text: &str) -> String {
    let cleaned: String =
        text.chars().take(64).map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    if cleaned.is_empty() { "glimpsed".into() } else { cleaned }
}

/// The host name, as an id.
pub fn default_id() -> String {
    clean_id(&rustix::system::uname().nodename().to_string_lossy())
}

/// A stable and unique client id: the machine id, hashed because it is confidential (machine-id(5)), or the device's id
/// if there is none.
pub fn default_client_id(device_id: &str) -> String {
    let machine = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let digest = Sha256::digest(format!("glimpsed {} {device_id}", machine.trim()));
    let suffix: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("glimpsed-{device_id}-{suffix}")
}

/// Why `topic` cannot be the base of all topics; `None` if it can.
pub fn topic_problem(topic: &str) -> Option<&'static str> {
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
