//! A web server that is told something.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};

use serde_json::Value;

use crate::support::PATIENCE;

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) method: String,
    /// With the query.
    pub(super) path: String,
    /// In lower case but for the values.
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Told {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The part of a form.
    pub(super) fn part(&self, name: &str) -> Vec<u8> {
        let kind = self.header("content-type").expect("a type");
        let boundary = kind.strip_prefix("multipart/form-data; boundary=").expect("a form");
        let text = &self.body;
        let start = find(text, format!("form-data; name=\"{name}\"").as_bytes()).expect("the part");
        let start = start + find(&text[start..], b"\r\n\r\n").expect("its head") + 4;
        let end = find(&text[start..], format!("\r\n--{boundary}").as_bytes()).expect("its end");
        text[start..start + end].to_vec()
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// A server on a port of loopback, until the test ends.
pub(super) struct Listener {
    pub(super) port: u16,
    told: Receiver<Told>,
}

impl Listener {
    /// Takes everything.
    pub(super) fn start() -> Self {
        Self::answering(|_, _, stream| reply(stream, "200 OK", "", b"{}"))
    }

    /// Answers each request, whose number it is told, in its own way.
    pub(super) fn answering(
        answer: impl Fn(usize, &Told, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (sender, told) = channel();
        let (answer, count) = (Arc::new(answer), Arc::new(AtomicUsize::new(0)));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, count, sender) = (answer.clone(), count.clone(), sender.clone());
                std::thread::spawn(move || {
                    let mut stream = stream;
                    let Some(told) = request(&mut stream) else { return };
                    let _ = sender.send(told.clone());
                    let _ = answer(count.fetch_add(1, Ordering::SeqCst), &told, &mut stream);
                });
            }
        });
        Self { port, told }
    }

    pub(super) fn next(&self) -> Told {
        self.told.recv_timeout(PATIENCE).expect("nobody is told anything")
    }

    /// What was told and not looked at yet.
    pub(super) fn rest(&self) -> Vec<Told> {
        self.told.try_iter().collect()
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

pub(super) fn reply(stream: &mut TcpStream, status: &str, head: &str, body: &[u8]) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{head}\r\n", body.len())?;
    stream.write_all(body)
}

fn request(stream: &mut TcpStream) -> Option<Told> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim().split_once(':') {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
            None => break,
        }
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some(Told { method, path, headers, body })
}
