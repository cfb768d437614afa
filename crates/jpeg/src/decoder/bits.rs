//! The bit reader for Huffman-coded data (ITU-T T.81, annex F.2), which decodes code and value with one look-up.

/// Bits of an index into the look-up tables. Nearly all codes are shorter, and most even together with the value bits
/// that follow them.
const LOOK_UP: u32 = 10;

/// Bits of the longest code.
const LONGEST: usize = 16;

/// In [`Symbol::run`]: end of block.
const END: u8 = u8::MAX;

/// A coefficient whose code and value bits together fit into [`LOOK_UP`] bits.
#[derive(Debug, Clone, Copy, Default)]
struct Symbol {
    value: i16,
    /// Zero coefficients before it.
    run: u8,
    /// The length of code and value in bits; 0 if they do not fit.
    bits: u8,
}

/// A Huffman table in the form of look-up tables.
#[derive(Debug, Clone)]
pub(super) struct Huffman {
    symbols: Box<[Symbol; 1 << LOOK_UP]>,
    /// The symbol and the length of the code that the bits begin with; length 0 if the code is longer than the index.
    codes: Box<[(u8, u8); 1 << LOOK_UP]>,
    /// For each length: the first longer code, left-aligned to 16 bits (2^16 if there is none).
    ends: [u32; LONGEST + 1],
    /// For each length: the difference between the index of a code's symbol in `values` and the code.
    offsets: [i32; LONGEST + 1],
    values: [u8; 256],
}

impl Default for Huffman {
    fn default() -> Self {
        Self {
            symbols: Box::new([Symbol::default(); 1 << LOOK_UP]),
            codes: Box::new([(0, 0); 1 << LOOK_UP]),
            ends: [0; LONGEST + 1],
            offsets: [0; LONGEST + 1],
            values: [0; 256],
        }
    }
}

impl Huffman {
    /// Fills the table from the numbers of codes of each length, and their values; `None` if they are no such table.
    pub(super) fn fill(&mut self, counts: &[u8; LONGEST], values: &[u8]) -> Option<()> {
        self.values.get_mut(..values.len())?.copy_from_slice(values);
        self.codes.fill((0, 0));
        self.symbols.fill(Symbol::default());
        let (mut code, mut index) = (0_u32, 0_usize);
        for length in 1..=LONGEST {
            self.offsets[length] = index as i32 - code as i32;
            for _ in 0..counts[length - 1] {
                if code >> length != 0 {
                    return None;
                }
                if length <= LOOK_UP as usize {
                    self.note(code, length as u32, *values.get(index)?);
                }
                (code, index) = (code + 1, index + 1);
            }
            self.ends[length] = code << (LONGEST - length);
            code <<= 1;
        }
        (index == values.len()).then_some(())
    }

    /// Enters a short code at all indices that begin with it.
    fn note(&mut self, code: u32, length: u32, value: u8) {
        let free = LOOK_UP - length;
        let (run, size) = (value >> 4, u32::from(value & 15));
        for rest in 0..1_u32 << free {
            let at = (code << free | rest) as usize;
            self.codes[at] = (value, length as u8);
            self.symbols[at] = match size {
                0 if run == 15 => Symbol::default(),
                0 => Symbol { value: 0, run: END, bits: length as u8 },
                size if size <= free => {
                    Symbol { value: extend(rest >> (free - size), size) as i16, run, bits: (length + size) as u8 }
                }
                _ => Symbol::default(),
            };
        }
    }
}

/// The signed number that `size` bits stand for (EXTEND in T.81, figure F.12).
pub(super) fn extend(bits: u32, size: u32) -> i32 {
    let bits = bits as i32;
    if size > 0 && bits < 1 << (size - 1) { bits - (1 << size) + 1 } else { bits }
}

/// Why a block cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadBits {
    /// The bits have ended.
    Ended,
    /// No code begins with them, or they code too many coefficients.
    Wrong,
}

/// Follows the bytes of an interval, so that eight bytes can be read at any position that still has a bit.
const SPARE: [u8; 16] = [0; 16];

