//! Sources that follow a script, with a clock of their own.

use super::*;
use crate::bus::hub::tests_support::{Told, hub_with};
use crate::capture::source::Source;
use crate::domain::frame::{Encoding, Range, RawFormat};
use glimpsed_base::clock::ManualClock;
use glimpsed_base::slot::{Taken, WhenFull};

/// Plays a script: one entry per attempt, one step per read.
struct Script(Vec<Result<Vec<Step>, CaptureError>>);

enum Step {
    /// A picture that differs from all before.
    Frame,
    /// A picture with this content, which may repeat.
    Picture(u8),
    /// A picture that is wholly black.
    Black,
    Silence(Duration),
    /// A call of this duration, which then returns the next step.
    Hang(Duration),
    Corrupt,
    Fail(CaptureError),
}

struct Played(std::vec::IntoIter<Step>, ManualClock);

struct ScriptOpener(std::vec::IntoIter<Result<Vec<Step>, CaptureError>>, ManualClock);

impl Opener for ScriptOpener {
    fn open(&mut self) -> Result<Box<dyn Source>, CaptureError> {
        match self.0.next() {
            Some(attempt) => Ok(Box::new(Played(attempt?.into_iter(), self.1.clone()))),
            None => Err(CaptureError::Ended),
        }
    }

    fn describe(&self) -> String {
        "script".into()
    }

    fn callee(&self) -> &'static str {
        "the script"
    }
}

impl Source for Played {
    fn read(&mut self, bytes: &mut Vec<u8>, _: Duration) -> Result<Read, CaptureError> {
        match self.0.next() {
            Some(Step::Frame) => {
                *bytes = fastrand::u64(..).to_le_bytes().to_vec();
                Ok(Read::Frame(Captured::new(Encoding::Jpeg)))
            }
            Some(Step::Picture(content)) => {
                *bytes = vec![content];
                Ok(Read::Frame(Captured::new(Encoding::Jpeg)))
            }
            Some(Step::Black) => {
                *bytes = vec![0; 64 * 48];
                let encoding = Encoding::Raw { format: RawFormat::Grey, range: Range::Full, width: 64, height: 48 };
                Ok(Read::Frame(Captured::new(encoding)))
            }
            Some(Step::Hang(time)) => {
                self.1.advance(time);
                self.read(bytes, Duration::ZERO)
            }
            Some(Step::Silence(time)) => {
                self.1.advance(time);
                Ok(Read::Nothing)
            }
            Some(Step::Corrupt) => Ok(Read::Corrupt("half a frame")),
            Some(Step::Fail(error)) => Err(error),
            None => Err(CaptureError::Ended),
        }
    }
}

fn play(script: Script) -> (Arc<Slot<Frame>>, Arc<Counters>) {
    let (slot, counters, _) = play_and_listen(script);
    (slot, counters)
}

fn play_and_listen(script: Script) -> (Arc<Slot<Frame>>, Arc<Counters>, Vec<CameraState>) {
    let (supervisor, clock, told) = supervisor();
    let (slot, counters) = (supervisor.slot.clone(), supervisor.counters.clone());
    supervisor.run(Box::new(ScriptOpener(script.0.into_iter(), clock)));
    (slot, counters, told.states())
}

pub(super) fn supervisor() -> (Supervisor, ManualClock, Told) {
    let (clock, told) = (ManualClock::default(), Told::default());
    let supervisor = Supervisor {
        camera: Name::ONLY,
        slot: Arc::new(Slot::new(WhenFull::Overwrite)),
        clock: Arc::new(clock.clone()),
        shutdown: Shutdown::new(),
        pause: Pause::default(),
        start_timeout: Duration::from_secs(30),
        frame_timeout: Duration::from_secs(5),
        freeze: Freeze::new(Some(Duration::from_secs(60))),
        call: CallInProgress::new(Duration::MAX, "the script"),
        liveness: Liveness::default(),
        backoff: Backoff::new(Duration::from_millis(1), Duration::from_millis(2)),
        counters: Arc::default(),
        hub: hub_with(&told),
        negotiated: None,
    };
    (supervisor, clock, told)
}

#[test]
fn a_source_that_cannot_be_opened_is_tried_again() {
    let refused = || CaptureError::Open { source_name: "x".into(), cause: "busy".into() };
    let (slot, counters) = play(Script(vec![Err(refused()), Err(refused()), Ok(vec![Step::Frame])]));
    assert_eq!(counters.reconnects.load(Ordering::Relaxed), 2);
    assert!(matches!(slot.take(Duration::ZERO), Taken::Value(frame) if frame.seq == 1));
    assert!(matches!(slot.take(Duration::ZERO), Taken::Closed));
}

