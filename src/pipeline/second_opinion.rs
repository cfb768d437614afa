//! The accurate model, on a thread of its own at a lower priority.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::bus::hub::Hub;
use crate::decide::rules::{LabelFilter, LabelRules};
use crate::decide::vocabulary::Vocabulary;
use crate::domain::classification::{Answer, Classification, ModelId, Reason, SecondOpinion};
use crate::domain::event::Event;
use crate::domain::frame::Frame;
use crate::domain::view::View;
use crate::infer::labeller::Labeller;
use glimpsed_base::thread::{NotStarted, Thread};
use glimpsed_inference::{InputSpec, Tensor};

/// The accurate model's niceness, so that the fast model keeps its latency. At 15, Linux still grants the thread about
/// 3 % of a contended core.
const NICENESS: i32 = 15;

/// Capacity of the job queue: one frame and one upload.
const MAX_JOBS: usize = 2;

/// The answers of both models for a frame, or the reason why there is none.
pub type Opinion = Result<Arc<SecondOpinion>, String>;

/// The requesters of an opinion on a frame, who receive it in addition to the sinks.
pub type Wanted = Vec<oneshot::Sender<Opinion>>;

enum Job {
    Look(Box<Look>),
    Classify(Tensor, Box<LabelRules>, oneshot::Sender<Result<Answer, String>>),
}

/// A frame with the fast model's answer, for the accurate model.
pub struct Look {
    pub frame: Frame,
    pub view: View,
    pub rules: LabelRules,
    pub fast: Classification,
    pub fast_label: Option<Arc<str>>,
    pub reason: Reason,
    pub wanted: Wanted,
}

/// The outcome of a look, and the time it took.
pub struct Outcome {
    /// `None` when the network could not be evaluated.
    pub opinion: Option<Arc<SecondOpinion>>,
    pub work: Duration,
}

/// The inference thread's handle: submits frames and receives the opinions.
pub struct Asked {
    jobs: SyncSender<Job>,
    verdicts: Receiver<Outcome>,
}

impl Asked {
    /// # Errors
    /// The requesters, when the thread is busy or has ended.
    pub fn look(&self, look: Look) -> Result<(), Wanted> {
        match self.jobs.try_send(Job::Look(Box::new(look))) {
            Err(TrySendError::Full(Job::Look(look)) | TrySendError::Disconnected(Job::Look(look))) => Err(look.wanted),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// The outcome of the last look.
    ///
    /// # Errors
    /// That it is not finished, or that the thread has ended.
    pub fn verdict(&self) -> Result<Outcome, TryRecvError> {
        self.verdicts.try_recv()
    }
}

/// The handle for uploaded pictures.
#[derive(Clone)]
pub struct Classifies {
    jobs: SyncSender<Job>,
    pub model: Arc<ModelId>,
    pub input: InputSpec,
}

impl Classifies {
    /// # Errors
    /// Why there is no answer.
    pub async fn classify(&self, tensor: Tensor, rules: LabelRules) -> Result<Answer, String> {
        const ENDED: &str = "the accurate model was switched off";
        let (to, answer) = oneshot::channel();
        self.jobs.try_send(Job::Classify(tensor, Box::new(rules), to)).map_err(|error| match error {
            TrySendError::Full(_) => "the accurate model is busy",
            TrySendError::Disconnected(_) => ENDED,
        })?;
        answer.await.map_err(|_| ENDED)?
    }
}

/// Starts the thread. It ends when both handles are dropped.
///
/// # Errors
/// When the system cannot start another thread.
pub fn start(labeller: Labeller, hub: Hub) -> Result<(Asked, Classifies, Thread), NotStarted> {
    let (jobs, waiting) = sync_channel(MAX_JOBS);
    // At most one look is in progress, so the channel never fills up.
    let (verdict, verdicts) = sync_channel(1);
    let (model, input) = (labeller.model().id.clone(), labeller.model().input.clone());
    let worker = Worker { labeller, vocabulary: None, hub, verdict };
    let thread = Thread::spawn("accurate", move || worker.run(&waiting))?;
    Ok((Asked { jobs: jobs.clone(), verdicts }, Classifies { jobs, model, input }, thread))
}

struct Worker {
    labeller: Labeller,
    /// Cached for the filter it was built with; rebuilt when the filter changes.
    vocabulary: Option<(LabelFilter, Vocabulary)>,
    hub: Hub,
    verdict: SyncSender<Outcome>,
}

impl Worker {
    fn run(mut self, jobs: &Receiver<Job>) {
        // On Linux this applies to the calling thread only. Where it is refused, the two models compete as equals.
        if let Err(error) = rustix::process::nice(NICENESS) {
            tracing::debug!(%error, "the accurate model has the same priority as the fast one");
        }
        while let Ok(job) = jobs.recv() {
            match job {
                Job::Look(look) => {
                    let start = Instant::now();
                    let opinion = self.look(*look);
                    // The receiver is gone if this model was replaced.
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
