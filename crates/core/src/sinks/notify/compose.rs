//! Puts an occasion into words, with a picture where one is wanted.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;

use super::queue::{Notice, Queue};
use super::sink::Watched;
use super::told_today::ToldToday;
use crate::config::interval::Interval;
use crate::config::typed::{Config, Notify};
use crate::decide::notices::{Occasion, When, Words};
use crate::domain::name::Name;
use crate::payload::{About, notice_json, picture};
use crate::pipeline::orders::Orders;
use glimpsed_base::clock::{Clock, local};

/// Deadline for the next frame of the view. The notice goes without a picture then.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longer side of a picture, in pixels: it has some 60 kB.
const SIDE: usize = 640;

/// The longest title and text, in bytes. The services take this much.
const MAX_TITLE: usize = 250;
const MAX_TEXT: usize = 2000;

/// What people call the device and its views.
#[derive(Clone)]
pub(super) struct Titles {
    device: String,
    views: Vec<(Name, String)>,
}

impl Titles {
    pub(super) fn of(config: &Config) -> Self {
        let views = config.views.iter().map(|view| (view.name.clone(), view.title.clone())).collect();
        Self { device: config.device.name.clone(), views }
    }

    fn view(&self, name: &Name) -> &str {
        // The only view has no name, and people know it by the device's.
        let title = self.views.iter().find(|(known, _)| known == name && name.given().is_some());
        title.map_or(&self.device, |(_, title)| title)
    }
}

/// One rule, with what its notices are made of.
pub(super) struct Composer {
    pub(super) rule: Notify,
    pub(super) number: usize,
    pub(super) titles: Titles,
    pub(super) watched: Arc<Watched>,
    pub(super) queue: Arc<Queue>,
    pub(super) orders: Orders,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) told_today: ToldToday,
    /// All rules, this one among them.
    pub(super) rules: Arc<[Arc<Watched>]>,
}

impl Composer {
    /// Takes what the sink passes on, and tells what has held long enough, for as long as it is not dropped.
    pub(super) async fn run(self, mut occasions: mpsc::Receiver<Box<Occasion>>) {
        loop {
            let due_at = self.watched.watch.lock().due_at();
            let due = async {
                match due_at {
                    Some(at) => sleep(at.saturating_sub(self.clock.now())).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                occasion = occasions.recv() => match occasion {
                    Some(occasion) => self.compose(*occasion).await,
                    None => return,
                },
                () = self.watched.changed.notified() => {}
                () = due => loop {
                    let verdict = self.watched.watch.lock().due(self.clock.now());
                    match verdict {
                        Some(verdict) => self.watched.pass(verdict),
                        None => break,
                    }
                },
            }
        }
    }

    async fn compose(&self, occasion: Occasion) {
        let at = self.clock.now();
        let picture = if self.rule.picture { self.picture(&occasion.now.frame.view).await } else { None };
        let notice = Notice { picture: picture.map(Into::into), at, ..in_words(&self.rule, &self.titles, &occasion) };
        self.queue.push(self.number, Arc::new(notice));
        if self.rule.rule.when == When::FirstOfDay {
            self.told_today.keep(&self.rules).await;
        }
    }

    /// What the view sees now.
    async fn picture(&self, view: &Name) -> Option<Vec<u8>> {
        let without =
            |cause: &dyn Display| tracing::info!(%cause, view = view.given(), "a notice goes without a picture");
        let shot = self.orders.snapshot(view, PATIENCE).await.inspect_err(|cause| without(cause)).ok()?;
        let draw = move || picture::of_view(shot.frame.encoding, &shot.frame.bytes, shot.framing, SIDE);
        let made = picture::in_turn(draw).await.inspect_err(|panicked| without(panicked)).ok()?;
        made.inspect_err(|cause| without(cause)).ok()
    }
}

/// What is told of an occasion, without a picture.
pub(super) fn in_words(rule: &Notify, titles: &Titles, occasion: &Occasion) -> Notice {
    let words = words(rule, titles, occasion);
    let (title, text) = (rule.title.fill(&words, MAX_TITLE), rule.text.fill(&words, MAX_TEXT));
    let about =
        About { device: &titles.device, when: &rule.when(), label: &occasion.label, title: &title, text: &text };
    let event = notice_json(&occasion.now, occasion.before.as_deref(), about);
    Notice { title, text, event, picture: None, at: Duration::ZERO }
}

fn words(rule: &Notify, titles: &Titles, Occasion { label, now, before }: &Occasion) -> Words {
    let label_or_nothing = |label: &Option<Arc<str>>| label.as_deref().unwrap_or("nothing").to_owned();
    let mut words = Words::default();
    words.set("label", &**label);
    words.set("previous", label_or_nothing(before));
    words.set("now", label_or_nothing(&now.label));
    words.set("view", titles.view(&now.frame.view));
    words.set("camera", now.frame.camera.as_str());
    words.set("device", &*titles.device);
    words.set("time", local(now.frame.ts).strftime("%H:%M").to_string());
    words.set("confidence", format!("{:.0} %", 100.0 * now.confidence_of(label).unwrap_or(now.confidence)));
    if let When::Held(long) = rule.rule.when {
        words.set("for", Interval(long).to_string());
    }
    words
}
