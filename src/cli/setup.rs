//! `glimpsed setup`

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::Args;
use glimpsed_base::files;
use glimpsed_base::secret::Secret;
use glimpsed_core::config::edit::{EditError, planned};
use glimpsed_core::config::{Config, Sources};
use glimpsed_core::directories;
use glimpsed_core::domain::file_edit::FileEdit;
use glimpsed_core::domain::setup::{CameraChoice, PROPOSAL, PageChoice, Setup, listening};
use glimpsed_core::error::{Error, Result};
use glimpsed_core::models::catalog;
use jiff::Timestamp;

use super::files::ConfigFile;
use super::streams::Streams;
use crate::web::{LINK, keep_token, new_token, setup_link};

/// A daemon sees an edited file within a second or two, and opens the page anew; a slow board that has just been switched on takes longer.
const OPENS_WITHIN: Duration = Duration::from_secs(30);

const LOOK_EVERY: Duration = Duration::from_millis(300);

/// The choices have some hundred bytes.
const MAX_BYTES: u64 = 1 << 16;

#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    file: ConfigFile,
    /// Do not open the page to other machines: print its address on this one
    #[arg(long)]
    local: bool,
    /// End at once, instead of writing what is chosen into a file that the daemon itself may not write
    #[arg(long)]
    no_wait: bool,
}

pub(super) fn run(options: &Options, streams: &mut Streams) -> Result<()> {
    let path = &options.file.path;
    let mut config = Sources::read(path)?.load_awaiting_models()?;
    // What was chosen another time waits no more.
    drop(proposal(path));
    let (listen, has_token) = page_of(&config)?;
    if !has_token && options.local {
        streams.print(&format!("The page for this machine is at http://{}/#setup\n", here(listen)))?;
    } else {
        if !has_token {
            config = open_to_others(path, listen, streams)?;
        }
        print_link(&config, streams)?;
    }
    if options.no_wait { Ok(()) } else { wait(path, streams) }
}

fn page_of(config: &Config) -> Result<(SocketAddr, bool)> {
    let off = || Error::Failed("the page is switched off; set `enabled = true` in [http]".into());
    let http = config.http.as_ref().ok_or_else(off)?;
    Ok((http.listen, http.token.is_some()))
}

/// Makes a token, and lets the page listen on the network.
fn open_to_others(path: &Path, listen: SocketAddr, streams: &mut Streams) -> Result<Config> {
    let kept = keep_token(path, &new_token().map_err(Error::failed)?);
    let token_file = kept.map_err(|cause| Error::Failed(format!("the token cannot be kept: {cause}")))?;
    give_to_the_daemon(&token_file).map_err(Error::io(token_file.display().to_string()))?;
    let page = PageChoice { listen: listening(listen, true), token_file: Some(token_file) };
    let lines = write(path, Setup { page: Some(page), ..Setup::default() })?;
    streams.print(&format!(
        "The page answered this machine alone. These lines in {} open it to others, who need a token; they stay until you take them \
         out:\n\n{lines}\n",
        path.display()
    ))?;
    Ok(Sources::read(path)?.load_awaiting_models()?)
}

/// To whom the directory belongs, which is the service's user where root runs this.
fn give_to_the_daemon(file: &Path) -> std::io::Result<()> {
    let of = std::fs::metadata(file.parent().unwrap_or(Path::new("/")))?;
    let mine = std::fs::metadata(file)?;
    if (of.uid(), of.gid()) == (mine.uid(), mine.gid()) {
        return Ok(());
    }
    std::os::unix::fs::chown(file, Some(of.uid()), Some(of.gid()))
}

fn print_link(config: &Config, streams: &mut Streams) -> Result<()> {
    let Some((listen, token)) = config.http.as_ref().and_then(|http| Some((http.listen, http.token.as_ref()?))) else {
        return Err(Error::Failed("the page has no token".into()));
    };
    let end = link(token);
    let addresses = addresses(listen);
    let lines: String = addresses.iter().map(|address| format!("  http://{address}/login#{end}\n")).collect();
    streams.print(&format!(
        "Open this in a browser within {} minutes; it holds once:\n\n{lines}\n",
        LINK.as_secs() / 60
    ))?;
    let reached = own_address().filter(|_| !listen.ip().is_loopback()).unwrap_or(Ipv4Addr::LOCALHOST.into());
    if !answers(SocketAddr::new(reached, listen.port())) {
        streams.print("The daemon does not answer there yet; is it running? `sudo systemctl start glimpsed` starts the service.\n\n")?;
    }
    Ok(())
}

