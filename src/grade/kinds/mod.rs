//! The criterion kinds: one family a file, one table of all of them.

mod calls;
mod composite;
mod judge;
mod outcome;
mod safety;
mod state;
mod structured;
mod text;

use serde::Serialize;

use super::error::GradeError;
use super::rubric::Rubric;
use super::run::Reading;
use super::target::Context;
use super::yaml::{Fields, Yaml, nearest};

pub(crate) use text::levenshtein;

/// What a kind does, for people and for the manual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindInfo {
    /// Its name in a rubric.
    pub name: &'static str,
    /// When it is met.
    pub met: &'static str,
    /// What it says when its input is not there.
    pub missing: &'static str,
    family: Family,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Text,
    Safety,
    Structured,
    Calls,
    State,
    Outcome,
    Judge,
    Composite,
}

const OPEN: &str = "open, or not applicable when `missing` says so";

macro_rules! kinds {
    ($($family:ident { $($name:literal: $met:literal $(, $missing:expr)?;)+ })+) => {
        const KINDS: &[KindInfo] = &[$($(
            KindInfo { name: $name, met: $met, family: Family::$family, missing: { let _m = OPEN; $(let _m = $missing;)? _m } },
        )+)+];
    };
}

kinds! {
    Text {
        "text.equals": "a text equals one of `text`";
        "text.contains": "a text contains `text`";
        "text.any": "at least one of `texts` occurs";
        "text.all": "every one of `texts` occurs";
        "text.regex": "`pattern` (linear time, no look-around) matches";
        "text.starts": "a text starts with `text`";
        "text.ends": "a text ends with `text`";
        "text.length": "the length in `unit` (characters, words, lines, tokens) is within `min` and `max`; words and tokens are Unicode pieces (UAX 29), not a model's tokens";
        "text.similarity": "by degrees, likeness to `reference` or the task's reference (levenshtein, rouge_l, token_f1); with `min` yes or no";
        "text.refusal": "an English refusal phrase stands in the first 300 characters; use with `expect: absent`";
    }
    Safety {
        "text.hidden": "an invisible or control character occurs; use with `expect: absent`";
        "scan.clean": "our own rules found nothing at or above `level` (of `rules`, by prefix)";
        "secret.none": "our own rules found no secret";
        "canary.absent": "none of `canaries` occurs, in any letter case";
        "destination.allowed": "every host of a URL or mail address is in `allow`";
    }
    Structured {
        "json.valid": "the text is one JSON value without repeated keys";
        "json.path": "a value at `path` passes the checks (`equals`, `contains`, `pattern`, `min`, `max`, `count`)", "not JSON: not met; no text: open, or not applicable when `missing` says so";
        "json.equals": "the text is the JSON `value` (`mode` exact, subset, unordered)", "not JSON: not met; no text: open, or not applicable when `missing` says so";
        "code.fence": "a closed fenced block (of `lang`) is there, as often as `min` and `max` say";
        "number.range": "the number is within `min` and `max`", "no number: not met; no text: open, or not applicable when `missing` says so";
        "number.near": "the number is within `within` or `within_permille` of `to`", "no number: not met; no text: open, or not applicable when `missing` says so";
        "number.compare": "`left` `op` `right` holds", "no number: not met; no text: open, or not applicable when `missing` says so";
    }
    Calls {
        "calls.used": "every tool of `names` was called";
        "calls.unused": "no tool of `names` was called";
        "calls.count": "calls (of `names`) number from `min` to `max`";
        "calls.order": "the calls follow `calls` (`mode` strict, in-order, unordered, subset, superset)";
        "calls.args": "the arguments of calls of `name` match (`which` any, all, first, last)", "no such call: not met; no calls supplied: open, or not applicable when `missing` says so";
        "calls.errors": "at most `max` calls failed", "a call without a known outcome: open";
        "calls.loop": "one call with the same arguments came more than `max_repeat` times in a row; use with `expect: absent`";
        "calls.allowed": "every call is of `names` (with `*`)";
        "calls.f1": "by degrees, agreement of the called names with `names`; with `min` yes or no";
        "steps.count": "tool calls and agent messages together number from `min` to `max`";
    }
    State {
        "state.equals": "the records after equal `value`, or with `to: before` nothing at all changed";
        "state.diff": "every change of `expect` happened and, unless `others: allowed`, no other";
        "state.file": "the file at `path` exists (or, `exists: false`, does not) and matches";
        "state.record": "the record at `path` exists (or, `exists: false`, does not) and equals";
        "state.probe": "the harness's probe `name` said yes";
    }
    Outcome {
        "cost.max": "the cost is at most `micro_usd`";
        "tokens.max": "tokens are at most `max`";
        "latency.max": "the time is at most `ms`";
        "turns.max": "the agent's turns are at most `max`";
        "trace.spans": "spans number from `min` to `max`";
        "trace.errors": "at most `max` spans failed";
        "memory.version": "the session ran on the version `is`";
        "memory.recalled": "`need` (any, all) of `notes` were recalled";
        "memory.unused": "none of `notes` was recalled";
        "memory.cited": "`need` (any, all) of `notes` were cited";
        "memory.writes": "what was written is `none`, only of `kinds`, or all `admitted`";
        "outcome.status": "the reported status is one of `is`";
        "outcome.feedback": "the rating is at least `min` permille";
        "outcome.event": "the event `name` happened";
        "label.human": "people gave `label` the value `is`";
    }
    Judge {
        "judge.yesno": "asks a judge", "no judge is configured: open";
        "judge.scale": "asks a judge, by degrees", "no judge is configured: open";
        "judge.labels": "asks a judge", "no judge is configured: open";
        "judge.pair": "asks a judge", "no judge is configured: open";
        "judge.facts": "asks a judge, by degrees", "no judge is configured: open";
        "judge.goal": "asks a judge", "no judge is configured: open";
        "judge.rubric": "asks a judge", "no judge is configured: open";
        "embed.near": "asks an embedder, by degrees", "no embedder is configured: open";
    }
    Composite {
        "all": "every check of `of` is met (the least of them)", "as its parts";
        "any": "some check of `of` is met (the most of them)", "as its parts";
        "at_least": "`count` checks of `of` are met", "as its parts";
        "none": "no check of `of` is met", "as its parts";
        "not": "the check `of` is not met", "as its part";
        "when": "`then` is met; asked only if `if` is met, else not applicable", "as its parts";
        "each": "`check` is met for each of `over` (calls, messages), for `need` all, any, or as a share", "nothing to look at: not applicable";
        "ref": "the criterion `to` is met", "as that criterion";
    }
}

