//! Surgery on a decoded graph: a network that ends before its last matrix, or that ends in another one.

use std::collections::{HashMap, HashSet};

use super::outputs::floats;
use super::pb::attribute_proto::AttributeType;
use super::pb::tensor_proto::DataType;
use super::pb::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, type_proto};
use crate::error::Error;

/// A last matrix: `weights * vector + bias` are the logits of the classes.
#[derive(Debug, Clone, Copy)]
pub struct LastMatrix<'a> {
    /// The weights, class by class. There are as many for each class as the vector has numbers.
    pub weights: &'a [f32],
    /// One number for each class.
    pub bias: &'a [f32],
}

/// Makes what stands before the last matrix the only output, as a vector, and leaves out what only the rest needs. A model whose
/// second output stands on the way to the first gives that one, because the export meant it so. Returns the output's name.
///
/// # Errors
/// [`Error::NoLastMatrix`].
pub(crate) fn cut(model: &mut ModelProto) -> Result<String, Error> {
    let refuse = |cause: String| Error::NoLastMatrix { cause };
    let graph = model.graph.as_mut().ok_or_else(|| refuse("there is no graph".into()))?;
    let End { name, is_picture } = own_vector(graph).map_or_else(|| end(graph), Ok).map_err(refuse)?;
    let mut last = name;
    let mut add = |graph: &mut GraphProto, operator: &str, label: &str| {
        let output = unused(graph, label);
        let input = vec![std::mem::replace(&mut last, output.clone())];
        let (op_type, name) = (operator.to_owned(), output.clone());
        graph.node.push(NodeProto { op_type, name, input, output: vec![output.clone()], ..NodeProto::default() });
        output
    };
    if is_picture {
        // A mean over one pixel changes nothing.
        add(graph, "GlobalAveragePool", "glimpsed/mean");
    }
    let vector = add(graph, "Flatten", "glimpsed/vector");
    graph.output = vec![floats(&vector, None)];
    leave_out_unneeded(graph);
    Ok(vector)
}

/// Makes the first output the only one, and leaves out what only others need.
pub(crate) fn keep_first_output(model: &mut ModelProto) {
    if let Some(graph) = model.graph.as_mut().filter(|graph| graph.output.len() > 1 || has_map(graph)) {
        leave_out_unneeded(graph);
    }
}

/// Whether nodes follow that make a map of the numbers.
fn has_map(graph: &GraphProto) -> bool {
    graph.node.iter().any(|node| node.op_type == "ZipMap")
}