/// The entropy-coded bytes between two markers, without the zeros that are stuffed behind each 0xFF. They come in portions,
/// so that the memory does not depend on the picture's size.
pub(super) struct Interval<'a, 'w> {
    /// What is not in the window yet. At the end it begins with a marker, or is empty.
    rest: &'a [u8],
    window: &'w mut Vec<u8>,
    ended: bool,
}

/// Bytes of a portion.
const PORTION: usize = 32 << 10;

/// More bytes than any MCU has: ten blocks of 64 coefficients with 31 bits each.
const ENOUGH: usize = 4096;

impl<'a, 'w> Interval<'a, 'w> {
    /// `window` is a buffer to reuse.
    pub(super) fn new(bytes: &'a [u8], window: &'w mut Vec<u8>) -> Self {
        window.clear();
        window.extend_from_slice(&SPARE);
        let mut interval = Self { rest: bytes, window, ended: false };
        interval.extend();
        interval
    }

    /// Reads on from `place`, which at the beginning is the default.
    pub(super) fn bits(&self, place: Place) -> Bits<'_> {
        Bits { bytes: self.window, place }
    }

    /// Whether the window must be moved on before the next MCU is read.
    #[inline(always)]
    pub(super) fn is_low(&self, place: Place) -> bool {
        !self.ended && place.at + ENOUGH > self.window.len()
    }

    /// Moves the window on, and returns where `place` is then.
    pub(super) fn move_on(&mut self, place: Place) -> Place {
        let read = place.at.min(self.window.len() - SPARE.len());
        self.window.drain(..read);
        self.extend();
        Place { at: place.at - read, ..place }
    }

    fn extend(&mut self) {
        self.window.truncate(self.window.len() - SPARE.len());
        let full = self.window.len() + PORTION;
        while self.window.len() < full {
            let portion = &self.rest[..self.rest.len().min(full - self.window.len())];
            let plain = memchr::memchr(0xFF, portion).unwrap_or(portion.len());
            self.window.extend_from_slice(&portion[..plain]);
            self.rest = &self.rest[plain..];
            match self.rest {
                [0xFF, 0x00, behind @ ..] => {
                    self.window.push(0xFF);
                    self.rest = behind;
                }
                [] | [0xFF, ..] => {
                    self.ended = true;
                    break;
                }
                _ => {}
            }
        }
        self.window.extend_from_slice(&SPARE);
    }

    /// The bytes from the marker on that ends the interval, which need not have been read as a whole.
    pub(super) fn behind(self) -> &'a [u8] {
        let mut rest = self.rest;
        while let Some(at) = memchr::memchr(0xFF, rest) {
            match rest.get(at + 1) {
                Some(0) => rest = &rest[at + 2..],
                _ => return &rest[at..],
            }
        }
        &[]
    }
}

/// The bytes behind the restart marker that `bytes` begin with (T.81, B.1.1.3); any number of 0xFF may precede it.
///
/// # Errors
/// When there is none.
pub(super) fn behind_restart(mut bytes: &[u8]) -> Result<&[u8], BadBits> {
    while let [0xFF, 0xFF, ..] = bytes {
        bytes = &bytes[1..];
    }
    match bytes {
        [0xFF, 0xD0..=0xD7, rest @ ..] => Ok(rest),
        [] | [0xFF] => Err(BadBits::Ended),
        _ => Err(BadBits::Wrong),
    }
}

/// Reads the bits of an [`Interval`].
///
/// Each block is read with a local copy of it, which the compiler keeps in registers. Through a reference every change
/// would go to memory, and each read would wait for the store before it.
#[derive(Clone, Copy)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    place: Place,
}

/// How far [`Bits`] has read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    at: usize,
    /// The next bits, left-aligned. The first `left` of them count; the bits behind those are the ones that follow, or
    /// zero.
    buffer: u64,
    left: u32,
}

