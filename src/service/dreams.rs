//! Dreams as jobs: a durable queue, bounded workers, cancel, resume after a crash.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use crate::auth::Scope;
use crate::domain::{Coded as _, Digest, MemoryPath, Timestamp};
use crate::firewall::{AcceptMode, Actor, DreamReport, DreamRequest, Env, Firewall, FirewallError, Progress};
use crate::store::server::{ListQuery, ObjectRow, Table};

use super::stores::StoreCreate;
use super::{Caller, Page, Service, ServiceError, ids, lock, now};

/// Most sessions in one dream.
const SESSIONS: usize = 100;
/// Most characters of steering text.
const INSTRUCTIONS: usize = 4096;

/// Where a dream writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// To a new store.
    #[default]
    CreateNew,
    /// To the input store, at the end and as one version.
    UpdateExisting,
}

/// A new dream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DreamCreate {
    /// The input store.
    pub store: String,
    /// The sessions; may be empty: tidy this store.
    pub sessions: Vec<String>,
    /// The model's name, a label here.
    pub model: String,
    /// Steering text: it can ask for less, never for a looser gate.
    pub instructions: Option<String>,
    /// Where it writes.
    pub output: Output,
    /// The store that `update_existing` named.
    pub target: Option<String>,
}

/// What a list of dreams asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DreamList {
    /// Only in these states.
    pub statuses: Vec<String>,
    /// Made after, exclusive.
    pub after: Option<Timestamp>,
    /// Made before, exclusive.
    pub before: Option<Timestamp>,
    /// Archived ones, too.
    pub archived: bool,
    /// Items on a page.
    pub limit: usize,
    /// Cursor.
    pub page: Option<String>,
}

/// The states of a dream on the wire.
const STATES: [&str; 5] = ["pending", "running", "completed", "failed", "canceled"];

fn is_final(state: &str) -> bool {
    matches!(state, "completed" | "failed" | "canceled")
}

