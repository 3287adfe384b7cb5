//! The filter of the queue: `severity:>=high kind:directive -rule:opaque age:>1d text:"send to"`.

use crate::domain::{Severity, Timestamp};

use super::Row;

/// One term.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    not: bool,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Severity(Compare, Severity),
    Age(Compare, i64),
    Left(Compare, i64),
    Field(Field, String),
    Mine(bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Kind,
    State,
    Rule,
    Store,
    Source,
    By,
    Path,
    Authority,
    Text,
    Id,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compare {
    Less,
    AtMost,
    Equal,
    AtLeast,
    More,
}

impl Compare {
    fn read(text: &str) -> (Self, &str) {
        for (sign, compare) in
            [(">=", Self::AtLeast), ("<=", Self::AtMost), (">", Self::More), ("<", Self::Less), ("=", Self::Equal)]
        {
            if let Some(rest) = text.strip_prefix(sign) {
                return (compare, rest);
            }
        }
        (Self::Equal, text)
    }
    fn holds<T: Ord>(self, a: &T, b: &T) -> bool {
        match self {
            Self::Less => a < b,
            Self::AtMost => a <= b,
            Self::Equal => a == b,
            Self::AtLeast => a >= b,
            Self::More => a > b,
        }
    }
}

/// A filter that was understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    terms: Vec<Term>,
    /// True when the filter names a state itself; otherwise only what waits is listed.
    pub(super) names_state: bool,
}

/// What may stand before a colon.
pub(super) const FIELDS: &str =
    "severity, kind, state, rule, store, source, by, path, authority, text, id, age, left, assignee";

/// Longest filter, bytes.
const LONGEST: usize = 1000;

impl Filter {
    /// Reads a filter. The error is for people and quotes nothing.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err("the filter is too long".to_owned());
        }
        let mut filter = Self::default();
        for (number, word) in words(text)?.into_iter().enumerate() {
            let number = number + 1;
            let (not, word) = match word.strip_prefix('-') {
                Some(rest) if !rest.is_empty() => (true, rest),
                _ => (false, word.as_str()),
            };
            let Some((name, value)) = word.split_once(':') else {
                filter.terms.push(Term { not, test: Test::Field(Field::Text, word.to_lowercase()) });
                continue;
            };
            let value = value.to_lowercase();
            let field = |field| Ok(Test::Field(field, value.clone()));
            let test = match name {
                "severity" => severity(&value).ok_or_else(|| {
                    format!("term {number}: severity is info, low, medium, high or critical, also as >=high")
                }),
                "age" | "left" => span(&value)
                    .map(|(compare, ms)| if name == "age" { Test::Age(compare, ms) } else { Test::Left(compare, ms) })
                    .ok_or_else(|| format!("term {number}: {name} is like >1d, <4h or >=30m")),
                "kind" => field(Field::Kind),
                "state" => {
                    filter.names_state = true;
                    field(Field::State)
                }
                "rule" => field(Field::Rule),
                "store" => field(Field::Store),
                "source" => field(Field::Source),
                "by" => field(Field::By),
                "path" => field(Field::Path),
                "authority" => field(Field::Authority),
                "text" => field(Field::Text),
                "id" => field(Field::Id),
                "assignee" => match value.as_str() {
                    "me" => Ok(Test::Mine(true)),
                    "none" => Ok(Test::Mine(false)),
                    _ => Err(format!("term {number}: assignee is me or none")),
                },
                _ => Err(format!("term {number}: the field is not one of {FIELDS}")),
            }?;
            filter.terms.push(Term { not, test });
        }
        Ok(filter)
    }

    /// True when a row passes every term.
    pub(super) fn takes(&self, row: &Row, text: &str, source: &str, me: &str, now: Timestamp) -> bool {
        self.terms.iter().all(|term| term.not != term.test.holds(row, text, source, me, now))
    }
}

