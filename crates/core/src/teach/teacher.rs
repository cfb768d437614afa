//! Teaches while the daemon runs: keeps pictures, learns from them, and writes the model. It has a thread of its own at low
//! priority, so that labels are not late; requests wait for it in a short queue.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use glimpsed_base::sync::Mutex;
use tokio::sync::oneshot;

use super::classroom::Classroom;
use super::lessons::{Chosen, Kept, Lessons, Look, Picture, TeachError};
use super::report::Report;
use super::unsure::Unsure;
use crate::bus::preview::Offered;

/// Requests that wait.
const MAX_WAITING: usize = 8;

/// Without a request for this long the thread ends, and the memory of the network is freed.
const IDLE: Duration = Duration::from_secs(600);

/// As of the accurate model.
const NICENESS: i32 = 10;

type Reply<T> = oneshot::Sender<Result<T, TeachError>>;

pub(super) enum Job {
    Add {
        label: String,
        picture: Picture,
        burst: u64,
        reply: Reply<Kept>,
    },
    /// To another label, or away.
    Move {
        pictures: Vec<Chosen>,
        to: Option<String>,
        reply: Reply<usize>,
    },
    Undo(Reply<()>),
    /// The picture of a frame that could not be told.
    Unsure(u64, Reply<Vec<u8>>),
    /// What such frames show; nothing that is worth keeping.
    Settle {
        ids: Vec<u64>,
        label: Option<String>,
        reply: Reply<usize>,
    },
    Look(Arc<Offered>, Reply<Look>),
    Write(Reply<()>),
    /// Tell how things are.
    Tell,
}

/// Hears of each change.
pub type Listener = Arc<dyn Fn(&Report) + Send + Sync>;

/// The handle of the thread. It ends when it is dropped, or after a while without requests.
#[derive(Clone)]
pub struct Teacher {
    jobs: SyncSender<Job>,
    report: Arc<Mutex<Report>>,
}

impl Teacher {
    /// # Errors
    /// When the system cannot start another thread.
    pub(super) fn start(lessons: Lessons, unsure: Unsure, listener: Listener) -> Result<Self, TeachError> {
        let (jobs, waiting) = sync_channel(MAX_WAITING);
        let report = Arc::new(Mutex::new(Report::opening(&lessons)));
        let told = report.clone();
        std::thread::Builder::new()
            .name("teacher".into())
            .spawn(move || run(lessons, unsure, &listener, &told, &waiting))
            .map_err(TeachError::Thread)?;
        Ok(Self { jobs, report })
    }

    /// How things are.
    pub fn report(&self) -> Report {
        self.report.lock().clone()
    }

    /// Keeps a picture under a label, unless it looks like one that is there. Pictures of one burst are undone together.
    ///
    /// # Errors
    /// See [`TeachError`], here and below.
    pub async fn add(&self, label: String, picture: Picture, burst: u64) -> Result<Kept, TeachError> {
        self.ask(|reply| Job::Add { label, picture, burst, reply }).await
    }

    /// Moves pictures to another label, or removes them. Returns their number.
    ///
    /// # Errors
    /// As above.
    pub async fn change(&self, pictures: Vec<Chosen>, to: Option<String>) -> Result<usize, TeachError> {
        self.ask(|reply| Job::Move { pictures, to, reply }).await
    }

    /// Takes the last change back.
    ///
    /// # Errors
    /// As above.
    pub async fn undo(&self) -> Result<(), TeachError> {
        self.ask(Job::Undo).await
    }

    /// The picture of a frame that could not be told.
    ///
    /// # Errors
    /// As above.
    pub async fn unsure(&self, id: u64) -> Result<Vec<u8>, TeachError> {
        self.ask(|reply| Job::Unsure(id, reply)).await
    }

    /// Keeps such frames under a label, or forgets them. Returns how many were kept.
    ///
    /// # Errors
    /// As above.
    pub async fn settle(&self, ids: Vec<u64>, label: Option<String>) -> Result<usize, TeachError> {
        self.ask(|reply| Job::Settle { ids, label, reply }).await
    }

    /// What it would say of a frame.
    ///
    /// # Errors
    /// As above.
    pub async fn look(&self, frame: Arc<Offered>) -> Result<Look, TeachError> {
        self.ask(|reply| Job::Look(frame, reply)).await
    }

    /// Writes the model.
    ///
    /// # Errors
    /// As above.
    pub async fn write(&self) -> Result<(), TeachError> {
        self.ask(Job::Write).await
    }

    /// Tells its listener how things are, unless that will be told soon anyway.
    pub(super) fn tell(&self) {
        let _ = self.jobs.try_send(Job::Tell);
    }

    /// Whether its thread takes requests.
    pub fn is_there(&self) -> bool {
        !self.report.lock().ended
    }

    async fn ask<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, TeachError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.try_send(job(reply)).map_err(|error| {
            // A thread that has ended takes no more.
            self.report.lock().ended |= matches!(error, TrySendError::Disconnected(_));
            TeachError::Busy
        })?;
        answer.await.map_err(|_| {
            self.report.lock().ended = true;
            TeachError::Busy
        })?
    }
}

fn run(lessons: Lessons, unsure: Unsure, listener: &Listener, report: &Mutex<Report>, jobs: &Receiver<Job>) {
    let tell = |news: Report| {
        // Kept first: who hears of it and asks must not be given the one before.
        *report.lock() = news.clone();
        listener(&news);
    };
    // On Linux this applies to the calling thread only.
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "teaching has the same priority as labelling");
    }
    let opening = Report::opening(&lessons);
    let mut classroom = match Classroom::open(lessons, unsure, |done, total| tell(opening.looking(done, total))) {
        Ok(classroom) => classroom,
        Err(cause) => {
            tracing::warn!(%cause, "nothing can be taught");
            return tell(opening.failed(cause.to_string()));
        }
    };
    classroom.learn();
    tell(classroom.report());
    loop {
        let learns_in = classroom.learns_in();
        if learns_in == Some(Duration::ZERO) {
            classroom.learn();
            tell(classroom.report());
            continue;
        }
        match jobs.recv_timeout(learns_in.unwrap_or(IDLE)) {
            Ok(job) => {
                let answer = handle(&mut classroom, job);
                // Before the answer, after which a requester may ask how things are.
                tell(classroom.report());
                answer();
            }
            Err(RecvTimeoutError::Timeout) if learns_in.is_some() => {}
            Err(_) => break,
        }
    }
    // What was set aside cannot be brought back any more.
    classroom.forget();
    report.lock().ended = true;
}

/// Executes the request, and returns what sends its answer.
fn handle(classroom: &mut Classroom, job: Job) -> Box<dyn FnOnce()> {
    match job {
        Job::Add { label, picture, burst, reply } => answered(reply, classroom.add(&label, picture, burst)),
        Job::Move { pictures, to, reply } => answered(reply, classroom.change(&pictures, to.as_deref())),
        Job::Undo(reply) => answered(reply, classroom.undo()),
        Job::Unsure(id, reply) => answered(reply, classroom.unsure(id)),
        Job::Settle { ids, label, reply } => answered(reply, classroom.settle(&ids, label.as_deref())),
        Job::Look(frame, reply) => answered(reply, classroom.look(&frame)),
        Job::Write(reply) => answered(reply, classroom.write()),
        Job::Tell => Box::new(|| ()),
    }
}

fn answered<T: 'static>(reply: Reply<T>, answer: Result<T, TeachError>) -> Box<dyn FnOnce()> {
    // The requester may have gone.
    Box::new(move || drop(reply.send(answer)))
}
