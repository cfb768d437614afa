//! The operations that more than one address has: with the name of a view or camera in it, and without.

use serde_json::{Value, json};

use super::openapi::Operation;
use super::schemas::named;

pub(super) fn set_model(id: &'static str) -> Operation {
    Operation::json(id, "Labels with another model, or in another precision.", named("Settings"))
        .with_body(
            "application/json",
            object(json!({
                "name": { "type": "string", "maxLength": 128 },
                "precision": { "enum": ["auto", "fp32", "int8"] },
            })),
        )
        .refusing(&[
            (409, "The model cannot be used; the one before goes on."),
            (422, "The body is not what was meant."),
        ])
}

pub(super) fn set(id: &'static str) -> Operation {
    Operation::json(id, "Sets what is named, and nothing else.", named("Settings"))
        .with_body(
            "application/json",
            object(json!({
                "enabled": { "type": "boolean" },
                "threshold": { "type": "number", "minimum": 0, "maximum": 1 },
                "accurate": { "type": "boolean" },
            })),
        )
        .refusing(&[(409, "It could not be set."), (422, "The body is not what was meant.")])
}

pub(super) fn frame(id: &'static str) -> Operation {
    Operation::of(id, "The next frame that is labelled, with its labels drawn in.", (200, "image/jpeg", binary()))
        .with_parameter(json!({
            "name": "labels", "in": "query", "schema": { "type": "boolean", "default": true },
            "description": "Whether the labels are drawn in.",
        }))
        .refusing(&[
            (400, "`labels` is neither true nor false."),
            (403, "Pictures are switched off: `preview` in [privacy]."),
            (409, "The camera is switched off."),
            (503, "No frame comes, or somebody else is being served one."),
        ])
}

pub(super) fn change(id: &'static str) -> Operation {
    Operation::of(id, "What a view saw when its label changed, small.", (200, "image/jpeg", binary()))
        .with_parameter(json!({
            "name": "since", "in": "query", "required": true, "schema": { "type": "string", "format": "date-time" },
            "description": "When the label began to hold, as the timeline says.",
        }))
        .refusing(&[(400, "`since` is no time."), (403, "Pictures are switched off: `preview` in [privacy].")])
}

pub(super) fn mjpeg(id: &'static str) -> Operation {
    Operation::of(
        id,
        "The live picture: the newest frame whenever the client is ready for one.",
        (200, "multipart/x-mixed-replace; boundary=frame", binary()),
    )
    .refusing(&[(403, "Pictures are switched off."), (503, "Too many watch already.")])
}

pub(super) fn second_opinion(id: &'static str) -> Operation {
    Operation::json(
        id,
        "What the accurate model says of the next frame, beside what the fast one says of it.",
        named("SecondOpinionPayload"),
    )
    .refusing(&[(409, "There is no accurate model in use, no frame came, or it still rests.")])
}

pub(super) fn labels_a_picture(id: &'static str, summary: &'static str) -> Operation {
    Operation::json(id, summary, named("Opinion"))
        .with_body("image/jpeg", binary())
        .with_body("image/png", binary())
        .with_body("image/webp", binary())
        .with_body(
            "multipart/form-data",
            json!({
                "type": "object", "required": ["image"], "properties": { "image": binary() },
            }),
        )
        .refusing(&[
            (413, "The picture has too many bytes or pixels."),
            (415, "The body is declared to be something else than a picture."),
            (422, "The body is no picture, or a damaged one."),
            (429, "More pictures would delay the camera's; `Retry-After` says how long to wait."),
            (503, "Too many pictures wait already."),
        ])
}

impl Operation {
    /// With the name of a view in its address.
    pub(super) fn of_view(self) -> Self {
        self.with_name("view", "Name of the view; `main` where there is only one.")
    }

    /// With the name of a camera in its address.
    pub(super) fn of_camera(self) -> Self {
        self.with_name("camera", "Name of the camera; `main` where there is only one.")
    }

    fn with_name(mut self, name: &str, description: &str) -> Self {
        self.refusals.push((404, "There is none of this name."));
        self.with_parameter(json!({
            "name": name, "in": "path", "required": true, "schema": { "type": "string", "maxLength": 64 },
            "description": description,
        }))
    }
}

fn binary() -> Value {
    json!({ "type": "string", "format": "binary" })
}

fn object(properties: Value) -> Value {
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}
