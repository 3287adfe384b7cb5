//! Rows of what a server does by itself: webhook endpoints, their deliveries, schedules of dreams.

use rusqlite::{OptionalExtension as _, Row, params};
use serde_json::Value;

use crate::domain::Timestamp;
use crate::store::StoreError;

use super::{ServerDb, damaged};

/// Tables beside those of the layout: a file from before them gets them when it is opened.
pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS webhook (
    id TEXT PRIMARY KEY, workspace TEXT NOT NULL, created INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (state, next, id);
CREATE INDEX IF NOT EXISTS delivery_endpoint ON delivery (endpoint, created, id);
CREATE TABLE IF NOT EXISTS schedule (
    store TEXT PRIMARY KEY, workspace TEXT NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
";

/// A webhook endpoint as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct WebhookRow {
    /// `whep_…`.
    pub id: String,
    /// Whose events it gets.
    pub workspace: String,
    /// When it was made.
    pub created: Timestamp,
    /// Address, event types, secrets, state.
    pub body: Value,
}

/// One event on its way to one endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliveryRow {
    /// `whd_…`.
    pub id: String,
    /// The endpoint.
    pub endpoint: String,
    /// When the event was.
    pub created: Timestamp,
    /// When it is tried next; `None` when it is not.
    pub next: Option<Timestamp>,
    /// Attempts so far.
    pub attempts: u32,
    /// `pending`, `delivered` or `dead`.
    pub state: String,
    /// The event's exact text, and how the last attempt ended.
    pub body: Value,
}

/// A store's schedule of dreams as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduleRow {
    /// The store.
    pub store: String,
    /// Its workspace.
    pub workspace: String,
    /// The rules, and what they have seen so far.
    pub body: Value,
}

type RawDelivery = (String, String, i64, Option<i64>, u32, String, String);

const DELIVERY: &str = "SELECT id, endpoint, created, next, attempts, state, body FROM delivery";

fn raw_delivery(row: &Row<'_>) -> rusqlite::Result<RawDelivery> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?))
}

fn delivery(raw: RawDelivery) -> Result<DeliveryRow, StoreError> {
    let (id, endpoint, created, next, attempts, state, body) = raw;
    let body = serde_json::from_str(&body).map_err(|_| damaged("delivery", &id))?;
    let (created, next) = (Timestamp(created), next.map(Timestamp));
    Ok(DeliveryRow { id, endpoint, created, next, attempts, state, body })
}

fn put_delivery(connection: &rusqlite::Connection, row: &DeliveryRow) -> Result<(), StoreError> {
    let next = row.next.map(|at| at.0);
    connection
        .prepare_cached(
            "INSERT INTO delivery (id, endpoint, created, next, attempts, state, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (id) DO UPDATE SET next = excluded.next, attempts = excluded.attempts,
             state = excluded.state, body = excluded.body",
        )?
        .execute(params![row.id, row.endpoint, row.created.0, next, row.attempts, row.state, row.body.to_string()])?;
    Ok(())
}

