//! Labels on standard output, for people or for scripts.

use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use crate::bus::hub::Sink;
use crate::config::raw::StdoutChoice;
use crate::domain::classification::Classification;
use crate::domain::event::Event;
use crate::payload::{classification_json, status_name};
use glimpsed_base::leaving;
use glimpsed_base::repetition::is_logged;

/// Capacity of the queue for a slow reader. When it is full, new lines are dropped and counted.
const CAPACITY: usize = 256;

/// Queues a line for every labelled frame for the [`Printer`], so that a stalled reader does not stop labelling.
pub struct Stdout {
    lines: SyncSender<String>,
    json: bool,
    dropped: u64,
}

/// Prints the lines on a thread of its own.
pub struct Printer {
    lines: Receiver<String>,
    out: Box<dyn Write + Send>,
}

/// `None` if printing is disabled.
pub fn new(out: Box<dyn Write + Send>, format: StdoutChoice) -> Option<(Stdout, Printer)> {
    let json = match format {
        StdoutChoice::None => return None,
        StdoutChoice::Text => false,
        StdoutChoice::Json => true,
    };
    let (sender, lines) = sync_channel(CAPACITY);
    Some((Stdout { lines: sender, json, dropped: 0 }, Printer { lines, out }))
}

impl Printer {
    /// Prints until the sink is dropped and the queue is empty, or the reader is gone.
    pub fn run(mut self) {
        while let Ok(line) = self.lines.recv() {
            if let Err(error) = writeln!(self.out, "{}", leaving::escaped(&line)).and_then(|()| self.out.flush()) {
                tracing::warn!(%error, "standard output is closed; labels are no longer printed");
                return;
            }
        }
    }
}

impl Sink for Stdout {
    fn publish(&mut self, event: &Event) {
        let Event::Classified(frame) = event else { return };
        let line = if self.json { classification_json(frame) } else { text(frame) };
        // A printer that has ended has reported that itself.
        if let Err(TrySendError::Full(_)) = self.lines.try_send(line) {
            self.dropped += 1;
            if is_logged(self.dropped) {
                tracing::warn!(dropped = self.dropped, "nobody reads standard output; lines are dropped");
            }
        }
    }
}

/// Formats one line: `12:00:01Z  chelsea.png  tiger cat 37.9 %, Egyptian cat 37.5 %, tabby 16.8 %  (21.4 ms)`
fn text(frame: &Classification) -> String {
    let top: Vec<String> =
        frame.answer.top.iter().map(|ranked| format!("{} {:.1} %", ranked.label, 100.0 * ranked.confidence)).collect();
    let time = frame.ts.strftime("%H:%M:%SZ");
    let origin = frame.origin.as_deref().map(|origin| format!("  {origin}")).unwrap_or_default();
    let answer = match frame.answer.label() {
        Some(_) => top.join(", "),
        None => format!("{} ({})", status_name(frame.answer.status), top.join(", ")),
    };
    format!("{time}{origin}  {answer}  ({:.1} ms)", frame.answer.timing.total_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::classification::tests_support::frame;

    #[test]
    fn a_line_of_text_names_the_label_with_its_confidence() {
        assert_eq!(text(&frame(1, Some("cat"))), "00:00:00Z  cat 90.0 %  (0.0 ms)");
        assert_eq!(text(&frame(1, None)), "00:00:00Z  unknown (noise 10.0 %)  (0.0 ms)");
    }

    #[test]
    fn a_printer_that_does_not_print_costs_lines_and_no_time() {
        let (mut sink, printer) = new(Box::new(std::io::sink()), StdoutChoice::Json).expect("json");
        for seq in 0..CAPACITY as u64 + 10 {
            sink.publish(&Event::Classified(frame(seq, Some("cat"))));
        }
        assert_eq!(sink.dropped, 10);
        drop(sink);
        printer.run();
    }
}
