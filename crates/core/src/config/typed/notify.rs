//! The tables of notices to people.

use std::time::Duration;

use hyper::Uri;

use super::super::diagnostics::{Absent, nearest, suggestion};
use super::super::interval::Interval;
use super::super::raw::{RawNotify, ServiceChoice};
use super::checker::{At, Checker};
use super::configuration::{Notify, Recipient, Service, View};
use super::url::{Wrong, address};
use crate::decide::notices::{Rule, Template, WORDS, When};
use crate::decide::rules::LabelFilter;
use crate::decide::vocabulary;
use crate::domain::name::Name;
use crate::http_client::address::Address;
use crate::models::labels::LabelList;
use glimpsed_base::files::resolve;
use glimpsed_base::secret::Secret;
use glimpsed_mqtt::tls::{Files, Problem as TlsProblem, Tls};

/// Each has a connection of its own.
const MAX_RULES: usize = 16;

/// The longest template of a title, and of a text, in bytes.
const MAX_TITLE: usize = 200;
const MAX_TEXT: usize = 2000;

/// The times that a label can be asked to hold for.
const SHORTEST_HOLD: Interval = Interval::from_secs(1);
const LONGEST_HOLD: Interval = Interval::from_secs(7 * 86_400);

/// Where Telegram's bots are.
const TELEGRAM: &str = "https://api.telegram.org";

impl Checker<'_, '_> {
    pub(super) fn notices(&mut self, views: &[View]) -> Vec<Notify> {
        let rules = &self.raw.notify;
        if rules.len() > MAX_RULES {
            let found = format!("found {}", rules.len());
            self.complain(&["notify"], &format!("must be at most {MAX_RULES} rules"), found, None);
        }
        let numbers: Vec<String> = (0..rules.len().min(MAX_RULES)).map(|number| number.to_string()).collect();
        let each = rules.iter().zip(&numbers);
        each.filter_map(|(rule, number)| self.notice(&At::table(&["notify", number]), rule, views)).collect()
    }

    fn notice(&mut self, at: &At<'_>, raw: &RawNotify, views: &[View]) -> Option<Notify> {
        let view = self.view_told(at, raw, views);
        self.label_told(at, raw, view.as_ref(), views);
        let when = self.when(at, &raw.when);
        self.interval_within(&at.key("every"), raw.every, Interval::from_secs(0), Interval::from_secs(86_400));
        let text = match when {
            When::Appears => "{view}: {label}",
            When::Leaves => "{view}: {label} is gone, now {now}",
            When::Held(_) => "{view}: {label} for {for}",
            When::FirstOfDay => "{view}: the first {label} today",
        };
        let title = self.template(at, "title", raw.title.as_deref().unwrap_or("{device}"), MAX_TITLE);
        let text = self.template(at, "text", raw.text.as_deref().unwrap_or(text), MAX_TEXT);
        if raw.picture && !self.raw.privacy.notify_image {
            let hint = "`notify_image = true` in [privacy] lets pictures leave the device with notices".to_owned();
            self.complain(&at.key("picture"), "is not allowed", "`notify_image` is false", Some(hint));
        }
        let to = self.recipient(at, raw);
        let rule = Rule { view, label: raw.label.as_deref().map(Into::into), when, every: raw.every.0 };
        Some(Notify { rule, title: title?, text: text?, picture: raw.picture, to: to? })
    }

    fn view_told(&mut self, at: &At<'_>, raw: &RawNotify, views: &[View]) -> Option<Name> {
        let wanted = raw.view.as_ref()?;
        if let Some(view) = views.iter().find(|view| view.name.given() == Some(wanted)) {
            return Some(view.name.clone());
        }
        let names = || views.iter().filter_map(|view| view.name.given());
        let hint = match names().next() {
            None => "there is only one view, which needs no name: leave `view` out".to_owned(),
            Some(_) => suggestion(wanted, names().collect::<Vec<_>>()),
        };
        self.complain(&at.key("view"), "names no view", format!("found `{wanted}`"), Some(hint));
        None
    }

