//! The vectors of the taught pictures, in half precision.

use half::f16;
use half::slice::HalfFloatSliceExt;

/// The cosine from which on two pictures of a class are copies of each other. Copies teach nothing; sixty of one picture would
/// make every other picture of the class look strange.
pub const COPY: f32 = 0.97;

/// Why a vector is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It has another length than the others.
    #[error("a vector of {found} numbers among vectors of {expected}")]
    Length {
        /// The length of the others.
        expected: usize,
        /// Its length.
        found: usize,
    },
    /// A number in it is infinite, no number, or beyond the range of half precision (65504).
    #[error("a vector with numbers that half precision cannot hold")]
    Range,
    /// It is zero, and so has no direction.
    #[error("a vector of zeros")]
    Zero,
}

/// Vectors of one length, one for each picture, in half precision: 2.5 KB each for a network with 1280 numbers before its
/// last matrix. Rounding to half precision changes a cosine by less than 0.001.
#[derive(Debug, Clone, PartialEq)]
pub struct Vectors {
    length: usize,
    numbers: Vec<f16>,
}

impl Vectors {
    /// No vectors of this length, which is at least one.
    pub fn new(length: usize) -> Self {
        Self { length: length.max(1), numbers: Vec::new() }
    }

    /// Adds a vector.
    ///
    /// # Errors
    /// When it has another length, or numbers that half precision cannot hold; nothing was added then.
    pub fn push(&mut self, vector: &[f32]) -> Result<(), Unusable> {
        let start = self.numbers.len();
        self.numbers.extend(vector.iter().copied().map(f16::from_f32));
        self.checked(start)
    }

    /// Adds a vector that [`Vectors::encoded`] gave.
    ///
    /// # Errors
    /// As [`Vectors::push`].
    pub fn push_encoded(&mut self, bytes: &[u8]) -> Result<(), Unusable> {
        let start = self.numbers.len();
        self.numbers.extend(bytes.chunks_exact(2).map(|pair| f16::from_le_bytes([pair[0], pair[1]])));
        match bytes.len().is_multiple_of(2) {
            true => self.checked(start),
            false => {
                self.numbers.truncate(start);
                Err(Unusable::Length { expected: self.length, found: bytes.len() })
            }
        }
    }

    /// Takes what was added from `start` on out again, if it is not one usable vector.
    fn checked(&mut self, start: usize) -> Result<(), Unusable> {
        let added = &self.numbers[start..];
        let wrong = if added.len() != self.length {
            Unusable::Length { expected: self.length, found: added.len() }
        } else if added.iter().any(|number| !number.is_finite()) {
            Unusable::Range
        } else if added.iter().all(|number| *number == f16::ZERO || *number == f16::NEG_ZERO) {
            Unusable::Zero
        } else {
            return Ok(());
        };
        self.numbers.truncate(start);
        Err(wrong)
    }

    /// The numbers of one vector.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The number of vectors.
    pub fn len(&self) -> usize {
        self.numbers.len() / self.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// The memory that the vectors take, in bytes.
    pub fn bytes(&self) -> usize {
        self.numbers.capacity() * size_of::<f16>()
    }

    /// A vector as bytes: two for each number, little-endian (IEEE 754 binary16). `None` beyond the last one.
    pub fn encoded(&self, index: usize) -> Option<Vec<u8>> {
        Some(self.row(index)?.iter().flat_map(|number| number.to_le_bytes()).collect())
    }

    /// Whether a vector is a copy of one of those that `among` names: so near that it teaches nothing.
    pub fn has_copy(&self, vector: &[f32], among: impl Fn(usize) -> bool) -> bool {
        if vector.len() != self.length {
            return false;
        }
        let (norm, mut row) = (dot(vector, vector).sqrt(), Vec::new());
        (0..self.len()).filter(|index| among(*index)).any(|index| {
            self.read(index, &mut row);
            dot(vector, &row) > COPY * norm * dot(&row, &row).sqrt()
        })
    }

    /// Replaces the contents of `out` by a vector; beyond the last one by nothing.
    pub(crate) fn read(&self, index: usize, out: &mut Vec<f32>) {
        out.clear();
        let row = self.row(index).unwrap_or_default();
        out.resize(row.len(), 0.0);
        row.convert_to_f32_slice(out);
    }

    fn row(&self, index: usize) -> Option<&[f16]> {
        self.numbers.get(index.checked_mul(self.length)?..index.checked_add(1)?.checked_mul(self.length)?)
    }
}

/// The sum of the products, added in the same order on every machine.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_cannot_be_kept_is_refused_and_leaves_nothing_behind() {
        let mut vectors = Vectors::new(3);
        assert_eq!(vectors.push(&[1.0, 2.0]), Err(Unusable::Length { expected: 3, found: 2 }));
        assert_eq!(vectors.push(&[1.0, f32::NAN, 2.0]), Err(Unusable::Range));
        assert_eq!(vectors.push(&[1.0, 70_000.0, 2.0]), Err(Unusable::Range));
        assert_eq!(vectors.push(&[0.0, -0.0, 1e-9]), Err(Unusable::Zero));
        assert_eq!(vectors.push_encoded(&[0; 5]), Err(Unusable::Length { expected: 3, found: 5 }));
        assert!(vectors.is_empty());
        assert_eq!(vectors.encoded(usize::MAX), None);
    }

    #[test]
    fn two_thousand_vectors_take_less_than_eight_megabytes() {
        let mut vectors = Vectors::new(1280);
        for index in 0..2000 {
            vectors.push(&vec![index as f32 + 1.0; 1280]).expect("usable");
        }
        assert!(vectors.len() == 2000 && vectors.bytes() <= 8_000_000, "{}", vectors.bytes());
    }

    proptest! {
        #[test]
        fn a_vector_survives_its_bytes(numbers in proptest::collection::vec(0.01f32..6.0, 1..70)) {
            let mut vectors = Vectors::new(numbers.len());
            vectors.push(&numbers).expect("usable");
            let bytes = vectors.encoded(0).expect("there");
            vectors.push_encoded(&bytes).expect("usable");
            let (mut one, mut other) = (Vec::new(), Vec::new());
            vectors.read(0, &mut one);
            vectors.read(1, &mut other);
            prop_assert_eq!(&one, &other);
            for (kept, number) in one.iter().zip(&numbers) {
                prop_assert!((kept - number).abs() <= number * 0.0005, "{kept} {number}");
            }
        }
    }
}
