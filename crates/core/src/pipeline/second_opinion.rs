//! The accurate models, on a thread of their own at a lower priority.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::bus::hub::Hub;
use crate::decide::rules::{LabelFilter, LabelRules};
use crate::decide::vocabulary::Vocabulary;
use crate::domain::classification::{Answer, Answering, Classification, ModelId, Reason, SecondOpinion};
use crate::domain::event::Event;
use crate::domain::frame::Frame;
use crate::domain::framing::Framing;
use crate::infer::SharedModel;
use crate::infer::labeller::{LabelError, Labeller};
use crate::preprocess::source::FrameDecoder;
use glimpsed_base::thread::{NotStarted, Thread};
use glimpsed_inference::{InputSpec, Tensor};

/// The accurate model's niceness, so that the fast model keeps its latency. At 15, Linux still grants the thread about
/// 3 % of a contended core.
const NICENESS: i32 = 15;

/// Capacity of the job queue: one frame and one upload.
const MAX_JOBS: usize = 2;

/// Why there is no answer of the accurate model.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NoOpinion {
    #[error("no accurate model is in use; switch it on first")]
    Off,
    #[error("the accurate model was switched off")]
    SwitchedOff,
    #[error("the accurate model was switched off or exchanged")]
    Exchanged,
    #[error("the accurate model's thread has ended")]
    Ended,
    #[error("the accurate model is busy")]
    Busy,
    /// The text of the cause says what is wrong with the picture or the network.
    #[error("{0}")]
    Failed(Arc<LabelError>),
}

/// The answers of both models for a frame, or the reason why there is none.
pub type Opinion = Result<Arc<SecondOpinion>, NoOpinion>;

/// The requesters of an opinion on a frame, who receive it in addition to the sinks.
pub type Wanted = Vec<oneshot::Sender<Opinion>>;

enum Job {
    Look(Box<Look>),
    Classify(Box<Upload>, oneshot::Sender<Result<Answer, NoOpinion>>),
}

/// A tensor of an uploaded picture.
struct Upload {
    model: Arc<ModelId>,
    tensor: Tensor,
    rules: LabelRules,
}

/// A frame with the fast model's answer, for an accurate model.
pub struct Look {
    /// Which accurate model is asked.
    pub model: Arc<ModelId>,
    pub frame: Frame,
    pub framing: Framing,
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
    /// See [`NoOpinion`].
    pub async fn classify(&self, tensor: Tensor, rules: LabelRules) -> Result<Answer, NoOpinion> {
        let (to, answer) = oneshot::channel();
        let upload = Box::new(Upload { model: self.model.clone(), tensor, rules });
        self.jobs.try_send(Job::Classify(upload, to)).map_err(|error| match error {
            TrySendError::Full(_) => NoOpinion::Busy,
            TrySendError::Disconnected(_) => NoOpinion::SwitchedOff,
        })?;
        answer.await.map_err(|_| NoOpinion::SwitchedOff)?
    }
}

/// Starts the thread, which has these models. It ends when all handles are dropped.
///
/// # Errors
/// When the system cannot start another thread.
pub fn start(models: Vec<Arc<SharedModel>>, hub: Hub) -> Result<(Asked, Vec<Classifies>, Thread), NotStarted> {
    let (jobs, waiting) = sync_channel(MAX_JOBS);
    // At most one look is in progress, so the channel never fills up.
    let (verdict, verdicts) = sync_channel(1);
    let classifies = |model: &Arc<SharedModel>| Classifies {
        jobs: jobs.clone(),
        model: model.id.clone(),
        input: model.input.clone(),
    };
    let all = models.iter().map(classifies).collect();
    let answering = Answering { top_k: 1, unknown_below: 0.0 };
    let labellers = models.into_iter().map(|model| Labeller::new(model, Framing::default(), answering)).collect();
    let worker = Worker { labellers, decoder: FrameDecoder::default(), vocabulary: None, hub, verdict };
    let thread = Thread::spawn("accurate", move || worker.run(&waiting))?;
    Ok((Asked { jobs, verdicts }, all, thread))
}

struct Worker {
    /// One for each model.
    labellers: Vec<Labeller>,
    decoder: FrameDecoder,
    /// Cached for the model and filter it was built with; rebuilt when they change.
    vocabulary: Option<(Arc<ModelId>, LabelFilter, Vocabulary)>,
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
                Job::Classify(upload, to) => {
                    let Upload { model, tensor, rules } = *upload;
                    let answer = match labeller(&mut self.labellers, &model) {
                        Some(labeller) => {
                            labeller.set_answering(rules.answering());
                            labeller.classify_tensor(&tensor).map_err(|error| failed(error.into()))
                        }
                        None => Err(NoOpinion::Exchanged),
                    };
                    let _ = to.send(answer);
                }
            }
        }
    }

    fn look(&mut self, look: Look) -> Option<Arc<SecondOpinion>> {
        let Look { model, frame, framing, rules, fast, fast_label, reason, wanted } = look;
        let opinion = match labeller(&mut self.labellers, &model) {
            None => Err(NoOpinion::Exchanged),
            Some(labeller) => {
                labeller.set_framing(framing);
                labeller.set_answering(rules.answering());
                match labeller.label(&mut self.decoder, &frame) {
                    Ok(accurate) => {
                        let (camera, view) = (fast.camera.clone(), fast.view.clone());
                        let accurate = Classification { camera, view, ..accurate };
                        let accurate_label = label(&mut self.vocabulary, labeller, &rules);
                        Ok(Arc::new(SecondOpinion { accurate, fast, accurate_label, fast_label, reason }))
                    }
                    Err(error) => {
                        tracing::warn!(model = %model.name, "the accurate model {error}");
                        Err(failed(error))
                    }
                }
            }
        };
        for to in wanted {
            let _ = to.send(opinion.clone());
        }
        let opinion = opinion.ok()?;
        self.hub.publish(&Event::SecondOpinion(opinion.clone()));
        Some(opinion)
    }
}

fn failed(error: LabelError) -> NoOpinion {
    NoOpinion::Failed(Arc::new(error))
}

fn labeller<'a>(labellers: &'a mut [Labeller], model: &Arc<ModelId>) -> Option<&'a mut Labeller> {
    labellers.iter_mut().find(|labeller| Arc::ptr_eq(&labeller.model().id, model))
}

fn label(
    cached: &mut Option<(Arc<ModelId>, LabelFilter, Vocabulary)>,
    labeller: &Labeller,
    rules: &LabelRules,
) -> Option<Arc<str>> {
    let model = labeller.model();
    let serves = |(id, filter, _): &(Arc<ModelId>, LabelFilter, Vocabulary)| {
        Arc::ptr_eq(id, &model.id) && *filter == rules.filter
    };
    if !cached.as_ref().is_some_and(serves) {
        let vocabulary = Vocabulary::new(model.labels(), &rules.filter);
        *cached = Some((model.id.clone(), rules.filter.clone(), vocabulary));
    }
    let (_, _, vocabulary) = cached.as_ref()?;
    let mut scores = Vec::new();
    vocabulary.fold(labeller.probabilities(), &mut scores);
    vocabulary.best(&scores, rules.enter()).cloned()
}