impl Bits<'_> {
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Fills the buffer up to at least 56 bits. No branch depends on the picture, because it would often be
    /// mispredicted.
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        let word =
            self.bytes.get(self.place.at..).and_then(<[u8]>::first_chunk).map_or(0, |word| u64::from_be_bytes(*word));
        self.place.buffer |= word >> self.place.left;
        self.place.at += ((63 - self.place.left) / 8) as usize;
        self.place.left |= 56;
    }

    /// The number of bits that are left; negative if more were taken than there were.
    pub(super) fn rest(&self) -> isize {
        8 * (self.bytes.len() as isize - SPARE.len() as isize - self.place.at as isize) + self.place.left as isize
    }

    /// What invalid bits mean: those behind the end are zeros, which may be no valid code.
    #[cold]
    pub(super) fn wrong(&self) -> BadBits {
        if self.rest() <= 32 { BadBits::Ended } else { BadBits::Wrong }
    }

    #[inline(always)]
    fn skip(&mut self, count: u32) {
        self.place.buffer <<= count;
        self.place.left -= count;
    }

    /// Takes at most 16 bits, which must be in the buffer.
    #[inline(always)]
    pub(super) fn take(&mut self, count: u32) -> u32 {
        // The shift is in two steps, because a shift by 64 would overflow when `count` is 0.
        let bits = (self.place.buffer >> 1 >> (63 - count)) as u32;
        self.skip(count);
        bits
    }

    #[inline(always)]
    fn look(&self) -> usize {
        (self.place.buffer >> (64 - LOOK_UP)) as usize
    }

    #[inline(always)]
    pub(super) fn symbol(&mut self, table: &Huffman) -> Result<u8, BadBits> {
        let (value, length) = table.codes[self.look()];
        if length > 0 {
            self.skip(length.into());
            return Ok(value);
        }
        let (value, length) = long_symbol(self.place.buffer, table)?;
        self.skip(length);
        Ok(value)
    }

    /// Reads a block of 64 coefficients and dequantises them with `factors`, which are in zigzag order. The coefficient
    /// at a zigzag index goes to the index in `block` that `order` has there; zeros are not written. `before` is the DC
    /// coefficient of the component's previous block, and is updated. Unless `ALL`, only the DC coefficient is written.
    ///
    /// Returns the zigzag index behind the last coded coefficient: 1 for a block with a DC coefficient alone.
    ///
    /// # Errors
    /// When the bits are no valid block.
    #[inline(always)]
    pub(super) fn block<const ALL: bool>(
        &mut self,
        [constant, rest]: [&Huffman; 2],
        before: &mut i32,
        factors: &[f32; 64],
        order: &[u8; 64],
        block: &mut [f32; 64],
    ) -> Result<usize, BadBits> {
        let mut bits = *self;
        bits.refill();
        let size = u32::from(bits.symbol(constant)?);
        if size > 15 {
            return Err(bits.wrong());
        }
        *before = before.wrapping_add(extend(bits.take(size), size));
        block[0] = *before as f32 * factors[0];
        let (mut at, mut end) = (1, 1);
        'block: while at < 64 {
            bits.refill();
            // A look-up waits for the refill before it. One refill is enough for two short symbols and any third one.
            for _ in 0..3 {
                let symbol = rest.symbols[bits.look()];
                let is_short = symbol.bits > 0;
                let (run, value) = if is_short {
                    bits.skip(symbol.bits.into());
                    (symbol.run, i32::from(symbol.value))
                } else {
                    let symbol = bits.symbol(rest)?;
                    let (run, size) = (symbol >> 4, u32::from(symbol & 15));
                    (if size == 0 && run < 15 { END } else { run }, extend(bits.take(size), size))
                };
                at += usize::from(run);
                if at > 63 {
                    if run == END {
                        break 'block;
                    }
                    return Err(bits.wrong());
                }
                if ALL {
                    block[usize::from(order[at] & 63)] = value as f32 * factors[at];
                }
                at += 1;
                end = at;
                if !is_short || at > 63 {
                    break;
                }
            }
        }
        *self = bits;
        if bits.rest() < 0 { Err(BadBits::Ended) } else { Ok(end) }
    }
}

