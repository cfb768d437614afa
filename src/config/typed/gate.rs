//! The gate, and the region of the picture.

use super::super::interval::Interval;
use super::checker::Checker;
use crate::decide::gate::GateRules;
use crate::domain::view::Region;

/// Smallest side of the region, as a fraction of the picture's.
const SMALLEST_SIDE: f64 = 0.02;

impl Checker<'_, '_> {
    pub(super) fn region(&mut self) -> Region {
        let roi = self.raw.roi.clone();
        for (key, start) in [("x", roi.x), ("y", roi.y)] {
            self.within(&["roi", key], start, 0.0, 1.0 - SMALLEST_SIDE);
        }
        for (key, side, start) in [("width", roi.width, roi.x), ("height", roi.height, roi.y)] {
            self.within(&["roi", key], side, SMALLEST_SIDE, 1.0);
            // Tolerance, because the sum of decimal fractions may be slightly above one.
            if start + side > 1.0 + 1e-9 && start <= 1.0 && side <= 1.0 {
                let found = format!("it ends at {}, outside of the picture", start + side);
                self.complain(&["roi", key], "is too large", found, Some(format!("at most {}", 1.0 - start)));
            }
        }
        Region { x: roi.x, y: roi.y, width: roi.width, height: roi.height }
    }

    pub(super) fn gate(&mut self) -> GateRules {
        let gate = &self.raw.gate;
        self.within(&["gate", "min_luma"], gate.min_luma, 0.0, 255.0);
        self.within(&["gate", "min_change"], gate.min_change, 0.0, 255.0);
        if let Some(max_fps) = gate.max_fps {
            self.within(&["gate", "max_fps"], max_fps, 0.01, 1000.0);
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
