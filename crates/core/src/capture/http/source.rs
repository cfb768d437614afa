//! The source: parts of an endless answer, or one picture after the other.
//!
//! Nothing here waits longer than a read may: a name lookup, a connection or an answer that takes its time goes on with the
//! next read. How long that may take in all is the supervisor's to say (`start_timeout`, `frame_timeout`).

use std::pin::Pin;
use std::time::{Duration, Instant};

use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::client::Client;
use super::error::HttpError;
use crate::capture::mjpeg::{Next, Splitter};
use crate::capture::source::{CaptureError, Captured, Opener, Read, Source};
use crate::config::typed::HttpTarget;
use crate::domain::frame::Encoding;
use crate::http_client::next_bytes;
use crate::preprocess::foreign;
use glimpsed_base::{budget, leaving};

/// Bytes at the beginning of a stream that say what its parts are.
const HEAD_BYTES: usize = 1024;

/// Makes a source of a camera's address. What it answers decides whether it is a stream or a single picture.
pub(in crate::capture) struct HttpOpener {
    target: HttpTarget,
    /// Pictures a second that are fetched from an address with a single picture.
    fps: f64,
}

impl HttpOpener {
    pub(in crate::capture) fn new(target: HttpTarget, fps: f64) -> Self {
        Self { target, fps }
    }
}

impl Opener for HttpOpener {
    fn open(&mut self) -> Result<Box<dyn Source>, CaptureError> {
        // One thread: all of it runs while a frame is waited for.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(|error| CaptureError::Open { source_name: self.describe(), cause: error.to_string() })?;
        Ok(Box::new(HttpCamera {
            state: State::Asking(Box::pin(ask(Client::new(self.target.clone()), Vec::new()))),
            runtime: Some(runtime),
            name: self.describe(),
            every: Duration::from_secs_f64(1.0 / self.fps.max(0.001)),
            due: Instant::now(),
            last: Vec::new(),
            had_pictures: false,
        }))
    }

    fn describe(&self) -> String {
        leaving::short_line(&self.target.address.to_string(), 120).into_owned()
    }

    fn callee(&self) -> &'static str {
        "the camera's web server"
    }
}

/// A camera that was asked, or answers.
struct HttpCamera {
    state: State,
    /// Present until it is dropped.
    runtime: Option<Runtime>,
    name: String,
    /// Between two fetched pictures.
    every: Duration,
    /// When the next one is fetched.
    due: Instant,
    /// The last picture that was fetched.
    last: Vec<u8>,
    had_pictures: bool,
}

type Conditions = Vec<(HeaderName, HeaderValue)>;
type Asked = Pin<Box<dyn Future<Output = (Client, Result<Answer, HttpError>)>>>;

enum State {
    Asking(Asked),
    /// An endless answer with many pictures. The client keeps the connection.
    Streaming(Box<Stream>, Client),
    /// Between two pictures. The conditions let the server say that its picture is the same.
    Resting(Client, Conditions),
    /// After an error.
    Over,
}

struct Stream {
    body: Incoming,
    /// Whether its type is that of a stream. Without a type it may be a single picture.
    is_declared: bool,
    /// How many pictures there were.
    pictures: u32,
    splitter: Splitter,
    /// How the stream began, until the type of its parts is known.
    head: Vec<u8>,
}

enum Answer {
    /// Whether its type is that of a stream.
    Stream(Incoming, bool),
    Picture(Vec<u8>, Conditions),
    Unchanged(Conditions),
}

/// Requests the address, and receives all of a single picture.
async fn ask(mut client: Client, conditions: Conditions) -> (Client, Result<Answer, HttpError>) {
    let answer = answer(&mut client, conditions).await;
    (client, answer)
}

