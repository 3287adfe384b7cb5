//! What a server needs of a store: the head that is served, writes in batches, memory versions by id.

mod batch;
mod head;
mod near;
mod redact;
mod rows;

use std::sync::Arc;

use crate::detect::Scanner;
use crate::domain::Timestamp;
use crate::store::Store as _;

use super::{Firewall, FirewallError};

pub use crate::store::{Actor, MemoryVersionRow, VersionOperation, VersionQuery};
pub use batch::{Batch, Judged};
pub use head::{Head, MemoryRow};
pub(super) use near::Near;
pub use redact::Redacted;
pub(super) use rows::{Step, Told, backfill, of_change};

impl Firewall {
    /// The last signed version with the ids of its memories.
    ///
    /// Cost: nothing while no version is made; the first call verifies the whole version.
    ///
    /// # Errors
    /// Refused when version or rows do not verify: nothing is served then.
    pub fn live_head(&mut self) -> Result<Arc<Head>, FirewallError> {
        if let Some(head) = &self.live {
            return Ok(Arc::clone(head));
        }
        let head = Arc::new(self.load_head()?);
        self.live = Some(Arc::clone(&head));
        Ok(head)
    }

    pub(super) fn load_head(&self) -> Result<Head, FirewallError> {
        let Some(info) = self.head()? else { return Ok(Head::default()) };
        let version = self.recall(info.sequence)?;
        Head::load(version, info, self.store.live_rows()?)
    }

    /// Memory versions, newest first, ties by id.
    ///
    /// # Errors
    /// Unavailable store, damaged rows.
    pub fn memory_versions(&self, query: &VersionQuery) -> Result<Vec<MemoryVersionRow>, FirewallError> {
        Ok(self.store.rows(query)?)
    }

    /// One memory version.
    ///
    /// # Errors
    /// As [`Firewall::memory_versions`].
    pub fn memory_version(&self, id: &str) -> Result<Option<MemoryVersionRow>, FirewallError> {
        Ok(self.store.row(id)?)
    }

    /// The scanner, to scan on other threads before a batch begins.
    pub fn scanner_shared(&self) -> Arc<Scanner> {
        Arc::new(self.scanner.clone())
    }

    /// Moves the clock on: a server lives longer than one moment.
    pub const fn set_now(&mut self, now: Timestamp) {
        self.env.now = now;
    }

    /// On whose behalf versions are made from now on that no batch makes: dreams, releases, rollbacks.
    pub fn set_actor(&mut self, actor: Option<Actor>) {
        self.actor = actor;
    }
}
