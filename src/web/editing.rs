//! Changes to the views in the configuration file: regions that were drawn, new views, views that go.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::routing::post;
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::done;
use super::openapi::{Documented, Operation};
use super::problem::Problem;
use super::schemas::named;
use super::site::Site;
use glimpsed_base::leaving;
use glimpsed_core::bus::commands::Command;
use glimpsed_core::domain::file_edit::FileEdit;
use glimpsed_core::domain::framing::Region;
use glimpsed_core::domain::name::Name;
use glimpsed_core::domain::views_edit::{SetView, ViewsEdit};

/// More than a configuration has.
const MAX_VIEWS: usize = 64;

type Answered = Result<Json<Value>, Problem>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Edit {
    #[serde(default)]
    set: Vec<Set>,
    #[serde(default)]
    remove: Vec<String>,
    #[serde(default)]
    save: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Set {
    name: String,
    #[serde(default)]
    camera: Option<String>,
    region: Region,
}

pub(super) fn routes(routes: Documented) -> Documented {
    let part = || json!({ "type": "number", "minimum": 0, "maximum": 1 });
    let region = json!({
        "type": "object", "additionalProperties": false, "required": ["x", "y", "width", "height"],
        "properties": { "x": part(), "y": part(), "width": part(), "height": part() },
    });
    let name = json!({ "type": "string", "maxLength": 32 });
    let set = json!({
        "type": "object", "additionalProperties": false, "required": ["name", "region"],
        "properties": { "name": name, "camera": name, "region": region },
    });
    let body = json!({
        "type": "object", "additionalProperties": false,
        "properties": {
            "set": { "type": "array", "items": set, "maxItems": MAX_VIEWS },
            "remove": { "type": "array", "items": name, "maxItems": MAX_VIEWS },
            "save": { "type": "boolean", "description": "Write the file, instead of showing what would be written." },
        },
    });
    let edit = Operation::json(
        "editViews",
        "Changes, adds and removes views in the configuration file.",
        named("EditedViews"),
    )
    .with_body("application/json", body)
    .refusing(&[(409, "The file cannot be changed so; it stays as it is."), (422, "The body is not what was meant.")]);
    let undo = Operation::json("undoViews", "Takes the last of these changes back.", json!({ "type": "object" }))
        .refusing(&[(409, "There is none, or the file was edited since.")]);
    routes.post("/api/v1/views", post(edit_views), edit).post("/api/v1/views/undo", post(undo_views), undo)
}

async fn edit_views(State(site): State<Arc<Site>>, edit: Result<Json<Edit>, JsonRejection>) -> Answered {
    let Json(Edit { set, remove, save }) = edit?;
    if set.len() > MAX_VIEWS || remove.len() > MAX_VIEWS {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("at most {MAX_VIEWS} views")));
    }
    let layout = site.parts.view.layout();
    // The only view is called by a name that it does not have in the file.
    let is_only = |name: &str| layout.view_called(name).is_some_and(|view| view.name == Name::ONLY);
    for camera in set.iter().filter_map(|set| set.camera.as_ref()) {
        if !layout.cameras.iter().any(|known| known.as_str() == camera) {
            let known: Vec<String> = layout.cameras.iter().map(|known| format!("`{known}`")).collect();
            let detail =
                format!("there is no camera `{}`; there is {}", leaving::short_line(camera, 64), known.join(", "));
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
        }
    }
    let set = set.into_iter().map(|Set { name, camera, region }| SetView {
        // The only camera has no name in the file.
        camera: camera.filter(|camera| layout.cameras.iter().any(|known| known.given() == Some(camera))),
        name: if is_only(&name) { Name::ONLY } else { Name::new(&name) },
        region,
    });
    ask(&site, Command::Edit { edit: FileEdit::Views(ViewsEdit { set: set.collect(), remove }), save }).await
}

async fn undo_views(State(site): State<Arc<Site>>) -> Answered {
    ask(&site, Command::UndoEdit).await
}

async fn ask(site: &Site, command: Command) -> Answered {
    done(site.parts.commands.ask(command).await).map(Json)
}
