//! Structured kinds: JSON, fences, numbers.

use serde::Serialize;
use serde_json::Value;

use super::{Pattern, Range};
use crate::domain::json::parse_strict;
use crate::grade::decimal::Decimal;
use crate::grade::error::GradeError;
use crate::grade::json::{self, Mode, Path};
use crate::grade::run::Reading;
use crate::grade::target::{Context, Piece, Target};
use crate::grade::yaml::{Fields, Yaml};

#[derive(Clone, Debug, Serialize)]
pub(super) enum Structured {
    Valid(Source),
    Path { source: Source, path: Path, check: ValueCheck },
    Equals { source: Source, value: Value, mode: Mode },
    Fence { on: Target, lang: Option<String>, range: Option<Range> },
    Range { number: Number, min: Option<Decimal>, max: Option<Decimal> },
    Near { number: Number, to: Decimal, within: Option<Decimal>, permille: Option<u64> },
    Compare { left: Number, right: Number, op: Op },
}

/// Where JSON text comes from.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Source {
    on: Target,
    fenced: bool,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct ValueCheck {
    need_all: bool,
    equals: Option<Value>,
    contains: Option<String>,
    pattern: Option<Pattern>,
    min: Option<Decimal>,
    max: Option<Decimal>,
    count: Option<Range>,
}

/// A number in a text: at a JSON path, or the first or last one written.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Number {
    source: Source,
    pick: Pick,
}

