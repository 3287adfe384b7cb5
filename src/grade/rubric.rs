//! Rubric files: loading, refusing, and the digest of everything that can change a number.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::artifact::Artifacts;
use super::error::{GradeError, Place};
use super::kinds::Check;
use super::run::Missing;
use super::yaml::{self, Fields, Node, Yaml, nearest};
use crate::domain::Digest;

/// The arithmetic and the kinds of this release; part of every digest, because another release
/// may count differently.
const ENGINE: &str = "memgate-grade/1";
const DEPTH: usize = 8;
const CRITERIA: usize = 1000;
const EXPANSION: usize = 10_000;

/// A loaded rubric.
///
/// Shape: see `for`, `groups`, `criteria` in the manual; unknown keys are refused with the nearest
/// known one. Numbers are integers; scores are permille.
#[derive(Clone, Debug, Serialize)]
pub struct Rubric {
    /// Its id.
    pub id: String,
    /// Its title, for people; not part of the digest.
    #[serde(skip)]
    pub title: String,
    /// The lowest passing score in permille.
    pub pass_at: u16,
    agent: Option<String>,
    slice: BTreeMap<String, String>,
    missing: Missing,
    pub(crate) groups: Vec<Group>,
    #[serde(skip)]
    digest: Option<Digest>,
}

/// Criteria or groups with a weight among their siblings.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) weight: u32,
    pub(crate) criteria: Vec<Criterion>,
    pub(crate) groups: Vec<Group>,
}

/// One question with its points.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Criterion {
    pub(crate) id: String,
    pub(crate) points: i32,
    pub(crate) gate: Option<Gate>,
    pub(crate) missing: Missing,
    pub(crate) check: Check,
    #[serde(skip)]
    at: Place,
}

/// What a criterion does beside its points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Gate {
    /// Not met: the rubric fails.
    MustPass,
    /// Met: the rubric fails.
    MustNot,
    /// Not met: the score is at most this.
    Cap(u16),
}

