//! The server's own database beside its stores: workspaces, keys, sessions, dreams. Records in, records out.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params};
use serde_json::Value;

use crate::domain::{Digest, Timestamp};

use super::{StoreError, folder};

mod api;
mod ops;
mod people;

pub use api::{AnswerRow, RecordQuery, RecordRow};
pub use ops::{DeliveryRow, ScheduleRow, WebhookRow};
pub use people::{AccountRow, ClaimRow, LoginTimes};

const LAYOUT: i64 = 1;

const SCHEMA: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE workspace (id TEXT PRIMARY KEY, name TEXT NOT NULL, created INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE api_key (
    id TEXT PRIMARY KEY, workspace TEXT NOT NULL, digest TEXT NOT NULL UNIQUE, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE memory_store (
    workspace TEXT NOT NULL, id TEXT NOT NULL, created INTEGER NOT NULL, archived INTEGER, hidden INTEGER NOT NULL,
    body TEXT NOT NULL, PRIMARY KEY (workspace, id)) WITHOUT ROWID;
CREATE INDEX memory_store_created ON memory_store (workspace, created, id);
CREATE TABLE session (
    workspace TEXT NOT NULL, id TEXT NOT NULL, created INTEGER NOT NULL, archived INTEGER, body TEXT NOT NULL,
    PRIMARY KEY (workspace, id)) WITHOUT ROWID;
CREATE INDEX session_created ON session (workspace, created, id);
CREATE TABLE event (
    session TEXT NOT NULL, number INTEGER NOT NULL, id TEXT NOT NULL, type TEXT NOT NULL, processed INTEGER,
    body TEXT NOT NULL, PRIMARY KEY (session, number)) WITHOUT ROWID;
CREATE TABLE dream (
    workspace TEXT NOT NULL, id TEXT NOT NULL, created INTEGER NOT NULL, status TEXT NOT NULL, archived INTEGER,
    body TEXT NOT NULL, PRIMARY KEY (workspace, id)) WITHOUT ROWID;
CREATE INDEX dream_created ON dream (workspace, created, id);
CREATE INDEX dream_status ON dream (status, created, id);
CREATE TABLE audit (
    number INTEGER PRIMARY KEY AUTOINCREMENT, workspace TEXT NOT NULL, at INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE delivery (
    id TEXT PRIMARY KEY, endpoint TEXT NOT NULL, created INTEGER NOT NULL, next INTEGER, attempts INTEGER NOT NULL,
    state TEXT NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
";

/// The kinds of objects that are kept alike: workspace, id, time, archive mark and a JSON body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Memory stores.
    MemoryStore,
    /// Sessions.
    Session,
    /// Dreams.
    Dream,
}

impl Table {
    const fn name(self) -> &'static str {
        match self {
            Self::MemoryStore => "memory_store",
            Self::Session => "session",
            Self::Dream => "dream",
        }
    }
}

/// One object of a [`Table`].
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectRow {
    /// Whose it is: part of every key, so that another workspace's id is an unknown id.
    pub workspace: String,
    /// Its id.
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it was archived.
    pub archived: Option<Timestamp>,
    /// A dream's status; whether a store is hidden ("hidden") or not ("").
    pub state: String,
    /// Everything else.
    pub body: Value,
}

/// What a list asks for. Newest first unless `ascending`; ids break ties.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    /// At or after.
    pub from: Option<Timestamp>,
    /// At or before.
    pub to: Option<Timestamp>,
    /// Archived ones, too.
    pub archived: bool,
    /// Oldest first.
    pub ascending: bool,
    /// Continue after this one.
    pub after: Option<(Timestamp, String)>,
    /// Only these states; empty for all.
    pub states: Vec<String>,
    /// At most so many.
    pub limit: usize,
}

/// One event of a session.
#[derive(Clone, Debug, PartialEq)]
pub struct EventRow {
    /// Its place in the session.
    pub number: u64,
    /// `sevt_…`.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// When it was processed.
    pub processed: Option<Timestamp>,
    /// The event as it is answered.
    pub body: Value,
}

/// What a list of events asks for.
#[derive(Clone, Debug, Default)]
pub struct EventQuery {
    /// Only these types; empty for all.
    pub kinds: Vec<String>,
    /// At or after.
    pub from: Option<Timestamp>,
    /// At or before.
    pub to: Option<Timestamp>,
    /// Newest first.
    pub descending: bool,
    /// Continue after this one: time and place.
    pub after: Option<(Option<Timestamp>, u64)>,
    /// At most so many.
    pub limit: usize,
}

/// A credential as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyRow {
    /// `apikey_…`.
    pub id: String,
    /// Its workspace.
    pub workspace: String,
    /// Digest of the secret.
    pub digest: Digest,
    /// Name, role, times.
    pub body: Value,
}

