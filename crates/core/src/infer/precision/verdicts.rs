//! The verdicts of `auto` on this device, in a small file. It is a cache: without it, the models are measured again.

use std::path::Path;

use crate::directories::{self, NotKept};
use glimpsed_base::files;
use serde::{Deserialize, Serialize};

/// Quantising to 8 bits costs some accuracy, so int8 must save a fifth of the time to be chosen.
const WORTH_IT: f64 = 0.8;

const FILE: &str = "precision.json";

/// Capacity: models times versions. The oldest verdicts are dropped.
const MOST: usize = 32;
const MAX_BYTES: u64 = 1 << 16;

/// Milliseconds per picture with each of a model's two files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Verdict {
    pub key: String,
    pub model: String,
    pub fp32_ms: f64,
    pub int8_ms: f64,
}

impl Verdict {
    pub(super) fn is_int8(&self) -> bool {
        self.int8_ms <= WORTH_IT * self.fp32_ms
    }

    /// One sentence for the log and for people.
    pub(super) fn says(&self) -> String {
        let Self { fp32_ms, int8_ms, .. } = self;
        if self.is_int8() {
            format!("int8, because a picture takes {int8_ms:.1} ms instead of {fp32_ms:.1} ms with fp32 here")
        } else {
            format!("fp32, because int8 saves too little or nothing here: {int8_ms:.1} ms instead of {fp32_ms:.1} ms")
        }
    }
}

/// All remembered verdicts, oldest first.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Verdicts(Vec<Verdict>);

impl Verdicts {
    /// Reads the first directory that has the file. A damaged file counts as missing.
    pub(super) fn read() -> Self {
        directories::state().iter().find_map(|directory| Self::read_from(&directory.join(FILE))).unwrap_or_default()
    }

    fn read_from(file: &Path) -> Option<Self> {
        let text = files::read_text(file, MAX_BYTES).ok()?;
        let mut verdicts: Self = serde_json::from_str(&text).ok()?;
        // Only positive times can have been measured.
        verdicts.0.retain(|verdict| verdict.fp32_ms > 0.0 && verdict.int8_ms > 0.0);
        Some(verdicts)
    }

    pub(super) fn find(&self, key: &str) -> Option<&Verdict> {
        self.0.iter().rev().find(|verdict| verdict.key == key)
    }

    /// Writes the verdict to the first directory that is writable.
    ///
    /// # Errors
    /// Why none is writable.
    pub(super) fn remember(verdict: Verdict) -> Result<(), NotKept> {
        let mut verdicts = Self::read();
        verdicts.0.retain(|known| known.key != verdict.key);
        verdicts.0.push(verdict);
        let surplus = verdicts.0.len().saturating_sub(MOST);
        verdicts.0.drain(..surplus);
        // Readable by every user, whichever user measured it.
        directories::keep_json_within(&directories::state(), FILE, &verdicts, 0o644).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(fp32_ms: f64, int8_ms: f64) -> Verdict {
        Verdict { key: "k".into(), model: "m".into(), fp32_ms, int8_ms }
    }

    #[test]
    fn int8_has_to_save_a_fifth() {
        assert!(verdict(10.0, 8.0).is_int8());
        assert!(!verdict(10.0, 8.1).is_int8());
        assert!(!verdict(20.0, 46.0).is_int8());
        assert!(verdict(7.6, 3.1).says().starts_with("int8, because a picture takes 3.1 ms"));
        assert!(verdict(20.0, 46.0).says().starts_with("fp32, because"));
    }

    #[test]
    fn what_is_damaged_counts_for_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join(FILE);
        assert!(Verdicts::read_from(&file).is_none());
        for text in ["", "[{", "[1]", r#"{"key": 3}"#] {
            std::fs::write(&file, text).expect("writable");
            assert!(Verdicts::read_from(&file).is_none(), "{text}");
        }
        let text = r#"[{"key":"k","model":"m","fp32_ms":-1.0,"int8_ms":2.0}]"#;
        std::fs::write(&file, text).expect("writable");
        assert!(Verdicts::read_from(&file).expect("read").find("k").is_none());
    }

    #[test]
    fn what_is_written_is_found() {
        let directory = tempfile::tempdir().expect("a directory");
        let text = serde_json::to_string(&Verdicts(vec![verdict(2.0, 1.0)])).expect("JSON");
        let file = directory.path().join("new").join(FILE);
        directories::write(&file, text.as_bytes(), 0o644).expect("written");
        assert_eq!(Verdicts::read_from(&file).expect("read").find("k"), Some(&verdict(2.0, 1.0)));
    }
}
