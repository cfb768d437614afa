//! What a configuration of cameras and views may say.

use glimpsed_core::config::{Config, Sources};
use glimpsed_core::domain::framing::Region;
use serde_json::Value;

use crate::support::{ConfigFile, photos, run};

fn load(text: &str) -> Result<Config, String> {
    Sources::alone("glimpsed.toml", text).load().map_err(|problems| problems.to_string())
}

/// Two cameras that replay photographs.
fn cameras() -> String {
    let photos = photos();
    ["yard", "desk"].map(|name| format!("[cameras.{name}]\nsource = \"replay\"\npath = {photos:?}\n")).concat()
}

#[test]
fn a_view_has_what_it_says_and_the_shared_tables_for_the_rest() {
    let text = cameras()
        + "[labels]\nenter = 0.6\nmargin = 0.2\n[gate]\nmin_luma = 3.0\n[accurate]\nunsure_margin = 0.3\n\
           [views.garage]\ncamera = \"yard\"\nname = \"Garage door\"\nmax_fps = 1.5\n\
           region = { x = 0.1, y = 0.2, width = 0.3, height = 0.4 }\nmodel = \"efficientnet-lite0-int8\"\n\
           labels = { enter = 0.8 }\ngate = { min_change = 12.0 }\naccurate = false\n\
           [views.all]\ncamera = \"desk\"\n";
    let config = load(&text).expect("valid");
    // In the order of their names, as tables have none of their own.
    let [all, garage] = &config.views[..] else { panic!("two views") };
    assert_eq!((garage.title.as_str(), garage.camera.as_str()), ("Garage door", "yard"));
    assert_eq!(garage.region, Region { x: 0.1, y: 0.2, width: 0.3, height: 0.4 });
    assert_eq!(
        (garage.model.name.as_str(), all.model.name.as_str()),
        ("efficientnet-lite0-int8", "efficientnet-lite0")
    );
    assert_eq!((garage.labels.enter, garage.labels.margin), (Some(0.8), 0.2));
    assert_eq!((all.labels.enter, all.labels.margin), (Some(0.6), 0.2));
    assert_eq!((garage.gate.max_fps, garage.gate.min_change, garage.gate.min_luma), (Some(1.5), 12.0, 3.0));
    assert_eq!((all.gate.max_fps, all.region), (None, Region::default()));
    assert!(!garage.accurate.enabled && (garage.accurate.unsure_margin - 0.3).abs() < 1e-6);
}

#[test]
fn cameras_without_views_have_one_each() {
    let config = load(&cameras()).expect("valid");
    let views: Vec<(&str, &str)> = config.views.iter().map(|view| (view.name.as_str(), view.camera.as_str())).collect();
    assert_eq!(views, [("desk", "desk"), ("yard", "yard")]);
}

#[test]
fn all_mistakes_are_told_at_once_with_their_places() {
    let text = cameras()
        + "[cameras.\"a b\"]\ndevice = \"/dev/video7\"\n[cameras.other]\ndevice = \"/dev/video7\"\n\
           [camera]\nfps = 3.0\n[roi]\nwidth = 0.5\n\
           [views.a]\ncamera = \"garden\"\n[views.b]\n[views.c]\ncamera = \"yard\"\nmodel = \"mobilnet-v2\"\n\
           [views.d]\ncamera = \"yard\"\nregion = { x = 0.5, width = 0.6 }\nlabels = { keep = 0.9, enter = 0.1, allow = [\"tabbi\"] }\n\
           accurate = { max_duty = 2.0 }\nmax_fps = 0.0\nname = \"a\\u0007b\"\n\
           [pipeline]\nmax_duty = 0.0\n";
    let report = load(&text).expect_err("refused");
    for expected in [
        "`cameras.a b` may hold only letters",
        "`cameras.other.device` is another camera's",
        "`camera` has no effect",
        "`roi` has no effect",
        "`views.a.camera` names no camera",
        "`views.b` must say through which camera it looks",
        "one of desk, other, yard",
        "`views.c.model` names no model",
        "did you mean `mobilenet-v2`?",
        "`views.d.region.width` is too large",
        "`views.d.labels.keep` is above `enter`",
        "`views.d.labels.allow` names no label",
        "`views.d.accurate.max_duty` must be from",
        "`views.d.max_fps` must be from",
        "`views.d.name` must not hold control characters",
        "`pipeline.max_duty` must be from",
        "glimpsed.toml:",
    ] {
        assert!(report.contains(expected), "no {expected:?} in\n{report}");
    }
}

#[test]
fn views_that_nobody_could_tell_apart_are_refused() {
    let views = |names: &str| load(&(cameras() + names)).expect_err("refused");
    let view = |table: &str, name: &str| format!("[views.{table}]\ncamera = \"yard\"\n{name}\n");
    let report = views(&(view("left", "name = \"Door\"") + &view("right", "name = \"Door\"")));
    assert!(report.contains("`views.right.name` is what `views.left` is called, too"), "{report}");
    let report = views(&(view("left", "") + &view("right", "name = \"left\"")));
    assert!(report.contains("`views.right.name` is what `views.left` is called, too"), "{report}");
    let report = views(&(view("a", "") + &view("A", "")));
    assert!(report.contains("`views.a` differs from `views.A` in capital letters"), "{report}");
    let report = views(&(view("front-door", "") + &view("front_door", "")));
    assert!(report.contains("`views.front_door` differs from `views.front-door` in capital letters"), "{report}");
    let report = views(&(view("door", "") + &view("door_teach", "")));
    assert!(report.contains("`views.door_teach` differs from `views.door` by the beginning of"), "{report}");
    let report = views(&view("left", "name = \"  \""));
    assert!(report.contains("`views.left.name` is empty"), "{report}");
    let report = views("[views.a]\ncamera = \"yard\"\nregion = { x = 0.9, width = 0.2 }\n");
    assert!(report.trim_end().ends_with("at most 0.1"), "{report}");
}