impl ServerDb {
    /// Writes an endpoint, or replaces it.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn put_webhook(&self, row: &WebhookRow) -> Result<(), StoreError> {
        self.lock().execute(
            "INSERT INTO webhook (id, workspace, created, body) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            params![row.id, row.workspace, row.created.0, row.body.to_string()],
        )?;
        Ok(())
    }

    /// All endpoints, oldest first.
    ///
    /// # Errors
    /// Unavailable database, damaged rows.
    pub fn webhooks(&self) -> Result<Vec<WebhookRow>, StoreError> {
        let lock = self.lock();
        let mut statement =
            lock.prepare_cached("SELECT id, workspace, created, body FROM webhook ORDER BY created, id")?;
        let rows = statement.query_map([], |row| {
            Ok((row.get::<_, String>(0)?, row.get(1)?, row.get::<_, i64>(2)?, row.get::<_, String>(3)?))
        })?;
        rows.map(|row| {
            let (id, workspace, created, body) = row?;
            let body = serde_json::from_str(&body).map_err(|_| damaged("webhook", &id))?;
            Ok(WebhookRow { id, workspace, created: Timestamp(created), body })
        })
        .collect()
    }

    /// Removes an endpoint with its deliveries. False when there was none.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn remove_webhook(&self, id: &str) -> Result<bool, StoreError> {
        let mut lock = self.lock();
        let transaction = lock.transaction()?;
        transaction.execute("DELETE FROM delivery WHERE endpoint = ?1", [id])?;
        let gone = transaction.execute("DELETE FROM webhook WHERE id = ?1", [id])? > 0;
        transaction.commit()?;
        Ok(gone)
    }

    /// Adds a line to the audit trail, and the deliveries that it causes, in one transaction: no event of the trail
    /// is lost on its way to an endpoint.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn audit_and_deliver(
        &self,
        workspace: &str,
        at: Timestamp,
        line: Option<&Value>,
        deliveries: &[DeliveryRow],
    ) -> Result<(), StoreError> {
        let mut lock = self.lock();
        let transaction = lock.transaction()?;
        if let Some(line) = line {
            transaction.execute(
                "INSERT INTO audit (workspace, at, body) VALUES (?1, ?2, ?3)",
                params![workspace, at.0, line.to_string()],
            )?;
        }
        for row in deliveries {
            put_delivery(&transaction, row)?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Writes a delivery, or replaces it.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn put_delivery(&self, row: &DeliveryRow) -> Result<(), StoreError> {
        put_delivery(&self.lock(), row)
    }

    /// The delivery of each endpoint that has been due longest: one slow endpoint holds up no other.
    ///
    /// # Errors
    /// Unavailable database, damaged rows.
    pub fn due_deliveries(&self, at: Timestamp) -> Result<Vec<DeliveryRow>, StoreError> {
        // Beside MIN, SQLite answers the other columns of the row that has the minimum.
        let sql = "SELECT id, endpoint, created, MIN(next), attempts, state, body FROM delivery
             WHERE state = 'pending' AND next <= ?1 GROUP BY endpoint ORDER BY MIN(next), id";
        let lock = self.lock();
        let mut statement = lock.prepare_cached(sql)?;
        let rows = statement.query_map([at.0], raw_delivery)?;
        rows.map(|raw| delivery(raw?)).collect()
    }

    /// One delivery.
    ///
    /// # Errors
    /// Unavailable database, damaged row.
    pub fn delivery(&self, id: &str) -> Result<Option<DeliveryRow>, StoreError> {
        let sql = format!("{DELIVERY} WHERE id = ?1");
        let lock = self.lock();
        let mut statement = lock.prepare_cached(&sql)?;
        statement.query_row([id], raw_delivery).optional()?.map(delivery).transpose()
    }

    /// Deliveries of an endpoint, newest first.
    ///
    /// # Errors
    /// Unavailable database, damaged rows.
    pub fn deliveries(&self, endpoint: &str, limit: usize) -> Result<Vec<DeliveryRow>, StoreError> {
        let sql = format!("{DELIVERY} WHERE endpoint = ?1 ORDER BY created DESC, id DESC LIMIT ?2");
        let lock = self.lock();
        let mut statement = lock.prepare_cached(&sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![endpoint, limit], raw_delivery)?;
        rows.map(|raw| delivery(raw?)).collect()
    }

    /// Gives up on what waits for an endpoint. Number of deliveries given up.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn bury_deliveries(&self, endpoint: &str) -> Result<usize, StoreError> {
        Ok(self.lock().execute(
            "UPDATE delivery SET state = 'dead', next = NULL WHERE endpoint = ?1 AND state = 'pending'",
            [endpoint],
        )?)
    }

    /// Dead deliveries of an endpoint wait again, as new ones. Number of deliveries.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn replay_deliveries(&self, endpoint: &str, at: Timestamp) -> Result<usize, StoreError> {
        Ok(self.lock().execute(
            "UPDATE delivery SET state = 'pending', next = ?2, attempts = 0 WHERE endpoint = ?1 AND state = 'dead'",
            params![endpoint, at.0],
        )?)
    }

    /// Forgets deliveries that ended before a time. Dead ones are kept until the second.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn forget_deliveries(&self, delivered: Timestamp, dead: Timestamp) -> Result<(), StoreError> {
        self.lock().execute(
            "DELETE FROM delivery WHERE (state = 'delivered' AND created < ?1) OR (state = 'dead' AND created < ?2)",
            params![delivered.0, dead.0],
        )?;
        Ok(())
    }

    /// Writes a schedule, or replaces it.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn put_schedule(&self, row: &ScheduleRow) -> Result<(), StoreError> {
        self.lock().execute(
            "INSERT INTO schedule (store, workspace, body) VALUES (?1, ?2, ?3)
             ON CONFLICT (store) DO UPDATE SET body = excluded.body",
            params![row.store, row.workspace, row.body.to_string()],
        )?;
        Ok(())
    }

    /// All schedules.
    ///
    /// # Errors
    /// Unavailable database, damaged rows.
    pub fn schedules(&self) -> Result<Vec<ScheduleRow>, StoreError> {
        let lock = self.lock();
        let mut statement = lock.prepare_cached("SELECT store, workspace, body FROM schedule ORDER BY store")?;
        let rows = statement
            .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?)))?;
        rows.map(|row| {
            let (store, workspace, body) = row?;
            let body = serde_json::from_str(&body).map_err(|_| damaged("schedule", &store))?;
            Ok(ScheduleRow { store, workspace, body })
        })
        .collect()
    }

    /// Removes a schedule. False when there was none.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn remove_schedule(&self, store: &str) -> Result<bool, StoreError> {
        Ok(self.lock().execute("DELETE FROM schedule WHERE store = ?1", [store])? > 0)
    }
}
