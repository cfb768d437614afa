//! An IP camera over RTSP, decoded by ffmpeg.

use super::command::{CommandOpener, Program};
use crate::config::raw::TransportChoice;
use crate::config::typed::RtspTarget;
use glimpsed_base::leaving;
use glimpsed_base::secret::Secret;

/// Below this rate only key frames are decoded: the rest would be decoded to be dropped. Cameras send one each one to ten
/// seconds.
const KEY_FRAMES_BELOW_FPS: f64 = 0.2;

/// What ffmpeg may open for the list on its standard input: nothing but the stream.
const PROTOCOLS: &str = "pipe,rtsp,rtsps,rtp,srtp,udp,tcp,tls,crypto";

/// An opener of the stream. The address goes to ffmpeg's standard input, so that nobody sees the password in a list of
/// processes.
pub(super) fn opener(target: &RtspTarget) -> CommandOpener {
    CommandOpener::new(Program {
        argv: argv(target),
        input: Some(Secret::new(playlist(target))),
        name: leaving::short_line(&target.address.to_string(), 120).into_owned(),
        role: "the ffmpeg that reads the camera",
    })
}

fn argv(target: &RtspTarget) -> Vec<String> {
    let mut argv = vec![target.ffmpeg.to_string_lossy().into_owned()];
    let mut add = |words: &[&str]| argv.extend(words.iter().map(|&word| word.to_owned()));
    add(&["-nostdin", "-hide_banner", "-loglevel", "error", "-fflags", "nobuffer", "-flags", "low_delay"]);
    if target.fps < KEY_FRAMES_BELOW_FPS {
        add(&["-skip_frame", "nokey"]);
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
        }
    }

    #[test]
    fn the_password_is_in_no_argument_and_in_no_name() {
        let target = target();
        assert!(argv(&target).iter().all(|word| !word.contains("p%40ss") && !word.contains("10.0.0.7")));
        assert!(playlist(&target).contains("rtsp://me:p%40ss%3A%20%27w%27%2Frd@10.0.0.7:8554/stream2"));
    }

    #[test]
    fn a_quote_in_an_address_ends_no_word() {
        assert_eq!(quoted("a'b"), "'a'\\''b'");
        assert!(playlist(&target()).lines().count() == 3);
    }

    #[test]
    fn rare_frames_are_key_frames() {
        let has = |fps| argv(&RtspTarget { fps, ..target() }).contains(&"nokey".to_owned());
        assert!(has(0.1) && !has(1.0));
    }
}
