//! One rule, as a pack writes it and as it is after the checks.

use std::sync::{Arc, OnceLock};

use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::domain::taxonomy::TaxonomyId;
use crate::domain::{Channel, Confidence, Finding, Kind, RuleId, Severity, Stage, View};

/// Slugs that `detector:` may name; the code behind each is in `detect`.
pub const DETECTORS: [&str; 39] = [
    "bank-account",
    "bidi-controls",
    "broad-anchor",
    "campaign",
    "classifier",
    "classifier-weak",
    "echoed-order",
    "echoed-text",
    "email-address",
    "external-directive",
    "fragment-assembly",
    "hidden-text",
    "invisible-characters",
    "laundered-attribution",
    "laundered-authority",
    "laundered-certainty",
    "laundered-name",
    "laundered-quantity",
    "laundered-scope",
    "laundered-time",
    "mixed-script",
    "mutated-copy",
    "national-id",
    "opaque-blob",
    "overrides-approved",
    "payment-card",
    "phone-number",
    "promotional-claim",
    "raised-authority",
    "repeated-claim",
    "scan-incomplete",
    "secrets",
    "shrinking-series",
    "tainted-source",
    "trigger-token",
    "unbacked-outcome",
    "unbacked-procedure",
    "unreadable-source",
    "unsourced-equivalence",
];

/// How settled a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// New: may still change.
    Preview,
    /// Settled.
    Stable,
    /// Still runs, will be retired.
    Deprecated,
}

/// A linear-time pattern that is compiled when it first runs: a scan of one note needs few of hundreds.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: Arc<str>,
    compiled: Arc<OnceLock<Option<Regex>>>,
}

impl Pattern {
    /// A pattern that is known to compile.
    pub fn proven(text: &str) -> Self {
        Self { text: text.into(), compiled: Arc::default() }
    }
    /// The pattern as it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
    /// The compiled pattern; `None` for one that does not compile: whoever runs it must then assume a match.
    pub fn regex(&self) -> Option<&Regex> {
        self.compiled.get_or_init(|| Regex::new(&self.text).ok()).as_ref()
    }
}

impl From<Regex> for Pattern {
    fn from(regex: Regex) -> Self {
        Self { text: regex.as_str().into(), compiled: Arc::new(OnceLock::from(Some(regex))) }
    }
}

/// What a rule runs.
#[derive(Clone, Debug)]
pub enum Matcher {
    /// A linear-time pattern on the view's text.
    Pattern {
        /// What it looks for.
        pattern: Pattern,
        /// True when it speaks of line starts or ends: it then sees soft line breaks as `\n`.
        lines: bool,
    },
    /// A coded detector of [`DETECTORS`].
    Detector(String),
    /// Findings of other rules that stand together in one note.
    Composite(Composite),
}

/// Findings that mean more together than each alone: one of every group, by different rules, in one note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Composite {
    /// The groups; each lists what counts.
    pub all: Vec<Vec<Term>>,
}

/// What counts for one group of a composite: `family.`, `family.rule`, or `kind:destination`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Term {
    /// A finding of this rule, or of any rule of this family when it ends in a full stop.
    Rule(String),
    /// Words that make the note one of this kind.
    Kind(Kind),
}

impl Term {
    /// True when a finding of `rule` counts.
    pub fn takes(&self, rule: &RuleId) -> bool {
        match self {
            Self::Rule(name) if name.ends_with('.') => rule.as_str().starts_with(name.as_str()),
            Self::Rule(name) => rule.as_str() == name,
            Self::Kind(_) => false,
        }
    }
}

impl TryFrom<String> for Term {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let Some(name) = text.strip_prefix("kind:") else { return Ok(Self::Rule(text)) };
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name);
        kind.map(Self::Kind).ok_or_else(|| format!("there is no kind {name:?}"))
    }
}

impl From<Term> for String {
    fn from(term: Term) -> Self {
        match term {
            Term::Rule(name) => name,
            Term::Kind(kind) => format!("kind:{}", kind.name()),
        }
    }
}

