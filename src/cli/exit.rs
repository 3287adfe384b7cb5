//! Exit codes: one table, one home. The code never depends on the output format.

use crate::domain::{Family, Severity};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done; nothing at or above the threshold.
    Done,
    /// Findings at or above the threshold.
    Findings,
    /// Findings, and the caller asked for one code per severity.
    Severity(Severity),
    /// Wrong usage.
    Usage,
    /// Nothing to examine.
    Nothing,
    /// Configuration, policy, rubric or rule pack refused.
    Config,
    /// Incomplete: some input could not be fully read, decoded or scanned, or a result could not be stored.
    /// Beats `Done` and `Findings`: an unfinished scan is not a pass.
    Incomplete,
    /// Verification failed.
    Verification,
    /// Not authorised, or the request was refused.
    Refused,
    /// Quality gate failed: grade below threshold, drift alarm.
    Quality,
    /// The grader could not decide. Never folded into `Done` or `Quality`.
    Inconclusive,
    /// Changed underneath you.
    Conflict,
    /// Internal error; a report file is named.
    Internal,
    /// Stopped from the terminal, cleanly.
    Interrupted,
    /// Stopped by the system, cleanly.
    Terminated,
}

/// Code, name and meaning of every exit code, in order.
pub(super) const TABLE: [(u8, &str); 19] = [
    (0, "done; nothing at or above the threshold"),
    (1, "findings at or above the threshold (--fail-on, default medium)"),
    (2, "wrong usage"),
    (3, "nothing to examine"),
    (4, "config, policy, rubric or rule pack refused"),
    (5, "incomplete: some input could not be fully read, decoded or scanned, or output could not be written"),
    (6, "verification failed (signature, chain, digest)"),
    (7, "not authorised, or the request was refused"),
    (8, "quality gate failed: grade below threshold, drift alarm"),
    (9, "inconclusive: the grader could not decide"),
    (10, "conflict: changed underneath you"),
    (11, "worst finding is info (only with --exit-codes severity)"),
    (12, "worst finding is low (only with --exit-codes severity)"),
    (13, "worst finding is medium (only with --exit-codes severity)"),
    (14, "worst finding is high (only with --exit-codes severity)"),
    (15, "worst finding is critical (only with --exit-codes severity)"),
    (70, "internal error; a report file is named"),
    (130, "interrupted, after a clean stop"),
    (143, "terminated, after a clean stop"),
];

/// What an exit code means.
pub(super) fn meaning(code: u8) -> &'static str {
    TABLE.iter().find(|(one, _)| *one == code).map_or("not in the table", |(_, meaning)| meaning)
}

