//! Encoding and decoding of MQTT 5 and 3.1.1 packets. Only this file names rumqttc, whose codecs do the work.

use bytes::{Buf, BytesMut};
use rumqttc::mqttbytes::{self, v4};
use rumqttc::v5::mqttbytes::{self as mqttbytes5, v5};

use crate::inbox::Reply;
use crate::loss::Loss;
use crate::message::{Delivery, MAX_PACKET_BYTES, Message};
use crate::options::{Options, Version};

/// The expiry interval of live messages (MQTT 5) in seconds: the broker discards what it cannot deliver in time.
const LIVE_EXPIRES_S: u32 = 30;

/// A PINGREQ, the same in both versions.
pub(crate) const PING: [u8; 2] = [0xC0, 0];
/// A DISCONNECT for a normal end; in MQTT 5 the missing reason code means just that.
pub(crate) const DISCONNECT: [u8; 2] = [0xE0, 0];

/// A packet from the broker.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// A CONNACK that accepts the connection.
    Welcome(Limits),
    /// A CONNACK that refuses the connection.
    Refused(Refused),
    /// A PUBACK.
    Acknowledged {
        /// The packet identifier of the published message.
        id: u16,
        /// Why the broker refused the message, if it did (MQTT 5).
        refusal: Option<Refusal>,
    },
    /// A SUBACK: for each topic filter why it was refused, or `None` if it was granted.
    Subscribed(Vec<Option<Refusal>>),
    /// A PUBLISH.
    Message {
        /// The packet identifier, which is to be acknowledged; `None` with QoS 0.
        id: Option<u16>,
        /// The topic.
        topic: String,
        /// The content.
        payload: Vec<u8>,
        /// Whether the broker had it retained.
        retained: bool,
        /// Where the sender wants an answer (MQTT 5).
        reply: Option<Reply>,
    },
    /// A PUBLISH larger than [`MAX_PACKET_BYTES`], of which only the beginning was decoded.
    TooLarge {
        /// The packet identifier, which is to be acknowledged; `None` with QoS 0.
        id: Option<u16>,
        /// The bytes of the whole packet, which are to be skipped; some of them may not have arrived yet.
        skip: usize,
    },
    /// A PINGRESP.
    Pong,
}

/// The broker's limits, from its CONNACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest number of unacknowledged messages (MQTT 5's Receive Maximum); at least 1.
    pub window: u16,
    /// The largest packet in bytes, at most [`MAX_PACKET_BYTES`].
    pub packet_bytes: usize,
    /// The keep-alive interval that the broker demands (MQTT 5's Server Keep Alive), in seconds; 0 for none.
    pub keepalive_s: Option<u16>,
    /// Whether the broker takes QoS 1 (MQTT 5's Maximum QoS).
    pub acknowledges: bool,
    /// Whether the broker retains messages (MQTT 5's Retain Available).
    pub retains: bool,
}

impl Limits {
    /// Those of a broker that names none.
    pub(crate) const NONE: Self =
        Self { window: u16::MAX, packet_bytes: MAX_PACKET_BYTES, keepalive_s: None, acknowledges: true, retains: true };
}

/// Why a CONNACK refuses the connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// The broker does not speak MQTT 5.
    NoMqtt5,
    /// The last will is to be retained, and the broker retains nothing.
    WillRetained,
    /// The last will has QoS 1, and the broker takes QoS 0 only.
    WillQos,
    /// Another reason, in words.
    Other(String),
}

/// Why a broker refuses a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The reason code in words.
    pub reason: String,
    /// Whether the reason passes, so that the same message may be accepted later: a quota, or an error within the broker.
    pub passes: bool,
}

/// What became of a message that was to be sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is queued with QoS 1: the broker will acknowledge this packet identifier.
    Expecting(u16),
    /// It is queued with QoS 0: nobody will acknowledge it.
    Unacknowledged,
    /// It is larger than the broker accepts, and not queued.
    TooLarge,
}

