//! The set-up: what is tried, what is written, and who may do it.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::Server;
use super::client::Answer;
use crate::support::{Broker, ConfigFile, Running, complaints, free_port, glimpsed, photos, write_secret};

const PATH: &str = "/api/v1/setup";
const TOKEN: &str = "correct-horse-battery-staple";

/// A configuration on a port of its own, with a directory for what the daemon keeps.
struct Device {
    directory: tempfile::TempDir,
    port: u16,
}

impl Device {
    /// `rest` stands behind the table of the page.
    fn new(http: &str, rest: &str) -> Self {
        let (port, directory) = (free_port(), tempfile::tempdir().expect("a directory"));
        let text = format!(
            "# The shelf's.\n[device]\nid = \"test\"\n\n[http] # the page\nlisten = \"127.0.0.1:{port}\" # this one\n{http}\n{rest}"
        );
        std::fs::write(directory.path().join("glimpsed.toml"), text).expect("writable");
        Self { directory, port }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("glimpsed.toml")
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.file()).expect("there")
    }

    fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let file = self.file();
        let mut command = glimpsed(&[arguments, &["-c", file.to_str().expect("UTF-8")]].concat());
        command.env_remove("GLIMPSED_HTTP_LISTEN").env("STATE_DIRECTORY", self.state());
        command
    }

    fn run(&self) -> (Running, Server) {
        let mut daemon = Running::start(&mut self.command(&["run"]));
        let server = Server::of(&mut daemon);
        server.until_there();
        (daemon, server)
    }
}

