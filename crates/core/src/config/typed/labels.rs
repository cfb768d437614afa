//! The labels' table: from probabilities to the stable label.

use std::path::Path;
use std::sync::Arc;

use super::super::diagnostics::nearest;
use super::super::interval::Interval;
use super::super::raw::{RawLabels, SmoothingChoice};
use super::checker::{At, Checker};
use crate::decide::groups::{self, Groups};
use crate::decide::rules::{LabelFilter, LabelRules, Smoothing};
use crate::decide::stable::Debounce;
use crate::decide::vocabulary;
use crate::models::labels::LabelList;
use crate::models::spec::ModelSpec;
use glimpsed_base::files::resolve;
use glimpsed_base::{budget, files};

/// A minute at 10 frames per second.
const LONGEST_WINDOW: u32 = 600;

impl Checker<'_, '_> {
    pub(super) fn labels(&mut self, at: &At<'_>, labels: &RawLabels, model: &ModelSpec) -> LabelRules {
        self.within(&at.key("top_k"), labels.top_k, 1, 100);
        self.within(&at.key("unknown_below"), labels.unknown_below, 0.0, 1.0);
        self.within(&at.key("consecutive"), labels.consecutive, 1, 1000);
        self.within(&at.key("window"), labels.window, 1, LONGEST_WINDOW);
        let minute = Interval::from_secs(60);
        self.interval_within(&at.key("half_life"), labels.half_life, Interval::from_millis(1), minute);
        self.interval_within(&at.key("hold"), labels.hold, Interval::from_secs(0), Interval::from_secs(3600));
        self.within(&at.key("margin"), labels.margin, 0.0, 1.0);
        for (key, value) in [("enter", labels.enter), ("keep", labels.keep)] {
            if let Some(value) = value {
                self.within(&at.key(key), value, 0.0, 1.0);
            }
        }
        let enter = labels.enter.unwrap_or(labels.unknown_below);
        if let Some(keep) = labels.keep.filter(|keep| *keep > enter) {
            let hint =
                "a label that needs more to remain than to become the stable one would come and go with each frame";
            let found = format!("found {keep}, and `enter` is {enter}");
            self.complain(&at.key("keep"), "is above `enter`", found, Some(hint.into()));
        }
        let filter = LabelFilter {
            allow: labels.allow.clone(),
            deny: labels.deny.clone(),
            groups: Arc::new(self.groups(at, labels)),
        };
        self.names_mean_something(at, &filter, model);
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

    /// Reports names that are neither labels of the model nor groups, because they would silently never match.
    fn names_mean_something(&mut self, at: &At<'_>, filter: &LabelFilter, model: &ModelSpec) {
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
                self.complain(&at.key(key), "names no label", found, Some(hint));
            }
        }
    }

    fn groups(&mut self, at: &At<'_>, labels: &RawLabels) -> Groups {
        let Some(path) = &labels.groups else { return Groups::default() };
        let read = if path == Path::new("imagenet") {
            Ok(groups::IMAGENET.to_owned())
        } else {
            let path = resolve(self.base, path);
            files::read_text(&path, budget::CONFIGURATION).map_err(|cause| format!("{} {cause}", path.display()))
        };
        match read.and_then(|text| Groups::parse(&text).map_err(|mistake| mistake.to_string())) {
            Ok(groups) => groups,
            Err(cause) => {
                let hint =
                    "`groups = \"imagenet\"` takes the built-in groups; a file has lines like  cat = [\"tabby\"]";
                self.complain(&at.key("groups"), "cannot be used", cause, Some(hint.into()));
                Groups::default()
            }
        }
    }
}
