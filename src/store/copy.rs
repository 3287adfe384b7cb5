//! A copy of a data folder, also while another process writes to it.
//!
//! A folder that nobody writes to is copied byte for byte, seal and all. Of one in use the database is copied as of one
//! moment, and the log as its checkpoint said at that moment: files of the log only grow, so that an older end of it can
//! be cut from newer files. The two together are a state that a crash could have left, which opening finishes. Nobody
//! who writes has to wait.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags};

use crate::ledger::writer::CHECKPOINTS;
use crate::ledger::{LedgerError, LogStorage as _, Note, StorageError, files_at};

use super::evidence::{self, DATABASE, LEDGER};
use super::folder::{Access, DataFolder, create_private_dir};
use super::{ServerDb, StoreError};

/// How often a moment is looked for at which the log was not being laid out.
const TRIES: usize = 1_000;

/// Copies a data folder. `to` must not exist.
///
/// # Errors
/// Refused when there is no data folder or `to` exists; unavailable when the disk refuses.
pub fn data_folder(data: &Path, to: &Path) -> Result<(), StoreError> {
    if to.exists() {
        return Err(StoreError::Exists { folder: to.to_owned() });
    }
    create_private_dir(to)?;
    match DataFolder::open_unmarked(data, Access::Read) {
        Ok(_alone) => copy_tree(data, to, &|_| true).map(drop),
        Err(StoreError::Busy { .. }) => live(data, to).map_err(|error| {
            // Deleted meanwhile: whatever step failed of it.
            let is_there = DataFolder::exists(data) && data.join(DATABASE).exists();
            if is_there { error } else { StoreError::Missing { folder: data.to_owned() } }
        }),
        Err(error) => Err(error),
    }
}

/// Copies a whole SQLite database as of one moment, however many write to it.
///
/// # Errors
/// Unavailable database or disk.
pub fn database(from: &Path, to: &Path) -> Result<(), StoreError> {
    let connection = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(Duration::from_secs(30))?;
    super::folder::create_private_file(to)?;
    // An empty file is what VACUUM INTO may write to.
    connection.execute("VACUUM INTO ?1", [to.to_string_lossy()])?;
    fs::File::open(to).and_then(|file| file.sync_all()).map_err(StoreError::io("sync", to))
}

/// SQLite's own structure check of a server's database: every problem it names.
///
/// # Errors
/// Unavailable when the check cannot run.
pub fn check_server(path: &Path) -> Result<Vec<String>, StoreError> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let mut statement = connection.prepare("PRAGMA integrity_check(20)")?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    drop(statement);
    drop(connection);
    let lines: Vec<String> = rows.into_iter().filter(|line| line != "ok").collect();
    if lines.is_empty() {
        // Opening checks the layout.
        ServerDb::open(path)?;
    }
    Ok(lines)
}

