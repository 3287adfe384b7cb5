//! The policy file: TOML, every key checked.

use serde::{Deserialize, Serialize};

use crate::detect::Levels;
use crate::domain::{Coded, Confidence, Digest, Family, Finding, Kind, Severity};

/// The documented default, shipped inside the binary.
pub const DEFAULT_POLICY: &str = include_str!("default_policy.toml");

/// What the gate does with its decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Decisions take effect.
    Enforce,
    /// Decisions are recorded; everything is let through, marked as such.
    Observe,
}

/// A checked policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Format version, 1.
    pub version: u32,
    /// Enforce or observe.
    pub mode: Mode,
    /// Which rules run and which of them may hold.
    pub detect: DetectPolicy,
    /// When findings hold a note.
    pub hold: HoldPolicy,
    /// What is masked instead of held.
    pub redact: RedactPolicy,
    /// What is turned away without a place in the quarantine.
    pub refuse: RefusePolicy,
    /// Which proposals of a dream are accepted without asking.
    pub accept: AcceptPolicy,
    /// Deadlines and second people.
    pub quarantine: QuarantinePolicy,
    /// What is kept as evidence.
    pub evidence: EvidencePolicy,
}

/// Which rules run and which of them may hold, by paranoia level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectPolicy {
    /// Findings of rules up to this level hold, mask and refuse.
    pub paranoia: u8,
    /// Rules up to this level run and are told of. At least `paranoia`.
    pub detection_paranoia: u8,
}

/// When findings hold a note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldPolicy {
    /// A finding of at least this severity and `confidence` holds alone. At most `critical`.
    pub severity: Severity,
    /// See `severity`. Critical findings hold at any confidence.
    pub confidence: Confidence,
    /// So many different rules at medium severity hold together; 0 switches this off.
    pub medium_rules: u32,
}

/// What is masked instead of held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedactPolicy {
    /// Prefixes of rule ids whose matched span is masked.
    pub rules: Vec<String>,
}

/// What is turned away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusePolicy {
    /// Prefixes of rule ids whose notes are refused.
    pub rules: Vec<String>,
    /// A memory longer than this is refused, bytes. At most 102,400.
    pub memory_bytes: usize,
}

/// Whether proposals of one sort are accepted without asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accept {
    /// The owner decides.
    Ask,
    /// Accepted by the policy. Never covers the quarantine or a governed kind.
    Auto,
}

/// Which proposals of a dream are accepted without asking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcceptPolicy {
    /// Near merges behind the difference gate.
    pub merge_near: Accept,
    /// Subsumptions.
    pub subsume: Accept,
    /// Supersessions.
    pub supersede: Accept,
    /// Repairs of moved references.
    pub repair: Accept,
    /// Quarantine of stale references.
    pub quarantine: Accept,
    /// Expiries.
    pub expire: Accept,
    /// Insights. Held to `design` rules even when `auto`.
    pub insight: Accept,
}

/// Deadlines and second people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuarantinePolicy {
    /// Hours until a held item of each severity expires to no.
    pub deadline_hours: DeadlineHours,
    /// Kinds whose release needs two different reviewers.
    pub four_eyes: Vec<Kind>,
    /// Findings of at least this severity need two different reviewers.
    pub four_eyes_severity: Severity,
}

/// Hours per severity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadlineHours {
    /// Critical.
    pub critical: u32,
    /// High.
    pub high: u32,
    /// Medium.
    pub medium: u32,
    /// Low and info.
    pub low: u32,
}

/// What is kept as evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidencePolicy {
    /// Keep raw transcripts and memory files by digest in the data folder.
    pub keep_raw: bool,
}

/// Why a policy is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Not TOML, an unknown or missing key, or a wrong type. The message has line and column.
    #[error("policy does not parse: {message}")]
    Parse {
        /// Position, what, and the known keys.
        message: String,
    },
    /// A version this program does not know.
    #[error("policy version {found} is not 1")]
    Version {
        /// What the file says.
        found: u32,
    },
    /// A value outside its bounds: the file would loosen what a policy may not loosen.
    #[error("{key}: {problem}")]
    Bounds {
        /// The key.
        key: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
}

