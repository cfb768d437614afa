//! Programs started for a test and ended with it.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use glimpsed_core::models::labels::LabelSource;
use glimpsed_core::models::spec::ModelSpec;
use glimpsed_core::models::threads::Threads;
use glimpsed_inference::{Backend, InputHints};
use serde_json::Value;

/// Far longer than anything takes on a busy machine; only a failure waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn fixture(name: &str) -> PathBuf {
    root().join("tests/fixtures").join(name)
}

/// A small classifier as an exporter wrote it.
pub(crate) fn exported(name: &str) -> PathBuf {
    root().join("crates/inference/tests/fixtures/exports").join(name).with_extension("onnx")
}

/// Writes a password or token as the program wants such a file: closed to others.
pub(crate) fn write_secret(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).expect("writable");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("ours");
}

pub(crate) fn photos() -> PathBuf {
    root().join("models/photos")
}

/// Where the models and photographs lie that are not part of the project; says so when they do not.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let path = root().parent()?.join("shared").join(name);
    if !path.exists() {
        eprintln!("SKIPPED: {} is not here, so this test proved nothing", path.display());
        return None;
    }
    Some(path)
}

/// A model in a file, with one mean and one standard deviation for all colours.
pub(crate) fn model(name: &str, path: PathBuf, scaling: Option<(f32, f32)>) -> ModelSpec {
    let input = InputHints {
        mean: scaling.map(|(mean, _)| [mean; 3]),
        std: scaling.map(|(_, std)| [std; 3]),
        ..InputHints::default()
    };
    ModelSpec {
        name: name.into(),
        path,
        labels: LabelSource::ImageNet,
        sha256: None,
        input,
        backend: Backend::Auto,
        threads: Threads::default(),
        background: None,
        taught: None,
        int8: None,
    }
}

pub(crate) fn bundled(name: &str) -> ModelSpec {
    glimpsed_core::models::catalog::find(name).expect("in the catalogue").spec(&[root().join("models")])
}

/// What is wrong with `payload`, if anything is, by a JSON Schema of draft 2020-12.
pub(crate) fn complaints(schema: &Value, payload: &Value) -> Vec<String> {
    const ADDRESS: &str = "https://glimpsed.test/schema.json";
    let (mut compiler, mut schemas) = (boon::Compiler::new(), boon::Schemas::new());
    compiler.set_default_draft(boon::Draft::V2020_12);
    compiler.enable_format_assertions();
    compiler.add_resource(ADDRESS, schema.clone()).expect("a JSON Schema");
    let compiled = compiler.compile(ADDRESS, &mut schemas).expect("a JSON Schema");
    schemas.validate(payload, compiled).err().map(|error| format!("{error:#}")).into_iter().collect()
}

/// The built program, without what the surroundings may have set.
pub(crate) fn glimpsed(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_glimpsed"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("GLIMPSED_")) {
        command.env_remove(name);
    }
    command.args(arguments).current_dir(root()).env("NO_COLOR", "1").stdin(Stdio::null());
    // Nothing that a test finds out or fetches stays, and nothing that was there before is found.
    command.env("STATE_DIRECTORY", env!("CARGO_TARGET_TMPDIR").to_owned() + "/no-such-state");
    // Nor is anything held back because this machine is warm.
    command.env("GLIMPSED_BOARD_ROOT", env!("CARGO_TARGET_TMPDIR").to_owned() + "/no-such-board");
    // Many run at once: each serves its page on a port of its own.
    command.env("GLIMPSED_HTTP_LISTEN", "127.0.0.1:0");
    command
}

/// Runs it to the end.
pub(crate) fn run(arguments: &[&str]) -> Ran {
    ran(&mut glimpsed(arguments))
}

/// Runs a command to its end.
pub(crate) fn ran(command: &mut Command) -> Ran {
    let Output { status, stdout, stderr } = command.output().expect("the program starts");
    Ran {
        code: status.code().unwrap_or(-status.signal().unwrap_or(0)),
        stdout: String::from_utf8(stdout).expect("UTF-8"),
        stderr: String::from_utf8(stderr).expect("UTF-8"),
    }
}

#[derive(Debug)]
pub(crate) struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A running program whose lines can be waited for.
pub(crate) struct Running {
    pub child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
    /// How long a line is waited for.
    patience: Duration,
    config: Option<ConfigFile>,
}

