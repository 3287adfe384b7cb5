//! Webhooks: who is told of what, durably, signed by Standard Webhooks.
//!
//! An event and its deliveries are written in the transaction of the audit line that they come from. Delivery is at
//! least once, in no order: receivers tell repetitions by the event's id.

mod deliver;
mod events;
mod own;
mod sign;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::Timestamp;
use crate::store::server::{DeliveryRow, EventRow, WebhookRow};

use super::{Service, ServiceError, ids, now};

pub(super) use deliver::Queue;
pub use deliver::{Answer, Deliver, Post, Retry};
use events::Event;
pub use own::WebhookChange;

/// How long a list of endpoints is good for.
const REFRESH_MS: i64 = 2_000;
/// How long the old secret signs beside the new one.
const OVERLAP_MS: i64 = 24 * 3_600_000;
/// Most endpoints of a server.
const ENDPOINTS: usize = 100;

/// An endpoint to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookCreate {
    /// What people call it: 1 to 64 characters. Unique.
    pub name: String,
    /// `https://…`; plain HTTP only to addresses that the operator lists.
    pub url: String,
    /// Types, groups such as `memory.*`, or `*`.
    pub events: Vec<String>,
    /// Its workspace; the first when none is named.
    pub workspace: Option<String>,
    /// `whsec_…`; made when none is given.
    pub secret: Option<String>,
}

/// One secret of an endpoint.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Secret {
    text: String,
    /// When it ends to sign.
    until: Option<Timestamp>,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secret({:?})", self.until)
    }
}

/// An endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// `whep_…`.
    pub id: String,
    /// Whose events it gets.
    pub workspace: String,
    /// When it was made.
    pub created: Timestamp,
    kept: Kept,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    name: String,
    url: String,
    events: Vec<String>,
    secrets: Vec<Secret>,
    /// Why it gets nothing.
    disabled: Option<String>,
    /// Since when every delivery fails.
    failing: Option<Timestamp>,
    /// True when it stands in the configuration, which then rules.
    configured: bool,
}

impl Webhook {
    /// What people call it.
    pub fn name(&self) -> &str {
        &self.kept.name
    }
    /// The endpoint as it is shown: without its secrets.
    pub fn shown(&self) -> Value {
        let kept = &self.kept;
        json!({
            "id": self.id, "type": "webhook", "name": kept.name, "url": kept.url, "enabled_events": kept.events,
            "state": if kept.disabled.is_some() { "disabled" } else { "enabled" }, "disabled_reason": kept.disabled,
            "failing_since": kept.failing, "created_at": self.created, "workspace_id": self.workspace,
            "secrets": kept.secrets.len(), "configured": kept.configured,
        })
    }

    fn wants(&self, workspace: &str, kind: &str) -> bool {
        self.workspace == workspace
            && self.kept.disabled.is_none()
            && self.kept.events.iter().any(|wanted| events::asks(wanted, kind))
    }

    /// Secrets that sign at this time, the newest first.
    fn secrets(&self, at: Timestamp) -> impl Iterator<Item = &str> {
        let good = move |secret: &&Secret| secret.until.is_none_or(|until| until > at);
        self.kept.secrets.iter().filter(good).map(|secret| secret.text.as_str())
    }
}

/// The endpoints, as last read.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    all: RwLock<Arc<Vec<Webhook>>>,
    at: AtomicI64,
}

fn lawful_url(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split(['/', '?']).next()).unwrap_or_default();
    // A name with a password in it would stand in logs; a fragment is never sent.
    url.len() <= 2048
        && !host.is_empty()
        && !host.contains('@')
        && url.bytes().all(|b| b.is_ascii_graphic() && b != b'#')
}

impl Service {
    /// Makes an endpoint. Answers it with its secret, shown this once.
    ///
    /// # Errors
    /// Refused: a name that is taken, an address or an event type that is none, a secret of another form.
    pub fn add_webhook(&self, request: &WebhookCreate) -> Result<(Webhook, String), ServiceError> {
        self.put_webhook(request, false)
    }

