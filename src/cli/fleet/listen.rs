//! Stays with the broker, and comes back to it.

use std::convert::Infallible;
use std::time::Duration;

use glimpsed_base::backoff::Backoff;
use glimpsed_base::sync::Mutex;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::broker::Reached;
use glimpsed_core::error::{Error, Result};
use glimpsed_core::fleet::roster::Roster;
use glimpsed_core::fleet::watch::Watch;

/// The first and the longest wait before the broker is tried again.
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));

/// A device that was heard in an earlier session and is not heard in this one after so long is gone: one that is there connects again within
/// a minute, and says how it is each minute.
const SETTLES_WITHIN: Duration = Duration::from_secs(180);

/// The connection to the broker.
pub(super) enum Line {
    /// What is retained arrives.
    Gathering,
    Connected {
        /// What was not read.
        notes: Vec<String>,
        /// All devices that there are were heard.
        all_came: bool,
    },
    Away {
        cause: String,
        until: Instant,
    },
}

/// Session after session with the broker.
pub(super) async fn listen(reached: &Reached, watch: Watch, roster: &Mutex<Roster>, line: &Mutex<Line>) -> Infallible {
    let (mut next, mut backoff) = (Some(watch), Backoff::new(WAITS.0, WAITS.1));
    loop {
        let begun = Instant::now();
        let connected = match next.take() {
            Some(watch) => Ok(watch),
            None => reached.connect().await,
        };
        let lost = match connected {
            Ok(watch) => session(reached, watch, roster, line).await,
            Err(error) => error,
        };
        if begun.elapsed() > 2 * WAITS.1 {
            backoff.reset();
        }
        let until = Instant::now() + backoff.next_wait(fastrand::f64());
        *line.lock() = Line::Away { cause: lost.to_string(), until };
        sleep_until(until).await;
    }
}

/// One session, and why it has ended.
async fn session(reached: &Reached, mut watch: Watch, roster: &Mutex<Roster>, line: &Mutex<Line>) -> Error {
    *line.lock() = Line::Gathering;
    let gathered = match reached.gather_into(&mut watch, roster).await {
        Ok(gathered) => gathered,
        Err(error) => return error,
    };
    {
        let roster = roster.lock();
        let (notes, all_came) = (reached.notes(&roster, &gathered), Reached::all_came(&roster, &gathered));
        *line.lock() = Line::Connected { notes, all_came };
    }
    let mut settles_at = (!gathered.cut_short).then(|| Instant::now() + SETTLES_WITHIN);
    loop {
        if settles_at.is_some_and(|at| Instant::now() >= at) {
            settles_at = None;
            roster.lock().forget_the_silent();
        }
        let heard = match settles_at {
            None => Ok(watch.hear(roster).await),
            Some(at) => timeout_at(at, watch.hear(roster)).await,
        };
        if let Ok(Err(loss)) = heard {
            return reached.unreachable(&loss);
        }
    }
}

/// SIGTERM and SIGINT.
pub(super) fn stop_signals() -> Result<(Signal, Signal)> {
    let of = |kind| signal(kind).map_err(Error::io("cannot wait for signals"));
    Ok((of(SignalKind::terminate())?, of(SignalKind::interrupt())?))
}
