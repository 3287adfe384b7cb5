//! One direct write to memory.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::auth::{self, Principal, Submit};
use crate::detect::Sources;
use crate::domain::{Candidate, HoldId, MemoryPath, Untrusted};

use crate::ledger::SignedMemory;

use super::gateway::Passed;
use super::sign::Change;
use super::{
    Firewall, FirewallError, VersionInfo,
    dream::{Elsewhere, as_found},
    output, sources,
};

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
        let ground = self.ground()?;
        let adopted = [self.adopted_from(ground.base.as_ref())?];
        let path = candidate.path.clone();
        let mut passed = Passed::default();
        let mut others = Passed::default();
        for memory in ground.base.iter().flat_map(|base| base.memories()).filter(|m| *m.path() != path) {
            let memory = output::as_memory(memory);
            let mut basis = ground.basis(&memory.path, &adopted);
            others.send(
                &self.scanner,
                &self.policy,
                &mut basis,
                &Sources::default(),
                Untrusted::new(as_found(&memory)),
            );
        }
        let mut basis = ground.basis(&path, &adopted);
        // Beside its neighbours: two writes of one memory may join into what neither says (T11).
        let texts = ground.base.iter().flat_map(|base| base.memories()).filter(|m| *m.path() != path);
        let elsewhere = Elsewhere::of(texts.map(SignedMemory::text), ground.base.as_ref());
        self.set_findings(&candidate.text, &elsewhere, &mut basis);
        let evidence = self.cited_sessions(&candidate)?;
        let sources = sources::of(&evidence, &BTreeMap::new());
        passed.send(&self.scanner, &self.policy, &mut basis, &sources, Untrusted::new(candidate));
        // Who writes it cannot release it, whatever its origins say.
        let mut records = self.records_of(&passed, |_| who.id().clone());
        records.extend(self.records(&others, who.id()));
        self.expire()?;
        self.put_held(&records)?;
        let mut approved = passed.approved;
        let admitted = !approved.is_empty();
        approved.extend(others.approved);
        let version = if admitted {
            let action = if ground.base.is_none() { "genesis" } else { "advance" };
            let operator = self.config.settings.operator.clone();
            self.sign_approved(approved, Change::content(action), &[operator])?
        } else {
            None
        };
        Ok(Submitted {
            version,
            held: records.into_iter().map(|record| record.id).collect(),
            refused: passed.refused.len() + passed.turned_away.len(),
            redacted: passed.redacted.into_iter().map(|(path, _)| path).collect(),
        })
    }
}
