//! Model files that were damaged or made to do harm: refused or run, without a panic and without gigabytes.

use glimpsed_core::infer::{Model, inspect};
use glimpsed_core::models::spec::ModelSpec;
use glimpsed_inference::pb::tensor_shape_proto::dimension;
use glimpsed_inference::pb::{ModelProto, NodeProto, TensorProto};
use glimpsed_inference::{Backend, Tensor};
use proptest::prelude::*;
use prost::Message;

use crate::allocations::most_held;
use crate::onnx::Fixture;

/// Networks of every kind of operator, the smallest file of each; wide ones for strips and for both forms of Winograd.
const FIXTURES: [&str; 10] = [
    "efficientnet-lite-opset21",
    "mobilenet-v1-opset9",
    "mobilenet-v2-opset10",
    "mobilenet-v2-qdq",
    "resnet-opset7",
    "resnext-opset13",
    "resnext-qoperator",
    "squeezenet-opset13",
    "wide-opset13",
    "wide-qdq",
];

/// More than any of the fixtures needs, whatever is said in 70 kB.
const MOST_BYTES: isize = 1 << 30;

/// A larger one takes too long to run in a test.
const MOST_MACS: u64 = 50_000_000;

/// Numbers at which arithmetic goes wrong.
const INTEGERS: [i64; 16] =
    [i64::MIN, -(1 << 31), -2, -1, 0, 1, 2, 3, 16, 63, 64, 65, 1 << 16, 1 << 31, 1 << 62, i64::MAX];
const FLOATS: [f32; 9] =
    [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, -1.0, f32::MIN_POSITIVE, f32::MAX, 1e-45];
const OPERATORS: [&str; 16] = [
    "Conv",
    "Gemm",
    "MatMul",
    "Clip",
    "Min",
    "Max",
    "Add",
    "Mul",
    "Pad",
    "MaxPool",
    "AveragePool",
    "Concat",
    "Reshape",
    "Transpose",
    "QuantizeLinear",
    "DequantizeLinear",
];

struct Attacker {
    random: fastrand::Rng,
}

