//! Tool call kinds.

use serde::Serialize;
use serde_json::Value;

use super::text::{bag_common, share};
use super::{Range, glob};
use crate::grade::artifact::Call;
use crate::grade::error::GradeError;
use crate::grade::json::{self, Mode};
use crate::grade::run::{Evidence, Reading};
use crate::grade::target::Context;
use crate::grade::yaml::{Fields, Yaml};

#[derive(Clone, Debug, Serialize)]
pub(super) enum Calls {
    Used(Vec<String>),
    Unused(Vec<String>),
    Count { names: Vec<String>, range: Range },
    Order { mode: Order, calls: Vec<Want> },
    Args { name: String, args: Args, which: Which },
    Errors { names: Vec<String>, max: u64 },
    Loop { max_repeat: u64 },
    Allowed(Vec<String>),
    F1 { names: Vec<String>, min: Option<u16> },
    Steps(Range),
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) enum Order {
    /// The same calls in the same order, nothing else.
    Strict,
    /// These calls in this order; others may stand between.
    Spaced,
    /// The same calls, any order, nothing else.
    Unordered,
    /// Nothing but these calls, each at most as often.
    Subset,
    /// At least these calls, any order.
    Superset,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) enum Which {
    Any,
    All,
    First,
    Last,
}

/// An expected call.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Want {
    name: String,
    args: Args,
}

/// How arguments are compared.
#[derive(Clone, Debug, Serialize)]
pub(super) enum Args {
    /// Not at all.
    Ignore,
    /// The same value.
    Exact(Value),
    /// Every given argument is among the expected ones: actual within expected.
    Subset(Value),
    /// Every expected argument is there: expected within actual.
    Superset(Value),
    /// These fields are there, with these values where values are given.
    Fields(Vec<String>, Value),
}

