//! What is masked and escaped, and what is not.

use super::*;

#[test]
fn passwords_of_addresses_are_masked() {
    for (text, safe) in [
        ("rtsp://admin:hunter2@10.0.0.7:554/stream1", "rtsp://***@10.0.0.7:554/stream1"),
        ("[rtsp @ 0x55] rtsp://u:p@h/a: Connection refused", "[rtsp @ 0x55] rtsp://***@h/a: Connection refused"),
        ("http://t0ken@cam/x and mqtts://a:b@c", "http://***@cam/x and mqtts://***@c"),
        ("rtsp://admin:p@ss@cam/", "rtsp://***@cam/"),
        ("rtsp://admin:pa/ss#1@cam/", "rtsp://***@cam/"),
        ("http://cam:8080/mail?to=a@b", "http://cam:8080/mail?to=a@b"),
        ("http://cam/snap?user=x&password=hunter2&w=3", "http://cam/snap?user=x&password=***&w=3"),
        ("http://cam/snap?PWD=hunter2", "http://cam/snap?PWD=***"),
        ("http://cam/snap?key=abc", "http://cam/snap?key=***"),
        ("http://cam/snap?loginpas=a&loginuse=b", "http://cam/snap?loginpas=***&loginuse=b"),
        ("rtsp://admin:1234#@10.0.0.7/ch1", "rtsp://***@10.0.0.7/ch1"),
        ("http://10.0.0.7:80/a@b", "http://10.0.0.7:80/a@b"),
        ("rtsp://admin:äöü@cam", "rtsp://***@cam"),
        ("see https://example.org/a:b", "see https://example.org/a:b"),
        ("rtsp://:@cam", "rtsp://***@cam"),
        ("url = \"admin:hunter2@10.0.0.7:554/x\"", "url = \"***@10.0.0.7:554/x\""),
        ("mqtt:/u:hunter2@h", "***@h"),
        ("[rtsp @ 0x55] at 12:30 a@b, see c: d@e", "[rtsp @ 0x55] at 12:30 a@b, see c: d@e"),
        ("http://cam/snap?u=admin&p=hunter2", "http://cam/snap?u=admin&p=***"),
        ("https://hooks.slack.com/services/T0/B0/x: refused", "https://hooks.slack.com/***: refused"),
        ("\"https://discord.com/api/webhooks/1/x\"", "\"https://discord.com/api/webhooks/***\""),
        ("http://ha:8123/api/webhook/x y", "http://ha:8123/api/webhook/*** y"),
        ("https://api.telegram.org/bot12:AA-b_c/sendMessage", "https://api.telegram.org/bot12:***/sendMessage"),
        ("http://cam/bottom and /bot/x", "http://cam/bottom and /bot/x"),
    ] {
        let safe = safe.replace("***", MASK);
        assert_eq!(masked(text), safe);
        assert_eq!(masked(&safe), safe, "masking twice changes nothing");
    }
}

