//! `glimpsed cameras`

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::files::OptionalConfigFile;
use super::streams::Streams;
use super::table;
use glimpsed_core::capture::discover::{CameraInfo, cameras};
use glimpsed_core::capture::opener;
use glimpsed_core::capture::source::{CaptureError, Opener, Read, Source};
use glimpsed_core::config::Config;
use glimpsed_core::config::raw::RawCamera;
use glimpsed_core::config::typed::{Camera, CameraSource};
use glimpsed_core::domain::frame::{Encoding, Frame};
use glimpsed_core::error::{Error, Result};
use glimpsed_core::preprocess::decode::decode;
use glimpsed_core::preprocess::picture::RgbImage;

/// Longest time for which the rate is measured.
const MEASURED_FOR: Duration = Duration::from_secs(10);

/// Frames that the rate is measured over.
const FRAMES: u32 = 10;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Cameras with their stable names, formats, sizes and frame rates
    List(List),
    /// Grab some frames as the daemon would, and time them
    Probe(Probe),
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Probe {
    /// A V4L2 device [default: the configuration's camera, whatever its source]
    #[arg(value_name = "DEVICE")]
    device: Option<PathBuf>,
    /// One of the configuration's cameras, by its name [default: the first]
    #[arg(long, value_name = "NAME", conflicts_with = "device")]
    camera: Option<String>,
    #[command(flatten)]
    file: OptionalConfigFile,
    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &Command, streams: &mut Streams) -> Result<()> {
    match command {
        Command::List(list) => run_list(list, streams),
        Command::Probe(probe) => run_probe(probe, streams),
    }
}

fn run_list(list: &List, streams: &mut Streams) -> Result<()> {
    let cameras = cameras();
    if list.json {
        return streams.print_json(&cameras);
    }
    if cameras.is_empty() {
        return streams.print(
            "no V4L2 camera found\n\
             A USB camera should be here; a camera on the ribbon cable is read through a command (`source = \"command\"`).\n",
        );
    }
    let texts: Vec<String> = cameras.iter().map(describe).collect();
    streams.print(&texts.join("\n"))
}

fn describe(camera: &CameraInfo) -> String {
    let mut text = format!("{}  {}\n", camera.device.display(), camera.name);
    for name in &camera.stable_names {
        text.push_str(&format!("  {}\n", name.display()));
    }
    for format in &camera.formats {
        text.push_str(&format!("  {} ({})\n", format.fourcc, format.description));
        for size in &format.sizes {
            text.push_str(&format!("    {size}\n"));
        }
    }
    if let Some(problem) = &camera.problem {
        text.push_str(&format!("  {problem}\n"));
    }
    text
}

fn run_probe(probe: &Probe, streams: &mut Streams) -> Result<()> {
    let config = probe.file.sources()?.load()?;
    let mut camera = chosen(&config, probe.camera.as_deref())?.clone();
    if let Some(asked) = &probe.device {
        match &mut camera.source {
            CameraSource::V4l2 { device, .. } => device.clone_from(asked),
            other => {
                let RawCamera { width, height, fps, format, controls, .. } = RawCamera::default();
                *other = CameraSource::V4l2 { device: asked.clone(), width, height, fps, format, controls };
            }
        }
    }
    // As in the daemon, `auto` finds none that another camera's table names.
    let others = config.cameras.iter().filter(|other| probe.device.is_none() && other.name != camera.name);
    let _named: Vec<_> = others.map(opener).collect();
    let report = grab(&camera, &mut *opener(&camera))?.report;
    match probe.json {
        true => streams.print_json(&report),
        false => streams.print(&format!("{}{}", report_text(&report), controls_text(&report))),
    }
}

fn chosen<'a>(config: &'a Config, name: Option<&str>) -> Result<&'a Camera> {
    let Some(name) = name else { return Ok(&config.cameras[0]) };
    config.cameras.iter().find(|camera| camera.name.as_str() == name).ok_or_else(|| {
        let known: Vec<&str> = config.cameras.iter().map(|camera| camera.name.as_str()).collect();
        Error::Failed(format!("there is no camera `{name}`; there is {}", known.join(", ")))
    })
}

