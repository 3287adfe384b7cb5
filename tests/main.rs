//! One test binary, a module per topic: one link step.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "tests fail by panicking and use their own folders"
)]
mod store_contract;

mod ingest;
mod notes;

mod architecture;
mod cli;
mod detect;
mod report;

mod grade;

mod demo_data;
mod architecture;
mod cli;
mod demo_data;
mod detect;
mod drift;
mod fuzz_replay;
mod grade;
mod ingest;
mod ledger;
mod notes;
mod report;
mod consolidate;

mod ledger;
mod ledger_faults;
