//! Voices: who says what how often (threats T03, T06, T12).
//!
//! Counting must not make a claim true. Support is capped per principal anyway; this names the attempt, so that a
//! person sees the cluster: one voice that repeats a claim, many voices that say the same words, and a series of
//! questions from which the hint is taken away bit by bit. Groups are buckets, never chains: adding texts only makes
//! them larger, and their order does not matter. Source: own design.

use std::collections::{BTreeMap, BTreeSet};

use super::budget::{Coverage, Limit};
use super::kind;
use super::near::{Shape, groups, hash};
use super::provenance;
use super::scan::Scanner;
use super::set::{SetFinding, SetReport};
use crate::domain::RuleId;

/// Sessions in which one principal makes nearly the same claim before it is called flooding.
pub const LEAST_SESSIONS: usize = 4;
/// Principals that say nearly the same words before it is called a campaign.
pub const LEAST_PRINCIPALS: usize = 4;
/// Questions of a series that shrinks.
pub const LEAST_STEPS: usize = 4;
/// Voices that are heard together; more end in partial coverage.
pub const MOST_VOICES: usize = 20_000;
/// Content words of one claim that are looked at: the ones with the least digests.
const SKETCH: usize = 10;
/// Questions about one identifier by one principal that are compared.
const MOST_STEPS: usize = 200;
/// Words below which equal texts are small talk.
const LEAST_WORDS: usize = 6;
/// Likeness of a campaign's texts, hundredths.
const ALIKE: usize = 40;

/// Something somebody said.
#[derive(Clone, Copy, Debug)]
pub struct Voice<'a> {
    /// The text. Untrusted.
    pub text: &'a str,
    /// On whose behalf.
    pub principal: &'a str,
    /// A number for its session.
    pub session: usize,
}

/// Words that say nothing about what a sentence claims.
const EMPTY: &[&str] = &[
    "about", "again", "all", "also", "and", "any", "are", "been", "but", "can", "everyone", "for", "from", "had",
    "has", "have", "hello", "her", "him", "his", "how", "its", "just", "let", "not", "now", "off", "one", "our", "out",
    "see", "she", "simply", "that", "the", "their", "them", "then", "there", "they", "this", "too", "was", "way",
    "were", "what", "when", "which", "will", "with", "you", "your",
];
/// A request, or talk about oneself, is what honest customers repeat.
const OWN: &[&str] = &["i'm", "i'd", "my", "mine", "we", "please", "could", "would", "want", "need", "like"];

impl Scanner {
    /// Listens to many voices together: repeated claims, campaigns and shrinking series.
    ///
    /// Members are the numbers of the voices. Cost: linear in the texts, times a logarithm.
    pub fn hear(&self, voices: &[Voice<'_>]) -> SetReport {
        let mut limits = Vec::new();
        if voices.len() > MOST_VOICES {
            limits.push(Limit::Views);
        }
        let heard = voices.get(..MOST_VOICES.min(voices.len())).unwrap_or_default();
        let mut findings = Vec::new();
        let mut add = |slug: &str, group: Vec<usize>| {
            let members = group.iter().map(ToString::to_string).collect();
            findings.push(SetFinding { rule: self.set_rule(slug), members, kind: None });
        };
        let mut by_principal: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, voice) in heard.iter().enumerate() {
            by_principal.entry(voice.principal).or_default().push(at);
        }
        for own in by_principal.values() {
            let texts: Vec<(usize, &str)> =
                own.iter().filter_map(|&at| heard.get(at)).map(|v| (v.session, v.text)).collect();
            let number = |group: Vec<usize>| group.into_iter().filter_map(|i| own.get(i).copied()).collect();
            for group in repeated_claims(&texts) {
                add("repeated-claim", number(group));
            }
            for group in shrinking(&texts, &mut limits) {
                add("shrinking-series", number(group));
            }
        }
        for group in campaigns(heard) {
            add("campaign", group);
        }
        findings.sort();
        findings.dedup();
        limits.sort_unstable();
        limits.dedup();
        let coverage = if limits.is_empty() { Coverage::Full } else { Coverage::Partial { limits } };
        SetReport { findings, coverage, aliases: 0 }
    }

