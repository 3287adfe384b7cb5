//! The after-the-fact path: verify everything, trust nothing but the trust policy.
//!
//! For: names every changed byte. In: a data folder. Out: [`AuditReport`].
//! May touch: everything that keeps or verifies records; clock and store are passed in.
//! Never: repairs, writes to what it looks at, or stops at the first problem when it can name more.
#![expect(clippy::disallowed_methods, reason = "the auditor reads the data folder")]

pub mod export;
pub mod stranger;
pub mod watch;

use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::config::Config;
use crate::domain::{Coded, Digest, Timestamp};
use crate::ledger::{self, Age, Trust, VerifiedLog};
use crate::store::{
    Access, DATABASE, DataFolder, Difference, SqliteStore, Store, StoreError, VersionState, evidence, journal,
};

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// True when nothing was wrong.
    pub good: bool,
    /// What was looked at, in numbers.
    pub detail: String,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Stable code; `E_…` for those of the signing format.
    pub code: String,
    /// The file, record or version. Untrusted: show it escaped.
    pub place: String,
    /// What is wrong. Untrusted: show it escaped.
    pub what: String,
}

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditReport {
    /// Everything that was looked at.
    pub checks: Vec<Check>,
    /// Everything that is wrong.
    pub problems: Vec<Problem>,
    /// Digest of the trust policy that was used.
    pub policy: Digest,
    /// Who else saw the log.
    pub witnesses: String,
    /// When.
    pub at: Timestamp,
}

impl AuditReport {
    /// True when nothing at all is wrong.
    pub const fn is_good(&self) -> bool {
        self.problems.is_empty()
    }

    fn check(&mut self, name: &'static str, before: usize, detail: String) {
        self.checks.push(Check { name, good: self.problems.len() == before, detail });
    }

    fn problem(&mut self, error: &(impl Coded + ?Sized), code: Option<&str>, place: impl Into<String>) {
        let mut what = error.to_string();
        let mut cause = error.source();
        while let Some(one) = cause {
            what = format!("{what}: {one}");
            cause = one.source();
        }
        self.problems.push(Problem { code: code.unwrap_or(error.code()).to_owned(), place: place.into(), what });
    }
}

/// Verifies a data folder offline: files against the seal, log, statements, versions, memories, quarantine,
/// raw inputs. `policy` is the digest of the trust policy the caller knows from elsewhere.
///
/// # Errors
/// Only when there is no data folder to look at, or another process is writing it; everything else is a
/// problem in the report.
pub fn verify(data: &Path, policy: Option<&str>, now: Timestamp) -> Result<AuditReport, StoreError> {
    let folder = DataFolder::open(data, Access::Read)?;
    let mut report = AuditReport {
        checks: Vec::new(),
        problems: Vec::new(),
        policy: Digest::of(fs::read(data.join("trust/policy.json")).unwrap_or_default()),
        witnesses: "unwitnessed: nobody else has seen this log".to_owned(),
        at: now,
    };
    let trust = match evidence::read_trust(data) {
        Ok(trust) => trust,
        Err(error) => {
            report.problem(&error, None, evidence::bad_trust_file(data));
            report.check("trust", 0, "the trust files do not load; nothing else can be verified".to_owned());
            return Ok(report);
        }
    };
    if let Some(known) = policy
        && (known.len() < 12 || !report.policy.hex().starts_with(known))
    {
        report.problems.push(Problem {
            code: "verify-other-policy".to_owned(),
            place: "trust/policy.json".to_owned(),
            what: format!("its digest is {}, not the one you know", report.policy),
        });
    }
    report.check("trust", 0, format!("{}, one purpose each", count(trust.policy().keys().count(), "key")));
    seal(&folder, &trust, &mut report)?;
    if let Err(error) = Config::load(data) {
        let before = report.problems.len();
        report.problem(&error, None, "memgate.toml or policy.toml");
        report.check("settings", before, "do not load".to_owned());
    }
    let store = SqliteStore::open_read(&data.join(DATABASE));
    let leaves = store.as_ref().ok().and_then(|store| evidence::leaves(store).ok()).unwrap_or_default();
    let intake = store.as_ref().ok().and_then(|store| store.intake().ok()).unwrap_or_default();
    let log = log(data, &trust, leaves, &intake, &mut report);
    match store {
        Ok(store) => database(&store, log.as_ref(), &mut report),
        Err(error) => {
            let before = report.problems.len();
            report.problem(&error, None, DATABASE);
            report.check("database", before, "cannot be opened".to_owned());
        }
    }
    Ok(report)
}

