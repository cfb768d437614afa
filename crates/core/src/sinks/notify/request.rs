//! A notice as each service wants it.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};
use serde_json::json;

use super::queue::Notice;
use crate::config::typed::{Recipient, Service};
use crate::http_client::address::authority;
use glimpsed_base::secret::Secret;

/// Gotify's header for the token of an application.
const GOTIFY_KEY: HeaderName = HeaderName::from_static("x-gotify-key");

const PICTURE: &str = "picture.jpg";

/// Between the parts of a body. No part holds it: they are JSON, whose control characters are escaped, numbers and names, and a JPEG
/// file, which would have to hold these forty bytes by chance.
const BOUNDARY: &str = "glimpsed-3f1c0a7d5e9b42868d20c4f17a6be953";

/// A request without its address: that can change with a redirect.
pub(super) struct Prepared {
    method: Method,
    /// Path and query.
    pub(super) path: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

impl Prepared {
    pub(super) fn new(to: &Recipient, notice: &Notice) -> Self {
        match &to.service {
            Service::Webhook => webhook(to, notice),
            Service::Ntfy => ntfy(to, notice),
            Service::Gotify => gotify(to, notice),
            Service::Telegram { chat } => telegram(to, chat, notice),
        }
    }

    /// The request to the host of this address.
    ///
    /// # Errors
    /// When the token or the path cannot be part of one.
    pub(super) fn request(&self, address: &Uri) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(&self.path)
            .header(header::HOST, authority(address))
            .header(header::USER_AGENT, concat!("glimpsed/", env!("CARGO_PKG_VERSION")))
            .header(header::CONNECTION, "close");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(self.body.clone()))
    }
}

fn webhook(to: &Recipient, notice: &Notice) -> Prepared {
    let path = to.address.reveal().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let event = Part { name: "event", file: None, kind: "application/json", body: notice.event.as_bytes() };
    let (kind, body) = match &notice.picture {
        None => (event.kind.to_owned(), event.body.to_vec()),
        Some(jpeg) => form(&[event, picture("picture", jpeg)]),
    };
    Prepared {
        method: Method::POST,
        path,
        headers: [content(&kind)].into_iter().chain(bearer(to)).collect(),
        body: body.into(),
    }
}

/// Words go into the query, which takes letters of all languages; headers do not.
fn ntfy(to: &Recipient, notice: &Notice) -> Prepared {
    let topic = to.address.reveal().path().trim_end_matches('/');
    let title = encoded(&notice.title);
    let headers = bearer(to).into_iter();
    match &notice.picture {
        None => {
            let headers = [content("text/plain; charset=utf-8")].into_iter().chain(headers).collect();
            let body = notice.text.clone().into();
            Prepared { method: Method::POST, path: format!("{topic}?title={title}"), headers, body }
        }
        Some(jpeg) => {
            let text = encoded(&notice.text);
            let path = format!("{topic}?title={title}&message={text}&filename={PICTURE}");
            let headers = [content("image/jpeg")].into_iter().chain(headers).collect();
            Prepared { method: Method::PUT, path, headers, body: jpeg.clone() }
        }
    }
}

fn gotify(to: &Recipient, notice: &Notice) -> Prepared {
    let base = to.address.reveal().path().trim_end_matches('/');
    let token = to.token.as_ref().and_then(|token| secret(GOTIFY_KEY, token.reveal()));
    let body = json!({ "title": notice.title, "message": notice.text }).to_string();
    let headers = [content("application/json")].into_iter().chain(token).collect();
    Prepared { method: Method::POST, path: format!("{base}/message"), headers, body: body.into() }
}

fn telegram(to: &Recipient, chat: &str, notice: &Notice) -> Prepared {
    let base = to.address.reveal().path().trim_end_matches('/');
    let token = to.token.as_ref().map_or("", Secret::reveal);
    let text = match notice.title.is_empty() {
        true => notice.text.clone(),
        false => format!("{}\n{}", notice.title, notice.text),
    };
    let (method, kind, body) = match &notice.picture {
        None => {
            let body = json!({ "chat_id": chat, "text": text }).to_string();
            ("sendMessage", "application/json".to_owned(), body.into_bytes())
        }
        Some(jpeg) => {
            let word = |name, body| Part { name, file: None, kind: "text/plain; charset=utf-8", body };
            // Telegram's limit of letters.
            let caption: String = text.chars().take(1024).collect();
            let parts = [word("chat_id", chat.as_bytes()), word("caption", caption.as_bytes()), picture("photo", jpeg)];
            let (kind, body) = form(&parts);
            ("sendPhoto", kind, body)
        }
    };
    let path = format!("{base}/bot{}/{method}", encoded_path(token));
    Prepared { method: Method::POST, path, headers: vec![content(&kind)], body: body.into() }
}

fn content(kind: &str) -> (HeaderName, HeaderValue) {
    // Only the constants above: they are valid.
    (header::CONTENT_TYPE, HeaderValue::from_str(kind).unwrap_or(HeaderValue::from_static("application/octet-stream")))
}

fn bearer(to: &Recipient) -> Option<(HeaderName, HeaderValue)> {
    let token = to.token.as_ref()?;
    secret(header::AUTHORIZATION, &format!("Bearer {}", token.reveal()))
}

/// A header that is not logged.
fn secret(name: HeaderName, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some((name, value))
}

/// A part of a form.
struct Part<'a> {
    name: &'static str,
    file: Option<&'static str>,
    kind: &'static str,
    body: &'a [u8],
}

fn picture<'a>(name: &'static str, jpeg: &'a Bytes) -> Part<'a> {
    Part { name, file: Some(PICTURE), kind: "image/jpeg", body: jpeg }
}

/// Content type and body of a `multipart/form-data` (RFC 7578).
fn form(parts: &[Part<'_>]) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for Part { name, file, kind, body: content } in parts {
        let file = file.map_or(String::new(), |file| format!("; filename=\"{file}\""));
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\nContent-Type: {kind}\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={BOUNDARY}"), body)
}

/// Text as a value of a query (RFC 3986).
fn encoded(text: &str) -> String {
    percent(text, b"-._~")
}

/// The same in a path, where a Telegram token's colon may stand.
fn encoded_path(text: &str) -> String {
    percent(text, b"-._~:")
}

fn percent(text: &str, plain: &[u8]) -> String {
    let byte = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() || plain.contains(&byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_all_languages_go_into_a_query() {
        assert_eq!(encoded("Tür & Tor: 100 %\n"), "T%C3%BCr%20%26%20Tor%3A%20100%20%25%0A");
        assert_eq!(encoded_path("123:AA-b_c/"), "123:AA-b_c%2F");
    }
}
