//! One rule, as a pack writes it and as it is after the checks.

use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::domain::taxonomy::TaxonomyId;
use crate::domain::{Channel, Confidence, Kind, RuleId, Severity, Stage, View};

/// Slugs that `detector:` may name; the code behind each is in `detect`.
pub const DETECTORS: [&str; 32] = [
    "bidi-controls",
    "broad-anchor",
    "campaign",
    "echoed-order",
    "echoed-text",
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
    "opaque-blob",
    "overrides-approved",
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

/// What a rule runs.
#[derive(Clone, Debug)]
pub enum Matcher {
    /// A linear-time pattern on the view's text.
    Pattern {
        /// Compiled.
        regex: Regex,
        /// True when it speaks of line starts or ends: it then sees soft line breaks as `\n`.
        lines: bool,
    },
    /// A coded detector of [`DETECTORS`].
    Detector(String),
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
    /// Where it runs.
    pub stages: Vec<Stage>,
    /// Outside ids.
    pub maps: Vec<TaxonomyId>,
    /// Threats it answers.
    pub threats: Vec<String>,
    /// Literals of the prefilter: every match stands near one of them.
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
}
