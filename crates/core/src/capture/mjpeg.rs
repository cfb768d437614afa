//! Splits a stream of JPEG pictures.

use crate::preprocess::foreign;
use glimpsed_base::budget;
use glimpsed_jpeg::decoder::Decoder;
use glimpsed_jpeg::{END, START, Scan, Scanner};

/// The number of bytes without a picture that is reported first; then each doubling is.
const SKIPPED_AT_ONCE: u64 = 64 << 10;

/// After so many bytes without a picture the stream is given up: what else it sends would take processor time for nothing.
const MAX_SKIPPED: u64 = 64 << 20;

const TOO_LARGE: &str = "a picture does not end within 8 MB";

/// Buffers the stream's bytes and extracts whole pictures; other data is skipped and counted.
#[derive(Default)]
pub struct Splitter {
    buffer: Vec<u8>,
    /// Start of the unconsumed bytes.
    start: usize,
    scanner: Scanner,
    /// Finds out whether a picture whose end is not marked lacks a block.
    decoder: Option<Box<Decoder>>,
    /// Unconsumed bytes that were found to be no whole picture by [`Self::finish_into`].
    unfinished: usize,
    /// How the stream began, until the first picture.
    head: Vec<u8>,
    had_pictures: bool,
    skipped_bytes: u64,
    /// Skipped bytes since the last picture, as they were told.
    told_bytes: u64,
    /// Skipped bytes before the last picture.
    skipped_before: u64,
    broken: u64,
}

/// What [`Splitter::next_into`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// A whole picture.
    Picture,
    /// More bytes are needed.
    More,
    /// Bytes were skipped, for this reason.
    Skipped(&'static str),
}

/// Bytes at the beginning that show what the stream is.
const HEAD_BYTES: usize = 1024;

impl Splitter {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        if !self.had_pictures && self.head.len() < HEAD_BYTES {
            self.head.extend_from_slice(&bytes[..bytes.len().min(HEAD_BYTES)]);
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Fills `picture` with the next whole picture.
    ///
    /// A picture whose end is not marked ends where the next one begins, and is whole if it lacks no block.
    pub fn next_into(&mut self, picture: &mut Vec<u8>) -> Next {
        loop {
            let rest = &self.buffer[self.start..];
            match self.scanner.scan(rest) {
                Scan::Complete(end) if end > budget::CAMERA_PICTURE => {
                    self.broken += 1;
                    self.discard(end);
                    return Next::Skipped(TOO_LARGE);
                }
                Scan::Complete(end) => {
                    picture.clear();
                    picture.extend_from_slice(&rest[..end]);
                    self.consume(end);
                    return Next::Picture;
                }
                Scan::Incomplete if rest.len() <= budget::CAMERA_PICTURE => return self.tell_skipped(),
                // Drops all of it: resuming at a start inside would scan the same bytes again and again.
                Scan::Incomplete => {
                    let length = rest.len();
                    self.broken += 1;
                    self.discard(length);
                    return Next::Skipped(TOO_LARGE);
                }
                Scan::Broken(at) if rest.starts_with(&START) && rest[at..].starts_with(&START) => {
                    if self.whole_into(at, picture) {
                        return Next::Picture;
                    }
                    self.broken += 1;
                    self.discard(at);
                    return Next::Skipped("it is cut short: the next picture begins inside of it");
                }
                Scan::Broken(at) => self.resume(at),
            }
        }
    }

    /// As [`Self::next_into`], for a source that has to be pictures from its beginning and may not stop sending them.
    ///
    /// # Errors
    /// What the stream is, if it is something else.
    pub fn next_unless_foreign(&mut self, picture: &mut Vec<u8>) -> Result<Next, &'static str> {
        let next = self.next_into(picture);
        let is_flood = self.skipped_bytes - self.skipped_before > MAX_SKIPPED;
        self.foreign(is_flood).or(is_flood.then_some(foreign::UNKNOWN)).map_or(Ok(next), Err)
    }