/// A session without a memory at the broker: what was commanded while we were away is not wanted any more, and what we
/// have to say waits in the outbox.
pub(crate) fn connect(
    options: &Options,
    version: Version,
    client_id: &str,
    will: Option<&Message>,
) -> Result<BytesMut, Loss> {
    let keep_alive = options.keepalive.as_secs() as u16;
    let client_id = client_id.to_owned();
    let login = options.username.as_ref().map(|username| {
        (username.clone(), options.password.as_ref().map_or_else(String::new, |password| password.reveal().to_owned()))
    });
    let mut bytes = BytesMut::new();
    match version {
        Version::V5 => {
            let mut properties = v5::ConnectProperties::new();
            // Without a Maximum Packet Size: mosquitto 2.0 counts the messages that it withholds for it as under way for ever, so that
            // twenty of them end all others. What is too large is skipped as it arrives.
            properties.user_properties = vec![("software".into(), options.software.clone())];
            let connect = v5::Connect { keep_alive, client_id, clean_start: true, properties: Some(properties) };
            let will = will
                .map(|will| v5::LastWill::new(&will.topic, &will.payload[..], qos5(will.delivery), will.retain, None));
            let login = login.map(|(username, password)| v5::Login { username, password });
            v5::Packet::Connect(connect, will, login).write(&mut bytes, None).map_err(unwritable)?;
        }
        Version::V311 => {
            let connect = v4::Connect {
                protocol: mqttbytes::Protocol::V4,
                keep_alive,
                client_id,
                clean_session: true,
                last_will: will
                    .map(|will| v4::LastWill::new(&will.topic, &will.payload[..], qos4(will.delivery), will.retain)),
                login: login.map(|(username, password)| v4::Login { username, password }),
            };
            v4::Packet::Connect(connect).write(&mut bytes, MAX_PACKET_BYTES).map_err(unwritable)?;
        }
    }
    Ok(bytes)
}

/// Everything with QoS 1, or with QoS 0 if `live`.
pub(crate) fn subscribe(
    version: Version,
    id: u16,
    filters: &[String],
    live: bool,
    out: &mut BytesMut,
) -> Result<(), Loss> {
    let delivery = if live { Delivery::Live } else { Delivery::Event };
    match version {
        Version::V5 => {
            let filters = filters.iter().map(|filter| v5::Filter::new(filter, qos5(delivery))).collect();
            v5::Packet::Subscribe(v5::Subscribe { pkid: id, filters, properties: None })
                .write(out, None)
                .map_err(unwritable)?;
        }
        Version::V311 => {
            let filters =
                filters.iter().map(|filter| v4::SubscribeFilter::new(filter.clone(), qos4(delivery))).collect();
            v4::Packet::Subscribe(v4::Subscribe { pkid: id, filters })
                .write(out, MAX_PACKET_BYTES)
                .map_err(unwritable)?;
        }
    }
    Ok(())
}

fn qos5(delivery: Delivery) -> mqttbytes5::QoS {
    if delivery == Delivery::Live { mqttbytes5::QoS::AtMostOnce } else { mqttbytes5::QoS::AtLeastOnce }
}

fn qos4(delivery: Delivery) -> mqttbytes::QoS {
    if delivery == Delivery::Live { mqttbytes::QoS::AtMostOnce } else { mqttbytes::QoS::AtLeastOnce }
}

/// Writes a PUBLISH as the broker's `limits` allow: with QoS 0 where it takes no other, without the retain flag where it
/// retains nothing, and not at all when it is too large. `id` is used only with QoS 1.
pub(crate) fn publish(
    version: Version,
    id: u16,
    mut message: Message,
    limits: Limits,
    out: &mut BytesMut,
) -> Result<Sent, Loss> {
    message.retain &= limits.retains;
    let delivery = if limits.acknowledges { message.delivery } else { Delivery::Live };
    let (pkid, sent) = match delivery {
        Delivery::Live => (0, Sent::Unacknowledged),
        _ => (id, Sent::Expecting(id)),
    };
    match version {
        Version::V5 => {
            let properties = Some(properties(&mut message));
            let mut publish = v5::Publish::new(message.topic, qos5(delivery), message.payload, properties);
            (publish.pkid, publish.retain) = (pkid, message.retain);
            if publish.size() > limits.packet_bytes {
                return Ok(Sent::TooLarge);
            }
            publish.write(out).map_err(unwritable)?;
        }
        Version::V311 => {
            let mut publish = v4::Publish::new(message.topic, qos4(delivery), message.payload);
            (publish.pkid, publish.retain) = (pkid, message.retain);
            if publish.size() > limits.packet_bytes {
                return Ok(Sent::TooLarge);
            }
            publish.write(out).map_err(unwritable)?;
        }
    }
    Ok(sent)
}

