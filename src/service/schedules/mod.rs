//! Dreams that begin by themselves: at times, after so many sessions, after so much change, when it is quiet.
//!
//! A schedule is a row of the server's database, and so is what it has seen: a restart forgets nothing. What it begins
//! is an ordinary dream of a service actor, gated like any other.

mod cron;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::auth::{CredentialRole, Scope};
use crate::domain::{Coded as _, Digest, Timestamp};
use crate::firewall::VersionQuery;
use crate::store::server::{ListQuery, ObjectRow, ScheduleRow, Table};

use super::dreams::{DreamCreate, Output};
use super::{Caller, Service, ServiceError, lock, now};
use cron::Cron;

/// How often schedules are looked at.
const TICK: Duration = Duration::from_secs(10);
/// Most sessions of one dream.
const SESSIONS: usize = 100;
const MINUTE_MS: i64 = 60_000;

/// A place in the order of sessions: when one was made, and its id.
type Place = (Timestamp, String);

/// When to dream, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleRules {
    /// Five fields, UTC, or `@daily` and its like.
    pub cron: Option<String>,
    /// After so many new sessions.
    pub sessions: Option<u32>,
    /// After so many changes of memories.
    pub churn: Option<u32>,
    /// When there is something new and nothing has happened for so long.
    pub idle_minutes: Option<u32>,
    /// Times of `cron` are put off by up to so much, each store by its own.
    pub jitter_minutes: u32,
    /// Into the store itself; else into a new one.
    pub update_existing: bool,
    /// Steering text.
    pub instructions: Option<String>,
}

/// What a schedule has seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    rules: ScheduleRules,
    /// True when it stands in the configuration.
    configured: bool,
    /// From when the next time of `cron` counts.
    fired: Timestamp,
    /// The last session that was dreamt of.
    after: Option<(Timestamp, String)>,
    /// Changes count from here.
    from: Timestamp,
    /// The last dream it began.
    dream: Option<String>,
}

/// The thread that looks at schedules.
#[derive(Debug, Default)]
pub(super) struct Clock {
    stop: AtomicBool,
    wake: (Mutex<()>, Condvar),
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Clock {
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        {
            let _guard = lock(&self.wake.0);
            self.wake.1.notify_all();
        }
        let thread = lock(&self.thread).take();
        // The thread that drops the last reference joins itself here otherwise.
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != std::thread::current().id()) {
            let _ = thread.join();
        }
    }
}

/// What a schedule would do now, and why.
struct Outlook {
    due: Option<&'static str>,
    sessions: Vec<Place>,
    when: String,
    /// Hours of `cron` that lie behind.
    passed: bool,
}

impl ScheduleRules {
    fn check(&self) -> Result<(), ServiceError> {
        if let Some(cron) = &self.cron {
            Cron::parse(cron).map_err(ServiceError::invalid)?;
        }
        let bounds = [
            ("sessions", self.sessions, 100),
            ("churn", self.churn, 1_000_000),
            ("idle_minutes", self.idle_minutes, 10_080),
        ];
        for (name, value, most) in bounds {
            if value.is_some_and(|value| !(1..=most).contains(&value)) {
                return Err(ServiceError::invalid(format!("{name}: 1 to {most}")));
            }
        }
        if self.jitter_minutes > 1_440 {
            return Err(ServiceError::invalid("jitter_minutes: 0 to 1440"));
        }
        if self.cron.is_none() && self.sessions.is_none() && self.churn.is_none() && self.idle_minutes.is_none() {
            return Err(ServiceError::invalid("a schedule needs cron, sessions, churn or idle_minutes"));
        }
        Ok(())
    }

    /// The next time after one, put off by the store's own jitter: the same at every look.
    fn next(&self, store: &str, after: Timestamp) -> Option<Timestamp> {
        let next = Cron::parse(self.cron.as_deref()?).ok()?.after(after)?;
        let window = i64::from(self.jitter_minutes) * MINUTE_MS;
        let digest = Digest::of(format!("{store} {}", next.0)).hex();
        let random = i64::from_str_radix(digest.get(..12).unwrap_or("0"), 16).unwrap_or(0);
        Some(next.plus_ms(if window == 0 { 0 } else { random % window }))
    }
}

