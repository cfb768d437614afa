//! Labels on standard output, for people or for scripts.

use std::io::Write;

use super::Sink;
use super::payload::{classification_json, status_name};
use crate::config::raw::StdoutChoice;
use crate::label::{Classification, Event};

/// Prints every labelled frame.
pub struct Stdout {
    out: Box<dyn Write + Send>,
    json: bool,
    /// Nobody reads any more; labelling goes on without printing.
    closed: bool,
}

impl Stdout {
    /// `None` when nothing is to be printed.
    pub fn new(out: Box<dyn Write + Send>, format: StdoutChoice) -> Option<Self> {
        match format {
            StdoutChoice::None => None,
            StdoutChoice::Text => Some(Self { out, json: false, closed: false }),
            StdoutChoice::Json => Some(Self { out, json: true, closed: false }),
        }
    }
}

impl Sink for Stdout {
    fn publish(&mut self, event: &Event) {
        let Event::Classified(frame) = event else { return };
        if self.closed {
            return;
        }
        let line = if self.json { classification_json(frame) } else { text(frame) };
        if let Err(error) = writeln!(self.out, "{line}").and_then(|()| self.out.flush()) {
            tracing::warn!(%error, "standard output is closed; labels are no longer printed");
            self.closed = true;
        }
    }
}

/// `12:00:01  chelsea.png  tiger cat 37.9 %, Egyptian cat 37.5 %, tabby 16.8 %  (21.4 ms)`
fn text(frame: &Classification) -> String {
    let top: Vec<String> =
        frame.top.iter().map(|ranked| format!("{} {:.1} %", ranked.label, 100.0 * ranked.confidence)).collect();
    let time = frame.ts.strftime("%H:%M:%SZ");
    let origin = frame.origin.as_deref().map(|origin| format!("  {origin}")).unwrap_or_default();
    let answer = match frame.label() {
        Some(_) => top.join(", "),
        None => format!("{} ({})", status_name(frame.status), top.join(", ")),
    };
    format!("{time}{origin}  {answer}  ({:.1} ms)", frame.timing.total_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::tests_support::frame;

    #[test]
    fn a_line_of_text_names_the_label_with_its_confidence() {
        assert_eq!(text(&frame(1, Some("cat"))), "00:00:00Z  cat 90.0 %  (0.0 ms)");
        assert_eq!(text(&frame(1, None)), "00:00:00Z  unknown (noise 10.0 %)  (0.0 ms)");
    }

    #[test]
    fn a_closed_pipe_ends_the_printing_and_nothing_else() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let mut sink = Stdout::new(Box::new(Closed), StdoutChoice::Text).expect("text");
        sink.publish(&Event::Classified(frame(1, Some("cat"))));
        sink.publish(&Event::Classified(frame(2, Some("cat"))));
        assert!(sink.closed);
    }
}
