//! The single home of signature and chain checks: entries in log order, versions, evidence.

mod history;
mod log;

pub use history::{History, Standing, VerifiedVersion, VersionRef, verify_history};
pub use log::VerifiedLog;
