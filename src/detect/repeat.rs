//! One voice that says the same again and again (threat T12).
//!
//! Counting must not make a claim true. Support is capped per principal anyway; this names the attempt, so
//! that a person sees the cluster. Source: own design.

use std::collections::BTreeSet;

/// Sessions in which one principal makes nearly the same claim before it is called flooding.
pub const LEAST_SESSIONS: usize = 4;
/// Rule id of the finding.
pub const RULE: &str = "laundering.repeated-claim";

/// Words that say nothing about what a sentence claims.
const EMPTY: &[&str] = &[
    "about", "again", "all", "also", "and", "any", "are", "been", "but", "can", "everyone", "for", "from", "had",
    "has", "have", "hello", "her", "him", "his", "how", "its", "just", "let", "not", "now", "off", "one", "our", "out",
    "see", "she", "simply", "that", "the", "their", "them", "then", "there", "they", "this", "too", "was", "way",
    "were", "what", "when", "which", "will", "with", "you", "your",
];
/// A request, or talk about oneself, is what honest customers repeat.
const OWN: &[&str] = &["i'm", "i'd", "my", "mine", "we", "please", "could", "would", "want", "need", "like"];

/// Groups of texts that make nearly the same claim in at least [`LEAST_SESSIONS`] sessions.
///
/// `texts` are one principal's, each with the number of its session. Returns positions, ascending.
/// Cost: quadratic in the texts of one principal, of which at most 400 are looked at.
pub fn repeated_claims(texts: &[(usize, &str)]) -> Vec<Vec<usize>> {
    let claims: Vec<(usize, usize, BTreeSet<String>)> = texts
        .iter()
        .enumerate()
        .take(400)
        .filter_map(|(at, (session, text))| Some((at, *session, claim_words(text)?)))
        .collect();
    let mut taken = BTreeSet::new();
    let mut groups = Vec::new();
    for (at, _, words) in &claims {
        if taken.contains(at) {
            continue;
        }
        let near: Vec<&(usize, usize, BTreeSet<String>)> =
            claims.iter().filter(|(other, _, theirs)| !taken.contains(other) && alike(words, theirs)).collect();
        let sessions: BTreeSet<usize> = near.iter().map(|(_, session, _)| *session).collect();
        if sessions.len() >= LEAST_SESSIONS {
            let members: Vec<usize> = near.iter().map(|(at, _, _)| *at).collect();
            taken.extend(members.iter().copied());
            groups.push(members);
        }
    }
    groups
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

/// Three content words in common, and at least two fifths of the shorter claim.
fn alike(a: &BTreeSet<String>, b: &BTreeSet<String>) -> bool {
    let common = a.intersection(b).count();
    common >= 3 && common * 5 >= a.len().min(b.len()) * 2
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
}
