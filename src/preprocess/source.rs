//! From the bytes of a frame to the numbers in them, with as little work as the model's size allows.

use super::decode::{DecodeError, MAX_PIXELS, check_raw, check_size, decode, guarded};
use super::picture::RgbImage;
use super::samples::Samples;
use crate::domain::frame::{Encoding, RawFormat};
pub use glimpsed_jpeg::baseline::Wanted;
use glimpsed_jpeg::baseline::{self, Refusal};

/// Its buffers serve again for every frame.
#[derive(Default)]
pub struct FrameDecoder {
    jpeg: Box<baseline::Decoder>,
    picture: RgbImage,
    kept: Kept,
}

/// Where the frame that was decoded last is.
#[derive(Debug, Clone, Copy, Default)]
enum Kept {
    #[default]
    Picture,
    Planes {
        width: usize,
        height: usize,
    },
    /// In its own bytes.
    Raw(RawFormat, usize, usize),
}

impl FrameDecoder {
    /// Decodes a frame; `wanted` is told the picture's size, and says how it is wanted. What is not to be computed is left
    /// out only where that is cheap: whoever asks for a part gets all of it, and more.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn decode(
        &mut self,
        encoding: Encoding,
        bytes: &[u8],
        wanted: impl Fn(usize, usize) -> Wanted,
    ) -> Result<(), DecodeError> {
        self.kept = match encoding {
            Encoding::Raw { format, width, height } => {
                check_raw(format, width, height, bytes)?;
                Kept::Raw(format, width as usize, height as usize)
            }
            Encoding::Jpeg => match guarded(|| self.decode_jpeg(bytes, wanted))? {
                Some(kept) => kept,
                None => self.decode_whole(encoding, bytes)?,
            },
            Encoding::File => self.decode_whole(encoding, bytes)?,
        };
        Ok(())
    }

    /// Pictures that the other decoder reads, at their full size.
    fn decode_whole(&mut self, encoding: Encoding, bytes: &[u8]) -> Result<Kept, DecodeError> {
        decode(encoding, bytes, &mut self.picture)?;
        Ok(Kept::Picture)
    }

    /// `None` for an unusual picture.
    fn decode_jpeg(
        &mut self,
        bytes: &[u8],
        wanted: impl Fn(usize, usize) -> Wanted,
    ) -> Result<Option<Kept>, DecodeError> {
        let header = match self.jpeg.read(bytes) {
            Ok(header) => header,
            Err(Refusal::Unusual(_)) => return Ok(None),
            Err(Refusal::Damaged(cause)) => return Err(damaged(cause)),
        };
        let (width, height) = (header.width, header.height);
        check_size(width as u64, height as u64, MAX_PIXELS)?;
        match self.jpeg.decode(bytes, &header, &wanted(width, height)) {
            Ok(()) => Ok(Some(Kept::Planes { width, height })),
            Err(Refusal::Unusual(_)) => Ok(None),
            Err(Refusal::Damaged(cause)) => Err(damaged(cause)),
        }
    }

    /// What was decoded last, from these `bytes`.
    pub fn samples<'a>(&'a self, bytes: &'a [u8]) -> Samples<'a> {
        match self.kept {
            Kept::Picture => Samples::from(&self.picture),
            Kept::Planes { width, height } => Samples::planes(width, height, self.jpeg.planes()),
            Kept::Raw(format, width, height) => match format {
                RawFormat::Rgb => Samples::rgb(width, height, bytes),
                RawFormat::Grey => Samples::grey(width, height, bytes),
                RawFormat::Yuyv => Samples::yuyv(width, height, bytes),
                RawFormat::Nv12 => Samples::nv12(width, height, bytes),
            },
        }
    }
}

fn damaged(cause: &str) -> DecodeError {
    DecodeError::Corrupt { kind: "JPEG", cause: cause.into() }
}
