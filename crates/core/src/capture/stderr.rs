//! The standard error of a camera's program: in the log, and the last line of it for those who ask why the program has ended.

use std::io::{BufRead, BufReader, Read};
use std::process::ChildStderr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use glimpsed_base::leaving;
use glimpsed_base::sync::Mutex;

/// Lines that are logged per minute; a verbose program must not fill the journal.
const LINES_A_MINUTE: u32 = 20;

/// The longest line that is logged whole.
const MAX_LINE_BYTES: usize = 1024;

/// The longest line that becomes a part of a message.
const MAX_TOLD_BYTES: usize = 200;

/// How long the last line of a program that has ended is waited for. A child of it may keep its standard error open.
const LAST_WITHIN: Duration = Duration::from_millis(200);

/// Reads the standard error of one run.
pub(super) struct Errors {
    last: Arc<Mutex<String>>,
    thread: JoinHandle<()>,
}

impl Errors {
    /// # Errors
    /// When the system has no thread left.
    pub(super) fn read(stderr: ChildStderr, name: &str) -> std::io::Result<Self> {
        let last = Arc::<Mutex<String>>::default();
        let (name, line) = (name.to_owned(), last.clone());
        let thread = thread::Builder::new().name("stderr".into()).spawn(move || log(stderr, &name, &line))?;
        Ok(Self { last, thread })
    }

    /// The last line that was not empty, after the program has ended.
    pub(super) fn last_line(&self) -> Option<String> {
        let deadline = Instant::now() + LAST_WITHIN;
        while !self.thread.is_finished() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        Some(self.last.lock().clone()).filter(|line| !line.is_empty())
    }
}

/// Ends when the program and all its children have closed their standard error.
fn log(stderr: ChildStderr, name: &str, last: &Mutex<String>) {
    let (mut lines, mut suppressed, mut minute) = (0, 0u64, Instant::now());
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    while let Ok(true) = read_line(&mut reader, &mut line) {
        let text = String::from_utf8_lossy(&line);
        if !text.trim().is_empty() {
            *last.lock() = leaving::short_line(&leaving::masked(text.trim()), MAX_TOLD_BYTES).into_owned();
        }
        if minute.elapsed() >= Duration::from_secs(60) {
            if suppressed > 0 {
                tracing::info!(source = %name, lines = suppressed, "more on standard error, not logged");
            }
            (lines, suppressed, minute) = (0, 0, Instant::now());
        }
        if lines < LINES_A_MINUTE {
            lines += 1;
            tracing::info!(source = %name, line = %text.trim_end(), "standard error");
        } else {
            suppressed += 1;
        }
    }
}

/// Reads the next line, false at the end. Of a long one the rest is passed over, and the word that it cuts is left out: half an address
/// would not be recognised as one, and its password not be masked.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    let most = MAX_LINE_BYTES as u64;
    if reader.by_ref().take(most).read_until(b'\n', line)? == 0 {
        return Ok(false);
    }
    if line.len() < MAX_LINE_BYTES || line.ends_with(b"\n") {
        return Ok(true);
    }
    let words = line.iter().rposition(u8::is_ascii_whitespace).unwrap_or(0);
    line.truncate(words);
    line.extend_from_slice("…".as_bytes());
    let mut rest = Vec::new();
    while reader.by_ref().take(most).read_until(b'\n', &mut rest)? > 0 && !rest.ends_with(b"\n") {
        rest.clear();
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        let (mut reader, mut line, mut lines) = (text.as_bytes(), Vec::new(), Vec::new());
        while read_line(&mut reader, &mut line).expect("readable") {
            lines.push(String::from_utf8_lossy(&line).into_owned());
        }
        lines
    }

    #[test]
    fn a_long_line_is_cut_between_words_and_its_rest_is_passed_over() {
        let address = "rtsp://admin:hunter2@cam/";
        for before in 980..1030 {
            let long = format!("{} {address} {}\nnext\nlast", "x".repeat(before), "y ".repeat(5000));
            let lines = lines(&long);
            assert_eq!(lines[1..], ["next\n", "last"], "{before}");
            let cut = &lines[0];
            assert!(cut.ends_with('…') && cut.len() <= MAX_LINE_BYTES + 3, "{before}: {cut}");
            assert!(!cut.contains("rtsp") || cut.contains(address), "{before}: {cut}");
        }
        assert_eq!(lines(&"x".repeat(5000)), ["…"]);
        assert_eq!(lines(""), Vec::<String>::new());
    }
}
