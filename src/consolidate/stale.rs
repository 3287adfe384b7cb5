//! Staleness: references that moved or are gone, expiries, relative dates.
//!
//! Age alone prunes nothing; what cannot be checked is reported as not measurable and kept.

use std::sync::LazyLock;

use regex::Regex;

use crate::domain::Timestamp;

use super::build::{Builder, Draft, cite};
use super::dates::{self, ISO};
use super::plan::Output;
use super::snapshot::{Entry, Snapshot};
use super::token::{self, Class};
use super::{Input, OperationKind, Probe, Tier, Workspace};

fn regex(pattern: &str) -> Option<Regex> {
    Regex::new(&format!("(?i){pattern}")).ok()
}

static EXPIRES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    regex(&format!(
        r"\b(?:expires?|expiry|valid until|valid through|valid till|best before)\s*:?\s*(?:on\s+|at\s+|after\s+)?({ISO})"
    ))
});
static UNTIL: LazyLock<Option<Regex>> = LazyLock::new(|| regex(&format!(r"\buntil\s+({ISO})\s*[).\]]*\s*$")));
static PAST: LazyLock<Option<Regex>> =
    LazyLock::new(|| regex(r"\b(?:was|were|had|used|did|lived|worked|ran|went|stayed|kept)\b"));
static DONE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    regex(
        r"^(?:(?:status|state)\s*:\s*(?:done|completed|finished|closed|in progress)\b|(?:done|completed|finished|in progress|wip)\s*:\s)",
    )
});
/// Only words that name one day: "today" mostly means "these days", "10 days ago" mostly any day.
static RELATIVE: LazyLock<Option<Regex>> = LazyLock::new(|| regex(r"\b(yesterday|tomorrow)\b('s)?"));
static ABOUT_REMOVAL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    regex(
        r"\b(?:removed|deleted|dropped|gone|no longer|retired|replaced|moved|renamed|obsolete|deprecated|superseded|used to|migrated|split)\b",
    )
});
static LESSON: LazyLock<Option<Regex>> = LazyLock::new(|| {
    regex(r"\b(?:never|always|must|should|don't|do not|avoid|prefer|lesson|learned|rule|convention|policy|remember)\b")
});
static ILLUSTRATION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    regex(
        r"\b(?:example|e\.g\.|such as|for instance|like|hypothetical|sample|template|placeholder|create|creates|will|would|planned|new file|generate[sd]?|output|writes?)\b",
    )
});

/// Proposes repairs, quarantines, expiries, absolute dates.
pub(super) fn references(snapshot: &Snapshot, input: &Input<'_>, builder: &mut Builder<'_>) {
    let mut unchecked = 0_usize;
    for at in builder.live() {
        let entry = &snapshot.entries[at];
        if entry.pinned || entry.generated {
            continue;
        }
        if expire(entry, at, input, builder) {
            continue;
        }
        let mut rewrite = Rewrite::default();
        let paths = paths_in(&entry.body);
        match input.probes {
            None => unchecked += usize::from(!paths.is_empty()),
            Some(probes) => {
                if check(entry, at, &paths, probes, &mut rewrite, builder) {
                    continue;
                }
            }
        }
        absolute_dates(entry, &mut rewrite);
        if let Some(draft) = rewrite.into_draft(entry, at) {
            builder.rewrite(draft);
        }
    }
    if unchecked > 0 {
        let notes =
            if unchecked == 1 { "1 note names files".to_owned() } else { format!("{unchecked} notes name files") };
        builder.not_measurable.push(format!("{notes}, and no workspace was given to check them against"));
    }
}

#[derive(Default)]
struct Rewrite {
    text: Option<String>,
    reasons: Vec<String>,
    warnings: Vec<String>,
    rule: Option<&'static str>,
}

impl Rewrite {
    fn into_draft(self, entry: &Entry, at: usize) -> Option<Draft> {
        let text = self.text.filter(|text| *text != entry.body)?;
        Some(Draft {
            kind: OperationKind::Repair,
            tier: Tier::Propose,
            inputs: vec![at],
            output: Some(Output { path: entry.note.path.clone(), text }),
            evidence: vec![cite(entry)],
            rule: self.rule.unwrap_or("stale.rewrite"),
            reason: self.reasons.join("; "),
            authority: entry.authority,
            warnings: self.warnings,
        })
    }
}

