//! `glimpsed teach export` and `import`

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::common::{Common, base, eye, failed, progress_bar, shelf};
use crate::cli::streams::Streams;
use crate::error::{Error, Result};
use crate::teach::shelf::ShelfError;
use crate::teach::unpack::Next;
use crate::teach::{pack, unpack};

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
    let album = shelf(&config)?.album(&options.common.view).map_err(|error| failed(&error))?;
    if album.pictures() == 0 {
        return Err(Error::Failed(format!("no pictures of `{}` are kept", options.common.view)));
    }
    let progress = progress_bar(album.pictures(), streams);
    let packed = pack::export(&album, &options.to, || progress.inc(1));
    progress.finish_and_clear();
    packed.map_err(Error::Failed)?;
    match options.common.json {
        true => streams.print_json(&json!({ "pictures": album.pictures(), "to": options.to })),
        false => streams.print(&format!("copied {} pictures to {}\n", album.pictures(), options.to.display())),
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
    let mut shelf = shelf(&config)?;
    let mut eye = eye(&base(&config, None)?)?;
    let before = shelf.pictures();
    let progress = progress_bar(0, streams);
    let (mut taken, mut failures, mut stopped) = (0_usize, Vec::new(), None);
    let passed = unpack::import(&options.from, options.label.as_deref(), |found| {
        let added = match found.bytes {
            Ok(bytes) => shelf.add(&options.common.view, &found.label, &bytes, &mut eye),
            Err(cause) => Err(ShelfError::Unreadable(cause)),
        };
        progress.inc(1);
        match added {
            Ok(_) => taken += 1,
            Err(ShelfError::Picture(cause)) => failures.push(format!("{} {cause}", found.name)),
            Err(ShelfError::Unreadable(cause)) => failures.push(format!("{} {cause}", found.name)),
            Err(cause) => {
                stopped = Some(cause);
                return Next::Stop;
            }
        }
        Next::GoOn
    });
    progress.finish_and_clear();
    let passed = passed.map_err(Error::Failed)?;
    let new = shelf.pictures() - before;
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
