//! The words every room shares.
//!
//! For: ids, digests, times, text labels, authority, kinds, findings, candidates.
//! In: bytes and strings. Out: typed values.
//! May touch: nothing outside itself; no I/O, no clock, no randomness.
//! Never: decides, scans, signs or prints untrusted text.

pub mod candidate;
pub mod canonical;
pub mod digest;
pub mod error;
pub mod finding;
pub mod ids;
pub mod json;
pub mod kind;
pub mod path;
pub mod taxonomy;
pub mod text;
pub mod time;
pub mod trust;

pub use candidate::{Candidate, Claim};
pub use digest::Digest;
pub use error::{Coded, Family};
pub use finding::{Confidence, Finding, Severity, Stage, View};
pub use ids::{HoldId, PrincipalId, RuleId, SessionId, StoreName};
pub use kind::Kind;
pub use path::MemoryPath;
pub use text::{Span, Untrusted};
pub use time::Timestamp;
pub use trust::{Authority, Channel, Origin};
