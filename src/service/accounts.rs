//! Local accounts: people with a password, their logins, and a door that wrong passwords make slow.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use argon2::{Algorithm, Argon2, Params, Version};
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::auth::CredentialRole;
use crate::domain::{Digest, PrincipalId, Timestamp};
use crate::store::server::AccountRow;

use super::{Caller, Service, ServiceError, ids, lock, now};

/// What the id of a person begins with.
pub(super) const PREFIX: &str = "user_";

/// What a person's account may be. Who proposes text is no person here: agents never log in, so they never review.
pub const ROLES: [CredentialRole; 7] = [
    CredentialRole::Reviewer,
    CredentialRole::SecondReviewer,
    CredentialRole::PolicyAuthor,
    CredentialRole::GraderOperator,
    CredentialRole::Auditor,
    CredentialRole::TenantAdmin,
    CredentialRole::Operator,
];

/// A login ends when it was not used for so long.
pub(super) const IDLE_MS: i64 = 30 * 60 * 1000;
/// And after so long in any case.
pub(super) const LIFE_MS: i64 = 12 * 60 * 60 * 1000;
/// How exactly the last use is kept.
const TOUCH_MS: i64 = 60 * 1000;
/// Logins of one account at once; the oldest goes.
const LOGINS: usize = 8;

const MIN_PASSWORD: usize = 12;
const MAX_PASSWORD: usize = 1024;

// Source: OWASP Password Storage Cheat Sheet, argon2id: 19 MiB, 2 passes, 1 lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// A person's account, without its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// `user_…`.
    pub id: String,
    /// Its workspace.
    pub workspace: String,
    /// What it logs in as, and the name that decisions carry.
    pub name: String,
    /// What it may do.
    pub role: CredentialRole,
    /// When it was made.
    pub created: Timestamp,
    /// When it was switched off.
    pub disabled: Option<Timestamp>,
}

impl Account {
    fn of(row: &AccountRow) -> Result<Self, ServiceError> {
        let bug = ServiceError::Bug { what: "an account does not read back" };
        let Ok(kept) = serde_json::from_value::<Kept>(row.body.clone()) else { return Err(bug) };
        Ok(Self {
            id: row.id.clone(),
            workspace: row.workspace.clone(),
            name: row.name.clone(),
            role: kept.role,
            created: row.created,
            disabled: kept.disabled,
        })
    }

    /// The caller that the account's holder is.
    pub fn caller(&self) -> Caller {
        Caller {
            id: self.id.clone(),
            workspace: self.workspace.clone(),
            name: self.name.clone(),
            role: self.role,
            hint: String::new(),
            created: self.created,
            expires: None,
            revoked: None,
        }
    }
}

#[derive(serde::Deserialize)]
struct Kept {
    role: CredentialRole,
    password: Password,
    disabled: Option<Timestamp>,
}

/// A password as it is kept: the parameters stand beside it, so that they can be raised later.
#[derive(serde::Serialize, serde::Deserialize)]
struct Password {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: String,
    hash: String,
}

impl Password {
    fn of(password: &str) -> Result<Self, ServiceError> {
        let mut salt = [0_u8; 16];
        ids::random(&mut salt)?;
        let mut made = Self {
            memory_kib: MEMORY_KIB,
            passes: PASSES,
            lanes: LANES,
            salt: HEXLOWER.encode(&salt),
            hash: String::new(),
        };
        made.hash = HEXLOWER.encode(&made.work(password)?);
        Ok(made)
    }

    fn work(&self, password: &str) -> Result<[u8; 32], ServiceError> {
        let bug = |_| ServiceError::Bug { what: "a password's parameters are unusable" };
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(32)).map_err(bug)?;
        let salt = HEXLOWER.decode(self.salt.as_bytes());
        let salt = salt.map_err(|_| ServiceError::Bug { what: "a password's salt is unusable" })?;
        let mut out = [0_u8; 32];
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon.hash_password_into(composed(password).as_bytes(), &salt, &mut out).map_err(bug)?;
        Ok(out)
    }

    fn fits(&self, password: &str) -> Result<bool, ServiceError> {
        // Compared as digests: where two hashes begin to differ says nothing.
        Ok(Digest::of(HEXLOWER.encode(&self.work(password)?)) == Digest::of(&self.hash))
    }
}

