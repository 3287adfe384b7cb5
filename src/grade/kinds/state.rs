//! State kinds: what changed in the world, and that nothing else did.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::glob;
use crate::domain::Digest;
use crate::grade::artifact::State;
use crate::grade::error::GradeError;
use crate::grade::json::{self, Mode};
use crate::grade::run::{Evidence, Reading};
use crate::grade::target::Context;
use crate::grade::yaml::{Fields, Yaml};

#[derive(Clone, Debug, Serialize)]
pub(super) enum StateCheck {
    Equals { value: Value, mode: Mode },
    Unchanged,
    Diff { changes: Vec<Change>, others: bool },
    File { path: String, exists: bool, digest: Option<Digest>, equals: Option<String>, contains: Option<String> },
    Record { path: String, exists: bool, equals: Option<Value> },
    Probe(String),
}

/// An expected change. Paths are leaves of the records (`/orders/17/refunded`) or files
/// (`file:/notes/a.md`, whose value is its digest); `*` stands for one segment, `**` for any number.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Change {
    path: Vec<String>,
    from: Option<Value>,
    to: Option<Value>,
    kind: Option<Kind>,
    times: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum Kind {
    Added,
    Removed,
    Changed,
}

impl StateCheck {
    pub(super) fn parse(kind: &str, fields: &mut Fields<'_>) -> Result<Self, GradeError> {
        Ok(match kind {
            "state.equals" => {
                let before = fields.text("to")?;
                let mode = [("exact", Mode::Exact), ("subset", Mode::Subset), ("unordered", Mode::Unordered)];
                let mode = fields.choice("mode", &mode)?;
                match (before.as_deref(), fields.json("value")?) {
                    (Some("before"), None) => Self::Unchanged,
                    (None, Some(value)) => Self::Equals { value, mode },
                    _ => return Err(fields.bad("value", "needs either `value` or `to: before`")),
                }
            }
            "state.diff" => {
                let key = match (fields.take("changes"), fields.peek("expect").map(|node| &node.value)) {
                    (Some(_), Some(Yaml::List(_))) => {
                        return Err(fields.bad("changes", "stands instead of a list under `expect`"));
                    }
                    (Some(_), _) => "changes",
                    (None, Some(Yaml::List(_))) => "expect",
                    _ => return Err(fields.bad("expect", "needs the list of expected changes, empty for none")),
                };
                let within = fields.within.clone();
                let changes = fields.list(key)?.iter().map(|node| {
                    let mut inner = Fields::of(node, format!("a change of {within}"))?;
                    let change = Change::take(&mut inner)?;
                    inner.finish()?;
                    Ok(change)
                });
                let changes = changes.collect::<Result<Vec<_>, GradeError>>()?;
                if changes.len() > 200 {
                    return Err(fields.bad(key, "names at most 200 changes"));
                }
                Self::Diff { changes, others: fields.choice("others", &[("forbidden", false), ("allowed", true)])? }
            }
            "state.file" => Self::File {
                path: fields.need_text("path")?,
                exists: exists(fields)?,
                digest: match fields.text("digest")? {
                    None => None,
                    Some(hex) => {
                        Some(hex.parse().map_err(|_| fields.bad("digest", "must be 64 lower-case hex digits"))?)
                    }
                },
                equals: fields.text("equals")?,
                contains: fields.text("contains")?,
            },
            "state.record" => {
                let path = fields.need_text("path")?;
                if !path.starts_with('/') {
                    return Err(fields.bad("path", "starts with `/`"));
                }
                Self::Record { path, exists: exists(fields)?, equals: fields.json("equals")? }
            }
            _ => Self::Probe(fields.need_text("name")?),
        })
    }
    pub(super) fn read(&self, cx: &Context<'_>) -> Reading {
        if let Self::Probe(name) = self {
            return match cx.artifacts.probes.get(name) {
                None => Reading::missing("the probe's result"),
                Some(yes) => Reading::yes(*yes),
            };
        }
        let Some(after) = &cx.artifacts.state.after else { return Reading::missing("the state after the session") };
        match self {
            Self::Equals { value, mode } => Reading::yes(json::matches(&after.records, value, *mode)),
            Self::File { path, exists, digest, equals, contains } => {
                let Some(file) = after.files.get(path) else { return Reading::yes(!exists) };
                let reading = |yes| Reading::yes(yes).with([Evidence::path("state.after", path)]);
                if !exists || digest.is_some_and(|digest| digest != file.digest) {
                    return reading(false);
                }
                match (&file.text, equals, contains) {
                    (_, None, None) => reading(true),
                    (None, _, _) => Reading::missing("the file's text"),
                    (Some(text), equals, contains) => reading(
                        equals.as_ref().is_none_or(|want| want == text)
                            && contains.as_ref().is_none_or(|want| text.contains(want.as_str())),
                    ),
                }
            }
            Self::Record { path, exists, equals } => match after.records.pointer(path) {
                None => Reading::yes(!exists),
                Some(have) => {
                    let same = equals.as_ref().is_none_or(|want| json::matches(have, want, Mode::Exact));
                    Reading::yes(*exists && same).with([Evidence::path("state.after", path)])
                }
            },
            Self::Unchanged | Self::Diff { .. } | Self::Probe(_) => {
                let Some(before) = &cx.artifacts.state.before else {
                    return Reading::missing("the state before the session");
                };
                match self {
                    Self::Diff { changes, others } => diff(before, after, changes, *others),
                    _ => diff(before, after, &[], false),
                }
            }
        }
    }
}

