//! The configuration file: what is accepted, what is refused, and how the user is told.

use std::collections::BTreeSet;
use std::path::Path;

use glimpsed_core::config::raw::Raw;
use glimpsed_core::config::{Sources, key_list};
use proptest::prelude::*;

use crate::support::{ConfigFile, glimpsed, root, run, write_secret};

fn sources(text: &str, environment: &[(&str, &str)]) -> Sources {
    Sources {
        path: "glimpsed.toml".into(),
        text: text.into(),
        drop_ins: Vec::new(),
        environment: environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
    }
}

fn report(text: &str) -> String {
    sources(text, &[]).load().expect_err("refused").to_string()
}

#[test]
fn ten_mistakes_are_ten_problems_each_with_its_place() {
    let text = r#"[device]
id = "living room"

[camera]
fsp = 10
width = "640"
source = "v4l"
frame_timeout = "5"
rotate = 45

[model]
active = "mobilnet-v2"

[labels]
top_k = 0
unknown_below = 1.5

[mqtt]
url = "http://broker"
"#;
    let problems = sources(text, &[]).load().expect_err("ten mistakes");
    insta::assert_snapshot!(problems.to_string());
    assert_eq!(problems.len(), 10);
}

#[test]
fn mistakes_of_syntax_do_not_hide_the_others() {
    let text = "[camera]\nfps = \nwidth = 5\n[labels\ntop_k = 3\n";
    insta::assert_snapshot!(report(text));
}

#[test]
fn a_key_in_the_wrong_table_is_sent_to_the_right_one() {
    assert!(report("[mqtt]\ntop_k = 3\n").contains("hint: `top_k` belongs in [labels]"));
    assert!(report("[labels]\nurl = \"x\"\n").contains("hint: `url` belongs in [camera] or [mqtt]"));
    assert!(report("[cammera]\nfps = 1\n").contains("did you mean `camera`?"));
}

#[test]
fn sources_that_lack_what_they_need_say_so() {
    let text = "[camera]\nsource = \"replay\"\n";
    assert!(report(text).contains("`camera.path` is needed for source = \"replay\""));
    let film = tempfile::NamedTempFile::with_suffix(".mp4").expect("a file");
    std::fs::write(film.path(), b"\0\0\0\x18ftypisom\0\0\0\0").expect("writable");
    let film = report(&format!("[camera]\nsource = \"replay\"\npath = {:?}\n", film.path()));
    assert!(film.contains("is an MP4 or similar video") && film.contains("\"ffmpeg\", \"-re\""), "{film}");
    let text = "[camera]\nsource = \"command\"\ncommand = [\"no-such-program\"]\n";
    assert!(report(text).contains("found no program `no-such-program`"));
    assert!(report("[models.mine]\nlabels = \"x\"\n").contains("`models.mine` has no `path`"));
    assert!(report("[mqtt]\npassword_file = \"/nonexistent\"\n").contains("`mqtt.password_file` cannot be used"));
    let credential = report("[mqtt]\npassword_file = \"/run/credentials/glimpsed.service/nonexistent\"\n");
    assert!(
        credential.contains("while that runs") && credential.contains("GLIMPSED_MQTT_PASSWORD_FILE="),
        "{credential}"
    );
}

#[test]
fn whatever_is_saved_over_the_configuration_is_reported_within_bounds() {
    let json =
        format!("{{\n{}\n}}\n", "  \"entity\": { \"state\": \"on\", \"attributes\": [1, 2, 3] },\n".repeat(4000));
    let escapes = format!("[device]\nname = \"{}\"\n", "\\q".repeat(20_000));
    let one_line = format!("a = [{}\n", "{ b = 1 ".repeat(3000));
    let strangers: String = (0..5000).map(|key| format!("stranger{key} = \"{}\"\n", "x".repeat(100))).collect();
    let all = |line: &dyn Fn(usize) -> String| -> String {
        let mut text = String::new();
        for line in (0..).map(line) {
            if text.len() + line.len() > 256 << 10 {
                break;
            }
            text.push_str(&line);
        }
        text
    };
    let views = all(&|number| format!("[views.v{number}]\n"));
    let cameras = all(&|number| format!("[views.v{number}]\ncamera = \"c{number}\"\n[cameras.c{number}]\n"));
    let models = all(&|number| format!("[models.m{number}]\npath = \"/m{number}\"\n"));
    let tables = all(&|number| format!("[t{number}]\nx = 1\n"));
    let keys = all(&|number| format!("device.k{number} = 1\n"));
    let notices = all(&|_| "[[notify]]\n".into());
    let signs = all(&|_| "=".into());
    for text in [json, escapes, one_line, strangers, views, cameras, models, tables, keys, notices, signs] {
        let begun = std::time::Instant::now();
        let problems = sources(&text, &[]).load().expect_err("no configuration");
        assert!(begun.elapsed() < std::time::Duration::from_secs(1), "{:?}: {}", begun.elapsed(), &text[..40]);
        assert!((1..=50).contains(&problems.len()), "{}", problems.len());
        for report in [problems.to_string(), problems.summary()] {
            assert!(report.len() < 21_000, "{} bytes: {}", report.len(), &report[..500]);
        }
    }
}

