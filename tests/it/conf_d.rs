//! The files in `conf.d` beside the configuration, through the program.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{PATIENCE, Ran, Running, free_port, glimpsed, photos, ran};
use crate::web::Server;

/// A configuration with its directory.
struct Files {
    directory: tempfile::TempDir,
}

impl Files {
    /// The first is the main file; those of `conf.d` are named by what follows it.
    fn new(main: &str, drop_ins: &[(&str, &str)]) -> Self {
        let files = Self { directory: tempfile::tempdir().expect("a directory") };
        std::fs::create_dir(files.conf_d()).expect("made");
        std::fs::write(files.main(), main).expect("writable");
        for (name, text) in drop_ins {
            files.write(name, text);
        }
        files
    }

    fn main(&self) -> PathBuf {
        self.directory.path().join("glimpsed.toml")
    }

    fn conf_d(&self) -> PathBuf {
        self.directory.path().join("conf.d")
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.conf_d().join(name), text).expect("writable");
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let main = self.main();
        let mut command = glimpsed(&[arguments, &["-c", main.to_str().expect("UTF-8")]].concat());
        command.env("STATE_DIRECTORY", self.directory.path().join("state"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        ran(&mut self.command(arguments))
    }

    fn daemon(&self) -> (Running, Server) {
        let mut daemon = Running::start(&mut self.command(&["run"]));
        let server = Server::of(&mut daemon);
        let labels =
            |views: &Value| views.as_array().is_some_and(|views| views.iter().any(|view| view["state"].is_object()));
        server.until("/api/v1/views", labels);
        (daemon, server)
    }
}

/// Photographs as one camera, and a view of it.
fn one_camera() -> String {
    format!(
        "[cameras.yard]\nsource = \"replay\"\npath = {:?}\nfps = 5\n\n[views.door]\nmax_fps = 4.0\nregion = {{ width = 0.5 }}\n",
        photos()
    )
}

fn names(views: &Value) -> Vec<&str> {
    views.as_array().into_iter().flatten().filter_map(|view| view["name"].as_str()).collect()
}

#[test]
fn later_files_win_key_by_key_and_each_value_says_where_it_is_from() {
    let files = Files::new(
        "[camera]\nfps = 4\nwidth = 320\n[labels]\nallow = [\"tabby\", \"beagle\"]\n",
        &[
            ("20-site.toml", "labels.allow = [\"tabby\"]\n[camera]\n# The yard is slow.\nfps = 2\n"),
            ("10-all.toml", "[camera]\nfps = 3\nheight = 200\n[log]\nlevel = \"warn\"\n"),
            ("20-site.toml~", "[camera]\nfps = 9\n"),
            (".30-new.toml.swp", "[camera]\nfps = 9\n"),
        ],
    );
    let set = files.run(&["config", "show", "--set"]);
    let lines: Vec<String> =
        set.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        lines,
        [
            "[camera]",
            "fps = 2.0 # conf.d/20-site.toml line 4",
            "height = 200 # conf.d/10-all.toml line 3",
            "width = 320 # glimpsed.toml line 3",
            "",
            "[http]",
            "listen = \"127.0.0.1:0\" # GLIMPSED_HTTP_LISTEN",
            "",
            "[labels]",
            "allow = [\"tabby\"] # conf.d/20-site.toml line 1",
            "",
            "[log]",
            "level = \"warn\" # conf.d/10-all.toml line 5",
        ],
        "{set:?}"
    );
    let told = files.run(&["config", "show", "--json"]).json();
    let fps = &told["camera.fps"];
    assert_eq!((&fps["value"], &fps["line"]), (&json!(2.0), &json!(4)), "{fps}");
    assert!(fps["file"].as_str().is_some_and(|file| file.ends_with("conf.d/20-site.toml")), "{fps}");
    assert!(told["camera.device"]["origin"] == "default" && told["camera.device"].get("line").is_none(), "{told}");
    let only = files.run(&["config", "show", "--json", "--set"]).json();
    assert_eq!(only.as_object().map(serde_json::Map::len), Some(6), "{only}");

