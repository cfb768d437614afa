//! Fusion: layers that are computed as one step, so that the result between them is never materialised.

use super::element_type::Added;
use super::inverted_residual::{self, InvertedResidual};
use super::layer::{Conv, Element, Layer, Op, PoolKind};
use super::pooled_convolution::{self, Pooled};
use super::step::{Job, Step};
use super::tensor_view::NO_BUFFER;
use super::unsupported::Unsupported;
use super::winograd;

/// Which layers are fused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fusion {
    WhereWorthWhile,
    /// All that can be, however small the intermediate results.
    #[cfg(test)]
    WherePossible,
    /// None: every result is materialised, so that tests can read it.
    #[cfg(test)]
    Never,
}

impl Fusion {
    fn wants(self, is_worth_while: impl Fn() -> bool) -> bool {
        match self {
            Self::WhereWorthWhile => is_worth_while(),
            #[cfg(test)]
            Self::WherePossible => true,
            #[cfg(test)]
            Self::Never => false,
        }
    }
}

/// The layers that are needed, in their order: those of a group are computed as one.
pub(super) fn groups(layers: &[Layer], needed: &[Option<usize>], fusion: Fusion) -> Vec<Vec<usize>> {
    let all: Vec<usize> = (0..layers.len()).filter(|&layer| needed[layer].is_some()).collect();
    let mut users = vec![0; layers.len()];
    all.iter().flat_map(|&layer| &layers[layer].inputs).for_each(|&input| users[input] += 1);
    let chains = Chains { layers, users };
    let mut groups = Vec::new();
    let mut rest = all.as_slice();
    while !rest.is_empty() {
        let made = match rest {
            [a, b, c, ..] if chains.are_strip([*a, *b, *c], fusion) => 3,
            [conv, pool, ..] if chains.are_pooled([*conv, *pool], fusion) => 2,
            _ => 1,
        };
        let is_added = matches!(&rest[made - 1..], [last, add, ..] if chains.are_added([*last, *add], fusion));
        let (group, others) = rest.split_at(made + usize::from(is_added));
        groups.push(group.to_vec());
        rest = others;
    }
    groups
}

/// Recognises chains of layers that can be fused.
struct Chains<'a> {
    layers: &'a [Layer],
    /// The number of uses of each result.
    users: Vec<usize>,
}

impl Chains<'_> {
    fn conv(&self, layer: usize) -> Option<&Conv> {
        match &self.layers[layer].op {
            Op::Conv(conv) => Some(conv),
            _ => None,
        }
    }

    /// Whether the result has a single use, and no bounds that would need a step of their own.
    fn is_passed_on(&self, layer: usize) -> bool {
        self.users[layer] == 1 && bounds_of_channels(&self.layers[layer]).is_none()
    }

    fn element_bytes(&self, layer: usize) -> usize {
        if self.is_float(layer) { size_of::<f32>() } else { 1 }
    }

    fn is_float(&self, layer: usize) -> bool {
        self.layers[layer].element == Element::F32
    }

    /// Whether these layers are an inverted residual that is to be fused.
    fn are_strip(&self, [expand, depthwise, project]: [usize; 3], fusion: Fusion) -> bool {
        let layers = self.layers;
        let (Some(first), Some(second), Some(third)) = (self.conv(expand), self.conv(depthwise), self.conv(project))
        else {
            return false;
        };
        let parts = [expand, depthwise, project];
        // Each layer is the next one's input, and an addition of the last one does not use the intermediate results.
        let chained = layers[expand].inputs.len() == 1
            && layers[depthwise].inputs == [expand]
            && layers[project].inputs.first() == Some(&depthwise)
            && layers[project].inputs[1..].iter().all(|added| !parts.contains(added));
        let passed_on = self.is_passed_on(expand) && self.is_passed_on(depthwise);
        let alike = parts.iter().all(|&part| self.is_float(part) == self.is_float(layers[expand].inputs[0]));
        let convs = [first, second, third];
        let wanted =
            fusion.wants(|| inverted_residual::is_worth_while(convs, layers[expand].shape, self.element_bytes(expand)));
        chained && passed_on && alike && wanted && inverted_residual::is_possible(convs)
    }

    /// Whether these layers are a dense int8 convolution and an addition to its result, which are to be fused. In
    /// floats, folding has made one layer of such a pair already.
    fn are_added(&self, [conv, add]: [usize; 2], fusion: Fusion) -> bool {
        let (from, to) = (&self.layers[conv], &self.layers[add]);
        let is_dense = self.conv(conv).is_some_and(|conv| !conv.is_depthwise());
        let of_bytes = from.inputs.iter().chain(&[conv, add]).all(|&layer| !self.is_float(layer));
        let is_sum = matches!(to.op, Op::Add) && to.inputs.iter().filter(|&&input| input == conv).count() == 1;
        let chained = from.inputs.len() == 1 && to.inputs.len() == 2 && self.is_passed_on(conv);
        is_dense && of_bytes && is_sum && chained && fusion.wants(|| true)
    }

    /// Whether these layers are a dense convolution and a global average pooling of few pixels, which are to be fused.
    fn are_pooled(&self, [conv, pool]: [usize; 2], fusion: Fusion) -> bool {
        let (from, to) = (&self.layers[conv], &self.layers[pool]);
        let (Some(dense), Op::Pool(PoolKind::Average { .. }, window)) = (self.conv(conv), &to.op) else {
            return false;
        };
        let is_dense = !dense.is_depthwise()
            && (!self.is_float(conv) || winograd::form(dense, from.shape).is_none())
            && self.is_float(conv) == self.is_float(from.inputs[0]);
        let of_all = window.size == [from.shape.height, from.shape.width] && window.pads == [0; 4];
        let chained = from.inputs.len() == 1 && to.inputs == [conv] && self.is_passed_on(conv);
        let alike = self.is_float(pool) == self.is_float(conv);
        let wanted = fusion.wants(|| pooled_convolution::is_worth_while(from.shape, self.element_bytes(conv)));
        is_dense && of_all && chained && alike && wanted
    }
}

