//! Pictures that people send, labelled by the inference thread of a daemon without a camera.

use std::sync::Arc;
use std::thread::JoinHandle;

use glimpsed::control::from_config::rules_of;
use glimpsed_base::clock::SystemClock;
use glimpsed_base::shutdown::Shutdown;
use glimpsed_base::signal::Signal;
use glimpsed_base::slot::{Slot, WhenFull};
use glimpsed_core::bus::hub::Hub;
use glimpsed_core::config::{Config, Sources};
use glimpsed_core::decide::rules::LabelRules;
use glimpsed_core::domain::frame::Frame;
use glimpsed_core::domain::framing::Region;
use glimpsed_core::domain::name::Name;
use glimpsed_core::infer::Model;
use glimpsed_core::infer::labeller::Labeller;
use glimpsed_core::pipeline::orders::{NewView, Order, Orders, Rules, ViewOrder};
use glimpsed_core::pipeline::uploads::{Opinion, Target, UploadError, Uploads};
use glimpsed_core::pipeline::worker::Worker;
use glimpsed_core::pipeline::{Source, second_opinion, worker};
use glimpsed_core::preprocess::source::FrameDecoder;
use std::sync::atomic::Ordering;

use crate::support::{bundled, fixture, photos};

struct Desk {
    config: Config,
    orders: Orders,
    uploads: Uploads,
    target: Target,
    slot: Arc<Slot<Frame>>,
    inference: Option<JoinHandle<()>>,
}

impl Desk {
    fn new() -> Self {
        let config = Sources::defaults().load().expect("valid");
        let labeller = labeller("efficientnet-lite0-int8", &config);
        let signal = Arc::<Signal>::default();
        let slot = Arc::new(Slot::with_signal(WhenFull::Overwrite, signal.clone()));
        let (orders, receiver) = Orders::new(signal.clone());
        let fast = Some((labeller.model().id.clone(), labeller.model().input.clone()));
        let uploads = Uploads::new(orders.clone());
        let target = Target { view: Name::ONLY, fast, accurate: None, rules: config.first().labels.clone() };
        uploads.set(vec![target.clone()], 2);
        let parts = worker::Parts {
            signal,
            clock: Arc::new(SystemClock::new()),
            shutdown: Shutdown::new(),
            hub: Hub::default(),
            counters: Arc::default(),
            orders: receiver,
            unsure: Default::default(),
            liveness: glimpsed_base::liveness::Liveness::default(),
        };
        let source = Source { camera: Name::ONLY, slot: slot.clone(), preview: Arc::default() };
        let view = NewView {
            name: Name::ONLY,
            camera: Name::ONLY,
            enabled: true,
            labeller: Some(Box::new(labeller)),
            rules: rules_of(&config, config.first()),
        };
        let worker = Worker::new(parts, vec![source], vec![view], 1.0);
        let inference = Some(std::thread::spawn(move || worker.run()));
        Self { config, orders, uploads, target, slot, inference }
    }

    async fn classify(&self, bytes: Vec<u8>) -> Result<Opinion, UploadError> {
        self.uploads.classify(&Name::ONLY, Region::default(), bytes).await.0
    }

