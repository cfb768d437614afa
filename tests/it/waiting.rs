//! A view that waits for its turn, on the inference thread of a daemon without a camera.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use glimpsed::control::from_config::rules_of;
use glimpsed_base::clock::{Clock, ManualClock, SystemClock};
use glimpsed_base::liveness::Liveness;
use glimpsed_base::shutdown::Shutdown;
use glimpsed_base::signal::Signal;
use glimpsed_base::slot::{Slot, WhenFull};
use glimpsed_core::bus::hub::tests_support::{Told, hub_with};
use glimpsed_core::bus::preview::{Preview, Viewer};
use glimpsed_core::config::Sources;
use glimpsed_core::domain::classification::Status;
use glimpsed_core::domain::event::Event;
use glimpsed_core::domain::frame::{Encoding, Frame};
use glimpsed_core::domain::name::Name;
use glimpsed_core::infer::Model;
use glimpsed_core::infer::labeller::Labeller;
use glimpsed_core::pipeline::orders::{NewView, Order, Orders};
use glimpsed_core::pipeline::worker::Worker;
use glimpsed_core::pipeline::{Source, worker};
use tokio::time::timeout;

use crate::support::{PATIENCE, bundled, photos};

const SECOND: Duration = Duration::from_secs(1);

/// The system's clock, put forward. Work takes its time, and seconds pass in none.
#[derive(Clone, Default)]
struct Hurried(SystemClock, ManualClock);

impl Clock for Hurried {
    fn now(&self) -> Duration {
        self.0.now() + self.1.now()
    }

    fn wall(&self) -> jiff::Timestamp {
        self.0.wall()
    }
}

struct Bench {
    clock: Hurried,
    slot: Arc<Slot<Frame>>,
    viewer: Viewer,
    told: Told,
    orders: Orders,
    shutdown: Shutdown,
    inference: Option<JoinHandle<()>>,
    seq: u64,
}

impl Bench {
    /// A view of a camera, and how much of the time it may label.
    fn new(max_duty: f64) -> Self {
        let config = Sources::defaults().load().expect("valid");
        let (view, model) = (config.first(), Model::load(&bundled("efficientnet-lite0-int8")).expect("bundled"));
        let labeller = Labeller::new(model, config.framing(view), view.labels.answering());
        let shutdown = Shutdown::new();
        let (signal, clock, told) = (Arc::<Signal>::default(), Hurried::default(), Told::default());
        let slot = Arc::new(Slot::with_signal(WhenFull::Overwrite, signal.clone()));
        let (orders, receiver) = Orders::new(signal.clone());
        let parts = worker::Parts {
            signal,
            clock: Arc::new(clock.clone()),
            shutdown: shutdown.clone(),
            hub: hub_with(&told),
            counters: Arc::default(),
            orders: receiver,
            unsure: Default::default(),
            liveness: Liveness::default(),
        };
        let preview = Arc::<Preview>::default();
        let viewer = preview.watch();
        let source = Source { camera: Name::ONLY, slot: slot.clone(), preview };
        let view = NewView {
            name: Name::ONLY,
            camera: Name::ONLY,
            enabled: true,
            labeller: Some(Box::new(labeller)),
            rules: rules_of(&config, view),
        };
        let worker = Worker::new(parts, vec![source], vec![view], max_duty);
        let inference = Some(std::thread::spawn(move || worker.run()));
        Self { clock, slot, viewer, told, orders, shutdown, inference, seq: 0 }
    }

    /// The camera has another frame, which a viewer sees.
    async fn show(&mut self, bytes: Vec<u8>) {
        self.seq += 1;
        let frame = Frame::from_bytes(Encoding::File, bytes);
        let frame = Frame { seq: self.seq, captured_at: self.clock.now(), ..frame };
        self.slot.put(frame, Duration::ZERO).expect("it overwrites");
        let seen = timeout(20 * SECOND, self.viewer.next()).await.expect("a viewer sees each frame");
        assert_eq!(seen.map(|frame| frame.seq), Some(self.seq));
    }

    /// Time passes.
    fn pass(&self, time: Duration) {
        self.clock.1.advance(time);
        self.orders.give(Order::DropFrame(Name::new("no camera"))).expect("alive");
    }

    fn labels(&self) -> usize {
        self.told.events().iter().filter(|event| matches!(event, Event::Classified(_))).count()
    }

    fn is_stale(&self) -> bool {
        let status = |event: &Event| match event {
            Event::Changed { now, .. } => Some(now.status),
            _ => None,
        };
        self.told.events().iter().rev().find_map(status) == Some(Status::Stale)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // A frame may still wait for a turn.
        self.shutdown.trigger();
        self.slot.close();
        if let Some(inference) = self.inference.take() {
            inference.join().expect("it ends");
        }
    }
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn photo() -> Vec<u8> {
    std::fs::read(photos().join("coffee.png")).expect("a bundled photograph")
}

#[tokio::test]
async fn a_view_that_waits_for_its_turn_is_not_stale_and_its_camera_is_seen_while_frames_come() {
    // After a turn of a millisecond it rests for a quarter of an hour.
    let mut bench = Bench::new(1e-6);
    bench.show(photo()).await;
    until("it has had its turn", || bench.labels() == 1);
    for _ in 0..30 {
        bench.pass(SECOND);
        bench.show(photo()).await;
    }
    assert!(!bench.is_stale());
    assert_eq!((bench.labels(), bench.slot.overwritten()), (1, 29), "the frames that nobody labels are counted");
    bench.pass(11 * SECOND);
    until("no frame has come for too long", || bench.is_stale());
}

#[tokio::test]
async fn frames_that_cannot_be_decoded_do_not_keep_a_label_from_growing_stale() {
    let mut bench = Bench::new(1.0);
    bench.show(photo()).await;
    until("it has had its turn", || bench.labels() == 1);
    for _ in 0..12 {
        bench.pass(SECOND);
        bench.show(b"no picture".to_vec()).await;
    }
    until("it is stale", || bench.is_stale());
    bench.show(photo()).await;
    until("it has a label again", || !bench.is_stale());
}
