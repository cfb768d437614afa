//! From the bytes of a frame or a file to its samples, with as little decoding as the model's input size allows.

use std::cell::Cell;

use super::error::{DecodeError, MAX_PIXELS, check_raw, check_size, guarded, sniff};
use super::foreign::Kind;
use super::picture::RgbImage;
use super::samples::Samples;
use super::{png, webp};
use crate::domain::frame::{Encoding, Frame, Range, RawFormat};
use glimpsed_base::budget;
pub use glimpsed_jpeg::decoder::Wanted;
use glimpsed_jpeg::decoder::{self, Refusal};

/// Decodes frames and files; its buffers are reused.
#[derive(Default)]
pub struct FrameDecoder {
    jpeg: Box<decoder::Decoder>,
    picture: RgbImage,
    kept: Kept,
    /// What of the last frame was decoded, for others who need it; see [`Self::decode_once`].
    held: Option<Held>,
}

/// What was decoded of a frame: its size in pixels, and the scale and part.
struct Held {
    size: (usize, usize),
    wanted: Wanted,
}

/// Where the last decoded frame is stored.
#[derive(Debug, Clone, Copy, Default)]
enum Kept {
    #[default]
    Picture,
    /// In the JPEG decoder.
    Planes,
    /// Uncompressed, in the frame's own bytes.
    Raw(RawFormat, Range, [usize; 2]),
}

impl FrameDecoder {
    /// Another frame comes: nothing of the last one serves again.
    pub fn forget(&mut self) {
        self.held = None;
    }

    /// As [`Self::decode`], for several who need the same frame: what was decoded for one of them serves the next if it has the same
    /// scale and the part. [`Self::forget`] must be called before another frame.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn decode_once(&mut self, frame: &Frame, wanted: impl Fn(usize, usize) -> Wanted) -> Result<(), DecodeError> {
        if let Some(Held { size: (width, height), wanted: held }) = &self.held
            && held.serves(&wanted(*width, *height))
        {
            return Ok(());
        }
        let held = Cell::new(None);
        self.decode(frame.encoding, &frame.bytes, |width, height| {
            let wanted = wanted(width, height);
            held.set(Some(Held { size: (width, height), wanted: wanted.clone() }));
            wanted
        })?;
        self.held = held.take();
        Ok(())
    }

    /// Decodes a frame or a file. `wanted` receives the picture's size and returns the scale and part that are needed. The
    /// rest is left out only where that is cheap, so the result may cover more than that part. It takes at most
    /// [`budget::DECODED`] bytes: a larger picture is decoded smaller.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn decode(
        &mut self,
        encoding: Encoding,
        bytes: &[u8],
        wanted: impl Fn(usize, usize) -> Wanted,
    ) -> Result<(), DecodeError> {
        self.held = None;
        self.kept = match encoding {
            Encoding::Raw { format, range, width, height } => {
                check_raw(format, width, height, bytes)?;
                Kept::Raw(format, range, [width as usize, height as usize])
            }
            Encoding::Jpeg => guarded(|| self.decode_jpeg(bytes, false, wanted))?,
            Encoding::File => guarded(|| match sniff(bytes)? {
                Kind::Jpeg => self.decode_jpeg(bytes, true, wanted),
                Kind::Png => png::decode(bytes, &mut self.picture).map(|()| Kept::Picture),
                Kind::WebP => webp::decode(bytes, &mut self.picture).map(|()| Kept::Picture),
            })?,
        };
        Ok(())
    }

    /// `upright`: turned as its orientation tag says.
    fn decode_jpeg(
        &mut self,
        bytes: &[u8],
        upright: bool,
        wanted: impl Fn(usize, usize) -> Wanted,
    ) -> Result<Kept, DecodeError> {
        let header = self.jpeg.read(bytes).map_err(refused)?;
        check_size(header.width as u64, header.height as u64, MAX_PIXELS)?;
        let orientation = if upright { header.orientation } else { 1 };
        let mut wanted = match orientation {
            1 => wanted(header.width, header.height),
            2..=4 => Wanted { columns: 0..header.width, rows: 0..header.height, ..wanted(header.width, header.height) },
            _ => Wanted { columns: 0..header.width, rows: 0..header.height, ..wanted(header.height, header.width) },
        };
        if upright {
            wanted.budget = wanted.budget.max(budget::DECODED_FILE);
        }
        self.jpeg.decode(bytes, &header, &wanted).map_err(refused)?;
        self.jpeg.turn(orientation);
        Ok(Kept::Planes)
    }

    /// The samples of the last decoded frame, whose `bytes` these are.
    pub fn samples<'a>(&'a self, bytes: &'a [u8]) -> Samples<'a> {
        match self.kept {
            Kept::Picture => Samples::from(&self.picture),
            Kept::Planes => Samples::decoded(&self.jpeg),
            Kept::Raw(format, range, size) => Samples::raw(format, range, size, bytes),
        }
    }
}

fn refused(refusal: Refusal) -> DecodeError {
    let kind = Kind::Jpeg;
    match refusal {
        Refusal::Unsupported(unsupported) => DecodeError::Unsupported { kind, cause: unsupported.0 },
        Refusal::Damaged(cause) => DecodeError::Corrupt { kind, cause: cause.into() },
        Refusal::CutShort => DecodeError::Truncated { kind },
        Refusal::TooLarge { bytes } => DecodeError::TooManyBytes { bytes: bytes as u64 },
    }
}
