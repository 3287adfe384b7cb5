//! Rules and policies as a reviewer or a policy's author may read them.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::auth::Scope;
use crate::detect::Scanner;
use crate::firewall::FirewallError;
use crate::gate::Policy;

use super::listing::{Ask, Listed};
use super::{Caller, Service, ServiceError, lock};

/// Most bytes of a policy.
const POLICY_BYTES: usize = 64 * 1024;

/// The rules by id, as they are shown.
pub(super) type Known = Arc<Vec<(String, Value)>>;

impl Service {
    /// The built-in rules, by id. Read once.
    fn known_rules(&self) -> Result<Known, ServiceError> {
        let mut known = lock(&self.rules);
        if let Some(known) = &*known {
            return Ok(Arc::clone(known));
        }
        let scanner = Scanner::builtin(Policy::builtin().levels()).map_err(FirewallError::from)?;
        let rules = scanner.rules().rules().iter().map(|rule| {
            let value = json!({
                "type": "rule", "id": rule.id, "title": rule.title, "status": rule.status, "since": rule.since,
                "severity": rule.severity, "confidence": rule.confidence, "paranoia": rule.paranoia,
                "stages": rule.stages, "threats": rule.threats, "maps": rule.maps, "why": rule.why,
                "advice": rule.advice, "references": rule.references, "pack": rule.pack,
            });
            (rule.id.to_string(), value)
        });
        let all = Arc::new(rules.collect::<Vec<_>>());
        *known = Some(Arc::clone(&all));
        Ok(all)
    }

    /// The built-in rules.
    ///
    /// # Errors
    /// Forbidden without `review:read`; refused for a foreign cursor.
    pub fn list_rules(&self, caller: &Caller, ask: &Ask) -> Result<Listed, ServiceError> {
        Self::require(caller, Scope::ReviewRead)?;
        self.listed("rules", self.known_rules()?.to_vec(), ask)
    }

    /// One rule.
    ///
    /// # Errors
    /// Forbidden without `review:read`; unknown id.
    pub fn rule(&self, caller: &Caller, id: &str) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::ReviewRead)?;
        let rules = self.known_rules()?;
        let found = rules.iter().find(|(known, _)| known == id).map(|(_, value)| value.clone());
        found.ok_or(ServiceError::Unknown { what: "rule" })
    }

    /// The policy of a store, and who reviews.
    ///
    /// # Errors
    /// Forbidden without `review:read`; unknown store.
    pub fn policy(&self, caller: &Caller, store: &str) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::ReviewRead)?;
        let bad = ServiceError::Bug { what: "a policy does not encode" };
        let (policy, digest, reviewers) = self.live(&caller.workspace, store)?.with(|firewall| {
            let config = firewall.config();
            (serde_json::to_value(&config.policy), config.policy.digest(), config.settings.reviewers.clone())
        })?;
        let Ok(policy) = policy else { return Err(bad) };
        Ok(json!({ "type": "policy", "store": store, "digest": digest, "reviewers": reviewers, "policy": policy }))
    }

    /// Whether a text is a policy.
    ///
    /// # Errors
    /// Forbidden without `policy:write`; refused when it is too long.
    pub fn check_policy(&self, caller: &Caller, text: &str) -> Result<Value, ServiceError> {
        Self::require(caller, Scope::PolicyWrite)?;
        if text.len() > POLICY_BYTES {
            return Err(ServiceError::invalid(format!("policy: at most {POLICY_BYTES} bytes")));
        }
        Ok(match Policy::parse(text) {
            Ok(policy) => json!({ "type": "policy_check", "good": true, "digest": policy.digest(), "problem": null }),
            Err(error) => {
                // The author's own words come back to the author, without what a terminal would obey.
                let problem: String =
                    error.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).take(2000).collect();
                json!({ "type": "policy_check", "good": false, "digest": null, "problem": problem })
            }
        })
    }
}