/// What came from a camera.
pub(super) struct Grabbed {
    pub(super) report: Value,
    /// The newest frame.
    pub(super) frame: Frame,
    /// Still open.
    pub(super) source: Box<dyn Source>,
}

/// Opens the camera as the daemon would, decodes its first frame and times some more.
pub(super) fn grab(camera: &Camera, opener: &mut dyn Opener) -> Result<Grabbed> {
    let name = opener.describe();
    let start = Instant::now();
    let mut source = opener.open()?;
    let opened = start.elapsed();

    let mut bytes = Vec::new();
    let (mut picture, mut first, mut corrupt, mut damage) = (RgbImage::default(), None, 0, None);
    let (mut frames, mut frame) = (0, Frame::from_bytes(Encoding::Jpeg, Vec::new()));
    let patience = camera.start_timeout.max(camera.frame_timeout);
    let mut deadline = start + patience;
    while frames < FRAMES {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() && frames == 0 {
            if let Some(cause) = damage {
                return Err(CaptureError::Corrupt { run: corrupt, cause }.into());
            }
            let after = patience;
            return Err(source.instead().unwrap_or(CaptureError::Stalled { after }).into());
        }
        match source.read(&mut bytes, left) {
            Ok(Read::Frame(captured)) => {
                frames += 1;
                frame = Frame::from_bytes(captured.encoding, bytes.clone());
                if first.is_none() {
                    first = Some(start.elapsed());
                    deadline = Instant::now() + MEASURED_FOR;
                    decode(captured.encoding, &bytes, &mut picture)
                        .map_err(|error| Error::Failed(format!("{name}: its frame {error}")))?;
                }
            }
            Ok(Read::Corrupt(cause)) => {
                corrupt += 1;
                damage = Some(cause);
            }
            Ok(Read::Nothing) if left.is_zero() => break,
            Ok(Read::Nothing) => {}
            Err(CaptureError::Ended) if frames > 0 => break,
            Err(error) => return Err(error.into()),
        }
    }
    let first = first.unwrap_or_default();
    let seconds = (start.elapsed() - first).as_secs_f64();
    let rate = (frames > 1).then(|| f64::from(frames - 1) / seconds);
    let report = json!({
        "source": name,
        "width": picture.width,
        "height": picture.height,
        "opened_ms": milliseconds(opened),
        "first_frame_ms": milliseconds(first),
        "frames": frames,
        "corrupt": corrupt,
        "fps": rate,
        "hint": source.hint(),
        "controls": source.controls(),
    });
    Ok(Grabbed { report, frame, source })
}

pub(super) fn report_text(report: &Value) -> String {
    let rate = report["fps"].as_f64().map_or(String::new(), |fps| format!(", then {fps:.1} a second"));
    let corrupt = report["corrupt"].as_u64().filter(|&count| count > 0);
    format!(
        "{}: {}x{}, open after {:.0} ms, first frame after {:.0} ms{rate}{}\n",
        report["source"].as_str().unwrap_or_default(),
        report["width"],
        report["height"],
        report["opened_ms"].as_f64().unwrap_or_default(),
        report["first_frame_ms"].as_f64().unwrap_or_default(),
        corrupt.map_or(String::new(), |count| format!("; {count} damaged frames"))
            + &report["hint"].as_str().map_or(String::new(), |hint| format!("; {hint}")),
    )
}

/// The controls, which `[camera.controls]` can set.
fn controls_text(report: &Value) -> String {
    let mut rows = Vec::new();
    for control in report["controls"].as_array().into_iter().flatten() {
        let items = control["items"].as_array().into_iter().flatten();
        let items: Vec<String> =
            items.map(|item| format!("{}: {}", item[0], item[1].as_str().unwrap_or_default())).collect();
        let range = match items.as_slice() {
            [] => format!("{} to {} in steps of {}", control["minimum"], control["maximum"], control["step"]),
            items => items.join(", "),
        };
        let name = control["name"].as_str().unwrap_or_default().to_owned();
        let value = control["value"].as_i64().map_or("?".into(), |value| value.to_string());
        rows.push(vec![name, value, format!("{range}; default {}", control["default"])]);
    }
    if rows.is_empty() { String::new() } else { format!("controls:\n{}", table::render(&rows)) }
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}
