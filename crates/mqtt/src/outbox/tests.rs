//! The outbox, and random turns of it.

use super::*;
use crate::message::Delivery::{Answer, Event, Latest, Live};
use proptest::prelude::*;

fn message(topic: &str, payload: &str, delivery: Delivery) -> Message {
    Message::new(topic, payload, delivery, delivery == Latest)
}

fn take(outbox: &Outbox) -> Option<(Ticket, String)> {
    outbox.take().map(|(ticket, message)| (ticket, String::from_utf8(message.payload).expect("text")))
}

fn drain(outbox: &Outbox) -> Vec<String> {
    std::iter::from_fn(|| take(outbox)).map(|(_, payload)| payload).collect()
}

#[test]
fn live_messages_are_not_kept_for_a_broker_that_is_away() {
    let outbox = Outbox::new(10);
    outbox.push(message("c", "lost", Live));
    outbox.connected();
    outbox.push(message("c", "sent", Live));
    assert_eq!(drain(&outbox), ["sent"]);
    assert_eq!(outbox.dropped().live, 1);
}

#[test]
fn only_the_newest_state_waits_and_it_is_sent_again_after_a_reconnect() {
    let outbox = Outbox::new(10);
    outbox.push(message("state", "cat", Latest));
    outbox.push(message("state", "dog", Latest));
    outbox.connected();
    assert_eq!(drain(&outbox), ["dog"]);
    outbox.disconnected();
    outbox.connected();
    assert_eq!(drain(&outbox), ["dog"], "the broker may have forgotten it");
}

#[test]
fn the_removal_of_a_retained_message_is_not_repeated() {
    let outbox = Outbox::new(10);
    outbox.connected();
    outbox.push(message("discovery", "", Latest));
    let (ticket, _) = take(&outbox).expect("the removal");
    outbox.disconnected();
    outbox.connected();
    assert_eq!(drain(&outbox), [""], "it may not have arrived");
    outbox.acknowledge(ticket);
    assert_eq!(outbox.waiting(), 1, "of the earlier session");
    outbox.disconnected();
    outbox.connected();
    let (ticket, _) = take(&outbox).expect("the removal");
    outbox.acknowledge(ticket);
    outbox.repeat();
    assert_eq!((drain(&outbox).len(), outbox.waiting()), (0, 0));
}

#[test]
fn a_session_begins_with_the_topics_in_their_first_order_and_goes_on_with_the_events() {
    let outbox = Outbox::new(10);
    outbox.push(message("status", "online", Latest));
    outbox.push(message("info", "old", Latest));
    outbox.push(message("event", "1", Event));
    outbox.push(message("state", "cat", Latest));
    outbox.push(message("event", "2", Event));
    outbox.push(message("info", "new", Latest));
    outbox.connected();
    assert_eq!(drain(&outbox), ["online", "new", "cat", "1", "2"]);
}

#[test]
fn in_a_session_messages_of_all_kinds_keep_their_order() {
    let outbox = Outbox::new(10);
    outbox.connected();
    outbox.push(message("state", "cat", Latest));
    outbox.push(message("event", "cat came", Event));
    outbox.push(message("c", "frame", Live));
    outbox.push(message("event", "cat went", Event));
    outbox.push(message("other", "x", Latest));
    assert_eq!(drain(&outbox), ["cat", "cat came", "frame", "cat went", "x"]);
}

#[test]
fn unacknowledged_events_come_again_in_order_and_acknowledged_ones_do_not() {
    let outbox = Outbox::new(10);
    outbox.connected();
    for payload in ["1", "2", "3", "4"] {
        outbox.push(message("event", payload, Event));
    }
    let tickets: Vec<Ticket> = (0..3).filter_map(|_| take(&outbox)).map(|(ticket, _)| ticket).collect();
    outbox.acknowledge(tickets[1]);
    outbox.disconnected();
    outbox.push(message("event", "5", Event));
    outbox.connected();
    assert_eq!(drain(&outbox), ["1", "3", "4", "5"]);
}

#[test]
fn an_acknowledgement_of_an_older_state_does_not_hide_the_newer_one() {
    let outbox = Outbox::new(10);
    outbox.connected();
    outbox.push(message("state", "cat", Latest));
    let (old, _) = take(&outbox).expect("the cat");
    outbox.push(message("state", "dog", Latest));
    outbox.acknowledge(old);
    assert_eq!(drain(&outbox), ["dog"]);
}

#[test]
fn too_many_events_drop_the_oldest_and_never_a_state() {
    let outbox = Outbox::new(2);
    outbox.push(message("state", "cat", Latest));
    for payload in ["1", "2", "3"] {
        outbox.push(message("event", payload, Event));
    }
    assert_eq!(outbox.dropped(), Tally { event: 1, ..Tally::default() });
    outbox.connected();
    assert_eq!(drain(&outbox), ["cat", "2", "3"]);
}

