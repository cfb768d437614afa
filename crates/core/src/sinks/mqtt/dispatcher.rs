//! The dispatcher: executes the commands that arrive from the broker.

use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::inbound::{Call, Inbound, parse};
use super::presence::{Presence, instance};
use super::{Key, Topics};
use crate::bus::commands::{Answer, Command, CommandError, Commands, ViewCommand};
use crate::domain::name::Name;
use crate::payload::response_json;
use crate::sinks::day::Days;
use glimpsed_base::repetition::is_logged;
use glimpsed_base::shutdown::Shutdown;
use glimpsed_mqtt::{Delivery, Incoming, Message, Outbox};

/// Deadline of a running request after the connection has ended.
const FINISH_WITHIN: Duration = Duration::from_secs(60);

/// Capacity of the request queue; when it is full, a request is answered with an error.
const MAX_CALLS: usize = 16;

/// Commands that take long, at a time.
const MAX_LONG: usize = 4;

/// After Home Assistant's birth message, everything is sent again at a random moment within these, as its documentation
/// asks for.
const AFTER_BIRTH: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// A running command, with the call to answer.
type Job = Pin<Box<dyn Future<Output = (Option<Call>, Answer)> + Send>>;

/// Receives messages at once, so that none pile up, and executes commands one at a time.
pub(super) struct Dispatcher {
    topics: Topics,
    discovery_prefix: Option<String>,
    presence: Presence,
    outbox: Arc<Outbox>,
    commands: Commands,
    days: Days,
    /// Coalesced: only the newest value of each key counts.
    sets: BTreeMap<(Name, Key), ViewCommand>,
    calls: VecDeque<Call>,
    job: Option<Job>,
    /// What takes long, such as a comparison or waiting for a frame, does not block the other commands.
    long: JoinSet<(Call, Answer)>,
    /// When to send everything again, after Home Assistant has started.
    repeat_at: Option<Instant>,
    after_birth: (Duration, Duration),
    refused: u64,
}

impl Dispatcher {
    pub(super) fn new(
        topics: Topics,
        discovery_prefix: Option<String>,
        presence: Presence,
        outbox: Arc<Outbox>,
        commands: Commands,
        days: Days,
    ) -> Self {
        let (sets, calls) = (BTreeMap::new(), VecDeque::new());
        let (job, long, repeat_at, after_birth, refused) = (None, JoinSet::new(), None, AFTER_BIRTH, 0);
        Self {
            topics,
            discovery_prefix,
            presence,
            outbox,
            commands,
            days,
            sets,
            calls,
            job,
            long,
            repeat_at,
            after_birth,
            refused,
        }
    }

    /// Runs until the connection has ended, or until the daemon stops: then what is answered already is still sent.
    pub(super) async fn run(mut self, mut incoming: mpsc::Receiver<Incoming>, stopping: Shutdown) {
        loop {
            self.begin_next();
            tokio::select! {
                message = incoming.recv() => match message {
                    Some(message) => self.note(&message),
                    None => return self.finish(FINISH_WITHIN).await,
                },
                (call, answer) = finished(&mut self.job) => {
                    self.job = None;
                    if let Some(call) = call {
                        self.respond(&call, &answer, Delivery::Answer);
                    }
                }
                Some(Ok((call, answer))) = self.long.join_next() => self.respond(&call, &answer, Delivery::Answer),
                () = due(self.presence.due_at()) => self.presence.act(Instant::now()),
                () = stopping.wait() => return self.finish(Duration::ZERO).await,
                () = due(self.repeat_at) => {
                    self.repeat_at = None;
                    self.outbox.repeat();
                }
            }
        }
    }

    /// The connection has ended. A reload over this connection may end it before its answer is ready; the answer is
    /// delivered by the next connection.
    async fn finish(mut self, patience: Duration) {
        if let Some(job) = self.job.take()
            && let Ok((Some(call), answer)) = timeout(patience, job).await
        {
            self.respond(&call, &answer, Delivery::Answer);
        }
        // A comparison may need minutes more; then its requester finds the report on the page.
        let deadline = Instant::now() + patience;
        while let Ok(Some(Ok((call, answer)))) = timeout_at(deadline, self.long.join_next()).await {
            self.respond(&call, &answer, Delivery::Answer);
        }
        for call in std::mem::take(&mut self.calls) {
            self.respond(
                &call,
                &unavailable("the connection to the broker has ended; ask again".into()),
                Delivery::Answer,
            );
        }
    }

