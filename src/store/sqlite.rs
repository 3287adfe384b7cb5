//! The embedded default: one SQLite file.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, Transaction, params};

use crate::domain::{Digest, HoldId, MemoryPath, Timestamp};
use crate::gate::HeldRecord;
use crate::ledger::Record;

use super::records::{ObjectRecord, Store, VersionRecord, VersionState, held_body};
use super::rows::{MemoryVersionRow, VersionQuery};
use super::{StoreError, folder};

mod rows;

const LAYOUT: i64 = 3;

const SCHEMA: &str = "
CREATE TABLE raw (digest TEXT PRIMARY KEY, name TEXT NOT NULL, bytes BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE version (
    sequence INTEGER PRIMARY KEY, statement TEXT NOT NULL, action TEXT NOT NULL, manifest BLOB NOT NULL,
    head BLOB NOT NULL, created INTEGER NOT NULL, state TEXT NOT NULL, summary TEXT NOT NULL);
CREATE TABLE object (
    commitment TEXT PRIMARY KEY, path TEXT NOT NULL, content BLOB NOT NULL, salt BLOB NOT NULL,
    provenance TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE held (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE document (kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID;
";

/// What layout 2 adds: who changed which memory.
const SCHEMA_2: &str = "
CREATE TABLE memory_version (
    id TEXT PRIMARY KEY, memory TEXT NOT NULL, sequence INTEGER NOT NULL, operation TEXT NOT NULL, path TEXT,
    sha256 TEXT, size INTEGER, created INTEGER NOT NULL, actor_kind TEXT, actor_id TEXT, redacted INTEGER,
    redacted_by TEXT, commitment TEXT) WITHOUT ROWID;
CREATE INDEX memory_version_created ON memory_version (created, id);
CREATE UNIQUE INDEX memory_version_memory ON memory_version (memory, sequence);
CREATE INDEX memory_version_sequence ON memory_version (sequence);
";

/// What layout 3 adds: entries of the log that its files do not hold yet.
const SCHEMA_3: &str = "CREATE TABLE intake (first INTEGER PRIMARY KEY, record BLOB NOT NULL);";

/// The store in one SQLite file: full synchronisation, deleted bytes overwritten. A server has it keep a log beside it
/// (`-wal`), one synchronisation a transaction; [`SqliteStore::close`] takes that into the file again.
#[derive(Debug)]
pub struct SqliteStore {
    connection: Connection,
    /// The file's layout: less than ours for an older one that was opened to read.
    layout: i64,
    /// True when there is a write-ahead log to take in.
    keeps_log: bool,
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        // What fails here is done when the file is opened again.
        let _ = self.take_in();
    }
}

impl SqliteStore {
    /// Opens or creates the file.
    ///
    /// # Errors
    /// Unavailable when the file cannot be opened; refused when it is not a database of this layout.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        folder::create_private_file(path)?;
        let connection = Connection::open(path)?;
        // Long enough for a backup to let go of the file.
        connection.busy_timeout(std::time::Duration::from_secs(10))?;
        connection.pragma_update(None, "journal_mode", "DELETE")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "secure_delete", "ON")?;
        connection.pragma_update(None, "trusted_schema", "OFF")?;
        let layout: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let mut store = Self { connection, layout: LAYOUT, keeps_log: false };
        match layout {
            0..LAYOUT => {
                let transaction = store.connection.transaction()?;
                let additions = [SCHEMA, SCHEMA_2, SCHEMA_3].into_iter().zip(0..);
                for (addition, _) in additions.filter(|(_, from)| *from >= layout) {
                    transaction.execute_batch(addition)?;
                }
                transaction.pragma_update(None, "user_version", LAYOUT)?;
                transaction.commit()?;
            }
            LAYOUT => {}
            found => return Err(StoreError::Layout { found, known: LAYOUT }),
        }
        Ok(store)
    }

    /// From here on changes go to a log beside the file: for whoever writes often. It changes the file itself, so whoever
    /// changes nothing does not call it.
    ///
    /// # Errors
    /// Unavailable when the disk refuses.
    pub fn keep_log(&mut self) -> Result<(), StoreError> {
        if !self.keeps_log {
            // Not alone: a backup reads beside the writer. The folder's own lock keeps other writers out.
            self.connection.pragma_update(None, "journal_mode", "WAL")?;
            self.keeps_log = true;
        }
        Ok(())
    }

    /// True since [`SqliteStore::keep_log`].
    pub const fn keeps_log(&self) -> bool {
        self.keeps_log
    }

    /// Takes everything into the one file: nothing lies beside it afterwards.
    ///
    /// # Errors
    /// Unavailable when the disk refuses; nothing is lost then.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.take_in()
    }

    /// A change that another record says, too: it need not have reached the disk.
    fn unsynced(&self, sql: &str, value: i64) -> Result<(), StoreError> {
        if self.keeps_log {
            self.connection.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA secure_delete = FAST;")?;
        }
        let done = self.connection.execute(sql, [value]);
        self.connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;")?;
        done?;
        Ok(())
    }

    fn take_in(&mut self) -> Result<(), StoreError> {
        if std::mem::take(&mut self.keeps_log) {
            self.connection.pragma_update(None, "journal_mode", "DELETE")?;
        }
        Ok(())
    }

    /// Opens an existing file to read.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub fn open_read(path: &Path) -> Result<Self, StoreError> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.pragma_update(None, "trusted_schema", "OFF")?;
        let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if (1..=LAYOUT).contains(&found) {
            Ok(Self { connection, layout: found, keeps_log: false })
        } else {
            Err(StoreError::Layout { found, known: LAYOUT })
        }
    }

    /// Digests of all raw inputs.
    ///
    /// # Errors
    /// Unavailable database, damaged keys.
    pub fn raw_digests(&self) -> Result<Vec<Digest>, StoreError> {
        let mut statement = self.connection.prepare("SELECT digest FROM raw ORDER BY digest")?;
        let rows = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        rows.iter().map(|key| digest(key, "raw", key)).collect()
    }

    /// SQLite's own structure check: every problem it names.
    ///
    /// # Errors
    /// Unavailable when the check itself cannot run.
    pub fn integrity(&self) -> Result<Vec<String>, StoreError> {
        let mut statement = self.connection.prepare("PRAGMA integrity_check(20)")?;
        let rows = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        // One row may hold several problems under a title.
        let lines = rows.iter().flat_map(|row| row.lines()).filter(|line| *line != "ok" && !line.starts_with("***"));
        Ok(lines.map(str::to_owned).collect())
    }
}

