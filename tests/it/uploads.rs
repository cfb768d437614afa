//! Pictures that people send, labelled by the inference thread of a daemon without a camera.

use std::sync::Arc;
use std::thread::JoinHandle;

use glimpsed::bus::hub::Hub;
use glimpsed::config::{Config, Sources};
use glimpsed::control::from_config::{rules_of, view_of};
use glimpsed::decide::rules::LabelRules;
use glimpsed::infer::Model;
use glimpsed::infer::labeller::Labeller;
use glimpsed::pipeline::orders::{Order, Orders, Rules};
use glimpsed::pipeline::uploads::{UploadError, Uploads};
use glimpsed::pipeline::worker::Worker;
use glimpsed::pipeline::{second_opinion, worker};
use glimpsed_base::clock::SystemClock;
use glimpsed_base::shutdown::Shutdown;
use glimpsed_base::slot::{Slot, WhenFull};
use std::sync::atomic::Ordering;

use crate::support::{bundled, fixture, photos};

struct Desk {
    config: Config,
    orders: Orders,
    uploads: Uploads,
    slot: Arc<Slot<glimpsed::domain::frame::Frame>>,
    inference: Option<JoinHandle<()>>,
}

impl Desk {
    fn new() -> Self {
        let config = Sources::defaults().load().expect("valid");
        let labeller = labeller("efficientnet-lite0-int8", &config);
        let slot = Arc::new(Slot::new(WhenFull::Overwrite));
        let (orders, receiver) = Orders::new(slot.clone());
        let (id, input) = (labeller.model().id.clone(), labeller.model().input.clone());
        let uploads = Uploads::new(orders.clone(), Some((id, input)), config.labels.clone(), 2);
        let worker = Worker::new(worker::Parts {
            slot: slot.clone(),
            clock: Arc::new(SystemClock::new()),
            shutdown: Shutdown::new(),
            labeller: Some(Box::new(labeller)),
            rules: rules_of(&config),
            hub: Hub::default(),
            counters: Arc::default(),
            orders: receiver,
            liveness: glimpsed_base::liveness::Liveness::default(),
            preview: Arc::default(),
        });
        let inference = Some(std::thread::spawn(move || worker.run()));
        Self { config, orders, uploads, slot, inference }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.slot.close();
        if let Some(inference) = self.inference.take() {
            inference.join().expect("it ends");
        }
    }
}

fn labeller(name: &str, config: &Config) -> Labeller {
    Labeller::new(Model::load(&bundled(name)).expect("bundled"), view_of(config), config.labels.answering())
}

fn photo(name: &str) -> Vec<u8> {
    std::fs::read(photos().join(name)).expect("a bundled photograph")
}

fn counts(uploads: &Uploads) -> (u64, u64) {
    let counters = uploads.counters();
    (counters.hits.load(Ordering::Relaxed), counters.misses.load(Ordering::Relaxed))
}

#[tokio::test]
async fn the_same_bytes_are_answered_from_memory_until_the_rules_change() {
    let desk = Desk::new();
    let first = desk.uploads.classify(photo("coffee.png")).await.0.expect("a photograph");
    assert_eq!(first.fast.label().map(|ranked| &*ranked.label), Some("espresso"));
    assert!(!first.cached && first.accurate.is_none() && first.fast.top.len() == 3);
    let second = desk.uploads.classify(photo("coffee.png")).await.0.expect("a photograph");
    assert!(second.cached && second.fast == first.fast);
    assert_eq!(counts(&desk.uploads), (1, 1));
    desk.uploads.set_rules(desk.config.labels.clone(), 2);
    assert!(!desk.uploads.classify(photo("coffee.png")).await.0.expect("a photograph").cached);
}

#[tokio::test]
async fn the_cache_holds_so_many_answers_and_no_more() {
    let desk = Desk::new();
    for name in ["coffee.png", "chelsea.png", "rocket.jpg"] {
        desk.uploads.classify(photo(name)).await.0.expect("a photograph");
    }
    let cached = async |name| desk.uploads.classify(photo(name)).await.0.expect("a photograph").cached;
    assert!(cached("rocket.jpg").await && cached("chelsea.png").await);
    assert!(!cached("coffee.png").await, "the one that was not asked for the longest made room");
}

