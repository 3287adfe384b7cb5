//! Credentials: who calls, for which workspace, in which role.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use serde_json::json;

use crate::auth::{ApiKey, CredentialRole, Scope};
use crate::domain::{Digest, Timestamp};
use crate::firewall::Actor;
use crate::store::server::KeyRow;

use super::listing::{Ask, Listed};
use super::{Service, ServiceError, ids, now};

/// How long a list of credentials is good for.
const REFRESH_MS: i64 = 2_000;

/// A credential without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// `apikey_…`.
    pub id: String,
    /// Its workspace.
    pub workspace: String,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub role: CredentialRole,
    /// The visible part of the key.
    pub hint: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends to work.
    pub expires: Option<Timestamp>,
    /// When it was taken back.
    pub revoked: Option<Timestamp>,
}

/// Who asks for something.
pub type Caller = Credential;

impl Credential {
    /// Who it is in the record of a version: a person, or the holder of a key.
    pub(super) fn actor(&self) -> Actor {
        match self.id.strip_prefix(super::accounts::PREFIX) {
            Some(_) => Actor::User(self.id.clone()),
            None => Actor::ApiKey(self.id.clone()),
        }
    }
}

/// A new key, its secret shown this once.
#[derive(Debug)]
pub struct NewKey {
    /// The credential.
    pub credential: Credential,
    /// The secret.
    pub key: ApiKey,
}

impl Service {
    /// The caller a key belongs to.
    ///
    /// # Errors
    /// Unauthenticated for an unknown, revoked or expired key.
    pub fn authenticate(&self, key: &str) -> Result<Arc<Caller>, ServiceError> {
        self.refresh_credentials()?;
        // Looked up by digest: how long the search takes says nothing about a secret.
        let digest = ApiKey::digest(key);
        let known = self.credentials.read().unwrap_or_else(PoisonError::into_inner).get(&digest).cloned();
        let caller = known.ok_or(ServiceError::Unauthenticated { message: "invalid API key" })?;
        if caller.revoked.is_some() || caller.expires.is_some_and(|end| end <= now()) {
            return Err(ServiceError::Unauthenticated { message: "the API key was revoked or has expired" });
        }
        Ok(caller)
    }

    /// Makes a key in a workspace (the first one when none is named).
    ///
    /// # Errors
    /// Refused for an unknown workspace or a name that is not 1 to 64 printable characters.
    pub fn create_key(
        &self,
        workspace: Option<&str>,
        name: &str,
        role: CredentialRole,
        expires: Option<Timestamp>,
        secret: Option<&str>,
    ) -> Result<NewKey, ServiceError> {
        if name.is_empty() || name.chars().count() > 64 || name.chars().any(char::is_control) {
            return Err(ServiceError::invalid("name: 1 to 64 characters without control characters"));
        }
        let workspaces = self.db.workspaces()?;
        let known = match workspace {
            Some(id) => workspaces.iter().find(|(known, _)| known == id),
            None => workspaces.first(),
        };
        let workspace = known.ok_or(ServiceError::Unknown { what: "workspace" })?.0.clone();
        let mut bytes = [0_u8; 32];
        ids::random(&mut bytes)?;
        let made = ApiKey::of(&bytes);
        let text = secret.unwrap_or(made.expose());
        let credential = Credential {
            id: ids::fresh("apikey_")?,
            workspace,
            name: name.to_owned(),
            role,
            hint: ApiKey::hint(text),
            created: now(),
            expires,
            revoked: None,
        };
        self.keep(&credential, ApiKey::digest(text))?;
        self.audit(&credential.workspace, "key.created", &json!({ "key": credential.id, "role": role.name() }))?;
        Ok(NewKey { credential, key: made })
    }

    /// The credentials of a workspace, or of all.
    pub fn keys(&self, workspace: Option<&str>) -> Vec<Credential> {
        let known = self.credentials.read().unwrap_or_else(PoisonError::into_inner);
        let mut keys: Vec<Credential> = known
            .values()
            .filter(|key| workspace.is_none_or(|workspace| key.workspace == workspace))
            .map(|key| Credential::clone(key))
            .collect();
        keys.sort_by(|a, b| a.created.cmp(&b.created).then_with(|| a.id.cmp(&b.id)));
        keys
    }

