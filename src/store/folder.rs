//! The data folder: lock, mark of an unfinished run, and the signed list of file digests.
//!
//! The seal is what lets `verify` name a changed byte anywhere, including in parts of files that no
//! record covers. It is written at the end of each run; a run that died leaves the mark instead,
//! and then every record is verified again before work goes on.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::domain::Digest;

use super::StoreError;
use super::evidence::{DATABASE, LEDGER};

const LOCK: &str = "lock";
const MARK: &str = "unsealed";
const SEAL: &str = "seal";
/// How a half-written file of [`write_atomic`] begins.
const LEFTOVER: &str = ".memgate-tmp-";

/// What a caller wants from the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads: other readers may be there.
    Read,
    /// Writes: alone.
    Write,
}

/// One difference between the folder and its seal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// The seal itself is missing, malformed or not signed by the gate's key.
    Seal(&'static str),
    /// A file whose bytes differ.
    Changed(String),
    /// A file that is gone.
    Gone(String),
    /// A file that nobody sealed.
    Added(String),
    /// The last run did not finish; the folder is verified record by record instead.
    Unfinished,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seal(problem) => write!(f, "the seal {problem}"),
            Self::Changed(file) => write!(f, "{} was changed", file.escape_default()),
            Self::Gone(file) => write!(f, "{} is gone", file.escape_default()),
            Self::Added(file) => write!(f, "{} was added", file.escape_default()),
            Self::Unfinished => write!(f, "the last run did not finish"),
        }
    }
}

/// A locked data folder.
#[derive(Debug)]
pub struct DataFolder {
    root: PathBuf,
    // Held for its advisory lock; released when the process ends, however it ends.
    lock: File,
    access: Access,
    was_unfinished: bool,
}

/// As for the log: a child that was just started may still have the file open.
impl Drop for DataFolder {
    fn drop(&mut self) {
        let _ = self.lock.unlock();
    }
}

impl DataFolder {
    /// True when there is one, whole or not.
    pub fn exists(root: &Path) -> bool {
        root.join(SEAL).exists() || root.join(LOCK).exists()
    }

    /// Creates the folder, owner-only.
    ///
    /// # Errors
    /// Refused when it holds a data folder already; unavailable when it cannot be written.
    pub fn create(root: &Path) -> Result<Self, StoreError> {
        if Self::exists(root) {
            return Err(StoreError::Exists { folder: root.to_owned() });
        }
        create_private_dir(root)?;
        create_private_file(&root.join(LOCK))?;
        Self::open(root, Access::Write)
    }

    /// Opens and locks an existing folder. `Write` also leaves the mark that [`DataFolder::seal`] removes.
    ///
    /// # Errors
    /// Refused when there is none; unavailable when another process holds it.
    pub fn open(root: &Path, access: Access) -> Result<Self, StoreError> {
        let folder = Self::open_unmarked(root, access)?;
        folder.mark()?;
        Ok(folder)
    }

