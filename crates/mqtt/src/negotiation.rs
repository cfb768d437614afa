//! Finds out what a broker speaks: the version of the protocol, and what it takes for a last will.

use crate::link::Link;
use crate::loss::Loss;
use crate::message::{Delivery, Message};
use crate::options::{Options, Version};
use crate::transport;

/// Connects once, for a program that does one thing: with [`Options::version`], or with MQTT 5 and then 3.1.1 if the broker does
/// not speak it. `client_id` replaces that of `options`; the last will is sent as the broker takes it.
///
/// # Errors
/// Why there is no session; of two tries that of the first, unless the second was refused in words.
pub async fn dial(options: &Options, client_id: &str, will: Option<&Message>) -> Result<Link, Loss> {
    let mut will = will.cloned();
    match options.version {
        Some(version) => begin(options, version, client_id, &mut will).await,
        None => match begin(options, Version::V5, client_id, &mut will).await {
            Err(loss) if loss.may_be_the_version() => match begin(options, Version::V311, client_id, &mut will).await {
                Err(Loss::Refused(cause)) => Err(Loss::Refused(cause)),
                other => other.map_err(|_| loss),
            },
            other => other,
        },
    }
}

/// Connects, with a last will that the broker takes.
async fn begin(options: &Options, version: Version, client_id: &str, will: &mut Option<Message>) -> Result<Link, Loss> {
    loop {
        let stream = transport::open(&options.broker, options.tls.as_ref()).await?;
        let refused = match Link::begin(stream, options, version, client_id, will.as_ref()).await {
            Err(refused @ (Loss::WillRetained | Loss::WillQos)) => refused,
            // Where the version is chosen here, another one is tried next, which tells more.
            Err(Loss::ClosedAtOnce) if options.version == Some(Version::V311) => {
                return explain(options, client_id, will).await;
            }
            other => return other,
        };
        match (refused, will.as_mut()) {
            (Loss::WillRetained, Some(will)) if will.retain => will.retain = false,
            (Loss::WillQos, Some(will)) if will.delivery != Delivery::Live => will.delivery = Delivery::Live,
            (refused, _) => return Err(refused),
        }
    }
}

/// Finds out whether a broker that has hung up does so because of the last will: with MQTT 3.1.1 it cannot say that it takes QoS 0 only, or
/// retains nothing. It may also just have started meanwhile, so what has failed is tried again at last.
async fn explain(options: &Options, client_id: &str, will: &mut Option<Message>) -> Result<Link, Loss> {
    let begin = async |will: Option<&Message>| {
        let stream = transport::open(&options.broker, options.tls.as_ref()).await?;
        Link::begin(stream, options, Version::V311, client_id, will).await
    };
    let plain = will.clone().map(|will| Message { delivery: Delivery::Live, retain: false, ..will });
    if plain == *will {
        return Err(Loss::ClosedAtOnce);
    }
    match begin(plain.as_ref()).await {
        Ok(link) => drop(link.end().await),
        Err(_) => return Err(Loss::ClosedAtOnce),
    }
    match begin(will.as_ref()).await {
        Err(Loss::ClosedAtOnce) => Err(Loss::WillClosed),
        other => other,
    }
}

/// What is known of a broker, over all sessions with it.
#[derive(Debug)]
pub(crate) struct Negotiation {
    /// What is used; `None` while it is not known.
    version: Option<Version>,
    /// The last try with MQTT 5 ended as with a broker that does not know it; the next one is with 3.1.1.
    suspected: bool,
    /// The last will, as the broker takes it.
    will: Option<Message>,
}

impl Negotiation {
    pub(crate) fn new(options: &Options, will: Message) -> Self {
        Self { version: options.version, suspected: false, will: Some(will) }
    }

    /// One try to connect. What it finds out is kept for the next.
    ///
    /// A broker that hangs up on MQTT 5 may just be about to start, so another version is tried with the next try. If the broker
    /// accepts that, MQTT 5 is tried once more: by then the broker is there, and its answer counts.
    pub(crate) async fn begin(&mut self, options: &Options) -> Result<Link, Loss> {
        let automatic = options.version.is_none();
        if let Some(version) = self.version {
            return match self.dial(options, version).await {
                Err(Loss::NoMqtt5) if automatic => self.settle_for_less(options, &Loss::NoMqtt5).await,
                other => other,
            };
        }
        let suspected = self.suspected;
        if suspected {
            match self.dial(options, Version::V311).await {
                Ok(link) => drop(link.end().await),
                // In words: it speaks this version, and its answer is worth more than silence.
                Err(Loss::Refused(cause)) => return Err(Loss::Refused(cause)),
                Err(loss) => {
                    self.suspected = false;
                    return Err(loss);
                }
            }
        }
        match self.dial(options, Version::V5).await {
            Ok(link) => {
                // From now on a broker that hangs up is no broker that does not know it.
                self.version = Some(Version::V5);
                Ok(link)
            }
            Err(loss) if matches!(loss, Loss::NoMqtt5) || suspected && loss.may_be_the_version() => {
                self.settle_for_less(options, &loss).await
            }
            Err(loss) => {
                self.suspected = loss.may_be_the_version();
                Err(loss)
            }
        }
    }

    /// Uses MQTT 3.1.1 from now on.
    async fn settle_for_less(&mut self, options: &Options, cause: &Loss) -> Result<Link, Loss> {
        self.version = Some(Version::V311);
        let hint = "a restart tries MQTT 5 again; `version = \"3.1.1\"` in [mqtt] does not try it";
        let cause = match cause {
            Loss::NoMqtt5 => "it said so".to_owned(),
            other => other.to_string(),
        };
        tracing::warn!(broker = %options.broker, cause, hint, "the broker does not speak MQTT 5: using MQTT 3.1.1");
        self.dial(options, Version::V311).await
    }

    async fn dial(&mut self, options: &Options, version: Version) -> Result<Link, Loss> {
        begin(options, version, &options.client_id, &mut self.will).await
    }
}
