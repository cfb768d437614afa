//! The order of names and versions as people count: `gate-2` before `gate-10`, `0.9.1` before `0.10.0`.

use std::cmp::Ordering;

/// Compares letter by letter, and runs of digits as numbers.
pub fn compare(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one, other);
    loop {
        let ((digits, rest), (other_digits, other_rest)) = (split(one), split(other));
        let by_number = match (digits.is_empty(), other_digits.is_empty()) {
            (false, false) => {
                let (number, other_number) = (digits.trim_start_matches('0'), other_digits.trim_start_matches('0'));
                number
                    .len()
                    .cmp(&other_number.len())
                    .then(number.cmp(other_number))
                    .then(digits.len().cmp(&other_digits.len()))
            }
            _ => Ordering::Equal,
        };
        if by_number.is_ne() {
            return by_number;
        }
        if digits.is_empty() || other_digits.is_empty() {
            let (letter, other_letter) = (one.chars().next(), other.chars().next());
            match (letter, other_letter) {
                (Some(a), Some(b)) if a == b => (one, other) = (&one[a.len_utf8()..], &other[b.len_utf8()..]),
                (a, b) => return a.cmp(&b),
            }
        } else {
            (one, other) = (rest, other_rest);
        }
    }
}

/// The digits that a text begins with, and what follows.
fn split(text: &str) -> (&str, &str) {
    text.split_at(text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_count_as_numbers() {
        for (less, more) in
            [("gate-2", "gate-10"), ("0.9.1", "0.10.0"), ("a", "b"), ("", "a"), ("a", "a1"), ("1", "01")]
        {
            assert_eq!(
                (compare(less, more), compare(more, less)),
                (Ordering::Less, Ordering::Greater),
                "{less} {more}"
            );
        }
        assert_eq!(compare("ä1", "ä1"), Ordering::Equal);
    }

    proptest! {
        #[test]
        fn it_is_an_order(mut texts in proptest::collection::vec("[ab01.é-]{0,6}", 3)) {
            texts.sort_by(|one, other| compare(one, other));
            prop_assert!(compare(&texts[0], &texts[2]) != Ordering::Greater);
            prop_assert_eq!(compare(&texts[0], &texts[1]), compare(&texts[1], &texts[0]).reverse());
            prop_assert_eq!(compare(&texts[0], &texts[1]) == Ordering::Equal, texts[0] == texts[1]);
        }
    }
}
