//! `glimpsed demo`: the daemon, a private broker, an independent subscriber that prints the messages, and the page.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::Value;

use super::streams::Streams;
use crate::app::{App, Lifetime, Prepared};
use crate::control::loader::Loader;
use glimpsed_core::config::Sources;
use glimpsed_core::error::{Error, Result};
use glimpsed_core::models::catalog;
use glimpsed_core::telemetry::logging;

/// For the broker to listen, for the subscriber to be subscribed, and for its last line to be shown.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Label each photograph once, then end
    #[arg(long)]
    once: bool,
    /// Photographs a second
    #[arg(long, default_value_t = 1.0, value_name = "N", value_parser = parse_fps)]
    fps: f64,
    /// The model
    #[arg(short, long, value_name = "NAME", default_value = "efficientnet-lite0")]
    model: String,
    /// A directory of photographs [default: the bundled ones]
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Show the messages as they are
    #[arg(long)]
    raw: bool,
}

pub(super) fn run(options: &Options, streams: &mut Streams) -> Result<()> {
    let images = match &options.images {
        Some(images) => images.canonicalize().map_err(Error::io(images.display().to_string()))?,
        None => catalog::photographs(),
    };
    // From here on Ctrl-C is handled, so that the broker is stopped, too.
    let mut lifetime = Lifetime::begin()?;
    let loader = Loader::start()?;
    let broker = Broker::start()?;
    let page = free_port()?;
    let text = configuration(options, &images, broker.port, page);
    let sources = Sources::alone("(demo)", text);
    let config = sources.load()?;
    logging::init(config.log);
    let prepared = match lifetime.unless_stopped(&loader, move || Prepared::load(sources, config)) {
        Ok(Some(prepared)) => prepared?,
        Ok(None) => return Ok(()),
        Err(panicked) => return Err(Error::failed(panicked)),
    };
    let app = App::new(prepared, loader, lifetime.clock(), Box::new(std::io::sink()));
    streams.print(&format!(
        "Labelling the photographs in {} with {}.\nThe page is at http://127.0.0.1:{page}/\nBelow is what mosquitto_sub receives from a broker on port {}; Ctrl-C ends it.\n\n",
        images.display(),
        options.model,
        broker.port,
    ))?;
    let out = std::mem::replace(&mut streams.out, Box::new(std::io::sink()));
    let subscriber = Subscriber::start(broker.port, options.raw, out)?;
    app.run(lifetime)?;
    subscriber.finish();
    Ok(())
}

fn parse_fps(text: &str) -> std::result::Result<f64, String> {
    match text.parse() {
        Ok(fps) if (0.1..=1000.0).contains(&fps) => Ok(fps),
        _ => Err("must be a number from 0.1 to 1000".into()),
    }
}

/// TOML strings hold what JSON strings hold, so JSON's quoting serves.
fn configuration(options: &Options, images: &Path, port: u16, page: u16) -> String {
    let quote = |text: &str| Value::from(text).to_string();
    format!(
        "[device]\nid = \"demo\"\n\
         [camera]\nsource = \"replay\"\npath = {}\nfps = {:?}\nloop = {}\n\
         [model]\nactive = {}\n\
         [labels]\nsmoothing = \"none\"\nconsecutive = 1\n\
         [mqtt]\nurl = \"mqtt://127.0.0.1:{port}\"\nclassification_interval = \"0s\"\n\
         [http]\nlisten = \"127.0.0.1:{page}\"\n\
         [log]\nlevel = \"warn\"\n",
        quote(&images.to_string_lossy()),
        options.fps,
        !options.once,
        quote(&options.model),
    )
}

/// A mosquitto of our own on a free port of the loopback interface.
struct Broker {
    child: Child,
    port: u16,
    _directory: tempfile::TempDir,
}

impl Broker {
    fn start() -> Result<Self> {
        let program = find_program("mosquitto")?;
        let directory = tempfile::tempdir().map_err(Error::io("cannot make a temporary directory"))?;
        let port = free_port()?;
        let file = directory.path().join("mosquitto.conf");
        let text = format!("listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_type error\n");
        std::fs::write(&file, text).map_err(Error::io(file.display().to_string()))?;
        let child = attended(&program, &["-c", &file.to_string_lossy()])
            .stdout(Stdio::null())
            .spawn()
            .map_err(Error::io(program.display().to_string()))?;
        let mut broker = Self { child, port, _directory: directory };
        broker.wait_until_it_listens()?;
        Ok(broker)
    }

