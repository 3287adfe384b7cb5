//! Held writes on the wire: listed, shown, decided by a reviewer whose name is that of the credential.

use serde_json::{Value, json};

use crate::auth::Scope;
use crate::domain::PrincipalId;
use crate::firewall::{Decided, FirewallError};
use crate::gate::HeldState;

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

impl Service {
    /// Held items of a store, worst first.
    ///
    /// # Errors
    /// Forbidden without `review:read`; unknown store.
    pub fn reviews(&self, caller: &Caller, store: &str) -> Result<Vec<Value>, ServiceError> {
        Self::require(caller, Scope::ReviewRead)?;
        let held = self.live(&caller.workspace, store)?.with(|firewall| firewall.held())??;
        held.iter().map(|record| serde_json::to_value(record).map_err(|_| BAD)).collect()
    }

    /// One held item.
    ///
    /// # Errors
    /// As [`Service::reviews`]; unknown item.
    pub fn review(&self, caller: &Caller, store: &str, id: &str) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::ReviewRead)?;
        let wanted = id.to_owned();
        match self.live(&caller.workspace, store)?.with(move |firewall| firewall.held_item(&wanted))? {
            Err(FirewallError::NoItem { .. }) => Err(ServiceError::Unknown { what: "held item" }),
            other => serde_json::to_value(other?).map_err(|_| BAD),
        }
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
        // Who only gives second opinions may not be the first.
        let second_only = !caller.role.may(Scope::ReviewDecide);
        if second_only {
            Self::require(caller, Scope::ReviewSecond)?;
        }
        let live = self.live(&caller.workspace, store)?;
        let (wanted, who) = (id.to_owned(), PrincipalId::new(caller.name.clone()));
        let ReviewDecision { release, digest, reason, note } = decision;
        let actor = caller.actor();
        let decided = live.with(move |firewall| match release {
            _ if second_only && firewall.held_item(&wanted)?.state != HeldState::AwaitsSecond => {
                Err(FirewallError::NoItem { id: wanted })
            }
            true => {
                firewall.set_actor(Some(actor));
                let released = firewall.release(&wanted, &who, &digest, &reason, note);
                firewall.set_actor(None);
                released
            }
            false => firewall.destroy(&wanted, &who, &digest, &reason, note),
        })?;
        let decided = match decided {
            Err(FirewallError::NoItem { .. }) => return Err(ServiceError::Unknown { what: "held item" }),
            other => other?,
        };
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

    /// Signed versions of a store, oldest first.
    ///
    /// # Errors
    /// Forbidden without `store:read`; unknown store.
    pub fn store_versions(&self, caller: &Caller, store: &str) -> Result<Vec<Value>, ServiceError> {
        Self::require(caller, Scope::StoreRead)?;
        let versions = self.live(&caller.workspace, store)?.with(|firewall| firewall.versions())??;
        versions.iter().map(|version| serde_json::to_value(version).map_err(|_| BAD)).collect()
    }
}

const BAD: ServiceError = ServiceError::Bug { what: "a record does not encode" };
