//! Proposed text on its way to the gate.

use super::{Authority, Digest, MemoryPath, Origin, Span, Stage};

/// The whole proposed text of one memory, with where each part came from.
///
/// Shape: `claims` cover every note of `text`; a note without a claim has no source and is not
/// admissible (invariant I2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Where it would be stored.
    pub path: MemoryPath,
    /// The exact bytes that would be stored.
    pub text: String,
    /// Sources, span by span, ascending.
    pub claims: Vec<Claim>,
    /// The stage whose rules apply.
    pub stage: Stage,
}

/// The sources of one span of a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Byte range in the candidate's text.
    pub span: Span,
    /// What it was made from; never empty for an admissible note.
    pub origins: Vec<Origin>,
    /// The lowest authority among everything that contributed, transitively.
    pub authority: Authority,
}

impl Candidate {
    /// SHA-256 of the exact text.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.text)
    }
    /// The lowest authority of all claims that touch `span`; `External` when there is none.
    pub fn authority_of(&self, span: &Span) -> Authority {
        Authority::lowest(self.claims.iter().filter(|c| c.span.overlaps(span)).map(|c| c.authority))
    }
    /// Origins of all claims that touch `span`.
    pub fn origins_of<'a>(&'a self, span: &'a Span) -> impl Iterator<Item = &'a Origin> {
        self.claims.iter().filter(|c| c.span.overlaps(span)).flat_map(|c| &c.origins)
    }
}

impl AsRef<[u8]> for Candidate {
    /// The text's bytes: what `Untrusted` counts and digests.
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}
