//! `.tlog-proof` files: one entry's place in the log, checkable alone.

use std::fmt::Write as _;

use data_encoding::BASE64;

use super::checkpoint::{Age, Note, TlogPolicy, VerifiedCheckpoint};
use super::{LedgerError, tree};
use crate::domain::Digest;

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// An inclusion proof with the checkpoint it leads to. Nothing in it is verified until [`LogProof::verify`].
///
/// Shape: C2SP tlog-proof: header, `index <n>`, sibling hashes from leaf to root, blank line, checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogProof {
    index: u64,
    hashes: Vec<Digest>,
    checkpoint: String,
}

impl LogProof {
    /// From its parts.
    pub fn new(index: u64, hashes: Vec<Digest>, checkpoint: impl Into<String>) -> Self {
        Self { index, hashes, checkpoint: checkpoint.into() }
    }
    /// The entry's index.
    pub const fn index(&self) -> u64 {
        self.index
    }
    /// Reads a proof file.
    ///
    /// Errors: refused, [`LedgerError::Format`].
    pub fn parse(text: &str) -> Result<Self, LedgerError> {
        let refuse = |why| LedgerError::Format { what: "log proof", why };
        let (head, checkpoint) = text.split_once("\n\n").ok_or_else(|| refuse("no blank line"))?;
        let mut lines = head.split('\n');
        if lines.next() != Some(HEADER) {
            return Err(refuse("another header"));
        }
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).ok_or_else(|| refuse("no index"))?;
        let number: u64 = index.parse().map_err(|_| refuse("index is not a number"))?;
        if number.to_string() != index {
            return Err(refuse("index is not a plain decimal number"));
        }
        let hashes = parse_hashes(lines)?;
        Note::parse(checkpoint.as_bytes())?;
        Ok(Self { index: number, hashes, checkpoint: checkpoint.to_owned() })
    }
    /// The file's text.
    pub fn to_text(&self) -> String {
        let mut text = format!("{HEADER}\nindex {}\n", self.index);
        for hash in &self.hashes {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}", BASE64.encode(&hash.0));
        }
        text.push('\n');
        text.push_str(&self.checkpoint);
        text
    }
    /// Checks checkpoint and inclusion of an entry's bytes.
    ///
    /// Errors: refused, those of [`Note::verify`] and [`LedgerError::Proof`].
    pub fn verify(&self, entry: &[u8], policy: &TlogPolicy, age: Age) -> Result<VerifiedCheckpoint, LedgerError> {
        let checkpoint = Note::parse(self.checkpoint.as_bytes())?.verify(policy, age)?;
        let body = checkpoint.body();
        tree::verify_inclusion(self.index, body.size, &tree::leaf_hash(entry), &self.hashes, &body.root)?;
        Ok(checkpoint)
    }
}

/// A consistency proof file: one base64 hash a line.
pub fn consistency_text(proof: &[Digest]) -> String {
    proof.iter().map(|hash| BASE64.encode(&hash.0) + "\n").collect()
}

/// Reads a consistency proof file: one base64 hash a line.
///
/// Errors: refused, [`LedgerError::Format`].
pub fn parse_consistency(text: &str) -> Result<Vec<Digest>, LedgerError> {
    // Not `lines()`, which would let a carriage return pass.
    match text {
        "" => Ok(Vec::new()),
        text => parse_hashes(text.strip_suffix('\n').unwrap_or(text).split('\n')),
    }
}

fn parse_hashes<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Vec<Digest>, LedgerError> {
    let refuse = |why| LedgerError::Format { what: "log proof", why };
    let mut hashes = Vec::new();
    for line in lines {
        // A tree of 2^64 leaves needs 64 hashes, a consistency proof one more.
        if hashes.len() == 65 {
            return Err(refuse("too many hashes"));
        }
        let hash = BASE64.decode(line.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok()).map(Digest);
        hashes.push(hash.ok_or_else(|| refuse("a hash is not 32 bytes in base64"))?);
    }
    Ok(hashes)
}