    /// The rule of a detector over sets.
    pub(super) fn set_rule(&self, slug: &str) -> RuleId {
        self.core.detector_rule(slug).unwrap_or_else(|| RuleId::new(format!("sets.{slug}")))
    }
}

/// Groups of texts that make nearly the same claim in at least [`LEAST_SESSIONS`] sessions.
///
/// `texts` are one principal's, each with the number of its session. Returns positions, ascending.
/// Cost: linear in the texts; a claim is looked at by the triples of at most ten of its words.
pub fn repeated_claims(texts: &[(usize, &str)]) -> Vec<Vec<usize>> {
    let mut buckets: BTreeMap<[u64; 3], BTreeSet<usize>> = BTreeMap::new();
    for (at, (_, text)) in texts.iter().enumerate() {
        let Some(words) = claim_words(text) else { continue };
        let mut digests: Vec<u64> = words.iter().map(|w| hash(w)).collect();
        digests.sort_unstable();
        digests.truncate(SKETCH);
        for i in 0..digests.len() {
            for j in i + 1..digests.len() {
                for k in j + 1..digests.len() {
                    buckets.entry([digests[i], digests[j], digests[k]]).or_default().insert(at);
                }
            }
        }
    }
    let mut groups: BTreeSet<Vec<usize>> = BTreeSet::new();
    for members in buckets.into_values() {
        let sessions: BTreeSet<usize> = members.iter().filter_map(|&at| texts.get(at)).map(|(s, _)| *s).collect();
        if sessions.len() >= LEAST_SESSIONS {
            groups.insert(members.into_iter().collect());
        }
    }
    largest(groups)
}

/// Without groups that lie within another.
fn largest(groups: BTreeSet<Vec<usize>>) -> Vec<Vec<usize>> {
    let mut by_size: Vec<Vec<usize>> = groups.into_iter().collect();
    by_size.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    let mut kept: Vec<Vec<usize>> = Vec::new();
    for group in by_size {
        let inside = |other: &Vec<usize>| group.iter().all(|m| other.binary_search(m).is_ok());
        if kept.len() < 64 && !kept.iter().any(inside) {
            kept.push(group);
        }
    }
    kept.sort();
    kept
}

/// Texts that many principals say in nearly the same words, and that would weigh something in a memory.
fn campaigns(voices: &[Voice<'_>]) -> Vec<Vec<usize>> {
    // Equal texts meet first: a flood of one text is one shape.
    let mut by_text: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, voice) in voices.iter().enumerate() {
        by_text.entry(super::normalize::fold_text(voice.text)).or_default().push(at);
    }
    let (mut shapes, mut members) = (Vec::new(), Vec::new());
    for (text, at) in by_text {
        let shape = Shape::of(&text, 3);
        if shape.words >= LEAST_WORDS && weighs(&text, voices.get(at[0]).map_or("", |v| v.text)) {
            shapes.push(shape);
            members.push(at);
        }
    }
    let mut found = groups(&shapes, ALIKE);
    let grouped: BTreeSet<usize> = found.iter().flatten().copied().collect();
    found.extend((0..shapes.len()).filter(|at| !grouped.contains(at)).map(|at| vec![at]));
    let mut out: Vec<Vec<usize>> = found
        .into_iter()
        .map(|group| {
            let mut all: Vec<usize> = group.iter().filter_map(|g| members.get(*g)).flatten().copied().collect();
            all.sort_unstable();
            all
        })
        .filter(|all| {
            let who: BTreeSet<&str> = all.iter().filter_map(|&at| voices.get(at)).map(|v| v.principal).collect();
            who.len() >= LEAST_PRINCIPALS
        })
        .collect();
    out.sort();
    out
}

/// True for what would weigh something in a memory: an order, a right, a rank, or a claim about the world.
fn weighs(folded: &str, raw: &str) -> bool {
    kind::classify(raw).is_governed()
        || provenance::ranks(raw)
        || folded.contains("remember")
        || claim_words(raw).is_some_and(|words| words.len() >= 4)
}

