//! Numbers that all payloads share.

/// Grows only when a reader of the old format would misread the new one.
pub(super) const VERSION: u32 = 1;

/// To so many digits behind the point.
pub fn rounded(value: f64, digits: i32) -> f64 {
    let factor = 10f64.powi(digits);
    (value * factor).round() / factor
}
