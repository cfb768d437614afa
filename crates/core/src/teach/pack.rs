//! Pictures for other tools: a folder or a zip archive with a folder for each class.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::archive::ArchiveError;
use super::dataset::Dataset;
use glimpsed_base::{budget, files};

/// Copies the pictures of a dataset into a new folder, or, if its name ends in `.zip`, a new archive. It is there as a whole or
/// not at all. `packed` is called after each picture.
///
/// # Errors
/// What cannot be read or written; nothing that is there is replaced.
pub fn export(dataset: &Dataset, to: &Path, packed: impl FnMut()) -> Result<(), ArchiveError> {
    if to.exists() {
        return Err(ArchiveError::There(to.to_owned()));
    }
    let parent = match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    match to.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip")) {
        true => zip(dataset, to, parent, packed),
        false => folder(dataset, to, parent, packed),
    }
}

fn folder(dataset: &Dataset, to: &Path, parent: &Path, mut packed: impl FnMut()) -> Result<(), ArchiveError> {
    let failed = |cause| ArchiveError::Write { path: to.to_owned(), cause };
    let beside = tempfile::tempdir_in(parent).map_err(failed)?;
    for class in &dataset.classes {
        let folder = beside.path().join(&class.label);
        std::fs::create_dir(&folder).map_err(failed)?;
        for picture in &class.pictures {
            std::fs::write(folder.join(name(picture)), read(picture)?).map_err(failed)?;
            packed();
        }
    }
    // Renaming would replace an empty folder that somebody made meanwhile, and nothing else.
    std::fs::rename(beside.path(), to).map_err(failed)?;
    let _ = beside.keep();
    Ok(())
}

fn zip(dataset: &Dataset, to: &Path, parent: &Path, mut packed: impl FnMut()) -> Result<(), ArchiveError> {
    let failed = |cause| ArchiveError::Write { path: to.to_owned(), cause };
    let mut beside = tempfile::NamedTempFile::new_in(parent).map_err(failed)?;
    let refused = |cause: rawzip::Error| failed(std::io::Error::other(cause));
    let mut archive = rawzip::ZipArchiveWriter::new(BufWriter::new(beside.as_file_mut()));
    for class in &dataset.classes {
        for picture in &class.pictures {
            let path = format!("{}/{}", class.label, name(picture).display());
            // Stored as it is: a JPEG is compressed already.
            let (mut entry, config) = archive.new_file(&path).unix_permissions(0o600).start().map_err(refused)?;
            let mut writer = config.wrap(&mut entry);
            writer.write_all(&read(picture)?).map_err(failed)?;
            let (_, descriptor) = writer.finish().map_err(refused)?;
            entry.finish(descriptor).map_err(refused)?;
            packed();
        }
    }
    let mut file = archive.finish().map_err(refused)?;
    file.flush().map_err(failed)?;
    drop(file);
    let file: &File = beside.as_file();
    file.sync_all().map_err(failed)?;
    beside.persist_noclobber(to).map(drop).map_err(|error| failed(error.error))
}

fn name(picture: &Path) -> PathBuf {
    picture.file_name().map(PathBuf::from).unwrap_or_default()
}

fn read(picture: &Path) -> Result<Vec<u8>, ArchiveError> {
    let failed = |cause| ArchiveError::Picture { path: picture.to_owned(), cause };
    files::read(picture, budget::PICTURE_FILE).map_err(failed)
}
