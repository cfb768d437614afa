//! Pillow's bilinear filter with antialiasing, one row of the result at a time, in integers.
//!
//! The vertical pass comes first, then the horizontal one, for one row of the result at a time. So no intermediate
//! picture is materialised, and both passes run over contiguous values.

use super::samples::{Component, Group};
use glimpsed_inference::resample::{Axis, Rows, blend, squeeze};

/// Scratch for one row between the two passes.
#[derive(Debug, Default)]
pub(super) struct Lines {
    blended: Vec<i16>,
    component: Vec<i16>,
}

/// Computes row `row` of the result: a row of bytes for each component of `group`.
///
/// `down` is the group's vertical axis, `across` are the horizontal axes of its components.
pub(super) fn row<'o>(
    group: &Group,
    down: &Axis,
    across: &[Axis],
    row: usize,
    lines: &mut Lines,
    out: impl Iterator<Item = &'o mut [u8]>,
) {
    let components = group.components().iter().zip(across);
    let bytes = |component: &Component, axis: &Axis| {
        let seen = axis.seen();
        component.offset + seen.start * component.step..component.offset + seen.end * component.step
    };
    let ranges = || components.clone().map(|(component, axis)| bytes(component, axis));
    let first = ranges().map(|range| range.start).min().unwrap_or(0);
    let end = ranges().map(|range| range.end).max().unwrap_or(0).min(group.stride);
    let taps = down.taps();
    let Some(weights) = down.weights().get(row * taps..(row + 1) * taps) else { return };
    let length = end.saturating_sub(first);
    // Beyond the right edge, taps have weight zero. The values there do not matter, but must be readable.
    let spare = across.iter().map(|axis| axis.taps()).max().unwrap_or(0);
    lines.blended.resize(length + spare, 0);
    let bytes = group.bytes.get(down.starts()[row] * group.stride + first..).unwrap_or_default();
    blend(Rows { bytes, stride: group.stride }, weights, &mut lines.blended[..length]);
    for ((component, axis), out) in components.zip(out) {
        let seen = axis.seen();
        let from = (component.offset + seen.start * component.step).saturating_sub(first);
        let of_it = lines.blended.get(from..).unwrap_or_default();
        if component.step == 1 {
            squeeze(axis, seen.start, of_it, out);
            continue;
        }
        lines.component.clear();
        match component.step {
            // Constant strides, which the compiler vectorises.
            2 => lines.component.extend(of_it.iter().step_by(2).take(seen.len())),
            3 => lines.component.extend(of_it.iter().step_by(3).take(seen.len())),
            step => lines.component.extend(of_it.iter().step_by(step).take(seen.len())),
        }
        lines.component.resize(seen.len() + axis.taps(), 0);
        squeeze(axis, seen.start, &lines.component, out);
    }
}
