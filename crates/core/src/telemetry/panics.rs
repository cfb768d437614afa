//! Panics that are caught cost a frame or a request. Each place that panics is printed at its 1st, 2nd, 4th, 8th ... time: a
//! library that fails for every frame must not fill the journal.

use std::collections::HashMap;
use std::panic::{self, PanicHookInfo};

use glimpsed_base::repetition::is_logged;
use glimpsed_base::sync::Mutex;

/// Places that are counted; the panics of further ones are all printed.
const MAX_PLACES: usize = 64;

/// Replaces the process's panic hook by one that prints less often.
pub fn thin_out() {
    let print = panic::take_hook();
    let seen: Mutex<HashMap<String, u64>> = Mutex::new(HashMap::new());
    panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        if is_logged(count(&mut seen.lock(), place)) {
            print(info);
        }
    }));
}

/// How often it has happened at this place.
fn count(seen: &mut HashMap<String, u64>, place: String) -> u64 {
    if seen.len() >= MAX_PLACES && !seen.contains_key(&place) {
        return 1;
    }
    let times = seen.entry(place).or_default();
    *times += 1;
    *times
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_panics_for_every_frame_is_printed_ever_less_often() {
        let mut seen = HashMap::new();
        let printed = (0..1000).filter(|_| is_logged(count(&mut seen, "tract.rs:1".into()))).count();
        assert_eq!(printed, 10);
        assert_eq!(count(&mut seen, "other.rs:1".into()), 1, "another place counts for itself");
        let all = (0..1000).filter(|place: &u32| count(&mut seen, place.to_string()) == 1).count();
        assert_eq!(all, 1000);
        assert!(seen.len() <= MAX_PLACES);
    }
}
