//! The inference thread: takes the newest frames of the cameras, and lets one view after another label them.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use super::counters::Counters;
use super::feed::{Feed, Source};
use super::orders::{NewView, Order, ViewOrder};
use super::scheduler::Scheduler;
use super::second_opinion::{Asked, NoOpinion};
use super::view::{Shared, View};
use crate::bus::hub::Hub;
use crate::bus::unsure::UnsureFrames;
use crate::domain::name::Name;
use crate::preprocess::source::Wanted as Part;
use glimpsed_base::clock::Clock;
use glimpsed_base::liveness::Liveness;
use glimpsed_base::shutdown::Shutdown;
use glimpsed_base::signal::Signal;

/// Longest wait for a frame before the orders and shutdown are checked again. A frame, an order or the end of a camera ends it at once.
const LOOK_UP: Duration = Duration::from_secs(1);

/// The thread's liveness deadlines: for the end of a wait, and for the label of a frame. The slowest model on the
/// slowest board takes several seconds, and longer while the board swaps.
const WAKES_WITHIN: Duration = Duration::from_secs(20);
const LABELS_WITHIN: Duration = Duration::from_secs(60);

/// The worker's dependencies.
pub struct Parts {
    /// Raised by the cameras' slots and for orders.
    pub signal: Arc<Signal>,
    pub clock: Arc<dyn Clock>,
    pub shutdown: Shutdown,
    pub hub: Hub,
    pub counters: Arc<Counters>,
    pub orders: Receiver<Order>,
    /// Where frames go that taught models are not sure of.
    pub unsure: UnsureFrames,
    pub liveness: Liveness,
}

/// Labels the views' frames, on a thread of its own.
pub struct Worker {
    parts: Parts,
    feeds: Vec<Feed>,
    /// The frames that were taken, of all cameras.
    taken: u64,
    views: Vec<View>,
    scheduler: Scheduler,
    /// The accurate models' thread, and the view whose frame it looks at.
    second: Option<Box<Asked>>,
    looked_at: Option<Name>,
}

impl Worker {
    /// `max_duty`: the largest share of the time (0..1) that frames are labelled.
    pub fn new(parts: Parts, sources: Vec<Source>, views: Vec<NewView>, max_duty: f64) -> Self {
        let now = parts.clock.now();
        Self {
            feeds: sources.into_iter().map(Feed::new).collect(),
            views: views.into_iter().map(|view| View::new(view, now)).collect(),
            taken: 0,
            scheduler: Scheduler::new(max_duty),
            second: None,
            looked_at: None,
            parts,
        }
    }

    /// Labels frames until no camera has any more or shutdown is requested.
    pub fn run(mut self) {
        while !self.parts.shutdown.is_set() {
            while let Ok(order) = self.parts.orders.try_recv() {
                self.execute(order);
            }
            self.receive_opinions();
            self.parts.liveness.expect_by(self.now() + WAKES_WITHIN);
            let rest = self.scheduler.rest(self.now());
            match self.next().filter(|_| rest.is_zero()) {
                Some(index) => {
                    self.parts.liveness.expect_by(self.now() + LABELS_WITHIN);
                    self.turn(index);
                }
                None if self.is_over() => break,
                None => {
                    self.parts.signal.wait(if rest.is_zero() { LOOK_UP } else { rest.min(LOOK_UP) });
                }
            }
            self.look();
        }
        self.parts.liveness.pause();
    }

    /// Looks at the newest frame of each camera, whosever turn it is: viewers see it, and a view that waits for its turn does not grow stale.
    fn look(&mut self) {
        for feed in &mut self.feeds {
            let through = |view: &&View| view.is_active() && view.camera == feed.source.camera;
            if let Some(view) = self.views.iter().find(through) {
                feed.look(view.framing().rotation);
            }
        }
        let (now, shared) = (self.now(), shared(&self.parts, self.second.as_deref()));
        for view in &mut self.views {
            let feed = self.feeds.iter().find(|feed| feed.source.camera == view.camera);
            view.check_age(feed.and_then(|feed| feed.newest(now)), &shared);
        }
    }

    fn now(&self) -> Duration {
        self.parts.clock.now()
    }

    /// No camera has or will have a frame.
    fn is_over(&self) -> bool {
        !self.feeds.is_empty() && self.feeds.iter().all(Feed::is_over)
    }

    fn feed(&self, camera: &Name) -> Option<usize> {
        self.feeds.iter().position(|feed| feed.source.camera == *camera)
    }

    /// Whether every view of this camera has seen the frame that is held.
    fn all_have_seen(&self, feed: &Feed) -> bool {
        let waits = |view: &View| view.is_active() && view.camera == feed.source.camera && view.seen < feed.number;
        feed.frame.is_none() || !self.views.iter().any(waits)
    }

