//! Inputs that would take much memory, through the program in a small cgroup (docs/limits.md).

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::network_camera::camera;
use crate::support::{Broker, ConfigFile, Ran, Running, fixture, glimpsed, photos, ran};
use crate::web::client::Server;

/// For whatever a user or another machine sends, and for what a camera sends.
const FILES_MB: u64 = 128;
const CAMERA_MB: u64 = 64;

/// A memory cgroup of a test. Where none can be made, a limit of the process's data takes its place.
struct Memory {
    megabytes: u64,
    group: Option<PathBuf>,
}

impl Memory {
    fn new(megabytes: u64) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("glimpsed-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let limits = [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")];
        let group = limits.into_iter().find_map(|(root, limit)| {
            let group = Path::new(root).join(&name);
            std::fs::create_dir(&group).ok()?;
            let limited = std::fs::write(group.join(limit), (megabytes << 20).to_string());
            // Version 2: nor may it go to the disk.
            let _ = std::fs::write(group.join("memory.swap.max"), "0");
            limited.ok().map(|()| group.clone()).or_else(|| {
                let _ = std::fs::remove_dir(&group);
                None
            })
        });
        match &group {
            Some(group) => eprintln!("{megabytes} MB in the cgroup {}", group.display()),
            None => eprintln!("{megabytes} MB of data (RLIMIT_DATA), because no memory cgroup can be made here"),
        }
        Self { megabytes, group }
    }

    /// The program, to be started in it.
    fn command(&self, arguments: &[&str]) -> Command {
        let program = glimpsed(arguments);
        let enter = match &self.group {
            Some(group) => format!("echo $$ > {}/cgroup.procs", group.display()),
            None => format!("ulimit -d {}", self.megabytes << 10),
        };
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("{enter} && exec \"$@\""), "sh"])
            .arg(program.get_program())
            .args(program.get_args());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.current_dir(crate::support::root()).stdin(std::process::Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        ran(&mut self.command(arguments))
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let Some(group) = &self.group else { return };
        let peak = ["memory.max_usage_in_bytes", "memory.peak"]
            .iter()
            .find_map(|name| std::fs::read_to_string(group.join(name)).ok());
        eprintln!(
            "the most that was charged to it, the program's file included: {} bytes",
            peak.unwrap_or_default().trim()
        );
        let _ = std::fs::remove_dir(group);
    }
}

/// A grey JPEG of any size, with four bytes for every 16x16 pixels.
fn large_jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = vec![0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0];
    bytes.extend([1; 64]);
    bytes.extend([0xFF, 0xC0, 0, 17, 8]);
    bytes.extend([height.to_be_bytes(), width.to_be_bytes()].concat());
    bytes.extend([3, 1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0]);
    bytes.extend([0xFF, 0xDA, 0, 12, 3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0]);
    // Blocks without a difference, in the standard tables: four of luma, two of chroma.
    let units = usize::from(width).div_ceil(16) * usize::from(height).div_ceil(16);
    bytes.extend([0x28, 0xA2, 0x8A, 0x00].repeat(units));
    bytes.extend([0xFF, 0xD9]);
    bytes
}

/// The same as a progressive JPEG: the DC coefficients, and then one other for each block of each component. `chroma` is 2 where that
/// has half the size in both directions, or 1.
fn large_progressive_jpeg(width: u16, height: u16, chroma: usize) -> Vec<u8> {
    let plain = large_jpeg(width, height);
    // Up to the first scan.
    let mut bytes = plain[..2 + 69 + 19].to_vec();
    bytes[2 + 69 + 1] = 0xC2;
    bytes[2 + 69 + 11] = 0x11 * chroma as u8;
    // Tables: no difference (0); a coefficient of one bit (0), and the end of the block (10).
    bytes.extend([0xFF, 0xC4, 0, 20, 0x00, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x00]);
    bytes.extend([0xFF, 0xC4, 0, 21, 0x10, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0x00]);
    let units = [width, height].map(|side| usize::from(side).div_ceil(8 * chroma));
    bytes.extend([0xFF, 0xDA, 0, 12, 3, 1, 0x00, 2, 0x00, 3, 0x00, 0, 0, 0]);
    bytes.extend(vec![0; ((chroma * chroma + 2) * units[0] * units[1]).div_ceil(8)]);
    for component in [1, 2, 3] {
        let scale = if component == 1 { 8 } else { 8 * chroma };
        let blocks = usize::from(width).div_ceil(scale) * usize::from(height).div_ceil(scale);
        bytes.extend([0xFF, 0xDA, 0, 8, 1, component, 0x00, 1, 63, 0]);
        // Two blocks: 0, 1 for its sign, 10.
        bytes.extend(vec![0b0110_0110; blocks.div_ceil(2)]);
    }
    bytes.extend([0xFF, 0xD9]);
    bytes
}