/// The same letters typed on two keyboards are one password.
fn composed(password: &str) -> String {
    use unicode_normalization::UnicodeNormalization as _;
    password.nfkc().collect()
}

fn check_password(name: &str, password: &str) -> Result<(), ServiceError> {
    let length = password.chars().count();
    if length < MIN_PASSWORD || password.len() > MAX_PASSWORD {
        return Err(ServiceError::invalid("password: at least 12 characters and at most 1,024 bytes"));
    }
    let letters: BTreeSet<char> = password.chars().collect();
    if letters.len() < 4 || password.to_lowercase() == name.repeat(length / name.len().max(1)) {
        return Err(ServiceError::invalid("password: too plain, a few letters repeated"));
    }
    Ok(())
}

/// Slows down whoever guesses: bounded in memory, whatever names are tried.
#[derive(Debug)]
pub(super) struct Doorman {
    key: [u8; 32],
    slots: Mutex<Vec<Slot>>,
    waiting: AtomicUsize,
    // One password is worked on at a time: each takes 19 MiB.
    turn: Mutex<()>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    tag: u64,
    failures: u32,
    last: i64,
}

/// Names that are counted at once. More than that share places, and a place's count stays with whoever failed last.
const SLOTS: usize = 4096;
/// Wrong passwords that cost nothing.
const FREE: u32 = 5;
/// The longest wait. Short: whoever fails on purpose under another's name keeps them out no longer.
const LONGEST_MS: i64 = 60 * 1000;
/// After so long without a wrong password, a name is new.
const FORGET_MS: i64 = 15 * 60 * 1000;
/// Logins that wait for their turn; more are sent away.
const QUEUE: usize = 16;

impl Doorman {
    pub(super) fn new() -> Result<Self, ServiceError> {
        let mut key = [0_u8; 32];
        ids::random(&mut key)?;
        Ok(Self { key, slots: Mutex::default(), waiting: AtomicUsize::new(0), turn: Mutex::new(()) })
    }

    /// Where a name is counted: under a key, so that nobody can choose to share a place with somebody.
    fn place(&self, name: &str) -> (usize, u64) {
        let digest = Digest::of_parts([self.key.as_slice(), name.as_bytes()]);
        let (at, tag) = digest.bytes().split_at(8);
        let number = |bytes: &[u8]| bytes.iter().take(8).fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
        (usize::try_from(number(at) % SLOTS as u64).unwrap_or(0), number(tag))
    }

    /// Refused while a name has to wait.
    fn may_try(&self, name: &str, at: Timestamp) -> Result<(), ServiceError> {
        let (place, tag) = self.place(name);
        let slots = lock(&self.slots);
        let Some(slot) = slots.get(place).filter(|slot| slot.tag == tag && slot.failures >= FREE) else {
            return Ok(());
        };
        let wait = 1000_i64.saturating_mul(1 << (slot.failures - FREE).min(10)).min(LONGEST_MS);
        let left = slot.last.saturating_add(wait).saturating_sub(at.0);
        // A clock that was set back does not lock anybody out for longer than a wait.
        if left <= 0 || left > wait {
            return Ok(());
        }
        Err(ServiceError::Limited { after_s: u64::try_from(left / 1000 + 1).unwrap_or(60) })
    }

    fn failed(&self, name: &str, at: Timestamp) {
        let (place, tag) = self.place(name);
        let mut slots = lock(&self.slots);
        if slots.is_empty() {
            slots.resize(SLOTS, Slot::default());
        }
        if let Some(slot) = slots.get_mut(place) {
            if slot.tag != tag || at.0.saturating_sub(slot.last) > FORGET_MS {
                *slot = Slot { tag, failures: 0, last: at.0 };
            }
            slot.failures = slot.failures.saturating_add(1);
            slot.last = at.0;
        }
    }

    fn passed(&self, name: &str) {
        let (place, tag) = self.place(name);
        if let Some(slot) = lock(&self.slots).get_mut(place).filter(|slot| slot.tag == tag) {
            *slot = Slot::default();
        }
    }

