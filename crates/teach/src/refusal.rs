//! Why nothing can be learnt.

/// Why nothing can be learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// One class is nothing to choose from.
    #[error("two classes are the least, for example `open` and `closed`")]
    TooFewClasses,
    /// A class has fewer than two pictures, copies counted once.
    #[error("two different pictures of each class are the least")]
    TooFewPictures {
        /// The class, counted from 0.
        class: usize,
        /// Its pictures, copies counted once.
        pictures: usize,
    },
    /// There is not one class below their number for each picture.
    #[error("the labels do not fit the pictures")]
    Mismatch,
}

impl Refusal {
    pub(crate) fn check(pictures: usize, labels: &[usize], classes: usize) -> Result<(), Self> {
        if labels.len() != pictures || labels.iter().any(|&label| label >= classes) {
            return Err(Self::Mismatch);
        }
        if classes < 2 {
            return Err(Self::TooFewClasses);
        }
        let few = counts(labels, classes).into_iter().enumerate().find(|(_, pictures)| *pictures < 2);
        few.map_or(Ok(()), |(class, pictures)| Err(Self::TooFewPictures { class, pictures }))
    }
}

/// The number of pictures of each class.
pub(crate) fn counts(labels: &[usize], classes: usize) -> Vec<usize> {
    let mut counts = vec![0; classes];
    labels.iter().for_each(|&label| counts[label] += 1);
    counts
}
