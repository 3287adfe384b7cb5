//! Preferences that people state themselves: shared ones and personal ones.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use crate::consolidate::gate::Gist;
use crate::consolidate::key::Key;
use crate::consolidate::token::Class;
use crate::domain::{Channel, Digest, PrincipalId};
use crate::ingest::EventKind;

use super::{Corpus, Insight, Support, cite, is_anonymous, personal_path, shared};

/// A stated preference.
struct Stated {
    /// What it is about, folded: statements of the same preference meet here.
    object: String,
    likes: bool,
    /// "Remember that I …": one statement is enough for a personal note.
    direct: bool,
}

fn regex(pattern: &str) -> Option<Regex> {
    Regex::new(&format!("(?i){pattern}")).ok()
}

static CUES: LazyLock<Vec<(Option<Regex>, bool)>> = LazyLock::new(|| {
    vec![
        (
            regex(
                r"\bI(?:'d| would)?(?: really| always| generally| usually| much| still)? prefer(?: to use| using| to have| having)? (.{3,120})$",
            ),
            true,
        ),
        (regex(r"\bI(?:'d| would)? rather (?:use |have |see )?(.{3,120})$"), true),
        (regex(r"\bI (?:really )?(?:dislike|hate|can't stand|do not like|don't like|never want) (.{3,120})$"), false),
        (regex(r"^(?:please |and |so |as i said,? )*always (?:use |write |give me |prefer )?(.{3,120})$"), true),
        (
            regex(r"^(?:please |and |so |as i said,? )*(?:never|don't|do not) (?:use |write |give me )(.{3,120})$"),
            false,
        ),
        (regex(r"^(?:please |as i said,? )*use (.{2,60} instead of .{2,60})$"), true),
        (regex(r"^from now on,? (?:please )?(?:use |write |always use )?(.{3,120})$"), true),
    ]
});
static DIRECT: LazyLock<Option<Regex>> =
    LazyLock::new(|| regex(r"^(?:please |and )*remember(?: that)? (?:I|my) (.{3,160})$"));
/// Preferences that would touch controls, rights, secrets or destinations are no preferences.
static GOVERNED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    regex(
        r"\b(?:approv\w*|permission\w*|password\w*|token\w*|secret\w*|credential\w*|api[ _-]?keys?|admin\w*|sudo|root|review\w*|skip\w*|bypass\w*|disabl\w*|ignor\w*|overrid\w*|send\w*|forward\w*|upload\w*|email\w*|e-mail|webhook\w*|wire|transfer\w*|authori[sz]\w*|authenticat\w*|verif\w*|security|policy|policies|guardrails?|confirm\w*|ask(?:ing)?|trust\w*|install\w*|delete\w*|memory|memories|instructions?|prompts?|system|jailbreak|refund\w*|discount\w*|payments?|bank|account)\b|://|@",
    )
});
/// What a person wants for the matter at hand is not what they prefer in general.
static AT_HAND: LazyLock<Option<Regex>> = LazyLock::new(|| {
    regex(
        r"\b(?:this time|for now|today|tomorrow|tonight|right now|this (?:one|flight|order|trip|file|case|reservation|task|booking|time)|the (?:first|second|third|cheapest|other|later|earlier|same|original|latter|former|next) |that (?:one|option|flight))\b|\d{3,}",
    )
});

/// Sentences of a text, cut at ends of sentences and lines.
pub(super) fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.split(['\n', '!', '?', ';'])
        .flat_map(|line| line.split_inclusive(". "))
        .map(|s| s.trim().trim_end_matches('.').trim())
        .filter(|s| s.len() >= 8 && s.len() <= 400)
}

fn stated(sentence: &str, key: &Key) -> Option<Stated> {
    if GOVERNED.as_ref()?.is_match(&key.text) || AT_HAND.as_ref()?.is_match(&key.text) || key.had_hidden {
        return None;
    }
    if key.tokens.iter().any(|t| matches!(t.class, Class::Url | Class::Code | Class::Path | Class::Flag))
        || sentence.contains(['<', '>', '"', '`'])
    {
        return None;
    }
    if let Some(c) = DIRECT.as_ref()?.captures(&key.text).or_else(|| {
        // The key peels "remember that": look at the cleaned sentence as well.
        DIRECT.as_ref().and_then(|lazy| lazy.captures(sentence))
    }) {
        return Some(Stated { object: fold(&c[1])?, likes: true, direct: true });
    }
    CUES.iter().find_map(|(cue, likes)| {
        let c = cue.as_ref()?.captures(&key.text)?;
        let (object, negated) = match c[1].strip_prefix("not to ").or_else(|| c[1].strip_prefix("not ")) {
            Some(rest) => (rest.to_owned(), true),
            None => (c[1].to_owned(), false),
        };
        Some(Stated { object: fold(&object)?, likes: *likes != negated, direct: false })
    })
}

