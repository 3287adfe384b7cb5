//! What a note is, by cues in its wording.
//!
//! Deterministic and cautious: a governed kind wins over an ordinary one, because the kind gate
//! is the backstop for wording that no rule knows (threat model R3). Own design.

use std::sync::OnceLock;

use super::engine::{Engine, Probe, Scratch, Target};
use super::normalize::{Form, fold};
use crate::domain::{Kind, Span};
use crate::ruleset::Pattern;

/// One cue: a note in which `pattern` matches may be of this kind.
pub(super) struct Cue {
    pub(super) kind: Kind,
    keywords: &'static [&'static str],
    pattern: &'static str,
}

/// Cues, folded text, single line breaks seen as `\n`.
pub(super) const CUES: &[Cue] = &include!("kind_cues.rs");

/// The more careful of two kinds.
pub fn stronger(a: Kind, b: Kind) -> Kind {
    if rank(a) >= rank(b) { a } else { b }
}

/// How much a kind has to say when several cues match, strongest last.
const fn rank(kind: Kind) -> u8 {
    match kind {
        Kind::Fact => 0,
        Kind::Procedure => 1,
        Kind::Preference => 2,
        Kind::Directive => 3,
        Kind::Identity => 4,
        Kind::Destination => 5,
        Kind::ToolChoice => 6,
        Kind::Permission => 7,
    }
}

/// Probes and keywords of all cues.
pub(super) fn probes() -> Vec<(Probe, Vec<String>)> {
    CUES.iter()
        .enumerate()
        .map(|(i, cue)| {
            let pattern = Pattern::proven(&format!("(?m){}", expand(cue.pattern)));
            let probe = Probe::new(Target::Cue(i), pattern, false, true);
            (probe, cue.keywords.iter().map(|k| (*k).to_owned()).collect())
        })
        .collect()
}

/// Named pieces of the cue patterns.
fn expand(pattern: &str) -> String {
    const NAMES: [(&str, &str); 7] = [
        // Where a clause may begin: line start, list marker, after a stop or a joining word.
        (
            "<START>",
            r#"(?:^[\s\-*+>#|"'`(\[_~]*(?:\d{1,4}[.)]\s+)?|[.!?:;,"'(—–]\s*|\b(?:please|and|then|also|but|so|kindly|just|to|that)\s+|\b(?:you|agent|assistant)\s+)"#,
        ),
        // The same without joining words: `to ensure` and `that use` are no orders.
        (
            "<BEGIN>",
            r#"(?:^[\s\-*+>#|"'`(\[_~]*(?:\d{1,4}[.)]\s+)?|[.!?:;"'(—–]\s*|\b(?:please|then|kindly|you|agent|assistant)\s+)"#,
        ),
        (
            "<AGENT>",
            r"(?:you|your|the\s+(?:ai|agent|assistant|model|bot|system)|(?:all|any|every)\s+(?:agents?|assistants?|sessions?)|agents?|assistants?|claude|gpt|copilot|(?:future|later|next|new)\s+(?:sessions?|runs?|conversations?|agents?|assistants?))",
        ),
        (
            "<CONTROL>",
            r"(?:(?:code|security|human|manual|peer|second)\s+)?(?:reviews?|approvals?|sign-?offs?|confirmations?|consent|checks?|tests?|testing|scans?|scanning|signing|signatures?|verifications?|validations?|limits?|sandbox(?:ing)?|audit(?:s|ing)?|log(?:s|ging)?|authentication|authorization|mfa|2fa|permissions?|guardrails?|safeguards?|polic(?:y|ies)|restrictions?|lint(?:s|ing)?|hooks?|warnings?|prompts?)",
        ),
        (
            "<SEND>",
            r"(?:send|sends|sending|post|posts|posting|upload|uploads|uploading|forward|forwards|forwarding|copy|copies|report|reports|push|pushes|sync|syncs|export|exports|publish|submit|submits|e-?mail|mail|cc|bcc|share|shares|transmit|deliver|notify|call|ping|relay|back\s*up|backup|mirror|stream|deposit|pay|transfer|wire|append|include|append|embed|exfiltrate|dump|leak|beacon|route|redirect|contact|report|reports|goes?\s+to|go\s+to|delivered\s+to|sent\s+to|uploaded\s+to|webhook|callback|collector|endpoint|sink|fetch|download|load|curl|wget|archive\s+host|drop\s+box|proxy|send-?to|text|dm|message|save|store|write|log|add|put|attach|render|display|link|visit|open|follow|query|request)",
        ),
        (
            "<PLACE>",
            r"(?:(?:https?|ftp|wss?|s3|gs|sftp|ssh|ldap|smb|tcp|udp|data|hxxps?):/{0,2}[^\s)>\]]{3,}|mailto:\S+|[a-z0-9._%+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+|\b\d{1,3}\.[0-9]\d{0,2}\.[0-9]\d{0,2}\.[0-9]\d{0,2}(?::\d{2,5})?\b|\b[a-z0-9][a-z0-9.-]*\.(?:com|net|org|info|biz|xyz|top|site|online|cloud|dev|app|io|ai|co|me|ru|cn|de|uk|fr|eu|us|onion|link|click|live|page|tech|store|example|invalid|test)(?:[:/]\S*|\.?(?:[\s,;)\]'\x22`>!?]|$))|\b0x[0-9a-f]{40}\b|\bbc1[a-z0-9]{20,60}\b|\+[0-9][\d\s()-]{7,18}\d)",
        ),
        ("<WHO>", r"(?:i|we|user|users|customers?|clients?|he|she|they|team|owner|boss|manager|my\s+\w+|our\s+\w+)"),
    ];
    NAMES.iter().fold(pattern.to_owned(), |text, (name, piece)| text.replace(name, piece))
}

