//! Who may come in, and from where.

use std::net::TcpListener;
use std::path::PathBuf;

use rustix::process::Signal;

use super::client::Server;
use super::{labelling, serving};
use crate::support::{ConfigFile, free_port, run, write_secret};

const TOKEN: &str = "correct-horse-battery-staple";

fn token_file() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("token");
    write_secret(&file, &format!("{TOKEN}\n"));
    (directory, file)
}

#[test]
fn listening_for_others_needs_a_token_and_a_token_has_to_be_one() {
    let check = |text: &str| {
        let ran = run(&["check", "-c", &ConfigFile::new(text).path()]);
        assert_eq!(ran.code, 78, "{ran:?}");
        ran.stderr
    };
    // The variable of the tests would win over the file.
    let problem = |http: &str| {
        let sources = glimpsed_core::config::Sources::alone("glimpsed.toml", format!("[http]\n{http}\n"));
        sources.load().expect_err("refused").to_string()
    };
    let report = problem("listen = \"0.0.0.0:8080\"");
    assert!(report.contains("`http.listen` needs a token") && report.contains("set `token_file`"), "{report}");
    assert!(problem("listen = \"[::]:80\"").contains("needs a token"));
    assert!(problem("listen = \"localhost:8080\"").contains("\"127.0.0.1:8080\" is for this machine alone"));
    assert!(problem("listen = \"8080\"").contains("\"0.0.0.0:8080\" for all"));
    assert!(check("[http]\ntoken_file = \"/nonexistent\"\n").contains("`http.token_file` cannot be used"));
    let (directory, file) = token_file();
    for (token, wrong) in
        [("short", "16 are needed"), ("with spaces in the token", "with spaces"), ("", "empty first line")]
    {
        std::fs::write(&file, token).expect("writable");
        let report = check(&format!("[http]\ntoken_file = {file:?}\n"));
        assert!(report.contains(wrong), "{report}");
        assert!(token.is_empty() || !report.contains(token), "the report shows the token: {report}");
    }
    drop(directory);
}

#[test]
fn a_token_guards_everything_but_the_way_in_and_the_probes() {
    let (_directory, file) = token_file();
    let (_daemon, server) = serving(5, &format!("token_file = {file:?}"), "");
    for path in [
        "/api/v1/state",
        "/api/v1/info",
        "/api/v1/frame.jpeg",
        "/api/v1/stream.mjpeg",
        "/api/v1/events",
        "/metrics",
        "/api/v1/openapi.json",
    ] {
        let answer = server.get(path);
        assert_eq!(answer.status, 401, "{path}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
        assert!(answer.header("www-authenticate").is_some_and(|header| header.starts_with("Bearer")));
    }
    assert_eq!(server.post("/api/v1/settings", "{\"enabled\":false}").status, 401);
    for path in ["/livez", "/login", "/assets/style.css"] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
    let page = server.get("/");
    assert_eq!((page.status, page.header("location")), (303, Some("login")));
    for (path, login) in [("/docs", "login"), ("/docs/", "../login"), ("/docs/css/a.css", "../../login")] {
        let manual = server.get(path);
        assert_eq!((manual.status, manual.header("location")), (303, Some(login)), "{path}");
    }
    let bearer = format!("Bearer {TOKEN}");
    assert_eq!(server.ask("GET", "/metrics", &[("Authorization", &bearer)], b"").status, 200);
    let info = server.ask("GET", "/api/v1/info", &[("Authorization", &bearer)], b"").text();
    assert!(!info.contains(TOKEN), "the token is shown: {info}");
}

#[test]
fn a_browser_logs_in_with_the_token_and_out_again() {
    let (_directory, file) = token_file();
    let (_daemon, server) = serving(5, &format!("token_file = {file:?}"), "");
    let form = |token: &str| {
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        server.ask("POST", "/login", &headers, format!("token={token}").as_bytes())
    };
    let wrong = form("nonsense");
    assert_eq!((wrong.status, wrong.header("location"), wrong.header("set-cookie")), (303, Some("login?wrong"), None));
    let right = form(TOKEN);
    assert_eq!((right.status, right.header("location")), (303, Some("./")));
    let cookie = right.header("set-cookie").expect("a cookie").to_owned();
    for part in ["HttpOnly", "SameSite=Lax", "Max-Age=2592000"] {
        assert!(cookie.contains(part), "no {part} in {cookie}");
    }
    assert!(!cookie.contains(TOKEN));
    let session = cookie.split(';').next().expect("a value");
    assert_eq!(server.ask("GET", "/api/v1/state", &[("Cookie", session)], b"").status, 200);
    let forged = session.replace('.', "9.");
    assert_eq!(server.ask("GET", "/api/v1/state", &[("Cookie", &forged)], b"").status, 401);
    let out = server.ask("POST", "/logout", &[("Cookie", session)], b"");
    assert!(out.header("set-cookie").is_some_and(|cookie| cookie.contains("Max-Age=0")), "{out:?}");
    // Who guesses has to wait, and the right token waits with them.
    for _ in 0..10 {
        form("guess");
    }
    let answer = form(TOKEN);
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("60")));
}

