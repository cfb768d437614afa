//! Why a frame or a file cannot be decoded, and what is checked before it is.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::foreign::{self, Kind};
use crate::domain::frame::RawFormat;

/// Pictures with more pixels are refused before decoding. It bounds the time: telephones make up to 200 megapixels.
pub const MAX_PIXELS: u64 = 256_000_000;

/// The same for the decoders that compute every pixel.
pub(super) const MAX_WHOLE_PIXELS: u64 = 64_000_000;

/// Why a frame cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("is empty (0 bytes)")]
    Empty,
    #[error("is {found}, not a picture that glimpsed reads; it reads JPEG, PNG and WebP")]
    NotAPicture { found: &'static str },
    #[error("is cut short: parts of the {kind} picture are missing")]
    Truncated { kind: Kind },
    #[error("has {width}x{height} pixels; at most {} megapixels are decoded", max_pixels / 1_000_000)]
    TooLarge { width: u64, height: u64, max_pixels: u64 },
    #[error("has {width}x{height} pixels, which is none")]
    NoPixels { width: u64, height: u64 },
    #[error("takes {} MB when decoded, more than is allowed; a smaller one is needed, or a plain (not progressive) JPEG", bytes / 1_000_000)]
    TooManyBytes { bytes: u64 },
    #[error("is a damaged {kind} picture: {cause}")]
    Corrupt { kind: Kind, cause: String },
    #[error("is a {kind} picture of a kind that glimpsed does not read: it {cause}; save it as a plain JPEG or PNG")]
    Unsupported { kind: Kind, cause: &'static str },
    #[error("has an odd size of {width}x{height}, which {format:?} cannot have")]
    OddSize { format: RawFormat, width: u32, height: u32 },
    #[error("has {found} bytes; a {format:?} frame of {width}x{height} has {expected}")]
    WrongLength { format: RawFormat, width: u32, height: u32, expected: usize, found: usize },
    #[error("cannot be decoded: the decoder gave up ({cause})")]
    GaveUp { cause: String },
}

/// Turns a decoder's panic into an error. The decoders are fuzzed; should one panic, it costs a frame and not the daemon.
pub(super) fn guarded<T>(decode: impl FnOnce() -> Result<T, DecodeError>) -> Result<T, DecodeError> {
    catch_unwind(AssertUnwindSafe(decode))
        .unwrap_or_else(|_| Err(DecodeError::GaveUp { cause: "a panic, logged at its first time".into() }))
}

pub(super) fn check_size(width: u64, height: u64, max_pixels: u64) -> Result<(), DecodeError> {
    match width * height {
        0 => Err(DecodeError::NoPixels { width, height }),
        pixels if pixels > max_pixels => Err(DecodeError::TooLarge { width, height, max_pixels }),
        _ => Ok(()),
    }
}

/// Checks the size of a frame and its number of bytes; there may be more.
pub(super) fn check_raw(format: RawFormat, width: u32, height: u32, bytes: &[u8]) -> Result<(), DecodeError> {
    check_size(width.into(), height.into(), MAX_PIXELS)?;
    let [across, down] = format.multiples();
    if !width.is_multiple_of(across) || !height.is_multiple_of(down) {
        return Err(DecodeError::OddSize { format, width, height });
    }
    let (expected, found) = (format.bytes(width, height), bytes.len());
    if found < expected {
        return Err(DecodeError::WrongLength { format, width, height, expected, found });
    }
    Ok(())
}

/// What the bytes are, by how they begin.
pub(super) fn sniff(bytes: &[u8]) -> Result<Kind, DecodeError> {
    let found = || foreign::name(bytes).unwrap_or("of an unknown format");
    match foreign::picture(bytes) {
        None if bytes.is_empty() => Err(DecodeError::Empty),
        kind => kind.ok_or_else(|| DecodeError::NotAPicture { found: found() }),
    }
}