/// A PNG of 16 bits a channel, stored with the orientation tag 6.
fn deep_png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Sixteen);
    encoder.set_compression(png::Compression::Fastest);
    let mut writer = encoder.write_header().expect("a header");
    let tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    writer.write_chunk(png::chunk::eXIf, tiff).expect("a chunk");
    let mut stream = writer.stream_writer().expect("rows");
    let row = [7; 6].repeat(width as usize);
    (0..height).for_each(|_| stream.write_all(&row).expect("a row"));
    stream.finish().expect("whole");
    drop(writer);
    bytes
}

/// A small PNG whose colour profile is large when it is inflated.
fn profile_png(megabytes: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut info = png::Info::with_size(64, 64);
    info.icc_profile = Some(vec![0; megabytes << 20].into());
    (info.color_type, info.bit_depth) = (png::ColorType::Grayscale, png::BitDepth::Eight);
    let mut writer = png::Encoder::with_info(&mut bytes, info).expect("an encoder").write_header().expect("a header");
    let pixels: Vec<u8> = (0..64 * 64).map(|at| (at % 251) as u8).collect();
    writer.write_image_data(&pixels).expect("pixels");
    drop(writer);
    bytes
}

fn stored(directory: &Path, name: &str, bytes: &[u8]) -> String {
    let path = directory.join(name);
    std::fs::write(&path, bytes).expect("writable");
    path.to_str().expect("UTF-8").to_owned()
}

#[test]
fn large_and_hostile_photographs_are_labelled_in_little_memory() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str, bytes: &[u8]| stored(directory.path(), name, bytes);
    let files = [
        at("48mp.jpg", &large_jpeg(8000, 6000)),
        at("108mp.jpg", &large_jpeg(12000, 9000)),
        at("200mp.jpg", &large_jpeg(16320, 12240)),
        at("48mp-progressive.jpg", &large_progressive_jpeg(8000, 6000, 2)),
        at("108mp-progressive.jpg", &large_progressive_jpeg(12000, 9000, 2)),
        at("64mp-progressive-444.jpg", &large_progressive_jpeg(8000, 8000, 1)),
        at("108mp-progressive-444.jpg", &large_progressive_jpeg(12000, 9000, 1)),
        at("profile.png", &profile_png(200)),
        at("deep.png", &deep_png(6000, 4000)),
    ];
    let uhd = fixture("images/uhd.webp").to_str().expect("UTF-8").to_owned();
    for file in files.iter().chain([&uhd]) {
        let begun = Instant::now();
        let ran = Memory::new(FILES_MB).run(&["classify", "--json", file]);
        assert_eq!(ran.code, 0, "{file}: {ran:?}");
        assert!(ran.json()[0]["top"][0]["label"].is_string(), "{file}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{file}");
    }
}

