//! What teaching needs of a network: the vector before its last matrix, and a file with another last matrix.

use prost::Message as _;
use sha2::{Digest as _, Sha256};

use crate::error::Error;
use crate::hash::hex;
use crate::input::{InputHints, Scores};
use crate::inspection::Inspection;
use crate::load::{Loaded, Part, load_part};
use crate::native::kernels::Kernels;
use crate::onnx::graph::{Graph, choose_output};
use crate::onnx::widen::widen;
use crate::onnx::{OnnxFile, metadata, surgery};
use crate::scores::End;
use crate::source::Source;

pub use crate::onnx::surgery::LastMatrix;

/// Loads a model without its last matrix: the "scores" are the vector that stands before it, on the same kernels as the whole
/// model. A second output that the first one is computed from is taken for the vector.
///
/// # Errors
/// As [`load`](crate::load), and [`Error::NoLastMatrix`].
pub fn load_vector(source: &Source<'_>) -> Result<Loaded, Error> {
    load_part(source, Kernels::detect(), Part::Vector)
}

/// A model with another last matrix, as the bytes of an ordinary ONNX file, whose output is the logits of the new classes. The
/// whole network is in memory meanwhile, twice.
///
/// # Errors
/// When the file cannot be read or is not the one that was meant, and [`Error::NoLastMatrix`].
pub fn with_last_matrix(source: &Source<'_>, matrix: &LastMatrix<'_>) -> Result<Vec<u8>, Error> {
    let mut file = OnnxFile::open(source)?;
    let mut model = file.decode_whole()?;
    Graph::new(&model, &file.path)?.refuse_external_data()?;
    file.verify()?;
    let labels = Some(metadata::of(&model).labels.len()).filter(|labels| *labels > 0);
    let hints = InputHints { labels: source.input.labels.or(labels), ..source.input.clone() };
    choose_output(&mut model, &hints)?;
    // The new matrix is of 32-bit floats.
    widen(&mut model);
    surgery::replace(&mut model, matrix)?;
    model.producer_name = "glimpsed".into();
    Ok(model.encode_to_vec())
}

/// The last matrix of a file that [`with_last_matrix`] wrote. Models whose rest is the same can share one network, as
/// [`load_vector`] loads it, and differ in this alone.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnMatrix {
    /// The weights, class by class.
    pub weights: Vec<f32>,
    /// One number for each class.
    pub bias: Vec<f32>,
    /// SHA-256 of the file's network without this matrix, in lower-case hexadecimal.
    pub rest_sha256: String,
    path: String,
    sha256: String,
    bytes: u64,
    layers: usize,
    parameters: u64,
    operators: Vec<(String, usize)>,
}

impl OwnMatrix {
    /// Reads it from a file, which is in memory meanwhile. `None` for a file that was not made here.
    ///
    /// # Errors
    /// When the file cannot be read or is not the one that was meant.
    pub fn read(source: &Source<'_>) -> Result<Option<Self>, Error> {
        let mut file = OnnxFile::open(source)?;
        let mut model = file.decode_whole()?;
        let graph = Graph::new(&model, &file.path)?;
        graph.refuse_external_data()?;
        let (figures, operators) = (graph.figures(), graph.operators());
        let (layers, parameters) = (figures.layers, figures.parameters);
        let sha256 = file.verify()?;
        let Some((weights, bias)) = surgery::take_own(&mut model) else { return Ok(None) };
        let rest_sha256 = hex(Sha256::new_with_prefix(model.encode_to_vec()));
        let (path, bytes) = (file.path.clone(), file.bytes());
        Ok(Some(Self { weights, bias, rest_sha256, path, sha256, bytes, layers, parameters, operators }))
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.bias.len()
    }

    /// The properties of the whole model, given those of its network without this matrix.
    pub fn inspection(&self, rest: &Inspection) -> Inspection {
        let weights = self.weights.len() as u64;
        Inspection {
            path: self.path.clone(),
            sha256: self.sha256.clone(),
            file_bytes: self.bytes,
            weights_file: None,
            parameters: self.parameters,
            macs: rest.macs + weights,
            layers: self.layers,
            memory_bytes: rest.memory_bytes + 4 * (weights + self.bias.len() as u64),
            output: vec![1, self.classes()],
            classes: self.classes(),
            scores: Scores::Logits,
            end: End { scores: Some(Scores::Logits), says: "its own last matrix".into(), ..rest.end.clone() },
            operators: self.operators.clone(),
            ..rest.clone()
        }
    }

    /// Replaces the contents of `scores` by the logits of the classes, for what the network without this matrix gave.
    ///
    /// # Errors
    /// When that has another length than a row of the matrix.
    pub fn apply(&self, vector: &[f32], scores: &mut Vec<f32>) -> Result<(), Error> {
        scores.clear();
        if vector.is_empty() || vector.len() * self.bias.len() != self.weights.len() {
            let wanted = self.weights.len() / self.bias.len().max(1);
            let cause = format!("the network gave {} numbers, and its last matrix takes {wanted}", vector.len());
            return Err(Error::Evaluation { cause });
        }
        let rows = self.weights.chunks_exact(vector.len()).zip(&self.bias);
        scores.extend(rows.map(|(row, bias)| bias + sum_of_products(row, vector)));
        Ok(())
    }
}

/// Eight sums side by side, which the compiler computes with vector instructions.
fn sum_of_products(row: &[f32], vector: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    let (rows, rest) = row.as_chunks::<8>();
    let (vectors, last) = vector.as_chunks::<8>();
    for (row, vector) in rows.iter().zip(vectors) {
        for index in 0..8 {
            sums[index] += row[index] * vector[index];
        }
    }
    let tail: f32 = rest.iter().zip(last).map(|(weight, number)| weight * number).sum();
    sums.iter().sum::<f32>() + tail
}