/// The workers and what they wait for.
#[derive(Debug, Default)]
pub(super) struct Queue {
    stop: AtomicBool,
    wake: (Mutex<u64>, Condvar),
    cancel: Mutex<BTreeMap<String, Arc<AtomicBool>>>,
    /// Dreams that a worker has taken and not brought to their end.
    taken: AtomicUsize,
    // One decision at a time about who may dream on a store.
    entry: Mutex<()>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Queue {
    fn notify(&self) {
        *lock(&self.wake.0) += 1;
        self.wake.1.notify_all();
    }
    /// Ends the workers; a running dream leaves off and waits for the next start.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        for flag in lock(&self.cancel).values() {
            flag.store(true, Ordering::SeqCst);
        }
        self.notify();
        for thread in std::mem::take(&mut *lock(&self.threads)) {
            // A worker that drops the last reference joins itself here otherwise.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

fn shown(row: &ObjectRow) -> Value {
    let field = |name: &str| row.body.get(name).cloned().unwrap_or(Value::Null);
    let mut value = json!({
        "id": row.id, "type": "dream", "status": row.state, "inputs": field("inputs"), "outputs": field("outputs"),
        "model": field("model"), "instructions": field("instructions"), "output_behavior": field("output_behavior"),
        "session_id": field("session_id"), "created_at": row.created, "ended_at": field("ended_at"),
        "archived_at": row.archived, "usage": field("usage"), "error": field("error"),
    });
    if !field("gate").is_null() {
        value["gate"] = field("gate");
    }
    value
}

/// Why a dream failed, as the wire says it.
struct Failed {
    kind: &'static str,
    message: String,
}

impl From<ServiceError> for Failed {
    fn from(error: ServiceError) -> Self {
        let kind = match &error {
            ServiceError::Firewall(FirewallError::StoreHeld { .. }) => "output_rejected_by_policy",
            _ => "internal_error",
        };
        Self { kind, message: error.to_string() }
    }
}

impl From<FirewallError> for Failed {
    fn from(error: FirewallError) -> Self {
        ServiceError::from(error).into()
    }
}

impl Service {
    /// Puts a dream into the queue.
    ///
    /// # Errors
    /// Refused for unknown or archived inputs, too many sessions, a store that another dream updates.
    pub fn create_dream(&self, caller: &Caller, request: &DreamCreate) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::DreamRun)?;
        if self.is_stopping() {
            return Err(ServiceError::Unavailable { why: "the server is stopping" });
        }
        let unknown = |what: &str| ServiceError::invalid(format!("inputs: there is no such {what}"));
        match self.writable_store(&caller.workspace, &request.store) {
            Err(ServiceError::Unknown { .. }) => return Err(unknown("memory store")),
            other => other?,
        };
        let mut sessions = request.sessions.clone();
        sessions.sort();
        sessions.dedup();
        if sessions.len() != request.sessions.len() {
            return Err(ServiceError::invalid("inputs: session_ids has an id twice"));
        }
        if sessions.len() > SESSIONS {
            return Err(ServiceError::invalid("inputs: at most 100 sessions"));
        }
        for id in &sessions {
            if let Err(error) = self.session_row(&caller.workspace, id) {
                return Err(if matches!(error, ServiceError::Unknown { .. }) { unknown("session") } else { error });
            }
        }
        if !(1..=256).contains(&request.model.chars().count()) {
            return Err(ServiceError::invalid("model: 1 to 256 characters"));
        }
        if request.instructions.as_ref().is_some_and(|text| !(1..=INSTRUCTIONS).contains(&text.chars().count())) {
            return Err(ServiceError::invalid("instructions: 1 to 4,096 characters, or null"));
        }
        if request.target.as_ref().is_some_and(|target| *target != request.store) {
            return Err(ServiceError::invalid("output_behavior: memory_store_id must be the input store"));
        }
        let _entry = lock(&self.dreams.entry);
        if request.output == Output::UpdateExisting
            && let Some(holder) = self.updater(&caller.workspace, &request.store)?
        {
            return Err(ServiceError::Conflict { message: format!("the memory store is being updated by {holder}") });
        }
        let behavior = match request.output {
            Output::CreateNew => json!({ "type": "create_new" }),
            Output::UpdateExisting => json!({ "type": "update_existing", "memory_store_id": request.store }),
        };
        let mut inputs = vec![json!({ "type": "memory_store", "memory_store_id": request.store })];
        if !sessions.is_empty() {
            inputs.push(json!({ "type": "sessions", "session_ids": sessions }));
        }
        let row = ObjectRow {
            workspace: caller.workspace.clone(),
            id: ids::fresh("drm_")?,
            created: now(),
            archived: None,
            state: "pending".to_owned(),
            body: json!({
                "inputs": inputs, "outputs": [], "model": { "id": request.model, "speed": "standard" },
                "instructions": request.instructions, "output_behavior": behavior, "session_id": null,
                "ended_at": null, "error": null, "key": caller.id, "usage": { "input_tokens": 0,
                    "output_tokens": 0, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0 },
            }),
        };
        self.db.put(Table::Dream, &row)?;
        self.audit(&caller.workspace, "dream.created", &json!({ "dream": row.id, "key": caller.id }))?;
        self.dreams.notify();
        Ok(shown(&row))
    }

    /// The dream that updates a store, when one does.
    fn updater(&self, workspace: &str, store: &str) -> Result<Option<String>, ServiceError> {
        let query = ListQuery {
            archived: true,
            states: vec!["pending".to_owned(), "running".to_owned()],
            limit: usize::MAX >> 1,
            ..ListQuery::default()
        };
        let rows = self.db.list(Table::Dream, workspace, &query)?;
        let updates = |row: &ObjectRow| row.body["output_behavior"]["memory_store_id"].as_str() == Some(store);
        let waiting = rows.into_iter().find(updates).map(|row| row.id);
        // Canceled, but its last writes may still land.
        let ending = || lock(&self.dreams.cancel).keys().find(|key| key.ends_with(&format!(" {store}"))).cloned();
        Ok(waiting.or_else(|| ending().and_then(|key| key.split(' ').next().map(str::to_owned))))
    }