fn digest(text: &str, table: &'static str, key: &str) -> Result<Digest, StoreError> {
    text.parse().map_err(|e| StoreError::Damaged { table, key: key.to_owned(), problem: format!("{e}") })
}

fn parse_held(id: &str, body: &str) -> Result<HeldRecord, StoreError> {
    let damaged = |problem: String| StoreError::Damaged { table: "held", key: id.to_owned(), problem };
    let record: HeldRecord = serde_json::from_str(body).map_err(|e| damaged(e.to_string()))?;
    if record.id.as_str() != id {
        return Err(damaged("it carries another id".to_owned()));
    }
    if Digest::of(&record.text) != record.digest {
        return Err(damaged("its text does not match its digest".to_owned()));
    }
    Ok(record)
}

fn put_document(transaction: &Transaction<'_>, kind: &str, id: &str, body: &str) -> Result<(), StoreError> {
    transaction.execute(
        "INSERT INTO document (kind, id, body) VALUES (?1, ?2, ?3)
         ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
        params![kind, id, body],
    )?;
    Ok(())
}

const VERSION: &str = "sequence, statement, action, head, created, state, summary";

type VersionRow = (i64, String, String, Vec<u8>, i64, String, String, Vec<u8>);

fn version_row(row: &Row<'_>) -> rusqlite::Result<VersionRow> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?))
}