    /// The view whose turn it is.
    fn next(&self) -> Option<usize> {
        let has_frame = |view: &View| {
            self.feed(&view.camera).is_some_and(|feed| {
                let feed = &self.feeds[feed];
                feed.has_for(view.seen, self.all_have_seen(feed))
            })
        };
        let ready = self.views.iter().enumerate().filter(|(_, view)| view.is_active() && has_frame(view));
        self.scheduler.next(ready.map(|(index, view)| (index, view.turn)))
    }

    /// Shows the view the newest frame of its camera.
    fn turn(&mut self, index: usize) {
        let Some(feed) = self.feed(&self.views[index].camera) else { return };
        let all = self.all_have_seen(&self.feeds[feed]);
        if self.feeds[feed].refresh(all, self.views[index].framing().rotation, self.taken + 1) {
            self.taken += 1;
        }
        let (before, rest) = self.views.split_at_mut(index);
        let Some((view, after)) = rest.split_first_mut() else { return };
        let Feed { frame: Some(frame), number, decoder, source, .. } = &mut self.feeds[feed] else { return };
        view.seen = *number;
        let shared = shared(&self.parts, self.second.as_deref());
        if view.admits(&shared) {
            let start = shared.clock.now();
            // What others need of this frame at the same scale is decoded at once.
            let others = before.iter().chain(&*after);
            let others =
                others.filter(|other| other.is_active() && other.camera == source.camera && other.seen < *number);
            let part = |width, height, own: Part| {
                let wanted = others.clone().filter_map(|other| other.part(width, height));
                let block = own.block;
                wanted.filter(|wanted| wanted.block == block).fold(own, |own, wanted| own.with_part_of(&wanted))
            };
            if view.label((frame, *number), decoder, &part, &shared) {
                self.looked_at = Some(view.name.clone());
            }
            let now = shared.clock.now();
            view.turn = self.scheduler.served(now, now.saturating_sub(start));
        }
        if self.all_have_seen(&self.feeds[feed]) {
            self.feeds[feed].give_back();
        }
    }

    fn execute(&mut self, order: Order) {
        match order {
            Order::AddCamera(source) => self.feeds.push(Feed::new(*source)),
            Order::RemoveCamera(camera) => self.feeds.retain(|feed| feed.source.camera != camera),
            Order::DropFrame(camera) => {
                if let Some(feed) = self.feed(&camera) {
                    self.feeds[feed].give_back();
                }
            }
            Order::AddView(view) => {
                let mut view = View::new(*view, self.now());
                view.set_pace(self.parts.counters.pace(), &shared(&self.parts, None));
                self.views.push(view);
            }
            Order::RemoveView(name, back) => {
                let index = self.views.iter().position(|view| view.name == name);
                let _ = back.send(index.and_then(|index| self.views.remove(index).into_labeller()));
            }
            Order::Arrange(names) => {
                let place = |view: &View| names.iter().position(|name| *name == view.name);
                self.views.sort_by_key(place);
            }
            Order::MaxDuty(max_duty) => self.scheduler.set_max_duty(max_duty),
            Order::Pace(pace) => {
                self.parts.counters.set_pace(pace);
                let shared = shared(&self.parts, self.second.as_deref());
                self.views.iter_mut().for_each(|view| view.set_pace(pace, &shared));
            }
            Order::Second(second) => {
                (self.second, self.looked_at) = (second, None);
                self.views.iter_mut().for_each(|view| view.set_accurate(None));
            }
            Order::Accurate(models) => {
                for view in &mut self.views {
                    let model = models.iter().find(|(name, _)| *name == view.name);
                    view.set_accurate(model.map(|(_, model)| model.clone()));
                }
            }
            Order::Settle(settled) => drop(settled.send(())),
            Order::View(name, order) => match self.views.iter_mut().find(|view| view.name == name) {
                Some(view) => view.execute(order, &shared(&self.parts, self.second.as_deref())),
                // Its requester finds the channel for the answer closed.
                None => drop::<ViewOrder>(order),
            },
        }
    }

    /// Receives a finished opinion of the accurate model.
    fn receive_opinions(&mut self) {
        let Some(second) = &self.second else { return };
        match second.verdict() {
            Ok(outcome) => {
                let (name, now) = (self.looked_at.take(), self.now());
                if let Some(view) = self.views.iter_mut().find(|view| Some(&view.name) == name.as_ref()) {
                    view.receive_opinion(outcome, now);
                }
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => {
                tracing::error!(
                    "the accurate model's thread has ended; there are no second opinions until it is switched on again"
                );
                self.second = None;
                for view in &mut self.views {
                    view.lose_accurate(&NoOpinion::Ended);
                }
            }
        }
    }
}

fn shared<'a>(parts: &'a Parts, second: Option<&'a Asked>) -> Shared<'a> {
    Shared { clock: &*parts.clock, hub: &parts.hub, counters: &parts.counters, second, unsure: &parts.unsure }
}
