//! What the log needs from a disk, as a trait filled in above this room.

use super::error::StorageError;

/// Durable storage of one log. Each call that returns `Ok` has reached the disk.
///
/// Paths are relative, e.g. `tile/0/000.p/5`.
pub trait LogStorage {
    /// The whole write-ahead file; empty when there is none.
    fn read_wal(&self) -> Result<Vec<u8>, StorageError>;
    /// Appends to the write-ahead file and syncs it.
    fn append_wal(&mut self, record: &[u8]) -> Result<(), StorageError>;
    /// Empties the write-ahead file.
    fn clear_wal(&mut self) -> Result<(), StorageError>;
    /// A file's bytes; `None` when there is none.
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StorageError>;
    /// Writes an immutable file. The same bytes again are fine; other bytes at an existing path are an error.
    fn write_new(&mut self, path: &str, bytes: &[u8]) -> Result<(), StorageError>;
    /// Removes a partial tile that a full one has replaced; nothing happens when it is not there.
    fn remove_partial(&mut self, path: &str) -> Result<(), StorageError>;
    /// All tile and entry files, ascending.
    fn list(&self) -> Result<Vec<String>, StorageError>;
    /// The head record: the last checkpoint this writer signed.
    fn head(&self) -> Result<Option<Vec<u8>>, StorageError>;
    /// Replaces the head record if it still is `expected`; false when it is not.
    fn swap_head(&mut self, expected: Option<&[u8]>, new: &[u8]) -> Result<bool, StorageError>;
    /// Replaces the public checkpoint by renaming.
    fn publish(&mut self, checkpoint: &[u8]) -> Result<(), StorageError>;
    /// The public checkpoint.
    fn published(&self) -> Result<Option<Vec<u8>>, StorageError>;
}
