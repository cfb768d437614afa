//! Sends one notice after the other, again and again where that may help.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, StatusCode, Uri, header};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::counters::Counters;
use super::queue::{Notice, Queue};
use super::request::Prepared;
use crate::config::typed::{Notify, Recipient};
use crate::http_client::address::{BadRedirect, origin, redirected};
use crate::http_client::{Failure, connect, next_bytes};
use glimpsed_base::backoff::Backoff;
use glimpsed_base::clock::Clock;
use glimpsed_base::repetition::is_logged;
use glimpsed_base::{budget, leaving};

/// Deadline for one try, from the name lookup to the answer.
const WITHIN: Duration = Duration::from_secs(20);

/// The waits between two tries.
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// A notice that is older is not worth telling any more.
const MAX_AGE: Duration = Duration::from_secs(3600);

/// Redirects that are followed for one notice.
const MAX_REDIRECTS: usize = 3;

/// The longest reason that a service gives, in bytes.
const MAX_REASON: usize = 160;

/// Why a notice was not taken. Each text follows on who was asked.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    Connection(#[from] Failure),
    #[error("it does not answer within {} s", WITHIN.as_secs())]
    Late,
    #[error("it redirects more than {MAX_REDIRECTS} times")]
    Redirects,
    #[error(transparent)]
    Redirect(#[from] BadRedirect),
    #[error("it redirects to {0}, which is not told; set `url` to that address if it is right")]
    Elsewhere(String),
    #[error("it answers with a redirect ({0}) that changes the request; set `url` to the address where it leads to")]
    Changes(StatusCode),
    #[error("the request cannot be made: {0}")]
    Request(hyper::http::Error),
    #[error("it answers with {status}{reason}")]
    Status {
        status: StatusCode,
        reason: String,
        /// When it wants to be asked again.
        again: Option<Duration>,
    },
}

