//! One function per fuzz target, over the public API only.
//!
//! Every body takes the raw input, rejects what is dull early, and panics where a property breaks. The same functions
//! run as fuzz targets (`fuzz_targets/`) and, on the committed seeds and regressions, under `cargo test`
//! (`tests/fuzz_replay.rs`), so a fixed crash stays fixed on a stable compiler.
//!
//! Inputs are plain text where they can be: `notes`, `show`, `normalize`, `ruleset_yaml` and `ingest` take the text
//! itself, `rules` and `classifier` as well; `scan`, `views`, `envelope`, `journey` and `log` take a few lines that a person can read and write (see the README).
#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    reason = "each fuzz target includes all bodies and uses one; a broken property panics"
)]

pub mod classifier;
pub mod envelope;
pub mod ingest;
pub mod journey;
pub mod log;
pub mod normalize;
pub mod notes;
pub mod rules;
pub mod ruleset_yaml;
pub mod scan;
pub mod show;
pub mod views;

/// A fuzz target's name and its body.
pub type Target = (&'static str, fn(&[u8]));

/// All targets, by name.
pub const TARGETS: &[Target] = &[
    ("classifier", classifier::body),
    ("envelope", envelope::body),
    ("ingest", ingest::body),
    ("journey", journey::body),
    ("log", log::body),
    ("normalize", normalize::body),
    ("notes", notes::body),
    ("rules", rules::body),
    ("ruleset_yaml", ruleset_yaml::body),
    ("scan", scan::body),
    ("show", show::body),
    ("views", views::body),
];

/// The text of an input, or nothing when it is not UTF-8 or longer than a memory may be.
pub fn text(data: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(data).ok()?;
    (text.len() <= 102_400).then_some(text)
}
