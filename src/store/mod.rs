//! The data folder: one SQLite file, the log's tiles, the seal.
//!
//! For: keeps records. In: plain records. Out: plain records, never proofs.
//! May touch: `domain`, `gate`, `ledger`; the database and the data folder.
//! Never: decides; hands out anything that a verification has not to re-earn.
#![expect(clippy::disallowed_methods, reason = "the data folder is made of files")]

pub mod copy;
mod error;
pub mod evidence;
pub mod folder;
pub mod journal;
pub mod logdir;
pub mod records;
pub mod rows;
pub mod server;
pub mod sqlite;

pub use error::StoreError;
pub use evidence::DATABASE;
pub use folder::{Access, DataFolder, Difference};
pub use records::{ObjectRecord, Store, VersionRecord, VersionState};
pub use rows::{Actor, MemoryVersionRow, VersionOperation, VersionQuery};
pub use server::ServerDb;
pub use sqlite::SqliteStore;
