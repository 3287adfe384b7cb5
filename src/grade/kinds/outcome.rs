//! Budget, memory and outcome kinds.

use serde::Serialize;

use super::Range;
use crate::grade::error::GradeError;
use crate::grade::run::{Evidence, Reading};
use crate::grade::target::Context;
use crate::grade::yaml::{Fields, Yaml};

#[derive(Clone, Debug, Serialize)]
pub(super) enum Outcome {
    Max(Measure, u64),
    Spans(Range),
    Version(Vec<String>),
    Recalled { notes: Vec<String>, all: bool },
    Unused(Vec<String>),
    Cited { notes: Vec<String>, all: bool },
    Writes(Writes),
    Status(Vec<String>),
    Feedback(u16),
    Event(String),
    Label { label: String, is: Vec<String> },
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) enum Measure {
    Cost,
    Tokens,
    Latency,
    Turns,
    Errors,
}

#[derive(Clone, Debug, Serialize)]
pub(super) enum Writes {
    None,
    Kinds(Vec<String>),
    Admitted,
}

impl Outcome {
    pub(super) fn parse(kind: &str, fields: &mut Fields<'_>) -> Result<Self, GradeError> {
        let max = |fields: &mut Fields<'_>, measure, key| -> Result<Self, GradeError> {
            fields.need(key)?;
            fields.count(key)?.map(|max| Self::Max(measure, max)).ok_or_else(|| fields.bad(key, "must be a number"))
        };
        let need = [("any", false), ("all", true)];
        Ok(match kind {
            "cost.max" => max(fields, Measure::Cost, "micro_usd")?,
            "tokens.max" => max(fields, Measure::Tokens, "max")?,
            "latency.max" => max(fields, Measure::Latency, "ms")?,
            "turns.max" => max(fields, Measure::Turns, "max")?,
            "trace.errors" => max(fields, Measure::Errors, "max")?,
            "trace.spans" => Self::Spans(Range::take(fields)?),
            "memory.version" => Self::Version(fields.need_texts("is")?),
            "memory.recalled" => {
                Self::Recalled { notes: fields.need_texts("notes")?, all: fields.choice("need", &need)? }
            }
            "memory.unused" => Self::Unused(fields.need_texts("notes")?),
            "memory.cited" => Self::Cited { notes: fields.need_texts("notes")?, all: fields.choice("need", &need)? },
            "memory.writes" => {
                let node = fields.need("only")?;
                Self::Writes(match &node.value {
                    Yaml::Text(word) if word == "none" => Writes::None,
                    Yaml::Text(word) if word == "admitted" => Writes::Admitted,
                    Yaml::Map(_) => {
                        let mut inner = Fields::of(node, format!("`only` of {}", fields.within))?;
                        let kinds = inner.need_texts("kinds")?;
                        inner.finish()?;
                        Writes::Kinds(kinds)
                    }
                    _ => return Err(fields.bad("only", "must be `none`, `admitted` or `{ kinds: [...] }`")),
                })
            }
            "outcome.status" => Self::Status(fields.need_texts("is")?),
            "outcome.feedback" => {
                fields.need("min")?;
                Self::Feedback(fields.int("min", 0, 1000)?.and_then(|n| u16::try_from(n).ok()).unwrap_or(1000))
            }
            "outcome.event" => Self::Event(fields.need_text("name")?),
            _ => Self::Label { label: fields.need_text("label")?, is: fields.need_texts("is")? },
        })
    }
    pub(super) fn read(&self, cx: &Context<'_>) -> Reading {
        let a = cx.artifacts;
        let memory = |yes| Reading::yes(yes).with([Evidence::whole("memory")]);
        match self {
            Self::Max(measure, max) => {
                let t = &a.trace;
                let turns = || {
                    let said = a.messages.as_ref()?.iter().filter(|m| m.role == "assistant").count();
                    u64::try_from(said).ok()
                };
                let (value, what) = match measure {
                    Measure::Cost => (t.cost_micro_usd, "the cost"),
                    Measure::Tokens => (t.tokens, "the tokens"),
                    Measure::Latency => (t.latency_ms, "the time"),
                    Measure::Errors => (t.errors, "the failed spans"),
                    Measure::Turns => (t.turns.or_else(turns), "the turns"),
                };
                match value {
                    None => Reading::missing(what),
                    Some(n) => Reading::yes(n <= *max).because(format!("{n} counted")).with([Evidence::whole("trace")]),
                }
            }
            Self::Spans(range) => match a.trace.spans {
                None => Reading::missing("the spans"),
                Some(n) => Reading::yes(range.holds(usize::try_from(n).unwrap_or(usize::MAX))),
            },
            Self::Version(is) => match &a.memory.version {
                None => Reading::missing("the memory version"),
                Some(version) => memory(is.contains(version)),
            },
            Self::Recalled { notes, all } => listed(a.memory.recalled.as_ref(), notes, *all, "what was recalled"),
            Self::Cited { notes, all } => listed(a.memory.cited.as_ref(), notes, *all, "what was cited"),
            Self::Unused(notes) => listed(a.memory.recalled.as_ref(), notes, false, "what was recalled").negated(),
            Self::Writes(rule) => {
                let Some(writes) = &a.memory.writes else { return Reading::missing("what was written") };
                memory(match rule {
                    Writes::None => writes.is_empty(),
                    Writes::Kinds(kinds) => writes.iter().all(|write| kinds.contains(&write.kind)),
                    Writes::Admitted => writes.iter().all(|write| write.decision == "admit"),
                })
            }
            Self::Status(is) => match &a.status {
                None => Reading::missing("the outcome's status"),
                Some(status) => Reading::yes(is.contains(status)),
            },
            Self::Feedback(min) => match a.feedback_permille {
                None => Reading::missing("a rating"),
                Some(rating) => Reading::yes(rating >= *min),
            },
            Self::Event(name) => match &a.events {
                None => Reading::missing("later events"),
                Some(events) => {
                    let at: Vec<_> = events.iter().enumerate().filter(|(_, e)| e.name == *name).collect();
                    Reading::yes(!at.is_empty()).with(at.into_iter().map(|(i, _)| Evidence::at("events", i)))
                }
            },
            Self::Label { label, is } => match a.labels.get(label) {
                None => Reading::missing("the label"),
                Some(value) => Reading::yes(is.contains(value)).with([Evidence::whole("labels")]),
            },
        }
    }
}

fn listed(have: Option<&Vec<String>>, notes: &[String], all: bool, what: &str) -> Reading {
    let Some(have) = have else { return Reading::missing(what) };
    let yes = match all {
        true => notes.iter().all(|note| have.contains(note)),
        false => notes.iter().any(|note| have.contains(note)),
    };
    Reading::yes(yes).with([Evidence::whole("memory")])
}