#[test]
fn cameras_that_nobody_could_tell_apart_are_refused() {
    let photos = photos();
    let camera = |name: &str| format!("[cameras.{name}]\nsource = \"replay\"\npath = {photos:?}\n");
    for (first, second) in [("Yard", "yard"), ("the-yard", "the_yard"), ("yard", "yard_teach")] {
        let report = load(&(camera(first) + &camera(second))).expect_err("refused");
        assert!(report.contains(&format!("`cameras.{second}` differs from `cameras.{first}`")), "{report}");
    }
    load(&(camera("yard") + &camera("yard_2"))).expect("valid");
    let view = "[views.all]\ncamera = \"yard\"\n";
    load(&(camera("yard") + &camera("yard_teach") + view)).expect("the cameras alone share no id");
}

#[test]
fn a_device_that_two_cameras_know_by_different_paths_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let [device, link] = ["video0", "by-id"].map(|name| directory.path().join(name));
    std::fs::write(&device, "").expect("writable");
    std::os::unix::fs::symlink(&device, &link).expect("a link");
    let text = format!("[cameras.one]\ndevice = {device:?}\n[cameras.other]\ndevice = {link:?}\n");
    let report = load(&text).expect_err("refused");
    assert!(report.contains("`cameras.other.device` is another camera's"), "{report}");
}

#[test]
fn a_mistake_in_a_shared_table_is_told_once_and_where_it_is() {
    let text = cameras() + "[labels]\nmargin = 2.0\n[views.a]\ncamera = \"yard\"\n[views.b]\ncamera = \"desk\"\n";
    let report = load(&text).expect_err("refused");
    assert_eq!(report.matches("`labels.margin` must be from").count(), 1, "{report}");
}

#[test]
fn a_default_that_a_view_alone_asks_for_is_told_at_the_view() {
    let models = tempfile::tempdir().expect("a directory");
    let text = format!("[model]\ndirectory = {:?}\n", models.path())
        + &cameras()
        + "[views.a]\ncamera = \"yard\"\naccurate = true\n[views.b]\ncamera = \"yard\"\n";
    let report = load(&text).expect_err("refused");
    assert!(report.contains("glimpsed.toml:11:1") && report.contains("accurate = true"), "{report}");
}

#[test]
fn unknown_keys_of_a_view_are_refused_with_a_suggestion() {
    let text =
        cameras() + "[views.a]\ncamera = \"yard\"\nregoin = { x = 0.1 }\n[views.b]\ncamera = \"desk\"\naccurate = 3\n";
    let report = load(&text).expect_err("refused");
    assert!(
        report.contains("unknown key `regoin` in [views.a]") && report.contains("did you mean `region`?"),
        "{report}"
    );
    assert!(report.contains("`views.b.accurate` must be"), "{report}");
}

#[test]
fn the_effective_configuration_shows_cameras_and_views() {
    let file = ConfigFile::new(&(cameras() + "[views.a]\ncamera = \"yard\"\nlabels = { enter = 0.7 }\n"));
    let shown = run(&["config", "show", "-c", &file.path(), "--json"]).json();
    assert_eq!(shown["views.a.camera"]["value"], "yard");
    assert_eq!(
        shown["views.a.labels.enter"],
        serde_json::json!({ "value": 0.7, "origin": "line 9", "file": file.path(), "line": 9 })
    );
    assert_eq!(shown["cameras.desk.source"]["value"], "replay");
    let again = run(&["config", "show", "-c", &file.path()]).stdout;
    let shown_again = ConfigFile::new(&again);
    assert_eq!(run(&["check", "-c", &shown_again.path()]).code, 0, "{again}");
}

#[test]
fn a_camera_that_no_view_looks_through_is_warned_of_with_the_table_that_it_lacks() {
    let file = ConfigFile::new(&(cameras() + "[views.a]\ncamera = \"yard\"\n"));
    let checked = run(&["check", "-c", &file.path(), "--json"]).json();
    let warning = "nothing of camera `desk` is labelled, because no view looks through it; add [views.desk] with camera = \"desk\"";
    assert_eq!(checked["warnings"], serde_json::json!([warning]));
    let each = ConfigFile::new(&cameras());
    assert_eq!(run(&["check", "-c", &each.path(), "--json"]).json()["warnings"], serde_json::json!([]));
}

#[test]
fn a_picture_is_labelled_as_a_view_sees_it() {
    let text = cameras()
        + "[views.left]\ncamera = \"yard\"\nregion = { width = 0.5 }\nlabels = { top_k = 1 }\n[views.all]\ncamera = \"yard\"\n";
    let file = ConfigFile::new(&text);
    let photo = photos().join("chelsea.png");
    let label = |view: &str| -> Vec<Value> {
        let ran = run(&["classify", "--view", view, "-c", &file.path(), "--json", photo.to_str().expect("UTF-8")]);
        ran.json()[0]["top"].as_array().expect("labels").clone()
    };
    let (left, all) = (label("left"), label("all"));
    assert_eq!((left.len(), all.len()), (1, 3));
    assert_ne!(left[0]["confidence"], all[0]["confidence"], "another part of it");
    let unknown = run(&["classify", "--view", "roof", "-c", &file.path(), photo.to_str().expect("UTF-8")]);
    assert!(unknown.code == 1 && unknown.stderr.contains("there is no view `roof`; there is all, left"), "{unknown:?}");
}
