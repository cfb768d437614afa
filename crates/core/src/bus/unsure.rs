//! Frames whose labels are not sure, on their way from the inference thread to where they are kept until somebody says what they show.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::domain::frame::Frame;
use crate::domain::framing::Framing;
use crate::domain::name::Name;
use glimpsed_base::sync::Mutex;

/// Below this probability (0..1) of its most likely label a frame is not sure.
pub const SURE: f32 = 0.7;

/// One of them.
#[derive(Debug, Clone)]
pub struct UnsureFrame {
    pub view: Name,
    pub frame: Frame,
    /// The part that the view looks at.
    pub framing: Framing,
    /// What the network gives before its last matrix.
    pub vector: Vec<f32>,
    /// The most likely label, and its probability (0..1).
    pub said: Arc<str>,
    pub confidence: f32,
}

/// Connects the inference thread, which never waits, with one receiver, or none.
#[derive(Debug, Clone, Default)]
pub struct UnsureFrames(Arc<Mutex<Option<SyncSender<UnsureFrame>>>>);

impl UnsureFrames {
    /// The receiver of the frames from now on, in place of the one before. One frame waits for it at most.
    pub fn receiver(&self) -> Receiver<UnsureFrame> {
        let (sender, receiver) = sync_channel(1);
        *self.0.lock() = Some(sender);
        receiver
    }

    /// From now on frames are not kept: the receiver finds its queue closed.
    pub fn close(&self) {
        *self.0.lock() = None;
    }

    /// Whether somebody takes them.
    pub fn are_wanted(&self) -> bool {
        self.0.lock().is_some()
    }

    /// Passes the frame on, unless nobody takes it or another one waits: the next one will do.
    pub fn offer(&self, frame: UnsureFrame) {
        if let Some(sender) = &*self.0.lock() {
            let _ = sender.try_send(frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::frame::Encoding;

    fn unsure(said: &str) -> UnsureFrame {
        UnsureFrame {
            view: Name::ONLY,
            frame: Frame::from_bytes(Encoding::Jpeg, vec![1]),
            framing: Framing::default(),
            vector: vec![1.0],
            said: said.into(),
            confidence: 0.5,
        }
    }

    #[test]
    fn one_frame_waits_and_none_where_nobody_takes_it() {
        let frames = UnsureFrames::default();
        frames.offer(unsure("lost"));
        assert!(!frames.are_wanted());
        let receiver = frames.receiver();
        assert!(frames.are_wanted());
        for said in ["first", "second"] {
            frames.offer(unsure(said));
        }
        frames.close();
        frames.offer(unsure("third"));
        assert_eq!(receiver.iter().map(|frame| frame.said.to_string()).collect::<Vec<_>>(), ["first"]);
    }
}
