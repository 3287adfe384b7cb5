//! Paranoia levels, and how suspicious a text is as one number.
//!
//! The number orders texts; it never decides alone. What decides stands in the policy: one critical finding, one high one,
//! several medium ones, a governed kind, a missing source. The weights are our own, set by hand and kept coarse so that
//! they cannot be fitted to one corpus. After the anomaly scoring of the OWASP Core Rule Set: levels, and a detection level
//! above the blocking level.

use std::collections::BTreeMap;

use super::budget::Coverage;
use super::provenance::is_about_origin;
use super::scan::NoteScan;
use crate::domain::{Authority, Confidence, Finding, Kind, Severity};

/// Which rules run and which of them may hold.
///
/// Level 1 is meant for every installation. Each further one adds rules that are more often wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Levels {
    /// Findings up to this level hold, redact, refuse and set kinds.
    pub blocking: u8,
    /// Rules up to this level run; what they find above `blocking` is only told. At least `blocking`.
    pub detection: u8,
}

impl Levels {
    /// The highest level.
    pub const MAX: u8 = 4;
    /// Every rule runs; only those of the first level hold.
    pub const ALL: Self = Self { blocking: Finding::FIRST_LEVEL, detection: Self::MAX };

    /// Levels for these numbers, brought within 1 to 4 and in order.
    pub const fn new(blocking: u8, detection: u8) -> Self {
        let blocking = bounded(blocking);
        let detection = bounded(detection);
        Self { blocking, detection: if detection < blocking { blocking } else { detection } }
    }
}

const fn bounded(level: u8) -> u8 {
    match level {
        0 => 1,
        1..=Levels::MAX => level,
        _ => Levels::MAX,
    }
}

impl Default for Levels {
    /// As the documented default policy: the first level holds, the second is told.
    fn default() -> Self {
        Self::new(1, 2)
    }
}

/// The chance, as a rule of thumb, that a hit of this strength is an attack.
const fn weight(finding: &Finding) -> f64 {
    let harm = match finding.severity {
        Severity::Info => 0.02,
        Severity::Low => 0.08,
        Severity::Medium => 0.30,
        Severity::High => 0.75,
        // One critical finding decides, whatever its confidence.
        Severity::Critical => return 0.97,
    };
    let sure = match finding.confidence {
        Confidence::Low => 0.5,
        Confidence::Medium => 0.85,
        Confidence::High => 1.0,
    };
    // Each level above the first is about half as often right.
    let doubt = match finding.level {
        0 | 1 => 1.0,
        2 => 0.5,
        3 => 0.3,
        _ => 0.2,
    };
    harm * sure * doubt
}

/// How far further hits of one group can raise the score above its strongest hit. Without a cap ten spellings of one
/// idea would outweigh two ideas.
const GROUP_CAP: f64 = 0.08;

/// What a finding about the origin weighs against one about the wording: most text of pages and tools is honest.
const OF_ORIGIN: f64 = 0.25;

/// How suspicious a governed kind is, by who may claim it: a rule in the operator's file is its purpose, the same
/// sentence in a tool's result is an order from a stranger.
const fn kind_weight(kind: Kind, authority: Authority) -> f64 {
    let strange = match authority {
        Authority::External => 1.0,
        Authority::Agent => 0.5,
        Authority::User => 0.35,
        Authority::Reviewer | Authority::Operator => 0.1,
    };
    let harm = match kind {
        Kind::Fact | Kind::Preference | Kind::Procedure => 0.0,
        Kind::Directive => 0.12,
        Kind::ToolChoice => 0.08,
        Kind::Destination => 0.16,
        Kind::Identity | Kind::Permission => 0.2,
    };
    harm * strange
}

