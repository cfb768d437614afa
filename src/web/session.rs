//! Authentication: a program's token, a browser's session, and a limit on failed attempts.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use ring::hmac;

use glimpsed_base::secret::Secret;
use glimpsed_base::sync::Mutex;

/// The cookie that a browser keeps.
pub(super) const COOKIE: &str = "glimpsed_session";

/// How long a browser stays logged in.
pub(super) const SESSION: Duration = Duration::from_secs(30 * 24 * 3600);

/// After this many wrong tokens from one address within this time, further attempts are refused.
const MAX_FAILURES: usize = 10;
const WITHIN: Duration = Duration::from_secs(60);

/// Capacity of the list of failures, for all addresses.
const MAX_REMEMBERED: usize = 1024;

/// Checks tokens and sessions. A session is a date and its HMAC under a key made from the token: nothing is stored, it
/// outlives a restart, and another token ends all of them.
pub(super) struct Door {
    token: hmac::Key,
    sessions: hmac::Key,
    failures: Mutex<VecDeque<(IpAddr, Duration)>>,
}

/// The result of a token check.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    Wrong,
    /// Refused without a check, after too many wrong tokens.
    Wait,
}

impl Door {
    pub(super) fn new(token: &Secret) -> Self {
        let token = hmac::Key::new(hmac::HMAC_SHA256, token.reveal().as_bytes());
        let sessions = hmac::sign(&token, b"glimpsed sessions");
        Self { sessions: hmac::Key::new(hmac::HMAC_SHA256, sessions.as_ref()), token, failures: Mutex::default() }
    }

    /// Compares in constant time. `now` is monotonic.
    pub(super) fn try_token(&self, given: &str, from: IpAddr, now: Duration) -> Verdict {
        let mut failures = self.failures.lock();
        failures.retain(|(_, at)| now.saturating_sub(*at) < WITHIN);
        if failures.iter().filter(|(address, _)| *address == from).count() >= MAX_FAILURES {
            return Verdict::Wait;
        }
        // Equal keys give equal tags, and the time of `verify` does not depend on where they differ.
        let given = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, given.as_bytes()), b"");
        if hmac::verify(&self.token, b"", given.as_ref()).is_ok() {
            return Verdict::Right;
        }
        if failures.len() == MAX_REMEMBERED {
            failures.pop_front();
        }
        failures.push_back((from, now));
        Verdict::Wrong
    }

    /// The value of a cookie that lasts for [`SESSION`].
    pub(super) fn session(&self, now: Timestamp) -> String {
        let until = now.as_second() + SESSION.as_secs() as i64;
        let tag = hmac::sign(&self.sessions, until.to_string().as_bytes());
        format!("{until}.{}", hex(tag.as_ref()))
    }

    /// Whether the cookie's value is one of ours, and still good.
    pub(super) fn is_session(&self, value: &str, now: Timestamp) -> bool {
        let Some((until, tag)) = value.split_once('.') else { return false };
        let (Ok(seconds), Some(tag)) = (until.parse::<i64>(), unhex(tag)) else { return false };
        hmac::verify(&self.sessions, until.as_bytes(), &tag).is_ok() && now.as_second() < seconds
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text.chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>()?;
    (digits.len() == 64).then(|| digits.chunks_exact(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const NOW: Duration = Duration::from_secs(1000);

    fn door(token: &str) -> Door {
        Door::new(&Secret::new(token))
    }

    #[test]
    fn only_the_token_opens_and_who_guesses_has_to_wait() {
        let door = door("correct-horse-battery");
        assert_eq!(door.try_token("correct-horse-battery", HERE, NOW), Verdict::Right);
        for guess in [
            "",
            "correct-horse-batterx",
            "correct-horse-batter",
            "correct-horse-battery1",
            "a",
            "b",
            "c",
            "d",
            "e",
            "f",
        ] {
            assert_eq!(door.try_token(guess, HERE, NOW), Verdict::Wrong, "{guess}");
        }
        assert_eq!(door.try_token("correct-horse-battery", HERE, NOW), Verdict::Wait);
        let elsewhere = IpAddr::from([10, 0, 0, 7]);
        assert_eq!(door.try_token("correct-horse-battery", elsewhere, NOW), Verdict::Right);
        assert_eq!(door.try_token("correct-horse-battery", HERE, NOW + WITHIN), Verdict::Right);
    }

    #[test]
    fn a_session_lasts_its_time_and_cannot_be_made_up() {
        let door = door("correct-horse-battery");
        let start = Timestamp::from_second(1_700_000_000).expect("a time");
        let session = door.session(start);
        let at = |seconds: i64| Timestamp::from_second(1_700_000_000 + seconds).expect("a time");
        let lasts = SESSION.as_secs() as i64;
        assert!(door.is_session(&session, at(0)) && door.is_session(&session, at(lasts - 1)));
        assert!(!door.is_session(&session, at(lasts)));
        assert!(!self::door("another-token-entirely").is_session(&session, at(0)));
        let (until, tag) = session.split_once('.').expect("two parts");
        let longer = format!("{}.{tag}", until.parse::<i64>().expect("a number") + 1);
        for wrong in [
            &longer,
            until,
            "",
            ".",
            &format!("{until}."),
            &format!("{until}.{}", &tag[1..]),
            &format!("{until}.é{tag}"),
        ] {
            assert!(!door.is_session(wrong, at(0)), "{wrong}");
        }
    }
}
