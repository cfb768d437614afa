//! The web page's server, the HTTP interface and the metrics, over real sockets.

mod access;
pub(crate) mod client;
mod fetching;
mod heat;
mod hostile;
mod interface;
mod load;
mod monitoring;
mod pictures;
mod reasons;
mod setup;
mod socket;
mod teaching;

use crate::support::{ConfigFile, Running};
pub(crate) use client::Server;

/// The bundled photographs with a page; `http` stands in its table, `rest` behind it.
fn serving(fps: u32, http: &str, rest: &str) -> (Running, Server) {
    let mut daemon = ConfigFile::replay(fps, &format!("[http]\n{http}\n{rest}")).daemon();
    let server = Server::of(&mut daemon);
    (daemon, server)
}

/// After the first label.
fn labelling(fps: u32, http: &str, rest: &str) -> (Running, Server) {
    let (daemon, server) = serving(fps, http, rest);
    server.until("/api/v1/state", |state| !state["state"].is_null());
    (daemon, server)
}
