//! Pictures that are kept, and removed.

use std::os::unix::fs::PermissionsExt;

use super::{Place, Scene, jpeg, kept, scene, text};

#[test]
fn pictures_are_kept_under_their_label_as_they_came_and_teach_the_view() {
    let place = Place::new("");
    let files = tempfile::tempdir().expect("a directory");
    for (label, kind) in [("bin out", Scene::Bars), ("none", Scene::Rings)] {
        let paths: Vec<String> = (0..3)
            .map(|seed| {
                let path = files.path().join(format!("{label}{seed}.jpg"));
                std::fs::write(&path, jpeg(&scene(kind, seed))).expect("writable");
                text(&path).to_owned()
            })
            .collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let answer = place.json(&[&["teach", "add", label], &paths[..]].concat());
        assert_eq!(answer["pictures"], 3, "{answer}");
        // The same once more.
        let again = place.json(&[&["teach", "add", label], &paths[..1]].concat());
        assert_eq!(again["pictures"], 3, "{again}");
        let bytes: Vec<Vec<u8>> =
            kept(&place, label).iter().map(|path| std::fs::read(path).expect("readable")).collect();
        for seed in 0..3 {
            assert!(bytes.contains(&jpeg(&scene(kind, seed))), "bit for bit");
        }
    }
    let picture = &kept(&place, "none")[0];
    let mode = |path: &std::path::Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(picture), mode(picture.parent().expect("a folder"))), (0o600, 0o700));
    let vector = picture.with_file_name(format!(".{}.vector", picture.file_name().expect("a name").display()));
    assert_eq!(std::fs::metadata(&vector).expect("its vector").len(), 4 + 32 + 2 * 1280);
    let learnt = place.json(&["teach"]);
    assert_eq!((&learnt["name"], &learnt["pictures"]), (&"main".into(), &6.into()));
    let status = place.json(&["teach", "status"]);
    assert_eq!(status["models"][0]["taught"]["view"], "main", "{status}");
    assert_eq!(status["pictures"], 6);
}

#[test]
fn a_vector_that_is_damaged_or_of_another_network_is_computed_again() {
    let place = Place::new("");
    let files = tempfile::tempdir().expect("a directory");
    for (label, kind) in [("a", Scene::Bars), ("b", Scene::Rings)] {
        for seed in 0..2 {
            let path = files.path().join("1.jpg");
            std::fs::write(&path, jpeg(&scene(kind, seed))).expect("writable");
            place.json(&["teach", "add", label, text(&path)]);
        }
    }
    let before = place.json(&["teach"]);
    let picture = &kept(&place, "a")[0];
    let vector = picture.with_file_name(format!(".{}.vector", picture.file_name().expect("a name").display()));
    let whole = std::fs::read(&vector).expect("there");
    for damaged in [&b"short"[..], &[&whole[..36], &vec![0xff; 2560][..]].concat(), &vec![0; 9 << 20]] {
        std::fs::write(&vector, damaged).expect("writable");
        assert_eq!(place.json(&["teach"])["sha256"], before["sha256"]);
        assert_eq!(std::fs::read(&vector).expect("there"), whole);
    }
    let int8 = place.json(&["teach", "--base", "efficientnet-lite0-int8"]);
    assert_ne!(int8["sha256"], before["sha256"]);
    assert_eq!(place.json(&["teach"])["sha256"], before["sha256"]);
}

#[test]
fn other_pictures_become_small_jpegs_and_what_is_none_is_refused_and_not_kept() {
    let place = Place::new("");
    let files = tempfile::tempdir().expect("a directory");
    let large = image::imageops::resize(&scene(Scene::Bars, 1), 2600, 1950, image::imageops::FilterType::Nearest);
    let (png, text_file) = (files.path().join("large.png"), files.path().join("notes.jpg"));
    large.save(&png).expect("a PNG");
    std::fs::write(&text_file, "not a picture").expect("writable");
    let cut = files.path().join("cut.jpg");
    let whole = jpeg(&scene(Scene::Bars, 2));
    std::fs::write(&cut, &whole[..whole.len() / 2]).expect("writable");
    let added = place.run(&["teach", "add", "open", text(&png), text(&text_file), text(&cut), "/dev/zero", "/no/file"]);
    assert_eq!(added.code, 1, "{added:?}");
    for says in ["4 were not kept", "notes.jpg is", "cut.jpg is", "/dev/zero is not a file", "/no/file cannot be read"]
    {
        assert!(added.stderr.contains(says), "{says}: {added:?}");
    }
    let [only] = &kept(&place, "open")[..] else { panic!("one picture") };
    let small = image::open(only).expect("a JPEG");
    assert_eq!((small.width(), small.height()), (640, 480));
    assert!(std::fs::metadata(only).expect("there").len() < 256 << 10);
}

#[test]
fn no_more_pictures_are_kept_than_may_be() {
    let place = Place::new("max_pictures = 10\n");
    let files = tempfile::tempdir().expect("a directory");
    let paths: Vec<String> = (0..12)
        .map(|seed| {
            let path = files.path().join(format!("{seed}.jpg"));
            std::fs::write(&path, jpeg(&scene(Scene::Bars, seed))).expect("writable");
            text(&path).to_owned()
        })
        .collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let full = place.run(&[&["teach", "add", "open"], &paths[..]].concat());
    assert!(full.code == 1 && full.stderr.contains("`max_pictures` in [teach] allows"), "{full:?}");
    assert_eq!(kept(&place, "open").len(), 10);
    // Of another view too.
    let other = place.run(&["teach", "add", "open", paths[11], "--view", "yard"]);
    assert_eq!(other.code, 1, "{other:?}");
    let name = kept(&place, "open")[3].file_name().expect("a name").to_str().expect("UTF-8").to_owned();
    let wrong = place.run(&["teach", "remove", "open", &name, "nothing.jpg"]);
    assert!(wrong.code == 1 && wrong.stderr.contains("nothing was removed"), "{wrong:?}");
    assert_eq!(place.json(&["teach", "remove", "open", &name])["removed"].as_array().map(Vec::len), Some(1));
    assert_eq!(kept(&place, "open").len(), 9);
    assert_eq!(place.run(&["teach", "add", "open", paths[11]]).code, 0);
    assert_eq!(place.json(&["teach", "remove", "--all"])["removed"].as_array().map(Vec::len), Some(10));
    assert!(!place.file("main/open").exists(), "with its vectors");
}

#[test]
fn labels_and_views_do_not_lead_out_of_the_directory() {
    let place = Place::new("");
    let file = place.file("picture.jpg");
    std::fs::write(&file, jpeg(&scene(Scene::Bars, 1))).expect("writable");
    for label in ["../out", "/tmp/out", ".hidden", "a\nb", ""] {
        let refused = place.run(&["teach", "add", label, text(&file)]);
        assert!(refused.code == 1 && refused.stderr.contains("is no label"), "{label:?}: {refused:?}");
    }
    for view in ["../out", "..", "a/b"] {
        let refused = place.run(&["teach", "add", "open", text(&file), "--view", view]);
        assert!(refused.code == 1 && refused.stderr.contains("is no name of a view"), "{view:?}: {refused:?}");
    }
    assert_eq!(std::fs::read_dir(place.directory.path()).expect("listed").count(), 1);
}
