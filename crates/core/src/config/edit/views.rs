//! Changes to the views.

use toml_edit::{DocumentMut, InlineTable, Item, Table, TableLike, Value, value};

use super::super::identity::is_id;
use super::edited::{Asked, EditError, Edited};
use crate::domain::framing::Region;
use crate::domain::views_edit::{SetView, ViewsEdit};

/// Regions are written in ten-thousandths: less than a pixel of a camera.
const PARTS: f64 = 10_000.0;

/// # Errors
/// When the text is not TOML, or has something else where views are meant.
pub(super) fn edited(text: &str, edit: &ViewsEdit) -> Result<Edited, EditError> {
    let mut document: DocumentMut = text.parse().map_err(|_| EditError::NotToml)?;
    let mut lines = DocumentMut::new();
    for name in &edit.remove {
        let views = document.get_mut("views").and_then(Item::as_table_like_mut);
        views.and_then(|views| views.remove(name)).ok_or_else(|| EditError::NoView(name.clone()))?;
    }
    if document.get("views").and_then(Item::as_table_like).is_some_and(TableLike::is_empty) {
        document.remove("views");
    }
    for view in &edit.set {
        match view.name.given() {
            None => set_roi(&mut document, view.region),
            Some(name) => set_view(&mut document, name, view)?,
        }
    }
    for view in &edit.set {
        match view.name.given() {
            None => {
                set_roi(&mut lines, view.region);
            }
            Some(name) => {
                let written = |table: &dyn TableLike| Some(table.get("camera")?.as_str()?.to_owned());
                let views = document.get("views").and_then(Item::as_table_like);
                let table = views.and_then(|views| views.get(name)).and_then(Item::as_table_like);
                let camera = view.camera.as_ref().and_then(|_| written(table?));
                set_view(&mut lines, name, &SetView { camera, ..view.clone() })?;
            }
        }
    }
    Ok(Edited { text: document.to_string(), lines: lines.to_string().trim_start().to_owned() })
}

/// The region and the camera of each view that is set, and all of each that goes.
pub(super) fn asked(edit: &ViewsEdit) -> Vec<Asked> {
    let path = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<String>>();
    let set = edit.set.iter().flat_map(|view| match view.name.given() {
        None => vec![(path(&["roi"]), None)],
        Some(name) => {
            let camera = view.camera.iter().map(|camera| (path(&["views", name, "camera"]), Some(camera.clone())));
            [(path(&["views", name, "region"]), None)].into_iter().chain(camera).collect()
        }
    });
    set.chain(edit.remove.iter().map(|name| (path(&["views", name]), None))).collect()
}

/// The region of the only view. The whole picture is what holds without the table.
fn set_roi(document: &mut DocumentMut, region: Region) {
    if region == Region::default() {
        document.remove("roi");
        return;
    }
    let roi = document.entry("roi").or_insert_with(|| new_table().into());
    if let Some(roi) = roi.as_table_like_mut() {
        set_region(roi, region);
    }
}

fn set_view(document: &mut DocumentMut, name: &str, view: &SetView) -> Result<(), EditError> {
    if !is_id(name) {
        return Err(EditError::Name(name.to_owned()));
    }
    if !document.contains_key("views") {
        // It is of the view without a name, which there is no more beside views with names.
        document.remove("roi");
        let mut views = Table::new();
        views.set_implicit(true);
        document.insert("views", views.into());
    }
    let no_table = |key: &str| EditError::NoTable(key.to_owned());
    let views = document.get_mut("views").and_then(Item::as_table_like_mut).ok_or_else(|| no_table("views"))?;
    if !views.contains_key(name) {
        let mut table = new_table();
        if let Some(camera) = &view.camera {
            table.insert("camera", value(camera.as_str()));
        }
        views.insert(name, table.into());
    }
    let table = views.get_mut(name).and_then(Item::as_table_like_mut);
    let table = table.ok_or_else(|| no_table(&format!("views.{name}")))?;
    // A view without the key looks through the only camera.
    if let (Some(camera), Some(old)) = (&view.camera, table.get_mut("camera").and_then(Item::as_value_mut)) {
        replace(old, camera.as_str());
    }
    match table.get_mut("region").and_then(Item::as_table_like_mut) {
        _ if view.region == Region::default() => drop(table.remove("region")),
        Some(region) => set_region(region, view.region),
        None => {
            let mut region = InlineTable::new();
            set_region(&mut region, view.region);
            table.insert("region", value(region));
        }
    }
    Ok(())
}

/// With an empty line before it.
fn new_table() -> Table {
    let mut table = Table::new();
    table.decor_mut().set_prefix("\n");
    table
}

/// The comment behind it stays.
fn replace(old: &mut Value, new: impl Into<Value>) {
    let decor = old.decor().clone();
    *old = new.into();
    *old.decor_mut() = decor;
}

