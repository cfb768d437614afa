//! Why there is no session, in plain words, with what to do about it.

use std::io;
use std::time::Duration;

/// What ended a session, or kept it from beginning.
#[derive(Debug, thiserror::Error)]
pub enum Loss {
    #[error("the name `{host}` cannot be resolved ({cause}); is it spelled right, and does the name server work?")]
    NoAddress { host: String, cause: io::Error },
    #[error("connection refused; is the broker running, and is this its port?")]
    ConnectionRefused,
    #[error("no answer within {} s", .0.as_secs())]
    NoAnswer(Duration),
    #[error("no acknowledgement within {} s", .0.as_secs())]
    NoAcknowledgement(Duration),
    #[error("the broker took no bytes for {} s", .0.as_secs())]
    Stalled(Duration),
    #[error("{0}")]
    Tls(String),
    #[error("the answer was not MQTT; is this port a broker's?")]
    NotMqtt,
    #[error("{0}")]
    Refused(String),
    #[error(
        "the broker closed the connection without an answer; does it expect TLS (mqtts://), or another kind of client?"
    )]
    ClosedAtOnce,
    #[error("the broker closed the connection")]
    Closed,
    #[error("another client has connected with this client id, and the broker has thrown this one out")]
    TakenOver,
    #[error("the broker ended the session: {0}")]
    Ended(String),
    #[error("the broker broke the protocol: {0}")]
    Malformed(String),
    #[error("{0}")]
    Io(io::Error),
}

impl From<io::Error> for Loss {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, UnexpectedEof};
        if let Some(cause) = crate::tls::explain_io(&error) {
            return Self::Tls(cause);
        }
        match error.kind() {
            ConnectionRefused => Self::ConnectionRefused,
            // A broker behind TLS that ends without TLS's farewell is an unexpected end.
            BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

impl Loss {
    /// The same, seen before there was a session.
    pub(super) fn before_session(self) -> Self {
        match self {
            Self::Malformed(_) => Self::NotMqtt,
            Self::Closed => Self::ClosedAtOnce,
            other => other,
        }
    }
}
