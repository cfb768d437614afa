//! A frame of each camera, or why there is none.

use super::finding::{Finding, Verdict};
use super::scene;
use crate::cli::cameras::{Grabbed, grab, report_text};
use glimpsed_core::capture::discover::cameras;
use glimpsed_core::capture::source::{Opener, Source};
use glimpsed_core::config::typed::{Camera, CameraSource, Config};

/// What each camera gives, in their order. As in a start, all openers are there before a camera is opened, and those whose device is named
/// come first: so `auto` finds what the daemon would find.
pub(super) fn findings(config: &Config, opener: impl Fn(&Camera) -> Box<dyn Opener>) -> Vec<Finding> {
    let mut cameras: Vec<_> = config.cameras.iter().map(|camera| (camera, opener(camera))).enumerate().collect();
    cameras.sort_by_key(|(_, (camera, _))| camera.is_to_be_found());
    // What one `auto` has found is no other's, for as long as it is open.
    let mut found = Vec::new();
    let mut findings: Vec<(usize, Vec<Finding>)> = Vec::new();
    for (index, (camera, opener)) in &mut cameras {
        let (of_camera, source) = examine(config, camera, &mut **opener);
        found.extend(source.filter(|_| camera.is_to_be_found()));
        findings.push((*index, of_camera));
    }
    findings.sort_by_key(|(index, _)| *index);
    findings.into_iter().flat_map(|(_, findings)| findings).collect()
}

/// A frame, decoded, and whether it looks like what was taught; or why there is none, and what cameras there are instead.
fn examine(config: &Config, camera: &Camera, opener: &mut dyn Opener) -> (Vec<Finding>, Option<Box<dyn Source>>) {
    let (verdict, says, scene, source) = match grab(camera, opener) {
        Ok(Grabbed { report, frame, source }) => {
            let says = format!("{}{}", report_text(&report).trim_end(), formats(camera));
            (Verdict::Ok, says, scene::findings(config, camera, &frame), Some(source))
        }
        Err(error) => {
            let verdict = if error.exit_code() == 69 { Verdict::Unreachable } else { Verdict::Failed };
            (verdict, format!("{error}{}", alternatives(camera)), Vec::new(), None)
        }
    };
    let says = camera.name.given().map_or(says.clone(), |name| format!("{name}: {says}"));
    ([Finding { subject: "camera", verdict, says }].into_iter().chain(scene).collect(), source)
}

fn formats(camera: &Camera) -> String {
    let CameraSource::V4l2 { device, .. } = &camera.source else { return String::new() };
    let Ok(device) = device.canonicalize() else { return String::new() };
    match cameras().into_iter().find(|known| known.device == device) {
        Some(known) => {
            let formats: Vec<String> = known.formats.into_iter().map(|format| format.fourcc).collect();
            format!("; offers {}", formats.join(", "))
        }
        None => String::new(),
    }
}

fn alternatives(camera: &Camera) -> String {
    let CameraSource::V4l2 { device, .. } = &camera.source else { return String::new() };
    if device.exists() {
        return String::new();
    }
    let known: Vec<String> =
        cameras().into_iter().map(|camera| format!("{} ({})", camera.device.display(), camera.name)).collect();
    match known.as_slice() {
        [] => "; there is no other V4L2 camera, and one on the ribbon cable needs `source = \"command\"`".into(),
        known => format!("; there is {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use glimpsed_base::sync::Mutex;
    use glimpsed_core::capture::source::{CaptureError, Captured, Read};
    use glimpsed_core::config::Sources;
    use glimpsed_core::domain::frame::Encoding;

    type Taken = Arc<Mutex<Vec<String>>>;

    /// A device that is nobody else's until this is dropped.
    struct Claim(String, Taken);

    impl Drop for Claim {
        fn drop(&mut self) {
            self.1.lock().retain(|taken| *taken != self.0);
        }
    }

    /// Plays a camera of a machine that has two.
    struct Played {
        device: String,
        claim: Option<Claim>,
        taken: Taken,
    }

    impl Played {
        fn new(camera: &Camera, taken: &Taken) -> Self {
            let device = camera.source.device().map_or("auto".into(), |device| device.display().to_string());
            let mut played = Self { device: device.clone(), claim: None, taken: taken.clone() };
            played.claim = if device == "auto" { None } else { played.take(&device) };
            played
        }

        fn take(&self, device: &str) -> Option<Claim> {
            let mut taken = self.taken.lock();
            let is_free = !taken.iter().any(|other| other == device);
            is_free.then(|| {
                taken.push(device.to_owned());
                Claim(device.to_owned(), self.taken.clone())
            })
        }
    }

    impl Opener for Played {
        fn open(&mut self) -> Result<Box<dyn Source>, CaptureError> {
            let found = ["/dev/video-a", "/dev/video-b"].into_iter().find_map(|device| self.take(device));
            match self.device == "auto" {
                true if found.is_none() => {
                    Err(CaptureError::Open { source_name: "auto".into(), cause: "none is left".into() })
                }
                true => Ok(Box::new(Photo(found))),
                false => Ok(Box::new(Photo(None))),
            }
        }

        fn describe(&self) -> String {
            self.device.clone()
        }

        fn callee(&self) -> &'static str {
            "a test"
        }
    }

    /// Gives the same photograph again and again.
    struct Photo(#[expect(dead_code, reason = "held")] Option<Claim>);

    impl Source for Photo {
        fn read(&mut self, bytes: &mut Vec<u8>, _: Duration) -> Result<Read, CaptureError> {
            *bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/models/photos/rocket.jpg")).expect("bundled");
            Ok(Read::Frame(Captured::new(Encoding::Jpeg)))
        }
    }

    #[test]
    fn a_camera_that_is_to_be_found_is_none_that_another_has() {
        let text = "[cameras.first]\ndevice = \"auto\"\n[cameras.named]\ndevice = \"/dev/video-a\"\n\
                    [cameras.second]\ndevice = \"auto\"\n";
        let config = Sources::alone("glimpsed.toml", text).load().expect("valid");
        let taken = Taken::default();
        let findings = findings(&config, |camera| Box::new(Played::new(camera, &taken)));
        let said: Vec<(&str, bool)> = findings
            .iter()
            .map(|finding| (finding.says.split(':').next().unwrap_or_default(), finding.verdict == Verdict::Ok))
            .collect();
        assert_eq!(said, [("first", true), ("named", true), ("second", false)]);
        assert!(taken.lock().is_empty(), "all are closed");
    }
}