fn set_region(table: &mut dyn TableLike, region: Region) {
    let parts = |fraction: f64| (fraction * PARTS).round().clamp(0.0, PARTS);
    // The sides end inside of the picture after rounding, too.
    let (x, y) = (parts(region.x), parts(region.y));
    let (width, height) = (parts(region.width).min(PARTS - x), parts(region.height).min(PARTS - y));
    for (key, parts) in [("x", x), ("y", y), ("width", width), ("height", height)] {
        match table.get_mut(key).and_then(Item::as_value_mut) {
            Some(old) => replace(old, parts / PARTS),
            None => drop(table.insert(key, value(parts / PARTS))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::name::Name;
    use proptest::prelude::*;

    fn region(x: f64, y: f64, width: f64, height: f64) -> Region {
        Region { x, y, width, height }
    }

    fn set(name: &str, camera: Option<&str>, region: Region) -> ViewsEdit {
        let name = if name.is_empty() { Name::ONLY } else { Name::new(name) };
        let view = SetView { name, camera: camera.map(str::to_owned), region };
        ViewsEdit { set: vec![view], ..ViewsEdit::default() }
    }

    const FILE: &str = "# Mine.\n[cameras.yard] # the wide one\nsource = \"rtsp\"\n\n[views.garage]   # the door\nmax_fps = 1.0\n\
        region = { x = 0.05, y = 0.3, width = 0.25, height = 0.5 } # measured\n# The end.\n";

    #[test]
    fn a_region_is_changed_and_everything_else_stays_as_it_is_written() {
        let edited = edited(FILE, &set("garage", None, region(0.1, 0.2, 0.33333, 0.4))).expect("edited");
        let expected = FILE
            .replace("x = 0.05, y = 0.3, width = 0.25, height = 0.5", "x = 0.1, y = 0.2, width = 0.3333, height = 0.4");
        assert_eq!(edited.text, expected);
        assert_eq!(edited.lines, "[views.garage]\nregion = { x = 0.1, y = 0.2, width = 0.3333, height = 0.4 }\n");
    }

    #[test]
    fn a_view_gets_another_camera_and_the_lines_are_those_that_were_written() {
        let text = "[views.garage]\ncamera = \"yard\" # the wide one\n[views.bin]\n";
        let garage = edited(text, &set("garage", Some("desk"), Region::default())).expect("edited");
        assert_eq!(garage.text, text.replace("\"yard\"", "\"desk\""));
        assert_eq!(garage.lines, "[views.garage]\ncamera = \"desk\"\n");
        // It looks through the only camera.
        let bin = edited(text, &set("bin", Some("yard"), region(0.0, 0.0, 0.5, 1.0))).expect("edited");
        assert!(!bin.lines.contains("camera") && bin.text.contains("[views.bin]\nregion"), "{bin:?}");
    }

    #[test]
    fn a_view_is_added_behind_the_others() {
        let edited = edited(FILE, &set("bin", Some("yard"), region(0.5, 0.5, 0.5, 0.5))).expect("edited");
        let lines = "[views.bin]\ncamera = \"yard\"\nregion = { x = 0.5, y = 0.5, width = 0.5, height = 0.5 }\n";
        assert_eq!(edited.lines, lines);
        assert!(edited.text.starts_with(FILE.strip_suffix("# The end.\n").expect("it ends so")), "{}", edited.text);
        assert!(edited.text.contains(lines) && edited.text.contains("# The end."), "{}", edited.text);
    }

    #[test]
    fn the_view_without_a_name_has_the_table_of_the_region() {
        let file = "[roi]\nx = 0.1 # left\ny = 0.0\nwidth = 0.5\nheight = 1.0\n\n[log]\nlevel = \"warn\"\n";
        let text = edited(file, &set("", None, region(0.2, 0.0, 0.5, 1.0))).expect("edited").text;
        assert_eq!(text, file.replace("x = 0.1", "x = 0.2"));
        assert_eq!(
            edited(file, &set("", None, Region::default())).expect("edited").text.trim(),
            "[log]\nlevel = \"warn\""
        );
        let text = edited("", &set("", None, region(0.5, 0.0, 0.5, 1.0))).expect("edited").text;
        assert_eq!(text.trim(), "[roi]\nx = 0.5\ny = 0.0\nwidth = 0.5\nheight = 1.0");
    }

    #[test]
    fn the_first_view_with_a_name_takes_the_place_of_the_one_without() {
        let text = edited("[roi]\nx = 0.5\nwidth = 0.5\n", &set("door", None, region(0.0, 0.0, 0.5, 0.5)))
            .expect("edited")
            .text;
        assert!(!text.contains("[roi]") && text.contains("[views.door]"), "{text}");
    }

    #[test]
    fn a_view_that_is_removed_takes_its_table_along() {
        let remove = |name: &str| ViewsEdit { remove: vec![name.to_owned()], ..ViewsEdit::default() };
        let text = edited(FILE, &remove("garage")).expect("edited").text;
        assert!(!text.contains("garage") && text.contains("[cameras.yard] # the wide one"), "{text}");
        assert!(matches!(edited(FILE, &remove("none")), Err(EditError::NoView(name)) if name == "none"));
        assert!(edited("a = ", &remove("x")).is_err());
        assert!(edited(FILE, &set("a.b", None, Region::default())).is_err());
    }

    proptest! {
        #[test]
        fn a_region_that_is_written_lies_in_the_picture_and_is_read_as_it_was(
            x in 0.0f64..0.98, y in 0.0f64..0.98, width in 0.02f64..1.0, height in 0.02f64..1.0,
        ) {
            let wanted = region(x, y, width.min(1.0 - x), height.min(1.0 - y));
            let text = edited(FILE, &set("garage", None, wanted)).expect("edited").text;
            let table: toml::Table = text.parse().expect("TOML");
            let read = |key: &str| table["views"]["garage"].get("region").map_or(f64::NAN, |region| region[key].as_float().expect("a number"));
            prop_assume!(wanted != Region::default());
            for (key, fraction) in [("x", wanted.x), ("y", wanted.y), ("width", wanted.width), ("height", wanted.height)] {
                prop_assert!((read(key) - fraction).abs() < 2.0 / PARTS, "{key} {} {fraction}", read(key));
            }
            prop_assert!(read("x") + read("width") <= 1.0 + 1e-9 && read("y") + read("height") <= 1.0 + 1e-9);
        }
    }
}
