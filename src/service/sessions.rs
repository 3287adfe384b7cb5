//! Sessions: containers of transcripts, with the stores that were attached to them.

use serde_json::{Value, json};

use crate::auth::Scope;
use crate::domain::Timestamp;
use crate::store::server::{ListQuery, ObjectRow, Table};

use super::stores::{check_metadata, metadata_of, patched};
use super::{Caller, Metadata, MetadataPatch, Page, Service, ServiceError, ids, now};

/// Most stores in one session.
const ATTACHED: usize = 8;
/// Most events that come with the session.
pub(super) const INITIAL_EVENTS: usize = 50;

/// A new session. What memgate has no use for is kept as it was sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SessionCreate {
    /// Id of the agent, or an object with it.
    pub agent: Value,
    /// Label.
    pub environment_id: String,
    /// Title.
    pub title: Option<String>,
    /// At most 16 pairs.
    pub metadata: Metadata,
    /// Attached stores.
    pub resources: Vec<Value>,
    /// Labels.
    pub vault_ids: Vec<Value>,
    /// Label.
    pub budget: Value,
    /// Events to begin with.
    pub initial_events: Vec<Value>,
}

/// A change of a session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SessionUpdate {
    /// The new title; `Some(None)` clears it.
    pub title: Option<Option<String>>,
    /// The new metadata, as a patch.
    pub metadata: MetadataPatch,
    /// New labels.
    pub vault_ids: Option<Vec<Value>>,
    /// A new label.
    pub budget: Option<Value>,
}

/// What a list of sessions asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SessionList {
    /// Only of this agent.
    pub agent_id: Option<String>,
    /// Only with this version of it.
    pub agent_version: Option<i64>,
    /// Only of this deployment.
    pub deployment_id: Option<String>,
    /// Only with this store attached.
    pub memory_store_id: Option<String>,
    /// Only in these states.
    pub statuses: Vec<String>,
    /// Made at or after.
    pub from: Option<Timestamp>,
    /// Made at or before.
    pub to: Option<Timestamp>,
    /// Archived ones, too.
    pub archived: bool,
    /// Oldest first.
    pub ascending: bool,
    /// Items on a page.
    pub limit: usize,
    /// Cursor.
    pub page: Option<String>,
}

/// A session as the wire shows it.
pub(super) fn shown(row: &ObjectRow) -> Value {
    let mut value = row.body.clone();
    let status = if row.archived.is_some() {
        "terminated"
    } else {
        row.body.get("status").and_then(Value::as_str).unwrap_or("idle")
    };
    value["status"] = status.into();
    value["id"] = row.id.as_str().into();
    value["type"] = "session".into();
    value["created_at"] = json!(row.created);
    value["archived_at"] = json!(row.archived);
    if let Some(object) = value.as_object_mut() {
        object.remove("principal");
    }
    value
}

/// The agent as the wire shows it: what the caller said, filled up with what clients expect.
fn agent_of(agent: &Value) -> Result<Value, ServiceError> {
    let bad = || ServiceError::invalid("agent: an id, or an object with the type agent or agent_with_overrides");
    let (id, version) = match agent {
        Value::String(id) => (id.as_str(), None),
        Value::Object(object) => {
            let kind = object.get("type").and_then(Value::as_str).unwrap_or("agent");
            if !matches!(kind, "agent" | "agent_with_overrides") {
                return Err(bad());
            }
            (object.get("id").and_then(Value::as_str).ok_or_else(bad)?, object.get("version").and_then(Value::as_i64))
        }
        _ => return Err(bad()),
    };
    if id.is_empty() || id.len() > 256 {
        return Err(bad());
    }
    Ok(json!({
        "id": id, "type": "agent", "name": id, "version": version.unwrap_or(1), "description": null, "system": null,
        "model": { "id": "unknown" }, "tools": [], "skills": [], "mcp_servers": [], "multiagent": null,
        "execution_identity": { "type": "service_account" },
    }))
}

/// The folder name a store is mounted under: each run of other characters becomes one hyphen.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars().map(|c| c.to_ascii_lowercase()) {
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            slug.push(c);
        } else if !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug
}

