//! What the ledger refuses, and why.

use crate::domain::canonical::CanonicalError;
use crate::domain::{Coded, Family};

/// A failed storage step, with the file it concerns.
#[derive(Debug, thiserror::Error)]
#[error("could not {step} {file}")]
pub struct StorageError {
    /// What was tried, e.g. `write`.
    pub step: &'static str,
    /// The file, relative to the log's folder.
    pub file: String,
    /// What the system said.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Why evidence, a key, a policy or a log is refused.
///
/// Every check of the signing format has one variant; [`LedgerError::vector_code`] is its published name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The envelope is not in the one allowed form.
    #[error("envelope refused: {why}")]
    Envelope {
        /// The rule that is broken.
        why: &'static str,
    },
    /// Payload, statement or predicate type is not one of ours.
    #[error("unknown type in {what}")]
    Type {
        /// Which member.
        what: &'static str,
    },
    /// A signature does not verify, or its key is not known.
    #[error("signature refused: {why}")]
    Signature {
        /// Unknown key, retired key, or wrong signature.
        why: &'static str,
    },
    /// The signed bytes are not canonical JSON.
    #[error("statement is not canonical JSON")]
    Json(#[source] CanonicalError),
    /// A member is missing, unknown or of the wrong form.
    #[error("statement member refused: {member}")]
    Field {
        /// The member.
        member: &'static str,
    },
    /// Not exactly one subject of the expected name and digest.
    #[error("statement subject refused: {why}")]
    Subject {
        /// The rule that is broken.
        why: &'static str,
    },
    /// Signed by a key without the role, or in another's name.
    #[error("signer has no right to sign this: {what}")]
    Role {
        /// The kind of statement.
        what: &'static str,
    },
    /// Too few distinct signers or reviewers.
    #[error("{found} of {needed} needed {what}")]
    Threshold {
        /// Signers or reviewers.
        what: &'static str,
        /// How many counted.
        found: usize,
        /// How many are needed.
        needed: usize,
    },
    /// Two statements that belong together disagree, or one belongs to another store or policy.
    #[error("{what} does not match the version in {member}")]
    Binding {
        /// The statement that disagrees.
        what: &'static str,
        /// The member in which it does.
        member: &'static str,
    },
    /// Not the next sequence number.
    #[error("sequence {found} where {expected} was next")]
    Sequence {
        /// The next number.
        expected: u64,
        /// The number found.
        found: u64,
    },
    /// The parent is not the last version.
    #[error("the parent is not the last version")]
    Parent,
    /// A statement that a version names is not earlier in the log.
    #[error("{what} is not earlier in the log")]
    Missing {
        /// Which statement.
        what: &'static str,
    },
    /// The gate did not pass it.
    #[error("the gate's verdict is not PASSED")]
    Verdict,
    /// A reviewer rejected the proposal.
    #[error("a reviewer rejected this proposal")]
    Rejected,
    /// An approval had run out.
    #[error("an approval had expired")]
    Expired,
    /// A rollback without its declaration, or one that restores something else than it names.
    #[error("rollback refused: {why}")]
    Rollback {
        /// The rule that is broken.
        why: &'static str,
    },
    /// The manifest is not in the one allowed form.
    #[error("manifest line {line} refused: {why}")]
    Manifest {
        /// One-based line.
        line: usize,
        /// The rule that is broken.
        why: &'static str,
    },
    /// The manifest does not hash to its head.
    #[error("the manifest does not hash to the signed head")]
    Root,
    /// A redacted line that no logged erasure covers.
    #[error("manifest line {line} is redacted without a logged erasure")]
    Redaction {
        /// One-based line.
        line: usize,
    },
    /// A memory's bytes are not those committed to.
    #[error("a memory does not match its commitment in the manifest (line {line})")]
    Commit {
        /// One-based manifest line, 0 when the memory is in no line.
        line: usize,
    },
    /// A checkpoint, key or proof text is not in the one allowed form.
    #[error("malformed {what}: {why}")]
    Format {
        /// What was read.
        what: &'static str,
        /// The rule that is broken.
        why: &'static str,
    },
    /// A checkpoint of another log.
    #[error("the checkpoint belongs to another log")]
    Origin,
    /// Too few witnesses signed.
    #[error("too few witnesses signed the checkpoint")]
    Quorum,
    /// Too few witnesses signed recently.
    #[error("too few witnesses signed the checkpoint recently")]
    Stale,
    /// The log got shorter.
    #[error("the log shrank from {old} to {new} entries")]
    Shrink {
        /// Entries before.
        old: u64,
        /// Entries now.
        new: u64,
    },
    /// Two checkpoints of one log that cannot both be true.
    #[error("the log was forked or rewritten at or before entry {size}")]
    Fork {
        /// Size of the older checkpoint.
        size: u64,
    },
    /// An inclusion proof that does not lead to the root.
    #[error("inclusion proof refused: {why}")]
    Proof {
        /// The rule that is broken.
        why: &'static str,
    },
    /// A key that may not be enrolled.
    #[error("key refused: {why}")]
    Key {
        /// The rule that is broken.
        why: &'static str,
    },
    /// A trust policy that is malformed or breaks a rule on keys.
    #[error("trust policy refused: {why}")]
    Policy {
        /// The rule that is broken.
        why: &'static str,
    },
    /// A trust file is not the one the trusted root names.
    #[error("{file} is not the file that the trusted root names")]
    OtherTrust {
        /// Which file.
        file: &'static str,
    },
    /// The witnesses that the log policy demands have not signed: the batch is logged, but not published.
    #[error("{found} witnesses signed, which is fewer than the log policy demands")]
    Waiting {
        /// How many signed.
        found: usize,
    },
    /// A witness says that it saw another history of this log.
    #[error("witness {name} saw {saw} entries of this log that these do not continue")]
    WitnessRefuses {
        /// Its name in the log policy.
        name: String,
        /// The size it saw.
        saw: u64,
    },
    /// The same entry is in the log already.
    #[error("entry is in the log already, at {index}")]
    AlreadyLogged {
        /// Where.
        index: u64,
    },
    /// A signed statement of a draft was asked for with keys or people that are not there.
    #[error("cannot sign: {why}")]
    CannotSign {
        /// What is missing.
        why: &'static str,
    },
    /// Another writer moved the head.
    #[error("another writer has moved the head of this log")]
    HeadMoved,
    /// The log stays read-only, because continuing could sign a fork.
    #[error("the log is read-only: {file}: {why}")]
    ReadOnly {
        /// The file that stands in the way.
        file: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A step failed earlier; the log must be opened again, which completes or drops it.
    #[error("an earlier step failed; open the log again")]
    Poisoned,
    /// Storage failed.
    #[error("storage failed")]
    Storage(#[from] StorageError),
    /// Which entry of the log a refusal concerns.
    #[error("entry {index}")]
    At {
        /// Zero-based log index.
        index: u64,
        /// The refusal.
        #[source]
        source: Box<LedgerError>,
    },
}

impl LedgerError {
    /// The published name of the failed check (`E_ROOT` …), where the signing format names one.
    pub fn vector_code(&self) -> Option<&'static str> {
        Some(match self {
            Self::Envelope { .. } => "E_ENVELOPE",
            Self::Type { .. } => "E_TYPE",
            Self::Signature { .. } => "E_SIG",
            Self::Json(_) => "E_JSON",
            Self::Field { .. } => "E_FIELD",
            Self::Subject { .. } => "E_SUBJECT",
            Self::Role { .. } => "E_ROLE",
            Self::Threshold { .. } => "E_THRESHOLD",
            Self::Binding { .. } => "E_BINDING",
            Self::Sequence { .. } => "E_SEQUENCE",
            Self::Parent => "E_PARENT",
            Self::Missing { .. } => "E_MISSING",
            Self::Verdict => "E_VERDICT",
            Self::Rejected => "E_REJECTED",
            Self::Expired => "E_EXPIRED",
            Self::Rollback { .. } => "E_ROLLBACK",
            Self::Manifest { .. } => "E_MANIFEST",
            Self::Root => "E_ROOT",
            Self::Redaction { .. } => "E_REDACTION",
            Self::Commit { .. } => "E_COMMIT",
            Self::Format { .. } => "E_FORMAT",
            Self::Origin => "E_ORIGIN",
            Self::Quorum => "E_QUORUM",
            Self::Stale => "E_STALE",
            Self::Shrink { .. } => "E_SHRINK",
            Self::Fork { .. } => "E_FORK",
            Self::At { source, .. } => return source.vector_code(),
            Self::Proof { .. }
            | Self::Key { .. }
            | Self::Policy { .. }
            | Self::OtherTrust { .. }
            | Self::Waiting { .. }
            | Self::WitnessRefuses { .. }
            | Self::AlreadyLogged { .. }
            | Self::CannotSign { .. }
            | Self::HeadMoved
            | Self::ReadOnly { .. }
            | Self::Poisoned
            | Self::Storage(_) => return None,
        })
    }
    /// The log index the refusal concerns, when there is one.
    pub const fn index(&self) -> Option<u64> {
        if let Self::At { index, .. } = self { Some(*index) } else { None }
    }
    /// The same refusal, with the log index it concerns.
    #[must_use]
    pub(crate) fn at(self, index: u64) -> Self {
        if matches!(self, Self::At { .. }) { self } else { Self::At { index, source: Box::new(self) } }
    }
}

impl Coded for LedgerError {
    fn code(&self) -> &'static str {
        match self {
            Self::Envelope { .. } => "ledger-envelope",
            Self::Type { .. } => "ledger-type",
            Self::Signature { .. } => "ledger-signature",
            Self::Json(_) => "ledger-json",
            Self::Field { .. } => "ledger-field",
            Self::Subject { .. } => "ledger-subject",
            Self::Role { .. } => "ledger-role",
            Self::Threshold { .. } => "ledger-threshold",
            Self::Binding { .. } => "ledger-binding",
            Self::Sequence { .. } => "ledger-sequence",
            Self::Parent => "ledger-parent",
            Self::Missing { .. } => "ledger-missing",
            Self::Verdict => "ledger-verdict",
            Self::Rejected => "ledger-rejected",
            Self::Expired => "ledger-expired",
            Self::Rollback { .. } => "ledger-rollback",
            Self::Manifest { .. } => "ledger-manifest",
            Self::Root => "ledger-root",
            Self::Redaction { .. } => "ledger-redaction",
            Self::Commit { .. } => "ledger-commit",
            Self::Format { .. } => "ledger-format",
            Self::Origin => "ledger-origin",
            Self::Quorum => "ledger-quorum",
            Self::Stale => "ledger-stale",
            Self::Shrink { .. } => "ledger-shrink",
            Self::Fork { .. } => "ledger-fork",
            Self::Proof { .. } => "ledger-proof",
            Self::Key { .. } => "ledger-key",
            Self::Policy { .. } => "ledger-policy",
            Self::OtherTrust { .. } => "ledger-other-trust",
            Self::Waiting { .. } => "ledger-waiting",
            Self::WitnessRefuses { .. } => "ledger-witness-refuses",
            Self::AlreadyLogged { .. } => "ledger-already-logged",
            Self::CannotSign { .. } => "ledger-cannot-sign",
            Self::HeadMoved => "ledger-head-moved",
            Self::ReadOnly { .. } => "ledger-read-only",
            Self::Poisoned => "ledger-poisoned",
            Self::Storage(_) => "ledger-storage",
            Self::At { source, .. } => source.code(),
        }
    }
    fn family(&self) -> Family {
        match self {
            Self::Storage(_) | Self::Poisoned | Self::HeadMoved | Self::Waiting { .. } => Family::Unavailable,
            Self::At { source, .. } => source.family(),
            _ => Family::Refused,
        }
    }
    fn remedy(&self) -> &'static str {
        match self {
            Self::At { source, .. } => source.remedy(),
            Self::Storage(_) => "check that the disk is writable and not full, then try again",
            Self::Poisoned => "open the log again: recovery completes or drops the unfinished batch",
            Self::HeadMoved => "stop this writer: another one owns the log",
            Self::ReadOnly { .. } => {
                "run the integrity check, restore the named file from a copy, and open the log again"
            }
            Self::Key { .. } => "generate a new key pair and enrol that",
            Self::Policy { .. } => "correct the trust policy file",
            Self::OtherTrust { .. } => {
                "ask whoever runs the store whether keys or witnesses changed, and for the new root"
            }
            Self::Waiting { .. } => {
                "see that the witnesses can be reached, then try again: what was logged is published once they sign"
            }
            Self::WitnessRefuses { .. } => {
                "stop writing: an old copy of this log was put back, or it was rewritten; compare it with what the witness saw"
            }
            Self::CannotSign { .. } => "give the key or the person that the trust policy names for this",
            Self::AlreadyLogged { .. } => "nothing to do: the entry is recorded",
            Self::Expired => "ask the reviewers to approve again",
            Self::Rejected => "make a new proposal",
            Self::Verdict => "change what the gate objected to and propose again",
            Self::Threshold { .. } => "ask further people who may sign",
            Self::Quorum | Self::Stale => "ask the witnesses for fresh cosignatures",
            Self::Rollback { .. } => "declare a rollback to an earlier version, or change the content",
            Self::Shrink { .. } | Self::Fork { .. } => "stop using this log and keep both checkpoints as evidence",
            Self::Commit { .. } | Self::Root => "do not serve this memory; restore it from a copy that verifies",
            _ => "do not use this evidence; fetch it again from where it was made",
        }
    }
}
