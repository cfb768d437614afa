//! Whether a warm daemon's way from a frame to its label needs the heap.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use glimpsed_base::clock::SystemClock;
use glimpsed_base::liveness::Liveness;
use glimpsed_base::shutdown::Shutdown;
use glimpsed_base::signal::Signal;
use glimpsed_base::slot::{Slot, WhenFull};
use glimpsed_base::sync::Mutex;
use glimpsed_core::bus::hub::{Hub, Sink};
use glimpsed_core::bus::unsure::UnsureFrames;
use glimpsed_core::config::Sources;
use glimpsed_core::decide::{Decider, Seen};
use glimpsed_core::domain::event::Event;
use glimpsed_core::domain::frame::{Encoding, Frame, Range, RawFormat};
use glimpsed_core::domain::framing::Rotation;
use glimpsed_core::domain::name::Name;
use glimpsed_core::infer::Model;
use glimpsed_core::infer::labeller::Labeller;
use glimpsed_core::pipeline::Source;
use glimpsed_core::pipeline::orders::{NewView, Orders, Rules};
use glimpsed_core::pipeline::worker::{Parts, Worker};
use glimpsed_core::preprocess::source::FrameDecoder;
use glimpsed_core::preprocess::thumbnail::Thumbnail;

use crate::preprocess::camera_jpeg;
use crate::support::{PATIENCE, bundled, photos};

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
    /// Bytes that this thread has asked for and not given back; below zero where it gave back what others had asked for.
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MOST_HELD: Cell<isize> = const { Cell::new(0) };
}

fn hold(more: usize, less: usize) {
    let _ = HELD.try_with(|held| {
        held.set(held.get() + more as isize - less as isize);
        let _ = MOST_HELD.try_with(|most| most.set(most.get().max(held.get())));
    });
}

/// Counts what each thread asks the heap for.
struct Counting;

// SAFETY: everything is passed on to the system's allocator as it came.
#[allow(unsafe_code, reason = "an allocator that counts")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        hold(layout.size(), 0);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        hold(layout.size(), 0);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        hold(0, layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        hold(size, layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = COUNT.get();
    work();
    COUNT.get() - before
}

/// The most bytes that this thread held at once, beyond what it held before, while it worked.
pub(crate) fn most_held(work: impl FnOnce()) -> isize {
    let before = HELD.get();
    MOST_HELD.set(before);
    work();
    MOST_HELD.get() - before
}

fn frames() -> Vec<Frame> {
    let jpegs = ["chelsea.png", "coffee.png"].map(|photo| camera_jpeg(&photos().join(photo), 640, 480));
    let raw = |format: RawFormat| {
        let encoding = Encoding::Raw { format, range: Range::Video, width: 640, height: 480 };
        Frame::from_bytes(encoding, (0..format.bytes(640, 480)).map(|at| (at / 977 % 251) as u8).collect())
    };
    let encoded = jpegs.map(|jpeg| Frame::from_bytes(Encoding::Jpeg, jpeg));
    encoded.into_iter().chain([raw(RawFormat::Yuyv), raw(RawFormat::Nv12), raw(RawFormat::Grey)]).collect()
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(7)))), 1);
}

#[test]
fn a_frame_is_decoded_inferred_and_decided_upon_without_the_heap() {
    let rules = Sources::defaults().load().expect("valid").first().labels.clone();
    for name in ["efficientnet-lite0", "efficientnet-lite0-int8"] {
        let model = Model::load(&bundled(name)).expect("loads");
        let mut decider = Decider::new(model.labels().clone(), &rules, Default::default(), Duration::from_secs(3600));
        let mut labeller = Labeller::new(model, Rotation::None, rules.answering());
        let (mut decoder, mut thumbnail) = (FrameDecoder::default(), Thumbnail::default());
        // Each frame twice, so that every buffer has the size that it needs.
        let mut now = Duration::from_secs(1);
        let mut label = |frame: &Frame| {
            let region = labeller.framing().before_turning();
            decoder.forget();
            decoder.decode_once(frame, |width, height| labeller.wanted(width, height)).expect("a frame");
            let decoded = labeller.decoded(&decoder, frame, Duration::ZERO);
            thumbnail.take(decoded.samples(), region);
            let answer = decoded.classify(None).expect("runs");
            now += Duration::from_millis(1);
            drop(decider.observe(answer, Seen::Scores(labeller.probabilities()), now));
        };
        let frames = frames();
        frames.iter().for_each(&mut label);
        for frame in &frames {
            let count = allocations(|| label(frame));
            assert_eq!(count, 0, "{name}, {:?}", frame.encoding);
        }
    }
}

/// Notes at each label how often its thread has asked the heap until then; it has room for them.
#[derive(Clone)]
struct AtEachLabel(Arc<Mutex<Vec<usize>>>);

impl Sink for AtEachLabel {
    fn publish(&mut self, event: &Event) {
        if let Event::Classified(_) = event {
            let count = COUNT.get();
            self.0.lock().push(count);
        }
    }
}

#[test]
fn the_inference_thread_takes_a_frame_labels_it_and_tells_of_it_without_the_heap() {
    const FRAMES: usize = 60;
    let config = Sources::defaults().load().expect("valid");
    let view = config.first();
    let model = Model::load(&bundled("efficientnet-lite0-int8")).expect("loads");
    let rules = Rules {
        labels: view.labels.clone(),
        policy: view.accurate.disagreement,
        gate: view.gate,
        ask: view.accurate.rules(),
        heartbeat: Duration::from_secs(3600),
        remembers: false,
        stale_after: Duration::from_secs(3600),
    };
    let view = NewView {
        name: Name::ONLY,
        camera: Name::ONLY,
        enabled: true,
        labeller: Some(Box::new(Labeller::new(model, Rotation::None, rules.labels.answering()))),
        rules,
    };
    let (signal, hub, seen) =
        (Arc::<Signal>::default(), Hub::default(), AtEachLabel(Arc::new(Mutex::new(Vec::with_capacity(FRAMES)))));
    hub.attach("test", Box::new(seen.clone()));
    let slot = Arc::new(Slot::with_signal(WhenFull::Wait, signal.clone()));
    let (_orders, orders) = Orders::new(signal.clone());
    let parts = Parts {
        signal,
        clock: Arc::new(SystemClock::new()),
        shutdown: Shutdown::new(),
        hub,
        counters: Arc::default(),
        orders,
        unsure: UnsureFrames::default(),
        liveness: Liveness::default(),
    };
    let source = Source { camera: Name::ONLY, slot: slot.clone(), preview: Arc::default() };
    let worker = Worker::new(parts, vec![source], vec![view], 1.0);
    let thread = std::thread::spawn(move || worker.run());
    let frames = frames();
    for frame in frames.iter().cycle().take(FRAMES) {
        assert!(slot.put(frame.clone(), PATIENCE).is_ok(), "it takes them");
    }
    slot.close();
    thread.join().expect("it ends when no frame comes any more");
    let counts = seen.0.lock().clone();
    assert_eq!(counts.len(), FRAMES);
    // In the second half every buffer has its size.
    let warm: Vec<usize> = counts[FRAMES / 2..].windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(warm, vec![0; FRAMES / 2 - 1]);
}
