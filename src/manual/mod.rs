//! Pages to read, without code.
//!
//! For: people who decide whether to trust memgate. In: nothing. Out: nothing.
//! May touch: nothing.
//! Never: promises what no test shows.

pub mod decisions;
pub mod limits;
pub mod threats;