/// The server's database: one file, write-ahead log, full synchronisation.
#[derive(Debug)]
pub struct ServerDb {
    connection: Mutex<Connection>,
}

impl ServerDb {
    /// Opens or makes the file.
    ///
    /// # Errors
    /// Unavailable when the file cannot be opened; refused when it is of another layout.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        folder::create_private_file(path)?;
        let mut connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "secure_delete", "ON")?;
        connection.pragma_update(None, "trusted_schema", "OFF")?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        let layout: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        match layout {
            0 => {
                let transaction = connection.transaction()?;
                transaction.execute_batch(SCHEMA)?;
                transaction.pragma_update(None, "user_version", LAYOUT)?;
                transaction.commit()?;
            }
            LAYOUT => {}
            other => {
                return Err(StoreError::Damaged {
                    table: "server.db",
                    key: "user_version".to_owned(),
                    problem: format!("layout {other}, this program knows {LAYOUT}"),
                });
            }
        }
        connection.execute_batch(ops::SCHEMA)?;
        connection.execute_batch(api::SCHEMA)?;
        connection.execute_batch(people::SCHEMA)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    // A panic in another thread leaves SQLite's own state whole: its transaction was rolled back on drop.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One setting.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.lock().query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get(0)).optional()?)
    }

    /// Sets one setting.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn put_meta(&self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        self.lock().execute(
            "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            params![name, value],
        )?;
        Ok(())
    }

    /// Makes a workspace.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn put_workspace(&self, id: &str, name: &str, at: Timestamp) -> Result<(), StoreError> {
        self.lock().execute(
            "INSERT INTO workspace (id, name, created) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            params![id, name, at.0],
        )?;
        Ok(())
    }

    /// Ids and names of the workspaces, oldest first.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn workspaces(&self) -> Result<Vec<(String, String)>, StoreError> {
        let lock = self.lock();
        let mut statement = lock.prepare_cached("SELECT id, name FROM workspace ORDER BY created, id")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Writes a credential.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn put_key(&self, key: &KeyRow) -> Result<(), StoreError> {
        self.lock().execute(
            "INSERT INTO api_key (id, workspace, digest, body) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            params![key.id, key.workspace, key.digest.hex(), key.body.to_string()],
        )?;
        Ok(())
    }

    /// All credentials.
    ///
    /// # Errors
    /// Unavailable database, damaged rows.
    pub fn keys(&self) -> Result<Vec<KeyRow>, StoreError> {
        let lock = self.lock();
        let mut statement = lock.prepare_cached("SELECT id, workspace, digest, body FROM api_key ORDER BY id")?;
        let rows = statement.query_map([], |row| {
            Ok((row.get::<_, String>(0)?, row.get(1)?, row.get::<_, String>(2)?, row.get::<_, String>(3)?))
        })?;
        rows.map(|row| {
            let (id, workspace, digest, body) = row?;
            let damaged = || damaged("api_key", &id);
            let digest = digest.parse().map_err(|_| damaged())?;
            let body = serde_json::from_str(&body).map_err(|_| damaged())?;
            Ok(KeyRow { id, workspace, digest, body })
        })
        .collect()
    }

    /// Writes an object, or replaces it.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn put(&self, table: Table, row: &ObjectRow) -> Result<(), StoreError> {
        put(&self.lock(), table, row)
    }

    /// One object.
    ///
    /// # Errors
    /// Unavailable database, damaged row.
    pub fn get(&self, table: Table, workspace: &str, id: &str) -> Result<Option<ObjectRow>, StoreError> {
        let sql = format!("{} WHERE workspace = ?1 AND id = ?2", select(table));
        let lock = self.lock();
        let mut statement = lock.prepare_cached(&sql)?;
        statement.query_row([workspace, id], raw_row).optional()?.map(|raw| object(table, raw)).transpose()
    }

    /// Every object of a table, for work that the server itself begins.
    ///
    /// # Errors
    /// Unavailable database, damaged rows.
    pub fn all(&self, table: Table) -> Result<Vec<ObjectRow>, StoreError> {
        let sql = format!("{} ORDER BY created, id", select(table));
        let lock = self.lock();
        let mut statement = lock.prepare_cached(&sql)?;
        let rows = statement.query_map([], raw_row)?;
        rows.map(|raw| object(table, raw?)).collect()
    }

    /// The dream that has been longest in a state.
    ///
    /// # Errors
    /// Unavailable database, damaged row.
    pub fn oldest_dream(&self, state: &str) -> Result<Option<ObjectRow>, StoreError> {
        let sql = format!("{} WHERE status = ?1 ORDER BY created, id LIMIT 1", select(Table::Dream));
        let lock = self.lock();
        let mut statement = lock.prepare_cached(&sql)?;
        statement.query_row([state], raw_row).optional()?.map(|raw| object(Table::Dream, raw)).transpose()
    }

    /// Removes an object; a session's events with it. False when there was none.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn remove(&self, table: Table, workspace: &str, id: &str) -> Result<bool, StoreError> {
        let mut lock = self.lock();
        let transaction = lock.transaction()?;
        let sql = format!("DELETE FROM {} WHERE workspace = ?1 AND id = ?2", table.name());
        let gone = transaction.execute(&sql, [workspace, id])? > 0;
        if gone && table == Table::Session {
            transaction.execute("DELETE FROM event WHERE session = ?1", [id])?;
        }
        transaction.commit()?;
        Ok(gone)
    }

    /// Objects of a workspace.
    ///
    /// # Errors
    /// Unavailable database, damaged rows.
    pub fn list(&self, table: Table, workspace: &str, query: &ListQuery) -> Result<Vec<ObjectRow>, StoreError> {
        let mut sql = format!("{} WHERE workspace = ?1", select(table));
        let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(workspace.to_owned())];
        let mut push = |sql: &mut String, text: &str, value: Box<dyn ToSql>| {
            values.push(value);
            sql.push_str(&text.replace('?', &format!("?{}", values.len())));
        };
        if let Some(from) = query.from {
            push(&mut sql, " AND created >= ?", Box::new(from.0));
        }
        if let Some(to) = query.to {
            push(&mut sql, " AND created <= ?", Box::new(to.0));
        }
        if !query.archived {
            sql.push_str(" AND archived IS NULL");
        }
        if table == Table::MemoryStore {
            sql.push_str(" AND hidden = 0");
        }
        if !query.states.is_empty() && table == Table::Dream {
            let mut marks = Vec::new();
            for state in &query.states {
                let mut mark = String::new();
                push(&mut mark, "?", Box::new(state.clone()));
                marks.push(mark);
            }
            sql.push_str(&format!(" AND status IN ({})", marks.join(",")));
        }
        if let Some((time, id)) = &query.after {
            let mut after = String::new();
            push(&mut after, "?", Box::new(time.0));
            let mut name = String::new();
            push(&mut name, "?", Box::new(id.clone()));
            let sign = if query.ascending { '>' } else { '<' };
            sql.push_str(&format!(" AND (created, id) {sign} ({after}, {name})"));
        }
        let order = if query.ascending { "ASC" } else { "DESC" };
        sql.push_str(&format!(" ORDER BY created {order}, id {order} LIMIT {}", query.limit));
        let lock = self.lock();
        let mut statement = lock.prepare_cached(&sql)?;
        let rows = statement.query_map(rusqlite::params_from_iter(values.iter()), raw_row)?;
        rows.map(|raw| object(table, raw?)).collect()
    }

    /// Writes events at the end of a session, with the session's own row, in one transaction.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn append_events(&self, session: &ObjectRow, events: &[EventRow]) -> Result<(), StoreError> {
        let mut lock = self.lock();
        let transaction = lock.transaction()?;
        put(&transaction, Table::Session, session)?;
        let next: i64 = transaction.query_row(
            "SELECT COALESCE(MAX(number) + 1, 0) FROM event WHERE session = ?1",
            [&session.id],
            |row| row.get(0),
        )?;
        {
            let mut statement = transaction.prepare_cached(
                "INSERT INTO event (session, number, id, type, processed, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?;
            for (number, event) in (next..).zip(events) {
                let processed = event.processed.map(|at| at.0);
                let body = event.body.to_string();
                statement.execute(params![session.id, number, event.id, event.kind, processed, body])?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    /// Events of a session.
    ///
    /// # Errors
    /// Unavailable database, damaged rows.
    pub fn events(&self, session: &str, query: &EventQuery) -> Result<Vec<EventRow>, StoreError> {
        // Events that nobody processed come last, as the newest.
        let time = "COALESCE(processed, 9223372036854775807)";
        let mut sql = String::from("SELECT number, id, type, processed, body FROM event WHERE session = ?1");
        let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(session.to_owned())];
        if let Some(from) = query.from {
            values.push(Box::new(from.0));
            sql.push_str(&format!(" AND processed >= ?{}", values.len()));
        }
        if let Some(to) = query.to {
            values.push(Box::new(to.0));
            sql.push_str(&format!(" AND processed <= ?{}", values.len()));
        }
        if !query.kinds.is_empty() {
            let mut marks = Vec::new();
            for kind in &query.kinds {
                values.push(Box::new(kind.clone()));
                marks.push(format!("?{}", values.len()));
            }
            sql.push_str(&format!(" AND type IN ({})", marks.join(",")));
        }
        if let Some((at, number)) = query.after {
            values.push(Box::new(at.map_or(i64::MAX, |at| at.0)));
            values.push(Box::new(i64::try_from(number).unwrap_or(i64::MAX)));
            let sign = if query.descending { '<' } else { '>' };
            let (at, number) = (values.len() - 1, values.len());
            sql.push_str(&format!(" AND ({time}, number) {sign} (?{at}, ?{number})"));
        }
        let order = if query.descending { "DESC" } else { "ASC" };
        sql.push_str(&format!(" ORDER BY {time} {order}, number {order} LIMIT {}", query.limit));
        let lock = self.lock();
        let mut statement = lock.prepare_cached(&sql)?;
        let rows = statement.query_map(rusqlite::params_from_iter(values.iter()), |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, String>(2)?,
                row.get::<_, Option<i64>>(3)?,
                row.get::<_, String>(4)?,
            ))
        })?;
        rows.map(|row| {
            let (number, id, kind, processed, body) = row?;
            let damaged = || damaged("event", &id);
            Ok(EventRow {
                number: u64::try_from(number).map_err(|_| damaged())?,
                body: serde_json::from_str(&body).map_err(|_| damaged())?,
                kind,
                processed: processed.map(Timestamp),
                id,
            })
        })
        .collect()
    }

    /// Number of events of a session.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn event_count(&self, session: &str) -> Result<u64, StoreError> {
        let lock = self.lock();
        let mut statement = lock.prepare_cached("SELECT COUNT(*) FROM event WHERE session = ?1")?;
        let count: i64 = statement.query_row([session], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Adds a line to the audit trail.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn audit(&self, workspace: &str, at: Timestamp, body: &Value) -> Result<(), StoreError> {
        self.lock().execute(
            "INSERT INTO audit (workspace, at, body) VALUES (?1, ?2, ?3)",
            params![workspace, at.0, body.to_string()],
        )?;
        Ok(())
    }

    /// Lines of the audit trail after a number, oldest first.
    ///
    /// # Errors
    /// Unavailable database, damaged rows.
    pub fn audit_after(
        &self,
        workspace: &str,
        after: i64,
        limit: usize,
    ) -> Result<Vec<(i64, Timestamp, Value)>, StoreError> {
        let lock = self.lock();
        let mut statement = lock.prepare_cached(
            "SELECT number, at, body FROM audit WHERE workspace = ?1 AND number > ?2 ORDER BY number LIMIT ?3",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![workspace, after, limit], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?))
        })?;
        rows.map(|row| {
            let (number, at, body) = row?;
            let body = serde_json::from_str(&body).map_err(|_| damaged("audit", &number.to_string()))?;
            Ok((number, Timestamp(at), body))
        })
        .collect()
    }

    /// True when the file takes a write: what readiness asks.
    pub fn is_writable(&self) -> bool {
        self.put_meta("probe", b"1").is_ok()
    }

    /// Brings everything from the write-ahead file into the database file.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn checkpoint(&self) -> Result<(), StoreError> {
        self.lock().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }
}

