//! The head: the last matrix of a network, fitted to the vectors of labelled pictures.

use crate::gram::Gram;
use crate::minimiser::{Problem, Solution};
use crate::refusal::Refusal;
use crate::span::Span;
use crate::vectors::{Vectors, dot};

/// The last matrix of a network and its biases. `weights * vector + bias` are logits, of which a softmax makes the
/// probabilities of the classes.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// The length of the vectors.
    pub length: usize,
    /// The weights, a row of `length` numbers for each class.
    pub weights: Vec<f32>,
    /// One number for each class.
    pub bias: Vec<f32>,
}

impl Head {
    /// Fits the head by logistic regression: multinomial, each class weighing the same however many pictures it has, with
    /// `C = 1` on vectors scaled to a mean norm of 10. It is what scikit-learn's
    /// `LogisticRegression(C=1, class_weight="balanced")` gives on these vectors. `labels` has the class of each vector, counted
    /// from 0.
    ///
    /// # Errors
    /// When there are fewer than two classes, fewer than two pictures of one, or not a class for each picture.
    pub fn fit(vectors: &Vectors, labels: &[usize], classes: usize) -> Result<Self, Refusal> {
        Refusal::check(vectors.len(), labels, classes)?;
        let mut gram = Gram::new(vectors);
        let solution = fitted(&Span::of(&mut gram), labels, classes, |_| true);
        Ok(Self::of(&solution, &gram, vectors, |index| index))
    }

    /// The weights of a solution; `origin` gives the vector of each picture of the Gram matrix.
    pub(crate) fn of(solution: &Solution, gram: &Gram, vectors: &Vectors, origin: impl Fn(usize) -> usize) -> Self {
        let length = vectors.length();
        let classes = solution.bias.len();
        let mut weights = vec![0.0_f64; classes * length];
        let factor = f64::from(gram.scale).powi(2);
        for picture in 0..gram.pictures {
            let row = gram.centred_row(vectors, origin(picture));
            for (class, weights) in weights.chunks_exact_mut(length).enumerate() {
                let coefficient = factor * solution.coefficients[class * gram.pictures + picture];
                weights.iter_mut().zip(&row).for_each(|(sum, number)| *sum += coefficient * f64::from(*number));
            }
        }
        let bias = solution.bias.iter().zip(weights.chunks_exact(length)).map(|(bias, weights)| {
            let shift: f64 = weights.iter().zip(&gram.mean).map(|(weight, mean)| weight * f64::from(*mean)).sum();
            (bias - shift) as f32
        });
        Self { length, bias: bias.collect(), weights: weights.iter().map(|&weight| weight as f32).collect() }
    }

    /// The number of classes.
    pub fn classes(&self) -> usize {
        self.bias.len()
    }

    /// Replaces the contents of `out` by the probability of each class. A vector of another length gives none.
    pub fn probabilities(&self, vector: &[f32], out: &mut Vec<f32>) {
        out.clear();
        if vector.len() != self.length {
            return;
        }
        out.extend(self.weights.chunks_exact(self.length).zip(&self.bias).map(|(row, bias)| dot(row, vector) + bias));
        let largest = out.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        out.iter_mut().for_each(|logit| *logit = (*logit - largest).exp());
        let sum: f32 = out.iter().sum();
        out.iter_mut().for_each(|exponential| *exponential /= sum);
    }
}

/// Fits to those pictures that `taught` names.
pub(crate) fn fitted(span: &Span, labels: &[usize], classes: usize, taught: impl Fn(usize) -> bool) -> Solution {
    let mut counts = vec![0.0_f64; classes];
    (0..labels.len()).filter(|&picture| taught(picture)).for_each(|picture| counts[labels[picture]] += 1.0);
    let all: f64 = counts.iter().sum();
    let weight = |picture: usize| all / (classes as f64 * counts[labels[picture]]);
    let weights: Vec<f64> =
        (0..labels.len()).map(|picture| if taught(picture) { weight(picture) } else { 0.0 }).collect();
    // Two classes have one vector of weights in scikit-learn, and here two that are opposite halves of it, so their squares
    // together are half of its square.
    let decay = if classes == 2 { 2.0 } else { 1.0 };
    Problem { span, classes: labels, count: classes, weights: &weights, decay }.minimise()
}
