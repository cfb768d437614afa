//! The routes of teaching.

use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::openapi::{Documented, Operation};
use super::schemas::named;
use super::teaching;

pub(super) fn routes(routes: Documented, upload: DefaultBodyLimit) -> Documented {
    let path = |rest: &str| format!("/api/v1/views/{{view}}/teach{rest}");
    let of = |id, summary, schema| Operation::json(id, summary, schema).of_view();
    let label = || query("label", "What the picture shows.");
    routes
        .get(&path(""), get(teaching::status), of("teaching", "What is taught, and how good it is.", named("Teaching")))
        .post(
            &path("/frame"),
            post(teaching::add_frame),
            of("teachFrame", "Keeps the camera's next frame under a label.", named("KeptPicture"))
                .with_body("application/json", frame())
                .refusing(REFUSALS),
        )
        .get(
            &path("/pictures"),
            get(teaching::pictures),
            of("taughtPictures", "The names of a label's pictures, newest first.", list(text()))
                .with_parameter(label())
                .refusing(REFUSALS),
        )
        .post(
            &path("/pictures"),
            post(teaching::add_picture).layer(upload),
            of("teachPicture", "Keeps a JPEG, PNG or WebP picture under a label.", named("KeptPicture"))
                .with_parameter(label())
                .with_parameter(json!({
                    "name": "burst", "in": "query", "schema": { "type": "integer", "minimum": 0 },
                    "description": "Pictures with the same number are undone together.",
                }))
                .with_body("image/jpeg", binary())
                .with_body("image/png", binary())
                .with_body("image/webp", binary())
                .refusing(REFUSALS),
        )
        .get(
            &path("/picture"),
            get(teaching::thumbnail),
            Operation::of("taughtPicture", "A kept picture, made small.", (200, "image/jpeg", binary()))
                .of_view()
                .with_parameter(label())
                .with_parameter(query("name", "Its name, of `pictures`."))
                .refusing(REFUSALS),
        )
        .get(
            &path("/now"),
            get(teaching::look),
            of("teachNow", "What would be said of the camera's next frame.", named("TaughtLook")).refusing(REFUSALS),
        )
        .get(
            &path("/unsure"),
            get(teaching::unsure),
            Operation::of("unsureFrame", "A frame that could not be told surely.", (200, "image/jpeg", binary()))
                .of_view()
                .with_parameter(json!({
                    "name": "id", "in": "query", "required": true, "schema": { "type": "integer", "minimum": 0 },
                    "description": "Its number, of `unsure`.",
                }))
                .refusing(REFUSALS),
        )
        .post(
            &path("/unsure"),
            post(teaching::settle),
            of(
                "settleUnsure",
                "Keeps such frames under a label, or forgets them.",
                object(&["kept"], json!({ "kept": { "type": "integer" } })),
            )
            .with_body("application/json", settling())
            .refusing(REFUSALS),
        )
        .post(
            &path("/move"),
            post(teaching::change),
            of(
                "moveTaught",
                "Moves pictures to another label, or removes them.",
                object(&["moved"], json!({ "moved": { "type": "integer" } })),
            )
            .with_body("application/json", moving())
            .refusing(REFUSALS),
        )
        .post(
            &path("/undo"),
            post(teaching::undo),
            of("undoTeaching", "Takes the last change back.", named("Teaching")).refusing(REFUSALS),
        )
        .post(
            &path("/use"),
            post(teaching::put_to_use),
            of("useTaught", "Writes the model, and labels with it from now on.", named("Settings")).refusing(REFUSALS),
        )
}

const REFUSALS: &[(u16, &str)] = &[
    (400, "A parameter is missing, or the body did not arrive as a whole."),
    (403, "Pictures are switched off: `preview` in [privacy]."),
    (404, "There is no such view or picture."),
    (409, "Teaching is off, or nothing can be done with what is there; the reason says what is missing."),
    (413, "The picture has too many bytes."),
    (415, "The body is of another type."),
    (422, "The label or the picture cannot be taken."),
    (503, "No frame comes, or too many requests wait."),
    (507, "As many pictures are kept as may be, or the disk is full."),
];

fn query(name: &str, description: &str) -> Value {
    json!({
        "name": name, "in": "query", "required": true, "schema": { "type": "string", "maxLength": 100 },
        "description": description,
    })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn binary() -> Value {
    json!({ "type": "string", "format": "binary" })
}

fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn object(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties })
}

fn frame() -> Value {
    let burst =
        json!({ "type": "integer", "minimum": 0, "description": "Pictures with the same number are undone together." });
    object(&["label"], json!({ "label": { "type": "string", "maxLength": 100 }, "burst": burst }))
}

fn settling() -> Value {
    let ids = json!({ "type": "array", "items": { "type": "integer", "minimum": 0 }, "maxItems": 64 });
    object(
        &["ids"],
        json!({ "ids": ids, "label": { "type": ["string", "null"], "description": "Null: forget them." } }),
    )
}

fn moving() -> Value {
    let chosen = object(&["label", "name"], json!({ "label": text(), "name": text() }));
    let pictures = json!({ "type": "array", "items": chosen, "minItems": 1, "maxItems": 100 });
    object(
        &["pictures"],
        json!({ "pictures": pictures, "to": { "type": ["string", "null"], "description": "Null: away." } }),
    )
}
