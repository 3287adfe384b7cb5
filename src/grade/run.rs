//! Grading one session: results, the tree's arithmetic, gates, verdict.

use serde::{Deserialize, Serialize};

use super::artifact::Artifacts;
use super::error::GradeError;
use super::ratio::{Ratio, Toward};
use super::rubric::{Criterion, Gate, Group, Rubric};
use super::target::Context;
use super::yaml::Fields;
use crate::domain::{Digest, SessionId, Span};

/// What missing input means for a criterion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Missing {
    /// The criterion stays open.
    Inconclusive,
    /// The criterion leaves the sum.
    NotApplicable,
}

impl Missing {
    pub(crate) fn take(fields: &mut Fields<'_>, default: Self) -> Result<Self, GradeError> {
        if fields.peek("missing").is_none() {
            fields.take("missing");
            return Ok(default);
        }
        fields.choice("missing", &[("inconclusive", Self::Inconclusive), ("not_applicable", Self::NotApplicable)])
    }
}

/// Where in the artifacts a result comes from. It points; it does not quote.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Evidence {
    /// `answer`, `messages`, `calls`, `state.after`, `trace`, `memory`, `labels`, `events`, `findings`, `task`.
    pub artifact: String,
    /// Position in a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
    /// Byte range in the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// Place in a state, at most 200 bytes. Untrusted: keys come from the agent's world; show it escaped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

impl Evidence {
    pub(crate) fn whole(artifact: &str) -> Self {
        Self { artifact: artifact.to_owned(), index: None, span: None, path: None }
    }
    pub(crate) fn at(artifact: &str, index: usize) -> Self {
        Self { index: Some(index), ..Self::whole(artifact) }
    }
    pub(crate) fn path(artifact: &str, path: &str) -> Self {
        let cut = (0..=path.len().min(200)).rev().find(|&end| path.is_char_boundary(end)).unwrap_or(0);
        Self { path: Some(path[..cut].to_owned()), ..Self::whole(artifact) }
    }
    pub(crate) fn spanning(mut self, start: usize, end: usize) -> Self {
        self.span = Some(Span::new(start, end));
        self
    }
}

/// How a criterion was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Decided: `low` equals `high`.
    Met,
    /// Open: no answer was possible.
    Abstain,
    /// Open: the input could not be evaluated.
    Error,
    /// Left out of the sum.
    NotApplicable,
}

/// A criterion's answer before it is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) low: u16,
    pub(crate) high: u16,
    pub(crate) status: Status,
    /// Input nobody supplied; the criterion's `missing` decides what that means.
    pub(crate) missing: bool,
    pub(crate) reason: Option<String>,
    pub(crate) evidence: Vec<Evidence>,
}

impl Reading {
    pub(crate) fn met(permille: u16) -> Self {
        let met = permille.min(1000);
        Self { low: met, high: met, status: Status::Met, missing: false, reason: None, evidence: Vec::new() }
    }
    pub(crate) fn yes(yes: bool) -> Self {
        Self::met(if yes { 1000 } else { 0 })
    }
    pub(crate) fn between(low: u16, high: u16, reason: Option<String>) -> Self {
        if low == high {
            return Self::met(low);
        }
        Self { low, high, status: Status::Abstain, reason, ..Self::met(0) }
    }
    pub(crate) fn abstain(reason: &str) -> Self {
        Self { low: 0, high: 1000, status: Status::Abstain, reason: Some(reason.to_owned()), ..Self::met(0) }
    }
    pub(crate) fn missing(what: &str) -> Self {
        Self { missing: true, ..Self::abstain(&format!("not supplied: {what}")) }
    }
    pub(crate) fn error(reason: &str) -> Self {
        Self { status: Status::Error, ..Self::abstain(reason) }
    }
    pub(crate) fn not_applicable(reason: &str) -> Self {
        Self { status: Status::NotApplicable, ..Self::abstain(reason) }
    }
    pub(crate) fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }
    pub(crate) fn with(mut self, evidence: impl IntoIterator<Item = Evidence>) -> Self {
        const SHOWN: usize = 20;
        self.evidence.extend(evidence.into_iter().take(SHOWN));
        self.evidence.truncate(SHOWN);
        self
    }
    pub(crate) fn negated(mut self) -> Self {
        (self.low, self.high) = (1000 - self.high, 1000 - self.low);
        self
    }
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.status, Status::Abstain | Status::Error)
    }
    pub(crate) fn settle(mut self, missing: Missing) -> Self {
        if self.missing && missing == Missing::NotApplicable {
            self.status = Status::NotApplicable;
        }
        self.missing = false;
        self
    }
}

/// Pass, fail, or not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Even with every open criterion lost it passes.
    Pass,
    /// Even with every open criterion won it fails.
    Fail,
    /// Open criteria decide.
    Inconclusive,
}

