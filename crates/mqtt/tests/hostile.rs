//! A broker that sends anything: a packet is read or refused, or ends the session; never a panic, never memory without end.

#![allow(clippy::expect_used, clippy::panic, reason = "a test")]

use std::io::Cursor;
use std::time::Duration;

use glimpsed_mqtt::{Link, Loss, Options, Version};
use proptest::prelude::*;

/// The answer to CONNECT that begins a session.
fn welcome(version: Version) -> &'static [u8] {
    match version {
        Version::V5 => &[0x20, 3, 0, 0, 0],
        Version::V311 => &[0x20, 2, 0, 0],
    }
}

fn options() -> Options {
    Options {
        broker: "mqtt://127.0.0.1".parse().expect("an address"),
        tls: None,
        version: None,
        client_id: "shelf".into(),
        username: None,
        password: None,
        keepalive: Duration::from_secs(30),
        software: "test".into(),
    }
}

/// Reads everything that the broker sends, and returns how often something was received and why the session ended.
fn session(version: Version, bytes: &[u8]) -> (usize, Loss) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let stream = tokio::io::join(Cursor::new([welcome(version), bytes].concat()), tokio::io::sink());
        let mut link = Link::begin(Box::new(stream), &options(), version, "shelf", None).await.expect("a welcome");
        let mut received = 0;
        loop {
            match link.next().await {
                Ok(_) if received > bytes.len() => panic!("{bytes:02X?} are read again and again"),
                Ok(_) => received += 1,
                Err(loss) => return (received, loss),
            }
        }
    })
}

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V5), Just(Version::V311)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_end_the_session_at_last(version in version(), bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let (received, loss) = session(version, &bytes);
        prop_assert!(received <= bytes.len(), "each packet has bytes of its own");
        prop_assert!(!loss.to_string().is_empty());
    }

    /// A header that is right, with a body that is not: these come further than random bytes.
    #[test]
    fn any_body_of_any_packet_is_read_or_ends_the_session(
        version in version(), kind in 0u8..16, flags in 0u8..16, body in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let length = u8::try_from(body.len()).expect("one byte of length");
        let packet = [vec![kind << 4 | flags, length], body].concat();
        let (received, _) = session(version, &packet);
        prop_assert!(received <= 1, "one packet, {received} received");
    }
}

/// Every header with every short length, in order and not at random: a packet that is not taken out of the input would
/// be read for ever.
#[test]
fn each_short_packet_is_read_once() {
    for version in [Version::V5, Version::V311] {
        for (header, length) in (0..=u8::MAX).flat_map(|header| (0..8).map(move |length| (header, length))) {
            for fill in [0, 1, 0x80, 0xFF] {
                let packet = [vec![header, length], vec![fill; usize::from(length)]].concat();
                let (received, _) = session(version, &packet);
                assert!(received <= 1, "{received} received from {packet:02X?}");
            }
        }
    }
}

#[test]
fn a_length_without_an_end_is_an_error() {
    let (received, loss) = session(Version::V5, &[0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
    assert_eq!(received, 0);
    assert!(!matches!(loss, Loss::Closed), "it is said what is wrong: {loss}");
}
