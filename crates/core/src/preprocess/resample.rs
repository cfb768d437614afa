//! Pillow's bilinear filter with antialiasing, one row of the result at a time, in integers.
//!
//! The vertical pass comes first, then the horizontal one, for one row of the result at a time. So no intermediate
//! picture is materialised, and both passes run over contiguous values.

use super::samples::{Component, Group};
use glimpsed_inference::resample::{Axis, KEPT, squeeze};

/// Rounds to nearest: half of the unit that the first pass drops.
const HALF: i32 = 1 << (13 - KEPT);

/// Scratch for one row between the two passes.
#[derive(Debug, Default)]
pub(super) struct Lines {
    sums: Vec<i32>,
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
    let Some(weights) = down.weights.get(row * down.taps..(row + 1) * down.taps) else { return };
    let length = end.saturating_sub(first);
    // Beyond the right edge, taps have weight zero. The values there do not matter, but must be readable.
    let spare = across.iter().map(|axis| axis.taps).max().unwrap_or(0);
    lines.sums.resize(length, 0);
    lines.blended.resize(length + spare, 0);
    blend(group, down.starts[row], weights, first, &mut lines.sums, &mut lines.blended[..length]);
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
        lines.component.resize(seen.len() + axis.taps, 0);
        squeeze(axis, seen.start, &lines.component, out);
    }
}

/// The vertical pass: the weighted sum of the rows from `start`, beginning at byte `first` of each.
fn blend(group: &Group, start: usize, weights: &[i16], first: usize, sums: &mut [i32], out: &mut [i16]) {
    let sums = &mut sums[..out.len()];
    sums.fill(HALF);
    for (tap, &weight) in weights.iter().enumerate().filter(|(_, weight)| **weight != 0) {
        let bytes = group.row(start + tap).get(first..).unwrap_or_default();
        for (sum, &byte) in sums.iter_mut().zip(bytes) {
            // Both factors are of 16 bits, so that the vector instruction for that applies.
            *sum += i32::from(weight) * i32::from(i16::from(byte));
        }
    }
    for (out, &sum) in out.iter_mut().zip(&*sums) {
        *out = (sum >> (14 - KEPT)) as i16;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glimpsed_inference::resample::{Key, ONE};

    fn axis(start: f64, length: f64, source: usize, result: usize) -> Axis {
        let mut axis = Axis::default();
        axis.set(Key { start, length, source, result });
        axis
    }

    #[test]
    fn weights_add_up_to_one_at_every_place() {
        for (start, length, source, result) in [
            (0.0, 640.0, 640, 224),
            (17.3, 401.7, 480, 224),
            (0.0, 5.0, 5, 31),
            (0.0, 1.0, 1, 7),
            (0.0, 9000.0, 9000, 3),
        ] {
            let axis = axis(start, length, source, result);
            for (at, weights) in axis.weights.chunks(axis.taps).enumerate() {
                assert_eq!(weights.iter().map(|&weight| i32::from(weight)).sum::<i32>(), ONE, "{source} {at}");
                assert!(axis.starts[at] < source);
            }
        }
    }

    #[test]
    fn the_same_size_gives_the_same_numbers() {
        let axis = axis(0.0, 6.0, 6, 6);
        let line: Vec<i16> = [1, 2, 3, 40, 250, 255, 0, 0, 0, 0].iter().map(|number| number << KEPT).collect();
        let mut out = [0; 6];
        squeeze(&axis, 0, &line, &mut out);
        assert_eq!(out, [1, 2, 3, 40, 250, 255]);
    }
}
