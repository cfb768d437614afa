//! The errors of the HTTP interface: RFC 9457's `application/problem+json`.

use axum::extract::rejection::{FormRejection, JsonRejection, QueryRejection};
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use glimpsed_base::leaving;
use serde_json::json;

/// An error response.
#[derive(Debug)]
pub(super) struct Problem {
    pub status: StatusCode,
    pub detail: String,
    /// Seconds after which a retry makes sense.
    pub retry_after: Option<u64>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: safe(detail), retry_after: None }
    }

    pub(super) fn later(status: StatusCode, seconds: u64, detail: impl Into<String>) -> Self {
        Self { status, detail: safe(detail), retry_after: Some(seconds) }
    }
}

/// A request that is not what was meant is told what axum says of it.
macro_rules! from_rejection {
    ($($rejection:ty),*) => {$(
        impl From<$rejection> for Problem {
            fn from(rejection: $rejection) -> Self {
                Self::new(rejection.status(), rejection.body_text())
            }
        }
    )*};
}

from_rejection!(JsonRejection, QueryRejection, FormRejection, WebSocketUpgradeRejection);

/// Without secrets and control characters, which the causes of errors quote.
fn safe(detail: impl Into<String>) -> String {
    leaving::clean(&detail.into()).into_owned()
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let body =
            json!({ "type": "about:blank", "title": title, "status": self.status.as_u16(), "detail": self.detail });
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        let mut set = |name: HeaderName, value: HeaderValue| headers.insert(name, value);
        set(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            set(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            set(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"glimpsed\""));
        }
        response
    }
}
