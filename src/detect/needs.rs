//! What a pattern cannot match without: some sets of literals, one of each set in the text.
//!
//! Keywords wake a rule; most of them are common words, and most sentences wake a dozen rules. The
//! pattern itself says what else has to stand there (`ignore` … and `instruction`), and that it
//! stands as a word. Checking that costs nothing beside the prefilter's one pass, and it only ever
//! rejects what the pattern would reject: what is read off is always less than what is needed.
//!
//! Source: the idea of RE2's `FilteredRE2`; own design for word borders.

use std::sync::OnceLock;

use regex_syntax::hir::{Class, ClassUnicode, Hir, HirKind, Look, Repetition};

/// Strings kept apart while they are put together; more are cut off as one set.
const PRODUCT: usize = 160;
/// Largest set that is worth a place in the automaton.
const SET: usize = 160;
/// Characters of a class that are spelled out.
const CLASS: usize = 6;
/// Bytes of a literal that are looked for: more would only make the automaton larger.
const BYTES: usize = 12;
/// Sets of one pattern.
const SETS: usize = 4;

/// A string, and whether it ends at the border of a word on its left and on its right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Literal {
    pub(super) text: String,
    pub(super) left: bool,
    pub(super) right: bool,
}

/// Alternatives of which one must be there.
pub(super) type Set = Vec<Literal>;

/// Sets that every match of `pattern` takes one literal of each from, most telling first; sorted, and none
/// when nothing can be told.
pub(super) fn of(pattern: &str) -> Vec<Set> {
    let Ok(hir) = regex_syntax::parse(pattern) else { return Vec::new() };
    let mut sets = match info(&hir) {
        Info::Exact(set) => close(set).into_iter().collect(),
        Info::Rest { sets, .. } => sets,
        Info::Gap => Vec::new(),
    };
    sets.sort_by_key(|set| std::cmp::Reverse(worth(set)));
    sets.dedup();
    sets.truncate(SETS);
    sets
}

/// What is known of a part of a pattern.
enum Info {
    /// It matches exactly these strings. An empty one with `left` is the border of a word.
    Exact(Set),
    /// It needs these sets; `first` and `last` tell that it begins and ends with a border of words.
    Rest { sets: Vec<Set>, first: bool, last: bool },
    /// Any number of characters that are no letters, or none.
    Gap,
}

const ANYTHING: Info = Info::Rest { sets: Vec::new(), first: false, last: false };

fn empty(left: bool) -> Literal {
    Literal { text: String::new(), left, right: false }
}

/// Word characters as `\b` sees them; unknown ones count as none, which only asks for less.
fn is_word(c: Option<char>) -> bool {
    c.is_some_and(|c| c.is_alphanumeric() || c == '_')
}

/// True when every string begins with the border of a word: an empty one that asks for it, or no letter.
fn begins(set: &[Literal]) -> bool {
    set.iter().all(|l| if l.text.is_empty() { l.left } else { !is_word(l.text.chars().next()) })
}

/// The same at the end.
fn ends(set: &[Literal]) -> bool {
    set.iter().all(|l| if l.text.is_empty() { l.left } else { !is_word(l.text.chars().next_back()) })
}

fn info(hir: &Hir) -> Info {
    match hir.kind() {
        HirKind::Empty => Info::Exact(vec![empty(false)]),
        // Starts and ends of lines are borders of words, too.
        HirKind::Look(look) => {
            Info::Exact(vec![empty(!matches!(look, Look::WordAsciiNegate | Look::WordUnicodeNegate))])
        }
        HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
            Ok(text) => Info::Exact(vec![Literal { text: text.to_owned(), left: false, right: false }]),
            Err(_) => ANYTHING,
        },
        HirKind::Class(Class::Unicode(class)) => class_info(class),
        HirKind::Class(Class::Bytes(_)) => ANYTHING,
        HirKind::Repetition(repetition) => repetition_info(repetition),
        HirKind::Capture(capture) => info(&capture.sub),
        HirKind::Concat(parts) => concat(parts),
        HirKind::Alternation(parts) => alternation(parts),
    }
}

fn class_info(class: &ClassUnicode) -> Info {
    let count: usize = class.ranges().iter().map(|r| (r.end() as usize) - (r.start() as usize) + 1).sum();
    if (1..=CLASS).contains(&count) {
        let chars = class.ranges().iter().flat_map(|r| r.start()..=r.end());
        return Info::Exact(chars.map(|c| Literal { text: c.into(), left: false, right: false }).collect());
    }
    let silent = no_letters(class);
    Info::Rest { sets: Vec::new(), first: silent, last: silent }
}

