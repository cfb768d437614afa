//! The teachers that are at work, one for each view that is taught, and what is known of what was taught.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::dataset::Dataset;
use super::lessons::{Lessons, TeachError};
use super::report::Report;
use super::teacher::Teacher;
use super::unsure::Unsure;
use super::viewed::viewed;
use crate::bus::commands::{Command, Commands, ViewCommand};
use crate::bus::hub::Hub;
use crate::bus::preview::Offered;
use crate::bus::unsure::UnsureFrame;
use crate::domain::event::Event;
use crate::domain::name::Name;
use crate::domain::teaching::{Teaching, TeachingState};
use glimpsed_base::sync::Mutex;

/// Each has a network in memory. One that is not needed for a while ends by itself.
const MAX_AT_WORK: usize = 4;

/// Hears of each change of what was taught of a view.
type Listener = Box<dyn Fn(&Name, &Report) + Send + Sync>;

/// The teachers, which outlive the web server, and the frames that wait for somebody to say what they show. The clones share them.
#[derive(Clone)]
pub struct Teachers(Arc<Shared>);

struct Shared {
    /// The one that was asked last is the last.
    at_work: Mutex<Vec<(Lessons, Teacher)>>,
    known: Mutex<Vec<Teaching>>,
    unsure: Unsure,
    hub: Hub,
    listener: Listener,
}

impl Teachers {
    /// The hub is told in short what was taught, `listener` at length.
    pub fn new(hub: Hub, listener: impl Fn(&Name, &Report) + Send + Sync + 'static) -> Self {
        let listener = Box::new(listener);
        Self(Arc::new(Shared {
            at_work: Mutex::default(),
            known: Mutex::default(),
            unsure: Unsure::default(),
            hub,
            listener,
        }))
    }

    /// The teacher of a view, which is started if there is none.
    ///
    /// # Errors
    /// When the system cannot start another thread.
    pub fn of(&self, lessons: &Lessons) -> Result<Teacher, TeachError> {
        let mut at_work = self.0.at_work.lock();
        at_work.retain(|(of, teacher)| teacher.is_there() && (of == lessons || of.view != lessons.view));
        let known = at_work.iter().position(|(of, _)| of == lessons).map(|index| at_work.remove(index));
        let teacher = match known {
            Some((_, teacher)) => teacher,
            None => {
                let (shared, view) = (self.0.clone(), lessons.view.clone());
                let listener = Arc::new(move |report: &Report| shared.hear(&view, report));
                Teacher::start(lessons.clone(), self.0.unsure.clone(), listener)?
            }
        };
        // A teacher ends when its handle is dropped.
        let ended = (at_work.len() + 1).saturating_sub(MAX_AT_WORK);
        at_work.drain(..ended);
        at_work.push((lessons.clone(), teacher.clone()));
        Ok(teacher)
    }

    /// Tells what was taught of these views, which are all that can be taught; of each other view of `views`, that it cannot. Reads
    /// directories.
    pub fn survey(&self, lessons: &[Lessons], views: &[Name]) {
        self.0.unsure.keep_only(&lessons.iter().map(|lessons| &lessons.view).collect::<Vec<_>>());
        self.0.at_work.lock().retain(|(of, _)| lessons.contains(of));
        self.0.known.lock().retain(|known| views.contains(&known.view));
        for view in views {
            let classes = lessons.iter().find(|lessons| lessons.view == *view).map(classes);
            self.0.change(view, |state| classes.map(|classes| TeachingState { classes, ..state.unwrap_or_default() }));
        }
    }

    /// What is known of a view.
    pub fn state(&self, view: &Name) -> Option<TeachingState> {
        self.0.known.lock().iter().find(|known| known.view == *view)?.state.clone()
    }

    /// From now on a picture that is added without a label gets this one.
    ///
    /// # Errors
    /// When nothing can be taught of the view.
    pub fn choose(&self, view: &Name, label: String) -> Result<(), TeachError> {
        let label = Some(label);
        self.0.change(view, |state| Some(TeachingState { label, ..state? })).map(drop).ok_or(TeachError::Off)
    }

    /// Keeps the frames that come, until no more can.
    pub fn keep(&self, frames: &Receiver<UnsureFrame>) {
        while let Ok(UnsureFrame { view, frame, framing, vector, said, confidence }) = frames.recv() {
            let kept = viewed(&Offered::new(frame, framing.rotation), framing)
                .is_ok_and(|picture| self.0.unsure.remember(&view, &picture, &vector, &said, confidence));
            if kept {
                self.0.count_unsure(&view);
            }
        }
    }
}