    /// Fills `picture` with the last picture although its end is not marked, if it lacks no block. For a stream that is
    /// silent or has ended.
    pub fn finish_into(&mut self, picture: &mut Vec<u8>) -> bool {
        let length = self.buffer.len() - self.start;
        if length == self.unfinished || !self.buffer[self.start..].starts_with(&START) {
            return false;
        }
        self.unfinished = length;
        self.whole_into(length, picture)
    }

    /// Drops the picture that has begun and lacks a block, at the end of a stream. Returns what is wrong with it.
    pub fn cut_short(&mut self) -> Option<&'static str> {
        let rest = self.buffer.len() - self.start;
        if !self.buffer[self.start..].starts_with(&START) {
            return None;
        }
        self.broken += 1;
        self.discard(rest);
        Some("it is cut short: the stream ends inside of it")
    }

    /// Fills `picture` with the next `length` bytes and an end marker, if they are a picture that lacks no block.
    fn whole_into(&mut self, length: usize, picture: &mut Vec<u8>) -> bool {
        let bytes = &self.buffer[self.start..self.start + length];
        if self.decoder.get_or_insert_default().check(bytes, budget::DECODED).is_err() {
            return false;
        }
        picture.clear();
        picture.extend_from_slice(bytes);
        picture.extend_from_slice(&END);
        self.consume(length);
        true
    }

    /// What the stream is, if it is something else than pictures. Text may come before them: it is what the stream is only
    /// if it goes on, or if that is all (`ended`).
    pub fn foreign(&self, ended: bool) -> Option<&'static str> {
        if self.had_pictures || self.skipped_bytes == 0 {
            return None;
        }
        let enough = ended || self.skipped_bytes >= SKIPPED_AT_ONCE;
        foreign::name(&self.head).filter(|what| enough || !foreign::is_readable(what))
    }

    /// What a stream is that is silent, and was no picture until now.
    pub fn instead(&self) -> Option<&'static str> {
        let is_none = !self.had_pictures && self.skipped_bytes > 0;
        is_none.then(|| self.foreign(true).unwrap_or(foreign::UNKNOWN))
    }

    /// Bytes that belonged to no complete picture.
    pub fn skipped_bytes(&self) -> u64 {
        self.skipped_bytes
    }

    /// Pictures that began but did not end.
    pub fn broken(&self) -> u64 {
        self.broken
    }

    fn tell_skipped(&mut self) -> Next {
        let skipped = self.skipped_bytes - self.skipped_before;
        if skipped < (2 * self.told_bytes).max(SKIPPED_AT_ONCE) {
            return Next::More;
        }
        self.told_bytes = skipped;
        Next::Skipped("there are 64 kB and more without a JPEG")
    }

    fn consume(&mut self, bytes: usize) {
        (self.had_pictures, self.unfinished) = (true, 0);
        (self.told_bytes, self.skipped_before) = (0, self.skipped_bytes);
        self.start += bytes;
        self.scanner = Scanner::default();
    }

    /// Resumes at the next possible start at or after `from`, but always at least one byte further.
    fn resume(&mut self, from: usize) {
        let rest = &self.buffer[self.start..];
        self.broken += u64::from(rest.starts_with(&START));
        let from = from.max(1).min(rest.len());
        let skip = match rest[from..].windows(START.len()).position(|pair| pair == START) {
            Some(offset) => from + offset,
            // The last byte may be the first half of a start marker.
            None if rest.last() == Some(&START[0]) => rest.len() - 1,
            None => rest.len(),
        };
        let skip = skip.max(1).min(rest.len());
        self.discard(skip);
    }

    fn discard(&mut self, bytes: usize) {
        self.skipped_bytes += bytes as u64;
        self.unfinished = 0;
        self.start += bytes;
        self.scanner = Scanner::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn picture(content: u8) -> Vec<u8> {
        vec![0xFF, 0xD8, 0xFF, 0xDA, 0x00, 0x02, content, content, 0xFF, 0xD9]
    }

    fn split(stream: &[u8], portion: usize) -> (Vec<Vec<u8>>, Splitter) {
        let mut splitter = Splitter::new();
        let (mut pictures, mut next) = (Vec::new(), Vec::new());
        for bytes in stream.chunks(portion.max(1)) {
            splitter.push(bytes);
            loop {
                match splitter.next_into(&mut next) {
                    Next::Picture => pictures.push(next.clone()),
                    Next::Skipped(_) => {}
                    Next::More => break,
                }
            }
        }
        (pictures, splitter)
    }

    #[test]
    fn half_a_picture_before_a_whole_one_is_skipped_and_counted() {
        let stream = [&picture(1)[..7], &picture(2), b"garbage", &picture(3)].concat();
        let (pictures, splitter) = split(&stream, 4);
        assert_eq!(pictures, [picture(2), picture(3)]);
        assert_eq!(splitter.broken(), 1);
        assert_eq!(splitter.skipped_bytes(), 14);
    }

    fn photo(name: &str) -> Vec<u8> {
        std::fs::read(format!("{}/../../tests/fixtures/jpegs/{name}.jpg", env!("CARGO_MANIFEST_DIR"))).expect(name)
    }

    #[test]
    fn pictures_without_end_markers_come_out_unless_they_lack_a_block() {
        for name in ["2x1-together", "2x2-separate-restarts", "2x2-progressive"] {
            let whole = photo(name);
            let unmarked = &whole[..whole.len() - 2];
            let stream = [unmarked, unmarked, &whole[..whole.len() - 12], unmarked].concat();
            let (pictures, mut splitter) = split(&stream, 100);
            assert_eq!(pictures, [whole.clone(), whole.clone()], "{name}");
            assert_eq!(splitter.broken(), 1, "{name}");
            let mut last = Vec::new();
            assert!(splitter.finish_into(&mut last) && last == whole, "{name}: of a stream that is silent");
            splitter.push(&whole[..whole.len() / 2]);
            assert!(!splitter.finish_into(&mut last), "{name}: of a stream that ends in the middle");
        }
    }

    #[test]
    fn what_is_something_else_from_the_start_is_named() {
        let (pictures, splitter) = split(&[&b"\0\0\0\x01\x67\x42\0\x1e"[..], &[7; 5000]].concat(), 1000);
        assert!(pictures.is_empty());
        assert_eq!(splitter.foreign(false), Some("H.264"));
        let (_, splitter) = split(&[&picture(1)[..], b"usage: camera"].concat(), 1000);
        assert_eq!(splitter.foreign(true), None, "there was a picture");
        let (pictures, splitter) = split(&[&b"starting the camera\n"[..], &picture(1)].concat(), 1000);
        assert_eq!((pictures.len(), splitter.foreign(true)), (1, None), "text may come before the pictures");
        let (_, splitter) = split(b"usage: camera", 1000);
        assert_eq!([false, true].map(|ended| splitter.foreign(ended)), [None, Some("text")]);
        assert_eq!(splitter.instead(), Some("text"), "of one that is silent");
        assert_eq!(split(&[1, 2, 3], 1).1.instead(), Some("data of an unknown kind"));
        assert_eq!(split(&picture(1)[..5], 1).1.instead(), None, "a picture may still come");
    }

    #[test]
    fn endless_garbage_is_not_collected() {
        let mut splitter = Splitter::new();
        let (mut next, mut told) = (Vec::new(), 0);
        for _ in 0..200 {
            splitter.push(&[0xAB; 1 << 20]);
            told += u32::from(splitter.next_into(&mut next) != Next::More);
            assert_eq!(splitter.next_into(&mut next), Next::More);
        }
        assert_eq!(told, 8, "ever less often");
        assert!(splitter.buffer.capacity() < 4 << 20);
    }

    #[test]
    fn a_flood_without_a_picture_is_given_up() {
        let (mut next, flood) = (Vec::new(), vec![0; 1 << 20]);
        let given_up = |splitter: &mut Splitter, next: &mut Vec<u8>| {
            (0..100).find_map(|megabytes| {
                splitter.push(&flood);
                splitter.next_unless_foreign(next).err().map(|what| (megabytes, what))
            })
        };
        let expected = Some((64, foreign::UNKNOWN));
        assert_eq!(given_up(&mut Splitter::new(), &mut next), expected, "from the beginning");
        let mut splitter = Splitter::new();
        splitter.push(&picture(1));
        assert_eq!(splitter.next_unless_foreign(&mut next), Ok(Next::Picture));
        assert_eq!(given_up(&mut splitter, &mut next), expected, "after a picture");
    }

    #[test]
    fn an_endless_picture_is_given_up_at_the_limit() {
        let mut splitter = Splitter::new();
        let mut next = Vec::new();
        splitter.push(&[0xFF, 0xD8, 0xFF, 0xDA, 0x00, 0x02]);
        let mut skipped = 0;
        for _ in 0..40 {
            splitter.push(&[0x11; 1 << 20]);
            skipped += u32::from(splitter.next_into(&mut next) != Next::More);
        }
        assert!(skipped > 0, "it is told");
        assert!(splitter.buffer.len() <= budget::CAMERA_PICTURE + (2 << 20));
        splitter.push(&picture(5));
        assert_eq!(splitter.next_into(&mut next), Next::Picture, "the next picture is found");
        assert_eq!(next, picture(5));
    }

    #[test]
    fn a_whole_picture_that_is_larger_than_the_limit_is_skipped_however_it_arrives() {
        let of = |bytes: usize| [&[0xFF, 0xD8, 0xFF, 0xDA, 0x00, 0x02], &vec![0x11; bytes - 8][..], &END].concat();
        let mut next = Vec::new();
        for (bytes, expected) in
            [(budget::CAMERA_PICTURE, Next::Picture), (budget::CAMERA_PICTURE + 1, Next::Skipped(TOO_LARGE))]
        {
            let mut splitter = Splitter::new();
            splitter.push(&of(bytes));
            assert_eq!(splitter.next_into(&mut next), expected, "{bytes} bytes");
            splitter.push(&picture(5));
            assert_eq!(splitter.next_into(&mut next), Next::Picture);
            assert_eq!(next, picture(5));
        }
    }

    #[test]
    fn garbage_full_of_starts_takes_time_in_proportion_to_its_length() {
        // Each start begins a picture of endless segments; resuming at each of them would take hours.
        let garbage: Vec<u8> = START.into_iter().chain([0xFF, 0xE1, 0x00, 0x04, 0xFF, 0xD8].repeat(1 << 17)).collect();
        let mut splitter = Splitter::new();
        let mut next = Vec::new();
        for _ in 0..64 {
            splitter.push(&garbage);
            while splitter.next_into(&mut next) != Next::More {}
        }
        assert!(splitter.skipped_bytes() > 32 << 20);
        splitter.push(&[0x00]);
        splitter.push(&picture(5));
        splitter.push(&picture(6));
        while splitter.next_into(&mut next) != Next::Picture {}
    }

    proptest! {
        #[test]
        fn whole_pictures_come_out_however_the_stream_is_cut(contents in proptest::collection::vec(0u8..0xF0, 0..20), portion in 1usize..50) {
            let pictures: Vec<Vec<u8>> = contents.iter().map(|&content| picture(content)).collect();
            prop_assert_eq!(split(&pictures.concat(), portion).0, pictures);
        }

        #[test]
        fn any_stream_is_split_without_a_panic(stream in proptest::collection::vec(prop_oneof![Just(0xFFu8), Just(0xD8), Just(0xD9), Just(0xDA), any::<u8>()], 0..300), portion in 1usize..50) {
            for picture in split(&stream, portion).0 {
                prop_assert!(picture.starts_with(&START) && picture.ends_with(&[0xFF, 0xD9]));
            }
        }
    }
}
