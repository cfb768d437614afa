//! Coordinates of the pictures in the space that their vectors span.

use crate::gram::Gram;
use crate::vectors::dot;

/// A picture that lies in the span of those before it, up to this part of its square, adds no coordinate: what is left of it are
/// rounding errors.
const NOTHING_NEW: f32 = 1e-6;

/// As many coordinates for each picture as there are pictures, whose products are those of the vectors (the Cholesky factor of the
/// Gram matrix). A linear function of the vectors is one of the coordinates, with the same norm, but of n instead of 1280 numbers.
#[derive(Debug)]
pub(crate) struct Span {
    /// The number of pictures.
    pub pictures: usize,
    /// Row by row; behind the diagonal unspecified numbers.
    factor: Vec<f32>,
}

impl Span {
    pub(crate) fn of(gram: &mut Gram) -> Self {
        let pictures = gram.pictures;
        let mut factor = gram.take();
        for row in 0..pictures {
            let (above, rest) = factor.split_at_mut(row * pictures);
            let mine = &mut rest[..pictures];
            let square = mine[row];
            for column in 0..row {
                let other = &above[column * pictures..][..=column];
                let pivot = other[column];
                let left = mine[column] - dot(&mine[..column], &other[..column]);
                mine[column] = if pivot > 0.0 { left / pivot } else { 0.0 };
            }
            let left = square - dot(&mine[..row], &mine[..row]);
            mine[row] = if left > NOTHING_NEW * square { left.sqrt() } else { 0.0 };
        }
        Self { pictures, factor }
    }

    fn row(&self, picture: usize) -> &[f32] {
        &self.factor[picture * self.pictures..][..=picture]
    }

    /// The products of the coordinates with each class's weights, class by class.
    pub(crate) fn products(&self, weights: &[f64]) -> Vec<f64> {
        let mut products = vec![0.0; weights.len()];
        for picture in 0..self.pictures {
            let row = self.row(picture);
            for (class, weights) in weights.chunks_exact(self.pictures).enumerate() {
                products[class * self.pictures + picture] = wide_dot(row, &weights[..=picture]);
            }
        }
        products
    }

    /// For each class the sum of the coordinates, each times its picture's number, which are class by class.
    pub(crate) fn sums(&self, numbers: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; numbers.len()];
        for picture in 0..self.pictures {
            let row = self.row(picture);
            for (numbers, sums) in numbers.chunks_exact(self.pictures).zip(sums.chunks_exact_mut(self.pictures)) {
                let number = numbers[picture];
                if number != 0.0 {
                    sums.iter_mut().zip(row).for_each(|(sum, coordinate)| *sum += number * f64::from(*coordinate));
                }
            }
        }
        sums
    }
}

/// The sum of the products. In single precision its error would be larger than what a step improves near the minimum.
fn wide_dot(a: &[f32], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += f64::from(*a) * b;
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| f64::from(*a) * b).sum();
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::Vectors;

    #[test]
    fn the_products_of_coordinates_are_those_of_the_vectors_even_where_they_depend_on_each_other() {
        let mut random = fastrand::Rng::with_seed(5);
        let mut vectors = Vectors::new(6);
        for _ in 0..20 {
            vectors.push(&(0..6).map(|_| random.f32() * 6.0).collect::<Vec<f32>>()).expect("usable");
        }
        let mut gram = Gram::new(&vectors);
        let products: Vec<Vec<f32>> = (0..20).map(|picture| gram.row(picture).to_vec()).collect();
        let span = Span::of(&mut gram);
        for (one, products) in products.iter().enumerate() {
            let coordinates =
                span.sums(&(0..20).map(|picture| f64::from(u8::from(picture == one))).collect::<Vec<_>>());
            for (found, expected) in span.products(&coordinates).iter().zip(products) {
                assert!((found - f64::from(*expected)).abs() < 1e-3, "{found} {expected}");
            }
        }
    }
}
