//! Memory versions: one for each change that took effect; read, listed, redacted.

use serde_json::{Value, json};

use crate::auth::Scope;
use crate::domain::Timestamp;
use crate::firewall::{Actor, FirewallError, MemoryVersionRow, Redacted, VersionOperation, VersionQuery};

use super::{Caller, Page, Service, ServiceError};

/// What a list of versions asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VersionList {
    /// Only of this memory, deleted ones too.
    pub memory: Option<String>,
    /// Only `created`, `modified` or `deleted`.
    pub operation: Option<String>,
    /// Only by this session.
    pub session: Option<String>,
    /// Only by this key.
    pub api_key: Option<String>,
    /// Only by this service account.
    pub service_account: Option<String>,
    /// Made at or after.
    pub from: Option<Timestamp>,
    /// Made at or before.
    pub to: Option<Timestamp>,
    /// With texts.
    pub full: bool,
    /// Items on a page.
    pub limit: usize,
    /// Cursor.
    pub page: Option<String>,
}

/// A version as the wire shows it.
fn shown(store: &str, row: &MemoryVersionRow, text: Option<&str>) -> Value {
    let gone = row.redacted.is_some() || row.operation == VersionOperation::Deleted;
    let (redacted_at, redacted_by) = row.redacted.as_ref().map(|(at, by)| (at, by)).unzip();
    json!({
        "id": row.id, "type": "memory_version", "memory_id": row.memory_id, "memory_store_id": store,
        "operation": row.operation, "path": row.path.as_ref().filter(|_| row.redacted.is_none()),
        "content": text.filter(|_| !gone),
        "content_sha256": row.sha256.filter(|_| !gone).map(|digest| digest.hex()),
        "content_size_bytes": row.size.filter(|_| !gone),
        "created_at": row.created, "created_by": row.actor, "redacted_at": redacted_at, "redacted_by": redacted_by,
        "gate": { "store_version": row.sequence },
    })
}

impl Service {
    /// Versions of a store, newest first.
    ///
    /// # Errors
    /// Refused for an unknown operation and a foreign cursor.
    pub fn list_versions(
        &self,
        caller: &Caller,
        store: &str,
        request: &VersionList,
    ) -> Result<Page<Value>, ServiceError> {
        Self::require(caller, Scope::StoreRead)?;
        let operation = match request.operation.as_deref() {
            None => None,
            Some("created") => Some(VersionOperation::Created),
            Some("modified") => Some(VersionOperation::Modified),
            Some("deleted") => Some(VersionOperation::Deleted),
            Some(_) => return Err(ServiceError::invalid("operation: created, modified or deleted")),
        };
        let actors: Vec<Actor> = [
            request.session.clone().map(Actor::Session),
            request.api_key.clone().map(Actor::ApiKey),
            request.service_account.clone().map(Actor::ServiceAccount),
        ]
        .into_iter()
        .flatten()
        .collect();
        if actors.len() > 1 {
            // One version has one author.
            return Ok(Page { data: Vec::new(), next: None });
        }
        let list = format!("versions {} {store}", caller.workspace);
        let query = VersionQuery {
            memory_id: request.memory.clone(),
            operation,
            actor: actors.into_iter().next(),
            from: request.from,
            to: request.to,
            after: self.place(&list, request.page.as_deref())?,
            limit: request.limit + 1,
        };
        let live = self.live(&caller.workspace, store)?;
        let full = request.full;
        let mut rows = live.with(move |firewall| read_versions(firewall, &query, full))??;
        let more = rows.len() > request.limit;
        rows.truncate(request.limit);
        let next = match rows.last() {
            Some((last, _)) if more => Some(self.cursors.seal(&list, &(last.created.0, &last.id))?),
            _ => None,
        };
        let data = rows.iter().map(|(row, text)| shown(store, row, text.as_deref())).collect();
        Ok(Page { data, next })
    }

    /// One version, redacted or not.
    ///
    /// # Errors
    /// Unknown id.
    pub fn version(&self, caller: &Caller, store: &str, id: &str, full: bool) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::StoreRead)?;
        let live = self.live(&caller.workspace, store)?;
        let wanted = id.to_owned();
        let found = live.with(move |firewall| -> Result<_, FirewallError> {
            let Some(row) = firewall.memory_version(&wanted)? else { return Ok(None) };
            let text = if full { firewall.version_text(&row)? } else { None };
            Ok(Some((row, text)))
        })??;
        let (row, text) = found.ok_or(ServiceError::Unknown { what: "memory version" })?;
        Ok(shown(store, &row, text.as_deref()))
    }

    /// Wipes the text and path of a version that is not its memory's current one.
    ///
    /// # Errors
    /// Unknown id; refused for the current version of a live memory.
    pub fn redact_version(&self, caller: &Caller, store: &str, id: &str) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::StoreWrite)?;
        let live = self.live(&caller.workspace, store)?;
        let (wanted, by) = (id.to_owned(), caller.actor());
        let done = live.with(move |firewall| firewall.redact_version(&wanted, by))??;
        let row = match done {
            Redacted::Done(row) => {
                let about = serde_json::json!({ "memory_store": store, "memory_version": id, "key": caller.id });
                self.audit(&caller.workspace, "memory_version.redacted", &about)?;
                row
            }
            Redacted::Already(row) => row,
            Redacted::IsHead => {
                return Err(ServiceError::invalid(
                    "this is the memory's current version: write over it or delete it first",
                ));
            }
            Redacted::Unknown => return Err(ServiceError::Unknown { what: "memory version" }),
        };
        Ok(shown(store, &row, None))
    }
}

type Read = Vec<(MemoryVersionRow, Option<String>)>;

fn read_versions(
    firewall: &crate::firewall::Firewall,
    query: &VersionQuery,
    full: bool,
) -> Result<Read, FirewallError> {
    let rows = firewall.memory_versions(query)?;
    rows.into_iter()
        .map(|row| {
            let text = if full { firewall.version_text(&row)? } else { None };
            Ok((row, text))
        })
        .collect()
}