/// Replaces the last matrix of a whole model.
///
/// # Errors
/// [`Error::NoLastMatrix`], also for a matrix that has not as many numbers for each class.
pub(crate) fn replace(model: &mut ModelProto, matrix: &LastMatrix<'_>) -> Result<(), Error> {
    let refuse = |cause: &str| Error::NoLastMatrix { cause: cause.to_owned() };
    let classes = matrix.bias.len();
    if classes == 0 || matrix.weights.is_empty() || !matrix.weights.len().is_multiple_of(classes) {
        return Err(refuse("the new one is empty, or not as long for one class as for another"));
    }
    let vector = cut(model)?;
    let opset = model.opset_import.iter().find(|set| matches!(set.domain.as_str(), "" | "ai.onnx"));
    let opset = opset.map_or(0, |set| set.version);
    let graph = model.graph.as_mut().ok_or_else(|| refuse("there is no graph"))?;
    if opset < 13 {
        without_axes(graph).map_err(refuse)?;
    }
    let length = (matrix.weights.len() / classes) as i64;
    let names = ["glimpsed/weights", "glimpsed/bias", "glimpsed/scores"].map(|name| unused(graph, name));
    let [weights, bias, scores] = names;
    graph.initializer.push(tensor(&weights, vec![classes as i64, length], matrix.weights));
    graph.initializer.push(tensor(&bias, vec![classes as i64], matrix.bias));
    let transposed =
        AttributeProto { name: "transB".into(), r#type: AttributeType::Int as i32, i: 1, ..AttributeProto::default() };
    graph.node.push(NodeProto {
        op_type: "Gemm".into(),
        name: scores.clone(),
        input: vec![vector, weights, bias],
        output: vec![scores.clone()],
        attribute: vec![transposed],
        ..NodeProto::default()
    });
    graph.output = vec![floats(&scores, Some(classes))];
    Ok(())
}

/// Takes the last matrix with its biases out of a model that [`replace`] has made; `None`, and nothing is changed, if it has not.
pub(crate) fn take_own(model: &mut ModelProto) -> Option<(Vec<f32>, Vec<f32>)> {
    let graph = model.graph.as_mut()?;
    let NodeProto { op_type, input, output, .. } = graph.node.last()?;
    let [scores] = output.as_slice() else { return None };
    let [_, weights, bias] = input.as_slice() else { return None };
    let named = |name: &str, own: &str| name.trim_end_matches('+') == own;
    let is_output = graph.output.len() == 1 && graph.output[0].name == *scores;
    let is_own = [(weights, "glimpsed/weights"), (bias, "glimpsed/bias"), (scores, "glimpsed/scores")];
    if op_type != "Gemm" || !is_output || is_own.iter().any(|(name, own)| !named(name, own)) {
        return None;
    }
    let place = |name: &String| graph.initializer.iter().position(|tensor| tensor.name == *name);
    let [weights, bias] = [place(weights)?, place(bias)?];
    let [found_weights, found_bias] = [weights, bias].map(|index| numbers(&graph.initializer[index]));
    let (found_weights, found_bias) = (found_weights?, found_bias?);
    if found_bias.is_empty() || !found_weights.len().is_multiple_of(found_bias.len()) {
        return None;
    }
    let mut index = 0;
    graph.initializer.retain(|_| {
        index += 1;
        ![weights, bias].contains(&(index - 1))
    });
    graph.node.pop();
    graph.output.clear();
    Some((found_weights, found_bias))
}

/// The floats of a tensor as [`tensor`] writes it.
fn numbers(tensor: &TensorProto) -> Option<Vec<f32>> {
    let (numbers, []) = tensor.raw_data.as_chunks::<4>() else { return None };
    let numbers: Vec<f32> = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let length: i64 = tensor.dims.iter().product();
    (tensor.data_type == DataType::Float as i32 && length == numbers.len() as i64).then_some(numbers)
}

/// Where a network ends that has no last matrix any more.
struct End {
    name: String,
    /// Whether it is a picture, of which the mean over its pixels is taken.
    is_picture: bool,
}

/// The second output, if the first one is computed from it.
fn own_vector(graph: &GraphProto) -> Option<End> {
    let [first, second, ..] = graph.output.as_slice() else { return None };
    let Some(type_proto::Value::TensorType(tensor)) = second.r#type.as_ref()?.value.as_ref() else { return None };
    let sides = tensor.shape.as_ref().map_or(0, |shape| shape.dim.len());
    let meant = tensor.elem_type == DataType::Float as i32 && matches!(sides, 2 | 4);
    let used = needed(graph, &first.name).contains(second.name.as_str()) && first.name != second.name;
    (meant && used).then(|| End { name: second.name.clone(), is_picture: sides == 4 })
}

/// The data of the last matrix, or of the last convolution where that is nearer to the output.
fn end(graph: &GraphProto) -> Result<End, String> {
    let constants = constants(graph);
    let producers: HashMap<&str, &NodeProto> =
        graph.node.iter().flat_map(|node| node.output.iter().map(move |name| (name.as_str(), node))).collect();
    let mut name = graph.output.first().map_or("", |output| output.name.as_str());
    // Bounded by the number of nodes, so that it ends in a graph with a cycle.
    for _ in 0..=graph.node.len() {
        let node = producers.get(name).ok_or("no matrix stands before its output")?;
        let is_constant = |input: Option<&String>| input.is_some_and(|input| constants.contains(input.as_str()));
        let operator = node.op_type.as_str();
        if matches!(operator, "Gemm" | "MatMul" | "Conv") && is_constant(node.input.get(1)) {
            let data = node.input.first().filter(|data| !constants.contains(data.as_str()));
            let data = data.ok_or_else(|| format!("`{name}` does not depend on the picture"))?;
            return Ok(End { name: data.clone(), is_picture: operator == "Conv" });
        }
        let mut depends = node.input.iter().filter(|input| !input.is_empty() && !constants.contains(input.as_str()));
        match (depends.next(), depends.next()) {
            (Some(input), None) => name = input,
            _ => return Err(format!("before it stands {operator} (at `{name}`), which joins several results")),
        }
    }
    Err("its graph is a circle".into())
}

/// The names that depend on constants alone. Nodes come after those whose results they use.
fn constants(graph: &GraphProto) -> HashSet<&str> {
    let mut constants: HashSet<&str> = graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
    for node in &graph.node {
        if node.input.iter().all(|name| name.is_empty() || constants.contains(name.as_str())) {
            constants.extend(node.output.iter().map(String::as_str));
        }
    }
    constants
}

/// The names that a result depends on, itself included.
fn needed(graph: &GraphProto, name: &str) -> HashSet<String> {
    let mut needed = HashSet::from([name.to_owned()]);
    for node in graph.node.iter().rev() {
        if node.output.iter().any(|output| needed.contains(output)) {
            // The subgraphs of `If` and `Loop` use names from outside, which no input lists.
            let inner = node.attribute.iter().flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs));
            needed.extend(inner.flat_map(|graph| &graph.node).flat_map(|node| node.input.clone()));
            needed.extend(node.input.iter().cloned());
        }
    }
    needed
}

