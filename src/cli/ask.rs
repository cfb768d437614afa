//! A question to a web server of this machine, or of the one that it runs on.

use axum::body::Body;
use glimpsed_core::http_client::{Failure, connect, next_bytes};
use hyper::header::HeaderValue;
use hyper::{Request, StatusCode, Uri, header};

/// Of an answer, more is not looked at.
const MAX_BYTES: usize = 1 << 16;

/// The status and the beginning of the body of what `server`, an address without a path, answers. Who calls it has the deadline.
///
/// # Errors
/// Why there is no answer.
pub(super) async fn get(
    server: &Uri,
    path: &'static str,
    authorization: Option<&HeaderValue>,
) -> Result<(StatusCode, Vec<u8>), Failure> {
    let mut sender = connect::<Body>(server, None).await?;
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = Uri::from_static(path);
    let host = server.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
    request.headers_mut().insert(header::HOST, host.ok_or(Failure::NoHost)?);
    if let Some(value) = authorization {
        request.headers_mut().insert(header::AUTHORIZATION, value.clone());
    }
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let (mut body, mut bytes) = (answer.into_body(), Vec::new());
    while let Some(more) = next_bytes(&mut body).await? {
        bytes.extend_from_slice(&more[..more.len().min(MAX_BYTES - bytes.len())]);
        if bytes.len() == MAX_BYTES {
            break;
        }
    }
    Ok((status, bytes))
}
