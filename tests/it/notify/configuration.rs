//! What rules may say.

use glimpsed_core::config::Sources;

use super::listener::Listener;
use crate::support::{ConfigFile, run};

fn report(text: &str) -> String {
    Sources::alone("glimpsed.toml", text).load().expect_err("refused").to_string()
}

#[test]
fn all_mistakes_of_the_rules_are_told_at_once_with_their_places() {
    let text = r#"[[notify]]
when = "apears"
url = "ftp://10.0.0.1/x"
titel = "a"
every = "2d 1h"

[[notify]]
view = "garage"
label = "tabbi"
when = "held for ever"
service = "ntfy"
url = "https://ntfy.sh/"
text = "{lable} {"
picture = true

[[notify]]
service = "gotify"
url = "https://user:hunter2@gotify.example.org"
chat = "7"
ca = "/nonexistent/ca.crt"

[[notify]]
service = "telegram"
token_file = "/nonexistent/token"
every = 5

[[notify]]
when = "held for 1ms"
service = "pushover"
"#;
    let report = report(text);
    assert!(!report.contains("hunter2"), "{report}");
    insta::assert_snapshot!(report);
}

#[test]
fn a_rule_names_its_view_where_there_are_several() {
    let text = "[views.garage]\n[[notify]]\nview = \"garge\"\nurl = \"http://10.0.0.1\"\n";
    assert!(report(text).contains("hint: did you mean `garage`?"), "{}", report(text));
    let text = "[[notify]]\nurl = \"http://10.0.0.1\"\n".repeat(17);
    assert!(report(&text).contains("`notify` must be at most 16 rules"), "{}", report(&text));
}

#[test]
fn a_picture_needs_leave_and_a_service_that_takes_it() {
    let picture = "[[notify]]\npicture = true\n";
    let report = report(&format!("{picture}url = \"http://10.0.0.1\"\n"));
    assert!(report.contains("`notify_image = true` in [privacy]"), "{report}");
    let gotify = format!("[privacy]\nnotify_image = true\n{picture}service = \"gotify\"\n");
    assert!(self::report(&gotify).contains("Gotify takes no pictures"));
}

#[test]
fn rules_are_shown_as_they_are_written_and_counted_by_check() {
    let rules = "[[notify]]\nurl = \"http://10.0.0.1/a\"\n[[notify]]\nurl = \"http://10.0.0.1/b\"\nwhen = \"leaves\"\n";
    let file = ConfigFile::replay(5, rules);
    let shown = run(&["config", "show", "-c", &file.path()]).stdout;
    let table: toml::Table = shown.parse().expect("what is shown can be used as a file");
    let rules = table["notify"].as_array().expect("tables");
    assert_eq!(
        (rules[0]["url"].as_str(), rules[1]["when"].as_str()),
        (Some("http://10.0.0.1/********"), Some("leaves"))
    );
    let line = shown.lines().find(|line| line.starts_with("when = \"leaves\"")).expect("a line");
    assert!(line.ends_with("# line 11"), "{line}");
    let json = run(&["config", "show", "--json", "-c", &file.path()]).json();
    assert_eq!(json["notify.1.when"]["origin"], "line 11");
    let ran = run(&["check", "-c", &file.path()]);
    assert!(ran.stdout.contains("no broker, 2 notices"), "{ran:?}");
}

#[test]
fn doctor_says_whether_those_who_are_told_can_be_reached_and_tells_them_nothing() {
    let (here, gone) = (Listener::start(), crate::support::free_port());
    let rules = format!(
        "[[notify]]\nurl = \"{}\"\n[[notify]]\nservice = \"ntfy\"\nurl = \"http://127.0.0.1:{gone}/topic\"\n",
        here.url("/x")
    );
    let ran = run(&["doctor", "--json", "-c", &ConfigFile::replay(5, &rules).path()]);
    let findings = ran.json();
    let notices: Vec<_> =
        findings.as_array().expect("a list").iter().filter(|finding| finding["subject"] == "notice").collect();
    assert_eq!((&notices[0]["verdict"], &notices[1]["verdict"]), (&"ok".into(), &"unreachable".into()), "{findings}");
    assert!(notices[1]["says"].as_str().is_some_and(|says| says.starts_with("ntfy at http://127.0.0.1:")));
    assert!(here.rest().is_empty());
}
