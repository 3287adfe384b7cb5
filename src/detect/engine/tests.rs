//! What the lexicon and the chains let through is all that the patterns match.

use std::collections::BTreeSet;

use super::*;
use crate::detect::kind;
use crate::detect::normalize::{Form, fold};
use crate::ruleset::{Matcher, Pattern, RuleSet};

/// Patterns of all rules that read the folded text, and all kind cues.
fn items() -> Vec<(Probe, Vec<String>)> {
    let rules = RuleSet::builtin().unwrap();
    let mut items: Vec<_> = rules
        .rules()
        .iter()
        .enumerate()
        .filter_map(|(i, rule)| match &rule.matcher {
            Matcher::Pattern { pattern, lines } if rule.views != [crate::domain::View::Raw] => {
                Some((Probe::new(Target::Rule(i), pattern.clone(), false, *lines), rule.keywords.clone()))
            }
            _ => None,
        })
        .collect();
    items.extend(kind::probes());
    items
}

/// All examples of all rules, put together as prose and as lists; some where the marks of a list precede them.
fn texts() -> Vec<String> {
    let rules = RuleSet::builtin().unwrap();
    let alone: Vec<String> =
        rules.rules().iter().flat_map(|rule| rule.examples.fires.iter().chain(&rule.examples.quiet).cloned()).collect();
    let prose = alone.chunks(5).map(|part| part.join(" "));
    let lists = alone.chunks(7).map(|part| part.join("\n- "));
    let marked = alone.iter().step_by(9).map(|part| format!("-----* 1. {part}"));
    prose.chain(lists).chain(marked).collect()
}

#[test]
fn everything_a_pattern_matches_is_found() {
    let items = items();
    let engine = Engine::new(items.clone());
    let active = vec![true; items.len()];
    let (mut scratch, mut matches) = (Scratch::default(), 0);
    for text in texts() {
        let folded = fold(&text, Form::Main);
        let mut hits = BTreeSet::new();
        engine.run(&text, &folded, &active, &mut scratch, &mut 0, &mut |hit| {
            hits.insert((hit.target, hit.span));
        });
        let mut from = 0;
        for block in folded.text.split('\n') {
            let mut line = String::new();
            for (probe, _) in &items {
                let slice = if probe.lines { with_breaks(block, from, &folded, &mut line) } else { block };
                for found in probe.pattern.regex().unwrap().find_iter(slice).filter(|m| m.len() < WINDOW) {
                    matches += 1;
                    let span = folded.map.to_raw(Span::new(found.start(), found.end()).shifted(from));
                    let within = |hit: &(Target, Span)| hit.0 == probe.target && hit.1.overlaps(&span);
                    assert!(
                        hits.iter().any(within),
                        "{} misses {:?} in {text}",
                        probe.pattern.as_str(),
                        found.as_str()
                    );
                }
            }
            from += block.len() + 1;
        }
    }
    assert!(matches > 1_000, "{matches} matches");
}

#[test]
fn most_patterns_tell_what_to_look_for() {
    let items = items();
    let silent: Vec<&str> = items.iter().map(|(probe, _)| probe.pattern.as_str()).filter(|p| !chain::of(p).1).collect();
    assert!(silent.len() * 10 < items.len(), "{} of {}: {silent:#?}", silent.len(), items.len());
}

fn shown(pattern: &str) -> Vec<String> {
    let mark = |b: bool| if b { "|" } else { "" };
    let reach = |reach: Reach| match reach.most {
        Some(most) => format!("{most}{}", if reach.quiet { "+" } else { "" }),
        None => "*".to_owned(),
    };
    let set = |set: &[Literal]| {
        let list: Vec<String> = set.iter().map(|l| format!("{}{}{}", mark(l.left), l.text, mark(l.right))).collect();
        list.join(" ")
    };
    let chain = |chain: &Chain| {
        let first = format!("<{} {}", reach(chain.lead), set(&chain.steps[0].set));
        let more = chain.steps[1..].iter().map(|step| format!(" <{} {}", reach(step.gap), set(&step.set)));
        format!("{first}{} >{}", more.collect::<String>(), reach(chain.trail))
    };
    chain::of(pattern).0.iter().map(chain).collect()
}