/// Fuses the steps of a group.
///
/// # Errors
/// When they are none that can be joined.
pub(super) fn joined(mut parts: Vec<Step>) -> Result<Step, Unsupported> {
    let sum = if parts.len() > 1 { parts.pop_if(|last| matches!(last.job, Job::AddU8 { .. })) } else { None };
    let mut parts = parts.into_iter();
    let step = match (parts.next(), parts.next(), parts.next()) {
        (Some(only), None, None) => Some(only),
        (Some(conv), Some(pool), None) => pooled(conv, pool),
        (Some(expand), Some(depthwise), Some(project)) => strip(expand, depthwise, project),
        _ => None,
    };
    let step = match sum {
        None => step,
        Some(sum) => step.and_then(|made| added(made, sum)),
    };
    step.ok_or_else(|| Unsupported::new("it has layers that cannot be joined"))
}

/// Fuses an addition into the step `made`, whose result is not materialised.
fn added(mut made: Step, sum: Step) -> Option<Step> {
    let (Job::AddU8 { inputs: quants, scale, to }, &[first, second]) = (sum.job, sum.inputs.as_slice()) else {
        return None;
    };
    let made_first = first.buffer == NO_BUFFER;
    let added = Some(Added { quants, made_first, scale, to });
    match &mut made.job {
        Job::DenseU8(dense) => dense.epilogue.added = added,
        Job::InvertedResidualU8(strip) => strip.epilogue().added = added,
        _ => return None,
    }
    made.inputs.push(if made_first { second } else { first });
    Some(Step::new(made.job, made.inputs, sum.output))
}

fn pooled(conv: Step, pool: Step) -> Option<Step> {
    let job = match (conv.job, pool.job) {
        (Job::DenseF32(dense), Job::PoolF32(_, _, bounds)) => {
            Job::PooledF32(Box::new(Pooled::new(dense, conv.output, bounds)))
        }
        (Job::DenseU8(dense), Job::PoolU8 { from, scale, to, .. }) => {
            Job::PooledU8(Box::new(Pooled::new(dense, conv.output, (from, scale, to))))
        }
        _ => return None,
    };
    Some(Step::new(job, conv.inputs, pool.output))
}

fn strip(expand: Step, depthwise: Step, project: Step) -> Option<Step> {
    let (expanded, filtered) = (expand.output, depthwise.output);
    let job = match (expand.job, depthwise.job, project.job) {
        (Job::DenseF32(expand), Job::DepthwiseF32(depthwise), Job::DenseF32(project)) => {
            Job::InvertedResidualF32(Box::new(InvertedResidual::new(expand, expanded, depthwise, filtered, project)))
        }
        (Job::DenseU8(expand), Job::DepthwiseU8(depthwise), Job::DenseU8(project)) => {
            Job::InvertedResidualU8(Box::new(InvertedResidual::new(expand, expanded, depthwise, filtered, project)))
        }
        _ => return None,
    };
    let mut inputs = expand.inputs;
    inputs.extend(project.inputs.get(1));
    Some(Step::new(job, inputs, project.output))
}

/// Bounds that differ from channel to channel, for what has no room for them in its kernel.
pub(super) fn bounds_of_channels(layer: &Layer) -> Option<Job> {
    let channels = layer.limits.channels.as_ref()?;
    match (layer.element, &layer.op) {
        (Element::U8(_), Op::Conv(_)) => None,
        (Element::U8(to), _) => {
            Some(Job::BoundU8(channels.iter().map(|bounds| bounds.map(|bound| to.quantise(bound))).collect()))
        }
        (Element::F32, _) => Some(Job::BoundF32(channels.clone())),
    }
}