    fn put_webhook(&self, request: &WebhookCreate, configured: bool) -> Result<(Webhook, String), ServiceError> {
        let known = self.read_webhooks()?;
        let name = &request.name;
        if !(1..=64).contains(&name.chars().count()) || name.chars().any(char::is_control) {
            return Err(ServiceError::invalid("name: 1 to 64 characters without control characters"));
        }
        if !lawful_url(&request.url) {
            return Err(ServiceError::invalid(
                "url: https://HOST/…, without user name or fragment, at most 2,048 bytes",
            ));
        }
        if request.events.is_empty() {
            return Err(ServiceError::invalid("events: at least one type, a group such as memory.*, or *"));
        }
        if !request.events.iter().all(|wanted| events::is_known(wanted)) {
            return Err(ServiceError::invalid(format!("events: one of *, {}", events::TYPES.join(", "))));
        }
        let workspaces = self.db.workspaces()?;
        let workspace = match &request.workspace {
            Some(id) => workspaces.iter().find(|(known, _)| known == id),
            None => workspaces.first(),
        };
        let workspace = workspace.ok_or(ServiceError::Unknown { what: "workspace" })?.0.clone();
        let secret = match &request.secret {
            Some(text) if sign::key(text).is_some() => text.clone(),
            Some(_) => return Err(ServiceError::invalid("secret: whsec_ and base64 of 24 to 64 bytes")),
            None => {
                let mut bytes = [0_u8; 32];
                ids::random(&mut bytes)?;
                sign::secret(&bytes)
            }
        };
        let old = known.iter().find(|hook| hook.kept.name == *name);
        let kept = Kept {
            name: name.clone(),
            url: request.url.clone(),
            events: request.events.clone(),
            secrets: vec![Secret { text: secret.clone(), until: None }],
            disabled: None,
            failing: None,
            configured,
        };
        let hook = match old {
            Some(old) if configured => {
                let same = old.kept.url == kept.url && old.kept.secrets.first() == kept.secrets.first();
                let mut kept = kept;
                if same {
                    // What the server learned about it stays; another address or secret begins anew.
                    kept.disabled.clone_from(&old.kept.disabled);
                    kept.failing = old.kept.failing;
                    kept.secrets.clone_from(&old.kept.secrets);
                }
                Webhook { workspace, kept, ..old.clone() }
            }
            Some(_) => return Err(ServiceError::Conflict { message: "an endpoint of that name exists".to_owned() }),
            None if known.len() >= ENDPOINTS => {
                return Err(ServiceError::Conflict { message: format!("at most {ENDPOINTS} endpoints") });
            }
            None => Webhook { id: ids::fresh("whep_")?, workspace, created: now(), kept },
        };
        if old == Some(&hook) {
            return Ok((hook, secret));
        }
        self.keep_webhook(&hook)?;
        self.audit(&hook.workspace, "webhook.created", &json!({ "webhook": hook.id, "name": hook.kept.name }))?;
        Ok((hook, secret))
    }

    /// Brings the endpoints of the configuration in: new ones are made, changed ones changed, missing ones removed.
    ///
    /// # Errors
    /// As [`Service::add_webhook`].
    pub fn configure_webhooks(&self, wanted: &[WebhookCreate]) -> Result<(), ServiceError> {
        for old in self.read_webhooks()?.iter().filter(|hook| hook.kept.configured) {
            if !wanted.iter().any(|hook| hook.name == old.kept.name) {
                self.remove_webhook(&old.id)?;
            }
        }
        for request in wanted {
            let taken =
                self.read_webhooks()?.iter().any(|hook| hook.kept.name == request.name && !hook.kept.configured);
            if taken {
                let message = "a webhook of the configuration has the name of one that `memgate webhook add` made";
                return Err(ServiceError::Conflict { message: message.to_owned() });
            }
            self.put_webhook(request, true)?;
        }
        Ok(())
    }