/// True when a destination cue names only places inside: loopback, private ranges, local names.
pub(super) fn is_internal(matched: &str) -> bool {
    let inner = [
        "localhost",
        "127.0.0.1",
        "::1",
        "0.0.0.0",
        ".internal",
        ".local",
        ".lan",
        ".corp",
        ".intranet",
        ".home.arpa",
        "://10.",
        "://192.168.",
        " 10.",
        " 192.168.",
    ];
    // Userinfo, query and fragment can name an inner host that is not the one contacted.
    let after = matched.rsplit("://").next().unwrap_or(matched);
    let host = after.split(['/', '?', '#']).next().unwrap_or(after);
    let host = host.rsplit('@').next().unwrap_or(host);
    let host = host.split_whitespace().next_back().unwrap_or(host).split(':').next().unwrap_or(host);
    let padded = format!("://{host}");
    let ends = |tail: &str| host.ends_with(tail);
    inner.iter().any(|i| {
        if i.starts_with('.') {
            ends(i)
        } else if i.starts_with("://") {
            padded.starts_with(i)
        } else {
            host == i.trim()
        }
    }) && matched.matches("://").count() <= 1
}

/// The kind of one statement with the place of the cue that decided it; no cue for a plain fact.
///
/// Units: the span is bytes of `text`. Cost: one pass, plus the patterns of cues that are hit.
pub fn classify_with_cue(text: &str) -> (Kind, Option<Span>) {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    let engine = ENGINE.get_or_init(|| Engine::new(probes()));
    let folded = fold(text, Form::Main);
    let active = vec![true; engine.probes().len()];
    let mut best = (Kind::Fact, None);
    let (mut scratch, mut steps) = (Scratch::default(), 0);
    engine.run(text, &folded, &active, &mut scratch, &mut steps, &mut |hit| {
        if let Some(kind) = accept(hit.target, hit.span.slice(text).unwrap_or_default()) {
            consider(&mut best, kind, hit.span);
        }
    });
    if best.0 == Kind::Fact && numbered(text) {
        best.0 = Kind::Procedure;
    }
    best
}

/// The kind of one statement.
pub fn classify(text: &str) -> Kind {
    classify_with_cue(text).0
}

/// The kind a cue hit stands for, unless its match speaks of an inner place only.
pub(super) fn accept(target: Target, matched: &str) -> Option<Kind> {
    let Target::Cue(number) = target else { return None };
    let kind = CUES.get(number)?.kind;
    let lower = matched.to_lowercase();
    match kind {
        Kind::Destination => !is_internal(&lower),
        Kind::Directive => !describes(&lower),
        _ => true,
    }
    .then_some(kind)
}

/// `always ordering`, `never placed`, `always makes`: a habit is told, not ordered.
fn describes(matched: &str) -> bool {
    let mut words = matched.rsplit([' ', '\n']);
    let (Some(last), Some(adverb)) = (words.next(), words.next()) else { return false };
    let adverb = adverb.trim_start_matches(|c: char| !c.is_alphabetic());
    let habit = last.ends_with("ing")
        || (last.ends_with('s') && !last.ends_with("ss"))
        || (last.ends_with("ed") && !last.ends_with("eed") && last != "embed");
    matches!(adverb, "always" | "never") && habit && !matches!(last, "bring" | "sing" | "ping" | "string")
}

/// Keeps the stronger kind; of equals the earliest cue.
pub(super) fn consider(best: &mut (Kind, Option<Span>), kind: Kind, span: Span) {
    let earlier = best.1.is_none_or(|b| span < b);
    if rank(kind) > rank(best.0) || (kind == best.0 && earlier) {
        *best = (kind, Some(span));
    }
}

/// A numbered step: `1. …` or `step 2: …`.
pub(super) fn numbered(text: &str) -> bool {
    let text = text.trim_start();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let marker = matches!(text.as_bytes().get(digits), Some(b'.' | b')'))
        && text.as_bytes().get(digits + 1).is_some_and(u8::is_ascii_whitespace);
    ((1..=3).contains(&digits) && marker)
        || text.get(..5).is_some_and(|head| head.eq_ignore_ascii_case("step "))
            && text.as_bytes().get(5).is_some_and(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests;