/// Writes what was learnt as a model, and labels the view with it from now on.
///
/// # Errors
/// When that is not possible yet, or the model cannot be written or loaded.
pub async fn put_to_use(teacher: &Teacher, commands: &Commands, view: &Name) -> Result<(), TeachError> {
    teacher.write().await?;
    // Taught models are looked for when the configuration is read.
    commands.ask(Command::Reload).await?;
    let model = ViewCommand::Model(view.to_string());
    commands.ask(Command::View(view.clone(), model)).await?;
    Ok(())
}

impl Shared {
    /// What a teacher tells of a view.
    fn hear(&self, view: &Name, report: &Report) {
        (self.listener)(view, report);
        if report.looking.is_some() {
            return;
        }
        let classes = report.classes.iter().map(|class| (class.label.clone(), class.pictures)).collect();
        let right = report.lesson.as_ref().and_then(|lesson| lesson.right.clone());
        let written = Some(report.written);
        self.change(view, |state| Some(TeachingState { classes, right, written, ..state.unwrap_or_default() }));
    }

    /// A frame was kept.
    fn count_unsure(&self, view: &Name) {
        let at_work = self.at_work.lock().iter().find(|(of, _)| of.view == *view).map(|(_, teacher)| teacher.clone());
        if let Some(teacher) = at_work {
            // It tells the page, too.
            teacher.tell();
        }
        self.change(view, |state| state);
    }

    /// Changes what is known of a view, counts its unsure frames, and tells what is new. All of that happens under one lock, so that no
    /// change is lost and the newest is told last. Returns what is known now.
    fn change(
        &self,
        view: &Name,
        change: impl FnOnce(Option<TeachingState>) -> Option<TeachingState>,
    ) -> Option<TeachingState> {
        let mut known = self.known.lock();
        let at = known.iter().position(|known| known.view == *view);
        let before = at.map(|at| known.swap_remove(at));
        let mut state = change(before.as_ref().and_then(|before| before.state.clone()));
        if let Some(state) = &mut state {
            (state.unsure, state.newest_unsure) = self.unsure.count(view);
            // The label that was chosen, while there is one of that name, or else the first.
            let stays = state.label.take().filter(|label| state.labels().any(|known| known == label));
            state.label = stays.or_else(|| state.labels().next().map(str::to_owned));
        }
        let news = Teaching { view: view.clone(), state: state.clone() };
        if before.as_ref() != Some(&news) {
            self.hub.publish(&Event::Teaching(Arc::new(news.clone())));
        }
        known.push(news);
        state
    }
}

/// The labels of a view with their pictures, as the directory has them.
fn classes(lessons: &Lessons) -> Vec<(String, usize)> {
    let folders = lessons.directories.iter().map(|directory| directory.join(&lessons.name));
    let dataset = folders.filter_map(|folder| Dataset::read(&folder).ok()).find(|dataset| !dataset.classes.is_empty());
    let classes = dataset.map(|dataset| dataset.classes).unwrap_or_default();
    classes
        .into_iter()
        .filter(|class| !class.pictures.is_empty())
        .map(|class| (class.label, class.pictures.len()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::hub::tests_support::{Told, hub_with};
    use crate::domain::framing::Framing;
    use crate::models::catalog;

    #[test]
    fn what_is_known_is_told_once_and_a_chosen_label_that_is_gone_gives_way_to_the_first() {
        let directory = tempfile::tempdir().expect("a directory");
        for label in ["closed", "open"] {
            let folder = directory.path().join("main").join(label);
            std::fs::create_dir_all(&folder).expect("a folder");
            std::fs::write(folder.join("1.jpg"), "x").expect("writable");
        }
        let lessons = [Lessons {
            directories: vec![directory.path().to_owned()],
            base: catalog::all()[0].spec(&[]),
            max_pictures: 10,
            view: Name::ONLY,
            name: "main".into(),
            framing: Framing::default(),
            max_duty: 1.0,
        }];
        let told = Told::default();
        let teachers = Teachers::new(hub_with(&told), |_, _| ());
        let label = || teachers.state(&Name::ONLY).and_then(|state| state.label);
        teachers.survey(&[], &[Name::ONLY]);
        assert!(matches!(teachers.choose(&Name::ONLY, "open".into()), Err(TeachError::Off)));
        assert_eq!(told.events().len(), 1, "it was told that nothing can be taught");
        for _ in 0..2 {
            teachers.survey(&lessons, &[Name::ONLY]);
        }
        assert_eq!((told.events().len(), label()), (2, Some("closed".into())));
        teachers.choose(&Name::ONLY, "open".into()).expect("chosen");
        assert_eq!(label(), Some("open".into()));
        std::fs::remove_dir_all(directory.path().join("main/open")).expect("removed");
        teachers.survey(&lessons, &[Name::ONLY]);
        assert_eq!(label(), Some("closed".into()));
        teachers.survey(&[], &[Name::ONLY]);
        assert_eq!((told.events().len(), teachers.state(&Name::ONLY)), (5, None));
    }
}
