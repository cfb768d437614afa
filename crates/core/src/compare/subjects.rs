//! What is compared: models by name, and pictures with or without known labels.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::error::CompareError;
use super::plan::{Content, Picture};
use super::report::plain;
use crate::config::diagnostics::suggestion;
use crate::models::labels::LabelList;
use crate::models::spec::ModelSpec;
use glimpsed_base::files;

/// Limit of pictures: twice ImageNet's validation set.
const MOST_PICTURES: usize = 100_000;
const MAX_CSV_BYTES: u64 = 32 << 20;

/// File with the labels of a directory's pictures, unless its sub-directories are named for them.
const CSV: &str = "labels.csv";

/// Separates labels that are all correct: `tabby|tiger cat`.
const OR: char = '|';

/// The models whose file exists, and their int8 variants unless those have a name of their own.
pub fn usable(models: &[ModelSpec]) -> Vec<ModelSpec> {
    let mut usable: Vec<ModelSpec> = models.iter().filter(|model| model.path.is_file()).cloned().collect();
    let int8_variants = models.iter().filter_map(|model| {
        let mut int8_variant = model.quantised()?;
        int8_variant.name = format!("{}-int8", model.name);
        let known = models.iter().any(|model| model.path == int8_variant.path || model.name == int8_variant.name);
        (int8_variant.path.is_file() && !known).then_some(int8_variant)
    });
    let int8_variants: Vec<ModelSpec> = int8_variants.collect();
    usable.extend(int8_variants);
    usable
}

