//! Measures the models in turns.

use std::time::Duration;

use super::child::{Child, Job, Said, Sent};
use super::error::{CompareError, TurnError};
use super::plan::Picture;
use super::report;
use super::report::Outcome;
use crate::compare::plan::Plan;
use crate::domain::comparison::{Progress, Report};
use crate::models::spec::ModelSpec;
use glimpsed_base::leaving;

/// Timeout for the next message of a process; the slowest board loads the largest model in less.
const PATIENCE: Duration = Duration::from_secs(120);

/// Measures everything, and blocks until it is done. `tell` receives the progress of each step.
///
/// # Errors
/// When there is nothing to compare.
pub fn run(plan: &Plan, mut tell: impl FnMut(&Progress)) -> Result<Report, CompareError> {
    if plan.models.is_empty() {
        return Err(CompareError::NoModel);
    }
    let total = plan.models.len() * (plan.rounds + plan.pictures.len());
    let mut progress = Progress { model: String::new(), done: 0, total };
    let mut outcomes: Vec<Outcome> =
        plan.models.iter().map(|_| Outcome { measurements: Vec::new(), answers: Vec::new(), error: None }).collect();
    for round in 0..plan.rounds {
        for (spec, outcome) in plan.models.iter().zip(&mut outcomes) {
            progress.model.clone_from(&spec.name);
            tell(&progress);
            // A model that failed once is not tried again.
            if outcome.error.is_some() {
                progress.done += 1;
                continue;
            }
            let pictures: &[Picture] = if round == 0 { &plan.pictures } else { &[] };
            let before = progress.done;
            if let Err(cause) = turn(plan, spec, pictures, outcome, &mut progress, &mut tell) {
                outcome.error = Some(leaving::cleaned(cause));
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
) -> Result<(), TurnError> {
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
            Said::Failed(cause) => return Err(TurnError::Model(cause)),
        }
        progress.done += 1;
        tell(progress);
    }
    if timed && (pictures.is_empty() || outcome.answers.len() == pictures.len()) {
        Ok(())
    } else {
        Err(TurnError::Ended(child.ending()))
    }
}