#[derive(Clone, Debug, Serialize)]
enum Pick {
    Path(Path),
    First,
    Last,
    Given(Decimal),
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(super) enum Op {
    Lt,
    Le,
    Eq,
    Ne,
    Ge,
    Gt,
}

impl Structured {
    pub(super) fn parse(kind: &str, fields: &mut Fields<'_>) -> Result<Self, GradeError> {
        Ok(match kind {
            "json.valid" => Self::Valid(Source::take(fields)?),
            "json.path" => {
                let source = Source::take(fields)?;
                fields.need("path")?;
                Self::Path { source, path: path(fields)?.unwrap_or_else(Path::root), check: ValueCheck::take(fields)? }
            }
            "json.equals" => {
                let source = Source::take(fields)?;
                let value = fields.json("value")?.ok_or_else(|| GradeError::MissingKey {
                    place: fields.at,
                    key: "value",
                    within: fields.within.clone(),
                })?;
                let mode = fields.choice(
                    "mode",
                    &[("exact", Mode::Exact), ("subset", Mode::Subset), ("unordered", Mode::Unordered)],
                )?;
                Self::Equals { source, value, mode }
            }
            "code.fence" => {
                let on = Target::take(fields)?;
                let lang = fields.text("lang")?.map(|lang| lang.to_lowercase());
                let counted = ["min", "max", "equals"].iter().any(|key| fields.peek(key).is_some());
                let range = if counted { Some(Range::take(fields)?) } else { None };
                Self::Fence { on, lang, range }
            }
            "number.range" => {
                let (min, max) = (fields.decimal("min")?, fields.decimal("max")?);
                if min.is_none() && max.is_none() {
                    return Err(fields.bad("min", "needs `min` or `max`"));
                }
                Self::Range { number: Number::take(fields)?, min, max }
            }
            "number.near" => {
                fields.need("to")?;
                let Some(to) = fields.decimal("to")? else { return Err(fields.bad("to", "must be a number")) };
                let within = fields.decimal("within")?;
                let permille = fields.int("within_permille", 0, 1000)?.map(i64::unsigned_abs);
                if within.is_some() == permille.is_some() {
                    return Err(fields.bad("within", "needs either `within` or `within_permille`"));
                }
                Self::Near { number: Number::take(fields)?, to, within, permille }
            }
            _ => {
                let ops =
                    [("lt", Op::Lt), ("le", Op::Le), ("eq", Op::Eq), ("ne", Op::Ne), ("ge", Op::Ge), ("gt", Op::Gt)];
                fields.need("op")?;
                let op = fields.choice("op", &ops)?;
                Self::Compare { left: Number::side(fields, "left")?, right: Number::side(fields, "right")?, op }
            }
        })
    }
    pub(super) fn read(&self, cx: &Context<'_>) -> Reading {
        match self {
            Self::Valid(source) => source.every(cx, |_| true),
            Self::Equals { source, value, mode } => source.every(cx, |have| json::matches(have, value, *mode)),
            Self::Path { source, path, check } => source.every(cx, |have| check.holds(&path.find(have))),
            Self::Fence { on, lang, range } => {
                let Some(pieces) = on.pieces(cx) else { return Reading::missing("the text to read") };
                let count = pieces.iter().flat_map(|p| fences(&p.text));
                let count = count.filter(|(l, _)| lang.as_ref().is_none_or(|want| l == want)).count();
                Reading::yes(range.map_or(count > 0, |range| range.holds(count))).because(format!("{count} counted"))
            }
            Self::Range { number, min, max } => match number.read(cx) {
                Err(reading) => reading,
                Ok(n) => Reading::yes(min.is_none_or(|min| n >= min) && max.is_none_or(|max| n <= max)),
            },
            Self::Near { number, to, within, permille } => match number.read(cx) {
                Err(reading) => reading,
                Ok(n) => {
                    let far = n.distance(*to);
                    let near = within.is_none_or(|within| far <= within);
                    Reading::yes(near && permille.is_none_or(|permille| far.within_permille(*to, permille)))
                }
            },
            Self::Compare { left, right, op } => match (left.read(cx), right.read(cx)) {
                (Err(reading), Ok(_) | Err(_)) | (Ok(_), Err(reading)) => reading,
                (Ok(a), Ok(b)) => Reading::yes(match op {
                    Op::Lt => a < b,
                    Op::Le => a <= b,
                    Op::Eq => a == b,
                    Op::Ne => a != b,
                    Op::Ge => a >= b,
                    Op::Gt => a > b,
                }),
            },
        }
    }
}

fn path(fields: &mut Fields<'_>) -> Result<Option<Path>, GradeError> {
    let Some(text) = fields.text("path")? else { return Ok(None) };
    Path::parse(&text).map(Some).map_err(|problem| fields.bad("path", problem))
}

impl Source {
    fn take(fields: &mut Fields<'_>) -> Result<Self, GradeError> {
        let on = Target::take(fields)?;
        Ok(Self { on, fenced: fields.choice("from", &[("whole", false), ("fence", true)])? })
    }
    /// Met when there is a text and every text is JSON that passes.
    fn every(&self, cx: &Context<'_>, test: impl Fn(&Value) -> bool) -> Reading {
        let Some(pieces) = self.on.pieces(cx) else { return Reading::missing("the text to read") };
        let mut good = !pieces.is_empty();
        let mut evidence = Vec::new();
        for piece in &pieces {
            if !self.value(piece).is_some_and(|value| test(&value)) {
                good = false;
                evidence.push(piece.at.clone());
            }
        }
        Reading::yes(good).with(evidence)
    }
    fn value(&self, piece: &Piece<'_>) -> Option<Value> {
        match self.fenced {
            false => parse_strict(&piece.text).ok(),
            true => parse_strict(fences(&piece.text).first()?.1).ok(),
        }
    }
}

impl ValueCheck {
    fn take(fields: &mut Fields<'_>) -> Result<Self, GradeError> {
        let need_all = fields.choice("need", &[("any", false), ("all", true)])?;
        let count = match fields.take("count") {
            None => None,
            Some(node) => {
                let mut inner = Fields::of(node, "`count`")?;
                let range = Range::take(&mut inner)?;
                inner.finish()?;
                Some(range)
            }
        };
        Ok(Self {
            need_all,
            equals: fields.json("equals")?,
            contains: fields.text("contains")?,
            pattern: Pattern::take(fields, "pattern")?,
            min: fields.decimal("min")?,
            max: fields.decimal("max")?,
            count,
        })
    }
    fn holds(&self, found: &[&Value]) -> bool {
        if let Some(range) = self.count {
            // a count may be of nothing: the checks then say which values count
            return range.holds(found.iter().filter(|value| self.one(value)).count());
        }
        match self.need_all {
            true => !found.is_empty() && found.iter().all(|value| self.one(value)),
            false => found.iter().any(|value| self.one(value)),
        }
    }
    fn one(&self, value: &Value) -> bool {
        let number = json::number(value);
        self.equals.as_ref().is_none_or(|want| json::matches(value, want, Mode::Exact))
            && self.contains.as_ref().is_none_or(|want| value.as_str().is_some_and(|have| have.contains(want.as_str())))
            && self.pattern.as_ref().is_none_or(|want| value.as_str().is_some_and(|have| want.is_match(have)))
            && self.min.is_none_or(|min| number.is_some_and(|n| n >= min))
            && self.max.is_none_or(|max| number.is_some_and(|n| n <= max))
    }
}

impl Number {
    fn take(fields: &mut Fields<'_>) -> Result<Self, GradeError> {
        let source = Source::take(fields)?;
        let picked = fields.choice("pick", &[("first", Pick::FIRST), ("last", Pick::LAST)])?;
        let pick = match path(fields)? {
            Some(_) if fields.peek("pick").is_some() => {
                return Err(fields.bad("pick", "stands without `path`"));
            }
            Some(path) => Pick::Path(path),
            None if picked == Pick::LAST => Pick::Last,
            None => Pick::First,
        };
        Ok(Self { source, pick })
    }
    fn side(fields: &mut Fields<'_>, key: &'static str) -> Result<Self, GradeError> {
        let node = fields.need(key)?;
        if !matches!(node.value, Yaml::Map(_)) {
            let number = fields.decimal(key)?;
            let source = Source { on: Target::Answer, fenced: false };
            return number
                .map(|n| Self { source, pick: Pick::Given(n) })
                .ok_or_else(|| fields.bad(key, "must be a number"));
        }
        let mut inner = Fields::of(node, format!("`{key}` of {}", fields.within))?;
        inner.in_each = fields.in_each;
        let number = Self::take(&mut inner)?;
        inner.finish()?;
        Ok(number)
    }
    fn read(&self, cx: &Context<'_>) -> Result<Decimal, Reading> {
        if let Pick::Given(n) = self.pick {
            return Ok(n);
        }
        let Some(pieces) = self.source.on.pieces(cx) else { return Err(Reading::missing("the text to read")) };
        let none = || Reading::yes(false).because("no number there");
        let numbers = || pieces.iter().flat_map(|p| written(&p.text));
        match &self.pick {
            Pick::Given(n) => Ok(*n),
            Pick::First => numbers().next().ok_or_else(none),
            Pick::Last => numbers().last().ok_or_else(none),
            Pick::Path(path) => {
                let value = pieces.iter().find_map(|p| self.source.value(p));
                let found = value.as_ref().map(|value| path.find(value)).unwrap_or_default();
                match found.as_slice() {
                    [value @ Value::Number(_)] => {
                        json::number(value).ok_or_else(|| Reading::error("the number has too many digits"))
                    }
                    [_, _, ..] => Err(Reading::error("the path names several values")),
                    _ => Err(none()),
                }
            }
        }
    }
}

impl Pick {
    const FIRST: u8 = 0;
    const LAST: u8 = 1;
}

/// Plain decimal numbers in a text, `1,234.5` read as one. A sign counts only where it is not a hyphen.
fn written(text: &str) -> Vec<Decimal> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let start = at;
        let digit = |i: usize| bytes.get(i).is_some_and(u8::is_ascii_digit);
        let group = |i: usize| digit(i + 1) && digit(i + 2) && digit(i + 3) && !digit(i + 4);
        let mut point = false;
        while at < bytes.len() {
            match bytes[at] {
                b'0'..=b'9' => {}
                b'.' if !point && digit(at + 1) => point = true,
                b',' if !point && at - start <= 15 && group(at) => {}
                _ => break,
            }
            at += 1;
        }
        let word_before = text[..start].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
        let minus = text[..start].strip_suffix('-');
        let negative = minus.is_some_and(|before| !before.ends_with(|c: char| c.is_alphanumeric()));
        let digits: String = text[start..at].chars().filter(|c| *c != ',').collect();
        let number = Decimal::parse(&format!("{}{digits}", if negative { "-" } else { "" }));
        if let (Some(number), false) = (number, word_before) {
            found.push(number);
        }
    }
    found
}

