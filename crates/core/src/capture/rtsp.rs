//! An IP camera over RTSP, decoded by ffmpeg.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::command::{CommandOpener, Program};
use super::source::{CaptureError, Opener, Read, Source};
use crate::config::raw::TransportChoice;
use crate::config::typed::RtspTarget;
use glimpsed_base::leaving;
use glimpsed_base::secret::Secret;

/// Below this rate only key frames are decoded: the rest would be decoded to be dropped. Cameras send one each one to ten
/// seconds.
const KEY_FRAMES_BELOW_FPS: f64 = 0.2;

/// What ffmpeg may open for the list on its standard input: nothing but the stream.
const PROTOCOLS: &str = "pipe,rtsp,rtsps,rtp,srtp,udp,tcp,tls,crypto";

/// Failures of the chosen decoder after which it is not tried again. A camera that came up between two attempts makes one.
const MAX_FAILURES: u8 = 2;

/// An opener of the stream.
pub(super) fn opener(target: &RtspTarget) -> Box<dyn Opener> {
    let own = program(target, None);
    match &target.decoder {
        None => Box::new(own),
        Some(decoder) => Box::new(WithDecoder {
            chosen: program(target, Some(decoder)),
            own,
            decoder: decoder.clone(),
            turns: Turns::default(),
            gave: None,
        }),
    }
}

/// The address goes to ffmpeg's standard input, so that nobody sees the password in a list of processes.
fn program(target: &RtspTarget, decoder: Option<&str>) -> CommandOpener {
    CommandOpener::new(Program {
        argv: argv(target, decoder),
        input: Some(Secret::new(playlist(target))),
        name: leaving::short_line(&target.address.to_string(), 120).into_owned(),
        role: "the ffmpeg that reads the camera",
    })
}

/// Opens the stream with the chosen decoder, a board's hardware mostly; where that gives no picture, with ffmpeg's own.
struct WithDecoder {
    chosen: CommandOpener,
    own: CommandOpener,
    decoder: String,
    turns: Turns,
    /// Whether the last attempt gave a picture.
    gave: Option<Arc<AtomicBool>>,
}

impl Opener for WithDecoder {
    fn open(&mut self) -> Result<Box<dyn Source>, CaptureError> {
        if let Some(gave) = self.gave.take() {
            let before = self.turns;
            self.turns.end(gave.load(Ordering::Relaxed));
            if before.turn == Turn::Chosen && self.turns.turn == Turn::Own {
                tracing::warn!(source = %self.describe(), decoder = self.decoder, "the decoder gave no picture; ffmpeg's own is tried");
            } else if self.turns.failures == MAX_FAILURES && before.failures < MAX_FAILURES {
                tracing::warn!(
                    source = %self.describe(),
                    decoder = self.decoder,
                    "ffmpeg's own decoder is used from now on: the one of `decoder` gave no picture where that did"
                );
            }
        }
        let opener = match self.turns.turn {
            Turn::Chosen => &mut self.chosen,
            Turn::Own => &mut self.own,
        };
        let gave = self.gave.insert(Arc::default());
        Ok(Box::new(Noting { source: opener.open()?, gave: gave.clone() }))
    }

    fn describe(&self) -> String {
        self.own.describe()
    }

    fn callee(&self) -> &'static str {
        self.own.callee()
    }
}

/// Notes that a picture came.
struct Noting {
    source: Box<dyn Source>,
    gave: Arc<AtomicBool>,
}

impl Source for Noting {
    fn read(&mut self, bytes: &mut Vec<u8>, patience: Duration) -> Result<Read, CaptureError> {
        let read = self.source.read(bytes, patience)?;
        if matches!(read, Read::Frame(_)) {
            self.gave.store(true, Ordering::Relaxed);
        }
        Ok(read)
    }