#[test]
fn a_network_camera_is_led_to_its_sources_whatever_key_or_source_it_was_looked_for_under() {
    for text in [
        "address = \"10.0.0.7\"",
        "source = \"onvif\"",
        "device = \"rtsp://10.0.0.7/stream\"",
        "source = \"rtsp://10.0.0.7/stream\"",
    ] {
        let report = sources(&format!("[camera]\n{text}\n"), &[]).load().expect_err("refused").to_string();
        assert!(report.contains("`source = \"rtsp\"`") && report.contains("ip-camera.toml"), "{report}");
    }
}

#[test]
fn a_password_that_other_users_can_read_is_refused_with_the_remedy() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("password");
    write_secret(&file, "hunter2\n");
    let text = format!("[mqtt]\nurl = \"mqtt://broker\"\nusername = \"me\"\npassword_file = {file:?}\n");
    sources(&text, &[]).load().expect("closed to others");
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("ours");
    let report = sources(&text, &[]).load().expect_err("refused").to_string();
    assert!(report.contains("has mode 0644") && report.contains("chmod 0600"), "{report}");
    assert!(!report.contains("hunter2"));
}

#[test]
fn the_environment_overrides_the_file_and_its_mistakes_name_the_variable() {
    let text = "[camera]\nfps = 5.0\n";
    let environment =
        [("GLIMPSED_CAMERA_WIDTH", "1280"), ("GLIMPSED_MQTT_URL", "mqtt://10.0.0.1"), ("GLIMPSED_LABELS_TOP_K", "5")];
    let config = sources(text, &environment).load().expect("fine");
    assert_eq!(config.first().labels.top_k, 5);
    assert_eq!(config.mqtt.expect("a broker").connection.broker.host, "10.0.0.1");

    let environment = [
        ("GLIMPSED_CAMERA_WIDHT", "1280"),
        ("GLIMPSED_CAMERA_FPS", "quick"),
        ("GLIMPSED_LABELS_TOP_K", "0"),
        ("GLIMPSED_CAMERA_SOURCE", "replays"),
    ];
    let problems = sources(text, &environment).load().expect_err("four mistakes");
    insta::assert_snapshot!(problems.to_string());
}

#[test]
fn show_says_where_each_value_comes_from_and_never_a_secret() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    write_secret(&directory.path().join("password"), "hunter2\n");
    let file = ConfigFile::new(&format!(
        "[device]\nid = \"shelf\"\n[mqtt]\nurl = \"mqtt://broker\"\nusername = \"me\"\npassword_file = {:?}\n",
        directory.path().join("password")
    ));
    let output =
        glimpsed(&["config", "show", "-c", &file.path()]).env("GLIMPSED_LABELS_TOP_K", "7").output().expect("runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let line = |start: &str| {
        text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("no {start} in {text}"))
    };
    assert!(line("id = \"shelf\"").ends_with("# line 2"));
    assert!(line("top_k = 7").ends_with("# GLIMPSED_LABELS_TOP_K"));
    assert!(line("keepalive = \"30s\"").ends_with("# default"));
    assert!(!text.contains("hunter2"));
    assert!(text.parse::<toml::Table>().is_ok(), "what is shown can be used as a file");
}

#[test]
fn a_secret_cannot_be_printed() {
    let secret = glimpsed_base::secret::Secret::new("hunter2");
    assert_eq!(format!("{secret:?}"), "********");
    assert_eq!(secret.reveal(), "hunter2");
}

