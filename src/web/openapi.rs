//! The OpenAPI document. A route is registered together with its description, so neither exists without the other.

use std::sync::Arc;

use axum::Router;
use axum::routing::MethodRouter;
use serde_json::{Map, Value, json};

use super::schemas::{named, schemas};
use super::site::Site;

/// A router that knows what it does.
pub(super) struct Documented {
    router: Router<Arc<Site>>,
    /// `None` where nobody asks for the document: it takes some megabytes while it is made.
    paths: Option<Map<String, Value>>,
}

/// What one method of one path does.
pub(super) struct Operation {
    pub id: &'static str,
    pub summary: &'static str,
    /// The success response: its status, media type and schema.
    pub answer: (u16, &'static str, Value),
    /// The accepted media types, each with its schema; empty if there is no body.
    pub body: Vec<(&'static str, Value)>,
    pub parameters: Vec<Value>,
    /// The error responses with their reasons; `default` is added to them.
    pub refusals: Vec<(u16, &'static str)>,
}

impl Operation {
    /// One that answers with JSON.
    pub(super) fn json(id: &'static str, summary: &'static str, schema: Value) -> Self {
        Self::of(id, summary, (200, "application/json", schema))
    }

    pub(super) fn of(id: &'static str, summary: &'static str, answer: (u16, &'static str, Value)) -> Self {
        Self { id, summary, answer, body: Vec::new(), parameters: Vec::new(), refusals: Vec::new() }
    }

    pub(super) fn with_body(mut self, media_type: &'static str, schema: Value) -> Self {
        self.body.push((media_type, schema));
        self
    }

    pub(super) fn with_parameter(mut self, parameter: Value) -> Self {
        self.parameters.push(parameter);
        self
    }

    pub(super) fn refusing(mut self, refusals: &[(u16, &'static str)]) -> Self {
        self.refusals.extend(refusals);
        self
    }

    fn describe(self) -> Value {
        let (status, media_type, schema) = self.answer;
        let mut responses = Map::new();
        responses.insert(
            status.to_string(),
            json!({ "description": self.summary, "content": { media_type: { "schema": schema } } }),
        );
        for (status, reason) in self.refusals {
            responses.insert(status.to_string(), problem(reason));
        }
        // The token, host, method and size are checked before every operation.
        responses.insert("default".into(), problem("Why the request was refused."));
        let mut operation = json!({ "operationId": self.id, "summary": self.summary, "responses": responses });
        if !self.parameters.is_empty() {
            operation["parameters"] = self.parameters.into();
        }
        if !self.body.is_empty() {
            let content: Map<String, Value> = self
                .body
                .into_iter()
                .map(|(media_type, schema)| (media_type.into(), json!({ "schema": schema })))
                .collect();
            operation["requestBody"] = json!({ "required": true, "content": content });
        }
        operation
    }
}

fn problem(reason: &str) -> Value {
    json!({ "description": reason, "content": { "application/problem+json": { "schema": named("Problem") } } })
}

impl Documented {
    pub(super) fn new() -> Self {
        Self { router: Router::new(), paths: None }
    }

    /// One that can [`Self::finish`].
    pub(super) fn describing() -> Self {
        Self { paths: Some(Map::new()), ..Self::new() }
    }

    pub(super) fn get(self, path: &str, handler: MethodRouter<Arc<Site>>, operation: Operation) -> Self {
        self.route("get", path, handler, operation)
    }

    pub(super) fn post(self, path: &str, handler: MethodRouter<Arc<Site>>, operation: Operation) -> Self {
        self.route("post", path, handler, operation)
    }

    /// Another method of a path that is there, of which the handler knows already.
    pub(super) fn also(mut self, method: &str, path: &str, operation: Operation) -> Self {
        if let Some(paths) = &mut self.paths {
            paths[path][method] = operation.describe();
        }
        self
    }

    fn route(mut self, method: &str, path: &str, handler: MethodRouter<Arc<Site>>, operation: Operation) -> Self {
        if let Some(paths) = &mut self.paths {
            let methods = paths.entry(path).or_insert_with(|| json!({}));
            methods[method] = operation.describe();
        }
        Self { router: self.router.route(path, handler), paths: self.paths }
    }

    pub(super) fn router(self) -> Router<Arc<Site>> {
        self.router
    }

    /// The document as JSON.
    pub(super) fn finish(self) -> String {
        let document = json!({
            "openapi": "3.1.0",
            "info": {
                "title": "glimpsed",
                "version": env!("CARGO_PKG_VERSION"),
                "description": "What a camera sees, labelled on the device. Payloads are those of the MQTT topics.",
                "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
            },
            "security": [{}, { "token": [] }, { "session": [] }],
            "paths": self.paths,
            "components": { "schemas": schemas(), "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "The token of `token_file` in [http]." },
                "session": { "type": "apiKey", "in": "cookie", "name": super::session::COOKIE },
            } },
        });
        document.to_string()
    }
}