fn expire(entry: &Entry, at: usize, input: &Input<'_>, builder: &mut Builder<'_>) -> bool {
    let text = &entry.key.text;
    let explicit = EXPIRES.as_ref().and_then(|lazy| lazy.captures(text)).or_else(|| {
        let past = PAST.as_ref().is_some_and(|lazy| lazy.is_match(text));
        UNTIL.as_ref().filter(|_| !past).and_then(|lazy| lazy.captures(text))
    });
    let over = explicit.and_then(|c| dates::parse_end(&c[1]).filter(|end| *end < input.now).map(|_| c[1].to_owned()));
    let (rule, reason) = if let Some(date) = over {
        ("expire.explicit-date", format!("the note says that it ends on {date}"))
    } else {
        let days = i64::from(input.options.task_retention_days.max(1));
        let old = |time: Timestamp| input.now.0.saturating_sub(time.0) > days.saturating_mul(86_400_000);
        // A ticked box is a task state only in a list of tasks; elsewhere it may be a record.
        let ticked = text.to_ascii_lowercase().starts_with("[x] ")
            && entry
                .place
                .split(['\u{1}', ' ', '/'])
                .any(|word| matches!(word, "todo" | "todos" | "task" | "tasks" | "backlog" | "session"));
        let finished = ticked || DONE.as_ref().is_some_and(|lazy| lazy.is_match(text));
        if !(finished && entry.time.is_some_and(old)) {
            return false;
        }
        ("expire.task-state", format!("a task state older than {days} days"))
    };
    builder.retire(Draft {
        kind: OperationKind::Expire,
        tier: Tier::Propose,
        inputs: vec![at],
        output: None,
        evidence: vec![cite(entry)],
        rule,
        reason,
        authority: entry.authority,
        warnings: Vec::new(),
    });
    true
}

/// Paths a note names that a workspace could know. No globs, placeholders, URLs, places outside.
fn paths_in(body: &str) -> Vec<String> {
    // "(was `old`)" is this room's own note of a repair.
    let body = match body.find("(was ") {
        Some(at) => &body[..at],
        None => body,
    };
    let mut out = Vec::new();
    for token in token::tokens(&token::clean(body).text) {
        let text = match token.class {
            Class::Code => token.raw.trim_matches('`').trim().to_owned(),
            Class::Path => token.raw.clone(),
            _ => continue,
        };
        let text = text.strip_prefix("./").unwrap_or(&text);
        // `src/a.rs:12` names a line.
        let text = text.split_once(':').map_or(text, |(path, line)| {
            if line.bytes().all(|b| b.is_ascii_digit() || b == b':' || b == b'-') { path } else { text }
        });
        let text = text.trim_end_matches('/');
        let plain = text.chars().all(|c| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | '@'));
        let extension = text.rsplit('/').next().and_then(|base| base.rsplit_once('.')).is_some_and(|(stem, ext)| {
            !stem.is_empty()
                && (1..=6).contains(&ext.len())
                && ext.chars().all(|c| c.is_ascii_alphanumeric())
                && ext.chars().any(|c| c.is_ascii_alphabetic())
        });
        let inside = !text.starts_with(['/', '~', '-', '@'])
            && !text.split('/').any(|segment| matches!(segment, "" | "." | ".."));
        let illustrative = ["path/to", "foo", "bar.", "baz", "your-", "my-", "xxx", "example"]
            .iter()
            .any(|w| text.to_ascii_lowercase().contains(w));
        // A folder needs two slashes or backticks: "and/or" and "CI/CD" are no paths.
        let folder = text.contains('/') && (text.matches('/').count() >= 2 || token.class == Class::Code) && !extension;
        let file = extension && (text.contains('/') || token.class == Class::Code);
        if plain && inside && !illustrative && text.len() <= 256 && (file || folder) && !text.contains("..") {
            out.push(text.to_owned());
        }
    }
    out.sort();
    out.dedup();
    out.truncate(16);
    out
}

