//! The last configuration that worked, kept in the state directory: a device without a screen starts with it when its file was broken.

use std::path::Path;

use super::drop_ins::{self, DropIn};
use super::sources::{Sources, process_environment};
use crate::directories::{self, NotKept};
use glimpsed_base::{budget, files};

fn file(path: &Path) -> String {
    directories::name_for(path, "last-good", "toml")
}

/// The configuration may hold passwords.
const MODE: u32 = 0o600;

/// The comment before the text; it says whose configuration this is.
fn head(path: &Path) -> String {
    format!("# The last configuration in {path:?} that worked, kept by glimpsed\n")
}

/// The same where there are files in `conf.d`, whose texts follow. An older version, which knows of none, knows no configuration by it.
fn head_of_several(path: &Path) -> String {
    format!("# The last configuration in {path:?} with its conf.d that worked, kept by glimpsed\n")
}

/// More than the list of the files can have.
const MAX_LIST: u64 = 64 << 10;

impl Sources {
    /// Keeps the text as the last one that worked, unless it is kept already.
    ///
    /// # Errors
    /// Why it cannot be kept.
    pub fn keep_as_last_good(&self) -> Result<(), NotKept> {
        // The defaults need not be kept, and a pipe cannot be read twice.
        if !self.path.is_file() {
            return Ok(());
        }
        let text = self.to_keep();
        if read(&self.path).is_some_and(|kept| kept == text) {
            return Ok(());
        }
        directories::keep_state(&file(&self.path), text.as_bytes(), MODE).map(drop)
    }

    fn to_keep(&self) -> String {
        let path = absolute(&self.path);
        if self.drop_ins.is_empty() {
            return head(&path) + &self.text;
        }
        let names = self.drop_ins.iter().map(|file| file.path.file_name().unwrap_or_default().to_string_lossy());
        let texts = || self.drop_ins.iter().map(|file| file.text.as_str());
        let list: Vec<_> = names.zip(texts().map(str::len)).collect();
        let list = serde_json::json!([self.text.len(), list]);
        format!("{}# {list}\n{}{}", head_of_several(&path), self.text, texts().collect::<String>())
    }

    fn kept(path: &Path, kept: &str) -> Option<Self> {
        let (absolute, environment) = (absolute(path), process_environment());
        if let Some(text) = kept.strip_prefix(&head(&absolute)) {
            return Some(Self { path: path.to_owned(), text: text.to_owned(), drop_ins: Vec::new(), environment });
        }
        let (list, texts) = kept.strip_prefix(&head_of_several(&absolute))?.strip_prefix("# ")?.split_once('\n')?;
        let (main, list): (usize, Vec<(String, usize)>) = serde_json::from_str(list).ok()?;
        let (text, mut rest) = texts.split_at_checked(main)?;
        let mut drop_ins = Vec::new();
        for (name, bytes) in list {
            let (text, behind) = rest.split_at_checked(bytes)?;
            drop_ins.push(DropIn { path: drop_ins::directory(path).join(name), text: text.to_owned() });
            rest = behind;
        }
        rest.is_empty().then(|| Self { path: path.to_owned(), text: text.to_owned(), drop_ins, environment })
    }

    /// The last text of the file `path` that worked, with the process's environment; `None` if none is kept.
    pub fn last_good(path: &Path) -> Option<Self> {
        Self::kept(path, &read(path)?)
    }
}

fn read(path: &Path) -> Option<String> {
    let most = budget::CONFIGURATION + head_of_several(Path::new("")).len() as u64 + 4096 + MAX_LIST;
    let file = file(path);
    directories::state().iter().find_map(|directory| files::read_text(&directory.join(&file), most).ok())
}

fn absolute(path: &Path) -> std::path::PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(path: &Path, drop_ins: &[(&str, &str)]) -> Sources {
        let drop_in = |(name, text): &(&str, &str)| DropIn {
            path: drop_ins::directory(path).join(name),
            text: (*text).to_owned(),
        };
        let drop_ins = drop_ins.iter().map(drop_in).collect();
        Sources { path: path.to_owned(), text: "# é\n[camera]\n".into(), drop_ins, environment: Vec::new() }
    }

    #[test]
    fn what_is_kept_is_read_again_file_by_file_and_only_for_its_own_path() {
        let path = Path::new("/etc/glimpsed/glimpsed.toml");
        let several = [("10-a.toml", "a = 'é'"), ("20 \"b\".toml", ""), ("30.toml", "# x\n")];
        for drop_ins in [&several[..], &[]] {
            let sources = with(path, drop_ins);
            let kept = sources.to_keep();
            let read = Sources::kept(path, &kept).expect("whole");
            assert!(read.says_the_same_as(&sources), "{read:?}");
            assert!(Sources::kept(Path::new("/etc/other.toml"), &kept).is_none());
        }
        let kept = with(path, &several).to_keep();
        assert!(!kept.starts_with(&head(path)), "an older version does not take it for one file");
        assert!(Sources::kept(path, &kept[..kept.len() - 1]).is_none(), "a part of it is none");
    }
}
