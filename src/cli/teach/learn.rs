//! `glimpsed teach [DIR]`

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use serde_json::json;

use super::common::{Common, base, embedder, failed, progress_bar, store, writable};
use super::report;
use crate::cli::streams::Streams;
use glimpsed_core::config::Config;
use glimpsed_core::error::{Error, Result};
use glimpsed_core::infer::labeller::milliseconds;
use glimpsed_core::models::catalog;
use glimpsed_core::models::taught::{Seen, is_name};
use glimpsed_core::teach::dataset::Dataset;
use glimpsed_core::teach::model::{self, Origin};
use glimpsed_core::teach::training::Training;

#[derive(Debug, Args)]
pub(super) struct Learn {
    /// A folder with a folder of pictures for each label [default: the pictures that are kept]
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
    /// The model whose last matrix is replaced [default: `base` in [teach]]
    #[arg(long, value_name = "NAME")]
    base: Option<String>,
    /// Name of the taught model, or a path for it with a slash [default: the folder's or the view's name]
    #[arg(short, long, value_name = "NAME")]
    output: Option<String>,
    #[command(flatten)]
    common: Common,
}

pub(super) fn run(options: &Learn, streams: &mut Streams) -> Result<()> {
    let config = options.common.config()?;
    let (dataset, from) = dataset(options, &config)?;
    if dataset.pictures() > config.teach.max_pictures {
        return Err(Error::Failed(format!(
            "`{}` has {} pictures; `max_pictures` in [teach] allows {}",
            from.display(),
            dataset.pictures(),
            config.teach.max_pictures
        )));
    }
    let (directory, name) = output(options, &config, &from)?;
    let mut embedder = embedder(&base(&config, options.base.as_deref())?)?;
    let progress = progress_bar(dataset.pictures(), streams);
    let begun = Instant::now();
    let kept = options.directory.is_none();
    let training = Training::of(&dataset, &mut embedder, kept, || progress.inc(1));
    progress.finish_and_clear();
    let training = training.map_err(|error| Error::Failed(format!("model `{}`: {error}", embedder.base.name)))?;
    let looked = begun.elapsed();
    let lesson = training.learn().map_err(|cause| {
        let hint = if dataset.classes.is_empty() { "; a folder of pictures for each label is meant" } else { "" };
        Error::Failed(format!("nothing can be learnt from `{}`: {cause}{hint}", from.display()))
    })?;
    let learnt = begun.elapsed() - looked;
    let view = options.directory.is_none().then(|| options.common.view.clone());
    // A folder of somewhere is nobody's view.
    let seen = view.as_ref().map(|name| {
        let view = config.view_called(name);
        Seen { region: view.region, rotation: config.camera_of(view).rotation }
    });
    let origin = Origin { view, seen };
    let (files, taught) =
        model::write(&directory, &name, &mut embedder, (&training, &lesson), origin).map_err(Error::failed)?;
    if options.common.json {
        let mut answer = report::json(&name, &training, &lesson, &taught);
        answer["files"] = json!({ "onnx": files.onnx, "labels": files.labels, "toml": files.toml });
        answer["links"] = json!(dataset.links);
        answer["timing_ms"] = json!({ "see": milliseconds(looked), "learn": milliseconds(learnt) });
        return streams.print_json(&answer);
    }
    let mut says = report::text(&name, &training, &lesson);
    if dataset.links > 0 {
        says.push_str(&format!("{} symbolic links were passed over\n", dataset.links));
    }
    says.push_str(&format!("written: {} with its labels and its description\n", files.onnx.display()));
    if config.teach.directories.contains(&directory) {
        says.push_str(&format!("`active = \"{name}\"` in [model] labels the camera's pictures with it\n"));
    }
    streams.print(&says)
}

/// The pictures to learn from, and where they are.
fn dataset(options: &Learn, config: &Config) -> Result<(Dataset, PathBuf)> {
    let Some(directory) = &options.directory else {
        let store = store(config)?;
        let folder = store.folder(&options.common.view).map_err(|error| failed(&error))?;
        return Ok((store.dataset(&options.common.view).map_err(|error| failed(&error))?, folder));
    };
    if !directory.is_dir() {
        return Err(Error::Failed(format!("`{}` is no folder", directory.display())));
    }
    Ok((Dataset::read(directory).map_err(Error::failed)?, directory.clone()))
}

/// Where the model is written, and its name.
fn output(options: &Learn, config: &Config, from: &Path) -> Result<(PathBuf, String)> {
    let given = options.output.as_deref().map(Path::new);
    let (directory, name) = match given {
        Some(path) if path.components().count() > 1 => {
            (path.parent().map(Path::to_owned), path.file_name().map(Path::new))
        }
        Some(path) => (None, Some(path)),
        None => (None, from.file_name().map(Path::new)),
    };
    let name = name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = name.strip_suffix(".onnx").unwrap_or(&name).to_owned();
    if !is_name(&name) {
        return Err(Error::Failed(format!(
            "`{name}` cannot be a model's name; letters, digits, `.`, `_` and `-` can: name it with `-o NAME`"
        )));
    }
    let taken = catalog::find(&name).is_some() || (directory.is_none() && is_configured(config, &name));
    if taken {
        return Err(Error::Failed(format!("`{name}` is the name of another model; choose one with `-o NAME`")));
    }
    match directory {
        Some(directory) => Ok((directory, name)),
        None => Ok((writable(config)?, name)),
    }
}

/// Whether a model of this name is in the configuration's own tables, where it would hide the taught one.
fn is_configured(config: &Config, name: &str) -> bool {
    let taught = |path: &Path| config.teach.directories.iter().any(|directory| path.parent() == Some(directory));
    config.models.iter().any(|model| model.name == name && !taught(&model.path))
}
