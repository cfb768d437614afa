//! The commands that the running daemon accepts from signals, an edited file, the broker and the web page.

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::domain::file_edit::FileEdit;
use crate::domain::name::Name;
use crate::domain::settings::PrecisionChoice;

/// One command.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// To one view; [`Name::ONLY`] stands for the first.
    View(Name, ViewCommand),
    /// Reload the configuration file.
    Reload,
    /// End, and start again as a new process image.
    Restart,
    /// Measure every model on this device; see `compare`.
    Compare,
    /// Publish the health figures.
    Health,
    /// Open a camera now that is to be opened again later.
    Retry(Name),
    /// Change the configuration file, or say what would be written.
    Edit { edit: FileEdit, save: bool },
    /// Take the last of these changes back.
    UndoEdit,
}

/// A command to one view.
#[derive(Debug, Clone, PartialEq)]
pub enum ViewCommand {
    /// Label its camera's frames, or not. A camera is open while one of its views is enabled.
    Enable(bool),
    /// Label with the model of this name.
    Model(String),
    /// Label with the model's fp32 file, its int8 variant, or the faster of both.
    Precision(PrecisionChoice),
    /// Below this confidence (0..1) the answer is "unknown".
    Threshold(f32),
    /// Ask the second model now and then, or stop that.
    Accurate(bool),
    /// Ask the second model about the next frame.
    SecondOpinion,
    /// Publish a picture with its labels drawn in.
    Snapshot,
    /// Keep pictures under this label that come without one.
    TeachLabel(String),
    /// Keep the next frame under a label, or under that which was chosen.
    Teach(Option<String>),
    /// Learn from the pictures that are kept, and label with what was learnt.
    Learn,
}

/// Why a command was not executed, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// It is wrong, or does not fit what there is. It is refused again for as long as that stays so.
    #[error("{0}")]
    Refused(String),
    /// A camera or a model is not ready for it, or something like it is under way: it may succeed in a moment.
    #[error("{0}")]
    Unavailable(String),
    /// The system or a part of the program failed.
    #[error("{0}")]
    Failed(String),
}

/// The result of a command.
pub type Answer = Commanded<Value>;

/// The result of a step of a command.
pub type Commanded<T> = Result<T, CommandError>;

/// A command and the channel for its answer.
#[derive(Debug)]
pub struct Request {
    pub command: Command,
    pub reply: oneshot::Sender<Answer>,
}

/// Capacity of the queue: requests that wait while one is executed.
const MAX_WAITING: usize = 16;

/// The sending end of the command queue.
#[derive(Debug, Clone)]
pub struct Commands(mpsc::Sender<Request>);

impl Commands {
    pub fn new() -> (Self, mpsc::Receiver<Request>) {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        (Self(sender), receiver)
    }

    /// Does not wait for an answer. If the queue is full, the command is dropped with a warning.
    pub fn tell(&self, command: Command) {
        let (reply, _) = oneshot::channel();
        if let Err(error) = self.0.try_send(Request { command, reply }) {
            tracing::warn!(%error, "a command is dropped: too many are queued");
        }
    }

    /// Waits for a place in the queue and for the answer. Both waits end when the daemon stops.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn ask(&self, command: Command) -> Answer {
        let gone = || CommandError::Unavailable("the daemon is stopping".into());
        let (reply, answer) = oneshot::channel();
        self.0.send(Request { command, reply }).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}
