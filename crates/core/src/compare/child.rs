//! The process that measures one model: its protocol, and both of its ends.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Signal, nice, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};

use super::error::TurnError;
use super::plan::{Content, Picture};
use crate::domain::classification::Answering;
use crate::domain::comparison::Facts;
use crate::domain::frame::{Encoding, Frame, Range, RawFormat};
use crate::domain::framing::Framing;
use crate::infer::labeller::{LabelError, Labeller};
use crate::infer::{Model, ModelError};
use crate::models::spec::ModelSpec;
use crate::preprocess::source::FrameDecoder;
use glimpsed_base::files::ReadError;
use glimpsed_base::{budget, files};
use glimpsed_inference::Inspection;

/// The hidden subcommand that [`serve`]s.
pub const CHILD_COMMAND: &str = "measure-model";

/// The process's input: this as one line of JSON, followed by the pixels of the pictures that are not files.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job {
    pub spec: ModelSpec,
    pub pictures: Vec<Sent>,
    pub runs: usize,
    pub time_ms: u64,
    pub low_priority: bool,
}

/// A picture in the protocol.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Sent {
    File(PathBuf),
    /// Width, height, rotation and region.
    Rgb(u32, u32, Framing),
}

impl Sent {
    pub(super) fn of(picture: &Picture) -> Self {
        match &picture.content {
            Content::File(path) => Self::File(path.clone()),
            Content::Rgb(image, framing) => Self::Rgb(image.width as u32, image.height as u32, *framing),
        }
    }
}

/// A message of the process on its standard output: one line of JSON each.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Said {
    Timed(Box<Measurement>),
    Answer(Answer),
    Failed(String),
}

/// One turn of a model.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Measurement {
    pub facts: Facts,
    pub load_ms: f64,
    /// Of each run, in order.
    pub infer_ms: Vec<f64>,
    pub preprocess_ms: Vec<f64>,
    pub peak_memory_bytes: Option<u64>,
}

/// The model's answer for one picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Answer {
    /// Labels with their probabilities, most likely first; or why there are none.
    pub top: Result<Vec<(String, usize, f32)>, String>,
}

/// Enough for the customary top-1 and top-5 accuracy.
const TOP_K: usize = 5;

/// Latency is measured on a picture of the default camera's size.
const TIMED_WIDTH: u32 = 640;
const TIMED_HEIGHT: u32 = 480;

/// Runs before the measured ones, so that caches and the processor's clock settle.
const WARM_UP: usize = 2;

/// Limit of a job: enough for a hundred thousand paths.
const MAX_JOB_BYTES: u64 = 64 << 20;
const MAX_LINE_BYTES: usize = 1 << 20;

/// Executes the job on `input`.
///
/// # Errors
/// When `output` is closed. Failures of the model are reported on `output`.
pub fn serve(input: impl Read, mut output: impl Write) -> std::io::Result<()> {
    // Without the parent there is no reader of the output.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    // The out-of-memory killer should choose this process and not the daemon.
    let _ = std::fs::write("/proc/self/oom_score_adj", "900");
    let mut say = |said: &Said| -> std::io::Result<()> {
        let mut line = serde_json::to_vec(said)?;
        line.push(b'\n');
        output.write_all(&line)?;
        output.flush()
    };
    match work(BufReader::new(input), &mut say) {
        Ok(done) => done,
        Err(cause) => say(&Said::Failed(cause.to_string())),
    }
}

