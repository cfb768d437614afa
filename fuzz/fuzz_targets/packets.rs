//! Any bytes as what a broker sends: packets are read, refused, or end the session.
#![no_main]

use std::io::Cursor;
use std::time::Duration;

use glimpsed_mqtt::{Link, Options, Version};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&choice, bytes)) = data.split_first() else { return };
    // The answer to CONNECT, so that what follows is read as a session's.
    let (version, welcome): (_, &[u8]) = match choice & 1 {
        0 => (Version::V5, &[0x20, 3, 0, 0, 0]),
        _ => (Version::V311, &[0x20, 2, 0, 0]),
    };
    let options = Options {
        broker: "mqtt://127.0.0.1".parse().expect("an address"),
        tls: None,
        version: None,
        client_id: "shelf".into(),
        username: None,
        password: None,
        keepalive: Duration::from_secs(30),
        software: "fuzz".into(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let answer = if choice & 2 == 0 { [welcome, bytes].concat() } else { bytes.to_vec() };
        let stream = tokio::io::join(Cursor::new(answer), tokio::io::sink());
        let Ok(mut link) = Link::begin(Box::new(stream), &options, version, "shelf", None).await else { return };
        while link.next().await.is_ok() {}
    });
});
