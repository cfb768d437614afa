//! From the bytes of a frame to its samples, with as little decoding as the model's input size allows.

use super::decode::{DecodeError, MAX_PIXELS, check_raw, check_size, decode, guarded};
use super::picture::RgbImage;
use super::samples::Samples;
use crate::domain::frame::{Encoding, RawFormat};
pub use glimpsed_jpeg::baseline::Wanted;
use glimpsed_jpeg::baseline::{self, Refusal};

/// Decodes frames; its buffers are reused.
#[derive(Default)]
pub struct FrameDecoder {
    jpeg: Box<baseline::Decoder>,
    picture: RgbImage,
    kept: Kept,
}

/// Where the last decoded frame is stored.
#[derive(Debug, Clone, Copy, Default)]
enum Kept {
    #[default]
    Picture,
    Planes {
        width: usize,
        height: usize,
    },
    /// Uncompressed, in the frame's own bytes.
    Raw(RawFormat, usize, usize),
}

impl FrameDecoder {
    /// Decodes a frame. `wanted` receives the picture's size and returns the scale and part that are needed. The rest
    /// is left out only where that is cheap, so the result may cover more than that part.
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

    /// Decodes with the general decoder, at full size.
    fn decode_whole(&mut self, encoding: Encoding, bytes: &[u8]) -> Result<Kept, DecodeError> {
        decode(encoding, bytes, &mut self.picture)?;
        Ok(Kept::Picture)
    }

    /// `None` for a JPEG feature that this decoder does not support.
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

    /// The samples of the last decoded frame, whose `bytes` these are.
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
