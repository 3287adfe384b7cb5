//! Events of a session: received, kept in order, listed, streamed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::sync::broadcast;

use crate::auth::Scope;
use crate::domain::{Authority, PrincipalId, Timestamp};
use crate::ingest::{Context, Format, RawInput, Session, read_sessions};
use crate::store::server::{EventQuery, EventRow, ObjectRow, Table};

use super::{Caller, Page, Service, ServiceError, ids, lock, now};

/// Most events in one request.
const AT_ONCE: usize = 1000;
/// Most characters of a rubric.
const RUBRIC_CHARS: usize = 262_144;
/// Most rounds of an outcome.
const ITERATIONS: i64 = 20;
/// Events a slow reader may fall behind before it is cut off.
const BACKLOG: usize = 1024;

/// What a list of events asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventList {
    /// Only these types.
    pub types: Vec<String>,
    /// Processed at or after.
    pub from: Option<Timestamp>,
    /// Processed at or before.
    pub to: Option<Timestamp>,
    /// Newest first.
    pub descending: bool,
    /// Items on a page.
    pub limit: usize,
    /// Cursor.
    pub page: Option<String>,
}

/// New events of a session, as they come.
#[derive(Debug)]
pub struct Subscription {
    receiver: broadcast::Receiver<Arc<Value>>,
}

impl Subscription {
    /// The next event; `None` when the session ended or the reader fell too far behind.
    pub async fn next(&mut self) -> Option<Arc<Value>> {
        self.receiver.recv().await.ok()
    }
}

/// Who listens to which session.
#[derive(Debug, Default)]
pub(super) struct Hub {
    sessions: Mutex<BTreeMap<String, broadcast::Sender<Arc<Value>>>>,
}

impl Hub {
    fn subscribe(&self, session: &str) -> Subscription {
        let mut sessions = lock(&self.sessions);
        sessions.retain(|_, sender| sender.receiver_count() > 0);
        let sender = sessions.entry(session.to_owned()).or_insert_with(|| broadcast::channel(BACKLOG).0);
        Subscription { receiver: sender.subscribe() }
    }
    fn publish(&self, session: &str, events: &[EventRow]) {
        if let Some(sender) = lock(&self.sessions).get(session) {
            for event in events {
                // Nobody listens any more: that is their right.
                let _ = sender.send(Arc::new(event.body.clone()));
            }
        }
    }
    /// Ends the streams of a session, after a last event.
    pub(super) fn close(&self, session: &str, last: Option<Value>) {
        if let Some(sender) = lock(&self.sessions).remove(session)
            && let Some(last) = last
        {
            let _ = sender.send(Arc::new(last));
        }
    }
}

/// Types that a client may send where memgate has no agent of its own.
fn may_send(kind: &str) -> bool {
    matches!(
        kind,
        "user.message"
            | "user.interrupt"
            | "user.tool_confirmation"
            | "user.custom_tool_result"
            | "user.define_outcome"
            | "user.tool_result"
            | "system.message"
            | "session.status_idle"
    ) || kind.starts_with("agent.")
}

impl Service {
    /// Sends events to a session. Answers them as they were kept.
    ///
    /// # Errors
    /// Refused: an archived session, an unknown type, an event that does not read completely.
    pub fn send_events(&self, caller: &Caller, session: &str, events: &[Value]) -> Result<Vec<Value>, ServiceError> {
        Self::require(caller, Scope::Submit)?;
        let mut row = self.session_row(&caller.workspace, session)?;
        if row.archived.is_some() {
            return Err(ServiceError::Conflict { message: "the session is archived".to_owned() });
        }
        if events.is_empty() {
            return Err(ServiceError::invalid("events: at least one"));
        }
        let received = self.receive(caller, &row, events, false)?;
        let echo: Vec<Value> = received.iter().take(events.len()).map(|event| event.body.clone()).collect();
        let mut all = received;
        for outcome in echo.iter().filter(|event| event["type"] == "user.define_outcome") {
            self.check_no_open_outcome(&row)?;
            all.extend(evaluate(&mut row, outcome)?);
        }
        row.body["updated_at"] = json!(now());
        self.db.append_events(&row, &all)?;
        self.tell_session(&row.workspace, session, &all)?;
        self.hub.publish(session, &all);
        Ok(echo)
    }

    /// Puts events of the server's own at the end of a session.
    pub(super) fn emit(&self, row: &ObjectRow, events: &[Value]) -> Result<(), ServiceError> {
        let rows = events.iter().map(|event| kept(event.clone(), now())).collect::<Result<Vec<_>, _>>()?;
        self.db.append_events(row, &rows)?;
        self.tell_session(&row.workspace, &row.id, &rows)?;
        self.hub.publish(&row.id, &rows);
        Ok(())
    }

