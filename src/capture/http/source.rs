//! The source: parts of an endless answer, or one picture after the other.

use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::client::{Client, STEP, next_bytes};
use crate::capture::mjpeg::{Next, Splitter};
use crate::capture::source::{CaptureError, Captured, Opener, Read, Source};
use crate::config::typed::HttpTarget;
use crate::domain::frame::Encoding;
use crate::preprocess::foreign;
use glimpsed_base::{budget, leaving};

/// Deadline for one picture that is fetched, so that a byte a second is no picture.
const PICTURE_WITHIN: Duration = Duration::from_secs(10);

/// Opens a camera's address. What it answers decides whether it is a stream or a single picture.
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
        let fail = |cause: String| CaptureError::Open { source_name: self.describe(), cause };
        // One thread: all of it runs while a frame is waited for.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(|error| fail(error.to_string()))?;
        let mut client = Client::new(self.target.clone());
        let response = runtime.block_on(client.get(&[])).map_err(fail)?;
        let name = self.describe();
        match kind(response.headers()) {
            Kind::Stream => Ok(Box::new(Stream {
                runtime,
                body: response.into_body(),
                splitter: Splitter::new(),
                name,
                _client: client,
            })),
            Kind::Picture => {
                let every = Duration::from_secs_f64(1.0 / self.fps.max(0.001));
                let first = Some(response);
                let snapshots =
                    Snapshots { runtime, client, name, every, due: Instant::now(), first, last: Last::default() };
                Ok(Box::new(snapshots))
            }
            Kind::Other(what) => Err(fail(format!(
                "it answers with {what}, and neither with MJPEG nor with a JPEG picture: is the path right?"
            ))),
        }
    }

    fn describe(&self) -> String {
        leaving::short_line(&self.target.address.to_string(), 120).into_owned()
    }
}

enum Kind {
    Stream,
    Picture,
    Other(String),
}

/// What is in the body. Some cameras give no type, or a wrong one: then it is read as a stream, which finds pictures in anything.
fn kind(headers: &HeaderMap) -> Kind {
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let declared = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match declared.as_str() {
        "image/jpeg" | "image/jpg" | "image/pjpeg" => Kind::Picture,
        "" | "application/octet-stream" => Kind::Stream,
        name if name.starts_with("multipart/") || name.contains("mjpeg") || name.contains("jpeg") => Kind::Stream,
        "text/html" => Kind::Other("a web page (text/html)".into()),
        name => Kind::Other(format!("`{}`", leaving::short_line(name, 60))),
    }
}

/// An endless answer with many pictures.
struct Stream {
    runtime: Runtime,
    body: Incoming,
    splitter: Splitter,
    name: String,
    /// Keeps the connection.
    _client: Client,
}

impl Source for Stream {
    fn read(&mut self, bytes: &mut Vec<u8>, patience: Duration) -> Result<Read, CaptureError> {
        let picture = Read::Frame(Captured::new(Encoding::Jpeg));
        let lost = |cause: String| CaptureError::Lost { source_name: self.name.clone(), cause };
        let deadline = Instant::now() + patience;
        loop {
            match self.splitter.next_into(bytes) {
                Next::Picture => return Ok(picture),
                Next::Skipped(cause) if self.splitter.foreign(false).is_none() => return Ok(Read::Corrupt(cause)),
                Next::Skipped(_) | Next::More => {}
            }
            if let Some(what) = self.splitter.foreign(false) {
                return Err(CaptureError::Foreign { source_name: self.name.clone(), what });
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let read = self.runtime.block_on(async { timeout(left, next_bytes(&mut self.body)).await });
            match read {
                // A camera that waits before the next picture may not have marked the end of this one.
                Err(_) => return Ok(if self.splitter.finish_into(bytes) { picture } else { Read::Nothing }),
                Ok(Ok(Some(portion))) => self.splitter.push(&portion),
                Ok(Ok(None)) if self.splitter.finish_into(bytes) => return Ok(picture),
                Ok(Ok(None)) => return Err(lost("it ended the stream".into())),
                Ok(Err(cause)) => return Err(lost(cause)),
            }
        }
    }
}

/// A picture that is fetched again and again.
struct Snapshots {
    runtime: Runtime,
    client: Client,
    name: String,
    every: Duration,
    /// When the next one is fetched.
    due: Instant,
    /// The answer to the request that found out what is there.
    first: Option<Response<Incoming>>,
    last: Last,
}

/// The last picture, and what the server said of its age.
#[derive(Default)]
struct Last {
    bytes: Vec<u8>,
    conditions: Vec<(HeaderName, HeaderValue)>,
}

impl Source for Snapshots {
    fn read(&mut self, bytes: &mut Vec<u8>, patience: Duration) -> Result<Read, CaptureError> {
        let until_due = self.due.saturating_duration_since(Instant::now());
        if until_due > patience {
            std::thread::sleep(patience);
            return Ok(Read::Nothing);
        }
        std::thread::sleep(until_due);
        self.due = (self.due + self.every).max(Instant::now());
        let Self { runtime, client, first, last, name, .. } = self;
        let fetched = runtime.block_on(async {
            timeout(PICTURE_WITHIN, fetch(client, first.take(), last))
                .await
                .unwrap_or_else(|_| Err(format!("its picture does not arrive within {} s", PICTURE_WITHIN.as_secs())))
        });
        let unchanged = fetched.map_err(|cause| CaptureError::Lost { source_name: name.clone(), cause })?;
        if foreign::picture(&last.bytes).is_none() {
            let what = foreign::name(&last.bytes).unwrap_or("something else");
            return Err(CaptureError::Foreign { source_name: name.clone(), what });
        }
        bytes.clear();
        bytes.extend_from_slice(&last.bytes);
        Ok(Read::Frame(Captured { unchanged, ..Captured::new(Encoding::Jpeg) }))
    }
}

/// Fetches the picture into `last`. True if the server says that it has not changed.
async fn fetch(client: &mut Client, first: Option<Response<Incoming>>, last: &mut Last) -> Result<bool, String> {
    let response = match first {
        Some(response) => response,
        None => client.get(&last.conditions).await?,
    };
    if response.status() == StatusCode::NOT_MODIFIED && !last.bytes.is_empty() {
        return Ok(true);
    }
    last.conditions = conditions(response.headers());
    let mut body = response.into_body();
    last.bytes.clear();
    while let Some(portion) =
        timeout(STEP, next_bytes(&mut body)).await.map_err(|_| "its picture stops".to_owned())??
    {
        push(&mut last.bytes, &portion)?;
    }
    Ok(false)
}

fn push(bytes: &mut Vec<u8>, portion: &Bytes) -> Result<(), String> {
    if bytes.len() + portion.len() > budget::CAMERA_PICTURE {
        return Err(format!("its picture has more than {} MB", budget::CAMERA_PICTURE >> 20));
    }
    bytes.extend_from_slice(portion);
    Ok(())
}

/// What a server needs to see that its picture is the same.
fn conditions(headers: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    let pairs = [(header::ETAG, header::IF_NONE_MATCH), (header::LAST_MODIFIED, header::IF_MODIFIED_SINCE)];
    pairs.into_iter().filter_map(|(from, to)| Some((to, headers.get(from)?.clone()))).collect()
}