/// Kinds of the specification that are not evaluated yet: refused at load, never skipped.
const UNBUILT: &[&str] = &[
    "text.language",
    "json.schema",
    "xml.wellformed",
    "sql.parses",
    "calls.valid",
    "external.http",
    "external.wasm",
    "expr",
    "rate",
    "percentile",
    "pass_any_of_k",
    "pass_all_of_k",
    "paired_delta",
];

/// All kinds a rubric may name, in the manual's order.
pub fn kinds() -> &'static [KindInfo] {
    KINDS
}

/// Kinds that are specified but not built; a rubric that names one is refused.
pub fn unbuilt_kinds() -> &'static [&'static str] {
    UNBUILT
}

/// One question.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Check {
    kind: &'static str,
    negate: bool,
    body: Body,
}

#[derive(Clone, Debug, Serialize)]
enum Body {
    Text(text::Text),
    Safety(safety::Safety),
    Structured(structured::Structured),
    Calls(calls::Calls),
    State(state::StateCheck),
    Outcome(outcome::Outcome),
    Judge(judge::Judge),
    Composite(composite::Composite),
}

impl Check {
    /// Reads `kind`, `expect` and what the kind needs; the caller finishes the fields.
    pub(crate) fn parse(fields: &mut Fields<'_>, depth: usize) -> Result<Self, GradeError> {
        let place = fields.peek("kind").map_or(fields.at, |node| node.at);
        let name = fields.need_text("kind")?;
        let Some(info) = KINDS.iter().find(|info| info.name == name) else {
            if UNBUILT.contains(&name.as_str()) {
                return Err(GradeError::UnbuiltKind { place, kind: name });
            }
            let suggestion = nearest(&name, KINDS.iter().map(|info| info.name));
            return Err(GradeError::UnknownKind { place, kind: name, suggestion });
        };
        fields.within = format!("{} ({})", fields.within, info.name);
        let list = matches!(fields.peek("expect"), Some(node) if matches!(node.value, Yaml::List(_)));
        let negate = if info.name == "state.diff" && list {
            false
        } else {
            fields.choice("expect", &[("present", false), ("passes", false), ("absent", true), ("fails", true)])?
        };
        let body = match info.family {
            Family::Text => Body::Text(text::Text::parse(info.name, fields)?),
            Family::Safety => Body::Safety(safety::Safety::parse(info.name, fields)?),
            Family::Structured => Body::Structured(structured::Structured::parse(info.name, fields)?),
            Family::Calls => Body::Calls(calls::Calls::parse(info.name, fields)?),
            Family::State => Body::State(state::StateCheck::parse(info.name, fields)?),
            Family::Outcome => Body::Outcome(outcome::Outcome::parse(info.name, fields)?),
            Family::Judge => Body::Judge(judge::Judge::parse(info.name, fields)?),
            Family::Composite => Body::Composite(composite::Composite::parse(info.name, fields, depth)?),
        };
        Ok(Self { kind: info.name, negate, body })
    }
    /// The kind's name.
    pub(crate) fn kind(&self) -> &'static str {
        self.kind
    }
    /// Answers.
    pub(crate) fn read(&self, cx: &Context<'_>) -> Reading {
        let reading = match &self.body {
            Body::Text(body) => body.read(cx),
            Body::Safety(body) => body.read(cx),
            Body::Structured(body) => body.read(cx),
            Body::Calls(body) => body.read(cx),
            Body::State(body) => body.read(cx),
            Body::Outcome(body) => body.read(cx),
            Body::Judge(body) => body.read(),
            Body::Composite(body) => body.read(cx),
        };
        let reading = if self.negate { reading.negated() } else { reading };
        reading.settle(cx.missing)
    }
    /// True when it never answers by degrees.
    pub(crate) fn is_yes_no(&self, rubric: &Rubric) -> bool {
        match &self.body {
            Body::Text(body) => body.is_yes_no(),
            Body::Calls(body) => body.is_yes_no(),
            Body::Judge(body) => body.is_yes_no(),
            Body::Composite(body) => body.is_yes_no(rubric),
            Body::Safety(_) | Body::Structured(_) | Body::State(_) | Body::Outcome(_) => true,
        }
    }
    /// Ids it refers to.
    pub(crate) fn references(&self) -> Vec<&str> {
        match &self.body {
            Body::Composite(body) => body.references(),
            _ => Vec::new(),
        }
    }
    /// Advice, when there is some.
    pub(crate) fn lint(&self) -> Option<String> {
        match &self.body {
            Body::Judge(body) => body.lint(),
            _ => None,
        }
    }
}

