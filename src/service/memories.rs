//! Memories: documents at paths of a store.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::auth::Scope;
use crate::domain::{Digest, MemoryPath, PrincipalId};
use crate::firewall::{Actor, Head, MemoryRow};

use super::live::{LiveStore, Op, Write, Written};
use super::{Caller, Page, Service, ServiceError};

/// Most bytes of a memory's text.
const CONTENT_BYTES: usize = 102_400;
/// The marker that the official SDK's sync keeps in each local copy.
const RESERVED: &str = "/.anthropic-memory-store";

/// A change of a memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemoryUpdate {
    /// The new text.
    pub content: Option<String>,
    /// The new path.
    pub path: Option<String>,
    /// SHA-256 that the current text must have.
    pub expected: Option<Digest>,
}

/// What a list of memories asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemoryList {
    /// Only below this; begins and ends with a slash.
    pub prefix: Option<String>,
    /// Direct children only, deeper ones rolled into prefixes.
    pub shallow: bool,
    /// With texts.
    pub full: bool,
    /// Items on a page.
    pub limit: usize,
    /// Cursor.
    pub page: Option<String>,
}

/// One item of a list.
pub type Listing = Value;

pub(super) fn path_of(text: &str) -> Result<MemoryPath, ServiceError> {
    let path = MemoryPath::parse(text).map_err(|problem| ServiceError::invalid(format!("path: {problem}")))?;
    if path.as_str() == RESERVED || path.as_str().starts_with(&format!("{RESERVED}/")) {
        return Err(ServiceError::invalid("path: this name is reserved for the SDK's own marker file"));
    }
    // What a reader cannot see or a file system folds is where two paths look like one.
    if path.as_str().split('/').any(|segment| segment.ends_with([' ', '.'])) {
        return Err(ServiceError::invalid("path: a segment does not end in a space or a dot"));
    }
    Ok(path)
}

pub(super) fn check_content(text: &str) -> Result<(), ServiceError> {
    if text.len() > CONTENT_BYTES {
        return Err(ServiceError::invalid(format!("content: at most {CONTENT_BYTES} bytes of UTF-8")));
    }
    Ok(())
}

/// A memory as the wire shows it.
pub(super) fn shown(store: &str, row: &MemoryRow, text: Option<&str>) -> Value {
    json!({
        "id": row.id, "type": "memory", "memory_store_id": store, "memory_version_id": row.version_id,
        "path": row.path, "content": text, "content_sha256": row.sha256.hex(), "content_size_bytes": row.size,
        "created_at": row.created, "updated_at": row.updated,
    })
}

fn answer(store: &str, written: &Written, full: bool) -> Result<Value, ServiceError> {
    let row = written.row.as_ref().ok_or(ServiceError::Bug { what: "a written memory has no row" })?;
    let mut value = shown(store, row, full.then(|| written.head.text(row)));
    if !written.redacted.is_empty() || written.observed {
        let rules: Vec<&str> = written.redacted.iter().map(|rule| rule.as_str()).collect();
        let decision = if written.observed { "observed" } else { "redacted" };
        value["gate"] = json!({ "decision": decision, "rules": rules, "version": written.head.sequence() });
    }
    Ok(value)
}

impl Service {
    pub(super) fn live(&self, workspace: &str, store: &str) -> Result<Arc<LiveStore>, ServiceError> {
        self.store_row(workspace, store)?;
        self.stores.get(store)
    }