    fn note(&mut self, message: &Incoming) {
        let Incoming { topic, payload, retained, reply } = message;
        match parse(&self.topics, self.discovery_prefix.as_deref(), topic, payload, *retained, reply.as_ref()) {
            Ok(None) => {}
            Ok(Some(Inbound::Offline)) => self.presence.heard_offline(Instant::now()),
            Ok(Some(Inbound::Info(identity))) => self.presence.heard_info(identity.as_ref(), Instant::now()),
            Ok(Some(Inbound::Day { view, day, instance: by })) => {
                if by != instance() {
                    self.days.resume(&view, day);
                }
            }
            Ok(Some(Inbound::Set(key, command))) => drop(self.sets.insert(key, command)),
            Ok(Some(Inbound::Request(call))) if self.calls.len() >= MAX_CALLS => {
                // Not queued: a client that sends too many requests must not displace the answers to others.
                self.respond(&call, &unavailable(format!("busy: {MAX_CALLS} requests wait already")), Delivery::Live);
            }
            Ok(Some(Inbound::Request(call))) => self.calls.push_back(call),
            Ok(Some(Inbound::HomeAssistantStarted)) => {
                let (soonest, latest) = self.after_birth;
                let wait = soonest + (latest - soonest).mul_f64(fastrand::f64());
                self.repeat_at.get_or_insert(Instant::now() + wait);
            }
            Err(cause) => {
                self.refused += 1;
                if is_logged(self.refused) {
                    tracing::warn!(topic, refused = self.refused, "the message {cause}");
                }
            }
        }
    }

    /// Settings come first: they are few, and a request should find them in effect.
    fn begin_next(&mut self) {
        if self.job.is_some() {
            return;
        }
        let commands = self.commands.clone();
        if let Some(((view, _), command)) = self.sets.pop_first() {
            let command = Command::View(view, command);
            self.job = Some(Box::pin(async move { (None, commands.ask(command).await) }));
        } else if let Some(call) = self.calls.pop_front() {
            let long = call.command.as_ref().is_ok_and(takes_long);
            if long && self.long.len() >= MAX_LONG {
                self.respond(
                    &call,
                    &unavailable(format!("busy: {MAX_LONG} such requests are under way")),
                    Delivery::Answer,
                );
                return self.begin_next();
            }
            let job = async move {
                let answer = match call.command.clone() {
                    Ok(command) => commands.ask(command).await,
                    Err(cause) => Err(cause.into()),
                };
                (call, answer)
            };
            if long {
                self.long.spawn(job);
                self.begin_next();
            } else {
                self.job = Some(Box::pin(async move {
                    let (call, answer) = job.await;
                    (Some(call), answer)
                }));
            }
        }
    }

    fn respond(&self, call: &Call, answer: &Answer, delivery: Delivery) {
        let topic = call.response_topic.clone().unwrap_or_else(|| self.topics.response(call.name));
        let payload = response_json(answer, call.transaction.as_ref());
        let correlation = call.correlation.clone();
        self.outbox.push(Message { correlation, ..Message::new(topic, payload, delivery, false) });
    }
}

fn unavailable(cause: String) -> Answer {
    Err(CommandError::Unavailable(cause))
}

/// Whether a command takes long, for which the controller has tasks of their own.
fn takes_long(command: &Command) -> bool {
    matches!(command, Command::Compare | Command::View(_, ViewCommand::Teach(_) | ViewCommand::Learn))
}

