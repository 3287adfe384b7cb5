//! Endpoints through the API: each workspace sees and changes its own.

use serde_json::{Value, json};

use crate::auth::Scope;
use crate::service::listing::{Ask, Listed};
use crate::service::{Caller, Service, ServiceError};

use super::{Deliver, Webhook, WebhookCreate, events, lawful_url};

/// A change of an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookChange {
    /// The new address.
    pub url: Option<String>,
    /// The new event types.
    pub events: Option<Vec<String>>,
    /// Whether it gets events.
    pub enabled: Option<bool>,
}

impl Service {
    /// The caller's endpoint: a name is no id here, and another workspace's is unknown.
    fn own_webhook(&self, caller: &Caller, id: &str) -> Result<Webhook, ServiceError> {
        Self::require(caller, Scope::Admin)?;
        let found = self.webhooks()?.into_iter().find(|hook| hook.id == id && hook.workspace == caller.workspace);
        found.ok_or(ServiceError::Unknown { what: "webhook" })
    }

    /// The endpoints of the caller's workspace, oldest first, without secrets.
    ///
    /// # Errors
    /// Forbidden without `admin`; refused for a foreign cursor.
    pub fn list_own_webhooks(&self, caller: &Caller, ask: &Ask) -> Result<Listed, ServiceError> {
        Self::require(caller, Scope::Admin)?;
        let own = self.webhooks()?.into_iter().filter(|hook| hook.workspace == caller.workspace);
        let placed = own.map(|hook| (format!("{:020}{}", hook.created.0.max(0), hook.id), hook.shown()));
        self.listed(&format!("webhooks {}", caller.workspace), placed.collect(), ask)
    }

    /// One endpoint, without its secrets.
    ///
    /// # Errors
    /// Forbidden without `admin`; unknown id.
    pub fn get_own_webhook(&self, caller: &Caller, id: &str) -> Result<Value, ServiceError> {
        self.own_webhook(caller, id).map(|hook| hook.shown())
    }

    /// Makes an endpoint; its secret is in the answer, this once.
    ///
    /// # Errors
    /// Forbidden without `admin`; as [`Service::add_webhook`].
    pub fn make_own_webhook(&self, caller: &Caller, request: WebhookCreate) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::Admin)?;
        let request = WebhookCreate { workspace: Some(caller.workspace.clone()), ..request };
        let (hook, secret) = self.add_webhook(&request)?;
        let mut value = hook.shown();
        value["secret"] = secret.into();
        Ok(value)
    }

    /// Changes an endpoint.
    ///
    /// # Errors
    /// Forbidden without `admin`; unknown id; refused for one of the configuration, and for a bad address or type.
    pub fn change_own_webhook(&self, caller: &Caller, id: &str, change: WebhookChange) -> Result<Value, ServiceError> {
        let mut hook = self.own_webhook(caller, id)?;
        if hook.kept.configured && (change.url.is_some() || change.events.is_some()) {
            return Err(ServiceError::invalid("this endpoint stands in the configuration: change it there"));
        }
        if let Some(url) = change.url {
            if !lawful_url(&url) {
                return Err(ServiceError::invalid(
                    "url: https://HOST/…, without user name or fragment, at most 2,048 bytes",
                ));
            }
            hook.kept.url = url;
            // What failed at the old address says nothing about the new one.
            hook.kept.failing = None;
        }
        if let Some(wanted) = change.events {
            if wanted.is_empty() || !wanted.iter().all(|wanted| events::is_known(wanted)) {
                return Err(ServiceError::invalid(format!("events: some of *, {}", events::TYPES.join(", "))));
            }
            hook.kept.events = wanted;
        }
        match change.enabled {
            Some(true) => (hook.kept.disabled, hook.kept.failing) = (None, None),
            Some(false) => hook.kept.disabled = Some("switched off".to_owned()),
            None => {}
        }
        self.keep_webhook(&hook)?;
        self.audit(&hook.workspace, "webhook.changed", &json!({ "webhook": hook.id, "key": caller.id }))?;
        Ok(hook.shown())
    }

    /// Removes an endpoint with everything that waits for it.
    ///
    /// # Errors
    /// Forbidden without `admin`; unknown id.
    pub fn remove_own_webhook(&self, caller: &Caller, id: &str) -> Result<Value, ServiceError> {
        let hook = self.own_webhook(caller, id)?;
        self.remove_webhook(&hook.id)?;
        Ok(json!({ "id": hook.id, "type": "webhook_deleted" }))
    }

    /// Gives an endpoint a new secret, in the answer this once; the old one signs beside it for a day.
    ///
    /// # Errors
    /// Forbidden without `admin`; unknown id; refused for one of the configuration.
    pub fn rotate_own_webhook(&self, caller: &Caller, id: &str) -> Result<Value, ServiceError> {
        let hook = self.own_webhook(caller, id)?;
        let (hook, secret) = self.rotate_webhook(&hook.id)?;
        let mut value = hook.shown();
        value["secret"] = secret.into();
        Ok(value)
    }

    /// Puts what was given up back into the queue.
    ///
    /// # Errors
    /// Forbidden without `admin`; unknown id.
    pub fn replay_own_webhook(&self, caller: &Caller, id: &str) -> Result<Value, ServiceError> {
        let hook = self.own_webhook(caller, id)?;
        let count = self.replay_webhook(&hook.id)?;
        Ok(json!({ "id": hook.id, "type": "webhook_replay", "deliveries": count }))
    }

    /// Sends one event now and answers how it went.
    ///
    /// # Errors
    /// Forbidden without `admin`; unknown id.
    pub fn test_own_webhook(&self, caller: &Caller, id: &str, way: &dyn Deliver) -> Result<Value, ServiceError> {
        let hook = self.own_webhook(caller, id)?;
        self.test_webhook(&hook.id, way)
    }

    /// The newest deliveries of an endpoint.
    ///
    /// # Errors
    /// Forbidden without `admin`; unknown id.
    pub fn own_deliveries(&self, caller: &Caller, id: &str, limit: usize) -> Result<Vec<Value>, ServiceError> {
        let hook = self.own_webhook(caller, id)?;
        self.webhook_deliveries(&hook.id, limit)
    }
}
