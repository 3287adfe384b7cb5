//! A copy of a data folder, also while another process writes to it.
//!
//! A folder that nobody writes to is copied byte for byte, seal and all. The database of one in use is its writer's
//! alone, so that such a folder is copied again until nothing changed meanwhile: what is copied is then a state that a
//! crash could have left, which opening finishes. A store that is written to without a pause answers that it is busy.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OpenFlags};

use super::evidence::{DATABASE, LEDGER};
use super::folder::{Access, DataFolder, create_private_dir};
use super::{ServerDb, StoreError};

/// How often the log is copied until it did not change meanwhile.
const TRIES: usize = 50;

/// Copies a data folder. `to` must not exist.
///
/// # Errors
/// Refused when there is no data folder or `to` exists; unavailable when the disk refuses or the folder does not come
/// to rest.
pub fn data_folder(data: &Path, to: &Path) -> Result<(), StoreError> {
    if to.exists() {
        return Err(StoreError::Exists { folder: to.to_owned() });
    }
    create_private_dir(to)?;
    match DataFolder::open_unmarked(data, Access::Read) {
        Ok(_alone) => copy_tree(data, to, &|_| true).map(drop),
        Err(StoreError::Busy { .. }) => live(data, to),
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
    // Most of a long log is full tiles, which never change: they are copied before anybody has to wait.
    let tiles = Path::new(LEDGER).join("log").join("tile");
    let is_full_tile = |name: &Path| name.starts_with(&tiles) && !name.to_string_lossy().contains(".p/");
    copy_tree(data, to, &is_full_tile)?;
    for _ in 0..TRIES {
        let before = resting(data);
        let whole = copy_tree(data, to, &|name| !(is_full_tile(name) && to.join(name).exists()))?;
        if whole && resting(data) == before {
            return Ok(());
        }
        // What was copied of a state in between must not stay beside the next.
        remove_changing(to)?;
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(StoreError::Busy { folder: data.to_owned() })
}

/// Contents of the log's state files; length and time of the database's.
type Resting = (Vec<Option<Vec<u8>>>, Vec<Option<(u64, Option<SystemTime>)>>);

/// What changes whenever somebody writes: the log's state, and length and time of the database's files.
fn resting(data: &Path) -> Resting {
    let ledger = data.join(LEDGER);
    let log =
        ["state/head", "state/wal", "log/checkpoint"].iter().map(|name| fs::read(ledger.join(name)).ok()).collect();
    let stat = |end: &&str| {
        let file = fs::metadata(data.join(format!("{DATABASE}{end}"))).ok()?;
        Some((file.len(), file.modified().ok()))
    };
    (log, ["", "-wal", "-journal"].iter().map(stat).collect())
}

/// Everything but full tiles.
fn remove_changing(to: &Path) -> Result<(), StoreError> {
    for path in files(to)? {
        let text = path.to_string_lossy();
        if text.contains(".p/") || !text.contains("/tile/") {
            fs::remove_file(&path).map_err(StoreError::io("remove", &path))?;
        }
    }
    Ok(())
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
