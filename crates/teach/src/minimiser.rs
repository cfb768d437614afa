//! Minimises the loss of multinomial logistic regression with L-BFGS (Nocedal and Wright, "Numerical Optimization", 2nd
//! edition, algorithm 7.5), in the coordinates of a [`Span`].

use std::collections::VecDeque;

use crate::span::Span;

/// The number of steps that are remembered.
const MEMORY: usize = 10;

/// More steps than any fit needs, so that it ends in any case.
const MAX_STEPS: usize = 500;

/// The norm of the gradient at which a fit is done. The penalty's curvature is at least 1, so the weights are then as near to
/// the minimum, and the logits of vectors with the norm 10 within a thousandth.
const SMALL_ENOUGH: f64 = 1e-4;

/// What is minimised: the sum over pictures of `weight * -ln(probability of its class)`, plus `decay / 2` times the squared
/// weights. Biases are free.
pub(crate) struct Problem<'a> {
    pub span: &'a Span,
    /// The class of each picture.
    pub classes: &'a [usize],
    /// The number of classes.
    pub count: usize,
    /// The weight of each picture; 0 leaves it out.
    pub weights: &'a [f64],
    /// The factor of the penalty.
    pub decay: f64,
}

/// The minimum.
pub(crate) struct Solution {
    /// The coefficient of each picture's vector in each class's weights, class by class.
    pub coefficients: Vec<f64>,
    /// One bias for each class, for centred vectors.
    pub bias: Vec<f64>,
    /// The probability of each class for each picture, those that were left out included, picture by picture.
    pub probabilities: Vec<f64>,
}

/// A point: the weights of each class, class by class, and then the biases; with the logits less the biases, which depend on the
/// weights linearly and so are carried along.
#[derive(Debug, Clone)]
struct Point {
    numbers: Vec<f64>,
    logits: Vec<f64>,
}

/// A step, and how the gradient changed over it.
struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    curvature: f64,
}

