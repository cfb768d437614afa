//! The end of a picture in a stream, by its markers (ITU-T T.81, annex B).

/// The first bytes of every JPEG: the marker SOI (start of image).
pub const START: [u8; 2] = [0xFF, 0xD8];

/// The last bytes of a JPEG: the marker EOI (end of image).
pub const END: [u8; 2] = [0xFF, 0xD9];

/// The result of [`Scanner::scan`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan {
    /// A whole picture of this many bytes, the end marker (EOI) included.
    Complete(usize),
    /// The beginning of a picture; more bytes are needed.
    Incomplete,
    /// Not a picture, or one that is damaged at this byte offset, or whose end is not marked there: another picture begins.
    Broken(usize),
}

/// Finds the end of a picture by its markers, incrementally: it resumes where it stopped when it is given the same
/// bytes with more behind them. A new picture needs a new scanner.
#[derive(Debug, Clone, Default)]
pub struct Scanner {
    at: usize,
    in_scan: bool,
    /// Bytes since the last segment that belong to none.
    stray: usize,
}

/// Most bytes between two segments that belong to none and are passed over, as other decoders do.
pub(crate) const MAX_STRAY_BYTES: usize = 4096;

impl Scanner {
    /// Scans `bytes`, which start with the picture. Each call must repeat the bytes of the earlier calls.
    pub fn scan(&mut self, bytes: &[u8]) -> Scan {
        if self.at == 0 {
            match bytes {
                [0xFF, 0xD8, ..] => self.at = 2,
                [] | [0xFF] => return Scan::Incomplete,
                _ => return Scan::Broken(0),
            }
        }
        loop {
            let step = if self.in_scan { self.skip_entropy_coded(bytes) } else { self.read_segment(bytes) };
            match step {
                Step::On => {}
                Step::Stop(result) => return result,
            }
        }
    }

    /// In entropy-coded data 0xFF is followed by a stuffed zero or is part of a restart marker; any other marker ends
    /// it.
    fn skip_entropy_coded(&mut self, bytes: &[u8]) -> Step {
        while let Some(offset) = bytes.get(self.at..).and_then(|rest| rest.iter().position(|&byte| byte == 0xFF)) {
            self.at += offset;
            match bytes.get(self.at + 1) {
                None => return Step::Stop(Scan::Incomplete),
                Some(0x00 | 0xD0..=0xD7) => self.at += 2,
                Some(0xFF) => self.at += 1,
                Some(_) => {
                    self.in_scan = false;
                    return Step::On;
                }
            }
        }
        self.at = bytes.len().max(self.at);
        Step::Stop(Scan::Incomplete)
    }

    fn read_segment(&mut self, bytes: &[u8]) -> Step {
        let Some(rest) = bytes.get(self.at..) else { return Step::Stop(Scan::Incomplete) };
        match rest {
            [] | [0xFF] => Step::Stop(Scan::Incomplete),
            // Fill bytes may precede any marker (T.81, B.1.1.2).
            [0xFF, 0xFF, ..] => {
                self.at += 1;
                Step::On
            }
            [0xFF, 0xD9, ..] => Step::Stop(Scan::Complete(self.at + 2)),
            // Another picture starts inside this one, whose end is not marked.
            [0xFF, 0xD8, ..] => Step::Stop(Scan::Broken(self.at)),
            [0xFF, 0x00, ..] => self.pass_over(2),
            [0xFF, 0x01 | 0xD0..=0xD7, ..] => {
                self.at += 2;
                Step::On
            }
            [0xFF, marker, high, low, ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                if length < 2 {
                    return Step::Stop(Scan::Broken(self.at));
                }
                (self.in_scan, self.stray) = (*marker == 0xDA, 0);
                self.at += 2 + length;
                Step::On
            }
            [0xFF, ..] => Step::Stop(Scan::Incomplete),
            _ => self.pass_over(rest.iter().position(|&byte| byte == 0xFF).unwrap_or(rest.len())),
        }
    }

    /// Stray bytes; right behind the start marker there are none.
    fn pass_over(&mut self, bytes: usize) -> Step {
        self.stray += bytes;
        if self.at == START.len() || self.stray > MAX_STRAY_BYTES {
            return Step::Stop(Scan::Broken(self.at));
        }
        self.at += bytes;
        Step::On
    }
}

enum Step {
    On,
    Stop(Scan),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// SOI, an APP1 segment whose content looks like EOI, a scan with a stuffed byte and a restart marker, EOI.
    const PICTURE: &[u8] = &[
        0xFF, 0xD8, 0xFF, 0xE1, 0x00, 0x04, 0xFF, 0xD9, 0xFF, 0xFF, 0xDA, 0x00, 0x03, 0x01, 0x12, 0xFF, 0x00, 0x34,
        0xFF, 0xD3, 0x56, 0xFF, 0xD9,
    ];

    #[test]
    fn an_end_marker_inside_a_segment_is_not_the_end() {
        assert_eq!(Scanner::default().scan(PICTURE), Scan::Complete(PICTURE.len()));
    }

    #[test]
    fn bytes_behind_the_end_do_not_count() {
        let mut bytes = PICTURE.to_vec();
        bytes.extend([0, 1, 2, 0xFF, 0xD9]);
        assert_eq!(Scanner::default().scan(&bytes), Scan::Complete(PICTURE.len()));
    }

    #[test]
    fn every_prefix_is_incomplete_whatever_the_portions() {
        for portion in 1..PICTURE.len() {
            let mut scanner = Scanner::default();
            for end in (0..PICTURE.len()).step_by(portion) {
                assert_eq!(scanner.scan(&PICTURE[..end]), Scan::Incomplete, "{end} bytes in portions of {portion}");
            }
            assert_eq!(scanner.scan(PICTURE), Scan::Complete(PICTURE.len()));
        }
    }

    #[test]
    fn a_picture_that_starts_inside_another_breaks_it() {
        let cut = [&PICTURE[..16], PICTURE].concat();
        assert_eq!(Scanner::default().scan(&cut), Scan::Broken(16));
    }

    #[test]
    fn stray_bytes_between_segments_are_passed_over_but_not_many() {
        let with = |count: usize| [&PICTURE[..8], &vec![0x55; count], &PICTURE[8..]].concat();
        for count in [1, 7, 4096] {
            assert_eq!(Scanner::default().scan(&with(count)), Scan::Complete(PICTURE.len() + count));
        }
        assert_eq!(Scanner::default().scan(&with(4097)), Scan::Broken(8));
        assert_eq!(Scanner::default().scan(b"\xFF\xD8stray"), Scan::Broken(2), "no picture begins like that");
    }

    proptest! {
        #[test]
        fn any_bytes_are_scanned_without_a_panic_and_within_bounds(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), start in any::<bool>()) {
            if start {
                bytes.splice(0..0, START);
            }
            match Scanner::default().scan(&bytes) {
                Scan::Complete(end) => prop_assert!(end <= bytes.len()),
                Scan::Broken(at) => prop_assert!(at <= bytes.len()),
                Scan::Incomplete => {}
            }
        }
    }
}