/// A regular expression that serializes as its source, for the digest.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(regex::Regex);

impl Serialize for Pattern {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl Pattern {
    /// Reads a pattern under a key; linear time only, at most 1 MiB compiled.
    pub(crate) fn take(fields: &mut Fields<'_>, key: &'static str) -> Result<Option<Self>, GradeError> {
        let Some(source) = fields.text(key)? else { return Ok(None) };
        let built = regex::RegexBuilder::new(&source).size_limit(1 << 20).build();
        built.map(|regex| Some(Self(regex))).map_err(|error| {
            let problem = error.to_string();
            fields.bad(key, problem.lines().last().unwrap_or("not a pattern").to_owned())
        })
    }
    pub(crate) fn find(&self, text: &str) -> Option<(usize, usize)> {
        self.0.find(text).map(|hit| (hit.start(), hit.end()))
    }
    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

/// Both ends of a count; at least one must be given.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Range {
    min: Option<u64>,
    max: Option<u64>,
}

impl Range {
    pub(crate) fn take(fields: &mut Fields<'_>) -> Result<Self, GradeError> {
        let exact = fields.count("equals")?;
        let (min, max) = (fields.count("min")?, fields.count("max")?);
        match (exact, min, max) {
            (Some(n), None, None) => Ok(Self { min: Some(n), max: Some(n) }),
            (Some(_), _, _) => Err(fields.bad("equals", "stands alone, without `min` and `max`")),
            (None, None, None) => Err(fields.bad("min", "needs `min`, `max` or `equals`")),
            (None, Some(min), Some(max)) if min > max => Err(fields.bad("min", "is above `max`")),
            (None, min, max) => Ok(Self { min, max }),
        }
    }
    pub(crate) fn holds(self, n: usize) -> bool {
        let n = n as u64;
        self.min.is_none_or(|min| n >= min) && self.max.is_none_or(|max| n <= max)
    }
}

/// A name with `*` for any run of characters.
pub(crate) fn glob(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_names() {
        for (pattern, name, want) in [
            ("get_*", "get_order", true),
            ("get_*", "forget_order", false),
            ("*.shop.example", "pay.shop.example", true),
            ("*.shop.example", "shop.example.evil.test", false),
            ("a*b*c", "abc", true),
            ("a*b*b", "ab", false),
            ("refund", "refund2", false),
            ("*", "", true),
        ] {
            assert_eq!(glob(pattern, name), want, "{pattern} {name}");
        }
    }

    #[test]
    fn names_of_kinds_never_repeat() {
        let mut names: Vec<_> = KINDS.iter().map(|k| k.name).chain(UNBUILT.iter().copied()).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