impl Problem<'_> {
    pub(crate) fn minimise(&self) -> Solution {
        let weights = self.count * self.span.pictures;
        let mut at = Point { numbers: vec![0.0; weights + self.count], logits: vec![0.0; weights] };
        let mut loss = self.loss(&at);
        let mut gradient = self.gradient(&at);
        let mut pairs: VecDeque<Pair> = VecDeque::new();
        for _ in 0..MAX_STEPS {
            let norm = inner(&gradient, &gradient).sqrt();
            if norm <= SMALL_ENOUGH {
                break;
            }
            let mut direction = descent(&gradient, &pairs);
            if inner(&direction, &gradient) >= 0.0 {
                pairs.clear();
                direction = descent(&gradient, &pairs);
            }
            let slope = inner(&direction, &gradient);
            let first = if pairs.is_empty() { (1.0 / norm).min(1.0) } else { 1.0 };
            let Some((next, lower)) = self.search(&at, loss, &direction, slope, first) else { break };
            let new_gradient = self.gradient(&next);
            let difference =
                |one: &[f64], other: &[f64]| one.iter().zip(other).map(|(one, other)| one - other).collect();
            let (step, change): (Vec<f64>, Vec<f64>) =
                (difference(&next.numbers, &at.numbers), difference(&new_gradient, &gradient));
            let curvature = inner(&step, &change);
            if curvature > 0.0 {
                if pairs.len() == MEMORY {
                    pairs.pop_front();
                }
                pairs.push_back(Pair { step, change, curvature });
            }
            (at, loss, gradient) = (next, lower, new_gradient);
        }
        self.solution(&at)
    }

    /// The first point on the way that is lower by enough (Armijo's condition), and its loss.
    fn search(&self, at: &Point, loss: f64, direction: &[f64], slope: f64, first: f64) -> Option<(Point, f64)> {
        let logits = self.span.products(&direction[..at.logits.len()]);
        let mut length = first;
        for _ in 0..30 {
            let mut next = at.clone();
            add(&mut next.numbers, length, direction);
            add(&mut next.logits, length, &logits);
            let lower = self.loss(&next);
            if lower <= loss + 1e-4 * length * slope {
                return Some((next, lower));
            }
            length *= 0.5;
        }
        None
    }

    fn loss(&self, at: &Point) -> f64 {
        let mut row = vec![0.0; self.count];
        let mut sum = 0.0;
        for picture in self.taught() {
            let largest = self.logits(at, picture, &mut row);
            let exponentials: f64 = row.iter().map(|logit| (logit - largest).exp()).sum();
            sum += self.weights[picture] * (exponentials.ln() + largest - row[self.classes[picture]]);
        }
        let weights = &at.numbers[..at.logits.len()];
        sum + 0.5 * self.decay * inner(weights, weights)
    }

    fn gradient(&self, at: &Point) -> Vec<f64> {
        let residuals = self.residuals(at);
        let mut gradient = self.span.sums(&residuals);
        add(&mut gradient, self.decay, &at.numbers[..at.logits.len()]);
        gradient.extend(residuals.chunks_exact(self.span.pictures).map(|of_class| of_class.iter().sum::<f64>()));
        gradient
    }

    /// `weight * (probability - 1 or 0)` for each picture, class by class.
    fn residuals(&self, at: &Point) -> Vec<f64> {
        let mut residuals = vec![0.0; at.logits.len()];
        let mut row = vec![0.0; self.count];
        for picture in self.taught() {
            self.probabilities(at, picture, &mut row);
            for (class, probability) in row.iter().enumerate() {
                let truth = f64::from(u8::from(class == self.classes[picture]));
                residuals[class * self.span.pictures + picture] = self.weights[picture] * (probability - truth);
            }
        }
        residuals
    }

    /// At the minimum the weights are the sum of the vectors, each times its residual: that needs no inverse of the coordinates.
    fn solution(&self, at: &Point) -> Solution {
        let mut coefficients = self.residuals(at);
        coefficients.iter_mut().for_each(|residual| *residual = -*residual / self.decay);
        let mut probabilities = vec![0.0; at.logits.len()];
        for (picture, row) in probabilities.chunks_exact_mut(self.count).enumerate() {
            self.probabilities(at, picture, row);
        }
        Solution { coefficients, bias: at.numbers[at.logits.len()..].to_vec(), probabilities }
    }

    fn taught(&self) -> impl Iterator<Item = usize> {
        (0..self.span.pictures).filter(|&picture| self.weights[picture] > 0.0)
    }

    /// Fills `row` with a picture's logits, and returns the largest.
    fn logits(&self, at: &Point, picture: usize, row: &mut [f64]) -> f64 {
        let mut largest = f64::NEG_INFINITY;
        for (class, logit) in row.iter_mut().enumerate() {
            *logit = at.logits[class * self.span.pictures + picture] + at.numbers[at.logits.len() + class];
            largest = largest.max(*logit);
        }
        largest
    }

    fn probabilities(&self, at: &Point, picture: usize, row: &mut [f64]) {
        let largest = self.logits(at, picture, row);
        let mut sum = 0.0;
        for logit in row.iter_mut() {
            *logit = (*logit - largest).exp();
            sum += *logit;
        }
        row.iter_mut().for_each(|exponential| *exponential /= sum);
    }
}

/// The direction of the next step, which the pairs make of the gradient.
fn descent(gradient: &[f64], pairs: &VecDeque<Pair>) -> Vec<f64> {
    let mut direction = gradient.to_vec();
    let mut factors = Vec::with_capacity(pairs.len());
    for pair in pairs.iter().rev() {
        let factor = inner(&pair.step, &direction) / pair.curvature;
        add(&mut direction, -factor, &pair.change);
        factors.push(factor);
    }
    if let Some(newest) = pairs.back() {
        let scale = newest.curvature / inner(&newest.change, &newest.change);
        direction.iter_mut().for_each(|number| *number *= scale);
    }
    for (pair, factor) in pairs.iter().zip(factors.into_iter().rev()) {
        let back = inner(&pair.change, &direction) / pair.curvature;
        add(&mut direction, factor - back, &pair.step);
    }
    direction.iter_mut().for_each(|number| *number = -*number);
    direction
}

fn inner(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

fn add(to: &mut [f64], factor: f64, other: &[f64]) {
    to.iter_mut().zip(other).for_each(|(to, other)| *to += factor * other);
}
