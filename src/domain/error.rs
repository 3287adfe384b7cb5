//! What every room's error can say of itself.

/// The three families of errors, never mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Bad input, bad signature, no grant: trying again changes nothing.
    Refused,
    /// Database, disk, time: trying again may work.
    Unavailable,
    /// Cannot happen; report it.
    Bug,
}

/// An error with a stable kebab-case code.
pub trait Coded: std::error::Error {
    /// The stable code, e.g. `ingest-bad-json`.
    fn code(&self) -> &'static str;
    /// The family.
    fn family(&self) -> Family;
    /// What the caller can do about it, one sentence.
    fn remedy(&self) -> &'static str;
}
