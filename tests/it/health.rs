//! `glimpsed health`, which a supervisor asks.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;

use rustix::process::Signal;

use crate::support::{ConfigFile, Ran, Running, free_port, glimpsed, ran};

/// The command, with the address that the file names.
fn asked(config: &str, more: &[&str]) -> Ran {
    ran(of_the_file(&mut glimpsed(&[&["health", "-c", config], more].concat())))
}

fn of_the_file(command: &mut Command) -> &mut Command {
    command.env_remove("GLIMPSED_HTTP_LISTEN")
}

#[test]
fn health_is_good_while_the_daemon_labels_and_bad_where_nobody_answers() {
    let port = free_port();
    // On all addresses it is asked on this machine's own; the token is for others.
    let token = "0123456789abcdef0123456789abcdef";
    let config = ConfigFile::replay(10, &format!("[http]\nlisten = \"0.0.0.0:{port}\"\ntoken_file = \"token\"\n"));
    let path = config.path();
    crate::support::write_secret(&std::path::Path::new(&path).with_file_name("token"), token);
    let mut daemon = Running::start(of_the_file(&mut glimpsed(&["run", "-c", &path])));
    daemon.line_with("first label");
    let good = asked(&path, &[]);
    assert_eq!((good.code, good.stdout.as_str()), (0, "ready: labelling\n"), "{good:?}");
    let json = asked(&path, &["--json"]).json();
    assert_eq!((json["ready"].as_bool(), json["state"].as_str()), (Some(true), Some("labelling")));

    daemon.signal(Signal::TERM);
    assert!(daemon.wait().success());
    let bad = asked(&path, &[]);
    assert_eq!(bad.code, 1, "{bad:?}");
    assert!(bad.stderr.starts_with(&format!("error: no daemon answers at http://127.0.0.1:{port}: ")), "{bad:?}");
}

#[test]
fn without_a_page_nobody_can_be_asked() {
    let off = ConfigFile::replay(10, "[http]\nenabled = false\n");
    let told = asked(&off.path(), &[]);
    assert_eq!(told.code, 1);
    assert!(told.stderr.contains("the page is off, and it is the page that tells"), "{told:?}");
    let broken = ConfigFile::new("[htp]\n");
    assert_eq!(asked(&broken.path(), &[]).code, 78, "neither this file nor an earlier one says where");
}

#[test]
fn what_hangs_or_is_somebody_else_is_not_taken_for_a_daemon_that_labels() {
    let answers = [
        (
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            "the daemon hangs: one of its threads does not return",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello",
            "the daemon runs and is not ready: what answers there is not glimpsed",
        ),
    ];
    for (answer, says) in answers {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let config = ConfigFile::new(&format!("[http]\nlisten = \"{address}\"\n"));
        let server = std::thread::spawn(move || {
            // `/livez`, and where that is good `/readyz`.
            for _ in 0..if answer.contains("503") { 1 } else { 2 } {
                let (mut client, _) = listener.accept().expect("a client");
                assert!(client.read(&mut [0; 1024]).is_ok_and(|bytes| bytes > 0), "a request");
                client.write_all(answer.as_bytes()).expect("written");
            }
        });
        let told = asked(&config.path(), &[]);
        server.join().expect("it served");
        assert_eq!(told.code, 1, "{told:?}");
        assert!(told.stderr.contains(says), "{told:?}");
    }
}
