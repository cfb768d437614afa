//! Detects edits of the configuration file, and of those in `conf.d` beside it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use glimpsed_core::config::{DROP_INS, drop_in_directory};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// Debounce: editors truncate, write in pieces, rename and touch. The file is read once it has been quiet for this
/// long.
const SETTLE: Duration = Duration::from_millis(250);

/// Limit of the debounce, for a file that never becomes quiet.
const MOST_SETTLES: u32 = 20;

/// Watches the file's directory, because most editors replace the file with a new one.
pub(super) struct FileWatch {
    changes: mpsc::Receiver<()>,
    /// A change that was not reported yet.
    pending: bool,
    /// `None` if no watch could be set up.
    watcher: Option<RecommendedWatcher>,
    /// `conf.d`, which need not be there.
    drop_ins: PathBuf,
}

impl FileWatch {
    /// Without a watch (no inotify left) a warning is logged, and `SIGHUP` still works. A configuration that is not a
    /// file is not watched.
    pub(super) fn new(path: &Path) -> Self {
        if !path.is_file() {
            return Self { changes: mpsc::channel(1).1, pending: false, watcher: None, drop_ins: PathBuf::new() };
        }
        if std::fs::read_to_string("/proc/self/mountinfo").is_ok_and(|mounts| is_mounted_alone(path, &mounts)) {
            tracing::warn!(
                file = %path.display(),
                "the configuration is mounted as a single file; an editor that replaces it is not noticed: mount its directory"
            );
        }
        // A capacity of one is enough, because the file is read as a whole.
        let (sender, changes) = mpsc::channel(1);
        let watcher = watch(path, sender).map_err(|error| {
            tracing::warn!(file = %path.display(), %error, "cannot watch the configuration; after an edit, send SIGHUP");
        });
        let drop_ins = std::path::absolute(drop_in_directory(path)).unwrap_or_default();
        let mut watch = Self { changes, pending: false, watcher: watcher.ok(), drop_ins };
        watch.watch_drop_ins();
        watch
    }

    /// Watches the directory that is there now: it may have come, or have taken another's place.
    fn watch_drop_ins(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        let _ = watcher.unwatch(&self.drop_ins);
        if !self.drop_ins.is_dir() {
            return;
        }
        if let Err(error) = watcher.watch(&self.drop_ins, RecursiveMode::NonRecursive) {
            tracing::warn!(file = %self.drop_ins.display(), %error, "cannot watch the configuration; after an edit, send SIGHUP");
        }
    }

    /// Resolves when the file was changed and has been quiet since; never without a watch. Cancellation-safe.
    pub(super) async fn changed(&mut self) {
        if !self.pending && self.changes.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
        self.pending = true;
        for _ in 0..MOST_SETTLES {
            match tokio::time::timeout(SETTLE, self.changes.recv()).await {
                Ok(Some(())) => {}
                Ok(None) | Err(_) => break,
            }
        }
        self.pending = false;
        // Before the files are read, so that what comes afterwards is noticed.
        self.watch_drop_ins();
    }
}

/// Whether the file itself is a place where something is mounted, as containers do: it stays the old file when another takes its name
/// outside. `mounts` is the kernel's list, proc_pid_mountinfo(5).
fn is_mounted_alone(path: &Path, mounts: &str) -> bool {
    let Ok(path) = std::path::absolute(path) else { return false };
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    points.map(Path::new).any(|point| point == path)
}

