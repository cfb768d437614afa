//! `glimpsed teach export` and `import`

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::common::{Common, base, embedder, failed, progress_bar, store};
use crate::cli::streams::Streams;
use glimpsed_core::error::{Error, Result};
use glimpsed_core::teach::store::StoreError;
use glimpsed_core::teach::unpack::Next;
use glimpsed_core::teach::{pack, unpack};

#[derive(Debug, Args)]
pub(super) struct Export {
    /// A new folder, or a new archive whose name ends in `.zip`
    #[arg(value_name = "TO")]
    to: PathBuf,
    #[command(flatten)]
    common: Common,
}

pub(super) fn export(options: &Export, streams: &mut Streams) -> Result<()> {
    let config = options.common.config()?;
    let dataset = store(&config)?.dataset(&options.common.view).map_err(|error| failed(&error))?;
    if dataset.pictures() == 0 {
        return Err(Error::Failed(format!("no pictures of `{}` are kept", options.common.view)));
    }
    let progress = progress_bar(dataset.pictures(), streams);
    let packed = pack::export(&dataset, &options.to, || progress.inc(1));
    progress.finish_and_clear();
    packed.map_err(Error::failed)?;
    match options.common.json {
        true => streams.print_json(&json!({ "pictures": dataset.pictures(), "to": options.to })),
        false => streams.print(&format!("copied {} pictures to {}\n", dataset.pictures(), options.to.display())),
    }
}

#[derive(Debug, Args)]
pub(super) struct Import {
    /// A folder or a zip archive, with a folder for each label
    #[arg(value_name = "FROM")]
    from: PathBuf,
    /// The label of pictures that are in no folder
    #[arg(long, value_name = "LABEL")]
    label: Option<String>,
    #[command(flatten)]
    common: Common,
}

pub(super) fn import(options: &Import, streams: &mut Streams) -> Result<()> {
    let config = options.common.config()?;
    let mut store = store(&config)?;
    let mut embedder = embedder(&base(&config, None)?)?;
    let before = store.pictures();
    let progress = progress_bar(0, streams);
    let (mut taken, mut failures, mut stopped) = (0_usize, Vec::new(), None);
    let passed = unpack::import(&options.from, options.label.as_deref(), |found| {
        progress.inc(1);
        let bytes = match found.bytes {
            Ok(bytes) => bytes,
            Err(cause) => {
                failures.push(format!("{} {cause}", found.name));
                return Next::GoOn;
            }
        };
        match store.add(&options.common.view, &found.label, &bytes, &mut embedder) {
            Ok(_) => taken += 1,
            Err(StoreError::Picture(cause)) => failures.push(format!("{} {cause}", found.name)),
            Err(cause) => {
                stopped = Some(cause);
                return Next::Stop;
            }
        }
        Next::GoOn
    });
    progress.finish_and_clear();
    let passed = passed.map_err(Error::failed)?;
    let new = store.pictures() - before;
    if options.common.json {
        streams.print_json(&json!({
            "kept": new,
            "already_kept": taken - new,
            "links": passed.links,
            "others": passed.others,
            "failed": failures,
        }))?;
    } else {
        let mut says = format!("kept {new} pictures");
        for (count, what) in [
            (taken - new, "were kept already"),
            (passed.links, "symbolic links were passed over"),
            (passed.others, "files are no pictures"),
        ] {
            if count > 0 {
                says.push_str(&format!(", {count} {what}"));
            }
        }
        streams.print(&format!("{says}\n"))?;
    }
    match (stopped, failures.as_slice()) {
        (Some(cause), _) => Err(Error::Failed(format!("stopped there: {cause}"))),
        (None, []) => Ok(()),
        (None, several) => {
            let shown = several.iter().take(20).cloned().collect::<Vec<_>>().join("\n  ");
            Err(Error::Failed(format!("{} were not kept:\n  {shown}", several.len())))
        }
    }
}