#[test]
fn check_says_fine_or_lists_every_problem_with_exit_code_78() {
    let good = ConfigFile::replay(5, "");
    let ran = run(&["check", "-c", &good.path()]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("is fine: model efficientnet-lite0 (fp32), no broker"), "{ran:?}");

    let bad = ConfigFile::new("[labels]\ntop_k = 0\nconsecutive = 0\n");
    let ran = run(&["check", "-c", &bad.path()]);
    assert_eq!(ran.code, 78);
    assert!(ran.stderr.ends_with("2 problems in the configuration\n"), "{ran:?}");
    let ran = run(&["check", "--json", "-c", &bad.path()]);
    assert_eq!(ran.code, 78);
    let report = ran.json();
    assert_eq!(report["ok"], false);
    assert_eq!(report["problems"][1]["line"], 3);
}

#[test]
fn check_loads_the_model_as_start_up_would() {
    let file = ConfigFile::new("[model]\nactive = \"mine\"\n[models.mine]\npath = \"glimpsed.toml\"\n");
    let ran = run(&["check", "-c", &file.path()]);
    assert_eq!(ran.code, 78);
    assert!(ran.stderr.contains("model `mine`") && ran.stderr.contains("is not an ONNX model"), "{ran:?}");
}

#[test]
fn the_shipped_file_explains_every_key_with_its_true_default() {
    let text = std::fs::read_to_string(root().join("config/glimpsed.toml")).expect("the shipped file");
    let named: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix('#').unwrap_or(line).split_once(" = "))
        .map(|(name, _)| name)
        .filter(|name| !name.starts_with(' '))
        .collect();
    for key in key_list::all().iter().filter(|key| !key.is_table()) {
        let name = key.path.last().expect("a name").as_str();
        // A name that the user chooses is shown by an example.
        assert!(name == "*" || named.contains(name), "{} is not explained", key.path.join("."));
        assert!(!key.help.is_empty(), "{} has no description", key.path.join("."));
    }

    sources(&text, &[]).load().expect("valid as shipped");
    // Keys without a default of their own show an example; the others must show what they are without being set.
    let examples = [
        "id",
        "name",
        "path",
        "directory",
        "mirror",
        "url",
        "client_id",
        "username",
        "password_file",
        "token_file",
        "ingress",
        "ca",
        "decoder",
        "cert",
        "key",
        "server_name",
        "enter",
        "keep",
        "groups",
        "max_fps",
        "power_line_frequency",
        "auto_exposure",
        "exposure_time_absolute",
    ];
    // An example of a table with a name of one's own ends where the next table begins.
    let mut in_example = false;
    let mut is_example = |line: &str| {
        if line.starts_with("#[") || line.starts_with('[') {
            in_example = line.ends_with("# for example, and so is every key of this table");
        }
        in_example
    };
    let uncommented: Vec<&str> = text
        .lines()
        .filter(|line| !is_example(line))
        .map(|line| if line.starts_with("# ") { "" } else { line.strip_prefix('#').unwrap_or(line) })
        .filter(|line| line.split_once(" = ").is_none_or(|(name, _)| !examples.contains(&name)))
        .collect();
    let written: Raw = toml::from_str(&uncommented.join("\n")).expect("every default parses");
    assert_eq!(written, Raw::default());
}

#[test]
fn every_example_is_valid_on_a_machine_that_has_its_program() {
    for entry in std::fs::read_dir(root().join("config/examples")).expect("examples") {
        let path = entry.expect("an entry").path();
        let mut sources = Sources::read(&path).expect("readable");
        sources.environment.clear();
        if let Err(problems) = sources.load() {
            for problem in problems.iter() {
                assert!(problem.label.starts_with("found no program"), "{}: {problems}", path.display());
            }
        }
    }
}

#[test]
fn the_schema_describes_every_table() {
    let schema = run(&["config", "schema"]).json();
    for table in ["device", "camera", "model", "models", "labels", "mqtt", "stdout", "log"] {
        assert!(schema["properties"].get(table).is_some(), "{table}");
    }
}

