//! Turns a store and sessions into a plan of operations with evidence.
//!
//! For: duplicates, contradictions, staleness, patterns (the dream).
//! In: a snapshot, sessions, marks of the scan, steering, a clock value. Out: [`Plan`].
//! May touch: `domain`, `notes`, `ingest`, `ledger`. No I/O: probes are passed in.
//! Never: writes its input, raises authority, settles what it cannot prove, drops an entry.
//!
//! Everything here is a pure function of [`Input`]. Later stages see which notes earlier ones
//! retired, but always decide on the original texts, so meaning cannot drift through repeated
//! passes. Held text takes part in nothing but its own quarantine.

mod apply;
mod build;
mod dates;
mod duplicates;
mod error;
mod frame;
mod gate;
mod input;
mod key;
mod patterns;
pub mod plan;
mod slots;
mod snapshot;
mod stale;
mod steering;
mod token;
mod words;
mod workspace;

pub use apply::Applied;
pub use error::ConsolidateError;
pub use input::{Input, Options};
pub use plan::{Disposition, Evidence, Marks, NoteRef, Operation, OperationKind, Output, OutputMemory, Plan, Tier};
pub use workspace::{GitFacts, Probe, Workspace};

/// Reads a store and sessions and suggests what to change, operation by operation.
///
/// Pure: no clock, no I/O, no randomness; the order of memories and sessions does not matter.
///
/// Cost: linear in the bytes of the input, times a logarithm; every pairwise comparison works on
/// buckets whose size is capped.
pub fn consolidate(input: &Input<'_>) -> Plan {
    let steering = steering::Steering::parse(input.steering, input.options);
    let snapshot = snapshot::Snapshot::of(input, &steering);
    let mut builder = build::Builder::new(input, &snapshot);
    duplicates::exact(&snapshot, &steering, &mut builder);
    duplicates::near(&snapshot, &steering, &mut builder);
    duplicates::subsume(&snapshot, &steering, &mut builder);
    slots::settle(&snapshot, &steering, input, &mut builder);
    stale::references(&snapshot, input, &mut builder);
    patterns::insights(&snapshot, input, &mut builder);
    builder.finish(steering.echo())
}