/// The properties of a PUBLISH (MQTT 5): content type, payload format, expiry and correlation data, which is moved out.
fn properties(message: &mut Message) -> v5::PublishProperties {
    let (content_type, is_text) = match message.payload.as_slice() {
        [b'{' | b'[', ..] => (Some("application/json"), true),
        [0xFF, 0xD8, ..] => (Some("image/jpeg"), false),
        payload => (None, !payload.is_empty() && payload.len() < 256 && payload.is_ascii()),
    };
    v5::PublishProperties {
        payload_format_indicator: is_text.then_some(1),
        message_expiry_interval: (message.delivery == Delivery::Live && !message.retain).then_some(LIVE_EXPIRES_S),
        content_type: content_type.map(str::to_owned),
        correlation_data: message.correlation.take().map(Into::into),
        ..v5::PublishProperties::default()
    }
}

/// Both versions write it alike.
pub(crate) fn acknowledge(id: u16, out: &mut BytesMut) {
    out.extend_from_slice(&[0x40, 2]);
    out.extend_from_slice(&id.to_be_bytes());
}

/// Takes the next packet out of `input`, if it is there as a whole.
pub(crate) fn decode(version: Version, input: &mut BytesMut) -> Result<Option<Received>, Loss> {
    if let Some(too_large) = too_large(input)? {
        return Ok(too_large);
    }
    let before = input.len();
    match version {
        Version::V5 => {
            // rumqttc cannot decode these: a CONNACK of version 3.1.1, which is a byte shorter, a PUBACK with a reason that
            // it does not know, and DISCONNECT.
            if let [0x20, 2, _, _, ..] = input[..] {
                input.advance(4);
                return Ok(Some(Received::Refused(Refused::NoMqtt5)));
            }
            if let [0x40, length @ 2..=127, high, low, rest @ ..] = &input[..] {
                let (length, id) = (usize::from(*length), u16::from_be_bytes([*high, *low]));
                if rest.len() + 2 < length {
                    return Ok(None);
                }
                let reason = if length > 2 { rest.first().copied().unwrap_or_default() } else { 0 };
                input.advance(2 + length);
                return Ok(Some(Received::Acknowledged { id, refusal: refusal(reason) }));
            }
            if let [0xE0, rest @ ..] = &input[..]
                && let Some(last) = rest.iter().take(4).position(|byte| byte & 0x80 == 0)
            {
                // The reason code is the first byte behind the length. Without one it is a normal disconnection.
                let empty = rest[..=last].iter().all(|digit| digit & 0x7F == 0);
                match rest.get(last + 1) {
                    Some(&reason) if !empty => return Err(goodbye(Some(reason))),
                    None if !empty => return Ok(None),
                    _ => return Err(goodbye(None)),
                }
            }
            match v5::Packet::read(input, Some(MAX_PACKET_BYTES as u32)) {
                Ok(packet) => received5(packet).map(Some),
                Err(mqttbytes5::Error::InsufficientBytes(_)) if input.len() == before => Ok(None),
                Err(error) => Err(Loss::Malformed(error.to_string())),
            }
        }
        Version::V311 => match v4::Packet::read(input, MAX_PACKET_BYTES) {
            Ok(packet) => received4(packet).map(Some),
            Err(mqttbytes::Error::InsufficientBytes(_)) if input.len() == before => Ok(None),
            Err(error) => Err(Loss::Malformed(error.to_string())),
        },
    }
}

/// Detects a PUBLISH above [`MAX_PACKET_BYTES`]: `Some(Some(_))` for one, `Some(None)` for one whose beginning has not
/// arrived, `None` for any other packet. It does not end the session, because a retained one would come again after
/// each reconnect.
fn too_large(input: &[u8]) -> Result<Option<Option<Received>>, Loss> {
    const PUBLISH: u8 = 3;
    let Some((&first, rest)) = input.split_first() else { return Ok(None) };
    let Some(digits) = rest.iter().take(4).position(|byte| byte & 0x80 == 0) else { return Ok(None) };
    let length = rest[..=digits].iter().rev().fold(0, |length, digit| length << 7 | usize::from(digit & 0x7F));
    if first >> 4 != PUBLISH || length <= MAX_PACKET_BYTES {
        return Ok(None);
    }
    let skip = 2 + digits + length;
    let body = &rest[digits + 1..];
    let Some((&[high, low], after)) = body.split_first_chunk() else { return Ok(Some(None)) };
    let topic_bytes = usize::from(u16::from_be_bytes([high, low]));
    let qos = first >> 1 & 3;
    match after.get(topic_bytes..topic_bytes + 2) {
        Some(&[high, low]) => {
            let id = message_id(qos, u16::from_be_bytes([high, low]))?;
            Ok(Some(Some(Received::TooLarge { id, skip })))
        }
        _ => Ok(Some(None)),
    }
}