/// What a hit says of the note it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Raises {
    /// The kind the note gets.
    pub kind: Kind,
}

/// Texts that show what a rule does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Examples {
    /// Texts in which the rule fires.
    pub fires: Vec<String>,
    /// Texts in which it does not; one shares a keyword.
    pub quiet: Vec<String>,
}

/// A declared way round a rule: the attacker has read it (threat model, rule R10).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evasion {
    /// The attack, worded or written to slip by.
    pub text: String,
    /// True when the rule fires all the same; false marks an open gap, which stays listed until it is closed.
    pub fires: bool,
    /// Why the gap is open, and what else stands in the way. Needed for a gap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// One checked rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Permanent id, `family.name`.
    pub id: RuleId,
    /// One line for people; our own constant text.
    pub title: String,
    /// How settled it is.
    pub status: Status,
    /// The release that brought it.
    pub since: String,
    /// Harm if a hit is real.
    pub severity: Severity,
    /// How often a hit is real.
    pub confidence: Confidence,
    /// Paranoia level, 1 to 4: from which level on it runs. See [`Finding::level`](crate::domain::Finding).
    pub paranoia: u8,
    /// Where it runs.
    pub stages: Vec<Stage>,
    /// Outside ids.
    pub maps: Vec<TaxonomyId>,
    /// Threats it answers.
    pub threats: Vec<String>,
    /// Literals of which every match has one; looked for where the pattern alone does not tell.
    pub keywords: Vec<String>,
    /// What it runs.
    pub matcher: Matcher,
    /// The views it runs on; empty means all that have text.
    pub views: Vec<View>,
    /// What a hit makes of the note.
    pub raises: Option<Raises>,
    /// Runs only on text that came by one of these; empty means any.
    pub channels: Vec<Channel>,
    /// Why a hit matters.
    pub why: String,
    /// What its owner should do.
    pub advice: String,
    /// Public sources.
    pub references: Vec<String>,
    /// Texts that show it.
    pub examples: Examples,
    /// Known ways round it, closed and open.
    pub evasions: Vec<Evasion>,
    /// The pack it came from.
    pub pack: String,
}

impl Rule {
    /// True when the rule runs at this stage.
    pub fn runs_at(&self, stage: Stage) -> bool {
        self.stages.contains(&stage)
    }
    /// True when the rule reads this view. `raw` and `folded` are one view unless only `raw` is named.
    pub fn reads(&self, view: View) -> bool {
        let plain = |v: &View| matches!(v, View::Raw | View::Folded);
        self.views.is_empty() || self.views.iter().any(|v| *v == view || (plain(v) && plain(&view)))
    }
}

const fn first_level() -> u8 {
    Finding::FIRST_LEVEL
}

/// A rule as a pack writes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRule {
    pub(super) id: serde_saphyr::Spanned<String>,
    pub(super) title: String,
    pub(super) status: Status,
    pub(super) since: String,
    pub(super) severity: Severity,
    pub(super) confidence: Confidence,
    pub(super) stages: Vec<Stage>,
    pub(super) maps: Vec<TaxonomyId>,
    pub(super) threats: Vec<String>,
    #[serde(default)]
    pub(super) keywords: Vec<String>,
    #[serde(default)]
    pub(super) pattern: Option<String>,
    #[serde(default)]
    pub(super) detector: Option<String>,
    #[serde(default)]
    pub(super) composite: Option<Composite>,
    #[serde(default = "first_level")]
    pub(super) paranoia: u8,
    #[serde(default)]
    pub(super) views: Vec<View>,
    #[serde(default)]
    pub(super) raises: Option<Raises>,
    #[serde(default)]
    pub(super) channels: Vec<Channel>,
    pub(super) why: String,
    pub(super) advice: String,
    #[serde(default)]
    pub(super) references: Vec<String>,
    pub(super) examples: Examples,
    #[serde(default)]
    pub(super) evasions: Vec<Evasion>,
}
