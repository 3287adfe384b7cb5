//! Reading memory for an agent: verified entries, where they come from, and who was shown them.

use serde_json::{Value, json};

use crate::auth::Scope;
use crate::domain::MemoryPath;
use crate::firewall::{MemoryRow, VersionQuery};
use crate::store::server::{RecordQuery, RecordRow};

use super::submissions::RECORDS;
use super::{Caller, Service, ServiceError, ids, memories, now};

const KIND: &str = "exposure";
/// Newest exposures of a store that a lineage looks through.
const LOOKED_THROUGH: usize = 1_000;

/// What an agent wants to remember.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recall {
    /// The store.
    pub store: String,
    /// Only these paths, in this order.
    pub paths: Vec<String>,
    /// Only below this; begins and ends with a slash.
    pub prefix: Option<String>,
    /// Words; memories with more of them come first, those with none are left out.
    pub query: Option<String>,
    /// The session that is shown them.
    pub session: Option<String>,
    /// Most entries.
    pub limit: usize,
}

impl Service {
    /// Entries of the last signed version, and the exposure that says who was shown them.
    ///
    /// # Errors
    /// Forbidden without `recall`; unknown store; refused for a bad path or prefix.
    pub fn recall(&self, caller: &Caller, request: &Recall) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::Recall)?;
        let head = self.head(&caller.workspace, &request.store)?;
        let prefix = request.prefix.as_deref().unwrap_or("/");
        if !(prefix.starts_with('/') && prefix.ends_with('/')) || prefix.contains("//") {
            return Err(ServiceError::invalid("prefix: begins and ends with a slash"));
        }
        if request.session.as_deref().is_some_and(|session| !ids::is_lawful(session)) {
            return Err(ServiceError::invalid("session: the id of a session"));
        }
        let mut found: Vec<&MemoryRow> = if request.paths.is_empty() {
            head.from(prefix).take_while(|row| row.path.as_str().starts_with(prefix)).collect()
        } else {
            let paths: Vec<MemoryPath> =
                request.paths.iter().map(|path| memories::path_of(path)).collect::<Result<_, _>>()?;
            paths.iter().filter(|path| path.as_str().starts_with(prefix)).filter_map(|path| head.at(path)).collect()
        };
        if let Some(query) = &request.query {
            let words: Vec<String> = query.split_whitespace().take(32).map(str::to_lowercase).collect();
            let mut ranked: Vec<(usize, &MemoryRow)> = found
                .into_iter()
                .map(|row| {
                    let text = format!("{}\n{}", row.path, head.text(row)).to_lowercase();
                    (words.iter().filter(|word| text.contains(word.as_str())).count(), row)
                })
                .filter(|(hits, _)| *hits > 0)
                .collect();
            ranked.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.path.cmp(&b.1.path)));
            found = ranked.into_iter().map(|(_, row)| row).collect();
        }
        let more = found.len() > request.limit;
        found.truncate(request.limit);
        let entries: Vec<Value> = found
            .iter()
            .map(|row| {
                json!({
                    "memory_id": row.id, "memory_version_id": row.version_id, "path": row.path,
                    "content": head.text(row), "content_sha256": row.sha256.hex(), "updated_at": row.updated,
                    "lineage": format!("/api/v1/stores/{}/lineage/{}", request.store, row.id),
                })
            })
            .collect();
        let version = head.info().map(|info| json!({ "number": info.sequence, "statement": info.statement.hex() }));
        let row = RecordRow {
            workspace: caller.workspace.clone(),
            kind: KIND.to_owned(),
            id: ids::fresh("exp_")?,
            created: now(),
            about: request.store.clone(),
            body: json!({
                "version": head.sequence(), "session": request.session, "api_key_id": caller.id,
                "memories": found.iter().map(|row| row.version_id.as_str()).collect::<Vec<_>>(),
                "ids": found.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(),
            }),
        };
        self.db.put_records(std::slice::from_ref(&row), RECORDS)?;
        Ok(json!({
            "type": "recall", "exposure_id": row.id, "store": request.store, "version": version, "entries": entries,
            "truncated": more,
        }))
    }

    /// Where a memory comes from, how it changed, and which sessions were shown it.
    ///
    /// # Errors
    /// Forbidden without `store:read`; unknown store or memory.
    pub fn lineage(&self, caller: &Caller, store: &str, id: &str) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::StoreRead)?;
        let live = self.live(&caller.workspace, store)?;
        let head = live.head();
        let query = VersionQuery {
            memory_id: Some(id.to_owned()),
            operation: None,
            actor: None,
            from: None,
            to: None,
            after: None,
            limit: 100,
        };
        let versions = live.with(move |firewall| firewall.memory_versions(&query))??;
        if versions.is_empty() {
            return Err(ServiceError::Unknown { what: "memory" });
        }
        let row = head.memory(id);
        let memory = row.and_then(|row| head.version()?.memory(&row.path));
        // Sources, kinds and authorities of its notes: by digest and span, without text.
        let provenance = memory.and_then(|memory| serde_json::from_str::<Value>(memory.provenance()).ok());
        let versions: Vec<Value> = versions
            .iter()
            .map(|row| {
                json!({ "id": row.id, "operation": row.operation, "created_at": row.created, "created_by": row.actor,
                    "store_version": row.sequence, "content_sha256": row.sha256.map(|digest| digest.hex()) })
            })
            .collect();
        let query = RecordQuery { about: Some(store.to_owned()), after: None, limit: LOOKED_THROUGH };
        let exposures = self.db.records(&caller.workspace, KIND, &query)?;
        let shown_to: Vec<Value> = exposures
            .iter()
            .filter(|row| row.body["ids"].as_array().is_some_and(|ids| ids.iter().any(|one| one == id)))
            .map(|row| {
                json!({ "exposure_id": row.id, "at": row.created, "session": row.body["session"],
                    "api_key_id": row.body["api_key_id"], "version": row.body["version"] })
            })
            .collect();
        Ok(json!({
            "type": "lineage", "memory_id": id, "store": store, "path": row.map(|row| &row.path),
            "provenance": provenance, "versions": versions, "recalled_by": shown_to,
            "exposures_looked_through": exposures.len(),
        }))
    }
}
