//! One test binary, a module per topic: one link step.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "tests fail by panicking and use their own folders"
)]

mod architecture;
mod cli;
mod demo_data;
mod fuzz_replay;
mod ingest;
mod notes;
mod report;
mod detect;
mod ledger;
mod grade;

mod drift;
