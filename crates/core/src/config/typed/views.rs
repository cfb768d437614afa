//! The tables of cameras and views.

use std::path::{Path, PathBuf};

use super::super::diagnostics::suggestion;
use super::super::identity::{are_one_in_ids, is_id, share_ids};
use super::super::raw::{RawCamera, RawRoi, RawView};
use super::checker::{At, Checker};
use super::configuration::{Camera, View};
use crate::decide::gate::GateRules;
use crate::domain::framing::Region;
use crate::domain::name::Name;
use crate::models::spec::ModelSpec;

/// More than a board can look at; each has topics, entities and buffers.
const MAX_CAMERAS: usize = 16;
const MAX_VIEWS: usize = 64;

/// A name is part of topics, addresses and entities.
const MAX_NAME_BYTES: usize = 32;

impl Checker<'_, '_> {
    /// The cameras, at least one.
    pub(super) fn cameras(&mut self) -> Vec<Camera> {
        let raw = self.raw;
        if raw.cameras.is_empty() {
            return vec![self.camera(Name::ONLY, &At::table(&["camera"]), &raw.camera)];
        }
        let is_used = raw.camera != RawCamera::default();
        self.unused(is_used, "camera", "cameras.NAME", "move its keys into the table of one of the cameras");
        if raw.cameras.len() > MAX_CAMERAS {
            let found = format!("found {}", raw.cameras.len());
            self.complain(&["cameras"], &format!("must have at most {MAX_CAMERAS} cameras"), found, None);
        }
        let mut cameras: Vec<Camera> = Vec::new();
        for (name, table) in raw.cameras.iter().take(MAX_CAMERAS) {
            self.name(&["cameras", name], name);
            let camera = self.camera(Name::new(name), &At::table(&["cameras", name]), table);
            let has = |other: &&Camera, device| other.source.device().is_some_and(|of| real(of) == real(device));
            if let Some(device) = camera.source.device()
                && let Some(other) = cameras.iter().find(|other| has(other, device))
            {
                let found = format!("found `{}`, which camera `{}` has", device.display(), other.name);
                let hint = "a device has one reader; several views can look through one camera".to_owned();
                self.complain(&["cameras", name, "device"], "is another camera's", found, Some(hint));
            }
            cameras.push(camera);
        }
        // Without views, each camera has one of its name.
        let share = if raw.views.is_empty() { share_ids } else { are_one_in_ids };
        self.spelled_apart("cameras", cameras.iter().map(|camera| &camera.name), share);
        cameras
    }

    /// The views, at least one.
    pub(super) fn views(&mut self, cameras: &[Camera], models: &[ModelSpec]) -> Vec<View> {
        let raw = self.raw;
        if raw.views.is_empty() {
            return self.views_without_tables(cameras, models);
        }
        let is_used = raw.roi != RawRoi::default();
        self.unused(is_used, "roi", "views.NAME", "the `region` of a view says which part of the picture it is");
        if raw.views.len() > MAX_VIEWS {
            let found = format!("found {}", raw.views.len());
            self.complain(&["views"], &format!("must have at most {MAX_VIEWS} views"), found, None);
        }
        let views: Vec<View> =
            raw.views.iter().take(MAX_VIEWS).map(|(name, table)| self.view(name, table, cameras, models)).collect();
        self.spelled_apart("views", views.iter().map(|view| &view.name), share_ids);
        self.told_apart(&views);
        views
    }

