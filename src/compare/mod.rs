//! Models side by side on this device: how often they are right, how long they take, what they need.
//!
//! Each model is measured in a process of its own (`child`), so that its memory is known and a model that fails or hangs
//! takes nothing with it. Only one such process runs at a time, because a small board has no memory for more; the models
//! take turns for some rounds instead, so that a disturbance meets all of them.

mod advice;
mod child;
pub mod html;
mod plot;
pub mod report;
pub mod subjects;
pub mod table;

use std::path::PathBuf;
use std::time::Duration;

pub use child::serve;

use crate::domain::comparison::{Progress, Report};
use crate::domain::view::View;
use crate::models::spec::ModelSpec;
use crate::preprocess::decode::RgbImage;
use child::{Child, Job, Measurement, Said, Sent};

/// The hidden subcommand that [`serve`]s.
pub const CHILD_COMMAND: &str = "measure-model";

/// A picture and what it shows.
#[derive(Debug, Clone)]
pub struct Picture {
    pub name: String,
    pub content: Content,
    /// Labels that are right, any of them; none when that is not known.
    pub labels: Vec<String>,
}

/// Where a picture is.
#[derive(Debug, Clone)]
pub enum Content {
    File(PathBuf),
    /// And what of it is to be looked at.
    Rgb(RgbImage, View),
}

/// What is to be compared, and how thoroughly.
#[derive(Debug, Clone)]
pub struct Plan {
    pub models: Vec<ModelSpec>,
    pub pictures: Vec<Picture>,
    /// Where the pictures are from, for the report.
    pub source: String,
    /// The model that the others' answers are compared with; without it, the first.
    pub reference: Option<String>,
    /// Turns that each model takes.
    pub rounds: usize,
    /// Pictures in a turn, and the longest that a turn takes.
    pub runs: usize,
    pub time_a_turn: Duration,
    /// Whether everything else comes first.
    pub low_priority: bool,
}

/// For a process to say the next thing; the slowest board loads the largest model in less.
const PATIENCE: Duration = Duration::from_secs(120);

/// What all turns of a model have brought.
struct Outcome {
    measurements: Vec<Measurement>,
    answers: Vec<child::Answer>,
    error: Option<String>,
}

/// Measures everything; blocks for as long as that takes. `tell` hears of each step.
///
/// # Errors
/// When there is nothing to compare, or no process can be started at all.
pub fn run(plan: &Plan, mut tell: impl FnMut(&Progress)) -> Result<Report, String> {
    if plan.models.is_empty() {
        return Err("there is no model to compare".into());
    }
    let total = plan.models.len() * (plan.rounds + plan.pictures.len());
    let mut progress = Progress { model: String::new(), done: 0, total };
    let mut outcomes: Vec<Outcome> =
        plan.models.iter().map(|_| Outcome { measurements: Vec::new(), answers: Vec::new(), error: None }).collect();
    for round in 0..plan.rounds {
        for (spec, outcome) in plan.models.iter().zip(&mut outcomes) {
            progress.model.clone_from(&spec.name);
            tell(&progress);
            // What has failed once fails again.
            if outcome.error.is_some() {
                progress.done += 1;
                continue;
            }
            let pictures: &[Picture] = if round == 0 { &plan.pictures } else { &[] };
            let before = progress.done;
            if let Err(cause) = turn(plan, spec, pictures, outcome, &mut progress, &mut tell) {
                outcome.error = Some(cause);
            }
            progress.done = before + 1 + pictures.len();
        }
    }
    tell(&progress);
    Ok(report::build(plan, outcomes))
}

fn turn(
    plan: &Plan,
    spec: &ModelSpec,
    pictures: &[Picture],
    outcome: &mut Outcome,
    progress: &mut Progress,
    tell: &mut impl FnMut(&Progress),
) -> Result<(), String> {
    let job = Job {
        spec: spec.clone(),
        pictures: pictures.iter().map(Sent::of).collect(),
        runs: plan.runs,
        time_ms: plan.time_a_turn.as_millis() as u64,
        low_priority: plan.low_priority,
    };
    let mut child = Child::start(&job, pictures)?;
    let mut timed = false;
    while let Some(said) = child.listen(PATIENCE)? {
        match said {
            Said::Timed(measurement) => {
                outcome.measurements.push(*measurement);
                timed = true;
            }
            Said::Answer(answer) => outcome.answers.push(answer),
            Said::Failed(cause) => return Err(cause),
        }
        progress.done += 1;
        tell(progress);
    }
    if timed && (pictures.is_empty() || outcome.answers.len() == pictures.len()) {
        Ok(())
    } else {
        Err(format!("its process ended before it was done: {}", child.ending()))
    }
}
