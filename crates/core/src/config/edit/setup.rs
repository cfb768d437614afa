//! The choices of the set-up. A key that has no place beside them is commented out, so that neither its value nor its comment is lost.

use std::fmt::Write;
use std::path::Path;

use toml_edit::{Document, DocumentMut, Item, Table, Value, value};

use super::edited::{Asked, EditError, Edited};
use crate::domain::setup::{CameraChoice, PageChoice, ServerChoice, Setup};

/// A key of a table, and its value; `None` if it is to go.
type Key = (&'static str, &'static str, Option<Value>);

/// # Errors
/// When the text is not TOML, or has something else than tables where keys are to stand.
pub(super) fn edited(text: &str, setup: &Setup) -> Result<Edited, EditError> {
    let document: DocumentMut = text.parse().map_err(|_| EditError::NotToml)?;
    if let Some(camera) = &setup.camera {
        refuse_what_is_chosen_by_hand(&document, camera)?;
    }
    let keys: Vec<Key> = wanted(setup).into_iter().filter(|key| is_new(&document, key)).collect();
    let mut text = text.to_owned();
    for (table, key, _) in keys.iter().filter(|(_, _, value)| value.is_none()) {
        text = without(&text, table, key)?;
    }
    let mut document: DocumentMut = text.parse().map_err(|_| EditError::NotToml)?;
    for (table, key, value) in &keys {
        if let Some(value) = value {
            set(&mut document, table, key, value)?;
        }
    }
    Ok(Edited { text: document.to_string(), lines: lines(&keys) })
}

/// Several cameras, and what only a USB camera can do, were set by somebody who knows why.
fn refuse_what_is_chosen_by_hand(document: &DocumentMut, camera: &CameraChoice) -> Result<(), EditError> {
    if document.contains_key("cameras") {
        return Err(EditError::NamedCameras);
    }
    let has_controls = document.get("camera").and_then(|camera| camera.get("controls")).is_some();
    match camera {
        CameraChoice::Http(_) | CameraChoice::Rtsp(_) if has_controls => Err(EditError::Controls),
        _ => Ok(()),
    }
}

fn wanted(setup: &Setup) -> Vec<Key> {
    let mut keys = setup.camera.as_ref().map_or_else(Vec::new, camera);
    if let Some(directory) = &setup.teach {
        keys.push(("teach", "directory", Some(path(directory))));
    }
    if let Some(broker) = &setup.broker {
        keys.extend(server("mqtt", broker));
    }
    if let Some(PageChoice { listen, token_file }) = &setup.page {
        keys.push(("http", "listen", Some(listen.to_string().into())));
        keys.extend(token_file.iter().map(|file| ("http", "token_file", Some(path(file)))));
    }
    keys
}

/// The keys that the choices are about.
pub(super) fn asked(setup: &Setup) -> Vec<Asked> {
    let asked = |(table, key, value): Key| {
        let text = value.and_then(|value| value.as_str().map(str::to_owned));
        (vec![table.to_owned(), key.to_owned()], text)
    };
    wanted(setup).into_iter().map(asked).collect()
}

