//! The accurate model: a thread of its own, at a lower priority, that looks at a frame now and then.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::bus::hub::Hub;
use crate::decide::rules::{LabelFilter, LabelRules};
use crate::decide::vocabulary::Vocabulary;
use crate::domain::classification::{Classification, ModelId, Reason, SecondOpinion};
use crate::domain::event::Event;
use crate::domain::frame::Frame;
use crate::domain::view::View;
use crate::infer::labeller::Labeller;
use glimpsed_base::thread::{NotStarted, Thread};
use glimpsed_inference::{InputSpec, Tensor};

/// How much the fast labels go before: the niceness that Linux calls the weakest but one is still a twentieth of a core
/// when all others want it.
const NICENESS: i32 = 15;

/// One frame and one upload.
const MAX_JOBS: usize = 2;

/// What both say of a frame; or why there is no opinion.
pub type Opinion = Result<Arc<SecondOpinion>, String>;

/// Where an opinion on a frame goes, beside the sinks.
pub type Wanted = Vec<oneshot::Sender<Opinion>>;

enum Job {
    Look(Box<Look>),
    Classify(Tensor, Box<LabelRules>, oneshot::Sender<Result<Classification, String>>),
}

/// A frame of the fast model's, and what that says of it.
pub struct Look {
    pub frame: Frame,
    pub view: View,
    pub rules: LabelRules,
    pub fast: Classification,
    pub fast_label: Option<Arc<str>>,
    pub reason: Reason,
    pub wanted: Wanted,
}

/// What became of a look.
pub struct Outcome {
    /// `None` when the network could not be evaluated.
    pub opinion: Option<Arc<SecondOpinion>>,
    pub work: Duration,
}

/// The inference thread's end: gives looks and takes their verdicts.
pub struct Asked {
    jobs: SyncSender<Job>,
    verdicts: Receiver<Outcome>,
}

impl Asked {
    /// # Errors
    /// Those who wait for the opinion, when the thread is not free.
    pub fn look(&self, look: Look) -> Result<(), Wanted> {
        match self.jobs.try_send(Job::Look(Box::new(look))) {
            Err(TrySendError::Full(Job::Look(look)) | TrySendError::Disconnected(Job::Look(look))) => Err(look.wanted),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// The verdict on the last look.
    ///
    /// # Errors
    /// That there is none yet, or that the thread has ended.
    pub fn verdict(&self) -> Result<Outcome, TryRecvError> {
        self.verdicts.try_recv()
    }
}

/// For pictures that are not the camera's.
#[derive(Clone)]
pub struct Classifies {
    jobs: SyncSender<Job>,
    pub model: Arc<ModelId>,
    pub input: InputSpec,
}

impl Classifies {
    /// # Errors
    /// Why there is no answer.
    pub async fn classify(&self, tensor: Tensor, rules: LabelRules) -> Result<Classification, String> {
        const ENDED: &str = "the accurate model was switched off";
        let (to, answer) = oneshot::channel();
        self.jobs.try_send(Job::Classify(tensor, Box::new(rules), to)).map_err(|error| match error {
            TrySendError::Full(_) => "the accurate model is busy",
            TrySendError::Disconnected(_) => ENDED,
        })?;
        answer.await.map_err(|_| ENDED)?
    }
}

/// Starts the thread. It ends when both of its ends are dropped.
///
/// # Errors
/// When the system has no thread left.
pub fn start(labeller: Labeller, hub: Hub) -> Result<(Asked, Classifies, Thread), NotStarted> {
    let (jobs, waiting) = sync_channel(MAX_JOBS);
    // One look is under way at a time, so there is always room.
    let (verdict, verdicts) = sync_channel(1);
    let (model, input) = (labeller.model().id.clone(), labeller.model().input.clone());
    let worker = Worker { labeller, vocabulary: None, hub, verdict };
    let thread = Thread::spawn("accurate", move || worker.run(&waiting))?;
    Ok((Asked { jobs: jobs.clone(), verdicts }, Classifies { jobs, model, input }, thread))
}

struct Worker {
    labeller: Labeller,
    /// Made for a filter, and made anew for another one.
    vocabulary: Option<(LabelFilter, Vocabulary)>,
    hub: Hub,
    verdict: SyncSender<Outcome>,
}

impl Worker {
    fn run(mut self, jobs: &Receiver<Job>) {
        // On Linux this is the thread's alone. Where it is not allowed, the fast labels wait a little more often.
        if let Err(error) = rustix::process::nice(NICENESS) {
            tracing::debug!(%error, "the accurate model has the same priority as the fast one");
        }
        while let Ok(job) = jobs.recv() {
            match job {
                Job::Look(look) => {
                    let start = Instant::now();
                    let opinion = self.look(*look);
                    // The other end is gone when another model took the place of this one.
                    let _ = self.verdict.try_send(Outcome { opinion, work: start.elapsed() });
                }
                Job::Classify(tensor, rules, to) => {
                    self.labeller.set_answering(rules.answering());
                    let answer = self.labeller.classify_tensor(&tensor);
                    let _ = to.send(answer.map_err(|error| error.to_string()));
                }
            }
        }
    }

    fn look(&mut self, look: Look) -> Option<Arc<SecondOpinion>> {
        let Look { frame, view, rules, fast, fast_label, reason, wanted } = look;
        self.labeller.set_view(view);
        self.labeller.set_answering(rules.answering());
        let opinion = match self.labeller.label(&frame) {
            Ok(accurate) => {
                let accurate_label = self.label(&rules);
                Ok(Arc::new(SecondOpinion { accurate, fast, accurate_label, fast_label, reason }))
            }
            Err(error) => {
                tracing::warn!(model = %self.labeller.model().id.name, "the accurate model {error}");
                Err(error.to_string())
            }
        };
        for to in wanted {
            let _ = to.send(opinion.clone());
        }
        let opinion = opinion.ok()?;
        self.hub.publish(&Event::SecondOpinion(opinion.clone()));
        Some(opinion)
    }

    fn label(&mut self, rules: &LabelRules) -> Option<Arc<str>> {
        if self.vocabulary.as_ref().is_none_or(|(filter, _)| *filter != rules.filter) {
            let labels = self.labeller.model().labels();
            self.vocabulary = Some((rules.filter.clone(), Vocabulary::new(labels, &rules.filter)));
        }
        let (_, vocabulary) = self.vocabulary.as_ref()?;
        let mut scores = Vec::new();
        vocabulary.fold(self.labeller.probabilities(), &mut scores);
        vocabulary.best(&scores, rules.enter()).cloned()
    }
}
