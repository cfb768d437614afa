//! One picture between a source and the model.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

/// A picture as its source delivered it.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Counts from 1 over the life of the process, lost frames included.
    pub seq: u64,
    /// Monotonic time ([`glimpsed_base::clock::Clock::now`]) at which the last byte had arrived.
    pub captured_at: Duration,
    /// The same moment in wall-clock time.
    pub wall: Timestamp,
    /// How long the source took to deliver it, waiting included.
    pub capture_time: Duration,
    pub encoding: Encoding,
    pub bytes: Vec<u8>,
    /// The file that a replayed frame was read from.
    pub origin: Option<Arc<str>>,
}

impl Frame {
    /// A frame for tests and tools that have no source.
    pub fn from_bytes(encoding: Encoding, bytes: Vec<u8>) -> Self {
        Self {
            seq: 1,
            captured_at: Duration::ZERO,
            wall: Timestamp::UNIX_EPOCH,
            capture_time: Duration::ZERO,
            encoding,
            bytes,
            origin: None,
        }
    }
}

/// The encoding of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// One JPEG picture of a stream.
    Jpeg,
    /// A whole JPEG or PNG file; its orientation tag is applied.
    File,
    /// Uncompressed rows without padding.
    Raw { format: RawFormat, width: u32, height: u32 },
}

/// Uncompressed pixel formats; YCbCr is BT.601, limited range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RawFormat {
    /// Y0 Cb Y1 Cr: two bytes per pixel.
    Yuyv,
    /// A plane of Y, then a plane of interleaved Cb and Cr at half the width and height.
    Nv12,
    Grey,
    Rgb,
}

impl RawFormat {
    /// Size of a picture in bytes. The width must be even for Yuyv, width and height for Nv12.
    pub fn bytes(self, width: u32, height: u32) -> usize {
        let pixels = width as usize * height as usize;
        match self {
            Self::Yuyv => pixels * 2,
            Self::Nv12 => pixels + pixels / 2,
            Self::Grey => pixels,
            Self::Rgb => pixels * 3,
        }
    }
}