fn exists(fields: &mut Fields<'_>) -> Result<bool, GradeError> {
    let given = fields.peek("exists").is_some();
    let exists = fields.flag("exists")?;
    if given && !exists && ["equals", "contains", "digest"].iter().any(|key| fields.peek(key).is_some()) {
        return Err(fields.bad("exists", "is false: then nothing else can be asked of it"));
    }
    Ok(exists || !given)
}

impl Change {
    fn take(fields: &mut Fields<'_>) -> Result<Self, GradeError> {
        let path = fields.need_text("path")?;
        if !path.starts_with('/') && !path.starts_with("file:") {
            return Err(fields.bad("path", "starts with `/` or `file:`"));
        }
        let kind =
            match fields.peek("change") {
                None => {
                    fields.take("change");
                    None
                }
                Some(_) => Some(fields.choice(
                    "change",
                    &[("changed", Kind::Changed), ("added", Kind::Added), ("removed", Kind::Removed)],
                )?),
            };
        Ok(Self {
            path: path.split('/').map(str::to_owned).collect(),
            from: fields.json("from")?,
            to: fields.json("to")?,
            kind,
            times: fields.count("times")?,
        })
    }
    fn takes(&self, path: &[&str], from: Option<&Value>, to: Option<&Value>) -> bool {
        let kind = match (from, to) {
            (None, _) => Kind::Added,
            (_, None) => Kind::Removed,
            _ => Kind::Changed,
        };
        let same = |want: &Option<Value>, have: Option<&Value>| {
            want.as_ref().is_none_or(|want| have.is_some_and(|have| json::matches(have, want, Mode::Exact)))
        };
        segments(&self.path, path)
            && self.kind.is_none_or(|wanted| wanted == kind)
            && same(&self.from, from)
            && same(&self.to, to)
    }
}

fn segments(pattern: &[String], path: &[&str]) -> bool {
    match pattern.split_first() {
        None => path.is_empty(),
        Some((first, rest)) if first == "**" => (0..=path.len()).any(|n| segments(rest, &path[n..])),
        Some((first, rest)) => path.split_first().is_some_and(|(have, more)| glob(first, have) && segments(rest, more)),
    }
}

fn flat(state: &State) -> BTreeMap<String, Value> {
    let mut found = Vec::new();
    json::leaves(&state.records, "", &mut found);
    let mut map: BTreeMap<String, Value> = found.into_iter().map(|(path, value)| (path, value.clone())).collect();
    if state.records.is_null() {
        map.remove(""); // no records at all is not a record
    }
    for (path, file) in &state.files {
        map.insert(format!("file:{path}"), Value::String(file.digest.hex()));
    }
    map
}

fn diff(before: &State, after: &State, changes: &[Change], others_allowed: bool) -> Reading {
    let (before, after) = (flat(before), flat(after));
    let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut hits = vec![0_u64; changes.len()];
    let mut foreign = Vec::new();
    for path in paths {
        let (from, to) = (before.get(path), after.get(path));
        if let (Some(from), Some(to)) = (from, to)
            && json::matches(to, from, Mode::Exact)
        {
            continue;
        }
        let parts: Vec<&str> = path.split('/').collect();
        let mut expected = false;
        for (hit, change) in hits.iter_mut().zip(changes) {
            if change.takes(&parts, from, to) {
                *hit += 1;
                expected = true;
            }
        }
        if !expected {
            foreign.push(Evidence::path("state.after", path));
        }
    }
    let all = hits.iter().zip(changes).all(|(hit, change)| change.times.map_or(*hit > 0, |times| *hit == times));
    if !others_allowed && !foreign.is_empty() {
        return Reading::yes(false).because(format!("{} other changes", foreign.len())).with(foreign);
    }
    let reading = Reading::yes(all);
    if all { reading } else { reading.because("an expected change did not happen, or not as often as expected") }
}