fn damaged(table: &'static str, key: &str) -> StoreError {
    StoreError::Damaged { table, key: key.to_owned(), problem: "it does not read back".to_owned() }
}

fn state_column(table: Table) -> &'static str {
    match table {
        Table::MemoryStore => "CASE hidden WHEN 0 THEN '' ELSE 'hidden' END",
        Table::Session => "''",
        Table::Dream => "status",
    }
}

fn select(table: Table) -> String {
    format!("SELECT workspace, id, created, archived, {}, body FROM {}", state_column(table), table.name())
}

type RawRow = (String, String, i64, Option<i64>, String, String);

fn raw_row(row: &Row<'_>) -> rusqlite::Result<RawRow> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
}

fn object(table: Table, raw: RawRow) -> Result<ObjectRow, StoreError> {
    let (workspace, id, created, archived, state, body) = raw;
    let body = serde_json::from_str(&body).map_err(|_| damaged(table.name(), &id))?;
    Ok(ObjectRow { workspace, id, created: Timestamp(created), archived: archived.map(Timestamp), state, body })
}

fn put(connection: &Connection, table: Table, row: &ObjectRow) -> Result<(), StoreError> {
    let archived = row.archived.map(|at| at.0);
    let body = row.body.to_string();
    let base = params![row.workspace, row.id, row.created.0, archived, body];
    match table {
        Table::Session => connection
            .prepare_cached(
                "INSERT INTO session (workspace, id, created, archived, body) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (workspace, id) DO UPDATE SET archived = excluded.archived, body = excluded.body",
            )?
            .execute(base)?,
        Table::MemoryStore => connection.execute(
            "INSERT INTO memory_store (workspace, id, created, archived, body, hidden) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (workspace, id)
             DO UPDATE SET archived = excluded.archived, body = excluded.body, hidden = excluded.hidden",
            params![row.workspace, row.id, row.created.0, archived, body, row.state == "hidden"],
        )?,
        Table::Dream => connection.execute(
            "INSERT INTO dream (workspace, id, created, archived, body, status) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (workspace, id)
             DO UPDATE SET archived = excluded.archived, body = excluded.body, status = excluded.status",
            params![row.workspace, row.id, row.created.0, archived, body, row.state],
        )?,
    };
    Ok(())
}
