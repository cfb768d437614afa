//! Teaching through the built program: with pictures that are made here, and with labelled ones where they are.

mod exchange;
mod keep;
mod learn;
mod live;
mod sharing;

use std::path::{Path, PathBuf};

use fastrand::Rng;
use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};
use serde_json::Value;

use crate::support::{ConfigFile, Ran, glimpsed, ran};

/// What a made picture shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scene {
    /// Bright upright bars.
    Bars,
    /// Dark rings.
    Rings,
    /// Neither: a coloured slope.
    Slope,
}

/// A scene at a place and in colours of its own, with noise.
pub(crate) fn scene(scene: Scene, seed: u64) -> RgbImage {
    let mut random = Rng::with_seed(seed * 3 + scene as u64);
    let (shift, size) = (random.f32() * 40.0, 14.0 + random.f32() * 8.0);
    let tint = [random.f32(), random.f32(), random.f32()].map(|share| 0.6 + 0.4 * share);
    RgbImage::from_fn(192, 144, |x, y| {
        let (x, y) = (x as f32, y as f32);
        let light = match scene {
            Scene::Bars if (((x + shift) / size) as u32).is_multiple_of(2) => 230.0,
            Scene::Bars => 120.0,
            Scene::Rings if (((x - 96.0 - shift).hypot(y - 72.0) / size) as u32).is_multiple_of(2) => 90.0,
            Scene::Rings => 15.0,
            Scene::Slope => (x + y) * 0.7,
        };
        Rgb(tint.map(|share| (light * share + random.f32() * 20.0) as u8))
    })
}

pub(crate) fn jpeg(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 85).encode_image(picture).expect("a JPEG");
    bytes
}

/// A folder with a folder for each label, and so many pictures of its scene in each.
fn dataset(labels: &[(&str, Scene)], each: u64) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    for (label, kind) in labels {
        let folder = directory.path().join(label);
        std::fs::create_dir(&folder).expect("a folder");
        for seed in 0..each {
            let path = folder.join(format!("{seed:02}.jpg"));
            std::fs::write(path, jpeg(&scene(*kind, seed))).expect("writable");
        }
    }
    directory
}

/// A configuration with a directory of its own for what is taught.
struct Place {
    directory: tempfile::TempDir,
    config: ConfigFile,
}

impl Place {
    fn new(rest: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let text = format!("[teach]\ndirectory = {:?}\n{rest}", directory.path());
        Self { config: ConfigFile::new(&text), directory }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs `glimpsed` with this configuration.
    fn run(&self, arguments: &[&str]) -> Ran {
        ran(glimpsed(arguments).args(["-c", &self.config.path()]))
    }

    /// The same, which must succeed, with its answer.
    fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.json()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// The pictures of a label that are kept.
fn kept(place: &Place, label: &str) -> Vec<PathBuf> {
    let folder = place.file("main").join(label);
    if folder.is_dir() { glimpsed_base::files::pictures_in(&folder).expect("listed") } else { Vec::new() }
}
