//! Rows of memgate's own API: answers that come again, submissions, what was recalled.

use rusqlite::{OptionalExtension as _, params};
use serde_json::Value;

use crate::domain::{Digest, Timestamp};
use crate::store::StoreError;

use super::{ServerDb, damaged};

/// Tables beside those of the layout: a file from before them gets them when it is opened.
pub(super) const SCHEMA: &str = "
DROP TABLE IF EXISTS idempotency;
CREATE TABLE IF NOT EXISTS answer (
    credential TEXT NOT NULL, key TEXT NOT NULL, request TEXT NOT NULL, at INTEGER NOT NULL, size INTEGER NOT NULL,
    status INTEGER NOT NULL, headers TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (credential, key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answer_at ON answer (at);
CREATE INDEX IF NOT EXISTS answer_size ON answer (credential, at, size);
CREATE TABLE IF NOT EXISTS record (
    workspace TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, created INTEGER NOT NULL, about TEXT NOT NULL,
    body TEXT NOT NULL, PRIMARY KEY (workspace, kind, id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS record_created ON record (workspace, kind, created, id);
CREATE INDEX IF NOT EXISTS record_about ON record (workspace, kind, about, created, id);
";

/// An answer that comes again when its request does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerRow {
    /// Whose request.
    pub credential: String,
    /// The key it came with.
    pub key: String,
    /// Digest of the request.
    pub request: Digest,
    /// When it was answered.
    pub at: Timestamp,
    /// The answer's status.
    pub status: u16,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

/// Something that was done through memgate's own API and can be read afterwards.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordRow {
    /// Whose it is.
    pub workspace: String,
    /// `submission` or `exposure`.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// When.
    pub created: Timestamp,
    /// What it is about: a store.
    pub about: String,
    /// The rest, without text of memories.
    pub body: Value,
}

/// What a list of records asks for, newest first.
#[derive(Clone, Debug, Default)]
pub struct RecordQuery {
    /// Only about this.
    pub about: Option<String>,
    /// Continue after this one.
    pub after: Option<(Timestamp, String)>,
    /// At most so many.
    pub limit: usize,
}

impl ServerDb {
    /// The answer that is kept for a key.
    ///
    /// # Errors
    /// Unavailable database, damaged row.
    pub fn answer(&self, credential: &str, key: &str) -> Result<Option<AnswerRow>, StoreError> {
        let sql = "SELECT request, at, status, headers, body FROM answer WHERE credential = ?1 AND key = ?2";
        let lock = self.lock();
        let mut statement = lock.prepare_cached(sql)?;
        let found = statement.query_row([credential, key], |row| {
            let parts: (String, i64, u16, String, Vec<u8>) =
                (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
            Ok(parts)
        });
        let Some((request, at, status, headers, body)) = found.optional()? else { return Ok(None) };
        let damaged = || damaged("answer", key);
        Ok(Some(AnswerRow {
            credential: credential.to_owned(),
            key: key.to_owned(),
            request: request.parse().map_err(|_| damaged())?,
            at: Timestamp(at),
            status,
            headers: serde_json::from_str(&headers).map_err(|_| damaged())?,
            body,
        }))
    }

    /// Keeps an answer.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn put_answer(&self, row: &AnswerRow) -> Result<(), StoreError> {
        let headers = serde_json::to_string(&row.headers).map_err(|_| damaged("answer", &row.key))?;
        let size = i64::try_from(row.body.len() + headers.len() + 256).unwrap_or(i64::MAX);
        self.lock()
            .prepare_cached(
                "INSERT INTO answer (credential, key, request, at, size, status, headers, body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (credential, key) DO UPDATE SET
                 request = excluded.request, at = excluded.at, size = excluded.size, status = excluded.status,
                 headers = excluded.headers, body = excluded.body",
            )?
            .execute(params![
                row.credential,
                row.key,
                row.request.hex(),
                row.at.0,
                size,
                row.status,
                headers,
                row.body
            ])?;
        Ok(())
    }

    /// How many answers a credential has kept, their bytes, and when the oldest was given.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn answers_of(&self, credential: &str) -> Result<(u64, u64, Option<Timestamp>), StoreError> {
        let sql = "SELECT COUNT(*), COALESCE(SUM(size), 0), MIN(at) FROM answer WHERE credential = ?1";
        let lock = self.lock();
        let mut statement = lock.prepare_cached(sql)?;
        let (count, size, oldest): (i64, i64, Option<i64>) =
            statement.query_row([credential], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        Ok((u64::try_from(count).unwrap_or(0), u64::try_from(size).unwrap_or(0), oldest.map(Timestamp)))
    }

    /// Forgets answers that were given before a time.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn forget_answers(&self, before: Timestamp) -> Result<usize, StoreError> {
        Ok(self.lock().prepare_cached("DELETE FROM answer WHERE at < ?1")?.execute([before.0])?)
    }

    /// Keeps records; of each kind and workspace, the oldest beyond `most` go.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn put_records(&self, rows: &[RecordRow], most: usize) -> Result<(), StoreError> {
        let mut lock = self.lock();
        let transaction = lock.transaction()?;
        for row in rows {
            transaction
                .prepare_cached(
                    "INSERT INTO record (workspace, kind, id, created, about, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![row.workspace, row.kind, row.id, row.created.0, row.about, row.body.to_string()])?;
        }
        if let Some(row) = rows.last() {
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            transaction
                .prepare_cached(
                    "DELETE FROM record WHERE workspace = ?1 AND kind = ?2 AND (created, id) <=
                     (SELECT created, id FROM record WHERE workspace = ?1 AND kind = ?2
                      ORDER BY created DESC, id DESC LIMIT 1 OFFSET ?3)",
                )?
                .execute(params![row.workspace, row.kind, most])?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// One record.
    ///
    /// # Errors
    /// Unavailable database, damaged row.
    pub fn record(&self, workspace: &str, kind: &str, id: &str) -> Result<Option<RecordRow>, StoreError> {
        let sql = "SELECT created, about, body FROM record WHERE workspace = ?1 AND kind = ?2 AND id = ?3";
        let lock = self.lock();
        let mut statement = lock.prepare_cached(sql)?;
        let found = statement.query_row([workspace, kind, id], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
        });
        let Some((created, about, body)) = found.optional()? else { return Ok(None) };
        let body = serde_json::from_str(&body).map_err(|_| damaged("record", id))?;
        let (workspace, kind) = (workspace.to_owned(), kind.to_owned());
        Ok(Some(RecordRow { workspace, kind, id: id.to_owned(), created: Timestamp(created), about, body }))
    }

    /// Records of a kind, newest first.
    ///
    /// # Errors
    /// Unavailable database, damaged rows.
    pub fn records(&self, workspace: &str, kind: &str, query: &RecordQuery) -> Result<Vec<RecordRow>, StoreError> {
        let (at, id) = query.after.clone().map_or((i64::MAX, String::new()), |(at, id)| (at.0, id));
        let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
        let sql = match query.about {
            Some(_) => {
                "SELECT id, created, about, body FROM record WHERE workspace = ?1 AND kind = ?2 AND about = ?6
                 AND (created, id) < (?3, ?4) ORDER BY created DESC, id DESC LIMIT ?5"
            }
            None => {
                "SELECT id, created, about, body FROM record WHERE workspace = ?1 AND kind = ?2
                 AND (created, id) < (?3, ?4) AND ?6 IS NULL ORDER BY created DESC, id DESC LIMIT ?5"
            }
        };
        let lock = self.lock();
        let mut statement = lock.prepare_cached(sql)?;
        let rows = statement.query_map(params![workspace, kind, at, id, limit, query.about], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?, row.get::<_, String>(3)?))
        })?;
        rows.map(|row| {
            let (id, created, about, body) = row?;
            let body = serde_json::from_str(&body).map_err(|_| damaged("record", &id))?;
            let (workspace, kind) = (workspace.to_owned(), kind.to_owned());
            Ok(RecordRow { workspace, kind, id, created: Timestamp(created), about, body })
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn database() -> (tempfile::TempDir, ServerDb) {
        let folder = tempfile::tempdir().unwrap();
        let database = ServerDb::open(&folder.path().join("server.db")).unwrap();
        (folder, database)
    }

    #[test]
    fn answers_come_back_by_credential_and_go_when_their_time_is_over() {
        let (_folder, database) = database();
        let row = AnswerRow {
            credential: "a".to_owned(),
            key: "k".to_owned(),
            request: Digest::of("r"),
            at: Timestamp(100),
            status: 200,
            headers: vec![("etag".to_owned(), "\"x\"".to_owned())],
            body: b"{}".to_vec(),
        };
        database.put_answer(&row).unwrap();
        assert_eq!(database.answer("a", "k").unwrap(), Some(row));
        assert_eq!(database.answer("b", "k").unwrap(), None);
        let (count, bytes, oldest) = database.answers_of("a").unwrap();
        assert!(count == 1 && bytes > 256 && oldest == Some(Timestamp(100)));
        assert_eq!(database.forget_answers(Timestamp(100)).unwrap(), 0);
        assert_eq!(database.forget_answers(Timestamp(101)).unwrap(), 1);
        assert_eq!(database.answers_of("a").unwrap(), (0, 0, None));
    }

    #[test]
    fn records_are_bounded_and_paged_newest_first() {
        let (_folder, database) = database();
        let row = |number: i64, workspace: &str| RecordRow {
            workspace: workspace.to_owned(),
            kind: "submission".to_owned(),
            id: format!("sub_{number}"),
            created: Timestamp(number / 2),
            about: format!("s{}", number % 2),
            body: json!({ "n": number }),
        };
        database.put_records(&[row(0, "other")], 3).unwrap();
        for number in 0..6 {
            database.put_records(&[row(number, "w")], 3).unwrap();
        }
        let list = |query: &RecordQuery| -> Vec<String> {
            let rows = database.records("w", "submission", query).unwrap();
            rows.into_iter().map(|row| row.id).collect()
        };
        let all = RecordQuery { limit: 9, ..RecordQuery::default() };
        assert_eq!(list(&all), ["sub_5", "sub_4", "sub_3"]);
        assert_eq!(list(&RecordQuery { about: Some("s1".to_owned()), ..all.clone() }), ["sub_5", "sub_3"]);
        let after = Some((Timestamp(2), "sub_5".to_owned()));
        assert_eq!(list(&RecordQuery { after, limit: 1, ..all }), ["sub_4"]);
        assert!(database.record("other", "submission", "sub_0").unwrap().is_some());
        assert!(database.record("w", "submission", "sub_0").unwrap().is_none());
    }
}
