//! `glimpsed classify`

use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::files::OptionalConfigFile;
use super::streams::Streams;
use super::{models, progress, table};
use glimpsed_base::{budget, files};
use glimpsed_core::config::typed::View;
use glimpsed_core::config::{Config, keep_default_id};
use glimpsed_core::domain::classification::Classification;
use glimpsed_core::domain::frame::{Encoding, Frame};
use glimpsed_core::domain::framing::{Framing, Region, Rotation};
use glimpsed_core::domain::settings::PrecisionChoice;
use glimpsed_core::error::{Error, Result};
use glimpsed_core::infer::labeller::{LabelError, Labeller};
use glimpsed_core::infer::precision;
use glimpsed_core::preprocess::source::FrameDecoder;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// JPEG, PNG or WebP files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The model [default: the view's, or the configuration's active one]
    #[arg(short, long, value_name = "NAME")]
    model: Option<String>,
    /// As this view of the configuration sees them: its model, its labels and its part of the picture
    #[arg(long, value_name = "NAME")]
    view: Option<String>,
    /// How many labels to show [default: the configuration's `labels.top_k`]
    #[arg(short = 'k', long, value_name = "K", value_parser = clap::value_parser!(u16).range(1..=100))]
    top: Option<u16>,
    #[command(flatten)]
    config: OptionalConfigFile,
    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,
}

type Answer = std::result::Result<Classification, Error>;

pub(super) fn run(options: &Options, streams: &mut Streams) -> Result<()> {
    let config = options.config.sources()?.load()?;
    keep_default_id();
    let view = view(&config, options.view.as_deref())?;
    // A model named on the command line is taken as it is; the configured precision applies only to the view's.
    let (spec, wanted) = match &options.model {
        Some(name) => (models::find(&config, name)?, PrecisionChoice::Fp32),
        None => (view.model.clone(), view.precision),
    };
    let model = precision::load(&spec, wanted).map_err(|cause| Error::Model { name: spec.name.clone(), cause })?.model;
    if let Some(cause) = &model.unfamiliar {
        return Err(Error::Failed(format!("model `{}`: {cause}", spec.name)));
    }
    let mut rules = view.labels.clone();
    rules.top_k = options.top.map_or(rules.top_k, usize::from);
    // A photograph has its own orientation tag, so the camera's rotation does not apply; its region only to a picture of that view.
    let region = if options.view.is_some() { view.region } else { Region::default() };
    let mut labeller = Labeller::new(model, Framing { rotation: Rotation::None, region }, rules.answering());
    let mut decoder = FrameDecoder::default();

    let progress = progress_bar(options, streams);
    let mut answers: Vec<(&Path, Answer)> = Vec::with_capacity(options.files.len());
    for file in &options.files {
        progress.set_message(file.display().to_string());
        answers.push((file, classify(&mut labeller, &mut decoder, file)));
        progress.inc(1);
    }
    progress.finish_and_clear();

    if options.json {
        let list: Vec<Value> = answers.iter().map(|(file, answer)| to_json(file, answer)).collect();
        streams.print_json(&list)?;
    } else {
        streams.print(&to_table(&answers))?;
    }
    let failures: Vec<String> =
        answers.iter().filter_map(|(_, answer)| answer.as_ref().err()).map(Error::to_string).collect();
    match failures.as_slice() {
        [] => Ok(()),
        [only] => Err(Error::Failed(only.clone())),
        several => Err(Error::Failed(format!(
            "{} of {} files failed:\n  {}",
            several.len(),
            answers.len(),
            several.join("\n  ")
        ))),
    }
}

/// The view of this name, or the first.
fn view<'a>(config: &'a Config, name: Option<&str>) -> Result<&'a View> {
    let Some(name) = name else { return Ok(config.first()) };
    config.views.iter().find(|view| view.name.as_str() == name).ok_or_else(|| {
        let known: Vec<&str> = config.views.iter().map(|view| view.name.as_str()).collect();
        Error::Failed(format!("there is no view `{name}`; there is {}", known.join(", ")))
    })
}

fn progress_bar(options: &Options, streams: &Streams) -> ProgressBar {
    let files = options.files.len();
    progress::bar(streams.terminal && files > 1, files as u64, "{bar:30} {pos}/{len} {eta} left  {wide_msg}")
}

fn classify(labeller: &mut Labeller, decoder: &mut FrameDecoder, file: &Path) -> Answer {
    let frame = Frame::from_bytes(Encoding::File, read(file)?);
    labeller.judge_next();
    labeller.label(decoder, &frame).map_err(|error| match error {
        LabelError::Decode(cause) => Error::Image { path: file.to_owned(), cause },
        LabelError::Model(cause) => Error::Model { name: labeller.model().id.name.clone(), cause },
    })
}

fn read(file: &Path) -> Result<Vec<u8>> {
    files::read(file, budget::PICTURE_FILE).map_err(|cause| Error::Failed(format!("{} {cause}", file.display())))
}

fn to_json(file: &Path, answer: &Answer) -> Value {
    match answer {
        Ok(frame) => {
            let top: Vec<Value> = (frame.answer.top.iter())
                .map(|ranked| json!({ "label": &*ranked.label, "class_id": ranked.class_id, "confidence": ranked.confidence }))
                .collect();
            let mut answer = json!({ "file": file, "model": frame.answer.model.name, "top": top, "total_ms": frame.answer.timing.total_ms });
            if let Some(strange) = frame.answer.strange {
                answer["strange"] = json!(strange);
            }
            answer
        }
        Err(error) => json!({ "file": file, "error": error.to_string() }),
    }
}

fn to_table(answers: &[(&Path, Answer)]) -> String {
    let mut rows = Vec::new();
    for (file, answer) in answers {
        let Ok(frame) = answer else { continue };
        for (rank, ranked) in frame.answer.top.iter().enumerate() {
            let name = if rank == 0 { file.display().to_string() } else { String::new() };
            let mut row = vec![name, format!("{:5.1} %", 100.0 * ranked.confidence), ranked.label.to_string()];
            if rank == 0 && frame.answer.strange == Some(true) {
                row.push("strange: unlike all that was taught".into());
            }
            rows.push(row);
        }
    }
    table::render(&rows)
}