/// Series of questions about one identifier that get shorter, the first of which names a second one (T03).
fn shrinking(texts: &[(usize, &str)], limits: &mut Vec<Limit>) -> Vec<Vec<usize>> {
    let mut about: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let codes: Vec<BTreeSet<String>> = texts.iter().map(|(_, text)| provenance::codes(text)).collect();
    for (at, own) in codes.iter().enumerate() {
        for code in own {
            about.entry(code.clone()).or_default().push(at);
        }
    }
    let words: Vec<BTreeSet<String>> = texts
        .iter()
        .map(|(_, text)| {
            let folded = super::normalize::fold_text(text);
            folded.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_owned).collect()
        })
        .collect();
    let mut found = BTreeSet::new();
    for mut members in about.into_values() {
        // By length, not by time: who orders the questions otherwise gains nothing.
        members.sort_by(|a, b| {
            (words[*b].len(), texts[*b].1, texts[*b].0).cmp(&(words[*a].len(), texts[*a].1, texts[*a].0))
        });
        if members.len() > MOST_STEPS {
            limits.push(Limit::Steps);
            members.truncate(MOST_STEPS);
        }
        for (i, &first) in members.iter().enumerate() {
            if codes[first].len() < 2 {
                continue;
            }
            let mut series = vec![first];
            for &next in &members[i + 1..] {
                let Some(&last) = series.last() else { break };
                let inside = words[next].intersection(&words[last]).count() * 10 >= words[next].len() * 7;
                if inside && words[next].len() < words[last].len() {
                    series.push(next);
                }
            }
            let sessions: BTreeSet<usize> = series.iter().map(|&at| texts[at].0).collect();
            let Some(&last) = series.last() else { continue };
            let lost = codes[first].difference(&codes[last]).next().is_some()
                || words[last].len() * 10 <= words[first].len() * 7;
            if sessions.len() >= LEAST_STEPS && lost {
                series.sort_unstable();
                found.insert(series);
                break;
            }
        }
    }
    largest(found)
}

/// The content words of a claim; `None` for questions, requests and talk about oneself.
fn claim_words(text: &str) -> Option<BTreeSet<String>> {
    if text.contains('?') {
        return None;
    }
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|w| !w.is_empty()).collect();
    // A claim in the middle of talk about oneself ("as I said, …") is still a claim.
    if words.iter().any(|word| OWN.contains(word)) {
        return None;
    }
    let content: BTreeSet<String> = words
        .into_iter()
        .filter(|w| w.chars().count() >= 3 && w.chars().all(char::is_alphabetic) && !EMPTY.contains(w))
        .map(|w| w.strip_suffix('s').filter(|stem| stem.len() >= 3).unwrap_or(w).to_owned())
        .collect();
    (content.len() >= 3).then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_voice_with_one_claim_in_many_sessions_is_a_group() {
        let texts = [
            (0, "The signing step was retired in March, everyone knows."),
            (1, "By the way, the signing step has been retired since March."),
            (1, "Thanks."),
            (2, "As said: signing step retired."),
            (3, "Your colleague confirmed that the signing step is retired."),
            (4, "The weather is nice in Lisbon today."),
        ];
        assert_eq!(repeated_claims(&texts), [vec![0, 1, 3, 4]]);
        assert!(repeated_claims(&texts[..4]).is_empty(), "three sessions are no flood");
    }

    #[test]
    fn what_customers_repeat_is_no_claim() {
        let texts: Vec<(usize, &str)> =
            (0..6).map(|n| (n, "I want to cancel my reservation for the flight to Denver.")).collect();
        assert!(repeated_claims(&texts).is_empty());
        let asks: Vec<(usize, &str)> =
            (0..6).map(|n| (n, "What does an extra checked bag cost on the flight?")).collect();
        assert!(repeated_claims(&asks).is_empty());
    }

    #[test]
    fn a_flood_behind_four_hundred_decoys_is_still_heard() {
        let decoys: Vec<String> = (0..400).map(|n| format!("Gate {n} was painted green by crew number {n}.")).collect();
        let mut texts: Vec<(usize, &str)> = decoys.iter().map(|t| (0, t.as_str())).collect();
        texts.extend((1..6).map(|n| (n, "The signing step was retired in March.")));
        assert_eq!(repeated_claims(&texts).len(), 1);
    }
}
