//! The output streams of a command.

use std::io::Write;

use glimpsed_base::leaving;
use glimpsed_core::error::{Error, Result};

/// What a command may write to.
pub struct Streams {
    pub out: Box<dyn Write + Send>,
    /// Whether a person watches standard error.
    pub terminal: bool,
}

impl Streams {
    /// Prints without secrets and control characters, quietly ending where nobody reads any more (`glimpsed ... | head`).
    pub fn print(&mut self, text: &str) -> Result<()> {
        self.print_on(text).map(drop)
    }

    /// As [`Self::print`], for what goes on printing; false where nobody reads any more.
    pub fn print_on(&mut self, text: &str) -> Result<bool> {
        let text = leaving::clean(text);
        match self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(Error::Io { what: "cannot write to standard output".into(), cause: error }),
        }
    }

    pub fn print_json(&mut self, value: &impl serde::Serialize) -> Result<()> {
        let text = serde_json::to_string_pretty(value).map_err(|error| Error::Failed(error.to_string()))?;
        self.print(&format!("{text}\n"))
    }
}
