//! Rows of people: local accounts, their logins, and which held item somebody has taken.

use rusqlite::{OptionalExtension as _, Row, params};
use serde_json::Value;

use crate::domain::{Digest, Timestamp};
use crate::store::StoreError;

use super::{ServerDb, damaged};

/// Tables beside those of the layout: a file from before them gets them when it is opened.
pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS account (
    id TEXT PRIMARY KEY, workspace TEXT NOT NULL, name TEXT NOT NULL UNIQUE, created INTEGER NOT NULL,
    body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS login (
    digest TEXT PRIMARY KEY, account TEXT NOT NULL, created INTEGER NOT NULL, seen INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS login_account ON login (account, created);
CREATE TABLE IF NOT EXISTS claim (
    store TEXT NOT NULL, item TEXT NOT NULL, account TEXT NOT NULL, name TEXT NOT NULL, until INTEGER NOT NULL,
    PRIMARY KEY (store, item)) WITHOUT ROWID;
";

/// A local account as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountRow {
    /// `user_…`.
    pub id: String,
    /// Its workspace.
    pub workspace: String,
    /// What it logs in as; one account a name.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// Role, password hash, times.
    pub body: Value,
}

/// One login: a session of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginTimes {
    /// When it began.
    pub created: Timestamp,
    /// When it was last used.
    pub seen: Timestamp,
}

/// Who has taken a held item, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRow {
    /// The store.
    pub store: String,
    /// The held item.
    pub item: String,
    /// The account's id.
    pub account: String,
    /// The account's name.
    pub name: String,
    /// When it is free again.
    pub until: Timestamp,
}

const ACCOUNT: &str = "SELECT id, workspace, name, created, body FROM account";

type RawAccount = (String, String, String, i64, String);