impl Calls {
    pub(super) fn parse(kind: &str, fields: &mut Fields<'_>) -> Result<Self, GradeError> {
        Ok(match kind {
            "calls.used" => Self::Used(fields.need_texts("names")?),
            "calls.unused" => Self::Unused(fields.need_texts("names")?),
            "calls.count" => Self::Count { names: fields.texts("names")?, range: Range::take(fields)? },
            "calls.order" => {
                fields.need("mode")?;
                let mode = fields.choice(
                    "mode",
                    &[
                        ("strict", Order::Strict),
                        ("in-order", Order::Spaced),
                        ("unordered", Order::Unordered),
                        ("subset", Order::Subset),
                        ("superset", Order::Superset),
                    ],
                )?;
                fields.need("calls")?;
                let calls = fields.list("calls")?.iter().map(|node| {
                    if let Yaml::Text(name) = &node.value {
                        return Ok(Want { name: name.clone(), args: Args::Ignore });
                    }
                    let mut inner = Fields::of(node, format!("a call of {}", fields.within))?;
                    let name = inner.need_text("name")?;
                    let args = match inner.take("args") {
                        None => Args::Ignore,
                        Some(node) => {
                            let mut args = Fields::of(node, format!("`args` of call `{name}`"))?;
                            let parsed = Args::take(&mut args)?;
                            args.finish()?;
                            parsed
                        }
                    };
                    inner.finish()?;
                    Ok(Want { name, args })
                });
                let calls: Vec<Want> = calls.collect::<Result<_, GradeError>>()?;
                if calls.len() > 200 {
                    return Err(fields.bad("calls", "names at most 200 calls"));
                }
                Self::Order { mode, calls }
            }
            "calls.args" => {
                let name = fields.need_text("name")?;
                let which = [("any", Which::Any), ("all", Which::All), ("first", Which::First), ("last", Which::Last)];
                Self::Args { name, which: fields.choice("which", &which)?, args: Args::take(fields)? }
            }
            "calls.errors" => Self::Errors { names: fields.texts("names")?, max: fields.count("max")?.unwrap_or(0) },
            "calls.loop" => {
                let max = fields.int("max_repeat", 1, 1000)?.unwrap_or(3);
                Self::Loop { max_repeat: max.unsigned_abs() }
            }
            "calls.allowed" => {
                fields.need("names")?;
                Self::Allowed(fields.texts("names")?)
            }
            "calls.f1" => Self::F1 {
                names: fields.need_texts("names")?,
                min: fields.int("min", 1, 1000)?.and_then(|n| u16::try_from(n).ok()),
            },
            _ => Self::Steps(Range::take(fields)?),
        })
    }
    pub(super) fn is_yes_no(&self) -> bool {
        !matches!(self, Self::F1 { min: None, .. })
    }
    pub(super) fn read(&self, cx: &Context<'_>) -> Reading {
        let Some(calls) = &cx.artifacts.calls else { return Reading::missing("the session's tool calls") };
        let at = |i: usize| Evidence::at("calls", i);
        let of = |names: &[String], call: &Call| names.is_empty() || names.iter().any(|n| glob(n, &call.name));
        let places = |test: &dyn Fn(&Call) -> bool| -> Vec<Evidence> {
            calls.iter().enumerate().filter(|(_, call)| test(call)).map(|(i, _)| at(i)).collect()
        };
        match self {
            Self::Used(names) => {
                let all = names.iter().all(|name| calls.iter().any(|call| glob(name, &call.name)));
                Reading::yes(all).with(places(&|call| of(names, call)))
            }
            Self::Unused(names) => {
                let bad = places(&|call| of(names, call));
                Reading::yes(bad.is_empty()).with(bad)
            }
            Self::Allowed(names) => {
                let bad = places(&|call| !names.iter().any(|n| glob(n, &call.name)));
                Reading::yes(bad.is_empty()).with(bad)
            }
            Self::Count { names, range } => {
                let count = calls.iter().filter(|call| of(names, call)).count();
                Reading::yes(range.holds(count)).because(format!("{count} counted"))
            }
            Self::Order { mode, calls: wanted } => order(*mode, wanted, calls),
            Self::Args { name, args, which } => {
                let own: Vec<_> = calls.iter().enumerate().filter(|(_, call)| call.name == *name).collect();
                let good = |c: &&(usize, &Call)| args.holds(&c.1.arguments);
                let met = match which {
                    Which::Any => own.iter().any(|c| good(&c)),
                    Which::All => !own.is_empty() && own.iter().all(|c| good(&c)),
                    Which::First => own.first().is_some_and(|c| good(&c)),
                    Which::Last => own.last().is_some_and(|c| good(&c)),
                };
                let reading = Reading::yes(met).with(own.iter().filter(|c| good(c) == met).map(|(i, _)| at(*i)));
                if own.is_empty() { reading.because("no such call") } else { reading }
            }
            Self::Errors { names, max } => {
                let known = places(&|call| of(names, call) && call.error == Some(true));
                let unknown = calls.iter().filter(|call| of(names, call) && call.error.is_none()).count() as u64;
                let failed = calls.iter().filter(|c| of(names, c) && c.error == Some(true)).count() as u64;
                match (failed <= *max, failed + unknown <= *max) {
                    (true, false) => Reading::missing("whether some calls failed").with(known),
                    (within, _) => Reading::yes(within).with(known),
                }
            }
            Self::Loop { max_repeat } => {
                let mut run = 1;
                for i in 1..calls.len() {
                    let (a, b) = (&calls[i - 1], &calls[i]);
                    run = if a.name == b.name && a.arguments == b.arguments { run + 1 } else { 1 };
                    if run > *max_repeat {
                        return Reading::yes(true).with([at(i)]);
                    }
                }
                Reading::yes(false)
            }
            Self::F1 { names, min } => {
                let used: Vec<&str> = calls.iter().map(|call| call.name.as_str()).collect();
                let wanted: Vec<&str> = names.iter().map(String::as_str).collect();
                let f1 = share(2 * bag_common(&used, &wanted), used.len() + wanted.len());
                let reading = min.map_or_else(|| Reading::met(f1), |min| Reading::yes(f1 >= min));
                reading.because(format!("F1 {f1} of 1000"))
            }
            Self::Steps(range) => {
                let Some(messages) = &cx.artifacts.messages else { return Reading::missing("the messages") };
                let count = calls.len() + messages.iter().filter(|m| m.role == "assistant").count();
                Reading::yes(range.holds(count)).because(format!("{count} counted"))
            }
        }
    }
}

impl Want {
    fn takes(&self, call: &Call) -> bool {
        glob(&self.name, &call.name) && self.args.holds(&call.arguments)
    }
}

