//! `glimpsed teach add` and `remove`

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::common::{Common, base, embedder, failed, progress_bar, store};
use crate::cli::streams::Streams;
use glimpsed_base::{budget, files};
use glimpsed_core::error::{Error, Result};
use glimpsed_core::teach::embedder::EmbedError;
use glimpsed_core::teach::store::StoreError;

#[derive(Debug, Args)]
pub(super) struct Add {
    /// What the pictures show
    #[arg(value_name = "LABEL")]
    label: String,
    /// JPEG, PNG or WebP files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    common: Common,
}

pub(super) fn add(options: &Add, streams: &mut Streams) -> Result<()> {
    let config = options.common.config()?;
    let mut store = store(&config)?;
    let mut embedder = embedder(&base(&config, None)?)?;
    let progress = progress_bar(options.files.len(), streams);
    let (mut kept, mut failures) = (Vec::new(), Vec::new());
    for file in &options.files {
        let added = match files::read(file, budget::PICTURE_FILE) {
            Ok(bytes) => store.add(&options.common.view, &options.label, &bytes, &mut embedder),
            Err(cause) => Err(EmbedError::from(cause).into()),
        };
        match added {
            Ok(path) => kept.push(path),
            Err(StoreError::Picture(cause)) => failures.push(format!("{} {cause}", file.display())),
            // The next one would fail in the same way.
            Err(cause) => {
                failures.push(cause.to_string());
                break;
            }
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    let pictures = store.dataset(&options.common.view).map_err(|error| failed(&error))?;
    let all = pictures.classes.iter().find(|class| class.label == options.label);
    let all = all.map_or(0, |class| class.pictures.len());
    if options.common.json {
        streams.print_json(&json!({ "kept": kept, "failed": failures, "pictures": all }))?;
    } else {
        streams.print(&format!("kept {} as `{}`, which has {all} now\n", kept.len(), options.label))?;
    }
    match failures.as_slice() {
        [] => Ok(()),
        [only] => Err(Error::Failed(only.clone())),
        several => Err(Error::Failed(format!("{} were not kept:\n  {}", several.len(), several.join("\n  ")))),
    }
}

#[derive(Debug, Args)]
pub(super) struct Remove {
    /// The label
    #[arg(value_name = "LABEL", required_unless_present = "all")]
    label: Option<String>,
    /// Names of its pictures, as `glimpsed teach status --json` gives them [default: all of them]
    #[arg(value_name = "PICTURE")]
    pictures: Vec<String>,
    /// All labels of the view
    #[arg(long, conflicts_with_all = ["label", "pictures"])]
    all: bool,
    #[command(flatten)]
    common: Common,
}

pub(super) fn remove(options: &Remove, streams: &mut Streams) -> Result<()> {
    let config = options.common.config()?;
    let mut store = store(&config)?;
    let view = &options.common.view;
    let dataset = store.dataset(view).map_err(|error| failed(&error))?;
    let chosen = |label: &str| options.all || options.label.as_deref() == Some(label);
    let classes: Vec<_> = dataset.classes.iter().filter(|class| chosen(&class.label)).collect();
    if let (Some(label), true) = (&options.label, classes.is_empty()) {
        return Err(Error::Failed(format!("nothing is kept as `{label}`; `glimpsed teach status` lists what is")));
    }
    let name = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // Every name is looked up before anything is removed.
    if let Some(unknown) = options
        .pictures
        .iter()
        .find(|wanted| !classes.iter().flat_map(|class| &class.pictures).any(|path| name(path) == **wanted))
    {
        return Err(Error::Failed(format!("no picture of that label is called `{unknown}`; nothing was removed")));
    }
    let mut removed = Vec::new();
    for class in classes {
        for path in &class.pictures {
            if options.pictures.is_empty() || options.pictures.contains(&name(path)) {
                store.remove(path).map_err(|error| failed(&error))?;
                removed.push(path);
            }
        }
        store.tidy(view, &class.label).map_err(|error| failed(&error))?;
    }
    match options.common.json {
        true => streams.print_json(&json!({ "removed": removed })),
        false => streams.print(&format!("removed {}; models that were taught stay as they are\n", removed.len())),
    }
}
