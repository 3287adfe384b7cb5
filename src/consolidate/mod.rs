//! Turns a store and sessions into a plan of operations with evidence.
//!
//! For: duplicates, contradictions, staleness, patterns (the dream).
//! In: a snapshot, sessions, marks of the scan, steering, a clock value. Out: [`Plan`].
//! May touch: `domain`, `notes`, `ingest`, `ledger`. No I/O: probes are passed in.
//! Never: writes its input, raises authority, settles what it cannot prove, drops an entry.

pub mod plan;

pub use plan::{Disposition, Evidence, NoteRef, Operation, OperationKind, Output, OutputMemory, Plan, Tier};
