//! Pictures to other tools and from them, and archives that mean harm.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use rawzip::path::EntryPath;
use rawzip::{CompressionMethod, ZipArchiveWriter};

use super::{Place, Scene, dataset, jpeg, kept, scene, text};

const TWO: [(&str, Scene); 2] = [("closed", Scene::Bars), ("open", Scene::Rings)];

/// An archive of these entries: path, contents, and the Unix mode.
fn archive(path: &Path, entries: &[(&str, &[u8], u32)], method: CompressionMethod) {
    let mut archive = ZipArchiveWriter::new(std::fs::File::create(path).expect("writable"));
    for (name, contents, mode) in entries {
        let file = archive.new_file(EntryPath::verbatim(name.as_bytes())).compression_method(method);
        let (mut entry, config) = file.unix_permissions(*mode).start().expect("an entry");
        let descriptor = match method {
            CompressionMethod::DEFLATE => {
                let mut writer = config.wrap(DeflateEncoder::new(&mut entry, Compression::fast()));
                writer.write_all(contents).expect("written");
                let (encoder, descriptor) = writer.finish().expect("finished");
                encoder.finish().expect("finished");
                descriptor
            }
            _ => {
                let mut writer = config.wrap(&mut entry);
                writer.write_all(contents).expect("written");
                writer.finish().expect("finished").1
            }
        };
        entry.finish(descriptor).expect("finished");
    }
    archive.finish().expect("finished");
}

#[test]
fn pictures_go_to_other_tools_and_come_back_as_they_were() {
    let (place, other) = (Place::new(""), Place::new(""));
    let dataset = dataset(&TWO, 3);
    assert_eq!(place.json(&["teach", "import", text(dataset.path())])["kept"], 6);
    let outside = tempfile::tempdir().expect("a directory");
    let (zip, folder) = (outside.path().join("door.zip"), outside.path().join("door"));
    for to in [&zip, &folder] {
        assert_eq!(place.json(&["teach", "export", text(to)])["pictures"], 6);
        let again = place.run(&["teach", "export", text(to)]);
        assert!(again.code == 1 && again.stderr.contains("is there already, and is not replaced"), "{again:?}");
    }
    assert_eq!(std::fs::read_dir(folder.join("open")).expect("a folder").count(), 3, "without the vectors");
    let first = other.json(&["teach", "import", text(&zip)]);
    assert_eq!((&first["kept"], &first["failed"]), (&6.into(), &serde_json::json!([])), "{first}");
    let second = other.json(&["teach", "import", text(&folder)]);
    assert_eq!((&second["kept"], &second["already_kept"]), (&0.into(), &6.into()), "{second}");
    for label in ["open", "closed"] {
        let bytes =
            |place| kept(place, label).iter().map(|path| std::fs::read(path).expect("readable")).collect::<Vec<_>>();
        let (mut one, mut two) = (bytes(&place), bytes(&other));
        one.sort();
        two.sort();
        assert!(one == two && one.len() == 3, "{label}");
    }
}

#[test]
fn what_other_programs_put_beside_the_pictures_is_passed_over() {
    let place = Place::new("");
    let zip = place.file("teachable.zip");
    let picture = jpeg(&scene(Scene::Bars, 1));
    let entries: [(&str, &[u8], u32); 7] = [
        ("project/", &[], 0o040_755),
        ("project/open/1.jpg", &picture, 0o644),
        ("project/open/.DS_Store", b"x", 0o644),
        ("__MACOSX/project/open/._1.jpg", b"x", 0o644),
        ("project/metadata.json", b"{}", 0o644),
        ("project/open/link.jpg", b"/etc/passwd", 0o120_777),
        ("project/closed/2.PNG", b"no picture", 0o644),
    ];
    for method in [CompressionMethod::DEFLATE, CompressionMethod::STORE] {
        archive(&zip, &entries, method);
        let ran = place.run(&["teach", "import", text(&zip), "--json"]);
        assert!(ran.code == 1 && ran.stderr.contains("closed/2.PNG is"), "{ran:?}");
        assert_eq!((&ran.json()["links"], &ran.json()["others"]), (&1.into(), &3.into()), "{ran:?}");
        assert_eq!(kept(&place, "open").len(), 1);
    }
    archive(&zip, &[("1.jpg", &picture, 0o644)], CompressionMethod::STORE);
    let loose = place.run(&["teach", "import", text(&zip)]);
    assert!(loose.code == 1 && loose.stderr.contains("or `--label`"), "{loose:?}");
    assert_eq!(place.json(&["teach", "import", text(&zip), "--label", "closed"])["kept"], 1);
}

