//! Reading a log from storage, and finding the damaged file in one that does not verify.

use super::LedgerError;
use super::bundle::{read_entries, write_entry};
use super::checkpoint::{Age, Checkpoint, Note, TlogPolicy};
use super::policy::Trust;
use super::storage::LogStorage;
use super::tree::{TILE_WIDTH, Tile, Tree, entries_path, grown_bundles, leaf_hash};
use super::verify::VerifiedLog;
use crate::domain::Digest;

/// Entries `start..size`, where `start` is a multiple of 256.
pub(crate) fn read_log_entries<S: LogStorage + ?Sized>(
    storage: &S,
    start: u64,
    size: u64,
) -> Result<Vec<Vec<u8>>, LedgerError> {
    let mut entries = Vec::new();
    for (index, width) in grown_bundles(start, size) {
        entries.extend(read_bundle(storage, index, width)?);
    }
    Ok(entries)
}

/// Takes one file: path and bytes.
type EachFile<'a> = dyn FnMut(&str, &[u8]) -> Result<(), super::StorageError> + 'a;

/// The files of a log as it was when it had `size` entries, path and bytes, whatever it has now.
///
/// Errors: refused, [`LedgerError::ReadOnly`], when a file is missing or too short; what `each` says.
pub fn files_at<S: LogStorage + ?Sized>(storage: &S, size: u64, each: &mut EachFile<'_>) -> Result<(), LedgerError> {
    let mut tree = Tree::default();
    for (index, width) in grown_bundles(0, size) {
        let mut bytes = Vec::new();
        for entry in read_bundle(storage, index, width)? {
            write_entry(&entry, &mut bytes);
            tree.push(leaf_hash(&entry));
        }
        each(&entries_path(index, width), &bytes)?;
    }
    for tile in Tile::grown(0, size) {
        each(&tile.path(), &tree.tile(tile).ok_or(LedgerError::Proof { why: "a tile without hashes" })?)?;
    }
    Ok(())
}

/// Hands out the entries from 0 to `size` in order, one bundle in memory at a time.
fn each_entry<S: LogStorage + ?Sized>(
    storage: &S,
    size: u64,
    mut each: impl FnMut(u64, &[u8]) -> Result<(), LedgerError>,
) -> Result<(), LedgerError> {
    for (bundle, width) in grown_bundles(0, size) {
        let entries = read_bundle(storage, bundle, width)?;
        for (entry, index) in entries.iter().zip(bundle.saturating_mul(TILE_WIDTH)..) {
            each(index, entry)?;
        }
    }
    Ok(())
}

