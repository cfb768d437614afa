//! The bytes of a model: of one file, or of two, of which the second holds weights and is read as if it followed the first.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read, Result, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};

use super::extent::{Extent, own_tensors};
use super::pb::tensor_proto::{DataLocation, DataType};
use super::pb::{GraphProto, ModelProto, TensorProto};
use crate::error::Error;

/// A model's file, and that of its weights.
#[derive(Debug)]
pub(crate) struct Stored {
    file: File,
    bytes: u64,
    weights: Option<(File, u64)>,
}

impl Stored {
    pub(super) fn new(file: File, bytes: u64) -> Self {
        Self { file, bytes, weights: None }
    }

    /// The same file, followed by another one.
    pub(super) fn followed_by(&self, weights: File, bytes: u64) -> Result<Self> {
        Ok(Self { file: self.file.try_clone()?, bytes: self.bytes, weights: Some((weights, bytes)) })
    }

    /// The number of bytes of the model's file alone.
    pub(super) fn first_length(&self) -> u64 {
        self.bytes
    }

    /// The number of bytes of both.
    pub(crate) fn length(&self) -> u64 {
        self.bytes + self.weights.as_ref().map_or(0, |(_, bytes)| *bytes)
    }

    /// The file that has the byte at this place, the place in it, and how many bytes follow there.
    fn at(&self, offset: u64) -> Option<(&File, u64, u64)> {
        match (&self.weights, offset.checked_sub(self.bytes)) {
            (_, None) => Some((&self.file, offset, self.bytes - offset)),
            (Some((weights, bytes)), Some(offset)) if offset < *bytes => Some((weights, offset, bytes - offset)),
            _ => None,
        }
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let Some((file, offset, left)) = self.at(offset) else { return Ok(0) };
        let length = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        file.read_at(&mut buffer[..length], offset)
    }

    pub(crate) fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// What both files are like now.
    pub(super) fn metadata(&self) -> Result<(Metadata, Option<Metadata>)> {
        let weights = self.weights.as_ref().map(|(file, _)| file.metadata()).transpose()?;
        Ok((self.file.metadata()?, weights))
    }
}

/// Reads a model's bytes from a place of its own, so that several readers do not disturb each other.
pub(super) struct Positioned<'a> {
    pub stored: &'a Stored,
    /// The offset of the next byte.
    pub at: u64,
}

impl Read for Positioned<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.stored.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Positioned<'_> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        // `BufReader` seeks only relative to the current position.
        let SeekFrom::Current(by) = to else { return Err(ErrorKind::Unsupported.into()) };
        let at = self.at.checked_add_signed(by);
        self.at = at.ok_or(ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

/// The one other file that weights are in, as the model names it.
///
/// # Errors
/// When they are in several.
pub(super) fn elsewhere(model: &ModelProto) -> std::result::Result<Option<String>, Error> {
    let mut found: Option<&str> = None;
    for tensor in model.graph.iter().flat_map(own_tensors).filter(|tensor| is_elsewhere(tensor)) {
        let location = entry(tensor, "location").unwrap_or_default();
        if found.is_some_and(|found| found != location) {
            let cause = "and in more than one; save it with all weights in one file";
            return Err(Error::ExternalData { location: location.to_owned(), cause: cause.into() });
        }
        found = Some(location);
    }
    Ok(found.map(str::to_owned))
}

/// Opens the file of that name beside the model. The name comes from the model, so it may be nothing but a name.
///
/// # Errors
/// When it is a path, is not there, is no file or too large.
pub(super) fn open_beside(model: &Path, location: &str, most: u64) -> std::result::Result<(File, u64), Error> {
    let refuse = |cause: &str| Error::ExternalData { location: location.to_owned(), cause: cause.to_owned() };
    let mut parts = Path::new(location).components();
    let is_name = matches!((parts.next(), parts.next()), (Some(Component::Normal(name)), None) if name == location);
    if !is_name || location.contains('\\') {
        return Err(refuse("which is not a plain name in the same directory, and is not opened; save it as one file"));
    }
    let path = model.parent().unwrap_or(Path::new("")).join(location);
    let directory = |path: &Path| path.canonicalize().ok().and_then(|path| path.parent().map(PathBuf::from));
    let missing = "which is not there: copy it into the directory of the model, or save the model as one file";
    // The kind of file is looked at before it is opened, because opening a pipe would wait for a writer.
    if !std::fs::metadata(&path).map_err(|_| refuse(missing))?.is_file() {
        return Err(refuse("which is not a file"));
    }
    // A link may lead to where the model's own link leads, as those of download caches do, and nowhere else.
    if directory(&path) != directory(model) {
        return Err(refuse("which is a link to another directory, and is not opened; copy the file itself"));
    }
    let file = File::open(&path).map_err(|error| refuse(&format!("which cannot be read: {error}")))?;
    let bytes = file.metadata().map_err(|error| refuse(&format!("which cannot be read: {error}")))?.len();
    match bytes <= most {
        true => Ok((file, bytes)),
        false => Err(refuse("and both have more than 1 GiB together")),
    }
}

/// Gives tensors that are in the other file their place behind the first file's `before` bytes. False if they lie beyond the end of
/// the other one's `bytes`, or together have more bytes than it has.
pub(super) fn place(model: &mut ModelProto, before: u64, bytes: u64) -> bool {
    let Some(GraphProto { initializer, node, .. }) = &mut model.graph else { return true };
    let attributes = node.iter_mut().flat_map(|node| &mut node.attribute);
    let tensors = initializer.iter_mut().chain(attributes.filter_map(|attribute| attribute.t.as_mut()));
    let mut sum = 0_u64;
    for tensor in tensors.filter(|tensor| is_elsewhere(tensor)) {
        let number = |key: &str| entry(tensor, key).map(str::parse::<u64>);
        let (Ok(offset), Some(length)) = (number("offset").unwrap_or(Ok(0)), length(tensor)) else { return false };
        sum = sum.saturating_add(length);
        if number("length").is_some_and(|declared| declared != Ok(length))
            || sum > bytes
            || offset.checked_add(length).is_none_or(|end| end > bytes)
        {
            return false;
        }
        tensor.external_data = Extent { offset: before + offset, length }.entries();
    }
    true
}

/// Whether its numbers are in another file.
fn is_elsewhere(tensor: &TensorProto) -> bool {
    let external = tensor.data_location == Some(DataLocation::External as i32) || !tensor.external_data.is_empty();
    external && Extent::of(tensor).is_none()
}

fn entry<'a>(tensor: &'a TensorProto, key: &str) -> Option<&'a str> {
    tensor.external_data.iter().rev().find(|entry| entry.key == key).map(|entry| entry.value.as_str())
}