/// Leaves out what only other outputs than the first one need.
fn leave_out_unneeded(graph: &mut GraphProto) {
    graph.output.truncate(1);
    let output = graph.output.first().map_or(String::new(), |output| output.name.clone());
    let needed = needed(graph, &output);
    let weights: HashSet<String> = graph.initializer.iter().map(|tensor| tensor.name.clone()).collect();
    graph.node.retain(|node| node.output.iter().any(|output| needed.contains(output)));
    graph.initializer.retain(|tensor| needed.contains(&tensor.name));
    graph
        .sparse_initializer
        .retain(|tensor| tensor.values.as_ref().is_some_and(|values| needed.contains(&values.name)));
    // The picture stays an input in any case; older exporters list the weights too.
    graph.input.retain(|input| !weights.contains(&input.name) || needed.contains(&input.name));
    graph.value_info.retain(|value| needed.contains(&value.name));
}

/// Takes the axes out of dequantisations, which before version 13 of the operators had none.
fn without_axes(graph: &mut GraphProto) -> Result<(), &'static str> {
    let several = |graph: &GraphProto, name: Option<&String>| {
        let tensor = graph.initializer.iter().find(|tensor| Some(&tensor.name) == name);
        tensor.is_some_and(|tensor| tensor.dims.iter().product::<i64>() > 1)
    };
    let expanded = |node: &NodeProto| node.op_type == "DequantizeLinear" && !node.attribute.is_empty();
    if graph.node.iter().any(|node| expanded(node) && several(graph, node.input.get(1))) {
        return Err(
            "its weights have a scale for each channel, which operators before version 13 have not; convert it to opset 13",
        );
    }
    graph.node.iter_mut().filter(|node| expanded(node)).for_each(|node| node.attribute.clear());
    Ok(())
}

/// `wanted`, or a longer name that nothing in the graph has.
fn unused(graph: &GraphProto, wanted: &str) -> String {
    let mut taken: HashSet<&str> = graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
    taken.extend(graph.input.iter().map(|input| input.name.as_str()));
    taken.extend(graph.node.iter().flat_map(|node| &node.output).map(String::as_str));
    let mut name = wanted.to_owned();
    while taken.contains(name.as_str()) {
        name.push('+');
    }
    name
}