/// Closed fenced blocks: first word of the info string (lower-case) and the text inside.
///
/// Source: CommonMark section 4.5, backticks and tildes, indented at most three spaces.
fn fences(text: &str) -> Vec<(String, &str)> {
    let mut found = Vec::new();
    let mut open: Option<(char, usize, String, usize)> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let body = line.trim_end();
        let bare = body.trim_start_matches(' ');
        if body.len() - bare.len() > 3 {
            continue;
        }
        let Some(mark) = bare.chars().next().filter(|c| matches!(c, '`' | '~')) else { continue };
        let length = bare.chars().take_while(|c| *c == mark).count();
        let info = bare[length..].trim();
        match &open {
            None if length >= 3 && !(mark == '`' && info.contains('`')) => {
                let lang = info.split_whitespace().next().unwrap_or_default().to_lowercase();
                open = Some((mark, length, lang, at));
            }
            Some((opened, needed, lang, inner)) if *opened == mark && length >= *needed && info.is_empty() => {
                found.push((lang.clone(), &text[*inner..start]));
                open = None;
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_numbers_are_read_as_people_write_them() {
        let d = |s: &str| Decimal::parse(s).unwrap();
        assert_eq!(
            written("1,234.50 of -3 in 2026-01, v2 x7 and 5."),
            vec![d("1234.5"), d("-3"), d("2026"), d("01"), d("5")]
        );
        assert_eq!(written("1,2,3"), vec![d("1"), d("2"), d("3")]);
        assert_eq!(written("1.2.3"), vec![d("1.2"), d("3")]);
    }

    #[test]
    fn only_closed_fences_count() {
        assert_eq!(fences("```json\n{}\n```\n"), vec![("json".to_owned(), "{}\n")]);
        assert_eq!(fences("```json\n{}\n"), vec![]);
        assert_eq!(fences("~~~\n```\n~~~\n"), vec![(String::new(), "```\n")]);
        assert_eq!(fences("    ```\nx\n    ```\n"), vec![]);
        assert_eq!(fences("````\n```\n````"), vec![(String::new(), "```\n")]);
    }
}
