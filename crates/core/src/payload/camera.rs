//! The camera's status as JSON.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::domain::camera::{CameraState, CameraStatus, FaultKind};

/// Whether pictures come, since when, and what is wrong.
#[derive(Default, Serialize, JsonSchema)]
pub(super) struct CameraStatusPayload {
    /// `null` before anything is known.
    #[schemars(extend("enum" = ["online", "offline", "disabled", null]))]
    status: Option<&'static str>,
    /// Since when it is so: RFC 3339, UTC.
    #[schemars(extend("format" = "date-time"))]
    since: Option<String>,
    /// What is wrong, in a word; `null` when all is well, and while the camera is being opened ("offline" without a fault).
    #[schemars(extend("enum" = ["missing", "silent", "damaged", "frozen", "covered", "no_model", null]))]
    fault: Option<&'static str>,
    /// What is wrong, in plain words.
    reason: Option<String>,
}

impl CameraStatusPayload {
    pub(super) fn of(status: &CameraStatus) -> Self {
        Self {
            status: Some(camera_state_name(status.state)),
            since: Some(status.since.to_string()),
            fault: status.fault.as_ref().map(|fault| match fault.kind {
                FaultKind::Missing => "missing",
                FaultKind::Silent => "silent",
                FaultKind::Damaged => "damaged",
                FaultKind::Frozen => "frozen",
                FaultKind::Covered => "covered",
                FaultKind::NoModel => "no_model",
            }),
            reason: status.fault.as_ref().map(|fault| fault.reason.to_string()),
        }
    }
}

/// A camera with a name, and its status.
#[derive(Serialize, JsonSchema)]
pub(super) struct NamedCameraPayload {
    camera: String,
    #[serde(flatten)]
    status: CameraStatusPayload,
}

impl NamedCameraPayload {
    /// `None` of the only camera, which has no name.
    pub(super) fn of(status: &CameraStatus) -> Option<Self> {
        let camera = status.camera.given()?.to_owned();
        Some(Self { camera, status: CameraStatusPayload::of(status) })
    }
}

/// The payload of `camera/status`.
pub fn camera_state_name(state: CameraState) -> &'static str {
    match state {
        CameraState::Online => "online",
        CameraState::Offline => "offline",
        CameraState::Disabled => "disabled",
    }
}

/// The camera's status, as a part of `health`; all members are `null` before anything is known.
pub fn camera_status_json(status: Option<&CameraStatus>) -> Value {
    // Strings only: serialising them cannot fail.
    serde_json::to_value(status.map(CameraStatusPayload::of).unwrap_or_default()).unwrap_or_default()
}
