//! Recurring tool errors and what followed them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use crate::domain::{Digest, PrincipalId};
use crate::ingest::EventKind;

use super::{Corpus, Insight, Run, Support, cite, personal_path, shared};

/// One call with its answer.
pub(super) struct Call {
    /// Tool name, when it is a plain name; other names are not repeated anywhere.
    pub(super) tool: Option<String>,
    pub(super) arguments: Digest,
    pub(super) failed: bool,
    /// The answer's event number.
    pub(super) result: usize,
    pub(super) text: String,
}

fn regex(pattern: &str) -> Option<Regex> {
    Regex::new(pattern).ok()
}

static SHAPE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    regex(
        r"^\s*(?:<tool_use_error>|Error\b|ERROR\b|error(?:\[\w+\])?:|fatal:|FATAL\b|panic:|Traceback \(most recent call last\)|[A-Z]\w+(?:Error|Exception)\b|Exception\b|Command failed|(?:bash|sh|zsh): |\S+: command not found)",
    )
});
static EXIT: LazyLock<Option<Regex>> = LazyLock::new(|| regex(r"(?i)^\s*exit code:? [1-9]\d*"));

/// Masks, in order: quoted text, paths and URLs, hex and ids, numbers with units.
static MASKS: LazyLock<Vec<(Option<Regex>, &'static str)>> = LazyLock::new(|| {
    vec![
        (regex(r#""[^"]{0,200}"|'[^']{1,200}'|`[^`]{1,200}`"#), "<quoted>"),
        (regex(r"[a-z][a-z0-9+.-]*://\S+"), "<url>"),
        (regex(r"(?:[A-Za-z]:)?(?:[./~\w-]*/)+[\w.*-]*"), "<path>"),
        (regex(r"\b[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}\b|\b0x[0-9a-fA-F]+\b|\b[0-9a-f]{12,64}\b"), "<id>"),
        (regex(r"\b\d{4}-\d{2}-\d{2}(?:[T ][\d:.Z+-]+)?\b"), "<date>"),
        (regex(r"\b[A-Za-z_]*\d[\w-]*\b"), "<n>"),
        (regex(r"(?:<n>[.,:]?)+"), "<n>"),
    ]
});

/// Words by which an error text would tell somebody to do something. Tool output is external:
/// its orders never become part of memory, whatever their support.
static ORDERS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    regex(
        r"(?i)\b(?:ignore|disregard|instead|please|you (?:must|should|need|can|have)|your|run|execute|install|download|visit|send|forward|upload|email|contact|remember|always|never|must|should|use|try|add|set|disable|enable|skip|bypass|approve|allow|override|as an?|system|assistant|instruction|memory|<url>)\b|<url>|@",
    )
});

/// The template of an error text: its first line, masked, at most 120 characters.
pub(super) fn template(text: &str) -> String {
    let line =
        text.lines().map(str::trim).rfind(|l| l.contains("Error:") && text.trim_start().starts_with("Traceback"));
    let line = line.or_else(|| text.lines().map(str::trim).find(|l| !l.is_empty())).unwrap_or("");
    let mut out: String = line.chars().filter(|c| !c.is_control()).take(300).collect();
    for (mask, name) in MASKS.iter() {
        if let Some(mask) = mask {
            out = mask.replace_all(&out, *name).into_owned();
        }
    }
    out.chars().take(120).collect::<String>().trim().to_owned()
}

/// The calls of a session, in the order of their answers.
pub(super) fn calls(run: &Run<'_>) -> Vec<Call> {
    let mut open: Vec<(Option<&str>, String, Digest)> = Vec::new();
    let mut out = Vec::new();
    for &number in &run.usable {
        match &run.session.events[number].kind {
            EventKind::ToolUse { call, name, arguments } => {
                open.push((call.as_deref(), name.peek_unscanned().clone(), Digest::of(arguments.peek_unscanned())));
            }
            EventKind::ToolResult { call, name, text, is_error } => {
                let by_id = open.iter().position(|(id, _, _)| call.is_some() && *id == call.as_deref());
                let by_order = if call.is_none() && !open.is_empty() { Some(0) } else { None };
                let used = by_id.or(by_order).map(|at| open.remove(at));
                let tool =
                    name.as_ref().map(|n| n.peek_unscanned().clone()).or_else(|| used.as_ref().map(|u| u.1.clone()));
                let text = text.peek_unscanned();
                let looks = SHAPE.as_ref().is_some_and(|lazy| lazy.is_match(text))
                    || EXIT.as_ref().is_some_and(|lazy| lazy.is_match(text));
                out.push(Call {
                    tool: tool.filter(|t| is_plain_name(t)),
                    arguments: used.map_or_else(|| Digest::of(""), |u| u.2),
                    failed: is_error.unwrap_or(looks),
                    result: number,
                    text: text.clone(),
                });
            }
            EventKind::Message { .. } => {}
        }
    }
    out
}

