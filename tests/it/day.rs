//! The day: what was seen how often, over restarts.

use serde_json::Value;

use crate::support::{Broker, ConfigFile, PATIENCE, Running, glimpsed};
use crate::web::Server;

/// The labels with how often each began to hold, and when first.
fn labels(day: &Value) -> Vec<(String, u64, String)> {
    let text = |label: &Value, key: &str| label[key].as_str().expect("text").to_owned();
    let labels = day["labels"].as_array().expect("a list").iter();
    labels
        .map(|label| (text(label, "label"), label["times"].as_u64().expect("a number"), text(label, "first")))
        .collect()
}

#[test]
fn a_day_goes_on_after_a_restart_where_the_broker_has_kept_it() {
    let broker = Broker::start();
    let rest = format!("[labels]\nsmoothing = \"none\"\nconsecutive = 1\n[mqtt]\nurl = {:?}\n", broker.url());
    let (path, _directory) = ConfigFile::replay(5, &rest).keep();
    let start = || Running::start(&mut glimpsed(&["run", "-c", &path]));
    let mut daemon = start();
    let server = Server::of(&mut daemon);
    let several = |day: &Value| day["labels"].as_array().is_some_and(|labels| labels.len() >= 2);
    let day = server.until("/api/v1/day", |day| several(day) && day["times"].as_u64() >= Some(6));
    assert_eq!(server.get("/api/v1/views/main/day").json()["date"], day["date"]);
    assert_eq!(day["view"], Value::Null, "it is the only one");
    daemon.signal(rustix::process::Signal::TERM);
    assert!(daemon.wait().success());
    let kept: Value = serde_json::from_str(&broker.retained_payload("glimpsed/test/day")).expect("JSON");
    assert!(kept["times"].as_u64() >= day["times"].as_u64() && several(&kept), "{kept}");

    let mut daemon = start();
    daemon.line_with("the day goes on where the last run of glimpsed was");
    let total = kept["times"].as_u64().expect("a number");
    let next = broker.retained_json("glimpsed/test/day", |day| day["times"].as_u64() > Some(total + 2));
    for ((label, times, first), (again, more, same)) in labels(&kept).iter().zip(&labels(&next)) {
        assert!(label == again && more >= times && first == same, "{kept} and {next}");
    }
    assert_eq!(next["counts"][labels(&next)[0].0.as_str()], labels(&next)[0].1);
}

#[test]
fn a_connection_that_is_lost_adds_nothing_twice_and_a_broker_that_has_forgotten_is_told_again() {
    let mut broker = Broker::start();
    let photo = crate::support::photos().join("rocket.jpg");
    let text = format!(
        "[device]\nid = \"test\"\n[camera]\nsource = \"replay\"\npath = {photo:?}\nfps = 5\n[mqtt]\nurl = {:?}\nheartbeat = \"1s\"\n",
        broker.url()
    );
    let mut daemon = ConfigFile::new(&text).daemon();
    let held = |day: &Value| day["labels"].as_array().is_some_and(|labels| !labels.is_empty());
    let first = broker.retained_json("glimpsed/test/day", held);
    assert_eq!((&first["times"], &first["now"]), (&1.into(), &first["labels"][0]["label"]));
    broker.kill();
    broker.restart();
    let again = broker.retained_json("glimpsed/test/day", held);
    assert_eq!((&again["times"], &again["labels"][0]["first"]), (&1.into(), &first["labels"][0]["first"]));
    daemon.signal(rustix::process::Signal::TERM);
    assert!(daemon.wait().success());
    let log = daemon.rest().join("\n");
    assert!(!log.contains("the day goes on"), "there was no other run: {log}");
}

#[test]
fn each_view_has_a_day_of_its_own_which_goes_with_it() {
    let broker = Broker::start();
    let base = |views: &str| {
        let photos = crate::support::photos();
        format!(
            "[device]\nid = \"test\"\n[cameras.desk]\nsource = \"replay\"\npath = {photos:?}\nfps = 5\n[mqtt]\nurl = {:?}\n{views}",
            broker.url()
        )
    };
    let (path, _directory) = ConfigFile::new(&base("[views.left]\nregion = { width = 0.5 }\n[views.all]\n")).keep();
    let _daemon = Running::start(&mut glimpsed(&["run", "-c", &path]));
    for view in ["left", "all"] {
        let topic = format!("glimpsed/test/view/{view}/day");
        let day = broker.retained_json(&topic, |day| day["times"].as_u64() >= Some(1));
        assert_eq!(day["view"], view);
    }
    std::fs::write(&path, base("[views.all]\n")).expect("writable");
    let deadline = std::time::Instant::now() + PATIENCE;
    while broker.retained("glimpsed/test/view/+/day") != ["glimpsed/test/view/all/day"] {
        assert!(std::time::Instant::now() < deadline, "{:?}", broker.retained("glimpsed/test/view/+/day"));
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}
