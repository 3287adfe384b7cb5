//! memgate: a memory firewall and auditor for AI agents.

pub mod auditor;
pub mod auth;
pub mod cli;
pub mod config;
pub mod consolidate;
pub mod detect;
pub mod domain;
pub mod firewall;
pub mod gate;
pub mod grade;
pub mod ingest;
pub mod ledger;
pub mod manual;
pub mod notes;
pub mod report;
pub mod ruleset;
pub mod store;