#[test]
fn a_web_picture_with_more_beside_its_pixels_than_they_have_is_refused_in_little_memory() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut webp = std::fs::read(fixture("images/cat.webp")).expect("a fixture");
    let filler = 47 << 20;
    webp.extend([&b"EXIF"[..], &u32::to_le_bytes(filler), &vec![0; filler as usize]].concat());
    let size = webp.len() as u32 - 8;
    webp[4..8].copy_from_slice(&size.to_le_bytes());
    let file = stored(directory.path(), "exif.webp", &webp);
    let ran = Memory::new(FILES_MB).run(&["classify", &file]);
    assert!(ran.code == 1 && ran.stderr.contains("more than is allowed"), "{ran:?}");
}

#[test]
fn a_gigabyte_of_zeros_is_no_model_and_is_refused_at_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let model = directory.path().join("zeros.onnx");
    std::fs::File::create(&model).and_then(|file| file.set_len(1 << 30)).expect("a sparse file");
    let config = ConfigFile::new(&format!(
        "[model]\nactive = \"mine\"\n[models.mine]\npath = {model:?}\nfamily = \"efficientnet-lite\"\n"
    ));
    let begun = Instant::now();
    let photo = photos().join("coffee.png");
    let ran = Memory::new(FILES_MB).run(&["classify", "-c", &config.path(), photo.to_str().expect("UTF-8")]);
    assert!(ran.code == 78 && ran.stderr.contains("its protobuf is cut short or damaged"), "{ran:?}");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[test]
fn whatever_is_saved_over_the_configuration_is_refused_in_little_memory() {
    let lines = |line: &str, bytes: usize| line.repeat(bytes / line.len());
    for (text, expected) in [
        (lines("=", 1_000_000), "has more than 262144 bytes"),
        (lines("=", 256 << 10), "not valid TOML"),
        (format!("[camera]\ncommand = [{}]\n", lines("1,", 250_000)), "must be a list in brackets"),
        (format!("a = {}", lines("[", 250_000)), "not valid TOML"),
    ] {
        let ran = Memory::new(FILES_MB).run(&["check", "-c", &ConfigFile::new(&text).path()]);
        assert!(ran.code == 78 && ran.stderr.contains(expected), "{ran:?}");
    }
    // The same in several files, each of which is read alone and with the others.
    for line in ["1,", "[],", "{a=1},"] {
        let (path, directory) = ConfigFile::new("# The rest is in conf.d.\n").keep();
        let beside = directory.path().join("conf.d");
        std::fs::create_dir(&beside).expect("made");
        for number in 0..4 {
            let text = format!("[camera]\ncommand = [{}]\n", lines(line, 65_000));
            std::fs::write(beside.join(format!("{number}.toml")), text).expect("writable");
        }
        let ran = Memory::new(FILES_MB).run(&["check", "-c", &path]);
        assert!(ran.code == 78 && ran.stderr.contains("must be a list in brackets"), "{ran:?}");
        assert_eq!(ran.stderr.matches("--> ").count(), 4, "{ran:?}");
    }
}

#[test]
fn the_daemon_survives_them_all_as_photographs_and_as_uploads() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str, bytes: &[u8]| stored(directory.path(), name, bytes);
    at("a-108mp.jpg", &large_jpeg(12000, 9000));
    at("b-profile.png", &profile_png(200));
    at("c-deep.png", &deep_png(5000, 4000));
    at("d-wide.jpg", &large_jpeg(65_000, 3_000));
    std::fs::copy(fixture("images/huge-30000x30000.png"), directory.path().join("e-huge.png")).expect("copied");
    std::fs::copy(photos().join("rocket.jpg"), directory.path().join("f-rocket.jpg")).expect("copied");
    let config = ConfigFile::new(&format!(
        "[camera]\nsource = \"replay\"\npath = {:?}\nfps = 5\n[stdout]\nformat = \"text\"\n",
        directory.path()
    ));
    let memory = Memory::new(FILES_MB);
    let mut daemon = Running::start(&mut memory.command(&["run", "-c", &config.path()]));
    let server = Server::of(&mut daemon);
    daemon.line_with("at most 64 megapixels are decoded");
    for (kind, bytes) in [
        ("image/jpeg", large_jpeg(12000, 9001)),
        ("image/jpeg", large_progressive_jpeg(8000, 6001, 2)),
        ("image/png", profile_png(160)),
    ] {
        let answer = server.ask("POST", "/api/v1/classify", &[("Content-Type", kind)], &bytes);
        // The budget of time for uploads may be used up on a busy machine.
        assert!([200, 429].contains(&answer.status), "{answer:?}");
    }
    daemon.line_with("missile");
    daemon.line_with("missile");
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().success());
}