#[test]
fn lines_of_configuration_files_keep_their_secrets_and_prose_stays_readable() {
    for (text, safe) in [
        ("password = \"hunter2\"", "password = \"***\""),
        ("password = hunter2 # no quotes", "password = *** # no quotes"),
        ("  \"token\": \"abc\",", "  \"token\": \"***\","),
        ("password = 'it is \"mine\"'", "password = '***'"),
        ("password = \"never closed", "password = \"***"),
        ("mqtt_password=x", "mqtt_password=***"),
        ("rtspsrc user-id=a user-pw=hunter2 ! x", "rtspsrc user-id=a user-pw=*** ! x"),
        ("adminPassword=hunter2", "adminPassword=***"),
        ("Authorization: Basic aHVu==", "Authorization: Basic ***"),
        ("{\"line\":\"password = \\\"hunter2\\\" x\"}", "{\"line\":\"password = \\\"***\\\" x\"}"),
        ("password = \"a\\\"hunter2\" # b", "password = \"***\" # b"),
        ("password = \"\"\"hunter2\"\"\"", "password = \"\"\"***\"\"\""),
        ("authentication: it failed", "authentication: it failed"),
        ("password_file = \"/etc/glimpsed/password\"", "password_file = \"/etc/glimpsed/password\""),
        ("the token: it is wrong", "the token: it is wrong"),
        ("key = \"labels.hold\"", "key = \"labels.hold\""),
        ("  password: hunter2", "  password: ***"),
        ("a: 1\n- token: hunter2 # of the camera\n", "a: 1\n- token: *** # of the camera\n"),
        ("line 2:\\npassword: hunter2\\n", "line 2:\\npassword: ***\\n"),
        ("{\"password\": 1234, \"a\": 1}", "{\"password\": ***, \"a\": 1}"),
        ("cannot use the password: refused", "cannot use the password: refused"),
        ("?password=hunter2: no route", "?password=***: no route"),
        ("password=hunt:er2: refused", "password=***: refused"),
        ("token = :", "token = :"),
        ("<User>a</User><Password>hunter2</Password>", "<User>a</User><Password>***</Password>"),
        ("<tt:Password>hunter2</tt:Password> a > b", "<tt:Password>***</tt:Password> a > b"),
        ("secret_key=hunter2 access-key: is", "secret_key=*** access-key: is"),
        ("key = \"/etc/x.key\"", "key = \"/etc/x.key\""),
    ] {
        assert_eq!(masked(text), safe.replace("***", MASK));
        let in_place = masked_in_place(text);
        assert_eq!(in_place.len(), text.len());
        assert!(!in_place.contains("hunter2"), "{in_place}");
    }
}

#[test]
fn logins_and_secrets_of_options_are_masked() {
    for (text, safe) in [
        ("curl -s -u admin:hunter2 http://cam/", "curl -s -u *** http://cam/"),
        ("curl --user=admin:hunter2 http://cam/", "curl --user=*** http://cam/"),
        ("curl --user 'admin:hunt er2' x", "curl --user '***' x"),
        ("argv: [\"curl\", \"-u\", \"admin:hunter2\"]", "argv: [\"curl\", \"-u\", \"***\"]"),
        ("{\"line\":\"[\\\"-u\\\",\\\"admin:hunter2\\\"]\"}", "{\"line\":\"[\\\"-u\\\",\\\"***\\\"]\"}"),
        ("cam --password hunter2 --verbose", "cam --password *** --verbose"),
        ("cam -u --api-key hunter2", "cam -u --api-key ***"),
        ("cannot run curl -u admin:hunter2: not found", "cannot run curl -u ***: not found"),
        ("sudo -u glimpsed glimpsed check", "sudo -u glimpsed glimpsed check"),
        ("glimpsed run --strict, and a - b", "glimpsed run --strict, and a - b"),
    ] {
        assert_eq!(masked(text), safe.replace("***", MASK));
    }
    assert_eq!(
        masked_arguments(["curl", "-u", "admin:hunter2", "--token", "x", "http://a:b@cam", "-u", "me"]),
        ["curl", "-u", MASK, "--token", MASK, &format!("http://{MASK}@cam"), "-u", "me"]
    );
}

#[test]
fn what_is_percent_encoded_is_masked_as_what_it_stands_for() {
    for (text, safe) in [
        ("http://cam/snap?p%61ssword=hunter2&w=3", "http://cam/snap?p%61ssword=***&w=3"),
        ("http://a/?url=rtsp%3A%2F%2Fadmin%3Ahunter2%40cam%2Fx", "http://a/?url=rtsp%3A%2F%2F***%40cam%2Fx"),
        ("http://a/?next=%2Fsnap%3Fpassword%3Dhunter2%26w%3D3", "http://a/?next=%2Fsnap%3Fpassword%3D***%26w%3D3"),
        ("a%253Fpwd%253Dhunter2%2526b", "a%253Fpwd%253D***%2526b"),
        ("{%22token%22%3A%20%22hunter2%22}", "{%22token%22%3A%20%22***%22}"),
        ("100% of 20%20%zz %e4%", "100% of 20%20%zz %e4%"),
    ] {
        let safe = safe.replace("***", MASK);
        assert_eq!(masked(text), safe);
        assert_eq!(masked(&safe), safe, "masking twice changes nothing");
        assert_eq!(masked_in_place(text).len(), text.len());
    }
}