    /// Reports a label that can never hold, because no view that is meant has it.
    fn label_told(&mut self, at: &At<'_>, raw: &RawNotify, view: Option<&Name>, views: &[View]) {
        let Some(label) = &raw.label else { return };
        let mut known: Vec<String> = Vec::new();
        for view in views.iter().filter(|one| view.is_none_or(|wanted| one.name == *wanted)) {
            // Unreadable labels are reported when the model is loaded.
            let Ok(LabelList { labels, .. }) = view.model.labels.read() else { return };
            let groups = view.labels.filter.groups.clone();
            let filter = LabelFilter { allow: vec![label.clone()], deny: Vec::new(), groups: groups.clone() };
            if vocabulary::unknown_names(&labels, &filter).next().is_none() {
                return;
            }
            known.extend(labels.iter().chain(groups.iter().map(|group| &group.name)).map(ToString::to_string));
        }
        let hint = match nearest(label, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "labels are those of the view's model and the names of its groups".into(),
        };
        let found = format!("found `{label}`, which no model here has");
        self.complain(&at.key("label"), "names no label", found, Some(hint));
    }

    fn when(&mut self, at: &At<'_>, text: &str) -> When {
        match text {
            "appears" => return When::Appears,
            "leaves" => return When::Leaves,
            "first of the day" => return When::FirstOfDay,
            _ => {}
        }
        if let Some(time) = text.strip_prefix("held for ") {
            match time.parse::<Interval>() {
                Ok(time) => {
                    self.interval_within(&at.key("when"), time, SHORTEST_HOLD, LONGEST_HOLD);
                    return When::Held(time.0);
                }
                Err(cause) => {
                    self.complain(&at.key("when"), "has no length of time", format!("found `{time}`"), Some(cause));
                    return When::Held(Duration::from_secs(60));
                }
            }
        }
        let wrong = "must be \"appears\", \"leaves\", \"first of the day\" or \"held for 5m\"";
        let near = nearest(text, ["appears", "leaves", "first of the day", "held for 5m"]);
        self.complain(
            &at.key("when"),
            wrong,
            format!("found `{text}`"),
            near.map(|near| format!("did you mean \"{near}\"?")),
        );
        When::Appears
    }

    fn template(&mut self, at: &At<'_>, key: &'static str, text: &str, most: usize) -> Option<Template> {
        self.not_longer(&at.key(key), text, most);
        match Template::parse(text) {
            Ok(template) => Some(template),
            Err(unknown) => {
                let words: Vec<String> = WORDS.iter().map(|word| format!("{{{word}}}")).collect();
                let hint = match nearest(&unknown.0, words.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("there is {}; a brace of the text is written twice", words.join(", ")),
                };
                self.complain(&at.key(key), "has an unknown word", format!("found `{}`", unknown.0), Some(hint));
                None
            }
        }
    }

    fn recipient(&mut self, at: &At<'_>, raw: &RawNotify) -> Option<Recipient> {
        let (service, example) = self.service(at, raw);
        let token = raw.token_file.as_ref().and_then(|file| self.secret_line(at, "token_file", file));
        let address = self.address_told(at, raw, example)?;
        let is_tls = address.scheme_str() == Some("https");
        if raw.ca.is_some() && !is_tls {
            let hint = "write the address with https:// to use TLS, or remove `ca`".to_owned();
            self.complain(&at.key("ca"), "has no effect", "the address is without TLS", Some(hint));
        }
        let tls = if is_tls { Some(self.trust(at, raw)?) } else { None };
        Some(Recipient { service, address: Address::new(address), token, tls })
    }