impl Running {
    /// `command`'s standard output and standard error become one stream of lines.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let (sender, lines) = mpsc::channel();
        let outputs: [Box<dyn std::io::Read + Send>; 2] =
            [Box::new(child.stdout.take().expect("piped")), Box::new(child.stderr.take().expect("piped"))];
        for output in outputs {
            let sender = sender.clone();
            std::thread::spawn(move || {
                // Not `lines`: a payload may be a picture.
                for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                    if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                        return;
                    }
                }
            });
        }
        Self { child, lines, seen: Vec::new(), patience: PATIENCE, config: None }
    }

    /// The next line that holds `text`.
    pub(crate) fn line_with(&mut self, text: &str) -> String {
        self.find(text, |line| line.contains(text).then(|| line.to_owned()))
    }

    /// The first value that `pick` makes of a line from here on; `what` names it in a failure.
    pub(crate) fn find<T>(&mut self, what: &str, mut pick: impl FnMut(&str) -> Option<T>) -> T {
        let patience = self.patience;
        let deadline = Instant::now() + patience;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let picked = pick(&line);
                    self.seen.push(line);
                    if let Some(picked) = picked {
                        return picked;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    panic!("no {what} within {patience:?}; there was:\n{}", self.seen.join("\n"))
                }
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("no {what} before the end; there was:\n{}", self.seen.join("\n"))
                }
            }
        }
    }

    /// Everything that was printed until the end.
    pub(crate) fn rest(&mut self) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        while let Ok(line) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            self.seen.push(line);
        }
        self.seen.clone()
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("the process is there");
    }

    /// Waits for the end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status;
            }
            assert!(Instant::now() < deadline, "does not end; there was:\n{}", self.seen.join("\n"));
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    /// Asked first, so that it can end what it has started itself.
    fn drop(&mut self) {
        let _ =
            rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), rustix::process::Signal::TERM);
        let deadline = Instant::now() + Duration::from_secs(3);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A real mosquitto on the loopback interface.
pub(crate) struct Broker {
    pub running: Running,
    pub port: u16,
    directory: tempfile::TempDir,
    extra: String,
}

impl Broker {
    pub(crate) fn start() -> Self {
        Self::with("allow_anonymous true")
    }

    /// With further lines of mosquitto's configuration.
    pub(crate) fn with(extra: &str) -> Self {
        let port = free_port();
        let directory = tempfile::tempdir().expect("a temporary directory");
        let running = Self::spawn(port, directory.path(), extra);
        Self { running, port, directory, extra: extra.to_owned() }
    }

