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
    /// A whole JPEG, PNG or WebP file; its orientation tag is applied.
    File,
    /// Uncompressed rows without padding.
    Raw { format: RawFormat, range: Range, width: u32, height: u32 },
}

/// The values of the Y, Cb and Cr of an uncompressed frame, which are those of BT.601.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// Y from 16 to 235, Cb and Cr from 16 to 240: as in video.
    Video,
    /// 0 to 255: as in JPEG.
    Full,
}

/// Uncompressed pixel formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RawFormat {
    /// Y0 Cb Y1 Cr: two bytes per pixel.
    Yuyv,
    /// Y0 Cr Y1 Cb.
    Yvyu,
    /// Cb Y0 Cr Y1.
    Uyvy,
    /// A plane of Y, then a plane of interleaved Cb and Cr at half the width and height.
    Nv12,
    /// The same with Cr before Cb.
    Nv21,
    /// Three planes: Y, and Cb and Cr at half the width and height.
    Yu12,
    Grey,
    Rgb,
    Bgr,
}

impl RawFormat {
    /// All of them.
    pub const ALL: [Self; 9] =
        [Self::Yuyv, Self::Yvyu, Self::Uyvy, Self::Nv12, Self::Nv21, Self::Yu12, Self::Grey, Self::Rgb, Self::Bgr];

    /// Size of a picture in bytes. Width and height must be multiples of [`Self::multiples`].
    pub fn bytes(self, width: u32, height: u32) -> usize {
        let pixels = width as usize * height as usize;
        match self {
            Self::Yuyv | Self::Yvyu | Self::Uyvy => pixels * 2,
            Self::Nv12 | Self::Nv21 | Self::Yu12 => pixels + pixels / 2,
            Self::Grey => pixels,
            Self::Rgb | Self::Bgr => pixels * 3,
        }
    }

    /// What width and height are multiples of, because pixels share their colours.
    pub fn multiples(self) -> [u32; 2] {
        match self {
            Self::Yuyv | Self::Yvyu | Self::Uyvy => [2, 1],
            Self::Nv12 | Self::Nv21 | Self::Yu12 => [2, 2],
            Self::Grey | Self::Rgb | Self::Bgr => [1, 1],
        }
    }
}
