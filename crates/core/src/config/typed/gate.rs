//! The gate, and the caches of answers.

use super::super::interval::Interval;
use super::super::raw::RawGate;
use super::checker::{At, Checker};
use crate::decide::gate::GateRules;

impl Checker<'_, '_> {
    pub(super) fn gate(&mut self, at: &At<'_>, gate: &RawGate) -> GateRules {
        self.within(&at.key("min_luma"), gate.min_luma, 0.0, 255.0);
        self.within(&at.key("min_change"), gate.min_change, 0.0, 255.0);
        if let Some(max_fps) = gate.max_fps {
            self.within(&at.key("max_fps"), max_fps, 0.01, 1000.0);
        }
        let ttl = self.raw.cache.ttl;
        self.interval_within(&["cache", "ttl"], ttl, Interval::from_secs(0), Interval::from_secs(3600));
        GateRules {
            min_luma: gate.min_luma as f32,
            min_change: gate.min_change as f32,
            max_fps: gate.max_fps,
            ttl: ttl.0,
        }
    }

    pub(super) fn cache_entries(&mut self) -> usize {
        self.within(&["cache", "entries"], self.raw.cache.entries, 0, 10_000);
        self.raw.cache.entries as usize
    }
}
