//! The files in `conf.d` beside a configuration: what belongs to a site or to one device.

use std::io;
use std::path::{Path, PathBuf};

use super::diagnostics::{Place, Problem};
use glimpsed_base::{budget, files};

/// The directory beside the main file.
pub const DIRECTORY: &str = "conf.d";

/// More would be another kind of directory; so would one with so many other files.
pub const MAX_FILES: usize = 64;
const MAX_ENTRIES: usize = 4096;

/// A file in `conf.d`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropIn {
    pub path: PathBuf,
    pub text: String,
}

impl DropIn {
    /// `conf.d/20-site.toml`.
    pub fn name(&self) -> String {
        format!("{DIRECTORY}/{}", self.path.file_name().unwrap_or_default().to_string_lossy())
    }
}

/// The directory beside the configuration in `main`.
pub fn directory(main: &Path) -> PathBuf {
    main.parent().unwrap_or(Path::new("")).join(DIRECTORY)
}

/// What is in `conf.d` beside the configuration in `main`, in the order of the names. `used` are the bytes of the main file.
///
/// # Errors
/// Everything that is not a readable text file, or is too much, with what could be read.
pub(super) fn read(main: &Path, used: usize) -> Result<Vec<DropIn>, (Vec<DropIn>, Vec<Problem>)> {
    let directory = directory(main);
    let paths = match list(&directory) {
        Ok(paths) => paths,
        Err(problem) => return Err((Vec::new(), vec![problem])),
    };
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    let mut left = budget::CONFIGURATION.saturating_sub(used as u64);
    for path in paths {
        match files::read_text(&path, left) {
            Ok(text) => {
                left -= text.len() as u64;
                found.push(DropIn { path, text });
            }
            // It went while the others were read.
            Err(files::ReadError::Io(cause)) if is_gone(&path, &cause) => {}
            Err(files::ReadError::TooLong(_)) => {
                let hint = "the configuration and the files in conf.d have at most 256 KiB together";
                problems.push(unreadable(&path, format!("has more than the {left} bytes that are left"), hint));
                break;
            }
            Err(cause) => {
                problems.push(unreadable(
                    &path,
                    cause.to_string(),
                    "what is named *.toml in conf.d is a TOML text file",
                ));
            }
        }
    }
    if problems.is_empty() { Ok(found) } else { Err((found, problems)) }
}

/// A link that leads nowhere is not gone.
fn is_gone(path: &Path, cause: &io::Error) -> bool {
    cause.kind() == io::ErrorKind::NotFound && path.symlink_metadata().is_err()
}

/// The paths of the configurations in the directory, sorted. There need not be one.
fn list(directory: &Path) -> Result<Vec<PathBuf>, Problem> {
    let cannot = |cause: io::Error| {
        unreadable(
            directory,
            format!("cannot be listed: {cause}"),
            "conf.d beside the configuration is a directory, or not there",
        )
    };
    let entries = match std::fs::read_dir(directory) {
        Err(cause) if is_gone(directory, &cause) => return Ok(Vec::new()),
        entries => entries.map_err(cannot)?,
    };
    let mut paths = Vec::new();
    for (number, entry) in entries.enumerate() {
        let path = entry.map_err(cannot)?.path();
        if is_ours(&path) {
            paths.push(path);
        }
        if paths.len() > MAX_FILES || number >= MAX_ENTRIES {
            let label = match paths.len() > MAX_FILES {
                true => format!("has more than {MAX_FILES} files *.toml"),
                false => format!("has more than {MAX_ENTRIES} entries"),
            };
            return Err(unreadable(directory, label, "a few files are enough: one for a site, one for a device"));
        }
    }
    paths.sort();
    Ok(paths)
}

/// Not hidden, as an editor's files are, and no backup with another ending.
fn is_ours(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    !name.starts_with(b".") && name.ends_with(b".toml")
}

