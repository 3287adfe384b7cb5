//! The files of a data folder that verification starts from: trust, log, seal, versions.

use std::fs;
use std::path::Path;

use crate::domain::Digest;
use crate::ledger::envelope::pae;
use crate::ledger::{
    LedgerError, Line, Manifest, MemoryObject, Namespace, SigningKey, StoredVersion, TestKeys, TlogPolicy, Trust,
    TrustPolicy,
};

use super::logdir::LogDir;
use super::{Store, StoreError, VersionRecord};

/// The database's file name.
pub const DATABASE: &str = "memgate.db";
/// The folder of the trust files.
pub const TRUST: &str = "trust";
/// The folder of the log and its writer's state.
pub const LEDGER: &str = "ledger";

const SEAL_TYPE: &str = "application/vnd.memgate.seal";

/// Reads and checks the trust files.
///
/// # Errors
/// Unavailable when a file cannot be read, refused when one does not check.
pub fn read_trust(data: &Path) -> Result<Trust, StoreError> {
    let read = |name: &str| {
        let path = data.join(TRUST).join(name);
        fs::read(&path).map_err(StoreError::io("read", path))
    };
    let policy = TrustPolicy::parse(&read("policy.json")?, &Namespace::product(), TestKeys::Refuse)?;
    let tlog =
        String::from_utf8(read("tlog.policy")?).map_err(|_| LedgerError::Policy { why: "tlog.policy is not UTF-8" })?;
    Ok(Trust::new(Namespace::product(), policy, Vec::new(), TlogPolicy::parse(&tlog, TestKeys::Refuse)?)?)
}

/// Which trust file keeps [`read_trust`] from working; both when each reads by itself.
pub fn bad_trust_file(data: &Path) -> &'static str {
    let read = |name: &str| fs::read(data.join(TRUST).join(name)).unwrap_or_default();
    let tlog = read("tlog.policy");
    if TrustPolicy::parse(&read("policy.json"), &Namespace::product(), TestKeys::Refuse).is_err() {
        "trust/policy.json"
    } else if !std::str::from_utf8(&tlog).is_ok_and(|text| TlogPolicy::parse(text, TestKeys::Refuse).is_ok()) {
        "trust/tlog.policy"
    } else {
        "trust/policy.json or trust/tlog.policy"
    }
}

/// The log of a data folder, to read.
pub fn log_folder(data: &Path) -> LogDir {
    LogDir::read_only(&data.join(LEDGER))
}

/// Signs an inventory with the gate's key. Shape: signature in hex, line feed, inventory.
///
/// # Errors
/// Refused when the fresh signature does not verify.
pub fn sign_seal(gate: &SigningKey, inventory: &str) -> Result<Vec<u8>, StoreError> {
    let signature = gate.sign(&pae(SEAL_TYPE, inventory.as_bytes()))?;
    Ok(format!("{}\n{inventory}", data_encoding::HEXLOWER.encode(&signature)).into_bytes())
}

/// Checks a seal file under the gate's keys and returns the inventory it covers.
///
/// # Errors
/// Says what is wrong with the seal.
pub fn open_seal(trust: &Trust, bytes: &[u8]) -> Result<String, &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| "is not text")?;
    let (signature, inventory) = text.split_once('\n').ok_or("has another form")?;
    let signature = data_encoding::HEXLOWER.decode(signature.as_bytes()).map_err(|_| "has another form")?;
    let message = pae(SEAL_TYPE, inventory.as_bytes());
    let policy = trust.policy();
    let good = policy.keys().any(|key| policy.is_gate(&key.id()) && key.verifies(&message, &signature));
    if good { Ok(inventory.to_owned()) } else { Err("is not signed by the gate's key") }
}

/// Leaf hashes of the stored manifests, where a rollback may need them: it must leave out what was erased, and whoever
/// checks that has to know the old leaves. Empty while nothing is erased.
///
/// # Errors
/// Unavailable database. A manifest that does not read is left out: what needs it says so.
pub fn leaves(store: &dyn Store) -> Result<Vec<Vec<Digest>>, StoreError> {
    let records = store.versions()?;
    let is_erased = |record: &VersionRecord| record.manifest.split(|byte| *byte == b'\n').any(|l| l.starts_with(b"r "));
    if !records.iter().any(|record| record.action == "rollback") || !records.iter().any(is_erased) {
        return Ok(Vec::new());
    }
    Ok(records.iter().filter_map(|record| Manifest::parse(&record.manifest).ok()).map(|m| m.leaf_hashes()).collect())
}

/// The records of a version as the ledger verifies them. They prove nothing until it did.
///
/// # Errors
/// Refused when a record is missing or does not read back.
pub fn stored(store: &dyn Store, record: &VersionRecord) -> Result<StoredVersion, StoreError> {
    let manifest = Manifest::parse(&record.manifest)?;
    let mut memories = Vec::new();
    for line in manifest.lines() {
        if let Line::Memory { content, .. } = line {
            let object = store.object(content)?.ok_or(LedgerError::Missing { what: "a memory of a version" })?;
            memories.push(MemoryObject {
                path: object.path,
                text: String::from_utf8(object.content)
                    .map_err(|_| LedgerError::Missing { what: "a readable memory" })?,
                provenance: object.provenance,
                salt: object.salt.to_vec(),
            });
        }
    }
    Ok(StoredVersion {
        sequence: record.sequence,
        manifest: record.manifest.clone(),
        head: record.head.clone(),
        memories,
    })
}
