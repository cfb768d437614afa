//! Recognises integer arithmetic in the QDQ form: "dequantise, compute, quantise".

use super::folding::{become_that, users};
use super::layer::{Element, Layer, Limits, Op, PoolKind};

/// Replaces each quantisation by the quantised form of what it quantises, where there is one.
pub(super) fn recognise(layers: &mut [Layer]) {
    for index in 0..layers.len() {
        if matches!(layers[index].op, Op::Quantise) {
            recognise_at(layers, index);
        }
    }
}

fn recognise_at(layers: &mut [Layer], index: usize) {
    let Some(base) = through_bounds(layers, index) else { return };
    let Element::U8(quant) = layers[index].element else { return };
    let sources: Option<Vec<usize>> = layers[base].inputs.iter().map(|&input| bytes_behind(layers, input)).collect();
    let quants: Vec<Element> = sources.iter().flatten().map(|&source| layers[source].element).collect();
    let same_quant = quants.iter().all(|&element| element == Element::U8(quant));
    let op = match (&layers[base].op, sources) {
        (Op::Dequantise, _) => return requantise(layers, index, base),
        (op @ (Op::Add | Op::Pool(PoolKind::Average { with_padding: false }, _)), Some(sources)) => {
            Some((op.clone(), sources))
        }
        (op @ (Op::Concat | Op::Pool(PoolKind::Max, _)), Some(sources)) if same_quant => Some((op.clone(), sources)),
        (Op::Conv(conv), Some(sources)) if conv.weights.scales.is_some() => Some((Op::Conv(conv.clone()), sources)),
        _ => None,
    };
    // Other users of the floats need them without rounding.
    if let Some((op, sources)) = op
        && users(layers, base).len() == 1
    {
        (layers[index].op, layers[index].inputs) = (op, sources);
    }
}

/// The layer whose result is quantised. The bounds in between become those of the quantisation.
fn through_bounds(layers: &mut [Layer], index: usize) -> Option<usize> {
    let mut limits = Limits::NONE;
    let mut at = *layers[index].inputs.first()?;
    while matches!(layers[at].op, Op::Clip) && users(layers, at).len() == 1 {
        // The loop goes from the outer bounds to the inner ones.
        limits = layers[at].limits.within(&limits);
        let bounded = at;
        at = *layers[at].inputs.first()?;
        // The skipped layer has no user any more, so it must not count as a user of its input.
        layers[bounded].inputs.clear();
    }
    layers[index].limits = limits;
    layers[index].inputs = vec![at];
    Some(at)
}

fn bytes_behind(layers: &[Layer], index: usize) -> Option<usize> {
    matches!(layers[index].op, Op::Dequantise).then(|| layers[index].inputs[0])
}

/// Replaces a requantisation from bytes to bytes by nothing, by bounds of the layer that computes the bytes, or by a
/// table.
fn requantise(layers: &mut [Layer], index: usize, dequantise: usize) {
    let source = layers[dequantise].inputs[0];
    let (Element::U8(from), Element::U8(to)) = (layers[source].element, layers[index].element) else { return };
    let limits = layers[index].limits.clone();
    let mut table = Box::new([0; 256]);
    for (byte, entry) in (0..=u8::MAX).zip(table.iter_mut()) {
        *entry = to.quantise(from.dequantise(byte).max(limits.low).min(limits.high));
    }
    let same = limits.channels.is_none() && (0..=u8::MAX).zip(table.iter()).all(|(byte, &entry)| byte == entry);
    let bounded = matches!(layers[source].op, Op::Conv(_) | Op::Add);
    // A change of the bytes' sign alone leaves `from == to`, because signed bytes and zero points are stored with 128
    // added.
    let mine_alone = users(layers, source) == [dequantise] && users(layers, dequantise) == [index];
    if from == to && bounded && mine_alone {
        layers[source].limits = layers[source].limits.within(&limits);
        become_that(layers, index, source);
    } else if from == to && same {
        for user in users(layers, index) {
            for input in &mut layers[user].inputs {
                if *input == index {
                    *input = source;
                }
            }
        }
    } else {
        layers[index].op = Op::Table(table);
        layers[index].inputs = vec![source];
    }
}
