//! Messages that would be repeated all night.

/// Whether the `count`th occurrence of the same thing is logged: the 1st, 2nd, 4th, 8th and so on. A camera, a client or
/// a broker that errs all night causes a dozen lines in the log, not thousands.
pub fn is_logged(count: u64) -> bool {
    count.is_power_of_two()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_thousand_occurrences_are_ten_lines() {
        assert_eq!((1..=1000).filter(|&count| super::is_logged(count)).count(), 10);
        assert!(super::is_logged(1), "the first one is always there");
        assert!(!super::is_logged(0));
    }
}
