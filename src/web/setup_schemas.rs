//! The JSON Schemas of the set-up.

use serde_json::{Value, json};

pub(super) fn schemas() -> [(&'static str, Value); 4] {
    let text = |longest: u32| json!({ "type": "string", "maxLength": longest });
    let server = |sources: Option<&str>| {
        let mut properties = json!({ "url": text(1024), "username": text(256), "password": text(1024) });
        let mut required = vec!["url"];
        if let Some(source) = sources {
            properties["source"] = json!({ "const": source });
            required.push("source");
        }
        json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties })
    };
    let flag = |says: &str| json!({ "type": "boolean", "description": says });
    let all = |properties: Value| {
        let required: Vec<&String> = properties.as_object().into_iter().flat_map(|all| all.keys()).collect();
        json!({ "type": "object", "required": required, "properties": properties })
    };
    let maybe_text = || json!({ "type": ["string", "null"] });
    let device = json!({
        "type": "object", "required": ["source", "device"],
        "properties": { "source": { "const": "v4l2" }, "device": text(256) },
    });
    let examples =
        json!({ "type": "object", "required": ["source"], "properties": { "source": { "const": "examples" } } });
    [
        (
            "SetupChoices",
            json!({
                "type": "object", "additionalProperties": false,
                "description": "What was chosen; what is left out stays as it is.",
                "properties": {
                    "camera": { "anyOf": [device, server(Some("http")), server(Some("rtsp")), examples] },
                    "teach": flag("Whether pictures are kept that somebody teaches with."),
                    "broker": server(None),
                    "others": flag("Whether other machines can open the page, with a token."),
                    "save": flag("Write the file, instead of showing what would be written."),
                },
            }),
        ),
        (
            "SetupState",
            all(json!({
                "file": maybe_text(), "named": flag("Whether cameras have names, so that they are set in the file."),
                "examples": flag("Whether there are photographs to try it with."), "listen": text(64),
                "others": flag("Whether other machines can open the page."), "token": flag("Whether there is a token."),
            })),
        ),
        (
            "SetUp",
            all(json!({
                "lines": { "type": "string", "description": "What is new in the file." }, "saved": flag("Whether it was written."),
                "reason": { "type": ["string", "null"], "description": "Why it was not." },
                "waits": flag("Whether it waits for `glimpsed setup`, run by somebody who may write the file."),
                "token": { "type": ["string", "null"], "description": "The token that was made. It is shown this once." },
            })),
        ),
        (
            "BrokerTried",
            all(json!({
                "ok": flag("Whether all steps succeeded."), "reachable": flag("Whether there was a session."),
                "steps": { "type": "array", "items": all(json!({ "step": text(64), "ok": flag("Whether it succeeded."), "says": { "type": "string" } })) },
            })),
        ),
    ]
}