/// Of the other sources those keys go that are mistakes beside this one.
fn camera(choice: &CameraChoice) -> Vec<Key> {
    let source = |name: &'static str| ("camera", "source", Some(name.into()));
    let gone = |keys: &[&'static str]| keys.iter().map(|key| ("camera", *key, None)).collect::<Vec<Key>>();
    let (mut keys, more) = match choice {
        CameraChoice::V4l2 { device } => (
            vec![source("v4l2"), ("camera", "device", Some(path(device)))],
            gone(&["url", "username", "password_file", "ca", "transport", "decoder"]),
        ),
        CameraChoice::Replay { path: files } => (
            vec![source("replay"), ("camera", "path", Some(path(files)))],
            gone(&["url", "username", "password_file", "ca", "transport", "decoder"]),
        ),
        CameraChoice::Http(camera) => {
            let is_plain = !camera.url.to_ascii_lowercase().starts_with("https:");
            let more = gone(if is_plain {
                &["device", "transport", "decoder", "ca"]
            } else {
                &["device", "transport", "decoder"]
            });
            (vec![source("http")], server("camera", camera).into_iter().chain(more).collect())
        }
        CameraChoice::Rtsp(camera) => {
            (vec![source("rtsp")], server("camera", camera).into_iter().chain(gone(&["device", "ca"])).collect())
        }
    };
    keys.extend(more);
    keys
}

fn server(table: &'static str, choice: &ServerChoice) -> Vec<Key> {
    let ServerChoice { url, username, password_file } = choice;
    let mut keys: Vec<Key> =
        vec![(table, "url", Some(url.into())), (table, "username", username.as_ref().map(Value::from))];
    match password_file {
        Some(file) => keys.push((table, "password_file", Some(path(file)))),
        None if username.is_none() => keys.push((table, "password_file", None)),
        None => {}
    }
    keys
}

fn path(path: &Path) -> Value {
    path.to_string_lossy().into_owned().into()
}

/// Whether the file does not say so already.
fn is_new(document: &DocumentMut, (table, key, value): &Key) -> bool {
    let there = document.get(table).and_then(|table| table.get(key));
    match (there, value) {
        (None, None) => false,
        (Some(there), Some(value)) => there.as_str() != value.as_str(),
        _ => true,
    }
}

/// What is new, by table.
fn lines(keys: &[Key]) -> String {
    let (mut lines, mut current) = (String::new(), "");
    for (table, key, value) in keys {
        if *table != current {
            let gap = if lines.is_empty() { "" } else { "\n" };
            let _ = writeln!(lines, "{gap}[{table}]");
            current = table;
        }
        let _ = match value {
            Some(value) => writeln!(lines, "{key} = {}", value.clone().decorated("", "")),
            None => writeln!(lines, "# without {key}"),
        };
    }
    lines
}

/// The text with a key commented out: its line, or its lines.
fn without(text: &str, table: &str, key: &str) -> Result<String, EditError> {
    let document = Document::parse(text).map_err(|_| EditError::NotToml)?;
    let Some(item) = document.get(table) else { return Ok(text.to_owned()) };
    if item.is_inline_table() {
        // It is one line with the others, and there is no comment in it.
        let mut document: DocumentMut = text.parse().map_err(|_| EditError::NotToml)?;
        let found = document.get_mut(table).and_then(Item::as_inline_table_mut);
        found.and_then(|found| found.remove(key));
        return Ok(document.to_string());
    }
    let found = item.as_table().and_then(|table| table.get_key_value(key));
    let Some((name, held)) = found.filter(|(_, held)| held.is_value()) else { return Ok(text.to_owned()) };
    let (Some(name), Some(held)) = (name.span(), held.span()) else { return Ok(text.to_owned()) };
    let first = text[..name.start].rfind('\n').map_or(0, |end| end + 1);
    let last = text[held.end..].find('\n').map_or(text.len(), |end| held.end + end);
    let commented: Vec<String> = text[first..last].split('\n').map(|line| format!("#{line}")).collect();
    Ok(format!("{}{}{}", &text[..first], commented.join("\n"), &text[last..]))
}

fn set(document: &mut DocumentMut, table: &str, key: &str, new: &Value) -> Result<(), EditError> {
    let entry = document.entry(table).or_insert_with(|| {
        let mut table = Table::new();
        table.decor_mut().set_prefix("\n");
        table.into()
    });
    let found = entry.as_table_like_mut().ok_or_else(|| EditError::NoTable(table.to_owned()))?;
    match found.get_mut(key).and_then(Item::as_value_mut) {
        // The comment behind it stays.
        Some(old) => {
            let decor = old.decor().clone();
            *old = new.clone();
            *old.decor_mut() = decor;
        }
        None => drop(found.insert(key, value(new.clone()))),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(camera: CameraChoice) -> Setup {
        Setup { camera: Some(camera), ..Setup::default() }
    }

    fn server_at(url: &str, username: Option<&str>, password_file: Option<&str>) -> ServerChoice {
        let (username, password_file) = (username.map(str::to_owned), password_file.map(Into::into));
        ServerChoice { url: url.into(), username, password_file }
    }

    #[test]
    fn the_choices_stand_in_the_tables_that_are_there_and_every_comment_stays() {
        let file = "# Mine.\n[camera]\n# Where pictures come from.\n#source = \"v4l2\"\n\n[mqtt] # the house\nurl = \"mqtt://old\" # the old one\n";
        let setup = Setup {
            broker: Some(server_at("mqtt://new:1883", Some("me"), Some("/state/mqtt-password"))),
            page: Some(PageChoice {
                listen: "0.0.0.0:8080".parse().expect("an address"),
                token_file: Some("/state/token".into()),
            }),
            teach: Some("/state/teach".into()),
            ..of(CameraChoice::V4l2 { device: "/dev/video2".into() })
        };
        let edited = edited(file, &setup).expect("edited");
        assert_eq!(
            edited.text,
            "# Mine.\n[camera]\nsource = \"v4l2\"\ndevice = \"/dev/video2\"\n# Where pictures come from.\n#source = \"v4l2\"\n\n\
             [mqtt] # the house\nurl = \"mqtt://new:1883\" # the old one\nusername = \"me\"\npassword_file = \"/state/mqtt-password\"\n\n\
             [teach]\ndirectory = \"/state/teach\"\n\n[http]\nlisten = \"0.0.0.0:8080\"\ntoken_file = \"/state/token\"\n"
        );
        assert!(
            edited.lines.starts_with("[camera]\nsource = \"v4l2\"\ndevice = \"/dev/video2\"\n\n[teach]\n"),
            "{}",
            edited.lines
        );
    }

    #[test]
    fn a_key_of_another_source_is_commented_out_with_its_value_and_its_comment() {
        let file = "[camera]\nsource = \"rtsp\"\nurl = \"rtsp://10.0.0.7/2\" # the porch\nusername = \"v\"\n# Kept apart.\npassword_file = \"/secret\"\n";
        let edited = edited(file, &of(CameraChoice::V4l2 { device: "/dev/video0".into() })).expect("edited");
        assert_eq!(
            edited.text,
            "[camera]\nsource = \"v4l2\"\ndevice = \"/dev/video0\"\n#url = \"rtsp://10.0.0.7/2\" # the porch\n#username = \"v\"\n# Kept apart.\n#password_file = \"/secret\"\n"
        );
        let lines = "[camera]\nsource = \"v4l2\"\ndevice = \"/dev/video0\"\n# without url\n# without username\n# without password_file\n";
        assert_eq!(edited.lines, lines);
    }

    #[test]
    fn what_the_file_says_already_is_not_written_again() {
        let file =
            "[camera]\nsource = \"http\"\nurl = \"http://10.0.0.7/\"\nusername = \"me\"\npassword_file = \"/secret\"\n";
        let same = of(CameraChoice::Http(server_at("http://10.0.0.7/", Some("me"), None)));
        let edited = edited(file, &same).expect("edited");
        assert_eq!((edited.text.as_str(), edited.lines.as_str()), (file, ""));
    }

    #[test]
    fn tables_in_one_line_and_keys_with_dots_are_changed_in_their_place() {
        let choice = of(CameraChoice::V4l2 { device: "/dev/video0".into() });
        let inline = edited("camera = { source = \"rtsp\", url = \"rtsp://a/\" }\n", &choice).expect("edited").text;
        assert_eq!(inline, "camera = { source = \"v4l2\", device = \"/dev/video0\" }\n");
        let dotted =
            edited("camera.source = \"rtsp\" # one\ncamera.url = \"rtsp://a/\" # two\n", &choice).expect("edited").text;
        assert_eq!(
            dotted,
            "camera.source = \"v4l2\" # one\ncamera.device = \"/dev/video0\"\n#camera.url = \"rtsp://a/\" # two\n"
        );
    }

    #[test]
    fn what_was_arranged_by_hand_is_refused() {
        let network = of(CameraChoice::Http(server_at("http://10.0.0.7/", None, None)));
        assert!(matches!(edited("[cameras.yard]\nsource = \"v4l2\"\n", &network), Err(EditError::NamedCameras)));
        assert!(matches!(edited("[camera.controls]\nbrightness = 3\n", &network), Err(EditError::Controls)));
        assert!(matches!(edited("camera = 3\n", &network), Err(EditError::NoTable(table)) if table == "camera"));
        assert!(matches!(edited("a = ", &network), Err(EditError::NotToml)));
    }

    proptest! {
        #[test]
        fn no_comment_is_ever_lost(
            keys in proptest::sample::subsequence(vec!["url", "username", "password_file", "ca", "transport", "decoder", "device", "path"], 0..8),
            to_network in any::<bool>(),
        ) {
            let mut file = String::from("# top\n[camera] # head\n");
            for key in &keys {
                file.push_str(&format!("# above {key}\n{key} = \"x\" # behind {key}\n"));
            }
            file.push_str("# end\n[log]\nlevel = \"warn\" # last\n");
            let choice = match to_network {
                true => CameraChoice::Http(server_at("http://10.0.0.7/", None, None)),
                false => CameraChoice::V4l2 { device: "/dev/video0".into() },
            };
            let text = edited(&file, &of(choice)).expect("edited").text;
            prop_assert!(text.parse::<toml::Table>().is_ok(), "{text}");
            for key in &keys {
                prop_assert!(text.contains(&format!("# above {key}\n")) && text.contains(&format!("# behind {key}\n")), "{text}");
            }
            for comment in ["# top", "# head", "# end", "# last"] {
                prop_assert!(text.contains(comment), "{text}");
            }
        }
    }
}