    fn order(&self, order: ViewOrder) {
        self.orders.give(Order::View(Name::ONLY, order)).expect("alive");
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
    let view = config.first();
    Labeller::new(Model::load(&bundled(name)).expect("bundled"), config.framing(view), view.labels.answering())
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
    let first = desk.classify(photo("coffee.png")).await.expect("a photograph");
    assert_eq!(first.fast.label().map(|ranked| &*ranked.label), Some("espresso"));
    assert!(!first.cached && first.accurate.is_none() && first.fast.top.len() == 3);
    let second = desk.classify(photo("coffee.png")).await.expect("a photograph");
    assert!(second.cached && second.fast == first.fast);
    assert_eq!(counts(&desk.uploads), (1, 1));
    desk.uploads.set(vec![desk.target.clone()], 2);
    assert!(!desk.classify(photo("coffee.png")).await.expect("a photograph").cached);
}

#[tokio::test]
async fn the_cache_holds_so_many_answers_and_no_more() {
    let desk = Desk::new();
    for name in ["coffee.png", "chelsea.png", "rocket.jpg"] {
        desk.classify(photo(name)).await.expect("a photograph");
    }
    let cached = async |name| desk.classify(photo(name)).await.expect("a photograph").cached;
    assert!(cached("rocket.jpg").await && cached("chelsea.png").await);
    assert!(!cached("coffee.png").await, "the one that was not asked for the longest made room");
}

#[tokio::test]
async fn both_models_answer_and_the_answer_is_that_of_labelling_a_file() {
    let desk = Desk::new();
    let accurate = labeller("efficientnet-lite0", &desk.config).model().clone();
    let (asked, mut classifies, _thread) =
        second_opinion::start(vec![accurate.clone()], Hub::default()).expect("a thread");
    desk.orders.give(Order::Second(Some(Box::new(asked)))).expect("alive");
    desk.orders.give(Order::Accurate(vec![(Name::ONLY, accurate.id.clone())])).expect("alive");
    let five = LabelRules { top_k: 5, ..desk.config.first().labels.clone() };
    let rules = rules_of(&desk.config, desk.config.first());
    desk.order(ViewOrder::Rules(Box::new(Rules { labels: five.clone(), ..rules })));
    desk.uploads.set(vec![Target { accurate: classifies.pop(), rules: five, ..desk.target.clone() }], 2);
    let opinion = desk.classify(photo("chelsea.png")).await.expect("a photograph");
    assert_eq!((opinion.fast.top.len(), opinion.accurate.as_ref().map(|answer| answer.top.len())), (5, Some(5)));
    let frame = Frame::from_bytes(glimpsed_core::domain::frame::Encoding::File, photo("chelsea.png"));
    let accurate = opinion.accurate.expect("an accurate model");
    for (answer, name) in [(opinion.fast, "efficientnet-lite0-int8"), (accurate, "efficientnet-lite0")] {
        assert_eq!(answer.model.name, name);
        assert_eq!(
            answer.top[..3],
            labeller(name, &desk.config).label(&mut FrameDecoder::default(), &frame).expect("a photograph").answer.top
                [..],
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_model_that_was_exchanged_does_not_answer_for_the_other() {
    let desk = Desk::new();
    desk.classify(photo("coffee.png")).await.expect("a photograph");
    let next = labeller("efficientnet-lite0", &desk.config);
    let (id, input) = (next.model().id.clone(), next.model().input.clone());
    let (back, _kept) = tokio::sync::oneshot::channel();
    desk.order(ViewOrder::Labeller(Box::new(next), back));
    // The worker has the new one; whoever prepares for the old one is told so, twice.
    let error = desk.classify(photo("rocket.jpg")).await.expect_err("exchanged");
    assert!(matches!(error, UploadError::Busy(_)), "{error}");
    desk.uploads.set(vec![Target { fast: Some((id, input)), ..desk.target.clone() }], 2);
    let answer = desk.classify(photo("coffee.png")).await.expect("a photograph");
    assert!(!answer.cached && answer.fast.model.name == "efficientnet-lite0");
}

#[tokio::test]
async fn what_is_no_picture_or_too_large_is_said_in_plain_words() {
    let desk = Desk::new();
    let error = async |bytes: Vec<u8>| desk.classify(bytes).await.expect_err("no picture");
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
        tasks.spawn(async move { uploads.classify(&Name::ONLY, Region::default(), bytes).await.0 });
    }
    let results = tasks.join_all().await;
    let busy = results.iter().filter(|result| matches!(result, Err(UploadError::Busy(_)))).count();
    assert!(results.iter().filter(|result| result.is_ok()).count() >= 8 && busy >= 1, "{busy} were refused");
    assert!(results.iter().all(|result| matches!(result, Ok(_) | Err(UploadError::Busy(_)))));
}
