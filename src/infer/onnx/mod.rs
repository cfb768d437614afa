//! ONNX files: read once, hashed on the way, and what their graph says of itself.

pub mod graph;
mod qoperator;
mod stream;

use std::fs::File;

use prost::Message;
/// The protobuf's types, as tract generates them; the backends share one parsed file.
pub use tract_onnx::pb;

use self::stream::Stream;
use super::ModelError;
use crate::models::catalog::{self, Entry};
use crate::models::hash::hex;
use crate::models::spec::ModelSpec;

/// The largest classifiers in use have some 600 MB; more would not run on the boards this is for.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// A parsed model and what is known of the file it was in.
pub struct OnnxFile {
    pub proto: pb::ModelProto,
    pub path: String,
    /// Of the whole file, lower-case hexadecimal.
    pub sha256: String,
    pub bytes: u64,
}

/// Reads the file once: hashed while it is parsed.
///
/// # Errors
/// When it cannot be read, is too large, is not the one that was meant, or is no ONNX file.
pub fn read(spec: &ModelSpec) -> Result<OnnxFile, ModelError> {
    let path = spec.path.display().to_string();
    let unreadable = |cause: String| ModelError::Unreadable { path: path.clone(), cause };
    let metadata = std::fs::metadata(&spec.path).map_err(|error| match fetchable(spec) {
        Some(entry) if error.kind() == std::io::ErrorKind::NotFound => {
            ModelError::NotFetched { path: path.clone(), name: entry.name.clone() }
        }
        _ => unreadable(error.to_string()),
    })?;
    if !metadata.is_file() {
        return Err(unreadable("it is not a file".into()));
    }
    let file = File::open(&spec.path).map_err(|error| unreadable(error.to_string()))?;
    let not_onnx = |cause: &str| ModelError::NotOnnx { path: path.clone(), cause: cause.to_owned() };
    match metadata.len() {
        0 => return Err(not_onnx("it is empty (0 bytes)")),
        length if length > MAX_FILE_BYTES => {
            return Err(unreadable(format!("it has {length} bytes; at most 1 GiB is read")));
        }
        _ => {}
    }
    // Not more than 1 GiB, which fits into a `usize` everywhere.
    let mut stream = Stream::new(file, metadata.len() as usize);
    let parsed = pb::ModelProto::decode(&mut stream);
    let found = hex(stream.finish().map_err(|error| unreadable(error.to_string()))?);
    if let Some(expected) = &spec.sha256
        && *expected != found
    {
        return Err(ModelError::WrongHash { path, expected: expected.clone(), found });
    }
    let mut proto = parsed.map_err(|_| not_onnx("its protobuf is cut short or damaged"))?;
    qoperator::expand(&mut proto);
    Ok(OnnxFile { proto, path, sha256: found, bytes: metadata.len() })
}

/// The catalogue's entry for this very file, if it can be downloaded.
fn fetchable(spec: &ModelSpec) -> Option<&'static Entry> {
    catalog::all().iter().find(|entry| !entry.bundled() && spec.sha256.as_ref() == Some(&entry.sha256))
}
