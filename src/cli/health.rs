//! `glimpsed health`

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use glimpsed_base::leaving;
use glimpsed_core::config::Sources;
use glimpsed_core::error::{Error, Result};
use glimpsed_core::http_client::Failure;
use hyper::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::ask;
use super::block_on::block_on;
use super::files::ConfigFile;
use super::setup::here;
use super::streams::Streams;

/// Deadline for both answers. A supervisor that waits longer takes the device for dead anyway.
const WITHIN: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    file: ConfigFile,
    #[arg(long)]
    json: bool,
}

/// What `/readyz` answers.
#[derive(Debug, Deserialize, Serialize)]
struct Readiness {
    ready: bool,
    state: String,
}

/// Asks the daemon that runs with this configuration.
pub(super) fn run(options: &Options, streams: &mut Streams) -> Result<()> {
    let address = page_of(&options.file.path)?;
    let asked = block_on(async { timeout(WITHIN, readiness(address)).await })?;
    let silent = |cause: String| Error::Failed(format!("no daemon answers at http://{address}: {cause}"));
    let readiness = match asked {
        Ok(answer) => answer.map_err(|cause| silent(cause.to_string()))?,
        Err(_) => return Err(silent(format!("nothing came within {} s", WITHIN.as_secs()))),
    };
    let Some(readiness) = readiness else {
        return Err(Error::Failed("the daemon hangs: one of its threads does not return".into()));
    };
    if options.json {
        streams.print_json(&readiness)?;
    } else if readiness.ready {
        streams.print(&format!("ready: {}\n", readiness.state))?;
    }
    if readiness.ready {
        Ok(())
    } else {
        let state = leaving::short_line(&readiness.state, 120);
        Err(Error::Failed(format!("the daemon runs and is not ready: {state}")))
    }
}

/// Where the daemon serves its probes: by the file, or by the last one that worked where this one cannot.
fn page_of(path: &Path) -> Result<SocketAddr> {
    let of_the_file = Sources::read(path).and_then(Sources::load_without_the_absent);
    let (_, config) = of_the_file.or_else(|problems| {
        let last = Sources::last_good(path).and_then(|last| last.load_without_the_absent().ok());
        last.ok_or(problems)
    })?;
    let off = || Error::Failed("the page is off, and it is the page that tells; set `enabled = true` in [http]".into());
    Ok(here(config.http.ok_or_else(off)?.listen))
}

/// `None` where a thread hangs.
async fn readiness(address: SocketAddr) -> std::result::Result<Option<Readiness>, Failure> {
    let server: Uri = format!("http://{address}").parse().map_err(|_| Failure::NoHost)?;
    let (status, _) = ask::get(&server, "/livez", None).await?;
    if status == StatusCode::SERVICE_UNAVAILABLE {
        return Ok(None);
    }
    let (_, body) = ask::get(&server, "/readyz", None).await?;
    // Another program that listens there gives another answer.
    let nobody = || Readiness { ready: false, state: "what answers there is not glimpsed".into() };
    Ok(Some(serde_json::from_slice(&body).unwrap_or_else(|_| nobody())))
}