    /// All endpoints, oldest first.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn webhooks(&self) -> Result<Vec<Webhook>, ServiceError> {
        Ok(self.read_webhooks()?.to_vec())
    }

    /// The endpoint of an id or a name.
    ///
    /// # Errors
    /// Unknown.
    pub fn webhook(&self, id: &str) -> Result<Webhook, ServiceError> {
        let found = self.read_webhooks()?.iter().find(|hook| hook.id == id || hook.kept.name == id).cloned();
        found.ok_or(ServiceError::Unknown { what: "webhook" })
    }

    /// Removes an endpoint with everything that waits for it.
    ///
    /// # Errors
    /// Unknown.
    pub fn remove_webhook(&self, id: &str) -> Result<(), ServiceError> {
        let hook = self.webhook(id)?;
        self.db.remove_webhook(&hook.id)?;
        self.endpoints.at.store(0, Ordering::Relaxed);
        self.audit(&hook.workspace, "webhook.deleted", &json!({ "webhook": hook.id }))
    }

    /// Lets a disabled endpoint get events again.
    ///
    /// # Errors
    /// Unknown.
    pub fn enable_webhook(&self, id: &str) -> Result<Webhook, ServiceError> {
        let mut hook = self.webhook(id)?;
        hook.kept.disabled = None;
        hook.kept.failing = None;
        self.keep_webhook(&hook)?;
        self.audit(&hook.workspace, "webhook.enabled", &json!({ "webhook": hook.id }))?;
        Ok(hook)
    }

    /// Gives an endpoint a new secret, shown this once. The old one signs beside it for a day.
    ///
    /// # Errors
    /// Unknown; refused for one whose secret stands in the configuration.
    pub fn rotate_webhook(&self, id: &str) -> Result<(Webhook, String), ServiceError> {
        let mut hook = self.webhook(id)?;
        if hook.kept.configured {
            return Err(ServiceError::invalid(
                "the secret of this endpoint stands in the configuration: change it there",
            ));
        }
        let mut bytes = [0_u8; 32];
        ids::random(&mut bytes)?;
        let (text, at) = (sign::secret(&bytes), now());
        hook.kept.secrets.retain(|secret| secret.until.is_none_or(|until| until > at));
        for old in &mut hook.kept.secrets {
            old.until.get_or_insert(at.plus_ms(OVERLAP_MS));
        }
        hook.kept.secrets.insert(0, Secret { text: text.clone(), until: None });
        // Headers are bounded: three secrets at once are enough for any rotation.
        hook.kept.secrets.truncate(3);
        self.keep_webhook(&hook)?;
        self.audit(&hook.workspace, "webhook.rotated", &json!({ "webhook": hook.id }))?;
        Ok((hook, text))
    }

    /// The newest deliveries of an endpoint: event, attempts, how the last one ended.
    ///
    /// # Errors
    /// Unknown.
    pub fn webhook_deliveries(&self, id: &str, limit: usize) -> Result<Vec<Value>, ServiceError> {
        let hook = self.webhook(id)?;
        Ok(self.db.deliveries(&hook.id, limit)?.iter().map(shown_delivery).collect())
    }

    /// Puts dead deliveries back: all of an endpoint, or the one with that id. Number of deliveries.
    ///
    /// # Errors
    /// Unknown.
    pub fn replay_webhook(&self, id: &str) -> Result<usize, ServiceError> {
        if let Some(mut row) = self.db.delivery(id)? {
            let deliverable = row.state != "pending";
            if deliverable {
                (row.next, row.attempts) = (Some(now()), 0);
                "pending".clone_into(&mut row.state);
                self.db.put_delivery(&row)?;
                self.deliveries.notify();
            }
            return Ok(usize::from(deliverable));
        }
        let hook = self.webhook(id)?;
        let count = self.db.replay_deliveries(&hook.id, now())?;
        self.deliveries.notify();
        Ok(count)
    }

    /// Sends a `webhook.test` event now and answers the delivery.
    ///
    /// # Errors
    /// Unknown.
    pub fn test_webhook(&self, id: &str, transport: &dyn Deliver) -> Result<Value, ServiceError> {
        let hook = self.webhook(id)?;
        let mut row = delivery_of(&hook, &Event::new("webhook.test", &hook.id), now())?;
        // Tried once, here: nobody else may take it meanwhile.
        row.next = None;
        let answer = self.post(&hook, &row, transport)?;
        row.attempts = 1;
        row.body["last"] = json!({ "at": now(), "result": answer.to_string() });
        row.state = if answer.is_good() { "delivered" } else { "dead" }.to_owned();
        self.db.put_delivery(&row)?;
        Ok(shown_delivery(&row))
    }

    fn keep_webhook(&self, hook: &Webhook) -> Result<(), ServiceError> {
        let body = serde_json::to_value(&hook.kept);
        let body = body.map_err(|_| ServiceError::Bug { what: "an endpoint does not encode" })?;
        let (id, workspace) = (hook.id.clone(), hook.workspace.clone());
        self.db.put_webhook(&WebhookRow { id, workspace, created: hook.created, body })?;
        self.endpoints.at.store(0, Ordering::Relaxed);
        Ok(())
    }

    fn read_webhooks(&self) -> Result<Arc<Vec<Webhook>>, ServiceError> {
        let mut all = Vec::new();
        for row in self.db.webhooks()? {
            let bug = ServiceError::Bug { what: "an endpoint does not read back" };
            let Ok(kept) = serde_json::from_value::<Kept>(row.body) else { return Err(bug) };
            all.push(Webhook { id: row.id, workspace: row.workspace, created: row.created, kept });
        }
        let all = Arc::new(all);
        *self.endpoints.all.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&all);
        Ok(all)
    }

    /// The endpoints; what another process changed counts within two seconds.
    fn known_webhooks(&self) -> Result<Arc<Vec<Webhook>>, ServiceError> {
        let (at, last) = (now().0, self.endpoints.at.load(Ordering::Relaxed));
        let due = (at - last).abs() >= REFRESH_MS;
        if due && self.endpoints.at.compare_exchange(last, at, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            return self.read_webhooks();
        }
        Ok(Arc::clone(&self.endpoints.all.read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Adds a line to the audit trail, and what it causes to the deliveries.
    pub(super) fn record(&self, workspace: &str, what: &str, about: &Value) -> Result<(), ServiceError> {
        let line = json!({ "event": what, "about": about });
        self.tell(workspace, Some(&line), &events::of_audit(what, about))
    }

    /// Tells of new events of a session.
    pub(super) fn tell_session(&self, workspace: &str, session: &str, rows: &[EventRow]) -> Result<(), ServiceError> {
        match events::of_session(session, rows) {
            none if none.is_empty() => Ok(()),
            some => self.tell(workspace, None, &some),
        }
    }

    fn tell(&self, workspace: &str, line: Option<&Value>, events: &[Event]) -> Result<(), ServiceError> {
        let at = now();
        let mut deliveries = Vec::new();
        if !events.is_empty() {
            let hooks = self.known_webhooks()?;
            for event in events {
                for hook in hooks.iter().filter(|hook| hook.wants(workspace, event.kind)) {
                    deliveries.push(delivery_of(hook, event, at)?);
                }
            }
        }
        self.db.audit_and_deliver(workspace, at, line, &deliveries)?;
        if !deliveries.is_empty() {
            self.deliveries.notify();
        }
        Ok(())
    }
}

fn delivery_of(hook: &Webhook, event: &Event, at: Timestamp) -> Result<DeliveryRow, ServiceError> {
    let id = ids::fresh("whe_")?;
    let text = event.text(&id, &hook.workspace, at);
    Ok(DeliveryRow {
        id: ids::fresh("whd_")?,
        endpoint: hook.id.clone(),
        created: at,
        next: Some(at),
        attempts: 0,
        state: "pending".to_owned(),
        body: json!({ "event": id, "type": event.kind, "text": text }),
    })
}

fn shown_delivery(row: &DeliveryRow) -> Value {
    json!({
        "id": row.id, "type": "webhook_delivery", "webhook_id": row.endpoint, "event_id": row.body["event"],
        "event_type": row.body["type"], "created_at": row.created, "state": row.state, "attempts": row.attempts,
        "next_attempt_at": row.next, "last": row.body["last"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_plain_web_addresses() {
        for good in ["https://hooks.example/in", "https://hooks.example", "http://127.0.0.1:9/x?y=z"] {
            assert!(lawful_url(good), "{good}");
        }
        for bad in [
            "",
            "ftp://hooks.example/",
            "https://",
            "https:///x",
            "https://a:b@hooks.example/",
            "https://x/#y",
            "https://x/ y",
        ] {
            assert!(!lawful_url(bad), "{bad}");
        }
    }

    #[test]
    fn a_secret_is_never_printed_by_accident() {
        let secret = Secret { text: "whsec_EXAMPLE".to_owned(), until: None };
        assert!(!format!("{secret:?}").contains("EXAMPLE"));
    }
}
