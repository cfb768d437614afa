//! Reading files of unknown origin: regular files only, up to a given size.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

/// Why a file was not read. The text continues the file's name.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system does not give its contents.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// The path is that of a directory.
    #[error("is a directory")]
    Directory,
    /// A pipe, a socket or a device: reading it could block for ever.
    #[error("is not a file")]
    NotRegular,
    /// It has more bytes than this.
    #[error("has more than {0} bytes")]
    TooLong(u64),
    /// It is not UTF-8 beyond this many bytes.
    #[error("is not UTF-8 after {0} bytes")]
    NotUtf8(usize),
}

/// Reads a whole file of at most `max_bytes` bytes.
///
/// # Errors
/// When it cannot be read, is no regular file, or is longer than `max_bytes`.
pub fn read(path: &Path, max_bytes: u64) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    read_into(path, max_bytes, &mut bytes)?;
    Ok(bytes)
}

/// As [`read`], into a buffer, whose contents are replaced. After an error the contents are unspecified.
///
/// # Errors
/// As [`read`].
pub fn read_into(path: &Path, max_bytes: u64, bytes: &mut Vec<u8>) -> Result<(), ReadError> {
    let metadata = std::fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(ReadError::Directory);
    }
    if !metadata.is_file() {
        return Err(ReadError::NotRegular);
    }
    let file = std::fs::File::open(path)?;
    bytes.clear();
    if metadata.len() > max_bytes {
        return Err(ReadError::TooLong(max_bytes));
    }
    // The buffer does not grow by doubling, which would take up to twice as much.
    bytes.reserve_exact(metadata.len() as usize + 1);
    // Reading one byte more than allowed detects a file that is too long. Its declared length would not, if the file
    // grows or is in /proc.
    file.take(max_bytes + 1).read_to_end(bytes)?;
    match bytes.len() as u64 > max_bytes {
        true => Err(ReadError::TooLong(max_bytes)),
        false => Ok(()),
    }
}

/// The permissions of a secret file that are too wide: others can read it, or the group can replace it. `None` for a file that is
/// closed, or not there. The group may read, because daemons get their secrets through a group. What a container's runtime mounts in
/// `/run/secrets` belongs to the container alone, whatever its mode.
pub fn too_open(path: &Path) -> Option<u32> {
    let is_plain = !path.components().any(|part| part == Component::ParentDir);
    if is_plain && path.starts_with("/run/secrets") {
        return None;
    }
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o7777;
    (mode & 0o027 != 0).then_some(mode)
}

/// As [`read`], for text.
///
/// # Errors
/// As [`read`], or that it is not UTF-8.
pub fn read_text(path: &Path, max_bytes: u64) -> Result<String, ReadError> {
    let bytes = read(path, max_bytes)?;
    String::from_utf8(bytes).map_err(|error| ReadError::NotUtf8(error.utf8_error().valid_up_to()))
}

/// `path` if it is absolute, else `path` relative to the directory `base`.
pub fn resolve(base: &Path, path: &Path) -> PathBuf {
    if path.is_absolute() { path.to_owned() } else { base.join(path) }
}

/// The extensions of pictures.
const PICTURES: [&str; 6] = ["jpg", "jpeg", "jpe", "jfif", "png", "webp"];

/// The pictures (`.jpg`, `.jpeg`, `.jpe`, `.jfif`, `.png`, `.webp`, in any case) of a directory in the order of their paths,
/// without subdirectories and hidden files (macOS puts `._photo.jpg` beside each `photo.jpg`).
///
/// # Errors
/// When the directory cannot be listed.
pub fn pictures_in(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_file() && is_picture(&path) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Whether a path has a picture's name: one of those extensions, and not hidden.
pub fn is_picture(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    !is_hidden && PICTURES.iter().any(|known| extension == *known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_known_by_their_extension_and_hidden_files_are_none() {
        for name in ["a.jpg", "a.JPEG", "a.jpe", "a.jfif", "a.b.png", "a.webp"] {
            assert!(is_picture(Path::new(name)), "{name}");
        }
        for name in ["._a.jpg", ".a.png", "a.gif", "jpg", "a.jpg.txt", "a.mp4", ""] {
            assert!(!is_picture(Path::new(name)), "{name}");
        }
    }
}