#[test]
fn chains_are_read_off_patterns() {
    let expected = [
        (r"\b(?:ignore|forget)\s+.{0,20}?(?:rules|orders)\b", vec!["<0 |forget| |ignore| <21 orders| rules| >0"]),
        (r"ignore\s+(?:all\s+)?rules", vec!["<0 ignore all rules ignore rules >0"]),
        (r"\bb?cc:?\s+[^.]{0,40}", vec!["<0 |bcc| |bcc: |cc| |cc: >41"]),
        (r"send(?:s|ing)?\b", vec!["<0 send| sending| sends| >0"]),
        (r"(?:token|\d{6})=", vec![]),
        (r"[a-z]+@[a-z]+", vec!["<* @ >*"]),
        (r"a{2,3}bcde", vec!["<3 bcde >0"]),
        (r"(?m)^[\s\-*>]*(?:\d{1,4}[.)]\s+)?henceforth", vec!["<6+ |henceforth >0"]),
        (r"abcd\w+wxyz|exfiltrate", vec!["<0 abcd <* wxyz >0", "<0 exfiltrate >0"]),
        (r"\b\.env\b", vec!["<0 .env| >0"]),
        (r"[.!?]\s*now", vec!["<0 ! now !now . now .now ? now ?now >0"]),
        (r"(?:x\s*)?henceforth", vec!["<2 henceforth >0"]),
    ];
    let got = expected.clone().map(|(pattern, _)| (pattern, shown(pattern)));
    assert_eq!(format!("{got:#?}"), format!("{expected:#?}"));
}

#[test]
fn borders_of_words_are_kept() {
    let engine = Engine::new([(Probe::new(Target::Rule(0), Pattern::proven(r"\bown\b"), false, false), vec![])]);
    let count = |text: &str| {
        let mut hits = 0;
        engine.run(text, &fold(text, Form::Main), &[true], &mut Scratch::default(), &mut 0, &mut |_| hits += 1);
        hits
    };
    assert_eq!(count("own down owner own, my_own \u{2014}own\u{2014}"), 3);
}

/// Cost: a hostile text of nothing but literals stays linear.
#[test]
fn chains_of_nothing_but_literals_stay_linear() {
    let pattern = Pattern::proven(r"alpha[^.]*beta[^.]*gamma");
    let engine = Engine::new([(Probe::new(Target::Rule(0), pattern, false, false), vec![])]);
    for text in ["gamma ".repeat(40_000), "beta gamma ".repeat(20_000), "alpha ".repeat(40_000)] {
        let (mut steps, mut hits) = (0, 0);
        let folded = fold(&text, Form::Main);
        engine.run(&text, &folded, &[true], &mut Scratch::default(), &mut steps, &mut |_| hits += 1);
        assert_eq!(hits, 0);
        assert!(steps <= 2 * text.len() as u64, "{steps}");
    }
}

/// Literals of every length, some the beginning of others, some that may begin anywhere.
const LITERALS: [(&str, Place); 16] = [
    ("ignore", Place::Word),
    ("ignore all", Place::Word),
    ("ignore all rules", Place::Word),
    ("ignoring", Place::Word),
    ("cc", Place::Word),
    ("i", Place::Word),
    ("a", Place::Any),
    ("ab", Place::Any),
    ("all", Place::Any),
    ("ll r", Place::Any),
    ("les", Place::Any),
    ("](", Place::Any),
    ("@", Place::Any),
    ("@a", Place::Any),
    ("\u{43F}\u{440}\u{438}", Place::Any),
    ("\u{440}\u{438}", Place::Any),
];

/// What the lexicon has to find, by asking for each literal at each place.
fn asked_one_by_one(bytes: &[u8], (from, to): (usize, usize)) -> Vec<(u32, usize, usize)> {
    let mut list = Vec::new();
    for at in from..to {
        let inside = is_word(bytes[at]) && at > from && is_word(bytes[at - 1]);
        for (number, (text, place)) in (0_u32..).zip(LITERALS) {
            if bytes[at..to].starts_with(text.as_bytes()) && (place == Place::Any || !inside) {
                list.push((number, at, at + text.len()));
            }
        }
    }
    list.sort_unstable();
    list
}

#[test]
fn the_lexicon_finds_what_asking_one_by_one_finds() {
    let lexicon = Lexicon::new(LITERALS.map(|(text, place)| (text.to_owned(), place)));
    let parts =
        ["ignore", " ", "all", "rules", "abacc", "cc", "](", "@", "a", "\u{43F}\u{440}\u{438}", "_", "i", "ing"];
    let (mut state, mut found) = (1_usize, 0);
    for length in 0..400 {
        let mut text = String::new();
        for _ in 0..length % 23 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(parts[(state >> 33) % parts.len()]);
        }
        let (from, to) = (length % 5, text.len().saturating_sub(length % 3));
        let mut got = Vec::new();
        if from < to {
            lexicon.find(text.as_bytes(), (from, to), |number, start, end| got.push((number, start, end)));
            assert!(got.is_sorted_by_key(|hit| hit.1), "{text}");
            got.sort_unstable();
            assert_eq!(got, asked_one_by_one(text.as_bytes(), (from, to)), "{text} {from} {to}");
        }
        found += got.len();
    }
    assert!(found > 2_000, "{found}");
}
