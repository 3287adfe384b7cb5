//! gate

pub mod approved;
pub use approved::Approved;
