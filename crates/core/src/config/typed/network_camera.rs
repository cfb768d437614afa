//! The keys of cameras in the network: the `http` and `rtsp` sources.

use hyper::Uri;

use super::super::diagnostics::Absent;
use super::super::document::Origin;
use super::super::raw::{RawCamera, SourceKind, TransportChoice};
use super::camera::find_program;
use super::checker::{At, Checker};
use super::configuration::{CameraSource, HttpTarget, Login, RtspTarget};
use super::url::{HOLDS_LOGIN, Wrong, address};
use glimpsed_base::files::resolve;
use glimpsed_base::leaving;
use glimpsed_base::secret::Secret;
use glimpsed_mqtt::tls::{Files, Problem as TlsProblem, Tls};

impl Checker<'_, '_> {
    /// Reports keys of network cameras that another source does not read, and of V4L2 that no camera elsewhere reads. A replay takes a
    /// camera's place for a while, so the camera's keys may stay.
    pub(super) fn network_keys(&mut self, at: &At<'_>, camera: &RawCamera) {
        let source = camera.source;
        let is_network = matches!(source, SourceKind::Http | SourceKind::Rtsp);
        let reads_v4l2 = matches!(source, SourceKind::V4l2 | SourceKind::Replay);
        let device: Vec<String> = at.key("device").into_iter().map(str::to_owned).collect();
        let has_device = !matches!(self.document.origin(&device), Origin::Default);
        let set = [
            ("url", camera.url.is_some() && !is_network),
            ("username", camera.username.is_some() && !is_network),
            ("password_file", camera.password_file.is_some() && !is_network),
            ("ca", camera.ca.is_some() && source != SourceKind::Http),
            ("device", has_device && !reads_v4l2),
            ("controls", !camera.controls.is_empty() && !reads_v4l2),
            ("transport", camera.transport != TransportChoice::Tcp && source != SourceKind::Rtsp),
            ("decoder", camera.decoder.is_some() && source != SourceKind::Rtsp),
        ];
        for (key, _) in set.into_iter().filter(|(_, useless)| *useless) {
            let whose = match key {
                "ca" => "`source = \"http\"`",
                "device" | "controls" => "`source = \"v4l2\"`",
                "transport" | "decoder" => "`source = \"rtsp\"`",
                _ => "`source = \"http\"` or `source = \"rtsp\"`",
            };
            let hint = format!("it is for {whose}");
            self.complain(&at.key(key), "has no effect", "another `source` is set", Some(hint));
        }
    }

    pub(super) fn http_source(&mut self, at: &At<'_>, camera: &RawCamera) -> CameraSource {
        let address = self.address(at, camera, &["http", "https"], "http://10.0.0.7:8080/?action=stream");
        let tls = (address.scheme_str() == Some("https")).then(|| self.camera_tls(at, camera)).flatten();
        if address.scheme_str() == Some("http") && camera.ca.is_some() {
            let hint = "write `url` with https:// to use TLS, or remove `ca`".to_owned();
            self.complain(&at.key("ca"), "has no effect", "`url` is without TLS", Some(hint));
        }
        let login = self.camera_login(at, camera);
        CameraSource::Http { target: HttpTarget { address, login, tls }, fps: camera.fps }
    }

    pub(super) fn rtsp_source(&mut self, at: &At<'_>, camera: &RawCamera) -> CameraSource {
        let address = self.address(at, camera, &["rtsp", "rtsps"], "rtsp://10.0.0.7/stream2");
        let ffmpeg = find_program("ffmpeg", self.base).unwrap_or_else(|| {
            let hint = "`apt install ffmpeg` installs it".to_owned();
            self.absent(Absent::Camera, &at.key("source"), "needs ffmpeg", "found no program `ffmpeg`", Some(hint));
            "ffmpeg".into()
        });
        let login = self.camera_login(at, camera);
        let (size, transport, fps) = ((camera.width, camera.height), camera.transport, camera.fps);
        let decoder = self.decoder(at, camera);
        CameraSource::Rtsp(RtspTarget { ffmpeg, address, login, transport, size, fps, decoder })
    }

    /// The name of a decoder: it becomes an argument of ffmpeg.
    fn decoder(&mut self, at: &At<'_>, camera: &RawCamera) -> Option<String> {
        let name = camera.decoder.clone()?;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if (1..=64).contains(&name.len()) && !name.starts_with('-') && name.bytes().all(is_name) {
            return Some(name);
        }
        let found = format!("found {name:?}");
        let hint = "the name of a video decoder that `ffmpeg -decoders` lists, for example \"h264_v4l2m2m\"".to_owned();
        self.complain(&at.key("decoder"), "is no decoder's name", found, Some(hint));
        None
    }

    /// `url`, if it has one of these schemes and no login.
    fn address(&mut self, at: &At<'_>, camera: &RawCamera, schemes: &[&str], example: &str) -> Uri {
        let source = schemes[0];
        let Some(url) = &camera.url else {
            let what = format!("is needed for source = \"{source}\"");
            self.complain(&at.key("url"), &what, "found no address", Some(format!("for example {example}")));
            return Uri::default();
        };
        leaving::remember_secrets_in(url);
        let found = format!("found `{url}`");
        let wrong = match address(url, example) {
            Ok(address) if address.scheme_str().is_some_and(|scheme| schemes.contains(&scheme)) => return address,
            Ok(address) => {
                let hint = match address.scheme_str() {
                    Some("http" | "https") => "set `source = \"http\"`".to_owned(),
                    Some("rtsp" | "rtsps") => "set `source = \"rtsp\"`".to_owned(),
                    _ => format!("for example {example}"),
                };
                Wrong { what: format!("is no address for source = \"{source}\""), hint }
            }
            Err(Wrong { what, .. }) if what == HOLDS_LOGIN => {
                let hint =
                    "write the user name into `username`, and the password into a file that `password_file` names";
                Wrong { what, hint: hint.into() }
            }
            Err(wrong) => wrong,
        };
        self.complain(&at.key("url"), &wrong.what, found, Some(wrong.hint));
        Uri::default()
    }

    fn camera_login(&mut self, at: &At<'_>, camera: &RawCamera) -> Option<Login> {
        let username = camera.username.clone();
        let name = username.as_deref().unwrap_or_default();
        self.not_longer(&at.key("username"), name, 256);
        self.printable(&at.key("username"), name);
        let password = self.password(Absent::Camera, at, camera.password_file.as_deref(), camera.username.as_deref());
        // Many cameras have a user without a password.
        username.map(|username| Login { username, password: password.unwrap_or_else(|| Secret::new("")) })
    }

    fn camera_tls(&mut self, at: &At<'_>, camera: &RawCamera) -> Option<Tls> {
        let ca = camera.ca.as_ref().map(|file| resolve(self.base, file));
        match Tls::load(&Files { ca: ca.as_deref(), cert: None, key: None }, None) {
            Ok(tls) => Some(tls),
            Err(TlsProblem { cause, hint, .. }) => {
                self.absent(Absent::Camera, &at.key("ca"), "cannot be used", cause, hint);
                None
            }
        }
    }
}