async fn answer(client: &mut Client, conditions: Conditions) -> Result<Answer, HttpError> {
    let response = client.get(&conditions).await?;
    if response.status() == StatusCode::NOT_MODIFIED && !conditions.is_empty() {
        return Ok(Answer::Unchanged(conditions));
    }
    if response.status() == StatusCode::NOT_MODIFIED {
        return Err(HttpError::NoPictures("304 (not modified), though it was not asked for a change".into()));
    }
    match kind(response.headers()) {
        Kind::Stream { is_declared } => Ok(Answer::Stream(response.into_body(), is_declared)),
        Kind::Other(what) => Err(HttpError::NoPictures(what)),
        Kind::Picture => {
            let conditions = next_conditions(response.headers());
            let (mut body, mut bytes) = (response.into_body(), Vec::new());
            while let Some(portion) = next_bytes(&mut body).await? {
                if bytes.len() + portion.len() > budget::CAMERA_PICTURE {
                    return Err(HttpError::TooLarge);
                }
                bytes.extend_from_slice(&portion);
            }
            match foreign::picture(&bytes) {
                Some(foreign::Kind::Jpeg) => Ok(Answer::Picture(bytes, conditions)),
                _ if bytes.is_empty() => Err(HttpError::Empty),
                _ => Err(not_jpeg(foreign::name(&bytes).unwrap_or("something else"))),
            }
        }
    }
}

fn not_jpeg(what: &str) -> HttpError {
    HttpError::NotJpeg(what.to_owned())
}

enum Kind {
    Stream { is_declared: bool },
    Picture,
    Other(String),
}

/// What is in the body. Some cameras give no type, or a wrong one: then it is read as a stream, which finds pictures in anything, until it is
/// seen to be a single picture.
fn kind(headers: &HeaderMap) -> Kind {
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let declared = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match declared.as_str() {
        "image/jpeg" | "image/jpg" | "image/pjpeg" => Kind::Picture,
        "" | "application/octet-stream" => Kind::Stream { is_declared: false },
        name if name.starts_with("multipart/") || name.contains("mjpeg") || name.contains("jpeg") => {
            Kind::Stream { is_declared: true }
        }
        "text/html" => Kind::Other("a web page (text/html)".into()),
        name => Kind::Other(format!("`{}`", leaving::short_line(name, 60))),
    }
}

/// What a server needs to see that its picture is the same.
fn next_conditions(headers: &HeaderMap) -> Conditions {
    let pairs = [(header::ETAG, header::IF_NONE_MATCH), (header::LAST_MODIFIED, header::IF_MODIFIED_SINCE)];
    pairs.into_iter().filter_map(|(from, to)| Some((to, headers.get(from)?.clone()))).collect()
}

impl Source for HttpCamera {
    fn read(&mut self, bytes: &mut Vec<u8>, patience: Duration) -> Result<Read, CaptureError> {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(runtime) = &self.runtime else { return Err(self.failed(&HttpError::Over)) };
            match std::mem::replace(&mut self.state, State::Over) {
                State::Over => return Err(self.failed(&HttpError::Over)),
                State::Resting(client, conditions) => {
                    let rest = self.due.saturating_duration_since(Instant::now());
                    std::thread::sleep(rest.min(left));
                    if rest > left {
                        self.state = State::Resting(client, conditions);
                        return Ok(Read::Nothing);
                    }
                    self.due = (self.due + self.every).max(Instant::now());
                    self.state = State::Asking(Box::pin(ask(client, conditions)));
                }
                State::Asking(mut asked) => match runtime.block_on(async { timeout(left, &mut asked).await }) {
                    Err(_) => {
                        self.state = State::Asking(asked);
                        return Ok(Read::Nothing);
                    }
                    Ok((_, Err(cause))) => return Err(self.failed(&cause)),
                    Ok((client, Ok(Answer::Stream(body, is_declared)))) => {
                        let (splitter, head) = (Splitter::new(), Vec::new());
                        let stream = Stream { body, is_declared, pictures: 0, splitter, head };
                        self.state = State::Streaming(Box::new(stream), client);
                    }
                    Ok((client, Ok(Answer::Picture(picture, conditions)))) => {
                        self.last = picture;
                        return Ok(self.fetched(bytes, State::Resting(client, conditions), false));
                    }
                    Ok((client, Ok(Answer::Unchanged(conditions)))) => {
                        return Ok(self.fetched(bytes, State::Resting(client, conditions), true));
                    }
                },
                State::Streaming(mut stream, client) => match stream.read(runtime, bytes, left) {
                    Ok(read) => {
                        let is_picture = matches!(read, Read::Frame(_));
                        self.had_pictures |= is_picture;
                        stream.pictures += u32::from(is_picture);
                        self.state = State::Streaming(stream, client);
                        return Ok(read);
                    }
                    Err(HttpError::Ended) if !stream.is_declared && stream.pictures == 1 => {
                        self.state = State::Resting(client, Vec::new());
                    }
                    Err(cause) => return Err(self.failed(&cause)),
                },
            }
        }
    }

    fn instead(&self) -> Option<CaptureError> {
        let State::Streaming(stream, _) = &self.state else { return None };
        stream.splitter.instead().map(|what| self.failed(&not_jpeg(what)))
    }
}