fn received5(packet: v5::Packet) -> Result<Received, Loss> {
    Ok(match packet {
        v5::Packet::ConnAck(answer) if answer.code == v5::ConnectReturnCode::Success => {
            let properties = answer.properties.as_ref();
            let packet_bytes = properties.and_then(|properties| properties.max_packet_size);
            let says_no = |flag: Option<u8>| flag == Some(0);
            Received::Welcome(Limits {
                acknowledges: !says_no(properties.and_then(|properties| properties.max_qos)),
                retains: !says_no(properties.and_then(|properties| properties.retain_available)),
                window: properties.and_then(|properties| properties.receive_max).unwrap_or(u16::MAX).max(1),
                packet_bytes: packet_bytes.map_or(MAX_PACKET_BYTES, |bytes| MAX_PACKET_BYTES.min(bytes as usize)),
                keepalive_s: properties.and_then(|properties| properties.server_keep_alive),
            })
        }
        v5::Packet::ConnAck(answer) => Received::Refused(refusal5(answer.code)),
        v5::Packet::PubAck(answer) => {
            let accepted = matches!(answer.reason, v5::PubAckReason::Success | v5::PubAckReason::NoMatchingSubscribers);
            let refusal = (!accepted).then(|| Refusal { reason: words(answer.reason), passes: false });
            Received::Acknowledged { id: answer.pkid, refusal }
        }
        v5::Packet::SubAck(answer) => {
            let granted = |code: &v5::SubscribeReasonCode| match code {
                v5::SubscribeReasonCode::Success(_) => None,
                refused => {
                    use v5::SubscribeReasonCode::{ImplementationSpecific, PkidInUse, QuotaExceeded, Unspecified};
                    let passes = matches!(refused, Unspecified | ImplementationSpecific | PkidInUse | QuotaExceeded);
                    Some(Refusal { reason: words(refused), passes })
                }
            };
            Received::Subscribed(answer.return_codes.iter().map(granted).collect())
        }
        v5::Packet::Publish(publish) => Received::Message {
            id: message_id(publish.qos as u8, publish.pkid)?,
            topic: String::from_utf8(publish.topic.to_vec())
                .map_err(|_| Loss::Malformed("a topic that is not UTF-8".into()))?,
            payload: publish.payload.to_vec(),
            retained: publish.retain,
            reply: publish.properties.and_then(reply),
        },
        v5::Packet::PingResp(_) => Received::Pong,
        other => return Err(unexpected(&words(other))),
    })
}

fn received4(packet: v4::Packet) -> Result<Received, Loss> {
    Ok(match packet {
        v4::Packet::ConnAck(answer) if answer.code == v4::ConnectReturnCode::Success => Received::Welcome(Limits::NONE),
        v4::Packet::ConnAck(answer) => Received::Refused(Refused::Other(refusal4(answer.code).into())),
        v4::Packet::PubAck(answer) => Received::Acknowledged { id: answer.pkid, refusal: None },
        v4::Packet::SubAck(answer) => {
            let granted = |code: &v4::SubscribeReasonCode| {
                (*code == v4::SubscribeReasonCode::Failure)
                    .then(|| Refusal { reason: "it gave no reason".to_owned(), passes: false })
            };
            Received::Subscribed(answer.return_codes.iter().map(granted).collect())
        }
        v4::Packet::Publish(publish) => Received::Message {
            id: message_id(publish.qos as u8, publish.pkid)?,
            topic: publish.topic,
            payload: publish.payload.to_vec(),
            retained: publish.retain,
            reply: None,
        },
        v4::Packet::PingResp => Received::Pong,
        other => return Err(unexpected(&words(other))),
    })
}

fn reply(properties: v5::PublishProperties) -> Option<Reply> {
    let (topic, correlation) = (properties.response_topic, properties.correlation_data);
    let correlation = correlation.map(|data| data.to_vec());
    (topic.is_some() || correlation.is_some()).then_some(Reply { topic, correlation })
}

