//! Which events there are, and what a receiver is told of one: a type and ids, never text.

use serde_json::{Map, Value, json};

use crate::domain::Timestamp;
use crate::store::server::EventRow;

/// Every type an endpoint can ask for.
pub(super) const TYPES: &[&str] = &[
    "dream.canceled",
    "dream.completed",
    "dream.created",
    "dream.failed",
    "dream.review_required",
    "memory.destroyed",
    "memory.released",
    "memory.write_blocked",
    "memory.write_held",
    "memory_store.archived",
    "memory_store.created",
    "memory_store.deleted",
    "memory_store.updated",
    "memory_version.redacted",
    "session.archived",
    "session.created",
    "session.deleted",
    "session.outcome_evaluation_ended",
    "session.status_idled",
    "session.status_rescheduled",
    "session.status_run_started",
    "session.status_terminated",
    "session.updated",
    "webhook.test",
];

/// One event, thin: whoever wants more asks for the object, with a credential.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::service) struct Event {
    pub(super) kind: &'static str,
    pub(super) id: String,
    pub(super) more: Map<String, Value>,
}

impl Event {
    pub(in crate::service) fn new(kind: &'static str, id: &str) -> Self {
        Self { kind, id: id.to_owned(), more: Map::new() }
    }

    fn with(mut self, name: &str, value: &Value) -> Self {
        if !value.is_null() {
            self.more.insert(name.to_owned(), value.clone());
        }
        self
    }

    /// The exact text that is sent and signed.
    pub(super) fn text(&self, id: &str, workspace: &str, at: Timestamp) -> String {
        let mut data = json!({
            "type": self.kind, "id": self.id, "organization_id": "org_memgate", "workspace_id": workspace,
        });
        for (name, value) in &self.more {
            data[name] = value.clone();
        }
        json!({ "type": "event", "id": id, "created_at": at, "data": data }).to_string()
    }
}

/// True for a type, a group such as `memory.*`, or `*`.
pub(super) fn is_known(wanted: &str) -> bool {
    wanted == "*" || TYPES.iter().any(|kind| asks(wanted, kind))
}

/// True when what an endpoint asks for covers a type.
pub(super) fn asks(wanted: &str, kind: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some("") => true,
        Some(group) => group.ends_with('.') && kind.starts_with(group),
        None => wanted == kind,
    }
}

/// What a line of the audit trail is to the outside.
pub(super) fn of_audit(what: &str, about: &Value) -> Vec<Event> {
    let id = |name: &str| about[name].as_str().unwrap_or_default();
    let store = || about["memory_store"].clone();
    match what {
        // A store that only a running dream knows is nobody's business.
        "memory_store.created" if about["hidden"] == true => Vec::new(),
        "memory_store.created" => vec![Event::new("memory_store.created", id("memory_store"))],
        "memory_store.updated" => vec![Event::new("memory_store.updated", id("memory_store"))],
        "memory_store.archived" => vec![Event::new("memory_store.archived", id("memory_store"))],
        "memory_store.deleted" => vec![Event::new("memory_store.deleted", id("memory_store"))],
        "session.created" => vec![Event::new("session.created", id("session"))],
        "session.updated" => vec![Event::new("session.updated", id("session"))],
        "session.archived" => vec![Event::new("session.archived", id("session"))],
        "session.deleted" => vec![Event::new("session.deleted", id("session"))],
        "memory.write_held" => {
            let review = about["gate"]["review"].as_str().unwrap_or_default();
            vec![
                Event::new("memory.write_held", review)
                    .with("memory_store_id", &store())
                    .with("rules", &about["gate"]["rules"]),
            ]
        }
        "memory.write_blocked" => {
            let decision = about["gate"]["decision"].as_str().unwrap_or_default();
            vec![
                Event::new("memory.write_blocked", decision)
                    .with("memory_store_id", &store())
                    .with("rules", &about["gate"]["rules"]),
            ]
        }
        "memory_version.redacted" => {
            vec![Event::new("memory_version.redacted", id("memory_version")).with("memory_store_id", &store())]
        }
        "review.decided" => match about["outcome"].as_str() {
            Some("released") => vec![Event::new("memory.released", id("review")).with("memory_store_id", &store())],
            Some("destroyed") => vec![Event::new("memory.destroyed", id("review")).with("memory_store_id", &store())],
            _ => Vec::new(),
        },
        "dream.created" => vec![Event::new("dream.created", id("dream"))],
        "dream.canceled" => vec![Event::new("dream.canceled", id("dream"))],
        "dream.ended" => {
            let mut events = Vec::new();
            match about["status"].as_str() {
                Some("completed") => events.push(Event::new("dream.completed", id("dream"))),
                Some("failed") => events.push(Event::new("dream.failed", id("dream"))),
                // A canceled one was told when somebody canceled it.
                _ => {}
            }
            if about["gate"]["state"] == "review_required" {
                events
                    .push(Event::new("dream.review_required", id("dream")).with("reviews", &about["gate"]["reviews"]));
            }
            events
        }
        _ => Vec::new(),
    }
}

/// What new events of a session are to the outside.
pub(super) fn of_session(session: &str, events: &[EventRow]) -> Vec<Event> {
    let kind = |event: &EventRow| match event.kind.as_str() {
        "session.status_running" => Some("session.status_run_started"),
        "session.status_idle" => Some("session.status_idled"),
        "session.status_rescheduled" => Some("session.status_rescheduled"),
        "session.status_terminated" => Some("session.status_terminated"),
        "span.outcome_evaluation_end" => Some("session.outcome_evaluation_ended"),
        _ => None,
    };
    events.iter().filter_map(kind).map(|kind| Event::new(kind, session)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_cover_their_types_and_nothing_else() {
        assert!(asks("*", "memory.write_held") && asks("memory.*", "memory.write_held"));
        assert!(!asks("memory.*", "memory_store.created") && !asks("memory*", "memory.write_held"));
        assert!(is_known("dream.*") && is_known("dream.failed") && !is_known("nothing.*") && !is_known("dream"));
    }

    #[test]
    fn what_is_told_names_only_types_that_can_be_asked_for() {
        let about = json!({ "memory_store": "m", "session": "s", "dream": "d", "review": "r", "outcome": "released",
            "status": "failed", "gate": { "state": "review_required", "rules": ["a.b"], "review": "r" } });
        for what in [
            "memory_store.created",
            "memory_store.updated",
            "memory_store.archived",
            "memory_store.deleted",
            "session.created",
            "session.updated",
            "session.archived",
            "session.deleted",
            "memory.write_held",
            "memory.write_blocked",
            "memory_version.redacted",
            "review.decided",
            "dream.created",
            "dream.canceled",
            "dream.ended",
        ] {
            let events = of_audit(what, &about);
            assert!(!events.is_empty(), "{what}");
            assert!(events.iter().all(|event| TYPES.contains(&event.kind)), "{what}");
        }
        assert!(of_audit("key.created", &about).is_empty());
        assert!(of_audit("memory_store.created", &json!({ "memory_store": "m", "hidden": true })).is_empty());
    }
}
