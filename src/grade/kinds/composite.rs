//! Composite kinds: questions made of questions.

use serde::Serialize;

use super::Check;
use super::text::share;
use crate::grade::error::GradeError;
use crate::grade::rubric::Rubric;
use crate::grade::run::{Reading, Status};
use crate::grade::target::{Context, Item};
use crate::grade::yaml::{Fields, Node, Yaml};

const DEPTH: usize = 8;

#[derive(Clone, Debug, Serialize)]
pub(super) enum Composite {
    All(Vec<Check>),
    Any(Vec<Check>),
    AtLeast(usize, Vec<Check>),
    None(Vec<Check>),
    Not(Box<Check>),
    When { condition: Box<Check>, then: Box<Check> },
    Each { over: Over, names: Vec<String>, need: Need, check: Box<Check> },
    Ref(String),
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) enum Over {
    Calls,
    Messages,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Need {
    All,
    Any,
    Share,
}

impl Composite {
    pub(super) fn parse(kind: &str, fields: &mut Fields<'_>, depth: usize) -> Result<Self, GradeError> {
        if depth >= DEPTH {
            return Err(GradeError::TooLarge { place: fields.at, what: "checks inside checks", limit: DEPTH });
        }
        let within = fields.within.clone();
        let in_each = fields.in_each || kind == "each";
        let check = |node: &Node| -> Result<Check, GradeError> {
            let mut inner = Fields::of(node, format!("a check of {within}"))?;
            inner.in_each = in_each;
            let check = Check::parse(&mut inner, depth + 1)?;
            inner.finish()?;
            Ok(check)
        };
        let list = |fields: &mut Fields<'_>| -> Result<Vec<Check>, GradeError> {
            let node = fields.need("of")?;
            match &node.value {
                Yaml::List(items) if !items.is_empty() && items.len() <= 100 => items.iter().map(check).collect(),
                _ => Err(fields.bad("of", "must be a list of 1 to 100 checks")),
            }
        };
        Ok(match kind {
            "all" => Self::All(list(fields)?),
            "any" => Self::Any(list(fields)?),
            "none" => Self::None(list(fields)?),
            "at_least" => {
                let of = list(fields)?;
                fields.need("count")?;
                let count = fields.count("count")?.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
                if count == 0 || count > of.len() {
                    return Err(fields.bad("count", "must be from 1 to the number of checks"));
                }
                Self::AtLeast(count, of)
            }
            "not" => Self::Not(Box::new(check(fields.need("of")?)?)),
            "when" => Self::When {
                condition: Box::new(check(fields.need("if")?)?),
                then: Box::new(check(fields.need("then")?)?),
            },
            "each" => {
                fields.need("over")?;
                let over = fields.choice("over", &[("calls", Over::Calls), ("messages", Over::Messages)])?;
                let need = [("all", Need::All), ("any", Need::Any), ("share", Need::Share)];
                let need = fields.choice("need", &need)?;
                let names = fields.texts("names")?;
                Self::Each { over, names, need, check: Box::new(check(fields.need("check")?)?) }
            }
            _ => Self::Ref(fields.need_text("to")?),
        })
    }
    pub(super) fn read(&self, cx: &Context<'_>) -> Reading {
        let each = |of: &[Check]| of.iter().map(|check| check.read(cx)).collect::<Vec<_>>();
        match self {
            Self::All(of) => fold(each(of), |low, high| (least(low), least(high))),
            Self::Any(of) => fold(each(of), |low, high| (most(low), most(high))),
            Self::None(of) => fold(each(of), |low, high| (1000 - most(high), 1000 - most(low))),
            Self::AtLeast(count, of) => {
                // the count-th best: that many are at least as good. What is not applicable cannot be among them.
                let nth = |mut values: Vec<u16>| {
                    values.sort_unstable_by(|a, b| b.cmp(a));
                    values.get(count - 1).copied().unwrap_or(0)
                };
                fold(each(of), |low, high| (nth(low), nth(high)))
            }
            Self::Not(of) => of.read(cx).negated(),
            Self::When { condition, then } => {
                let asked = condition.read(cx);
                match asked.status {
                    Status::NotApplicable => Reading::not_applicable("the condition was not applicable"),
                    // Open: left out or asked, nobody knows; the whole range covers both.
                    _ if asked.low != asked.high => {
                        Reading { evidence: asked.evidence, ..Reading::abstain("the condition is open") }
                    }
                    _ if asked.low == 1000 => then.read(cx),
                    _ => Reading::not_applicable("the condition does not hold"),
                }
            }
            Self::Each { over, names, need, check } => {
                let items: Option<Vec<Item<'_>>> = match over {
                    Over::Calls => cx.artifacts.calls.as_ref().map(|calls| {
                        let own = calls.iter().enumerate();
                        let own =
                            own.filter(|(_, c)| names.is_empty() || names.iter().any(|n| super::glob(n, &c.name)));
                        own.map(|(i, call)| Item::Call(i, call)).collect()
                    }),
                    Over::Messages => cx.artifacts.messages.as_ref().map(|messages| {
                        let own = messages.iter().enumerate();
                        let own = own.filter(|(_, m)| names.is_empty() || names.contains(&m.role));
                        own.map(|(i, message)| Item::Message(i, message)).collect()
                    }),
                };
                let Some(items) = items else { return Reading::missing("what `over` names") };
                if items.is_empty() {
                    return Reading::not_applicable("there is nothing to look at");
                }
                let readings = items.iter().map(|item| check.read(&Context { item: Some(*item), ..*cx })).collect();
                match need {
                    Need::All => fold(readings, |low, high| (least(low), least(high))),
                    Need::Any => fold(readings, |low, high| (most(low), most(high))),
                    Need::Share => fold(readings, |low, high| (average(&low), average(&high))),
                }
            }
            Self::Ref(id) => match cx.rubric.find(id) {
                // circles are refused at load; a criterion keeps its own view of missing input
                Some(criterion) => criterion.check.read(&Context { missing: criterion.missing, ..*cx }),
                None => Reading::error("no such criterion"),
            },
        }
    }
    pub(super) fn is_yes_no(&self, rubric: &Rubric) -> bool {
        let each = |of: &[Check]| of.iter().all(|check| check.is_yes_no(rubric));
        match self {
            Self::All(of) | Self::Any(of) | Self::None(of) | Self::AtLeast(_, of) => each(of),
            Self::Not(of) => of.is_yes_no(rubric),
            Self::When { then, .. } => then.is_yes_no(rubric),
            Self::Each { need, check, .. } => *need != Need::Share && check.is_yes_no(rubric),
            Self::Ref(id) => rubric.find(id).is_none_or(|criterion| criterion.check.is_yes_no(rubric)),
        }
    }
    pub(super) fn references(&self) -> Vec<&str> {
        match self {
            Self::All(of) | Self::Any(of) | Self::None(of) | Self::AtLeast(_, of) => {
                of.iter().flat_map(Check::references).collect()
            }
            Self::Not(of) => of.references(),
            Self::When { condition, then } => condition.references().into_iter().chain(then.references()).collect(),
            Self::Each { check, .. } => check.references(),
            Self::Ref(id) => vec![id],
        }
    }
}