    fn spawn(port: u16, directory: &Path, extra: &str) -> Running {
        let file = directory.join("mosquitto.conf");
        std::fs::write(&file, format!("listener {port} 127.0.0.1\npersistence false\n{extra}\n")).expect("writable");
        let program =
            ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"].into_iter().find(|path| Path::new(path).exists());
        let running = Running::start(Command::new(program.unwrap_or("mosquitto")).arg("-c").arg(&file));
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(Instant::now() < deadline, "mosquitto does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        running
    }

    /// Ends it the hard way; what it retained is forgotten.
    pub(crate) fn kill(&mut self) {
        self.running.child.kill().expect("running");
        self.running.child.wait().expect("ended");
    }

    /// Stops it from doing anything, as a machine out of memory would.
    pub(crate) fn freeze(&mut self) {
        self.running.signal(rustix::process::Signal::STOP);
    }

    /// Lets it go on.
    pub(crate) fn thaw(&mut self) {
        self.running.signal(rustix::process::Signal::CONT);
    }

    pub(crate) fn restart(&mut self) {
        self.running = Self::spawn(self.port, self.directory.path(), &self.extra);
    }

    /// The first message on a topic within `patience`.
    pub(crate) fn retained_or_live(&self, topic: &str, patience: Duration) -> Option<Vec<u8>> {
        let (port, seconds) = (self.port.to_string(), patience.as_secs().to_string());
        let mut command = Command::new("mosquitto_sub");
        command.args(["-h", "127.0.0.1", "-p", &port, "-t", topic, "-N", "-C", "1", "-W", &seconds]);
        let output = command.output().expect("mosquitto_sub is installed").stdout;
        (!output.is_empty()).then_some(output)
    }

    /// What is retained on a topic.
    pub(crate) fn retained_payload(&self, topic: &str) -> String {
        let port = self.port.to_string();
        let mut command = Command::new("mosquitto_sub");
        command.args(["-h", "127.0.0.1", "-p", &port, "-t", topic, "--retained-only", "-C", "1", "-W", "5", "-N"]);
        String::from_utf8(command.output().expect("mosquitto_sub is installed").stdout).expect("UTF-8")
    }

    /// What is retained on a topic, once that pleases `wanted`.
    pub(crate) fn retained_json(&self, topic: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let port = self.port.to_string();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut command = Command::new("mosquitto_sub");
            command.args(["-h", "127.0.0.1", "-p", &port, "-t", topic, "--retained-only", "-C", "1", "-W", "1"]);
            let output = command.output().expect("mosquitto_sub is installed").stdout;
            match serde_json::from_slice::<Value>(&output) {
                Ok(value) if wanted(&value) => return value,
                other => assert!(Instant::now() < deadline, "{topic} has {other:?}"),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The topics that have a retained message.
    pub(crate) fn retained(&self, topic: &str) -> Vec<String> {
        let port = self.port.to_string();
        let mut command = Command::new("mosquitto_sub");
        command.args(["-h", "127.0.0.1", "-p", &port, "-t", topic, "--retained-only", "-W", "1", "-F", "%t"]);
        let output = command.output().expect("mosquitto_sub is installed").stdout;
        let mut topics: Vec<String> = String::from_utf8_lossy(&output).lines().map(str::to_owned).collect();
        topics.sort();
        topics
    }

    pub(crate) fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// `mosquitto_sub` on a topic, which may take a moment to be subscribed.
    pub(crate) fn listen(&self, topic: &str) -> Subscriber {
        let port = self.port.to_string();
        let mut command = Command::new("mosquitto_sub");
        command.args(["-h", "127.0.0.1", "-p", &port, "-q", "1", "-F", "%r\t%q\t%t\t%p", "-t", topic]);
        Subscriber { running: Running::start(&mut command) }
    }

    /// `mosquitto_sub`, subscribed to everything below `topic` when this returns.
    pub(crate) fn subscribe(&self, topic: &str, login: &[&str]) -> Subscriber {
        let port = self.port.to_string();
        let broker = [&["-h", "127.0.0.1", "-p", &port], login].concat();
        let sent = Command::new("mosquitto_pub").args(&broker).args(["-r", "-t", "ready", "-m", "yes"]).status();
        assert!(sent.expect("mosquitto_pub is installed").success());
        let mut command = Command::new("mosquitto_sub");
        command.args(&broker).args(["-q", "1", "-F", "%r\t%q\t%t\t%p", "-t", "ready", "-t", topic]);
        let mut running = Running::start(&mut command);
        // The retained message comes back when the subscription stands.
        running.line_with("\tready\t");
        Subscriber { running }
    }
}

pub(crate) struct Subscriber {
    running: Running,
}

/// One message as the subscriber printed it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Received {
    pub retained: bool,
    pub qos: u8,
    pub topic: String,
    pub payload: String,
}

impl Received {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.payload).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Subscriber {
    /// The next message on a topic that ends so.
    pub(crate) fn next(&mut self, topic_end: &str) -> Received {
        self.find(topic_end, |message| message.topic.ends_with(topic_end).then_some(message))
    }

    /// Waits so long for a message, in the place of [`PATIENCE`].
    pub(crate) fn wait_for(&mut self, patience: Duration) {
        self.running.patience = patience;
    }

    /// The first value that `pick` makes of a message from here on.
    pub(crate) fn find<T>(&mut self, what: &str, mut pick: impl FnMut(Received) -> Option<T>) -> T {
        self.running.find(what, |line| {
            let mut parts = line.splitn(4, '\t');
            let (retained, qos) = (parts.next()? == "1", parts.next()?.parse().ok()?);
            pick(Received { retained, qos, topic: parts.next()?.to_owned(), payload: parts.next()?.to_owned() })
        })
    }
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// A configuration in a directory of its own, which goes with it.
pub(crate) struct ConfigFile {
    directory: tempfile::TempDir,
}

impl ConfigFile {
    pub(crate) fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(directory.path().join("glimpsed.toml"), text).expect("writable");
        Self { directory }
    }

    /// The bundled photographs at `fps`, with `rest` behind.
    pub(crate) fn replay(fps: u32, rest: &str) -> Self {
        let photos = photos();
        Self::new(&format!(
            "[device]\nid = \"test\"\n[camera]\nsource = \"replay\"\npath = {photos:?}\nfps = {fps}\n{rest}"
        ))
    }

    pub(crate) fn path(&self) -> String {
        self.directory.path().join("glimpsed.toml").to_str().expect("UTF-8").to_owned()
    }

    /// What keeps the directory when the daemon does not.
    pub(crate) fn keep(self) -> (String, tempfile::TempDir) {
        (self.path(), self.directory)
    }

    /// The daemon with this configuration, which stays as long as the daemon.
    pub(crate) fn daemon(self) -> Running {
        let mut running = Running::start(&mut glimpsed(&["run", "-c", &self.path()]));
        running.config = Some(self);
        running
    }
}