/// The symbol and the length of a code of more than [`LOOK_UP`] bits.
#[cold]
#[inline(never)]
fn long_symbol(buffer: u64, table: &Huffman) -> Result<(u8, u32), BadBits> {
    let bits = (buffer >> 48) as u32;
    let found = (LOOK_UP as usize + 1..=LONGEST).find(|&length| bits < table.ends[length]);
    let length = found.ok_or(BadBits::Wrong)?;
    let index = (bits >> (LONGEST - length)) as i32 + table.offsets[length];
    let value = usize::try_from(index).ok().and_then(|index| table.values.get(index)).copied().ok_or(BadBits::Wrong)?;
    Ok((value, length as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_stand_for_numbers_of_both_signs() {
        let numbers: Vec<i32> = (0..8).map(|bits| extend(bits, 3)).collect();
        assert_eq!(numbers, [-7, -6, -5, -4, 4, 5, 6, 7]);
        assert_eq!(extend(0, 0), 0);
    }

    #[test]
    fn stuffed_zeros_are_left_out_and_nothing_is_read_beyond_a_marker() {
        let mut window = Vec::new();
        let interval = Interval::new(&[0xFF, 0x00, 0xA5, 0xFF, 0xD9, 0x77], &mut window);
        let mut bits = interval.bits(Place::default());
        bits.refill();
        assert_eq!([bits.take(8), bits.take(8)], [0xFF, 0xA5]);
        assert_eq!(bits.rest(), 0);
        assert_eq!([bits.take(8), bits.take(1)], [0, 0]);
        assert_eq!(bits.rest(), -9);
        assert_eq!(interval.behind(), [0xFF, 0xD9, 0x77]);
    }

    #[test]
    fn bits_are_the_same_however_they_are_read_and_whatever_the_portions() {
        let bytes: Vec<u8> = (0..100_000_u32).map(|at| (at * 37 % 251 + at / 30_000) as u8).collect();
        let stuffed: Vec<u8> =
            bytes.iter().flat_map(|&byte| [byte, 0].into_iter().take(1 + usize::from(byte == 0xFF))).collect();
        let mut window = Vec::new();
        let mut interval = Interval::new(&stuffed, &mut window);
        let mut place = Place::default();
        let mut found = String::new();
        for count in (1..=16).cycle() {
            if interval.is_low(place) {
                place = interval.move_on(place);
            }
            let mut bits = interval.bits(place);
            if bits.rest() < 16 {
                break;
            }
            bits.refill();
            found += &format!("{:0width$b}", bits.take(count), width = count as usize);
            place = bits.place();
        }
        let expected: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
        assert!(expected.starts_with(&found) && expected.len() - found.len() < 16, "{} bits", found.len());
        assert!(window.len() < 2 * PORTION, "{} bytes", window.len());
    }

    #[test]
    fn a_restart_marker_may_be_preceded_by_any_number_of_ones() {
        assert_eq!(behind_restart(&[0xFF, 0xD3, 7]), Ok([7].as_slice()));
        assert_eq!(behind_restart(&[0xFF, 0xFF, 0xFF, 0xD0]), Ok([].as_slice()));
        for other in [&[0xFF, 0xD8][..], &[0xD0]] {
            assert_eq!(behind_restart(other), Err(BadBits::Wrong));
        }
        for end in [&[0xFF][..], &[]] {
            assert_eq!(behind_restart(end), Err(BadBits::Ended));
        }
    }

    #[test]
    fn tables_with_more_codes_than_fit_are_refused() {
        let mut table = Huffman::default();
        let mut counts = [0; 16];
        counts[0] = 3;
        assert_eq!(table.fill(&counts, &[1, 2, 3]), None);
        counts[0] = 1;
        assert_eq!(table.fill(&counts, &[1, 2]), None, "more values than codes");
        assert_eq!(table.fill(&counts, &[1]), Some(()));
    }
}
