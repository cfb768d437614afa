//! Uploaded pictures: labelled by the models in use, with a cache of answers.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use lru::LruCache;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::orders::{Order, Orders, Prepared, Refusal, ViewOrder};
use super::second_opinion::Classifies;
use crate::decide::rules::LabelRules;
use crate::domain::classification::{Answer, ModelId};
use crate::domain::frame::Encoding;
use crate::domain::framing::{Framing, Region};
use crate::domain::name::Name;
use crate::preprocess::Preprocessor;
use crate::preprocess::decode::DecodeError;
use crate::preprocess::source::FrameDecoder;
use glimpsed_base::sync::Mutex;
use glimpsed_inference::{InputSpec, Tensor};

/// Uploads in progress or waiting. They are processed one at a time.
const MAX_WAITING: usize = 8;

/// Deadline for the turn, and again for each model. The slowest model on the slowest board takes several seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// The models' answers for a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Opinion {
    pub fast: Answer,
    /// `None` without an accurate model.
    pub accurate: Option<Answer>,
    /// The answer came from the cache.
    pub cached: bool,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UploadError {
    #[error("the file {0}")]
    NotAPicture(DecodeError),
    #[error("the picture {0}")]
    TooLarge(DecodeError),
    #[error("{0}; try again in a moment")]
    Busy(String),
    #[error("there is no model to label it with; the log and `config_error` of `info` say why")]
    NoModel,
    #[error("there is no such view")]
    NoView,
    #[error("{0}")]
    Failed(String),
}

/// Labels uploaded pictures. All clones share one state.
#[derive(Clone)]
pub struct Uploads(Arc<Inner>);

struct Inner {
    orders: Orders,
    models: Mutex<Models>,
    waiting: Semaphore,
    turn: Semaphore,
    pub counters: Counters,
}

/// Cache lookups so far.
#[derive(Debug, Default)]
pub struct Counters {
    pub hits: AtomicU64,
    pub misses: AtomicU64,
}

struct Models {
    targets: Vec<Target>,
    /// Keyed by the view and the SHA-256 of the file and its part. An answer is valid while the models and rules stay the same.
    answers: Option<LruCache<Key, Opinion>>,
    /// Incremented with every change of the models or rules, so that a late answer is not cached.
    generation: u64,
}

type Key = (Name, [u8; 32]);

/// A view, with what an upload to it is labelled with.
#[derive(Clone)]
pub struct Target {
    pub view: Name,
    /// `None` while its model cannot be loaded.
    pub fast: Option<(Arc<ModelId>, InputSpec)>,
    pub accurate: Option<Classifies>,
    pub rules: LabelRules,
}

/// A decoded picture for the models.
struct Job {
    key: Key,
    generation: u64,
    fast: Prepared,
    accurate: Option<(Tensor, Classifies)>,
    rules: LabelRules,
}

enum Step {
    Answered(Box<Opinion>),
    Ask(Box<Job>),
}

impl Uploads {
    /// Without any view yet.
    pub fn new(orders: Orders) -> Self {
        let models = Models { targets: Vec::new(), answers: None, generation: 0 };
        let (waiting, turn) = (Semaphore::new(MAX_WAITING), Semaphore::new(1));
        Self(Arc::new(Inner { orders, models: Mutex::new(models), waiting, turn, counters: Counters::default() }))
    }

    /// Uploads are labelled for these views from now on, and up to `entries` answers are kept. Empties the cache.
    pub fn set(&self, targets: Vec<Target>, entries: usize) {
        let mut models = self.lock();
        models.targets = targets;
        models.generation += 1;
        models.answers = cache(entries);
    }

    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// Labels this part of a JPEG, PNG or WebP file with the model of the view, with the file's orientation tag applied. Also returns the
    /// time spent on decoding and inference, even on failure.
    pub async fn classify(
        &self,
        view: &Name,
        region: Region,
        bytes: Vec<u8>,
    ) -> (Result<Opinion, UploadError>, Duration) {
        let mut cost = Duration::ZERO;
        (self.answer(view, region, bytes, &mut cost).await, cost)
    }

