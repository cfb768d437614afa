//! A restart first does what a start would do, because a start that fails ends the daemon for good.

use std::path::PathBuf;

use serde_json::json;
use tokio::task::spawn_blocking;

use super::Controller;
use super::model_info::NotLoaded;
use glimpsed_core::bus::commands::{Answer, CommandError};
use glimpsed_core::config::typed::Choice;
use glimpsed_core::config::{Config, Sources};
use glimpsed_core::infer::{Model, precision};

/// The program's file, which may be another version than this process.
///
/// # Errors
/// When the system does not know it.
pub fn program() -> std::io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    // An upgrade has put another file under the old name if the kernel reports `... (deleted)`.
    let path = program.to_string_lossy();
    Ok(path.strip_suffix(" (deleted)").map_or(program.clone(), PathBuf::from))
}

impl Controller {
    /// Whether the daemon would start again, with the file as it is now. The refusal says why not.
    pub(super) async fn can_restart(&self) -> Answer {
        let refused =
            |cause: String| Err(CommandError::Refused(format!("not restarted, because the start would fail: {cause}")));
        match program() {
            Ok(program) if program.is_file() => {}
            Ok(program) => return refused(format!("`{}` is not there any more", program.display())),
            Err(error) => return refused(error.to_string()),
        }
        let path = self.desired.sources.path.clone();
        let read = move || Sources::read(&path).and_then(|sources| sources.load());
        let config = match spawn_blocking(read).await {
            Ok(Ok(config)) => config,
            Ok(Err(problems)) => {
                tracing::error!("{}", problems.render(false));
                return refused(problems.summary());
            }
            Err(error) => return refused(error.to_string()),
        };
        // Without a model it runs already, and would again: only a program or a file that is repaired may change that.
        if self.models.iter().all(|(_, model)| model.is_err()) {
            return Ok(json!({}));
        }
        match self.parts.loader.run(move || loads(&config)).await {
            Some(Ok(())) => Ok(json!({})),
            Some(Err(cause)) => refused(cause.to_string()),
            None => refused("loading the model panicked".into()),
        }
    }
}

/// Whether the models of a configuration load.
fn loads(config: &Config) -> Result<(), NotLoaded> {
    let refused = |name: &str| {
        let name = name.to_owned();
        |cause| NotLoaded::Refused { name, cause }
    };
    for Choice { spec, precision } in config.choices() {
        precision::load(&spec, precision).map_err(refused(&spec.name))?;
    }
    // Their failure would not prevent the start; but who restarts wants what the file says.
    for spec in config.accurate_models() {
        Model::load(spec).map_err(refused(&spec.name))?;
    }
    Ok(())
}
