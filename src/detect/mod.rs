//! Views of a text, prefilter, patterns, coded detectors, within a budget.
//!
//! For: turns untrusted text into `Scanned`. In: `Untrusted` and a `RuleSet`. Out: `Scanned`.
//! May touch: `domain`, `notes`, `ruleset`.
//! Never: decides; never says that it read what it did not read.

pub mod beside;
pub mod budget;
pub mod check;
mod codes;
mod composite;
mod core;
mod decode;
mod detectors;
pub mod disguise;
mod engine;
mod entities;
mod escapes;
mod guess;
mod hidden;
mod inflate;
pub mod kind;
pub mod known;
mod markup;
pub mod model;
mod near;
pub mod normalize;
pub mod provenance;
pub mod repeat;
pub mod scan;
pub mod score;
pub mod set;
pub mod span;
mod triggers;
mod views;

pub use budget::{Budget, Coverage, Limit};
pub use check::{ExampleFailure, ExampleProblem, check};
pub use provenance::{Cited, Ran, Sources, is_about_origin};
pub use scan::{Examined, NoteScan, Scanned, Scanner};
pub use score::Levels;
pub use set::{SetFinding, SetReport};
pub use span::SpanMap;
pub use views::{ViewText, views};