#[test]
fn a_flood_of_packets_and_of_json_fits_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str, size: usize| stored(directory.path(), name, &vec![b'x'; size]);
    // As large as a packet may be, larger, and as large as a message may be that is handed on.
    let payloads = [at("packet", (1 << 20) - 100), at("larger", 5 << 20), at("message", (64 << 10) - 100)];
    let broker = Broker::start();
    let config = ConfigFile::replay(5, &format!("[mqtt]\nurl = {:?}\n", broker.url()));
    let memory = Memory::new(FILES_MB);
    let mut daemon = Running::start(&mut memory.command(&["run", "-c", &config.path()]));
    let server = Server::of(&mut daemon);
    broker.retained_json("glimpsed/test/health", |_| true);
    let port = broker.port.to_string();
    let mut senders: Vec<_> = payloads
        .iter()
        .flat_map(|payload| ["model/set", "threshold/set"].map(|topic| (payload, format!("glimpsed/test/{topic}"))))
        .map(|(payload, topic)| {
            let mut command = Command::new("mosquitto_pub");
            command.args(["-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", &topic, "-f", payload, "--repeat", "100"]);
            command.spawn().expect("mosquitto_pub is installed")
        })
        .collect();
    let settings = [b"{\"x\": \"".as_slice(), &vec![b'x'; 15 << 10], b"\"}"].concat();
    let larger = vec![b'['; 1 << 20];
    std::thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| {
                for body in [&settings, &larger] {
                    let _ = server.try_ask("POST", "/api/v1/settings", &[("Content-Type", "application/json")], body);
                }
            });
        }
    });
    let answer = server.ask("POST", "/api/v1/settings", &[("Content-Type", "application/json")], &larger);
    assert_eq!(answer.status, 413, "{answer:?}");
    for sender in &mut senders {
        assert!(sender.wait().expect("it ends").success());
    }
    assert_eq!(server.get("/livez").status, 200);
    let mut ask = Command::new("mosquitto_pub");
    ask.args(["-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", "glimpsed/test/request/health", "-n"]);
    assert!(ask.status().expect("installed").success());
    let health = broker.retained_json("glimpsed/test/health", |health| health["mqtt"]["refused_commands"] != 0);
    assert_eq!((&health["mqtt"]["connected"], &health["mqtt"]["failures"]), (&true.into(), &0.into()), "{health}");
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().success());
}

#[test]
fn what_a_program_sends_fits_into_a_small_board_s_memory() {
    let directory = tempfile::tempdir().expect("a directory");
    // A picture that does not end, one that has 48 megapixels, and garbage; then a picture.
    let endless =
        stored(directory.path(), "endless", &[&[0xFF, 0xD8, 0xFF, 0xDA, 0, 2][..], &vec![0x11; 30 << 20]].concat());
    let large = stored(directory.path(), "large", &large_jpeg(8000, 6000));
    let rocket = photos().join("rocket.jpg");
    let script = format!(
        "while true; do cat {endless}; cat {large}; head -c 3000000 /dev/zero; for i in 1 2 3 4 5; do cat {}; sleep 0.2; done; done",
        rocket.display()
    );
    let config = ConfigFile::new(&format!(
        "[camera]\nsource = \"command\"\ncommand = [\"sh\", \"-c\", {script:?}]\n[stdout]\nformat = \"text\"\n[http]\nenabled = false\n"
    ));
    let memory = Memory::new(CAMERA_MB);
    let mut daemon = Running::start(&mut memory.command(&["run", "-c", &config.path()]));
    daemon.line_with("damaged frame skipped");
    for _ in 0..8 {
        daemon.line_with("missile");
    }
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().success());
}