impl Coded for PolicyError {
    fn code(&self) -> &'static str {
        match self {
            Self::Parse { .. } => "policy-parse",
            Self::Version { .. } => "policy-version",
            Self::Bounds { .. } => "policy-bounds",
        }
    }
    fn family(&self) -> Family {
        Family::Refused
    }
    fn remedy(&self) -> &'static str {
        match self {
            Self::Parse { .. } => "compare with the documented default: `memgate policy show --default`",
            Self::Version { .. } => "write version = 1, or use the memgate that knows the newer form",
            Self::Bounds { .. } => "keep the value within the bounds named in the default policy's comments",
        }
    }
}

impl Policy {
    /// Reads and checks a policy file.
    ///
    /// # Errors
    /// Refused: unknown keys, wrong types, values that would switch off a hard rule.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let policy: Self =
            toml::from_str(text).map_err(|e| PolicyError::Parse { message: e.to_string().trim_end().to_owned() })?;
        policy.check()?;
        Ok(policy)
    }

    fn check(&self) -> Result<(), PolicyError> {
        let bounds = |key, problem| Err(PolicyError::Bounds { key, problem });
        if self.version != 1 {
            return Err(PolicyError::Version { found: self.version });
        }
        if self.refuse.memory_bytes == 0 || self.refuse.memory_bytes > 102_400 {
            return bounds("refuse.memory_bytes", "must be between 1 and 102400, the limit of the store API");
        }
        let levels = 1..=Levels::MAX;
        if !levels.contains(&self.detect.paranoia) || !levels.contains(&self.detect.detection_paranoia) {
            return bounds("detect.paranoia / detect.detection_paranoia", "must be between 1 and 4");
        }
        if self.detect.detection_paranoia < self.detect.paranoia {
            return bounds("detect.detection_paranoia", "must not be below detect.paranoia: what holds has to run");
        }
        let hours = &self.quarantine.deadline_hours;
        if [hours.critical, hours.high, hours.medium, hours.low].iter().any(|h| *h == 0 || *h > 24 * 365) {
            return bounds("quarantine.deadline_hours", "must be between 1 hour and a year");
        }
        if self.redact.rules.iter().chain(&self.refuse.rules).any(|prefix| prefix.trim().is_empty()) {
            return bounds("redact.rules / refuse.rules", "an empty prefix would match every rule");
        }
        if self
            .redact
            .rules
            .iter()
            .any(|prefix| !prefix.starts_with("secrets.") && !prefix.starts_with("personal-data."))
        {
            // Masking the matched words of an injection would hide the attack and leave the rest (R9).
            return bounds("redact.rules", "only secrets. and personal-data. rules may be masked; others must hold");
        }
        Ok(())
    }

    /// The default policy.
    pub fn builtin() -> Self {
        // A test proves that the embedded text parses; the fallback holds everything.
        Self::parse(DEFAULT_POLICY).unwrap_or_else(|_| Self::strictest())
    }

    fn strictest() -> Self {
        Self {
            version: 1,
            mode: Mode::Enforce,
            detect: DetectPolicy { paranoia: Levels::MAX, detection_paranoia: Levels::MAX },
            hold: HoldPolicy { severity: Severity::Info, confidence: Confidence::Low, medium_rules: 1 },
            redact: RedactPolicy { rules: Vec::new() },
            refuse: RefusePolicy { rules: Vec::new(), memory_bytes: 102_400 },
            accept: AcceptPolicy {
                merge_near: Accept::Ask,
                subsume: Accept::Ask,
                supersede: Accept::Ask,
                repair: Accept::Ask,
                quarantine: Accept::Ask,
                expire: Accept::Ask,
                insight: Accept::Ask,
            },
            quarantine: QuarantinePolicy {
                deadline_hours: DeadlineHours { critical: 4, high: 24, medium: 72, low: 168 },
                four_eyes: Kind::ALL.to_vec(),
                four_eyes_severity: Severity::Info,
            },
            evidence: EvidencePolicy { keep_raw: true },
        }
    }

    /// Digest of the policy's meaning (its canonical TOML form), recorded in every decision.
    pub fn digest(&self) -> Digest {
        Digest::of(toml::to_string(self).unwrap_or_default())
    }

    /// True when these findings hold a note.
    pub fn holds<'a>(&self, findings: impl Iterator<Item = &'a Finding> + Clone) -> bool {
        let findings = findings.filter(|f| self.blocks(f));
        let alone = findings.clone().any(|f| {
            f.severity == Severity::Critical
                || (f.severity >= self.hold.severity && f.confidence >= self.hold.confidence)
        });
        if alone || self.hold.medium_rules == 0 {
            return alone;
        }
        let mut rules: Vec<_> = findings
            .filter(|f| f.severity >= Severity::Medium && f.confidence >= Confidence::Medium)
            .map(|f| &f.rule)
            .collect();
        rules.sort();
        rules.dedup();
        rules.len() >= self.hold.medium_rules as usize
    }

    /// The levels a scanner for this policy runs at.
    pub const fn levels(&self) -> Levels {
        Levels::new(self.detect.paranoia, self.detect.detection_paranoia)
    }

    /// False for a finding above the blocking level: it is told, and changes nothing.
    pub const fn blocks(&self, finding: &Finding) -> bool {
        finding.level <= self.detect.paranoia
    }

    /// True when a finding of this rule is masked.
    pub fn redacts(&self, finding: &Finding) -> bool {
        self.blocks(finding)
            && self.redact.rules.iter().any(|prefix| finding.rule.as_str().starts_with(prefix.as_str()))
    }

    /// True when a finding of this rule turns its note away.
    pub fn refuses(&self, finding: &Finding) -> bool {
        self.blocks(finding)
            && self.refuse.rules.iter().any(|prefix| finding.rule.as_str().starts_with(prefix.as_str()))
    }

    /// Milliseconds until an item of this severity expires.
    pub fn deadline_ms(&self, severity: Severity) -> i64 {
        let hours = &self.quarantine.deadline_hours;
        let hours = match severity {
            Severity::Critical => hours.critical,
            Severity::High => hours.high,
            Severity::Medium => hours.medium,
            Severity::Low | Severity::Info => hours.low,
        };
        i64::from(hours) * 3_600_000
    }

    /// True when a release needs two different reviewers.
    pub fn needs_two(&self, kind: Kind, severity: Severity) -> bool {
        severity >= self.quarantine.four_eyes_severity || self.quarantine.four_eyes.contains(&kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_default_parses_and_every_key_is_needed() {
        let policy = Policy::parse(DEFAULT_POLICY).unwrap();
        assert_eq!(policy.mode, Mode::Enforce);
        for line in DEFAULT_POLICY.lines().filter(|l| l.contains(" = ") && !l.trim_start().starts_with('#')) {
            let without: String = DEFAULT_POLICY.lines().filter(|l| *l != line).map(|l| format!("{l}\n")).collect();
            assert!(Policy::parse(&without).is_err(), "policy parsed without: {line}");
        }
    }

    #[test]
    fn unknown_keys_and_loosening_values_are_refused() {
        let with = |from: &str, to: &str| Policy::parse(&DEFAULT_POLICY.replace(from, to));
        assert!(with("medium_rules = 2", "medium_rules = 2\nmedium_rulez = 3").is_err());
        assert!(with("rules = [\"secrets.\", ", "rules = [\"injection.\", ").is_err());
        assert!(with("rules = [\"secrets.\", ", "rules = [\"\", ").is_err());
        assert!(with("memory_bytes = 102400", "memory_bytes = 102401").is_err());
        assert!(with("critical = 4", "critical = 0").is_err());
        assert!(with("version = 1", "version = 2").is_err());
        assert!(with("\nparanoia = 1", "\nparanoia = 0").is_err());
        assert!(with("detection_paranoia = 2", "detection_paranoia = 5").is_err());
        assert!(with("\nparanoia = 1", "\nparanoia = 3").is_err(), "what holds has to run");
    }
}