fn fold(object: &str) -> Option<String> {
    let gist = Gist::of(&Key::of(object.trim_end_matches(['.', ',', ' '])));
    let words: Vec<&str> = gist
        .pieces
        .iter()
        .map(|p| p.fold.as_str())
        .filter(|w| !matches!(*w, "i" | "my" | "me" | "to" | "you"))
        .collect();
    (!words.is_empty() && words.len() <= 14 && !gist.foreign).then(|| words.join(" "))
}

#[derive(Default)]
struct Group {
    likes: Support,
    dislikes: Support,
}

#[derive(Default)]
struct Personal {
    support: Support,
    direct: bool,
    /// The shortest wording, for the quote.
    wording: Option<String>,
}

/// Preferences from user turns only.
pub(super) fn mine(corpus: &Corpus<'_>) -> Vec<Insight> {
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    let mut personal: BTreeMap<(PrincipalId, String, bool), Personal> = BTreeMap::new();
    for run in &corpus.runs {
        for &number in &run.usable {
            let event = &run.session.events[number];
            let EventKind::Message { text } = &event.kind else { continue };
            if event.origin.channel != Channel::User {
                continue;
            }
            let text = text.peek_unscanned();
            let origin = Digest::of(Key::of(&text.chars().take(4000).collect::<String>()).key);
            for sentence in sentences(text) {
                let key = Key::of(sentence);
                if corpus.is_echo(&key.key) {
                    continue;
                }
                let Some(stated) = stated(sentence, &key) else { continue };
                let evidence = cite(run, number, sentence);
                let group = groups.entry(stated.object.clone()).or_default();
                let side = if stated.likes { &mut group.likes } else { &mut group.dislikes };
                side.add(run, origin, evidence.clone());
                if !is_anonymous(&run.principal) && sentence.len() <= 200 {
                    let own = personal.entry((run.principal.clone(), stated.object, stated.likes)).or_default();
                    own.support.add(run, origin, evidence);
                    own.direct |= stated.direct;
                    let plain: String = key.text.trim_end_matches(['.', ',', ' ']).to_owned();
                    let shorter = own.wording.as_ref().is_none_or(|now| (plain.len(), &plain) < (now.len(), now));
                    if shorter {
                        own.wording = Some(plain);
                    }
                }
            }
        }
    }
    let mut out = Vec::new();
    for (object, group) in groups {
        let (with, against) = (group.likes.principals(1), group.dislikes.principals(1));
        let n = corpus.active;
        // Opposite wishes are reported together, never averaged.
        let opposite = |count: usize| if count > 0 { format!("; {count} stated the opposite") } else { String::new() };
        let liked = format!("{with} of {n} people stated a preference for: {object}{}.", opposite(against));
        let disliked = format!("{against} of {n} people stated a preference against: {object}{}.", opposite(with));
        let found = if with >= against {
            shared(group.likes, corpus, 1, "preferences", "insight.shared-preference", liked)
        } else {
            shared(group.dislikes, corpus, 1, "preferences", "insight.shared-preference", disliked)
        };
        out.extend(found);
    }
    let conflicts: Vec<(PrincipalId, String)> = personal
        .keys()
        .filter(|(p, o, likes)| *likes && personal.contains_key(&(p.clone(), o.clone(), false)))
        .map(|(p, o, _)| (p.clone(), o.clone()))
        .collect();
    for ((principal, object, _), own) in personal {
        let sessions = own.support.sessions();
        let (Some(path), Some(wording)) = (personal_path(&principal), own.wording) else { continue };
        if !(own.direct || sessions >= 2) {
            continue;
        }
        let text = if own.direct {
            format!(
                "Asked to remember ({sessions} {}): \"{wording}\"",
                if sessions == 1 { "session" } else { "sessions" }
            )
        } else {
            format!("Stated in {sessions} sessions: \"{wording}\"")
        };
        let mut warnings = Vec::new();
        if conflicts.contains(&(principal, object)) {
            warnings.push("the same person stated the opposite as well".to_owned());
        }
        out.push(Insight {
            path,
            text,
            evidence: own.support.evidence,
            rule: "insight.personal-preference",
            reason: format!("one person's own statements in {sessions} sessions, for that person only"),
            warnings,
        });
    }
    out
}