    /// The service, and an example of its address.
    fn service(&mut self, at: &At<'_>, raw: &RawNotify) -> (Service, &'static str) {
        let needs_token = matches!(raw.service, ServiceChoice::Gotify | ServiceChoice::Telegram);
        if needs_token && raw.token_file.is_none() {
            let hint = match raw.service {
                ServiceChoice::Gotify => "Gotify gives one to each of its applications",
                _ => "BotFather gives one to each bot",
            };
            self.complain(&at.key("token_file"), "is needed for this service", "found no token", Some(hint.into()));
        }
        if raw.chat.is_some() && raw.service != ServiceChoice::Telegram {
            let hint = "it is for `service = \"telegram\"`".to_owned();
            self.complain(&at.key("chat"), "has no effect", "another `service` is set", Some(hint));
        }
        if raw.picture && raw.service == ServiceChoice::Gotify {
            let hint = "leave it out, or tell another service".to_owned();
            self.complain(&at.key("picture"), "cannot be sent", "Gotify takes no pictures", Some(hint));
        }
        match raw.service {
            ServiceChoice::Webhook => (Service::Webhook, "http://192.0.2.5:1880/glimpsed"),
            ServiceChoice::Ntfy => (Service::Ntfy, "https://ntfy.sh/a-topic-that-nobody-guesses"),
            ServiceChoice::Gotify => (Service::Gotify, "https://gotify.example.org"),
            ServiceChoice::Telegram => {
                let chat = raw.chat.clone().unwrap_or_else(|| {
                    let hint = "docs/notices.md says how to find its number".to_owned();
                    self.complain(&at.key("chat"), "is needed for Telegram", "found no chat", Some(hint));
                    String::new()
                });
                self.not_longer(&at.key("chat"), &chat, 64);
                self.printable(&at.key("chat"), &chat);
                (Service::Telegram { chat }, TELEGRAM)
            }
        }
    }

    fn address_told(&mut self, at: &At<'_>, raw: &RawNotify, example: &str) -> Option<Uri> {
        let (key, text) = match (&raw.url, &raw.url_file) {
            (Some(_), Some(_)) => {
                let hint = "one of them is enough".to_owned();
                self.complain(&at.key("url_file"), "stands beside `url`", "found both", Some(hint));
                return None;
            }
            (Some(url), None) => ("url", url.clone()),
            (None, Some(file)) => ("url_file", self.secret_line(at, "url_file", file)?.reveal().to_owned()),
            (None, None) if raw.service == ServiceChoice::Telegram => ("url", TELEGRAM.to_owned()),
            (None, None) => {
                let hint = format!("for example {example}");
                self.complain(&at.key("url"), "is needed", "found no address", Some(hint));
                return None;
            }
        };
        let wrong = match address(&text, example) {
            Ok(address) if !matches!(address.scheme_str(), Some("http" | "https")) => {
                Wrong { what: "is no address of a web server".into(), hint: format!("for example {example}") }
            }
            Ok(address) if raw.service == ServiceChoice::Ntfy && address.path().trim_matches('/').is_empty() => {
                Wrong { what: "names no topic".into(), hint: format!("it ends with the topic: {example}") }
            }
            Ok(address) if raw.service != ServiceChoice::Webhook && address.query().is_some() => {
                Wrong { what: "has a part behind `?`".into(), hint: format!("leave it out: {example}") }
            }
            Ok(address) => return Some(address),
            Err(wrong) => wrong,
        };
        // What is in a file of its own is a secret.
        let found = if key == "url" { format!("found `{text}`") } else { "found something else".to_owned() };
        self.complain(&at.key(key), &wrong.what, found, Some(wrong.hint));
        None
    }

    fn secret_line(&mut self, at: &At<'_>, key: &'static str, file: &std::path::Path) -> Option<Secret> {
        let path = resolve(self.base, file);
        let line = Secret::from_file(&path).map_err(|cause| cause.to_string());
        let visible = |secret: &Secret| secret.reveal().bytes().all(|byte| byte.is_ascii_graphic());
        let line = line.and_then(|secret| match visible(&secret) {
            true => Ok(secret),
            false => Err("has spaces or other than ASCII characters in its first line".into()),
        });
        line.map_err(|cause| {
            let found = format!("`{}` {cause}", path.display());
            self.absent(Absent::Notices, &at.key(key), "cannot be used", found, None);
        })
        .ok()
    }

    fn trust(&mut self, at: &At<'_>, raw: &RawNotify) -> Option<Tls> {
        let ca = raw.ca.as_ref().map(|file| resolve(self.base, file));
        match Tls::load(&Files { ca: ca.as_deref(), cert: None, key: None }, None) {
            Ok(tls) => Some(tls),
            Err(TlsProblem { cause, hint, .. }) => {
                self.absent(Absent::Notices, &at.key("ca"), "cannot be used", cause, hint);
                None
            }
        }
    }
}
