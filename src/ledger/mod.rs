//! Envelopes, manifests, signatures, the transparency log: what was approved, by whom, and that it is on record.
//!
//! For: signing approved memories into versions, logging them, verifying both from stored evidence.
//! In: `gate::Approved`, keys, evidence bytes. Out: `SignedVersion`, envelopes, checkpoints, proofs, errors with codes.
//! May touch: `domain`, `gate`; no I/O of its own, no clock, no randomness: storage is a trait, the rest is passed in.
//! Never: decides what is approved, gives out a version that is not logged, repairs what does not verify.

pub mod checkpoint;
pub mod cosign;
pub mod envelope;
pub mod error;
pub mod fork;
pub mod key;
pub mod manifest;
pub mod policy;
pub mod proof;
pub mod reader;
pub mod root;
#[doc(hidden)]
pub mod sample;
pub mod sign;
pub mod signed;
pub mod statement;
pub mod storage;
pub mod tree;
pub mod verify;
pub mod writer;

mod bundle;
mod intake;
mod test_keys;
#[cfg(test)]
mod tests;

pub use bundle::read_entries;
pub use checkpoint::{Age, Checkpoint, LogKey, Note, TlogPolicy, VKey, VerifiedCheckpoint};
pub use cosign::{AddCheckpoint, Asker, Refusal};
pub use envelope::Envelope;
pub use error::{LedgerError, StorageError};
pub use fork::ForkEvidence;
pub use intake::{Record, read_log_with};
pub use key::{KeyId, PublicKey, SigningKey, TestKeys};
pub use manifest::{Head, Label, Line, Manifest, Salt};
pub use policy::{Approvals, PolicyParts, Principal, Reach, Role, Trust, TrustPolicy};
pub use proof::LogProof;
pub use reader::{Damage, each_public_file, files_at, fsck, read_log};
pub use root::TrustRoot;
pub use sign::{Draft, KeySet, SignRequest, Signer};
pub use signed::{MemoryObject, SignedMemory, SignedVersion, StoredVersion};
pub use statement::{Action, Body, Common, Namespace, Statement};
pub use storage::LogStorage;
pub use verify::{History, Standing, VerifiedLog, VerifiedVersion, VersionRef, verify_history};
pub use writer::{LogWriter, OpenOptions, Receipt};
