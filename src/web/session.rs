//! Authentication: a program's token, a browser's session, and a limit on failed attempts.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use super::ended_sessions::EndedSessions;
use super::network::Network;
use glimpsed_base::hex::hex;
use glimpsed_base::secret::Secret;
use glimpsed_base::sync::Mutex;
use glimpsed_core::directories::NotKept;

/// The cookie that a browser keeps.
pub(super) const COOKIE: &str = "glimpsed_session";

/// How long a browser stays logged in.
pub(super) const SESSION: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long a link of the set-up can be followed.
pub const LINK: Duration = Duration::from_secs(30 * 60);

/// After this many wrong tokens from one network within this time, further attempts are refused.
const MAX_FAILURES: usize = 10;
const WITHIN: Duration = Duration::from_secs(60);

/// After this many from all networks together, only those are served that gave the right token before. It is also the capacity of the
/// list of failures.
const MAX_FAILURES_OF_ALL: usize = 100;

/// Capacity of the list of networks that gave the right token.
const MAX_KNOWN: usize = 64;

/// Checks tokens and sessions. A session is a date and its HMAC under a key made from the token: it outlives a restart, and another
/// token ends all of them. Only sessions that were ended by a logout are stored.
pub(super) struct Door {
    token: hmac::Key,
    sessions: hmac::Key,
    links: hmac::Key,
    attempts: Mutex<Attempts>,
    ended: Mutex<EndedSessions>,
}

#[derive(Default)]
struct Attempts {
    failures: VecDeque<(Network, Duration)>,
    /// Networks that gave the right token, and when they did last.
    known: BTreeMap<Network, Duration>,
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
        let token = key(token.reveal().as_bytes());
        let (sessions, links) = (derived(&token, SESSIONS), derived(&token, LINKS));
        Self { sessions, links, token, attempts: Mutex::default(), ended: Mutex::new(EndedSessions::read()) }
    }

    /// Compares in constant time. `now` is monotonic.
    pub(super) fn try_token(&self, given: &str, from: IpAddr, now: Duration) -> Verdict {
        let from = Network::from(from);
        let mut attempts = self.attempts.lock();
        let Attempts { failures, known } = &mut *attempts;
        failures.retain(|(_, at)| now.saturating_sub(*at) < WITHIN);
        let of_this_one = failures.iter().filter(|(network, _)| *network == from).count();
        let of_all = failures.len() >= MAX_FAILURES_OF_ALL && !known.contains_key(&from);
        if of_this_one >= MAX_FAILURES || of_all {
            return Verdict::Wait;
        }
        // Equal keys give equal tags, and the time of `verify` does not depend on where they differ.
        let given = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, given.as_bytes()), b"");
        if hmac::verify(&self.token, b"", given.as_ref()).is_ok() {
            if known.len() >= MAX_KNOWN
                && !known.contains_key(&from)
                && let Some(oldest) = known.iter().min_by_key(|(_, at)| **at).map(|(network, _)| *network)
            {
                known.remove(&oldest);
            }
            known.insert(from, now);
            return Verdict::Right;
        }
        // Of known networks there can be more failures than all together may have.
        if failures.len() >= MAX_FAILURES_OF_ALL + MAX_KNOWN * MAX_FAILURES {
            failures.pop_front();
        }
        failures.push_back((from, now));
        Verdict::Wrong
    }

    /// The value of a cookie that lasts for [`SESSION`]: when it ends, a random number, and the tag of both.
    pub(super) fn session(&self, now: Timestamp) -> String {
        signed(&self.sessions, now, SESSION)
    }

    /// Whether the value is that of a link which nobody has followed yet. From now on, somebody has.
    pub(super) fn follow(&self, link: &str, now: Timestamp) -> bool {
        let Some((until, number)) = verified(&self.links, link, now) else { return false };
        let is_ours = until - now.as_second() <= LINK.as_secs() as i64;
        is_ours && self.ended.lock().add(number, until, now.as_second())
    }

    /// Whether the cookie's value is one of ours, and still good.
    pub(super) fn is_session(&self, value: &str, now: Timestamp) -> bool {
        verified(&self.sessions, value, now).is_some_and(|(_, number)| !self.ended.lock().contains(number))
    }

    /// Ends a session. True if it was one that had not ended.
    pub(super) fn end(&self, value: &str, now: Timestamp) -> bool {
        let Some((until, number)) = verified(&self.sessions, value, now) else { return false };
        self.ended.lock().add(number, until, now.as_second())
    }

    /// Stores which sessions have ended, together with those that another daemon with the same state directory has stored. One call at
    /// a time, so that the newest comes last.
    ///
    /// # Errors
    /// Why they cannot be stored.
    pub(super) fn store(&self) -> Result<(), NotKept> {
        let mut ended = self.ended.lock();
        ended.merge(EndedSessions::read());
        ended.store()
    }
}