impl Test {
    fn holds(&self, row: &Row, text: &str, source: &str, me: &str, now: Timestamp) -> bool {
        let has = |place: &str, value: &str| place.to_lowercase().contains(value);
        match self {
            Self::Severity(compare, severity) => compare.holds(&row.severity, severity),
            Self::Age(compare, ms) => compare.holds(&now.0.saturating_sub(row.created.0), ms),
            Self::Left(compare, ms) => compare.holds(&row.deadline.0.saturating_sub(now.0), ms),
            Self::Mine(true) => row.claim.as_deref() == Some(me),
            Self::Mine(false) => row.claim.is_none(),
            Self::Field(field, value) => match field {
                Field::Kind => row.kind == value,
                Field::State => row.state == value,
                Field::Rule => row.rules.iter().any(|rule| has(rule, value)),
                Field::Store => row.store.to_lowercase() == *value || has(&row.store_name, value),
                Field::Source => has(source, value),
                Field::By => has(&row.submitter, value),
                Field::Path => has(&row.place, value),
                Field::Authority => row.authority == value,
                Field::Text => has(text, value),
                Field::Id => row.id.starts_with(value.as_str()),
            },
        }
    }
}

/// Words at spaces; quotes keep spaces together.
fn words(text: &str) -> Result<Vec<String>, String> {
    let (mut out, mut word, mut quoted, mut any) = (Vec::new(), String::new(), false, false);
    for c in text.chars() {
        match c {
            '"' => (quoted, any) = (!quoted, true),
            c if c.is_whitespace() && !quoted => {
                if any {
                    out.push(std::mem::take(&mut word));
                }
                any = false;
            }
            c => {
                word.push(c);
                any = true;
            }
        }
    }
    if quoted {
        return Err("a quote is not closed".to_owned());
    }
    if any {
        out.push(word);
    }
    out.retain(|word| !word.is_empty());
    Ok(out)
}

fn severity(value: &str) -> Option<Test> {
    let (compare, name) = Compare::read(value);
    let all = [Severity::Info, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
    let severity = all.into_iter().find(|severity| severity.name() == name)?;
    Some(Test::Severity(compare, severity))
}

fn span(value: &str) -> Option<(Compare, i64)> {
    let (compare, rest) = Compare::read(value);
    let unit = rest.chars().last()?;
    let number: i64 = rest.strip_suffix(unit)?.parse().ok()?;
    let ms = match unit {
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        'w' => 604_800_000,
        _ => return None,
    };
    Some((compare, number.checked_mul(ms).filter(|ms| *ms >= 0)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row {
            severity: Severity::High,
            kind: "directive",
            state: "open",
            authority: "external",
            rules: vec!["instruction.override".to_owned()],
            store_name: "Support desk".to_owned(),
            created: Timestamp(0),
            deadline: Timestamp(100_000_000),
            ..Row::default()
        }
    }

    #[test]
    fn terms_say_what_they_say() {
        let now = Timestamp(90_000_000);
        let takes =
            |text: &str| Filter::read(text).unwrap().takes(&row(), "Always SEND  to ops", "tool page.html", "ana", now);
        for yes in [
            "",
            "severity:>=high",
            "severity:high kind:directive",
            "-severity:low",
            "age:>1d",
            "left:<4h",
            "text:\"send  to\"",
            "\"send  to\"",
            "-rule:opaque rule:override",
            "store:desk source:page assignee:none",
            "authority:external -text:pineapple",
        ] {
            assert!(takes(yes), "{yes}");
        }
        for no in
            ["severity:<high", "-kind:directive", "age:<1h", "assignee:me", "pineapple", "state:released", "left:>1d"]
        {
            assert!(!takes(no), "{no}");
        }
    }

    #[test]
    fn what_is_not_understood_is_said_and_never_quoted() {
        for bad in ["severity:scary", "colour:red", "age:>x", "text:\"open", "assignee:ben", "age:>99999999999999999w"]
        {
            let said = Filter::read(bad).unwrap_err();
            assert!(!said.contains("scary") && !said.contains("red") && !said.is_empty(), "{said}");
        }
    }
}