/// The photographs in `path`. They are labelled if it is a CSV file (`file,label`), has a `labels.csv`, or has
/// sub-directories named for their labels.
///
/// # Errors
/// When there are no photographs, or the CSV file cannot be parsed.
pub fn pictures(path: &Path) -> Result<Vec<Picture>, CompareError> {
    let mut found = if path.is_file() {
        from_csv(path)?
    } else if path.join(CSV).is_file() {
        from_csv(&path.join(CSV))?
    } else {
        from_directories(path)?
    };
    if found.is_empty() {
        return Err(CompareError::NoPicture(path.to_owned()));
    }
    if found.len() > MOST_PICTURES {
        return Err(CompareError::TooMany { path: path.to_owned(), most: MOST_PICTURES });
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

fn from_directories(path: &Path) -> Result<Vec<Picture>, CompareError> {
    let mut found = photographs(path, &[])?;
    for directory in entries(path)?.into_iter().filter(|entry| entry.is_dir()) {
        let name = directory.file_name().unwrap_or_default().to_string_lossy();
        found.extend(photographs(&directory, &alternatives(&name))?);
    }
    Ok(found)
}

fn photographs(directory: &Path, labels: &[String]) -> Result<Vec<Picture>, CompareError> {
    let photographs = entries(directory)?.into_iter().filter(|entry| files::is_picture(entry) && entry.is_file());
    Ok(photographs.map(|path| picture(path, labels.to_vec())).collect())
}

fn picture(path: PathBuf, labels: Vec<String>) -> Picture {
    Picture { name: path.display().to_string(), content: Content::File(path), labels }
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, CompareError> {
    let unreadable = |cause| CompareError::Directory { directory: directory.to_owned(), cause };
    let entries = std::fs::read_dir(directory).map_err(unreadable)?;
    entries.take(MOST_PICTURES + 1).map(|entry| entry.map(|entry| entry.path()).map_err(unreadable)).collect()
}

/// Parses lines of `file,label`. The file is relative to the CSV; a label with a comma is quoted.
fn from_csv(csv: &Path) -> Result<Vec<Picture>, CompareError> {
    let text =
        files::read_text(csv, MAX_CSV_BYTES).map_err(|cause| CompareError::Csv { path: csv.to_owned(), cause })?;
    let wrong = |number, cause| CompareError::Line { path: csv.to_owned(), line: number + 1, cause };
    let base = csv.parent().unwrap_or(Path::new("."));
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((file, label)) = line.split_once(',') else {
            return Err(wrong(number, "is not `file,label`".into()));
        };
        // Skips a heading.
        if found.is_empty() && label.trim().eq_ignore_ascii_case("label") {
            continue;
        }
        let path = base.join(unquoted(file));
        if !path.is_file() {
            return Err(wrong(number, format!("there is no file `{}`", path.display())));
        }
        found.push(picture(path, alternatives(unquoted(label))));
    }
    Ok(found)
}

fn unquoted(field: &str) -> &str {
    let field = field.trim();
    field.strip_prefix('"').and_then(|field| field.strip_suffix('"')).unwrap_or(field)
}

fn alternatives(label: &str) -> Vec<String> {
    label.split(OR).map(str::trim).filter(|label| !label.is_empty()).map(str::to_owned).collect()
}

/// Checks that some model knows each label; a picture with another one would count as wrong for every model.
///
/// # Errors
/// The unknown label, with a similar known one.
pub fn check_labels(pictures: &[Picture], models: &[ModelSpec]) -> Result<(), CompareError> {
    if pictures.iter().all(|picture| picture.labels.is_empty()) {
        return Ok(());
    }
    let mut known = BTreeSet::new();
    for model in models {
        // A broken model is reported when it is measured.
        if let Ok(LabelList { labels, .. }) = model.labels.read() {
            known.extend(labels.iter().map(|label| plain(label)));
        }
    }
    let unknown = pictures.iter().find(|picture| {
        !picture.labels.is_empty() && !picture.labels.iter().any(|label| known.contains(&plain(label)))
    });
    match unknown {
        None => Ok(()),
        Some(picture) => {
            let label = picture.labels[0].clone();
            let hint = suggestion(&plain(&label), known.iter().map(String::as_str));
            Err(CompareError::Label { picture: picture.name.clone(), label, hint })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().expect("a directory");
        for (file, text) in files {
            let path = directory.path().join(file);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(path, text).expect("written");
        }
        directory
    }

    fn labelled(path: &Path) -> Vec<(String, Vec<String>)> {
        let found = pictures(path).expect("pictures");
        let name = |picture: &Picture| picture.name.rsplit('/').next().unwrap_or_default().to_owned();
        found.into_iter().map(|picture| (name(&picture), picture.labels)).collect()
    }

    #[test]
    fn sub_directories_are_labels_and_others_are_without() {
        let tree =
            tree(&[("tabby|tiger_cat/a.JPG", ""), ("espresso/b.png", ""), ("c.jpeg", ""), ("espresso/n.txt", "")]);
        let expected = [("c.jpeg", vec![]), ("b.png", vec!["espresso"]), ("a.JPG", vec!["tabby", "tiger_cat"])];
        let expected =
            expected.map(|(name, labels)| (name.to_owned(), labels.into_iter().map(str::to_owned).collect()));
        assert_eq!(labelled(tree.path()), expected);
    }

    #[test]
    fn a_csv_names_files_and_labels_and_its_mistakes_have_a_line() {
        let good = tree(&[("x/a.png", ""), ("labels.csv", "# a, b\nfile,label\nx/a.png,\"wok, pan|wok\"\n\n# end\n")]);
        assert_eq!(labelled(good.path()), [("a.png".to_owned(), vec!["wok, pan".to_owned(), "wok".to_owned()])]);
        for (text, wrong) in [("a.png\n", ":1: is not `file,label`"), ("f,label\nb.png,cat", ":2: there is no file")] {
            let bad = tree(&[("a.png", ""), ("labels.csv", text)]);
            let error = pictures(bad.path()).expect_err("refused");
            assert!(error.to_string().contains(wrong), "{error}");
        }
    }

    #[test]
    fn a_directory_without_photographs_is_no_comparison() {
        let error = pictures(tree(&[("a.txt", "")]).path()).expect_err("refused");
        assert!(matches!(error, CompareError::NoPicture(_)), "{error}");
    }
}