impl Attacker {
    fn pick<'a, T>(&mut self, of: &'a mut [T]) -> Option<&'a mut T> {
        let at = self.random.usize(..of.len().max(1));
        of.get_mut(at)
    }

    fn integer(&mut self) -> i64 {
        INTEGERS[self.random.usize(..INTEGERS.len())]
    }

    fn float(&mut self) -> f32 {
        FLOATS[self.random.usize(..FLOATS.len())]
    }

    /// One field of the graph becomes another.
    fn change(&mut self, model: &mut ModelProto) {
        let Some(graph) = model.graph.as_mut() else { return };
        let names: Vec<String> =
            graph.node.iter().flat_map(|node| node.output.iter().chain(&node.input).cloned()).collect();
        match self.random.u8(..12) {
            0 => {
                let node = self.random.usize(..graph.node.len());
                let removed = graph.node.remove(node);
                if self.random.bool() {
                    graph.node.push(removed);
                }
            }
            1 => {
                let (a, b) = (self.random.usize(..graph.node.len()), self.random.usize(..graph.node.len()));
                graph.node.swap(a, b);
            }
            2 => {
                let operator = OPERATORS[self.random.usize(..OPERATORS.len())];
                if let Some(node) = self.pick(&mut graph.node) {
                    node.op_type = operator.into();
                }
            }
            // Cycles, additions of everything to everything, pictures for weights.
            3 | 4 => {
                let name = names[self.random.usize(..names.len())].clone();
                let node = self.random.usize(..graph.node.len());
                if let Some(input) = self.pick(&mut graph.node[node].input) {
                    *input = name;
                }
            }
            5 => {
                let node = self.random.usize(..graph.node.len());
                graph.node[node].input.truncate(self.random.usize(..3));
            }
            6 | 7 => {
                let node = self.random.usize(..graph.node.len());
                self.change_attribute(&mut graph.node[node]);
            }
            8 | 9 => {
                let tensor = self.random.usize(..graph.initializer.len());
                self.change_tensor(&mut graph.initializer[tensor]);
            }
            10 => {
                let (side, length) = (self.random.usize(..4), self.integer());
                let kind = graph.input[0].r#type.as_mut().and_then(|kind| kind.value.as_mut());
                if let Some(glimpsed_inference::pb::type_proto::Value::TensorType(tensor)) = kind
                    && let Some(dim) = tensor.shape.as_mut().and_then(|shape| shape.dim.get_mut(side))
                {
                    dim.value = Some(dimension::Value::DimValue(length));
                }
            }
            _ => graph.output[0].name = names[self.random.usize(..names.len())].clone(),
        }
    }

    fn change_attribute(&mut self, node: &mut NodeProto) {
        let (integer, float) = (self.integer(), self.float());
        let Some(attribute) = self.pick(&mut node.attribute) else { return };
        (attribute.i, attribute.f) = (integer, float);
        match self.random.u8(..4) {
            0 => attribute.ints.clear(),
            1 => attribute.ints.push(integer),
            2 => attribute.name.push('s'),
            _ => {
                if let Some(value) = self.pick(&mut attribute.ints) {
                    *value = integer;
                }
            }
        }
    }

    fn change_tensor(&mut self, tensor: &mut TensorProto) {
        match self.random.u8(..6) {
            0 => {
                let side = self.integer();
                if let Some(dim) = self.pick(&mut tensor.dims) {
                    *dim = side;
                }
            }
            1 => tensor.dims.reverse(),
            2 => tensor.raw_data.truncate(self.random.usize(..9)),
            3 => tensor.data_type = self.random.i32(0..24),
            4 => {
                let bytes = self.float().to_le_bytes();
                tensor.raw_data.chunks_exact_mut(4).for_each(|four| four.copy_from_slice(&bytes));
            }
            _ => {
                tensor.dims.insert(0, self.integer());
            }
        }
    }

    /// Bytes become others, vanish or come twice.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        let (at, length) = (self.random.usize(..bytes.len()), self.random.usize(1..40));
        let end = (at + length).min(bytes.len());
        match self.random.u8(..5) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let twice = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, twice));
            }
            // A number of the protobuf that is as large as numbers get.
            3 => bytes[at..end].fill(0xFF),
            _ => bytes[at] ^= 1 << self.random.u8(..8),
        }
    }
}

/// Compiles the file, and runs it where that does not take long.
fn try_out(bytes: &[u8]) {
    let file = Fixture::new(bytes);
    let labels: String = (0..10).map(|class| format!("class {class}\n")).collect();
    let spec = ModelSpec { backend: Backend::Native, ..file.spec(&labels) };
    if inspect(&spec).is_ok_and(|inspection| inspection.file.macs <= MOST_MACS)
        && let Ok(mut model) = Model::load(&spec)
    {
        let tensor = Tensor::for_input(&model.input);
        let scores = model.raw_scores(&tensor).expect("what was compiled runs").len();
        assert_eq!(scores, model.inspection.classes);
    }
}

fn original(which: usize) -> Vec<u8> {
    std::fs::read(crate::support::exported(FIXTURES[which])).expect("a fixture")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, max_shrink_iters: 0, ..ProptestConfig::default() })]

    #[test]
    fn a_graph_with_fields_of_others_is_refused_or_runs(which in 0..FIXTURES.len(), seed: u64, changes in 1usize..5) {
        let mut model = ModelProto::decode(&original(which)[..]).expect("a model");
        let mut attacker = Attacker { random: fastrand::Rng::with_seed(seed) };
        for _ in 0..changes {
            attacker.change(&mut model);
        }
        let held = most_held(|| try_out(&model.encode_to_vec()));
        prop_assert!(held < MOST_BYTES, "{held} bytes");
    }

    #[test]
    fn a_damaged_file_is_refused_or_runs(which in 0..FIXTURES.len(), seed: u64, damages in 1usize..4) {
        let mut bytes = original(which);
        let mut attacker = Attacker { random: fastrand::Rng::with_seed(seed) };
        for _ in 0..damages {
            attacker.damage(&mut bytes);
            if bytes.is_empty() {
                break;
            }
        }
        let held = most_held(|| try_out(&bytes));
        prop_assert!(held < MOST_BYTES, "{held} bytes");
    }
}
