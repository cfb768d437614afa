//! A training: the pictures of a dataset, their vectors, and the head that is fitted to them.

use std::path::PathBuf;

use super::dataset::Dataset;
use super::embedder::{EmbedError, Embedder};
use glimpsed_base::budget;
use glimpsed_teach::{Lesson, Refusal, Vectors};

/// The pictures of a dataset with their vectors.
#[derive(Debug)]
pub struct Training {
    pub labels: Vec<String>,
    pub vectors: Vectors,
    /// The class of each picture.
    pub classes: Vec<usize>,
    /// The file of each picture.
    pub pictures: Vec<PathBuf>,
    /// The files that are no pictures, and why.
    pub unreadable: Vec<(PathBuf, String)>,
}

impl Training {
    /// Computes the vector of each picture of a dataset. If they are `kept`, their vectors are kept beside them. `done` is called after each.
    ///
    /// # Errors
    /// When the network cannot be evaluated, which is not the picture's fault.
    pub fn of(
        dataset: &Dataset,
        embedder: &mut Embedder,
        kept: bool,
        mut done: impl FnMut(),
    ) -> Result<Self, EmbedError> {
        let mut training = Self {
            labels: dataset.classes.iter().map(|class| class.label.clone()).collect(),
            vectors: Vectors::new(embedder.length()),
            classes: Vec::new(),
            pictures: Vec::new(),
            unreadable: Vec::new(),
        };
        for (class, path) in dataset.each() {
            match embedder.embed_file(path, budget::PICTURE_FILE, kept, &mut training.vectors) {
                Ok(()) => {
                    training.classes.push(class);
                    training.pictures.push(path.to_owned());
                }
                Err(EmbedError::Model(cause)) => return Err(EmbedError::Model(cause)),
                Err(cause) => training.unreadable.push((path.to_owned(), cause.to_string())),
            }
            done();
        }
        Ok(training)
    }

    /// Fits a head to them.
    ///
    /// # Errors
    /// Why nothing can be learnt, with the labels and what would help.
    pub fn learn(&self) -> Result<Lesson, String> {
        Lesson::of(&self.vectors, &self.classes, self.labels.len()).map_err(|refusal| match refusal {
            Refusal::TooFewPictures { class, pictures } => {
                let label = self.labels.get(class).map_or("", String::as_str);
                let there = if pictures == 1 { "one" } else { "none" };
                format!("`{label}` has {there}: {refusal}, and copies of one count once")
            }
            refusal => refusal.to_string(),
        })
    }
}