    /// Opens and locks an existing folder and changes nothing in it: what is compared with the seal now, and
    /// refused, is refused again the next time.
    ///
    /// # Errors
    /// As [`DataFolder::open`].
    pub fn open_unmarked(root: &Path, access: Access) -> Result<Self, StoreError> {
        let lock_path = root.join(LOCK);
        let lock = OpenOptions::new().read(true).open(&lock_path).map_err(|source| {
            if source.kind() == std::io::ErrorKind::NotFound {
                StoreError::Missing { folder: root.to_owned() }
            } else {
                StoreError::Io { verb: "open", path: lock_path.clone(), source }
            }
        })?;
        let locked = match access {
            Access::Read => lock.try_lock_shared(),
            Access::Write => lock.try_lock(),
        };
        match locked {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Busy { folder: root.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(StoreError::Io { verb: "lock", path: lock_path, source }),
        }
        let was_unfinished = root.join(MARK).exists();
        Ok(Self { root: root.to_owned(), lock, access, was_unfinished })
    }

    /// Leaves the mark of a run that writes. It is on disk before anything else changes.
    ///
    /// # Errors
    /// Unavailable when it cannot be written.
    pub fn mark(&self) -> Result<(), StoreError> {
        if self.access == Access::Read || self.was_unfinished {
            return Ok(());
        }
        let mark = self.root.join(MARK);
        let file = File::create(&mark).map_err(StoreError::io("create", &mark))?;
        file.sync_all().map_err(StoreError::io("sync", &mark))?;
        sync_dir(&self.root)
    }

    /// Leaves the mark of a run that did not end in a copy of a folder in use: nothing in it is believed for its seal.
    ///
    /// # Errors
    /// Unavailable when it cannot be written.
    pub fn mark_copy(root: &Path) -> Result<(), StoreError> {
        create_private_file(&root.join(MARK))
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// True when an earlier run died before it sealed the folder.
    pub const fn was_unfinished(&self) -> bool {
        self.was_unfinished
    }

    /// The text that gets signed: one line per file, sorted by path.
    ///
    /// # Errors
    /// Unavailable when a file cannot be read; refused for links and other odd files.
    pub fn inventory(&self) -> Result<String, StoreError> {
        let mut text = String::from("memgate-seal/1\n");
        for (name, digest) in self.files()? {
            text.push_str(&format!("{digest} {}\n", name.escape_default()));
        }
        Ok(text)
    }

    fn files(&self) -> Result<BTreeMap<String, Digest>, StoreError> {
        let mut files = BTreeMap::new();
        for entry in walkdir::WalkDir::new(&self.root).follow_links(false) {
            let entry = entry.map_err(|e| StoreError::Io {
                verb: "list",
                path: self.root.clone(),
                source: e.into_io_error().unwrap_or_else(|| std::io::Error::other("a loop of links")),
            })?;
            let name = entry.path().strip_prefix(&self.root).unwrap_or(entry.path()).to_string_lossy().into_owned();
            if entry.file_type().is_dir() || matches!(name.as_str(), MARK | SEAL) {
                continue;
            }
            let digest = if entry.file_type().is_file() {
                Digest::of(fs::read(entry.path()).map_err(StoreError::io("read", entry.path()))?)
            } else {
                Digest::of(b"not a plain file")
            };
            files.insert(name, digest);
        }
        Ok(files)
    }

    /// Writes the seal (`inventory` signed by `sign`) and takes the mark away.
    ///
    /// # Errors
    /// Unavailable when it cannot be written; the mark then stays.
    pub fn seal<E: From<StoreError>>(&self, sign: impl FnOnce(&str) -> Result<Vec<u8>, E>) -> Result<(), E> {
        if self.access != Access::Write {
            return Ok(());
        }
        let bytes = sign(&self.inventory()?)?;
        write_atomic(&self.root.join(SEAL), &bytes)?;
        let mark = self.root.join(MARK);
        if mark.exists() {
            fs::remove_file(&mark).map_err(StoreError::io("remove", &mark))?;
        }
        sync_dir(&self.root)?;
        Ok(())
    }

    /// Compares the folder with its seal. `open` checks the signature and returns the sealed inventory.
    ///
    /// After a run that died only what runs write may differ: the mark must not be a way to change keys,
    /// trust or settings unseen.
    ///
    /// # Errors
    /// Unavailable when files cannot be read. Differences are not errors here.
    pub fn compare(
        &self,
        open: impl FnOnce(&[u8]) -> Result<String, &'static str>,
    ) -> Result<Vec<Difference>, StoreError> {
        let mut differences = self.differences(open)?;
        if self.was_unfinished {
            let written =
                |name: &str| [DATABASE, LEDGER].iter().any(|file| name.starts_with(file)) || name.starts_with(LEFTOVER);
            differences.retain(|difference| match difference {
                Difference::Changed(name) | Difference::Gone(name) | Difference::Added(name) => !written(name),
                Difference::Seal(_) | Difference::Unfinished => true,
            });
            differences.insert(0, Difference::Unfinished);
        }
        Ok(differences)
    }

    fn differences(
        &self,
        open: impl FnOnce(&[u8]) -> Result<String, &'static str>,
    ) -> Result<Vec<Difference>, StoreError> {
        let path = self.root.join(SEAL);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(vec![Difference::Seal("is missing")]),
            Err(source) => return Err(StoreError::Io { verb: "read", path, source }),
        };
        let sealed = match open(&bytes) {
            Ok(text) => text,
            Err(problem) => return Ok(vec![Difference::Seal(problem)]),
        };
        let mut lines = sealed.lines();
        if lines.next() != Some("memgate-seal/1") {
            return Ok(vec![Difference::Seal("has another form")]);
        }
        let expected: BTreeMap<String, String> = lines
            .filter_map(|line| line.split_once(' '))
            .map(|(digest, name)| (name.to_owned(), digest.to_owned()))
            .collect();
        let actual: BTreeMap<String, String> =
            self.files()?.into_iter().map(|(name, digest)| (name.escape_default().to_string(), digest.hex())).collect();
        let mut differences = Vec::new();
        for (name, digest) in &expected {
            match actual.get(name) {
                None => differences.push(Difference::Gone(name.clone())),
                Some(found) if found != digest => differences.push(Difference::Changed(name.clone())),
                Some(_) => {}
            }
        }
        differences.extend(actual.keys().filter(|name| !expected.contains_key(*name)).cloned().map(Difference::Added));
        Ok(differences)
    }
}

/// A folder only its owner can enter.
///
/// # Errors
/// Unavailable when it cannot be made.
pub fn create_private_dir(path: &Path) -> Result<(), StoreError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path).map_err(StoreError::io("create", path))
}

/// Makes an empty file that only its owner can read, unless there is one.
///
/// # Errors
/// Unavailable when it cannot be made.
pub fn create_private_file(path: &Path) -> Result<(), StoreError> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path).map(drop).map_err(StoreError::io("create", path))
}

/// Replaces a file: a reader sees the old bytes or the new ones, never a mix. Owner-only.
///
/// # Errors
/// Unavailable when the disk refuses; the old file then stays.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file =
        tempfile::Builder::new().prefix(LEFTOVER).tempfile_in(folder).map_err(StoreError::io("write in", folder))?;
    file.write_all(bytes).map_err(StoreError::io("write", path))?;
    file.as_file().sync_all().map_err(StoreError::io("sync", path))?;
    file.persist(path).map_err(|e| StoreError::Io { verb: "replace", path: path.to_owned(), source: e.error })?;
    sync_dir(folder)
}

pub(crate) fn sync_dir(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(StoreError::io("sync", path))
}
