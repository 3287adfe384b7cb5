//! Policy, quarantine and review: the only way to yes.
//!
//! For: turns scanned text into a decision. In: `Scanned`, a policy, what people vouched for.
//! Out: [`Decision`], whose arms carry what comes next.
//! May touch: `domain`, `auth`, `detect`.
//! Never: lets a score or a model loosen anything; admits what was not fully scanned.

pub mod approved;
pub mod decide;
pub mod policy;
pub mod quarantine;
pub mod review;

pub use approved::Approved;
pub use decide::{Basis, Decision, HeldNote, Redaction, Split, Verdict, decide};
pub use policy::{Mode, Policy, PolicyError};
pub use quarantine::{HeldRecord, HeldState, Place};
pub use review::{Accepted, Adopted, Released, ReviewError};
