//! Which of a graph's outputs has a number for each class.

use super::constants::{Names, REARRANGE};
use super::pb::tensor_proto::DataType;
use super::pb::tensor_shape_proto::{Dimension, dimension};
use super::pb::{GraphProto, TensorShapeProto, TypeProto, ValueInfoProto, tensor_shape_proto, type_proto};
use crate::error::Error;

/// ImageNet's classes, which are meant where nothing says how many there are.
const IMAGENET: usize = 1000;

/// An output of numbers.
struct Candidate {
    /// As the file has it, before a map of labels is read through.
    given: String,
    declared: ValueInfoProto,
    /// The number of classes, if the file says it.
    length: Option<usize>,
}

/// Makes the output that `wanted` names, or that has a number for each of so many labels, the first one. What is no tensor of
/// numbers is left out: the name of the best class, or a map from labels to numbers, of which the numbers are taken.
///
/// # Errors
/// When there is none, or several are as good.
pub(super) fn choose(graph: &mut GraphProto, wanted: Option<&str>, labels: Option<usize>) -> Result<(), Error> {
    let refuse = |cause: &str| Error::NotAClassifier { cause: cause.to_owned() };
    let candidates: Vec<Candidate> = {
        let names = Names::of(graph);
        graph.output.iter().filter_map(|output| candidate(&names, output)).collect()
    };
    let listed = || list(&candidates);
    let labels = labels.unwrap_or(IMAGENET);
    let chosen = match (wanted, candidates.as_slice()) {
        (_, []) if graph.output.len() == 1 && is_number_of_class(graph) => {
            return Err(refuse(
                "it gives the number of the best class alone; export it without that last step (ArgMax), so that it gives a number for each class",
            ));
        }
        (_, []) => return Err(refuse("it has no output of numbers")),
        (Some(name), all) => all
            .iter()
            .position(|one| one.given == name || one.declared.name == name)
            .ok_or_else(|| Error::NoSuchOutput { name: name.to_owned(), outputs: listed() })?,
        (None, [_]) => 0,
        (None, all) => {
            let best = fitting(graph, all, labels);
            best.ok_or_else(|| Error::SeveralOutputs { outputs: listed(), labels })?
        }
    };
    if producer_of(graph, &candidates[chosen].declared.name) == Some("TopK") {
        return Err(refuse(
            "it gives the best classes alone, sorted; export it without that last step (TopK), so that it gives a number for each class in order",
        ));
    }
    let mut declared: Vec<ValueInfoProto> = candidates.into_iter().map(|candidate| candidate.declared).collect();
    declared[..=chosen].rotate_right(1);
    graph.output = declared;
    Ok(())
}

/// The one that has a number for each label, or else one for a background class besides, or else one for two labels.
fn fitting(graph: &GraphProto, all: &[Candidate], labels: usize) -> Option<usize> {
    let of_length = |length: usize| -> Vec<usize> {
        all.iter().enumerate().filter(|(_, one)| one.length == Some(length)).map(|(index, _)| index).collect()
    };
    let mut fit = of_length(labels);
    if fit.is_empty() {
        fit = of_length(labels + 1);
    }
    if fit.is_empty() && labels == 2 {
        fit = of_length(1);
    }
    // Logits and the probabilities that are made of them say the same.
    let names = Names::of(graph);
    let made_of = |one: usize, other: usize| is_made_of(&names, &all[one].declared.name, &all[other].declared.name);
    let kept: Vec<usize> = fit
        .iter()
        .copied()
        .filter(|&index| !fit.iter().any(|&other| other != index && made_of(other, index)))
        .collect();
    match kept.as_slice() {
        &[index] => Some(index),
        _ => None,
    }
}

/// Whether it is the softmax of the other, or the same numbers in another form.
fn is_made_of(names: &Names<'_>, one: &str, other: &str) -> bool {
    let mut name = one;
    for _ in 0..8 {
        if name == other {
            return name != one;
        }
        let Some(node) = names.producer(name) else { return false };
        if !REARRANGE.contains(&node.op_type.as_str()) && !["Softmax", "LogSoftmax"].contains(&node.op_type.as_str()) {
            return false;
        }
        name = node.input.first().map_or("", String::as_str);
    }
    false
}

fn candidate(names: &Names<'_>, output: &ValueInfoProto) -> Option<Candidate> {
    let given = output.name.clone();
    let mut name = given.as_str();
    // Bounded, because a hostile graph may be a circle.
    for _ in 0..4 {
        let Some(node) = names.producer(name) else { break };
        if node.op_type == "ZipMap" {
            let labels = node.attribute.iter().map(|list| list.strings.len().max(list.ints.len())).max().unwrap_or(0);
            let length = (labels > 0).then_some(labels);
            let declared = floats(node.input.first()?, length);
            return Some(Candidate { given, declared, length });
        }
        if node.op_type != "Identity" {
            break;
        }
        name = node.input.first()?;
    }
    let Some(type_proto::Value::TensorType(tensor)) = output.r#type.as_ref()?.value.as_ref() else { return None };
    let is_number = matches!(
        DataType::try_from(tensor.elem_type),
        Ok(DataType::Float
            | DataType::Float16
            | DataType::Bfloat16
            | DataType::Double
            | DataType::Uint8
            | DataType::Int8
            | DataType::Undefined)
    );
    let length = tensor.shape.as_ref().and_then(length);
    is_number.then(|| Candidate { length, declared: output.clone(), given })
}

fn is_number_of_class(graph: &GraphProto) -> bool {
    let output = graph.output.first().map_or("", |output| &output.name);
    matches!(producer_of(graph, output), Some("ArgMax" | "TopK"))
}

/// The operator that an output comes from, behind what only rearranges it.
fn producer_of<'a>(graph: &'a GraphProto, output: &'a str) -> Option<&'a str> {
    let names = Names::of(graph);
    names.producer(names.behind(output)).map(|node| node.op_type.as_str())
}

/// The number of elements for one picture; the first dimension of several is the batch.
fn length(shape: &TensorShapeProto) -> Option<usize> {
    let rest = if shape.dim.len() > 1 { &shape.dim[1..] } else { &shape.dim };
    rest.iter().try_fold(1_usize, |product, side| match side.value {
        Some(tensor_shape_proto::dimension::Value::DimValue(length)) => {
            product.checked_mul(usize::try_from(length).ok().filter(|length| *length > 0)?)
        }
        _ => None,
    })
}

/// The names of outputs, with how many numbers each has.
fn list(candidates: &[Candidate]) -> String {
    let says = |one: &Candidate| match one.length {
        Some(1) => format!("`{}` (1 number)", one.given),
        Some(length) => format!("`{}` ({length} numbers)", one.given),
        None => format!("`{}` (of open length)", one.given),
    };
    candidates.iter().map(says).collect::<Vec<_>>().join(", ")
}

/// The declaration of an output `[batch, length]`.
pub(super) fn floats(name: &str, length: Option<usize>) -> ValueInfoProto {
    let batch = Dimension { value: Some(dimension::Value::DimParam("glimpsed_batch".into())) };
    let side = Dimension { value: length.map(|length| dimension::Value::DimValue(length as i64)) };
    let shape = Some(TensorShapeProto { dim: vec![batch, side] });
    let tensor = type_proto::Tensor { elem_type: DataType::Float as i32, shape };
    let kind = TypeProto { value: Some(type_proto::Value::TensorType(tensor)) };
    ValueInfoProto { name: name.to_owned(), r#type: Some(kind) }
}
