//! Builds the report of a comparison, in the form that scripts, the broker and the web page receive.

use std::collections::HashSet;

use jiff::Timestamp;

use super::advice;
use super::child::Measurement;
use super::plan::{Picture, Plan};
use crate::board::Board;
use crate::domain::comparison::{Accuracy, Bin, Device, Figures, Guess, Latency, Pictures, Report, Row, Share};
use crate::models::spec::ModelSpec;
use crate::payload::rounding::rounded;

/// The results of all turns of a model.
pub(super) struct Outcome {
    pub(super) measurements: Vec<Measurement>,
    pub(super) answers: Vec<super::child::Answer>,
    pub(super) error: Option<String>,
}

/// Bins of a histogram.
const BINS: usize = 24;

pub(super) fn build(plan: &Plan, outcomes: Vec<Outcome>) -> Report {
    let reference = plan.reference.clone().unwrap_or_else(|| plan.models[0].name.clone());
    let firsts = |outcome: &Outcome| -> Vec<Option<String>> {
        let first = |answer: &super::child::Answer| Some(plain(&answer.top.as_ref().ok()?.first()?.0));
        outcome.answers.iter().map(first).collect()
    };
    let referred = plan.models.iter().position(|model| model.name == reference);
    let of_reference = referred.filter(|&at| outcomes[at].error.is_none()).map(|at| firsts(&outcomes[at]));
    let rows: Vec<Row> = (plan.models.iter().zip(outcomes))
        .map(|(spec, outcome)| {
            let same = of_reference.as_ref().and_then(|reference| agreement(reference, &firsts(&outcome)));
            match outcome.error {
                Some(error) => Row { name: spec.name.clone(), error: Some(error), figures: None },
                None => {
                    let mut figures = figures(&plan.pictures, outcome, same);
                    if let Some(figures) = &mut figures
                        && !knows_any(&plan.pictures, spec)
                    {
                        figures.accuracy = None;
                    }
                    Row { name: spec.name.clone(), error: None, figures }
                }
            }
        })
        .collect();
    let board = Board::default();
    let labelled = plan.pictures.iter().filter(|picture| !picture.labels.is_empty()).count();
    Report {
        version: env!("CARGO_PKG_VERSION"),
        ts: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        device: Device {
            board: board.model(),
            processor: board.processor(),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        },
        pictures: Pictures { source: plan.source.clone(), count: plan.pictures.len(), labelled },
        reference,
        rounds: plan.rounds,
        advice: advice::give(&rows),
        models: rows,
    }
}

/// Whether the model has a label for what any of the pictures shows. Otherwise nothing can be said of how right it is.
fn knows_any(pictures: &[Picture], spec: &ModelSpec) -> bool {
    let Ok(list) = spec.labels.read() else { return true };
    let known: HashSet<String> = list.labels.iter().map(|label| plain(label)).collect();
    pictures.iter().flat_map(|picture| &picture.labels).any(|label| known.contains(&plain(label)))
}

fn agreement(reference: &[Option<String>], own: &[Option<String>]) -> Option<Share> {
    let both = reference.iter().zip(own).filter_map(|(theirs, ours)| Some((theirs.as_ref()?, ours.as_ref()?)));
    let (of, same) = both.fold((0, 0), |(of, same), (theirs, ours)| (of + 1, same + usize::from(theirs == ours)));
    (of > 0).then_some(Share { same, of })
}

fn figures(pictures: &[Picture], outcome: Outcome, agreement: Option<Share>) -> Option<Figures> {
    let Outcome { measurements, answers, .. } = outcome;
    let sorted = |of: &dyn Fn(&Measurement) -> Vec<f64>| {
        let mut all: Vec<f64> = measurements.iter().flat_map(of).collect();
        all.sort_by(f64::total_cmp);
        all
    };
    let loads = sorted(&|turn| vec![turn.load_ms]);
    let prepared = sorted(&|turn| turn.preprocess_ms.clone());
    let times = sorted(&|turn| turn.infer_ms.clone());
    // A turn without any run does not count.
    let first = measurements.first().filter(|_| !times.is_empty())?;
    let failed = pictures.iter().zip(&answers).filter_map(|(picture, answer)| {
        let cause = answer.top.as_ref().err()?;
        Some(format!("{} {cause}", picture.name))
    });
    let top = answers.first().and_then(|answer| answer.top.as_ref().ok());
    let guesses = top.into_iter().flatten().map(|(label, class_id, confidence)| Guess {
        label: label.clone(),
        class_id: *class_id,
        confidence: rounded(f64::from(*confidence), 4),
    });
    Some(Figures {
        facts: first.facts.clone(),
        flops: first.facts.macs.saturating_mul(2),
        load_ms: rounded(percentile(&loads, 50), 1),
        infer_ms: Latency {
            p50: rounded(percentile(&times, 50), 3),
            p95: rounded(percentile(&times, 95), 3),
            runs: times.len(),
            histogram: histogram(&times),
        },
        preprocess_ms: rounded(percentile(&prepared, 50), 3),
        peak_memory_bytes: measurements.iter().filter_map(|turn| turn.peak_memory_bytes).max(),
        accuracy: accuracy(pictures, &answers),
        agreement,
        top: guesses.collect(),
        failed: failed.collect(),
    })
}

