//! The labelled frames, for live viewers. Without a viewer the cost is one atomic load per frame.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::domain::frame::{Encoding, Frame};
use crate::domain::framing::Rotation;

/// A copy of a frame in its source's encoding.
#[derive(Debug)]
pub struct Offered {
    pub seq: u64,
    pub wall: Timestamp,
    pub encoding: Encoding,
    /// The rotation to apply before showing it.
    pub rotation: Rotation,
    pub bytes: Bytes,
}

impl Offered {
    /// Without a copy of the bytes.
    pub fn new(Frame { seq, wall, encoding, bytes, .. }: Frame, rotation: Rotation) -> Self {
        Self { seq, wall, encoding, rotation, bytes: bytes.into() }
    }
}

/// Connects the inference thread, which never waits, with the viewers. Holds the newest frame, and none without
/// viewers.
#[derive(Debug, Default)]
pub struct Preview {
    viewers: AtomicUsize,
    newest: watch::Sender<Option<Arc<Offered>>>,
}

impl Preview {
    /// Copies the frame if there is a viewer.
    pub fn offer(&self, frame: &Frame, rotation: Rotation) {
        if self.viewers.load(Ordering::Relaxed) == 0 {
            return;
        }
        self.newest.send_replace(Some(Arc::new(Offered::new(frame.clone(), rotation))));
    }

    /// Drops the last frame: a camera that is gone or disabled must not be seen any more.
    pub fn clear(&self) {
        self.newest.send_replace(None);
    }

    /// Frames are copied for as long as the viewer exists.
    pub fn watch(self: &Arc<Self>) -> Viewer {
        self.viewers.fetch_add(1, Ordering::Relaxed);
        Viewer { preview: self.clone(), frames: self.newest.subscribe() }
    }

    /// The next frame, however long it takes to come.
    pub async fn next_frame(self: &Arc<Self>) -> Arc<Offered> {
        let mut viewer = self.watch();
        loop {
            if let Some(frame) = viewer.next().await {
                return frame;
            }
        }
    }

    pub fn viewers(&self) -> usize {
        self.viewers.load(Ordering::Relaxed)
    }
}

/// One viewer of the preview.
pub struct Viewer {
    preview: Arc<Preview>,
    frames: watch::Receiver<Option<Arc<Offered>>>,
}

impl Viewer {
    /// Waits for the next frame not yet seen by this viewer; `None` when the camera is gone.
    pub async fn next(&mut self) -> Option<Arc<Offered>> {
        // The sender lives in `preview`, which this viewer keeps alive, so `changed` cannot fail.
        let _ = self.frames.changed().await;
        self.frames.borrow_and_update().clone()
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        if self.preview.viewers.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.preview.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(seq: u64) -> Frame {
        Frame { seq, ..Frame::from_bytes(Encoding::Jpeg, vec![1, 2, 3]) }
    }

    #[tokio::test]
    async fn only_while_somebody_watches_frames_are_copied_and_only_the_newest_is_kept() {
        let preview = Arc::<Preview>::default();
        preview.offer(&frame(1), Rotation::None);
        let mut viewer = preview.watch();
        assert!(preview.newest.borrow().is_none(), "nobody watched");
        preview.offer(&frame(2), Rotation::None);
        preview.offer(&frame(3), Rotation::None);
        assert_eq!(viewer.next().await.expect("a frame").seq, 3);
        preview.clear();
        assert!(viewer.next().await.is_none());
        preview.offer(&frame(4), Rotation::None);
        drop(viewer);
        assert!(preview.newest.borrow().is_none(), "nothing is kept");
    }
}