    /// Writes a new memory.
    ///
    /// # Errors
    /// Refused for a bad path or text, a taken path, a full store; held or blocked by the gate.
    pub fn create_memory(
        &self,
        caller: &Caller,
        store: &str,
        path: &str,
        content: String,
        full: bool,
    ) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::Submit)?;
        self.writable_store(&caller.workspace, store)?;
        let path = path_of(path)?;
        check_content(&content)?;
        let written = self.write(caller, store, Op::Create { path, text: content })?;
        answer(store, &written, full)
    }

    /// Changes a memory's text, its path, or both.
    ///
    /// # Errors
    /// As [`Service::create_memory`]; a precondition that does not hold.
    pub fn update_memory(
        &self,
        caller: &Caller,
        store: &str,
        id: &str,
        change: MemoryUpdate,
        full: bool,
    ) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::Submit)?;
        self.writable_store(&caller.workspace, store)?;
        let live = self.live(&caller.workspace, store)?;
        live.head().memory(id).ok_or(ServiceError::Unknown { what: "memory" })?;
        if change.content.is_none() && change.path.is_none() {
            return Err(ServiceError::invalid("content or path: at least one of them is needed"));
        }
        let path = change.path.as_deref().map(path_of).transpose()?;
        change.content.as_deref().map(check_content).transpose()?;
        let op = Op::Update { id: id.to_owned(), path, text: change.content, expected: change.expected };
        let written = self.write(caller, store, op)?;
        answer(store, &written, full)
    }

    /// Deletes a memory; its versions stay.
    ///
    /// # Errors
    /// Unknown id; a precondition that does not hold.
    pub fn delete_memory(
        &self,
        caller: &Caller,
        store: &str,
        id: &str,
        expected: Option<Digest>,
    ) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::Submit)?;
        self.write(caller, store, Op::Delete { id: id.to_owned(), expected })?;
        Ok(json!({ "id": id, "type": "memory_deleted" }))
    }

    /// Scans on this thread, then waits for the version that holds the change.
    pub(super) fn write(&self, caller: &Caller, store: &str, op: Op) -> Result<Written, ServiceError> {
        if self.is_stopping() {
            return Err(ServiceError::Unavailable { why: "the server is stopping" });
        }
        let live = self.live(&caller.workspace, store)?;
        let written = live.write(prepared(caller, &live, op));
        if let Err(error) = &written {
            self.note_refusal(caller, store, error)?;
        }
        written
    }

    /// The same for several at once: exactly one answer for each, in their order.
    pub(super) fn write_all(
        &self,
        caller: &Caller,
        store: &str,
        ops: Vec<Op>,
    ) -> Result<Vec<Result<Written, ServiceError>>, ServiceError> {
        let live = self.live(&caller.workspace, store)?;
        let answers = live.write_all(ops.into_iter().map(|op| prepared(caller, &live, op)).collect());
        for error in answers.iter().filter_map(|written| written.as_ref().err()) {
            self.note_refusal(caller, store, error)?;
        }
        Ok(answers)
    }

    /// The audit trail knows what was kept out: ids and rules, no text.
    fn note_refusal(&self, caller: &Caller, store: &str, error: &ServiceError) -> Result<(), ServiceError> {
        let names = |rules: &[crate::domain::RuleId]| rules.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (what, about) = match error {
            ServiceError::Held { review, rules } => {
                ("memory.write_held", json!({ "review": review, "rules": names(rules) }))
            }
            ServiceError::Blocked { decision, rules } => {
                ("memory.write_blocked", json!({ "decision": decision, "rules": names(rules) }))
            }
            _ => return Ok(()),
        };
        let about = json!({ "memory_store": store, "key": caller.id, "gate": about });
        self.audit(&caller.workspace, what, &about)
    }

    /// One memory.
    ///
    /// # Errors
    /// Unknown id.
    pub fn memory(&self, caller: &Caller, store: &str, id: &str, full: bool) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::Recall)?;
        let head = self.live(&caller.workspace, store)?.head();
        let row = head.memory(id).ok_or(ServiceError::Unknown { what: "memory" })?;
        Ok(shown(store, row, full.then(|| head.text(row))))
    }

    /// Memories of a store, in byte order of their paths, prefixes among them.
    ///
    /// # Errors
    /// Refused for a prefix that is none, and for a foreign cursor.
    pub fn list_memories(
        &self,
        caller: &Caller,
        store: &str,
        request: &MemoryList,
    ) -> Result<Page<Listing>, ServiceError> {
        Self::require(caller, Scope::Recall)?;
        let prefix = request.prefix.as_deref().unwrap_or("/");
        if !(prefix.starts_with('/') && prefix.ends_with('/')) || prefix.contains("//") {
            return Err(ServiceError::invalid("path_prefix: begins and ends with a slash"));
        }
        let list = format!("memories {} {store}", caller.workspace);
        let after: Option<String> = request.page.as_deref().map(|page| self.cursors.open(&list, page)).transpose()?;
        let head = self.live(&caller.workspace, store)?.head();
        let mut data = Vec::new();
        let mut last: Option<String> = None;
        let mut more = false;
        let mut at = after.clone().filter(|after| after.as_str() > prefix).unwrap_or_else(|| prefix.to_owned());
        loop {
            let mut jump = None;
            for row in head.from(&at).take_while(|row| row.path.as_str().starts_with(prefix)) {
                let path = row.path.as_str();
                let folder = path.get(prefix.len()..).and_then(|rest| rest.find('/')).filter(|_| request.shallow);
                let key = folder.map_or(path, |end| &path[..=prefix.len() + end]);
                let known = after.as_deref().is_some_and(|after| key <= after);
                if !known {
                    more = data.len() == request.limit;
                    if more {
                        break;
                    }
                    last = Some(key.to_owned());
                    data.push(match folder {
                        Some(_) => json!({ "type": "memory_prefix", "path": key }),
                        None => shown(store, row, request.full.then(|| head.text(row))),
                    });
                }
                if folder.is_some() {
                    // Everything below is one item: no need to walk over it.
                    jump = Some(beyond(key));
                    break;
                }
            }
            match jump {
                Some(next) => at = next,
                None => break,
            }
        }
        let next = match last {
            Some(last) if more => Some(self.cursors.seal(&list, &last)?),
            _ => None,
        };
        Ok(Page { data, next })
    }

    /// The last signed version of a store.
    pub(super) fn head(&self, workspace: &str, store: &str) -> Result<Arc<Head>, ServiceError> {
        Ok(self.live(workspace, store)?.head())
    }
}

/// A change with its author and, where it has a text, the scan of it.
fn prepared(caller: &Caller, live: &LiveStore, op: Op) -> Write {
    let author = PrincipalId::new(caller.id.clone());
    let scanned = match &op {
        Op::Create { path, text } => Some(live.scan(&author, path, text)),
        Op::Update { id, path, text: Some(text), .. } => {
            let head = live.head();
            let path = path.as_ref().or_else(|| head.memory(id).map(|row| &row.path));
            path.map(|path| live.scan(&author, path, text))
        }
        Op::Update { .. } | Op::Delete { .. } => None,
    };
    Write { author, actor: Actor::ApiKey(caller.id.clone()), op, scanned }
}

/// The first text after everything that begins with `prefix`, which ends with a slash.
fn beyond(prefix: &str) -> String {
    // `0` follows `/` in the order of bytes.
    format!("{}0", prefix.trim_end_matches('/'))
}