fn raw(row: &Row<'_>) -> rusqlite::Result<RawAccount> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}

fn account((id, workspace, name, created, body): RawAccount) -> Result<AccountRow, StoreError> {
    let body = serde_json::from_str(&body).map_err(|_| damaged("account", &id))?;
    Ok(AccountRow { id, workspace, name, created: Timestamp(created), body })
}

impl ServerDb {
    /// Writes a new account. False when the name is taken.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn add_account(&self, row: &AccountRow) -> Result<bool, StoreError> {
        let added = self.lock().execute(
            "INSERT INTO account (id, workspace, name, created, body) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO NOTHING",
            params![row.id, row.workspace, row.name, row.created.0, row.body.to_string()],
        )?;
        Ok(added > 0)
    }

    /// Changes an account; everybody who is logged in as it is logged out.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn change_account(&self, row: &AccountRow) -> Result<(), StoreError> {
        let mut lock = self.lock();
        let transaction = lock.transaction()?;
        transaction.execute("UPDATE account SET body = ?2 WHERE id = ?1", params![row.id, row.body.to_string()])?;
        transaction.execute("DELETE FROM login WHERE account = ?1", [&row.id])?;
        transaction.execute("DELETE FROM claim WHERE account = ?1", [&row.id])?;
        Ok(transaction.commit()?)
    }

    /// The account with this name.
    ///
    /// # Errors
    /// Unavailable database, damaged row.
    pub fn account_named(&self, name: &str) -> Result<Option<AccountRow>, StoreError> {
        let lock = self.lock();
        let mut statement = lock.prepare_cached(&format!("{ACCOUNT} WHERE name = ?1"))?;
        statement.query_row([name], raw).optional()?.map(account).transpose()
    }

    /// All accounts, by name.
    ///
    /// # Errors
    /// Unavailable database, damaged rows.
    pub fn accounts(&self) -> Result<Vec<AccountRow>, StoreError> {
        let lock = self.lock();
        let mut statement = lock.prepare_cached(&format!("{ACCOUNT} ORDER BY name"))?;
        let rows = statement.query_map([], raw)?;
        rows.map(|row| account(row?)).collect()
    }

    /// Begins a login. Logins from before `dead` go, and the account's oldest beyond `most`.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn put_login(
        &self,
        digest: &Digest,
        account: &str,
        at: Timestamp,
        dead: Timestamp,
        most: usize,
    ) -> Result<(), StoreError> {
        let mut lock = self.lock();
        let transaction = lock.transaction()?;
        transaction.execute("DELETE FROM login WHERE created < ?1", [dead.0])?;
        transaction.execute(
            "INSERT INTO login (digest, account, created, seen) VALUES (?1, ?2, ?3, ?3)",
            params![digest.hex(), account, at.0],
        )?;
        transaction.execute(
            "DELETE FROM login WHERE account = ?1 AND digest NOT IN
             (SELECT digest FROM login WHERE account = ?1 ORDER BY created DESC, digest LIMIT ?2)",
            params![account, i64::try_from(most).unwrap_or(i64::MAX)],
        )?;
        Ok(transaction.commit()?)
    }

    /// A login and its account.
    ///
    /// # Errors
    /// Unavailable database, damaged row.
    pub fn login(&self, digest: &Digest) -> Result<Option<(AccountRow, LoginTimes)>, StoreError> {
        let lock = self.lock();
        let mut statement = lock.prepare_cached(
            "SELECT a.id, a.workspace, a.name, a.created, a.body, l.created, l.seen
             FROM login l JOIN account a ON a.id = l.account WHERE l.digest = ?1",
        )?;
        let found = statement
            .query_row([digest.hex()], |row| {
                let times = LoginTimes { created: Timestamp(row.get(5)?), seen: Timestamp(row.get(6)?) };
                Ok((raw(row)?, times))
            })
            .optional()?;
        found.map(|(row, times)| Ok((account(row)?, times))).transpose()
    }

    /// Notes that a login was used.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn touch_login(&self, digest: &Digest, at: Timestamp) -> Result<(), StoreError> {
        self.lock().execute("UPDATE login SET seen = ?2 WHERE digest = ?1", params![digest.hex(), at.0])?;
        Ok(())
    }

    /// Ends a login.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn drop_login(&self, digest: &Digest) -> Result<(), StoreError> {
        self.lock().execute("DELETE FROM login WHERE digest = ?1", [digest.hex()])?;
        Ok(())
    }

    /// Takes an item for an account, unless somebody else has it: then theirs is returned.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn claim(&self, row: &ClaimRow, now: Timestamp) -> Result<ClaimRow, StoreError> {
        let mut lock = self.lock();
        let transaction = lock.transaction()?;
        transaction.execute("DELETE FROM claim WHERE until <= ?1", [now.0])?;
        transaction.execute(
            "INSERT INTO claim (store, item, account, name, until) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (store, item) DO UPDATE SET until = excluded.until WHERE account = excluded.account",
            params![row.store, row.item, row.account, row.name, row.until.0],
        )?;
        let held = transaction.query_row(
            "SELECT store, item, account, name, until FROM claim WHERE store = ?1 AND item = ?2",
            [&row.store, &row.item],
            claim,
        )?;
        transaction.commit()?;
        Ok(held)
    }

    /// Gives an item back. False when the account did not have it.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn drop_claim(&self, store: &str, item: &str, account: &str) -> Result<bool, StoreError> {
        let gone = self
            .lock()
            .execute("DELETE FROM claim WHERE store = ?1 AND item = ?2 AND account = ?3", [store, item, account])?;
        Ok(gone > 0)
    }

    /// Lines of the audit trail before a number, newest first.
    ///
    /// # Errors
    /// Unavailable database, damaged rows.
    pub fn audit_before(
        &self,
        workspace: &str,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<(i64, Timestamp, Value)>, StoreError> {
        let lock = self.lock();
        let mut statement = lock.prepare_cached(
            "SELECT number, at, body FROM audit WHERE workspace = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![workspace, before.unwrap_or(i64::MAX), limit], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?))
        })?;
        rows.map(|row| {
            let (number, at, body) = row?;
            let body = serde_json::from_str(&body).map_err(|_| damaged("audit", &number.to_string()))?;
            Ok((number, Timestamp(at), body))
        })
        .collect()
    }

    /// Items that somebody has now.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn claims(&self, now: Timestamp) -> Result<Vec<ClaimRow>, StoreError> {
        let lock = self.lock();
        let mut statement = lock.prepare_cached(
            "SELECT store, item, account, name, until FROM claim WHERE until > ?1 ORDER BY store, item",
        )?;
        let rows = statement.query_map([now.0], claim)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn claim(row: &Row<'_>) -> rusqlite::Result<ClaimRow> {
    Ok(ClaimRow {
        store: row.get(0)?,
        item: row.get(1)?,
        account: row.get(2)?,
        name: row.get(3)?,
        until: Timestamp(row.get(4)?),
    })
}
