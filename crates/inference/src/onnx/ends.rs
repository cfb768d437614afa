//! What the numbers at a graph's end mean: its last operators are read from the output backwards, as far as they decide that.

use std::collections::HashMap;

use super::constants::{Names, REARRANGE};
use super::pb::{GraphProto, NodeProto};
use crate::input::Scores;
use crate::scores::End;

/// How far back the graph is read. The longest end of an exporter has some 20 operators.
const MOST_DEPTH: usize = 64;

/// A number that is added to probabilities lest a logarithm be infinite.
const TINY: f32 = 1e-3;

/// What a result's numbers are.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// Of any size.
    Logits,
    /// Logarithms of probabilities: logits of the same probabilities.
    LogShares,
    /// Shares of a whole, from `low` to `high`; a `part` of them if some classes were left out.
    Shares { low: f32, high: f32, part: bool },
    /// Each for itself, from `low` to `high`.
    Each { low: f32, high: f32 },
    /// A number that does not depend on the class.
    Factor,
    /// Nothing that is known here.
    Open,
}

/// What a result is, and the node that decided it.
#[derive(Debug, Clone, Copy)]
struct Found<'a> {
    kind: Kind,
    node: Option<&'a NodeProto>,
}

/// What the first output's numbers mean.
pub(super) fn of(graph: &GraphProto) -> End {
    let mut reader = Reader { names: Names::of(graph), known: HashMap::new() };
    let output = graph.output.first().map_or("", |output| output.name.as_str());
    let Found { kind, node } = reader.find(output, 0);
    let (scores, range, part) = match kind {
        Kind::Logits | Kind::LogShares => (Some(Scores::Logits), [0.0, 1.0], false),
        Kind::Shares { low, high, part } if high > low => (Some(Scores::Softmax), [low, high], part),
        Kind::Each { low, high } if low.abs() <= TINY * high => (Some(Scores::Sigmoid), [low, high], false),
        _ => (None, [0.0, 1.0], false),
    };
    let place = |node: &NodeProto| node.output.first().cloned().unwrap_or_default();
    let says = node.map_or("its input".into(), |node| format!("`{}` (at `{}`)", node.op_type, place(node)));
    End { scores, range, part, says }
}

struct Reader<'a> {
    names: Names<'a>,
    known: HashMap<&'a str, Found<'a>>,
}