/// Why a broker refuses a message whose size it does not take.
pub(crate) const TOO_LARGE: &str = "packet too large";

/// The refusal that a reason code of PUBACK means.
fn refusal(reason: u8) -> Option<Refusal> {
    let (words, passes) = match reason {
        // 0x10: nobody has subscribed to it.
        0..0x80 => return None,
        0x80 => ("unspecified error", true),
        0x83 => ("implementation specific error", true),
        0x87 => ("not authorized", false),
        0x89 => ("server busy", true),
        0x8B => ("server shutting down", true),
        0x90 => ("topic name invalid", false),
        0x91 => ("packet identifier in use", true),
        0x95 => (TOO_LARGE, false),
        0x96 => ("message rate too high", true),
        0x97 => ("quota exceeded", true),
        0x99 => ("payload format invalid", false),
        _ => return Some(Refusal { reason: format!("reason code 0x{reason:02X}"), passes: false }),
    };
    Some(Refusal { reason: words.into(), passes })
}

fn message_id(qos: u8, id: u16) -> Result<Option<u16>, Loss> {
    match qos {
        0 => Ok(None),
        1 => Ok(Some(id)),
        // All subscriptions have QoS 1 at most.
        _ => Err(Loss::Malformed("a message with QoS 2 that was not asked for".into())),
    }
}

fn unexpected(packet: &str) -> Loss {
    let name = packet.split(['(', ' ', '{']).next().unwrap_or_default();
    Loss::Malformed(format!("a packet that only clients send ({name})"))
}

fn unwritable(error: impl std::fmt::Display) -> Loss {
    Loss::Malformed(error.to_string())
}

fn goodbye(reason: Option<u8>) -> Loss {
    match reason.map(v5::DisconnectReasonCode::try_from) {
        Some(Ok(v5::DisconnectReasonCode::SessionTakenOver)) => Loss::TakenOver,
        Some(Ok(reason)) => Loss::Ended(words(reason)),
        Some(Err(_)) | None => Loss::Ended("it gave no reason".into()),
    }
}

const NOT_AUTHORIZED: &str = "the broker does not allow this client; check `username`, `password_file` and its ACL";
const BAD_LOGIN: &str = "the broker refused the user name or the password; check `username`, `password_file`";
const BAD_CLIENT_ID: &str = "the broker refused the client id; set another `client_id`";
const UNAVAILABLE: &str = "the broker says it is unavailable";

fn refusal5(code: v5::ConnectReturnCode) -> Refused {
    Refused::Other(match code {
        v5::ConnectReturnCode::UnsupportedProtocolVersion => return Refused::NoMqtt5,
        v5::ConnectReturnCode::RetainNotSupported => return Refused::WillRetained,
        v5::ConnectReturnCode::QoSNotSupported => return Refused::WillQos,
        v5::ConnectReturnCode::BadUserNamePassword => BAD_LOGIN.into(),
        v5::ConnectReturnCode::NotAuthorized => NOT_AUTHORIZED.into(),
        v5::ConnectReturnCode::ClientIdentifierNotValid => BAD_CLIENT_ID.into(),
        v5::ConnectReturnCode::ServerUnavailable | v5::ConnectReturnCode::ServerBusy => UNAVAILABLE.into(),
        other => format!("the broker refused the connection: {}", words(other)),
    })
}

fn refusal4(code: v4::ConnectReturnCode) -> &'static str {
    match code {
        v4::ConnectReturnCode::BadUserNamePassword => BAD_LOGIN,
        v4::ConnectReturnCode::NotAuthorized => NOT_AUTHORIZED,
        v4::ConnectReturnCode::BadClientId => BAD_CLIENT_ID,
        v4::ConnectReturnCode::RefusedProtocolVersion => {
            "the broker does not speak MQTT 3.1.1; set `version = \"5\"` in [mqtt]"
        }
        v4::ConnectReturnCode::ServiceUnavailable => UNAVAILABLE,
        v4::ConnectReturnCode::Success => "the broker refused and gave no reason",
    }
}

/// The words of a name in camel case: `ServerShuttingDown` becomes `server shutting down`.
fn words(name: impl std::fmt::Debug) -> String {
    let mut words = String::new();
    for (place, c) in format!("{name:?}").chars().enumerate() {
        if c.is_uppercase() && place > 0 {
            words.push(' ');
        }
        words.extend(c.to_lowercase());
    }
    words
}

#[cfg(test)]
mod tests;
