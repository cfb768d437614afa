//! Whether two devices have the same configuration.

use glimpsed_base::hex::hex;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// What tells devices of one configuration apart.
pub const OF_EACH_DEVICE: [&str; 4] = ["device.id", "device.name", "mqtt.client_id", "mqtt.username"];

/// A hash of the effective configuration (`{"key": {"value", "origin"}}`) but for [`OF_EACH_DEVICE`]: the first 16 digits of the SHA-256
/// of its lines `key=value`, in the order of the keys. Where a value comes from makes no difference, nor do secrets, which are masked.
pub fn fingerprint(effective: &Value) -> String {
    let mut lines: Vec<String> = (effective.as_object().into_iter().flatten())
        .filter(|(key, _)| !OF_EACH_DEVICE.contains(&key.as_str()))
        .map(|(key, entry)| format!("{key}={}\n", entry["value"]))
        .collect();
    lines.sort();
    let mut hash = hex(&Sha256::digest(lines.concat().as_bytes()));
    hash.truncate(16);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn identity_and_origin_make_no_difference_and_a_value_does() {
        let of = |id: &str, fps: u32, origin: &str| {
            fingerprint(
                &json!({ "device.id": { "value": id, "origin": "default" }, "camera.fps": { "value": fps, "origin": origin } }),
            )
        };
        assert_eq!(of("a", 5, "line 3"), of("b", 5, "GLIMPSED_CAMERA_FPS"));
        assert_ne!(of("a", 5, "line 3"), of("a", 6, "line 3"));
        assert_eq!(of("a", 5, "").len(), 16);
    }
}
