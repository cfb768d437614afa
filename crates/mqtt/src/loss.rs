//! The error type: why there is no session, in plain words, with a hint.

use std::io;
use std::time::Duration;

/// Why a session ended or could not begin.
#[derive(Debug, thiserror::Error)]
pub enum Loss {
    /// The broker's host name could not be resolved.
    #[error("the name `{host}` cannot be resolved ({cause}); is it spelled right, and does the name server work?")]
    NoAddress {
        /// The name.
        host: String,
        /// The resolver's error.
        cause: io::Error,
    },
    /// The TCP connection was refused.
    #[error("connection refused; is the broker running, and is this its port?")]
    ConnectionRefused,
    /// The broker did not answer within this time while the connection was made.
    #[error("no answer within {} s", .0.as_secs())]
    NoAnswer(Duration),
    /// The broker owed an acknowledgement or a PINGRESP for this long.
    #[error("no acknowledgement within {} s", .0.as_secs())]
    NoAcknowledgement(Duration),
    /// The broker accepted none of the waiting bytes for this long.
    #[error("the broker took no bytes for {} s", .0.as_secs())]
    Stalled(Duration),
    /// The TLS configuration or handshake failed; the text says why.
    #[error("{0}")]
    Tls(String),
    /// The answer to CONNECT was not a CONNACK.
    #[error("the answer was not MQTT; is this port a broker's?")]
    NotMqtt,
    /// The CONNACK refused the connection; the text says why.
    #[error("{0}")]
    Refused(String),
    /// The broker refused MQTT 5, or answered as one that does not know it.
    #[error("the broker does not speak MQTT 5; set `version` in [mqtt] to \"auto\" or \"3.1.1\"")]
    NoMqtt5,
    /// The CONNACK refused the last will, because it is to be retained (reason code 0x9A of MQTT 5).
    #[error("the broker retains nothing, and refuses a last will that is to be retained")]
    WillRetained,
    /// The CONNACK refused the last will, because of its QoS (reason code 0x9B of MQTT 5).
    #[error("the broker takes QoS 0 only, and refuses a last will with QoS 1")]
    WillQos,
    /// The stream was closed before the CONNACK, and is not for a last will with QoS 0 that is not retained.
    #[error(
        "the broker closes the connection when the last will has QoS 1 and is retained, and not otherwise; MQTT 3.1.1 has no words for \
         it: if the broker speaks MQTT 5, leave `version` out of [mqtt] or set \"5\", so that it says which of both it does not take"
    )]
    WillClosed,
    /// The stream was closed before the CONNACK.
    #[error(
        "the broker closed the connection without an answer; does it expect TLS (mqtts://), or another kind of client?"
    )]
    ClosedAtOnce,
    /// The stream was closed during the session.
    #[error("the broker closed the connection")]
    Closed,
    /// Another client connected with the same client id (reason code 0x8E of MQTT 5).
    #[error("another client has connected with this client id, and the broker has thrown this one out")]
    TakenOver,
    /// The broker sent DISCONNECT; the text is its reason.
    #[error("the broker ended the session: {0}")]
    Ended(String),
    /// The broker sent a packet that is malformed or that it must not send.
    #[error("the broker broke the protocol: {0}")]
    Malformed(String),
    /// Another error of the stream.
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
            // A broker that closes a TLS connection without `close_notify` causes `UnexpectedEof`.
            BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

impl Loss {
    /// The same loss, if it happens before the CONNACK.
    pub(super) fn before_session(self) -> Self {
        match self {
            Self::Malformed(_) => Self::NotMqtt,
            Self::Closed => Self::ClosedAtOnce,
            other => other,
        }
    }

    /// Whether a broker that does not know MQTT 5 may be the cause: some refuse it, others hang up or never answer. A
    /// broker that is about to start does the same.
    pub(super) fn may_be_the_version(&self) -> bool {
        matches!(self, Self::NoMqtt5 | Self::ClosedAtOnce | Self::NoAnswer(_) | Self::NotMqtt)
    }
}