    /// Runs costly work in turn, with a short queue.
    fn work<T>(&self, work: impl FnOnce() -> Result<T, ServiceError>) -> Result<T, ServiceError> {
        struct Leave<'a>(&'a AtomicUsize);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _leave = Leave(&self.waiting);
        if before >= QUEUE {
            return Err(ServiceError::Limited { after_s: 2 });
        }
        let _turn = lock(&self.turn);
        work()
    }
}

/// Somebody who is logged in.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// The account.
    pub account: Account,
    /// When the login ends in any case.
    pub ends: Timestamp,
    secret: Digest,
}

impl Visitor {
    /// When the login began.
    pub const fn began(&self) -> Timestamp {
        self.ends.plus_ms(-LIFE_MS)
    }

    /// The token that every form of this login carries: another site does not know it.
    pub fn form_token(&self) -> String {
        self.seal("form", &[])
    }

    /// True for the token of [`Visitor::form_token`].
    pub fn is_form_token(&self, token: &str) -> bool {
        // Compared as digests: where two tokens begin to differ says nothing.
        Digest::of(self.form_token()) == Digest::of(token)
    }

    /// A seal over some texts that only this login can have got from this server.
    pub(super) fn seal(&self, purpose: &str, parts: &[&str]) -> String {
        seal(self.secret.bytes(), purpose, parts)
    }
}

fn seal(key: &[u8], purpose: &str, parts: &[&str]) -> String {
    let message = Digest::of_parts(std::iter::once(purpose.as_bytes()).chain(parts.iter().map(|part| part.as_bytes())));
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(message.bytes());
    HEXLOWER.encode(&mac.finalize().into_bytes())
}

fn wrong() -> ServiceError {
    ServiceError::Unauthenticated { message: "the name or the password is wrong" }
}

impl Service {
    /// Makes an account in a workspace (the first one when none is named). Stores that are made from now on know a
    /// deciding account as a reviewer, with a signing key of its own.
    ///
    /// # Errors
    /// Refused for a role that is not a person's, a taken or unlawful name, a plain password.
    pub fn add_account(
        &self,
        workspace: Option<&str>,
        name: &str,
        role: CredentialRole,
        password: &str,
    ) -> Result<Account, ServiceError> {
        let lawful = (1..=64).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !lawful || name == "dream" {
            return Err(ServiceError::invalid("name: 1 to 64 lower-case letters, digits and dashes; not \"dream\""));
        }
        if !ROLES.contains(&role) {
            return Err(ServiceError::invalid("role: agents and submitters have API keys and never log in"));
        }
        check_password(name, password)?;
        let workspaces = self.db.workspaces()?;
        let known = match workspace {
            Some(id) => workspaces.iter().find(|(known, _)| known == id),
            None => workspaces.first(),
        };
        let workspace = known.ok_or(ServiceError::Unknown { what: "workspace" })?.0.clone();
        let row = AccountRow {
            id: ids::fresh(PREFIX)?,
            workspace,
            name: name.to_owned(),
            created: now(),
            body: body(role, &Password::of(password)?, None)?,
        };
        if !self.db.add_account(&row)? {
            return Err(ServiceError::Conflict { message: "an account has this name already".to_owned() });
        }
        self.audit(&row.workspace, "account.created", &json!({ "user": row.id, "role": role.name() }))?;
        Account::of(&row)
    }

    /// A password that nobody chose: 100 random bits in groups that can be typed.
    ///
    /// # Errors
    /// Unavailable random generator.
    pub fn fresh_password(&self) -> Result<String, ServiceError> {
        let id = ids::fresh("")?;
        let letters: Vec<char> = id.chars().skip(2).take(18).collect();
        Ok(letters.chunks(6).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-"))
    }

    /// All accounts, by name.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn accounts(&self) -> Result<Vec<Account>, ServiceError> {
        self.db.accounts()?.iter().map(Account::of).collect()
    }

