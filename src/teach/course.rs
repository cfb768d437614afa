//! A course: the pictures of an album, seen by a network, and what is learnt from them.

use std::path::PathBuf;

use super::album::Album;
use super::eye::{Eye, NotSeen};
use glimpsed_base::budget;
use glimpsed_teach::{Lesson, Refusal, Vectors};

/// The pictures of an album with their vectors.
#[derive(Debug)]
pub struct Course {
    pub labels: Vec<String>,
    pub vectors: Vectors,
    /// The class of each picture.
    pub classes: Vec<usize>,
    /// The file of each picture.
    pub pictures: Vec<PathBuf>,
    /// The files that are no pictures, and why.
    pub unreadable: Vec<(PathBuf, String)>,
}

impl Course {
    /// Sees all pictures of an album. If they are `kept`, their vectors are kept beside them. `seen` is called after each.
    ///
    /// # Errors
    /// When the network cannot be evaluated, which is not the picture's fault.
    pub fn of(album: &Album, eye: &mut Eye, kept: bool, mut seen: impl FnMut()) -> Result<Self, NotSeen> {
        let mut course = Self {
            labels: album.classes.iter().map(|class| class.label.clone()).collect(),
            vectors: Vectors::new(eye.length()),
            classes: Vec::new(),
            pictures: Vec::new(),
            unreadable: Vec::new(),
        };
        for (class, path) in album.each() {
            match eye.look(path, budget::PICTURE_FILE, kept, &mut course.vectors) {
                Ok(()) => {
                    course.classes.push(class);
                    course.pictures.push(path.to_owned());
                }
                Err(NotSeen::Model(cause)) => return Err(NotSeen::Model(cause)),
                Err(cause) => course.unreadable.push((path.to_owned(), cause.to_string())),
            }
            seen();
        }
        Ok(course)
    }

    /// Learns from them.
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
