//! Views of a text, prefilter, patterns, coded detectors, within a budget.
//!
//! For: turns untrusted text into `Scanned`. In: `Untrusted` and a `RuleSet`. Out: `Scanned`.
//! May touch: `domain`, `notes`, `ruleset`.
//! Never: decides; never says that it read what it did not read.

pub mod beside;
pub mod budget;
pub mod check;
mod core;
mod decode;
mod detectors;
mod engine;
mod entities;
mod hidden;
pub mod kind;
mod markup;
mod near;
mod needs;
pub mod normalize;
pub mod provenance;
pub mod repeat;
pub mod scan;
pub mod set;
pub mod span;
mod views;

pub use budget::{Budget, Coverage, Limit};
pub use check::{ExampleFailure, ExampleProblem, check};
pub use provenance::{Cited, Ran, Sources, is_about_origin};
pub use scan::{Examined, NoteScan, Scanned, Scanner};
pub use set::{SetFinding, SetReport};
pub use span::SpanMap;
pub use views::{ViewText, views};