    let checked = files.run(&["check"]);
    let said = "glimpsed.toml, conf.d/10-all.toml and conf.d/20-site.toml are fine";
    assert!(checked.code == 0 && checked.stdout.contains(said), "{checked:?}");
    let read = files.run(&["check", "--json"]).json();
    let read: Vec<&str> = read["files"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert!(read.len() == 3 && read[1].ends_with("conf.d/10-all.toml"), "{read:?}");
}

#[test]
fn mistakes_of_all_files_are_told_at_once_each_with_its_file_and_line() {
    let files = Files::new(
        "[camera]\nfps = \"fast\"\n\n[mqtt]\nkeepalive = 5\n",
        &[
            ("10-all.toml", "# All.\n[camera]\nfps = 5\n[labels]\ntop_k = 0\n"),
            ("20-site.toml", "[camera]\nfsp = 5\n"),
            ("30-broken.toml", "\n[http\n"),
        ],
    );
    let checked = files.run(&["check"]);
    assert_eq!(checked.code, 78, "{checked:?}");
    for place in [
        "glimpsed.toml:2:7",
        "glimpsed.toml:5:13",
        "conf.d/10-all.toml:5:9",
        "conf.d/20-site.toml:2:1",
        "conf.d/30-broken.toml:2:6",
    ] {
        assert!(checked.stderr.contains(place), "no {place} in {}", checked.stderr);
    }
    let told = files.run(&["check", "--json"]).json();
    let of_site = told["problems"].as_array().into_iter().flatten().find(|one| one["line"] == 2 && one["column"] == 1);
    assert!(
        of_site.is_some_and(|one| one["file"].as_str().is_some_and(|file| file.ends_with("20-site.toml"))),
        "{told}"
    );
    // What cannot be read does not hide the rest.
    std::fs::create_dir(files.conf_d().join("05-folder.toml")).expect("made");
    std::fs::write(files.conf_d().join("06-bytes.toml"), [b'#', 0xFF]).expect("writable");
    let checked = files.run(&["check"]);
    for part in ["05-folder.toml is a directory", "06-bytes.toml is not UTF-8 after 1 bytes", "30-broken.toml:2:6"] {
        assert!(checked.code == 78 && checked.stderr.contains(part), "no {part} in {}", checked.stderr);
    }
}

#[test]
fn a_mistake_that_a_later_file_or_the_environment_hides_is_told_all_the_same() {
    let files = Files::new("[camera]\nfps = \"fast\"\nwidth = true\n", &[("10-all.toml", "camera.fps = 5\n")]);
    let checked = ran(files.command(&["check"]).env("GLIMPSED_CAMERA_WIDTH", "320"));
    for place in ["glimpsed.toml:2:7", "glimpsed.toml:3:9"] {
        assert!(checked.code == 78 && checked.stderr.contains(place), "no {place} in {}", checked.stderr);
    }
    let checked = ran(files.command(&["check"]).env("GLIMPSED_CAMERA_WIDTH", "wide"));
    assert!(checked.stderr.contains("in the environment variable GLIMPSED_CAMERA_WIDTH"), "{}", checked.stderr);
}

#[test]
fn a_secret_in_a_mistake_of_conf_d_is_not_quoted_and_its_files_are_not_for_others_to_write() {
    let files = Files::new("", &[("10.toml", "[camera]\nurl = \"rtsp://me:hunter2@192.0.2.1/\" x\n")]);
    let checked = files.run(&["check"]);
    assert!(checked.code == 78 && checked.stderr.contains("conf.d/10.toml:2"), "{checked:?}");
    assert!(!checked.stderr.contains("hunter2"), "{checked:?}");
    files.write("10.toml", "");
    std::fs::set_permissions(files.conf_d().join("10.toml"), std::fs::Permissions::from_mode(0o666)).expect("ours");
    let doctor = files.run(&["doctor"]).stdout;
    let warned =
        doctor.lines().any(|line| line.starts_with("warning") && line.contains("10.toml can be written by other"));
    assert!(warned, "{doctor}");
}

#[test]
fn a_running_daemon_follows_files_that_come_change_and_go() {
    let files = Files::new(&one_camera(), &[]);
    std::fs::remove_dir(files.conf_d()).expect("empty");
    let (mut daemon, server) = files.daemon();
    let hash = |server: &Server| server.get("/api/v1/info").json()["config_hash"].clone();
    let before = hash(&server);
    std::fs::create_dir(files.conf_d()).expect("made");
    files.write("10-bin.toml", "[views.bin]\nregion = { x = 0.5, width = 0.5 }\n");
    server.until("/api/v1/views", |views| names(views) == ["bin", "door"]);
    let with = hash(&server);
    assert_ne!(with, before, "the hash is of everything that was read");

    // Renamed into place, as a tool of administration does.
    std::fs::write(files.directory.path().join("prepared"), "[views.bin]\nregion = { width = 0.25 }\n")
        .expect("writable");
    std::fs::rename(files.directory.path().join("prepared"), files.conf_d().join("20-site.toml")).expect("renamed");
    let views = server.until("/api/v1/views", |views| views[0]["region"]["width"] == 0.25);
    assert_eq!(views[0]["region"]["x"], 0.5, "key by key");

    // A mistake changes nothing, and names its file.
    files.write("20-site.toml", "[views.bin]\nregion = { width = 25 }\n");
    daemon.line_with("the last one stays in effect");
    let told = server.until("/api/v1/info", |info| info["config_error"].is_string());
    let said = told["config_error"].as_str().unwrap_or_default();
    assert!(said.contains("conf.d/20-site.toml line 2: `views.bin.region.width` must be"), "{said}");
    // An editor that is killed leaves an empty file, which is no wish.
    files.write("10-bin.toml", "");
    daemon.line_with("the configuration is empty; the last one stays in effect");

    std::fs::remove_file(files.conf_d().join("20-site.toml")).expect("removed");
    std::fs::remove_file(files.conf_d().join("10-bin.toml")).expect("removed");
    server.until("/api/v1/views", |views| names(views) == ["door"]);
    server.until("/api/v1/info", |info| info["config_error"].is_null() && info["config_hash"] == before);

    // By name, too.
    files.write("10-bin.toml", "[views.bin]\nenabled = false\n");
    daemon.signal(Signal::HUP);
    server.until("/api/v1/views", |views| names(views) == ["bin", "door"]);
}

#[test]
fn a_start_with_a_broken_file_goes_on_with_all_files_of_the_last_configuration_that_worked() {
    let files = Files::new(&one_camera(), &[("10-bin.toml", "[views.bin]\nenabled = false\n")]);
    let is_kept = || {
        let kept = std::fs::read_dir(files.directory.path().join("state")).into_iter().flatten().flatten();
        kept.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("last-good"))
    };
    let (daemon, server) = files.daemon();
    assert_eq!(names(&server.get("/api/v1/views").json()), ["bin", "door"]);
    let deadline = Instant::now() + PATIENCE;
    while !is_kept() {
        assert!(Instant::now() < deadline, "it is not kept");
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(daemon);
    for broken in ["[views.bin\n", ""] {
        files.write("10-bin.toml", broken);
        let (daemon, server) = files.daemon();
        assert_eq!(names(&server.get("/api/v1/views").json()), ["bin", "door"], "{broken:?}");
        let error = server.get("/api/v1/info").json()["config_error"].clone();
        assert!(error.is_string(), "{error}");
        drop(daemon);
    }
}

#[test]
fn what_the_page_changes_is_refused_where_a_later_file_says_otherwise() {
    let files = Files::new(
        &one_camera(),
        &[
            (
                "20-site.toml",
                "# The site.\n[views.door.region]\nwidth = 0.25\n\n[views.gate]\nregion = { x = 0.5, width = 0.5 }\n",
            ),
            ("30-camera.toml", "views.gate.camera = \"yard\"\n"),
        ],
    );
    let (_daemon, server) = files.daemon();
    let text = std::fs::read_to_string(files.main()).expect("there");
    let edit = |body: &Value| {
        let answer = server.post("/api/v1/views", &body.to_string());
        (answer.status, answer.json())
    };
    let region = |width: f64| json!({ "x": 0, "y": 0, "width": width, "height": 1 });
    for (body, place) in [
        (
            json!({ "set": [{ "name": "door", "region": region(0.75) }] }),
            "conf.d/20-site.toml line 3 sets `views.door.region.width`",
        ),
        (
            json!({ "set": [{ "name": "door", "region": region(1.0) }] }),
            "conf.d/20-site.toml line 3 sets `views.door.region.width`",
        ),
        (
            json!({ "set": [{ "name": "gate", "region": region(0.75) }] }),
            "conf.d/20-site.toml line 6 sets `views.gate.region.x`",
        ),
        (json!({ "remove": ["gate"] }), "conf.d/20-site.toml line 6 sets `views.gate.region.x`"),
        (json!({ "remove": ["door"] }), "conf.d/20-site.toml line 3 sets `views.door.region.width`"),
    ] {
        for save in [false, true] {
            let mut body = body.clone();
            body["save"] = save.into();
            let (status, answer) = edit(&body);
            let detail = answer["detail"].as_str().unwrap_or_default();
            assert!(status == 409 && detail.contains(place) && detail.contains("change it there"), "{body}: {answer}");
        }
    }
    assert_eq!(std::fs::read_to_string(files.main()).expect("there"), text, "nothing was written");
    // What no other file has, and what is what the other file says, can be saved.
    let wanted = json!({ "set": [{ "name": "new", "camera": "yard", "region": region(0.5) },
        { "name": "gate", "camera": "yard", "region": { "x": 0.5, "y": 0, "width": 0.5, "height": 1 } }], "save": true });
    let (status, answer) = edit(&wanted);
    assert_eq!((status, &answer["saved"]), (200, &json!(true)), "{answer}");
    server.until("/api/v1/views", |views| names(views) == ["door", "gate", "new"]);
    let undone = server.post("/api/v1/views/undo", "{}");
    assert_eq!(undone.status, 200, "{undone:?}");
    assert_eq!(std::fs::read_to_string(files.main()).expect("there"), text);
}

#[test]
fn the_set_up_is_refused_where_a_later_file_has_the_broker() {
    let [theirs, other] = [free_port(), free_port()].map(|port| format!("mqtt://127.0.0.1:{port}"));
    let main = format!("[camera]\nsource = \"replay\"\npath = {:?}\n", photos());
    let files = Files::new(&main, &[("10-site.toml", &format!("[mqtt]\nurl = \"{theirs}\"\n"))]);
    let mut daemon = Running::start(&mut files.command(&["run"]));
    let server = Server::of(&mut daemon);
    server.until("/api/v1/info", |info| info["name"].is_string());
    let choose =
        |url: &str| server.post("/api/v1/setup", &json!({ "broker": { "url": url }, "save": true }).to_string());
    let refused = choose(&other);
    let said = "conf.d/10-site.toml line 2 sets `mqtt.url`";
    assert!(
        refused.status == 409 && refused.json()["detail"].as_str().is_some_and(|detail| detail.contains(said)),
        "{refused:?}"
    );
    let same = choose(&theirs);
    assert_eq!(same.status, 200, "{same:?}");
}

#[test]
fn too_many_files_and_too_many_bytes_are_refused_in_words() {
    let files = Files::new("# \n", &[]);
    for number in 0..65 {
        files.write(&format!("{number}.toml"), "");
    }
    let checked = files.run(&["check"]);
    assert!(checked.code == 78 && checked.stderr.contains("conf.d has more than 64 files *.toml"), "{checked:?}");
    let files = Files::new("# \n", &[("1.toml", &"#".repeat(200 << 10)), ("2.toml", &"#".repeat(60 << 10))]);
    let checked = files.run(&["check"]);
    assert!(
        checked.code == 78 && checked.stderr.contains("2.toml has more than the 57341 bytes that are left"),
        "{checked:?}"
    );
    assert!(checked.stderr.contains("at most 256 KiB together"), "{checked:?}");
}

/// The file that the package has in `conf.d` is no configuration.
#[test]
fn the_directory_of_the_package_holds_no_configuration() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/conf.d");
    let names: Vec<String> = std::fs::read_dir(shipped)
        .expect("there")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(names, ["README"]);
}