impl Rubric {
    /// Reads a rubric file.
    ///
    /// Errors: refused, with line and column: bad YAML, unknown keys and kinds, groups without
    /// positive points, gates on kinds that answer by degrees, references in a circle, sizes over
    /// the limits (1 MiB, 1,000 criteria, depth 8).
    pub fn parse(text: &str) -> Result<Self, GradeError> {
        let root = yaml::parse(text)?;
        let mut fields = Fields::of(&root, "the rubric")?;
        if fields.int("rubric", 1, 1)?.is_none() {
            return Err(GradeError::MissingKey { place: root.at, key: "rubric", within: fields.within });
        }
        let id = fields.need_text("id")?;
        let title = fields.text("title")?.unwrap_or_default();
        let pass_at = fields.int("pass_at", 0, 1000)?;
        let pass_at = pass_at.ok_or_else(|| GradeError::MissingKey {
            place: root.at,
            key: "pass_at",
            within: fields.within.clone(),
        })?;
        let missing = Missing::take(&mut fields, Missing::Inconclusive)?;
        let (agent, slice) = applies(&mut fields)?;
        let mut load = Load { missing, ids: BTreeSet::new(), criteria: 0 };
        let groups = load.groups(fields.need("groups")?, &fields, 1)?;
        fields.finish()?;
        let pass_at = u16::try_from(pass_at).unwrap_or(1000);
        let mut rubric = Self { id, title, pass_at, agent, slice, missing, groups, digest: None };
        rubric.check_references()?;
        rubric.check_expansion()?;
        rubric.check_gates()?;
        let canonical = serde_json::to_vec(&rubric)
            .map_err(|error| GradeError::Syntax { place: Place::default(), problem: error.to_string() })?;
        rubric.digest = Some(Digest::of_parts([ENGINE.as_bytes(), &canonical]));
        Ok(rubric)
    }
    /// Digest over everything that can change a number, and over nothing else: titles, comments
    /// and layout do not count. Results of different digests are not compared.
    pub fn digest(&self) -> Digest {
        // set by `parse`, the only way to make a rubric
        self.digest.unwrap_or_else(|| Digest::of(ENGINE))
    }
    /// True when the rubric's `for` names this session's agent and slice.
    pub fn applies_to(&self, artifacts: &Artifacts) -> bool {
        self.agent.as_ref().is_none_or(|agent| artifacts.agent.as_ref() == Some(agent))
            && self.slice.iter().all(|(key, value)| artifacts.task.labels.get(key) == Some(value))
    }
    /// Ids of all criteria, in file order.
    pub fn criteria(&self) -> Vec<&str> {
        self.all().map(|criterion| criterion.id.as_str()).collect()
    }
    /// Advice about a loadable rubric, e.g. a judge asked for what a deterministic kind decides.
    pub fn lints(&self) -> Vec<String> {
        self.all().filter_map(|c| Some(format!("criterion `{}`: {}", c.id, c.check.lint()?))).collect()
    }
    pub(crate) fn find(&self, id: &str) -> Option<&Criterion> {
        self.all().find(|criterion| criterion.id == id)
    }
    fn all(&self) -> Box<dyn Iterator<Item = &Criterion> + '_> {
        fn walk(groups: &[Group]) -> Box<dyn Iterator<Item = &Criterion> + '_> {
            Box::new(groups.iter().flat_map(|group| group.criteria.iter().chain(walk(&group.groups))))
        }
        walk(&self.groups)
    }
    fn check_references(&self) -> Result<(), GradeError> {
        for criterion in self.all() {
            // breadth first from every criterion; a way back to it is a circle
            let mut next: Vec<&str> = criterion.check.references();
            let mut seen = BTreeSet::new();
            while let Some(id) = next.pop() {
                let bad = |problem| GradeError::BadReference { place: criterion.at, id: id.to_owned(), problem };
                let target = self.find(id).ok_or_else(|| bad("no criterion has this id"))?;
                if target.id == criterion.id {
                    return Err(bad("it leads back to where it started"));
                }
                if seen.insert(id) {
                    next.extend(target.check.references());
                }
            }
        }
        Ok(())
    }
    /// Follows every `ref`: a few lines of them must not become a million checks.
    fn check_expansion(&self) -> Result<(), GradeError> {
        fn follow(
            rubric: &Rubric,
            check: &Check,
            depth: usize,
            budget: &mut usize,
        ) -> Result<(), (&'static str, usize)> {
            if depth > DEPTH {
                return Err(("`ref`s in a row", DEPTH));
            }
            for id in check.references() {
                *budget = budget.checked_sub(1).ok_or(("checks after following every `ref`", EXPANSION))?;
                if let Some(target) = rubric.find(id) {
                    follow(rubric, &target.check, depth + 1, budget)?;
                }
            }
            Ok(())
        }
        let mut budget = EXPANSION;
        for criterion in self.all() {
            follow(self, &criterion.check, 0, &mut budget).map_err(|(what, limit)| GradeError::TooLarge {
                place: criterion.at,
                what,
                limit,
            })?;
        }
        Ok(())
    }
    fn check_gates(&self) -> Result<(), GradeError> {
        match self.all().find(|c| c.gate.is_some() && !c.check.is_yes_no(self)) {
            None => Ok(()),
            Some(c) => Err(GradeError::GradedGate { place: c.at, id: c.id.clone() }),
        }
    }
}

fn applies(fields: &mut Fields<'_>) -> Result<(Option<String>, BTreeMap<String, String>), GradeError> {
    let Some(node) = fields.take("for") else { return Ok((None, BTreeMap::new())) };
    let mut inner = Fields::of(node, "`for`")?;
    let agent = inner.text("agent")?;
    let mut slice = BTreeMap::new();
    if let Some(Node { value: Yaml::Map(entries), .. }) = inner.take("slice") {
        for (_, key, node) in entries {
            match &node.value {
                Yaml::Text(text) => slice.insert(key.clone(), text.clone()),
                _ => return Err(node.bad(key, "`for: slice`", "must be text")),
            };
        }
    } else if inner.peek("slice").is_some() {
        return Err(inner.bad("slice", "must be a mapping of labels"));
    }
    inner.finish()?;
    Ok((agent, slice))
}

struct Load {
    missing: Missing,
    ids: BTreeSet<String>,
    criteria: usize,
}