    /// Switches an account off, or on again. Its logins end.
    ///
    /// # Errors
    /// Unknown name.
    pub fn disable_account(&self, name: &str, off: bool) -> Result<Account, ServiceError> {
        let (mut row, mut kept) = self.account_row(name)?;
        kept.disabled = if off { kept.disabled.or(Some(now())) } else { None };
        row.body = body(kept.role, &kept.password, kept.disabled)?;
        self.db.change_account(&row)?;
        let event = if off { "account.disabled" } else { "account.enabled" };
        self.audit(&row.workspace, event, &json!({ "user": row.id }))?;
        Account::of(&row)
    }

    /// Gives an account a new password. Its logins end.
    ///
    /// # Errors
    /// Unknown name; refused for a plain password.
    pub fn set_password(&self, name: &str, password: &str) -> Result<Account, ServiceError> {
        let (mut row, kept) = self.account_row(name)?;
        check_password(name, password)?;
        row.body = body(kept.role, &Password::of(password)?, kept.disabled)?;
        self.db.change_account(&row)?;
        self.audit(&row.workspace, "account.password", &json!({ "user": row.id }))?;
        Account::of(&row)
    }

    fn account_row(&self, name: &str) -> Result<(AccountRow, Kept), ServiceError> {
        let row = self.db.account_named(name)?.ok_or(ServiceError::Unknown { what: "account" })?;
        let kept = serde_json::from_value(row.body.clone());
        Ok((row, kept.map_err(|_| ServiceError::Bug { what: "an account does not read back" })?))
    }

    /// Logs in: a new token, whatever the browser had before. `old` ends.
    ///
    /// # Errors
    /// Unauthenticated, with the same words and after the same work for whatever is wrong; limited after too many
    /// wrong passwords.
    pub fn login(&self, name: &str, password: &str, old: Option<&str>) -> Result<(String, Visitor), ServiceError> {
        // What no account can have is not worth a hash.
        if name.len() > 64 || password.len() > MAX_PASSWORD {
            return Err(wrong());
        }
        let at = now();
        self.doorman.may_try(name, at)?;
        let row = self.db.account_named(name)?;
        let kept: Option<Kept> = row.as_ref().and_then(|row| serde_json::from_value(row.body.clone()).ok());
        let fits = self.doorman.work(|| {
            // Somebody else may have failed meanwhile.
            self.doorman.may_try(name, at)?;
            match &kept {
                Some(kept) => kept.password.fits(password),
                None => nobody()?.fits(password).map(|_| false),
            }
        })?;
        let open = row.filter(|_| fits && kept.is_some_and(|kept| kept.disabled.is_none()));
        let Some(row) = open else {
            self.doorman.failed(name, at);
            // Only names that exist: a password typed into the wrong field is kept nowhere.
            if let Some(row) = self.db.account_named(name)? {
                self.audit(&row.workspace, "account.login_failed", &json!({ "user": row.id }))?;
            }
            return Err(wrong());
        };
        self.doorman.passed(name);
        if let Some(old) = old {
            self.db.drop_login(&Digest::of(old))?;
        }
        let mut bytes = [0_u8; 32];
        ids::random(&mut bytes)?;
        let token = HEXLOWER.encode(&bytes);
        self.db.put_login(&Digest::of(&token), &row.id, at, at.plus_ms(-LIFE_MS), LOGINS)?;
        self.audit(&row.workspace, "account.login", &json!({ "user": row.id }))?;
        let visitor = Visitor { account: Account::of(&row)?, ends: at.plus_ms(LIFE_MS), secret: secret(&token) };
        Ok((token, visitor))
    }