#[test]
fn a_source_silent_for_longer_than_the_timeout_is_opened_again() {
    let silence = |seconds| Step::Silence(Duration::from_secs(seconds));
    let (_, counters) = play(Script(vec![
        Ok(vec![Step::Frame, silence(3), Step::Frame, silence(3), silence(3), Step::Frame]),
        Ok(vec![Step::Frame]),
    ]));
    assert_eq!(counters.reconnects.load(Ordering::Relaxed), 1);
    assert_eq!(counters.frames.load(Ordering::Relaxed), 3, "the frame after the stall belongs to a dead stream");
}

#[test]
fn frames_keep_counting_across_a_loss() {
    let lost = CaptureError::Lost { source_name: "x".into(), cause: "unplugged".into() };
    let (slot, _) = play(Script(vec![Ok(vec![Step::Frame, Step::Fail(lost)]), Ok(vec![Step::Frame])]));
    assert!(matches!(slot.take(Duration::ZERO), Taken::Value(frame) if frame.seq == 2));
    assert_eq!(slot.overwritten(), 1);
}

#[test]
fn the_camera_is_online_from_its_first_frame_to_its_loss() {
    use CameraState::{Offline, Online};
    let lost = || CaptureError::Lost { source_name: "x".into(), cause: "unplugged".into() };
    let (_, _, states) = play_and_listen(Script(vec![
        Err(lost()),
        Ok(vec![Step::Frame, Step::Frame, Step::Fail(lost())]),
        Ok(vec![Step::Fail(lost())]),
        Ok(vec![Step::Frame]),
    ]));
    assert_eq!(states, [Offline, Online, Offline, Online, Offline], "an open device without frames is not online");
}

#[test]
fn what_is_wrong_is_told_once_with_the_time_since_when() {
    let lost = |cause: &str| CaptureError::Lost { source_name: "x".into(), cause: cause.into() };
    let seconds = Duration::from_secs;
    let (supervisor, clock, told) = supervisor();
    let script = [
        Err(lost("busy")),
        Err(lost("busy")),
        Ok(vec![Step::Silence(seconds(10)), Step::Frame, Step::Silence(seconds(7))]),
        Err(lost("unplugged")),
        Ok(vec![Step::Frame, Step::Corrupt, Step::Fail(lost("unplugged"))]),
    ];
    supervisor.run(Box::new(ScriptOpener(Vec::from(script).into_iter(), clock)));
    let statuses: Vec<(CameraState, i64, Option<String>)> = told
        .statuses()
        .into_iter()
        .map(|CameraStatus { state, since, fault, .. }| {
            (state, since.as_second(), fault.map(|fault| format!("{:?}: {}", fault.kind, fault.reason)))
        })
        .collect();
    let offline = |since, fault: &str| (CameraState::Offline, since, Some(fault.to_owned()));
    assert_eq!(
        statuses,
        [
            (CameraState::Offline, 0, None),
            offline(0, "Missing: lost x: busy"),
            (CameraState::Online, 10, None),
            offline(10, "Silent: the camera sends no pictures"),
            offline(10, "Missing: lost x: unplugged"),
            (CameraState::Online, 17, None),
            offline(17, "Missing: lost x: unplugged"),
        ]
    );
}

#[test]
fn a_frozen_picture_is_told_since_it_was_new() {
    let (supervisor, clock, told) = supervisor();
    let script = vec![Ok(still(1, 30).chain(still(2, 100)).collect())];
    supervisor.run(Box::new(ScriptOpener(script.into_iter(), clock)));
    let last = told.statuses().pop().expect("a status");
    assert_eq!(last.fault.map(|fault| fault.kind), Some(FaultKind::Frozen));
    assert_eq!(last.since.as_second(), 30);
}

#[test]
fn damaged_frames_are_skipped_and_a_run_of_them_opens_the_source_again() {
    let some = |count| std::iter::repeat_with(|| Step::Corrupt).take(count);
    let short: Vec<Step> = some(29).chain([Step::Frame]).chain(some(29)).chain([Step::Frame]).collect();
    let (_, counters) = play(Script(vec![Ok(short)]));
    assert_eq!(counters.reconnects.load(Ordering::Relaxed), 0);
    assert_eq!(counters.corrupt.load(Ordering::Relaxed), 58);
    let long: Vec<Step> = some(30).chain([Step::Frame]).collect();
    let (_, counters) = play(Script(vec![Ok(long), Ok(vec![Step::Frame])]));
    assert_eq!(counters.reconnects.load(Ordering::Relaxed), 1);
    assert_eq!(counters.frames.load(Ordering::Relaxed), 1);
}

#[test]
fn a_source_that_sends_only_damaged_frames_is_silent_too() {
    let steps = (0..20).flat_map(|_| [Step::Corrupt, Step::Silence(Duration::from_secs(1))]).collect();
    let (_, counters) = play(Script(vec![Ok(steps), Ok(vec![Step::Frame])]));
    assert_eq!(counters.reconnects.load(Ordering::Relaxed), 1);
    assert!(counters.corrupt.load(Ordering::Relaxed) <= 6);
}
/// The same picture, a second apart.
fn still(content: u8, seconds: usize) -> impl Iterator<Item = Step> {
    (0..seconds).flat_map(move |_| [Step::Picture(content), Step::Silence(Duration::from_secs(1))])
}

