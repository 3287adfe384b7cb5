//! Copies of a whole server, or of one data folder: made while it runs, checked file by file when it comes back.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::domain::{Digest, Timestamp};
use crate::firewall::{Env, Firewall, Outside};
use crate::store::server::Table;
use crate::store::{DataFolder, ServerDb, StoreError, copy, folder};

use super::stores::HIDDEN;
use super::{SERVER_DB, STORES, Service, ServiceError, now};

/// The list of files of a backup.
const LIST: &str = "backup.json";
const SCHEMA: &str = "memgate/backup/1";
/// Files of a server's folder beside its database and stores.
const SETTINGS: &[&str] = &["server.toml"];

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    schema: String,
    /// When it was made.
    pub made: Timestamp,
    /// True for a server's folder, false for one data folder.
    pub server: bool,
    /// The stores in it.
    pub stores: Vec<String>,
    /// Every file with its digest.
    pub files: BTreeMap<String, Digest>,
}

fn refused(message: impl Into<String>) -> ServiceError {
    ServiceError::Conflict { message: message.into() }
}

fn digests(root: &Path) -> Result<BTreeMap<String, Digest>, ServiceError> {
    let mut all = BTreeMap::new();
    for entry in walkdir::WalkDir::new(root).follow_links(false) {
        let entry = entry.map_err(|_| ServiceError::Unavailable { why: "the copy cannot be listed" })?;
        let name = entry.path().strip_prefix(root).unwrap_or(entry.path()).to_string_lossy().replace('\\', "/");
        if entry.file_type().is_dir() || name == LIST {
            continue;
        }
        if !entry.file_type().is_file() {
            return Err(refused("the backup holds something that is neither a file nor a folder"));
        }
        all.insert(name, Digest::of(fs::read(entry.path()).map_err(StoreError::io("read", entry.path()))?));
    }
    Ok(all)
}

/// Copies a server's folder, or one data folder, to a new folder. The server may run.
///
/// The copy holds the private keys: whoever has it can sign.
///
/// # Errors
/// Refused when there is nothing to copy or the target exists; unavailable disk.
pub fn backup(root: &Path, to: &Path) -> Result<Backup, ServiceError> {
    if to.exists() {
        return Err(StoreError::Exists { folder: to.to_owned() }.into());
    }
    let server = Service::exists(root);
    if !server && !DataFolder::exists(root) {
        return Err(StoreError::Missing { folder: root.to_owned() }.into());
    }
    // Beside its place first: a backup that was cut off is never taken for one.
    let name = to.file_name().ok_or_else(|| refused("the target has no name"))?.to_string_lossy().into_owned();
    let partial = to.with_file_name(format!(".{name}.partial"));
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(StoreError::io("remove", &partial))?;
    }
    let mut stores = Vec::new();
    if server {
        folder::create_private_dir(&partial.join(STORES))?;
        // First what names the stores: one that is made meanwhile is not in it, and nobody looks for it.
        copy::database(&root.join(SERVER_DB), &partial.join(SERVER_DB))?;
        let db = ServerDb::open(&partial.join(SERVER_DB))?;
        for row in db.all(Table::MemoryStore)? {
            // Not whole yet, or not any more.
            if row.state == HIDDEN {
                db.remove(Table::MemoryStore, &row.workspace, &row.id)?;
                continue;
            }
            match copy::data_folder(&root.join(STORES).join(&row.id), &partial.join(STORES).join(&row.id)) {
                Ok(()) => stores.push(row.id),
                // Deleted since: the copy forgets it, too.
                Err(StoreError::Missing { .. }) => {
                    db.remove(Table::MemoryStore, &row.workspace, &row.id)?;
                    let half = partial.join(STORES).join(&row.id);
                    fs::remove_dir_all(&half).map_err(StoreError::io("remove", &half))?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        db.checkpoint()?;
        drop(db);
        for file in SETTINGS.iter().filter(|file| root.join(file).exists()) {
            fs::copy(root.join(file), partial.join(file)).map_err(StoreError::io("copy", root.join(file)))?;
        }
    } else {
        copy::data_folder(root, &partial)?;
    }
    let list = Backup { schema: SCHEMA.to_owned(), made: now(), server, stores, files: digests(&partial)? };
    let text = serde_json::to_vec_pretty(&list).map_err(|_| ServiceError::Bug { what: "a list does not encode" })?;
    folder::write_atomic(&partial.join(LIST), &text)?;
    fs::rename(&partial, to).map_err(StoreError::io("rename", &partial))?;
    Ok(list)
}

/// Brings a backup back to a new folder, and seals every store anew, for which encrypted keys need their passphrase.
/// Answers the data folders to verify.
///
/// # Errors
/// Refused when the target exists or a file of the backup is not what was backed up.
pub fn restore(from: &Path, to: &Path, outside: &Outside) -> Result<(Backup, Vec<PathBuf>), ServiceError> {
    if to.exists() {
        return Err(StoreError::Exists { folder: to.to_owned() }.into());
    }
    let path = from.join(LIST);
    let text = fs::read(&path).map_err(StoreError::io("read", &path))?;
    let list: Backup = serde_json::from_slice(&text).map_err(|_| refused("backup.json does not read"))?;
    if list.schema != SCHEMA {
        return Err(refused("the backup has another form"));
    }
    // The list is a file that somebody brought: an id that is a path would be opened outside.
    if !list.stores.iter().all(|id| super::ids::is_lawful(id)) {
        return Err(refused("the backup names a store that cannot be one"));
    }
    let found = digests(from)?;
    let differs = |name: &&String| found.get(*name) != list.files.get(*name);
    if let Some(name) = list.files.keys().chain(found.keys()).find(differs) {
        return Err(refused(format!("the backup is damaged: {} is not what was backed up", name.escape_debug())));
    }
    let name = to.file_name().ok_or_else(|| refused("the target has no name"))?.to_string_lossy().into_owned();
    let partial = to.with_file_name(format!(".{name}.partial"));
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(StoreError::io("remove", &partial))?;
    }
    folder::create_private_dir(&partial)?;
    for name in list.files.keys() {
        let target = partial.join(name);
        folder::create_private_dir(target.parent().unwrap_or(&partial))?;
        fs::copy(from.join(name), &target).map_err(StoreError::io("copy", &target))?;
    }
    let ids: Vec<PathBuf> = match list.server {
        true => list.stores.iter().map(|id| Path::new(STORES).join(id)).collect(),
        false => vec![PathBuf::new()],
    };
    for id in &ids {
        // Finishes what was on its way when the copy was made, and seals.
        let env = Env { outside: outside.clone(), ..Env::system() };
        Firewall::open(&partial.join(id), env)?.close()?;
    }
    fs::rename(&partial, to).map_err(StoreError::io("rename", &partial))?;
    Ok((list, ids.into_iter().map(|id| to.join(id)).collect()))
}

/// The data folders of a server, sorted, with what is wrong with its own database.
///
/// # Errors
/// Unavailable database or disk.
pub fn parts(root: &Path) -> Result<(Vec<PathBuf>, Vec<String>), ServiceError> {
    let problems = copy::check_server(&root.join(SERVER_DB))?;
    let mut stores = Vec::new();
    if problems.is_empty() {
        let db = ServerDb::open(&root.join(SERVER_DB))?;
        stores = db.all(Table::MemoryStore)?.iter().map(|row| root.join(STORES).join(&row.id)).collect();
        stores.sort();
    }
    Ok((stores, problems))
}