/// Why a job is not done, or a picture has no answer.
#[derive(Debug, thiserror::Error)]
enum JobError {
    #[error("the job is not understood: {0}")]
    NotUnderstood(#[from] serde_json::Error),
    #[error("the job cannot be read: {0}")]
    Pipe(#[from] std::io::Error),
    #[error("it was not sent")]
    NotSent,
    #[error("it {0}")]
    Picture(#[from] ReadError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Label(#[from] LabelError),
}

fn work(
    mut input: impl BufRead,
    say: &mut impl FnMut(&Said) -> std::io::Result<()>,
) -> Result<std::io::Result<()>, JobError> {
    let mut line = String::new();
    input.by_ref().take(MAX_JOB_BYTES).read_line(&mut line)?;
    let job: Job = serde_json::from_str(&line)?;
    if job.low_priority {
        // If the service's sandbox forbids it, the process competes with the daemon as an equal.
        let _ = nice(10);
    }
    // Reads all pictures first, so that the parent does not block while the model loads.
    let mut sent = Vec::new();
    for picture in &job.pictures {
        if let Sent::Rgb(width, height, _) = picture {
            sent.push(pixels(*width, *height, &mut input)?);
        }
    }
    let mut sent = sent.into_iter();
    let start = Instant::now();
    let model = Model::load(&job.spec)?;
    let facts = facts(&model.inspection);
    let load_ms = start.elapsed().as_secs_f64() * 1000.0;
    let mut labeller = Labeller::new(model, Framing::default(), Answering { top_k: TOP_K, unknown_below: 0.0 });
    let mut decoder = FrameDecoder::default();
    let measurement = measure(&mut labeller, facts, load_ms, &job)?;
    if let Err(gone) = say(&Said::Timed(Box::new(measurement))) {
        return Ok(Err(gone));
    }
    for picture in &job.pictures {
        let (frame, framing) = match picture {
            // A photograph has its own orientation tag.
            Sent::File(path) => (file(path), Framing::default()),
            Sent::Rgb(.., framing) => (sent.next().ok_or(JobError::NotSent), *framing),
        };
        labeller.set_framing(framing);
        let top = frame.and_then(|frame| answer(&mut labeller, &mut decoder, &frame));
        let top = top.map_err(|cause| cause.to_string());
        if let Err(gone) = say(&Said::Answer(Answer { top })) {
            return Ok(Err(gone));
        }
    }
    Ok(Ok(()))
}

fn measure(labeller: &mut Labeller, facts: Facts, load_ms: f64, job: &Job) -> Result<Measurement, LabelError> {
    let encoding =
        Encoding::Raw { format: RawFormat::Rgb, range: Range::Full, width: TIMED_WIDTH, height: TIMED_HEIGHT };
    let length = RawFormat::Rgb.bytes(TIMED_WIDTH, TIMED_HEIGHT);
    let frame = Frame::from_bytes(encoding, (0..length).map(|at| (at * 7 % 251) as u8).collect());
    let mut decoder = FrameDecoder::default();
    let mut run = || labeller.label(&mut decoder, &frame).map(|frame| frame.answer.timing);
    for _ in 0..WARM_UP {
        run()?;
    }
    let (mut infer_ms, mut preprocess_ms, start) = (Vec::new(), Vec::new(), Instant::now());
    while infer_ms.is_empty() || (infer_ms.len() < job.runs && start.elapsed() < Duration::from_millis(job.time_ms)) {
        let timing = run()?;
        infer_ms.push(timing.infer_ms);
        preprocess_ms.push(timing.preprocess_ms);
    }
    Ok(Measurement { facts, load_ms, infer_ms, preprocess_ms, peak_memory_bytes: peak_memory() })
}

/// The peak resident memory of this process.
fn peak_memory() -> Option<u64> {
    let mut status = String::new();
    File::open("/proc/self/status").ok()?.take(1 << 14).read_to_string(&mut status).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

fn file(path: &Path) -> Result<Frame, JobError> {
    let bytes = files::read(path, budget::PICTURE_FILE)?;
    Ok(Frame::from_bytes(Encoding::File, bytes))
}

fn pixels(width: u32, height: u32, input: &mut impl Read) -> std::io::Result<Frame> {
    let length = RawFormat::Rgb.bytes(width, height);
    let mut bytes = Vec::with_capacity(length);
    input.take(length as u64).read_to_end(&mut bytes)?;
    let encoding = Encoding::Raw { format: RawFormat::Rgb, range: Range::Full, width, height };
    Ok(Frame::from_bytes(encoding, bytes))
}

fn answer(
    labeller: &mut Labeller,
    decoder: &mut FrameDecoder,
    frame: &Frame,
) -> Result<Vec<(String, usize, f32)>, JobError> {
    let labelled = labeller.label(decoder, frame)?;
    Ok(labelled.answer.top.iter().map(|one| (one.label.to_string(), one.class_id, one.confidence)).collect())
}

/// Such a process as its parent sees it. It ends with this value.
pub(super) struct Child {
    process: std::process::Child,
    output: ChildStdout,
    received: Vec<u8>,
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Child {
    /// Starts a process of this same program, even if its file was replaced, and sends it the job.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(job: &Job, pictures: &[Picture]) -> Result<Self, TurnError> {
        let cannot = TurnError::NotStarted;
        let mut command = Command::new("/proc/self/exe");
        command.arg(CHILD_COMMAND).stdin(Stdio::piped()).stdout(Stdio::piped());
        // The child must not notify the service manager.
        command.env_remove("NOTIFY_SOCKET").env_remove("WATCHDOG_USEC");
        let mut process = command.spawn().map_err(cannot)?;
        let (input, output) = (process.stdin.take(), process.stdout.take());
        let (Some(mut input), Some(output)) = (input, output) else {
            return Err(cannot(std::io::ErrorKind::BrokenPipe.into()));
        };
        let child = Self { process, output, received: Vec::new() };
        let mut line = serde_json::to_vec(job)?;
        line.push(b'\n');
        let images = pictures.iter().filter_map(|picture| match &picture.content {
            Content::Rgb(image, _) => Some(&image.pixels),
            Content::File(_) => None,
        });
        let send = || -> std::io::Result<()> {
            input.write_all(&line)?;
            images.into_iter().try_for_each(|pixels| input.write_all(pixels))
        };
        match send() {
            // The model failed before all pixels were sent; the process reports why.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(child),
            sent => sent.map(|()| child).map_err(cannot),
        }
    }

    /// Receives the next message; `None` at the end.
    ///
    /// # Errors
    /// When it says nothing for `patience`, or something else.
    pub(super) fn listen(&mut self, patience: Duration) -> Result<Option<Said>, TurnError> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(end) = self.received.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.received.drain(..=end).collect();
                return Ok(Some(serde_json::from_slice(&line)?));
            }
            if self.received.len() > MAX_LINE_BYTES {
                return Err(TurnError::TooLong);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(TurnError::Silent(patience));
            }
            let timeout = rustix::event::Timespec { tv_sec: left.as_secs() as _, tv_nsec: left.subsec_nanos() as _ };
            match poll(&mut [PollFd::new(&self.output, PollFlags::IN)], Some(&timeout)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                Ok(_) => {}
                Err(error) => return Err(TurnError::Pipe(error.into())),
            }
            let mut piece = [0; 4096];
            match self.output.read(&mut piece) {
                Ok(0) => return Ok(None),
                Ok(read) => self.received.extend_from_slice(&piece[..read]),
                Err(error) => return Err(TurnError::Pipe(error)),
            }
        }
    }

    /// How it has ended, in words.
    pub(super) fn ending(&mut self) -> String {
        match self.process.wait() {
            Ok(status) => match status.signal() {
                Some(9) => "something killed it, as the system does when memory runs out".into(),
                Some(signal) => format!("signal {signal}"),
                None => status.to_string(),
            },
            Err(error) => error.to_string(),
        }
    }
}

/// The properties of a model from its file.
fn facts(inspection: &Inspection) -> Facts {
    Facts {
        precision: inspection.precision.to_string(),
        backend: inspection.backend.clone(),
        sha256: inspection.sha256.clone(),
        file_bytes: inspection.file_bytes,
        parameters: inspection.parameters,
        macs: inspection.macs,
        layers: inspection.layers,
        residual: inspection.residual,
    }
}
