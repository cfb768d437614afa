//! The file of the vectors that a model was taught with: a mark, their length, their number, and the vectors as 16-bit floats; all
//! numbers are little-endian.

use std::path::{Path, PathBuf};

use glimpsed_base::files::{self, ReadError};
use glimpsed_teach::Vectors;

const MAGIC: [u8; 4] = *b"GLVS";

/// Longer than the file of as many vectors as anybody keeps.
const MAX_BYTES: u64 = 64 << 20;

/// The file's content for vectors of one length, which are encoded as [`Vectors::encoded`] does.
pub fn encoded(length: usize, vectors: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let vectors: Vec<Vec<u8>> = vectors.collect();
    let numbers = [length, vectors.len()].map(|number| (number as u32).to_le_bytes());
    let mut bytes = [&MAGIC[..], &numbers[0], &numbers[1]].concat();
    vectors.iter().for_each(|vector| bytes.extend(vector));
    bytes
}

/// Why there are no vectors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VectorsError {
    #[error("`{}` {cause}", path.display())]
    Unreadable { path: PathBuf, cause: String },
    #[error("`{}` is damaged", .0.display())]
    Damaged(PathBuf),
}

/// # Errors
/// See [`VectorsError`].
pub fn read(path: &Path) -> Result<Vectors, VectorsError> {
    let unreadable = |cause: ReadError| VectorsError::Unreadable { path: path.to_owned(), cause: cause.to_string() };
    let bytes = files::read(path, MAX_BYTES).map_err(unreadable)?;
    let damaged = || VectorsError::Damaged(path.to_owned());
    let rest = bytes.strip_prefix(&MAGIC).ok_or_else(damaged)?;
    let (numbers, rest) = rest.split_at_checked(8).ok_or_else(damaged)?;
    let number = |at: usize| numbers[at..at + 4].try_into().map_or(0, u32::from_le_bytes) as usize;
    let (length, count) = (number(0), number(4));
    let expected = length.checked_mul(count).and_then(|numbers| numbers.checked_mul(2));
    if length == 0 || expected != Some(rest.len()) {
        return Err(damaged());
    }
    let mut vectors = Vectors::new(length);
    for vector in rest.chunks_exact(2 * length) {
        vectors.push_encoded(vector).map_err(|_| damaged())?;
    }
    Ok(vectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_survive_their_file_and_a_damaged_one_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("door.vectors");
        let mut vectors = Vectors::new(3);
        for vector in [[1.0, 2.0, 3.0], [-0.5, 0.25, 0.0]] {
            vectors.push(&vector).expect("usable");
        }
        let bytes = encoded(3, (0..2).filter_map(|index| vectors.encoded(index)));
        std::fs::write(&path, &bytes).expect("writable");
        let back = read(&path).expect("readable");
        assert_eq!((back.length(), back.encoded(0), back.encoded(1)), (3, vectors.encoded(0), vectors.encoded(1)));
        for damaged in [&bytes[..0], &bytes[..11], &bytes[..bytes.len() - 1], &[&bytes[..], b"x"].concat()] {
            std::fs::write(&path, damaged).expect("writable");
            assert_eq!(read(&path).err(), Some(VectorsError::Damaged(path.clone())));
        }
    }
}
