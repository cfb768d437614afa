//! What goes into and comes out of the codecs.

use super::*;
use proptest::prelude::*;

#[test]
fn a_broker_that_knows_only_the_old_version_is_recognised() {
    for answer in [&[0x20, 2, 0, 1][..], &[0x20, 2, 0, 0], &[0x20, 3, 0, 0x84, 0]] {
        let read = decode(Version::V5, &mut BytesMut::from(answer)).expect("a packet");
        assert_eq!(read, Some(Received::Refused(Refused::NoMqtt5)), "{answer:?}");
    }
}

#[test]
fn a_client_that_was_thrown_out_by_its_twin_is_told_so() {
    for packet in [&[0xE0, 1, 0x8E][..], &[0xE0, 2, 0x8E, 0]] {
        let end = decode(Version::V5, &mut BytesMut::from(packet));
        assert!(matches!(end, Err(Loss::TakenOver)), "{end:?}");
    }
    let end = decode(Version::V5, &mut BytesMut::from(&[0xE0, 1, 0x8B][..])).expect_err("the end");
    assert_eq!(end.to_string(), "the broker ended the session: server shutting down");
}

#[test]
fn a_packet_that_is_not_there_yet_is_waited_for() {
    let mut whole = BytesMut::new();
    let message = Message::new("a/b", b"{}", Delivery::Event, true);
    for version in [Version::V5, Version::V311] {
        whole.clear();
        let sent = publish(version, 7, message.clone(), Limits::NONE, &mut whole).expect("written");
        assert_eq!(sent, Sent::Expecting(7));
        for length in 0..whole.len() {
            let mut part = BytesMut::from(&whole[..length]);
            assert!(matches!(decode(version, &mut part), Ok(None)), "{version:?} {length}");
        }
        let read = decode(version, &mut whole).expect("a packet");
        let (topic, payload) = ("a/b".into(), b"{}".to_vec());
        assert_eq!(read, Some(Received::Message { id: Some(7), topic, payload, retained: true, reply: None }));
    }
}

#[test]
fn of_a_message_that_is_too_large_the_beginning_tells_enough() {
    let mut out = BytesMut::new();
    let payload = vec![0; 2 * MAX_PACKET_BYTES];
    let message = Message::new("a/b", payload, Delivery::Event, true);
    let limits = Limits { packet_bytes: usize::MAX, ..Limits::NONE };
    for version in [Version::V5, Version::V311] {
        out.clear();
        publish(version, 300, message.clone(), limits, &mut out).expect("written");
        let (whole, beginning) = (out.len(), &out[..12]);
        assert!(matches!(decode(version, &mut BytesMut::from(&beginning[..8])), Ok(None)));
        let read = decode(version, &mut BytesMut::from(beginning)).expect("a packet");
        assert_eq!(read, Some(Received::TooLarge { id: Some(300), skip: whole }));
    }
}

#[test]
fn a_message_larger_than_the_broker_takes_is_not_written() {
    let message = Message::new("a", vec![0; 100], Delivery::Live, false);
    let limits = Limits { packet_bytes: 100, ..Limits::NONE };
    for version in [Version::V5, Version::V311] {
        let mut out = BytesMut::new();
        assert_eq!(publish(version, 1, message.clone(), limits, &mut out).expect("no error"), Sent::TooLarge);
        assert!(out.is_empty());
    }
}

#[test]
fn what_the_broker_cannot_do_is_not_asked_of_it() {
    let answer = [0x20, 7, 0, 0, 4, 0x24, 0, 0x25, 0];
    let welcome = decode(Version::V5, &mut BytesMut::from(&answer[..])).expect("a packet");
    let Some(Received::Welcome(limits)) = welcome else { panic!("{welcome:?}") };
    let mut out = BytesMut::new();
    let sent = publish(Version::V5, 1, Message::new("a", "x", Delivery::Event, true), limits, &mut out);
    assert_eq!((sent.expect("written"), out[0]), (Sent::Unacknowledged, 0x30), "QoS 0, not retained");
}

#[test]
fn refusals_that_pass_are_told_from_those_that_stay() {
    for (reason, passes) in [(0x97, true), (0x83, true), (0x8B, true), (0x87, false), (0x99, false), (0xFE, false)] {
        let answer = decode(Version::V5, &mut BytesMut::from(&[0x40, 3, 0, 7, reason][..])).expect("a packet");
        let Some(Received::Acknowledged { id: 7, refusal: Some(refusal) }) = answer else { panic!("{answer:?}") };
        assert_eq!(refusal.passes, passes, "{refusal:?}");
    }
    for packet in [&[0x40, 2, 0, 7][..], &[0x40, 3, 0, 7, 0x10], &[0x40, 4, 0, 7, 0, 0]] {
        let answer = decode(Version::V5, &mut BytesMut::from(packet)).expect("a packet");
        assert_eq!(answer, Some(Received::Acknowledged { id: 7, refusal: None }));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_packet_or_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), kind in 0..16u8) {
        let mut framed = vec![kind << 4, bytes.len() as u8];
        framed.extend_from_slice(&bytes);
        for version in [Version::V5, Version::V311] {
            let _ = decode(version, &mut BytesMut::from(&bytes[..]));
            let _ = decode(version, &mut BytesMut::from(&framed[..]));
        }
    }
}
