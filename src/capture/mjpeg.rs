//! Splits a stream of JPEG pictures.

use glimpsed_jpeg::{START, Scan, Scanner};

/// Limit of a picture's size; more is garbage. 16 MiB is a 40-megapixel photograph at high quality.
pub const MAX_PICTURE_BYTES: usize = 16 << 20;

/// Buffers the stream's bytes and extracts whole pictures; other data is skipped and counted.
#[derive(Debug, Default)]
pub struct Splitter {
    buffer: Vec<u8>,
    /// Start of the unconsumed bytes.
    start: usize,
    scanner: Scanner,
    skipped_bytes: u64,
    broken: u64,
}

impl Splitter {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Fills `picture` with the next whole picture; false if more bytes are needed.
    pub fn next_into(&mut self, picture: &mut Vec<u8>) -> bool {
        loop {
            let rest = &self.buffer[self.start..];
            match self.scanner.scan(rest) {
                Scan::Complete(end) => {
                    picture.clear();
                    picture.extend_from_slice(&rest[..end]);
                    self.start += end;
                    self.scanner = Scanner::default();
                    return true;
                }
                Scan::Incomplete if rest.len() <= MAX_PICTURE_BYTES => return false,
                // Drops all of it: resuming at a start inside would scan the same bytes again and again.
                Scan::Incomplete => {
                    let length = rest.len();
                    self.discard(length);
                }
                Scan::Broken(at) => self.resume(at),
            }
        }
    }

    /// Bytes that belonged to no complete picture.
    pub fn skipped_bytes(&self) -> u64 {
        self.skipped_bytes
    }

    /// Pictures that began but did not end.
    pub fn broken(&self) -> u64 {
        self.broken
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
            while splitter.next_into(&mut next) {
                pictures.push(next.clone());
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

    #[test]
    fn endless_garbage_is_not_collected() {
        let mut splitter = Splitter::new();
        let mut next = Vec::new();
        for _ in 0..200 {
            splitter.push(&[0xAB; 1 << 20]);
            assert!(!splitter.next_into(&mut next));
        }
        assert!(splitter.buffer.capacity() < 4 << 20);
    }

    #[test]
    fn an_endless_picture_is_given_up_at_the_limit() {
        let mut splitter = Splitter::new();
        let mut next = Vec::new();
        splitter.push(&[0xFF, 0xD8, 0xFF, 0xDA, 0x00, 0x02]);
        for _ in 0..40 {
            splitter.push(&[0x11; 1 << 20]);
            assert!(!splitter.next_into(&mut next));
        }
        assert!(splitter.buffer.len() <= MAX_PICTURE_BYTES + (2 << 20));
        splitter.push(&picture(5));
        assert!(splitter.next_into(&mut next), "the next picture is found");
        assert_eq!(next, picture(5));
    }

    #[test]
    fn garbage_full_of_starts_takes_time_in_proportion_to_its_length() {
        // Each start begins a picture of endless segments; resuming at each of them would take hours.
        let garbage: Vec<u8> = START.into_iter().chain([0xFF, 0xE1, 0x00, 0x04, 0xFF, 0xD8].repeat(1 << 17)).collect();
        let mut splitter = Splitter::new();
        let mut next = Vec::new();
        for _ in 0..64 {
            splitter.push(&garbage);
            assert!(!splitter.next_into(&mut next));
        }
        assert!(splitter.skipped_bytes() > 32 << 20);
        splitter.push(&[0x00]);
        splitter.push(&picture(5));
        splitter.push(&picture(6));
        assert!(splitter.next_into(&mut next), "pictures are found again");
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