/// The bytes of its numbers, by its shape and type.
fn length(tensor: &TensorProto) -> Option<u64> {
    let width = match DataType::try_from(tensor.data_type).ok()? {
        DataType::Int8 | DataType::Uint8 | DataType::Bool => 1,
        DataType::Float16 | DataType::Bfloat16 | DataType::Int16 | DataType::Uint16 => 2,
        DataType::Float | DataType::Int32 | DataType::Uint32 => 4,
        DataType::Double | DataType::Int64 | DataType::Uint64 => 8,
        _ => return None,
    };
    tensor.dims.iter().try_fold(width, |product: u64, &side| product.checked_mul(u64::try_from(side).ok()?))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file(bytes: &[u8]) -> (File, u64) {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(bytes).expect("writable");
        (file, bytes.len() as u64)
    }

    #[test]
    fn the_second_file_follows_the_first() {
        let (first, length) = file(b"abc");
        let (second, more) = file(b"defg");
        let both = Stored::new(first, length).followed_by(second, more).expect("two files");
        let mut piece = [0; 4];
        both.read_exact_at(&mut piece, 1).expect("inside");
        assert_eq!((&piece, both.length()), (b"bcde", 7));
        assert!(both.read_exact_at(&mut piece, 4).is_err(), "beyond the end");
        let mut all = Vec::new();
        Positioned { stored: &both, at: 0 }.read_to_end(&mut all).expect("readable");
        assert_eq!(all, b"abcdefg");
    }

    #[test]
    fn only_a_plain_file_beside_the_model_is_opened() {
        let directory = tempfile::tempdir().expect("a directory");
        let (inside, outside) = (directory.path().join("models"), directory.path().join("outside.data"));
        std::fs::create_dir(&inside).expect("a directory");
        let model = inside.join("m.onnx");
        for path in [&model, &inside.join("m.onnx.data"), &outside] {
            std::fs::write(path, "12345678").expect("writable");
        }
        std::os::unix::fs::symlink(&outside, inside.join("link")).expect("a link");
        std::os::unix::fs::symlink("m.onnx.data", inside.join("near")).expect("a link");
        std::fs::create_dir(inside.join("folder")).expect("a directory");
        let open = |location: &str| open_beside(&model, location, 8).map(|(_, bytes)| bytes);
        assert_eq!((open("m.onnx.data"), open("near")), (Ok(8), Ok(8)));
        let absolute = outside.display().to_string();
        for hostile in ["../outside.data", "./m.onnx.data", "", ".", "..", "a/b", "a\\b", &absolute, "link", "folder"] {
            assert!(open(hostile).is_err(), "{hostile}");
        }
        assert!(open("absent").expect_err("absent").to_string().contains("copy it into the directory of the model"));
        assert!(open_beside(&model, "m.onnx.data", 7).is_err(), "too large");
    }
}