/// The graded outcome of one session.
///
/// Shape: serializes with this field order. Units: permille. Holds no text of the session except
/// ids, the memory version's label and state paths in evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grade {
    /// The rubric's id.
    pub rubric: String,
    /// Digest of everything that can change a number.
    pub rubric_digest: Digest,
    /// The session. Untrusted: show it escaped.
    pub session: Option<SessionId>,
    /// The task's id. Untrusted: show it escaped.
    pub task: Option<String>,
    /// Label of the store version the session ran on. Untrusted: show it escaped.
    pub memory_version: Option<String>,
    /// Notes that were recalled, sorted. Untrusted: show them escaped.
    pub recalled: Vec<String>,
    /// The verdict.
    pub verdict: Verdict,
    /// Why, when a score alone does not say.
    pub reason: Option<String>,
    /// The score with every open criterion lost.
    pub score_low: u16,
    /// The score with every open criterion won.
    pub score_high: u16,
    /// The lowest passing score.
    pub pass_at: u16,
    /// Gates in file order.
    pub gates: Vec<GateResult>,
    /// Groups in file order.
    pub groups: Vec<GroupResult>,
}

/// How a gate stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateResult {
    /// The criterion.
    pub criterion: String,
    /// `must_pass`, `must_not` or `cap`.
    pub gate: String,
    /// `held`, `failed`, `open` or `not_applicable`.
    pub state: String,
}

/// A group's result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupResult {
    /// The group.
    pub id: String,
    /// Its weight among its siblings; 0 means reported, not counted.
    pub weight: u32,
    /// Low and high score, `None` when nothing in it was applicable.
    pub score: Option<(u16, u16)>,
    /// Its criteria in file order.
    pub criteria: Vec<CriterionResult>,
    /// Its groups in file order.
    pub groups: Vec<GroupResult>,
}

/// A criterion's result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CriterionResult {
    /// The criterion.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// Its points; negative for a penalty.
    pub points: i32,
    /// How it was answered.
    pub status: Status,
    /// The least it can be.
    pub low: u16,
    /// The most it can be.
    pub high: u16,
    /// Why, in our own words.
    pub reason: Option<String>,
    /// Where to look.
    pub evidence: Vec<Evidence>,
}

impl Grade {
    /// A criterion's result by id.
    pub fn criterion(&self, id: &str) -> Option<&CriterionResult> {
        fn walk<'g>(groups: &'g [GroupResult], id: &str) -> Option<&'g CriterionResult> {
            groups.iter().find_map(|g| g.criteria.iter().find(|c| c.id == id).or_else(|| walk(&g.groups, id)))
        }
        walk(&self.groups, id)
    }
}

type Ends = Option<(Ratio, Ratio)>;

/// Grades one session. Total: every session gets a grade, and what cannot be known is said to be open.
///
/// Cost: grows with text times criteria; similarity kinds have their own limit.
pub fn grade(rubric: &Rubric, artifacts: &Artifacts) -> Grade {
    let mut gates = Gates::default();
    let mut groups = Vec::new();
    let mut parts = Vec::new();
    for group in &rubric.groups {
        let (result, ends) = run_group(rubric, artifacts, group, &mut gates);
        parts.push((group.weight, ends));
        groups.push(result);
    }
    let ends = mean(&parts);
    let (mut low, mut high) = ends.map_or((0, 1000), |(low, high)| (low.floor(), high.floor()));
    low = low.min(gates.cap_low.unwrap_or(1000));
    high = high.min(gates.cap_high.unwrap_or(1000));
    let (verdict, reason) = if !rubric.applies_to(artifacts) {
        (Verdict::Inconclusive, Some("the rubric's `for` names other sessions".to_owned()))
    } else if let Some(id) = gates.failed {
        (Verdict::Fail, Some(format!("gate `{id}` failed")))
    } else if ends.is_none() {
        (Verdict::Inconclusive, Some("nothing that counts was applicable".to_owned()))
    } else if high < rubric.pass_at {
        (Verdict::Fail, None)
    } else if let Some(id) = gates.open {
        (Verdict::Inconclusive, Some(format!("gate `{id}` is open")))
    } else if low >= rubric.pass_at {
        (Verdict::Pass, None)
    } else {
        (Verdict::Inconclusive, Some("open criteria decide".to_owned()))
    };
    let mut recalled = artifacts.memory.recalled.clone().unwrap_or_default();
    recalled.sort();
    recalled.dedup();
    Grade {
        rubric: rubric.id.clone(),
        rubric_digest: rubric.digest(),
        session: artifacts.session.clone(),
        task: artifacts.task.id.clone(),
        memory_version: artifacts.memory.version.clone(),
        recalled,
        verdict,
        reason,
        score_low: low,
        score_high: high,
        pass_at: rubric.pass_at,
        gates: gates.results,
        groups,
    }
}

