//! What a dream on a copy made of a store goes back into the store: one version, path by path.

use std::collections::BTreeMap;

use crate::detect::Sources;
use crate::domain::{Digest, MemoryPath, Untrusted};
use crate::gate::HeldRecord;
use crate::ingest::Memory;
use crate::ledger::{SignedMemory, SignedVersion};
use crate::store::Actor;

use super::dream::as_found;
use super::live::Judged;
use super::{Firewall, FirewallError, VersionInfo, output};

/// What became of a dream's changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The version, when anything changed.
    pub version: Option<VersionInfo>,
    /// Memories that were changed, made or removed.
    pub changed: usize,
    /// Memories that somebody else changed meanwhile: theirs stays.
    pub skipped: Vec<MemoryPath>,
    /// Memories that the store's own gate held.
    pub held: usize,
}

impl Firewall {
    /// The memories of the current version; none when there is no version.
    ///
    /// # Errors
    /// Refused when the version does not verify.
    pub fn memories(&self) -> Result<Vec<Memory>, FirewallError> {
        let Some(head) = self.head()? else { return Ok(Vec::new()) };
        Ok(self.recall(head.sequence)?.memories().iter().map(output::as_memory).collect())
    }

    /// Applies the difference between `base` (path and text digest when the copy was made) and the copy's version, as
    /// one version. A memory that changed since is left alone. `held` goes into this store's quarantine.
    ///
    /// The copy's version is the proof that its gate admitted the texts; this store's gate looks at each again.
    ///
    /// # Errors
    /// Unavailable store or log: nothing is applied then.
    pub fn apply_version(
        &mut self,
        copy: &SignedVersion,
        base: &BTreeMap<MemoryPath, Digest>,
        actor: &Actor,
        held: &[HeldRecord],
    ) -> Result<Applied, FirewallError> {
        let operator = self.operator()?;
        let scanner = self.scanner.clone();
        self.put_held(held)?;
        let head = self.live_head()?;
        let unmoved = |path: &MemoryPath| head.at(path).map(|row| row.sha256) == base.get(path).copied();
        let mut applied = Applied { version: None, changed: 0, skipped: Vec::new(), held: 0 };
        let mut batch = self.batch()?;
        batch.adopt(copy);
        for path in base.keys().filter(|path| copy.memory(path).is_none()) {
            match unmoved(path) {
                true => applied.changed += usize::from(batch.delete(actor.clone(), path)?),
                false => applied.skipped.push(path.clone()),
            }
        }
        let changed = |memory: &&SignedMemory| base.get(memory.path()) != Some(&Digest::of(memory.text()));
        for memory in copy.memories().iter().filter(changed) {
            if !unmoved(memory.path()) {
                applied.skipped.push(memory.path().clone());
                continue;
            }
            let candidate = Untrusted::new(as_found(&output::as_memory(memory)));
            let scanned = scanner.scan_with(candidate, &Sources::default());
            match batch.put(&operator, actor.clone(), scanned, None)? {
                Judged::Admitted { .. } => applied.changed += 1,
                Judged::Unchanged => {}
                Judged::Held { .. } | Judged::Refused { .. } => applied.held += 1,
            }
        }
        applied.version = batch.commit()?;
        Ok(applied)
    }
}
