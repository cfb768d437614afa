//! A program that writes MJPEG to its standard output: `rpicam-vid`, `gst-launch-1.0`, `ffmpeg`.

use std::io::{Read as _, Write as _};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};

use super::mjpeg::{Next, Splitter};
use super::source::{CaptureError, Captured, Opener, Read, Source};
use super::stderr::Errors;
use crate::domain::frame::Encoding;
use glimpsed_base::leaving;
use glimpsed_base::secret::Secret;
use glimpsed_base::sync::Mutex;

/// How long a program may take to exit after SIGTERM.
const GRACE: Duration = Duration::from_millis(500);

/// Running process groups. If the daemon ends without dropping its source (a second signal, a stuck thread), they must
/// not be left behind.
static GROUPS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// Kills every program that still runs; called at the end of the process.
pub fn kill_stragglers() {
    for group in GROUPS.lock().drain(..) {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// A program to start.
pub(super) struct Program {
    /// Its path and its arguments; not empty.
    pub(super) argv: Vec<String>,
    /// What it reads from its standard input.
    pub(super) input: Option<Secret>,
    /// How it is called in the log.
    pub(super) name: String,
    /// What it is, for [`Opener::callee`].
    pub(super) role: &'static str,
}

impl Program {
    /// A program that reads nothing.
    pub(super) fn new(argv: Vec<String>) -> Self {
        // Half an address would not be recognised as one, so its password is masked before; and a secret may hold spaces.
        let arguments = leaving::masked_arguments(argv.iter().map(String::as_str));
        let line: String = leaving::clean_line(&arguments.join(" ")).chars().take(80).collect();
        Self { argv, input: None, name: format!("command `{line}`"), role: "the program of `camera.command`" }
    }
}

pub(super) struct CommandOpener {
    program: Program,
}

impl CommandOpener {
    pub(super) fn new(program: Program) -> Self {
        Self { program }
    }
}

impl Opener for CommandOpener {
    fn open(&mut self) -> Result<Box<dyn Source>, CaptureError> {
        let fail = |cause: String| CaptureError::Open { source_name: self.describe(), cause };
        let Program { argv, input, .. } = &self.program;
        let (program, arguments) = argv.split_first().ok_or_else(|| fail("no program is named".into()))?;
        // The program gets its own process group, so that its children can be ended with it.
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| fail(error.to_string()))?;
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        GROUPS.lock().extend(group);
        let (Some(stdout), Some(errors)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(fail("its output cannot be read".into()));
        };
        if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
            // It fits into the pipe, so this does not wait. If the program has ended already, that is told below.
            let _ = stdin.write_all(input.reveal().as_bytes());
        }
        let name = self.describe();
        let errors = Errors::read(errors, &name).map_err(|error| fail(error.to_string()))?;
        Ok(Box::new(Running {
            child,
            group,
            stdout,
            errors,
            name,
            splitter: Splitter::new(),
            portion: vec![0; 64 << 10],
        }))
    }

    fn describe(&self) -> String {
        self.program.name.clone()
    }

    fn callee(&self) -> &'static str {
        self.program.role
    }
}

struct Running {
    child: Child,
    group: Option<Pid>,
    stdout: ChildStdout,
    errors: Errors,
    name: String,
    splitter: Splitter,
    portion: Vec<u8>,
}

impl Source for Running {
    fn read(&mut self, bytes: &mut Vec<u8>, patience: Duration) -> Result<Read, CaptureError> {
        let lost = |cause: String| CaptureError::Lost { source_name: self.name.clone(), cause };
        let foreign = |what| CaptureError::Foreign { source_name: self.name.clone(), what };
        let picture = Read::Frame(Captured::new(Encoding::Jpeg));
        let deadline = Instant::now() + patience;
        loop {
            match self.splitter.next_unless_foreign(bytes).map_err(foreign)? {
                Next::Picture => return Ok(picture),
                Next::Skipped(cause) => return Ok(Read::Corrupt(cause)),
                Next::More => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || !readable(&self.stdout, left).map_err(|error| lost(error.to_string()))? {
                // It may be silent because it waits before the next picture, and not mark the end of this one.
                return Ok(if self.splitter.finish_into(bytes) { picture } else { Read::Nothing });
            }
            let read = self.stdout.read(&mut self.portion).map_err(|error| lost(error.to_string()))?;
            if read == 0 {
                if self.splitter.finish_into(bytes) {
                    return Ok(picture);
                }
                if let Some(cause) = self.splitter.cut_short() {
                    return Ok(Read::Corrupt(cause));
                }
                let ended = || lost(how_it_ended(&mut self.child, &self.errors));
                return Err(self.splitter.foreign(true).map_or_else(ended, foreign));
            }
            self.splitter.push(&self.portion[..read]);
        }
    }

    fn instead(&self) -> Option<CaptureError> {
        let what = self.splitter.instead()?;
        Some(CaptureError::Foreign { source_name: self.name.clone(), what })
    }
}

impl Drop for Running {
    /// Sends SIGTERM to the process group, then SIGKILL.
    fn drop(&mut self) {
        let group = self.group;
        let signal = |signal| group.map(|group| kill_process_group(group, signal));
        signal(Signal::TERM);
        if !ended_within(&mut self.child, GRACE) {
            tracing::warn!(source = %self.name, "does not end by itself; killed");
        }
        // Also kills children that the program left behind.
        signal(Signal::KILL);
        GROUPS.lock().retain(|running| Some(*running) != group);
        if let Err(error) = self.child.wait() {
            tracing::warn!(source = %self.name, %error, "the exit of the camera's program cannot be waited for");
        }
    }
}

fn readable(stdout: &ChildStdout, patience: Duration) -> rustix::io::Result<bool> {
    let timeout = Timespec::try_from(patience).map_err(|_| rustix::io::Errno::INVAL)?;
    match poll(&mut [PollFd::from_borrowed_fd(stdout.as_fd(), PollFlags::IN)], Some(&timeout)) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error),
    }
}

fn ended_within(child: &mut Child, grace: Duration) -> bool {
    let deadline = Instant::now() + grace;
    loop {
        match child.try_wait() {
            Ok(Some(_)) | Err(_) => return true,
            Ok(None) if Instant::now() >= deadline => return false,
            Ok(None) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// With what the program has said last.
fn how_it_ended(child: &mut Child, errors: &Errors) -> String {
    if !ended_within(child, GRACE) {
        return "it closed its output".into();
    }
    let ended = match child.try_wait() {
        Ok(Some(status)) => format!("it ended ({status})"),
        _ => "it ended".into(),
    };
    match errors.last_line() {
        Some(line) => format!("{ended}: {line}"),
        None => ended,
    }
}