    fn wait_until_it_listens(&mut self) -> Result<()> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect_timeout(&address, PATIENCE).is_err() {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(Error::Unreachable(format!("mosquitto ended at once ({status})")));
            }
            if Instant::now() > deadline {
                return Err(Error::Unreachable(format!("mosquitto does not listen on port {}", self.port)));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// `mosquitto_sub`, which knows nothing of us, and a thread that shows its lines.
struct Subscriber {
    child: Child,
    saw_offline: mpsc::Receiver<()>,
}

impl Subscriber {
    fn start(port: u16, raw: bool, mut out: Box<dyn Write + Send>) -> Result<Self> {
        let (subscribe, publish) = (find_program("mosquitto_sub")?, find_program("mosquitto_pub")?);
        let port = port.to_string();
        let broker = ["-h", "127.0.0.1", "-p", &port];
        // The retained message is delivered once the subscription is active, so that no label is missed.
        let ready = "glimpsed/demo/ready";
        let sent = Command::new(&publish).args(broker).args(["-r", "-t", ready, "-m", "yes"]).status();
        let sent = sent.map_err(Error::io(publish.display().to_string()))?;
        if !sent.success() {
            return Err(Error::Unreachable(format!("mosquitto_pub failed ({sent})")));
        }
        let arguments = [&broker[..], &["-q", "1", "-t", "glimpsed/#", "-F", "%t\t%p"]].concat();
        let mut child = attended(&subscribe, &arguments)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(Error::io(subscribe.display().to_string()))?;
        let stdout = child.stdout.take().ok_or_else(|| Error::Failed("mosquitto_sub has no output".into()))?;
        let (tell_subscribed, subscribed) = mpsc::channel();
        let (tell_offline, saw_offline) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(std::result::Result::ok) {
                let (topic, payload) = line.split_once('\t').unwrap_or((&line, ""));
                if topic == ready {
                    let _ = tell_subscribed.send(());
                    continue;
                }
                let shown = if raw { payload.to_owned() } else { summarise(payload) };
                let _ = writeln!(out, "{topic:<30} {shown}").and_then(|()| out.flush());
                if topic == "glimpsed/demo/status" && payload == "offline" {
                    let _ = tell_offline.send(());
                }
            }
        });
        let subscriber = Self { child, saw_offline };
        subscribed.recv_timeout(PATIENCE).map_err(|_| Error::Unreachable("mosquitto_sub did not subscribe".into()))?;
        Ok(subscriber)
    }

    /// Lets the last message be shown.
    fn finish(self) {
        let _ = self.saw_offline.recv_timeout(PATIENCE);
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// What matters of a payload, on one line.
fn summarise(payload: &str) -> String {
    let Ok(Value::Object(object)) = serde_json::from_str(payload) else { return payload.to_owned() };
    if let Some(since) = object.get("since").and_then(Value::as_str) {
        let label = object["label"].as_str().unwrap_or("unknown");
        return format!("{label}, since {since}");
    }
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    if object.contains_key("event_type") {
        return format!("{} -> {}", text("previous").unwrap_or("nothing"), text("label").unwrap_or("unknown"));
    }
    if let (Some(fps), Some(bytes)) = (object.get("fps"), object.get("rss_bytes").and_then(Value::as_u64)) {
        return format!("{fps} frames a second, {} MB", bytes / 1_000_000);
    }
    if let (Some(date), Some(times)) = (text("date"), object.get("times").and_then(Value::as_u64)) {
        return format!("{date}: {times} labels, now {}", text("now").unwrap_or("unknown"));
    }
    let Some(top) = object.get("top").and_then(Value::as_array) else {
        return match (text("version"), text("board")) {
            (Some(version), Some(board)) => format!("glimpsed {version} on {board}, {} bytes of JSON", payload.len()),
            _ => format!("{} bytes of JSON", payload.len()),
        };
    };
    let labels: Vec<String> = top
        .iter()
        .map(|one| {
            format!(
                "{} {:.1} %",
                one["label"].as_str().unwrap_or("?"),
                100.0 * one["confidence"].as_f64().unwrap_or(0.0)
            )
        })
        .collect();
    let source = object.get("source").and_then(Value::as_str).unwrap_or_default();
    format!("{source}: {}", labels.join(", "))
}

/// A program that Ctrl-C does not reach (it is for us), and that ends when we do, however we end: the shell in between kills
/// it when its standard input, which we hold, is closed.
fn attended(program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    let script = "exec 3<&0; \"$@\" </dev/null & child=$!; { read -r _ <&3; kill $child; } & wait $child";
    command.args(["-c", script, "demo"]).arg(program).args(arguments);
    command.stdin(Stdio::piped()).process_group(0);
    command
}

fn end(child: &mut Child) {
    drop(child.stdin.take());
    let _ = child.wait();
}

/// Debian keeps servers in /usr/sbin, which is not on everyone's PATH.
fn find_program(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = directories.map(|directory| directory.join(name)).find(|candidate| candidate.is_file());
    found.ok_or_else(|| {
        Error::Unreachable(format!(
            "the demo needs `{name}`, which is not installed; on Debian: apt install mosquitto mosquitto-clients"
        ))
    })
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::io("no free port"))?;
    Ok(listener.local_addr().map_err(Error::io("no free port"))?.port())
}