#[tokio::test]
async fn both_models_answer_and_the_answer_is_that_of_labelling_a_file() {
    let desk = Desk::new();
    let (asked, classifies, _thread) =
        second_opinion::start(labeller("efficientnet-lite0", &desk.config), Hub::default()).expect("a thread");
    desk.orders.give(Order::Second(Some(Box::new(asked)))).expect("alive");
    desk.uploads.set_accurate(Some(classifies));
    let five = LabelRules { top_k: 5, ..desk.config.labels.clone() };
    desk.orders.give(Order::Rules(Box::new(Rules { labels: five.clone(), ..rules_of(&desk.config) }))).expect("alive");
    desk.uploads.set_rules(five, 2);
    let opinion = desk.uploads.classify(photo("chelsea.png")).await.0.expect("a photograph");
    assert_eq!((opinion.fast.top.len(), opinion.accurate.as_ref().map(|answer| answer.top.len())), (5, Some(5)));
    let frame =
        glimpsed::domain::frame::Frame::from_bytes(glimpsed::domain::frame::Encoding::File, photo("chelsea.png"));
    let accurate = opinion.accurate.expect("an accurate model");
    for (answer, name) in [(opinion.fast, "efficientnet-lite0-int8"), (accurate, "efficientnet-lite0")] {
        assert_eq!(answer.model.name, name);
        assert_eq!(
            answer.top[..3],
            labeller(name, &desk.config).label(&frame).expect("a photograph").answer.top[..],
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_model_that_was_exchanged_does_not_answer_for_the_other() {
    let desk = Desk::new();
    desk.uploads.classify(photo("coffee.png")).await.0.expect("a photograph");
    let next = labeller("efficientnet-lite0", &desk.config);
    let (id, input) = (next.model().id.clone(), next.model().input.clone());
    let (back, _kept) = tokio::sync::oneshot::channel();
    desk.orders.give(Order::Labeller(Box::new(next), back)).expect("alive");
    // The worker has the new one; whoever prepares for the old one is told so, twice.
    let error = desk.uploads.classify(photo("rocket.jpg")).await.0.expect_err("exchanged");
    assert!(matches!(error, UploadError::Busy(_)), "{error}");
    desk.uploads.set_fast(id, input);
    let answer = desk.uploads.classify(photo("coffee.png")).await.0.expect("a photograph");
    assert!(!answer.cached && answer.fast.model.name == "efficientnet-lite0");
}

#[tokio::test]
async fn what_is_no_picture_or_too_large_is_said_in_plain_words() {
    let desk = Desk::new();
    let error = async |bytes: Vec<u8>| desk.uploads.classify(bytes).await.0.expect_err("no picture");
    assert_eq!(error(Vec::new()).await.to_string(), "the file is empty (0 bytes)");
    let text = error(b"hello".to_vec()).await;
    assert_eq!(text.to_string(), "the file is text, not a picture that glimpsed reads; it reads JPEG, PNG and WebP");
    let mut cut = photo("coffee.png");
    cut.truncate(cut.len() / 2);
    assert!(matches!(error(cut).await, UploadError::NotAPicture(_)));
    let bomb = std::fs::read(fixture("images/huge-30000x30000.png")).expect("a fixture");
    let large = error(bomb).await;
    assert_eq!(large.to_string(), "the picture has 30000x30000 pixels; at most 64 megapixels are decoded");
}

#[tokio::test]
async fn more_uploads_than_wait_are_refused_and_the_others_answered() {
    let desk = Desk::new();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..40u8 {
        let uploads = desk.uploads.clone();
        // Each another file: bytes behind the end of a picture do not matter to it.
        let bytes = [photo("rocket.jpg"), vec![number]].concat();
        tasks.spawn(async move { uploads.classify(bytes).await.0 });
    }
    let results = tasks.join_all().await;
    let busy = results.iter().filter(|result| matches!(result, Err(UploadError::Busy(_)))).count();
    assert!(results.iter().filter(|result| result.is_ok()).count() >= 8 && busy >= 1, "{busy} were refused");
    assert!(results.iter().all(|result| matches!(result, Ok(_) | Err(UploadError::Busy(_)))));
}
