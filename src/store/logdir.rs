//! One log in one folder: `log/` is public and immutable but for `checkpoint`; `state/` is the writer's own.
//!
//! The head record is a small file that is replaced atomically under the writer's lock, not a database row: it must
//! never travel with a database backup (an old record would let the writer sign a second history), it needs one
//! compare-and-swap, and a person can read it.
#![expect(clippy::disallowed_methods, reason = "this is the one place that reads and writes log files")]

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use crate::ledger::{LogStorage, StorageError};

/// A log's folder, open for reading or (with the lock held) for writing.
#[derive(Debug)]
pub struct LogDir {
    log: PathBuf,
    state: PathBuf,
    /// Held for the life of a writer.
    lock: Option<File>,
    /// True for a copy of the public files alone: its checkpoint is then also its head.
    public_only: bool,
}

fn failed(step: &'static str, file: impl Into<String>) -> impl FnOnce(std::io::Error) -> StorageError {
    let file = file.into();
    move |source| StorageError { step, file, source: Box::new(source) }
}

fn refused(step: &'static str, file: &str, why: &'static str) -> StorageError {
    StorageError { step, file: file.to_owned(), source: why.into() }
}

/// A child of this process may have the file open for a moment after it was started: closing alone would then leave the
/// log locked.
impl Drop for LogDir {
    fn drop(&mut self) {
        if let Some(lock) = &self.lock {
            let _ = lock.unlock();
        }
    }
}

impl LogDir {
    /// Opens for writing and creates the folders; a second writer is refused.
    ///
    /// Errors: unavailable, also when another process holds the lock.
    pub fn create(folder: &Path) -> Result<Self, StorageError> {
        let (log, state) = (folder.join("log"), folder.join("state"));
        fs::create_dir_all(&log).map_err(failed("create", "log"))?;
        fs::create_dir_all(&state).map_err(failed("create", "state"))?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(state.join("lock"));
        let lock = lock.map_err(failed("open", "state/lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(refused("lock", "state/lock", "another process is writing this log"));
            }
            Err(TryLockError::Error(error)) => return Err(failed("lock", "state/lock")(error)),
        }
        sync_dir(folder, "log")?;
        let dir = Self { log, state, lock: Some(lock), public_only: false };
        dir.remove_leftovers()?;
        Ok(dir)
    }
    /// Opens for reading only; takes no lock and creates nothing.
    pub fn read_only(folder: &Path) -> Self {
        Self { log: folder.join("log"), state: folder.join("state"), lock: None, public_only: false }
    }
    /// A log's public files somewhere else, without a writer's state; for reading only.
    pub fn public_only(log: &Path) -> Self {
        Self { log: log.to_owned(), state: PathBuf::new(), lock: None, public_only: true }
    }
    /// The public folder, which any web server can serve.
    pub fn public(&self) -> &Path {
        &self.log
    }

    fn check_writer(&self, file: &str) -> Result<(), StorageError> {
        if self.lock.is_some() { Ok(()) } else { Err(refused("write", file, "the log is open for reading only")) }
    }
    /// Temporary files of a crashed writer: never part of the log, so they may go.
    fn remove_leftovers(&self) -> Result<(), StorageError> {
        for root in [&self.log, &self.state] {
            for item in walkdir::WalkDir::new(root).into_iter().filter_map(Result::ok) {
                let name = item.file_name().to_string_lossy();
                if item.file_type().is_file() && name.starts_with(".new-") {
                    fs::remove_file(item.path()).map_err(failed("remove", name.as_ref()))?;
                }
            }
        }
        Ok(())
    }
    /// Temporary file in the same folder, sync, rename, sync of the folder.
    fn replace(root: &Path, path: &str, bytes: &[u8], fresh: bool) -> Result<(), StorageError> {
        let target = root.join(path);
        let parent = target.parent().unwrap_or(root);
        if !parent.is_dir() {
            fs::create_dir_all(parent).map_err(failed("create the folder of", path))?;
            // Each new folder's name must survive, too.
            for folder in parent.ancestors().take_while(|folder| folder.starts_with(root)) {
                sync_dir(folder, path)?;
            }
        }
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(parent).map_err(failed("create", path))?;
        file.write_all(bytes).map_err(failed("write", path))?;
        make_readable(file.as_file(), path)?;
        file.as_file().sync_all().map_err(failed("sync", path))?;
        let renamed = if fresh { file.persist_noclobber(&target) } else { file.persist(&target) };
        renamed.map_err(|error| failed("rename", path)(error.error))?;
        sync_dir(parent, path)
    }
}