    fn instead(&self) -> Option<CaptureError> {
        self.source.instead()
    }
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Turn {
    #[default]
    Chosen,
    Own,
}

/// Which decoder the next attempt is made with.
#[derive(Debug, Default, Clone, Copy)]
struct Turns {
    turn: Turn,
    /// How often the chosen one gave no picture and ffmpeg's own, right after it, did.
    failures: u8,
}

impl Turns {
    /// An attempt has ended, and gave a picture or not.
    fn end(&mut self, gave: bool) {
        match (self.turn, gave) {
            _ if self.failures == MAX_FAILURES => {}
            (Turn::Chosen, true) => self.failures = 0,
            (Turn::Chosen, false) => self.turn = Turn::Own,
            // The camera itself is away.
            (Turn::Own, false) => self.turn = Turn::Chosen,
            (Turn::Own, true) => {
                self.failures += 1;
                if self.failures < MAX_FAILURES {
                    self.turn = Turn::Chosen;
                }
            }
        }
    }
}

fn argv(target: &RtspTarget, decoder: Option<&str>) -> Vec<String> {
    let mut argv = vec![target.ffmpeg.to_string_lossy().into_owned()];
    let mut add = |words: &[&str]| argv.extend(words.iter().map(|&word| word.to_owned()));
    add(&["-nostdin", "-hide_banner", "-loglevel", "error", "-fflags", "nobuffer", "-flags", "low_delay"]);
    if target.fps < KEY_FRAMES_BELOW_FPS {
        add(&["-skip_frame", "nokey"]);
    }
    if let Some(decoder) = decoder {
        add(&["-c:v", decoder]);
    }
    add(&["-f", "concat", "-safe", "0", "-protocol_whitelist", PROTOCOLS, "-i", "pipe:0", "-an", "-sn", "-dn"]);
    let (width, height) = target.size;
    // Never larger than the stream, with its proportions.
    let scale = format!(
        "fps={},scale=w='min({width},iw)':h='min({height},ih)':force_original_aspect_ratio=decrease:force_divisible_by=2",
        target.fps
    );
    add(&["-vf", &scale, "-pix_fmt", "yuvj420p", "-f", "mjpeg", "-q:v", "4", "-"]);
    argv
}

/// A list with one entry, as ffmpeg's concat demuxer reads it.
fn playlist(target: &RtspTarget) -> String {
    let transport = match target.transport {
        TransportChoice::Tcp => "tcp",
        TransportChoice::Udp => "udp",
    };
    format!("ffconcat version 1.0\nfile {}\noption rtsp_transport {transport}\n", quoted(&address(target)))
}

/// The address with its login.
fn address(target: &RtspTarget) -> String {
    let address = target.address.to_string();
    let Some((login, (scheme, rest))) = target.login.as_ref().zip(address.split_once("://")) else { return address };
    format!("{scheme}://{}:{}@{rest}", encoded(&login.username), encoded(login.password.reveal()))
}

/// Percent-encoding of everything that has a meaning in an address.
fn encoded(text: &str) -> String {
    let letter = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(letter).collect()
}

/// ffmpeg's quoting: nothing has a meaning within single quotes, and a quote is written outside of them.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::typed::Login;

    fn target() -> RtspTarget {
        let password = Secret::new("p@ss: 'w'/rd");
        RtspTarget {
            ffmpeg: "/usr/bin/ffmpeg".into(),
            address: "rtsp://10.0.0.7:8554/stream2?x='1'".parse().expect("an address"),
            login: Some(Login { username: "me".into(), password }),
            transport: TransportChoice::Tcp,
            size: (640, 480),
            fps: 5.0,
            decoder: None,
        }
    }

    #[test]
    fn the_password_is_in_no_argument_and_in_no_name() {
        let target = target();
        assert!(argv(&target, None).iter().all(|word| !word.contains("p%40ss") && !word.contains("10.0.0.7")));
        assert!(playlist(&target).contains("rtsp://me:p%40ss%3A%20%27w%27%2Frd@10.0.0.7:8554/stream2"));
    }

    #[test]
    fn a_quote_in_an_address_ends_no_word() {
        assert_eq!(quoted("a'b"), "'a'\\''b'");
        assert!(playlist(&target()).lines().count() == 3);
    }

    #[test]
    fn rare_frames_are_key_frames() {
        let has = |fps| argv(&RtspTarget { fps, ..target() }, None).contains(&"nokey".to_owned());
        assert!(has(0.1) && !has(1.0));
    }

    #[test]
    fn a_decoder_that_gives_no_picture_where_another_does_is_given_up_and_an_absent_camera_is_not_its_fault() {
        let turns = |ends: &[bool]| {
            let mut turns = Turns::default();
            ends.iter().for_each(|gave| turns.end(*gave));
            turns.turn
        };
        assert_eq!(turns(&[true, true]), Turn::Chosen);
        assert_eq!(turns(&[false]), Turn::Own);
        assert_eq!(turns(&[false; 10]), Turn::Chosen, "no camera is there: they take turns");
        assert_eq!(turns(&[false, true]), Turn::Chosen, "it may have come up between the two");
        assert_eq!(turns(&[false, true, true, false]), Turn::Own);
        assert_eq!(turns(&[false, true, false, true]), Turn::Own);
        assert_eq!(turns(&[false, true, false, true, false, false]), Turn::Own, "for good");
    }
}