fn watch(path: &Path, sender: mpsc::Sender<()>) -> notify::Result<RecommendedWatcher> {
    let path = std::path::absolute(path)?;
    let directory = path.parent().unwrap_or(Path::new("/")).to_owned();
    let name = path.file_name().map(PathBuf::from);
    let drop_ins = directory.join(DROP_INS);
    // A symbolic link's target may change without an event under the link's name.
    let is_link = path.is_symlink();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        // Links in `conf.d` may lead to others there, so that any change may be one of a configuration.
        let is_ours =
            |path: &PathBuf| path.file_name() == name.as_deref().map(Path::as_os_str) || path.starts_with(&drop_ins);
        let ours = is_link || event.paths.iter().any(is_ours);
        // Reading the file, as the daemon itself does, is not a change.
        if ours && !matches!(event.kind, EventKind::Access(_)) {
            let _ = sender.try_send(());
        }
    })?;
    watcher.watch(&directory, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Whether exactly one change is reported.
    async fn noticed(watch: &mut FileWatch) -> bool {
        let noticed = tokio::time::timeout(Duration::from_secs(20), watch.changed()).await.is_ok();
        noticed && tokio::time::timeout(Duration::from_millis(600), watch.changed()).await.is_err()
    }

    #[test]
    fn a_file_that_is_mounted_without_its_directory_is_known() {
        let mounts = |point: &str| {
            format!(
                "23 28 0:21 / / rw - ext4 /dev/sda1 rw\n31 23 8:1 /config {point} rw,noatime shared:1 - ext4 /dev/sda1 rw\n"
            )
        };
        let path = Path::new("/etc/glimpsed/glimpsed.toml");
        assert!(is_mounted_alone(path, &mounts("/etc/glimpsed/glimpsed.toml")));
        assert!(!is_mounted_alone(path, &mounts("/etc/glimpsed")));
        assert!(!is_mounted_alone(path, "") && !is_mounted_alone(path, "31 23 8:1"));
    }

    #[tokio::test]
    async fn every_way_of_saving_a_file_is_noticed_once() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("glimpsed.toml");
        fs::write(&path, "").expect("writable");
        let mut watch = FileWatch::new(&path);

        fs::write(&path, "in = \"place\"").expect("writable");
        assert!(noticed(&mut watch).await, "written in place");

        let swap = directory.path().join(".glimpsed.toml.swp");
        fs::write(&swap, "renamed = \"over\"").expect("writable");
        fs::rename(&swap, &path).expect("renamed");
        assert!(noticed(&mut watch).await, "renamed over");

        fs::rename(&path, directory.path().join("glimpsed.toml~")).expect("renamed");
        fs::write(&path, "backup = \"first\"").expect("writable");
        assert!(noticed(&mut watch).await, "moved away and written anew");
    }

    #[tokio::test]
    async fn a_change_is_not_forgotten_by_who_stops_waiting_for_it() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("glimpsed.toml");
        fs::write(&path, "").expect("writable");
        let mut watch = FileWatch::new(&path);
        fs::write(&path, "changed = true").expect("writable");
        for _ in 0..5 {
            let _ = tokio::time::timeout(Duration::from_millis(50), watch.changed()).await;
        }
        assert!(tokio::time::timeout(Duration::from_secs(20), watch.changed()).await.is_ok());
    }

    #[tokio::test]
    async fn other_files_and_reading_are_not_noticed() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("glimpsed.toml");
        fs::write(&path, "").expect("writable");
        let mut watch = FileWatch::new(&path);
        fs::write(directory.path().join("other.toml"), "").expect("writable");
        fs::read(&path).expect("readable");
        assert!(tokio::time::timeout(Duration::from_millis(700), watch.changed()).await.is_err());
    }

    #[tokio::test]
    async fn what_comes_goes_and_is_edited_in_conf_d_is_noticed_also_where_the_directory_comes_later() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (path, beside) = (directory.path().join("glimpsed.toml"), directory.path().join("conf.d"));
        fs::write(&path, "").expect("writable");
        let mut watch = FileWatch::new(&path);
        for round in ["new", "again"] {
            fs::create_dir(&beside).expect("made");
            fs::write(beside.join("1.toml"), "").expect("writable");
            assert!(noticed(&mut watch).await, "{round}: the directory");
            fs::write(beside.join("1.toml"), "edited = true").expect("writable");
            assert!(noticed(&mut watch).await, "{round}: edited");
            fs::write(directory.path().join("prepared"), "moved = true").expect("writable");
            fs::rename(directory.path().join("prepared"), beside.join("2.toml")).expect("renamed");
            assert!(noticed(&mut watch).await, "{round}: renamed into place");
            fs::remove_file(beside.join("2.toml")).expect("removed");
            assert!(noticed(&mut watch).await, "{round}: removed");
            fs::remove_dir_all(&beside).expect("removed");
            assert!(noticed(&mut watch).await, "{round}: the directory is gone");
        }
    }

    #[tokio::test]
    async fn what_a_link_points_to_is_noticed_too() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("glimpsed.toml");
        fs::write(directory.path().join("one"), "1").expect("writable");
        std::os::unix::fs::symlink("one", &path).expect("linked");
        let mut watch = FileWatch::new(&path);
        fs::write(directory.path().join("one"), "2").expect("writable");
        assert!(noticed(&mut watch).await);
    }
}