    async fn answer(
        &self,
        view: &Name,
        region: Region,
        bytes: Vec<u8>,
        cost: &mut Duration,
    ) -> Result<Opinion, UploadError> {
        let busy = || UploadError::Busy("other pictures are being labelled".into());
        let _waiting = self.0.waiting.try_acquire().map_err(|_| busy())?;
        let Ok(Ok(_turn)) = timeout(PATIENCE, self.0.turn.acquire()).await else { return Err(busy()) };
        // If the model is exchanged between the two steps, one retry suffices: a second exchange in that time is
        // unlikely.
        let bytes = Arc::new(bytes);
        for _ in 0..2 {
            let (this, view, bytes) = (self.clone(), view.clone(), bytes.clone());
            let begun = Instant::now();
            let prepared = spawn_blocking(move || this.prepare(view, region, &bytes)).await;
            *cost += begun.elapsed();
            let job = match prepared.map_err(|_| UploadError::Failed("decoding it panicked".into()))?? {
                Step::Answered(opinion) => return Ok(*opinion),
                Step::Ask(job) => job,
            };
            if let Some(opinion) = self.ask(*job).await? {
                let answers = [Some(&opinion.fast), opinion.accurate.as_ref()].into_iter().flatten();
                let milliseconds: f64 = answers.map(|answer| answer.timing.infer_ms).sum();
                *cost += Duration::from_secs_f64(milliseconds.max(0.0) / 1000.0);
                return Ok(opinion);
            }
        }
        Err(UploadError::Busy("the model is being exchanged".into()))
    }

    /// Decodes the file and makes the models' tensors. Blocking: not for an asynchronous thread.
    fn prepare(&self, view: Name, region: Region, bytes: &[u8]) -> Result<Step, UploadError> {
        let Region { x, y, width, height } = region;
        let digest = [x, y, width, height]
            .iter()
            .fold(Sha256::new_with_prefix(bytes), |digest, side| digest.chain_update(side.to_le_bytes()));
        let key: Key = (view, digest.finalize().into());
        let (Target { fast, accurate, rules, .. }, generation) = {
            let mut models = self.lock();
            if let Some(known) = models.answers.as_mut().and_then(|answers| answers.get(&key)) {
                self.0.counters.hits.fetch_add(1, Ordering::Relaxed);
                return Ok(Step::Answered(Box::new(Opinion { cached: true, ..known.clone() })));
            }
            let target = models.targets.iter().find(|target| target.view == key.0).ok_or(UploadError::NoView)?;
            (target.clone(), models.generation)
        };
        let (fast, input) = fast.ok_or(UploadError::NoModel)?;
        self.0.counters.misses.fetch_add(1, Ordering::Relaxed);
        let explain = |error: DecodeError| match error {
            DecodeError::TooLarge { .. } | DecodeError::TooManyBytes { .. } => UploadError::TooLarge(error),
            _ => UploadError::NotAPicture(error),
        };
        let mut decoder = FrameDecoder::default();
        let mut tensor = |input: &InputSpec| {
            let mut preprocessor = Preprocessor::new(input.clone(), Framing { region, ..Framing::default() });
            decoder.decode(Encoding::File, bytes, |width, height| preprocessor.wanted(width, height))?;
            let mut tensor = Tensor::for_input(input);
            preprocessor.prepare(decoder.samples(bytes), &mut tensor);
            Ok(tensor)
        };
        let fast = Prepared { tensor: tensor(&input).map_err(explain)?, model: fast };
        let accurate = match accurate {
            Some(accurate) => Some((tensor(&accurate.input).map_err(explain)?, accurate)),
            None => None,
        };
        Ok(Step::Ask(Box::new(Job { key, generation, fast, accurate, rules })))
    }

    /// `None` if the model has been exchanged since the tensor was made.
    async fn ask(&self, job: Job) -> Result<Option<Opinion>, UploadError> {
        let Job { key, generation, fast, accurate, rules } = job;
        let view = key.0.clone();
        let order = |to| Order::View(view, ViewOrder::Classify(Box::new(fast), to));
        let late = "the inference thread does not finish its frame";
        let fast = match self
            .0
            .orders
            .ask(order, PATIENCE, late)
            .await
            .map_err(|cause| UploadError::Busy(cause.to_string()))?
        {
            Ok(fast) => fast,
            Err(Refusal::Exchanged) => return Ok(None),
            Err(Refusal::TooWarm) => {
                return Err(UploadError::Busy("the board is too warm, and labels nothing until it is cooler".into()));
            }
            Err(Refusal::Failed(cause)) => return Err(UploadError::Failed(cause.to_string())),
        };
        let accurate = match accurate {
            None => None,
            Some((tensor, accurate)) => match timeout(PATIENCE, accurate.classify(tensor, rules)).await {
                Ok(answer) => Some(answer.map_err(|cause| UploadError::Busy(cause.to_string()))?),
                Err(_) => return Err(UploadError::Busy("the accurate model does not answer".into())),
            },
        };
        let opinion = Opinion { fast, accurate, cached: false };
        let mut models = self.lock();
        if models.generation == generation
            && let Some(answers) = &mut models.answers
        {
            answers.put(key, opinion.clone());
        }
        Ok(Some(opinion))
    }

    fn lock(&self) -> MutexGuard<'_, Models> {
        self.0.models.lock()
    }
}

fn cache(entries: usize) -> Option<LruCache<Key, Opinion>> {
    NonZeroUsize::new(entries).map(LruCache::new)
}
