//! What is wrong with a pack, for the person who wrote it.

use std::fmt;

use crate::domain::{Coded, Family};

/// Why a set of packs does not load.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleSetError {
    /// Packs with problems; all of them are listed.
    #[error("{} problem(s) in rule packs:\n{}", problems.len(), list(problems))]
    Refused {
        /// Every problem, in pack order.
        problems: Vec<PackProblem>,
    },
    /// `taxonomy.yaml` or `retired.yaml` does not parse.
    #[error("{file} does not parse: {detail}")]
    BadList {
        /// The file.
        file: &'static str,
        /// The parser's words.
        detail: String,
    },
}

/// One problem in one pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackProblem {
    /// The pack file.
    pub pack: String,
    /// The rule, when known.
    pub rule: Option<String>,
    /// One-based line, when known.
    pub line: Option<u64>,
    /// What is wrong.
    pub kind: ProblemKind,
    /// The exact word, key or parser message.
    pub detail: String,
}

/// What can be wrong with a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ProblemKind {
    /// Not YAML of the rule schema: unknown key, wrong type, missing key.
    Schema,
    /// The id is not `family.name` in lower-case words.
    BadId,
    /// Two rules have one id.
    DuplicateId,
    /// The id was retired.
    RetiredId,
    /// `maps` names an id outside the taxonomy file.
    UnknownMapping,
    /// `threats` names no threat of the threat model.
    UnknownThreat,
    /// `since` is not a version such as 0.1.0.
    BadSince,
    /// Fewer than two `fires` or two `quiet` examples.
    TooFewExamples,
    /// `why`, `advice` or `title` is empty.
    MissingText,
    /// Not exactly one of `pattern`, `detector` and `composite`.
    MatcherCount,
    /// A composite with fewer than two groups, an empty one, or a name that no rule has.
    BadComposite,
    /// `paranoia` is not 1 to 4.
    BadParanoia,
    /// The pattern does not compile, or is too large.
    BadPattern,
    /// The pattern matches the empty text.
    EmptyPattern,
    /// `detector` names no coded detector.
    UnknownDetector,
    /// A pattern rule without keywords, or a keyword that is too short.
    BadKeyword,
    /// `stages` is empty.
    NoStage,
    /// `views` names a view that has no text.
    BadView,
    /// A declared evasion without text, or an open gap without a reason.
    BadEvasion,
    /// All packs together are too many bytes or rules.
    TooLarge,
}

impl ProblemKind {
    /// Every kind, for the list of codes.
    pub const ALL: [Self; 20] = [
        Self::Schema,
        Self::BadId,
        Self::DuplicateId,
        Self::RetiredId,
        Self::UnknownMapping,
        Self::UnknownThreat,
        Self::BadSince,
        Self::TooFewExamples,
        Self::MissingText,
        Self::MatcherCount,
        Self::BadComposite,
        Self::BadParanoia,
        Self::BadPattern,
        Self::EmptyPattern,
        Self::UnknownDetector,
        Self::BadKeyword,
        Self::NoStage,
        Self::BadView,
        Self::BadEvasion,
        Self::TooLarge,
    ];
    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Schema => "ruleset-schema",
            Self::BadId => "ruleset-bad-id",
            Self::DuplicateId => "ruleset-duplicate-id",
            Self::RetiredId => "ruleset-retired-id",
            Self::UnknownMapping => "ruleset-unknown-mapping",
            Self::UnknownThreat => "ruleset-unknown-threat",
            Self::BadSince => "ruleset-bad-since",
            Self::TooFewExamples => "ruleset-too-few-examples",
            Self::MissingText => "ruleset-missing-text",
            Self::MatcherCount => "ruleset-matcher-count",
            Self::BadComposite => "ruleset-bad-composite",
            Self::BadParanoia => "ruleset-bad-paranoia",
            Self::BadPattern => "ruleset-bad-pattern",
            Self::EmptyPattern => "ruleset-empty-pattern",
            Self::UnknownDetector => "ruleset-unknown-detector",
            Self::BadKeyword => "ruleset-bad-keyword",
            Self::NoStage => "ruleset-no-stage",
            Self::BadView => "ruleset-bad-view",
            Self::BadEvasion => "ruleset-bad-evasion",
            Self::TooLarge => "ruleset-too-large",
        }
    }
    /// What a rule author can do.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Schema => "compare the entry with the schema in rules/README.md; unknown keys are refused",
            Self::BadId => "write family.name in lower-case words joined by hyphens, e.g. injection.role-override",
            Self::DuplicateId => "give one of the two another id; ids are permanent",
            Self::RetiredId => "choose a new id; a retired one never comes back",
            Self::UnknownMapping => "use an id of rules/taxonomy.yaml, list and edition included",
            Self::UnknownThreat => "threats are T01 to T46",
            Self::BadSince => "write the release that brings the rule, e.g. 0.1.0",
            Self::TooFewExamples => {
                "give at least two texts that fire and two that stay quiet, one of them a near miss"
            }
            Self::MissingText => "say why the text is harmful and what its owner should do",
            Self::MatcherCount => "give one of `pattern`, `detector` and `composite`",
            Self::BadComposite => "give two to four groups of rule ids, families with a final stop, or kind:NAME",
            Self::BadParanoia => "1 runs and holds everywhere; 2, 3 and 4 only where a policy asks for them",
            Self::BadPattern => {
                "linear-time syntax only: no look-around, no back-references; keep counted repeats small"
            }
            Self::EmptyPattern => "a pattern has to need at least one character",
            Self::UnknownDetector => "see the list of coded detectors in rules/README.md",
            Self::BadKeyword => "give literals that every match contains, at least two bytes each",
            Self::NoStage => "name at least one of ingest, write, consolidate",
            Self::BadView => "views are raw, folded, hidden, markup, decoded",
            Self::BadEvasion => "give the text, and for one that does not fire say in `why` why the gap is open",
            Self::TooLarge => "load fewer packs; 10,000 rules in 16 MiB are the most",
        }
    }
}

impl fmt::Display for PackProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}", self.kind.code(), self.pack)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(rule) = &self.rule {
            write!(f, ": rule {rule}")?;
        }
        write!(f, ": {}\n  hint: {}", self.detail, self.kind.hint())
    }
}

impl Coded for RuleSetError {
    fn code(&self) -> &'static str {
        match self {
            Self::Refused { problems } => problems.first().map_or("ruleset-refused", |p| p.kind.code()),
            Self::BadList { .. } => "ruleset-bad-list",
        }
    }
    fn family(&self) -> Family {
        Family::Refused
    }
    fn remedy(&self) -> &'static str {
        match self {
            Self::Refused { problems } => problems.first().map_or("mend the pack", |p| p.kind.hint()),
            Self::BadList { .. } => "mend the list; it is plain YAML",
        }
    }
}

fn list(problems: &[PackProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