fn live(data: &Path, to: &Path) -> Result<(), StoreError> {
    // Settings, keys and trust do not change while a writer has the folder. Its end may seal it anew meanwhile: the copy
    // is judged record by record.
    let apart = |name: &Path| name.starts_with(LEDGER) || name.to_string_lossy().starts_with(DATABASE);
    copy_tree(data, to, &|name| !apart(name))?;
    DataFolder::mark_copy(to)?;
    let source = Connection::open_with_flags(data.join(DATABASE), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    source.busy_timeout(Duration::from_secs(30))?;
    let checkpoint = moment(&source, data)?;
    let target = to.join(DATABASE);
    super::folder::create_private_file(&target)?;
    let mut copy = Connection::open(&target)?;
    Backup::new(&source, &mut copy)?.run_to_completion(i32::MAX, Duration::ZERO, None)?;
    source.execute_batch("COMMIT")?;
    drop(copy);
    log_at(data, to, checkpoint.as_deref())
}

/// Begins a transaction that sees the database of one moment, and gives the log's checkpoint of that moment.
fn moment(source: &Connection, data: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    let log = evidence::log_folder(data);
    for _ in 0..TRIES {
        let before = log.published().map_err(LedgerError::from)?;
        // The first thing that is read fixes what the transaction sees.
        source.execute_batch("BEGIN; SELECT count(*) FROM version;")?;
        if log.published().map_err(LedgerError::from)? == before {
            return Ok(before);
        }
        source.execute_batch("COMMIT")?;
    }
    Err(StoreError::Busy { folder: data.to_owned() })
}

/// The log as it was under a checkpoint. What the database took in beyond it is laid out when the copy is opened.
fn log_at(data: &Path, to: &Path, checkpoint: Option<&[u8]>) -> Result<(), StoreError> {
    let folder = to.join(LEDGER);
    let (log, state) = (folder.join("log"), folder.join("state"));
    create_private_dir(&log)?;
    create_private_dir(&state)?;
    let Some(checkpoint) = checkpoint else { return Ok(()) };
    let size = Note::parse(checkpoint)?.dangerous_unverified_body().size;
    let mut write = |path: &str, bytes: &[u8]| {
        let path = log.join(path);
        let parent = path.parent().unwrap_or(&log);
        let done = fs::create_dir_all(parent).and_then(|()| fs::write(&path, bytes));
        done.map_err(|source| StorageError {
            step: "write",
            file: path.display().to_string(),
            source: Box::new(source),
        })
    };
    files_at(&evidence::log_folder(data), size, &mut write)?;
    // Older checkpoints that were kept; one that is newer belongs to what is cut off.
    let kept = data.join(LEDGER).join("log").join(CHECKPOINTS);
    for path in if kept.is_dir() { files(&kept)? } else { Vec::new() } {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.parse::<u64>().is_ok_and(|at| at <= size) {
            let bytes = fs::read(&path).map_err(StoreError::io("read", &path))?;
            write(&format!("{CHECKPOINTS}/{name}"), &bytes).map_err(LedgerError::from)?;
        }
    }
    write("checkpoint", checkpoint).map_err(LedgerError::from)?;
    fs::write(state.join("head"), checkpoint).map_err(StoreError::io("write", state.join("head")))
}

fn files(root: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut all = Vec::new();
    for entry in walkdir::WalkDir::new(root).follow_links(false).sort_by_file_name() {
        match entry {
            Ok(entry) if entry.file_type().is_file() => all.push(entry.into_path()),
            Ok(entry) if entry.file_type().is_dir() => {}
            Ok(entry) => {
                let source = std::io::Error::other("neither a file nor a folder");
                return Err(StoreError::Io { verb: "copy", path: entry.into_path(), source });
            }
            // Gone since it was listed, e.g. a partial tile that was filled.
            Err(error) if error.io_error().is_some_and(|e| e.kind() == std::io::ErrorKind::NotFound) => {}
            Err(error) => {
                let source = error.into_io_error().unwrap_or_else(|| std::io::Error::other("a loop of links"));
                return Err(StoreError::Io { verb: "list", path: root.to_owned(), source });
            }
        }
    }
    Ok(all)
}

/// Copies the files that are wanted. False when one of them went away meanwhile.
fn copy_tree(from: &Path, to: &Path, wanted: &dyn Fn(&Path) -> bool) -> Result<bool, StoreError> {
    let mut whole = true;
    for path in files(from)? {
        let name = path.strip_prefix(from).unwrap_or(&path);
        let last = name.file_name().unwrap_or_default().to_string_lossy();
        if !wanted(name) || last.starts_with(".new-") || last.starts_with(".memgate-tmp-") {
            continue;
        }
        let target = to.join(name);
        create_private_dir(target.parent().unwrap_or(to))?;
        match fs::copy(&path, &target) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => whole = false,
            Err(source) => return Err(StoreError::Io { verb: "copy", path, source }),
        }
    }
    Ok(whole)
}