fn tensor(name: &str, dims: Vec<i64>, numbers: &[f32]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims,
        data_type: DataType::Float as i32,
        raw_data: numbers.iter().flat_map(|number| number.to_le_bytes()).collect(),
        ..TensorProto::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(operator: &str, inputs: &[&str], output: &str) -> NodeProto {
        NodeProto {
            op_type: operator.into(),
            input: inputs.iter().map(|&name| name.to_owned()).collect(),
            output: vec![output.into()],
            ..NodeProto::default()
        }
    }

    fn model(nodes: Vec<NodeProto>, outputs: &[&str]) -> ModelProto {
        let graph = GraphProto {
            node: nodes,
            input: vec![floats("picture", Some(3))],
            output: outputs.iter().map(|name| floats(name, Some(4))).collect(),
            initializer: ["w", "b", "v"].map(|name| tensor(name, vec![1], &[1.0])).into(),
            ..GraphProto::default()
        };
        ModelProto { graph: Some(graph), ..ModelProto::default() }
    }

    fn operators(model: &ModelProto) -> Vec<&str> {
        model.graph.iter().flat_map(|graph| &graph.node).map(|node| node.op_type.as_str()).collect()
    }

    #[test]
    fn what_follows_the_last_matrix_is_left_out_with_its_weights() {
        let nodes = vec![
            node("Gemm", &["picture", "v"], "first"),
            node("Relu", &["first"], "vector"),
            node("DequantizeLinear", &["w"], "dequantised"),
            node("MatMul", &["vector", "dequantised"], "product"),
            node("Add", &["product", "b"], "sum"),
            node("Softmax", &["sum"], "y"),
        ];
        let mut model = model(nodes, &["y"]);
        cut(&mut model).expect("a last matrix");
        assert_eq!(operators(&model), ["Gemm", "Relu", "Flatten"]);
        let graph = model.graph.as_ref().expect("a graph");
        let weights: Vec<&str> = graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
        assert_eq!(weights, ["v"]);
        assert_eq!(graph.output.len(), 1);
    }

    #[test]
    fn a_convolution_may_be_the_last_matrix() {
        let nodes = vec![
            node("Conv", &["picture", "v"], "first"),
            node("Conv", &["first", "w"], "classes"),
            node("Relu", &["classes"], "positive"),
            node("GlobalAveragePool", &["positive"], "y"),
        ];
        let mut model = model(nodes, &["y"]);
        cut(&mut model).expect("a last matrix");
        assert_eq!(operators(&model), ["Conv", "GlobalAveragePool", "Flatten"]);
    }

    #[test]
    fn a_second_output_is_the_vector_where_the_first_is_computed_from_it() {
        let nodes = || {
            vec![
                node("Gemm", &["picture", "v"], "vector"),
                node("Relu", &["vector"], "positive"),
                node("Gemm", &["positive", "w"], "y"),
                node("Gemm", &["positive", "b"], "beside"),
            ]
        };
        let mut own = model(nodes(), &["y", "vector"]);
        cut(&mut own).expect("a vector");
        assert_eq!(operators(&own), ["Gemm", "Flatten"]);
        let mut auxiliary = model(nodes(), &["y", "beside"]);
        cut(&mut auxiliary).expect("a last matrix");
        assert_eq!(operators(&auxiliary), ["Gemm", "Relu", "Flatten"]);
    }

    #[test]
    fn a_taught_model_can_be_taught_again() {
        let nodes = vec![node("Relu", &["picture"], "vector"), node("Gemm", &["vector", "w"], "y")];
        let mut model = model(nodes, &["y"]);
        for classes in [2, 3] {
            let weights = vec![0.5; classes * 4];
            replace(&mut model, &LastMatrix { weights: &weights, bias: &vec![0.0; classes] }).expect("replaced");
        }
        assert_eq!(operators(&model), ["Relu", "Flatten", "Flatten", "Gemm"]);
        let graph = model.graph.as_ref().expect("a graph");
        let outputs: HashSet<&String> = graph.node.iter().flat_map(|node| &node.output).collect();
        assert_eq!(outputs.len(), graph.node.len(), "names are given once");
        assert_eq!(graph.initializer.len(), 2);
    }

    #[test]
    fn a_network_without_a_last_matrix_is_refused_with_the_reason() {
        let refused = |nodes| cut(&mut model(nodes, &["y"])).expect_err("refused").to_string();
        let joined = vec![
            node("Relu", &["picture"], "one"),
            node("Sigmoid", &["picture"], "other"),
            node("Mul", &["one", "other"], "y"),
        ];
        assert!(refused(joined).contains("Mul (at `y`), which joins several results"));
        assert!(refused(vec![node("Relu", &["picture"], "y")]).contains("no matrix stands before its output"));
        assert!(refused(vec![node("Relu", &["y"], "y")]).contains("circle"));
    }

    #[test]
    fn a_matrix_of_another_size_for_each_class_is_refused() {
        let mut model = model(vec![node("Gemm", &["picture", "w"], "y")], &["y"]);
        let refused = replace(&mut model, &LastMatrix { weights: &[1.0; 5], bias: &[0.0; 2] });
        assert!(matches!(refused, Err(Error::NoLastMatrix { .. })));
    }
}