fn least(values: Vec<u16>) -> u16 {
    values.into_iter().min().unwrap_or(0)
}

fn most(values: Vec<u16>) -> u16 {
    values.into_iter().max().unwrap_or(0)
}

fn average(values: &[u16]) -> u16 {
    share(values.iter().map(|v| usize::from(*v)).sum(), values.len() * 1000)
}

/// Combines what is applicable; when nothing is, the whole is not.
fn fold(readings: Vec<Reading>, combine: impl Fn(Vec<u16>, Vec<u16>) -> (u16, u16)) -> Reading {
    let counted: Vec<Reading> = readings.into_iter().filter(|r| r.status != Status::NotApplicable).collect();
    if counted.is_empty() {
        return Reading::not_applicable("none of its parts was applicable");
    }
    let side = |pick: fn(&Reading) -> u16| counted.iter().map(pick).collect::<Vec<u16>>();
    let (low, high) = combine(side(|r| r.low), side(|r| r.high));
    let open = counted.iter().find(|r| r.is_open());
    let mut reading = Reading::between(low, high, open.and_then(|r| r.reason.clone()));
    if low != high && counted.iter().any(|r| r.status == Status::Error) {
        reading.status = Status::Error;
    }
    reading.with(counted.into_iter().flat_map(|r| r.evidence))
}