#[cfg(unix)]
fn make_readable(file: &File, path: &str) -> Result<(), StorageError> {
    use std::os::unix::fs::PermissionsExt as _;
    // Temporary files are owner-only; tiles hold nothing secret and are meant to be served.
    file.set_permissions(fs::Permissions::from_mode(0o644)).map_err(failed("set permissions of", path))
}
#[cfg(not(unix))]
fn make_readable(_: &File, _: &str) -> Result<(), StorageError> {
    Ok(())
}

fn sync_dir(folder: &Path, file: &str) -> Result<(), StorageError> {
    if cfg!(windows) {
        return Ok(());
    }
    File::open(folder).and_then(|dir| dir.sync_all()).map_err(failed("sync the folder of", file))
}

fn read_file(path: &Path, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", name)(error)),
    }
}

impl LogStorage for LogDir {
    fn read_wal(&self) -> Result<Vec<u8>, StorageError> {
        if self.public_only {
            return Ok(Vec::new());
        }
        Ok(read_file(&self.state.join("wal"), "state/wal")?.unwrap_or_default())
    }
    fn append_wal(&mut self, record: &[u8]) -> Result<(), StorageError> {
        self.check_writer("state/wal")?;
        let path = self.state.join("wal");
        let is_new = !path.exists();
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let mut file = file.map_err(failed("open", "state/wal"))?;
        file.write_all(record).map_err(failed("write", "state/wal"))?;
        file.sync_data().map_err(failed("sync", "state/wal"))?;
        if is_new { sync_dir(&self.state, "state/wal") } else { Ok(()) }
    }
    fn clear_wal(&mut self) -> Result<(), StorageError> {
        self.check_writer("state/wal")?;
        match OpenOptions::new().write(true).open(self.state.join("wal")) {
            Ok(file) if file.metadata().is_ok_and(|data| data.len() == 0) => Ok(()),
            // Not synced: a batch that is found here again is known by its place, and left out.
            Ok(file) => file.set_len(0).map_err(failed("truncate", "state/wal")),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed("open", "state/wal")(error)),
        }
    }
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StorageError> {
        read_file(&self.log.join(path), path)
    }
    fn write_new(&mut self, path: &str, bytes: &[u8]) -> Result<(), StorageError> {
        self.check_writer(path)?;
        match self.read(path)? {
            // It may have been renamed but not synced when an earlier run stopped.
            Some(found) if found == bytes => sync_dir(self.log.join(path).parent().unwrap_or(&self.log), path),
            Some(_) => Err(refused("write", path, "the file exists with other bytes and is never rewritten")),
            None => Self::replace(&self.log, path, bytes, true),
        }
    }
    fn remove_partial(&mut self, path: &str) -> Result<(), StorageError> {
        self.check_writer(path)?;
        if !path.contains(".p/") {
            return Err(refused("remove", path, "only partial tiles are ever removed"));
        }
        match fs::remove_file(self.log.join(path)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("remove", path)(error)),
            _ => Ok(()),
        }
    }
    fn list(&self) -> Result<Vec<String>, StorageError> {
        let root = self.log.join("tile");
        let mut files = Vec::new();
        if !root.is_dir() {
            return Ok(files);
        }
        for item in walkdir::WalkDir::new(&root).follow_links(false) {
            let item = item.map_err(|error| failed("list", "tile")(error.into()))?;
            if !item.file_type().is_dir() {
                let path = item.path().strip_prefix(&self.log).unwrap_or(item.path());
                let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
                files.push(parts.join("/"));
            }
        }
        files.sort();
        Ok(files)
    }
    fn head(&self) -> Result<Option<Vec<u8>>, StorageError> {
        if self.public_only {
            return self.published();
        }
        read_file(&self.state.join("head"), "state/head")
    }
    fn swap_head(&mut self, expected: Option<&[u8]>, new: &[u8]) -> Result<bool, StorageError> {
        self.check_writer("state/head")?;
        if self.head()?.as_deref() != expected {
            return Ok(false);
        }
        Self::replace(&self.state, "head", new, expected.is_none())?;
        Ok(true)
    }
    fn publish(&mut self, checkpoint: &[u8]) -> Result<(), StorageError> {
        self.check_writer("checkpoint")?;
        Self::replace(&self.log, "checkpoint", checkpoint, false)
    }
    fn published(&self) -> Result<Option<Vec<u8>>, StorageError> {
        read_file(&self.log.join("checkpoint"), "checkpoint")
    }
}
