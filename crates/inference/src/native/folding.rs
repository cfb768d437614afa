//! Folding: operations that follow a layer become part of it, so that no intermediate result is written and read again.

use super::layer::{Element, Layer, Limits, Op};
use super::unsupported::Unsupported;

/// Folds batch normalisation and constant factors and summands into the convolution before them, and padding into the
/// convolutions after it.
///
/// # Errors
/// When padding has no such convolution.
pub(super) fn fold(layers: &mut [Layer]) -> Result<(), Unsupported> {
    for index in 0..layers.len() {
        match &layers[index].op {
            Op::Affine { .. } => fold_affine(layers, index),
            Op::Pad(_) => fold_pad(layers, index)?,
            _ => {}
        }
    }
    Ok(())
}

/// Bounds and additions into the layer before them, where nothing else looks at its result.
pub(super) fn merge(layers: &mut [Layer]) {
    for index in 0..layers.len() {
        let before = layers[index].inputs.clone();
        match (&layers[index].op, before.as_slice()) {
            (Op::Clip, &[input]) => {
                let bounded =
                    matches!(layers[input].op, Op::Conv(_) | Op::Add) && layers[input].element == Element::F32;
                if bounded && users(layers, input).len() == 1 {
                    layers[input].limits = layers[input].limits.within(&layers[index].limits);
                    become_that(layers, index, input);
                }
            }
            (Op::Add, &[a, b]) if layers[index].element == Element::F32 => {
                // Into the later layer, so that the other operand has been computed when it runs.
                let (conv, other) = (a.max(b), a.min(b));
                if conv != other && can_add(layers, conv) {
                    become_that(layers, index, conv);
                    layers[index].inputs.push(other);
                }
            }
            _ => {}
        }
    }
}

/// Whether an addition can be folded into the layer: a dense convolution of floats without bounds and another addition,
/// and with a single user.
fn can_add(layers: &[Layer], index: usize) -> bool {
    let layer = &layers[index];
    let dense = matches!(&layer.op, Op::Conv(conv) if !conv.is_depthwise());
    dense
        && layer.limits == Limits::NONE
        && layer.element == Element::F32
        && layer.inputs.len() == 1
        && users(layers, index).len() == 1
}

/// `index` takes over what `input` does and is; `input` has no user any more, and so is never run.
pub(super) fn become_that(layers: &mut [Layer], index: usize, input: usize) {
    layers[index] = Layer { name: layers[index].name.clone(), ..layers[input].clone() };
}

/// The layers that have `index` among their inputs.
pub(super) fn users(layers: &[Layer], index: usize) -> Vec<usize> {
    (index + 1..layers.len()).filter(|&user| layers[user].inputs.contains(&index)).collect()
}

/// Folds an affine layer into the convolution that computes its input. It stays if the convolution has other users, or
/// if another operation computes its input.
fn fold_affine(layers: &mut [Layer], index: usize) {
    let input = layers[index].inputs[0];
    let Op::Affine { gain, shift } = layers[index].op.clone() else { return };
    let alone = users(layers, input).len() == 1;
    let Op::Conv(conv) = &mut layers[input].op else { return };
    if !alone {
        return;
    }
    for ((bias, gain), shift) in conv.bias.iter_mut().zip(&gain).zip(&shift) {
        *bias = *bias * gain + shift;
    }
    if gain.iter().any(|&gain| gain != 1.0) {
        conv.gain = Some(match conv.gain.take() {
            None => gain,
            Some(before) => before.iter().zip(&gain).map(|(before, gain)| before * gain).collect(),
        });
    }
    become_that(layers, index, input);
}

/// Folds zero padding into the windows of the convolutions that read the padded picture. It may be quantised again in
/// between with the quantisation that it had before: zero is the zero point then.
fn fold_pad(layers: &mut [Layer], index: usize) -> Result<(), Unsupported> {
    let Op::Pad(amounts) = layers[index].op else { return Ok(()) };
    let source = layers[index].inputs[0];
    let quantised_as = matches!(layers[source].op, Op::Dequantise).then(|| layers[layers[source].inputs[0]].element);
    let mut windows = Vec::new();
    for user in users(layers, index) {
        match &layers[user].op {
            Op::Quantise if Some(layers[user].element) == quantised_as => {
                for dequantise in users(layers, user) {
                    windows.extend(users(layers, dequantise).into_iter().map(|window| (window, dequantise)));
                }
            }
            _ => windows.push((user, index)),
        }
    }
    for (user, through) in windows {
        let Op::Conv(conv) = &mut layers[user].op else {
            return Err(Unsupported::new(format!("`{}` pads what no convolution looks at", layers[index].name)));
        };
        for (pad, amount) in conv.window.pads.iter_mut().zip(amounts) {
            *pad += amount;
        }
        for input in &mut layers[user].inputs {
            if *input == through {
                *input = source;
            }
        }
    }
    Ok(())
}
