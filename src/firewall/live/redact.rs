//! The content of old memory versions: read with its proof, erased for good.

use crate::domain::Digest;
use crate::firewall::{Firewall, FirewallError};
use crate::ledger::{Label, Salt};
use crate::store::{Actor, MemoryVersionRow, Store as _, StoreError};

/// What became of a redaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redacted {
    /// The content is gone.
    Done(MemoryVersionRow),
    /// It was gone before.
    Already(MemoryVersionRow),
    /// The content is that of the head: delete or change the memory first.
    IsHead,
    /// There is no such memory version.
    Unknown,
}

impl Firewall {
    /// The text of a memory version, verified against its commitment; `None` where there is none (deleted, erased).
    ///
    /// # Errors
    /// Refused when the stored text is not the one that was committed to.
    pub fn version_text(&self, row: &MemoryVersionRow) -> Result<Option<String>, FirewallError> {
        let (Some(sha256), Some(commitment)) = (row.sha256, row.commitment) else { return Ok(None) };
        let Some(object) = self.store.object(&commitment)? else { return Err(damaged(row, "its text is gone")) };
        let commits = Salt::from_slice(&object.salt)?.commit(Label::Content, &object.content) == commitment;
        if !commits || Digest::of(&object.content) != sha256 {
            return Err(damaged(row, "its text is not what was committed to"));
        }
        String::from_utf8(object.content).map(Some).map_err(|_| damaged(row, "its text is not UTF-8"))
    }

    /// Erases the content of a memory version that is not of the head.
    ///
    /// # Errors
    /// Unavailable store, damaged rows.
    pub fn redact_version(&mut self, id: &str, by: Actor) -> Result<Redacted, FirewallError> {
        let Some(mut row) = self.memory_version(id)? else { return Ok(Redacted::Unknown) };
        if row.redacted.is_some() {
            return Ok(Redacted::Already(row));
        }
        let head = self.live_head()?;
        if head.memory(&row.memory_id).is_some_and(|live| live.version_id == row.id) {
            return Ok(Redacted::IsHead);
        }
        row.redacted = Some((self.now(), by));
        (row.path, row.sha256, row.size) = (None, None, None);
        self.store.put_rows(std::slice::from_ref(&row))?;
        Ok(Redacted::Done(row))
    }
}

fn damaged(row: &MemoryVersionRow, problem: &str) -> FirewallError {
    StoreError::Damaged { table: "memory_version", key: row.id.clone(), problem: problem.to_owned() }.into()
}
