//! Cameras in the network: what their web servers answer, well and badly, and a real RTSP server.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::Duration;

use crate::support::{ConfigFile, Running, fixture, free_port, photos, run, write_secret};

/// A request: its number, its first line, and its head in lower case.
pub(super) struct Asked {
    pub(super) number: usize,
    line: String,
    head: String,
}

/// A camera's web server on a port of loopback. It answers each request by `answer`, on a thread of its own, until the test ends.
pub(super) fn camera(answer: impl Fn(&Asked, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (answer, count) = (Arc::new(answer), Arc::new(AtomicUsize::new(0)));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (answer, count) = (answer.clone(), count.clone());
            std::thread::spawn(move || {
                let mut requests = BufReader::new(stream.try_clone().expect("a handle"));
                let mut stream = stream;
                while let Some((line, head)) = request(&mut requests) {
                    let number = count.fetch_add(1, Ordering::SeqCst);
                    if answer(&Asked { number, line, head }, &mut stream).is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

/// The first line and the head of the next request; `None` when the client has gone.
fn request(stream: &mut impl BufRead) -> Option<(String, String)> {
    let (mut line, mut head) = (String::new(), String::new());
    stream.read_line(&mut line).ok().filter(|length| *length > 0)?;
    loop {
        let mut next = String::new();
        stream.read_line(&mut next).ok().filter(|length| *length > 0)?;
        if next.trim().is_empty() {
            return Some((line.trim().to_owned(), head));
        }
        head.push_str(&next.to_lowercase());
    }
}

fn photo(name: &str) -> Vec<u8> {
    std::fs::read(photos().join(name)).expect("bundled")
}

/// Another picture.
fn another() -> Vec<u8> {
    std::fs::read(fixture("images/upright.jpg")).expect("a fixture")
}

/// Settings of a daemon that looks at this camera.
fn settings(port: u16, more: &str) -> String {
    format!(
        "[camera]\nsource = \"http\"\nurl = \"http://127.0.0.1:{port}/stream\"\nframe_timeout = \"1s\"\nreconnect_min = \"50ms\"\n\
         frozen_after = \"2s\"\n{more}[stdout]\nformat = \"text\"\n"
    )
}

fn daemon(port: u16, more: &str) -> Running {
    ConfigFile::new(&settings(port, more)).daemon()
}

/// The head of an endless answer.
fn stream_head(stream: &mut TcpStream, content_type: &str) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nAccess-Control-Allow-Origin: *\r\n\r\n")
}

/// Sends parts for as long as somebody reads them.
fn parts(stream: &mut TcpStream, mut part: impl FnMut(&[u8]) -> Vec<u8>) -> std::io::Result<()> {
    for number in 0..600 {
        stream.write_all(&part(&numbered(&photo("rocket.jpg"), number)))?;
        sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// The picture with a comment behind its start marker: cameras never send the same bytes twice.
fn numbered(picture: &[u8], number: u32) -> Vec<u8> {
    [&picture[..2], &[0xFF, 0xFE, 0, 6], &number.to_be_bytes(), &picture[2..]].concat()
}

#[test]
fn the_streams_of_usual_cameras_are_labelled() {
    type Part = fn(&[u8]) -> Vec<u8>;
    let servers: [(&str, &str, Part); 5] = [
        ("ESP32-CAM", "multipart/x-mixed-replace;boundary=123456789000000000000987654321", |picture| {
            let head = format!(
                "\r\n--123456789000000000000987654321\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\nX-Timestamp: 12.345\r\n\r\n",
                picture.len()
            );
            [head.as_bytes(), picture].concat()
        }),
        ("mjpg-streamer", "multipart/x-mixed-replace;boundary=boundarydonotcross", |picture| {
            let head = format!(
                "--boundarydonotcross\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n",
                picture.len()
            );
            [head.as_bytes(), picture, b"\r\n"].concat()
        }),
        ("without lengths", "multipart/x-mixed-replace; boundary=\"--frame\"", |picture| {
            [b"----frame\r\nContent-Type: image/jpeg\r\n\r\n", picture, b"\r\n"].concat()
        }),
        ("bare line feeds", "multipart/x-mixed-replace; boundary=ipcamera", |picture| {
            [b"--ipcamera\nContent-Type: image/jpeg\n\n", picture, b"\n"].concat()
        }),
        ("another type", "video/x-motion-jpeg", |picture| picture.to_vec()),
    ];
    for (name, content_type, part) in servers {
        let port = camera(move |_, stream| {
            stream_head(stream, content_type)?;
            parts(stream, part)
        });
        let mut daemon = daemon(port, "");
        for _ in 0..3 {
            let line = daemon.line_with("missile");
            assert!(!line.contains("damaged"), "{name}: {line}");
        }
    }
}

#[test]
fn a_stream_in_chunks_is_labelled() {
    let port = camera(|_, stream| {
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=x\r\nTransfer-Encoding: chunked\r\n\r\n"
        )?;
        parts(stream, |picture| {
            let part = [b"--x\r\nContent-Type: image/jpeg\r\n\r\n", picture, b"\r\n"].concat();
            // Chunks end anywhere.
            part.chunks(1000)
                .flat_map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat())
                .collect()
        })
    });
    let mut daemon = daemon(port, "");
    for _ in 0..3 {
        daemon.line_with("missile");
    }
}

fn answer(stream: &mut TcpStream, status: &str, head: &str, body: &[u8]) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{head}\r\n", body.len())?;
    stream.write_all(body)
}

const JPEG: &str = "Content-Type: image/jpeg\r\n";

#[test]
fn an_address_with_one_picture_is_fetched_again_and_again() {
    let port = camera(|asked, stream| {
        answer(stream, "200 OK", JPEG, &if asked.number < 5 { photo("rocket.jpg") } else { another() })?;
        // A server that ends connections as it likes.
        if asked.number % 3 == 2 { Err(std::io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    });
    let mut daemon = daemon(port, "fps = 5.0\n");
    daemon.line_with("missile");
    daemon.find("another label", |line| (line.contains(" %") && !line.contains("missile")).then_some(()));
}

#[test]
fn a_single_picture_of_no_type_is_fetched_again_and_its_camera_stays_online() {
    for head in ["", "Content-Type: application/octet-stream\r\n"] {
        let port = camera(move |_, stream| answer(stream, "200 OK", head, &photo("rocket.jpg")));
        let mut daemon = daemon(port, "fps = 10.0\n");
        let mut labelled = 0;
        daemon.find("ten labels without a break", |line| {
            assert!(!line.contains("it ended the stream"), "{line}");
            labelled += usize::from(line.contains("missile"));
            (labelled == 10).then_some(())
        });
    }
}

#[test]
fn a_picture_that_has_not_changed_is_not_fetched_twice_and_not_frozen() {
    let conditional = Arc::new(AtomicUsize::new(0));
    let seen = conditional.clone();
    let port = camera(move |asked, stream| {
        if asked.head.contains("if-none-match: \"one\"") {
            seen.fetch_add(1, Ordering::SeqCst);
            return write!(stream, "HTTP/1.1 304 Not Modified\r\nETag: \"one\"\r\n\r\n");
        }
        answer(stream, "200 OK", &format!("{JPEG}ETag: \"one\"\r\n"), &photo("rocket.jpg"))
    });
    let mut daemon = daemon(port, "fps = 5.0\n");
    // Three seconds, at two of which an identical picture would be frozen.
    for _ in 0..15 {
        let line = daemon.line_with("missile");
        assert!(!line.contains("frozen"), "{line}");
    }
    assert!(conditional.load(Ordering::SeqCst) >= 14);
}

#[test]
fn logins_are_basic_or_digest_and_the_password_is_shown_nowhere() {
    let directory = tempfile::tempdir().expect("a directory");
    let password = directory.path().join("password");
    write_secret(&password, "hunter2:x\n");
    let more = format!("username = \"viewer\"\npassword_file = {password:?}\n");
    let demands = [
        ("Basic realm=\"camera\"", "authorization: basic dmlld2vyomh1bnrlcji6ea=="),
        (
            "Digest realm=\"camera\", nonce=\"abc\", qop=\"auth\", algorithm=MD5",
            "authorization: digest username=\"viewer\"",
        ),
        ("Digest realm=\"camera\", nonce=\"abc\", qop=\"auth\", algorithm=SHA-256", "algorithm=sha-256"),
    ];
    for (demand, expected) in demands {
        let port = camera(move |asked, stream| {
            if !asked.head.contains(expected) {
                return answer(stream, "401 Unauthorized", &format!("WWW-Authenticate: {demand}\r\n"), b"");
            }
            answer(stream, "200 OK", JPEG, &photo("rocket.jpg"))
        });
        let mut running = daemon(port, &more);
        let line = running.line_with("missile");
        assert!(!line.contains("hunter2"), "{demand}: {line}");
    }
    let port = camera(|_, stream| answer(stream, "401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", b""));
    daemon(port, &more).line_with("it does not accept the user name or the password");
    daemon(port, "").line_with("it wants a login: set `username` and `password_file`");
}

#[test]
fn a_login_goes_to_no_other_machine() {
    let directory = tempfile::tempdir().expect("a directory");
    let password = directory.path().join("password");
    write_secret(&password, "hunter2\n");
    let told = Arc::new(AtomicUsize::new(0));
    let seen = told.clone();
    let other = camera(move |asked, stream| {
        seen.fetch_add(usize::from(asked.head.contains("authorization")), Ordering::SeqCst);
        answer(stream, "401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", b"")
    });
    let port =
        camera(move |_, stream| answer(stream, "302 Found", &format!("Location: http://localhost:{other}/\r\n"), b""));
    let more = format!("username = \"viewer\"\npassword_file = {password:?}\n");
    daemon(port, &more).line_with("it answers with 401");
    assert_eq!(told.load(Ordering::SeqCst), 0);
}

#[test]
fn redirects_are_followed_and_counted() {
    let port = camera(|asked, stream| match asked.line.as_str() {
        "GET /stream HTTP/1.1" => answer(stream, "301 Moved Permanently", "Location: cgi/picture\r\n", b""),
        "GET /cgi/picture HTTP/1.1" => answer(stream, "200 OK", JPEG, &photo("rocket.jpg")),
        _ => answer(stream, "404 Not Found", "", b""),
    });
    daemon(port, "").line_with("missile");
    let port = camera(|_, stream| answer(stream, "302 Found", "Location: /again\r\n", b""));
    daemon(port, "").line_with("it redirects more than 5 times");
}

#[test]
fn what_is_no_picture_is_named_with_the_remedy() {
    let page = b"<!DOCTYPE html><html><title>Login</title></html>";
    let port = camera(move |_, stream| answer(stream, "200 OK", "Content-Type: text/html\r\n", page));
    daemon(port, "")
        .line_with("it answers with a web page (text/html), and neither with MJPEG nor with a JPEG picture");
    let port = camera(move |_, stream| answer(stream, "200 OK", JPEG, page));
    daemon(port, "").line_with("HTML");
    let port = camera(|_, stream| answer(stream, "404 Not Found", "", b""));
    daemon(port, "").line_with("there is nothing at this address (404)");
    let port =
        camera(|_, stream| stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").and(Err(std::io::ErrorKind::Other.into())));
    daemon(port, "").line_with("it does not answer in HTTP");
}

/// A camera that answers the first request by `first`, and the others with a picture.
fn camera_that_begins_with(first: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> u16 {
    camera(move |asked, stream| match asked.number {
        0 => first(stream),
        _ => answer(stream, "200 OK", JPEG, &photo("rocket.jpg")),
    })
}

#[test]
fn a_camera_that_stalls_drips_or_never_ends_is_opened_again() {
    let opened_again_after = |complaint: &str, port: u16| {
        let mut running = daemon(port, "start_timeout = \"1s\"\n");
        running.line_with(complaint);
        running.line_with("missile");
    };
    let stops_in_its_middle = camera_that_begins_with(|stream| {
        stream_head(stream, "multipart/x-mixed-replace; boundary=x")?;
        stream.write_all(&photo("rocket.jpg")[..5000])?;
        sleep(Duration::from_secs(20));
        Ok(())
    });
    opened_again_after("no frame for", stops_in_its_middle);
    let one_byte_after_the_other = camera_that_begins_with(|stream| {
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n{JPEG}\r\n")?;
        for byte in photo("rocket.jpg") {
            stream.write_all(&[byte])?;
            sleep(Duration::from_millis(500));
        }
        Ok(())
    });
    opened_again_after("no frame for", one_byte_after_the_other);
    let never_ends = camera_that_begins_with(|stream| {
        write!(stream, "HTTP/1.1 200 OK\r\n{JPEG}\r\n")?;
        loop {
            stream.write_all(&[0xD8; 1 << 16])?;
        }
    });
    opened_again_after("its picture has more than 8 MB", never_ends);
}

#[test]
fn a_first_answer_that_takes_longer_than_a_frame_may_is_waited_for() {
    let port = camera(|asked, stream| {
        if asked.number == 0 {
            sleep(Duration::from_millis(2500));
        }
        answer(stream, "200 OK", JPEG, &photo("rocket.jpg"))
    });
    // A frame may take one second, and the first one thirty.
    let mut running = daemon(port, "");
    let line = running.find("a label or a complaint", |line| {
        (line.contains("missile") || line.contains("no frame")).then(|| line.to_owned())
    });
    assert!(line.contains("missile"), "{line}");
}

#[test]
fn a_stop_is_obeyed_while_a_camera_does_not_answer() {
    let asked_for = Arc::new(AtomicUsize::new(0));
    let seen = asked_for.clone();
    let port = camera(move |_, _| {
        seen.fetch_add(1, Ordering::SeqCst);
        sleep(Duration::from_secs(20));
        Ok(())
    });
    let mut running = daemon(port, "");
    while asked_for.load(Ordering::SeqCst) == 0 {
        sleep(Duration::from_millis(20));
    }
    running.signal(rustix::process::Signal::TERM);
    assert!(running.wait().success());
    assert!(running.rest().iter().all(|line| !line.contains("not closed")), "the camera was closed");
}

#[test]
fn a_short_page_of_no_type_and_parts_of_another_type_are_named() {
    let page = b"<!DOCTYPE html><html><title>Login</title></html>";
    let port = camera(move |_, stream| answer(stream, "200 OK", "Content-Type: application/octet-stream\r\n", page));
    daemon(port, "").line_with("in the place of a JPEG picture");
    let port = camera(|_, stream| {
        stream_head(stream, "multipart/x-mixed-replace; boundary=x")?;
        stream.write_all(b"--x\r\nContent-Type: image/png\r\n\r\n\x89PNG")?;
        sleep(Duration::from_secs(20));
        Ok(())
    });
    daemon(port, "").line_with("it sends `image/png` in the place of a JPEG picture");
    let port = camera(|_, stream| answer(stream, "200 OK", JPEG, b""));
    daemon(port, "").line_with("it answers with an empty picture");
}

#[test]
fn an_address_with_a_login_or_of_another_source_is_refused_with_the_remedy() {
    let refused = |text: &str| {
        let file = ConfigFile::new(&format!("[camera]\n{text}\n"));
        let ran = run(&["check", "-c", &file.path()]);
        assert!(!ran.stderr.contains("hunter2"), "{ran:?}");
        ran.stderr
    };
    let login = refused("source = \"http\"\nurl = \"http://me:hunter2@cam/\"");
    assert!(login.contains("holds a login") && login.contains("password_file"), "{login}");
    let missing = refused("source = \"rtsp\"");
    assert!(missing.contains("is needed for source = \"rtsp\""), "{missing}");
    let other = refused("source = \"http\"\nurl = \"rtsp://cam/stream\"");
    assert!(other.contains("set `source = \"rtsp\"`"), "{other}");
    let useless = refused("url = \"http://cam/\"");
    assert!(useless.contains("has no effect"), "{useless}");
    for source in ["source = \"http\"\nurl = \"http://cam/\"", "source = \"command\"\ncommand = [\"true\"]"] {
        let device = refused(&format!("{source}\ndevice = \"/dev/video0\""));
        assert!(
            device.contains("`camera.device` has no effect") && device.contains("it is for `source = \"v4l2\"`"),
            "{device}"
        );
        let controls = refused(&format!("{source}\n[camera.controls]\npower_line_frequency = \"50 Hz\""));
        assert!(controls.contains("`camera.controls` has no effect"), "{controls}");
    }
    let photos = photos().display().to_string();
    let replay = refused(&format!("source = \"replay\"\npath = {photos:?}\ndevice = \"/dev/video0\""));
    assert_eq!(replay, "", "a replay takes the camera's place for a while");
    for port in ["http://cam:99999/x", "http://cam:/x", "http://cam:0/x"] {
        let report = refused(&format!("source = \"http\"\nurl = \"{port}\""));
        assert!(report.contains("is not a whole address") || report.contains("is not an address"), "{port}: {report}");
    }
    let relative = refused("source = \"http\"\nurl = \"cam/stream\"");
    assert!(relative.contains("is not a whole address") || relative.contains("is not an address"), "{relative}");
}

/// A real RTSP server, which ends with this value.
struct RtspServer {
    process: Child,
}

impl RtspServer {
    fn start(port: u16) -> Self {
        let ffmpeg = Command::new("ffmpeg").arg("-version").stdout(Stdio::null()).status();
        assert!(ffmpeg.is_ok(), "ffmpeg is installed (Debian package ffmpeg)");
        let mut process = Command::new("/usr/bin/python3")
            .arg(fixture("rtsp_server.py"))
            .args([&port.to_string(), photos().join("rocket.jpg").to_str().expect("UTF-8"), "viewer:hunter2"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let mut ready = String::new();
        let read = BufReader::new(process.stdout.take().expect("a pipe")).read_line(&mut ready);
        let server = Self { process };
        let lacks = "GStreamer's RTSP server is installed (Debian packages gir1.2-gst-rtsp-server-1.0 and gstreamer1.0-plugins-ugly)";
        assert!(read.is_ok() && ready.trim() == "ready", "{lacks}");
        server
    }
}

impl Drop for RtspServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A daemon that looks at the RTSP server on this port.
fn rtsp_daemon(port: u16, password: &str, more: &str) -> (Running, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("password");
    write_secret(&file, password);
    let settings = format!(
        "[camera]\nsource = \"rtsp\"\nurl = \"rtsp://127.0.0.1:{port}/live\"\nusername = \"viewer\"\npassword_file = {file:?}\nfps = 5.0\n\
         reconnect_min = \"200ms\"\nreconnect_max = \"500ms\"\n{more}[stdout]\nformat = \"text\"\n"
    );
    (ConfigFile::new(&settings).daemon(), directory)
}

/// The arguments of all processes, as anybody can read them.
fn processes() -> String {
    let lines = std::fs::read_dir("/proc").expect("procfs").flatten();
    lines.filter_map(|entry| std::fs::read_to_string(entry.path().join("cmdline")).ok()).collect::<Vec<_>>().join("\n")
}

#[test]
fn an_ip_camera_is_labelled_comes_back_after_a_restart_and_shows_its_password_to_nobody() {
    let port = free_port();
    let server = RtspServer::start(port);
    let (mut daemon, _password) = rtsp_daemon(port, "hunter2", "");
    for _ in 0..3 {
        assert!(!daemon.line_with("missile").contains("hunter2"));
    }
    let shown = processes();
    assert!(shown.contains("pipe:0"), "ffmpeg runs");
    let servers = |line: &&str| line.contains("rtsp_server.py");
    let who = shown.lines().filter(|line| line.contains("hunter2")).find(|line| !servers(line));
    assert_eq!(who, None, "only the servers of this test have it in their arguments");
    drop(server);
    let line = daemon.line_with("no frames");
    assert!(line.contains(&format!("rtsp://127.0.0.1:{port}/live")), "{line}");
    let _server = RtspServer::start(port);
    daemon.line_with("missile");
}

#[test]
fn a_wrong_password_of_an_ip_camera_is_told_and_not_shown() {
    let port = free_port();
    let _server = RtspServer::start(port);
    let (mut daemon, _password) = rtsp_daemon(port, "hunter3", "");
    daemon.find("the reason", |line| (line.contains("no frames") && line.contains("401 Unauthorized")).then_some(()));
    daemon.signal(rustix::process::Signal::TERM);
    assert!(daemon.rest().iter().all(|line| !line.contains("hunter3")));
}

#[test]
fn probe_says_why_an_ip_camera_cannot_be_reached() {
    let text = format!("[camera]\nsource = \"rtsp\"\nurl = \"rtsp://127.0.0.1:{}/stream2\"\n", free_port());
    let ran = run(&["cameras", "probe", "-c", &ConfigFile::new(&text).path()]);
    assert!(ran.code == 69 && ran.stderr.contains("Connection refused"), "{ran:?}");
}

#[test]
fn an_ip_camera_that_sends_over_udp_is_labelled() {
    let port = free_port();
    let _server = RtspServer::start(port);
    let (mut daemon, _password) = rtsp_daemon(port, "hunter2", "transport = \"udp\"\n");
    daemon.line_with("missile");
}

#[test]
fn a_decoder_without_its_hardware_costs_no_label() {
    let port = free_port();
    let _server = RtspServer::start(port);
    let (mut daemon, _password) = rtsp_daemon(port, "hunter2", "decoder = \"h264_v4l2m2m\"\n");
    daemon.line_with("the decoder gave no picture; ffmpeg's own is tried");
    daemon.line_with("missile");
    // It is the decoder that ffmpeg takes by itself, but named.
    let (mut named, _password) = rtsp_daemon(port, "hunter2", "decoder = \"h264\"\n");
    named.line_with("missile");
    named.signal(rustix::process::Signal::TERM);
    assert!(named.rest().iter().all(|line| !line.contains("gave no picture")));
}

#[test]
fn what_is_no_name_of_a_decoder_is_no_argument_of_ffmpeg() {
    for name in ["", "-i", "h264 -i /etc/passwd", "h264\\u0000", "../x"] {
        let file = ConfigFile::new(&format!(
            "[camera]\nsource = \"rtsp\"\nurl = \"rtsp://192.0.2.10/live\"\ndecoder = \"{name}\"\n"
        ));
        let ran = run(&["check", "-c", &file.path()]);
        assert!(ran.code == 78 && ran.stderr.contains("is no decoder's name"), "{name}: {ran:?}");
    }
    let file = ConfigFile::new("[camera]\ndecoder = \"h264_v4l2m2m\"\n");
    let ran = run(&["check", "-c", &file.path()]);
    assert!(ran.stderr.contains("it is for `source = \"rtsp\"`"), "{ran:?}");
}
