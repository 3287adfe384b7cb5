//! One direct write to memory.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::auth::{self, Principal, Submit};
use crate::domain::{Candidate, HoldId, MemoryPath, Untrusted};

use super::gateway::Passed;
use super::sign::Change;
use super::{Firewall, FirewallError, VersionInfo, dream::Beside, sources};

/// What became of a write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Submitted {
    /// The version that holds what was admitted, when anything was.
    pub version: Option<VersionInfo>,
    /// Quarantine items for what was held.
    pub held: Vec<HoldId>,
    /// Number of notes turned away.
    pub refused: usize,
    /// Memories with masked secrets.
    pub redacted: Vec<MemoryPath>,
}

impl Firewall {
    /// Writes one memory, whole: admitted notes are stored, held ones wait, the rest is refused.
    ///
    /// # Errors
    /// Refused when the principal may not submit; unavailable store.
    pub fn submit(&mut self, who: &Principal, candidate: Candidate) -> Result<Submitted, FirewallError> {
        auth::authorize::<Submit>(who)?;
        let path = candidate.path.clone();
        let (ground, near) = self.ground_of(&path)?;
        let mut passed = Passed::default();
        let mut basis = ground.basis(&path, near.adopted());
        // Beside its neighbours: two writes of one memory may join into what neither says (T11).
        let elsewhere = near.beside(&candidate.text, &path);
        self.set_findings(&candidate.text, &elsewhere, &Beside::Known(near.known(), BTreeSet::new()), &mut basis);
        let evidence = self.cited_sessions(&candidate)?;
        let sources = sources::of(&evidence, &BTreeMap::new());
        passed.send(&self.scanner, &self.policy, &mut basis, &sources, Untrusted::new(candidate));
        self.near = Some(near);
        // Who writes it cannot release it, whatever its origins say.
        let records = self.records_of(&passed, |_| who.id().clone());
        self.expire()?;
        self.put_held(&records)?;
        let version = if passed.approved.is_empty() {
            None
        } else {
            let action = if ground.base().is_none() { "genesis" } else { "advance" };
            let operator = self.config.settings.operator.clone();
            self.sign_changes(passed.approved, &BTreeSet::new(), Change::content(action), &[operator])?
        };
        Ok(Submitted {
            version,
            held: records.into_iter().map(|record| record.id).collect(),
            refused: passed.refused.len() + passed.turned_away.len(),
            redacted: passed.redacted.into_iter().map(|(path, _)| path).collect(),
        })
    }
}