fn no_letters(class: &ClassUnicode) -> bool {
    static WORD: OnceLock<Option<ClassUnicode>> = OnceLock::new();
    let word = WORD.get_or_init(|| match regex_syntax::parse(r"\w").ok()?.into_kind() {
        HirKind::Class(Class::Unicode(class)) => Some(class),
        _ => None,
    });
    word.as_ref().is_some_and(|word| {
        let mut both = class.clone();
        both.intersect(word);
        both.ranges().is_empty()
    })
}

fn repetition_info(repetition: &Repetition) -> Info {
    match (repetition.min, repetition.max, info(&repetition.sub)) {
        (0, Some(1), Info::Exact(mut set)) if set.len() < PRODUCT => {
            set.push(empty(false));
            Info::Exact(set)
        }
        (0, _, Info::Rest { sets, first: true, last: true }) if sets.is_empty() => Info::Gap,
        (0, ..) => ANYTHING,
        (1, Some(1), sub) => sub,
        (_, _, Info::Exact(set)) => {
            let (first, last) = (begins(&set), ends(&set));
            Info::Rest { sets: close(set).into_iter().collect(), first, last }
        }
        (_, _, rest) => rest,
    }
}

fn concat(parts: &[Hir]) -> Info {
    let mut sets = Vec::new();
    let mut now = vec![empty(false)];
    let (mut exact, mut first, mut last) = (true, false, false);
    for (number, part) in parts.iter().enumerate() {
        last = false;
        match info(part) {
            Info::Exact(set) if now.len() * set.len() <= PRODUCT => now = product(&now, &set),
            Info::Exact(set) => {
                exact = false;
                sets.extend(close(std::mem::replace(&mut now, set)));
            }
            Info::Rest { sets: more, first: begins, last: ends } => {
                exact = false;
                first |= begins && number == 0;
                last = ends;
                let before = std::mem::replace(&mut now, vec![empty(ends)]);
                // No letter follows: the word before ends here.
                sets.extend(close(if begins { product(&before, &[empty(true)]) } else { before }));
                sets.extend(more);
            }
            Info::Gap => {
                exact = false;
                last = ends(&now);
                let before = std::mem::replace(&mut now, vec![empty(last)]);
                sets.extend(close(before));
            }
        }
    }
    if exact {
        return Info::Exact(now);
    }
    sets.extend(close(now));
    Info::Rest { sets, first, last }
}

fn alternation(parts: &[Hir]) -> Info {
    let parts: Vec<Info> = parts.iter().map(info).collect();
    let total: usize = parts.iter().map(|p| if let Info::Exact(set) = p { set.len() } else { PRODUCT + 1 }).sum();
    if total <= PRODUCT {
        let all = parts.into_iter().flat_map(|p| if let Info::Exact(set) = p { set } else { Vec::new() });
        return Info::Exact(all.collect());
    }
    let (mut union, mut open, mut first, mut last) = (Vec::new(), false, true, true);
    for part in parts {
        let best = match part {
            Info::Exact(set) => {
                first &= begins(&set);
                last &= ends(&set);
                close(set)
            }
            Info::Gap => {
                (first, last) = (false, false);
                None
            }
            Info::Rest { sets, first: begins, last: ends } => {
                first &= begins;
                last &= ends;
                sets.into_iter().max_by_key(worth)
            }
        };
        match best {
            Some(set) => union.extend(set),
            None => open = true,
        }
    }
    let sets = if open { Vec::new() } else { close(union).into_iter().collect() };
    Info::Rest { sets, first, last }
}

/// Every string of `a` followed by every one of `b`.
fn product(a: &[Literal], b: &[Literal]) -> Set {
    let mut out: Set = a.iter().flat_map(|a| b.iter().map(|b| join(a, b))).collect();
    out.sort_unstable();
    out.dedup();
    out
}

fn join(a: &Literal, b: &Literal) -> Literal {
    if a.text.is_empty() {
        let starts = b.text.is_empty() || is_word(b.text.chars().next());
        return Literal { text: b.text.clone(), left: b.left || (a.left && starts), right: b.right };
    }
    if b.text.is_empty() {
        let right = a.right || (b.left && is_word(a.text.chars().next_back()));
        return Literal { right, ..a.clone() };
    }
    Literal { text: format!("{}{}", a.text, b.text), left: a.left, right: b.right }
}