/// What a link of the set-up ends with. It opens the page once, within half an hour, for the first browser that follows it: it is signed with the token,
/// so that who may read that can make one beside the daemon, and the token itself is in no browser's history.
pub fn setup_link(token: &Secret, now: Timestamp) -> String {
    signed(&derived(&key(token.reveal().as_bytes()), LINKS), now, LINK)
}

/// What the keys of sessions and of links are derived with.
const SESSIONS: &[u8] = b"glimpsed sessions";
const LINKS: &[u8] = b"glimpsed links";

fn key(bytes: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, bytes)
}

/// A key for one purpose, made from the token's.
fn derived(token: &hmac::Key, what: &[u8]) -> hmac::Key {
    key(hmac::sign(token, what).as_ref())
}

/// A date, a random number, and the tag of both.
fn signed(key: &hmac::Key, now: Timestamp, holds: Duration) -> String {
    let mut number = [0; 16];
    // Without random numbers, two of one second are one.
    let _ = SystemRandom::new().fill(&mut number);
    let value = format!("{}.{}", now.as_second() + holds.as_secs() as i64, hex(&number));
    let tag = hmac::sign(key, value.as_bytes());
    format!("{value}.{}", hex(tag.as_ref()))
}

/// The end and the number of a value that was signed with this key and has not ended by itself.
fn verified<'a>(key: &hmac::Key, value: &'a str, now: Timestamp) -> Option<(i64, &'a str)> {
    let (signed, tag) = value.rsplit_once('.')?;
    let (until, number) = signed.split_once('.')?;
    let seconds = until.parse::<i64>().ok()?;
    hmac::verify(key, signed.as_bytes(), &unhex(tag)?).ok()?;
    (now.as_second() < seconds).then_some((seconds, number))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text.chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>()?;
    (digits.len() == 64).then(|| digits.chunks_exact(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_holds_once_for_half_an_hour_and_for_this_token_alone() {
        let token = Secret::new("0123456789abcdef");
        let (door, now) = (Door::new(&token), Timestamp::from_second(1_800_000_000).expect("a time"));
        let after = |seconds: i64| Timestamp::from_second(now.as_second() + seconds).expect("a time");
        let link = setup_link(&token, now);
        assert!(!Door::new(&Secret::new("another-token-of-16")).follow(&link, now));
        assert!(!door.follow(&link, after(30 * 60)), "it is too old");
        assert!(!door.is_session(&link, now) && !door.follow(&door.session(now), now));
        assert!(door.follow(&link, after(60)));
        assert!(!door.follow(&link, after(61)), "it was followed");
        assert!(door.follow(&setup_link(&token, now), after(61)), "another one holds");
        for nonsense in ["", ".", "..", "1.2.3", &link[..link.len() - 1]] {
            assert!(!door.follow(nonsense, now), "{nonsense}");
        }
    }

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
        let (until, rest) = session.split_once('.').expect("three parts");
        let (_, tag) = rest.split_once('.').expect("three parts");
        let longer = format!("{}.{rest}", until.parse::<i64>().expect("a number") + 1);
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

    #[test]
    fn a_session_that_was_ended_is_over_and_the_others_go_on() {
        let door = door("correct-horse-battery");
        let now = Timestamp::from_second(1_700_000_000).expect("a time");
        let (one, other) = (door.session(now), door.session(now));
        assert_ne!(one, other, "two browsers that log in within a second");
        assert!(door.end(&one, now));
        assert!(!door.is_session(&one, now) && door.is_session(&other, now));
        assert!(!door.end(&one, now), "nothing to store");
        assert!(!door.end("1.2.3", now), "not one of ours");
    }

    #[test]
    fn many_addresses_of_one_household_count_as_one_and_many_households_together() {
        let door = door("correct-horse-battery");
        let address = |network: u16, host: u16| IpAddr::from([0x2001, 0xdb8, 0, network, 1, 2, 3, host]);
        let known = address(9999, 1);
        assert_eq!(door.try_token("correct-horse-battery", known, NOW), Verdict::Right);
        for host in 0..10 {
            assert_eq!(door.try_token("a guess", address(0, host), NOW), Verdict::Wrong);
        }
        assert_eq!(door.try_token("a guess", address(0, 77), NOW), Verdict::Wait, "the same /64");
        for network in 1..91 {
            assert_eq!(door.try_token("a guess", address(network, 0), NOW), Verdict::Wrong);
        }
        assert_eq!(door.try_token("correct-horse-battery", address(500, 0), NOW), Verdict::Wait, "all together");
        assert_eq!(door.try_token("correct-horse-battery", known, NOW), Verdict::Right, "it was here before");
        assert_eq!(door.try_token("a guess", address(0, 1), NOW), Verdict::Wait, "the others' failures clear none");
        assert_eq!(door.try_token("correct-horse-battery", address(500, 0), NOW + WITHIN), Verdict::Right);
    }
}
