//! Downloads from servers on this machine that do what servers on the internet do.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::ops::ControlFlow::{Break, Continue};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use glimpsed_base::hex::hex;
use glimpsed_core::models::catalog::Entry;
use glimpsed_core::models::fetch::{FetchError, Limits, Outcome, fetch};
use sha2::{Digest, Sha256};

use crate::support::glimpsed;

/// What the server does with one request; the request's head is given.
type Reply = Box<dyn FnOnce(&str, &mut dyn Stream) + Send>;

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers one request after another, each on a connection of its own, and then no more.
    fn start(replies: Vec<Reply>) -> Self {
        Self::with(replies, |stream| Box::new(stream))
    }

    fn with(replies: Vec<Reply>, wrap: impl Fn(TcpStream) -> Box<dyn Stream> + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let seen = requests.clone();
        std::thread::spawn(move || {
            let mut replies: VecDeque<Reply> = replies.into();
            while let Some(reply) = replies.pop_front() {
                let (stream, _) = listener.accept().expect("a connection");
                let mut stream = wrap(stream);
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
                    head.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                seen.lock().expect("alive").push(head.clone());
                reply(&head, &mut *stream);
                let _ = stream.flush();
            }
        });
        Self { port, requests }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("alive").clone()
    }
}

/// Sends this head and this body, whatever the head says of it.
fn raw(head: impl Into<String>, body: Vec<u8>) -> Reply {
    let head = head.into();
    Box::new(move |_, stream| {
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.write_all(b"Connection: close\r\n\r\n");
        let _ = stream.write_all(&body);
    })
}

fn whole(body: &[u8]) -> Reply {
    raw(format!("HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: {}\r\n", body.len()), body.to_vec())
}

fn status(line: &str) -> Reply {
    raw(format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\n"), Vec::new())
}

/// Announces everything and breaks off after `sent` bytes.
fn broken(body: &[u8], sent: usize) -> Reply {
    raw(format!("HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: {}\r\n", body.len()), body[..sent].to_vec())
}

fn rest(body: &[u8], from: usize) -> Reply {
    let (length, last, total) = (body.len() - from, body.len() - 1, body.len());
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{last}/{total}\r\nContent-Length: {length}\r\n"
    );
    raw(head, body[from..].to_vec())
}

fn file() -> Vec<u8> {
    (0..300_000_u32).map(|at| (at * 31 % 251) as u8).collect()
}

fn entry(body: &[u8]) -> Entry {
    let sha256 = hex(&Sha256::digest(body));
    let mut entry = glimpsed_core::models::catalog::find("resnet-18").expect("in the catalogue").clone();
    (entry.sha256, entry.bytes, entry.file) = (sha256, body.len() as u64, "m.onnx".into());
    entry
}

fn limits() -> Limits {
    Limits {
        silence: Duration::from_millis(400),
        window: Duration::from_millis(500),
        least_bytes: 10_000,
        pauses: vec![Duration::from_millis(1); 2],
    }
}

/// Fetches [`file`] from the server into `directory`.
fn get(server: &Server, directory: &Path) -> Result<Outcome, FetchError> {
    fetch(&entry(&file()), directory, Some(&server.url()), &limits(), |_| Continue(()))
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

/// The file is whole, and nothing is left beside it but the lock.
fn assert_whole(directory: &Path) {
    assert!(std::fs::read(directory.join("m.onnx")).expect("there") == file());
    let mut names: Vec<_> =
        std::fs::read_dir(directory).expect("listed").map(|one| one.expect("listed").file_name()).collect();
    names.sort();
    assert_eq!(names, [".fetching", "m.onnx"]);
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(directory.join("m.onnx")).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o644, "the service's user reads it");
}

fn says(result: Result<Outcome, FetchError>) -> String {
    result.expect_err("refused").to_string()
}

#[test]
fn a_file_is_fetched_once_and_then_there() {
    let (server, place) = (Server::start(vec![whole(&file())]), directory());
    let mut heard = Vec::new();
    let fetched = fetch(&entry(&file()), place.path(), Some(&server.url()), &limits(), |bytes| {
        heard.push(bytes);
        Continue(())
    });
    assert_eq!(fetched, Ok(Outcome::Fetched));
    assert_eq!((heard.first(), heard.last()), (Some(&0), Some(&300_000)));
    assert!(heard.is_sorted());
    assert_whole(place.path());
    assert_eq!(get(&server, place.path()), Ok(Outcome::AlreadyThere), "the server answers no second time");
    assert!(server.requests()[0].starts_with("GET /m.onnx HTTP/1.1"));
}

