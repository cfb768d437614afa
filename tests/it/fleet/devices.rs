//! Played devices: what they publish, and how they answer.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use glimpsed_base::shutdown::Shutdown;
use glimpsed_mqtt::{Delivery, Link, Message, Options, Received, dial};
use serde_json::{Value, json};

/// A connection of the product's own client.
async fn connect(port: u16, login: Option<(&str, &str)>) -> Link {
    let options = Options {
        broker: format!("mqtt://{}:{port}", Ipv4Addr::LOCALHOST).parse().expect("an address"),
        tls: None,
        version: None,
        client_id: String::new(),
        username: login.map(|(name, _)| name.to_owned()),
        password: login.map(|(_, password)| glimpsed_base::secret::Secret::new(password)),
        keepalive: Duration::from_secs(60),
        software: "test".into(),
    };
    dial(&options, &format!("devices-{:016x}", fastrand::u64(..)), None).await.expect("a session")
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

/// Publishes retained messages with QoS 0, and returns when the broker has taken them.
pub(super) fn publish(port: u16, messages: impl Iterator<Item = (String, Vec<u8>)>) {
    publish_as(port, None, messages);
}

pub(super) fn publish_as(port: u16, login: Option<(&str, &str)>, messages: impl Iterator<Item = (String, Vec<u8>)>) {
    block_on(async {
        let mut link = connect(port, login).await;
        for (topic, payload) in messages {
            link.publish(Message::new(topic, payload, Delivery::Live, true)).expect("sent");
            if !link.has_room() {
                taken(&mut link).await;
            }
        }
        taken(&mut link).await;
        link.end().await.expect("a goodbye");
    });
}

/// What was sent has arrived when the broker answers what came after it.
async fn taken(link: &mut Link) {
    link.ping();
    while link.next().await.expect("the broker is there") != Received::Pong {}
}

/// Everything that a device which is well retains.
pub(super) fn well(id: &str) -> Vec<(String, Vec<u8>)> {
    let topic = |kind: &str| format!("glimpsed/{id}/{kind}");
    let info = json!({
        "v": 1, "name": id, "version": "0.1.0", "board": "Raspberry Pi 4", "config_hash": "0123456789abcdef",
        "models": [{ "role": "fast", "name": "efficientnet-lite0", "precision": "fp32" }], "config": { "camera.fps": { "value": 5, "origin": "default" } },
    });
    let health = json!({ "v": 1, "uptime_s": 3600, "temperature_c": 51.5, "fps": 4.98, "problems": [], "mqtt": { "dropped_events": 0 } });
    let state = json!({ "v": 1, "ts": jiff::Timestamp::now().to_string(), "status": "known", "label": "tabby", "confidence": 0.91 });
    vec![
        (topic("status"), b"online".to_vec()),
        (topic("info"), info.to_string().into()),
        (topic("health"), health.to_string().into()),
        (topic("state"), state.to_string().into()),
        (topic("enabled/state"), b"ON".to_vec()),
    ]
}

/// One message of a device.
pub(super) fn says(id: &str, kind: &str, payload: &str) -> (String, Vec<u8>) {
    (format!("glimpsed/{id}/{kind}"), payload.as_bytes().to_vec())
}

/// How a played device answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Obeys,
    /// Sets nothing, and refuses requests.
    Refuses,
    Silent,
    /// Answers a comparison with something else.
    Odd,
    /// Answers a comparison with what nothing takes.
    Absurd,
    /// As two devices that have the same id.
    AnswersTwice,
}

/// Devices that answer until they are dropped.
pub(super) struct Answering {
    stop: Shutdown,
    thread: Option<JoinHandle<()>>,
    asked: Arc<AtomicUsize>,
}

impl Answering {
    /// They are subscribed when this returns.
    pub(super) fn start(port: u16, devices: &'static [(&'static str, Manner)]) -> Self {
        let (stop, asked) = (Shutdown::new(), Arc::new(AtomicUsize::new(0)));
        let (ready, is_ready) = std::sync::mpsc::channel();
        let (stopped, counted) = (stop.clone(), asked.clone());
        let thread = std::thread::spawn(move || {
            block_on(async {
                let mut link = connect(port, None).await;
                link.subscribe(&["glimpsed/+/+/set".into(), "glimpsed/+/request/+".into()]).expect("sent");
                loop {
                    let received = tokio::select! {
                        received = link.next() => received,
                        () = stopped.wait() => return,
                    };
                    match received {
                        Ok(Received::Subscribed(_)) => ready.send(()).expect("it waits"),
                        Ok(Received::Message { id, topic, payload, .. }) => {
                            if let Some(id) = id {
                                link.acknowledge(id);
                            }
                            counted.fetch_add(1, Ordering::SeqCst);
                            answers(devices, &topic, &payload).into_iter().for_each(|answer| {
                                let _sent = link.publish(answer).expect("sent");
                            });
                        }
                        Ok(_) => {}
                        // The broker is gone.
                        Err(_) => return,
                    }
                }
            });
        });
        is_ready.recv_timeout(crate::support::PATIENCE).expect("subscribed");
        Self { stop, thread: Some(thread), asked }
    }

    /// How many questions have come.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.stop.trigger();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn answers(devices: &[(&str, Manner)], topic: &str, payload: &[u8]) -> Vec<Message> {
    let parts: Vec<&str> = topic.split('/').collect();
    let Some((id, manner)) = devices.iter().find(|(id, _)| *id == parts[1]) else { return Vec::new() };
    if *manner == Manner::Silent {
        return Vec::new();
    }
    let refuses = *manner == Manner::Refuses;
    if parts[3] == "set" {
        let value = if refuses { b"0.3".to_vec() } else { payload.to_vec() };
        return vec![Message::new(format!("glimpsed/{id}/{}/state", parts[2]), value, Delivery::Event, true)];
    }
    let request: Value = serde_json::from_slice(payload).unwrap_or_default();
    let answer = match refuses {
        true => {
            json!({ "status": "error", "data": null, "error": "there is \u{1b}[2J no model", "transaction": request["transaction"] })
        }
        false => json!({ "status": "ok", "data": data(id, *manner, parts[3]), "transaction": request["transaction"] }),
    };
    let message =
        Message::new(format!("glimpsed/{id}/response/{}", parts[3]), answer.to_string(), Delivery::Event, false);
    vec![message; if *manner == Manner::AnswersTwice { 2 } else { 1 }]
}

/// What a request is answered with: a report of a comparison, on one board for `a...` and another for the others.
fn data(id: &str, manner: Manner, request: &str) -> Value {
    if request != "compare" {
        return json!({ "id": id });
    }
    if manner == Manner::Odd {
        return json!([1, 2]);
    }
    if manner == Manner::Absurd {
        let latency = json!({ "p50": 1e300, "p95": 1e300 });
        return json!({ "device": { "board": "Pi" }, "models": [{ "name": "large", "infer_ms": latency }] });
    }
    let (board, p50) = if id.starts_with('a') { ("Raspberry Pi 5", 8.0) } else { ("Raspberry Pi 4", 24.0) };
    let model = |name: &str, times: f64| json!({ "name": name, "precision": "fp32", "infer_ms": { "p50": p50 * times, "p95": p50 * times * 1.5 } });
    json!({ "version": "0.1.0", "device": { "board": board, "processor": "x", "cores": 4 }, "models": [model("large", 2.0), model("small", 1.0)] })
}
