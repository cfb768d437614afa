//! The pictures that are kept of a view, what was learnt from them, and what can be undone.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::dataset::check_label;
use super::embedder::{EmbedError, Embedder};
use super::lessons::{Chosen, Kept, Lessons, Look, Picture, TeachError};
use super::model::{self, Origin};
use super::store::{Added, PictureStore, StoreError};
use super::training::{NothingLearnt, Training};
use super::unsure::Unsure;
use super::viewed::viewed;
use crate::bus::preview::Offered;
use crate::bus::unsure::SURE;
use crate::infer::ModelError;
use crate::models::catalog;
use crate::models::fetch::writable;
use crate::models::taught::{self, Seen, is_name};
use glimpsed_teach::{Lesson, Strangeness};

/// Changes that can be taken back, one after the other.
const MAX_UNDO: usize = 20;

/// Learning waits until nothing has changed for at least this long, and for as long as it took last, so that a burst of pictures does
/// not wait for it.
const SHORTEST_PAUSE: Duration = Duration::from_millis(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// A change, and how it is taken back.
pub(super) struct Change {
    pub(super) what: String,
    pub(super) at: Timestamp,
    burst: u64,
    /// Where each picture was, and where it is; added pictures were nowhere.
    moves: Vec<(Option<PathBuf>, PathBuf)>,
}

pub(super) struct Classroom {
    pub(super) lessons: Lessons,
    pub(super) store: PictureStore,
    embedder: Embedder,
    pub(super) training: Training,
    /// `None` until it was learnt for the first time.
    pub(super) lesson: Option<Result<Lesson, NothingLearnt>>,
    pub(super) changes: VecDeque<Change>,
    pub(super) unsure: Unsure,
    /// When pictures changed last, if that was since it was learnt.
    behind: Option<Instant>,
    /// The labels that it was learnt with.
    learnt: Vec<String>,
    /// How long learning took last.
    took: Duration,
    /// Whether the model in the directory is what is known now.
    pub(super) written: bool,
}

/// Why a view cannot be taught.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error("there is no directory; set `directory` in [teach]")]
    NoDirectory,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("model `{name}`: {cause}")]
    Base { name: String, cause: ModelError },
    #[error("model `{name}`: {cause}")]
    Vectors { name: String, cause: EmbedError },
}

impl Classroom {
    pub(super) fn open(
        lessons: Lessons,
        unsure: Unsure,
        mut looked: impl FnMut(usize, usize),
    ) -> Result<Self, OpenError> {
        let directory = writable(&lessons.directories).ok_or(OpenError::NoDirectory)?;
        let store = PictureStore::open(directory.clone(), lessons.max_pictures)?;
        store.forget_aside(&lessons.name);
        let name = || lessons.base.name.clone();
        let mut embedder = Embedder::open(&lessons.base).map_err(|cause| OpenError::Base { name: name(), cause })?;
        embedder.be_modest(lessons.max_duty);
        let dataset = store.dataset(&lessons.name)?;
        let (mut done, total) = (0, dataset.pictures());
        let training = Training::of(&dataset, &mut embedder, true, || {
            done += 1;
            looked(done, total);
        });
        let mut training = training.map_err(|cause| OpenError::Vectors { name: name(), cause })?;
        training.retain(|_| true);
        let files = taught::all(&store.directory).into_iter().find(|(name, _)| *name == lessons.name);
        let written =
            matches!(files, Some((_, Ok((taught, _)))) if taught.pictures + taught.copies == training.pictures.len());
        let (changes, behind, learnt, took) = (VecDeque::new(), Some(Instant::now()), Vec::new(), Duration::ZERO);
        Ok(Self { lessons, store, embedder, training, lesson: None, changes, unsure, behind, learnt, took, written })
    }

    pub(super) fn is_behind(&self) -> bool {
        self.behind.is_some()
    }

    /// How long until it should be learnt; `None` if nothing has changed. Requests that change nothing do not put it off: a page
    /// asks all the time what would be said now.
    pub(super) fn learns_in(&self) -> Option<Duration> {
        let pause = self.took.clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        self.behind.map(|changed| pause.saturating_sub(changed.elapsed()))
    }

    pub(super) fn learn(&mut self) {
        let begun = Instant::now();
        self.lesson = Some(self.training.learn());
        self.learnt.clone_from(&self.training.labels);
        (self.took, self.behind) = (begun.elapsed(), None);
    }

