//! Any message on any topic that is listened to: understood, refused or ignored.
#![no_main]

use glimpsed_core::bus::commands::Command;
use glimpsed_core::sinks::mqtt::topics::{Key, Topics};
use glimpsed_core::sinks::mqtt::inbound::{REQUESTS, Inbound, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&choice, payload)) = data.split_first() else { return };
    let topics = Topics::new("glimpsed", "shelf");
    let mut listened: Vec<String> = Key::ALL.map(|key| topics.set(key)).into();
    listened.extend(REQUESTS.iter().map(|(name, _)| topics.request(name)));
    listened.extend(Topics::births("homeassistant"));
    listened.extend([topics.status.clone(), topics.info.clone()]);
    let topic = &listened[usize::from(choice >> 1) % listened.len()];
    let retained = choice & 1 == 1;
    match parse(&topics, Some("homeassistant"), topic, payload, retained, None) {
        Ok(Some(wish)) => {
            assert!(!retained, "a retained message was acted upon");
            match wish {
                Inbound::Set(Key::Threshold, Command::Threshold(value)) => assert!((0.0..=1.0).contains(&value)),
                Inbound::Set(Key::Model, Command::Model(name)) => assert!(!name.is_empty() && name.len() <= 4096),
                Inbound::Set(Key::Enabled, Command::Enable(_))
                | Inbound::Set(Key::Precision, Command::Precision(_))
                | Inbound::Set(Key::Accurate, Command::Accurate(_))
                | Inbound::HomeAssistantStarted
                | Inbound::Offline => {}
                Inbound::Info(identity) => assert!(identity.instance.chars().count() <= 64),
                Inbound::Set(key, command) => panic!("{command:?} for {key:?}"),
                Inbound::Request(call) => {
                    let id = call.transaction.map(|id| id.to_string()).unwrap_or_default();
                    assert!(id.len() <= 256, "given back, whatever it is");
                }
            }
        }
        Ok(None) | Err(_) => {}
    }
});
