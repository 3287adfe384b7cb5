//! The content of old memory versions: read with its proof, erased for good.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::Digest;
use crate::firewall::{Firewall, FirewallError};
use crate::ledger::{Label, Line, Manifest, Salt};
use crate::store::{Actor, MemoryVersionRow, Store as _, StoreError, VersionQuery};

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

    /// Erases the content of a memory version that is not of the head: text, salt and record are destroyed, the signed
    /// erasure is in the log, and every version that held it says so from now on. Other memory versions with exactly this
    /// stored content lose it, too.
    ///
    /// # Errors
    /// Unavailable store or log, damaged records. What was begun is finished when the folder is opened again.
    pub fn redact_version(&mut self, id: &str, by: Actor) -> Result<Redacted, FirewallError> {
        let Some(row) = self.memory_version(id)? else { return Ok(Redacted::Unknown) };
        if row.redacted.is_some() {
            return Ok(Redacted::Already(row));
        }
        let head = self.live_head()?;
        if head.memory(&row.memory_id).is_some_and(|live| live.version_id == row.id) {
            return Ok(Redacted::IsHead);
        }
        let plan = self.plan(&row)?;
        // A rollback may have brought exactly this content back: it is erased from the head first, by a write.
        let at_head = head.version().map(|version| version.manifest().lines()).unwrap_or_default();
        if at_head.iter().any(|line| plan.commitments.iter().any(|c| commits(line, c))) {
            return Ok(Redacted::IsHead);
        }
        let at = self.now();
        let mut pending = Pending { leaves: plan.leaves, commitments: plan.commitments, rows: Vec::new() };
        let mut told: BTreeMap<u64, Vec<MemoryVersionRow>> = BTreeMap::new();
        for sequence in plan.sequences {
            told.insert(sequence, self.store.rows_of(sequence)?);
        }
        for rows in told.values_mut() {
            for one in rows.iter_mut() {
                let same = one.commitment.is_some_and(|c| pending.commitments.contains(&c)) || one.id == row.id;
                if same && one.redacted.is_none() {
                    one.redacted = Some((at, by.clone()));
                    (one.path, one.sha256, one.size) = (None, None, None);
                    pending.rows.push(one.clone());
                }
            }
        }
        let mut digests = Vec::new();
        for (sequence, rows) in told {
            let version = self.vault.log()?.history().version(sequence).map(|version| *version.id());
            digests.push((version.ok_or(FirewallError::UnknownVersion { sequence })?, rows));
        }
        let body = serde_json::to_string(&pending).map_err(FirewallError::encode)?;
        self.store.put_document(PENDING, PENDING_ID, &body)?;
        self.log_erasures(&pending.leaves, "redacted", &digests)?;
        self.erase(&pending)?;
        let row = pending.rows.into_iter().find(|one| one.id == id);
        Ok(row.map_or(Redacted::Unknown, Redacted::Done))
    }

    /// Every stored form of a row's content, in whatever version it lies.
    fn plan(&self, row: &MemoryVersionRow) -> Result<Plan, FirewallError> {
        let mut plan = Plan { leaves: Vec::new(), commitments: Vec::new(), sequences: BTreeSet::from([row.sequence]) };
        let (Some(sha256), Some(path)) = (row.sha256, &row.path) else { return Ok(plan) };
        let records = self.store.versions()?;
        // The same text may have got a fresh salt on its way through the versions.
        for record in records.iter().filter(|record| record.sequence >= row.sequence) {
            let manifest = Manifest::parse(&record.manifest)?;
            let Some((_, line @ Line::Memory { content, .. })) = manifest.line_of(path) else { break };
            if plan.commitments.contains(content) {
                continue;
            }
            let object = self.store.object(content)?;
            if object.is_none_or(|object| Digest::of(&object.content) != sha256) {
                break;
            }
            plan.commitments.push(*content);
            plan.leaves.push(line.leaf_hash());
        }
        let all = self.store.rows(&VersionQuery::default())?;
        let same = all.iter().filter(|row| row.commitment.is_some_and(|c| plan.commitments.contains(&c)));
        plan.sequences.extend(same.map(|row| row.sequence));
        Ok(plan)
    }

    /// Takes the objects out, and redacts the lines of every manifest that held them.
    fn erase(&mut self, pending: &Pending) -> Result<(), FirewallError> {
        let leaves: BTreeSet<Digest> = pending.leaves.iter().copied().collect();
        let mut manifests = Vec::new();
        for record in self.store.versions()? {
            let old = Manifest::parse(&record.manifest)?;
            let new = old.redacted(&leaves);
            if new != old {
                manifests.push((record.sequence, new.to_bytes()));
            }
        }
        Ok(self.store.erase(&pending.commitments, &manifests, &pending.rows, &[(PENDING, PENDING_ID, "")])?)
    }

    /// Finishes or forgets an erasure that an interrupted run left: the log knows which.
    pub(in crate::firewall) fn finish_redaction(&mut self) -> Result<(), FirewallError> {
        let body = self.store.document(PENDING, PENDING_ID)?.unwrap_or_default();
        if body.is_empty() {
            return Ok(());
        }
        // One that does not read is as if it were none: what the log erased and the store still holds is then named.
        let Ok(pending) = serde_json::from_str::<Pending>(&body) else { return Ok(()) };
        let erased = self.vault.log()?.history().erased();
        if pending.leaves.iter().all(|leaf| erased.contains(leaf)) && !pending.leaves.is_empty() {
            return self.erase(&pending);
        }
        Ok(self.store.put_document(PENDING, PENDING_ID, "")?)
    }
}

/// Kind of the one document that holds an erasure on its way.
const PENDING: &str = "redaction-pending";
const PENDING_ID: &str = "1";

/// What an erasure takes.
struct Plan {
    leaves: Vec<Digest>,
    commitments: Vec<Digest>,
    /// Versions whose rows change.
    sequences: BTreeSet<u64>,
}

/// An erasure on its way: enough to finish it. Holds nothing of what is erased.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pending {
    leaves: Vec<Digest>,
    commitments: Vec<Digest>,
    rows: Vec<MemoryVersionRow>,
}

fn commits(line: &Line, commitment: &Digest) -> bool {
    matches!(line, Line::Memory { content, .. } if content == commitment)
}

fn damaged(row: &MemoryVersionRow, problem: &str) -> FirewallError {
    StoreError::Damaged { table: "memory_version", key: row.id.clone(), problem: problem.to_owned() }.into()
}
