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

use super::orders::{Order, Orders, Prepared, Refusal};
use super::second_opinion::Classifies;
use crate::decide::rules::LabelRules;
use crate::domain::classification::{Answer, ModelId};
use crate::domain::frame::Encoding;
use crate::domain::view::View;
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
    /// `None` while it cannot be loaded.
    fast: Option<(Arc<ModelId>, InputSpec)>,
    accurate: Option<Classifies>,
    rules: LabelRules,
    /// Keyed by the file's SHA-256. An answer is valid while the models and rules stay the same.
    answers: Option<LruCache<[u8; 32], Opinion>>,
    /// Incremented with every change of the models or rules, so that a late answer is not cached.
    generation: u64,
}

/// A decoded picture for the models.
struct Job {
    key: [u8; 32],
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
    /// Labels with the model `fast` by `rules` and caches up to `entries` answers.
    pub fn new(orders: Orders, fast: Option<(Arc<ModelId>, InputSpec)>, rules: LabelRules, entries: usize) -> Self {
        let models = Models { fast, rules, accurate: None, answers: cache(entries), generation: 0 };
        let (waiting, turn) = (Semaphore::new(MAX_WAITING), Semaphore::new(1));
        Self(Arc::new(Inner { orders, models: Mutex::new(models), waiting, turn, counters: Counters::default() }))
    }

    pub fn set_fast(&self, model: Arc<ModelId>, input: InputSpec) {
        self.change(|models| models.fast = Some((model, input)));
    }

    pub fn set_accurate(&self, accurate: Option<Classifies>) {
        self.change(|models| models.accurate = accurate);
    }

    /// Changes the rules and the capacity of the cache, and empties the cache.
    pub fn set_rules(&self, rules: LabelRules, entries: usize) {
        self.change(|models| (models.rules, models.answers) = (rules, cache(entries)));
    }

    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// Labels a whole JPEG or PNG file with its orientation tag applied. Also returns the time spent on decoding and
    /// inference, even on failure.
    pub async fn classify(&self, bytes: Vec<u8>) -> (Result<Opinion, UploadError>, Duration) {
        let mut cost = Duration::ZERO;
        (self.answer(bytes, &mut cost).await, cost)
    }

    async fn answer(&self, bytes: Vec<u8>, cost: &mut Duration) -> Result<Opinion, UploadError> {
        let busy = || UploadError::Busy("other pictures are being labelled".into());
        let _waiting = self.0.waiting.try_acquire().map_err(|_| busy())?;
        let Ok(Ok(_turn)) = timeout(PATIENCE, self.0.turn.acquire()).await else { return Err(busy()) };
        // If the model is exchanged between the two steps, one retry suffices: a second exchange in that time is
        // unlikely.
        let bytes = Arc::new(bytes);
        for _ in 0..2 {
            let (this, bytes) = (self.clone(), bytes.clone());
            let begun = Instant::now();
            let prepared = spawn_blocking(move || this.prepare(&bytes)).await;
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
    fn prepare(&self, bytes: &[u8]) -> Result<Step, UploadError> {
        let key: [u8; 32] = Sha256::digest(bytes).into();
        let ((fast, input), accurate, rules, generation) = {
            let mut models = self.lock();
            if let Some(known) = models.answers.as_mut().and_then(|answers| answers.get(&key)) {
                self.0.counters.hits.fetch_add(1, Ordering::Relaxed);
                return Ok(Step::Answered(Box::new(Opinion { cached: true, ..known.clone() })));
            }
            (
                models.fast.clone().ok_or(UploadError::NoModel)?,
                models.accurate.clone(),
                models.rules.clone(),
                models.generation,
            )
        };
        self.0.counters.misses.fetch_add(1, Ordering::Relaxed);
        let explain = |error: DecodeError| match error {
            DecodeError::TooLarge { .. } | DecodeError::TooManyBytes { .. } => UploadError::TooLarge(error),
            _ => UploadError::NotAPicture(error),
        };
        let mut decoder = FrameDecoder::default();
        let mut tensor = |input: &InputSpec| {
            let mut preprocessor = Preprocessor::new(input.clone(), View::default());
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
        let order = |to| Order::Classify(Box::new(fast), to);
        let late = "the inference thread does not finish its frame";
        let fast = match self.0.orders.ask(order, PATIENCE, late).await.map_err(UploadError::Busy)? {
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
                Ok(answer) => Some(answer.map_err(UploadError::Busy)?),
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

    fn change(&self, change: impl FnOnce(&mut Models)) {
        let mut models = self.lock();
        change(&mut models);
        models.generation += 1;
        if let Some(answers) = &mut models.answers {
            answers.clear();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Models> {
        self.0.models.lock()
    }
}

fn cache(entries: usize) -> Option<LruCache<[u8; 32], Opinion>> {
    NonZeroUsize::new(entries).map(LruCache::new)
}
