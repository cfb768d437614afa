//! The labels' table: from probabilities to the stable label.

use std::path::Path;
use std::sync::Arc;

use super::super::diagnostics::nearest;
use super::super::interval::Interval;
use super::super::raw::SmoothingChoice;
use super::checker::Checker;
use crate::decide::groups::{self, Groups};
use crate::decide::rules::{LabelFilter, LabelRules, Smoothing};
use crate::decide::stable::Debounce;
use crate::decide::vocabulary;
use crate::models::labels::LabelList;
use crate::models::spec::ModelSpec;
use glimpsed_base::files::resolve;

/// A minute at 10 frames per second.
const LONGEST_WINDOW: u32 = 600;

/// A group file of a megabyte can name every class.
const MAX_GROUP_BYTES: u64 = 1 << 20;

impl Checker<'_, '_> {
    pub(super) fn labels(&mut self, models: &[ModelSpec]) -> LabelRules {
        let labels = &self.raw.labels;
        self.within(&["labels", "top_k"], labels.top_k, 1, 100);
        self.within(&["labels", "unknown_below"], labels.unknown_below, 0.0, 1.0);
        self.within(&["labels", "consecutive"], labels.consecutive, 1, 1000);
        self.within(&["labels", "window"], labels.window, 1, LONGEST_WINDOW);
        let minute = Interval::from_secs(60);
        self.interval_within(&["labels", "half_life"], labels.half_life, Interval::from_millis(1), minute);
        self.interval_within(&["labels", "hold"], labels.hold, Interval::from_secs(0), Interval::from_secs(3600));
        self.within(&["labels", "margin"], labels.margin, 0.0, 1.0);
        for (key, value) in [("enter", labels.enter), ("keep", labels.keep)] {
            if let Some(value) = value {
                self.within(&["labels", key], value, 0.0, 1.0);
            }
        }
        let enter = labels.enter.unwrap_or(labels.unknown_below);
        if let Some(keep) = labels.keep.filter(|keep| *keep > enter) {
            let hint =
                "a label that needs more to remain than to become the stable one would come and go with each frame";
            let found = format!("found {keep}, and `enter` is {enter}");
            self.complain(&["labels", "keep"], "is above `enter`", found, Some(hint.into()));
        }
        let filter =
            LabelFilter { allow: labels.allow.clone(), deny: labels.deny.clone(), groups: Arc::new(self.groups()) };
        self.names_mean_something(&filter, models);
        let labels = &self.raw.labels;
        LabelRules {
            top_k: labels.top_k as usize,
            unknown_below: labels.unknown_below as f32,
            smoothing: match labels.smoothing {
                SmoothingChoice::None => Smoothing::None,
                SmoothingChoice::Exponential => Smoothing::Exponential { half_life: labels.half_life.0 },
                SmoothingChoice::Window => Smoothing::Window { frames: labels.window as usize },
            },
            enter: labels.enter.map(|enter| enter as f32),
            keep: labels.keep.map(|keep| keep as f32),
            margin: labels.margin as f32,
            debounce: Debounce { consecutive: labels.consecutive, hold: labels.hold.0 },
            filter,
        }
    }

    /// Reports names that are neither labels of the active model nor groups, because they would silently never match.
    fn names_mean_something(&mut self, filter: &LabelFilter, models: &[ModelSpec]) {
        let Some(model) = models.iter().find(|model| model.name == self.raw.model.active) else { return };
        // Unreadable labels are reported when the model is loaded.
        let Ok(LabelList { labels, .. }) = model.labels.read() else { return };
        for key in ["allow", "deny"] {
            let one = |list: &[String], wanted: &str| if key == wanted { list.to_vec() } else { Vec::new() };
            let part = LabelFilter {
                allow: one(&filter.allow, "allow"),
                deny: one(&filter.deny, "deny"),
                groups: filter.groups.clone(),
            };
            if let Some(name) = vocabulary::unknown_names(&labels, &part).next() {
                let known = labels.iter().chain(filter.groups.iter().map(|group| &group.name));
                let hint = match nearest(name, known.map(|label| &**label)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None if filter.groups.iter().next().is_none() => {
                        "labels are those of the model; `groups = \"imagenet\"` adds cat, dog, bird, car, ...".into()
                    }
                    None => "labels are those of the model and the names of groups".into(),
                };
                let found = format!("model `{}` has no label `{name}`, and no group is called so", model.name);
                self.complain(&["labels", key], "names no label", found, Some(hint));
            }
        }
    }

    fn groups(&mut self) -> Groups {
        let Some(path) = &self.raw.labels.groups else { return Groups::default() };
        let read = if path == Path::new("imagenet") {
            Ok(groups::IMAGENET.to_owned())
        } else {
            let path = resolve(self.base, path);
            glimpsed_base::files::read_text(&path, MAX_GROUP_BYTES)
                .map_err(|cause| format!("{} {cause}", path.display()))
        };
        match read.and_then(|text| Groups::parse(&text)) {
            Ok(groups) => groups,
            Err(cause) => {
                let hint =
                    "`groups = \"imagenet\"` takes the built-in groups; a file has lines like  cat = [\"tabby\"]";
                self.complain(&["labels", "groups"], "cannot be used", cause, Some(hint.into()));
                Groups::default()
            }
        }
    }
}