    /// Takes a key back.
    ///
    /// # Errors
    /// Unknown id.
    pub fn revoke_key(&self, id: &str) -> Result<(), ServiceError> {
        let found = {
            let known = self.credentials.read().unwrap_or_else(PoisonError::into_inner);
            known.iter().find(|(_, key)| key.id == id).map(|(digest, key)| (*digest, Credential::clone(key)))
        };
        let (digest, mut credential) = found.ok_or(ServiceError::Unknown { what: "API key" })?;
        credential.revoked.get_or_insert(now());
        self.keep(&credential, digest)?;
        self.audit(&credential.workspace, "key.revoked", &json!({ "key": credential.id }))
    }

    /// Adds a line to the audit trail: ids and names, never text. Endpoints that ask for it are told.
    pub(super) fn audit(&self, workspace: &str, what: &str, about: &serde_json::Value) -> Result<(), ServiceError> {
        self.record(workspace, what, about)
    }

    /// Lines of the audit trail after a number.
    ///
    /// # Errors
    /// Forbidden without `audit:read`.
    pub fn audit_trail(
        &self,
        caller: &Caller,
        after: i64,
        limit: usize,
    ) -> Result<Vec<(i64, Timestamp, serde_json::Value)>, ServiceError> {
        Self::require(caller, Scope::AuditRead)?;
        Ok(self.db.audit_after(&caller.workspace, after, limit)?)
    }

    /// A page of the audit trail after a number, oldest first.
    ///
    /// # Errors
    /// Forbidden without `audit:read`; refused for a foreign cursor.
    pub fn audit_events(&self, caller: &Caller, after: i64, ask: &Ask) -> Result<Listed, ServiceError> {
        let list = format!("audit {}", caller.workspace);
        let cursor: Option<i64> = self.at(&list, ask)?;
        let mut lines = self.audit_trail(caller, cursor.unwrap_or(after), ask.limit.saturating_add(1))?;
        let more = lines.len() > ask.limit;
        lines.truncate(ask.limit);
        let next = match lines.last() {
            Some((number, ..)) if more => Some(self.cursors.seal(&list, number)?),
            _ => None,
        };
        let shown = lines.into_iter().map(
            |(number, at, body)| json!({ "number": number, "at": at, "event": body["event"], "about": body["about"] }),
        );
        Ok(Listed { data: shown.collect(), next, count: None })
    }

    /// Ids and names of the workspaces.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn workspaces(&self) -> Result<Vec<(String, String)>, ServiceError> {
        Ok(self.db.workspaces()?)
    }

    fn keep(&self, credential: &Credential, digest: Digest) -> Result<(), ServiceError> {
        let body = json!({
            "name": credential.name, "role": credential.role, "hint": credential.hint, "created": credential.created,
            "expires": credential.expires, "revoked": credential.revoked,
        });
        let (id, workspace) = (credential.id.clone(), credential.workspace.clone());
        self.db.put_key(&KeyRow { id, workspace, digest, body })?;
        let mut known = self.credentials.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(digest, Arc::new(credential.clone()));
        Ok(())
    }

    /// Keys are made and taken back by other processes, too: what they did counts within two seconds.
    fn refresh_credentials(&self) -> Result<(), ServiceError> {
        let at = now().0;
        let last = self.credentials_at.load(Ordering::Relaxed);
        let due = (at - last).abs() >= REFRESH_MS;
        if due && self.credentials_at.compare_exchange(last, at, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.load_credentials()?;
        }
        Ok(())
    }

    pub(super) fn load_credentials(&self) -> Result<(), ServiceError> {
        let mut known = BTreeMap::new();
        for row in self.db.keys()? {
            let bug = ServiceError::Bug { what: "a credential does not read back" };
            let Ok(kept) = serde_json::from_value::<Kept>(row.body) else { return Err(bug) };
            let credential = Credential {
                id: row.id,
                workspace: row.workspace,
                name: kept.name,
                role: kept.role,
                hint: kept.hint,
                created: kept.created,
                expires: kept.expires,
                revoked: kept.revoked,
            };
            known.insert(row.digest, Arc::new(credential));
        }
        *self.credentials.write().unwrap_or_else(PoisonError::into_inner) = known;
        Ok(())
    }
}

#[derive(serde::Deserialize)]
struct Kept {
    name: String,
    role: CredentialRole,
    hint: String,
    created: Timestamp,
    expires: Option<Timestamp>,
    revoked: Option<Timestamp>,
}