#[test]
fn a_request_for_another_name_or_from_another_site_is_refused() {
    let (_daemon, server) = serving(5, "hosts = [\"camera.example.org\"]", "");
    let get = |host: &str| server.ask("GET", "/api/v1/state", &[("Host", host)], b"").status;
    assert_eq!(get("camera.example.org"), 200);
    assert_eq!(get("localhost:1234"), 200);
    assert_eq!(get("rebound.evil.example"), 421);
    assert_eq!(get(""), 421);
    let post = |headers: &[(&str, &str)]| {
        let headers = [&[("Content-Type", "application/json")], headers].concat();
        server.ask("POST", "/api/v1/settings", &headers, b"{\"enabled\":false}").status
    };
    assert_eq!(post(&[("Origin", "http://evil.example")]), 403);
    assert_eq!(post(&[("Origin", "null")]), 403);
    assert_eq!(post(&[("Sec-Fetch-Site", "cross-site")]), 403);
    assert_eq!(server.get("/api/v1/state").json()["settings"]["enabled"], true);
    let own = format!("http://{}", server.address);
    assert_eq!(post(&[("Origin", &own), ("Sec-Fetch-Site", "same-origin")]), 200);
    server.until("/api/v1/state", |state| state["settings"]["enabled"] == false);
}

/// An address of this machine that is not the loopback's, without which there is no other one to ask from.
fn own_address() -> Option<std::net::IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: the system looks up the way.
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_loopback())
}

#[test]
fn what_comes_through_ingress_needs_no_token_and_nobody_else_comes_in() {
    let Some(own) = own_address() else {
        eprintln!("SKIPPED: this machine has no address but the loopback's");
        return;
    };
    let (_directory, file) = token_file();
    for more in ["", &format!("token_file = {file:?}\n")] {
        let port = free_port();
        let config = ConfigFile::replay(5, &format!("[http]\ningress = \"{own}\"\n{more}"));
        let listen = format!("0.0.0.0:{port}");
        let mut command = crate::support::glimpsed(&["run", "-c", &config.path()]);
        let mut daemon = crate::support::Running::start(command.env("GLIMPSED_HTTP_LISTEN", &listen));
        daemon.line_with("first label");
        let by_ingress = Server { address: (own, port).into() };
        let name = [("Host", "home.example.org"), ("X-Ingress-Path", "/api/hassio_ingress/key")];
        let page = by_ingress.ask("GET", "/", &name, b"");
        assert_eq!((page.status, page.header("x-frame-options")), (200, Some("SAMEORIGIN")));
        let policy = page.header("content-security-policy").expect("a policy");
        assert!(policy.contains("frame-ancestors 'self'") && policy.contains("default-src 'none'"), "{policy}");
        assert_eq!(by_ingress.ask("GET", "/api/v1/state", &name, b"").status, 200);
        let json = ("Content-Type", "application/json");
        let change =
            |origin| by_ingress.ask("POST", "/api/v1/reload", &[name[0], json, ("Origin", origin)], b"").status;
        assert_eq!(change("http://evil.example"), 403, "another site's page in the same browser");
        assert_eq!(change("https://home.example.org"), 200);

        // Whatever a request says of itself.
        let other = Server { address: ([127, 0, 0, 1], port).into() };
        let claims = [("X-Ingress-Path", "/"), ("X-Forwarded-For", "172.30.32.2"), ("X-Remote-User-Id", "1")];
        let refused = other.ask("GET", "/api/v1/state", &claims, b"");
        assert_eq!(refused.status, if more.is_empty() { 403 } else { 401 }, "{refused:?}");
        assert_eq!(other.get("/livez").status, 200);
        assert_eq!(other.get("/livez").header("x-frame-options"), Some("DENY"));
        let bearer = format!("Bearer {TOKEN}");
        let with_token = other.ask("GET", "/api/v1/state", &[("Authorization", &bearer)], b"").status;
        assert_eq!(with_token, if more.is_empty() { 403 } else { 200 });
    }
}

#[test]
fn ingress_is_one_other_machine() {
    let problem = |address: &str| {
        let text = format!("[http]\nlisten = \"0.0.0.0:8080\"\ningress = \"{address}\"\n");
        let sources = glimpsed_core::config::Sources::alone("glimpsed.toml", text);
        sources.load().err().map(|problems| problems.to_string())
    };
    assert_eq!(problem("172.30.32.2"), None, "it needs no token beside it");
    for wrong in [
        "0.0.0.0",
        "::",
        "127.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "172.30.32.0/23",
        "supervisor",
    ] {
        let said = problem(wrong).unwrap_or_default();
        assert!(said.contains("must be the address of one other machine") && said.contains(wrong), "{wrong}: {said}");
    }
}