    /// Names are part of the ids of Home Assistant, which writes them in its own way.
    fn spelled_apart<'a>(
        &mut self,
        table: &str,
        names: impl Iterator<Item = &'a Name> + Clone,
        share: fn(&str, &str) -> bool,
    ) {
        for (index, name) in names.clone().map(Name::as_str).enumerate() {
            let mut before = names.clone().map(Name::as_str).take(index);
            let Some(other) = before.find(|other| share(other, name)) else { continue };
            let wrong = match are_one_in_ids(other, name) {
                true => format!("differs from `{table}.{other}` in capital letters or `-` and `_` alone"),
                false => format!("differs from `{table}.{other}` by the beginning of an entity's name"),
            };
            let found = "Home Assistant would have one id for entities of both";
            self.complain(&[table, name], &wrong, found, None);
        }
    }

    /// People know a view by its title.
    fn told_apart(&mut self, views: &[View]) {
        for (index, view) in views.iter().enumerate() {
            let (name, before) = (view.name.as_str(), &views[..index]);
            if view.title.trim().is_empty() {
                let hint = Some(format!("without `name`, the view is called `{name}`"));
                self.complain(&["views", name, "name"], "is empty", "found no letter", hint);
            }
            if let Some(same) = before.iter().find(|other| other.title.trim() == view.title.trim()) {
                let wrong = format!("is what `views.{}` is called, too", same.name);
                let found = format!("found {:?}", view.title);
                self.complain(&["views", name, "name"], &wrong, found, Some("people tell views apart by it".into()));
            }
        }
    }

    /// One view of the whole picture of each camera.
    fn views_without_tables(&mut self, cameras: &[Camera], models: &[ModelSpec]) -> Vec<View> {
        let raw = self.raw;
        let model = self.model(&["model", "active"], &raw.model.active, models);
        let [labels, gate, accurate, roi] = ["labels", "gate", "accurate", "roi"].map(|table| At::table(&[table]));
        self.precision(&["model", "precision"], &model, raw.model.precision);
        let view = View {
            name: Name::ONLY,
            title: raw.device.name.clone().or(raw.device.id.clone()).unwrap_or_default(),
            enabled: true,
            camera: Name::ONLY,
            precision: raw.model.precision,
            labels: self.labels(&labels, &raw.labels, &model),
            region: self.region(&roi, &raw.roi),
            gate: self.gate(&gate, &raw.gate),
            accurate: self.accurate(&accurate, &raw.accurate, models),
            model,
        };
        let of = |camera: &Camera| View {
            title: camera.name.to_string(),
            name: camera.name.clone(),
            camera: camera.name.clone(),
            ..view.clone()
        };
        cameras.iter().map(of).collect()
    }

    fn view(&mut self, name: &str, table: &RawView, cameras: &[Camera], models: &[ModelSpec]) -> View {
        let raw = self.raw;
        let here = |key| ["views", name, key];
        self.name(&["views", name], name);
        let title = table.name.clone().unwrap_or_else(|| name.to_owned());
        self.not_longer(&here("name"), &title, 64);
        self.printable(&here("name"), &title);
        let (model, chosen) = match &table.model {
            Some(model) => (model, here("model").to_vec()),
            None => (&raw.model.active, vec!["model", "active"]),
        };
        let model = self.model(&chosen, model, models);
        let precision = table.precision.unwrap_or(raw.model.precision);
        let chosen = if table.precision.is_some() { here("precision").to_vec() } else { vec!["model", "precision"] };
        self.precision(&chosen, &model, precision);
        let over = |this: &Self, shared| At::over(shared, &here(shared), this.document);
        let (labels, gate, accurate) = (over(self, "labels"), over(self, "gate"), over(self, "accurate"));
        View {
            name: Name::new(name),
            title,
            enabled: table.enabled,
            camera: self.camera_of(name, table, cameras),
            precision,
            labels: self.labels(&labels, &table.labels.over(&raw.labels), &model),
            region: self.region(&At::table(&here("region")), &table.region),
            gate: self.view_gate(name, table, &gate),
            accurate: self.accurate(&accurate, &table.accurate.over(&raw.accurate), models),
            model,
        }
    }

    fn view_gate(&mut self, name: &str, table: &RawView, at: &At<'_>) -> GateRules {
        let rules = self.gate(at, &table.gate.over(&self.raw.gate));
        let Some(max_fps) = table.max_fps else { return rules };
        self.within(&["views", name, "max_fps"], max_fps, 0.01, 1000.0);
        GateRules { max_fps: Some(max_fps), ..rules }
    }

    fn camera_of(&mut self, name: &str, table: &RawView, cameras: &[Camera]) -> Name {
        let first = cameras.first().map(|camera| camera.name.clone()).unwrap_or_default();
        // A name that is itself wrong is no advice.
        let names = || cameras.iter().map(|camera| camera.name.as_str()).filter(|name| is_name(name));
        match &table.camera {
            None if cameras.len() > 1 => {
                let hint = format!("one of {}", names().collect::<Vec<_>>().join(", "));
                let found = "found no `camera`, and there are several";
                self.complain(&["views", name], "must say through which camera it looks", found, Some(hint));
                first
            }
            None => first,
            Some(wanted) => match cameras.iter().find(|camera| camera.name.given() == Some(wanted)) {
                Some(camera) => camera.name.clone(),
                None => {
                    let hint = match self.raw.cameras.is_empty() {
                        true => "there is only [camera], which needs no name: leave `camera` out".to_owned(),
                        false => suggestion(wanted, names()),
                    };
                    let found = format!("found `{wanted}`");
                    self.complain(&["views", name, "camera"], "names no camera", found, Some(hint));
                    first
                }
            },
        }
    }

    pub(super) fn max_duty(&mut self) -> f64 {
        self.within(&["pipeline", "max_duty"], self.raw.pipeline.max_duty, 0.01, 1.0);
        self.raw.pipeline.max_duty
    }

    pub(super) fn region(&mut self, at: &At<'_>, raw: &RawRoi) -> Region {
        for (key, start) in [("x", raw.x), ("y", raw.y)] {
            self.within(&at.key(key), start, 0.0, 1.0 - SMALLEST_SIDE);
        }
        for (key, side, start) in [("width", raw.width, raw.x), ("height", raw.height, raw.y)] {
            self.within(&at.key(key), side, SMALLEST_SIDE, 1.0);
            // Tolerance, because the sum of decimal fractions may be slightly above one.
            if start + side > 1.0 + 1e-9 && start <= 1.0 && side <= 1.0 {
                let short = |fraction: f64| (fraction * 10_000.0).round() / 10_000.0;
                let found = format!("it ends at {}, outside of the picture", short(start + side));
                self.complain(&at.key(key), "is too large", found, Some(format!("at most {}", short(1.0 - start))));
            }
        }
        Region { x: raw.x, y: raw.y, width: raw.width, height: raw.height }
    }

    /// Reports a table that has no effect beside tables with names.
    fn unused(&mut self, is_used: bool, table: &str, others: &str, hint: &str) {
        if is_used {
            let found = format!("there are [{others}] tables");
            self.complain(&[table], "has no effect", found, Some(hint.to_owned()));
        }
    }

    fn name(&mut self, path: &[&str], name: &str) {
        if !is_name(name) {
            let wrong = format!("may hold only letters, digits, `_` and `-` in its name, at most {MAX_NAME_BYTES}");
            self.complain(path, &wrong, format!("found `{name}`"), None);
        }
    }
}

/// The device itself, where `path` is a link to it.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn is_name(name: &str) -> bool {
    is_id(name) && name.len() <= MAX_NAME_BYTES
}

/// Smallest side of the region, as a fraction of the picture's.
const SMALLEST_SIDE: f64 = 0.02;
