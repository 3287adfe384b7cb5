//! Grades session outcomes against rubrics and watches the grades for drift.
//!
//! For: what a good outcome is, whether one was, and since which version outcomes got worse.
//! In: a rubric file's text, typed [`Artifacts`] of a finished session. Out: [`Grade`], [`drift::Alarm`].
//! May touch: `domain`, `ledger`. No I/O, no clock, no randomness, no model.
//! Never: edits anything, lets text in an artifact speak to the grader, turns an outage into a pass or a fail.

pub mod artifact;
pub mod drift;
pub mod error;
pub mod kinds;
pub mod rubric;
pub mod run;

mod decimal;
mod json;
mod ratio;
mod target;
mod yaml;

pub use artifact::Artifacts;
pub use error::GradeError;
pub use rubric::Rubric;
pub use run::{CriterionResult, Evidence, GateResult, Grade, GroupResult, Status, Verdict, grade};
