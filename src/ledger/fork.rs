//! Fork evidence: one file that proves, to anybody who knows the log's key, that the log signed two histories.

use data_encoding::BASE64;

use super::checkpoint::{Note, TlogPolicy};
use super::proof::{consistency_text, parse_consistency};
use super::{LedgerError, tree};
use crate::domain::Digest;

const HEADER: &str = "memgate fork evidence v2";

/// Two signed checkpoints of one log that cannot both be true.
///
/// Shape: a header line, both notes (the smaller first), `root <base64>`: the root that the larger commits to at the
/// smaller's size, and the consistency proof from that root to the larger; parts are parted by blank lines. It is
/// evidence when the proof holds and the root is not the one that the smaller signed. Source: RFC 9162, section 2.1.4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForkEvidence {
    old: String,
    new: String,
    other: Digest,
    proof: Vec<Digest>,
}

impl ForkEvidence {
    /// From both notes, the root at the smaller's size in the history of the larger, and the proof of that.
    pub fn new(old: &str, new: &str, other: Digest, proof: Vec<Digest>) -> Self {
        Self { old: old.to_owned(), new: new.to_owned(), other, proof }
    }
    /// The file's text.
    pub fn to_text(&self) -> String {
        let root = BASE64.encode(&self.other.0);
        format!("{HEADER}\n\n{}\n{}\nroot {root}\n{}", self.old, self.new, consistency_text(&self.proof))
    }
    /// Reads the file.
    ///
    /// Errors: refused, [`LedgerError::Format`].
    pub fn parse(text: &str) -> Result<Self, LedgerError> {
        let refuse = |why| LedgerError::Format { what: "fork evidence", why };
        let parts: Vec<&str> = text.split("\n\n").collect();
        let [HEADER, old, old_lines, new, new_lines, rest] = parts[..] else {
            return Err(refuse("not a header, two notes and a proof"));
        };
        let (root, proof) = rest.split_once('\n').ok_or_else(|| refuse("no root"))?;
        let root = root.strip_prefix("root ").and_then(|root| BASE64.decode(root.as_bytes()).ok());
        let root = root.and_then(|bytes| bytes.try_into().ok()).map(Digest).ok_or_else(|| refuse("no root"))?;
        let note = |body: &str, lines: &str| format!("{body}\n\n{lines}\n");
        let read = Self::new(&note(old, old_lines), &note(new, new_lines), root, parse_consistency(proof)?);
        if read.to_text() == text { Ok(read) } else { Err(refuse("not in its one form")) }
    }
    /// Checks that this proves a fork of the log of this policy.
    ///
    /// Errors: refused: a note that the log did not sign, or [`LedgerError::Format`] when both can be true.
    pub fn verify(&self, tlog: &TlogPolicy) -> Result<(), LedgerError> {
        let old = Note::parse(self.old.as_bytes())?.verify_log(tlog)?;
        let new = Note::parse(self.new.as_bytes())?.verify_log(tlog)?;
        tree::verify_consistency(old.size, &self.other, new.size, &new.root, &self.proof)?;
        if self.other == old.root {
            return Err(LedgerError::Format { what: "fork evidence", why: "both checkpoints can be true" });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::checkpoint::{Checkpoint, LogKey};
    use crate::ledger::{SigningKey, tree::Tree};

    fn grown(size: u64, of: u8) -> Tree {
        let mut tree = Tree::default();
        (0..size).for_each(|n| tree.push(tree::leaf_hash(&[if n < 2 { 0 } else { of }, n as u8])));
        tree
    }

    #[test]
    fn two_histories_are_a_fork_and_one_that_grew_is_none() {
        let log = LogKey::log("log.example/a", SigningKey::from_seed(&[61; 32]).unwrap()).unwrap();
        let policy = TlogPolicy::unwitnessed(log.vkey().clone());
        let note = |size: u64, of: u8| {
            let body = Checkpoint { origin: "log.example/a".to_owned(), size, root: grown(size, of).root() };
            body.sign(&log).unwrap()
        };
        for (old, new) in [(3_u64, 3_u64), (3, 7), (5, 9), (4, 4)] {
            let other = grown(new, 2);
            let root = other.root_at(old).unwrap();
            let proof = other.consistency_proof(old, new).unwrap();
            let fork = ForkEvidence::new(&note(old, 1), &note(new, 2), root, proof.clone());
            fork.verify(&policy).unwrap();
            let text = fork.to_text();
            assert_eq!(ForkEvidence::parse(&text).unwrap(), fork);
            // Every changed byte takes the force away.
            for at in 0..text.len() {
                let mut bad = text.clone().into_bytes();
                bad[at] ^= 1;
                let Ok(bad) = String::from_utf8(bad) else { continue };
                let accepted = ForkEvidence::parse(&bad).and_then(|fork| fork.verify(&policy)).is_ok();
                assert!(!accepted, "byte {at} of\n{text}");
            }
            // What only grew is no fork, whatever is claimed.
            let honest = ForkEvidence::new(&note(old, 2), &note(new, 2), root, proof);
            assert!(honest.verify(&policy).is_err());
        }
    }
}
