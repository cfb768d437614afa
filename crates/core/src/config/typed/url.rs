//! What every address in the configuration must have.

use hyper::Uri;

/// What is wrong with an address, and what would be right.
pub(super) struct Wrong {
    pub(super) what: String,
    pub(super) hint: String,
}

pub(super) const HOLDS_LOGIN: &str = "holds a login, which would be shown with it";

/// An absolute address, of whatever scheme, with a host and without a login.
///
/// # Errors
/// Why it is none.
pub(super) fn address(url: &str, example: &str) -> Result<Uri, Wrong> {
    let wrong = |what: &str, hint: String| Err(Wrong { what: what.to_owned(), hint });
    let Ok(address) = url.parse::<Uri>() else {
        return wrong("is not an address", format!("for example {example}"));
    };
    let Some((_, authority)) = address.scheme_str().zip(address.authority()) else {
        return wrong("is not a whole address", format!("for example {example}"));
    };
    if authority.as_str().contains('@') {
        return wrong(HOLDS_LOGIN, "leave the part before `@` out".into());
    }
    let host = authority.host();
    let port = authority.as_str().strip_prefix(host).and_then(|rest| rest.strip_prefix(':'));
    if host.is_empty() || port.is_some_and(|port| port.parse::<u16>().map_or(true, |port| port == 0)) {
        let hint = format!("a host, and a port from 1 to 65535 if it is not the usual one: {example}");
        return wrong("is not a whole address", hint);
    }
    if url.contains('#') {
        return wrong("has a part behind `#`, which is never sent", "leave it out".into());
    }
    Ok(address)
}
