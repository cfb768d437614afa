//! What arrives, what is lost and what it costs when the broker goes away.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use glimpsed_base::clock::SystemClock;
use glimpsed_core::bus::hub::Hub;
use glimpsed_core::domain::classification::{Answer, Classification, ModelId, Ranked, Stable, Status, Timing};
use glimpsed_core::domain::event::Event;
use glimpsed_core::domain::name::Name;
use glimpsed_core::sinks::mqtt::{MqttSink, Topics};
use glimpsed_inference::Precision;
use glimpsed_mqtt::Delivery;

use super::proxy::{Mode, Proxy};
use super::{Device, cpu, events_until, memory, settings};
use crate::support::Broker;

#[test]
fn events_pushed_while_the_broker_is_dead_arrive_in_order_after_it() {
    for version in ["5", "3.1.1"] {
        let mut broker = Broker::start();
        let proxy = Proxy::start(broker.port);
        let mut before = broker.subscribe("glimpsed/#", &[]);
        let device = Device::start(settings(&proxy.url(), &format!("version = \"{version}\"\n")));
        device.events(0..100);
        assert_eq!(events_until(&mut before, 99), Vec::from_iter(0..100));
        device.idle();
        // On their way when the broker dies: swallowed, never acknowledged.
        proxy.set(Mode::Swallow);
        device.events(100..140);
        std::thread::sleep(Duration::from_millis(100));
        broker.kill();
        proxy.set(Mode::Refuse);
        proxy.cut();
        device.until("disconnected", |counters| !counters.connected);
        device.events(140..200);
        broker.restart();
        let mut after = broker.subscribe("glimpsed/#", &[]);
        proxy.set(Mode::Pass);
        let returned = Instant::now();
        assert_eq!(after.next("/status").payload, "online");
        assert_eq!(events_until(&mut after, 199), Vec::from_iter(100..200), "MQTT {version}");
        assert!(returned.elapsed() < Duration::from_secs(10), "took {:?}", returned.elapsed());
        let counters = device.idle();
        assert_eq!((counters.published.event, counters.dropped.event), (200, 0));
        assert!(device.stop() < Duration::from_secs(1));
    }
}

#[test]
fn acknowledged_events_are_never_sent_twice_and_only_what_was_under_way_is() {
    let broker = Broker::start();
    let proxy = Proxy::start(broker.port);
    let mut subscriber = broker.subscribe("glimpsed/#", &[]);
    let device = Device::start(settings(&proxy.url(), ""));
    device.connected();
    for part in 0..3 {
        device.events(part * 200..part * 200 + 200);
        // Somewhere in the middle of them.
        std::thread::sleep(Duration::from_millis(3));
        proxy.cut();
        device.until("connected again", |counters| counters.connects > u64::from(part) + 1);
    }
    device.idle();
    let arrived = events_until(&mut subscriber, 599);
    let mut first_times: Vec<u32> = Vec::new();
    for number in &arrived {
        if !first_times.contains(number) {
            first_times.push(*number);
        }
    }
    assert_eq!(first_times, Vec::from_iter(0..600), "none is missing, and the order is kept");
    let twice = arrived.len() - 600;
    eprintln!("{twice} of 600 events came twice over 3 losses");
    assert!(twice <= 3 * 16, "{twice} came twice");
}

#[test]
fn what_is_more_than_the_outbox_holds_is_dropped_oldest_first_and_counted() {
    let broker = Broker::start();
    let proxy = Proxy::start(broker.port);
    proxy.set(Mode::Refuse);
    let mut subscriber = broker.subscribe("glimpsed/#", &[]);
    let device = Device::start(settings(&proxy.url(), "buffer = 50\n"));
    device.push("state", "cat", Delivery::Latest);
    device.events(0..80);
    device.push("classification", "nobody listens", Delivery::Live);
    proxy.set(Mode::Pass);
    assert_eq!(subscriber.next("/status").payload, "online");
    assert_eq!(subscriber.next("/state").payload, "cat");
    assert_eq!(events_until(&mut subscriber, 79), Vec::from_iter(30..80));
    let counters = device.idle();
    assert_eq!((counters.dropped.event, counters.dropped.live, counters.published.event), (30, 1, 50));
}