impl Args {
    fn take(fields: &mut Fields<'_>) -> Result<Self, GradeError> {
        fields.need("mode")?;
        let word =
            fields.choice("mode", &[("exact", 0), ("ignore", 1), ("subset", 2), ("superset", 3), ("fields", 4)])?;
        let value = fields.json("value")?;
        let names = fields.texts("fields")?;
        let object = matches!(value, None | Some(Value::Object(_)));
        match (word, value) {
            (4, _) if names.is_empty() => Err(fields.bad("fields", "names at least one argument")),
            (0..=3, _) if !names.is_empty() => Err(fields.bad("fields", "belongs to `mode: fields`")),
            (2..=4, _) if !object => Err(fields.bad("value", "must be a mapping of arguments")),
            (1, None) => Ok(Self::Ignore),
            (1, Some(_)) => Err(fields.bad("value", "is not read with `mode: ignore`")),
            (4, value) => Ok(Self::Fields(names, value.unwrap_or(Value::Null))),
            (_, None) => Err(fields.bad("value", "is needed to compare with")),
            (0, Some(value)) => Ok(Self::Exact(value)),
            (2, Some(value)) => Ok(Self::Subset(value)),
            (_, Some(value)) => Ok(Self::Superset(value)),
        }
    }
    fn holds(&self, actual: &Value) -> bool {
        match self {
            Self::Ignore => true,
            Self::Exact(want) => json::matches(actual, want, Mode::Exact),
            Self::Superset(want) => json::matches(actual, want, Mode::Subset),
            Self::Subset(want) => actual.is_object() && json::matches(want, actual, Mode::Subset),
            Self::Fields(names, want) => names.iter().all(|name| match (actual.get(name), want.get(name)) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some(have), Some(want)) => json::matches(have, want, Mode::Exact),
            }),
        }
    }
}

fn order(mode: Order, wanted: &[Want], calls: &[Call]) -> Reading {
    let at = |i: usize| Evidence::at("calls", i);
    match mode {
        Order::Strict => {
            let same = wanted.len() == calls.len() && wanted.iter().zip(calls).all(|(want, call)| want.takes(call));
            let off = (0..calls.len()).find(|&i| !wanted.get(i).is_some_and(|want| want.takes(&calls[i])));
            Reading::yes(same).with(off.map(at))
        }
        Order::Spaced => {
            // the earliest possible place for each leaves the most room for the rest
            let mut next = 0;
            let mut places = Vec::new();
            for want in wanted {
                match (next..calls.len()).find(|&i| want.takes(&calls[i])) {
                    Some(i) => {
                        places.push(at(i));
                        next = i + 1;
                    }
                    None => return Reading::yes(false).with(places),
                }
            }
            Reading::yes(true).with(places)
        }
        Order::Unordered | Order::Subset | Order::Superset => {
            // more calls than expected ones cannot all be matched: no need to look
            if !matches!(mode, Order::Superset) && calls.len() > wanted.len() {
                return Reading::yes(false);
            }
            let pairs = matching(wanted, calls);
            let all_wanted = pairs == wanted.len();
            let all_calls = pairs == calls.len();
            Reading::yes(match mode {
                Order::Subset => all_calls,
                Order::Superset => all_wanted,
                _ => all_wanted && all_calls,
            })
        }
    }
}

/// The largest number of expected calls that can be given a call each.
///
/// Source: augmenting paths (Kuhn). A greedy pairing would let a loose expectation eat the only
/// call a strict one fits.
fn matching(wanted: &[Want], calls: &[Call]) -> usize {
    fn give(w: usize, fits: &[Vec<usize>], taken: &mut [Option<usize>], seen: &mut [bool]) -> bool {
        for &c in &fits[w] {
            if std::mem::replace(&mut seen[c], true) {
                continue;
            }
            let free = match taken[c] {
                None => true,
                Some(other) => give(other, fits, taken, seen),
            };
            if free {
                taken[c] = Some(w);
                return true;
            }
        }
        false
    }
    let fits: Vec<Vec<usize>> =
        wanted.iter().map(|want| (0..calls.len()).filter(|&i| want.takes(&calls[i])).collect()).collect();
    let mut taken = vec![None; calls.len()];
    (0..wanted.len()).filter(|&w| give(w, &fits, &mut taken, &mut vec![false; calls.len()])).count()
}