    /// Refuses to archive or delete what a running dream writes to.
    pub(super) fn check_no_output(&self, workspace: &str, store: &str) -> Result<(), ServiceError> {
        let query = ListQuery {
            archived: true,
            states: vec!["pending".to_owned(), "running".to_owned()],
            limit: usize::MAX >> 1,
            ..ListQuery::default()
        };
        for row in self.db.list(Table::Dream, workspace, &query)? {
            let outputs = row.body["outputs"].as_array().map(Vec::as_slice).unwrap_or_default();
            if outputs.iter().any(|output| output["memory_store_id"].as_str() == Some(store)) {
                return Err(ServiceError::invalid(format!("the dream {} is writing to this memory store", row.id)));
            }
        }
        Ok(())
    }

    /// Dreams of the workspace, newest first.
    ///
    /// # Errors
    /// Refused for unknown states and a foreign cursor.
    pub fn list_dreams(&self, caller: &Caller, request: &DreamList) -> Result<Page<Value>, ServiceError> {
        Self::require(caller, Scope::StoreRead)?;
        if request.statuses.iter().any(|status| !STATES.contains(&status.as_str())) {
            return Err(ServiceError::invalid("statuses: pending, running, completed, failed or canceled"));
        }
        let list = format!("dreams {}", caller.workspace);
        let query = ListQuery {
            from: request.after.map(|at| at.plus_ms(1)),
            to: request.before.map(|at| at.plus_ms(-1)),
            archived: request.archived,
            after: self.place(&list, request.page.as_deref())?,
            states: request.statuses.clone(),
            limit: request.limit + 1,
            ..ListQuery::default()
        };
        let rows = self.db.list(Table::Dream, &caller.workspace, &query)?;
        self.page_of(&list, rows, request.limit, |row| Ok(shown(row)))
    }

    fn dream_row(&self, workspace: &str, id: &str) -> Result<ObjectRow, ServiceError> {
        let unknown = ServiceError::Unknown { what: "dream" };
        if !ids::is_lawful(id) {
            return Err(unknown);
        }
        self.db.get(Table::Dream, workspace, id)?.ok_or(unknown)
    }