#[test]
fn a_flood_of_answers_displaces_no_event() {
    let outbox = Outbox::new(50);
    outbox.push(message("event", "first", Event));
    for number in 0..1000 {
        outbox.push(message("response/health", &number.to_string(), Answer));
    }
    outbox.push(message("event", "last", Event));
    assert_eq!(outbox.dropped(), Tally { answer: 1000 - MAX_ANSWERS as u64, ..Tally::default() });
    outbox.connected();
    let sent = drain(&outbox);
    assert_eq!((sent.len(), &*sent[0], &*sent[1], &*sent[MAX_ANSWERS + 1]), (MAX_ANSWERS + 2, "first", "968", "last"));
    outbox.disconnected();
    assert_eq!(outbox.waiting_events(), 2);
    let kept: Vec<Vec<u8>> = outbox.take_events().into_iter().map(|message| message.payload).collect();
    assert_eq!((kept, outbox.waiting_events()), (vec![b"first".to_vec(), b"last".to_vec()], 0));
}

#[test]
fn what_is_refused_for_a_passing_reason_is_sent_again_in_its_place_and_not_for_ever() {
    let outbox = Outbox::new(10);
    outbox.connected();
    for payload in ["1", "2", "3"] {
        outbox.push(message("event", payload, Event));
    }
    let tickets: Vec<Ticket> = (0..2).filter_map(|_| take(&outbox)).map(|(ticket, _)| ticket).collect();
    assert!(outbox.try_again(tickets[1], Event) && outbox.try_again(tickets[0], Event));
    assert_eq!(drain(&outbox), ["1", "2", "3"]);
    for _ in 2..MAX_TRIES {
        assert!(outbox.try_again(tickets[0], Event));
        take(&outbox);
    }
    assert!(!outbox.try_again(tickets[0], Event));
    assert_eq!((outbox.dropped().event, outbox.waiting()), (1, 2));
}

#[test]
fn a_long_outage_is_logged_at_each_doubling() {
    let told = (0..1000).filter(|&count| reaches_a_power_of_two(count, count + 1)).count();
    assert_eq!(told, 10);
    assert!(!reaches_a_power_of_two(5, 5) && reaches_a_power_of_two(5, 9));
}

#[test]
fn topics_bytes_and_live_messages_are_bounded() {
    let outbox = Outbox::new(100_000);
    outbox.connected();
    for number in 0..MAX_TOPICS + 3 {
        outbox.push(message(&format!("topic{number}"), "x", Latest));
    }
    for _ in 0..MAX_LIVE + 2 {
        outbox.push(message("c", "x", Live));
    }
    let large = "x".repeat(budget::MQTT_WAITING / 10);
    for _ in 0..12 {
        outbox.push(message("event", &large, Event));
    }
    outbox.push(message("event", &"x".repeat(MAX_MESSAGE_BYTES + 1), Event));
    assert_eq!(outbox.dropped(), Tally { live: 2, latest: 3, event: 4, answer: 0 });
}

proptest! {
    /// Whatever happens between the outbox and the broker, the broker gets each event at least once and in order,
    /// except those that are counted as dropped.
    #[test]
    fn events_arrive_in_order_or_are_counted(steps in prop::collection::vec(0..10u8, 1..300), capacity in 1..20usize) {
        let outbox = Outbox::new(capacity);
        let (mut pushed, mut arrived, mut open) = (0u64, Vec::<u32>::new(), VecDeque::new());
        let deliver = |open: &mut VecDeque<Ticket>, arrived: &mut Vec<u32>| {
            let Some((ticket, payload)) = take(&outbox) else { return };
            let number = payload.parse().expect("a number");
            if !arrived.contains(&number) {
                arrived.push(number);
            }
            open.push_back(ticket);
        };
        for step in steps {
            match step {
                0..4 => {
                    outbox.push(message("event", &pushed.to_string(), Event));
                    pushed += 1;
                }
                4..7 => deliver(&mut open, &mut arrived),
                7 | 8 => if let Some(ticket) = open.pop_front() { outbox.acknowledge(ticket) },
                _ => {
                    outbox.disconnected();
                    open.clear();
                    outbox.connected();
                }
            }
        }
        outbox.disconnected();
        outbox.connected();
        open.clear();
        while outbox.waiting() > open.len() {
            deliver(&mut open, &mut arrived);
        }
        prop_assert!(arrived.is_sorted(), "{arrived:?}");
        // A dropped event may have arrived without an acknowledgement.
        prop_assert!(arrived.len() as u64 + outbox.dropped().event >= pushed);
        prop_assert!(arrived.len() as u64 <= pushed);
    }
}
