//! Percent-encoded text, as it is in addresses.

use std::ops::Range;

/// A text with its escapes (`%40`) replaced by what they stand for.
#[derive(Debug)]
pub(crate) struct Decoded {
    /// The text.
    pub(crate) text: String,
    /// Behind each escape: where that is in `text`, and in the text that it was made from.
    ends: Vec<(usize, usize)>,
}

impl Decoded {
    /// `None` for a text without escapes. What stands for no letter of UTF-8 stays as it is.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let mut decoded = Self { text: String::new(), ends: Vec::new() };
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            decoded.text.push_str(&rest[..at]);
            rest = &rest[at..];
            match letter(rest.as_bytes()) {
                Some((letter, length)) => {
                    decoded.text.push(letter);
                    rest = &rest[length..];
                    decoded.ends.push((decoded.text.len(), text.len() - rest.len()));
                }
                None => {
                    decoded.text.push('%');
                    rest = &rest[1..];
                }
            }
        }
        if decoded.ends.is_empty() {
            return None;
        }
        decoded.text.push_str(rest);
        Some(decoded)
    }

    /// What a part of `text`, between letters, was made from.
    pub(crate) fn source(&self, part: &Range<usize>) -> Range<usize> {
        self.source_of(part.start)..self.source_of(part.end)
    }

    fn source_of(&self, at: usize) -> usize {
        match self.ends.partition_point(|(end, _)| *end <= at).checked_sub(1) {
            Some(last) => self.ends[last].1 + at - self.ends[last].0,
            None => at,
        }
    }
}

/// The letter that the escapes at the begin of `text` stand for, and their length.
fn letter(text: &[u8]) -> Option<(char, usize)> {
    let mut bytes = [0; 4];
    for (number, escape) in text.chunks_exact(3).take(bytes.len()).enumerate() {
        let digits = std::str::from_utf8(escape.strip_prefix(b"%")?).ok()?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        bytes[number] = u8::from_str_radix(digits, 16).ok()?;
        if let Ok(letter) = std::str::from_utf8(&bytes[..=number]) {
            return letter.chars().next().map(|letter| (letter, 3 * (number + 1)));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_replaced_and_each_part_is_found_where_it_was() {
        for (text, decoded) in [
            ("a%40b%2Fc", "a@b/c"),
            ("%c3%b6%F0%9F%99%82!", "ö🙂!"),
            ("100%, %zz %4 %", "100%, %zz %4 %"),
            ("%c3%28 %41", "%c3( A"),
            ("%+1%41", "%+1A"),
        ] {
            let found = Decoded::of(text);
            assert_eq!(found.as_ref().map_or(text, |found| &found.text), decoded);
            let Some(found) = found else { continue };
            let mut rest = 0;
            for (at, letter) in found.text.char_indices() {
                let source = found.source(&(at..at + letter.len_utf8()));
                assert_eq!(source.start, rest, "no gaps");
                assert!(source.len() == letter.len_utf8() || text[source.clone()].starts_with('%'));
                rest = source.end;
            }
            assert_eq!(rest, text.len());
        }
    }
}