impl HttpCamera {
    fn fetched(&mut self, bytes: &mut Vec<u8>, next: State, unchanged: bool) -> Read {
        bytes.clear();
        bytes.extend_from_slice(&self.last);
        (self.state, self.had_pictures) = (next, true);
        Read::Frame(Captured { unchanged, ..Captured::new(Encoding::Jpeg) })
    }

    fn failed(&self, cause: &HttpError) -> CaptureError {
        let (source_name, cause) = (self.name.clone(), cause.to_string());
        match self.had_pictures {
            false => CaptureError::Open { source_name, cause },
            true => CaptureError::Lost { source_name, cause },
        }
    }
}

impl Drop for HttpCamera {
    fn drop(&mut self) {
        self.state = State::Over;
        // A name lookup cannot be ended; it is not waited for.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Stream {
    fn read(&mut self, runtime: &Runtime, bytes: &mut Vec<u8>, patience: Duration) -> Result<Read, HttpError> {
        let picture = Read::Frame(Captured::new(Encoding::Jpeg));
        let deadline = Instant::now() + patience;
        loop {
            match self.splitter.next_unless_foreign(bytes).map_err(not_jpeg)? {
                Next::Picture => return Ok(picture),
                Next::Skipped(cause) => return Ok(Read::Corrupt(cause)),
                Next::More => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let read = runtime.block_on(async { timeout(left, next_bytes(&mut self.body)).await });
            match read {
                // A camera that waits before the next picture may not have marked the end of this one.
                Err(_) => return Ok(if self.splitter.finish_into(bytes) { picture } else { Read::Nothing }),
                Ok(Ok(Some(portion))) => {
                    self.look_at_head(&portion)?;
                    self.splitter.push(&portion);
                }
                Ok(Ok(None)) if self.splitter.finish_into(bytes) => return Ok(picture),
                Ok(Ok(None)) => {
                    if let Some(cause) = self.splitter.cut_short() {
                        return Ok(Read::Corrupt(cause));
                    }
                    let what = self.splitter.foreign(true);
                    return Err(what.map_or(HttpError::Ended, not_jpeg));
                }
                Ok(Err(cause)) => return Err(cause.into()),
            }
        }
    }

    /// # Errors
    /// When the first part of the stream says that it is something else than a JPEG picture.
    fn look_at_head(&mut self, portion: &[u8]) -> Result<(), HttpError> {
        if self.head.len() >= HEAD_BYTES {
            return Ok(());
        }
        self.head.extend_from_slice(&portion[..portion.len().min(HEAD_BYTES - self.head.len())]);
        match part_type(&self.head) {
            Some(name) if !name.contains("jpeg") && !name.contains("jpg") => {
                Err(not_jpeg(&format!("`{}`", leaving::short_line(&name, 60))))
            }
            _ => Ok(()),
        }
    }
}

/// The type of the first part, if its head is there.
fn part_type(head: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    let (_, rest) = text.split_once("content-type:")?;
    let (name, _) = rest.split_once(['\r', '\n', ';'])?;
    Some(name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::part_type;

    #[test]
    fn the_type_of_a_part_is_read_once_its_line_is_there() {
        assert_eq!(part_type(b"--x\r\nContent-Type: image/png\r\n\r\n").as_deref(), Some("image/png"));
        assert_eq!(part_type(b"--x\r\nContent-Type: image/jp"), None);
        assert_eq!(part_type(b"--x\r\n\r\n\xFF\xD8"), None);
    }
}