#[test]
fn a_secret_that_the_program_holds_is_masked_wherever_it_stands_and_however_it_is_encoded() {
    for secret in ["p@ss w\u{f6}rd", "%41b%2Fcd1", "123456", "geheimnis", "a-b"] {
        known::remember(secret);
    }
    for (text, safe) in [
        ("401 for p@ss w\u{f6}rd, again", "401 for ***, again"),
        ("GET /p%40ss%20w%c3%b6rd/x and /p%40ss w%C3%B6rd", "GET /***/x and /***"),
        ("p%2540ss%2520w%25C3%25B6rd", "***"),
        ("as it stands %41b%2Fcd1, decoded Ab/cd1, otherwise Ab%2fcd1", "as it stands ***, decoded ***, otherwise ***"),
        ("words and numbers are prose: geheimnis, a-b, 123456", "words and numbers are prose: geheimnis, a-b, 123456"),
    ] {
        assert_eq!(masked(text), safe.replace("***", MASK));
        assert_eq!(masked_in_place(text).len(), text.len());
    }
}

#[test]
fn a_terminal_has_nothing_to_obey() {
    assert_eq!(clean("a\u{1b}[2Jb\rc\u{9b}d\u{202e}e\nf\tg"), "a\\u{1b}[2Jb\\rc\\u{9b}d\\u{202e}e\nf\tg");
    assert_eq!(clean_line("a\nb"), "a\\nb");
    assert!(matches!(clean("nothing of the kind: 100 %, naïve 🙂"), Cow::Borrowed(_)));
}

#[test]
fn masking_takes_linear_time_and_never_fails() {
    let mixed = ["://", "=", "a:b@", "password=\"", "é", "'", "\u{1b}"].concat();
    for hostile in [
        mixed.as_str(),
        "a://",
        "password=",
        "a:",
        "token=\"",
        "-u,",
        "-u \"",
        "token:a ",
        "a:b@c",
        "a:",
        "@",
        "pw>",
        "/bot1:",
        "/bot1",
        "/api/webhook/",
        "%40",
        "%2525",
        "%70w=%",
        "p%40ss%20w0r",
    ] {
        known::remember("p@ss w0rd");
        let hostile = hostile.repeat((1 << 20) / hostile.len());
        let start = std::time::Instant::now();
        let _ = clean(&hostile);
        assert!(start.elapsed() < std::time::Duration::from_secs(20), "{:?}", start.elapsed());
    }
}

#[test]
fn a_password_that_should_have_been_encoded_ends_at_the_last_at_sign_of_its_line() {
    for text in [
        r#"url = "http://u:a b hunter2pw@h/x""#,
        r#"url = "http://u:\"hunter2pw\"@h""#,
        r#"url = "http://u:a\\hunter2pw@h""#,
        "url = 'rtsp://u:a\"hunter2pw@h/x'",
    ] {
        assert!(!masked(text).contains("hunter2"), "{text}: {}", masked(text));
        assert!(!masked_in_place(text).contains("hunter2"), "{text}");
    }
    for harmless in ["see http://cam:8080/x or write to me@example.org", "http://cam: refused, ask me@example.org"] {
        assert_eq!(masked(harmless), harmless);
    }
}

#[test]
fn the_system_says_what_is_wrong_without_its_number() {
    let missing = std::io::Error::from_raw_os_error(2);
    assert!(missing.to_string().ends_with("(os error 2)"), "{missing}");
    assert_eq!(
        clean(&format!("cannot read `x`: {missing}; {missing}!")),
        "cannot read `x`: No such file or directory; No such file or directory!"
    );
    assert_eq!(short_line(&format!("é {missing}"), 30), "é No such file or directory");
    for other in ["an error (os error)", "(os error 2)", "x (os error two)", "x (os error 12"] {
        assert_eq!(clean(other), other);
    }
}

#[test]
fn what_a_query_calls_a_login_is_masked() {
    for name in ["login", "authkey", "passkey", "pin", "code", "jwt", "session", "credentials", "sid"] {
        let address = format!("http://cam/x?{name}=admin:hunter2pw&size=1");
        assert_eq!(masked(&address), format!("http://cam/x?{name}={MASK}&size=1"));
    }
    assert_eq!(masked("the code: 7, a pin = 3"), "the code: 7, a pin = 3");
}