impl Exit {
    /// The number. `exit_zero` turns findings and failed quality gates into 0, and nothing else: an
    /// unfinished scan, a refusal or an error stays what it is.
    pub const fn code(self, exit_zero: bool) -> u8 {
        match self {
            Self::Done => 0,
            Self::Findings | Self::Severity(_) | Self::Quality if exit_zero => 0,
            Self::Findings => 1,
            Self::Usage => 2,
            Self::Nothing => 3,
            Self::Config => 4,
            Self::Incomplete => 5,
            Self::Verification => 6,
            Self::Refused => 7,
            Self::Quality => 8,
            Self::Inconclusive => 9,
            Self::Conflict => 10,
            Self::Severity(Severity::Info) => 11,
            Self::Severity(Severity::Low) => 12,
            Self::Severity(Severity::Medium) => 13,
            Self::Severity(Severity::High) => 14,
            Self::Severity(Severity::Critical) => 15,
            Self::Internal => 70,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// The exit for a room's error, from its code: the longest listed beginning wins.
    ///
    /// A bug is always [`Exit::Internal`]. What no line names is incomplete when trying again may help, and refused
    /// otherwise. The pages of [`super::codes`] state the same numbers; a test compares them.
    pub fn of_error(code: &str, family: Family) -> Self {
        if family == Family::Bug {
            return Self::Internal;
        }
        let other = if family == Family::Unavailable { Self::Incomplete } else { Self::Refused };
        OF_CODES
            .iter()
            .filter(|(beginning, _)| code.starts_with(beginning))
            .max_by_key(|(beginning, _)| beginning.len())
            .map_or(other, |(_, exit)| *exit)
    }
}

/// Beginnings of error codes and how a command ends that returns one.
const OF_CODES: &[(&str, Exit)] = &[
    // Nothing there to work on.
    ("firewall-no-version", Exit::Nothing),
    ("store-missing", Exit::Nothing),
    ("witness-missing", Exit::Nothing),
    // The request itself is wrong: a name, an id, a missing flag.
    ("consolidate-no-such-operation", Exit::Usage),
    ("firewall-many-items", Exit::Usage),
    ("firewall-name", Exit::Usage),
    ("firewall-no-item", Exit::Usage),
    ("firewall-note-required", Exit::Usage),
    ("firewall-output-exists", Exit::Usage),
    ("firewall-unknown-version", Exit::Usage),
    ("review-reason", Exit::Usage),
    ("store-exists", Exit::Usage),
    // Configuration, policy, rubric, rule pack.
    ("config-", Exit::Config),
    ("detect-example-", Exit::Config),
    ("gate-policy-", Exit::Config),
    ("grade-", Exit::Config),
    ("policy-", Exit::Config),
    ("ruleset-", Exit::Config),
    // Stopped from outside: the code of SIGINT; the command line knows when it was SIGTERM.
    ("firewall-stopped", Exit::Interrupted),
    // Input that was not read whole, output that was not written.
    ("audit-unreachable", Exit::Incomplete),
    ("firewall-random", Exit::Incomplete),
    ("firewall-workspace", Exit::Incomplete),
    ("grade-bad-artifacts", Exit::Incomplete),
    ("ingest-", Exit::Incomplete),
    ("ledger-poisoned", Exit::Incomplete),
    ("ledger-storage", Exit::Incomplete),
    ("ledger-waiting", Exit::Incomplete),
    ("store-", Exit::Incomplete),
    // What a server's operation answers.
    ("service-", Exit::Refused),
    ("service-key-running", Exit::Incomplete),
    ("service-limited", Exit::Incomplete),
    ("service-unavailable", Exit::Incomplete),
    // Evidence that does not verify.
    ("E_", Exit::Verification),
    ("database-damaged", Exit::Verification),
    ("database-rows-changed", Exit::Verification),
    ("grade-bad-state", Exit::Verification),
    ("grade-state-mismatch", Exit::Verification),
    ("ledger-", Exit::Verification),
    ("log-damaged", Exit::Verification),
    ("quarantine-changed", Exit::Verification),
    ("review-tampered", Exit::Verification),
    ("seal-", Exit::Verification),
    ("store-changed", Exit::Verification),
    ("store-damaged", Exit::Verification),
    ("verify-", Exit::Verification),
    ("witness-damaged", Exit::Verification),
    // Not allowed, or refused.
    ("auth-", Exit::Refused),
    ("consolidate-", Exit::Refused),
    ("firewall-", Exit::Refused),
    ("ledger-cannot-sign", Exit::Refused),
    ("notes-", Exit::Refused),
    ("review-", Exit::Refused),
    // The grader has too little to go by.
    ("grade-bad-anchor", Exit::Inconclusive),
    // Changed underneath you.
    ("consolidate-base-changed", Exit::Conflict),
    ("firewall-new-findings", Exit::Conflict),
    ("ledger-already-logged", Exit::Conflict),
    ("ledger-head-moved", Exit::Conflict),
    ("review-expired", Exit::Conflict),
    ("review-not-open", Exit::Conflict),
    ("review-other-bytes", Exit::Conflict),
    ("store-busy", Exit::Conflict),
    ("witness-busy", Exit::Conflict),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_in_the_table_once() {
        let all = [
            Exit::Done,
            Exit::Findings,
            Exit::Usage,
            Exit::Nothing,
            Exit::Config,
            Exit::Incomplete,
            Exit::Verification,
            Exit::Refused,
            Exit::Quality,
            Exit::Inconclusive,
            Exit::Conflict,
            Exit::Severity(Severity::Info),
            Exit::Severity(Severity::Low),
            Exit::Severity(Severity::Medium),
            Exit::Severity(Severity::High),
            Exit::Severity(Severity::Critical),
            Exit::Internal,
            Exit::Interrupted,
            Exit::Terminated,
        ];
        let codes: Vec<u8> = all.iter().map(|exit| exit.code(false)).collect();
        assert_eq!(codes, TABLE.map(|(code, _)| code));
    }

    #[test]
    fn exit_zero_never_hides_an_unfinished_scan_or_an_error() {
        assert_eq!(Exit::Findings.code(true), 0);
        assert_eq!(Exit::Severity(Severity::Critical).code(true), 0);
        assert_eq!(Exit::Incomplete.code(true), 5);
        assert_eq!(Exit::Verification.code(true), 6);
        assert_eq!(Exit::Inconclusive.code(true), 9);
    }

    #[test]
    fn no_beginning_is_listed_twice() {
        let mut all: Vec<&str> = OF_CODES.iter().map(|(beginning, _)| *beginning).collect();
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn what_no_line_names_is_not_a_success() {
        assert_eq!(Exit::of_error("unheard-of", Family::Refused), Exit::Refused);
        assert_eq!(Exit::of_error("unheard-of", Family::Unavailable), Exit::Incomplete);
    }

    #[test]
    fn the_longest_prefix_wins() {
        assert_eq!(Exit::of_error("gate-policy-unknown-key", Family::Refused), Exit::Config);
        assert_eq!(Exit::of_error("review-same-person", Family::Refused), Exit::Refused);
        assert_eq!(Exit::of_error("ledger-bad-signature", Family::Refused), Exit::Verification);
        assert_eq!(Exit::of_error("store-disk", Family::Unavailable), Exit::Incomplete);
        assert_eq!(Exit::of_error("store-busy", Family::Unavailable), Exit::Conflict);
        assert_eq!(Exit::of_error("ledger-anything", Family::Bug), Exit::Internal);
    }
}
