//! The secrets that this process holds. A program or a server that was given one may repeat it, in any form, so they are masked wherever text leaves.

use std::collections::VecDeque;
use std::ops::Range;

use crate::percent::Decoded;
use crate::sync::Mutex;

/// The number of secrets that are remembered: the newest.
const MOST: usize = 64;

/// The size of the secrets that are remembered.
const BYTES: std::ops::RangeInclusive<usize> = 6..=1024;

static HELD: Mutex<Known> = Mutex::new(Known(VecDeque::new()));

/// Masks `secret` from now on wherever text leaves. One that is short, a plain number or a plain word is not: prose has the same, and a
/// mask in its place would give it away.
pub fn remember(secret: &str) {
    let mut held = HELD.lock();
    held.add(secret);
    // As it was written into an address.
    if let Some(decoded) = Decoded::of(secret) {
        held.add(&decoded.text);
    }
}

/// Where the secrets stand in `text`.
pub(crate) fn occurrences(text: &str) -> Vec<Range<usize>> {
    HELD.lock().occurrences(text)
}

#[derive(Debug, Default)]
struct Known(VecDeque<String>);

impl Known {
    fn add(&mut self, secret: &str) {
        let is_plain = |all: fn(&u8) -> bool| secret.as_bytes().iter().all(all);
        if !BYTES.contains(&secret.len()) || is_plain(u8::is_ascii_digit) || is_plain(u8::is_ascii_alphabetic) {
            return;
        }
        self.0.retain(|held| held != secret);
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back(secret.to_owned());
    }

    fn occurrences(&self, text: &str) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        for secret in &self.0 {
            found.extend(text.match_indices(secret.as_str()).map(|(at, found)| at..at + found.len()));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_secrets_are_remembered_and_no_more() {
        let mut known = Known::default();
        for number in 0..1000 {
            known.add(&format!("secret {number}"));
            known.add("secret 0");
        }
        assert_eq!(known.0.len(), MOST);
        assert_eq!(known.occurrences("secret 999, secret 0"), [0..10, 12..20]);
        assert!(known.occurrences("secret 500").is_empty());
    }

    #[test]
    fn what_prose_has_is_not_remembered() {
        let mut known = Known::default();
        ["", "a-1b", "123456", "password"].iter().for_each(|secret| known.add(secret));
        assert!(known.0.is_empty(), "{known:?}");
    }
}
