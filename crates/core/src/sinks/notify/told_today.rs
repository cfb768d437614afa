//! What the rules for the first of a day have told today, in a small file of the state directory: a restart does not tell it again.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

use super::sink::Watched;
use crate::decide::notices::{Firsts, Rule, Watch, When};
use crate::directories;
use crate::domain::name::Name;
use glimpsed_base::files;
use glimpsed_base::hex::hex;
use glimpsed_base::sync::Mutex;

/// The largest file that is read.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Only this user may read what was seen.
const MODE: u32 = 0o600;

/// The file of one device.
#[derive(Debug, Clone)]
pub(super) struct ToldToday {
    directories: Vec<PathBuf>,
    file: String,
    /// Held while the file is written, so that what is newer is written last.
    turn: Arc<Mutex<()>>,
}

/// The labels that one rule has told on a date. `None` stands for every view or label.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    view: Option<String>,
    label: Option<String>,
    date: Date,
    /// The view and the label of each notice; the only view of a device has no name.
    told: Vec<(Option<String>, String)>,
}

impl Kept {
    fn of(watch: &Watch) -> Option<Self> {
        let Firsts { date, told } = watch.firsts()?;
        let text = |name: &Name| name.given().map(str::to_owned);
        let Rule { view, label, .. } = watch.rule();
        Some(Self {
            view: view.as_ref().map(|view| view.as_str().to_owned()),
            label: label.as_deref().map(str::to_owned),
            date: *date,
            told: told.iter().map(|(view, label)| (text(view), label.to_string())).collect(),
        })
    }

    fn is_of(&self, rule: &Rule) -> bool {
        rule.when == When::FirstOfDay
            && self.view.as_deref() == rule.view.as_ref().map(Name::as_str)
            && self.label.as_deref() == rule.label.as_deref()
    }

    fn into_firsts(self) -> Firsts {
        let name = |view: Option<String>| view.map_or(Name::ONLY, |view| Name::new(&view));
        let told = self.told.into_iter().map(|(view, label)| (name(view), label.into())).collect();
        Firsts { date: self.date, told }
    }
}

impl ToldToday {
    pub(super) fn of_device(id: &str) -> Self {
        Self::within(directories::state(), id)
    }

    fn within(directories: Vec<PathBuf>, id: &str) -> Self {
        let name = hex(&Sha256::digest(id)[..6]);
        Self { directories, file: format!("told-today-{name}.json"), turn: Arc::default() }
    }

    /// Gives each watch what an earlier run has told for its rule. A file that is damaged counts as missing.
    pub(super) fn resume<'a>(&self, watches: impl Iterator<Item = &'a mut Watch>) {
        let mut kept = self.read();
        for watch in watches {
            if let Some(index) = kept.iter().position(|kept| kept.is_of(watch.rule())) {
                watch.resume(kept.remove(index).into_firsts());
            }
        }
    }

    fn read(&self) -> Vec<Kept> {
        let text = |directory: &PathBuf| files::read_text(&directory.join(&self.file), MAX_FILE_BYTES).ok();
        let text = self.directories.iter().find_map(text);
        text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    /// Writes what the rules have told. A disk may be slow, so it happens beside the runtime's threads.
    pub(super) async fn keep(&self, rules: &Arc<[Arc<Watched>]>) {
        let (file, rules) = (self.clone(), rules.clone());
        let written = spawn_blocking(move || {
            let _turn = file.turn.lock();
            let kept: Vec<Kept> = rules.iter().filter_map(|rule| Kept::of(&rule.watch.lock())).collect();
            directories::keep_json_within(&file.directories, &file.file, &kept, MODE)
        });
        if let Ok(Err(cause)) = written.await {
            tracing::warn!(%cause, "after a restart, the first of today is told again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn rule(label: Option<&str>) -> Rule {
        Rule { view: None, label: label.map(Arc::from), when: When::FirstOfDay, every: Duration::ZERO }
    }

    fn firsts(view: Name, label: &str) -> Firsts {
        Firsts { date: jiff::civil::date(2026, 3, 1), told: vec![(view, label.into())] }
    }

    fn watch(rule: Rule, firsts: Option<Firsts>) -> Watch {
        let mut watch = Watch::new(rule);
        firsts.into_iter().for_each(|firsts| watch.resume(firsts));
        watch
    }

    #[tokio::test]
    async fn each_rule_gets_its_own_back() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = || ToldToday::within(vec![directory.path().to_owned()], "porch");
        let watched = |label, firsts| Watched::without_a_reader(watch(rule(label), firsts));
        let (bird, any) = (firsts(Name::new("left"), "bird"), firsts(Name::ONLY, "cat"));
        let rules =
            [watched(Some("bird"), Some(bird.clone())), watched(Some("dog"), None), watched(None, Some(any.clone()))];
        file().keep(&rules.map(Arc::new).into()).await;
        let mut watches = [rule(None), rule(Some("dog")), rule(Some("bird"))].map(Watch::new);
        file().resume(watches.iter_mut());
        assert_eq!(watches.each_ref().map(Watch::firsts), [Some(&any), None, Some(&bird)]);
        let mut of_another = [Watch::new(rule(None))];
        ToldToday::within(vec![directory.path().to_owned()], "garage").resume(of_another.iter_mut());
        assert_eq!(of_another[0].firsts(), None);
    }

    #[tokio::test]
    async fn a_rule_of_another_occasion_takes_nothing_from_that_for_the_first_of_the_day() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = ToldToday::within(vec![directory.path().to_owned()], "porch");
        let bird = firsts(Name::ONLY, "bird");
        let told = Watched::without_a_reader(watch(rule(Some("bird")), Some(bird.clone())));
        file.keep(&[Arc::new(told)].into()).await;
        let others = [When::Appears, When::Leaves, When::Held(Duration::from_secs(1))];
        let others = others.map(|when| Rule { when, ..rule(Some("bird")) });
        let mut watches: Vec<Watch> = others.into_iter().chain([rule(Some("bird"))]).map(Watch::new).collect();
        file.resume(watches.iter_mut());
        assert_eq!(watches.iter().map(Watch::firsts).collect::<Vec<_>>(), [None, None, None, Some(&bird)]);
    }

    #[test]
    fn a_damaged_file_counts_as_missing() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = ToldToday::within(vec![directory.path().to_owned()], "porch");
        for text in ["", "{}", "[{\"date\":\"yesterday\"}]", "[[["] {
            std::fs::write(directory.path().join(&file.file), text).expect("writable");
            let mut watches = [Watch::new(rule(None))];
            file.resume(watches.iter_mut());
            assert_eq!(watches[0].firsts(), None, "{text}");
        }
    }
}
