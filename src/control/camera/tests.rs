use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use glimpsed_base::clock::ManualClock;
use glimpsed_core::bus::hub::tests_support::{Told, hub_with};
use glimpsed_core::capture::source::CaptureError;
use glimpsed_core::config::Sources;

/// Opens nothing: the call returns when its test says so.
struct Hanging(Receiver<()>);

impl Opener for Hanging {
    fn open(&mut self) -> std::result::Result<Box<dyn glimpsed_core::capture::source::Source>, CaptureError> {
        let _ = self.0.recv();
        Err(CaptureError::Open { source_name: "it".into(), cause: "it hung".into() })
    }

    fn describe(&self) -> String {
        "a camera that hangs".into()
    }

    fn callee(&self) -> &'static str {
        "the test"
    }
}

struct Bench {
    cameras: Cameras,
    registry: Registry,
    clock: ManualClock,
    told: Told,
    yard: typed::Camera,
    /// Ends the calls of the openers, one for each.
    releases: Arc<glimpsed_base::sync::Mutex<Vec<Sender<()>>>>,
}

impl Bench {
    /// With a camera that is started, and hangs.
    fn new() -> Self {
        let text = "[cameras.yard]\ndevice = \"/dev/video-a\"\n[cameras.desk]\ndevice = \"/dev/video-b\"\n";
        let config = Sources::alone("glimpsed.toml", text).load().expect("valid");
        let yard = config.cameras.into_iter().find(|camera| camera.name == Name::new("yard")).expect("there");
        let (clock, told, registry) = (ManualClock::default(), Told::default(), Registry::default());
        let releases = Arc::new(glimpsed_base::sync::Mutex::new(Vec::new()));
        let kept = releases.clone();
        let openers: Openers = Box::new(move |_| {
            let (release, released) = channel();
            kept.lock().push(release);
            Box::new(Hanging(released))
        });
        let hub = hub_with(&told);
        let cameras = Cameras::new(openers, Arc::default(), Arc::new(clock.clone()), hub, registry.clone());
        let mut bench = Self { cameras, registry, clock, told, yard, releases };
        bench.cameras.add(Name::new("yard"));
        bench.cameras.add(Name::new("desk"));
        bench.start_and_hang();
        bench
    }

    fn start_and_hang(&mut self) {
        self.cameras.start(&self.yard).expect("a thread");
        let call = self.registered().call;
        // The call has begun when it is found to be stuck as time goes on.
        while !call.is_stuck(self.clock.now()) {
            self.clock.advance(Duration::from_secs(1));
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn registered(&self) -> Registered {
        let all = self.registry.cameras();
        all.into_iter().find(|camera| camera.name == self.yard.name).expect("registered")
    }

    fn another_works(&self) {
        self.cameras.tell(&Name::new("desk"), CameraState::Online, None);
    }

    async fn stop(&mut self) -> Result<Option<Source>> {
        let name = self.yard.name.clone();
        self.cameras.stop(&name).await
    }

    /// The state that was told last of the camera that hangs.
    fn state(&self) -> Option<CameraState> {
        let statuses = self.told.statuses().into_iter().rev();
        statuses.filter(|status| status.camera == self.yard.name).map(|status| status.state).next()
    }
}

#[tokio::test]
async fn a_camera_whose_call_hangs_goes_on_without_its_thread_while_another_works() {
    let mut bench = Bench::new();
    let before = bench.registered();
    bench.another_works();
    let begun = Instant::now();
    let source = bench.stop().await.expect("it goes on").expect("another source");
    assert!(begun.elapsed() < STOP_WITHIN / 2, "it was known to hang");
    let name = bench.yard.name.clone();
    assert_eq!(bench.cameras.running(&name), None);
    bench.cameras.tell_disabled(&name);
    // The call returns after all, and the thread ends without a word.
    bench.releases.lock()[0].send(()).expect("it waits");
    while !bench.cameras.left[0].is_finished() {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(bench.state(), Some(CameraState::Disabled));
    let now = bench.registered();
    assert!(Arc::ptr_eq(&now.slot, &source.slot) && !Arc::ptr_eq(&now.slot, &before.slot));
    assert!(bench.registry.has(&before), "those who watch it go on");
    assert!(!now.call.is_stuck(bench.clock.now()));
}

#[tokio::test]
async fn a_hanging_camera_that_is_the_only_one_to_work_or_one_of_too_many_needs_a_new_process() {
    let mut bench = Bench::new();
    let error = bench.stop().await.map(drop).expect_err("no other camera works");
    assert!(error.to_string().contains("a call to the test does not return"), "{error}");
    bench.another_works();
    for _ in 0..MAX_LEFT {
        assert!(bench.stop().await.expect("it goes on").is_some());
        bench.start_and_hang();
    }
    assert!(bench.stop().await.is_err(), "threads are bounded");
}
