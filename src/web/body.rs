//! The limits of a request's body in time: an overall deadline, and after a pause a minimum rate. A phone at the edge of its network
//! reaches that rate, while a client that trickles bytes does not keep its connection.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use super::problem::Problem;

const WITHIN: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_secs(5);
/// Bytes per second.
const RATE: f64 = 32e3;

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Around every route.
pub(super) async fn in_time(request: Request, next: Next) -> Response {
    let late = Arc::<AtomicBool>::default();
    let told = late.clone();
    let response = next.run(request.map(|body| Body::new(InTime::new(body, told)))).await;
    if !late.load(Ordering::Relaxed) {
        return response;
    }
    let mut response = Problem::new(StatusCode::REQUEST_TIMEOUT, "the body arrives too slowly").into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// A body that ends with an error when it is too slow. The time counts from the first attempt to read it.
struct InTime {
    body: Body,
    begun: Option<Instant>,
    arrived: usize,
    next_look: Pin<Box<Sleep>>,
    late: Arc<AtomicBool>,
}

impl InTime {
    fn new(body: Body, late: Arc<AtomicBool>) -> Self {
        Self { body, begun: None, arrived: 0, next_look: Box::pin(sleep(LOOK_EVERY)), late }
    }

    fn is_late(&self, waited: Duration) -> bool {
        let due = waited.saturating_sub(PAUSE).as_secs_f64() * RATE;
        waited >= WITHIN || (self.arrived as f64) < due
    }
}

impl hyper::body::Body for InTime {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let now = Instant::now();
        let begun = *self.begun.get_or_insert(now);
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.arrived += frame.data_ref().map_or(0, Bytes::len);
        }
        let ended = matches!(polled, Poll::Ready(None | Some(Err(_))));
        // A client that sends a byte now and then makes it ready again and again.
        if !ended && self.is_late(now - begun) {
            self.late.store(true, Ordering::Relaxed);
            return Poll::Ready(Some(Err(axum::Error::new("the body arrives too slowly"))));
        }
        if polled.is_pending() {
            while self.next_look.as_mut().poll(context).is_ready() {
                self.next_look.as_mut().reset(Instant::now() + LOOK_EVERY);
            }
            if self.is_late(begun.elapsed()) {
                context.waker().wake_by_ref();
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        hyper::body::Body::is_end_stream(&self.body)
    }

    fn size_hint(&self) -> SizeHint {
        hyper::body::Body::size_hint(&self.body)
    }
}
