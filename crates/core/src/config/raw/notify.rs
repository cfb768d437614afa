//! The tables of notices to people.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::interval::Interval;

/// A notice to people, without Home Assistant in between: what is told of a view's labels, to whom, and in which words.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawNotify {
    /// Name of the view. Default: every view.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub view: Option<String>,
    /// The label that is told, or the group. Default: every label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What is told of it: `appears`, `leaves`, `first of the day`, or `held for 5m` with a length of time of your own.
    pub when: String,
    /// Who is told: `webhook` (any web server; the event as JSON), `ntfy`, `gotify` or `telegram`.
    pub service: ServiceChoice,
    /// The address, without a login: of the web server, of ntfy with the topic, of Gotify. Default for Telegram: its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// File with the address in its first line, in place of `url`, where the address itself is a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url_file: Option<PathBuf>,
    /// File with the token in its first line: what the service gives to programs. Gotify and Telegram need one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// Telegram: the number of the chat, or the name of the channel with its `@`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat: Option<String>,
    /// Certificate authority (PEM) that signed the certificate of an `https` address. Default: the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// The title, with words in braces that are filled in: `{label}`, `{previous}`, `{now}`, `{view}`, `{camera}`, `{device}`, `{time}`, `{confidence}`, `{for}`. Default: `{device}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The text, as `title`. Default: a sentence for each `when`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Send a picture with it; `notify_image` in `[privacy]` must allow that.
    pub picture: bool,
    /// Shortest time between two notices of this rule; what comes sooner is counted and not sent.
    pub every: Interval,
}

impl Default for RawNotify {
    fn default() -> Self {
        Self {
            view: None,
            label: None,
            when: "appears".into(),
            service: ServiceChoice::Webhook,
            url: None,
            url_file: None,
            token_file: None,
            chat: None,
            ca: None,
            title: None,
            text: None,
            picture: false,
            every: Interval::from_secs(60),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ServiceChoice {
    Webhook,
    Ntfy,
    Gotify,
    Telegram,
}