fn seal(folder: &DataFolder, trust: &Trust, report: &mut AuditReport) -> Result<(), StoreError> {
    let before = report.problems.len();
    let differences = folder.compare(|bytes| evidence::open_seal(trust, bytes))?;
    for difference in &differences {
        let (code, place) = match difference {
            Difference::Seal(_) => ("seal-bad", "seal".to_owned()),
            Difference::Changed(file) => ("seal-changed", file.clone()),
            Difference::Gone(file) => ("seal-gone", file.clone()),
            Difference::Added(file) => ("seal-added", file.clone()),
            Difference::Unfinished => ("seal-unfinished", "unsealed".to_owned()),
        };
        report.problems.push(Problem { code: code.to_owned(), place, what: difference.to_string() });
    }
    let files = folder.inventory()?.lines().count().saturating_sub(1);
    report.check("files", before, format!("{} against the signed seal", count(files, "file")));
    Ok(())
}

fn log(
    data: &Path,
    trust: &Trust,
    leaves: Vec<Vec<Digest>>,
    intake: &[Vec<u8>],
    report: &mut AuditReport,
) -> Option<VerifiedLog> {
    let before = report.problems.len();
    let folder = evidence::log_folder(data);
    match ledger::fsck(&folder, trust, leaves.clone()) {
        Ok(damage) => {
            for one in damage {
                report.problems.push(Problem {
                    code: "log-damaged".to_owned(),
                    // The writer's own files lie beside the public ones.
                    place: match one.file.as_str() {
                        "wal" | "head" => format!("ledger/state/{}", one.file),
                        public => format!("ledger/log/{public}"),
                    },
                    what: one.why.to_owned(),
                });
            }
        }
        Err(error) => report.problem(&error, error.vector_code(), "ledger/log"),
    }
    match ledger::read_log_with(&folder, trust, Age::Archive, leaves, intake) {
        Ok(log) => {
            if let Some(checkpoint) = log.checkpoint() {
                report.witnesses = checkpoint.seen_by();
            }
            let entries = usize::try_from(log.history().len()).unwrap_or(usize::MAX);
            let versions = log.history().versions().len();
            let detail = format!("{}, {}, one signed tree", count(entries, "entry"), count(versions, "version"));
            report.check("log", before, detail);
            Some(log)
        }
        Err(error) => {
            report.problem(&error, error.vector_code(), "ledger/log");
            report.check("log", before, "does not verify".to_owned());
            None
        }
    }
}

fn database(store: &SqliteStore, log: Option<&VerifiedLog>, report: &mut AuditReport) {
    let before = report.problems.len();
    match store.integrity() {
        Ok(problems) => {
            for what in problems {
                report.problems.push(Problem { code: "database-damaged".to_owned(), place: DATABASE.to_owned(), what });
            }
        }
        Err(error) => report.problem(&error, None, DATABASE),
    }
    report.check("database", before, "structure".to_owned());
    versions(store, log, report);
    rows(store, log, report);
    quarantine(store, log, report);
    let before = report.problems.len();
    let (number, bad) = match store.raw_digests() {
        Ok(digests) => {
            let bad: Vec<_> = digests.iter().filter_map(|d| store.raw(d).err().map(|e| (*d, e))).collect();
            (digests.len(), bad)
        }
        Err(error) => {
            report.problem(&error, None, "raw");
            (0, Vec::new())
        }
    };
    for (digest, error) in bad {
        report.problem(&error, None, format!("raw {}", digest.short()));
    }
    report.check("raw inputs", before, format!("{number} against their digests"));
}

fn rows(store: &SqliteStore, log: Option<&VerifiedLog>, report: &mut AuditReport) {
    let before = report.problems.len();
    let Some(log) = log else { return };
    let detail = match crate::store::rows::check(store, log) {
        Ok(checked) => {
            for (place, what) in checked.problems {
                report.problems.push(Problem {
                    code: "database-rows-changed".to_owned(),
                    place,
                    what: what.to_owned(),
                });
            }
            count(checked.rows, "memory version")
        }
        Err(error) => {
            report.problem(&error, None, "changes");
            "memory versions that do not all read back".to_owned()
        }
    };
    report.check("changes", before, format!("{detail} against the log"));
}

