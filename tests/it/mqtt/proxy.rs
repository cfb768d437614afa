//! A network that can fail: between the device and the broker.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Mode {
    /// As if it were not there.
    Pass,
    /// New connections are closed at once.
    Refuse,
    /// Bytes go nowhere and nobody is told, as behind a router that has lost its table.
    Swallow,
    /// A few thousand bytes a second.
    Slow,
}

pub(super) struct Proxy {
    pub port: u16,
    state: Arc<State>,
}

struct State {
    mode: AtomicU8,
    accepted: AtomicUsize,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    pub(super) fn start(broker: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(State { mode: AtomicU8::new(0), accepted: AtomicUsize::new(0), open: Mutex::default() });
        let shared = state.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                shared.accepted.fetch_add(1, Ordering::Relaxed);
                if shared.is(Mode::Refuse) {
                    continue;
                }
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, broker)) else { continue };
                let clone = |stream: &TcpStream| stream.try_clone().expect("a descriptor");
                shared.open.lock().expect("no panic").extend([clone(&client), clone(&server)]);
                for (from, to) in [(clone(&client), clone(&server)), (server, client)] {
                    let shared = shared.clone();
                    std::thread::spawn(move || shared.pump(from, to));
                }
            }
        });
        Self { port, state }
    }

    pub(super) fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    pub(super) fn set(&self, mode: Mode) {
        self.state.mode.store(mode as u8, Ordering::SeqCst);
    }

    /// Ends all connections.
    pub(super) fn cut(&self) {
        for stream in self.state.open.lock().expect("no panic").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// How many connections there were.
    pub(super) fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::Relaxed)
    }
}

impl State {
    fn is(&self, mode: Mode) -> bool {
        self.mode.load(Ordering::SeqCst) == mode as u8
    }

    fn pump(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut bytes = [0; 4096];
        loop {
            if self.is(Mode::Slow) {
                std::thread::sleep(Duration::from_millis(50));
            }
            let part = if self.is(Mode::Slow) { 256 } else { bytes.len() };
            let Ok(count @ 1..) = from.read(&mut bytes[..part]) else {
                // Nor is anybody told that the other side has given up.
                while self.is(Mode::Swallow) {
                    std::thread::sleep(Duration::from_millis(20));
                }
                break;
            };
            if !self.is(Mode::Swallow) && to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    }
}
