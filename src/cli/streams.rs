//! The output streams of a command.

use std::borrow::Cow;
use std::fmt::Write as _;
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
        self.print(&format!("{}\n", without_controls(&text)))
    }
}

/// JSON whose strings have JSON's own escapes for what a terminal obeys, so that it stays JSON.
fn without_controls(json: &str) -> Cow<'_, str> {
    let obeyed = |letter: char| leaving::is_control(letter) && letter != '\n';
    if !json.contains(obeyed) {
        return json.into();
    }
    let mut safe = String::with_capacity(json.len() + 16);
    for letter in json.chars() {
        if obeyed(letter) {
            // Writing to a string does not fail. All of them have four digits at most.
            let _ = write!(safe, "\\u{:04x}", u32::from(letter));
        } else {
            safe.push(letter);
        }
    }
    safe.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_with_what_a_terminal_obeys_stays_json_and_obeys_nothing() {
        let value = serde_json::json!({ "name": "\u{9b}31m \u{202e}\u{1b}[2J\u{7f}", "more": ["\n"] });
        let text = serde_json::to_string_pretty(&value).expect("JSON");
        let safe = without_controls(&text);
        assert!(!safe.contains(|letter| leaving::is_control(letter) && letter != '\n'), "{safe:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).expect("JSON"), value);
    }
}
