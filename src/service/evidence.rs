//! What can be checked afterwards: decisions, store versions, the log with its proofs.

use serde_json::{Value, json};

use crate::auth::Scope;
use crate::firewall::{Actor, FirewallError, ProvenDecision, VersionText};

use super::listing::{Ask, Listed};
use super::{Caller, Service, ServiceError};

const BAD: ServiceError = ServiceError::Bug { what: "a record does not encode" };

fn shown_decision(store: &str, decision: &ProvenDecision) -> Result<Value, ServiceError> {
    let mut value = serde_json::to_value(&decision.record).map_err(|_| BAD)?;
    value["id"] = format!("dec_{}", decision.number).into();
    value["type"] = "decision".into();
    value["store"] = store.into();
    value["evidence"] = json!({ "sha256": decision.evidence.hex(), "log_index": decision.log_index });
    Ok(value)
}

fn shown_text(text: &VersionText) -> Value {
    json!({ "path": text.path, "content": text.text })
}

impl Service {
    /// Decisions on held items of a store, oldest first.
    ///
    /// # Errors
    /// Forbidden without `review:read`; unknown store; refused for a foreign cursor.
    pub fn decisions(&self, caller: &Caller, store: &str, ask: &Ask) -> Result<Listed, ServiceError> {
        Self::require(caller, Scope::ReviewRead)?;
        let decisions = self.live(&caller.workspace, store)?.with(|firewall| firewall.proven_decisions())??;
        let items: Result<Vec<_>, ServiceError> =
            decisions.iter().map(|one| Ok((one.number.clone(), shown_decision(store, one)?))).collect();
        self.listed(&format!("decisions {} {store}", caller.workspace), items?, ask)
    }