    fn check_no_open_outcome(&self, row: &ObjectRow) -> Result<(), ServiceError> {
        let open = ["pending", "running", "evaluating", "needs_revision"];
        let outcomes = row.body["outcome_evaluations"].as_array().map(Vec::as_slice).unwrap_or_default();
        match outcomes.iter().any(|one| one["result"].as_str().is_some_and(|result| open.contains(&result))) {
            true => Err(ServiceError::invalid("the session's last outcome has not had its final evaluation")),
            false => Ok(()),
        }
    }

    /// Checks events and gives them ids and times. What an agent is said to have done is the client's word.
    pub(super) fn receive(
        &self,
        caller: &Caller,
        session: &ObjectRow,
        events: &[Value],
        initial: bool,
    ) -> Result<Vec<EventRow>, ServiceError> {
        if events.len() > AT_ONCE {
            return Err(ServiceError::invalid("events: at most 1,000 at once"));
        }
        let mut rows = Vec::with_capacity(events.len());
        for (number, event) in events.iter().enumerate() {
            let at = |what: &str| ServiceError::invalid(format!("events[{number}]: {what}"));
            let kind = event.get("type").and_then(Value::as_str).ok_or_else(|| at("an object with a type"))?;
            if !may_send(kind) || (initial && !matches!(kind, "user.message" | "user.define_outcome")) {
                return Err(at("events of this type cannot be sent"));
            }
            if kind == "system.message" && number + 1 != events.len() {
                return Err(at("a system message comes last, after the message it accompanies"));
            }
            let mut event = event.clone();
            let time = match event.get("processed_at").and_then(Value::as_str) {
                Some(text) => text.parse::<Timestamp>().map_err(|_| at("processed_at is not an RFC 3339 time"))?,
                None => now(),
            };
            if kind == "user.define_outcome" {
                define_outcome(&mut event).map_err(at)?;
            }
            let asserted = kind.starts_with("agent.") || kind.starts_with("session.") || kind == "system.message";
            if asserted {
                event["gate"] = json!({ "provenance": "client_asserted", "key": caller.id });
            }
            rows.push(kept(event, time)?);
        }
        // What a dream could not read completely is refused now, while somebody can mend it.
        if !rows.is_empty() {
            let bodies: Vec<&Value> = rows.iter().map(|row| &row.body).collect();
            read(session, &json!(bodies), &caller.name).map_err(|_| {
                ServiceError::invalid("events: they do not read as Managed Agents events; see the content of each")
            })?;
        }
        Ok(rows)
    }

    /// Events of a session.
    ///
    /// # Errors
    /// Unknown session, foreign cursor.
    pub fn list_events(
        &self,
        caller: &Caller,
        session: &str,
        request: &EventList,
    ) -> Result<Page<Value>, ServiceError> {
        Self::require(caller, Scope::StoreRead)?;
        self.session_row(&caller.workspace, session)?;
        let order = if request.descending { "desc" } else { "asc" };
        let list = format!("events {} {session} {order}", caller.workspace);
        let after: Option<(Option<i64>, u64)> =
            request.page.as_deref().map(|page| self.cursors.open(&list, page)).transpose()?;
        let query = EventQuery {
            kinds: request.types.clone(),
            from: request.from,
            to: request.to,
            descending: request.descending,
            after: after.map(|(at, number)| (at.map(Timestamp), number)),
            limit: request.limit + 1,
        };
        let mut rows = self.db.events(session, &query)?;
        let more = rows.len() > request.limit;
        rows.truncate(request.limit);
        let next = match rows.last() {
            Some(last) if more => Some(self.cursors.seal(&list, &(last.processed.map(|at| at.0), last.number))?),
            _ => None,
        };
        Ok(Page { data: rows.into_iter().map(|row| row.body).collect(), next })
    }

    /// Listens to a session from now on.
    ///
    /// # Errors
    /// Unknown session.
    pub fn subscribe(&self, caller: &Caller, session: &str) -> Result<Subscription, ServiceError> {
        Self::require(caller, Scope::StoreRead)?;
        let row = self.session_row(&caller.workspace, session)?;
        let subscription = self.hub.subscribe(session);
        if row.archived.is_some() {
            // A stream of what has ended ends.
            self.hub.close(session, None);
        }
        Ok(subscription)
    }