fn read_version(row: VersionRow) -> Result<VersionRecord, StoreError> {
    let (sequence, id, action, head, created, state, summary, manifest) = row;
    let key = sequence.to_string();
    let damaged =
        |problem: &str| StoreError::Damaged { table: "version", key: key.clone(), problem: problem.to_owned() };
    Ok(VersionRecord {
        sequence: u64::try_from(sequence).map_err(|_| damaged("negative sequence"))?,
        statement: digest(&id, "version", &key)?,
        action,
        manifest,
        head,
        created: Timestamp(created),
        state: match state.as_str() {
            "pending" => VersionState::Pending,
            "logged" => VersionState::Logged,
            _ => return Err(damaged("unknown state")),
        },
        summary,
    })
}

/// Writes a version with its objects and rows.
fn put_version(
    transaction: &Transaction<'_>,
    version: &VersionRecord,
    state: &str,
    objects: &[ObjectRecord],
    rows: &[MemoryVersionRow],
) -> Result<(), StoreError> {
    let mut put = transaction.prepare_cached(
        "INSERT INTO object (commitment, path, content, salt, provenance) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO NOTHING",
    )?;
    for object in objects {
        let (path, salt) = (object.path.as_str(), object.salt.as_slice());
        put.execute(params![object.commit.hex(), path, object.content, salt, object.provenance])?;
    }
    let mut put = transaction.prepare_cached(
        "INSERT INTO version (sequence, statement, action, manifest, head, created, state, summary)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    put.execute(params![
        version.sequence as i64,
        version.statement.hex(),
        version.action,
        version.manifest,
        version.head,
        version.created.0,
        state,
        version.summary
    ])?;
    rows::insert(transaction, rows)
}

impl Store for SqliteStore {
    fn put_raw(&mut self, name: &str, bytes: &[u8]) -> Result<Digest, StoreError> {
        self.put_raws(&[(name, bytes)])?;
        Ok(Digest::of(bytes))
    }