/// How suspicious, 0 to 1: one number from findings, kinds by authority, the classifier and gaps.
///
/// Monotone: one more finding, a stronger one or a higher likelihood never lowers it.
pub(super) fn score<'a>(
    findings: impl Iterator<Item = &'a Finding>,
    pieces: impl Iterator<Item = (&'a NoteScan, Authority)>,
    likelihood: f64,
    coverage: &Coverage,
) -> f64 {
    // Strongest hit, and what the others add, by family of the rule.
    let mut groups: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for finding in findings {
        let family = finding.rule.as_str().split('.').next().unwrap_or_default();
        let (strongest, rest) = groups.entry(family).or_insert((0.0, 1.0));
        let weight = if is_about_origin(finding) { weight(finding) * OF_ORIGIN } else { weight(finding) };
        *strongest = strongest.max(weight);
        *rest *= 1.0 - weight;
    }
    let mut innocent = 1.0 - likelihood.clamp(0.0, 1.0);
    for (strongest, rest) in groups.into_values() {
        innocent *= 1.0 - (1.0 - rest).min(strongest + GROUP_CAP * (1.0 - strongest));
    }
    let kind = pieces.map(|(piece, authority)| kind_weight(piece.kind, authority)).fold(0.0, f64::max);
    innocent *= 1.0 - kind;
    if !coverage.is_full() {
        // What was not read cannot be called harmless.
        innocent = innocent.min(0.1);
    }
    1.0 - innocent
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Span, View};

    fn finding(rule: &str, severity: Severity, confidence: Confidence, level: u8) -> Finding {
        Finding {
            rule: rule.into(),
            title: String::new(),
            severity,
            confidence,
            span: Span::new(0, 1),
            view: View::Raw,
            decoding: Vec::new(),
            threats: Vec::new(),
            excerpt: String::new(),
            level,
        }
    }

    fn of(findings: &[Finding]) -> f64 {
        score(findings.iter(), std::iter::empty(), 0.0, &Coverage::Full)
    }

    fn every() -> Vec<Finding> {
        use Confidence as C;
        use Severity as S;
        let mut all = Vec::new();
        for severity in [S::Info, S::Low, S::Medium, S::High, S::Critical] {
            for confidence in [C::Low, C::Medium, C::High] {
                for level in 1..=4 {
                    for rule in ["a.one", "a.two", "b.one"] {
                        all.push(finding(rule, severity, confidence, level));
                    }
                }
            }
        }
        all
    }

    #[test]
    fn one_critical_finding_outweighs_any_number_of_weak_ones_of_a_family() {
        let critical = of(&[finding("a.one", Severity::Critical, Confidence::Low, 1)]);
        let weak: Vec<Finding> =
            (0..500).map(|i| finding(&format!("a.r{i}"), Severity::Medium, Confidence::High, 1)).collect();
        assert!(critical >= 0.97);
        assert!(of(&weak) < 0.5, "a group is capped: {}", of(&weak));
        let two = [
            finding("a.one", Severity::Medium, Confidence::High, 1),
            finding("b.one", Severity::Medium, Confidence::High, 1),
        ];
        assert!(of(&two) > of(&weak), "two ideas are more than one idea in many words");
    }

    #[test]
    fn one_more_finding_or_a_lower_authority_never_lowers_the_score() {
        let all = every();
        for one in &all {
            for other in &all {
                let both = of(&[one.clone(), other.clone()]);
                assert!(both >= of(std::slice::from_ref(one)) && both <= 1.0);
            }
        }
        let order = [Authority::Operator, Authority::User, Authority::Agent, Authority::External];
        for kind in Kind::ALL {
            let weights: Vec<f64> = order.iter().map(|authority| kind_weight(kind, *authority)).collect();
            assert!(weights.is_sorted() && (kind.is_governed() == (weights[3] > 0.0)), "{kind:?} {weights:?}");
        }
    }

    #[test]
    fn an_unread_text_is_never_scored_as_harmless() {
        let partial = Coverage::Partial { limits: Vec::new() };
        assert!(score([].iter(), std::iter::empty(), 0.0, &partial) >= 0.9);
        assert!(of(&[]) < f64::EPSILON);
    }

    #[test]
    fn levels_stay_in_order_and_in_bounds() {
        assert_eq!(Levels::new(3, 1), Levels { blocking: 3, detection: 3 });
        assert_eq!(Levels::new(0, 9), Levels { blocking: 1, detection: 4 });
        assert_eq!(Levels::default(), Levels { blocking: 1, detection: 2 });
    }
}
