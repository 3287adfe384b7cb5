//! What a stranger needs to check a store's log, and where a decision stands in it.

use std::collections::BTreeMap;

use data_encoding::BASE64;

use crate::domain::Digest;
use crate::ledger::reader::read_log_entries;
use crate::ledger::{Body, LogStorage as _};
use crate::store::{Store as _, evidence, journal};

use super::{DecisionRecord, Firewall, FirewallError};

/// Entries of one bundle of the log.
const BUNDLE: u64 = 256;

/// A decision with its evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenDecision {
    /// Its number among the changes of the quarantine.
    pub number: String,
    /// The decision.
    pub record: DecisionRecord,
    /// Digest of the change that it led to: what the log names.
    pub evidence: Digest,
    /// Where the log names it.
    pub log_index: Option<u64>,
}

impl Firewall {
    /// Number of entries of the log.
    ///
    /// # Errors
    /// Refused for a log that stopped.
    pub fn log_size(&self) -> Result<u64, FirewallError> {
        Ok(self.vault.log()?.history().len())
    }

    /// Whoever reads the log finds in its files what its checkpoint says.
    fn follow(&mut self) -> Result<(), FirewallError> {
        if self.is_behind() { self.lay_out() } else { Ok(()) }
    }

    /// The last checkpoint: a signed note; empty while the log is.
    ///
    /// # Errors
    /// As [`Firewall::log_size`].
    pub fn log_checkpoint(&mut self) -> Result<String, FirewallError> {
        self.follow()?;
        Ok(self.vault.log()?.note().to_owned())
    }

    /// The proof that an entry is in the log of the last checkpoint, as a file. `None` beyond its end.
    ///
    /// # Errors
    /// As [`Firewall::log_size`].
    pub fn log_proof(&self, index: u64) -> Result<Option<String>, FirewallError> {
        Ok(self.vault.log()?.proof(index).map(|proof| proof.to_text()))
    }

    /// The hashes that prove that the log of the last checkpoint continues its first `old` entries.
    ///
    /// # Errors
    /// As [`Firewall::log_size`].
    pub fn log_consistency(&self, old: u64) -> Result<Option<Vec<String>>, FirewallError> {
        let hashes = self.vault.log()?.consistency_proof(old);
        Ok(hashes.map(|hashes| hashes.iter().map(|hash| BASE64.encode(&hash.0)).collect()))
    }

    /// The exact bytes of an entry. `None` beyond the end.
    ///
    /// # Errors
    /// Refused when the files do not hold what they should.
    pub fn log_entry(&mut self, index: u64) -> Result<Option<Vec<u8>>, FirewallError> {
        self.follow()?;
        let size = self.log_size()?;
        if index >= size {
            return Ok(None);
        }
        let start = index - index % BUNDLE;
        let folder = evidence::log_folder(self.folder.root());
        let entries = read_log_entries(&folder, start, size.min(start + BUNDLE))?;
        Ok(usize::try_from(index - start).ok().and_then(|at| entries.into_iter().nth(at)))
    }

    /// A tile or a bundle of entries by its path in the log. `None` for what is neither, or is not there.
    ///
    /// # Errors
    /// Unavailable disk.
    pub fn log_file(&mut self, path: &str) -> Result<Option<Vec<u8>>, FirewallError> {
        // Digits, `x`, `.p` and slashes below `tile/` spell nothing else.
        let lawful = path.strip_prefix("tile/").is_some_and(|rest| {
            let part = |part: &str| {
                let digits = part.strip_prefix('x').unwrap_or(part);
                let digits = digits.strip_suffix(".p").unwrap_or(digits);
                part == "entries" || ((1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()))
            };
            path.len() <= 64 && rest.split('/').all(part)
        });
        if !lawful {
            return Ok(None);
        }
        self.follow()?;
        Ok(evidence::log_folder(self.folder.root()).read(path).map_err(crate::ledger::LedgerError::from)?)
    }

    /// All decisions with their evidence, oldest first.
    ///
    /// # Errors
    /// Unavailable store, damaged records.
    pub fn proven_decisions(&self) -> Result<Vec<ProvenDecision>, FirewallError> {
        let log = self.vault.log()?.history();
        let mut places: BTreeMap<Digest, u64> = BTreeMap::new();
        for index in 0..log.len() {
            if let Some(Body::AuditEvent(event)) = log.statement(index).map(|statement| &statement.body) {
                places.entry(event.digest).or_insert(index);
            }
        }
        let entries: BTreeMap<String, String> = self.store.documents(journal::ENTRIES)?.into_iter().collect();
        let decisions = self.store.documents(journal::DECISIONS)?.into_iter();
        decisions
            .map(|(number, body)| {
                let record = serde_json::from_str(&body).map_err(FirewallError::encode)?;
                let evidence = Digest::of(entries.get(&number).map_or("", String::as_str));
                Ok(ProvenDecision { number, record, evidence, log_index: places.get(&evidence).copied() })
            })
            .collect()
    }
}