/// The public files of a verified log, exactly as large as its checkpoint says, one at a time: entry bundles first, in
/// order, then tiles. `each` gets the path and the bytes.
///
/// Errors: refused, when a bundle is not what was verified; what `each` returns.
pub fn each_public_file<S: LogStorage + ?Sized, E: From<LedgerError>>(
    storage: &S,
    log: &VerifiedLog,
    mut each: impl FnMut(&str, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let size = log.checkpoint().map_or(0, |checkpoint| checkpoint.body().size);
    for (index, width) in grown_bundles(0, size) {
        let entries = read_bundle(storage, index, width)?;
        let start = index.saturating_mul(TILE_WIDTH);
        let mut bytes = Vec::new();
        for (entry, at) in entries.iter().zip(start..) {
            if log.tree().leaf(at) != Some(leaf_hash(entry)) {
                return Err(changed(index).into());
            }
            write_entry(entry, &mut bytes);
        }
        each(&entries_path(index, width), &bytes)?;
    }
    for tile in Tile::grown(0, size) {
        let bytes = log.tree().tile(tile).ok_or(LedgerError::Proof { why: "a tile without hashes" })?;
        each(&tile.path(), &bytes)?;
    }
    Ok(())
}

fn changed(bundle: u64) -> LedgerError {
    LedgerError::ReadOnly { file: entries_path(bundle, TILE_WIDTH as u16), why: "changed while it was read" }
}

/// The first `width` entries of a bundle, from its exact partial form or else the full one.
fn read_bundle<S: LogStorage + ?Sized>(storage: &S, index: u64, width: u16) -> Result<Vec<Vec<u8>>, LedgerError> {
    let mut path = entries_path(index, width);
    let mut bytes = storage.read(&path)?;
    if bytes.is_none() && u64::from(width) < TILE_WIDTH {
        let full = entries_path(index, TILE_WIDTH as u16);
        bytes = storage.read(&full)?;
        if bytes.is_some() {
            path = full;
        }
    }
    let damaged = |why| LedgerError::ReadOnly { file: path.clone(), why };
    let bytes = bytes.ok_or_else(|| damaged("is missing"))?;
    let entries = read_entries(&bytes).ok_or_else(|| damaged("is cut short"))?;
    let whole = entries.len() == usize::from(width) || path.ends_with(&entries_path(index, TILE_WIDTH as u16));
    if !whole || entries.len() < usize::from(width) {
        return Err(damaged("holds another number of entries than its name says"));
    }
    Ok(entries.into_iter().take(usize::from(width)).map(<[u8]>::to_vec).collect())
}

/// Reads and verifies a whole log against its public checkpoint; needs no key and writes nothing.
///
/// Errors: refused, the first failed check, naming the file ([`LedgerError::ReadOnly`]) or the entry
/// ([`LedgerError::At`]).
pub fn read_log<S: LogStorage + ?Sized>(
    storage: &S,
    trust: &Trust,
    age: Age,
    leaves: Vec<Vec<Digest>>,
) -> Result<VerifiedLog, LedgerError> {
    let missing = || LedgerError::ReadOnly { file: "checkpoint".to_owned(), why: "is missing" };
    let Some(bytes) = storage.published()? else {
        let empty = storage.list()?.is_empty() && storage.head()?.is_none();
        return if empty { Ok(VerifiedLog::empty(trust.clone())) } else { Err(missing()) };
    };
    let named = |_| LedgerError::ReadOnly { file: "checkpoint".to_owned(), why: "is not text" };
    let note = String::from_utf8(bytes).map_err(named)?;
    let checkpoint = Note::parse(note.as_bytes())?.verify(trust.tlog(), age)?;
    let body = checkpoint.body().clone();
    let located = |error| locate_damage(storage, &body).unwrap_or(error);
    let mut log = VerifiedLog::empty(trust.clone());
    // Twice over the files, so that never more than one bundle is in memory: first the tree, then what it holds.
    each_entry(storage, body.size, |_, entry| {
        log.tree_mut().push(leaf_hash(entry));
        Ok(())
    })
    .map_err(located)?;
    if log.tree().size() != body.size || log.tree().root() != body.root {
        return Err(located(LedgerError::Fork { size: body.size }));
    }
    leaves.into_iter().for_each(|leaves| log.history_mut().know_leaves(leaves));
    each_entry(storage, body.size, |index, entry| {
        if log.tree().leaf(index) != Some(leaf_hash(entry)) {
            return Err(changed(index / TILE_WIDTH));
        }
        log.history_mut().push(entry).map(drop)
    })?;
    log.seal(note, checkpoint);
    Ok(log)
}

/// One damaged file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Damage {
    /// The file, relative to the log's folder.
    pub file: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// Recomputes everything from the entries and names each file that does not fit: entry bundles, every tile, the
/// public checkpoint, the head record, and files that belong to nothing. Statements are checked, too.
///
/// Errors: unavailable, when a file cannot be read at all. Damage is not an error but the result.
pub fn fsck<S: LogStorage + ?Sized>(
    storage: &S,
    trust: &Trust,
    leaves: Vec<Vec<Digest>>,
) -> Result<Vec<Damage>, LedgerError> {
    let files = storage.list()?;
    let (mut damage, best) = check_checkpoints(storage, trust, files.is_empty())?;
    if !storage.read_wal()?.is_empty() {
        let why = "holds an unfinished batch; opening the log for writing completes or drops it";
        damage.push(Damage { file: "wal".to_owned(), why });
    }
    let Some((body, bytes)) = best else { return Ok(damage) };
    damage.extend(check_files(storage, &body, &files)?);
    if damage.is_empty() {
        let entries = read_log_entries(storage, 0, body.size)?;
        let mut tree = Tree::default();
        entries.iter().for_each(|entry| tree.push(leaf_hash(entry)));
        for file in files {
            if let Some(why) = check_kept(storage, &file, &tree, trust.tlog())? {
                damage.push(Damage { file, why });
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        let entries = entries.iter().map(Vec::as_slice);
        // A head that witnesses have not signed yet is checked as far as they have, by whoever reads the log.
        let waits = Note::parse(&bytes).and_then(|n| n.verify(trust.tlog(), Age::Archive)).is_err();
        if !waits && let Err(error) = VerifiedLog::verify(entries, &text, trust, Age::Archive, leaves) {
            let at = error.index().unwrap_or(0) / TILE_WIDTH;
            let width = (body.size - at * TILE_WIDTH).min(TILE_WIDTH) as u16;
            damage.push(Damage { file: entries_path(at, width), why: "holds an entry that does not verify" });
        }
    }
    damage.sort();
    damage.dedup();
    Ok(damage)
}

/// Head record and public checkpoint against each other; the larger one that verifies is what the files must fit.
type Checkpoints = (Vec<Damage>, Option<(Checkpoint, Vec<u8>)>);
fn check_checkpoints<S: LogStorage + ?Sized>(
    storage: &S,
    trust: &Trust,
    is_empty: bool,
) -> Result<Checkpoints, LedgerError> {
    let mut damage = Vec::new();
    let mut note = |file: &str, why| damage.push(Damage { file: file.to_owned(), why });
    let (head, published) = (storage.head()?, storage.published()?);
    if head.is_none() && (published.is_some() || !is_empty) {
        note("head", "is missing");
    }
    if published.is_none() && (head.is_some() || !is_empty) {
        note("checkpoint", "is missing");
    }
    let mut read = |file: &str, bytes: Option<Vec<u8>>, alone: bool| {
        let bytes = bytes?;
        let checked = Note::parse(&bytes).and_then(|n| match alone {
            true => n.verify_alone(trust.tlog()),
            false => n.verify(trust.tlog(), Age::Archive),
        });
        match checked {
            Ok(verified) => Some((verified.body().clone(), bytes)),
            Err(_) => {
                note(file, "is not a checkpoint signed by this log");
                None
            }
        }
    };
    let (head, published) = (read("head", head, true), read("checkpoint", published, false));
    let best = match (head, published) {
        (Some(head), Some(published)) => {
            if head.0.size < published.0.size {
                note("head", "is behind the public checkpoint");
                Some(published)
            } else {
                if head.0.size > published.0.size {
                    note("checkpoint", "is behind the head record: the last batch was not published");
                    Some(head)
                } else if published.1.starts_with(&head.1) {
                    // The same, with what witnesses added.
                    Some(published)
                } else {
                    note("checkpoint", "differs from the head record");
                    Some(head)
                }
            }
        }
        (head, published) => head.or(published),
    };
    Ok((damage, best))
}

/// What is wrong with a checkpoint that was kept: it is named by its size, signed by the log, and over the log's first
/// entries. `None` for one that is right, and for any other file.
pub(super) fn check_kept<S: LogStorage + ?Sized>(
    storage: &S,
    file: &str,
    tree: &Tree,
    policy: &TlogPolicy,
) -> Result<Option<&'static str>, LedgerError> {
    let Some(name) = file.strip_prefix(super::writer::CHECKPOINTS).and_then(|rest| rest.strip_prefix('/')) else {
        return Ok(None);
    };
    let bytes = storage.read(file)?.unwrap_or_default();
    let verified = Note::parse(&bytes).and_then(|note| match note.verify(policy, Age::Archive) {
        // Witnesses came later, or were not asked yet.
        Err(LedgerError::Quorum) => note.verify_log(policy),
        other => other.map(|verified| verified.body().clone()),
    });
    let Ok(body) = verified else { return Ok(Some("is not a checkpoint signed by this log")) };
    let fits = body.size.to_string() == name && body.size <= tree.size() && tree.root_at(body.size) == Some(body.root);
    Ok((!fits).then_some("is over other entries than these"))
}

/// The damaged file behind a log that does not hash to `body`, as an error; `None` when every file fits.
pub(crate) fn locate_damage<S: LogStorage + ?Sized>(storage: &S, body: &Checkpoint) -> Option<LedgerError> {
    let files = storage.list().ok()?;
    let first = check_files(storage, body, &files).ok()?.into_iter().next()?;
    Some(LedgerError::ReadOnly { file: first.file, why: first.why })
}

/// Every bundle and tile up to `body.size`, each against the others; whichever agrees with the signed root is right.
fn check_files<S: LogStorage + ?Sized>(
    storage: &S,
    body: &Checkpoint,
    files: &[String],
) -> Result<Vec<Damage>, LedgerError> {
    let mut damage = Vec::new();
    // Leaf hashes as the leaf tiles give them, trusted only if they lead to the signed root.
    let mut by_tiles = Tree::default();
    for (index, width) in grown_bundles(0, body.size) {
        let bytes = storage.read(&Tile { level: 0, index, width }.path())?;
        let bytes = match bytes {
            Some(bytes) => bytes,
            None => storage.read(&Tile { level: 0, index, width: TILE_WIDTH as u16 }.path())?.unwrap_or_default(),
        };
        let hashes = bytes.chunks_exact(32).take(usize::from(width));
        hashes.for_each(|hash| by_tiles.push(Digest(hash.try_into().unwrap_or([0; 32]))));
    }
    let tiles_fit = by_tiles.size() == body.size && by_tiles.root() == body.root;

    let mut by_entries = Tree::default();
    let mut complete = true;
    for (index, width) in grown_bundles(0, body.size) {
        match read_bundle(storage, index, width) {
            Ok(entries) => {
                let leaves: Vec<Digest> = entries.iter().map(|entry| leaf_hash(entry)).collect();
                let start = index * TILE_WIDTH;
                let fits = leaves.iter().zip(start..).all(|(leaf, at)| by_tiles.leaf(at) == Some(*leaf));
                if tiles_fit && !fits {
                    damage.push(Damage { file: entries_path(index, width), why: "differs from the signed tree" });
                }
                leaves.into_iter().for_each(|leaf| by_entries.push(leaf));
            }
            Err(LedgerError::ReadOnly { file, why }) => {
                damage.push(Damage { file, why });
                complete = false;
            }
            Err(error) => return Err(error),
        }
    }
    let entries_fit = complete && by_entries.size() == body.size && by_entries.root() == body.root;
    let truth = if entries_fit { &by_entries } else { &by_tiles };
    if !entries_fit && !tiles_fit {
        // Neither side leads to the root; say all that disagree with each other.
        for (index, width) in grown_bundles(0, body.size) {
            let start = index * TILE_WIDTH;
            if (start..start + u64::from(width)).any(|at| by_entries.leaf(at) != by_tiles.leaf(at)) {
                damage.push(Damage { file: entries_path(index, width), why: "differs from its leaf tile" });
                let tile = Tile { level: 0, index, width };
                damage.push(Damage { file: tile.path(), why: "differs from its entries" });
            }
        }
        if damage.is_empty() {
            damage.push(Damage { file: "checkpoint".to_owned(), why: "is signed over other entries than these" });
        }
        return Ok(damage);
    }
    // Every tile there is, older partial ones included; and every one there must be.
    for file in files {
        if file.starts_with(super::writer::CHECKPOINTS) {
            // Each has the log's signature: `check_kept` looks at it.
        } else if let Some(bundle) = super::writer::parse_bundle(file) {
            check_bundle_file(storage, truth, body.size, file, bundle, &mut damage)?;
        } else {
            check_tile_file(storage, truth, body.size, file, &mut damage)?;
        }
    }
    for tile in Tile::grown(0, body.size) {
        let full = Tile { width: TILE_WIDTH as u16, ..tile };
        if !files.contains(&tile.path()) && !files.contains(&full.path()) {
            damage.push(Damage { file: tile.path(), why: "is missing" });
        }
    }
    damage.sort();
    damage.dedup();
    Ok(damage)
}

fn check_bundle_file<S: LogStorage + ?Sized>(
    storage: &S,
    truth: &Tree,
    size: u64,
    file: &str,
    (index, width): (u64, u64),
    damage: &mut Vec<Damage>,
) -> Result<(), LedgerError> {
    let start = index.saturating_mul(TILE_WIDTH);
    if width == 0 || start.saturating_add(width) > size {
        damage.push(Damage { file: file.to_owned(), why: "holds entries beyond the signed size" });
        return Ok(());
    }
    let bytes = storage.read(file)?.unwrap_or_default();
    let fits = read_entries(&bytes).is_some_and(|entries| {
        entries.len() as u64 == width
            && entries.iter().zip(start..).all(|(entry, at)| truth.leaf(at) == Some(leaf_hash(entry)))
    });
    if !fits {
        damage.push(Damage { file: file.to_owned(), why: "differs from the signed tree" });
    }
    Ok(())
}

fn check_tile_file<S: LogStorage + ?Sized>(
    storage: &S,
    truth: &Tree,
    size: u64,
    file: &str,
    damage: &mut Vec<Damage>,
) -> Result<(), LedgerError> {
    let parsed = file.strip_prefix("tile/").and_then(|rest| rest.split_once('/')).and_then(|(level, rest)| {
        let (index, width) = super::writer::parse_bundle(&format!("tile/entries/{rest}"))?;
        Some(Tile { level: level.parse().ok().filter(|level| *level < 8)?, index, width: u16::try_from(width).ok()? })
    });
    let expected = parsed.filter(|tile| tile.path() == file && tile.width > 0).and_then(|tile| {
        let hashes = size >> (8 * u32::from(tile.level));
        let end = tile.index.checked_mul(TILE_WIDTH)?.checked_add(u64::from(tile.width))?;
        if end > hashes { None } else { truth.tile(tile) }
    });
    match expected {
        None => damage.push(Damage { file: file.to_owned(), why: "belongs to no part of the signed tree" }),
        Some(expected) if storage.read(file)?.as_ref() != Some(&expected) => {
            damage.push(Damage { file: file.to_owned(), why: "differs from the signed tree" });
        }
        Some(_) => {}
    }
    Ok(())
}
