//! Memory stores: made, listed, changed, archived, deleted.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::auth::Scope;
use crate::domain::Timestamp;
use crate::store::server::{ListQuery, ObjectRow, Table};

use super::{Caller, Page, Service, ServiceError, ids, now};

/// Free text values by name.
pub type Metadata = BTreeMap<String, String>;
/// A change of metadata: a text sets, `None` removes.
pub type MetadataPatch = BTreeMap<String, Option<String>>;

/// A new store.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoreCreate {
    /// 1 to 255 characters.
    pub name: String,
    /// At most 1,024 characters.
    pub description: String,
    /// At most 16 pairs.
    pub metadata: Metadata,
}

/// A change of a store.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoreUpdate {
    /// The new name.
    pub name: Option<String>,
    /// The new description; an empty one clears it.
    pub description: Option<String>,
    /// The new metadata, as a patch.
    pub metadata: MetadataPatch,
}

/// What a list of stores asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoreList {
    /// Made at or after.
    pub from: Option<Timestamp>,
    /// Made at or before.
    pub to: Option<Timestamp>,
    /// Archived ones, too.
    pub archived: bool,
    /// Items on a page.
    pub limit: usize,
    /// Cursor.
    pub page: Option<String>,
}

/// The state of a store that no request sees.
pub(super) const HIDDEN: &str = "hidden";

const NAME_CHARS: usize = 255;
const DESCRIPTION_CHARS: usize = 1024;

pub(super) fn check_name(name: &str) -> Result<(), ServiceError> {
    let lawful = (1..=NAME_CHARS).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if lawful { Ok(()) } else { Err(ServiceError::invalid("name: 1 to 255 characters, no control characters")) }
}

fn check_description(text: &str) -> Result<(), ServiceError> {
    if text.chars().count() <= DESCRIPTION_CHARS {
        Ok(())
    } else {
        Err(ServiceError::invalid("description: at most 1,024 characters"))
    }
}

/// Checks metadata as a whole.
pub(super) fn check_metadata(metadata: &Metadata) -> Result<(), ServiceError> {
    if metadata.len() > 16 {
        return Err(ServiceError::invalid("metadata: at most 16 pairs"));
    }
    for (key, value) in metadata {
        if !(1..=64).contains(&key.chars().count()) || value.chars().count() > 512 {
            return Err(ServiceError::invalid("metadata: keys of 1 to 64 characters, values of at most 512"));
        }
    }
    Ok(())
}

/// Metadata after a patch.
pub(super) fn patched(mut metadata: Metadata, patch: &MetadataPatch) -> Result<Metadata, ServiceError> {
    for (key, value) in patch {
        match value {
            Some(value) => metadata.insert(key.clone(), value.clone()),
            None => metadata.remove(key),
        };
    }
    check_metadata(&metadata)?;
    Ok(metadata)
}