impl<'a> Reader<'a> {
    fn find(&mut self, name: &'a str, depth: usize) -> Found<'a> {
        if let Some(found) = self.known.get(name) {
            return *found;
        }
        let found = match self.names.producer(name) {
            _ if self.names.constant(name).is_some() => Found { kind: Kind::Factor, node: None },
            Some(node) if depth < MOST_DEPTH => self.node(node, name, depth + 1),
            // The picture itself.
            None => Found { kind: Kind::Logits, node: None },
            node => Found { kind: Kind::Open, node },
        };
        self.known.insert(name, found);
        found
    }

    fn input(&mut self, node: &'a NodeProto, index: usize, depth: usize) -> Found<'a> {
        match node.input.get(index).filter(|name| !name.is_empty()) {
            Some(name) => self.find(name, depth),
            None => Found { kind: Kind::Open, node: Some(node) },
        }
    }

    fn node(&mut self, node: &'a NodeProto, name: &'a str, depth: usize) -> Found<'a> {
        let decided = |kind| Found { kind, node: Some(node) };
        let whole = Kind::Shares { low: 0.0, high: 1.0, part: false };
        match node.op_type.as_str() {
            operator if REARRANGE.contains(&operator) => self.input(node, 0, depth),
            "Round" | "ZipMap" => self.input(node, 0, depth),
            "QuantizeLinear" | "DequantizeLinear" => self.quantised(node, depth),
            "DynamicQuantizeLinear" if node.output.first().is_some_and(|first| first == name) => {
                self.input(node, 0, depth)
            }
            "DynamicQuantizeLinear" => decided(Kind::Factor),
            "Softmax" | "QLinearSoftmax" => decided(whole),
            "LogSoftmax" => decided(Kind::LogShares),
            "Sigmoid" | "HardSigmoid" => decided(Kind::Each { low: 0.0, high: 1.0 }),
            "Tanh" => decided(Kind::Each { low: -1.0, high: 1.0 }),
            "Conv"
            | "ConvTranspose"
            | "Gemm"
            | "MatMul"
            | "Einsum"
            | "ConvInteger"
            | "MatMulInteger"
            | "BatchNormalization"
            | "InstanceNormalization"
            | "LayerNormalization"
            | "PRelu"
            | "LeakyRelu"
            | "HardSwish"
            | "Gelu" => decided(Kind::Logits),
            "Relu" | "Abs" => match self.input(node, 0, depth) {
                same @ Found { kind: Kind::Shares { .. } | Kind::Each { .. } | Kind::Open, .. } => same,
                _ => decided(Kind::Logits),
            },
            "Exp" => match self.input(node, 0, depth) {
                Found { kind: Kind::LogShares, .. } => decided(whole),
                _ => decided(Kind::Open),
            },
            "Log" => match self.input(node, 0, depth).kind {
                Kind::Shares { low: 0.0, part: false, .. } => decided(Kind::LogShares),
                _ => decided(Kind::Open),
            },
            "Clip" | "Min" | "Max" => self.clip(node, depth),
            "ReduceMean" | "GlobalAveragePool" | "AveragePool" => self.input(node, 0, depth),
            "ReduceMax" | "GlobalMaxPool" | "MaxPool" | "ReduceSum" => match self.input(node, 0, depth) {
                same @ Found { kind: Kind::Logits, .. } => same,
                same @ Found { kind: Kind::Each { .. }, .. } if node.op_type != "ReduceSum" => same,
                _ => decided(Kind::Open),
            },
            "Slice" | "Gather" | "GatherND" | "GatherElements" | "Split" | "ArrayFeatureExtractor" => {
                self.picked(node, depth)
            }
            "Concat" => self.joined(node, depth),
            "Mul" | "Div" | "Add" | "Sub" | "Sum" | "Mean" | "Reciprocal" => self.arithmetic(node, depth),
            _ => decided(Kind::Open),
        }
    }

    /// Bounds leave probabilities what they are. Of logits they make something else, but for a sigmoid of straight lines.
    fn clip(&mut self, node: &'a NodeProto, depth: usize) -> Found<'a> {
        let data = node.input.iter().find(|name| self.names.constant(name).is_none());
        let Some(data) = data else { return Found { kind: Kind::Factor, node: None } };
        let found = self.find(data, depth);
        let bound = |index: usize, attribute: &str| match node.input.get(index).filter(|name| !name.is_empty()) {
            Some(name) => self.names.scalar(name),
            None => node.attribute.iter().find(|known| known.name == attribute).map(|known| known.f),
        };
        let bounds = (node.op_type == "Clip").then(|| [bound(1, "min"), bound(2, "max")]);
        match (found.kind, bounds) {
            (Kind::Shares { .. } | Kind::Each { .. } | Kind::Open, _) => found,
            // The two common forms of a hard sigmoid: `clip(x / 5 + 0.5, 0, 1)`, and `clip(x + 3, 0, 6) / 6`.
            (Kind::Logits, Some([Some(0.0), Some(high)])) if self.adds(data, high / 2.0) => {
                Found { kind: Kind::Each { low: 0.0, high }, node: Some(node) }
            }
            (Kind::Logits, Some([Some(low), Some(high)])) if low >= 0.0 && high <= 1.0 => {
                Found { kind: Kind::Open, node: Some(node) }
            }
            _ => Found { kind: Kind::Logits, node: Some(node) },
        }
    }

    /// Whether it is the sum of something and this number.
    fn adds(&self, name: &str, number: f32) -> bool {
        let Some(node) = self.names.producer(name).filter(|node| node.op_type == "Add") else { return false };
        node.input.iter().any(|input| self.names.scalar(input).is_some_and(|found| (found - number).abs() < TINY))
    }

    /// Bytes instead of what they stand for, or the other way round.
    fn quantised(&mut self, node: &'a NodeProto, depth: usize) -> Found<'a> {
        let found = self.input(node, 0, depth);
        let scalar =
            |index: usize| node.input.get(index).filter(|name| !name.is_empty()).map(|name| self.names.scalar(name));
        let (Some(Some(scale)), Some(zero)) = (scalar(1), scalar(2).unwrap_or(Some(0.0))) else { return found };
        let moved = |bound: f32| match node.op_type.as_str() {
            "QuantizeLinear" => bound / scale + zero,
            _ => (bound - zero) * scale,
        };
        let kind = match found.kind {
            Kind::Shares { low, high, part } => Kind::Shares { low: moved(low), high: moved(high), part },
            Kind::Each { low, high } => Kind::Each { low: moved(low), high: moved(high) },
            kind => kind,
        };
        Found { kind, ..found }
    }

    /// Some of the classes.
    fn picked(&mut self, node: &'a NodeProto, depth: usize) -> Found<'a> {
        // scikit-learn's lists have the classes first, and what is picked of them second.
        let found = self.input(node, 0, depth);
        match found.kind {
            Kind::Shares { low, high, .. } => Found { kind: Kind::Shares { low, high, part: true }, ..found },
            _ => found,
        }
    }

    fn joined(&mut self, node: &'a NodeProto, depth: usize) -> Found<'a> {
        let open = Found { kind: Kind::Open, node: Some(node) };
        if let [one, other] = node.input.as_slice()
            && (self.is_rest(one, other) || self.is_rest(other, one))
        {
            return Found { kind: Kind::Shares { low: 0.0, high: 1.0, part: false }, node: Some(node) };
        }
        let mut all: Option<Found<'a>> = None;
        for index in 0..node.input.len() {
            let found = self.input(node, index, depth);
            let fits = all.is_none_or(|first| match (first.kind, found.kind) {
                (Kind::Logits, Kind::Logits) => true,
                (one @ Kind::Each { .. }, other @ Kind::Each { .. }) => one == other,
                // Parts of one softmax in another order; of several, each adds up to one.
                (Kind::Shares { part: true, .. }, Kind::Shares { part: true, .. }) => {
                    first.node.map(std::ptr::from_ref) == found.node.map(std::ptr::from_ref)
                }
                _ => false,
            });
            if !fits {
                return open;
            }
            all = all.or(Some(found));
        }
        all.unwrap_or(open)
    }

    /// Whether it is one less the other, which is a single sigmoid: the probabilities of two classes.
    fn is_rest(&self, rest: &'a str, of: &'a str) -> bool {
        let Some(node) = self.names.producer(self.names.behind(rest)) else { return false };
        let [one, subtracted] = node.input.as_slice() else { return false };
        node.op_type == "Sub"
            && self.names.scalar(one) == Some(1.0)
            && self.names.behind(subtracted) == self.names.behind(of)
    }

    fn arithmetic(&mut self, node: &'a NodeProto, depth: usize) -> Found<'a> {
        let decided = |kind| Found { kind, node: Some(node) };
        match (node.op_type.as_str(), node.input.as_slice()) {
            ("Reciprocal", [below]) if self.is_one_and_exponential(below) => {
                return decided(Kind::Each { low: 0.0, high: 1.0 });
            }
            ("Div", [_, below]) if self.is_one_and_exponential(below) => {
                return decided(Kind::Each { low: 0.0, high: 1.0 });
            }
            ("Div", [data, sum]) if self.is_sum_of(sum, data) => {
                return decided(Kind::Shares { low: 0.0, high: 1.0, part: false });
            }
            ("Mul", [one, other]) if self.is_share_of(one, other) || self.is_share_of(other, one) => {
                return decided(Kind::Shares { low: 0.0, high: 1.0, part: false });
            }
            ("Sub", [data, sum]) if self.is_log_of_sum(sum, data) => return decided(Kind::LogShares),
            _ => {}
        }
        let constants: Vec<Option<f32>> = node.input.iter().map(|name| self.names.scalar(name)).collect();
        let found: Vec<Found<'a>> = (0..node.input.len()).map(|index| self.input(node, index, depth)).collect();
        match (found.as_slice(), constants.as_slice()) {
            (&[data, Found { kind: Kind::Factor, .. }], &[_, number]) => with_constant(node, data, number, false),
            (&[Found { kind: Kind::Factor, .. }, data], &[number, _]) => with_constant(node, data, number, true),
            _ => several(node, &found),
        }
    }

    /// `1 + exp(x)`
    fn is_one_and_exponential(&self, name: &'a str) -> bool {
        let Some(node) = self.names.producer(self.names.behind(name)) else { return false };
        let is_exponential = |name: &'a str| self.operator(name) == Some("Exp");
        node.op_type == "Add"
            && node.input.iter().any(|input| self.names.scalar(input) == Some(1.0))
            && node.input.iter().any(|input| is_exponential(input))
    }

    fn operator(&self, name: &'a str) -> Option<&'a str> {
        self.names.producer(self.names.behind(name)).map(|node| node.op_type.as_str())
    }

    /// Whether it is the sum of the other over the classes; what keeps it from being zero is looked through.
    fn is_sum_of(&self, sum: &'a str, data: &'a str) -> bool {
        let mut name = self.names.behind(sum);
        for _ in 0..4 {
            let Some(node) = self.names.producer(name) else { return false };
            let Some(first) = node.input.first() else { return false };
            match node.op_type.as_str() {
                "ReduceSum" | "ReduceL1" => return self.names.behind(first) == self.names.behind(data),
                "Add" | "Max" | "Clip" => {
                    let depends = node.input.iter().find(|input| self.names.constant(input).is_none());
                    name = self.names.behind(depends.unwrap_or(first));
                }
                _ => return false,
            }
        }
        false
    }

    /// Whether it is one divided by the sum of the other.
    fn is_share_of(&self, share: &'a str, data: &'a str) -> bool {
        let Some(node) = self.names.producer(self.names.behind(share)) else { return false };
        match (node.op_type.as_str(), node.input.as_slice()) {
            ("Reciprocal", [sum]) => self.is_sum_of(sum, data),
            ("Div", [one, sum]) => self.names.scalar(one) == Some(1.0) && self.is_sum_of(sum, data),
            _ => false,
        }
    }

    /// Whether it is the logarithm of the sum of the other's exponentials.
    fn is_log_of_sum(&self, name: &'a str, data: &'a str) -> bool {
        let Some(node) = self.names.producer(self.names.behind(name)) else { return false };
        let Some(inside) = node.input.first() else { return false };
        let same = |name: &'a str| self.names.behind(name) == self.names.behind(data);
        match node.op_type.as_str() {
            "ReduceLogSumExp" => same(inside),
            "Log" => {
                let sum = self.names.producer(self.names.behind(inside)).filter(|node| node.op_type == "ReduceSum");
                let exponential = sum.and_then(|node| node.input.first()).map(|name| self.names.behind(name));
                let exponential = exponential.and_then(|name| self.names.producer(name));
                exponential.is_some_and(|node| node.op_type == "Exp" && node.input.first().is_some_and(|x| same(x)))
            }
            _ => false,
        }
    }
}

/// What becomes of it beside a constant, which is one `number` for all classes or differs between them; `first` if the constant
/// comes first.
fn with_constant<'a>(node: &'a NodeProto, data: Found<'a>, number: Option<f32>, first: bool) -> Found<'a> {
    let open = Found { kind: Kind::Open, node: Some(node) };
    let operator = node.op_type.as_str();
    // From what a bound was to what it becomes.
    let moved = |bound: f32, number: f32| match (operator, first) {
        ("Mul", _) => Some(bound * number),
        ("Div", false) => Some(bound / number),
        ("Add" | "Sum", _) => Some(bound + number),
        ("Sub", false) => Some(bound - number),
        ("Sub", true) => Some(number - bound),
        ("Mean", _) => Some((bound + number) / 2.0),
        _ => None,
    };
    let bounds = |low: f32, high: f32| {
        let number = number?;
        if matches!(operator, "Add" | "Sub") && !first && number.abs() <= TINY * (high - low) {
            return Some([low, high]);
        }
        Some([moved(low, number)?, moved(high, number)?])
    };
    let kind = match data.kind {
        // A larger logit has to stay the larger one.
        Kind::Logits | Kind::LogShares if matches!(operator, "Mul" | "Div") => match number {
            Some(number) if number <= 0.0 => return open,
            _ if first && operator == "Div" => return open,
            _ => Kind::Logits,
        },
        Kind::Logits | Kind::LogShares if operator == "Sub" && first => return open,
        Kind::Logits | Kind::LogShares => Kind::Logits,
        Kind::Shares { low, high, part } => match bounds(low, high) {
            Some([low, high]) => Kind::Shares { low, high, part },
            None => return open,
        },
        Kind::Each { low, high } => match bounds(low, high) {
            Some([low, high]) => Kind::Each { low: low.min(high), high: low.max(high) },
            None => return open,
        },
        Kind::Factor => Kind::Factor,
        Kind::Open => return data,
    };
    Found { kind, ..data }
}

/// What becomes of several results that all depend on the picture.
fn several<'a>(node: &'a NodeProto, found: &[Found<'a>]) -> Found<'a> {
    let decided = |kind| Found { kind, node: Some(node) };
    let Some((&first, rest)) = found.split_first() else { return decided(Kind::Open) };
    if let Some(open) = found.iter().find(|found| found.kind == Kind::Open) {
        // The difference to something that is the same for all classes changes no probability.
        let is_shifted = node.op_type == "Sub" && first.kind == Kind::Logits && rest.len() == 1;
        return if is_shifted { first } else { *open };
    }
    let adds = matches!(node.op_type.as_str(), "Add" | "Sum" | "Mean");
    let count = if node.op_type == "Mean" { found.len() as f32 } else { 1.0 };
    let kinds = || found.iter().map(|found| found.kind);
    if kinds().any(|kind| matches!(kind, Kind::Logits | Kind::LogShares)) {
        let fits = match node.op_type.as_str() {
            "Sub" => rest.iter().all(|found| found.kind != Kind::LogShares) || first.kind == Kind::Logits,
            "Div" => false,
            _ => true,
        };
        return decided(if fits { Kind::Logits } else { Kind::Open });
    }
    let mut sum = first.kind;
    for kind in kinds().skip(1) {
        sum = match (sum, kind) {
            (Kind::Shares { low, high, part }, Kind::Shares { low: other, high: above, part: missing }) if adds => {
                Kind::Shares { low: low + other, high: high + above, part: part || missing }
            }
            (Kind::Each { low, high }, Kind::Each { low: other, high: above }) if adds => {
                Kind::Each { low: low + other, high: high + above }
            }
            // The probability of a class where there is anything at all.
            (Kind::Each { low: 0.0, high }, Kind::Each { low: 0.0, high: above }) if node.op_type == "Mul" => {
                Kind::Each { low: 0.0, high: high * above }
            }
            (Kind::Shares { low: 0.0, high, .. }, Kind::Each { low: 0.0, high: above })
            | (Kind::Each { low: 0.0, high }, Kind::Shares { low: 0.0, high: above, .. })
                if node.op_type == "Mul" =>
            {
                Kind::Shares { low: 0.0, high: high * above, part: true }
            }
            _ => return decided(Kind::Open),
        };
    }
    match sum {
        Kind::Shares { low, high, part } => decided(Kind::Shares { low: low / count, high: high / count, part }),
        Kind::Each { low, high } => decided(Kind::Each { low: low / count, high: high / count }),
        kind => decided(kind),
    }
}

#[cfg(test)]
mod tests;