#[test]
fn a_connection_that_breaks_off_is_gone_on_from_where_it_was() {
    let body = file();
    let (server, place) = (Server::start(vec![broken(&body, 100_000), rest(&body, 100_000)]), directory());
    assert_eq!(get(&server, place.path()), Ok(Outcome::Fetched));
    assert_whole(place.path());
    let second = server.requests()[1].to_lowercase();
    assert!(second.contains("range: bytes=100000-\r\n") && second.contains("if-range: \"v1\"\r\n"), "{second}");
}

#[test]
fn another_run_goes_on_too_and_a_server_without_ranges_begins_again() {
    let (body, place) = (file(), directory());
    let server = Server::start(vec![broken(&body, 100_000), status("503 Busy"), status("503 Busy")]);
    assert!(says(get(&server, place.path())).contains("status 503"));
    assert!(!place.path().join("m.onnx").exists());
    let server = Server::start(vec![whole(&body)]);
    assert_eq!(get(&server, place.path()), Ok(Outcome::Fetched));
    assert!(server.requests()[0].to_lowercase().contains("range: bytes=100000-"));
    assert_whole(place.path());
}

#[test]
fn parts_of_two_versions_are_noticed_and_everything_is_fetched_again() {
    let (body, place) = (file(), directory());
    let mut other = body.clone();
    other[5] ^= 1;
    let server = Server::start(vec![broken(&other, 100_000), rest(&body, 100_000), whole(&body)]);
    assert_eq!(get(&server, place.path()), Ok(Outcome::Fetched));
    assert_whole(place.path());
    assert!(!server.requests()[2].to_lowercase().contains("range:"));
}

#[test]
fn a_part_that_the_server_does_not_have_is_thrown_away() {
    let (body, place) = (file(), directory());
    let server = Server::start(vec![broken(&body, 100_000), status("416 Range Not Satisfiable"), whole(&body)]);
    assert_eq!(get(&server, place.path()), Ok(Outcome::Fetched));
    assert_whole(place.path());
}

#[test]
fn wrong_bytes_are_deleted_and_the_file_that_was_there_stays() {
    let (mut wrong, place) = (file(), directory());
    std::fs::write(place.path().join("m.onnx"), "an older model").expect("writable");
    wrong[299_999] ^= 1;
    let server = Server::start(vec![whole(&wrong)]);
    let error = says(get(&server, place.path()));
    assert!(error.contains("its sha256 is") && error.contains("was deleted"), "{error}");
    assert_eq!(std::fs::read(place.path().join("m.onnx")).expect("there"), b"an older model");
    assert!(!place.path().join(".m.onnx.part").exists());
}

#[test]
fn lengths_that_are_wrong_or_lies_are_refused() {
    let body = file();
    let longer = [&body[..], b"x"].concat();
    // Announced.
    let error = get(&Server::start(vec![whole(&longer)]), directory().path());
    assert!(matches!(error, Err(FetchError::WrongSize { found: 300_001, .. })), "{error:?}");
    // Not announced, and without an end.
    let endless: Reply = Box::new(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[7; 4096]).is_ok() {}
    });
    let place = directory();
    let error = get(&Server::start(vec![endless]), place.path());
    assert!(matches!(error, Err(FetchError::WrongSize { .. })), "{error:?}");
    assert!(!place.path().join("m.onnx").exists() && !place.path().join(".m.onnx.part").exists());
    // Another part than was asked for.
    let server = Server::start(vec![broken(&body, 100_000), rest(&body, 50_000)]);
    assert!(says(get(&server, directory().path())).contains("another part of the file"));
}

#[test]
fn silence_and_dawdling_end_and_are_said() {
    let silent = || -> Reply { Box::new(|_, _| std::thread::sleep(Duration::from_secs(2))) };
    let error = says(get(&Server::start(vec![silent(), silent(), silent()]), directory().path()));
    assert!(error.contains("does not answer within 400ms"), "{error}");
    let slow = || -> Reply {
        Box::new(|_, stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n");
            while stream.write_all(&[0; 100]).and_then(|()| stream.flush()).is_ok() {
                std::thread::sleep(Duration::from_millis(50));
            }
        })
    };
    let error = says(get(&Server::start(vec![slow(), slow(), slow()]), directory().path()));
    assert!(error.contains("sends less than 10000 bytes in 500ms"), "{error}");
}

#[test]
fn refusals_say_what_they_mean() {
    for (line, meaning) in [("404 Not Found", "there is no such file"), ("403 Forbidden", "does not let us have it")] {
        let server = Server::start(vec![status(line)]);
        let error = says(get(&server, directory().path()));
        assert!(error.contains(meaning), "{error}");
        assert_eq!(server.requests().len(), 1, "it is not asked again");
    }
    let busy = Server::start(vec![status("503 Busy"), status("503 Busy"), whole(&file())]);
    let place = directory();
    assert_eq!(get(&busy, place.path()), Ok(Outcome::Fetched), "a server that is busy is asked again");
    let nobody = format!("http://127.0.0.1:{}", crate::support::free_port());
    let error =
        says(fetch(&entry(&file()), place.path().join("x").as_path(), Some(&nobody), &limits(), |_| Continue(())));
    assert!(error.contains("nobody listens there"), "{error}");
}