#[test]
fn a_picture_that_does_not_change_takes_the_camera_offline_until_it_does() {
    use CameraState::{Offline, Online};
    let (_, counters, states) = play_and_listen(Script(vec![
        Ok(still(1, 50).chain(still(2, 100)).collect()),
        Ok(still(2, 100).collect()),
        Ok(still(2, 3).chain([Step::Frame]).collect()),
    ]));
    assert_eq!(states, [Offline, Online, Offline, Online, Offline], "the same picture again is not online again");
    assert_eq!(counters.reconnects.load(Ordering::Relaxed), 2, "opened again in the hope of another picture");
    assert_eq!(counters.frames.load(Ordering::Relaxed), 50 + 60 + 1, "what is frozen gets no label");
}

#[test]
fn a_frozen_picture_is_called_so_in_every_session() {
    let mut sessions = vec![still(1, 100).collect::<Vec<Step>>(), still(1, 100).collect(), still(1, 100).collect()];
    let (mut supervisor, clock, _) = supervisor();
    let source = |steps| Played(Vec::into_iter(steps), clock.clone());
    let causes =
        [0; 3].map(|_| supervisor.stream(&mut source(sessions.remove(0)), "test").expect_err("frozen").to_string());
    let expected = [60, 64, 69].map(|seconds| format!("the picture has been the same for {seconds} s"));
    assert_eq!(causes, expected);
}

#[test]
fn a_covered_lens_is_not_a_frozen_camera() {
    use CameraState::{Offline, Online};
    let black = |_| [Step::Black, Step::Silence(Duration::from_secs(1))];
    let (supervisor, clock, heard) = supervisor();
    let counters = supervisor.counters.clone();
    let script = vec![Ok((0..200).flat_map(black).collect())];
    supervisor.run(Box::new(ScriptOpener(script.into_iter(), clock)));
    let states = heard.states();
    let told: Vec<_> = heard.statuses().into_iter().map(|status| status.fault.map(|fault| fault.kind)).collect();
    assert_eq!(states, [Offline, Online, Offline]);
    assert_eq!(told, [None, None, Some(FaultKind::Covered), None], "what is covered is online, and told so");
    assert_eq!((counters.reconnects.load(Ordering::Relaxed), counters.frames.load(Ordering::Relaxed)), (0, 200));
}

#[test]
fn a_source_may_take_longer_to_start_than_between_two_frames() {
    let silence = |seconds| Step::Silence(Duration::from_secs(seconds));
    let (_, counters) = play(Script(vec![
        Ok(vec![silence(20), silence(9), Step::Frame, silence(4), Step::Frame, silence(6), Step::Frame]),
        Ok(vec![silence(20), silence(11), Step::Frame]),
        Ok(vec![Step::Frame]),
    ]));
    assert_eq!(counters.reconnects.load(Ordering::Relaxed), 2, "after 6 s between frames, and 31 s at the start");
    assert_eq!(counters.frames.load(Ordering::Relaxed), 3);
}

#[test]
fn a_frozen_picture_is_not_believed_after_a_stall_either() {
    use CameraState::{Offline, Online};
    let (_, _, states) = play_and_listen(Script(vec![
        Ok(still(1, 100).collect()),
        Ok(vec![Step::Silence(Duration::from_secs(40))]),
        Ok(still(1, 10).collect()),
        Ok(vec![Step::Frame]),
    ]));
    assert_eq!(states, [Offline, Online, Offline, Online, Offline]);
}

#[test]
fn the_same_picture_after_an_unplug_is_believed_again() {
    let lost = CaptureError::Lost { source_name: "x".into(), cause: "unplugged".into() };
    let (_, counters) =
        play(Script(vec![Ok(still(1, 50).chain([Step::Fail(lost)]).collect()), Ok(still(1, 50).collect())]));
    assert_eq!(counters.frames.load(Ordering::Relaxed), 100);
}

#[test]
fn a_frame_out_of_a_call_that_took_too_long_does_not_count() {
    use CameraState::{Offline, Online};
    let (_, counters, states) = play_and_listen(Script(vec![
        Ok(vec![Step::Frame, Step::Hang(Duration::from_secs(20)), Step::Frame, Step::Frame]),
        Ok(vec![Step::Frame]),
    ]));
    // The watchdog has published `offline`. A session that continued would never publish `online` again.
    assert_eq!(states, [Offline, Online, Offline, Online, Offline]);
    assert_eq!(counters.frames.load(Ordering::Relaxed), 2);
}