    /// A session's transcript as a dream reads it. Whatever channel a client named, its word is a user's at most.
    pub(super) fn transcript(&self, row: &ObjectRow) -> Result<(RawInput, Session), ServiceError> {
        let query = EventQuery { limit: 1_000_000, ..EventQuery::default() };
        let events: Vec<Value> = self.db.events(&row.id, &query)?.into_iter().map(|event| event.body).collect();
        let principal = row.body["principal"].as_str().unwrap_or("unknown");
        let bug = ServiceError::Bug { what: "a kept session does not read back" };
        let Ok((input, mut session)) = read(row, &json!(events), principal) else { return Err(bug) };
        for event in &mut session.events {
            event.origin.authority = event.origin.authority.min(Authority::User);
        }
        Ok((input, session))
    }

    /// The row of an object that the server itself works on.
    pub(super) fn any_session(&self, workspace: &str, id: &str) -> Result<Option<ObjectRow>, ServiceError> {
        Ok(self.db.get(Table::Session, workspace, id)?)
    }
}

/// Reads events the way a transcript file is read.
fn read(session: &ObjectRow, events: &Value, principal: &str) -> Result<(RawInput, Session), ServiceError> {
    let document = json!({
        "id": session.id, "type": "session", "created_at": session.created, "metadata": session.body["metadata"],
        "title": session.body["title"], "events": events,
    });
    let input = RawInput::new(format!("{}.json", session.id), document.to_string().into_bytes());
    let context = Context { principal: PrincipalId::new(principal), memory_authority: Authority::Agent };
    let bad = |_| ServiceError::invalid("events: they do not read completely");
    let mut sessions = read_sessions(&input, Some(Format::ManagedJson), &context).map_err(bad)?;
    match (sessions.pop(), sessions.len()) {
        (Some(session), 0) => Ok((input, session)),
        _ => Err(ServiceError::invalid("events: they do not read as one session")),
    }
}

/// An event as it is kept: with its id and time.
fn kept(mut event: Value, at: Timestamp) -> Result<EventRow, ServiceError> {
    let id = ids::fresh("sevt_")?;
    event["id"] = id.as_str().into();
    event["processed_at"] = json!(at);
    let kind = event["type"].as_str().unwrap_or_default().to_owned();
    Ok(EventRow { number: 0, id, kind, processed: Some(at), body: event })
}

fn define_outcome(event: &mut Value) -> Result<(), &'static str> {
    if event.get("description").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err("description is needed");
    }
    let rubric = event.get("rubric").ok_or("rubric is needed")?;
    match rubric.get("type").and_then(Value::as_str) {
        Some("text") => {
            let content = rubric.get("content").and_then(Value::as_str).ok_or("rubric: content is needed")?;
            if content.chars().count() > RUBRIC_CHARS {
                return Err("rubric: at most 262,144 characters");
            }
        }
        Some("file") => return Err("rubric: files are not served here; send the text"),
        _ => return Err("rubric: the type text, with content"),
    }
    match event.get("max_iterations") {
        None | Some(Value::Null) => event["max_iterations"] = 3.into(),
        Some(number) if number.as_i64().is_some_and(|n| (1..=ITERATIONS).contains(&n)) => {}
        Some(_) => return Err("max_iterations: 1 to 20"),
    }
    event["outcome_id"] = ids::fresh("outc_").map_err(|_| "no id could be made")?.into();
    Ok(())
}

/// The answer to a rubric in prose: no judge is configured, and a verdict is not made up.
fn evaluate(row: &mut ObjectRow, outcome: &Value) -> Result<Vec<EventRow>, ServiceError> {
    const WHY: &str = "A rubric in prose needs a judge, and this server has none: nothing was graded. Rubric files with \
                       deterministic criteria are graded by `memgate grade run`.";
    let start = kept(
        json!({ "type": "span.outcome_evaluation_start", "outcome_id": outcome["outcome_id"], "iteration": 0 }),
        now(),
    )?;
    let end = kept(
        json!({
            "type": "span.outcome_evaluation_end", "outcome_evaluation_start_id": start.id,
            "outcome_id": outcome["outcome_id"], "iteration": 0, "result": "failed", "explanation": WHY,
            "usage": { "input_tokens": 0, "output_tokens": 0, "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0 },
        }),
        now(),
    )?;
    let summary = json!({
        "type": "outcome_evaluation", "outcome_id": outcome["outcome_id"], "description": outcome["description"],
        "iteration": 0, "result": "failed", "explanation": WHY, "completed_at": now(),
    });
    if let Some(list) = row.body["outcome_evaluations"].as_array_mut() {
        list.push(summary);
    }
    Ok(vec![start, end])
}