#[test]
fn a_broker_that_accepts_and_never_answers_is_asked_seldom_and_costs_nothing() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let used = cpu();
    let device = Device::start(settings(&format!("mqtt://127.0.0.1:{port}"), ""));
    for _ in 0..300 {
        device.push("classification", "{}", Delivery::Live);
        device.events(0..10);
        std::thread::sleep(Duration::from_millis(20));
    }
    let counters = device.counters();
    assert!((1..=2).contains(&counters.failures) && counters.connects == 0, "{counters:?}");
    assert_eq!((counters.dropped.event, counters.waiting), (2000, 1001), "1000 events and the status");
    let used = cpu() - used;
    eprintln!("{used:.2} s of CPU in 6 s without a broker, with 3000 events");
    assert!(used < 0.3, "{used} s of CPU");
}

#[test]
fn a_broker_that_closes_at_once_is_tried_less_and_less_often() {
    let proxy = Proxy::start(1);
    proxy.set(Mode::Refuse);
    let _device = Device::start(settings(&proxy.url(), ""));
    std::thread::sleep(Duration::from_secs(8));
    // After 0, 1, 3 and 7 seconds at the latest, and after half of that at the earliest.
    assert!((4..=5).contains(&proxy.accepted()), "{} attempts", proxy.accepted());
}

#[test]
fn a_slow_broker_neither_fills_the_memory_nor_ends_the_session() {
    let broker = Broker::start();
    let proxy = Proxy::start(broker.port);
    let device = Device::start(settings(&proxy.url(), "buffer = 100\n"));
    device.idle();
    proxy.set(Mode::Slow);
    let before = memory();
    let payload = "x".repeat(20_000);
    for _ in 0..2000 {
        device.push("camera/image", &payload, Delivery::Live);
        device.push("event", &payload, Delivery::Event);
        device.push("state", &payload, Delivery::Latest);
    }
    std::thread::sleep(Duration::from_secs(2));
    let counters = device.counters();
    let grown = memory().saturating_sub(before);
    eprintln!("{grown} KiB grown, {counters:?}");
    assert!(counters.waiting <= 100 + 64 + 16 + 2, "{counters:?}");
    // 180 messages of 20 KB are 3.5 MiB; some are there twice, and the allocator keeps some.
    assert!(grown < 16 << 10, "{grown} KiB");
    assert!(counters.connected && counters.connects == 1, "{counters:?}");
    let lost = counters.dropped.event + counters.published.event;
    assert!((2000 - 116..=2000).contains(&lost), "each is sent, waits or is counted: {counters:?}");
}

/// A frame as the inference thread tells of it.
fn labelled() -> Classification {
    let model = ModelId { name: "mobilenet-v2".into(), precision: Precision::Fp32, sha256: "0".repeat(64) };
    let ranked = |class_id| Ranked { label: "Egyptian cat".into(), class_id, confidence: 0.3 };
    Classification {
        camera: Name::ONLY,
        view: Name::ONLY,
        seq: 1,
        ts: jiff::Timestamp::now(),
        answer: Answer {
            model: Arc::new(model),
            status: Status::Known,
            strange: None,
            top: [ranked(1), ranked(2), ranked(3)].into_iter().collect(),
            timing: Timing::default(),
        },
        cached: false,
        origin: None,
    }
}

