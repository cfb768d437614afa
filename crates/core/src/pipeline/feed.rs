//! The frames of one camera, for the views that look through it.

use std::sync::Arc;
use std::time::Duration;

use crate::bus::preview::Preview;
use crate::domain::frame::Frame;
use crate::domain::framing::Rotation;
use crate::domain::name::Name;
use crate::preprocess::source::FrameDecoder;
use glimpsed_base::slot::{Slot, Taken, WhenFull};

/// Where the frames of a camera come from, and who watches them.
pub struct Source {
    pub camera: Name,
    pub slot: Arc<Slot<Frame>>,
    /// Viewers see every frame, whether it is labelled or not.
    pub preview: Arc<Preview>,
}

/// A camera as the inference thread has it: the frame that its views look at.
pub(super) struct Feed {
    pub(super) source: Source,
    /// `None` when all views have seen it.
    pub(super) frame: Option<Frame>,
    /// Of the frame that was taken last; later frames have larger numbers, and no frame of another camera has the same.
    pub(super) number: u64,
    pub(super) decoder: FrameDecoder,
    /// Number and time of the newest frame that was seen, taken or not.
    newest: Option<(u64, Duration)>,
}

impl Feed {
    pub(super) fn new(source: Source) -> Self {
        Self { source, frame: None, number: 0, decoder: FrameDecoder::default(), newest: None }
    }

    /// Whether there is a frame for a view whose last one was `seen`. `all`: no view waits for the frame that is held.
    pub(super) fn has_for(&self, seen: u64, all: bool) -> bool {
        (self.frame.is_some() && seen < self.number) || self.has_newer(all)
    }

    /// Whether a newer frame may replace the one that is held. Of files, each is shown to every view.
    fn has_newer(&self, all: bool) -> bool {
        self.source.slot.is_full() && (all || self.source.slot.when_full() == WhenFull::Overwrite)
    }

    /// Shows viewers the newest frame, whosever turn it is. Files are shown when a view sees them.
    pub(super) fn look(&mut self, rotation: Rotation) {
        let Self { source, newest, .. } = self;
        if source.slot.when_full() == WhenFull::Overwrite {
            source.slot.peek(|frame| show(frame, rotation, newest, &source.preview));
        }
    }

    /// When its newest frame came. A file that waits for views is as new as can be.
    pub(super) fn newest(&self, now: Duration) -> Option<Duration> {
        let waits = self.frame.is_some() || self.source.slot.is_full();
        let is_file = waits && self.source.slot.when_full() == WhenFull::Wait;
        if is_file { Some(now) } else { self.newest.map(|(_, captured_at)| captured_at) }
    }

    /// Takes a newer frame, if there is one and it may be taken; see [`Self::has_for`]. `number` will be its number. Returns whether
    /// it was taken.
    pub(super) fn refresh(&mut self, all: bool, rotation: Rotation, number: u64) -> bool {
        if !self.has_newer(all) {
            return false;
        }
        let Taken::Value(frame) = self.source.slot.take(Duration::ZERO) else { return false };
        self.give_back();
        show(&frame, rotation, &mut self.newest, &self.source.preview);
        self.decoder.forget();
        self.number = number;
        self.frame = Some(frame);
        true
    }

    /// The frame is not needed any more; its buffer is filled again.
    pub(super) fn give_back(&mut self) {
        if let Some(frame) = self.frame.take() {
            self.source.slot.give_back(frame);
        }
    }

    /// No frame will come any more.
    pub(super) fn is_over(&self) -> bool {
        self.frame.is_none() && self.source.slot.is_over()
    }
}

/// Shows viewers a frame that they have not seen.
fn show(frame: &Frame, rotation: Rotation, newest: &mut Option<(u64, Duration)>, preview: &Preview) {
    if newest.replace((frame.seq, frame.captured_at)) != Some((frame.seq, frame.captured_at)) {
        preview.offer(frame, rotation);
    }
}