/// Pictures that could not be labelled count as wrong.
fn accuracy(pictures: &[Picture], answers: &[super::child::Answer]) -> Option<Accuracy> {
    let labelled = pictures.iter().zip(answers).filter(|(picture, _)| !picture.labels.is_empty());
    let ranks: Vec<Option<usize>> = labelled
        .map(|(picture, answer)| {
            let right: Vec<String> = picture.labels.iter().map(|label| plain(label)).collect();
            answer.top.as_ref().ok()?.iter().position(|(label, ..)| right.contains(&plain(label)))
        })
        .collect();
    (!ranks.is_empty()).then(|| Accuracy {
        top1: ranks.iter().filter(|rank| **rank == Some(0)).count(),
        top5: ranks.iter().filter(|rank| rank.is_some()).count(),
        of: ranks.len(),
    })
}

/// Normalises a label for the comparison: directories are named in lower case and with underscores.
pub fn plain(label: &str) -> String {
    label.trim().to_lowercase().replace('_', " ")
}

/// The nearest-rank percentile; 0 for an empty list.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// From the fastest run to the 99th percentile. Slower runs count in the last bin, so that one outlier does not
/// compress the rest.
fn histogram(sorted: &[f64]) -> Vec<Bin> {
    let (Some(&low), high) = (sorted.first(), percentile(sorted, 99)) else { return Vec::new() };
    let width = ((high - low) / BINS as f64).max(0.001);
    let mut bins: Vec<Bin> =
        (0..BINS).map(|bin| Bin { from_ms: rounded(low + bin as f64 * width, 3), runs: 0 }).collect();
    for time in sorted {
        let bin = (((time - low) / width) as usize).min(BINS - 1);
        bins[bin].runs += 1;
    }
    bins
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::domain::comparison::Facts;

    pub fn row(name: &str, p50: f64, file_bytes: u64, top1: Option<usize>) -> Row {
        let accuracy = top1.map(|top1| Accuracy { top1, top5: 100, of: 100 });
        let figures = Figures {
            facts: Facts {
                precision: "fp32".into(),
                backend: "native".into(),
                sha256: String::new(),
                file_bytes,
                parameters: 1_000_000,
                macs: 300_000_000,
                layers: 50,
                residual: true,
            },
            flops: 600_000_000,
            load_ms: 20.0,
            infer_ms: Latency { p50, p95: p50 * 1.1, runs: 10, histogram: histogram(&[p50, p50 * 1.05, p50 * 1.1]) },
            preprocess_ms: 1.0,
            peak_memory_bytes: Some(50 << 20),
            accuracy,
            agreement: Some(Share { same: 90, of: 100 }),
            top: vec![Guess { label: "<cat> & dog".into(), class_id: 1, confidence: 0.5 }],
            failed: Vec::new(),
        };
        Row { name: name.into(), error: None, figures: Some(figures) }
    }

    pub fn report(models: Vec<Row>) -> Report {
        Report {
            version: "1.2.3",
            ts: "2026-11-24T12:00:00Z".into(),
            device: Device { board: "Board <1>".into(), processor: "A CPU".into(), cores: 4 },
            pictures: Pictures { source: "photos".into(), count: 100, labelled: 100 },
            reference: "a".into(),
            rounds: 3,
            advice: advice::give(&models),
            models,
        }
    }

    #[test]
    fn percentiles_are_the_nearest_rank() {
        let times: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!((percentile(&times, 50), percentile(&times, 95), percentile(&times, 100)), (10.0, 19.0, 20.0));
        assert_eq!(percentile(&[3.0], 95), 3.0);
        assert_eq!(percentile(&[], 50), 0.0);
    }

    #[test]
    fn every_run_is_in_the_histogram_even_one_that_took_for_ever() {
        let mut times: Vec<f64> = (0..200).map(|at| 3.0 + f64::from(at) / 1000.0).collect();
        times.push(500.0);
        let bins = histogram(&times);
        assert_eq!(bins.iter().map(|bin| bin.runs).sum::<usize>(), 201);
        assert!(bins.last().expect("bins").from_ms < 4.0, "{bins:?}");
    }

    #[test]
    fn any_right_label_counts_whatever_its_case_and_a_failure_counts_as_wrong() {
        let picture = |labels: &[&str]| Picture {
            name: "p".into(),
            content: crate::compare::plan::Content::File("p".into()),
            labels: labels.iter().map(|&label| label.to_owned()).collect(),
        };
        let answer = |labels: &[&str]| super::super::child::Answer {
            top: Ok(labels.iter().map(|&label| (label.to_owned(), 0, 0.5)).collect()),
        };
        let failed = super::super::child::Answer { top: Err("is no picture".into()) };
        let pictures = [picture(&["egyptian_cat", "tabby"]), picture(&["espresso"]), picture(&["tench"]), picture(&[])];
        let answers = [answer(&["Egyptian cat"]), answer(&["cup", "espresso"]), failed, answer(&["x"])];
        assert_eq!(accuracy(&pictures, &answers), Some(Accuracy { top1: 1, top5: 2, of: 3 }));
        assert_eq!(accuracy(&pictures[3..], &answers[3..]), None);
    }
}
