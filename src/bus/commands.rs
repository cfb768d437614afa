//! What can be asked of the running daemon, whoever asks: a signal, an edited file, the broker.

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::domain::settings::PrecisionChoice;

/// One wish.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Look through the camera, or close it.
    Enable(bool),
    /// Label with the model of this name.
    Model(String),
    /// Label with the model's own file, its quantised one, or whichever is faster.
    Precision(PrecisionChoice),
    /// Below this confidence (0..1) the answer is "unknown".
    Threshold(f32),
    /// Ask a second model now and then, or no longer.
    Accurate(bool),
    /// Ask it about the next frame.
    SecondOpinion,
    /// Read the configuration again.
    Reload,
    /// End, and start again as a new process image.
    Restart,
    /// Publish a picture with its labels drawn in.
    Snapshot,
    /// Measure every model on this device; see [`crate::compare::turns`].
    Compare,
    /// Say how everything is.
    Health,
}

/// What became of it: data, or a sentence that says why not.
pub type Answer = Result<Value, String>;

/// A wish and where its answer goes.
#[derive(Debug)]
pub struct Request {
    pub command: Command,
    pub reply: oneshot::Sender<Answer>,
}

/// Requests that wait while one is attended to.
const MAX_WAITING: usize = 16;

/// Asks the daemon.
#[derive(Debug, Clone)]
pub struct Commands(mpsc::Sender<Request>);

impl Commands {
    pub fn new() -> (Self, mpsc::Receiver<Request>) {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        (Self(sender), receiver)
    }

    /// Without waiting for an answer; when too much waits already it is not done.
    pub fn tell(&self, command: Command) {
        let (reply, _) = oneshot::channel();
        if let Err(error) = self.0.try_send(Request { command, reply }) {
            tracing::warn!(%error, "too much is asked for at once");
        }
    }

    /// Waits for its turn and for the answer; both end with the daemon.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn ask(&self, command: Command) -> Answer {
        const GONE: &str = "the daemon is stopping";
        let (reply, answer) = oneshot::channel();
        self.0.send(Request { command, reply }).await.map_err(|_| GONE)?;
        answer.await.map_err(|_| GONE)?
    }
}