impl Service {
    /// Gives a store a schedule, in place of the one it has.
    ///
    /// # Errors
    /// Unknown or archived store; refused for rules that do not check.
    pub fn put_schedule(&self, caller: &Caller, store: &str, rules: &Value) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::DreamRun)?;
        self.writable_store(&caller.workspace, store)?;
        let row = self.new_schedule(&caller.workspace, store, rules, false)?;
        self.audit(&caller.workspace, "schedule.set", &json!({ "memory_store": store, "key": caller.id }))?;
        self.shown_schedule(&row, now())
    }

    /// A store's schedule, and when it begins the next dream.
    ///
    /// # Errors
    /// Unknown store, no schedule.
    pub fn schedule(&self, caller: &Caller, store: &str) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::StoreRead)?;
        self.store_row(&caller.workspace, store)?;
        self.shown_schedule(&self.schedule_row(store)?, now())
    }

    /// Takes a store's schedule away.
    ///
    /// # Errors
    /// Unknown store, no schedule.
    pub fn delete_schedule(&self, caller: &Caller, store: &str) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::DreamRun)?;
        self.store_row(&caller.workspace, store)?;
        if !self.db.remove_schedule(store)? {
            return Err(ServiceError::Unknown { what: "schedule" });
        }
        self.audit(&caller.workspace, "schedule.deleted", &json!({ "memory_store": store, "key": caller.id }))?;
        Ok(json!({ "memory_store_id": store, "type": "schedule_deleted" }))
    }

    /// Brings the schedules of the configuration in; those it no longer names go.
    ///
    /// # Errors
    /// Refused for rules that do not check. A store that is not here is left out.
    pub fn configure_schedules(&self, wanted: &[(String, Value)]) -> Result<(), ServiceError> {
        for row in self.db.schedules()? {
            if kept(&row)?.configured && !wanted.iter().any(|(store, _)| *store == row.store) {
                self.db.remove_schedule(&row.store)?;
            }
        }
        for (store, rules) in wanted {
            // Somebody may have deleted the store over the wire: that must not keep the server from starting.
            let Some(known) = self.db.all(Table::MemoryStore)?.into_iter().find(|row| row.id == *store) else {
                tracing::warn!(store, "a schedule of the configuration names a store that is not here");
                continue;
            };
            self.new_schedule(&known.workspace, store, rules, true)?;
        }
        Ok(())
    }

    fn new_schedule(
        &self,
        workspace: &str,
        store: &str,
        rules: &Value,
        configured: bool,
    ) -> Result<ScheduleRow, ServiceError> {
        let parsed = serde_json::from_value(rules.clone());
        let rules: ScheduleRules = parsed.map_err(|_| {
            ServiceError::invalid(
                "a schedule has cron, sessions, churn, idle_minutes, jitter_minutes, update_existing and instructions",
            )
        })?;
        rules.check()?;
        let old = self.db.schedules()?.into_iter().find(|row| row.store == store);
        let at = now();
        let mut new = Kept { rules, configured, fired: at, after: None, from: at, dream: None };
        match old.as_ref().map(kept).transpose()? {
            // What it has seen stays: a changed rule must not dream of everything again.
            Some(old) => {
                let same_times = old.rules.cron == new.rules.cron;
                new = Kept { fired: if same_times { old.fired } else { at }, rules: new.rules, configured, ..old };
            }
            None => new.after = self.last_session(workspace)?,
        }
        let row = ScheduleRow { store: store.to_owned(), workspace: workspace.to_owned(), body: body(&new)? };
        self.db.put_schedule(&row)?;
        Ok(row)
    }

    /// The newest session: a new schedule begins with what comes after it.
    fn last_session(&self, workspace: &str) -> Result<Option<(Timestamp, String)>, ServiceError> {
        let query = ListQuery { archived: true, limit: 1, ..ListQuery::default() };
        let rows = self.db.list(Table::Session, workspace, &query)?;
        Ok(rows.into_iter().next().map(|row| (row.created, row.id)))
    }

    fn schedule_row(&self, store: &str) -> Result<ScheduleRow, ServiceError> {
        let found = self.db.schedules()?.into_iter().find(|row| row.store == store);
        found.ok_or(ServiceError::Unknown { what: "schedule" })
    }

    fn shown_schedule(&self, row: &ScheduleRow, at: Timestamp) -> Result<Value, ServiceError> {
        let kept = kept(row)?;
        let outlook = self.outlook(row, &kept, at)?;
        let next = kept.rules.next(&row.store, kept.fired);
        Ok(json!({
            "type": "schedule", "memory_store_id": row.store, "rules": kept.rules, "configured": kept.configured,
            "last_dream_id": kept.dream, "next_at": next, "due": outlook.due, "when": outlook.when,
        }))
    }

    fn outlook(&self, row: &ScheduleRow, kept: &Kept, at: Timestamp) -> Result<Outlook, ServiceError> {
        let rules = &kept.rules;
        let mut parts = Vec::new();
        let mut due = None;
        let next = rules.next(&row.store, kept.fired);
        let passed = next.is_some_and(|next| next <= at);
        if let Some(next) = next {
            parts.push(format!("at {} (cron {:?}, UTC)", next.rfc3339_seconds(), rules.cron.as_deref().unwrap_or("")));
        }
        if passed {
            due = Some("cron");
        }
        let (sessions, last_heard) = self.new_sessions(row, kept)?;
        if let Some(wanted) = rules.sessions {
            parts.push(format!("after {wanted} new sessions (now {})", sessions.len()));
            if sessions.len() >= usize::try_from(wanted).unwrap_or(usize::MAX) {
                due = due.or(Some("sessions"));
            }
        }
        let mut changes = 0;
        let mut last_change = None;
        if rules.churn.is_some() || rules.idle_minutes.is_some() {
            let limit = usize::try_from(rules.churn.unwrap_or(1)).unwrap_or(usize::MAX);
            let query = VersionQuery { from: Some(kept.from.plus_ms(1)), limit, ..VersionQuery::default() };
            let rows = self.stores.get(&row.store)?.with(move |firewall| firewall.memory_versions(&query))??;
            changes = rows.len();
            last_change = rows.iter().map(|row| row.created).max();
        }
        if let Some(wanted) = rules.churn {
            parts.push(format!("after {wanted} changes of memories (now {changes})"));
            if changes >= usize::try_from(wanted).unwrap_or(usize::MAX) {
                due = due.or(Some("churn"));
            }
        }
        if let Some(minutes) = rules.idle_minutes {
            parts.push(format!("when something is new and nothing has happened for {minutes} minutes"));
            let last = last_heard.max(last_change);
            if last.is_some_and(|last| at.0 - last.0 >= i64::from(minutes) * MINUTE_MS) {
                due = due.or(Some("idle"));
            }
        }
        let mut when = format!("dreams {}", parts.join(", or "));
        if self.is_dreaming(row, kept)? {
            due = None;
            when = format!("its last dream has not ended; then it {when}");
        }
        Ok(Outlook { due, sessions, when, passed })
    }

    fn is_dreaming(&self, row: &ScheduleRow, kept: &Kept) -> Result<bool, ServiceError> {
        let Some(id) = &kept.dream else { return Ok(false) };
        let dream = self.db.get(Table::Dream, &row.workspace, id)?;
        Ok(dream.is_some_and(|dream| matches!(dream.state.as_str(), "pending" | "running")))
    }

    /// Sessions that had the store at hand, after the last one that was dreamt of; and when one was heard of last.
    fn new_sessions(&self, row: &ScheduleRow, kept: &Kept) -> Result<(Vec<Place>, Option<Timestamp>), ServiceError> {
        let (mut after, mut found, mut heard) = (kept.after.clone(), Vec::new(), None);
        let has_store = |session: &ObjectRow| {
            let resources = session.body["resources"].as_array().map(Vec::as_slice).unwrap_or_default();
            resources.iter().any(|one| one["memory_store_id"].as_str() == Some(&row.store))
        };
        loop {
            let query = ListQuery { archived: true, ascending: true, after, limit: 200, ..ListQuery::default() };
            let page = self.db.list(Table::Session, &row.workspace, &query)?;
            let end = page.len() < 200;
            after = page.last().map(|last| (last.created, last.id.clone()));
            for session in page.into_iter().filter(has_store) {
                let updated = session.body["updated_at"].as_str().and_then(|text| text.parse().ok());
                heard = heard.max(updated.or(Some(session.created)));
                found.push((session.created, session.id));
                if found.len() == SESSIONS {
                    return Ok((found, heard));
                }
            }
            if end {
                return Ok((found, heard));
            }
        }
    }

    /// Looks at every schedule and begins what is due. Ids of the dreams.
    ///
    /// # Errors
    /// Unavailable database. A store that cannot be looked at is left out.
    pub fn tick_schedules(&self, at: Timestamp) -> Result<Vec<String>, ServiceError> {
        let mut begun = Vec::new();
        for row in self.db.schedules()? {
            match self.tick(&row, at) {
                Ok(dream) => begun.extend(dream),
                Err(ServiceError::Unknown { .. }) => {
                    self.db.remove_schedule(&row.store)?;
                }
                Err(error) => tracing::warn!(code = error.code(), store = row.store, "a schedule waits: {error}"),
            }
        }
        Ok(begun)
    }

    fn tick(&self, row: &ScheduleRow, at: Timestamp) -> Result<Option<String>, ServiceError> {
        if self.store_row(&row.workspace, &row.store)?.archived.is_some() {
            return Ok(None);
        }
        let mut kept = kept(row)?;
        // What a dream itself changed is not news: changes count from its end.
        let ended = match &kept.dream {
            Some(id) => self
                .db
                .get(Table::Dream, &row.workspace, id)?
                .and_then(|dream| dream.body["ended_at"].as_str().and_then(|text| text.parse::<Timestamp>().ok())),
            None => None,
        };
        kept.from = kept.from.max(ended.unwrap_or(kept.from));
        let outlook = self.outlook(row, &kept, at)?;
        let Some(reason) = outlook.due else { return Ok(None) };
        let service = Caller {
            id: "service_schedule".to_owned(),
            workspace: row.workspace.clone(),
            name: "schedule".to_owned(),
            role: CredentialRole::Submitter,
            hint: String::new(),
            created: at,
            expires: None,
            revoked: None,
        };
        let request = DreamCreate {
            store: row.store.clone(),
            sessions: outlook.sessions.iter().map(|(_, id)| id.clone()).collect(),
            model: "memgate".to_owned(),
            instructions: kept.rules.instructions.clone(),
            output: if kept.rules.update_existing { Output::UpdateExisting } else { Output::CreateNew },
            target: None,
        };
        let dream = self.create_dream(&service, &request)?;
        let id = dream["id"].as_str().unwrap_or_default().to_owned();
        kept.dream = Some(id.clone());
        kept.from = at;
        kept.after = outlook.sessions.last().cloned().or(kept.after);
        if outlook.passed {
            // Times that were missed while the server was down are one time.
            kept.fired = at;
        }
        self.db.put_schedule(&ScheduleRow { body: body(&kept)?, ..row.clone() })?;
        let about = json!({ "memory_store": row.store, "dream": id, "reason": reason });
        self.audit(&row.workspace, "schedule.fired", &about)?;
        Ok(Some(id))
    }

    /// Begins to look at schedules.
    ///
    /// # Errors
    /// Unavailable when no thread can be started.
    pub fn start_schedules(self: &Arc<Self>) -> Result<(), ServiceError> {
        let service = Arc::downgrade(self);
        let thread = std::thread::Builder::new().name("memgate-schedule".to_owned()).spawn(move || look(&service));
        let thread = thread.map_err(|_| ServiceError::Unavailable { why: "no thread could be started" })?;
        *lock(&self.clock.thread) = Some(thread);
        Ok(())
    }
}

fn look(service: &Weak<Service>) {
    loop {
        let Some(service) = service.upgrade() else { return };
        if service.clock.stop.load(Ordering::SeqCst) {
            return;
        }
        if let Err(error) = service.tick_schedules(now()) {
            tracing::warn!(code = error.code(), "schedules cannot be read: {error}");
        }
        let guard = lock(&service.clock.wake.0);
        if !service.clock.stop.load(Ordering::SeqCst) {
            drop(service.clock.wake.1.wait_timeout(guard, TICK).unwrap_or_else(PoisonError::into_inner));
        }
    }
}

fn kept(row: &ScheduleRow) -> Result<Kept, ServiceError> {
    serde_json::from_value(row.body.clone()).map_err(|_| ServiceError::Bug { what: "a schedule does not read back" })
}

fn body(kept: &Kept) -> Result<Value, ServiceError> {
    serde_json::to_value(kept).map_err(|_| ServiceError::Bug { what: "a schedule does not encode" })
}
