//! What teaching needs of a network: the vector before its last matrix, and a file with another last matrix.

use prost::Message as _;

use crate::error::Error;
use crate::load::{Loaded, Part, load_part};
use crate::native::kernels::Kernels;
use crate::onnx::graph::Graph;
use crate::onnx::{OnnxFile, surgery};
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
    surgery::replace(&mut model, matrix)?;
    model.producer_name = "glimpsed".into();
    Ok(model.encode_to_vec())
}