    /// One decision: what, why, by whom, under which rules and policy, with the proof that the log has it.
    ///
    /// # Errors
    /// As [`Service::decisions`]; unknown id.
    pub fn decision(&self, caller: &Caller, store: &str, id: &str) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::ReviewRead)?;
        let number = id.strip_prefix("dec_").unwrap_or_default().to_owned();
        let found = self.live(&caller.workspace, store)?.with(move |firewall| -> Result<_, FirewallError> {
            let found = firewall.proven_decisions()?.into_iter().find(|one| one.number == number);
            let proof = found.as_ref().and_then(|one| one.log_index).map(|index| firewall.log_proof(index));
            Ok((found, proof.transpose()?.flatten()))
        })??;
        let (found, proof) = found;
        let found = found.ok_or(ServiceError::Unknown { what: "decision" })?;
        let mut value = shown_decision(store, &found)?;
        value["evidence"]["proof"] = json!(proof);
        Ok(value)
    }

    /// Signed versions of a store, oldest first.
    ///
    /// # Errors
    /// Forbidden without `store:read`; unknown store.
    pub fn store_versions(&self, caller: &Caller, store: &str) -> Result<Vec<Value>, ServiceError> {
        Self::require(caller, Scope::StoreRead)?;
        let versions = self.live(&caller.workspace, store)?.with(|firewall| firewall.versions())??;
        versions.iter().map(|version| serde_json::to_value(version).map_err(|_| BAD)).collect()
    }

    /// A page of them.
    ///
    /// # Errors
    /// As [`Service::store_versions`]; refused for a foreign cursor.
    pub fn list_store_versions(&self, caller: &Caller, store: &str, ask: &Ask) -> Result<Listed, ServiceError> {
        let versions = self.store_versions(caller, store)?.into_iter();
        let placed = versions.map(|version| (format!("{:020}", version["sequence"].as_u64().unwrap_or(0)), version));
        self.listed(&format!("store versions {} {store}", caller.workspace), placed.collect(), ask)
    }

    /// One version, with the proof that the log has its statement.
    ///
    /// # Errors
    /// As [`Service::store_versions`]; unknown number.
    pub fn store_version(&self, caller: &Caller, store: &str, sequence: u64) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::StoreRead)?;
        let live = self.live(&caller.workspace, store)?;
        let (version, proof) = live.with(move |firewall| -> Result<_, FirewallError> {
            let found = firewall.versions()?.into_iter().find(|version| version.sequence == sequence);
            let version = found.ok_or(FirewallError::UnknownVersion { sequence })?;
            let proof = firewall.log_proof(version.log_index)?;
            Ok((version, proof))
        })??;
        let mut value = serde_json::to_value(version).map_err(|_| BAD)?;
        value["type"] = "store_version".into();
        value["proof"] = json!(proof);
        Ok(value)
    }

    /// What changed between two versions, both verified.
    ///
    /// # Errors
    /// Forbidden without `recall`; unknown store or number.
    pub fn diff_versions(&self, caller: &Caller, store: &str, old: u64, new: u64) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::Recall)?;
        let diff = self.live(&caller.workspace, store)?.with(move |firewall| firewall.diff(old, new))??;
        let changed =
            diff.changed.iter().map(|(old, new)| json!({ "path": new.path, "old": old.text, "new": new.text }));
        Ok(json!({
            "type": "version_diff", "old": old, "new": new, "same": diff.same,
            "added": diff.added.iter().map(shown_text).collect::<Vec<_>>(),
            "removed": diff.removed.iter().map(shown_text).collect::<Vec<_>>(),
            "changed": changed.collect::<Vec<_>>(),
        }))
    }

    /// A new signed version with the content of an earlier one, scanned with today's rules.
    ///
    /// # Errors
    /// Forbidden without `store:rollback`; unknown store or number; refused when today's rules hold any of it.
    pub fn roll_back(&self, caller: &Caller, store: &str, target: u64, reason: &str) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::StoreRollback)?;
        if !(1..=512).contains(&reason.chars().count()) {
            return Err(ServiceError::invalid("reason: 1 to 512 characters"));
        }
        self.writable_store(&caller.workspace, store)?;
        self.check_no_output(&caller.workspace, store)?;
        let (why, actor) = (reason.to_owned(), Actor::ApiKey(caller.id.clone()));
        let version = self.live(&caller.workspace, store)?.with(move |firewall| {
            firewall.set_actor(Some(actor));
            let version = firewall.rollback(target, &why);
            firewall.set_actor(None);
            version
        })??;
        let about = json!({ "memory_store": store, "key": caller.id, "restores": target, "version": version.sequence });
        self.audit(&caller.workspace, "store.rolled_back", &about)?;
        let mut value = serde_json::to_value(version).map_err(|_| BAD)?;
        value["type"] = "store_version".into();
        value["restores"] = target.into();
        Ok(value)
    }

    /// Something of a store's log, for whoever checks it.
    fn of_log<T: Send + 'static>(
        &self,
        caller: &Caller,
        store: &str,
        read: impl FnOnce(&mut crate::firewall::Firewall) -> Result<Option<T>, FirewallError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        Self::require(caller, Scope::AuditRead)?;
        let found = self.live(&caller.workspace, store)?.with(read)??;
        found.ok_or(ServiceError::Unknown { what: "part of the log" })
    }

    /// The last checkpoint of a store's log: a signed note.
    ///
    /// # Errors
    /// Forbidden without `audit:read`; unknown store, or a log that is still empty.
    pub fn ledger_checkpoint(&self, caller: &Caller, store: &str) -> Result<String, ServiceError> {
        self.of_log(caller, store, |firewall| Ok(Some(firewall.log_checkpoint()?).filter(|note| !note.is_empty())))
    }

    /// The proof that an entry is in the log.
    ///
    /// # Errors
    /// As [`Service::ledger_checkpoint`]; beyond the end.
    pub fn ledger_proof(&self, caller: &Caller, store: &str, index: u64) -> Result<String, ServiceError> {
        self.of_log(caller, store, move |firewall| firewall.log_proof(index))
    }

    /// The proof that the log continues what it was.
    ///
    /// # Errors
    /// As [`Service::ledger_checkpoint`]; beyond the end.
    pub fn ledger_consistency(&self, caller: &Caller, store: &str, old: u64) -> Result<Value, ServiceError> {
        self.of_log(caller, store, move |firewall| {
            let (size, note) = (firewall.log_size()?, firewall.log_checkpoint()?);
            let Some(hashes) = firewall.log_consistency(old)? else { return Ok(None) };
            Ok(Some(json!({ "type": "consistency_proof", "old": old, "new": size, "hashes": hashes,
                "checkpoint": note })))
        })
    }

    /// The exact bytes of an entry.
    ///
    /// # Errors
    /// As [`Service::ledger_proof`].
    pub fn ledger_entry(&self, caller: &Caller, store: &str, index: u64) -> Result<Vec<u8>, ServiceError> {
        self.of_log(caller, store, move |firewall| firewall.log_entry(index))
    }

    /// A tile or a bundle of entries.
    ///
    /// # Errors
    /// As [`Service::ledger_checkpoint`]; no such file.
    pub fn ledger_file(&self, caller: &Caller, store: &str, path: &str) -> Result<Vec<u8>, ServiceError> {
        let path = path.to_owned();
        self.of_log(caller, store, move |firewall| firewall.log_file(&path))
    }
}