/// A set ready to be looked for; `None` when it would be found everywhere.
fn close(set: Set) -> Option<Set> {
    let mut set: Set = set
        .into_iter()
        .map(|mut literal| {
            if literal.text.len() > BYTES {
                literal.text.truncate(super::span::floor_char(&literal.text, BYTES));
                literal.right = false;
            }
            literal
        })
        .collect();
    let long = |l: &Literal| l.text.len() >= 3 || (l.text.len() == 2 && l.left && l.right);
    // A single line break is a space to the prefilter.
    if set.is_empty() || !set.iter().all(long) || set.iter().any(|l| l.text.contains(['\n', '\r'])) {
        return None;
    }
    set.sort_unstable();
    set.dedup();
    let kept: Set = set.iter().filter(|l| !set.iter().any(|other| other != *l && implies(l, other))).cloned().collect();
    (kept.len() <= SET).then_some(kept)
}

/// True when wherever `l` stands `other` stands as well.
fn implies(l: &Literal, other: &Literal) -> bool {
    let Some(at) = l.text.find(&other.text) else { return false };
    let left = !other.left || (at == 0 && l.left);
    let right = !other.right || (at + other.text.len() == l.text.len() && l.right);
    left && right
}

/// How much a set tells: its weakest literal, and few of them.
fn worth(set: &Set) -> (usize, std::cmp::Reverse<usize>) {
    let weakest = set.iter().map(|l| l.text.len() + usize::from(l.left) + usize::from(l.right)).min();
    (weakest.unwrap_or(0), std::cmp::Reverse(set.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(pattern: &str) -> Vec<String> {
        let mark = |b: bool| if b { "|" } else { "" };
        of(pattern)
            .iter()
            .map(|set| {
                let list: Vec<String> =
                    set.iter().map(|l| format!("{}{}{}", mark(l.left), l.text, mark(l.right))).collect();
                list.join(" ")
            })
            .collect()
    }

    #[test]
    fn sets_are_read_off_patterns() {
        for (pattern, sets) in [
            (r"\b(?:ignore|forget)\s+(?:all\s+)?(?:rules|orders)\b", vec!["|forget| |ignore|", "orders| rules|"]),
            (r"\bb?cc:?\s+[^.]{0,40}", vec!["|bcc| |bcc: |cc| |cc:"]),
            (r"send(?:s|ing)?\b", vec!["send| sending| sends|"]),
            (r"(?:token|\d{6})=", vec![]),
            (r"[a-z]+@[a-z]+", vec![]),
            (r"a{2,3}bcd", vec!["bcd"]),
            (r"(?:password|secret).{0,60}(?:to|into)\b", vec!["password secret"]),
        ] {
            assert_eq!(shown(pattern), sets, "{pattern}");
        }
    }

    #[test]
    fn what_reads_as_a_word_border_is_one() {
        assert_eq!(shown(r"\b\.env\b"), [".env|"]);
        assert_eq!(shown(r"[.!?]\s*now"), ["|now"]);
        assert_eq!(shown(r"(?:^|[.!?]\s*|\bplease\s+)now"), ["|now"]);
        assert_eq!(shown(r"(?:x\s*)?now"), ["now"]);
        assert_eq!(shown(r"\s+now\s+"), ["|now|"]);
    }

    /// Every match of every built-in rule and kind cue, in every example of every rule, has what was read
    /// off its pattern.
    #[test]
    fn no_match_lacks_what_its_pattern_needs() {
        let rules = crate::ruleset::RuleSet::builtin().unwrap();
        let texts: Vec<String> = rules
            .rules()
            .iter()
            .flat_map(|rule| rule.examples.fires.iter().chain(&rule.examples.quiet))
            .map(|text| crate::detect::normalize::fold_text(text))
            .collect();
        let patterns = rules.rules().iter().filter_map(|rule| match &rule.matcher {
            crate::ruleset::Matcher::Pattern { regex, .. } => Some(regex.clone()),
            crate::ruleset::Matcher::Detector(_) | crate::ruleset::Matcher::Composite(_) => None,
        });
        let cues = crate::detect::kind::probes().into_iter().map(|(probe, _)| probe.regex);
        let (mut matches, mut checked) = (0, 0);
        for regex in patterns.chain(cues) {
            let sets = of(regex.as_str());
            for text in &texts {
                for m in regex.find_iter(text) {
                    matches += 1;
                    for set in &sets {
                        checked += 1;
                        assert!(set.iter().any(|l| stands(l, text, m.start(), m.end())), "{regex}\n{set:?}\n{text}");
                    }
                }
            }
        }
        assert!(matches > 300 && checked > 300, "{matches} matches, {checked} sets");
    }

    fn stands(literal: &Literal, text: &str, start: usize, end: usize) -> bool {
        let word = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
        text[start..end].match_indices(&literal.text).any(|(at, _)| {
            let (from, to) = (start + at, start + at + literal.text.len());
            let left = !literal.left || !word(from.checked_sub(1).and_then(|i| text.as_bytes().get(i)));
            left && (!literal.right || !word(text.as_bytes().get(to)))
        })
    }
}
