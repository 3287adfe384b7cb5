//! One test binary, a module per topic: one link step.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "tests fail by panicking and use their own folders"
)]
mod architecture;
mod bad_input;
mod benign;
mod classifier;
mod cli;
mod codes;
mod common;
mod console;
mod consolidate;
mod demo_data;
mod detect;
mod disguises;
mod drift;
mod evidence;
mod fuzz_replay;
mod gate;
mod grade;
mod ingest;
mod invariants;
mod journey;
mod keys;
mod kinds;
mod ledger;
mod ledger_faults;
mod levels;
mod live;
mod notes;
mod provenance;
mod readme;
mod report;
mod rules;
mod server;
mod server_hurt;
mod server_kill;
mod server_ops;
mod sets;
mod stop;
mod store_contract;
mod threat_cases;
mod threats;
mod watch;
mod witness;