#[test]
fn reports_stay_short_and_quick_and_quote_no_secret_whatever_is_in_the_file() {
    let unknown: String = (0..60).map(|key| format!("key{key}_{} = 1\n", "x".repeat(150))).collect();
    let many = sources(&format!("[camera]\n{unknown}"), &[]).load().expect_err("refused");
    let text = serde_json::to_string_pretty(&many.to_json()).expect("JSON");
    assert!(text.len() <= 20_000 && many.to_json().as_array().is_some_and(|list| list.len() > 5), "{}", text.len());
    // No key is so long, so it is like none.
    let long = sources(&format!("[camera]\n{} = 1\n", "x".repeat(250_000)), &[]);
    let begun = std::time::Instant::now();
    assert!(long.load().is_err());
    assert!(begun.elapsed() < std::time::Duration::from_secs(2), "{:?}", begun.elapsed());
    // A value that has slipped into the next line.
    let slipped = sources("[mqtt]\npassword =\nhunter2!x\n", &[]).load().expect_err("refused").to_string();
    assert!(!slipped.contains("hunter2"), "{slipped}");
}

#[test]
fn control_characters_are_refused_in_topics_and_reach_no_terminal() {
    let prefix = sources("[homeassistant]\nprefix = \"a\\u001bb\"\n[mqtt]\nbase_topic = \"c\\nd\"\n", &[]);
    let report = prefix.load().expect_err("refused").to_string();
    assert_eq!(report.matches("must not hold control characters").count(), 2, "{report}");
    let obeyed = |text: &str| text.chars().any(|letter| letter.is_control() && letter != '\n');
    for arguments in [&["check", "-c", "no\u{1b}[31m\r\u{9b}.toml"][..], &["no\r\u{9b}"], &["check", "--no\u{1b}"]] {
        let ran = run(arguments);
        assert!([64, 78].contains(&ran.code) && !obeyed(&ran.stderr), "{ran:?}");
    }
}

#[test]
fn a_mistake_in_the_id_is_not_one_in_the_name_that_is_not_there() {
    let report = sources("[device]\nid = \"a\\nb\"\n", &[]).load().expect_err("refused").to_string();
    assert!(report.contains("device.id") && !report.contains("device.name"), "{report}");
}

#[test]
fn an_mjpeg_file_without_a_picture_at_its_beginning_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, bytes) in [("empty.mjpeg", vec![]), ("zeros.MJPG", vec![0; 100_000])] {
        let file = directory.path().join(name);
        std::fs::write(&file, bytes).expect("writable");
        let text = format!("[camera]\nsource = \"replay\"\npath = {file:?}\n");
        let report = sources(&text, &[]).load().expect_err("refused").to_string();
        assert!(report.contains("holds no JPEG at its beginning"), "{report}");
    }
}

#[test]
fn a_configuration_that_is_no_text_is_refused() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("glimpsed.toml");
    std::fs::write(&path, [0x66, 0x70, 0xFF, 0xFE]).expect("writable");
    let problems = Sources::read(&path).expect_err("not UTF-8").to_string();
    assert!(problems.contains("not UTF-8 after 2 bytes"), "{problems}");
    assert!(Sources::read(Path::new("/")).is_err());
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_without_a_panic(text in "(\\[(camera|mqtt|labels|models\\.x|[a-z]{1,4})\\]|[a-z_]{1,10} ?= ?(\"[a-z0-9]{0,5}\"|-?[0-9.e]{1,8}|true|\\[.{0,5}\\]|.{0,6})|.{0,8}|\n){0,30}") {
        let _ = sources(&text, &[]).load().map_err(|problems| problems.to_string());
    }

    #[test]
    fn any_environment_is_read_or_refused_without_a_panic(key in 0usize..60, value in "\\PC{0,12}") {
        let names: Vec<String> = key_list::all().iter().map(|key| format!("GLIMPSED_{}", key.path.join("_").to_uppercase())).collect();
        let name = &names[key % names.len()];
        let _ = sources("[camera]\nfps = 1\n", &[(name, &value)]).load().map_err(|problems| problems.to_string());
    }
}

/// `UPDATE_REFERENCE=1 make test ARGS='-E "test(reference)"'` writes it.
#[test]
fn the_reference_has_every_key_as_the_program_knows_it() {
    let file = root().join("docs/configuration.md");
    let text = glimpsed_core::config::reference::markdown();
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&file, &text).expect("writable");
    }
    assert_eq!(std::fs::read_to_string(file).expect("published"), text);
    for key in ["| `url` |", "| `unknown_below` |", "| `soft_c` |", "## `[models.NAME]`"] {
        assert!(text.contains(key), "no {key}");
    }
}