/// A figure of this machine, and no behaviour.
#[test]
#[ignore = "a figure; `make soak`"]
fn thirty_labels_a_second_cost_less_than_a_hundredth_of_a_core() {
    let broker = Broker::start();
    let device = Device::start(settings(&broker.url(), ""));
    device.idle();
    let (hub, clock) = (Hub::default(), Arc::new(SystemClock::new()));
    let topics = Topics::new("glimpsed", "test", &Default::default());
    hub.attach("mqtt", Box::new(MqttSink::new(device.outbox.clone(), topics, clock, Duration::ZERO)));
    let frame = labelled();
    let stable = Stable {
        status: frame.answer.status,
        label: None,
        confidence: 0.0,
        since: frame.ts,
        labels: None,
        frame: frame.clone(),
    };
    let (used, started) = (cpu(), Instant::now());
    for _ in 0..150 {
        hub.publish(&Event::Classified(frame.clone()));
        hub.publish(&Event::Changed { now: stable.clone(), before: Some("cat".into()) });
        std::thread::sleep(Duration::from_micros(33_333));
    }
    device.idle();
    let share = (cpu() - used) / started.elapsed().as_secs_f64();
    eprintln!("{:.2} % of a core for 30 labels, states and events a second", share * 100.0);
    // Counted in hundredths of a second: 5 of them in 5 s are a hundredth.
    assert!(share <= 0.011, "{share}");
}

#[test]
#[ignore = "a minute; `make soak`"]
fn a_half_open_connection_is_noticed_without_traffic_and_with_it() {
    for busy in [false, true] {
        let broker = Broker::start();
        let proxy = Proxy::start(broker.port);
        let device = Device::start(settings(&proxy.url(), "keepalive = \"5s\"\n"));
        device.idle();
        proxy.set(Mode::Swallow);
        if busy {
            device.events(0..10);
        }
        let started = Instant::now();
        device.until("lost", |counters| counters.failures == 1);
        eprintln!("noticed after {:?} (busy: {busy})", started.elapsed());
        assert!(started.elapsed() < Duration::from_secs(27));
        proxy.cut();
        proxy.set(Mode::Pass);
        device.idle();
    }
}

#[test]
#[ignore = "a minute and a half; `make soak`"]
fn a_broker_that_is_stopped_for_a_minute_gets_everything_afterwards() {
    let mut broker = Broker::start();
    let mut subscriber = broker.subscribe("glimpsed/#", &[]);
    let device = Device::start(settings(&broker.url(), ""));
    device.idle();
    broker.freeze();
    let used = cpu();
    for second in 0..60 {
        device.events(second * 5..second * 5 + 5);
        std::thread::sleep(Duration::from_secs(1));
    }
    eprintln!("{:.2} s of CPU in a minute with a stopped broker", cpu() - used);
    assert!(cpu() - used < 0.6);
    broker.thaw();
    let mut arrived = events_until(&mut subscriber, 299);
    // What the kernel held for the stopped broker comes as well.
    eprintln!("{} of 300 came twice", arrived.len() - 300);
    arrived.sort_unstable();
    arrived.dedup();
    assert_eq!(arrived, Vec::from_iter(0..300));
    assert_eq!(device.idle().dropped.event, 0);
}

#[test]
#[ignore = "40 minutes; `make soak`"]
fn fifty_restarts_in_a_row_lose_nothing() {
    const RESTARTS: u32 = 50;
    let mut broker = Broker::start();
    let device = Device::start(settings(&broker.url(), ""));
    let before = memory();
    // Each session is too short to be a good one, so the waits grow to a minute.
    for round in 0..RESTARTS {
        device.idle();
        broker.kill();
        device.until("disconnected", |counters| !counters.connected);
        let numbers = round * 50..round * 50 + 50;
        device.events(numbers.clone());
        broker.restart();
        let mut subscriber = broker.subscribe("glimpsed/#", &[]);
        device.idle();
        assert_eq!(events_until(&mut subscriber, numbers.end - 1), Vec::from_iter(numbers));
        eprintln!("restart {} of {RESTARTS}", round + 1);
    }
    let counters = device.idle();
    assert_eq!((counters.published.event, counters.dropped.event), (u64::from(RESTARTS) * 50, 0));
    eprintln!("{counters:?}, {} KiB grown", memory().saturating_sub(before));
}