impl Server {
    fn until_there(&self) {
        while self.get("/livez").status != 200 {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

fn choose(server: &Server, path: &str, choices: &Value) -> Answer {
    server.post(path, &choices.to_string())
}

fn lines(answer: &Answer) -> String {
    answer.json()["lines"].as_str().unwrap_or_else(|| panic!("no lines in {answer:?}")).to_owned()
}

fn detail(answer: &Answer) -> String {
    answer.json()["detail"].as_str().unwrap_or_else(|| panic!("no detail in {answer:?}")).to_owned()
}

#[test]
fn the_choices_are_shown_then_written_and_every_comment_stays() {
    let device = Device::new("", "");
    let before = device.text();
    let (mut daemon, server) = device.run();
    let state = server.get(PATH).json();
    assert_eq!((&state["others"], &state["token"], &state["named"]), (&json!(false), &json!(false), &json!(false)));
    let mut choices = json!({ "camera": { "source": "examples" }, "teach": true });
    let shown = choose(&server, PATH, &choices);
    let teach = device.state().join("teach");
    assert_eq!(
        lines(&shown),
        format!("[camera]\nsource = \"replay\"\npath = {:?}\n\n[teach]\ndirectory = {teach:?}\n", photos())
    );
    assert_eq!((shown.json()["saved"].clone(), device.text()), (json!(false), before.clone()));
    choices["save"] = true.into();
    let saved = choose(&server, PATH, &choices);
    assert_eq!(saved.json()["saved"], true, "{}", saved.text());
    assert!(device.text().starts_with(before.trim_end()), "{}", device.text());
    // What is taught is the web server's business, too, so it starts again.
    daemon.line_with("the web page is at");
    server.until("/api/v1/state", |state| state["camera"]["status"] == "online");
    assert_eq!(lines(&choose(&server, PATH, &choices)), "", "the file says so already");
    let mut document = server.get("/api/v1/openapi.json").json();
    for (schema, value) in [("SetUp", saved.json()), ("SetupState", state), ("SetupChoices", choices)] {
        document["$ref"] = format!("#/components/schemas/{schema}").into();
        assert_eq!(complaints(&document, &value), [""; 0], "{schema}: {value}");
    }
}

#[test]
fn a_token_is_made_and_shown_once_and_the_browser_that_made_it_stays_in() {
    let device = Device::new("", "");
    let (mut daemon, server) = device.run();
    let shown = choose(&server, PATH, &json!({ "others": true }));
    assert_eq!(shown.json()["token"], Value::Null, "nothing is made before it is written");
    assert_eq!(
        std::fs::read_dir(device.state())
            .map_or(0, |files| files.filter(|file| name_of(file).contains("token")).count()),
        0
    );
    // As the page asks: the cookie is for its directory.
    let saved = choose(&server, "/setup", &json!({ "others": true, "save": true }));
    let token = saved.json()["token"].as_str().expect("a token").to_owned();
    assert!(token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit()), "{token}");
    let cookie = saved.header("set-cookie").and_then(|cookie| cookie.split(';').next()).expect("a session").to_owned();
    daemon.line_with("the web page is at");
    server.until_there();
    let file = device.text();
    assert!(file.contains(&format!("listen = \"0.0.0.0:{}\" # this one", device.port)), "{file}");
    let kept = file.lines().find_map(|line| line.strip_prefix("token_file = ")).expect("a file").trim_matches('"');
    assert_eq!(std::fs::read_to_string(kept).expect("there").trim(), token);
    assert_eq!(std::fs::metadata(kept).expect("there").permissions().mode() & 0o777, 0o600);
    assert_eq!(server.get("/api/v1/state").status, 401);
    let with = |path: &str| server.ask("GET", path, &[("Cookie", &cookie)], b"");
    assert_eq!(with("/api/v1/state").status, 200);
    for path in ["/api/v1/config", "/api/v1/info", PATH] {
        assert!(!with(path).text().contains(&token), "{path} shows the token");
    }
    let headers = [("Cookie", cookie.as_str()), ("Content-Type", "application/json")];
    let again = server.ask("POST", PATH, &headers, b"{\"others\":true,\"save\":true}");
    assert_eq!((&again.json()["token"], &again.json()["lines"]), (&Value::Null, &json!("")), "the one there is stays");
}

fn name_of(entry: &std::io::Result<std::fs::DirEntry>) -> String {
    entry.as_ref().map_or_else(|_| String::new(), |entry| entry.file_name().to_string_lossy().into_owned())
}

#[test]
fn a_password_goes_into_a_file_of_its_own_and_is_in_no_answer() {
    const PASSWORD: &str = "hunter2-and-more";
    let broker = Broker::start();
    let device = Device::new("", "[mqtt] # the house's\nbuffer = 10 # few\n");
    let (_daemon, server) = device.run();
    let url = broker.url();
    let mut choices = json!({ "broker": { "url": url, "username": "me", "password": PASSWORD } });
    let shown = choose(&server, PATH, &choices);
    let text = lines(&shown);
    let kept = text.lines().find_map(|line| line.strip_prefix("password_file = ")).expect("a file").trim_matches('"');
    assert!(Path::new(kept).starts_with(device.state()) && !Path::new(kept).exists(), "{kept}");
    choices["save"] = true.into();
    let saved = choose(&server, PATH, &choices);
    assert_eq!((saved.json()["saved"].clone(), lines(&saved)), (json!(true), text.clone()), "{}", saved.text());
    assert_eq!(std::fs::read_to_string(kept).expect("there").trim(), PASSWORD);
    assert_eq!(std::fs::metadata(kept).expect("there").permissions().mode() & 0o777, 0o600);
    let file = device.text();
    assert!(file.contains("[mqtt] # the house's\nbuffer = 10 # few\nurl = "), "{file}");
    server.until("/api/v1/state", |state| state["health"]["mqtt"]["connected"] == true);
    for answer in [shown, saved, server.get("/api/v1/config"), server.get("/api/v1/info"), server.get("/api/v1/state")]
    {
        assert!(!answer.text().contains(PASSWORD), "{}", answer.text());
    }
    assert!(!file.contains(PASSWORD));
    // Without a new password the one that is kept goes on; without a user it has no place any more, and stays readable.
    let other = json!({ "broker": { "url": url, "username": "you" } });
    assert_eq!(lines(&choose(&server, PATH, &other)), "[mqtt]\nusername = \"you\"\n");
    let nobody = json!({ "broker": { "url": url }, "save": true });
    assert_eq!(lines(&choose(&server, PATH, &nobody)), "[mqtt]\n# without username\n# without password_file\n");
    assert!(device.text().contains("#username = \"me\"\n#password_file = "), "{}", device.text());
}

#[test]
fn without_a_token_only_somebody_at_this_machine_sets_it_up() {
    let device = Device::new("", "");
    let (_daemon, server) = device.run();
    for header in ["X-Forwarded-For", "Forwarded", "Via"] {
        let asked = server.ask("GET", PATH, &[(header, "203.0.113.9")], b"");
        assert!(asked.status == 403 && detail(&asked).contains("`glimpsed setup`"), "{header}: {asked:?}");
    }
    let body = b"{\"camera\":{\"source\":\"examples\"},\"save\":true}";
    let json_type = ("Content-Type", "application/json");
    for header in [("Origin", "http://evil.example"), ("Sec-Fetch-Site", "cross-site"), ("X-Forwarded-For", "10.0.0.1")]
    {
        for path in [PATH, "/setup", "/api/v1/setup/camera", "/api/v1/setup/broker"] {
            assert_eq!(server.ask("POST", path, &[json_type, header], body).status, 403, "{header:?} {path}");
        }
    }
    assert!(!device.text().contains("replay"));
}

#[test]
fn what_cannot_work_is_refused_in_words_and_changes_nothing() {
    let device = Device::new("", "");
    let before = device.text();
    let (_daemon, server) = device.run();
    let camera = |camera: Value| json!({ "camera": camera });
    for (choices, status, words) in [
        (camera(json!({ "source": "v4l2", "device": "/etc/passwd" })), 422, "below /dev"),
        (camera(json!({ "source": "v4l2", "device": "/dev/../etc/passwd" })), 422, "below /dev"),
        (camera(json!({ "source": "command", "command": ["sh"] })), 422, "unknown variant"),
        (camera(json!({ "source": "http", "url": "ftp://10.0.0.7/" })), 409, "no address for source"),
        (camera(json!({ "source": "http", "url": "http://me:hunter2@10.0.0.7/" })), 409, "`username`"),
        (json!({ "broker": { "url": "carrier-pigeon://a" } }), 409, "`mqtt.url`"),
        (json!({ "broker": { "url": "mqtt://a", "username": "me", "password": "two\nlines" } }), 422, "one line"),
        (json!({ "broker": { "url": "mqtt://a", "username": "me", "password": "x".repeat(2000) } }), 422, "1024 bytes"),
        (json!({ "cameras": {} }), 422, "unknown field"),
    ] {
        let mut saving = choices.clone();
        saving["save"] = true.into();
        for choices in [choices, saving] {
            let answer = choose(&server, PATH, &choices);
            assert_eq!(answer.status, status, "{choices}: {}", answer.text());
            assert!(
                detail(&answer).contains(words) && !answer.text().contains("hunter2"),
                "{choices}: {}",
                answer.text()
            );
        }
    }
    let answer = choose(&server, "/api/v1/setup/camera", &json!({}));
    assert!(answer.status == 422 && detail(&answer).contains("`camera`"), "{answer:?}");
    let answer = choose(&server, "/api/v1/setup/broker", &json!({}));
    assert!(answer.status == 409 && detail(&answer).contains("no broker is configured"), "{answer:?}");
    assert_eq!(device.text(), before);
}

#[test]
fn cameras_with_names_are_left_to_whoever_named_them() {
    let device =
        Device::new("", &format!("[cameras.yard]\nsource = \"replay\"\npath = {:?}\n[views.door]\n", photos()));
    let (_daemon, server) = device.run();
    assert_eq!(server.get(PATH).json()["named"], true);
    let answer = choose(&server, PATH, &json!({ "camera": { "source": "examples" }, "save": true }));
    assert!(answer.status == 409 && detail(&answer).contains("[cameras.NAME]"), "{answer:?}");
}

#[test]
fn a_camera_is_looked_through_before_it_is_chosen() {
    let device = Device::new("", "");
    let (_daemon, server) = device.run();
    let look = |camera: Value| choose(&server, "/api/v1/setup/camera", &json!({ "camera": camera }));
    let seen = look(json!({ "source": "examples" }));
    assert_eq!((seen.status, seen.header("content-type")), (200, Some("image/jpeg")), "{}", seen.text());
    let (width, height) =
        image::load_from_memory(&seen.body).map(|picture| (picture.width(), picture.height())).expect("a picture");
    assert_eq!(width.max(height), 320);
    let missing = look(json!({ "source": "v4l2", "device": "/dev/no-such-camera" }));
    assert!(missing.status == 409 && detail(&missing).contains("is the camera plugged in?"), "{missing:?}");
    let closed = look(
        json!({ "source": "http", "url": format!("http://127.0.0.1:{}/", free_port()), "username": "me", "password": "hunter2" }),
    );
    assert!(closed.status == 409 && detail(&closed).contains("refused"), "{closed:?}");
    // The second is told to wait, and nothing is left over of the first.
    assert_eq!(look(json!({ "source": "examples" })).status, 200);
}

#[test]
fn a_broker_is_tried_step_by_step_before_it_is_chosen() {
    let broker = Broker::start();
    let device = Device::new("", "");
    let (_daemon, server) = device.run();
    let test = |url: &str| choose(&server, "/api/v1/setup/broker", &json!({ "broker": { "url": url } }));
    let works = test(&broker.url());
    assert_eq!((works.status, &works.json()["ok"]), (200, &json!(true)), "{}", works.text());
    let mut document = server.get("/api/v1/openapi.json").json();
    document["$ref"] = "#/components/schemas/BrokerTried".into();
    assert_eq!(complaints(&document, &works.json()), [""; 0]);
    let refused = test(&format!("mqtt://127.0.0.1:{}", free_port())).json();
    let last = refused["steps"].as_array().and_then(|steps| steps.last()).expect("a step").clone();
    assert_eq!((&refused["reachable"], &last["step"], &last["ok"]), (&json!(false), &json!("tcp"), &json!(false)));
    assert!(last["says"].as_str().is_some_and(|says| says.contains("connection refused")), "{last}");
    assert!(!device.text().contains("mqtt"), "it was tried and not chosen");
}

#[test]
fn the_broker_of_the_configuration_is_tried_as_it_is() {
    let broker = Broker::start();
    let device = Device::new("", &format!("[mqtt]\nurl = {:?}\n", broker.url()));
    let (_daemon, server) = device.run();
    let tried = choose(&server, "/api/v1/setup/broker", &json!({}));
    assert_eq!((tried.status, &tried.json()["ok"]), (200, &json!(true)), "{}", tried.text());
}

/// The end of the link that was printed.
fn link_of(line: &str) -> String {
    line.split_once("/login#").map(|(_, end)| end.trim().to_owned()).unwrap_or_else(|| panic!("no link in {line}"))
}

fn follow(server: &Server, link: &str) -> Answer {
    let form = format!("link={link}");
    server.ask("POST", "/login", &[("Content-Type", "application/x-www-form-urlencoded")], form.as_bytes())
}

#[test]
fn a_link_opens_the_page_once_and_leads_to_the_set_up() {
    let device = Device::new("token_file = \"token\"", "");
    write_secret(&device.directory.path().join("token"), &format!("{TOKEN}\n"));
    let (daemon, server) = device.run();
    let printed = crate::support::ran(&mut device.command(&["setup", "--no-wait"]));
    assert_eq!(printed.code, 0, "{printed:?}");
    assert!(!printed.stdout.contains(TOKEN), "{printed:?}");
    let link = link_of(printed.stdout.lines().find(|line| line.contains("/login#")).expect("a link"));
    let mut forged = link.clone();
    forged.replace_range(..1, "9");
    assert_eq!(follow(&server, &forged).header("location"), Some("login?link"));
    let followed = follow(&server, &link);
    assert_eq!((followed.status, followed.header("location")), (303, Some("./#setup")), "{followed:?}");
    let cookie =
        followed.header("set-cookie").and_then(|cookie| cookie.split(';').next()).expect("a session").to_owned();
    assert_eq!(server.ask("GET", PATH, &[("Cookie", &cookie)], b"").status, 200);
    assert_eq!(follow(&server, &link).header("location"), Some("login?link"));
    drop(daemon);
    let (_daemon, server) = device.run();
    assert_eq!(follow(&server, &link).header("location"), Some("login?link"), "nor after a restart");
    // A session is no link, and a link is no session.
    let session = cookie.split_once('=').expect("a value").1;
    assert_eq!(follow(&server, session).header("location"), Some("login?link"));
    assert_eq!(server.ask("GET", "/api/v1/state", &[("Cookie", &format!("glimpsed_session={link}"))], b"").status, 401);
}

/// As the package installs it: the daemon may not write its file, and whoever runs `glimpsed setup` may.
#[test]
fn what_the_daemon_may_not_write_is_written_by_whoever_waits_for_it() {
    let device = Device::new("", "");
    let open = |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("ours");
    let state = device.state();
    std::fs::create_dir(&state).expect("a directory");
    open(device.directory.path(), 0o755);
    let mut command = device.command(&["run"]);
    let root = rustix::process::geteuid().is_root();
    if root {
        open(&device.file(), 0o644);
        std::os::unix::fs::chown(&state, Some(65534), Some(65534)).expect("root may");
        command.uid(65534).gid(65534);
    } else {
        open(&device.file(), 0o444);
    }
    let mut daemon = Running::start(&mut command);
    let server = Server::of(&mut daemon);
    server.until_there();
    let choices = json!({ "camera": { "source": "examples" }, "save": true });
    let refused = choose(&server, PATH, &choices).json();
    assert_eq!((&refused["saved"], &refused["waits"]), (&json!(false), &json!(true)), "{refused}");
    if !root {
        eprintln!("SKIPPED the rest: only root may write what another may not");
        return;
    }
    // What waited before is not written: somebody has to choose while it waits.
    let mut setup = Running::start(&mut device.command(&["setup"]));
    setup.line_with("open it to others");
    let link = link_of(&setup.line_with("/login#"));
    setup.line_with("Waiting for what is chosen");
    daemon.line_with("the web page is at");
    server.until_there();
    assert!(device.text().contains("0.0.0.0") && !device.text().contains("replay"), "{}", device.text());
    let followed = follow(&server, &link);
    let cookie =
        followed.header("set-cookie").and_then(|cookie| cookie.split(';').next()).expect("a session").to_owned();
    let headers = [("Cookie", cookie.as_str()), ("Content-Type", "application/json")];
    let chosen = server.ask("POST", PATH, &headers, choices.to_string().as_bytes()).json();
    assert_eq!((&chosen["saved"], &chosen["waits"]), (&json!(false), &json!(true)), "{chosen}");
    setup.line_with("Written into");
    assert!(setup.wait().success());
    assert!(device.text().contains("source = \"replay\""), "{}", device.text());
    assert!(device.text().contains("# The shelf's.") && device.text().contains("# this one"), "{}", device.text());
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while server.ask("GET", "/api/v1/state", &headers[..1], b"").json()["camera"]["status"] != "online" {
        assert!(std::time::Instant::now() < until, "the daemon does not read what was written");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

#[test]
fn setup_for_this_machine_opens_nothing() {
    let device = Device::new("", "");
    let before = device.text();
    let printed = crate::support::ran(&mut device.command(&["setup", "--local", "--no-wait"]));
    assert!(printed.stdout.contains(&format!("http://127.0.0.1:{}/#setup", device.port)), "{printed:?}");
    assert_eq!(device.text(), before);
    let off = ConfigFile::new("[http]\nenabled = false\n");
    let printed = crate::support::run(&["setup", "-c", &off.path()]);
    assert!(printed.code == 1 && printed.stderr.contains("set `enabled = true` in [http]"), "{printed:?}");
}

#[test]
fn a_lost_camera_is_opened_when_somebody_asks_for_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let (here, gone) = (directory.path().join("photos"), directory.path().join("gone"));
    std::fs::create_dir(&here).expect("a directory");
    std::fs::copy(photos().join("rocket.jpg"), here.join("rocket.jpg")).expect("copied");
    let camera = format!(
        "[camera]\nsource = \"replay\"\npath = {here:?}\nfps = 5\nreconnect_min = \"10m\"\nreconnect_max = \"10m\"\nframe_timeout = \"1s\"\n"
    );
    let device = Device::new("", &camera);
    let (_daemon, server) = device.run();
    server.until("/api/v1/state", |state| state["camera"]["status"] == "online");
    let retry = || server.post("/api/v1/cameras/main/retry", "{}").json();
    assert_eq!(retry()["retried"], false, "it does not wait");
    std::fs::rename(&here, &gone).expect("renamed");
    server.until("/api/v1/state", |state| state["camera"]["fault"] == "silent");
    let failed = retry();
    assert_eq!((&failed["retried"], &failed["status"]["status"]), (&json!(true), &json!("offline")), "{failed}");
    std::fs::rename(&gone, &here).expect("renamed");
    let opened = retry();
    assert_eq!((&opened["retried"], &opened["status"]["status"]), (&json!(true), &json!("online")), "{opened}");
    assert_eq!(server.post("/api/v1/cameras/none/retry", "{}").status, 404);
}
