//! Who may do what.
//!
//! For: principals, roles, grants. In: a principal and a scope. Out: [`Granted<A>`].
//! May touch: `domain`.
//! Never: trusts a name that was not authorized; lets an agent hold a reviewer's grant.

mod key;
mod scope;

use std::collections::BTreeSet;
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use crate::domain::{Coded, Family, PrincipalId, StoreName};

pub use key::ApiKey;
pub use scope::{CredentialRole, Scope};

/// What a principal is allowed to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// An agent: writes candidates, recalls memory.
    Agent,
    /// A person who decides on held items.
    Reviewer,
    /// Whoever runs the deployment: dreams, adopts a baseline, rolls back.
    Operator,
    /// Reads everything, changes nothing.
    Auditor,
}

/// An authenticated principal with its roles in one store.
///
/// How it was authenticated is the caller's business: the command line takes the holder of the
/// data folder's key files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    id: PrincipalId,
    store: StoreName,
    roles: BTreeSet<Role>,
}

/// Why a principal or a grant is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// An agent may never hold a deciding role: agents cannot approve themselves.
    #[error("{principal} is an agent and cannot also review or operate")]
    AgentDecides {
        /// Who.
        principal: PrincipalId,
    },
    /// The principal's roles do not allow the action here.
    #[error("{principal} may not {action} in {store}")]
    NotAllowed {
        /// Who.
        principal: PrincipalId,
        /// What.
        action: &'static str,
        /// Where.
        store: StoreName,
    },
}

impl Coded for AuthError {
    fn code(&self) -> &'static str {
        match self {
            Self::AgentDecides { .. } => "auth-agent-decides",
            Self::NotAllowed { .. } => "auth-not-allowed",
        }
    }
    fn family(&self) -> Family {
        Family::Refused
    }
    fn remedy(&self) -> &'static str {
        match self {
            Self::AgentDecides { .. } => "give the deciding role to a person's own name",
            Self::NotAllowed { .. } => "act as somebody who holds the role; `memgate policy show` lists the reviewers",
        }
    }
}

impl Principal {
    /// A principal with these roles.
    ///
    /// # Errors
    /// Refused when `Agent` is combined with `Reviewer` or `Operator`.
    pub fn new(id: PrincipalId, store: StoreName, roles: impl IntoIterator<Item = Role>) -> Result<Self, AuthError> {
        let roles: BTreeSet<Role> = roles.into_iter().collect();
        if roles.contains(&Role::Agent) && (roles.contains(&Role::Reviewer) || roles.contains(&Role::Operator)) {
            return Err(AuthError::AgentDecides { principal: id });
        }
        Ok(Self { id, store, roles })
    }
    /// Who this is.
    pub const fn id(&self) -> &PrincipalId {
        &self.id
    }
}

mod sealed {
    pub trait Sealed {}
}

/// Something that needs a grant. Sealed: the table below is complete.
pub trait Action: sealed::Sealed {
    /// The verb, for messages.
    const NAME: &'static str;
    /// Roles that may do it.
    const ROLES: &'static [Role];
}

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident, $verb:literal, [$($role:ident),*];)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub enum $name {}
            impl sealed::Sealed for $name {}
            impl Action for $name {
                const NAME: &'static str = $verb;
                const ROLES: &'static [Role] = &[$(Role::$role),*];
            }
        )*
        /// Every action with the roles that may do it, for the golden role table.
        pub const ACTIONS: &[(&str, &[Role])] = &[$(($verb, $name::ROLES)),*];
    };
}

actions! {
    /// Propose text for memory.
    Submit, "submit", [Agent, Operator];
    /// Run a dream over a store.
    Dream, "dream", [Operator];
    /// Vouch for notes that are already there (a baseline, an earlier version).
    Adopt, "adopt", [Operator];
    /// Accept a dream's proposals.
    Accept, "accept", [Operator];
    /// Release a held item.
    Release, "release", [Reviewer];
    /// Destroy a held item.
    Destroy, "destroy", [Reviewer];
    /// Put a store back to an earlier version.
    Rollback, "roll back", [Operator];
    /// Read quarantine, log and versions.
    Inspect, "inspect", [Reviewer, Operator, Auditor];
}

/// Proof that a principal may do `A` in a store. Made only by [`authorize`].
///
/// ```compile_fail,E0451
/// use memgate::auth::{Granted, Release};
/// // A grant cannot be written down by hand: its fields are private.
/// let forged: Granted<Release> = Granted { principal: "mallory".into(), store: "s".into(), action: Default::default() };
/// ```
///
/// ```
/// use memgate::auth::{authorize, Granted, Principal, Release, Role};
/// let alice = Principal::new("alice".into(), "s".into(), [Role::Reviewer]).unwrap();
/// let granted: Granted<Release> = authorize(&alice).unwrap();
/// assert_eq!(granted.principal().as_str(), "alice");
/// ```
#[derive(Debug)]
pub struct Granted<A: Action> {
    principal: PrincipalId,
    store: StoreName,
    action: PhantomData<A>,
}

impl<A: Action> Granted<A> {
    /// Who holds it.
    pub const fn principal(&self) -> &PrincipalId {
        &self.principal
    }
    /// Where it holds.
    pub const fn store(&self) -> &StoreName {
        &self.store
    }
}

/// Grants `A` when one of the principal's roles allows it.
///
/// # Errors
/// Refused otherwise.
pub fn authorize<A: Action>(principal: &Principal) -> Result<Granted<A>, AuthError> {
    if A::ROLES.iter().any(|role| principal.roles.contains(role)) {
        Ok(Granted { principal: principal.id.clone(), store: principal.store.clone(), action: PhantomData })
    } else {
        Err(AuthError::NotAllowed { principal: principal.id.clone(), action: A::NAME, store: principal.store.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_never_holds_a_deciding_role() {
        for role in [Role::Reviewer, Role::Operator] {
            assert!(Principal::new("bot".into(), "s".into(), [Role::Agent, role]).is_err());
        }
        let agent = Principal::new("bot".into(), "s".into(), [Role::Agent]).unwrap();
        assert!(authorize::<Submit>(&agent).is_ok());
        assert!(authorize::<Release>(&agent).is_err());
        assert!(authorize::<Accept>(&agent).is_err());
        assert!(authorize::<Rollback>(&agent).is_err());
    }

    #[test]
    fn deciding_actions_name_no_agent() {
        for (action, roles) in ACTIONS {
            assert!(*action == "submit" || !roles.contains(&Role::Agent), "{action}");
        }
    }
}
