//! The products of all pairs of pictures, which are all that fitting needs to know of them.

use crate::vectors::{Vectors, dot};

/// The mean norm of the vectors after scaling. It sets how strongly `C = 1` holds the weights back.
const SCALE: f32 = 10.0;

/// Rows that are converted from half precision at a time, so that two blocks of them fit into a second-level cache.
const BLOCK: usize = 32;

/// The products of the vectors with each other, after the mean vector was subtracted and the rest was scaled to
/// `10 / (mean norm)`. The subtraction changes no fit, because the bias is free, and makes the products small, and so exact.
#[derive(Debug)]
pub(crate) struct Gram {
    /// The number of pictures.
    pub pictures: usize,
    /// Row by row.
    products: Vec<f32>,
    /// What was subtracted.
    pub mean: Vec<f32>,
    /// What the rest was multiplied with.
    pub scale: f32,
    /// The norm of each vector, unscaled.
    norms: Vec<f32>,
    /// The product of each vector with the mean vector, unscaled.
    along_mean: Vec<f32>,
}

impl Gram {
    pub(crate) fn new(vectors: &Vectors) -> Self {
        let pictures = vectors.len();
        let mut row = Vec::new();
        let mut sums = vec![0.0_f64; vectors.length()];
        let mut norms = Vec::with_capacity(pictures);
        for index in 0..pictures {
            vectors.read(index, &mut row);
            sums.iter_mut().zip(&row).for_each(|(sum, number)| *sum += f64::from(*number));
            norms.push(dot(&row, &row).sqrt());
        }
        let mean: Vec<f32> = sums.iter().map(|sum| (sum / pictures.max(1) as f64) as f32).collect();
        let along_mean = (0..pictures)
            .map(|index| {
                vectors.read(index, &mut row);
                dot(&row, &mean)
            })
            .collect();
        let scale = scale_of(&norms);
        let mut this = Self { pictures, products: vec![0.0; pictures * pictures], mean, scale, norms, along_mean };
        this.multiply(vectors);
        this
    }

    fn multiply(&mut self, vectors: &Vectors) {
        let blocks: Vec<usize> = (0..self.pictures).step_by(BLOCK).collect();
        for &first in &blocks {
            let rows = self.centred(vectors, first);
            for &other in blocks.iter().filter(|&&other| other <= first) {
                let columns = if other == first { None } else { Some(self.centred(vectors, other)) };
                for (i, row) in rows.iter().enumerate() {
                    for (j, column) in columns.as_ref().unwrap_or(&rows).iter().enumerate() {
                        let (i, j) = (first + i, other + j);
                        if j <= i {
                            let product = self.scale * self.scale * dot(row, column);
                            self.products[i * self.pictures + j] = product;
                            self.products[j * self.pictures + i] = product;
                        }
                    }
                }
            }
        }
    }

    fn centred(&self, vectors: &Vectors, first: usize) -> Vec<Vec<f32>> {
        let block = first..(first + BLOCK).min(self.pictures);
        block.map(|index| self.centred_row(vectors, index)).collect()
    }

    /// A vector less the mean vector, unscaled.
    pub(crate) fn centred_row(&self, vectors: &Vectors, index: usize) -> Vec<f32> {
        let mut row = Vec::new();
        vectors.read(index, &mut row);
        row.iter_mut().zip(&self.mean).for_each(|(number, mean)| *number -= mean);
        row
    }

    /// The products of one picture with all.
    pub(crate) fn row(&self, picture: usize) -> &[f32] {
        &self.products[picture * self.pictures..][..self.pictures]
    }

    /// The cosine of the angle between two whole vectors.
    pub(crate) fn cosine(&self, one: usize, other: usize) -> f32 {
        let centred = self.row(one)[other] / (self.scale * self.scale);
        let mean = dot(&self.mean, &self.mean);
        let product = centred + self.along_mean[one] + self.along_mean[other] - mean;
        product / (self.norms[one] * self.norms[other])
    }

    /// The products, which are gone from here then.
    pub(crate) fn take(&mut self) -> Vec<f32> {
        std::mem::take(&mut self.products)
    }

    /// Leaves all but these pictures out, whose indices rise.
    pub(crate) fn keep(&mut self, kept: &[usize]) {
        let norms: Vec<f32> = kept.iter().map(|&index| self.norms[index]).collect();
        let scale = scale_of(&norms);
        let factor = (scale / self.scale).powi(2);
        // In place, because with two thousand pictures these are 16 MB: nothing is written before it was read.
        for (to_row, &row) in kept.iter().enumerate() {
            for (to_column, &column) in kept.iter().enumerate() {
                self.products[to_row * kept.len() + to_column] = factor * self.products[row * self.pictures + column];
            }
        }
        self.products.truncate(kept.len() * kept.len());
        self.along_mean = kept.iter().map(|&index| self.along_mean[index]).collect();
        (self.norms, self.scale, self.pictures) = (norms, scale, kept.len());
    }
}

fn scale_of(norms: &[f32]) -> f32 {
    let sum: f64 = norms.iter().map(|&norm| f64::from(norm)).sum();
    if sum > 0.0 { (f64::from(SCALE) * norms.len() as f64 / sum) as f32 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(count: usize) -> (Vectors, Vec<Vec<f32>>) {
        let mut random = fastrand::Rng::with_seed(5);
        let mut vectors = Vectors::new(40);
        let mut rows = Vec::new();
        for index in 0..count {
            vectors.push(&(0..40).map(|_| random.f32() * 6.0).collect::<Vec<f32>>()).expect("usable");
            let mut row = Vec::new();
            vectors.read(index, &mut row);
            rows.push(row);
        }
        (vectors, rows)
    }

    #[test]
    fn the_cosines_are_those_of_the_whole_vectors() {
        let (vectors, rows) = some(70);
        let mut gram = Gram::new(&vectors);
        let kept: Vec<usize> = (0..70).filter(|index| index % 3 > 0).collect();
        gram.keep(&kept);
        for (i, &one) in kept.iter().enumerate() {
            for (j, &other) in kept.iter().enumerate() {
                let expected = dot(&rows[one], &rows[other])
                    / (dot(&rows[one], &rows[one]) * dot(&rows[other], &rows[other])).sqrt();
                assert!((gram.cosine(i, j) - expected).abs() < 1e-5, "{one} {other}");
            }
        }
    }

    #[test]
    fn the_products_that_are_kept_are_scaled_by_the_norms_that_are_kept() {
        let (vectors, rows) = some(40);
        let mut gram = Gram::new(&vectors);
        gram.keep(&[3, 39]);
        let norms = [3, 39].map(|index: usize| dot(&rows[index], &rows[index]).sqrt());
        assert!((gram.scale - 20.0 / (norms[0] + norms[1])).abs() < 1e-5);
        let row = gram.centred_row(&vectors, 39);
        assert!((gram.row(1)[1] - gram.scale.powi(2) * dot(&row, &row)).abs() < 1e-3);
    }
}
