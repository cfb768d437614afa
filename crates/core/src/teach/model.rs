//! Writes a taught model: a network with a last matrix of its own, its labels, its description and its pictures' vectors.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::embedder::Embedder;
use super::training::Training;
use crate::directories;
use crate::models::taught::{Base, Class, Files, Seen, Taught};
use crate::models::vectors_file;
use glimpsed_inference::{Error, InputHints, LastMatrix, Source, hex, load, softmax, with_last_matrix};
use glimpsed_teach::Lesson;

/// The most that a probability of the written model may differ from the one that was fitted.
const TOLERANCE: f32 = 1e-3;

/// Where it comes from.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    pub view: Option<String>,
    pub seen: Option<Seen>,
}

/// Why a model was not written.
#[derive(Debug, thiserror::Error)]
pub enum NotWritten {
    #[error("model `{name}`: {cause}")]
    Base { name: String, cause: Error },
    #[error("cannot write `{}`: {cause}", path.display())]
    File { path: PathBuf, cause: io::Error },
    #[error("cannot write into `{}`: {cause}", directory.display())]
    Directory { directory: PathBuf, cause: io::Error },
    #[error("cannot write into `{}`: another `glimpsed teach` does so; try again when it has ended", directory.display())]
    Busy { directory: PathBuf },
    #[error("its description cannot be written: {0}")]
    Description(#[from] toml::ser::Error),
    #[error("the model that was written does not run: {0}")]
    DoesNotRun(String),
}

/// Writes a model, of whose files none is replaced before all are written and the network was loaded from its own and has answered
/// as it should.
///
/// # Errors
/// See [`NotWritten`].
pub fn write(
    directory: &Path,
    name: &str,
    embedder: &mut Embedder,
    (training, lesson): (&Training, &Lesson),
    origin: Origin,
) -> Result<(Files, Taught), NotWritten> {
    let files = Files::of(directory, name);
    let _alone = alone(directory)?;
    complete(directory, name)?;
    let new = files.new();
    let base = Source {
        path: &embedder.base.path,
        sha256: Some(&embedder.inspection.sha256),
        input: &embedder.base.input,
        backend: embedder.base.backend,
    };
    let matrix = LastMatrix { weights: &lesson.head.weights, bias: &lesson.head.bias };
    let of_base = |cause| NotWritten::Base { name: embedder.base.name.clone(), cause };
    let bytes = with_last_matrix(&base, &matrix).map_err(of_base)?;
    let failed = |path: &Path| {
        let path = path.to_owned();
        |cause| NotWritten::File { path, cause }
    };
    directories::write(&new.onnx, &bytes, 0o644).map_err(failed(&new.onnx))?;
    let sha256 = hex(Sha256::new_with_prefix(&bytes));
    drop(bytes);
    try_out(&new, embedder, training, lesson).inspect_err(|_| {
        let _ = std::fs::remove_file(&new.onnx);
    })?;
    let taught = describe(embedder, (training, lesson), origin, sha256);
    let labels: String = training.labels.iter().map(|label| format!("{label}\n")).collect();
    directories::write(&new.labels, labels.as_bytes(), 0o644).map_err(failed(&new.labels))?;
    let vectors = vectors_file::encoded(
        training.vectors.length(),
        lesson.kept.iter().filter_map(|&picture| training.vectors.encoded(picture)),
    );
    directories::write(&new.vectors, &vectors, 0o600).map_err(failed(&new.vectors))?;
    let text = toml::to_string(&taught)?;
    directories::write(&new.toml, text.as_bytes(), 0o644).map_err(failed(&new.toml))?;
    complete(directory, name)?;
    Ok((files, taught))
}

/// Keeps other processes from writing models into the directory, as long as the file is open.
fn alone(directory: &Path) -> Result<File, NotWritten> {
    let failed = |cause| NotWritten::Directory { directory: directory.to_owned(), cause };
    std::fs::create_dir_all(directory).map_err(failed)?;
    let locked = File::open(directory).map_err(failed)?;
    match locked.try_lock() {
        Ok(()) => Ok(locked),
        Err(TryLockError::WouldBlock) => Err(NotWritten::Busy { directory: directory.to_owned() }),
        Err(TryLockError::Error(cause)) => Err(failed(cause)),
    }
}

/// Completes a replacement that was interrupted after everything was written, and removes what is left of one that was
/// interrupted before.
fn complete(directory: &Path, name: &str) -> Result<(), NotWritten> {
    let (old, new) = (Files::of(directory, name), Files::of(directory, name).new());
    let complete = new.toml.is_file();
    for (from, to) in new.all().into_iter().zip(old.all()) {
        if !from.is_file() {
            continue;
        }
        let done = if complete { std::fs::rename(from, to) } else { std::fs::remove_file(from) };
        done.map_err(|cause| NotWritten::File { path: to.to_owned(), cause })?;
    }
    Ok(())
}

/// How the new model sees pictures: as its base does. It has one output, of logits.
fn input(embedder: &Embedder) -> InputHints {
    InputHints { output: None, scores: None, labels: None, ..embedder.base.input.clone() }
}

/// Loads the written network, and compares its answers for a picture of each class with those of the head.
fn try_out(new: &Files, embedder: &mut Embedder, training: &Training, lesson: &Lesson) -> Result<(), NotWritten> {
    let wrong = NotWritten::DoesNotRun;
    let input = input(embedder);
    let source = Source { path: &new.onnx, sha256: None, input: &input, backend: embedder.base.backend };
    let mut loaded = load(&source).map_err(|cause| wrong(cause.to_string()))?;
    let (mut scores, mut expected) = (Vec::new(), Vec::new());
    for class in 0..training.labels.len() {
        let Some(picture) = lesson.kept.iter().find(|&&picture| training.classes[picture] == class) else { continue };
        let path = &training.pictures[*picture];
        let bytes = glimpsed_base::files::read(path, glimpsed_base::budget::PICTURE_FILE)
            .map_err(|cause| wrong(format!("{} {cause}", path.display())))?;
        let vector = embedder.embed(&bytes).map_err(|cause| wrong(cause.to_string()))?;
        lesson.head.probabilities(vector, &mut expected);
        loaded.classifier.run(embedder.tensor(), &mut scores).map_err(|cause| wrong(cause.to_string()))?;
        softmax(&mut scores);
        let apart = scores.iter().zip(&expected).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max);
        if scores.len() != expected.len() || apart.is_nan() || apart > TOLERANCE {
            return Err(wrong(format!("it says {scores:?} for {}, not {expected:?}", path.display())));
        }
    }
    Ok(())
}

fn describe(embedder: &Embedder, (training, lesson): (&Training, &Lesson), origin: Origin, sha256: String) -> Taught {
    let quality = &lesson.quality;
    let rounded = |number: f64| (number * 1e4).round() / 1e4;
    let classes = training.labels.iter().zip(&lesson.counts);
    Taught {
        sha256,
        taught_at: Timestamp::now(),
        view: origin.view,
        pictures: lesson.kept.len(),
        copies: training.pictures.len() - lesson.kept.len(),
        accuracy: rounded(quality.accuracy),
        folds: quality.folds,
        calibration_error: rounded(quality.calibration_error),
        strange_below: lesson.strangeness.map(|strangeness| rounded(strangeness.least_cosine.into())),
        base: Base { name: embedder.base.name.clone(), sha256: embedder.inspection.sha256.clone() },
        seen: origin.seen,
        input: input(embedder),
        class: classes.map(|(label, &pictures)| Class { label: label.clone(), pictures }).collect(),
    }
}
