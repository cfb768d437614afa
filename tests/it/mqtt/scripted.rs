//! Brokers that answer as mosquitto never does: they refuse MQTT 5, hang up on it, are short of room, or end the session over a message.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use glimpsed_mqtt::Delivery;

use super::{Device, settings};

/// What a client sent.
struct Packet {
    first: u8,
    body: Vec<u8>,
    /// The version of the protocol that its connection speaks.
    level: u8,
}

impl Packet {
    fn topic(&self) -> &str {
        let length = usize::from(u16::from_be_bytes([self.body[0], self.body[1]]));
        std::str::from_utf8(&self.body[2..2 + length]).expect("a topic")
    }

    /// The packet identifier of a PUBLISH with QoS 1 on a topic with this end.
    fn id_of(&self, end: &str) -> Option<[u8; 2]> {
        (self.first >> 4 == 3 && self.topic().ends_with(end)).then(|| self.id()).flatten()
    }

    /// The packet identifier of a PUBLISH with QoS 1.
    fn id(&self) -> Option<[u8; 2]> {
        let place = 2 + self.topic().len();
        (self.first >> 1 & 3 == 1).then(|| [self.body[place], self.body[place + 1]])
    }
}

/// What a broker does with a packet.
enum Does {
    /// As every broker would.
    Usual,
    Answers(Vec<u8>),
    HangsUp,
    Nothing,
}

type Script = Arc<Mutex<dyn FnMut(&Packet) -> Does + Send>>;

/// Listens, and does as the script says. Returns its address.
fn broker(script: impl FnMut(&Packet) -> Does + Send + 'static) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let script: Script = Arc::new(Mutex::new(script));
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let script = script.clone();
            std::thread::spawn(move || serve(client, &script));
        }
    });
    format!("mqtt://127.0.0.1:{port}")
}

fn serve(mut client: TcpStream, script: &Script) -> Option<()> {
    let mut level = 0;
    loop {
        let mut packet = read(&mut client)?;
        if packet.first == 0x10 {
            level = packet.body[6];
        }
        packet.level = level;
        let does = (script.lock().expect("no panic"))(&packet);
        match does {
            Does::Usual => client.write_all(&usual(&packet)).ok()?,
            Does::Answers(bytes) => client.write_all(&bytes).ok()?,
            Does::HangsUp => return None,
            Does::Nothing => {}
        }
    }
}

fn read(client: &mut TcpStream) -> Option<Packet> {
    let byte = |client: &mut TcpStream| {
        let mut byte = [0];
        client.read_exact(&mut byte).ok().map(|()| byte[0])
    };
    let first = byte(client)?;
    let (mut length, mut shift) = (0, 0);
    loop {
        let digit = byte(client)?;
        length |= usize::from(digit & 0x7F) << shift;
        shift += 7;
        if digit & 0x80 == 0 {
            break;
        }
    }
    let mut body = vec![0; length];
    client.read_exact(&mut body).ok()?;
    Some(Packet { first, body, level: 0 })
}

fn usual(packet: &Packet) -> Vec<u8> {
    let v5 = packet.level == 5;
    match packet.first >> 4 {
        1 if v5 => vec![0x20, 3, 0, 0, 0],
        1 => vec![0x20, 2, 0, 0],
        3 => packet.id().map_or_else(Vec::new, |[high, low]| vec![0x40, 2, high, low]),
        // Each filter takes three bytes at least, so there are at most that many codes; the client looks at its own alone.
        8 => {
            let (id, start) = ([packet.body[0], packet.body[1]], if v5 { 3 } else { 2 });
            let (mut filters, mut place) = (0, start);
            while place < packet.body.len() {
                place += 3 + usize::from(u16::from_be_bytes([packet.body[place], packet.body[place + 1]]));
                filters += 1;
            }
            let properties: &[u8] = if v5 { &[0] } else { &[] };
            let mut answer = vec![0x90, (2 + properties.len() + filters) as u8];
            answer.extend(id.iter().chain(properties));
            answer.extend(vec![1; filters]);
            answer
        }
        12 => vec![0xD0, 0],
        _ => Vec::new(),
    }
}

#[test]
fn a_broker_without_mqtt_5_gets_everything_with_3_1_1_however_it_says_so() {
    let refuses: fn() -> Does = || Does::Answers(vec![0x20, 2, 0, 1]);
    for (how, answer) in [("refuses", refuses), ("hangs up", || Does::HangsUp), ("is silent", || Does::Nothing)] {
        let url = broker(move |packet| match (packet.first, packet.level) {
            (0x10, 5) => answer(),
            _ => Does::Usual,
        });
        let device = Device::start(settings(&url, ""));
        device.events(0..20);
        assert_eq!(device.idle().published.event, 20, "it {how}");
        assert_eq!(device.counters().dropped.event, 0);
    }
}

#[test]
fn who_insists_on_mqtt_5_gets_no_other() {
    let url = broker(|packet| match (packet.first, packet.level) {
        (0x10, 5) => Does::Answers(vec![0x20, 2, 0, 1]),
        _ => Does::Usual,
    });
    let device = Device::start(settings(&url, "version = \"5\"\n"));
    assert_eq!(device.until("refused twice", |counters| counters.failures >= 2).connects, 0);
}

