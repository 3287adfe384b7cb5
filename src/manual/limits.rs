//! What is promised, and what is not.
//!
//! **Promised**
//! - Nothing that was not fully read, decoded and scanned counts as clean: coverage is partial, the exit code is 5,
//!   the gate holds.
//! - Governed kinds (directive, permission, destination, tool choice, identity) are never admitted without a person,
//!   whatever the rules say.
//! - Untrusted text reaches a terminal, page or file only through `report::show`.
//! - The same input, policy and ruleset give the same verdict and the same bytes, with or without a network.
//!
//! **Not promised**
//! - Rules see wording, not meaning. A paraphrase that no rule knows passes the rules; origin, kind and a reviewer
//!   are what is left then. Published attacks shaped as policy or preference pass filters of this kind.
//! - A signature proves who approved which bytes in which order. It does not prove that they are true.
//! - A transcript proves nothing about who spoke: names and times in it are claims.
//! - Right-to-left letters are shown as they are; a terminal may still reorder a line that mixes directions. Direction
//!   controls are always marks, and untrusted text has lines of its own.
//! - The visible form collapses long runs of invisible characters. `decode` and the digest are the exact answer.
//! - A reviewer who releases without reading defeats the review. Grading may notice afterwards; that is a measurement
//!   with an error rate, not a guarantee about one session.
//! - Someone who holds the keys and the data folder can rewrite both. Keep the public key and checkpoints elsewhere.