impl Load {
    fn id(&mut self, fields: &mut Fields<'_>) -> Result<String, GradeError> {
        let id = fields.need_text("id")?;
        let lawful = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if id.is_empty() || id.len() > 100 || !id.chars().all(lawful) {
            return Err(fields.bad("id", "must be 1 to 100 letters, digits, `-`, `_` or `.`"));
        }
        if !self.ids.insert(id.clone()) {
            return Err(GradeError::DuplicateId { place: fields.at, id });
        }
        Ok(id)
    }
    fn groups(&mut self, node: &Node, parent: &Fields<'_>, depth: usize) -> Result<Vec<Group>, GradeError> {
        let Yaml::List(items) = &node.value else {
            return Err(node.bad("groups", &parent.within, "must be a list of groups"));
        };
        if items.is_empty() {
            return Err(node.bad("groups", &parent.within, "needs at least one group"));
        }
        if depth > DEPTH {
            return Err(GradeError::TooLarge { place: node.at, what: "groups inside groups", limit: DEPTH });
        }
        items.iter().map(|item| self.group(item, depth)).collect()
    }
    fn group(&mut self, node: &Node, depth: usize) -> Result<Group, GradeError> {
        let mut fields = Fields::of(node, "a group")?;
        let id = self.id(&mut fields)?;
        fields.within = format!("group `{id}`");
        fields.text("title")?;
        let weight = fields.int("weight", 0, 1000)?.unwrap_or(1);
        let (list, inner) = (fields.take("criteria"), fields.take("groups"));
        let (criteria, groups) = match (list, inner) {
            (Some(node), None) => (self.criteria(node, &fields)?, Vec::new()),
            (None, Some(node)) => (Vec::new(), self.groups(node, &fields, depth + 1)?),
            _ => return Err(fields.bad("criteria", "a group has either `criteria` or `groups`")),
        };
        if groups.is_empty() && !criteria.iter().any(|criterion| criterion.points > 0) {
            return Err(GradeError::NoPositivePoints { place: node.at, id });
        }
        fields.finish()?;
        Ok(Group { id, weight: u32::try_from(weight).unwrap_or(0), criteria, groups })
    }
    fn criteria(&mut self, node: &Node, parent: &Fields<'_>) -> Result<Vec<Criterion>, GradeError> {
        let Yaml::List(items) = &node.value else {
            return Err(node.bad("criteria", &parent.within, "must be a list of criteria"));
        };
        items.iter().map(|item| self.criterion(item)).collect()
    }
    fn criterion(&mut self, node: &Node) -> Result<Criterion, GradeError> {
        self.criteria += 1;
        if self.criteria > CRITERIA {
            return Err(GradeError::TooLarge { place: node.at, what: "criteria", limit: CRITERIA });
        }
        let mut fields = Fields::of(node, "a criterion")?;
        let id = self.id(&mut fields)?;
        fields.within = format!("criterion `{id}`");
        fields.text("title")?;
        let points = fields.int("points", -1000, 1000)?.unwrap_or(1);
        let missing = Missing::take(&mut fields, self.missing)?;
        let gate = gate(&mut fields)?;
        let check = Check::parse(&mut fields, 0)?;
        fields.finish()?;
        Ok(Criterion { id, points: i32::try_from(points).unwrap_or(0), gate, missing, check, at: node.at })
    }
}

fn gate(fields: &mut Fields<'_>) -> Result<Option<Gate>, GradeError> {
    let wrong = "must be `must_pass`, `must_not` or `{ cap: N }` with N from 0 to 1000";
    match fields.take("gate") {
        None => Ok(None),
        Some(Node { value: Yaml::Text(word), .. }) => match word.as_str() {
            "must_pass" => Ok(Some(Gate::MustPass)),
            "must_not" => Ok(Some(Gate::MustNot)),
            other => Err(fields.bad(
                "gate",
                match nearest(other, ["must_pass", "must_not"].into_iter()) {
                    Some(near) => format!("{wrong}; did you mean `{near}`?"),
                    None => wrong.to_owned(),
                },
            )),
        },
        Some(node @ Node { value: Yaml::Map(_), .. }) => {
            let mut inner = Fields::of(node, "`gate`")?;
            let cap = inner.int("cap", 0, 1000)?.and_then(|cap| u16::try_from(cap).ok());
            inner.finish()?;
            cap.map(|cap| Some(Gate::Cap(cap))).ok_or_else(|| fields.bad("gate", wrong))
        }
        Some(_) => Err(fields.bad("gate", wrong)),
    }
}
