//! What bytes are, by how they begin: a picture that is read, or something else.

use glimpsed_jpeg::START;

const HTML: &str = "HTML (a login page?)";
const TEXT: &str = "text";
const HTTP: &str = "the head of a web server's answer";

/// What is nothing of what is known here.
pub const UNKNOWN: &str = "data of an unknown kind";

/// Whether what was found by [`name`] is text, of one kind or another.
pub fn is_readable(name: &str) -> bool {
    [HTML, TEXT, HTTP].contains(&name)
}

/// The encodings that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Jpeg,
    Png,
    WebP,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::WebP => "WebP",
        })
    }
}

/// The kind of picture that the bytes begin; [`name`] may have a name for it, too.
pub fn picture(head: &[u8]) -> Option<Kind> {
    match head {
        _ if head.starts_with(&START) => Some(Kind::Jpeg),
        _ if head.starts_with(b"\x89PNG\r\n\x1a\n") => Some(Kind::Png),
        _ if head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP") => Some(Kind::WebP),
        _ => None,
    }
}

/// What the bytes are, as the end of the sentence "it is ..."; `None` for unknown ones, and for JPEG.
pub fn name(head: &[u8]) -> Option<&'static str> {
    let at = |offset: usize, mark: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(mark));
    Some(match head {
        _ if at(0, b"\x89PNG\r\n\x1a\n") => "PNG pictures",
        _ if at(0, b"RIFF") && at(8, b"WEBP") => "WebP pictures",
        _ if at(0, b"GIF8") => "a GIF",
        _ if at(0, b"BM") => "a BMP",
        _ if at(0, b"II*\0") || at(0, b"MM\0*") => "a TIFF or raw photograph",
        _ if at(0, b"\xFF\x0A") || at(4, b"JXL ") => "a JPEG XL",
        _ if at(4, b"jP  ") => "a JPEG 2000",
        _ if at(4, b"ftypavif") || at(4, b"ftypavis") => "an AVIF",
        _ if at(4, b"ftyphe") || at(4, b"ftypmif1") || at(4, b"ftypmsf1") => {
            "a HEIC (set the telephone's camera to \"most compatible\")"
        }
        _ if at(4, b"ftyp") || at(4, b"moov") || at(4, b"mdat") => "an MP4 or similar video",
        _ if at(0, b"\x1aE\xdf\xa3") => "a Matroska or WebM video",
        _ if at(0, b"RIFF") && at(8, b"AVI ") => "an AVI video",
        _ if at(0, b"FLV") => "a Flash video",
        _ if at(0, b"DKIF") => "an IVF video",
        _ if at(0, b"OggS") => "an Ogg file",
        _ if at(0, b"\x1f\x8b") => "data compressed by gzip",
        _ if at(0, b"PK\x03\x04") => "a ZIP archive",
        _ if matches!(head, [b'P', b'4'..=b'7', b'\n' | b' ', ..]) => "PNM pictures",
        _ if at(0, b"YUV4MPEG2") => "YUV4MPEG2",
        _ if at(0, b"\x47") && at(188, b"\x47") && at(376, b"\x47") => "an MPEG transport stream",
        _ if at(0, b"%PDF") => "a PDF",
        _ if at(0, b"\0\x05\x16\x07") => "an AppleDouble file (macOS's notes on another file)",
        _ if is_html(head) => HTML,
        _ if at(0, b"HTTP/1.") => HTTP,
        _ if is_text(head) => TEXT,
        _ => match start_code(head).or_else(|| start_code(behind_text(head)?))? {
            [0x40 | 0x42 | 0x44 | 0x46, 0x01] => "H.265",
            [unit, _] if matches!(unit & 0x9f, 1 | 5..=9) => "H.264",
            [0xb0 | 0xb5 | 0xb6, _] => "MPEG-4",
            [0xb3 | 0xba, _] => "MPEG-2",
            _ => return None,
        },
    })
}

/// What follows the first start code of a video stream.
fn start_code(head: &[u8]) -> Option<[u8; 2]> {
    let rest = head.strip_prefix(&[0, 0, 0, 1]).or_else(|| head.strip_prefix(&[0, 0, 1]))?;
    rest.first_chunk().copied()
}

/// What follows a few words, such as a program's greeting, before the zeros that a start code begins with.
fn behind_text(head: &[u8]) -> Option<&[u8]> {
    let (text, rest) = head.split_at(head.iter().position(|byte| *byte == 0)?);
    is_text(text).then_some(rest)
}

/// Text that begins with a tag, a comment or a declaration, and is HTML's.
fn is_html(head: &[u8]) -> bool {
    let head = &head[..head.len().min(512)];
    let begun = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start().to_ascii_lowercase();
    let has = |tag: &[u8]| begun.windows(tag.len()).any(|window| window == tag);
    begun.starts_with(b"<") && (has(b"<!doctype html") || has(b"<html") || has(b"<head>"))
}

fn is_text(head: &[u8]) -> bool {
    let head = &head[..head.len().min(512)];
    let is_utf8 = match std::str::from_utf8(head) {
        Ok(_) => true,
        // A letter of several bytes may be cut.
        Err(error) => error.error_len().is_none(),
    };
    is_utf8 && !head.is_empty() && !head.iter().any(|byte| matches!(byte, 0..8 | 14..27))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn videos_and_other_files_are_told_from_each_other() {
        let mut transport = vec![0; 600];
        (0..4).for_each(|packet| transport[188 * packet] = 0x47);
        for (bytes, expected) in [
            (&b"\0\0\0\x01\x67\x42\0\x1e"[..], Some("H.264")),
            (b"\0\0\x01\x09\xf0", Some("H.264")),
            (b"\0\0\0\x01\x40\x01\x0c", Some("H.265")),
            (b"\0\0\x01\xba\x44", Some("MPEG-2")),
            (&transport, Some("an MPEG transport stream")),
            (b"\n  <!DOCTYPE html><title>Login", Some("HTML (a login page?)")),
            (b"usage: camera", Some("text")),
            (b"\xef\xbb\xbf<!DOCTYPE HTML PUBLIC", Some("HTML (a login page?)")),
            (b"<!-- portal --><HTML><body>", Some("HTML (a login page?)")),
            (b"<?xml version=\"1.0\"?><error/>", Some("text")),
            (b"HTTP/1.1 401 Unauthorized\r\n", Some("the head of a web server's answer")),
            (b"Preview window unavailable\n\0\0\0\x01\x67\x42\0\x1e", Some("H.264")),
            (b"RIFF\x10\0\0\0WEBPVP8 ", Some("WebP pictures")),
            (b"DKIF\0\0 \0VP80", Some("an IVF video")),
            (b"P6\n640 480\n255\n\0\0\0", Some("PNM pictures")),
            (b"\x1f\x8b\x08\0", Some("data compressed by gzip")),
            (b"\0\0\0\x18ftypisom", Some("an MP4 or similar video")),
            (b"\0\0\0\x18ftypheic", Some("a HEIC (set the telephone's camera to \"most compatible\")")),
            (b"\xFF\xD8\xFF\xE0", None),
            (b"\x01\x02\x03\x04", None),
            (b"", None),
        ] {
            assert_eq!(name(bytes), expected, "{bytes:?}");
        }
    }
}