    pub(super) fn add(&mut self, label: &str, picture: Picture, burst: u64) -> Result<Kept, TeachError> {
        let file = match picture {
            Picture::File(bytes) => bytes,
            Picture::Frame(frame) => viewed(&frame, self.lessons.framing).map_err(StoreError::from)?.into(),
        };
        let Self { training, store, embedder, lessons, .. } = self;
        let class = training.labels.iter().position(|known| known == label);
        let is_copy =
            |vector: &[f32]| training.vectors.has_copy(vector, |picture| Some(training.classes[picture]) == class);
        let added = store.add_unless(&lessons.name, label, &file, embedder, is_copy)?;
        if let Added::Kept(path) = &added {
            self.training
                .add(label, path.clone(), self.embedder.vector())
                .map_err(EmbedError::from)
                .map_err(StoreError::from)?;
            let one = (None, path.clone());
            match self.changes.back_mut() {
                Some(last) if burst != 0 && last.burst == burst => {
                    last.moves.push(one);
                    last.what = format!("{} of {label}", counted(last.moves.len()));
                }
                _ => self.record(Change {
                    what: format!("{} of {label}", counted(1)),
                    at: Timestamp::now(),
                    burst,
                    moves: vec![one],
                }),
            }
            self.changed();
        }
        let name = match &added {
            Added::Kept(path) | Added::There(path) => path.file_name().map(|name| name.to_string_lossy().into_owned()),
            Added::Copy => None,
        };
        Ok(Kept { name, copy: !matches!(added, Added::Kept(_)), pictures: self.training.count(label) })
    }

    pub(super) fn change(&mut self, pictures: &[Chosen], to: Option<&str>) -> Result<usize, TeachError> {
        if let Some(label) = to {
            check_label(label).map_err(|wrong| StoreError::Label { label: label.to_owned(), wrong })?;
        }
        // All are looked up before any is moved.
        let found: Option<Vec<PathBuf>> = pictures.iter().map(|chosen| self.find(chosen)).collect();
        let found = found.ok_or(TeachError::NoPicture)?;
        let mut moves = Vec::new();
        let mut result = Ok(found.len());
        for from in found {
            match self.store.relocate(&from, &self.lessons.name, to) {
                Ok(at) => moves.push((Some(from), at)),
                Err(error) => {
                    result = Err(error.into());
                    break;
                }
            }
        }
        let what = match to {
            Some(label) => format!("{} moved to {label}", counted(moves.len())),
            None => format!("{} removed", counted(moves.len())),
        };
        self.follow(&moves);
        self.record(Change { what, at: Timestamp::now(), burst: 0, moves });
        result
    }

    pub(super) fn undo(&mut self) -> Result<(), TeachError> {
        let change = self.changes.pop_back().ok_or(TeachError::NothingToUndo)?;
        let mut back = Vec::new();
        let mut result = Ok(());
        // What was moved away by hand meanwhile is passed over.
        for (before, now) in change.moves.iter().rev() {
            let moved = match before {
                None => self.store.remove(now).map(|()| None),
                Some(before) => self.store.put_back(now, before).map(|()| Some(before.clone())),
            };
            match moved {
                Ok(Some(before)) => back.push((Some(now.clone()), before)),
                Ok(None) => self.training.retain(|path| path != now),
                Err(error) => result = Err(error.into()),
            }
        }
        self.follow(&back);
        self.tidy(change.moves.iter().map(|(_, now)| now.clone()).collect());
        self.changed();
        result
    }

    pub(super) fn look(&mut self, frame: &Offered) -> Result<Look, TeachError> {
        let lesson = learnt(&self.lesson)?;
        let picture = viewed(frame, self.lessons.framing).map_err(StoreError::from)?;
        let vector = self.embedder.embed(&picture).map_err(StoreError::from)?;
        let mut shares = Vec::new();
        lesson.head.probabilities(vector, &mut shares);
        let nearest = Strangeness::nearest(vector, &self.training.vectors);
        let strange = lesson.strangeness.zip(nearest).is_some_and(|(limit, nearest)| limit.is_strange(nearest));
        let mut top: Vec<(String, f32)> = self.learnt.iter().cloned().zip(shares).collect();
        top.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        let best = top.first().filter(|(_, confidence)| *confidence < SURE || strange);
        if let Some((label, confidence)) = best
            && !self.training.vectors.has_copy(vector, |_| true)
        {
            self.unsure.remember(&self.lessons.view, &picture, vector, label, *confidence);
        }
        Ok(Look { top, strange })
    }