impl Refusal {
    /// Whether another try can have another outcome.
    fn may_pass(&self) -> bool {
        match self {
            Self::Connection(_) | Self::Late => true,
            Self::Status { status, .. } => {
                status.is_server_error()
                    || matches!(*status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
            }
            _ => false,
        }
    }

    fn again(&self) -> Option<Duration> {
        if let Self::Status { again, .. } = self { *again } else { None }
    }
}

/// Sends the notices of one rule, for as long as it is not dropped.
pub(super) async fn deliver(queue: Arc<Queue>, rule: usize, of: Notify, clock: Arc<dyn Clock>, counters: Counters) {
    let (mut backoff, mut failures) = (Backoff::new(WAITS.0, WAITS.1), 0);
    loop {
        let (number, notice) = queue.next(rule).await;
        match send(&of.to, &notice).await {
            Ok(()) => {
                if failures > 0 {
                    tracing::info!(to = of.describe(), failures, "notices arrive again");
                }
                (backoff, failures) = (Backoff::new(WAITS.0, WAITS.1), 0);
                counters.succeeds(rule);
                queue.done(number);
                continue;
            }
            Err(refusal) => {
                failures += 1;
                let cause = refusal.to_string();
                let cause = leaving::clean_line(&cause);
                let again = refusal.may_pass();
                if is_logged(failures) {
                    tracing::warn!(to = of.describe(), %cause, failures, again, "a notice did not arrive");
                }
                counters.fails(rule, format!("{}: {cause}", of.describe()));
                if !again {
                    lose(&queue, number, &counters);
                    continue;
                }
                let wait = backoff.next_wait(fastrand::f64()).max(refusal.again().unwrap_or_default()).min(WAITS.1);
                sleep(wait).await;
            }
        }
        // Meanwhile it may have made room for others, or grown old.
        if queue.has(number) && clock.now().saturating_sub(notice.at) > MAX_AGE {
            lose(&queue, number, &counters);
        }
    }
}

fn lose(queue: &Queue, number: u64, counters: &Counters) {
    if queue.has(number) {
        counters.lost.fetch_add(1, Ordering::Relaxed);
        queue.done(number);
    }
}

/// Whether there is somebody who would take notices: a connection, and no request.
///
/// # Errors
/// Why there is none.
pub async fn try_recipient(to: &Recipient) -> Result<(), Refusal> {
    let connected = timeout(WITHIN, connect::<Full<Bytes>>(to.address.reveal(), to.tls.as_ref())).await;
    connected.map_err(|_| Refusal::Late)??;
    Ok(())
}

/// Sends a notice once.
///
/// # Errors
/// Why it was not taken. What the service says may stand in it: it is cleaned where it leaves.
pub(super) async fn send(to: &Recipient, notice: &Notice) -> Result<(), Refusal> {
    match timeout(WITHIN, ask(to, notice)).await {
        Ok(answer) => answer,
        Err(_) => Err(Refusal::Late),
    }
}

async fn ask(to: &Recipient, notice: &Notice) -> Result<(), Refusal> {
    let mut prepared = Prepared::new(to, notice);
    let mut address = to.address.reveal().clone();
    for _ in 0..=MAX_REDIRECTS {
        let request = prepared.request(&address).map_err(Refusal::Request)?;
        let mut sender = connect(&address, to.tls.as_ref()).await?;
        let response = sender.send_request(request).await.map_err(Failure::from)?;
        let status = response.status();
        match status {
            _ if status.is_success() => return Ok(()),
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => {
                let asked = asked_for(&address, &prepared.path)?;
                let next = redirected(&asked, response.headers())?;
                // What is told, and the token, are for nobody else.
                if origin(&next) != origin(to.address.reveal()) {
                    return Err(Refusal::Elsewhere(origin(&next)));
                }
                prepared.path = next.path_and_query().map_or("/", |path| path.as_str()).to_owned();
                address = next;
            }
            _ if status.is_redirection() => return Err(changes(&address, &prepared.path, &response)),
            _ => return Err(refused(response).await),
        }
    }
    Err(Refusal::Redirects)
}

/// The address of a request.
fn asked_for(address: &Uri, path: &str) -> Result<Uri, Refusal> {
    let (scheme, authority) = (address.scheme_str().unwrap_or("http"), address.authority());
    let text = format!("{scheme}://{}{path}", authority.map_or("", |authority| authority.as_str()));
    text.parse().map_err(|_| Refusal::Redirect(BadRedirect::Unreadable))
}

/// Of a redirect after which browsers would ask without what is told.
fn changes(address: &Uri, path: &str, response: &Response<hyper::body::Incoming>) -> Refusal {
    let leads_to = asked_for(address, path).and_then(|asked| Ok(redirected(&asked, response.headers())?));
    match leads_to {
        Ok(next) if origin(&next) != origin(address) => Refusal::Elsewhere(origin(&next)),
        _ => Refusal::Changes(response.status()),
    }
}

async fn refused(response: Response<hyper::body::Incoming>) -> Refusal {
    let status = response.status();
    let again = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let again = again.map(Duration::from_secs);
    let (mut body, mut bytes) = (response.into_body(), Vec::new());
    while let Ok(Some(portion)) = next_bytes(&mut body).await {
        bytes.extend_from_slice(&portion[..portion.len().min(budget::NOTICE_ANSWER - bytes.len())]);
        if bytes.len() >= budget::NOTICE_ANSWER {
            break;
        }
    }
    let reason = reason(&bytes).map(|reason| format!(": {reason}")).unwrap_or_default();
    Refusal::Status { status, reason, again }
}

/// What the services say is wrong: Gotify, Telegram, ntfy.
fn reason(body: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let text = ["errorDescription", "description", "error"].iter().find_map(|name| answer[*name].as_str())?;
    Some(leaving::short_line(text, MAX_REASON).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_a_service_is_told_in_one_short_line() {
        let told = |body: &str| reason(body.as_bytes());
        assert_eq!(
            told(r#"{"ok":false,"description":"Bad Request: chat not found"}"#).as_deref(),
            Some("Bad Request: chat not found")
        );
        assert_eq!(
            told(r#"{"error":"Unauthorized","errorDescription":"wrong token"}"#).as_deref(),
            Some("wrong token")
        );
        assert_eq!(told(r#"{"error":"a\nb"}"#).as_deref(), Some("a\\nb"));
        assert_eq!(told("<html>"), None);
        let long = told(&format!(r#"{{"error":"{}"}}"#, "x".repeat(4000))).expect("a reason");
        assert!(long.len() <= MAX_REASON, "{}", long.len());
    }

    #[test]
    fn what_may_pass_is_tried_again_and_what_was_refused_is_not() {
        let status = |status| Refusal::Status { status, reason: String::new(), again: None };
        for again in [status(StatusCode::BAD_GATEWAY), status(StatusCode::TOO_MANY_REQUESTS), Refusal::Late] {
            assert!(again.may_pass(), "{again}");
        }
        for never in [status(StatusCode::NOT_FOUND), status(StatusCode::UNAUTHORIZED), Refusal::Redirects] {
            assert!(!never.may_pass(), "{never}");
        }
    }
}
