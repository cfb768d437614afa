use super::*;
use crate::onnx::pb::attribute_proto::AttributeType;
use crate::onnx::pb::tensor_proto::DataType;
use crate::onnx::pb::{AttributeProto, TensorProto, ValueInfoProto};

fn constant(name: &str, values: &[f32]) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: vec![values.len() as i64],
        data_type: DataType::Float as i32,
        float_data: values.to_vec(),
        ..TensorProto::default()
    }
}

/// A graph of lines such as `y = Softmax(x)`, in which `logits` is the last matrix's result and numbers are constants.
fn end(lines: &str) -> End {
    let mut graph = GraphProto::default();
    let gemm = "logits = Gemm(picture, weights)";
    graph.initializer.push(constant("weights", &[1.0, 2.0]));
    graph.initializer.push(constant("each", &[1.0, 2.0]));
    let mut last = "logits";
    for line in std::iter::once(gemm).chain(lines.lines().map(str::trim).filter(|line| !line.is_empty())) {
        let (output, call) = line.split_once(" = ").expect("an assignment");
        let (operator, inputs) = call.trim_end_matches(')').split_once('(').expect("a call");
        let input: Vec<String> = inputs.split(", ").filter(|name| !name.is_empty()).map(str::to_owned).collect();
        for number in input.iter().filter(|name| name.parse::<f32>().is_ok()) {
            graph.initializer.push(constant(number, &[number.parse().expect("a number")]));
        }
        let (op_type, output) = (operator.to_owned(), vec![output.to_owned()]);
        let labels = AttributeProto {
            name: "classlabels_strings".into(),
            r#type: AttributeType::Strings as i32,
            strings: vec![b"a".to_vec(), b"b".to_vec()],
            ..AttributeProto::default()
        };
        let attribute = if operator == "ZipMap" { vec![labels] } else { Vec::new() };
        graph.node.push(NodeProto { op_type, input, output, attribute, ..NodeProto::default() });
        last = line.split_once(" = ").expect("an assignment").0;
    }
    graph.output.push(ValueInfoProto { name: last.into(), r#type: None });
    of(&graph)
}

fn assert_is(scores: Option<Scores>, range: [f32; 2], ends: &[&str]) {
    for lines in ends {
        let found = end(lines);
        assert_eq!(found.scores, scores, "{lines}: {found:?}");
        let same = found.range.iter().zip(range).all(|(one, other)| (one - other).abs() < 1e-4);
        assert!(same, "{lines}: {:?}", found.range);
    }
}

const UNIT: [f32; 2] = [0.0, 1.0];

#[test]
fn what_keeps_the_order_of_logits_leaves_logits() {
    let ends = [
        "",
        "y = Flatten(logits)",
        "y = Add(logits, each)",
        "y = Div(logits, 1.5)",
        "y = LogSoftmax(logits)",
        "y = Relu(logits)",
        "p = Relu(logits)\ny = GlobalAveragePool(p)",
        "m = ReduceMax(logits)\ny = Sub(logits, m)",
        "s = ReduceLogSumExp(logits)\ny = Sub(logits, s)",
        "p = Softmax(logits)\ny = Log(p)",
        "t = Transpose(logits)\nq = QuantizeLinear(t, 1, 0)\ny = DequantizeLinear(q, 1, 0)",
        "q = DynamicQuantizeLinear(logits)\nm = MatMulInteger(q, weights)\nc = Cast(m)\ny = Mul(c, each)",
        "other = Gemm(picture, weights)\ny = Concat(logits, other)",
        "other = Gemm(picture, weights)\ny = Add(logits, other)",
    ];
    assert_is(Some(Scores::Logits), UNIT, &ends);
}

#[test]
fn a_softmax_is_found_behind_what_leaves_probabilities() {
    let ends = [
        "y = Softmax(logits)",
        "p = Softmax(logits)\ny = Clip(p, 1e-7, 1)",
        "p = Softmax(logits)\nt = Transpose(p)\ny = Reshape(t, 1)",
        "p = Softmax(logits)\ny = Add(p, 1e-7)",
        "p = Softmax(logits)\ny = ReduceMean(p)",
        "p = Softmax(logits)\nq = Softmax(picture)\ns = Add(p, q)\ny = Mul(s, 0.5)",
        "p = Softmax(logits)\nq = Softmax(picture)\ny = Mean(p, q)",
        "l = LogSoftmax(logits)\ny = Exp(l)",
        "p = Softmax(logits)\ny = ZipMap(p)",
    ];
    assert_is(Some(Scores::Softmax), UNIT, &ends);
}

#[test]
fn a_softmax_by_hand_is_one() {
    let ends = [
        "m = ReduceMax(logits)\nd = Sub(logits, m)\ne = Exp(d)\ns = ReduceSum(e)\ny = Div(e, s)",
        "e = Exp(logits)\ns = ReduceSum(e)\nc = Clip(s, 1e-9)\ny = Div(e, c)",
        "e = Exp(logits)\ns = ReduceSum(e)\nr = Reciprocal(s)\ny = Mul(e, r)",
        "e = Exp(logits)\ns = ReduceL1(e)\na = Add(s, 1e-9)\ny = Div(e, a)",
        "s = ReduceLogSumExp(logits)\nl = Sub(logits, s)\ny = Exp(l)",
        "e = Exp(logits)\ns = ReduceSum(e)\nl = Log(s)\nd = Sub(logits, l)\ny = Exp(d)",
        "p = Sigmoid(logits)\nr = Sub(1, p)\ny = Concat(r, p)",
    ];
    assert_is(Some(Scores::Softmax), UNIT, &ends);
}

#[test]
fn percentages_have_their_range() {
    assert_is(
        Some(Scores::Softmax),
        [0.0, 100.0],
        &["p = Softmax(logits)\ny = Mul(p, 100)", "p = Softmax(logits)\nm = Mul(100, p)\ny = Round(m)"],
    );
    assert_is(Some(Scores::Sigmoid), [0.0, 100.0], &["p = Sigmoid(logits)\ny = Mul(p, 100)"]);
    // Bytes that stand for probabilities.
    assert_is(Some(Scores::Softmax), [0.0, 256.0], &["p = Softmax(logits)\ny = QuantizeLinear(p, 0.00390625, 0)"]);
    assert_is(
        Some(Scores::Softmax),
        UNIT,
        &["p = Softmax(logits)\nq = QuantizeLinear(p, 0.00390625, 3)\ny = DequantizeLinear(q, 0.00390625, 3)"],
    );
    assert_is(Some(Scores::Softmax), [-1.0, 1.0], &["p = Softmax(logits)\nm = Mul(p, 2)\ny = Sub(m, 1)"]);
}

#[test]
fn some_of_a_softmax_s_classes_are_a_part() {
    for lines in ["p = Softmax(logits)\ny = Slice(p, 1, 2)", "p = Softmax(logits)\ny = Gather(p, 1)"] {
        let found = end(lines);
        assert_eq!((found.scores, found.part), (Some(Scores::Softmax), true), "{lines}");
    }
    assert!(!end("y = Softmax(logits)").part);
}

#[test]
fn sigmoids_are_independent_of_each_other() {
    let ends = [
        "y = Sigmoid(logits)",
        "y = HardSigmoid(logits)",
        "p = Sigmoid(logits)\ny = Clip(p, 0, 1)",
        "n = Neg(logits)\ne = Exp(n)\na = Add(1, e)\ny = Div(1, a)",
        "n = Neg(logits)\ne = Exp(n)\na = Add(e, 1)\ny = Reciprocal(a)",
        "t = Tanh(logits)\na = Add(t, 1)\ny = Mul(a, 0.5)",
        "m = Mul(logits, 0.2)\na = Add(m, 0.5)\ny = Clip(a, 0, 1)",
        "a = Add(logits, 3)\nc = Clip(a, 0, 6)\ny = Div(c, 6)",
        "p = Sigmoid(logits)\nq = Sigmoid(picture)\ny = Concat(p, q)",
        "p = Sigmoid(logits)\ny = Slice(p, 1, 2)",
        "p = Sigmoid(logits)\ny = Sub(1, p)",
        "p = Sigmoid(logits)\ny = ReduceMax(p)",
        "p = Sigmoid(logits)\nt = Transpose(p)\ny = ReduceMean(t)",
        "p = Sigmoid(logits)\nq = Sigmoid(picture)\ny = Mul(p, q)",
    ];
    assert_is(Some(Scores::Sigmoid), UNIT, &ends);
}

#[test]
fn what_is_not_understood_is_left_open_and_named() {
    let ends = [
        "y = Tanh(logits)",
        "y = Exp(logits)",
        "y = Softplus(logits)",
        "y = Neg(logits)",
        "y = Mul(logits, -1)",
        "y = Clip(logits, 0, 1)",
        "n = ReduceL2(logits)\ny = Div(logits, n)",
        "p = Softmax(logits)\nq = Softmax(picture)\ny = Concat(p, q)",
        "p = Softmax(logits)\ny = Mul(p, each)",
        "p = Softmax(logits)\ny = Pow(p, 2)",
        "y = TopK(logits)",
        "y = LikeNothingElse(logits)",
    ];
    assert_is(None, UNIT, &ends);
    assert_eq!(end("t = Tanh(logits)\ny = Identity(t)").says, "`Tanh` (at `t`)");
    assert_eq!(end("p = Softmax(logits)\ny = Clip(p, 0, 1)").says, "`Softmax` (at `p`)");
}

#[test]
fn a_long_or_circular_graph_is_left_open_and_read_in_no_time() {
    let long: String = (0..5000).map(|index| format!("a{} = Abs(a{index})\n", index + 1)).collect();
    assert_eq!(end(&format!("a0 = Tanh(logits)\n{long}")).scores, None);
    assert_eq!(end("y = Identity(y)").scores, None);
    let doubled: String = (0..60).map(|index| format!("a{} = Add(a{index}, a{index})\n", index + 1)).collect();
    assert_eq!(end(&format!("a0 = Gemm(picture, weights)\n{doubled}")).scores, Some(Scores::Logits));
}