/// A camera of 108 megapixels, whose label changes all the time; each change has a small picture. With `watched` somebody looks, too.
fn remembers_a_large_camera(megabytes: u64, watched: bool) {
    let directory = tempfile::tempdir().expect("a directory");
    let large = stored(directory.path(), "large", &large_jpeg(12_000, 9_000));
    let rocket = photos().join("rocket.jpg");
    let script = format!(
        "while true; do for i in 1 2 3 4; do cat {}; sleep 0.2; done; cat {large}; sleep 0.2; cat {large}; done",
        rocket.display()
    );
    let config = ConfigFile::new(&format!(
        "[camera]\nsource = \"command\"\ncommand = [\"sh\", \"-c\", {script:?}]\n[stdout]\nformat = \"text\"\n\
         [labels]\nsmoothing = \"none\"\nconsecutive = 1\n"
    ));
    let memory = Memory::new(megabytes);
    let mut daemon = Running::start(&mut memory.command(&["run", "-c", &config.path()]));
    let server = Server::of(&mut daemon);
    let viewer = watched.then(|| server.open("/api/v1/stream.mjpeg"));
    assert!(viewer.as_ref().is_none_or(|(status, _)| *status == 200));
    server.until("/api/v1/timeline", |changes| changes.as_array().is_some_and(|list| list.len() >= 6));
    daemon.line_with("missile");
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().success());
}

#[test]
fn the_pictures_of_a_large_camera_s_changes_fit_into_a_small_board_s_memory() {
    remembers_a_large_camera(CAMERA_MB, false);
}

#[test]
fn somebody_who_watches_a_large_camera_fits_too() {
    remembers_a_large_camera(FILES_MB, true);
}

#[test]
fn what_a_web_server_sends_fits_into_a_small_board_s_memory() {
    let endless = [&[0xFF, 0xD8, 0xFF, 0xDA, 0, 2][..], &vec![0x11; 30 << 20]].concat();
    let (large, zeros) = (large_jpeg(8000, 6000), vec![0; 3_000_000]);
    let rocket = std::fs::read(photos().join("rocket.jpg")).expect("bundled");
    let port = camera(move |asked, stream| {
        let head = |kind: &str| format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n");
        let (stream_head, picture_head) = (head("multipart/x-mixed-replace; boundary=x"), head("image/jpeg"));
        match asked.number % 4 {
            // A picture that does not end, one of 48 megapixels, and garbage; then pictures.
            0 => {
                write!(stream, "{stream_head}\r\n")?;
                [&endless, &large, &zeros].into_iter().try_for_each(|part| stream.write_all(part))?;
                for _ in 0..5 {
                    stream.write_all(&rocket)?;
                    std::thread::sleep(Duration::from_millis(200));
                }
            }
            1 => {
                write!(stream, "{picture_head}\r\n")?;
                stream.write_all(&endless)?;
            }
            2 => {
                write!(stream, "{picture_head}X-Endless: ")?;
                stream.write_all(&vec![b'x'; 30 << 20])?;
            }
            _ => {
                write!(stream, "{stream_head}\r\n--x\r\nX-Endless: ")?;
                stream.write_all(&vec![b'x'; 30 << 20])?;
            }
        }
        Err(std::io::ErrorKind::ConnectionAborted.into())
    });
    let config = ConfigFile::new(&format!(
        "[camera]\nsource = \"http\"\nurl = \"http://127.0.0.1:{port}/\"\nreconnect_min = \"50ms\"\nreconnect_max = \"100ms\"\n\
         [stdout]\nformat = \"text\"\n[http]\nenabled = false\n"
    ));
    let memory = Memory::new(CAMERA_MB);
    let mut daemon = Running::start(&mut memory.command(&["run", "-c", &config.path()]));
    for expected in ["damaged frame skipped", "missile", "its picture has more than 8 MB", "missile", "missile"] {
        daemon.line_with(expected);
    }
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().success());
}
