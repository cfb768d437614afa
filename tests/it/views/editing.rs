//! Views that are drawn: what becomes of the file.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{ConfigFile, Running, glimpsed, photos};
use crate::web::Server;

/// A daemon whose file this is, with its path.
fn running(text: &str) -> (Running, Server, String, tempfile::TempDir) {
    let (path, directory) = ConfigFile::new(text).keep();
    let mut daemon = Running::start(&mut glimpsed(&["run", "-c", &path]));
    let server = Server::of(&mut daemon);
    server.until("/api/v1/views", |views| views[0]["state"].is_object());
    (daemon, server, path, directory)
}

fn one_camera() -> String {
    let photos = photos();
    format!(
        "# The kitchen.\n[cameras.yard]\nsource = \"replay\"\npath = {photos:?} # ours\nfps = 5\n\n[views.door]\nmax_fps = 4.0\n"
    )
}

fn edit(server: &Server, body: &Value) -> (u16, Value) {
    let answer = server.post("/api/v1/views", &body.to_string());
    (answer.status, answer.json())
}

fn names(views: &Value) -> Vec<&str> {
    views.as_array().into_iter().flatten().filter_map(|view| view["name"].as_str()).collect()
}

/// Where no table names a view, each camera has one that is called like it.
#[test]
fn the_views_that_no_table_names_stay_when_one_is_drawn_or_goes() {
    let photos = photos();
    let camera = |name: &str| format!("[cameras.{name}]\nsource = \"replay\"\npath = {photos:?}\nfps = 5\n");
    let (_daemon, server, path, _directory) = running(&(camera("desk") + &camera("yard")));
    let half = json!({ "x": 0.0, "y": 0.0, "width": 0.5, "height": 1.0 });
    let set = json!([{ "name": "bin", "camera": "yard", "region": half }]);
    let (status, saved) = edit(&server, &json!({ "set": set, "save": true }));
    assert_eq!((status, &saved["saved"]), (200, &true.into()), "{saved}");
    for lines in ["[views.desk]\ncamera = \"desk\"\n", "[views.yard]\ncamera = \"yard\"\n"] {
        assert!(saved["lines"].as_str().is_some_and(|shown| shown.contains(lines)), "{saved}");
    }
    let views = server.until("/api/v1/views", |views| names(views) == ["bin", "desk", "yard"]);
    assert_eq!((&views[0]["region"], views[2]["region"]["width"].as_f64()), (&half, Some(1.0)));
    let (status, taken) =
        (server.post("/api/v1/views/undo", "{}").status, std::fs::read_to_string(&path).expect("there"));
    assert!(status == 200 && !taken.contains("[views"), "{taken}");
    server.until("/api/v1/views", |views| names(views) == ["desk", "yard"]);
    // The view of a camera goes, and that of the other stays.
    let (status, saved) = edit(&server, &json!({ "remove": ["desk"], "save": true }));
    assert_eq!((status, &saved["saved"]), (200, &true.into()), "{saved}");
    server.until("/api/v1/views", |views| names(views) == ["yard"]);
}

#[test]
fn a_view_is_drawn_shown_saved_and_taken_back() {
    let text = one_camera();
    let (_daemon, server, path, _directory) = running(&text);
    let bin = json!({ "x": 0.5, "y": 0.25, "width": 0.5, "height": 0.5 });
    let set = json!([{ "name": "bin", "camera": "yard", "region": bin }, { "name": "door", "camera": "yard", "region": bin }]);
    let (status, shown) = edit(&server, &json!({ "set": set }));
    let region = "region = { x = 0.5, y = 0.25, width = 0.5, height = 0.5 }";
    assert_eq!(status, 200, "{shown}");
    // The order is that of the request. The view that was there looks through the only camera, so it gets no key for it.
    assert_eq!(shown["lines"], format!("[views.bin]\ncamera = \"yard\"\n{region}\n\n[views.door]\n{region}\n"));
    assert_eq!((&shown["saved"], std::fs::read_to_string(&path).expect("there")), (&false.into(), text.clone()));

    let (status, saved) = edit(&server, &json!({ "set": set, "save": true }));
    assert_eq!((status, &saved["saved"]), (200, &true.into()), "{saved}");
    let file = std::fs::read_to_string(&path).expect("there");
    assert!(
        file.starts_with("# The kitchen.\n") && file.contains("# ours") && file.contains("max_fps = 4.0"),
        "{file}"
    );
    assert!(file.contains(region) && file.contains("[views.bin]"), "{file}");
    let views = server.until("/api/v1/views", |views| names(views) == ["bin", "door"]);
    assert_eq!(views[1]["region"], bin);
    server.until("/api/v1/views/bin/state", |state| state["state"].is_object());

    let undone = server.post("/api/v1/views/undo", "{}");
    assert_eq!(undone.status, 200, "{undone:?}");
    assert_eq!(std::fs::read_to_string(&path).expect("there"), text);
    server.until("/api/v1/views", |views| names(views) == ["door"]);
    let again = server.post("/api/v1/views/undo", "{}");
    assert_eq!((again.status, again.json()["detail"].as_str().is_some()), (409, true));
}