#[test]
fn redirects_are_followed_but_not_for_ever() {
    let to =
        |target: &str| raw(format!("HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n"), Vec::new());
    let (server, place) = (Server::start(vec![to("/elsewhere"), whole(&file())]), directory());
    assert_eq!(get(&server, place.path()), Ok(Outcome::Fetched));
    assert!(server.requests()[1].starts_with("GET /elsewhere"));
    let circle = Server::start((0..20).map(|_| to("/again")).collect());
    assert!(says(get(&circle, directory().path())).contains("sends us elsewhere more than 5 times"));
}

#[test]
fn links_that_somebody_has_laid_are_not_followed() {
    let elsewhere = directory();
    let precious = elsewhere.path().join("precious");
    for name in [".fetching", ".m.onnx.part", ".m.onnx.etag"] {
        std::fs::write(&precious, "precious").expect("writable");
        let place = directory();
        std::os::unix::fs::symlink(&precious, place.path().join(name)).expect("linked");
        let _ = get(&Server::start(vec![whole(&file())]), place.path());
        assert_eq!(std::fs::read_to_string(&precious).expect("there"), "precious", "{name}");
    }
}

#[test]
fn a_download_that_is_stopped_goes_on_from_there_the_next_time() {
    let (body, place) = (file(), directory());
    let server = Server::start(vec![whole(&body), rest(&body, 131_072)]);
    let stop = |bytes| if bytes >= 131_072 { Break(()) } else { Continue(()) };
    // A read may have fewer bytes than its buffer, so that what is kept is cut to a whole number of them.
    assert_eq!(fetch(&entry(&body), place.path(), Some(&server.url()), &limits(), stop), Err(FetchError::Stopped));
    let part = place.path().join(".m.onnx.part");
    let kept = std::fs::metadata(&part).expect("there").len();
    assert!((131_072..300_000).contains(&kept), "{kept}");
    std::fs::File::options().write(true).open(&part).expect("there").set_len(131_072).expect("cut");
    assert_eq!(get(&server, place.path()), Ok(Outcome::Fetched));
    assert_whole(place.path());
}

#[test]
fn a_download_is_stopped_while_it_waits_for_its_next_attempt() {
    let (server, place) = (Server::start(vec![status("503 Busy")]), directory());
    let patient = Limits { pauses: vec![Duration::from_secs(600)], ..limits() };
    let stopped = fetch(&entry(&file()), place.path(), Some(&server.url()), &patient, |_| Break(()));
    assert_eq!(stopped, Err(FetchError::Stopped));
}

#[test]
fn two_downloads_do_not_collide() {
    let (server, place) = (Server::start(vec![whole(&file())]), directory());
    let lock = std::fs::File::create(place.path().join(".fetching")).expect("writable");
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).expect("locked");
    assert_eq!(get(&server, place.path()), Err(FetchError::Locked(place.path().to_owned())));
    drop(lock);
    assert_eq!(get(&server, place.path()), Ok(Outcome::Fetched));
}

#[test]
fn a_full_disk_is_said_before_anything_is_fetched() {
    let mut large = entry(&file());
    large.bytes = u64::MAX / 2;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", large.bytes);
    let server = Server::start(vec![raw(head, Vec::new())]);
    let error = fetch(&large, directory().path(), Some(&server.url()), &limits(), |_| Continue(()));
    assert!(matches!(error, Err(FetchError::NoSpace { .. })), "{error:?}");
}

#[test]
fn a_directory_can_be_the_mirror() {
    let (mirror, place) = (directory(), directory());
    let from = mirror.path().to_str().expect("UTF-8").to_owned();
    let get = || fetch(&entry(&file()), place.path(), Some(&from), &limits(), |_| Continue(()));
    assert!(says(get()).contains("cannot be read"));
    std::fs::write(mirror.path().join("m.onnx"), "short").expect("writable");
    assert!(matches!(get(), Err(FetchError::WrongSize { found: 5, .. })));
    std::fs::write(mirror.path().join("m.onnx"), file()).expect("writable");
    assert_eq!(get(), Ok(Outcome::Fetched));
    assert_whole(place.path());
}

/// A server's certificate for 127.0.0.1 and the CA that a client has to trust.
fn tls() -> (Arc<tokio_rustls::rustls::ServerConfig>, String) {
    let names = vec!["127.0.0.1".to_owned()];
    let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).expect("a certificate");
    let key = tokio_rustls::rustls::pki_types::PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = tokio_rustls::rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("a key that fits");
    (Arc::new(config), cert.pem())
}

