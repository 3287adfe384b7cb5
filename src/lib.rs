#![doc = include_str!("../README.md")]
//!
//! # The house
//!
//! One crate, a library and a binary. Rooms, lower ones first; a room names only rooms above it in this list, and a test holds
//! the arrows. Types carry the proofs: [`domain::Untrusted`] → [`detect::Scanned`] → [`gate::Approved`] →
//! [`ledger::SignedVersion`]; each is made in one place and cannot be copied, defaulted or read back from storage.
//!
//! | Room | What for |
//! |---|---|
//! | [`domain`] | shared words: ids, times, text with spans, authority, findings, canonical bytes |
//! | [`notes`] | a memory as notes and glue; printing gives back the exact bytes |
//! | [`ingest`] | transcripts and memory folders in known formats; origin and authority of every span |
//! | [`ruleset`] | rule packs, checked and compiled |
//! | [`detect`] | views of a text, rules and detectors over them, kinds of notes |
//! | [`auth`] | who may do what |
//! | [`gate`] | findings, authority and kind become a decision; the quarantine; review |
//! | [`consolidate`] | the dream: a plan of operations with evidence |
//! | [`ledger`] | keys, manifests, statements, the log, verification |
//! | [`grade`] | rubrics, grades, monitors, suspects |
//! | [`store`] | the data folder and its database |
//! | [`witness`] | signs that it saw another log, once |
//! | [`config`] | files and environment to checked values |
//! | [`report`] | the only way out for untrusted text |
//! | [`firewall`] | the live path, one function a verb |
//! | [`auditor`] | the path after the fact: verify everything |
//! | [`service`] | the wire's objects on top of the firewall: stores, memories, sessions, dreams as jobs |
//! | [`http`] | the server: axum handlers, errors, listeners |
//! | [`cli`] | commands, exit codes, pages for error codes |
//! | [`manual`] | limits, threats, decisions |

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
pub mod http;
pub mod ingest;
pub mod ledger;
pub mod manual;
pub mod notes;
pub mod report;
pub mod ruleset;
pub mod service;
pub mod store;
pub mod witness;
