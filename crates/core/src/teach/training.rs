//! A training: the pictures of a dataset, their vectors, and the head that is fitted to them.

use std::path::{Path, PathBuf};

use super::dataset::Dataset;
use super::embedder::{EmbedError, Embedder};
use glimpsed_base::budget;
use glimpsed_teach::{Lesson, Refusal, Unusable, Vectors};

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

/// Why nothing was learnt from pictures.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NothingLearnt {
    #[error("`{label}` has {}: {refusal}, and copies of one count once", if *pictures == 1 { "one" } else { "none" })]
    TooFewPictures { label: String, pictures: usize, refusal: Refusal },
    #[error(transparent)]
    Refused(Refusal),
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

    /// The number of pictures of a label.
    pub fn count(&self, label: &str) -> usize {
        let class = self.labels.iter().position(|known| known == label);
        self.classes.iter().filter(|of| Some(**of) == class).count()
    }

    /// Adds a picture behind the others of its label.
    ///
    /// # Errors
    /// When its vector cannot be kept; nothing was added then.
    pub fn add(&mut self, label: &str, picture: PathBuf, vector: &[f32]) -> Result<(), Unusable> {
        self.vectors.push(vector)?;
        self.enter(label, picture);
        Ok(())
    }

    /// Adds a picture with the vector that is kept beside it.
    ///
    /// # Errors
    /// When it has none; nothing was added then.
    pub fn see(&mut self, label: &str, picture: PathBuf, embedder: &mut Embedder) -> Result<(), EmbedError> {
        embedder.embed_file(&picture, budget::PICTURE_FILE, true, &mut self.vectors)?;
        self.enter(label, picture);
        Ok(())
    }

    /// Gives a picture another label and file.
    pub fn relabel(&mut self, from: &Path, to: &Path, label: &str) {
        let Some(index) = self.pictures.iter().position(|path| path == from) else { return };
        let vector = self.vectors.encoded(index).unwrap_or_default();
        self.retain(|path| path != from);
        if self.vectors.push_encoded(&vector).is_ok() {
            self.enter(label, to.to_owned());
        }
    }

    /// Leaves out pictures, and labels that have none.
    pub fn retain(&mut self, keep: impl Fn(&Path) -> bool) {
        let mut rest = Self {
            vectors: Vectors::new(self.vectors.length()),
            labels: Vec::new(),
            classes: Vec::new(),
            pictures: Vec::new(),
            unreadable: Vec::new(),
        };
        for label in &self.labels {
            let class = self.labels.iter().position(|known| known == label);
            for index in (0..self.pictures.len()).filter(|index| Some(self.classes[*index]) == class) {
                let encoded = self.vectors.encoded(index).unwrap_or_default();
                if keep(&self.pictures[index]) && rest.vectors.push_encoded(&encoded).is_ok() {
                    rest.enter(label, self.pictures[index].clone());
                }
            }
        }
        rest.unreadable = std::mem::take(&mut self.unreadable);
        *self = rest;
    }

    /// Labels stand in their order, as a dataset has them; a picture that has a vector gets its class.
    fn enter(&mut self, label: &str, picture: PathBuf) {
        let class = match self.labels.binary_search_by(|known| known.as_str().cmp(label)) {
            Ok(class) => class,
            Err(class) => {
                self.labels.insert(class, label.to_owned());
                self.classes.iter_mut().filter(|of| **of >= class).for_each(|of| *of += 1);
                class
            }
        };
        self.classes.push(class);
        self.pictures.push(picture);
    }

    /// Fits a head to them.
    ///
    /// # Errors
    /// Why nothing can be learnt, with the labels and what would help.
    pub fn learn(&self) -> Result<Lesson, NothingLearnt> {
        Lesson::of(&self.vectors, &self.classes, self.labels.len()).map_err(|refusal| match refusal {
            Refusal::TooFewPictures { class, pictures } => {
                let label = self.labels.get(class).cloned().unwrap_or_default();
                NothingLearnt::TooFewPictures { label, pictures, refusal }
            }
            refusal => NothingLearnt::Refused(refusal),
        })
    }
}