#[test]
fn over_tls_only_a_trusted_server_is_believed() {
    let (config, ca) = tls();
    let body = std::fs::read(crate::support::root().join("models/efficientnet-lite0-int8.onnx")).expect("bundled");
    let server = move |replies| {
        let config = config.clone();
        Server::with(replies, move |stream| {
            let connection = tokio_rustls::rustls::ServerConnection::new(config.clone()).expect("a connection");
            Box::new(tokio_rustls::rustls::StreamOwned::new(connection, stream))
        })
    };
    let place = directory();
    let ca_file = place.path().join("ca.pem");
    std::fs::write(&ca_file, ca).expect("writable");
    let get = |url: &str, ca: Option<&Path>| {
        let config = crate::support::ConfigFile::new("[model]\ndirectory = \"fetched\"\nactive = \"resnet-18\"\n");
        let mut command =
            glimpsed(&["models", "fetch", "efficientnet-lite0-int8", "--from", url, "-c", &config.path()]);
        command.env("STATE_DIRECTORY", place.path()).env_remove("HTTPS_PROXY").env_remove("https_proxy");
        if let Some(ca) = ca {
            command.env("SSL_CERT_FILE", ca);
        }
        let output = command.output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let trusted = server(vec![whole(&body)]);
    let (code, says) = get(&format!("https://127.0.0.1:{}", trusted.port), Some(&ca_file));
    assert!(code == Some(0) && says.contains("efficientnet-lite0-int8 is now in"), "{says}");
    let stranger = server(vec![whole(&body)]);
    let (code, says) = get(&format!("https://127.0.0.1:{}", stranger.port), None);
    assert!(code == Some(1) && says.contains("its certificate is not accepted"), "{says}");
    // And who is asked over TLS cannot send us elsewhere without.
    let elsewhere = raw("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/m\r\nContent-Length: 0\r\n", Vec::new());
    let (code, says) = get(&format!("https://127.0.0.1:{}", server(vec![elsewhere]).port), Some(&ca_file));
    assert!(code == Some(1) && says.contains("is not protected by TLS"), "{says}");
}

#[test]
fn the_proxy_of_the_environment_is_used() {
    let body = std::fs::read(crate::support::root().join("models/efficientnet-lite0-int8.onnx")).expect("bundled");
    // It is asked for a tunnel, and the request comes through that.
    let tunnel: Reply = Box::new(move |_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
            head.push(byte[0]);
        }
        whole(&body)("", stream);
    });
    let (proxy, place) = (Server::start(vec![tunnel]), directory());
    let config = crate::support::ConfigFile::new("[model]\ndirectory = \"fetched\"\n");
    let name = "efficientnet-lite0-int8";
    let mut command =
        glimpsed(&["models", "fetch", name, "--json", "--from", "http://models.invalid", "-c", &config.path()]);
    command.env("STATE_DIRECTORY", place.path()).env("http_proxy", proxy.url());
    for other in ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "NO_PROXY", "no_proxy"] {
        command.env_remove(other);
    }
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    assert!(proxy.requests()[0].starts_with("CONNECT models.invalid:80"), "{:?}", proxy.requests());
}

#[test]
fn what_was_fetched_is_found_and_verified_without_configuration() {
    let (mirror, state) = (directory(), directory());
    // Something that is in the catalogue and not bundled beside the program: a directory of models without it.
    let models = crate::support::root().join("models");
    std::fs::copy(models.join("efficientnet-lite0-int8.onnx"), mirror.path().join("efficientnet-lite0-int8.onnx"))
        .expect("copied");
    let run = |arguments: &[&str]| {
        let output = glimpsed(arguments).env("STATE_DIRECTORY", state.path()).output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let name = "efficientnet-lite0-int8";
    let already = run(&["models", "fetch", name, "--from", mirror.path().to_str().expect("UTF-8")]);
    assert!(already.0 == Some(0) && already.1.contains("was already in"), "{already:?}");
    let unknown = run(&["models", "fetch", "mobilenet-v3"]);
    assert!(unknown.0 == Some(1) && unknown.1.contains("did you mean"), "{unknown:?}");
    let verified = run(&["models", "verify"]);
    assert!(verified.0 == Some(0) && verified.1.contains("ok  efficientnet-lite0 "), "{verified:?}");
    std::fs::create_dir(state.path().join("models")).expect("made");
    std::fs::write(state.path().join("models/resnet18-v1-7.onnx"), "damaged").expect("writable");
    let damaged = run(&["models", "verify"]);
    assert!(damaged.0 == Some(1) && damaged.1.contains("DAMAGED  resnet-18"), "{damaged:?}");
    assert!(run(&["models", "verify", "mobilenet-v2"]).1.contains("MISSING"));
    assert!(run(&["models", "list"]).1.contains("resnet-18"));
}
