//! MQTT packets over a byte stream, in both directions at once.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, timeout};

use crate::loss::Loss;
use crate::message::Message;
use crate::options::{Options, Version};
use crate::transport::{STEP, Stream};
use crate::wire::{self, Limits, Received, Refused, Sent};

/// Nothing more is read or queued while this many bytes wait to be written.
const MAX_UNWRITTEN: usize = 256 << 10;

/// A network connection to the broker. Its futures are cancel-safe: a partly read or written packet stays buffered
/// here.
pub struct Link {
    stream: Box<dyn Stream>,
    /// The version of the protocol.
    pub version: Version,
    input: BytesMut,
    output: BytesMut,
    /// Bytes of a too large message that are still to be read and discarded.
    skip: usize,
    unflushed: bool,
    /// The write error, after which nothing is written any more. Packets that the broker has sent before are still
    /// read, because they may name the reason.
    broken: Option<Loss>,
    /// When the stream last accepted bytes, or when the first of the waiting bytes was queued.
    progress: Instant,
    /// When a packet was last queued.
    pub last_sent: Instant,
    /// When a packet was last received.
    pub last_received: Instant,
    /// The broker's limits, from its CONNACK.
    pub limits: Limits,
    last_id: u16,
}

impl Link {
    /// Sends CONNECT and waits at most [`STEP`] for the CONNACK. `will` is the last will; with QoS 0 when it is
    /// [`Delivery::Live`](crate::Delivery::Live), else with QoS 1.
    ///
    /// # Errors
    /// When the broker refuses the connection, does not answer in time or not in MQTT, or closes the stream.
    pub async fn begin(
        stream: Box<dyn Stream>,
        options: &Options,
        version: Version,
        client_id: &str,
        will: Option<&Message>,
    ) -> Result<Self, Loss> {
        let now = Instant::now();
        let mut link = Self {
            stream,
            version,
            input: BytesMut::new(),
            output: wire::connect(options, version, client_id, will)?,
            skip: 0,
            unflushed: true,
            broken: None,
            progress: now,
            last_sent: now,
            last_received: now,
            limits: Limits { window: 1, ..Limits::NONE },
            last_id: 0,
        };
        let answer = timeout(STEP, link.next()).await.map_err(|_| Loss::NoAnswer(STEP))?;
        match answer.map_err(Loss::before_session)? {
            Received::Welcome(limits) => link.limits = limits,
            Received::Refused(Refused::NoMqtt5) => return Err(Loss::NoMqtt5),
            Received::Refused(Refused::WillRetained) => return Err(Loss::WillRetained),
            Received::Refused(Refused::WillQos) => return Err(Loss::WillQos),
            Received::Refused(Refused::Other(cause)) => return Err(Loss::Refused(cause)),
            _ => return Err(Loss::NotMqtt),
        }
        Ok(link)
    }

    /// Queues a PUBLISH as the broker's limits allow.
    ///
    /// # Errors
    /// When the message cannot be encoded.
    pub fn publish(&mut self, message: Message) -> Result<Sent, Loss> {
        let id = self.next_id();
        let sent = wire::publish(self.version, id, message, self.limits, &mut self.output)?;
        if sent != Sent::TooLarge {
            self.queued();
        }
        Ok(sent)
    }

    /// Queues a SUBSCRIBE with QoS 1 for all topic filters.
    ///
    /// # Errors
    /// When the packet cannot be encoded.
    pub fn subscribe(&mut self, filters: &[String]) -> Result<(), Loss> {
        self.request(filters, false)
    }

    /// As [`Self::subscribe`] with QoS 0: brokers bound what waits to be acknowledged, and drop of thousands of retained messages
    /// what is beyond.
    ///
    /// # Errors
    /// When the packet cannot be encoded.
    pub fn subscribe_live(&mut self, filters: &[String]) -> Result<(), Loss> {
        self.request(filters, true)
    }

    fn request(&mut self, filters: &[String], live: bool) -> Result<(), Loss> {
        let id = self.next_id();
        wire::subscribe(self.version, id, filters, live, &mut self.output)?;
        self.queued();
        Ok(())
    }

    /// Queues a PUBACK for the received message with this packet identifier.
    pub fn acknowledge(&mut self, id: u16) {
        wire::acknowledge(id, &mut self.output);
        self.queued();
    }

    /// Queues a PINGREQ.
    pub fn ping(&mut self) {
        self.output.extend_from_slice(&wire::PING);
        self.queued();
    }

    /// Whether more may be queued: fewer than 256 KiB wait to be written.
    pub fn has_room(&self) -> bool {
        self.output.len() < MAX_UNWRITTEN
    }

    /// Since when the broker has accepted none of the waiting bytes; `None` if none wait.
    pub fn stalled_since(&self) -> Option<Instant> {
        self.unflushed.then_some(self.progress)
    }

    /// Sends everything that is queued and then DISCONNECT, which makes the broker discard the last will, and closes
    /// the stream.
    ///
    /// # Errors
    /// When the stream fails first.
    pub async fn end(mut self) -> Result<(), Loss> {
        self.output.extend_from_slice(&wire::DISCONNECT);
        self.queued();
        poll_fn(|cx| self.poll_write(cx)).await?;
        Ok(poll_fn(|cx| Pin::new(&mut self.stream).poll_shutdown(cx)).await?)
    }

    /// Waits for the next packet, and writes what is queued meanwhile.
    ///
    /// # Errors
    /// When the broker ends the session, violates the protocol, or the stream ends or fails.
    pub async fn next(&mut self) -> Result<Received, Loss> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Received, Loss>> {
        loop {
            if self.broken.is_none() {
                match self.poll_write(cx) {
                    // While the broker accepts nothing, nothing is read, because answers to it could not be queued.
                    Poll::Pending if !self.has_room() => return Poll::Pending,
                    Poll::Ready(Err(loss)) => self.broken = Some(loss),
                    Poll::Pending | Poll::Ready(Ok(())) => {}
                }
            }
            let skipped = self.skip.min(self.input.len());
            self.input.advance(skipped);
            self.skip -= skipped;
            if self.skip == 0
                && let Some(received) = wire::decode(self.version, &mut self.input)?
            {
                self.last_received = Instant::now();
                if let Received::TooLarge { skip, .. } = received {
                    self.skip = skip;
                }
                return Poll::Ready(Ok(received));
            }
            let mut bytes = [0; 8192];
            let mut buffer = ReadBuf::new(&mut bytes);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                let loss = read.map_or_else(Loss::from, |()| Loss::Closed);
                return Poll::Ready(Err(self.broken.take().unwrap_or(loss)));
            }
            self.input.extend_from_slice(buffer.filled());
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Loss>> {
        while !self.output.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.output))?;
            if written == 0 {
                return Poll::Ready(Err(Loss::Closed));
            }
            self.output.advance(written);
            self.progress = Instant::now();
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn queued(&mut self) {
        self.last_sent = Instant::now();
        if !self.unflushed {
            self.unflushed = true;
            self.progress = self.last_sent;
        }
    }

    /// The next packet identifier, from 1 to 65535 and then from 1 again. At most a window of messages is
    /// unacknowledged, so an identifier is free long before it recurs.
    fn next_id(&mut self) -> u16 {
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        self.last_id
    }
}
