//! The table of memory versions.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params, params_from_iter};

use crate::domain::{MemoryPath, Timestamp};
use crate::store::StoreError;
use crate::store::rows::{Actor, MemoryVersionRow, VersionOperation, VersionQuery};

const COLUMNS: &str = "v.id, v.memory, v.sequence, v.operation, v.path, v.sha256, v.size, v.created, v.actor_kind, \
                       v.actor_id, v.redacted, v.redacted_by, v.commitment";
/// Rows of versions that are in the log.
const LOGGED: &str = "EXISTS (SELECT 1 FROM version w WHERE w.sequence = v.sequence AND w.state = 'logged')";

pub(super) fn insert(transaction: &Transaction<'_>, rows: &[MemoryVersionRow]) -> Result<(), StoreError> {
    let mut statement = transaction.prepare_cached(
        "INSERT OR REPLACE INTO memory_version (id, memory, sequence, operation, path, sha256, size, created,
             actor_kind, actor_id, redacted, redacted_by, commitment)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?;
    for row in rows {
        let by = row.redacted.as_ref().map(|(_, by)| serde_json::to_string(by)).transpose();
        let by = by.map_err(|e| damaged(&row.id, e.to_string()))?;
        statement.execute(params![
            row.id,
            row.memory_id,
            row.sequence as i64,
            row.operation.name(),
            row.path.as_ref().map(MemoryPath::as_str),
            row.sha256.map(|digest| digest.hex()),
            row.size.map(|size| size as i64),
            row.created.0,
            row.actor.as_ref().map(Actor::kind),
            row.actor.as_ref().map(Actor::id),
            row.redacted.as_ref().map(|(at, _)| at.0),
            by,
            row.commitment.map(|digest| digest.hex()),
        ])?;
    }
    Ok(())
}

pub(super) fn select(connection: &Connection, query: &VersionQuery) -> Result<Vec<MemoryVersionRow>, StoreError> {
    let mut sql = format!("SELECT {COLUMNS} FROM memory_version v WHERE {LOGGED}");
    let mut values: Vec<Value> = Vec::new();
    if let Some(memory) = &query.memory_id {
        sql.push_str(" AND v.memory = ?");
        values.push(memory.clone().into());
    }
    if let Some(operation) = query.operation {
        sql.push_str(" AND v.operation = ?");
        values.push(operation.name().to_owned().into());
    }
    if let Some(actor) = &query.actor {
        sql.push_str(" AND v.actor_kind = ? AND v.actor_id = ?");
        values.push(actor.kind().to_owned().into());
        values.push(actor.id().to_owned().into());
    }
    if let Some(from) = query.from {
        sql.push_str(" AND v.created >= ?");
        values.push(from.0.into());
    }
    if let Some(to) = query.to {
        sql.push_str(" AND v.created <= ?");
        values.push(to.0.into());
    }
    if let Some((at, id)) = &query.after {
        sql.push_str(" AND (v.created, v.id) < (?, ?)");
        values.push(at.0.into());
        values.push(id.clone().into());
    }
    sql.push_str(" ORDER BY v.created DESC, v.id DESC");
    if query.limit > 0 {
        sql.push_str(" LIMIT ?");
        values.push(i64::try_from(query.limit).unwrap_or(i64::MAX).into());
    }
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), raw)?;
    rows.map(|row| read(row?)).collect()
}

pub(super) fn of(connection: &Connection, sequence: u64) -> Result<Vec<MemoryVersionRow>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM memory_version v WHERE v.sequence = ?1 ORDER BY v.id");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([sequence as i64], raw)?;
    rows.map(|row| read(row?)).collect()
}

pub(super) fn one(connection: &Connection, id: &str) -> Result<Option<MemoryVersionRow>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM memory_version v WHERE v.id = ?1 AND {LOGGED}");
    let row = connection.prepare_cached(&sql)?.query_row([id], raw).optional()?;
    row.map(read).transpose()
}

pub(super) fn live(connection: &Connection) -> Result<Vec<(MemoryVersionRow, Timestamp)>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS}, (SELECT c.created FROM memory_version c WHERE c.memory = v.memory ORDER BY c.sequence LIMIT 1)
         FROM memory_version v
         WHERE v.operation <> 'deleted' AND NOT EXISTS (
             SELECT 1 FROM memory_version n WHERE n.memory = v.memory AND n.sequence > v.sequence)"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([], |row| Ok((raw(row)?, row.get::<_, i64>(13)?)))?;
    rows.map(|row| {
        let (row, created) = row?;
        Ok((read(row)?, Timestamp(created)))
    })
    .collect()
}

struct Raw {
    id: String,
    memory: String,
    sequence: i64,
    operation: String,
    path: Option<String>,
    sha256: Option<String>,
    size: Option<i64>,
    created: i64,
    actor: (Option<String>, Option<String>),
    redacted: (Option<i64>, Option<String>),
    commitment: Option<String>,
}

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok(Raw {
        id: row.get(0)?,
        memory: row.get(1)?,
        sequence: row.get(2)?,
        operation: row.get(3)?,
        path: row.get(4)?,
        sha256: row.get(5)?,
        size: row.get(6)?,
        created: row.get(7)?,
        actor: (row.get(8)?, row.get(9)?),
        redacted: (row.get(10)?, row.get(11)?),
        commitment: row.get(12)?,
    })
}

fn damaged(id: &str, problem: String) -> StoreError {
    StoreError::Damaged { table: "memory_version", key: id.to_owned(), problem }
}

fn read(raw: Raw) -> Result<MemoryVersionRow, StoreError> {
    let bad = |problem: &str| damaged(&raw.id, problem.to_owned());
    let digest = |text: &Option<String>| -> Result<_, StoreError> {
        text.as_ref().map(|text| text.parse().map_err(|_| bad("a digest does not read"))).transpose()
    };
    let actor = match (&raw.actor.0, &raw.actor.1) {
        (None, None) => None,
        (Some(kind), Some(id)) => Some(match kind.as_str() {
            "session_actor" => Actor::Session(id.clone()),
            "api_actor" => Actor::ApiKey(id.clone()),
            "user_actor" => Actor::User(id.clone()),
            "service_account_actor" => Actor::ServiceAccount(id.clone()),
            _ => return Err(bad("an unknown kind of actor")),
        }),
        _ => return Err(bad("half an actor")),
    };
    let redacted = match &raw.redacted {
        (None, None) => None,
        (Some(at), Some(by)) => {
            Some((Timestamp(*at), serde_json::from_str(by).map_err(|_| bad("who redacted it does not read"))?))
        }
        _ => return Err(bad("half a redaction")),
    };
    Ok(MemoryVersionRow {
        sequence: u64::try_from(raw.sequence).map_err(|_| bad("negative sequence"))?,
        operation: VersionOperation::parse(&raw.operation).ok_or_else(|| bad("unknown operation"))?,
        path: raw.path.as_ref().map(|path| MemoryPath::parse(path).map_err(|e| bad(&e.to_string()))).transpose()?,
        sha256: digest(&raw.sha256)?,
        size: raw.size.map(|size| u64::try_from(size).map_err(|_| bad("negative size"))).transpose()?,
        created: Timestamp(raw.created),
        actor,
        redacted,
        commitment: digest(&raw.commitment)?,
        memory_id: raw.memory.clone(),
        id: raw.id.clone(),
    })
}
