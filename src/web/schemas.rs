//! The JSON Schemas of the HTTP interface. Those of the payloads are derived from their types; these are for what only
//! the interface has.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::socket::Said;
use glimpsed_core::domain::comparison::Report;
use glimpsed_core::payload::define_schemas;

/// A reference to one of the named schemas.
pub(super) fn named(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn nullable(name: &str) -> Value {
    json!({ "anyOf": [named(name), { "type": "null" }] })
}

fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

/// An object that has all these properties, and may have more some day.
fn object(description: &str, properties: Value) -> Value {
    let required: Vec<&String> = properties.as_object().into_iter().flat_map(|properties| properties.keys()).collect();
    json!({ "type": "object", "description": description, "required": required, "properties": properties })
}

/// By name.
pub(super) fn schemas() -> Map<String, Value> {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    let mut generator = settings.into_generator();
    define_schemas(&mut generator);
    generator.subschema_for::<Report>();
    generator.subschema_for::<Said>();
    let mut schemas = generator.take_definitions(true);
    schemas.extend(teaching().map(|(name, schema)| (name.to_owned(), schema)));
    schemas.extend(super::setup_schemas::schemas().map(|(name, schema)| (name.to_owned(), schema)));
    schemas.insert("LiveEvent".into(), live_event());
    schemas.extend(
        of_the_device()
            .into_iter()
            .chain(of_requests())
            .chain(of_places())
            .map(|(name, schema)| (name.to_owned(), schema)),
    );
    schemas
}

fn of_the_device() -> [(&'static str, Value); 10] {
    let text = || json!({ "type": "string" });
    let text_or_null = || json!({ "type": ["string", "null"] });
    let settings = object(
        "What can be set while the daemon runs.",
        json!({
            "enabled": { "type": "boolean", "description": "Whether the camera is looked through." },
            "model": { "type": "string", "description": "The model that labels the video." },
            "model_error": { "type": ["string", "null"], "description": "Why it cannot be used, if that is so: the view has no model then." },
            "precision": { "enum": ["auto", "fp32", "int8"], "description": "Which of its files." },
            "threshold": { "type": "number", "minimum": 0, "maximum": 1, "description": "Below it the answer is unknown." },
            "accurate": {
                "type": ["boolean", "null"],
                "description": "Whether the accurate model is asked too; null where there is none.",
            },
        }),
    );
    let camera = json!({
        "type": "object", "description": "Whether pictures come, since when, and what is wrong.", "required": ["status", "since", "fault", "reason", "negotiated"], "properties": {
            "status": { "enum": ["online", "offline", "disabled", null] },
            "since": {
                "type": ["string", "null"], "format": "date-time",
                "description": "When it came into this state; online, also when the fault appeared or went.",
            },
            "fault": {
                "enum": ["missing", "silent", "damaged", "frozen", "covered", "no_model", null],
                "description": "What is wrong; null when all is well, and while the camera is being opened.",
            },
            "reason": { "type": ["string", "null"], "description": "What is wrong, in plain words." },
            "negotiated": nullable("CameraPayload"),
        },
    });
    let state = object(
        "How everything is now; null is what is not known yet.",
        json!({
            "camera": named("Camera"),
            "state": nullable("ClassificationPayload"),
            "classification": nullable("ClassificationPayload"),
            "second": nullable("SecondOpinionPayload"),
            "settings": nullable("Settings"),
            "health": named("HealthPayload"),
        }),
    );
    let value = object(
        "A key's value and where it comes from: \"default\", \"line 12\" of the file, or a variable of the environment.",
        json!({ "value": {}, "origin": text() }),
    );
    let configuration = object(
        "The configuration in effect, without secrets.",
        json!({
            "config": { "type": ["object", "null"], "additionalProperties": value, "description": "By key, such as `camera.fps`." },
            "error": { "type": ["string", "null"], "description": "What is wrong with the file as it was edited last." },
            "restart_required": { "type": ["array", "null"], "items": text(), "description": "Keys that were edited and wait for a restart." },
        }),
    );
    let models = list(object(
        "A model that can label, or one of the catalogue that is not here.",
        json!({
            "name": text(),
            "active": { "type": "boolean" },
            "present": { "type": "boolean", "description": "Whether its file is here." },
            "fetchable": { "type": "boolean", "description": "Whether it can be downloaded." },
            "bytes": { "type": ["integer", "null"], "description": "Of its file, as the catalogue says." },
            "int8": { "type": ["string", "null"], "description": "Name of its int8 variant." },
            "description": text_or_null(),
            "licence": text_or_null(),
            "published_top1": { "type": ["number", "null"], "description": "In per cent, as its publisher measured it." },
        }),
    ));
    let held = object(
        "A label and since when it holds.",
        json!({
            "since": { "type": "string", "format": "date-time" },
            "label": text_or_null(),
            "status": { "enum": ["known", "unknown", "stale", "too_dark", "covered"] },
            "confidence": { "type": "number", "minimum": 0, "maximum": 1 },
        }),
    );
    let timeline = list(named("HeldLabel"));
    let ready = object("Whether labels are fresh.", json!({ "ready": { "type": "boolean" }, "state": text() }));
    [
        ("Settings", settings),
        ("Camera", camera),
        ("State", state),
        ("Configuration", configuration),
        ("Models", models),
        ("HeldLabel", held),
        ("Timeline", timeline),
        ("Readiness", ready),
        ("Views", views()),
        ("Cameras", cameras()),
    ]
}

fn views() -> Value {
    let text = || json!({ "type": "string" });
    list(object(
        "One question to one camera.",
        json!({
            "name": text(),
            "title": { "type": "string", "description": "What people call it." },
            "camera": { "type": "string", "description": "Name of the camera that it looks through." },
            "region": named("RegionPayload"),
            "settings": nullable("Settings"),
            "state": nullable("ClassificationPayload"),
        }),
    ))
}

fn cameras() -> Value {
    let names =
        json!({ "type": "array", "items": { "type": "string" }, "description": "The views that look through it." });
    let status = json!({ "type": "object", "description": "As in `Camera`." });
    list(object("A camera.", json!({ "name": { "type": "string" }, "status": status, "views": names })))
}

/// Which cameras and views there are.
fn layout() -> Value {
    let view = object(
        "A view.",
        json!({
            "name": { "type": "string" }, "title": { "type": "string" }, "camera": { "type": "string" },
            "region": named("RegionPayload"),
        }),
    );
    object("The cameras and views.", json!({ "cameras": list(json!({ "type": "string" })), "views": list(view) }))
}

/// What the WebSocket says as text.
fn live_event() -> Value {
    let refused = object(
        "Pictures that were wanted do not come.",
        json!({ "reason": { "enum": ["forbidden", "unknown"] }, "detail": { "type": "string" } }),
    );
    let crowd = object(
        "All places for pictures are taken, or there is one again.",
        json!({
            "watching": { "type": "integer", "description": "How many places are taken." },
            "every_s": { "type": ["integer", "null"], "description": "Seconds between two pictures; null: as fast as they are drawn." },
        }),
    );
    let time = json!({ "type": "string", "format": "date-time" });
    let events = [
        (
            "clock",
            object(
                "The device's time, by which ages are counted.",
                json!({
                    "now": time,
                    "offset_minutes": { "type": "integer", "description": "How far its clocks on the wall are ahead of UTC: its day begins at its own midnight." },
                }),
            ),
        ),
        ("layout", layout()),
        ("camera", named("Camera")),
        ("info", named("InfoPayload")),
        ("settings", named("Settings")),
        ("classification", named("ClassificationPayload")),
        ("state", named("ClassificationPayload")),
        ("second", named("SecondOpinionPayload")),
        ("strange", strange()),
        ("timeline", named("Timeline")),
        ("change", named("HeldLabel")),
        ("day", named("DayPayload")),
        ("pictures", list(json!({ "type": "string", "format": "date-time" }))),
        ("vitals", named("HealthPayload")),
        ("comparison", named("Comparison")),
        ("download", nullable("Download")),
        ("teach", named("TeachReport")),
        ("refused", refused),
        ("crowd", crowd),
    ];
    let text = || json!({ "type": "string" });
    let event = |(name, data)| {
        let mut event = object("An event.", json!({ "event": { "const": name }, "camera": text(), "data": data }));
        event["properties"]["view"] = text();
        event
    };
    json!({ "description": "A text message of the WebSocket.", "oneOf": events.map(event) })
}

/// Whether most frames of a view are strange.
fn strange() -> Value {
    let since = json!({
        "type": ["string", "null"],
        "format": "date-time",
        "description": "Since when most frames are unlike all that was taught; null: they are not.",
    });
    object("Whether most frames of a view are strange.", json!({ "since": since }))
}

/// What is taught.
fn teaching() -> [(&'static str, Value); 4] {
    let text = || json!({ "type": "string" });
    let count = || json!({ "type": "integer" });
    let flag = |description: &str| json!({ "type": "boolean", "description": description });
    let or_null = |mut schema: Value| {
        schema["type"] = json!([schema["type"], "null"]);
        schema
    };
    let mistake = object(
        "A picture that is perhaps labelled wrongly.",
        json!({ "label": text(), "name": text(), "said": text(), "confidence": { "type": "number" } }),
    );
    let lesson = object(
        "What was learnt.",
        json!({
            "right": { "type": ["string", "null"], "description": "Such as `about 19 in 20`; null where it would be a guess." },
            "enough": { "type": "string", "description": "Whether there are enough pictures; empty if there are." },
            "copies": count(),
            "labels": list(text()),
            "confusion": list(list(count())),
            "hard": list(list(text())),
            "mistakes": list(mistake),
        }),
    );
    let class = object("A label.", json!({ "label": text(), "pictures": count(), "newest": list(text()) }));
    let undo = object("What the next undo takes back.", json!({ "what": text(), "at": text() }));
    let unsure = object(
        "A frame that could not be told surely.",
        json!({ "id": count(), "said": text(), "confidence": { "type": "number" }, "at": text() }),
    );
    let report = object(
        "What is taught, and how good it is.",
        json!({
            "name": { "type": "string", "description": "Of the view, and of the model that is written." },
            "base": text(),
            "pictures": { "type": "integer", "description": "Of all views." },
            "max_pictures": count(),
            "looking": { "type": ["array", "null"], "items": count(), "description": "While pictures are looked at for the first time: how many of how many." },
            "behind": flag("Whether there are pictures that nothing was learnt from yet."),
            "classes": list(class),
            "lesson": or_null(lesson),
            "missing": { "type": ["string", "null"], "description": "Why nothing was learnt." },
            "written": flag("Whether the model's file is what was learnt."),
            "undo": or_null(undo),
            "unsure": list(unsure),
        }),
    );
    let status = object(
        "Whether it can be taught, and how that goes.",
        json!({ "enabled": flag("Whether `directory` in [teach] is set."), "report": nullable("TeachReport") }),
    );
    let kept = object(
        "What became of a picture.",
        json!({ "name": { "type": ["string", "null"] }, "copy": flag("Whether it looks like one that is there."), "pictures": count() }),
    );
    let share = object("A label.", json!({ "label": text(), "confidence": { "type": "number" } }));
    let look = object(
        "What would be said of a frame.",
        json!({ "top": list(share), "strange": flag("Whether it is unlike all that was taught.") }),
    );
    [("TeachReport", report), ("Teaching", status), ("KeptPicture", kept), ("TaughtLook", look)]
}

/// A download of a model, a camera that was found, and one that was tried again.
fn of_places() -> [(&'static str, Value); 3] {
    let text = || json!({ "type": "string" });
    let text_or_null = || json!({ "type": ["string", "null"] });
    let download = object(
        "The download of a model that is under way, or was last.",
        json!({
            "name": text(),
            "state": { "enum": ["running", "stopping", "stopped", "failed", "done"] },
            "bytes": { "type": "integer" },
            "total": { "type": "integer" },
            "per_second": { "type": ["integer", "null"], "description": "Bytes, while it runs." },
            "error": text_or_null(),
            "command": { "type": ["string", "null"], "description": "What to run where the daemon may not write." },
        }),
    );
    let cameras = list(object(
        "A camera.",
        json!({
            "name": text(),
            "device": text(),
            "formats": list(text()),
            "problem": text_or_null(),
            "choose": { "type": "string", "description": "Its device, by a name that stays." },
            "lines": { "type": "string", "description": "What chooses it, in the configuration's TOML." },
        }),
    ));
    let retried = object(
        "What became of a try to open a camera.",
        json!({
            "retried": { "type": "boolean", "description": "Whether it waited for its next try." },
            "status": { "type": "object", "description": "As `camera` of `State`, without `negotiated`." },
        }),
    );
    [("Download", download), ("CamerasFound", cameras), ("CameraRetried", retried)]
}

fn of_requests() -> [(&'static str, Value); 5] {
    let problem = object(
        "Why a request was refused (RFC 9457).",
        json!({
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string", "description": "In plain words." },
        }),
    );
    let opinion = object(
        "What the models say of a picture.",
        json!({
            "fast": named("ClassificationPayload"),
            "accurate": nullable("ClassificationPayload"),
            "cached": { "type": "boolean", "description": "Whether this very picture was answered before." },
        }),
    );
    let progress = json!({
        "type": ["object", "null"], "description": "How far it is, while it runs.", "required": ["model", "done", "total"],
        "properties": { "model": { "type": "string" }, "done": { "type": "integer" }, "total": { "type": "integer" } },
    });
    let comparison = object(
        "The models side by side.",
        json!({
            "running": { "type": "boolean" },
            "progress": progress,
            "report": nullable("Report"),
            "error": { "type": ["string", "null"], "description": "Why the last one led to nothing." },
        }),
    );
    let reloaded =
        object("The configuration was read.", json!({ "restart_required": list(json!({ "type": "string" })) }));
    let edited = object(
        "What became of a change to the views.",
        json!({
            "lines": { "type": "string", "description": "The tables that were changed or added, as TOML." },
            "saved": { "type": "boolean", "description": "Whether they are in the file, which takes effect then." },
            "reason": { "type": ["string", "null"], "description": "Why they are not in the file, though that was wanted." },
        }),
    );
    [
        ("Problem", problem),
        ("Opinion", opinion),
        ("Comparison", comparison),
        ("Reloaded", reloaded),
        ("EditedViews", edited),
    ]
}