fn unreadable(path: &Path, label: String, hint: &str) -> Problem {
    Problem {
        place: Place::Whole(path.display().to_string()),
        title: format!("cannot read the configuration `{}`", path.display()),
        label,
        hint: Some(hint.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    struct Beside {
        directory: tempfile::TempDir,
    }

    impl Beside {
        fn new() -> Self {
            let directory = tempfile::tempdir().expect("a directory");
            std::fs::create_dir(directory.path().join(DIRECTORY)).expect("made");
            Self { directory }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.directory.path().join(DIRECTORY).join(name)
        }

        fn write(&self, name: &str, text: impl AsRef<[u8]>) {
            std::fs::write(self.path(name), text).expect("writable");
        }

        fn read(&self) -> Result<Vec<DropIn>, (Vec<DropIn>, Vec<Problem>)> {
            read(&self.directory.path().join("glimpsed.toml"), 0)
        }

        fn refusals(&self) -> Vec<String> {
            let (_, problems) = self.read().expect_err("refused");
            problems.iter().map(|problem| format!("{} {}", problem.title, problem.label)).collect()
        }
    }

    #[test]
    fn files_are_in_the_order_of_their_names_and_what_editors_leave_is_none() {
        let beside = Beside::new();
        for name in [
            "20-b.toml",
            "10-a.toml",
            ".20-b.toml.swp",
            ".hidden.toml",
            "20-b.toml~",
            "#20-b.toml#",
            "README",
            "3.TOML",
        ] {
            beside.write(name, name);
        }
        std::fs::write(beside.directory.path().join("elsewhere"), "linked").expect("writable");
        symlink("../elsewhere", beside.path("15-link.toml")).expect("linked");
        let found = beside.read().expect("read");
        let names: Vec<String> = found.iter().map(DropIn::name).collect();
        assert_eq!(names, ["conf.d/10-a.toml", "conf.d/15-link.toml", "conf.d/20-b.toml"]);
        assert_eq!(found[1].text, "linked");
    }

    #[test]
    fn no_directory_is_none_and_a_file_in_its_place_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let main = directory.path().join("glimpsed.toml");
        assert_eq!(read(&main, 0).expect("read"), []);
        std::fs::write(directory.path().join(DIRECTORY), "").expect("writable");
        let (_, problems) = read(&main, 0).expect_err("refused");
        assert!(problems[0].label.contains("cannot be listed"), "{problems:?}");
        std::fs::remove_file(directory.path().join(DIRECTORY)).expect("ours");
        symlink("nowhere", directory.path().join(DIRECTORY)).expect("linked");
        assert!(read(&main, 0).is_err(), "a link that leads nowhere is a mistake");
    }

    #[test]
    fn what_is_no_text_file_is_refused_by_name_and_all_at_once() {
        let beside = Beside::new();
        std::fs::create_dir(beside.path("1-directory.toml")).expect("made");
        rustix::fs::mkfifoat(rustix::fs::CWD, beside.path("2-fifo.toml"), rustix::fs::Mode::RWXU).expect("made");
        beside.write("3-bytes.toml", [b'a', 0xFF]);
        symlink("nowhere", beside.path("4-dangling.toml")).expect("linked");
        beside.write("5-fine.toml", "");
        let said = beside.refusals();
        for (said, (name, why)) in said.iter().zip([
            ("1-directory.toml", "is a directory"),
            ("2-fifo.toml", "is not a file"),
            ("3-bytes.toml", "is not UTF-8 after 1 bytes"),
            ("4-dangling.toml", "cannot be read"),
        ]) {
            assert!(said.contains(name) && said.contains(why), "{said}");
        }
        assert_eq!(said.len(), 4);
    }

    #[test]
    fn their_number_and_their_bytes_are_bounded() {
        let beside = Beside::new();
        beside.write("1.toml", " ".repeat(200 << 10));
        beside.write("2.toml", " ".repeat(56 << 10));
        assert_eq!(beside.read().expect("as much as there may be").len(), 2);
        beside.write("3.toml", " ");
        assert!(beside.refusals()[0].contains("has more than the 0 bytes"), "{:?}", beside.refusals());
        let beside = Beside::new();
        for number in 0..MAX_FILES {
            beside.write(&format!("{number}.toml"), "");
        }
        assert_eq!(beside.read().expect("as many as there may be").len(), MAX_FILES);
        beside.write("another.toml", "");
        assert!(beside.refusals()[0].contains("has more than 64 files"), "{:?}", beside.refusals());
        let beside = Beside::new();
        for number in 0..=MAX_ENTRIES {
            beside.write(&format!("{number}"), "");
        }
        assert!(beside.refusals()[0].contains("has more than 4096 entries"), "{:?}", beside.refusals());
    }
}
