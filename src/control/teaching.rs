//! Teaching on requests that come over MQTT, and the frames that somebody is to be asked about.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::Controller;
use super::from_config::lessons_of;
use glimpsed_base::thread::Thread;
use glimpsed_core::bus::commands::{Answer, CommandError, Commanded};
use glimpsed_core::bus::preview::Preview;
use glimpsed_core::domain::name::Name;
use glimpsed_core::error::{Error, Result};
use glimpsed_core::teach::dataset::check_label;
use glimpsed_core::teach::lessons::{Lessons, Picture, TeachError};
use glimpsed_core::teach::teachers::put_to_use;

/// Deadline for the next frame.
const FRAME_WITHIN: Duration = Duration::from_secs(5);

/// Deadline for a teacher: one that has just started looks at all pictures that are kept.
const TAUGHT_WITHIN: Duration = Duration::from_secs(60);

const NO_LABEL: &str = r#"says no label; publish {"label": "open"} or choose one"#;

fn late() -> CommandError {
    CommandError::Unavailable("it still looks at the pictures that are kept; try again in a minute".into())
}

fn checked(label: &str) -> Commanded<()> {
    check_label(label).map_err(|wrong| CommandError::Refused(format!("`{label}` {wrong}")))
}

impl Controller {
    /// Keeps frames that are not sure, or no longer. What is returned tells what was taught so far; it reads directories.
    pub(super) fn follow_teaching(&mut self) -> Result<impl FnOnce() + Send + use<>> {
        let (live, frames) = (&self.desired.live, &self.parts.unsure);
        let (lessons, teachers) = (lessons_of(live), self.parts.web.teachers.clone());
        let asks = live.teach.ask && !lessons.is_empty();
        if asks && !frames.are_wanted() {
            let (keeper, receiver) = (teachers.clone(), frames.receiver());
            // It ends with the queue.
            drop(Thread::spawn("unsure", move || keeper.keep(&receiver)).map_err(Error::from)?);
        } else if !asks {
            frames.close();
        }
        let views: Vec<Name> = live.views.iter().map(|view| view.name.clone()).collect();
        Ok(move || teachers.survey(&lessons, &views))
    }

    /// The labels that each view was taught; of none where nothing can be.
    pub(super) fn taught_labels(&self) -> Vec<Option<Vec<String>>> {
        let teachers = &self.parts.web.teachers;
        let labels = |view: &Name| Some(teachers.state(view)?.labels().map(str::to_owned).collect());
        self.desired.live.views.iter().map(|view| labels(&view.name)).collect()
    }

    /// A picture that is added without a label gets this one.
    pub(super) fn choose_label(&self, view: &Name, label: String) -> Answer {
        checked(&label)?;
        self.parts.web.teachers.choose(view, label.clone())?;
        Ok(json!({ "label": label }))
    }

    /// Keeps the next frame of the view under a label, or that which was chosen; in a task of its own, because it waits for the frame.
    pub(super) fn teach(&self, view: &Name, label: Option<String>, reply: oneshot::Sender<Answer>) {
        let teachers = self.parts.web.teachers.clone();
        let camera = &self.view(view).camera;
        let cameras = self.parts.web.cameras.cameras();
        let preview = cameras.iter().find(|known| known.name == *camera).map(|camera| camera.preview.clone());
        let (lessons, view) = (self.lessons(view), view.clone());
        tokio::spawn(async move {
            let taught = async {
                let lessons = lessons?;
                let label = label.or_else(|| teachers.state(&view)?.label);
                let none = || CommandError::Refused(NO_LABEL.into());
                let label = label.ok_or_else(none)?;
                checked(&label)?;
                let frame = timeout(FRAME_WITHIN, next_frame(preview)).await;
                let frame = frame.map_err(|_| CommandError::Unavailable("no picture comes from the camera".into()))?;
                let kept = teachers.of(&lessons)?.add(label.clone(), Picture::Frame(frame), 0).await?;
                Ok(json!({ "label": label, "copy": kept.copy, "pictures": kept.pictures }))
            };
            let answer = timeout(TAUGHT_WITHIN, taught).await.unwrap_or_else(|_| Err(late()));
            if let Err(cause) = &answer {
                tracing::warn!(view = view.given(), "no picture was kept: {cause}");
            }
            // The requester may have gone.
            let _ = reply.send(answer);
        });
    }

    /// Learns from the pictures of the view, writes the model, and labels with it; in a task of its own, because it asks for commands.
    pub(super) fn learn(&self, view: &Name, reply: oneshot::Sender<Answer>) {
        let (teachers, commands) = (self.parts.web.teachers.clone(), self.commands.clone());
        let (lessons, view) = (self.lessons(view), view.clone());
        tokio::spawn(async move {
            let learnt = async {
                let teacher = teachers.of(&lessons?)?;
                put_to_use(&teacher, &commands, &view).await?;
                let right = teachers.state(&view).and_then(|state| state.right);
                Ok(json!({ "model": view.as_str(), "right": right }))
            };
            // The requester may have gone.
            let _ = reply.send(timeout(TAUGHT_WITHIN, learnt).await.unwrap_or_else(|_| Err(late())));
        });
    }

    fn lessons(&self, view: &Name) -> std::result::Result<Lessons, TeachError> {
        lessons_of(&self.desired.live).into_iter().find(|lessons| lessons.view == *view).ok_or(TeachError::Off)
    }
}

async fn next_frame(preview: Option<Arc<Preview>>) -> Arc<glimpsed_core::bus::preview::Offered> {
    match preview {
        Some(preview) => preview.next_frame().await,
        // The camera is gone, and with it its frames.
        None => std::future::pending().await,
    }
}
