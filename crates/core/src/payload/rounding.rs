//! The version and the rounding of numbers in all payloads.

/// Incremented only if a reader of the old format would misread the new one.
pub(super) const VERSION: u32 = 1;

/// Rounded to this many decimal places.
pub fn rounded(value: f64, digits: i32) -> f64 {
    let factor = 10f64.powi(digits);
    (value * factor).round() / factor
}
