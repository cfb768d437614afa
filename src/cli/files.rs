//! The path of the configuration.

use std::path::{Path, PathBuf};

use clap::Args;

use glimpsed_core::config::{DEFAULT_PATH, Sources};
use glimpsed_core::error::Result;

/// Where the configuration is.
#[derive(Debug, Args)]
pub(super) struct ConfigFile {
    /// The configuration file
    #[arg(short = 'c', long = "config", value_name = "FILE", env = "GLIMPSED_CONFIG", default_value = DEFAULT_PATH)]
    pub path: PathBuf,
}

/// Where the configuration is, for commands that also work without one.
#[derive(Debug, Args)]
pub(super) struct OptionalConfigFile {
    /// The configuration file [default: /etc/glimpsed/glimpsed.toml if there is one]
    #[arg(short = 'c', long = "config", value_name = "FILE", env = "GLIMPSED_CONFIG")]
    path: Option<PathBuf>,
}

impl OptionalConfigFile {
    pub(super) fn sources(&self) -> Result<Sources> {
        match &self.path {
            Some(path) => Ok(Sources::read(path)?),
            None if Path::new(DEFAULT_PATH).is_file() => Ok(Sources::read(Path::new(DEFAULT_PATH))?),
            None => Ok(Sources::defaults()),
        }
    }
}
