//! A broker's address as a URL: `mqtt://host:port`, `mqtts://host:port`.

use std::net::Ipv6Addr;

/// A broker's address, parsed from `mqtt://`, `tcp://`, `mqtts://` or `ssl://`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerUrl {
    /// A host name or an IP address; IPv6 without its brackets.
    pub host: String,
    /// The TCP port; 1883 without TLS and 8883 with it unless the URL names another one.
    pub port: u16,
    /// Whether the connection is over TLS.
    pub tls: bool,
}

/// IANA's ports for MQTT without TLS and with it.
const DEFAULT_PORTS: (u16, u16) = (1883, 8883);

/// Why a text is not a broker's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause}; {hint}")]
pub struct InvalidUrl {
    /// What is wrong.
    pub cause: String,
    /// What would be right.
    pub hint: String,
}

impl InvalidUrl {
    fn new(cause: impl Into<String>) -> Self {
        Self::with_hint(cause, "write it as mqtt://host or mqtt://host:1883, with TLS as mqtts://host")
    }

    fn with_hint(cause: impl Into<String>, hint: &str) -> Self {
        Self { cause: cause.into(), hint: hint.into() }
    }
}

impl std::str::FromStr for BrokerUrl {
    type Err = InvalidUrl;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(InvalidUrl::new("it has no scheme"));
        };
        let tls = match scheme {
            "mqtt" | "tcp" => false,
            "mqtts" | "ssl" => true,
            other => return Err(InvalidUrl::new(format!("`{other}` is not a scheme of a broker"))),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains('@') {
            let hint = "set `username` and `password_file` instead";
            return Err(InvalidUrl::with_hint("a password does not belong in the address", hint));
        }
        if authority.contains(['/', '?', '#', ' ']) {
            return Err(InvalidUrl::new("it has more than a host and a port"));
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(bracketed) => {
                let Some((address, after)) = bracketed.split_once(']') else {
                    let hint = "write an IPv6 address as mqtt://[::1]:1883";
                    return Err(InvalidUrl::with_hint("the bracket is not closed", hint));
                };
                if address.parse::<Ipv6Addr>().is_err() {
                    return Err(InvalidUrl::new(format!("`{address}` is not an IPv6 address")));
                }
                match after {
                    "" => (address, None),
                    _ => match after.strip_prefix(':') {
                        Some(port) => (address, Some(port)),
                        None => return Err(InvalidUrl::new(format!("`{after}` after the address"))),
                    },
                }
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        if host.is_empty() {
            return Err(InvalidUrl::new("it names no host"));
        }
        let port = match port {
            None if tls => DEFAULT_PORTS.1,
            None => DEFAULT_PORTS.0,
            Some(text) => match text.parse() {
                Ok(port) if port > 0 => port,
                _ => return Err(InvalidUrl::new(format!("`{text}` is not a port from 1 to 65535"))),
            },
        };
        Ok(Self { host: host.to_owned(), port, tls })
    }
}

impl std::fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls { "mqtts" } else { "mqtt" };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hosts_and_ports_are_taken_apart() {
        let parse = |url: &str| url.parse::<BrokerUrl>().map(|url| (url.host, url.port)).map_err(|error| error.cause);
        assert_eq!(parse("mqtt://broker.local"), Ok(("broker.local".into(), 1883)));
        assert_eq!(parse("mqtt://10.0.0.2:1884/"), Ok(("10.0.0.2".into(), 1884)));
        assert_eq!(parse("mqtt://[::1]:99"), Ok(("::1".into(), 99)));
        assert_eq!(parse("mqtt://[::1]"), Ok(("::1".into(), 1883)));
        assert_eq!(parse("mqtts://broker"), Ok(("broker".into(), 8883)));
        for (wrong, cause) in [
            ("broker", "no scheme"),
            ("http://broker", "`http`"),
            ("mqtt://me:secret@broker", "password"),
            ("mqtt://broker:0", "`0`"),
            ("mqtt://broker:70000", "`70000`"),
            ("mqtt://:1883", "no host"),
            ("mqtt://[::1", "bracket"),
            ("mqtt://[fe80:zz]", "not an IPv6"),
            ("mqtt://broker/topic", "more than"),
        ] {
            let error = parse(wrong).expect_err(wrong);
            assert!(error.contains(cause), "{wrong}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused_without_a_panic(text in "\\PC{0,40}") {
            let _ = format!("mqtt://{text}").parse::<BrokerUrl>();
            let _ = text.parse::<BrokerUrl>();
        }

        #[test]
        fn what_is_shown_parses_to_the_same(host in "[a-z]{1,10}(\\.[a-z]{1,5})?", port in 1u16.., tls: bool) {
            let url = BrokerUrl { host, port, tls };
            prop_assert_eq!(url.to_string().parse(), Ok(url));
        }
    }
}