    pub(super) fn unsure(&self, id: u64) -> Result<Vec<u8>, TeachError> {
        self.unsure.picture(&self.lessons.view, id).ok_or(TeachError::NoFrame)
    }

    pub(super) fn settle(&mut self, ids: &[u64], label: Option<&str>) -> Result<usize, TeachError> {
        let mut kept = 0;
        // One change for all of them.
        let burst = Timestamp::now().as_millisecond().unsigned_abs();
        for id in ids {
            let Some(picture) = self.unsure.picture(&self.lessons.view, *id) else { continue };
            if let Some(label) = label {
                kept += usize::from(!self.add(label, Picture::File(picture.into()), burst)?.copy);
            }
            self.unsure.forget(&self.lessons.view, *id);
        }
        Ok(kept)
    }

    pub(super) fn write(&mut self) -> Result<(), TeachError> {
        let name = &self.lessons.name;
        if !is_name(name) || catalog::find(name).is_some() {
            return Err(TeachError::Name(name.clone()));
        }
        if self.is_behind() {
            self.learn();
        }
        let lesson = learnt(&self.lesson)?;
        let seen = Seen { region: self.lessons.framing.region, rotation: self.lessons.framing.rotation };
        let origin = Origin { view: Some(self.lessons.name.clone()), seen: Some(seen) };
        let directory = &self.store.directory;
        model::write(directory, &self.lessons.name, &mut self.embedder, (&self.training, lesson), origin)?;
        self.written = true;
        Ok(())
    }

    /// Removes for good what was set aside.
    pub(super) fn forget(&mut self) {
        self.changes.clear();
        self.store.forget_aside(&self.lessons.name);
    }

    fn find(&self, Chosen { label, name }: &Chosen) -> Option<PathBuf> {
        let class = self.training.labels.iter().position(|known| known == label)?;
        let mut of_class = self.training.pictures.iter().zip(&self.training.classes).filter(|(_, of)| **of == class);
        of_class
            .find(|(path, _)| path.file_name().is_some_and(|file| file == name.as_str()))
            .map(|(path, _)| path.clone())
    }

    /// Changes what is known as the files were moved.
    fn follow(&mut self, moves: &[(Option<PathBuf>, PathBuf)]) {
        let froms: Vec<PathBuf> = moves.iter().filter_map(|(from, _)| from.clone()).collect();
        for (from, to) in moves {
            let Some(from) = from else { continue };
            let label = to.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
            match label.filter(|_| !PictureStore::is_aside(to)) {
                Some(label) if self.training.pictures.contains(from) => self.training.relabel(from, to, &label),
                // It was aside. Without a vector it is passed over until the next start.
                Some(label) => drop(self.training.see(&label, to.clone(), &mut self.embedder)),
                None => self.training.retain(|path| path != from),
            }
        }
        self.tidy(froms);
        self.changed();
    }

    /// Removes folders that have become empty.
    fn tidy(&mut self, paths: Vec<PathBuf>) {
        let mut labels: Vec<String> =
            paths.iter().filter_map(|path| Some(path.parent()?.file_name()?.to_string_lossy().into_owned())).collect();
        labels.sort();
        labels.dedup();
        for label in labels.iter().filter(|label| self.training.count(label) == 0) {
            let _ = self.store.tidy(&self.lessons.name, label);
        }
        self.training.retain(|_| true);
    }

    fn record(&mut self, change: Change) {
        if change.moves.is_empty() {
            return;
        }
        self.changes.push_back(change);
        if self.changes.len() > MAX_UNDO
            && let Some(old) = self.changes.pop_front()
        {
            for (_, at) in old.moves.iter().filter(|(_, at)| PictureStore::is_aside(at)) {
                let _ = std::fs::remove_file(at);
            }
        }
    }

    fn changed(&mut self) {
        (self.behind, self.written) = (Some(Instant::now()), false);
    }
}

/// # Errors
/// Why nothing was learnt.
fn learnt(lesson: &Option<Result<Lesson, NothingLearnt>>) -> Result<&Lesson, TeachError> {
    match lesson {
        None => Err(TeachError::Busy),
        Some(lesson) => lesson.as_ref().map_err(|cause| cause.clone().into()),
    }
}

fn counted(pictures: usize) -> String {
    if pictures == 1 { "1 picture".into() } else { format!("{pictures} pictures") }
}