fn quarantine(store: &SqliteStore, log: Option<&VerifiedLog>, report: &mut AuditReport) {
    let before = report.problems.len();
    let detail = match store.all_held() {
        Ok(records) => count(records.len(), "item"),
        Err(error) => {
            report.problem(&error, None, "quarantine");
            "items that do not all read back".to_owned()
        }
    };
    // Without a log that verifies there is nothing to hold them against.
    let Some(log) = log else { return report.check("quarantine", before, detail) };
    let entries = match journal::check(store, log) {
        Ok(checked) => {
            for (place, what) in checked.problems {
                report.problems.push(Problem {
                    code: "quarantine-changed".to_owned(),
                    place: format!("quarantine {place}"),
                    what: what.to_owned(),
                });
            }
            count(checked.entries, "change")
        }
        Err(error) => {
            report.problem(&error, None, "quarantine");
            "changes that do not all read back".to_owned()
        }
    };
    report.check("quarantine", before, format!("{detail} and {entries} against the log"));
}

/// A number with its noun.
fn count(number: usize, one: &str) -> String {
    match (number, one.strip_suffix("ry")) {
        (1, _) => format!("1 {one}"),
        (_, Some(stem)) => format!("{number} {stem}ries"),
        (_, None) => format!("{number} {one}s"),
    }
}

fn versions(store: &SqliteStore, log: Option<&VerifiedLog>, report: &mut AuditReport) {
    let before = report.problems.len();
    let records = match store.versions() {
        Ok(records) => records,
        Err(error) => {
            report.problem(&error, None, "versions");
            report.check("versions", before, "do not read back".to_owned());
            return;
        }
    };
    let (mut memories, mut erased) = (0, 0);
    let gone = log.map(|log| log.history().erased()).unwrap_or_default();
    let logged: Vec<_> = records.iter().filter(|r| r.state == VersionState::Logged).collect();
    for record in &logged {
        let place = format!("version {}", record.sequence);
        let Some(log) = log else { continue };
        let logged = log.history().version(record.sequence);
        if logged.is_some_and(|version| version.common().action.name() != record.action) {
            report.problems.push(Problem {
                code: "E_BINDING".to_owned(),
                place: place.clone(),
                what: "the stored action is not the one in the log".to_owned(),
            });
        }
        let stored = match evidence::stored(store, record) {
            Ok(stored) => stored,
            Err(error) => {
                report.problem(&error, error.vector_code(), place);
                continue;
            }
        };
        match log.version(stored) {
            Ok(version) if *version.id() == record.statement => {
                memories += version.memories().len();
                erased += version.redacted();
                // An older database put back brings erased content with it.
                let is_back = |line: &ledger::Line| {
                    matches!(line, ledger::Line::Memory { .. }) && gone.contains(&line.leaf_hash())
                };
                if !gone.is_empty() && version.manifest().lines().iter().any(is_back) {
                    report.problems.push(Problem {
                        code: "E_REDACTION".to_owned(),
                        place,
                        what: "it holds a memory that was erased".to_owned(),
                    });
                }
            }
            Ok(_) => report.problems.push(Problem {
                code: "E_BINDING".to_owned(),
                place,
                what: "the stored statement id is not the one in the log".to_owned(),
            }),
            Err(error) => report.problem(&error, error.vector_code(), place),
        }
    }
    // A version of the log that the database lost is a loss, too.
    if let Some(log) = log {
        for version in log.history().versions() {
            let sequence = version.common().sequence;
            if !logged.iter().any(|record| record.sequence == sequence) {
                report.problems.push(Problem {
                    code: "E_MISSING".to_owned(),
                    place: format!("version {sequence}"),
                    what: "it is in the log but not in the database".to_owned(),
                });
            }
        }
    }
    let memories = self::count(memories, "memory");
    let mut detail = format!("{} with {memories} against their commitments", logged.len());
    if erased > 0 {
        detail.push_str(&format!(", {} erased and signed for", self::count(erased, "line")));
    }
    report.check("versions", before, detail);
}