fn is_plain_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':'))
}

#[derive(Default)]
struct Group {
    support: Support,
    /// What came before the next success, with the principals that did so.
    remedies: BTreeMap<String, Support>,
}

/// Error templates that several principals met, each in sessions of their own.
pub(super) fn mine(corpus: &Corpus<'_>) -> Vec<Insight> {
    let mut groups: BTreeMap<(String, String), Group> = BTreeMap::new();
    for run in &corpus.runs {
        let calls = calls(run);
        for (at, call) in calls.iter().enumerate().filter(|(_, call)| call.failed) {
            let Some(tool) = &call.tool else { continue };
            let template = template(&call.text);
            let words = template.split(|c: char| !c.is_alphabetic()).filter(|w| w.len() > 2).count();
            if words < 2 || ORDERS.as_ref().is_none_or(|lazy| lazy.is_match(&template)) {
                continue;
            }
            let group = groups.entry((tool.clone(), template)).or_default();
            group.support.add(run, run.fingerprint, cite(run, call.result, &call.text));
            if let Some(remedy) = remedy(&calls, at, tool) {
                let success = calls[at + 1..]
                    .iter()
                    .find(|c| c.tool.as_ref() == Some(tool) && !c.failed)
                    .map_or(call.result, |c| c.result);
                group.remedies.entry(remedy).or_default().add(
                    run,
                    run.fingerprint,
                    cite(run, success, "(the later success)"),
                );
            }
        }
    }
    let mut out = Vec::new();
    for ((tool, template), group) in groups {
        let best = group.remedies.into_iter().max_by(|a, b| {
            (a.1.principals(1), a.1.sessions(), std::cmp::Reverse(&a.0)).cmp(&(
                b.1.principals(1),
                b.1.sessions(),
                std::cmp::Reverse(&b.0),
            ))
        });
        let mut support = group.support;
        let (principals, sessions) = (support.principals(2), support.sessions());
        let follow = |all: usize, unit: &str| match &best {
            Some((remedy, with)) => {
                let count = if unit == "people" { with.principals(1) } else { with.sessions() };
                format!("; for {count} of these {all} {unit} the next successful call came after {remedy}")
            }
            None => String::new(),
        };
        let shared_text = format!(
            "{principals} of {} people met the error \"{template}\" from {tool}{}.",
            corpus.active,
            follow(principals, "people")
        );
        let solo: Option<PrincipalId> = (corpus.active < 3)
            .then(|| {
                support
                    .votes
                    .iter()
                    .max_by_key(|(p, own)| (own.len(), std::cmp::Reverse((*p).clone())))
                    .map(|(p, _)| p.clone())
            })
            .flatten();
        if let Some((_, with)) = &best {
            support.evidence.extend(with.evidence.iter().take(6).cloned());
        }
        if let Some(principal) = solo {
            let own = support.votes.get(&principal).map_or(0, std::collections::BTreeSet::len);
            let all = corpus.runs.iter().filter(|run| run.principal == principal).count();
            // Too few people for a shared insight: only what one of them met in three sessions.
            if own >= 3
                && !super::is_anonymous(&principal)
                && let Some(path) = personal_path(&principal)
            {
                let evidence = support.evidence.iter().filter(|e| e.origin.principal == principal).cloned().collect();
                out.push(Insight {
                    path,
                    text: format!(
                        "Seen in {own} of {all} own sessions: the error \"{template}\" from {tool}{}.",
                        follow(sessions, "sessions")
                    ),
                    evidence,
                    rule: "insight.recurring-error-personal",
                    reason: format!("{own} sessions of one principal; a shared insight needs 3 principals"),
                    warnings: Vec::new(),
                });
            }
            continue;
        }
        out.extend(shared(support, corpus, 2, "errors", "insight.recurring-error", shared_text));
    }
    out
}

/// What the session did between an error and the same tool's next success.
fn remedy(calls: &[Call], at: usize, tool: &str) -> Option<String> {
    let later = calls.get(at + 1..)?.iter().take(12);
    let mut between: Option<&str> = None;
    for call in later {
        if call.tool.as_deref() == Some(tool) && !call.failed {
            let changed = call.arguments != calls[at].arguments;
            return Some(match between {
                Some(name) => format!("a call of {name}"),
                None if changed => format!("other arguments to {tool}"),
                None => "the same call again".to_owned(),
            });
        }
        if call.tool.as_deref() != Some(tool) && !call.failed && between.is_none() {
            between = call.tool.as_deref();
        }
    }
    None
}