#[derive(Default)]
struct Gates {
    results: Vec<GateResult>,
    failed: Option<String>,
    open: Option<String>,
    cap_low: Option<u16>,
    cap_high: Option<u16>,
}

impl Gates {
    fn add(&mut self, criterion: &Criterion, gate: Gate, reading: &Reading) {
        // A gate's kind answers yes or no, so an undecided one spans the whole range.
        let (holds_worst, holds_best) = match gate {
            Gate::MustPass | Gate::Cap(_) => (reading.low == 1000, reading.high == 1000),
            Gate::MustNot => (reading.high == 0, reading.low == 0),
        };
        let state = match reading.status {
            Status::NotApplicable => "not_applicable",
            _ if holds_worst => "held",
            _ if !holds_best => "failed",
            _ => "open",
        };
        let lower = |cap: Option<u16>, to: u16| Some(cap.map_or(to, |cap| cap.min(to)));
        match (gate, state) {
            (Gate::Cap(to), "failed") => {
                self.cap_low = lower(self.cap_low, to);
                self.cap_high = lower(self.cap_high, to);
            }
            (Gate::Cap(to), "open") => self.cap_low = lower(self.cap_low, to),
            (Gate::MustPass | Gate::MustNot, "failed") if self.failed.is_none() => {
                self.failed = Some(criterion.id.clone());
            }
            (Gate::MustPass | Gate::MustNot, "open") if self.open.is_none() => {
                self.open = Some(criterion.id.clone());
            }
            _ => {}
        }
        let gate = match gate {
            Gate::MustPass => "must_pass",
            Gate::MustNot => "must_not",
            Gate::Cap(_) => "cap",
        };
        self.results.push(GateResult {
            criterion: criterion.id.clone(),
            gate: gate.to_owned(),
            state: state.to_owned(),
        });
    }
}

fn mean(parts: &[(u32, Ends)]) -> Ends {
    let side = |pick: fn(&(Ratio, Ratio)) -> Ratio| -> Vec<(u32, Ratio)> {
        parts.iter().filter_map(|(weight, ends)| Some((*weight, pick(ends.as_ref()?)))).collect()
    };
    let low = Ratio::mean(&side(|ends| ends.0), Toward::Down)?;
    Some((low, Ratio::mean(&side(|ends| ends.1), Toward::Up)?))
}

fn run_group(rubric: &Rubric, artifacts: &Artifacts, group: &Group, gates: &mut Gates) -> (GroupResult, Ends) {
    let mut result = GroupResult {
        id: group.id.clone(),
        weight: group.weight,
        score: None,
        criteria: Vec::new(),
        groups: Vec::new(),
    };
    let mut parts = Vec::new();
    for inner in &group.groups {
        let (inner_result, ends) = run_group(rubric, artifacts, inner, gates);
        parts.push((inner.weight, ends));
        result.groups.push(inner_result);
    }
    let mut counted = Vec::new();
    for criterion in &group.criteria {
        let cx = Context { artifacts, rubric, item: None, missing: criterion.missing };
        let reading = criterion.check.read(&cx);
        if let Some(gate) = criterion.gate {
            gates.add(criterion, gate, &reading);
        }
        if reading.status != Status::NotApplicable {
            counted.push((criterion.points, reading.low, reading.high));
        }
        result.criteria.push(CriterionResult {
            id: criterion.id.clone(),
            kind: criterion.check.kind().to_owned(),
            points: criterion.points,
            status: reading.status,
            low: reading.low,
            high: reading.high,
            reason: reading.reason,
            evidence: reading.evidence,
        });
    }
    let ends = if group.groups.is_empty() { points(&counted) } else { mean(&parts) };
    result.score = ends.map(|(low, high)| (low.floor(), high.floor()));
    (result, ends)
}

/// Sum of points times met over the positive points, cut to 0..=1000. An open penalty counts as
/// met at the low end and as not met at the high end.
fn points(counted: &[(i32, u16, u16)]) -> Ends {
    let positive: i128 = counted.iter().map(|(points, _, _)| i128::from((*points).max(0))).sum();
    if positive == 0 {
        // Only penalties are left. One that was met must not vanish with the points around it.
        let worst = counted.iter().any(|(points, _, high)| *points < 0 && *high > 0);
        let best = counted.iter().any(|(points, low, _)| *points < 0 && *low > 0);
        return match (worst, best) {
            (_, true) => Some((Ratio::whole(0), Ratio::whole(0))),
            (true, false) => Some((Ratio::whole(0), Ratio::whole(1000))),
            (false, false) => None,
        };
    }
    let sum = |worst: bool| -> i128 {
        let terms = counted.iter().map(|&(points, low, high)| {
            let met = if (points >= 0) == worst { low } else { high };
            i128::from(points) * i128::from(met)
        });
        terms.sum()
    };
    Some((Ratio::cut(sum(true), positive), Ratio::cut(sum(false), positive)))
}
