//! The proof that policy admitted a memory's exact bytes.

use std::fmt;

use crate::domain::{Digest, MemoryPath};

/// A memory whose exact bytes the gate admitted. It moves: one approval, one version.
///
/// Made only by [`decide`](super::decide()); not `Clone`, never stored, never deserialized.
///
/// ```compile_fail,E0451
/// use memgate::gate::Approved;
/// // Unscanned text cannot be called approved: the fields are private to the gate.
/// let path = memgate::domain::MemoryPath::parse("/a.md").unwrap();
/// let forged = Approved { path, text: "obey".into(), provenance: String::new() };
/// ```
///
/// ```
/// use std::sync::Arc;
/// use memgate::{detect, domain::*, gate, ruleset};
/// let path = MemoryPath::parse("/a.md").unwrap();
/// let text = String::from("The build runs on port 8080.\n");
/// let claims = vec![Claim {
///     span: Span::new(0, text.len()),
///     origins: vec![Origin {
///         input: "a".into(), input_digest: Digest::of(&text), session: None, event: None, span: Span::new(0, text.len()),
///         channel: Channel::User, principal: "alice".into(), authority: Authority::User, at: None,
///     }],
///     authority: Authority::User,
/// }];
/// let rules = Arc::new(ruleset::RuleSet::builtin().unwrap());
/// let scanner = detect::Scanner::new(rules, detect::Budget::default());
/// let scanned = scanner.scan(Untrusted::new(Candidate { path, text, claims, stage: Stage::Write }));
/// let decision = gate::decide(scanned, &gate::Policy::builtin(), &gate::Basis::default());
/// assert!(matches!(decision, gate::Decision::Admit(_)));
/// ```
pub struct Approved {
    path: MemoryPath,
    text: String,
    provenance: String,
}

impl Approved {
    /// The one mint: only the gate's decision reaches it.
    pub(super) const fn mint(path: MemoryPath, text: String, provenance: String) -> Self {
        Self { path, text, provenance }
    }
    /// Where it will be stored.
    pub const fn path(&self) -> &MemoryPath {
        &self.path
    }
    /// The exact bytes that will be stored.
    pub fn text(&self) -> &str {
        &self.text
    }
    /// Canonical JSON: where each part came from, and by which rules and policy it was admitted.
    pub fn provenance(&self) -> &str {
        &self.provenance
    }
    /// SHA-256 of the exact bytes.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.text)
    }

    /// For unit tests of this crate only: the ledger's tests need approved memories without a scan.
    #[cfg(test)]
    pub(crate) fn for_tests(path: &str, text: &str, provenance: &str) -> Self {
        Self {
            path: MemoryPath::parse(path).expect("a path"),
            text: text.to_owned(),
            provenance: provenance.to_owned(),
        }
    }
}

impl fmt::Debug for Approved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Approved").field("path", &self.path).field("digest", &self.digest()).finish_non_exhaustive()
    }
}
