//! Entropy-coded bits (ITU-T T.81, annex F.2), read many at a time.

/// Bits that are looked up at once. Nearly all codes are shorter, and most with the bits behind them.
const LOOK_UP: u32 = 10;

/// Longest code.
const LONGEST: usize = 16;

/// In [`Symbol::run`]: the block ends here.
const END: u8 = u8::MAX;

/// A coefficient that fits into [`LOOK_UP`] bits with its code.
#[derive(Debug, Clone, Copy, Default)]
struct Symbol {
    value: i16,
    /// Zeros before it.
    run: u8,
    /// Bits of code and value; 0 where they do not fit.
    bits: u8,
}

/// A Huffman table, ready to be looked up in.
#[derive(Debug, Clone)]
pub struct Huffman {
    symbols: Box<[Symbol; 1 << LOOK_UP]>,
    /// Symbol and length of the code that the bits begin with; length 0 for a longer one.
    codes: Box<[(u8, u8); 1 << LOOK_UP]>,
    /// For each length: the first code that is longer, left-aligned in 17 bits; and what makes an index of a code.
    ends: [u32; LONGEST + 1],
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
    pub fn fill(&mut self, counts: &[u8; LONGEST], values: &[u8]) -> Option<()> {
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

    /// Enters a short code for all bits that may follow it.
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

/// The number that `size` bits stand for (T.81, table F.1).
fn extend(bits: u32, size: u32) -> i32 {
    let bits = bits as i32;
    if size > 0 && bits < 1 << (size - 1) { bits - (1 << size) + 1 } else { bits }
}

/// The bits are over, or no code begins with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damaged;

/// Takes bits from entropy-coded bytes, up to the next marker.
pub struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Left-aligned; zeros behind the last one.
    buffer: u64,
    left: u32,
    /// Zeros that were put in behind the last byte.
    made_up: u32,
}

impl<'a> Bits<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, buffer: 0, left: 0, made_up: 0 }
    }

    /// Makes sure of 32 bits.
    #[inline(always)]
    fn refill(&mut self) {
        if self.left >= 32 {
            return;
        }
        if let Some(word) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk) {
            let word = u64::from_be_bytes(*word);
            // Not without a zero in the complement: no 0xFF, hence neither stuffing nor a marker.
            let has_ff = (!word).wrapping_sub(0x0101_0101_0101_0101) & word & 0x8080_8080_8080_8080;
            if has_ff == 0 {
                self.buffer |= word >> self.left;
                let taken = (63 - self.left) / 8;
                self.at += taken as usize;
                self.left += 8 * taken;
                // What was read beyond the bytes that count is read again.
                self.buffer &= !(u64::MAX >> self.left);
                return;
            }
        }
        self.refill_slowly();
    }

    #[cold]
    #[inline(never)]
    fn refill_slowly(&mut self) {
        while self.left <= 56 {
            let byte = match self.bytes.get(self.at..) {
                Some([0xFF, 0x00, ..]) => {
                    self.at += 2;
                    0xFF
                }
                Some([byte, ..]) if *byte != 0xFF => {
                    self.at += 1;
                    *byte
                }
                // A marker, or the end.
                _ => {
                    self.made_up += 8;
                    0
                }
            };
            self.buffer |= u64::from(byte) << (56 - self.left);
            self.left += 8;
        }
    }

    #[inline(always)]
    fn skip(&mut self, count: u32) {
        self.buffer <<= count;
        self.left -= count;
    }

    /// At most 16 bits, which must be there.
    #[inline(always)]
    fn take(&mut self, count: u32) -> u32 {
        // In two steps, because a shift by 64 is none.
        let bits = (self.buffer >> 1 >> (63 - count)) as u32;
        self.skip(count);
        bits
    }

    #[inline(always)]
    fn look(&self) -> usize {
        (self.buffer >> (64 - LOOK_UP)) as usize
    }

    #[inline(always)]
    fn symbol(&mut self, table: &Huffman) -> Result<u8, Damaged> {
        let (value, length) = table.codes[self.look()];
        if length > 0 {
            self.skip(length.into());
            return Ok(value);
        }
        self.long_symbol(table)
    }

    #[cold]
    fn long_symbol(&mut self, table: &Huffman) -> Result<u8, Damaged> {
        let bits = (self.buffer >> 48) as u32;
        let found = (LOOK_UP as usize + 1..=LONGEST).find(|&length| bits < table.ends[length]);
        let length = found.ok_or(Damaged)?;
        let index = (bits >> (LONGEST - length)) as i32 + table.offsets[length];
        self.skip(length as u32);
        usize::try_from(index).ok().and_then(|index| table.values.get(index)).copied().ok_or(Damaged)
    }

    /// Reads one block of 64 coefficients into `block`, multiplied with `factors` (in the order of the bits) and put where
    /// `order` says; those that are zero are left out. `before` is the constant part of the block before. Unless `ALL` are
    /// wanted it is the constant part alone.
    ///
    /// Returns how far the coefficients go, in the order of the bits: 1 for a block with a constant part alone.
    ///
    /// # Errors
    /// When the bits are no block.
    #[inline(always)]
    pub fn block<const ALL: bool>(
        &mut self,
        [constant, rest]: [&Huffman; 2],
        before: &mut i32,
        factors: &[f32; 64],
        order: &[u8; 64],
        block: &mut [f32; 64],
    ) -> Result<usize, Damaged> {
        self.refill();
        let size = u32::from(self.symbol(constant)?);
        if size > 15 {
            return Err(Damaged);
        }
        *before = before.wrapping_add(extend(self.take(size), size));
        block[0] = *before as f32 * factors[0];
        let (mut at, mut end) = (1, 1);
        while at < 64 {
            self.refill();
            let symbol = rest.symbols[self.look()];
            let (run, value) = if symbol.bits > 0 {
                self.skip(symbol.bits.into());
                if symbol.run == END {
                    break;
                }
                (symbol.run, i32::from(symbol.value))
            } else {
                let symbol = self.symbol(rest)?;
                let (run, size) = (symbol >> 4, u32::from(symbol & 15));
                if size == 0 && run < 15 {
                    break;
                }
                (run, extend(self.take(size), size))
            };
            at += usize::from(run);
            if at > 63 {
                return Err(Damaged);
            }
            if ALL {
                block[usize::from(order[at] & 63)] = value as f32 * factors[at];
            }
            at += 1;
            end = at;
        }
        // Bits that were made up must still be there.
        if self.left < self.made_up { Err(Damaged) } else { Ok(end) }
    }

    /// Goes on behind the restart marker (T.81, B.1.1.3) that comes next.
    ///
    /// # Errors
    /// When there is none.
    pub fn restart(&mut self) -> Result<(), Damaged> {
        // Whole bytes that were read ahead stand before a marker only if there is more of this interval than there should be.
        if self.left - self.made_up.min(self.left) >= 8 {
            return Err(Damaged);
        }
        while let [0xFF, 0xFF, ..] = self.bytes.get(self.at..).unwrap_or_default() {
            self.at += 1;
        }
        let Some([0xFF, 0xD0..=0xD7, ..]) = self.bytes.get(self.at..) else { return Err(Damaged) };
        *self = Self { bytes: self.bytes, at: self.at + 2, buffer: 0, left: 0, made_up: 0 };
        Ok(())
    }
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
        let mut bits = Bits::new(&[0xFF, 0x00, 0xA5, 0xFF, 0xD9, 0x77]);
        bits.refill();
        assert_eq!([bits.take(8), bits.take(8), bits.take(8)], [0xFF, 0xA5, 0]);
        assert!(bits.made_up > bits.left);
    }

    #[test]
    fn bits_are_the_same_however_they_are_read() {
        let bytes: Vec<u8> = (0..200_u32).map(|at| (at * 37 % 251) as u8).collect();
        let mut bits = Bits::new(&bytes);
        let mut found = String::new();
        for count in (1..=16).cycle().take(100) {
            bits.refill();
            found += &format!("{:0width$b}", bits.take(count), width = count as usize);
        }
        let expected: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
        assert!(expected.starts_with(&found));
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
