//! `glimpsed teach status`

use clap::Args;
use serde_json::{Value, json};

use super::common::{Common, failed, store};
use crate::cli::streams::Streams;
use crate::cli::table::render;
use glimpsed_core::error::Result;
use glimpsed_core::models::taught::{self, Taught};
use glimpsed_teach::share_in_words;

#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    common: Common,
}

pub(super) fn run(options: &Status, streams: &mut Streams) -> Result<()> {
    let config = options.common.config()?;
    let store = store(&config)?;
    let dataset = store.dataset(&options.common.view).map_err(|error| failed(&error))?;
    let models: Vec<_> = config.teach.directories.iter().flat_map(|directory| taught::all(directory)).collect();
    if options.common.json {
        let labels = dataset.classes.iter().map(|class| {
            let names = class.pictures.iter().filter_map(|path| path.file_name()).map(|name| name.to_string_lossy());
            json!({ "label": class.label, "pictures": names.collect::<Vec<_>>() })
        });
        let models = models.iter().map(|(name, found)| match found {
            Ok((taught, files)) => json!({
                "name": name, "onnx": files.onnx, "taught": taught,
                "changed": config.changes_since(taught, config.view_called(&options.common.view)),
            }),
            Err(cause) => json!({ "name": name, "error": cause.to_string() }),
        });
        return streams.print_json(&json!({
            "directory": store.directory,
            "view": options.common.view,
            "labels": labels.collect::<Vec<_>>(),
            "pictures": store.pictures(),
            "max_pictures": store.max_pictures,
            "models": models.collect::<Vec<Value>>(),
        }));
    }
    let mut says = format!(
        "{} of at most {} pictures are kept in {}\n",
        store.pictures(),
        store.max_pictures,
        store.directory.display()
    );
    let rows: Vec<Vec<String>> = (dataset.classes.iter())
        .map(|class| vec![format!("  {}", class.label), class.pictures.len().to_string()])
        .collect();
    says.push_str(&render(&rows));
    for (name, found) in &models {
        match found {
            Err(cause) => says.push_str(&format!("{name}: {cause}\n")),
            Ok((taught, _)) => {
                says.push_str(&describe(name, taught));
                for change in config.changes_since(taught, config.view_called(&options.common.view)) {
                    says.push_str(&format!("  since then {change}\n"));
                }
            }
        }
    }
    streams.print(&says)
}

fn describe(name: &str, taught: &Taught) -> String {
    let labels: Vec<String> =
        taught.class.iter().map(|class| format!("{} ({})", class.label, class.pictures)).collect();
    let few = taught.class.iter().any(|class| class.pictures < 10);
    let good = if few { String::new() } else { format!(", about {} right", share_in_words(taught.accuracy)) };
    format!(
        "{name}: {}{good}; taught {} on {}\n",
        labels.join(", "),
        taught.taught_at.strftime("%Y-%m-%d"),
        taught.base.name
    )
}