/// Checks the note's paths; true when the note left the live view or was flagged.
fn check(
    entry: &Entry,
    at: usize,
    paths: &[String],
    probes: &dyn Workspace,
    rewrite: &mut Rewrite,
    builder: &mut Builder<'_>,
) -> bool {
    let about_removal = ABOUT_REMOVAL.as_ref().is_some_and(|lazy| lazy.is_match(&entry.body));
    let lesson = LESSON.as_ref().is_some_and(|lazy| lazy.is_match(&entry.body));
    let illustration = ILLUSTRATION.as_ref().is_some_and(|lazy| lazy.is_match(&entry.body));
    let mut gone: Vec<(String, String)> = Vec::new();
    let mut unclear: Vec<String> = Vec::new();
    let mut fine = 0;
    for path in paths {
        match probes.exists(path) {
            Probe::Unknown(why) => {
                builder.not_measurable.push(format!("{path:?}: {why}"));
                fine += 1;
                continue;
            }
            Probe::Known(true) => {
                fine += 1;
                continue;
            }
            Probe::Known(false) => {}
        }
        let base = path.rsplit('/').next().unwrap_or(path);
        let (moved, deleted) = (probes.renamed(path), probes.deleted_in(path));
        let elsewhere = probes.same_name(base);
        match (moved, deleted) {
            (Probe::Known(Some(new)), _) if !about_removal => {
                repair(entry, path, &new, rewrite, "stale.renamed", None);
                fine += 1;
            }
            (Probe::Known(Some(_)), _) => fine += 1,
            (_, deleted) => match (elsewhere.as_slice(), deleted) {
                (_, _) if about_removal => fine += 1,
                // A bare file name that exists somewhere is a reference that holds.
                ([_, ..], _) if !path.contains('/') => fine += 1,
                ([one], _) => {
                    let warning = format!("{path:?} was found by its name only");
                    repair(entry, path, one, rewrite, "stale.moved-by-name", Some(warning));
                    fine += 1;
                }
                ([_, _, ..], _) => {
                    unclear.push(format!("{path:?} is gone, and {} files have its name", elsewhere.len()))
                }
                ([], Probe::Known(Some(commit))) => gone.push((path.clone(), commit)),
                ([], Probe::Known(None)) if illustration || !path.contains('/') => fine += 1,
                // `build/test/deploy` is a list of words, and a path into another tree is not this tree's
                // business: only a file under a folder that is here can be called invented.
                ([], Probe::Known(None)) if !could_be_here(path, base, probes) => {
                    builder.not_measurable.push(format!("{path:?}: not a file of this workspace"));
                    fine += 1;
                }
                ([], Probe::Known(None)) => unclear.push(format!("{path:?} never existed in the known history")),
                ([], Probe::Unknown(why)) => {
                    builder.not_measurable.push(format!("{path:?}: {why}"));
                    fine += 1;
                }
            },
        }
    }
    if !gone.is_empty() && fine == 0 && unclear.is_empty() && !lesson {
        let reason = gone.iter().map(|(path, commit)| {
            format!("{path:?} was deleted in commit {}", commit.chars().take(12).collect::<String>())
        });
        builder.retire(Draft {
            kind: OperationKind::Quarantine,
            tier: Tier::Propose,
            inputs: vec![at],
            output: None,
            evidence: vec![cite(entry)],
            rule: "stale.deleted",
            reason: reason.collect::<Vec<_>>().join("; "),
            authority: entry.authority,
            warnings: Vec::new(),
        });
        return true;
    }
    if !gone.is_empty() && !lesson {
        unclear.extend(gone.iter().map(|(path, _)| format!("{path:?} was deleted, but the note says more")));
    }
    if unclear.is_empty() {
        return false;
    }
    builder.contest(vec![at], "stale.unclear-reference", unclear.join("; "));
    true
}

fn repair(entry: &Entry, old: &str, new: &str, rewrite: &mut Rewrite, rule: &'static str, warning: Option<String>) {
    let text = rewrite.text.take().unwrap_or_else(|| entry.body.clone());
    if !text.contains(old) {
        rewrite.text = Some(text);
        return;
    }
    let suffix = format!(" (was {old})");
    let stop = text.trim_end_matches(['.', ' ']).len();
    let (head, tail) = text.split_at(stop);
    rewrite.text = Some(format!("{}{suffix}{tail}", head.replace(old, new)));
    rewrite.reasons.push(format!("{old:?} is now {new:?}"));
    rewrite.warnings.extend(warning);
    rewrite.rule.get_or_insert(rule);
}

/// Rewrites "yesterday" by the day it was written; only where that day is known.
fn absolute_dates(entry: &Entry, rewrite: &mut Rewrite) {
    let Some(recorded) = entry.key.dated.or(entry.recorded) else { return };
    let text = rewrite.text.clone().unwrap_or_else(|| entry.body.clone());
    if text.contains(['`', '"']) || entry.gist.foreign {
        return;
    }
    let Some(captures) = RELATIVE.as_ref().and_then(|lazy| lazy.captures(&text)) else { return };
    if captures.get(2).is_some() {
        return;
    }
    let offset = if captures[1].eq_ignore_ascii_case("yesterday") { -1 } else { 1 };
    let (Some(day), Some(found)) = (dates::day(recorded, offset), captures.get(1)) else { return };
    let mut new = text.clone();
    new.replace_range(found.range(), &format!("on {day}"));
    // A second relative word would be read against the same day: leave such notes to a person.
    if RELATIVE.as_ref().is_some_and(|lazy| lazy.is_match(&new)) {
        return;
    }
    rewrite.reasons.push(format!("{:?} meant {day} when the note was written", found.as_str()));
    rewrite.warnings.push("the day is reckoned in UTC from when the memory was written".to_owned());
    rewrite.rule.get_or_insert("stale.relative-date");
    rewrite.text = Some(new);
}

fn could_be_here(path: &str, base: &str, probes: &dyn Workspace) -> bool {
    let top = path.split('/').next().unwrap_or(path);
    base.contains('.') && probes.exists(top) == Probe::Known(true)
}