#[test]
fn what_cannot_work_is_refused_and_changes_nothing() {
    let text = one_camera();
    let (_daemon, server, path, _directory) = running(&text);
    let region = |x: f64, width: f64| json!({ "x": x, "y": 0, "width": width, "height": 1 });
    for (body, wanted) in [
        (json!({ "set": [{ "name": "a b", "region": region(0.0, 0.5) }] }), "no name of a view"),
        (
            json!({ "set": [{ "name": "thin", "camera": "yard", "region": region(0.0, 0.001) }] }),
            "must be from 0.02 to 1",
        ),
        (json!({ "remove": ["none"] }), "no [views.none]"),
    ] {
        let mut body = body;
        body["save"] = true.into();
        let (status, answer) = edit(&server, &body);
        assert_eq!(status, 409, "{body}: {answer}");
        assert!(answer["detail"].as_str().is_some_and(|detail| detail.contains(wanted)), "{answer}");
    }
    let (status, answer) = edit(
        &server,
        &json!({ "set": [{ "name": "door", "camera": "nope", "region": region(0.0, 0.5) }], "save": true }),
    );
    assert_eq!(status, 422, "{answer}");
    assert!(
        answer["detail"].as_str().is_some_and(|detail| detail.contains("no camera `nope`; there is `yard`")),
        "{answer}"
    );
    assert_eq!(edit(&server, &json!({ "sett": [] })).0, 422);
    let many: Vec<Value> = (0..65).map(|number| json!(format!("view{number}"))).collect();
    assert_eq!(edit(&server, &json!({ "remove": many })).0, 422);
    assert_eq!(std::fs::read_to_string(&path).expect("there"), text);
}

#[test]
fn a_file_that_may_not_be_written_is_left_and_its_lines_are_shown() {
    let text = one_camera();
    let (path, directory) = ConfigFile::new(&text).keep();
    let mode = |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("ours");
    mode(directory.path(), 0o755);
    mode(Path::new(&path), 0o444);
    let mut command = glimpsed(&["run", "-c", &path]);
    if rustix::process::geteuid().is_root() {
        // Root may write every file; nobody may write this one.
        command.uid(65534).gid(65534);
    }
    let mut daemon = Running::start(&mut command);
    let server = Server::of(&mut daemon);
    server.until("/api/v1/views", |views| views[0]["state"].is_object());
    let region = json!({ "x": 0.0, "y": 0.0, "width": 0.5, "height": 0.5 });
    let (status, answer) = edit(&server, &json!({ "set": [{ "name": "door", "region": region }], "save": true }));
    assert_eq!((status, &answer["saved"]), (200, &false.into()), "{answer}");
    assert!(answer["reason"].as_str().is_some_and(|reason| reason.contains("cannot be written")), "{answer}");
    assert!(answer["lines"].as_str().is_some_and(|lines| lines.contains("[views.door]")), "{answer}");
}

#[test]
fn the_view_without_a_name_has_its_region_in_roi_and_an_edit_since_is_not_undone() {
    let photos = photos();
    let text = format!("[camera]\nsource = \"replay\"\npath = {photos:?}\nfps = 5\n");
    let (_daemon, server, path, _directory) = running(&text);
    let region = json!({ "x": 0.25, "y": 0.0, "width": 0.5, "height": 1.0 });
    let (status, answer) = edit(&server, &json!({ "set": [{ "name": "main", "region": region }], "save": true }));
    assert_eq!((status, &answer["saved"]), (200, &true.into()), "{answer}");
    assert_eq!(answer["lines"], "[roi]\nx = 0.25\ny = 0.0\nwidth = 0.5\nheight = 1.0\n");
    server.until("/api/v1/views", |views| views[0]["region"]["x"] == 0.25);
    let edited = std::fs::read_to_string(&path).expect("there") + "# By hand.\n";
    std::fs::write(&path, &edited).expect("writable");
    let undone = server.post("/api/v1/views/undo", "{}");
    assert_eq!(undone.status, 409, "{undone:?}");
    assert_eq!(std::fs::read_to_string(&path).expect("there"), edited);
}