    /// One dream, archived or not.
    ///
    /// # Errors
    /// Unknown id.
    pub fn dream(&self, caller: &Caller, id: &str) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::StoreRead)?;
        self.dream_row(&caller.workspace, id).map(|row| shown(&row))
    }

    /// Cancels a dream that has not ended.
    ///
    /// # Errors
    /// Refused for a completed or failed one.
    pub fn cancel_dream(&self, caller: &Caller, id: &str) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::DreamRun)?;
        let _entry = lock(&self.dreams.entry);
        let mut row = self.dream_row(&caller.workspace, id)?;
        match row.state.as_str() {
            "canceled" => return Ok(shown(&row)),
            "completed" | "failed" => return Err(ServiceError::invalid("the dream has ended")),
            _ => {}
        }
        "canceled".clone_into(&mut row.state);
        row.body["ended_at"] = json!(now());
        self.db.put(Table::Dream, &row)?;
        for (key, flag) in &*lock(&self.dreams.cancel) {
            if key.split(' ').next() == Some(id) {
                flag.store(true, Ordering::SeqCst);
            }
        }
        self.audit(&caller.workspace, "dream.canceled", &json!({ "dream": id, "key": caller.id }))?;
        Ok(shown(&row))
    }

    /// Archives a dream that has ended.
    ///
    /// # Errors
    /// Refused for one that has not.
    pub fn archive_dream(&self, caller: &Caller, id: &str) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::DreamRun)?;
        let mut row = self.dream_row(&caller.workspace, id)?;
        if !is_final(&row.state) {
            return Err(ServiceError::invalid("the dream has not ended: cancel it first, or wait"));
        }
        if row.archived.is_none() {
            row.archived = Some(now());
            self.db.put(Table::Dream, &row)?;
        }
        Ok(shown(&row))
    }

    /// Dreams that a crash interrupted wait again; what they had begun to write is removed, so that a second run
    /// gives what one run gives. Starts the workers.
    pub(super) fn resume_dreams(self: &Arc<Self>) -> Result<(), ServiceError> {
        for mut row in self.db.all(Table::Dream)?.into_iter().filter(|row| row.state == "running") {
            self.drop_outputs(&row)?;
            "pending".clone_into(&mut row.state);
            row.body["outputs"] = json!([]);
            row.body["work"] = Value::Null;
            self.db.put(Table::Dream, &row)?;
        }
        for number in 0..self.options.dream_workers.max(1) {
            let service = Arc::downgrade(self);
            let thread =
                std::thread::Builder::new().name(format!("memgate-dream-{number}")).spawn(move || work(&service));
            let thread = thread.map_err(|_| ServiceError::Unavailable { why: "no thread could be started" })?;
            lock(&self.dreams.threads).push(thread);
        }
        Ok(())
    }

    fn drop_outputs(&self, row: &ObjectRow) -> Result<(), ServiceError> {
        let Some(id) = row.body["work"].as_str() else { return Ok(()) };
        if let Some(store) = self.db.get(Table::MemoryStore, &row.workspace, id)? {
            self.drop_store(&store)?;
        }
        Ok(())
    }

    /// Waits until no dream waits or runs, or the server stops.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn wait_for_dreams(&self) -> Result<(), ServiceError> {
        loop {
            let seen = *lock(&self.dreams.wake.0);
            {
                // With the same lock as a worker that takes one: none is between waiting and taken.
                let _entry = lock(&self.dreams.entry);
                let waits = self.db.oldest_dream("pending")?.is_some();
                let quiet = !waits && self.dreams.taken.load(Ordering::SeqCst) == 0;
                if quiet || self.dreams.stop.load(Ordering::SeqCst) {
                    return Ok(());
                }
            }
            let guard = lock(&self.dreams.wake.0);
            drop(self.dreams.wake.1.wait_while(guard, |now| *now == seen).unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Takes the oldest waiting dream.
    fn claim(&self) -> Result<Option<ObjectRow>, ServiceError> {
        let _entry = lock(&self.dreams.entry);
        let Some(mut row) = self.db.oldest_dream("pending")? else { return Ok(None) };
        "running".clone_into(&mut row.state);
        self.db.put(Table::Dream, &row)?;
        self.dreams.taken.fetch_add(1, Ordering::SeqCst);
        Ok(Some(row))
    }

    /// Runs one dream to its end.
    fn run_dream(self: &Arc<Self>, mut row: ObjectRow) -> Result<(), ServiceError> {
        let flag = Arc::new(AtomicBool::new(false));
        let target = row.body["output_behavior"]["memory_store_id"].as_str().unwrap_or_default().to_owned();
        let key = format!("{} {target}", row.id);
        lock(&self.dreams.cancel).insert(key.clone(), Arc::clone(&flag));
        let outcome = self.carry_out(&mut row, &flag);
        let stopped = self.dreams.stop.load(Ordering::SeqCst);
        {
            let _entry = lock(&self.dreams.entry);
            let canceled = self.dream_row(&row.workspace, &row.id)?.state == "canceled";
            lock(&self.dreams.cancel).remove(&key);
            if stopped && outcome.is_err() && !canceled {
                // Stays `running`: the next start puts it back into the queue.
                return Ok(());
            }
            let state = match (&outcome, canceled) {
                (_, true) => "canceled",
                (Ok(()), false) => "completed",
                (Err(_), false) => "failed",
            };
            state.clone_into(&mut row.state);
            if let (Err(failed), false) = (&outcome, canceled) {
                row.body["error"] = json!({ "type": failed.kind, "message": failed.message });
            }
            row.body["ended_at"] = json!(now());
            self.db.put(Table::Dream, &row)?;
        }
        if outcome.is_err() && !target.is_empty() {
            // A clone that nobody will see.
            self.drop_outputs(&row)?;
        }
        let about = json!({ "dream": row.id, "status": row.state, "gate": row.body["gate"] });
        self.audit(&row.workspace, "dream.ended", &about)?;
        if let Some(id) = row.body["session_id"].as_str()
            && let Some(mut session) = self.any_session(&row.workspace, id)?
        {
            self.emit(&session, &[json!({ "type": "session.status_idle", "stop_reason": { "type": "end_turn" } })])?;
            self.end_session(&mut session)?;
        }
        Ok(())
    }

    /// The session that shows what a dream does.
    fn dream_session(&self, row: &ObjectRow) -> Result<ObjectRow, ServiceError> {
        let at = now();
        let session = ObjectRow {
            workspace: row.workspace.clone(),
            id: ids::fresh("sesn_")?,
            created: at,
            archived: None,
            state: String::new(),
            body: json!({
                "status": "running", "title": format!("dream {}", row.id), "metadata": { "dream_id": row.id },
                "updated_at": at, "deployment_id": null, "environment_id": "env_memgate", "vault_ids": [],
                "budget": null, "resources": [], "outcome_evaluations": [], "stats": {}, "usage": {},
                "agent": { "id": "agent_memgate_dream", "type": "agent", "name": "memgate dream", "version": 1,
                    "description": null, "system": null, "model": row.body["model"], "tools": [], "skills": [],
                    "mcp_servers": [], "multiagent": null, "execution_identity": { "type": "service_account" } },
                "principal": "memgate",
            }),
        };
        self.db.put(Table::Session, &session)?;
        self.emit(&session, &[json!({ "type": "session.status_running" })])?;
        Ok(session)
    }

    fn carry_out(self: &Arc<Self>, row: &mut ObjectRow, stop: &Arc<AtomicBool>) -> Result<(), Failed> {
        let workspace = row.workspace.clone();
        let input = row.body["inputs"][0]["memory_store_id"].as_str().unwrap_or_default().to_owned();
        let gone = |what: &'static str, kind| Failed { kind, message: format!("the {what} is no longer available") };
        let store = self
            .writable_store(&workspace, &input)
            .map_err(|_| gone("input memory store", "input_memory_store_unavailable"))?;
        let (mut sessions, mut raw) = (Vec::new(), Vec::new());
        let wanted = row.body["inputs"][1]["session_ids"].as_array().cloned().unwrap_or_default();
        for id in wanted.iter().filter_map(Value::as_str) {
            let found = self.any_session(&workspace, id)?;
            let found = found.ok_or_else(|| gone("input session", "input_session_unavailable"))?;
            let (bytes, session) = self.transcript(&found)?;
            raw.push(bytes);
            sessions.push(session);
        }
        let session = self.dream_session(row)?;
        row.body["session_id"] = session.id.as_str().into();
        let updates = row.body["output_behavior"]["type"] == "update_existing";
        let name = store.body["name"].as_str().unwrap_or_default();
        let short: String = row.id.chars().rev().take(6).collect::<Vec<_>>().into_iter().rev().collect();
        let named: String = format!("{name} (dream {short})").chars().rev().take(255).collect();
        let request = StoreCreate {
            name: named.chars().rev().collect(),
            description: store.body["description"].as_str().unwrap_or_default().to_owned(),
            metadata: [("dream_id".to_owned(), row.id.clone()), ("source_memory_store_id".to_owned(), input.clone())]
                .into(),
        };
        let mut work = self.new_store(&workspace, &request, true)?;
        row.body["work"] = work.id.as_str().into();
        let output = if updates { &input } else { &work.id };
        row.body["outputs"] = json!([{ "type": "memory_store", "memory_store_id": output }]);
        self.keep_unless_canceled(row)?;
        // Seen only once the dream's own row names it: a start removes it with the dream's other leavings.
        if !updates {
            self.unhide(&mut work)?;
        }

        let source = self.stores.get(&input)?;
        let memories = source.with(|firewall| firewall.memories())??;
        let base: BTreeMap<MemoryPath, Digest> =
            memories.iter().map(|memory| (memory.path.clone(), Digest::of(memory.text.peek_unscanned()))).collect();
        let instructions = row.body["instructions"].as_str().map(str::to_owned);
        // A dream may take long: its own store works on it, nobody else waits.
        self.stores.close(&work.id);
        let (flag, data) = (Arc::clone(stop), self.stores.data(&work.id));
        let env = Env { stopped: Box::new(move || flag.load(Ordering::SeqCst)), ..self.stores.env() };
        let mut firewall = Firewall::open(&data, env)?;
        firewall.set_actor(Some(Actor::Session(session.id.clone())));
        let report = {
            let mut follow = |step: Progress| self.follow(&session, step);
            let request = DreamRequest {
                memories: Some(memories),
                sessions,
                raw,
                instructions,
                workspace: None,
                // The caller looks at the output before it is used; the gate looks at every change first.
                accept: AcceptMode::Proposals,
                ask: None,
                adopt: true,
                dry_run: false,
            };
            firewall.dream(request, &mut follow)
        };
        let report = match report {
            Ok(report) => report,
            Err(error) => {
                firewall.close()?;
                return Err(error.into());
            }
        };
        let mut gate = summary(&report);
        if updates {
            let head = firewall.head()?.map(|head| head.sequence);
            let version = head.map(|sequence| firewall.recall(sequence)).transpose()?;
            firewall.close()?;
            if stop.load(Ordering::SeqCst) {
                return Err(Failed {
                    kind: "internal_error",
                    message: "stopped before anything was applied".to_owned(),
                });
            }
            let actor = Actor::Session(session.id.clone());
            let held = report.held.clone();
            if let Some(version) = version {
                let applied = source.with(move |firewall| firewall.apply_version(&version, &base, &actor, &held))??;
                gate["applied"] = json!(applied.changed);
                gate["skipped"] = json!(applied.skipped);
                gate["held_again"] = json!(applied.held);
            }
            self.drop_store(&work)?;
        } else {
            firewall.close()?;
        }
        row.body["gate"] = gate;
        Ok(())
    }

    /// Writes a running dream's row, unless somebody canceled it meanwhile.
    fn keep_unless_canceled(&self, row: &ObjectRow) -> Result<(), ServiceError> {
        let _entry = lock(&self.dreams.entry);
        if self.dream_row(&row.workspace, &row.id)?.state == "running" {
            self.db.put(Table::Dream, row)?;
        }
        Ok(())
    }

    /// Progress as events of the dream's session.
    fn follow(&self, session: &ObjectRow, step: Progress) {
        if let Progress::Stage(name, units) = step {
            let text = format!("{name}: {units}");
            let event = json!({ "type": "agent.message", "content": [{ "type": "text", "text": text }] });
            if let Err(error) = self.emit(session, &[event]) {
                tracing::warn!(code = error.code(), "a dream's progress could not be kept");
            }
        }
    }
}

/// What the gate did, in numbers and ids.
fn summary(report: &DreamReport) -> Value {
    let reviews: Vec<&str> = report.held.iter().map(|record| record.id.as_str()).collect();
    let rules: BTreeSet<&str> = report.refused.iter().flat_map(|note| &note.rules).map(String::as_str).collect();
    let state = if reviews.is_empty() { "clear" } else { "review_required" };
    json!({
        "state": state, "held": reviews.len(), "reviews": reviews.iter().take(100).collect::<Vec<_>>(),
        "refused": report.refused.len(), "rules": rules, "redacted": report.redacted.len(),
        "applied": report.applied.len(), "notes": report.notes, "dispositions": report.counts(),
        "steering": report.plan.steering,
    })
}

/// One worker: dreams one after another until the server ends.
fn work(service: &Weak<Service>) {
    loop {
        let Some(service) = service.upgrade() else { return };
        if service.dreams.stop.load(Ordering::SeqCst) {
            return;
        }
        let seen = *lock(&service.dreams.wake.0);
        match service.claim() {
            Ok(Some(row)) => {
                let id = row.id.clone();
                let outcome = service.run_dream(row);
                service.dreams.taken.fetch_sub(1, Ordering::SeqCst);
                service.dreams.notify();
                if let Err(error) = outcome {
                    tracing::error!(
                        code = error.code(),
                        dream = id,
                        "a dream could not be brought to its end: {error}"
                    );
                }
                continue;
            }
            Ok(None) => {}
            Err(error) => tracing::error!(code = error.code(), "the queue of dreams cannot be read: {error}"),
        }
        let guard = lock(&service.dreams.wake.0);
        if *guard == seen && !service.dreams.stop.load(Ordering::SeqCst) {
            // Looks again now and then all the same: a server that nobody holds any more must end.
            let waited = service.dreams.wake.1.wait_timeout(guard, Duration::from_millis(500));
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }
}
