//! The latency of a label when the model is slower than the camera.

use std::sync::Mutex;

use super::tests::supervisor;
use super::*;
use crate::domain::frame::{Encoding, Range, RawFormat};
use glimpsed_base::clock::ManualClock;
use glimpsed_base::slot::Taken;

/// A camera and a slower model in one thread: each read captures the next frame, and the model takes the newest frame
/// out of the slot when it has finished the one before.
struct WithSlowModel {
    clock: ManualClock,
    slot: Arc<Slot<Frame>>,
    shutdown: Shutdown,
    inference: Duration,
    done_at: Duration,
    ages: Arc<Mutex<Vec<Duration>>>,
    filled: Option<*const u8>,
}

const FRAME_INTERVAL: Duration = Duration::from_micros(33_333);
const FRAME_BYTES: usize = 640 * 480 * 2;

impl Source for WithSlowModel {
    fn read(&mut self, bytes: &mut Vec<u8>, _: Duration) -> Result<Read, CaptureError> {
        // Between two frames, the model takes the waiting one as soon as it is idle.
        let next_frame_at = self.clock.now() + FRAME_INTERVAL;
        while self.done_at <= next_frame_at
            && let Taken::Value(frame) = self.slot.take(Duration::ZERO)
        {
            if let Some(filled) = self.filled {
                assert_eq!(frame.bytes.as_ptr(), filled, "handed over without a copy");
            }
            let began = self.done_at.max(frame.captured_at);
            self.done_at = began + self.inference;
            self.ages.lock().expect("alive").push(self.done_at - frame.captured_at);
            self.slot.give_back(frame);
        }
        self.clock.advance(FRAME_INTERVAL);
        bytes.clear();
        bytes.resize(FRAME_BYTES, 0);
        bytes[..16].copy_from_slice(&self.clock.now().as_nanos().to_le_bytes());
        self.filled = Some(bytes.as_ptr());
        if self.clock.now() >= Duration::from_secs(60) {
            self.shutdown.trigger();
        }
        let encoding = Encoding::Raw { format: RawFormat::Yuyv, range: Range::Video, width: 640, height: 480 };
        Ok(Read::Frame(Captured::new(encoding)))
    }
}

struct SlowModelOpener {
    clock: ManualClock,
    slot: Arc<Slot<Frame>>,
    shutdown: Shutdown,
    inference: Duration,
    ages: Arc<Mutex<Vec<Duration>>>,
}

impl Opener for SlowModelOpener {
    fn open(&mut self) -> Result<Box<dyn Source>, CaptureError> {
        Ok(Box::new(WithSlowModel {
            clock: self.clock.clone(),
            slot: self.slot.clone(),
            shutdown: self.shutdown.clone(),
            inference: self.inference,
            done_at: Duration::ZERO,
            ages: self.ages.clone(),
            filled: None,
        }))
    }

    fn describe(&self) -> String {
        "camera with a slow model".into()
    }

    fn callee(&self) -> &'static str {
        "the camera"
    }
}

#[test]
fn with_a_slow_model_a_label_is_never_older_than_one_inference_and_one_frame() {
    for inference_ms in [34, 50, 100, 333, 1000, 3300] {
        let inference = Duration::from_millis(inference_ms);
        let (mut supervisor, clock, _) = supervisor();
        let ages = Arc::default();
        let opener = SlowModelOpener {
            clock,
            slot: supervisor.slot.clone(),
            shutdown: supervisor.shutdown.clone(),
            inference,
            ages: Arc::clone(&ages),
        };
        supervisor.freeze = Freeze::new(None);
        supervisor.run(Box::new(opener));
        let ages = ages.lock().expect("alive");
        assert!(ages.len() as u64 >= 60_000 / (inference_ms + 34), "{} labels in a minute", ages.len());
        let oldest = ages.iter().max().expect("labels");
        assert!(*oldest <= inference + FRAME_INTERVAL, "{oldest:?} with an inference of {inference:?}");
    }
}
