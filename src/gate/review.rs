//! What people vouched for: adopted baselines, accepted proposals, released items.
//!
//! Each of these is minted here against a grant, names digests of exact statements, and is passed
//! to the gate as part of its basis. None of them is a switch: the gate still scans.

use std::collections::{BTreeMap, BTreeSet};

use crate::auth::{Accept, Adopt, Granted, Release};
use crate::domain::{Coded, Digest, Family, HoldId, PrincipalId, Timestamp};

use super::quarantine::{HeldRecord, HeldState};

/// Statements that were there before and that their owner vouches for. They may be of a governed
/// kind; a finding at the hold level still holds them.
#[derive(Debug, Default)]
pub struct Adopted {
    /// How many statements there are of each.
    digests: BTreeMap<Digest, u32>,
}

impl Adopted {
    /// The grant's holder vouches for these statements (digests of their exact bodies).
    pub fn new(_grant: &Granted<Adopt>, digests: impl IntoIterator<Item = Digest>) -> Self {
        let mut adopted = Self::default();
        adopted.add(digests);
        adopted
    }
    /// The grant's holder vouches for these, too. Kept beside a store, the set grows and shrinks with it.
    pub fn add_all(&mut self, _grant: &Granted<Adopt>, digests: &[Digest]) {
        self.add(digests.iter().copied());
    }
    /// Takes one of each back: a statement is vouched for as long as it was added more often.
    pub fn drop_all(&mut self, _grant: &Granted<Adopt>, digests: &[Digest]) {
        for digest in digests {
            if let Some(count) = self.digests.get_mut(digest) {
                *count -= 1;
                if *count == 0 {
                    self.digests.remove(digest);
                }
            }
        }
    }
    pub(super) fn contains(&self, digest: &Digest) -> bool {
        self.digests.contains_key(digest)
    }
    fn add(&mut self, digests: impl IntoIterator<Item = Digest>) {
        for digest in digests {
            *self.digests.entry(digest).or_default() += 1;
        }
    }
}

/// Statements a dream proposed and their owner accepted. Ordinary kinds only; a finding at the hold
/// level still holds them.
#[derive(Debug, Default)]
pub struct Accepted {
    pub(super) digests: BTreeSet<Digest>,
}

impl Accepted {
    /// The grant's holder accepts these statements (digests of their exact bodies).
    pub fn new(_grant: &Granted<Accept>, digests: impl IntoIterator<Item = Digest>) -> Self {
        Self { digests: digests.into_iter().collect() }
    }
}

/// One held statement that reviewers released: exactly these bytes.
#[derive(Debug)]
pub struct Released {
    pub(super) digest: Digest,
    reviewers: Vec<PrincipalId>,
}

impl Released {
    /// What reviewers released into a memory before, by its provenance record: a yes to exact bytes stands for
    /// as long as they stay where they are. The caller has the record from a signed version.
    pub fn standing(_grant: &Granted<Adopt>, text: &str, provenance: &str) -> Vec<Self> {
        let digests = super::decide::released_in(text, provenance);
        digests.into_iter().map(|digest| Self { digest, reviewers: Vec::new() }).collect()
    }
    /// Who released it; nobody when it stands from an earlier version, whose signed approval names them.
    pub fn reviewers(&self) -> &[PrincipalId] {
        &self.reviewers
    }
    /// Digest of the statement.
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }
}

/// What a reviewer's yes leads to.
#[derive(Debug)]
pub enum ReleaseStep {
    /// Complete: the statement goes back through scan and gate with this proof.
    Released(Released),
    /// A second, different reviewer is needed.
    AwaitsSecond,
}

/// Why a decision on a held item is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReviewError {
    /// The digest named is not the digest of the item. The right one is not printed: a yes names what was seen.
    #[error("{id} does not hold the bytes of {named}")]
    OtherBytes {
        /// The item.
        id: HoldId,
        /// Digest the reviewer named.
        named: String,
    },
    /// Already decided or expired.
    #[error("{id} is {state} and cannot be decided again")]
    NotOpen {
        /// The item.
        id: HoldId,
        /// Its state.
        state: &'static str,
    },
    /// Its time ran out: the answer is no.
    #[error("{id} expired at {deadline}")]
    Expired {
        /// The item.
        id: HoldId,
        /// When.
        deadline: Timestamp,
    },
    /// The submitter or the first reviewer cannot give this yes.
    #[error("{principal} {why} and cannot release {id}")]
    SamePerson {
        /// Who.
        principal: PrincipalId,
        /// Their part so far.
        why: &'static str,
        /// The item.
        id: HoldId,
    },
    /// No reason, or an unknown one.
    #[error("{reason:?} is not a reason code")]
    Reason {
        /// What was given.
        reason: String,
    },
    /// The item has no place in a memory: there is nothing to store.
    #[error("{id} is a span of a transcript; there is no memory to put it into")]
    NoPlace {
        /// The item.
        id: HoldId,
    },
    /// The record was changed since it was written.
    #[error("{id} does not match its digest: the record was changed")]
    Tampered {
        /// The item.
        id: HoldId,
    },
}