#[test]
fn archives_that_mean_harm_are_refused_before_anything_is_kept() {
    let place = Place::new("");
    let zip = place.file("bad.zip");
    let picture = jpeg(&scene(Scene::Bars, 1));
    let refused = |says: &str| {
        let ran = place.run(&["teach", "import", text(&zip)]);
        assert!(ran.code == 1 && ran.stderr.contains(says), "{says}: {ran:?}");
        assert!(kept(&place, "open").is_empty() && !place.file("main").exists(), "{says}");
    };
    for path in ["../open/1.jpg", "/etc/open/1.jpg", "open/../../x/1.jpg", "..\\open\\1.jpg", "C:/open/1.jpg/../1.jpg"]
    {
        archive(&zip, &[("open/1.jpg", &picture, 0o644), (path, &picture, 0o644)], CompressionMethod::STORE);
        refused("has a name that leads out of it");
    }
    archive(&zip, &[("a:b/1.jpg", &picture, 0o644)], CompressionMethod::STORE);
    refused("has a folder that is no label");
    let names: Vec<String> = (0..101).map(|class| format!("{class}/1.jpg")).collect();
    let many: Vec<(&str, &[u8], u32)> = names.iter().map(|name| (name.as_str(), &picture[..], 0o644)).collect();
    archive(&zip, &many, CompressionMethod::STORE);
    refused("more than 100 classes");
    let names: Vec<String> = (0..100_001).map(|number| format!("open/{number}.txt")).collect();
    let many: Vec<(&str, &[u8], u32)> = names.iter().map(|name| (name.as_str(), &b""[..], 0o644)).collect();
    archive(&zip, &many, CompressionMethod::STORE);
    refused("has 100001 entries; at most 100000 are read");
    for bytes in [&b"not an archive"[..], &b"PK\x05\x06"[..], &[0; 70_000]] {
        std::fs::write(&zip, bytes).expect("writable");
        refused("is not a zip archive, or a damaged one");
    }
    let pipe = place.run(&["teach", "import", "/dev/zero"]);
    assert!(pipe.code == 1 && pipe.stderr.contains("is no folder and no zip archive"), "{pipe:?}");
}

#[test]
fn a_picture_that_is_a_bomb_or_damaged_is_named_and_the_others_are_kept() {
    let place = Place::new("");
    let zip = place.file("bomb.zip");
    let (picture, other) = (jpeg(&scene(Scene::Bars, 1)), jpeg(&scene(Scene::Bars, 2)));
    // 65 MB of zeros, in 300 KB.
    let zeros = vec![0; (64 << 20) + 1000];
    let entries: [(&str, &[u8], u32); 3] =
        [("open/1.jpg", &zeros, 0o644), ("open/2.jpg", &picture, 0o644), ("open/3.jpg", &other, 0o644)];
    archive(&zip, &entries, CompressionMethod::DEFLATE);
    let bomb = place.run(&["teach", "import", text(&zip)]);
    assert!(bomb.code == 1 && bomb.stderr.contains("open/1.jpg has more than 67108864 bytes"), "{bomb:?}");
    assert_eq!(kept(&place, "open").len(), 2);

    let damaged = Place::new("");
    archive(&zip, &entries[1..], CompressionMethod::STORE);
    let mut bytes = std::fs::read(&zip).expect("readable");
    let at = bytes.windows(40).position(|window| window == &picture[200..240]).expect("the picture");
    bytes[at] ^= 1;
    std::fs::write(&zip, bytes).expect("writable");
    let ran = damaged.run(&["teach", "import", text(&zip)]);
    assert!(ran.code == 1 && ran.stderr.contains("open/2.jpg is damaged"), "{ran:?}");
    assert_eq!(kept(&damaged, "open").len(), 1);
}