fn link(token: &Secret) -> String {
    setup_link(token, Timestamp::now())
}

fn answers(address: SocketAddr) -> bool {
    let deadline = Instant::now() + OPENS_WITHIN;
    while Instant::now() < deadline {
        if TcpStream::connect_timeout(&address, LOOK_EVERY).is_ok() {
            return true;
        }
        sleep(LOOK_EVERY);
    }
    false
}

/// What people can type to reach it.
fn addresses(listen: SocketAddr) -> Vec<String> {
    if !listen.ip().is_unspecified() {
        return vec![listen.to_string()];
    }
    let name = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
    let name = name.split('.').next().unwrap_or_default().to_owned();
    let named = (!name.is_empty() && name != "localhost").then(|| format!("{name}.local:{}", listen.port()));
    let numbered = own_address().map(|address| SocketAddr::new(address, listen.port()).to_string());
    let found: Vec<String> = named.into_iter().chain(numbered).collect();
    if found.is_empty() { vec![here(listen).to_string()] } else { found }
}

/// Where this machine itself reaches it.
pub(super) fn here(listen: SocketAddr) -> SocketAddr {
    if listen.ip().is_unspecified() {
        listening(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), listen.port()), false)
    } else {
        listen
    }
}

/// The address that this machine has in its network. Nothing is sent: the system only looks up the way to an address that nobody has.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_unspecified())
}

/// Writes what is chosen on the page, where the daemon may not; ends when it is written, by whomever.
fn wait(path: &Path, streams: &mut Streams) -> Result<()> {
    streams.print("Waiting for what is chosen there, to write it. Ctrl-C ends this.\n")?;
    let before = Sources::read(path)?.text;
    let deadline = Instant::now() + LINK;
    while Instant::now() < deadline {
        if let Some(setup) = proposal(path) {
            refuse_other_places(&setup)?;
            let lines = write(path, setup)?;
            return streams.print(&format!("Written into {}:\n\n{lines}", path.display()));
        }
        if Sources::read(path).is_ok_and(|now| now.text != before) {
            return streams.print(&format!("{} was written.\n", path.display()));
        }
        sleep(LOOK_EVERY);
    }
    streams.print("Nothing was chosen in time. Run this again for another link.\n")
}

/// What was chosen and could not be written. It is there once.
fn proposal(path: &Path) -> Option<Setup> {
    let name = directories::name_for(path, PROPOSAL, "json");
    let mut found = None;
    for file in directories::state().into_iter().map(|directory| directory.join(&name)) {
        if let Ok(text) = files::read_text(&file, MAX_BYTES) {
            // Where it cannot be removed, somebody else's is there.
            let is_removed = std::fs::remove_file(&file).is_ok();
            found = found.or_else(|| serde_json::from_str(&text).ok().filter(|_| is_removed));
        }
    }
    found
}

/// The daemon has fewer rights than the user who runs this, so it names no files but its own.
fn refuse_other_places(setup: &Setup) -> Result<()> {
    let state = directories::state();
    let is_own = |file: &PathBuf| {
        let has_no_steps = file.components().all(|part| part.as_os_str() != "..");
        has_no_steps && state.iter().any(|directory| file.starts_with(directory))
    };
    let camera = match &setup.camera {
        Some(CameraChoice::Http(camera) | CameraChoice::Rtsp(camera)) => camera.password_file.as_ref(),
        _ => None,
    };
    let examples = catalog::photographs();
    let plays_others = matches!(&setup.camera, Some(CameraChoice::Replay { path }) if *path != examples);
    let broker = setup.broker.as_ref().and_then(|broker| broker.password_file.as_ref());
    let page = setup.page.as_ref().and_then(|page| page.token_file.as_ref());
    let named = [camera, broker, page, setup.teach.as_ref()];
    if plays_others || !named.into_iter().flatten().all(is_own) {
        return Err(Error::Failed("what was chosen names files elsewhere, so it is not written".into()));
    }
    Ok(())
}

/// The lines that are new.
fn write(path: &Path, setup: Setup) -> Result<String> {
    let planned = planned(path, &FileEdit::Setup(Box::new(setup))).map_err(|error| match error {
        EditError::Problems(problems) => Error::Config(problems),
        other => Error::failed(other),
    })?;
    directories::replace(path, &planned.edited.text).map_err(Error::failed)?;
    Ok(planned.edited.lines)
}
