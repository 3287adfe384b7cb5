//! Text that policy or a reviewer let through.

use crate::domain::{Digest, MemoryPath};

/// One memory's exact bytes, approved to be signed once.
pub struct Approved {
    path: MemoryPath,
    text: String,
    provenance: String,
}

impl Approved {
    /// Where it will be stored.
    pub const fn path(&self) -> &MemoryPath {
        &self.path
    }
    /// The exact text.
    pub fn text(&self) -> &str {
        &self.text
    }
    /// The provenance record, canonical JSON.
    pub fn provenance(&self) -> &str {
        &self.provenance
    }
    /// SHA-256 of the text.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.text)
    }
    /// For unit tests of this crate only.
    #[cfg(test)]
    pub(crate) fn for_tests(path: &str, text: &str, provenance: &str) -> Self {
        Self {
            path: MemoryPath::parse(path).expect("a path"),
            text: text.to_owned(),
            provenance: provenance.to_owned(),
        }
    }
}
