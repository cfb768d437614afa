//! Pictures from other tools: a folder or a zip archive with a folder for each class.
//!
//! An archive is hostile until it is proven otherwise. Nothing in it names a file of ours: of an entry's path only the name of
//! its folder is used, as a label. Its list is walked without being kept, entries and bytes are bounded, links are passed over.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rawzip::{CompressionMethod, RECOMMENDED_BUFFER_SIZE, ZipArchive};

use super::archive::{ArchiveError, MAX_BYTES, MAX_ENTRIES, Refused, Unusable, refused};
use super::dataset::{Dataset, DatasetError, MAX_CLASSES, check_label};
use glimpsed_base::{budget, files};

/// A picture on its way in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub label: String,
    /// For messages.
    pub name: String,
    /// The bytes, or why there are none.
    pub bytes: Result<Vec<u8>, Unusable>,
}

/// What was passed over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Passed {
    pub links: usize,
    /// Files that are no pictures by their names.
    pub others: usize,
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    GoOn,
    Stop,
}

/// Passes each picture of a folder or an archive to `take`. `label` is that of pictures which are in no folder.
///
/// # Errors
/// Why nothing, or nothing more, is taken from it. An archive of which any part is not as it should be is refused before the first
/// picture is taken.
pub fn import(from: &Path, label: Option<&str>, take: impl FnMut(Found) -> Next) -> Result<Passed, ArchiveError> {
    match from.is_dir() {
        true => folder(from, label, take),
        false => archive(from, label, take),
    }
}

fn folder(from: &Path, label: Option<&str>, mut take: impl FnMut(Found) -> Next) -> Result<Passed, ArchiveError> {
    let dataset = Dataset::read(from)?;
    let loose = match label {
        None => Vec::new(),
        Some(label) => {
            let unreadable = |cause| DatasetError::Unreadable { directory: from.to_owned(), cause };
            let pictures = files::pictures_in(from).map_err(unreadable)?;
            pictures.into_iter().filter(|path| !path.is_symlink()).map(|path| (label.to_owned(), path)).collect()
        }
    };
    let labelled = dataset.each().map(|(class, path)| (dataset.classes[class].label.clone(), path.to_owned()));
    for (label, path) in labelled.chain(loose) {
        let bytes = files::read(&path, budget::PICTURE_FILE).map_err(|cause| Unusable::Unreadable(cause.to_string()));
        if take(Found { label, name: path.display().to_string(), bytes }) == Next::Stop {
            break;
        }
    }
    Ok(Passed { links: dataset.links, others: 0 })
}

fn archive(from: &Path, label: Option<&str>, mut take: impl FnMut(Found) -> Next) -> Result<Passed, ArchiveError> {
    let refused = refused(from);
    // Opening a pipe would wait for a writer.
    if !from.is_file() {
        return Err(refused(Refused::Neither));
    }
    let file = File::open(from).map_err(|cause| refused(cause.into()))?;
    let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
    let damaged = |cause: rawzip::Error| refused(cause.into());
    let archive = ZipArchive::from_file(file, &mut buffer).map_err(damaged)?;
    if archive.entries_hint() > MAX_ENTRIES {
        return Err(refused(Refused::Entries { entries: archive.entries_hint() }));
    }
    let mut passed = Passed::default();
    let (mut labels, mut bytes) = (std::collections::BTreeSet::new(), 0_u64);
    let (mut count, mut entries) = (0_u64, archive.entries(&mut buffer));
    while let Some(entry) = entries.next_entry().map_err(damaged)? {
        count += 1;
        if count > MAX_ENTRIES {
            return Err(refused(Refused::Entries { entries: count }));
        }
        match kind(entry.file_path().as_bytes(), entry.mode().is_symlink(), entry.is_dir(), label).map_err(&refused)? {
            Kind::Picture(label) => {
                labels.insert(label);
                bytes = bytes.saturating_add(entry.uncompressed_size_hint());
            }
            Kind::Link => passed.links += 1,
            Kind::Other => passed.others += 1,
            Kind::Folder => {}
        }
        if labels.len() > MAX_CLASSES || bytes > MAX_BYTES {
            return Err(refused(Refused::TooMuch));
        }
    }
    let mut left = MAX_BYTES;
    let mut entries = archive.entries(&mut buffer);
    while let Some(entry) = entries.next_entry().map_err(damaged)? {
        let path = entry.file_path();
        let Kind::Picture(label) =
            kind(path.as_bytes(), entry.mode().is_symlink(), entry.is_dir(), label).map_err(&refused)?
        else {
            continue;
        };
        let name = String::from_utf8_lossy(path.as_bytes()).into_owned();
        let most = budget::PICTURE_FILE.min(left);
        let bytes = match archive.get_entry(entry.wayfinder()) {
            Err(cause) => Err(Unusable::Damaged(cause.to_string())),
            Ok(_) if entry.uncompressed_size_hint() > most => Err(Unusable::TooLong(most)),
            Ok(stored) => match entry.compression_method() {
                CompressionMethod::STORE => bounded(stored.verifying_reader(stored.reader()), most),
                CompressionMethod::DEFLATE => {
                    let inflated = flate2::read::DeflateDecoder::new(stored.reader());
                    bounded(stored.verifying_reader(inflated), most)
                }
                _ => Err(Unusable::Method),
            },
        };
        // What is refused as too long was read as far as that.
        let read = bytes.as_ref().map_or(most, |bytes| bytes.len() as u64);
        left = left.saturating_sub(read);
        if take(Found { label, name, bytes }) == Next::Stop || left == 0 {
            break;
        }
    }
    Ok(passed)
}

/// What an entry is.
enum Kind {
    /// With its label.
    Picture(String),
    Folder,
    Link,
    Other,
}

/// Judges an entry by its path alone.
///
/// # Errors
/// For a path that no honest program writes, and for a picture without a label.
fn kind(path: &[u8], is_link: bool, is_folder: bool, label: Option<&str>) -> Result<Kind, Refused> {
    let shown = || String::from_utf8_lossy(path).into_owned();
    let Ok(text) = std::str::from_utf8(path) else {
        return Err(Refused::NotUtf8(shown()));
    };
    let parts: Vec<&str> = text.split('/').collect();
    if text.starts_with('/') || text.contains(['\\', '\0']) || parts.contains(&"..") {
        return Err(Refused::LeadsOut(shown()));
    }
    if is_link {
        return Ok(Kind::Link);
    }
    // Beside the pictures: what macOS and others add.
    let hidden = parts.iter().any(|part| part.starts_with('.') || *part == "__MACOSX");
    if is_folder {
        return Ok(Kind::Folder);
    }
    if hidden || !files::is_picture(&PathBuf::from(text)) {
        return Ok(Kind::Other);
    }
    let label = match parts.as_slice() {
        [.., folder, _] => *folder,
        _ => label.ok_or_else(|| Refused::NoLabel(shown()))?,
    };
    check_label(label).map_err(|wrong| Refused::Label { name: shown(), wrong })?;
    Ok(Kind::Picture(label.to_owned()))
}

fn bounded(reader: impl Read, most: u64) -> Result<Vec<u8>, Unusable> {
    let mut bytes = Vec::new();
    reader.take(most + 1).read_to_end(&mut bytes).map_err(|cause| Unusable::Damaged(cause.to_string()))?;
    match bytes.len() as u64 > most {
        true => Err(Unusable::TooLong(most)),
        false => Ok(bytes),
    }
}
