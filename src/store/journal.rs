//! What became of held items, entry by entry: each entry's digest is in the log, so the quarantine can be checked
//! against it record by record, also where no seal covers the database.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::{Digest, HoldId};
use crate::gate::HeldRecord;
use crate::ledger::{Body, VerifiedLog};

use super::records::held_body;
use super::{Store, StoreError};

/// Kind of the documents that hold the entries.
pub const ENTRIES: &str = "quarantine";
/// Kind of the documents that hold decisions, whole.
pub const DECISIONS: &str = "decision";
/// Kind of the one document that holds what is being changed: written before the log, emptied with the change.
pub const PENDING: &str = "quarantine-pending";
/// Its id.
pub const PENDING_ID: &str = "1";
/// Events of the log that speak of an entry.
const EVENTS: [&str; 6] = [
    "quarantine-held",
    "quarantine-rescanned",
    "quarantine-released",
    "quarantine-expired",
    "review-release",
    "review-destroy",
];

/// One change of the quarantine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its number: the same change twice is two entries.
    pub number: u64,
    /// Digest of each changed item's record as it is stored afterwards.
    pub items: BTreeMap<HoldId, Digest>,
    /// Digest of the decision that led to it.
    pub decision: Option<Digest>,
}

/// Id of the documents that belong to an entry.
pub fn name(number: u64) -> String {
    format!("{number:08}")
}

/// A change on its way: enough to finish it when a run dies between the log and the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pending {
    /// Digest of the entry: what the log says.
    pub entry: Digest,
    /// Items as they will be.
    pub records: Vec<HeldRecord>,
    /// Kind, id and body of the entry and its decision.
    pub documents: Vec<(String, String, String)>,
}

/// The change that is on its way, if the log's last word on the quarantine is about it.
///
/// # Errors
/// Unavailable database. One that does not read back is none: the log then names an entry that is nowhere.
pub fn pending(store: &impl Store, log: &VerifiedLog) -> Result<Option<Pending>, StoreError> {
    let body = store.document(PENDING, PENDING_ID)?.unwrap_or_default();
    let pending = serde_json::from_str::<Pending>(&body).ok();
    let last = events(log).last();
    Ok(pending.filter(|pending| Some(pending.entry) == last))
}

/// Digests of the log's events on the quarantine, in order.
fn events(log: &VerifiedLog) -> impl Iterator<Item = Digest> {
    let history = log.history();
    (0..history.len()).filter_map(|index| history.statement(index)).filter_map(|statement| match &statement.body {
        Body::AuditEvent(event) if EVENTS.contains(&event.kind.as_str()) => Some(event.digest),
        _ => None,
    })
}

/// The quarantine beside the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Entries that log and database agree on.
    pub entries: usize,
    /// What does not agree: the record, and why.
    pub problems: Vec<(String, &'static str)>,
}

/// Lays every held item, entry and decision beside the log.
///
/// # Errors
/// Unavailable database. What does not agree is the result.
pub fn check(store: &impl Store, log: &VerifiedLog) -> Result<Checked, StoreError> {
    let (mut entries, mut decided) = (store.documents(ENTRIES)?, store.documents(DECISIONS)?);
    let mut held: BTreeMap<HoldId, Digest> = store.held_digests()?.into_iter().collect();
    // What is on its way counts as done: the log has it, and the next run that writes finishes it.
    if let Some(pending) = pending(store, log)? {
        for (kind, id, body) in pending.documents {
            let list = if kind == ENTRIES { &mut entries } else { &mut decided };
            list.retain(|(other, _)| *other != id);
            list.push((id, body));
        }
        for record in pending.records {
            held.insert(record.id.clone(), Digest::of(held_body(&record)?));
        }
    }
    let mut entries: BTreeMap<Digest, (String, String)> =
        entries.into_iter().map(|(id, body)| (Digest::of(&body), (id, body))).collect();
    let mut checked = Checked::default();
    let mut last: BTreeMap<HoldId, Digest> = BTreeMap::new();
    let mut decisions: BTreeMap<Digest, String> = BTreeMap::new();
    for event in events(log) {
        let entry = entries.remove(&event).map(|(id, body)| (id, serde_json::from_str::<Entry>(&body)));
        match entry {
            Some((id, Ok(entry))) if id == name(entry.number) => {
                checked.entries += 1;
                last.extend(entry.items);
                decisions.extend(entry.decision.map(|digest| (digest, id)));
            }
            Some((id, Ok(_))) => checked.problems.push((format!("entry {id}"), "stands under another number")),
            Some((id, Err(_))) => checked.problems.push((format!("entry {id}"), "is not of the known form")),
            None => checked.problems.push((format!("entry {}", event.short()), "is in the log and gone here")),
        }
    }
    checked.problems.extend(entries.into_values().map(|(id, _)| (format!("entry {id}"), "is not in the log")));
    for (id, digest) in held {
        match last.remove(&id) {
            Some(logged) if logged == digest => {}
            Some(_) => checked.problems.push((id.to_string(), "is not what the log says it is")),
            None => checked.problems.push((id.to_string(), "was never held, says the log")),
        }
    }
    checked.problems.extend(last.into_keys().map(|id| (id.to_string(), "was held, says the log, and is gone")));
    for (id, body) in decided {
        if decisions.remove(&Digest::of(&body)).is_none_or(|logged| logged != id) {
            checked.problems.push((format!("decision {id}"), "is not what the log says was decided"));
        }
    }
    let gone = decisions.into_values().map(|id| (format!("decision {id}"), "is in the log and gone here"));
    checked.problems.extend(gone);
    Ok(checked)
}
