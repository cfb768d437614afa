//! Loads the model's fp32 file or its int8 variant.

use std::time::{Duration, Instant};

use super::verdicts::{Verdict, Verdicts};
use crate::domain::settings::PrecisionChoice;
use crate::infer::{Model, ModelError, Networks};
use crate::models::spec::ModelSpec;
use glimpsed_inference::{Tensor, sha256_of};

/// Time to measure both files; on the slowest board this is enough for three pictures each.
const TIME_TO_MEASURE: Duration = Duration::from_millis(400);
const FEWEST_RUNS: usize = 3;
const MOST_RUNS: usize = 50;

/// A loaded model, and why this one of its two files was chosen.
pub struct Chosen {
    pub model: Model,
    /// `None` if the fp32 file was requested, or is the only one.
    pub why: Option<String>,
}

/// Loads the file that `wanted` selects.
///
/// # Errors
/// As [`Model::load`].
pub fn load(spec: &ModelSpec, wanted: PrecisionChoice) -> Result<Chosen, ModelError> {
    load_among(spec, wanted, &Networks::default())
}

/// [`load`] beside other models; see [`Model::load_among`].
///
/// # Errors
/// As [`Model::load`].
pub fn load_among(spec: &ModelSpec, wanted: PrecisionChoice, networks: &Networks) -> Result<Chosen, ModelError> {
    let own = |why: Option<String>| Model::load_among(spec, networks).map(|model| Chosen { model, why });
    let Some(quantised) = spec.quantised() else {
        return own((wanted == PrecisionChoice::Int8).then(|| "its own file, because it names no int8 file".into()));
    };
    match wanted {
        PrecisionChoice::Fp32 => own(None),
        PrecisionChoice::Int8 => {
            let model = Model::load(&quantised)?;
            Ok(Chosen { model, why: Some("int8, because `precision` says so".into()) })
        }
        PrecisionChoice::Auto if !quantised.path.is_file() => {
            own(Some(format!("fp32, because `{}` is not there", quantised.path.display())))
        }
        PrecisionChoice::Auto => match remembered(spec, &quantised) {
            Some(verdict) if verdict.is_int8() => match Model::load(&quantised) {
                Ok(model) => Ok(Chosen { model, why: Some(verdict.says()) }),
                Err(cause) => own(Some(without_int8(spec, &cause))),
            },
            Some(verdict) => own(Some(verdict.says())),
            None => measured(spec, &quantised),
        },
    }
}

/// The remembered verdict of `auto`, in words; `None` if there is none, or the model has only one file.
pub fn known(spec: &ModelSpec) -> Option<String> {
    remembered(spec, &spec.quantised()?).map(|verdict| verdict.says())
}

fn remembered(spec: &ModelSpec, quantised: &ModelSpec) -> Option<Verdict> {
    Verdicts::read().find(&key(spec, quantised)?).cloned()
}

/// Everything that the outcome depends on: both files, this version of glimpsed, this processor.
fn key(spec: &ModelSpec, quantised: &ModelSpec) -> Option<String> {
    let hash = |spec: &ModelSpec| match &spec.sha256 {
        // The hash is verified when the file is loaded.
        Some(declared) => Some(declared.clone()),
        None => sha256_of(&spec.path).ok(),
    };
    let kernels = glimpsed_inference::Kernels::detect().name;
    let processor = crate::board::Board::default().processor();
    let (version, backend) = (env!("CARGO_PKG_VERSION"), spec.backend);
    Some(format!("{} {} {version} {backend:?} {kernels} {processor}", hash(spec)?, hash(quantised)?))
}

fn measured(spec: &ModelSpec, quantised: &ModelSpec) -> Result<Chosen, ModelError> {
    let mut fp32 = Model::load(spec)?;
    let timed = Model::load(quantised).and_then(|mut int8| Ok((take_turns(&mut fp32, &mut int8)?, int8)));
    let ([fp32_ms, int8_ms], int8) = match timed {
        Ok(timed) => timed,
        Err(cause) => {
            return Ok(Chosen { model: fp32, why: Some(without_int8(spec, &cause)) });
        }
    };
    let key = key(spec, quantised).unwrap_or_default();
    let verdict = Verdict { key, model: spec.name.clone(), fp32_ms, int8_ms };
    let why = Some(verdict.says());
    let model = if verdict.is_int8() { int8 } else { fp32 };
    if let Err(cause) = Verdicts::remember(verdict) {
        tracing::info!(%cause, "the choice of precision is not remembered, and measured again after the next start");
    }
    Ok(Chosen { model, why })
}

/// The fp32 file is the fallback, if slower.
fn without_int8(spec: &ModelSpec, cause: &ModelError) -> String {
    tracing::warn!(model = spec.name, %cause, "the int8 file cannot be used");
    format!("fp32, because the int8 file cannot be used: {cause}")
}

/// Median milliseconds of each model. The runs alternate, so that both meet the same disturbances.
fn take_turns(first: &mut Model, second: &mut Model) -> Result<[f64; 2], ModelError> {
    let tensors = [Tensor::for_input(&first.input), Tensor::for_input(&second.input)];
    let (mut times, start) = ([Vec::new(), Vec::new()], Instant::now());
    while times[0].len() < FEWEST_RUNS || (times[0].len() < MOST_RUNS && start.elapsed() < TIME_TO_MEASURE) {
        for (index, model) in [&mut *first, &mut *second].into_iter().enumerate() {
            let start = Instant::now();
            model.probabilities(&tensors[index])?;
            times[index].push(start.elapsed().as_secs_f64() * 1000.0);
        }
    }
    Ok(times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    }))
}
