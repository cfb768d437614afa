//! HTTP as it goes over the wire, so that what is slow, wrong or too much can be sent as well.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::support::{PATIENCE, Running};

/// The daemon's page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Server {
    pub address: SocketAddr,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Server {
    /// The one that the daemon says it is.
    pub(crate) fn of(daemon: &mut Running) -> Self {
        let line = daemon.line_with("the web page is at http://");
        let address = line.rsplit_once("http://").and_then(|(_, rest)| rest.trim_end_matches('/').parse().ok());
        Self { address: address.unwrap_or_else(|| panic!("no address in {line}")) }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect_timeout(&self.address, PATIENCE).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        stream
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"")
    }

    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.try_ask(method, path, headers, body).unwrap_or_else(|| panic!("no answer to {method} {path}"))
    }

    /// `None` when the connection was cut.
    pub(crate) fn try_ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Option<Answer> {
        let mut stream = self.connect();
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head += &format!("Host: {}\r\n", self.address);
        }
        if !body.is_empty() {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        stream.write_all((head + "\r\n").as_bytes()).ok()?;
        // It may be refused before all of it is sent.
        let _ = stream.write_all(body);
        read_answer(&mut stream)
    }

    /// A `POST` of JSON.
    pub(crate) fn post(&self, path: &str, body: &str) -> Answer {
        self.ask("POST", path, &[("Content-Type", "application/json")], body.as_bytes())
    }

    /// Until the answer pleases.
    pub(crate) fn until(&self, path: &str, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let value = self.get(path).json();
            if wanted(&value) {
                return value;
            }
            assert!(std::time::Instant::now() < deadline, "{path} is {value}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A stream that has begun: what comes after the head can be read from it.
    pub(crate) fn open(&self, path: &str) -> (u16, TcpStream) {
        let mut stream = self.connect();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address).expect("it takes requests");
        let head = read_head(&mut stream).expect("a head");
        (status(&head).expect("a status"), stream)
    }
}

fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

fn status(head: &str) -> Option<u16> {
    head.split(' ').nth(1)?.parse().ok()
}

/// Up to the end of the connection.
pub(crate) fn read_answer(stream: &mut TcpStream) -> Option<Answer> {
    let head = read_head(stream)?;
    let mut body = Vec::new();
    // A connection that is reset behind the answer has answered.
    let _ = stream.read_to_end(&mut body);
    Some(Answer { status: status(&head)?, head, body })
}
