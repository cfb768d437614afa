//! The routes of the set-up.

use axum::routing::{get, post};
use serde_json::json;

use super::openapi::{Documented, Operation};
use super::schemas::named;
use super::setup;

pub(super) fn routes(routes: Documented) -> Documented {
    let refused: &[(u16, &'static str)] = &[
        (403, "Without a token the device is set up from the machine itself."),
        (409, "It cannot work so; the reason says why."),
        (422, "The body is not what was meant."),
        (503, "Something else is being tried."),
    ];
    let body = || ("application/json", named("SetupChoices"));
    let of = |operation: Operation| {
        let (media_type, schema) = body();
        operation.with_body(media_type, schema).refusing(refused)
    };
    routes
        .get(
            "/api/v1/setup",
            get(setup::state),
            Operation::json("setup", "What the set-up begins with.", named("SetupState")).refusing(&refused[..1]),
        )
        .post(
            "/api/v1/setup",
            post(setup::set_up),
            of(Operation::json("setUp", "Writes the choices into the configuration file.", named("SetUp"))),
        )
        .post(
            "/api/v1/setup/camera",
            post(setup::try_camera),
            of(Operation::of(
                "tryCamera",
                "A picture of the camera that is chosen.",
                (200, "image/jpeg", json!({ "type": "string", "format": "binary" })),
            )),
        )
        .post(
            "/api/v1/setup/broker",
            post(setup::try_broker),
            of(Operation::json(
                "tryBroker",
                "Connects to the broker that is chosen, or else to the one that is configured, step by step.",
                named("BrokerTried"),
            )),
        )
}