    /// Who a token belongs to; nobody when it ended.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn visitor(&self, token: &str) -> Result<Option<Visitor>, ServiceError> {
        let digest = Digest::of(token);
        let Some((row, times)) = self.db.login(&digest)? else { return Ok(None) };
        let at = now();
        let account = Account::of(&row)?;
        let ends = times.created.plus_ms(LIFE_MS);
        // A login from the future is as dead as one from long ago: a clock that was set back gives nobody more time.
        let alive = at < ends && at < times.seen.plus_ms(IDLE_MS) && times.created <= at.plus_ms(TOUCH_MS);
        if !alive || account.disabled.is_some() {
            self.db.drop_login(&digest)?;
            return Ok(None);
        }
        if at >= times.seen.plus_ms(TOUCH_MS) {
            self.db.touch_login(&digest, at)?;
        }
        Ok(Some(Visitor { account, ends, secret: secret(token) }))
    }

    /// Ends a login.
    ///
    /// # Errors
    /// Unavailable database.
    pub fn logout(&self, token: &str) -> Result<(), ServiceError> {
        if let Some(visitor) = self.visitor(token)? {
            let account = &visitor.account;
            self.audit(&account.workspace, "account.logout", &json!({ "user": account.id }))?;
        }
        Ok(self.db.drop_login(&Digest::of(token))?)
    }

    /// People who decide in a workspace: stores that are made now get a signing key for each.
    pub(super) fn deciding_accounts(&self, workspace: &str) -> Result<Vec<PrincipalId>, ServiceError> {
        let deciding = [CredentialRole::Reviewer, CredentialRole::SecondReviewer];
        let accounts = self.accounts()?.into_iter();
        let ours = accounts.filter(|account| {
            account.workspace == workspace && account.disabled.is_none() && deciding.contains(&account.role)
        });
        Ok(ours.map(|account| PrincipalId::new(account.name)).collect())
    }
}

/// The key of a login's seals: what is stored of the token does not tell it.
fn secret(token: &str) -> Digest {
    Digest::of_parts([b"memgate-login".as_slice(), token.as_bytes()])
}

fn body(role: CredentialRole, password: &Password, disabled: Option<Timestamp>) -> Result<Value, ServiceError> {
    let password = serde_json::to_value(password);
    let password = password.map_err(|_| ServiceError::Bug { what: "a password does not encode" })?;
    Ok(json!({ "role": role, "password": password, "disabled": disabled }))
}

/// What unknown names are compared with, so that they take as long as known ones.
fn nobody() -> Result<&'static Password, ServiceError> {
    static NOBODY: OnceLock<Option<Password>> = OnceLock::new();
    let made = NOBODY.get_or_init(|| Password::of("nobody has this password").ok());
    made.as_ref().ok_or(ServiceError::Bug { what: "no password could be made" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_passwords_make_a_name_wait_and_others_not() {
        let doorman = Doorman::new().unwrap();
        let at = Timestamp(1_000_000);
        for _ in 0..FREE {
            assert!(doorman.may_try("ana", at).is_ok());
            doorman.failed("ana", at);
        }
        assert!(doorman.may_try("ana", at).is_err());
        assert!(doorman.may_try("ben", at).is_ok());
        assert!(doorman.may_try("ana", at.plus_ms(LONGEST_MS + 1)).is_ok());
        // Somebody who fails without end keeps the holder out for a minute at most.
        for _ in 0..200 {
            doorman.failed("ana", at);
        }
        assert!(doorman.may_try("ana", at.plus_ms(LONGEST_MS - 1000)).is_err());
        assert!(doorman.may_try("ana", at.plus_ms(LONGEST_MS + 1)).is_ok());
        assert!(doorman.may_try("ana", Timestamp(0)).is_ok(), "a clock that was set back");
    }

    #[test]
    fn a_flood_of_names_takes_no_more_memory() {
        let doorman = Doorman::new().unwrap();
        for name in 0..20_000 {
            doorman.failed(&format!("n{name}"), Timestamp(1));
        }
        assert_eq!(lock(&doorman.slots).len(), SLOTS);
    }

    #[test]
    fn a_password_fits_itself_in_any_composition_and_nothing_else() {
        let kept = Password::of("pa\u{df}wort f\u{fc}r ana").unwrap();
        assert!(kept.fits("pa\u{df}wort fu\u{308}r ana").unwrap());
        assert!(!kept.fits("pa\u{df}wort fur ana").unwrap());
        assert!(!kept.hash.contains("wort"));
    }

    #[test]
    fn plain_passwords_are_refused() {
        for plain in ["short", "aaaaaaaaaaaaaaaa", "anaanaanaanaana", "abababababababab"] {
            assert!(check_password("ana", plain).is_err(), "{plain}");
        }
        assert!(check_password("ana", "a plain sentence of words").is_ok());
    }
}