#[test]
fn a_broker_that_was_about_to_start_is_not_taken_for_one_without_mqtt_5() {
    let (levels, mut closes) = (Arc::new(Mutex::new(Vec::new())), 1);
    let seen = levels.clone();
    let url = broker(move |packet| {
        if packet.first != 0x10 {
            return Does::Usual;
        }
        seen.lock().expect("no panic").push(packet.level);
        closes -= 1;
        if closes >= 0 { Does::HangsUp } else { Does::Usual }
    });
    Device::start(settings(&url, "")).idle();
    assert_eq!(*levels.lock().expect("no panic"), [5, 4, 5]);
}

#[test]
fn events_that_are_refused_for_a_passing_reason_arrive_when_it_has_passed() {
    for reason in [0x97, 0x83, 0x8B] {
        let mut until = None;
        let url = broker(move |packet| {
            let Some([high, low]) = (packet.first >> 4 == 3).then(|| packet.id()).flatten() else { return Does::Usual };
            let until = *until.get_or_insert_with(|| Instant::now() + Duration::from_secs(3));
            match Instant::now() < until {
                true => Does::Answers(vec![0x40, 3, high, low, reason]),
                false => Does::Usual,
            }
        });
        let device = Device::start(settings(&url, ""));
        device.events(0..29);
        let counters = device.idle();
        assert_eq!((counters.published.event, counters.dropped.event), (29, 0), "0x{reason:02X}");
        assert_eq!(counters.connects, 1);
    }
}

#[test]
fn a_subscription_that_is_refused_for_a_passing_reason_is_requested_again_and_one_that_is_forbidden_is_not() {
    for (reason, wanted) in [(0x97, 3), (0x87, 1)] {
        let requests = Arc::new(AtomicUsize::new(0));
        let seen = requests.clone();
        let url = broker(move |packet| match packet.first >> 4 {
            8 if seen.fetch_add(1, Ordering::SeqCst) < 2 => {
                let mut answer = usual(packet);
                let codes = answer.len() - 5;
                answer.splice(5.., vec![reason; codes]);
                Does::Answers(answer)
            }
            _ => Does::Usual,
        });
        let device = Device::start(settings(&url, ""));
        device.connected();
        let begun = Instant::now();
        while requests.load(Ordering::SeqCst) < wanted {
            assert!(begun.elapsed() < Duration::from_secs(20), "0x{reason:02X}: {requests:?}");
            device.events(0..1);
            std::thread::sleep(Duration::from_millis(10));
        }
        std::thread::sleep(Duration::from_millis(1500));
        assert_eq!((requests.load(Ordering::SeqCst), device.counters().connects), (wanted, 1), "0x{reason:02X}");
    }
}

#[test]
fn one_topic_that_is_refused_for_good_holds_up_no_other() {
    let url = broker(|packet| match (packet.first >> 4, packet.id_of("/health")) {
        (3, Some([high, low])) => Does::Answers(vec![0x40, 3, high, low, 0x97]),
        _ => Does::Usual,
    });
    let device = Device::start(settings(&url, ""));
    device.push("health", "refused", Delivery::Latest);
    let begun = Instant::now();
    for event in 0..10 {
        device.events(event..event + 1);
        device.until("published", |counters| counters.published.event > event as u64);
    }
    let counters = device.counters();
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?} {counters:?}", begun.elapsed());
    assert_eq!((counters.dropped.event, counters.dropped.latest, counters.connects), (0, 0, 1), "{counters:?}");
    assert!(counters.waiting >= 1, "it is tried again: {counters:?}");
}

#[test]
fn with_3_1_1_the_message_that_ends_each_session_is_left_out_and_the_others_arrive() {
    for size in [600, 2_000] {
        let url = broker(move |packet| match packet.first >> 4 {
            3 if packet.body.len() > size => Does::HangsUp,
            _ => Does::Usual,
        });
        let device = Device::start(settings(&url, "version = \"3.1.1\"\n"));
        device.push("info", "small", Delivery::Latest);
        device.push("state", &"x".repeat(size), Delivery::Latest);
        device.events(0..10);
        let counters = device.idle();
        assert_eq!((counters.published.event, counters.dropped.event), (10, 0), "{counters:?}");
        assert!(counters.dropped.latest >= 1, "{counters:?}");
    }
}

#[test]
fn with_3_1_1_a_message_without_acknowledgement_that_ends_each_session_is_found_too() {
    let url = broker(|packet| match packet.first >> 4 {
        3 if packet.topic().ends_with("/image") => Does::HangsUp,
        _ => Does::Usual,
    });
    let device = Device::start(settings(&url, "version = \"3.1.1\"\n"));
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if device.counters().connected {
            device.push("camera/image", "picture", Delivery::Live);
            device.events(0..1);
        }
        std::thread::sleep(Duration::from_millis(100));
        let counters = device.counters();
        if counters.connected && counters.published.event > 5 {
            break;
        }
        assert!(Instant::now() < deadline, "{counters:?}");
    }
}