    fn put_raws(&mut self, inputs: &[(&str, &[u8])]) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        for (name, bytes) in inputs {
            transaction.execute(
                "INSERT INTO raw (digest, name, bytes) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
                params![Digest::of(bytes).hex(), name, bytes],
            )?;
        }
        transaction.commit()?;
        Ok(())
    }

    fn raw(&self, wanted: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let bytes: Option<Vec<u8>> = self
            .connection
            .query_row("SELECT bytes FROM raw WHERE digest = ?1", [wanted.hex()], |row| row.get(0))
            .optional()?;
        match bytes {
            Some(bytes) if Digest::of(&bytes) != *wanted => Err(StoreError::Damaged {
                table: "raw",
                key: wanted.hex(),
                problem: "the bytes do not match their digest".to_owned(),
            }),
            other => Ok(other),
        }
    }

    fn put_pending_rows(
        &mut self,
        version: &VersionRecord,
        objects: &[ObjectRecord],
        rows: &[MemoryVersionRow],
    ) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        put_version(&transaction, version, "pending", objects, rows)?;
        transaction.commit()?;
        Ok(())
    }

    fn put_logged(
        &mut self,
        version: &VersionRecord,
        objects: &[ObjectRecord],
        rows: &[MemoryVersionRow],
        intake: &Record,
    ) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        put_version(&transaction, version, "logged", objects, rows)?;
        transaction
            .prepare_cached("INSERT INTO intake (first, record) VALUES (?1, ?2)")?
            .execute(params![intake.first as i64, intake.bytes])?;
        transaction.commit()?;
        Ok(())
    }

    fn intake(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        if self.layout < 3 {
            return Ok(Vec::new());
        }
        let mut statement = self.connection.prepare("SELECT record FROM intake ORDER BY first")?;
        let rows = statement.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
        Ok(rows.collect::<Result<Vec<_>, _>>()?)
    }

    fn forget_intake(&mut self, before: u64) -> Result<(), StoreError> {
        // Commitments only, and a record that comes back is one that the log has: neither is worth a page of zeros nor
        // waiting for the disk.
        self.unsynced("DELETE FROM intake WHERE first < ?1", before as i64)
    }

    fn put_rows(&mut self, rows: &[MemoryVersionRow]) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        rows::insert(&transaction, rows)?;
        transaction.commit()?;
        Ok(())
    }

    fn erase(
        &mut self,
        commitments: &[Digest],
        manifests: &[(u64, Vec<u8>)],
        rows: &[MemoryVersionRow],
        documents: &[(&str, &str, &str)],
    ) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        for commitment in commitments {
            transaction.execute("DELETE FROM object WHERE commitment = ?1", [commitment.hex()])?;
        }
        for (sequence, manifest) in manifests {
            transaction
                .execute("UPDATE version SET manifest = ?2 WHERE sequence = ?1", params![*sequence as i64, manifest])?;
        }
        rows::insert(&transaction, rows)?;
        for (kind, id, body) in documents {
            put_document(&transaction, kind, id, body)?;
        }
        transaction.commit()?;
        // The write-ahead log still holds the old pages.
        if self.keeps_log {
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        }
        Ok(())
    }

    fn rows(&self, query: &VersionQuery) -> Result<Vec<MemoryVersionRow>, StoreError> {
        if self.layout >= 2 { rows::select(&self.connection, query) } else { Ok(Vec::new()) }
    }

    fn rows_of(&self, sequence: u64) -> Result<Vec<MemoryVersionRow>, StoreError> {
        if self.layout >= 2 { rows::of(&self.connection, sequence) } else { Ok(Vec::new()) }
    }

    fn row(&self, id: &str) -> Result<Option<MemoryVersionRow>, StoreError> {
        if self.layout >= 2 { rows::one(&self.connection, id) } else { Ok(None) }
    }

    fn live_rows(&self) -> Result<Vec<(MemoryVersionRow, Timestamp)>, StoreError> {
        if self.layout >= 2 { rows::live(&self.connection) } else { Ok(Vec::new()) }
    }

    fn rows_until(&self) -> Result<u64, StoreError> {
        if self.layout < 2 {
            return Ok(0);
        }
        let last: Option<i64> =
            self.connection.query_row("SELECT max(sequence) FROM memory_version", [], |row| row.get(0))?;
        Ok(last.and_then(|last| u64::try_from(last).ok()).unwrap_or_default())
    }

    fn mark_logged(&mut self, sequence: u64) -> Result<(), StoreError> {
        // The log says it, too: when this is lost, the next start writes it again.
        self.unsynced("UPDATE version SET state = 'logged' WHERE sequence = ?1", sequence as i64)
    }

    fn drop_pending(&mut self, sequence: u64) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        let gone =
            transaction.execute("DELETE FROM version WHERE sequence = ?1 AND state = 'pending'", [sequence as i64])?;
        if gone > 0 {
            transaction.execute("DELETE FROM memory_version WHERE sequence = ?1", [sequence as i64])?;
        }
        transaction.commit()?;
        Ok(())
    }

    fn version(&self, sequence: u64) -> Result<Option<VersionRecord>, StoreError> {
        let sql = format!("SELECT {VERSION}, manifest FROM version WHERE sequence = ?1");
        let row = self.connection.query_row(&sql, [sequence as i64], version_row).optional()?;
        row.map(read_version).transpose()
    }

    fn outlines(&self) -> Result<Vec<VersionRecord>, StoreError> {
        let sql = format!("SELECT {VERSION}, x'' FROM version ORDER BY sequence");
        let mut statement = self.connection.prepare(&sql)?;
        let rows = statement.query_map([], version_row)?;
        rows.map(|row| read_version(row?)).collect()
    }

    fn versions(&self) -> Result<Vec<VersionRecord>, StoreError> {
        let sql = format!("SELECT {VERSION}, manifest FROM version ORDER BY sequence");
        let mut statement = self.connection.prepare(&sql)?;
        let rows = statement.query_map([], version_row)?;
        rows.map(|row| read_version(row?)).collect()
    }

    fn object(&self, commit: &Digest) -> Result<Option<ObjectRecord>, StoreError> {
        let key = commit.hex();
        let row: Option<(String, Vec<u8>, Vec<u8>, String)> = self
            .connection
            .query_row("SELECT path, content, salt, provenance FROM object WHERE commitment = ?1", [&key], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .optional()?;
        let Some((path, content, salt, provenance)) = row else { return Ok(None) };
        let damaged = |problem: String| StoreError::Damaged { table: "object", key: key.clone(), problem };
        Ok(Some(ObjectRecord {
            commit: *commit,
            path: MemoryPath::parse(&path).map_err(|e| damaged(e.to_string()))?,
            content,
            salt: salt.try_into().map_err(|_| damaged("the salt is not 32 bytes".to_owned()))?,
            provenance,
        }))
    }

    fn put_held(&mut self, records: &[HeldRecord], documents: &[(&str, String, String)]) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        for record in records {
            transaction.execute(
                "INSERT INTO held (id, body) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
                params![record.id.as_str(), held_body(record)?],
            )?;
        }
        for (kind, id, body) in documents {
            put_document(&transaction, kind, id, body)?;
        }
        transaction.commit()?;
        Ok(())
    }

    fn held_digests(&self) -> Result<Vec<(HoldId, Digest)>, StoreError> {
        let mut statement = self.connection.prepare("SELECT id, body FROM held ORDER BY id")?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        rows.map(|row| row.map(|(id, body)| (HoldId::new(id), Digest::of(body))).map_err(StoreError::from)).collect()
    }

    fn held(&self, id: &HoldId) -> Result<Option<HeldRecord>, StoreError> {
        let body: Option<String> = self
            .connection
            .query_row("SELECT body FROM held WHERE id = ?1", [id.as_str()], |row| row.get(0))
            .optional()?;
        body.map(|body| parse_held(id.as_str(), &body)).transpose()
    }

    fn all_held(&self) -> Result<Vec<HeldRecord>, StoreError> {
        let mut statement = self.connection.prepare("SELECT id, body FROM held")?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        let mut records = Vec::new();
        for row in rows {
            let (id, body) = row?;
            records.push(parse_held(&id, &body)?);
        }
        records
            .sort_by(|a, b| b.severity.cmp(&a.severity).then(a.created.cmp(&b.created)).then_with(|| a.id.cmp(&b.id)));
        Ok(records)
    }

    fn put_document(&mut self, kind: &str, id: &str, body: &str) -> Result<(), StoreError> {
        self.put_documents(kind, &[(id.to_owned(), body.to_owned())])
    }

    fn put_documents(&mut self, kind: &str, documents: &[(String, String)]) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        for (id, body) in documents {
            put_document(&transaction, kind, id, body)?;
        }
        transaction.commit()?;
        Ok(())
    }

    fn document(&self, kind: &str, id: &str) -> Result<Option<String>, StoreError> {
        Ok(self
            .connection
            .query_row("SELECT body FROM document WHERE kind = ?1 AND id = ?2", [kind, id], |row| row.get(0))
            .optional()?)
    }

    fn documents(&self, kind: &str) -> Result<Vec<(String, String)>, StoreError> {
        let mut statement = self.connection.prepare("SELECT id, body FROM document WHERE kind = ?1 ORDER BY id")?;
        let rows = statement.query_map([kind], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<Vec<_>, _>>()?)
    }
}