impl Coded for ReviewError {
    fn code(&self) -> &'static str {
        match self {
            Self::OtherBytes { .. } => "review-other-bytes",
            Self::NotOpen { .. } => "review-not-open",
            Self::Expired { .. } => "review-expired",
            Self::SamePerson { .. } => "review-same-person",
            Self::Reason { .. } => "review-reason",
            Self::NoPlace { .. } => "review-no-place",
            Self::Tampered { .. } => "review-tampered",
        }
    }
    fn family(&self) -> Family {
        Family::Refused
    }
    fn remedy(&self) -> &'static str {
        match self {
            Self::OtherBytes { .. } => {
                "look at the item again with `memgate review show` and name the digest it prints"
            }
            Self::NotOpen { .. } | Self::Expired { .. } => "submit the text again if it is still wanted",
            Self::SamePerson { .. } => "ask another reviewer; `memgate policy show` lists them",
            Self::Reason { .. } => "use one of the codes listed by `memgate review release --help`",
            Self::NoPlace { .. } => "destroy it, or leave it to expire",
            Self::Tampered { .. } => "run `memgate verify`, and restore the data folder from a backup",
        }
    }
}

/// Reason codes of a decision (closed list).
pub const REASONS: &[&str] = &[
    "malicious",
    "prompt_injection",
    "secret_or_personal_data",
    "policy_violation",
    "unsupported_claim",
    "stale_or_wrong",
    "duplicate",
    "out_of_scope",
    "test_data",
    "false_positive",
    "acceptable_risk",
    "insufficient_information",
    "other",
];

/// Checks that a held item may be decided by this person now.
///
/// # Errors
/// Refused: wrong digest, decided, expired, changed, unknown reason.
pub fn check_open(record: &HeldRecord, named_digest: &str, reason: &str, now: Timestamp) -> Result<(), ReviewError> {
    if !REASONS.contains(&reason) {
        return Err(ReviewError::Reason { reason: reason.to_owned() });
    }
    if Digest::of(&record.text) != record.digest {
        return Err(ReviewError::Tampered { id: record.id.clone() });
    }
    let named = named_digest.strip_prefix("sha256:").unwrap_or(named_digest);
    // A prefix of 12 digits is what is shown; fewer would let a look-alike through.
    if named.len() < 12 || !record.digest.hex().starts_with(named) {
        return Err(ReviewError::OtherBytes { id: record.id.clone(), named: named_digest.to_owned() });
    }
    match record.state {
        HeldState::Open | HeldState::AwaitsSecond => {}
        HeldState::Released | HeldState::Destroyed | HeldState::Expired => {
            return Err(ReviewError::NotOpen { id: record.id.clone(), state: record.state.name() });
        }
    }
    if now > record.deadline {
        return Err(ReviewError::Expired { id: record.id.clone(), deadline: record.deadline });
    }
    Ok(())
}

/// A reviewer says yes to exactly the bytes they saw.
///
/// # Errors
/// Everything of [`check_open`], and: the submitter or the first reviewer is the same person;
/// the item is a span of a transcript.
pub fn release(
    record: &HeldRecord,
    grant: &Granted<Release>,
    named_digest: &str,
    reason: &str,
    now: Timestamp,
) -> Result<ReleaseStep, ReviewError> {
    check_open(record, named_digest, reason, now)?;
    let person = grant.principal();
    let same = |why| ReviewError::SamePerson { principal: person.clone(), why, id: record.id.clone() };
    if record.place.memory().is_none() {
        return Err(ReviewError::NoPlace { id: record.id.clone() });
    }
    if &record.submitter == person {
        return Err(same("submitted it"));
    }
    match (&record.first_reviewer, record.needs_two) {
        (None, true) => Ok(ReleaseStep::AwaitsSecond),
        (Some(first), _) if first == person => Err(same("gave the first yes")),
        (first, _) => {
            let mut reviewers: Vec<PrincipalId> = first.iter().cloned().collect();
            reviewers.push(person.clone());
            Ok(ReleaseStep::Released(Released { digest: record.digest, reviewers }))
        }
    }
}