/// Metadata kept in an object's body.
pub(super) fn metadata_of(body: &Value) -> Metadata {
    let pairs = body.get("metadata").and_then(Value::as_object).into_iter().flatten();
    pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// A store as the wire shows it.
pub(super) fn shown(row: &ObjectRow) -> Value {
    let field = |name: &str| row.body.get(name).cloned().unwrap_or(Value::Null);
    json!({
        "id": row.id, "type": "memory_store", "name": field("name"), "description": field("description"),
        "metadata": field("metadata"), "created_at": row.created, "updated_at": field("updated_at"),
        "archived_at": row.archived,
    })
}

impl Service {
    /// Makes a store: a data folder with keys, an empty log and a policy of its own.
    ///
    /// # Errors
    /// Refused for texts beyond their limits; unavailable disk.
    pub fn create_store(&self, caller: &Caller, request: &StoreCreate) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::StoreWrite)?;
        self.new_store(&caller.workspace, request, false).map(|row| shown(&row))
    }

    pub(super) fn new_store(
        &self,
        workspace: &str,
        request: &StoreCreate,
        hidden: bool,
    ) -> Result<ObjectRow, ServiceError> {
        check_name(&request.name)?;
        check_description(&request.description)?;
        check_metadata(&request.metadata)?;
        let at = now();
        let mut row = ObjectRow {
            workspace: workspace.to_owned(),
            id: ids::fresh("memstore_")?,
            created: at,
            archived: None,
            state: HIDDEN.to_owned(),
            body: json!({
                "name": request.name, "description": request.description, "metadata": request.metadata,
                "updated_at": at,
            }),
        };
        // Hidden until its folder is whole: a start removes what a crash left of it.
        self.db.put(Table::MemoryStore, &row)?;
        self.stores.make(&row.id, self.deciding_accounts(workspace)?)?;
        if !hidden {
            self.unhide(&mut row)?;
        }
        let about = json!({ "memory_store": row.id, "hidden": hidden });
        self.audit(workspace, "memory_store.created", &about)?;
        Ok(row)
    }

    /// Stores of the workspace, newest first.
    ///
    /// # Errors
    /// Refused for a foreign cursor.
    pub fn list_stores(&self, caller: &Caller, request: &StoreList) -> Result<Page<Value>, ServiceError> {
        Self::require(caller, Scope::StoreRead)?;
        let list = format!("stores {}", caller.workspace);
        let query = ListQuery {
            from: request.from,
            to: request.to,
            archived: request.archived,
            after: self.place(&list, request.page.as_deref())?,
            limit: request.limit + 1,
            ..ListQuery::default()
        };
        let rows = self.db.list(Table::MemoryStore, &caller.workspace, &query)?;
        self.page_of(&list, rows, request.limit, |row| Ok(shown(row)))
    }

    /// Reads the place that a cursor of a list of objects names.
    pub(super) fn place(&self, list: &str, page: Option<&str>) -> Result<Option<(Timestamp, String)>, ServiceError> {
        let place: Option<(i64, String)> = page.map(|page| self.cursors.open(list, page)).transpose()?;
        Ok(place.map(|(at, id)| (Timestamp(at), id)))
    }

    /// Cuts rows, one more than fit, to a page.
    pub(super) fn page_of(
        &self,
        list: &str,
        mut rows: Vec<ObjectRow>,
        limit: usize,
        show: impl Fn(&ObjectRow) -> Result<Value, ServiceError>,
    ) -> Result<Page<Value>, ServiceError> {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = match rows.last() {
            Some(last) if more => Some(self.cursors.seal(list, &(last.created.0, &last.id))?),
            _ => None,
        };
        Ok(Page { data: rows.iter().map(show).collect::<Result<_, _>>()?, next })
    }

    /// One store, archived or not.
    ///
    /// # Errors
    /// Unknown id.
    pub fn store(&self, caller: &Caller, id: &str) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::StoreRead)?;
        self.store_row(&caller.workspace, id).map(|row| shown(&row))
    }

    pub(super) fn store_row(&self, workspace: &str, id: &str) -> Result<ObjectRow, ServiceError> {
        let unknown = ServiceError::Unknown { what: "memory store" };
        if !ids::is_lawful(id) {
            return Err(unknown);
        }
        let row = self.db.get(Table::MemoryStore, workspace, id)?;
        row.filter(|row| row.state != HIDDEN).ok_or(unknown)
    }

    /// The row of a store that may be written to.
    pub(super) fn writable_store(&self, workspace: &str, id: &str) -> Result<ObjectRow, ServiceError> {
        let row = self.store_row(workspace, id)?;
        if row.archived.is_some() {
            return Err(ServiceError::invalid("the memory store is archived: it can be read, but not changed"));
        }
        Ok(row)
    }

    /// Changes name, description or metadata.
    ///
    /// # Errors
    /// Refused for an archived store and texts beyond their limits.
    pub fn update_store(&self, caller: &Caller, id: &str, change: &StoreUpdate) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::StoreWrite)?;
        let mut row = self.writable_store(&caller.workspace, id)?;
        let mut body = row.body.as_object().cloned().unwrap_or_default();
        let before = body.clone();
        if let Some(name) = &change.name {
            check_name(name)?;
            body.insert("name".to_owned(), name.as_str().into());
        }
        if let Some(description) = &change.description {
            check_description(description)?;
            body.insert("description".to_owned(), description.as_str().into());
        }
        let metadata = patched(metadata_of(&row.body), &change.metadata)?;
        body.insert("metadata".to_owned(), json!(metadata));
        if body != before {
            body.insert("updated_at".to_owned(), json!(now()));
            row.body = Value::Object(body);
            self.db.put(Table::MemoryStore, &row)?;
            self.audit(&caller.workspace, "memory_store.updated", &json!({ "memory_store": id, "key": caller.id }))?;
        }
        Ok(shown(&row))
    }

    /// Archives a store for good.
    ///
    /// # Errors
    /// Refused while a dream writes to it.
    pub fn archive_store(&self, caller: &Caller, id: &str) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::StoreWrite)?;
        let mut row = self.store_row(&caller.workspace, id)?;
        if row.archived.is_none() {
            self.check_no_output(&caller.workspace, id)?;
            let at = now();
            row.archived = Some(at);
            let mut body: Map<String, Value> = row.body.as_object().cloned().unwrap_or_default();
            body.insert("updated_at".to_owned(), json!(at));
            row.body = Value::Object(body);
            self.db.put(Table::MemoryStore, &row)?;
            self.audit(&caller.workspace, "memory_store.archived", &json!({ "memory_store": id, "key": caller.id }))?;
        }
        Ok(shown(&row))
    }

    /// Deletes a store with everything in it, for good.
    ///
    /// # Errors
    /// Refused while a dream writes to it; unavailable disk.
    pub fn delete_store(&self, caller: &Caller, id: &str) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::StoreWrite)?;
        let row = self.store_row(&caller.workspace, id)?;
        self.check_no_output(&caller.workspace, id)?;
        self.drop_store(&row)?;
        self.audit(&caller.workspace, "memory_store.deleted", &json!({ "memory_store": id, "key": caller.id }))?;
        Ok(json!({ "id": id, "type": "memory_store_deleted" }))
    }

    /// Shows a store that was made hidden.
    pub(super) fn unhide(&self, row: &mut ObjectRow) -> Result<(), ServiceError> {
        row.state.clear();
        Ok(self.db.put(Table::MemoryStore, row)?)
    }

    /// Hides a store, then removes its folder, then its row: what a crash leaves of it goes at the next start.
    pub(super) fn drop_store(&self, row: &ObjectRow) -> Result<(), ServiceError> {
        if row.state != HIDDEN {
            self.db.put(Table::MemoryStore, &ObjectRow { state: HIDDEN.to_owned(), ..row.clone() })?;
        }
        self.stores.delete(&row.id)?;
        self.db.remove(Table::MemoryStore, &row.workspace, &row.id)?;
        Ok(())
    }

    /// Removes what a crash left hidden: half-made and half-removed stores, and what interrupted dreams worked on.
    pub(super) fn drop_hidden_stores(&self) -> Result<(), ServiceError> {
        let rows = self.db.all(Table::MemoryStore)?;
        rows.iter().filter(|row| row.state == HIDDEN).try_for_each(|row| self.drop_store(row))
    }
}
