//! Any message on any topic that is listened to: understood, refused or ignored.
#![no_main]

use glimpsed_core::bus::commands::ViewCommand;
use glimpsed_core::domain::name::Name;
use glimpsed_core::sinks::mqtt::inbound::{Inbound, REQUESTS, parse};
use glimpsed_core::sinks::mqtt::topics::{Key, Names, Topics};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&[choice, retained], payload)) = data.split_first_chunk() else { return };
    let views = vec![Name::new("door"), Name::new("yard")];
    let topics = Topics::new("glimpsed", "shelf", &Names { views, ..Names::default() });
    let mut listened: Vec<String> = REQUESTS.iter().map(|(name, _)| topics.request(name)).collect();
    for view in &topics.views {
        listened.extend(Key::ALL.into_iter().chain([Key::TeachLabel]).map(|key| view.set(key)));
        listened.extend([view.teach_add.clone(), view.day.clone()]);
    }
    listened.extend(Topics::births("homeassistant"));
    listened.extend([topics.status.clone(), topics.info.clone()]);
    let topic = &listened[usize::from(choice) % listened.len()];
    let retained = retained & 1 == 1;
    let Ok(Some(wish)) = parse(&topics, Some("homeassistant"), topic, payload, retained, None) else { return };
    // Of what is retained only the day counts, and only what is retained of the day.
    assert_eq!(retained, matches!(wish, Inbound::Day { .. }), "{wish:?}");
    match wish {
        Inbound::Set((_, Key::Threshold), ViewCommand::Threshold(value)) => assert!((0.0..=1.0).contains(&value)),
        Inbound::Set((_, Key::Model), ViewCommand::Model(name)) => assert!(!name.is_empty() && name.len() <= 4096),
        // Whether it can be a label is for who keeps it.
        Inbound::Set((_, Key::TeachLabel), ViewCommand::TeachLabel(label)) => assert!(label.len() <= 4096),
        Inbound::Set((_, Key::Enabled), ViewCommand::Enable(_))
        | Inbound::Set((_, Key::Precision), ViewCommand::Precision(_))
        | Inbound::Set((_, Key::Accurate), ViewCommand::Accurate(_))
        | Inbound::HomeAssistantStarted
        | Inbound::Offline
        | Inbound::Info(None) => {}
        Inbound::Set(key, command) => panic!("{command:?} for {key:?}"),
        Inbound::Info(Some(identity)) => assert!(identity.instance.chars().count() <= 64),
        Inbound::Day { view, .. } => assert!(topics.view(&view).is_some(), "{view}"),
        Inbound::Request(call) => {
            let id = call.transaction.map(|id| id.to_string()).unwrap_or_default();
            assert!(id.len() <= 256, "given back, whatever it is");
        }
    }
});
