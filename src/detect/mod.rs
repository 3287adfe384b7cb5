//! Views of a text, prefilter, patterns, coded detectors, within a budget.
//!
//! For: turns untrusted text into `Scanned`. In: `Untrusted` and a `RuleSet`. Out: `Scanned`.
//! May touch: `domain`, `notes`, `ruleset`.
//! Never: decides; never says that it read what it did not read.