#[test]
fn a_taken_port_is_said_and_used_as_soon_as_it_is_free() {
    let port = free_port();
    let taken = TcpListener::bind(("127.0.0.1", port)).expect("free");
    let config = ConfigFile::replay(20, "[stdout]\nformat = \"text\"\n");
    let mut command = crate::support::glimpsed(&["run", "-c", &config.path()]);
    let mut daemon = crate::support::Running::start(command.env("GLIMPSED_HTTP_LISTEN", format!("127.0.0.1:{port}")));
    let line = daemon.line_with("the web page cannot be served");
    assert!(line.contains("another program listens there"), "{line}");
    daemon.line_with("espresso");
    drop(taken);
    let server = Server::of(&mut daemon);
    assert_eq!(server.address.port(), port);
    assert_eq!(server.get("/").status, 200);
}

#[test]
fn another_configuration_takes_effect_without_a_restart() {
    let (_directory, file) = token_file();
    let config = ConfigFile::replay(5, "[http]\nmax_clients = 4\n");
    let (path, _kept) = config.keep();
    let mut daemon = crate::support::Running::start(&mut crate::support::glimpsed(&["run", "-c", &path]));
    let first = Server::of(&mut daemon);
    assert_eq!(first.get("/api/v1/state").status, 200);
    let (_, _stream) = first.open("/api/v1/events");
    let text = std::fs::read_to_string(&path).expect("readable");
    std::fs::write(&path, text + &format!("token_file = {file:?}\n")).expect("writable");
    daemon.signal(Signal::HUP);
    let second = Server::of(&mut daemon);
    assert_eq!(second.get("/api/v1/state").status, 401);
    std::fs::write(&path, "[http]\nenabled = false\n").expect("writable");
}

#[test]
fn a_stop_ends_open_streams_and_keeps_its_time() {
    let (mut daemon, server) = labelling(10, "", "");
    let streams: Vec<_> =
        (0..5).flat_map(|_| [server.open("/api/v1/stream.mjpeg"), server.open("/api/v1/events")]).collect();
    assert!(streams.iter().all(|(status, _)| *status == 200));
    let asked = std::time::Instant::now();
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().success());
    assert!(asked.elapsed() < std::time::Duration::from_secs(2), "took {:?}", asked.elapsed());
}

#[test]
fn a_request_that_names_two_hosts_is_refused() {
    let (_daemon, server) = serving(5, "", "");
    let twice = [("Host", "localhost"), ("Host", "evil.example")];
    let answer = server.ask("GET", "/api/v1/state", &twice, b"");
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.text().contains("more than one host"), "{answer:?}");
}

#[test]
fn a_logout_ends_the_session_on_the_device_and_a_restart_does_not_begin_it_again() {
    let (_directory, file) = token_file();
    let state = tempfile::tempdir().expect("a temporary directory");
    let config = ConfigFile::replay(5, &format!("[http]\ntoken_file = {file:?}\n"));
    let start = || {
        let mut command = crate::support::glimpsed(&["run", "-c", &config.path()]);
        let mut daemon = crate::support::Running::start(command.env("STATE_DIRECTORY", state.path()));
        let server = Server::of(&mut daemon);
        (daemon, server)
    };
    let (mut daemon, server) = start();
    let log_in = || {
        let form = [("Content-Type", "application/x-www-form-urlencoded")];
        let answer = server.ask("POST", "/login", &form, format!("token={TOKEN}").as_bytes());
        let cookie = answer.header("set-cookie").and_then(|cookie| cookie.split(';').next()).expect("a cookie");
        cookie.to_owned()
    };
    let (stolen, other) = (log_in(), log_in());
    let status = |server: &Server, cookie: &str| server.ask("GET", "/api/v1/info", &[("Cookie", cookie)], b"").status;
    assert_eq!((status(&server, &stolen), status(&server, &other)), (200, 200));
    let mut socket = super::socket::open_with(&server, &[("cookie", &stolen)]).expect("a WebSocket");
    assert_eq!(server.ask("POST", "/logout", &[("Cookie", &stolen)], b"").status, 303);
    assert_eq!((status(&server, &stolen), status(&server, &other)), (401, 200));
    // What the session has opened ends with it.
    assert_eq!(super::socket::closed(&mut socket).1, "the session has ended");
    daemon.signal(Signal::TERM);
    daemon.wait();
    let (_daemon, server) = start();
    assert_eq!((status(&server, &stolen), status(&server, &other)), (401, 200));
}
