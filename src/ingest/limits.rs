//! How much of anything one input may hold. Source: own design, from the largest transcripts
//! people keep and what fits in memory several times over.

/// Bytes of one input.
pub const MAX_INPUT_BYTES: usize = 256 << 20;
/// Bytes of one line of a JSONL input.
pub const MAX_LINE_BYTES: usize = 64 << 20;
/// Nesting of JSON values; the same as `serde_json`'s.
pub const MAX_DEPTH: usize = 127;
/// JSON values in one document or line.
pub const MAX_VALUES: usize = 4_000_000;
/// Sessions in one input.
pub const MAX_SESSIONS: usize = 10_000;
/// Bytes of one memory. Source: the store API.
pub const MAX_MEMORY_BYTES: usize = 102_400;
/// Errors reported for one input; the first ones.
pub const MAX_ERRORS: usize = 20;
