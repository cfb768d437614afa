//! What each service is sent.

use serde_json::json;

use super::listener::Listener;
use crate::support::{ConfigFile, Ran, complaints, root, run, write_secret};

/// `glimpsed notify test` with these rules, beside a file `token`.
fn test(rules: &str) -> Ran {
    let directory = tempfile::tempdir().expect("a directory");
    write_secret(&directory.path().join("token"), "12:s3cret-t0ken\n");
    let path = directory.path().join("glimpsed.toml");
    std::fs::write(&path, format!("[device]\nid = \"shelf\"\nname = \"Küche\"\n{rules}")).expect("writable");
    run(&["notify", "test", "-c", path.to_str().expect("UTF-8")])
}

fn rule(listener: &Listener, path: &str, service: &str, more: &str) -> String {
    let url = listener.url(path);
    format!("[[notify]]\nurl = \"{url}\"\nservice = \"{service}\"\nlabel = \"tabby\"\ntoken_file = \"token\"\n{more}\n")
}

#[test]
fn ntfy_gets_the_text_as_the_body_and_the_title_in_the_query() {
    let listener = Listener::start();
    let ran = test(&rule(&listener, "/my-topic", "ntfy", "title = \"{device} & {view}\"\nwhen = \"leaves\""));
    assert_eq!(ran.code, 0, "{ran:?}");
    let told = listener.next();
    assert_eq!((told.method.as_str(), told.path.as_str()), ("POST", "/my-topic?title=K%C3%BCche%20%26%20K%C3%BCche"));
    assert_eq!(told.text(), "Küche: tabby is gone, now nothing");
    assert_eq!(told.header("authorization"), Some("Bearer 12:s3cret-t0ken"));
}

#[test]
fn gotify_gets_json_and_the_key_in_its_header() {
    let listener = Listener::start();
    let ran = test(&rule(&listener, "/below/", "gotify", "when = \"first of the day\""));
    assert_eq!(ran.code, 0, "{ran:?}");
    let told = listener.next();
    assert_eq!((told.method.as_str(), told.path.as_str()), ("POST", "/below/message"));
    assert_eq!(told.header("x-gotify-key"), Some("12:s3cret-t0ken"));
    assert_eq!(told.json(), json!({ "title": "Küche", "message": "Küche: the first tabby today" }));
}

#[test]
fn telegram_gets_json_for_the_chat_below_the_token() {
    let listener = Listener::start();
    let ran = test(&rule(&listener, "", "telegram", "chat = \"-1001\"\nwhen = \"held for 5m\""));
    assert_eq!(ran.code, 0, "{ran:?}");
    let told = listener.next();
    assert_eq!((told.method.as_str(), told.path.as_str()), ("POST", "/bot12:s3cret-t0ken/sendMessage"));
    assert_eq!(told.json(), json!({ "chat_id": "-1001", "text": "Küche\nKüche: tabby for 5m" }));
}

#[test]
fn a_webhook_gets_the_event_with_what_is_told_of_it() {
    let listener = Listener::start();
    let ran = test(&rule(&listener, "/hook?key=abc", "webhook", "text = \"{label} {confidence} {{ok}}\""));
    assert_eq!(ran.code, 0, "{ran:?}");
    let told = listener.next();
    assert_eq!((told.method.as_str(), told.path.as_str()), ("POST", "/hook?key=abc"));
    assert_eq!(told.header("authorization"), Some("Bearer 12:s3cret-t0ken"));
    let event = told.json();
    assert_eq!(
        event["notice"],
        json!({ "device": "Küche", "when": "appears", "label": "tabby", "title": "Küche", "text": "tabby 100 % {ok}" })
    );
    let schema = std::fs::read_to_string(root().join("docs/schemas/notice.schema.json")).expect("published");
    let found = complaints(&serde_json::from_str(&schema).expect("JSON"), &event);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn an_address_that_is_a_secret_stands_in_a_file_and_is_shown_nowhere() {
    let listener = Listener::answering(|_, _, stream| {
        super::listener::reply(stream, "404 Not Found", "", br#"{"error":"no such hook"}"#)
    });
    let directory = tempfile::tempdir().expect("a directory");
    let url = directory.path().join("url");
    write_secret(&url, &format!("{}\n", listener.url("/hooks/s3cret")));
    let file = ConfigFile::new(&format!("[[notify]]\nurl_file = {url:?}\n"));
    let ran = run(&["notify", "test", "-c", &file.path()]);
    assert_eq!(listener.next().path, "/hooks/s3cret");
    assert_eq!(ran.code, 69, "{ran:?}");
    let wanted = format!("a webhook at http://127.0.0.1:{}", listener.port);
    assert!(ran.stdout.contains(&wanted) && ran.stdout.contains("404 Not Found: no such hook"), "{ran:?}");
    for command in [&["config", "show", "-c"][..], &["notify", "test", "--json", "-c"]] {
        let ran = run(&[command, &[file.path().as_str()]].concat());
        assert!(!format!("{ran:?}").contains("s3cret"), "{ran:?}");
    }
}
