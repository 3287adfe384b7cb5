//! Held writes on the wire: listed, shown, decided by a reviewer whose name is that of the credential.

use serde_json::{Value, json};

use crate::auth::Scope;
use crate::domain::PrincipalId;
use crate::firewall::{Decided, FirewallError};
use crate::gate::{HeldRecord, HeldState};

use super::listing::{Ask, Listed, etag_of};
use super::{Caller, Service, ServiceError};

/// A reviewer's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewDecision {
    /// Into the store, or never.
    pub release: bool,
    /// Digest of the text that was shown.
    pub digest: String,
    /// Reason code.
    pub reason: String,
    /// A note; needed for severe items.
    pub note: Option<String>,
}

/// The order of a queue as text: worst first, then oldest, then by id.
fn place(record: &HeldRecord) -> String {
    format!("{}{:020}{}", 9 - record.severity as u8, record.created.0.max(0), record.id)
}

impl Service {
    /// Held items of a store, worst first.
    ///
    /// # Errors
    /// Forbidden without `review:read`; unknown store.
    pub fn reviews(&self, caller: &Caller, store: &str) -> Result<Vec<Value>, ServiceError> {
        let ask = Ask { limit: usize::MAX, cursor: None };
        self.list_reviews(caller, store, None, &ask).map(|listed| listed.data)
    }

    /// A page of held items of a store, worst first; only those in one state, when one is named.
    ///
    /// # Errors
    /// Forbidden without `review:read`; unknown store; refused for a foreign cursor.
    pub fn list_reviews(
        &self,
        caller: &Caller,
        store: &str,
        state: Option<&str>,
        ask: &Ask,
    ) -> Result<Listed, ServiceError> {
        Self::require(caller, Scope::ReviewRead)?;
        let held = self.live(&caller.workspace, store)?.with(|firewall| firewall.held())??;
        let wanted = held.iter().filter(|record| state.is_none_or(|state| record.state.name() == state));
        let items: Result<Vec<_>, ServiceError> =
            wanted.map(|record| Ok((place(record), serde_json::to_value(record).map_err(|_| BAD)?))).collect();
        self.listed(&format!("reviews {} {store} {state:?}", caller.workspace), items?, ask)
    }

    /// One held item.
    ///
    /// # Errors
    /// As [`Service::reviews`]; unknown item.
    pub fn review(&self, caller: &Caller, store: &str, id: &str) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::ReviewRead)?;
        let wanted = id.to_owned();
        let item = self.live(&caller.workspace, store)?.with(move |firewall| firewall.held_item(&wanted))?;
        serde_json::to_value(item.map_err(unknown)?).map_err(|_| BAD)
    }

    /// Decides on a held item, in the name of the credential: it must be one of the store's reviewers.
    ///
    /// # Errors
    /// Forbidden; refused by the review rules (digest, four eyes, deadline, reason).
    pub fn decide(
        &self,
        caller: &Caller,
        store: &str,
        id: &str,
        decision: ReviewDecision,
    ) -> Result<Value, ServiceError> {
        self.decide_seen(caller, store, id, decision, None)
    }

    /// The same, when the item is still what an entity tag names.
    ///
    /// # Errors
    /// As [`Service::decide`]; stale.
    pub fn decide_seen(
        &self,
        caller: &Caller,
        store: &str,
        id: &str,
        decision: ReviewDecision,
        seen: Option<String>,
    ) -> Result<Value, ServiceError> {
        // Who only gives second opinions may not be the first.
        let second_only = !caller.role.may(Scope::ReviewDecide);
        if second_only {
            Self::require(caller, Scope::ReviewSecond)?;
        }
        let live = self.live(&caller.workspace, store)?;
        let (wanted, who) = (id.to_owned(), PrincipalId::new(caller.name.clone()));
        let ReviewDecision { release, digest, reason, note } = decision;
        let actor = caller.actor();
        // Looked at and decided in one turn of the store's writer: nobody comes in between.
        let decided = live.with(move |firewall| -> Result<Decided, ServiceError> {
            let record = firewall.held_item(&wanted).map_err(unknown)?;
            if second_only && record.state != HeldState::AwaitsSecond {
                return Err(ServiceError::Unknown { what: "held item" });
            }
            let now = etag_of(&serde_json::to_value(&record).map_err(|_| BAD)?);
            if seen.is_some_and(|seen| seen != now) {
                return Err(ServiceError::Stale);
            }
            firewall.set_actor(Some(actor));
            let done = match release {
                true => firewall.release(&wanted, &who, &digest, &reason, note),
                false => firewall.destroy(&wanted, &who, &digest, &reason, note),
            };
            firewall.set_actor(None);
            done.map_err(unknown)
        })??;
        let answer = match decided {
            Decided::Released { version } => json!({ "outcome": "released", "version": version }),
            Decided::AwaitsSecond => json!({ "outcome": "awaits_second" }),
            Decided::Destroyed => json!({ "outcome": "destroyed" }),
        };
        let about = json!({ "memory_store": store, "review": id, "key": caller.id, "release": release,
            "outcome": answer["outcome"] });
        self.audit(&caller.workspace, "review.decided", &about)?;
        Ok(answer)
    }
}

fn unknown(error: FirewallError) -> ServiceError {
    match error {
        FirewallError::NoItem { .. } | FirewallError::ManyItems { .. } => ServiceError::Unknown { what: "held item" },
        other => other.into(),
    }
}

const BAD: ServiceError = ServiceError::Bug { what: "a record does not encode" };