async fn finished(job: &mut Option<Job>) -> (Option<Call>, Answer) {
    match job {
        Some(job) => job.await,
        None => pending().await,
    }
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::commands::Request;
    use crate::bus::hub::Hub;
    use crate::sinks::mqtt::sink::retained;
    use glimpsed_base::clock::{Clock, ManualClock};
    use tokio::task::JoinHandle;

    /// Longer than any tested command takes.
    const QUIET: Duration = Duration::from_millis(500);

    #[tokio::test]
    async fn an_answer_that_is_ready_is_sent_when_the_daemon_stops() {
        let (sender, incoming) = mpsc::channel(8);
        let (commands, mut requests) = Commands::new();
        let (outbox, stopping) = (Arc::new(Outbox::new(10)), Shutdown::new());
        outbox.connected();
        let topics = Topics::new("glimpsed", "test", &Default::default());
        let presence = Presence::new(topics.clone(), outbox.clone(), Shutdown::new(), Arc::default());
        let mut dispatcher = Dispatcher::new(topics.clone(), None, presence, outbox.clone(), commands, days());
        let request =
            Incoming { topic: topics.request("restart"), payload: b"{}".to_vec(), retained: false, reply: None };
        dispatcher.note(&request);
        dispatcher.begin_next();
        let mut job = dispatcher.job.take();
        // The command has reached the controller, which answers and stops the daemon at once.
        tokio::select! {
            _ = finished(&mut job) => panic!("nothing has answered yet"),
            request = requests.recv() => drop(request.expect("asked").reply.send(Ok(Default::default()))),
        }
        dispatcher.job = job;
        stopping.trigger();
        dispatcher.run(incoming, stopping).await;
        drop(sender);
        let (_, message) = outbox.take().expect("an answer");
        assert_eq!(message.topic, topics.response("restart"));
    }

    fn days() -> Days {
        Days::new(&Hub::default(), &(Arc::new(ManualClock::default()) as Arc<dyn Clock>))
    }

    struct Bench {
        sender: mpsc::Sender<Incoming>,
        requests: mpsc::Receiver<Request>,
        outbox: Arc<Outbox>,
        _task: JoinHandle<()>,
    }

    fn bench() -> Bench {
        let (commands, requests) = Commands::new();
        let outbox = Arc::new(Outbox::new(100));
        let (sender, receiver) = mpsc::channel(64);
        let topics = Topics::new("glimpsed", "shelf", &Default::default());
        let presence = Presence::new(topics.clone(), outbox.clone(), Shutdown::new(), Arc::default());
        let prefix = Some("homeassistant".into());
        let mut dispatcher = Dispatcher::new(topics, prefix, presence, outbox.clone(), commands, days());
        dispatcher.after_birth = (Duration::from_millis(100), Duration::from_millis(200));
        Bench { sender, requests, outbox, _task: tokio::spawn(dispatcher.run(receiver, Shutdown::new())) }
    }

    impl Bench {
        async fn send(&self, topic: &str, payload: &str) {
            let incoming = Incoming { topic: topic.into(), payload: payload.into(), retained: false, reply: None };
            self.sender.send(incoming).await.expect("it listens");
        }

        fn sent(&self) -> Vec<Message> {
            std::iter::from_fn(|| self.outbox.take()).map(|(_, message)| message).collect()
        }
    }

    #[tokio::test]
    async fn of_a_flood_of_settings_the_newest_is_acted_upon_and_few_others() {
        let mut bench = bench();
        for number in 0..10_000 {
            bench.send("glimpsed/shelf/threshold/set", &format!("{}", f64::from(number) / 10_000.0)).await;
        }
        let mut seen = Vec::new();
        while let Ok(Some(request)) = tokio::time::timeout(QUIET, bench.requests.recv()).await {
            seen.push(request.command);
            request.reply.send(Ok(serde_json::Value::Null)).expect("it waits");
        }
        assert_eq!(seen.last(), Some(&Command::View(Name::ONLY, ViewCommand::Threshold(0.9999))));
        assert!(seen.len() < 5, "{}", seen.len());
    }

    #[tokio::test]
    async fn requests_beyond_the_queue_are_answered_with_an_error_and_none_is_forgotten() {
        let mut bench = bench();
        bench.outbox.connected();
        for number in 0..40 {
            bench.send("glimpsed/shelf/request/health", &format!(r#"{{"transaction": {number}}}"#)).await;
        }
        while let Ok(Some(request)) = tokio::time::timeout(QUIET, bench.requests.recv()).await {
            request.reply.send(Ok(serde_json::Value::Null)).expect("it waits");
        }
        let responses: Vec<serde_json::Value> =
            bench.sent().iter().map(|message| serde_json::from_slice(&message.payload).expect("JSON")).collect();
        let mut transactions: Vec<_> =
            responses.iter().map(|one| one["transaction"].as_u64().expect("a number")).collect();
        transactions.sort_unstable();
        assert_eq!(transactions, (0..40).collect::<Vec<u64>>());
        let busy = responses.iter().filter(|one| one["error_kind"] == "unavailable").count();
        assert_eq!(busy, 40 - MAX_CALLS - 1, "one is attended to, the rest waits");
    }

    #[tokio::test]
    async fn nothing_waits_for_a_comparison() {
        let mut bench = bench();
        bench.send("glimpsed/shelf/request/compare", r#"{"transaction": 1}"#).await;
        bench.send("glimpsed/shelf/request/health", r#"{"transaction": 2}"#).await;
        bench.send("glimpsed/shelf/threshold/set", "0.5").await;
        let mut unanswered = Vec::new();
        let mut seen = Vec::new();
        while let Ok(Some(request)) = tokio::time::timeout(QUIET, bench.requests.recv()).await {
            seen.push(request.command.clone());
            match request.command {
                Command::Compare => unanswered.push(request),
                _ => request.reply.send(Ok(serde_json::Value::Null)).expect("it waits"),
            }
        }
        seen.sort_by_key(|command| format!("{command:?}"));
        assert_eq!(seen, [Command::Compare, Command::Health, Command::View(Name::ONLY, ViewCommand::Threshold(0.5))]);
        let answered =
            |bench: &Bench| -> Vec<String> { bench.sent().into_iter().map(|message| message.topic).collect() };
        assert_eq!(answered(&bench), ["glimpsed/shelf/response/health"]);
        let comparison = unanswered.pop().expect("it was asked for");
        comparison.reply.send(Ok(serde_json::Value::Null)).expect("it waits");
        tokio::time::sleep(QUIET).await;
        assert_eq!(answered(&bench), ["glimpsed/shelf/response/compare"]);
    }

    #[tokio::test]
    async fn home_assistant_is_sent_everything_once_a_while_after_its_start() {
        let bench = bench();
        bench.outbox.push(retained("glimpsed/shelf/state", "cat"));
        bench.outbox.connected();
        bench.sent();
        bench.send("homeassistant/status", "online").await;
        bench.send("homeassistant/status", "online").await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(bench.sent().is_empty(), "not at once");
        let deadline = Instant::now() + Duration::from_secs(20);
        let sent = loop {
            assert!(Instant::now() < deadline, "never");
            tokio::time::sleep(Duration::from_millis(5)).await;
            let sent = bench.sent();
            if !sent.is_empty() {
                break sent;
            }
        };
        assert_eq!(sent.len(), 1);
        tokio::time::sleep(QUIET).await;
        assert!(bench.sent().is_empty(), "once");
    }
}
