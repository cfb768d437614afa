//! The log, on standard error.

use std::io::{IsTerminal, Write};

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

use crate::config::raw::{LevelChoice, LogFormat};
use crate::config::typed::Log;
use glimpsed_base::leaving;

/// Sets up the process's log; further calls have no effect.
pub fn init(log: Log) {
    let level = match log.level {
        LevelChoice::Error => Level::ERROR,
        LevelChoice::Warn => Level::WARN,
        LevelChoice::Info => Level::INFO,
        LevelChoice::Debug => Level::DEBUG,
        LevelChoice::Trace => Level::TRACE,
    };
    // Of the libraries only errors are logged. What concerns the user is logged by this crate.
    let filter = Targets::new().with_target("glimpsed", level).with_default(Level::ERROR);
    let registry = tracing_subscriber::registry().with(filter);
    // Colours on a terminal only, not in the journal.
    let coloured = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(move || StandardError { coloured })
        .with_target(false)
        .with_ansi(coloured)
        // Where standard error cannot be written, neither can that; and the attempt would panic.
        .log_internal_errors(false);
    // The only error is that a subscriber is already set, as in tests that run several commands.
    let _ = match log.format {
        LogFormat::Text => registry.with(layer.compact()).try_init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    };
}

/// Standard error, without secrets and control characters. The subscriber writes each event as a whole.
struct StandardError {
    coloured: bool,
}

impl Write for StandardError {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let text = match self.coloured {
            false => leaving::clean(&text),
            // The subscriber has escaped what its messages hold, and added escapes of its own.
            true => leaving::masked(&text).replace('\r', "\\r").into(),
        };
        std::io::stderr().write_all(text.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