impl Service {
    /// Makes a session.
    ///
    /// # Errors
    /// Refused for unknown or archived stores, more than eight of them, and resources of other kinds.
    pub fn create_session(&self, caller: &Caller, request: &SessionCreate) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::StoreWrite)?;
        if request.environment_id.is_empty() {
            return Err(ServiceError::invalid("environment_id: a non-empty text"));
        }
        check_metadata(&request.metadata)?;
        if request.initial_events.len() > INITIAL_EVENTS {
            return Err(ServiceError::invalid("initial_events: at most 50"));
        }
        let resources = self.attach(caller, &request.resources)?;
        let at = now();
        let body = json!({
            "status": "idle", "title": request.title, "metadata": request.metadata, "updated_at": at,
            "deployment_id": null, "environment_id": request.environment_id, "vault_ids": request.vault_ids,
            "budget": request.budget, "resources": resources, "outcome_evaluations": [], "stats": {}, "usage": {},
            "agent": agent_of(&request.agent)?, "principal": caller.name,
        });
        let row = ObjectRow {
            workspace: caller.workspace.clone(),
            id: ids::fresh("sesn_")?,
            created: at,
            archived: None,
            state: String::new(),
            body,
        };
        let events = self.receive(caller, &row, &request.initial_events, true)?;
        self.db.append_events(&row, &events)?;
        self.tell_session(&row.workspace, &row.id, &events)?;
        self.audit(&caller.workspace, "session.created", &json!({ "session": row.id, "key": caller.id }))?;
        Ok(shown(&row))
    }

    fn attach(&self, caller: &Caller, resources: &[Value]) -> Result<Vec<Value>, ServiceError> {
        let mut attached: Vec<Value> = Vec::new();
        let mut slugs: Vec<String> = Vec::new();
        for resource in resources {
            let text = |name: &str| resource.get(name).and_then(Value::as_str);
            if text("type") != Some("memory_store") {
                return Err(ServiceError::NotServed {
                    message: "resources: only memory stores can be attached here".to_owned(),
                    code: "resource_type_not_served",
                });
            }
            let id = text("memory_store_id").ok_or_else(|| ServiceError::invalid("resources: memory_store_id"))?;
            let row = match self.writable_store(&caller.workspace, id) {
                Err(ServiceError::Unknown { .. }) => {
                    return Err(ServiceError::invalid("resources: there is no such memory store"));
                }
                other => other?,
            };
            let access = text("access").unwrap_or("read_write");
            if !matches!(access, "read_write" | "read_only") {
                return Err(ServiceError::invalid("resources: access is read_write or read_only"));
            }
            let instructions = text("instructions");
            if instructions.is_some_and(|text| text.chars().count() > 4096) {
                return Err(ServiceError::invalid("resources: instructions have at most 4,096 characters"));
            }
            let name = row.body.get("name").and_then(Value::as_str).unwrap_or_default();
            let base = slug(name);
            let number = slugs.iter().filter(|known| **known == base).count();
            slugs.push(base.clone());
            let folder = if number == 0 { base } else { format!("{base}-{}", number + 1) };
            attached.push(json!({
                "type": "memory_store", "memory_store_id": id, "access": access, "instructions": instructions,
                "name": name, "description": row.body.get("description"), "mount_path": format!("/mnt/memory/{folder}"),
            }));
        }
        if attached.len() > ATTACHED {
            return Err(ServiceError::invalid("resources: at most 8 memory stores"));
        }
        Ok(attached)
    }

    /// Sessions of the workspace.
    ///
    /// # Errors
    /// Refused for unknown states and a foreign cursor.
    pub fn list_sessions(
        &self,
        caller: &Caller,
        request: &SessionList,
    ) -> Result<(Page<Value>, Option<String>), ServiceError> {
        Self::require(caller, Scope::StoreRead)?;
        let known = ["idle", "running", "rescheduling", "terminated"];
        if request.statuses.iter().any(|status| !known.contains(&status.as_str())) {
            return Err(ServiceError::invalid("statuses: idle, running, rescheduling or terminated"));
        }
        let list = format!("sessions {} {}", caller.workspace, if request.ascending { "asc" } else { "desc" });
        // A cursor that leads back is one of a list of its own, read the other way round.
        let back_list = format!("{list} back");
        let (mut after, back) = match request.page.as_deref() {
            None => (None, false),
            page => match self.place(&back_list, page) {
                Ok(place) => (place, true),
                Err(_) => (self.place(&list, page)?, false),
            },
        };
        let wanted = |value: &Value| {
            let field = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
            let agent = request.agent_id.as_deref().is_none_or(|id| field("/agent/id") == Some(id));
            let version = request
                .agent_version
                .is_none_or(|version| value.pointer("/agent/version").and_then(Value::as_i64) == Some(version));
            let deployment = request.deployment_id.as_deref().is_none_or(|id| field("/deployment_id") == Some(id));
            let store = request.memory_store_id.as_deref().is_none_or(|id| {
                let resources = value["resources"].as_array().map(Vec::as_slice).unwrap_or_default();
                resources.iter().any(|resource| resource["memory_store_id"].as_str() == Some(id))
            });
            let status = request.statuses.is_empty()
                || field("/status").is_some_and(|status| request.statuses.iter().any(|known| known == status));
            agent && version && deployment && store && status
        };
        // Filters look into bodies, so pages are filled chunk by chunk.
        let mut found: Vec<((i64, String), Value)> = Vec::new();
        let more = loop {
            let query = ListQuery {
                from: request.from,
                to: request.to,
                archived: request.archived || request.statuses.iter().any(|status| status == "terminated"),
                ascending: request.ascending != back,
                after: after.clone(),
                limit: 200,
                ..ListQuery::default()
            };
            let rows = self.db.list(Table::Session, &caller.workspace, &query)?;
            let end = rows.len() < 200;
            let mut full = false;
            for row in rows {
                let value = shown(&row);
                if wanted(&value) {
                    full = found.len() == request.limit;
                    if full {
                        break;
                    }
                    found.push(((row.created.0, row.id.clone()), value));
                }
                after = Some((row.created, row.id));
            }
            if full || end {
                break full;
            }
        };
        if back {
            found.reverse();
        }
        let place = |list: &str, place: Option<&((i64, String), Value)>| {
            place.map(|(place, _)| self.cursors.seal(list, place)).transpose()
        };
        // Whoever comes back came from a page behind, and whoever went on from one before.
        let next = if more || back { place(&list, found.last())? } else { None };
        let previous = if request.page.is_some() && (more || !back) { place(&back_list, found.first())? } else { None };
        Ok((Page { data: found.into_iter().map(|(_, value)| value).collect(), next }, previous))
    }

    pub(super) fn session_row(&self, workspace: &str, id: &str) -> Result<ObjectRow, ServiceError> {
        let unknown = ServiceError::Unknown { what: "session" };
        if !ids::is_lawful(id) {
            return Err(unknown);
        }
        self.db.get(Table::Session, workspace, id)?.ok_or(unknown)
    }

    /// One session.
    ///
    /// # Errors
    /// Unknown id.
    pub fn session(&self, caller: &Caller, id: &str) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::StoreRead)?;
        self.session_row(&caller.workspace, id).map(|row| shown(&row))
    }

    /// Changes title, metadata or labels.
    ///
    /// # Errors
    /// Refused for an archived session.
    pub fn update_session(&self, caller: &Caller, id: &str, change: &SessionUpdate) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::StoreWrite)?;
        let mut row = self.session_row(&caller.workspace, id)?;
        if row.archived.is_some() {
            return Err(ServiceError::invalid("the session is archived: it can be read, but not changed"));
        }
        if let Some(title) = &change.title {
            row.body["title"] = json!(title);
        }
        if let Some(vaults) = &change.vault_ids {
            row.body["vault_ids"] = json!(vaults);
        }
        if let Some(budget) = &change.budget {
            row.body["budget"] = budget.clone();
        }
        row.body["metadata"] = json!(patched(metadata_of(&row.body), &change.metadata)?);
        row.body["updated_at"] = json!(now());
        self.db.put(Table::Session, &row)?;
        self.audit(&caller.workspace, "session.updated", &json!({ "session": id, "key": caller.id }))?;
        Ok(shown(&row))
    }

    /// Refuses what the hosted service takes here: files.
    ///
    /// # Errors
    /// Always: stores are attached when the session is made.
    pub fn add_resource(&self, caller: &Caller, id: &str) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::StoreWrite)?;
        self.session_row(&caller.workspace, id)?;
        let message = "resources: stores are attached when the session is made; files are not served here".to_owned();
        Err(ServiceError::NotServed { message, code: "resource_type_not_served" })
    }

    /// Archives a session: nothing can be sent to it any more.
    ///
    /// # Errors
    /// Unknown id.
    pub fn archive_session(&self, caller: &Caller, id: &str) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::StoreWrite)?;
        let mut row = self.session_row(&caller.workspace, id)?;
        if row.archived.is_none() {
            self.end_session(&mut row)?;
        }
        Ok(shown(&row))
    }

    pub(super) fn end_session(&self, row: &mut ObjectRow) -> Result<(), ServiceError> {
        let at = now();
        row.archived = Some(at);
        row.body["updated_at"] = json!(at);
        self.db.put(Table::Session, row)?;
        self.hub.close(&row.id, None);
        self.audit(&row.workspace, "session.archived", &json!({ "session": row.id }))
    }

    /// Deletes a session with its events.
    ///
    /// # Errors
    /// Unknown id.
    pub fn delete_session(&self, caller: &Caller, id: &str) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::StoreWrite)?;
        self.session_row(&caller.workspace, id)?;
        self.db.remove(Table::Session, &caller.workspace, id)?;
        let event = json!({ "id": ids::fresh("sevt_")?, "type": "session.deleted", "processed_at": now() });
        self.hub.close(id, Some(event));
        self.audit(&caller.workspace, "session.deleted", &json!({ "session": id, "key": caller.id }))?;
        Ok(json!({ "id": id, "type": "session_deleted" }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_fold_runs_of_other_characters() {
        assert_eq!(slug("My  Notes (2026)"), "my-notes-2026-");
        assert_eq!(slug("été"), "-t-");
    }
}
