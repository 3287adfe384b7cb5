//! Letters that stand apart, and words that stand together.

use super::lexicon::{known, reads, segment};
use crate::detect::escapes::Edit;
use crate::detect::span::floor_char;
use crate::domain::Span;

/// Letters of a run without spaces that are cut into words.
const GLUED: usize = 1500;
/// Bytes between two letters that belong to one spaced-out text.
const GAP: usize = 48;

/// `i g n o r e`, `i.g.n.o.r.e`: what stands between single letters goes away; a wider gap is a space.
pub(super) fn apart(text: &str, hints: &[usize], cost: &mut u64) -> Vec<(Edit, &'static str)> {
    let mut edits = Vec::new();
    let mut past = 0;
    for &hint in hints {
        let mut at = hint.max(past);
        while at < (hint + 72).min(text.len()) {
            let run = run(text, at, past);
            *cost += 8;
            match run {
                Some(letters) if letters.len() >= 4 => {
                    *cost += letters.len() as u64 * 24;
                    past = letters.last().map_or(at + 1, |l| l.end);
                    close(text, &letters, &mut edits);
                    at = past;
                }
                Some(letters) => at = letters.last().map_or(at + 1, |l| l.end),
                None => at += 1,
            }
        }
    }
    edits
}

/// Letters, digits and marks that stand alone from `at` on. `None` when none begins here.
fn run(text: &str, at: usize, floor: usize) -> Option<Vec<Span>> {
    let alone = |start: usize| -> Option<Span> {
        let rest = text.get(start..)?;
        let mut chars = rest.chars();
        let c = chars.next().filter(|c| c.is_alphanumeric())?;
        let next = chars.next();
        (!next.is_some_and(char::is_alphanumeric)).then(|| Span::new(start, start + c.len_utf8()))
    };
    let before = text.get(floor..at)?.chars().next_back();
    let first = alone(at).filter(|_| !before.is_some_and(char::is_alphanumeric))?;
    let mut letters = vec![first];
    while let Some(last) = letters.last() {
        let rest = text.get(last.end..)?;
        let gap = rest.bytes().take(GAP + 1).take_while(|b| b.is_ascii() && !b.is_ascii_alphanumeric()).count();
        match (1..=GAP).contains(&gap).then(|| alone(last.end + gap)).flatten() {
            Some(next) => letters.push(next),
            None => break,
        }
    }
    Some(letters)
}

/// The edits that close the gaps of one run.
fn close(text: &str, letters: &[Span], edits: &mut Vec<(Edit, &'static str)>) {
    let gaps: Vec<Span> = letters.windows(2).map(|w| Span::new(w[0].end, w[1].start)).collect();
    let slice = |gap: &Span| gap.slice(text).unwrap_or_default();
    // The most frequent gap is none; the shorter of two.
    let mut kinds: Vec<(usize, &str)> = Vec::new();
    for gap in &gaps {
        match kinds.iter_mut().find(|(_, kind)| *kind == slice(gap)) {
            Some(kind) => kind.0 += 1,
            None => kinds.push((1, slice(gap))),
        }
    }
    kinds.sort_by_key(|(count, kind)| (std::cmp::Reverse(*count), kind.len()));
    let Some((count, main)) = kinds.first().copied() else { return };
    if count * 2 < gaps.len() {
        return;
    }
    let mut fill: Vec<String> = gaps
        .iter()
        .map(|gap| {
            let gap = slice(gap);
            if gap == main {
                return String::new();
            }
            if main == " " {
                // Signs stand apart as well: what is left of their spaces is one or none.
                return spread(gap);
            }
            gap.to_owned()
        })
        .collect();
    // Words that nobody knows are several words, where nothing stands between words.
    let closed = fill.iter().filter(|f| !f.is_empty()).count() * 14 < fill.len();
    let mut start = 0;
    for end in 0..=fill.len() {
        if fill.get(end).is_some_and(String::is_empty) {
            continue;
        }
        let word: String = letters[start..=end]
            .iter()
            .filter_map(|l| l.slice(text))
            .flat_map(|l| l.chars())
            .collect::<String>()
            .to_lowercase();
        if word.len() >= if closed { 6 } else { 20 } && word.is_ascii() && word.len() < 4096 && !known(&word) {
            let (starts, sum) = segment(&word);
            if sum.percent() >= 70 {
                for cut in starts.into_iter().filter(|s| *s > 0) {
                    if let Some(one) = fill.get_mut(start + cut - 1) {
                        *one = " ".to_owned();
                    }
                }
            }
        }
        start = end + 1;
    }
    edits.extend(gaps.into_iter().zip(fill).map(|(span, text)| (Edit { span, text, weight: 2 }, "spaced-letters")));
}

/// A gap in text with a space behind every sign: one space is none, more are one.
fn spread(gap: &str) -> String {
    let mut out = String::new();
    let mut blanks = 0;
    for c in gap.chars().chain(['\0']) {
        if c == ' ' {
            blanks += 1;
            continue;
        }
        if blanks > 1 {
            out.push(' ');
        }
        blanks = 0;
        if c != '\0' {
            out.push(c);
        }
    }
    out
}

/// `ignore_all_previous`, `ignoreAllPrevious` and long words nobody knows: spaces come back between words.
pub(super) fn joined(text: &str, tokens: &[Span], cost: &mut u64) -> Vec<(Edit, &'static str)> {
    let mut edits = Vec::new();
    for token in tokens {
        *cost += token.len() as u64;
        let part = token.slice(text).unwrap_or_default();
        // Links and paths are made of words, and everywhere.
        let link = part.contains("://") || part.contains("](");
        if part.starts_with(['/', '.']) || part.starts_with("http") || part.len() > 1 << 16 {
            continue;
        }
        let bytes = part.as_bytes();
        let side = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_alphanumeric);
        // One sign stands for the space.
        let signs = if link { "_" } else { "_-.+/|~:=" };
        let count = |sign: u8| bytes.iter().filter(|b| **b == sign).count();
        let sign = signs.bytes().max_by_key(|sign| count(*sign)).unwrap_or(b'_');
        let mut found: Vec<Edit> = Vec::new();
        let mut spaced = String::with_capacity(part.len() + 8);
        for (i, c) in part.char_indices() {
            if c.is_ascii_uppercase() && i > 0 && bytes[i - 1].is_ascii_lowercase() {
                found.push(Edit { span: Span::new(token.start + i, token.start + i), text: " ".to_owned(), weight: 2 });
                spaced.push(' ');
            }
            let between = i > 0 && i + 1 < bytes.len() && (c == '_' || side(i.checked_sub(1)) && side(Some(i + 1)));
            if c == char::from(sign) && between {
                found.push(Edit {
                    span: Span::new(token.start + i, token.start + i + 1),
                    text: " ".to_owned(),
                    weight: 2,
                });
                spaced.push(' ');
            } else {
                spaced.push(c);
            }
        }
        let sum = reads(&spaced);
        if found.len() >= 4 && sum.words >= 4 && sum.percent() >= 60 {
            edits.extend(found.into_iter().map(|edit| (edit, "joined-words")));
        } else if found.len() < 3 && bytes.iter().filter(|b| b.is_ascii_alphabetic()).count() * 10 >= bytes.len() * 9 {
            // The first words of a longer run tell as much.
            let part = &part[..floor_char(part, GLUED)];
            *cost += part.len() as u64 * 18;
            let (starts, sum) = segment(&part.to_ascii_lowercase());
            if part.is_ascii() && sum.words >= 4 && sum.percent() >= 85 {
                edits.extend(starts.into_iter().filter(|s| *s > 0).map(|s| {
                    let span = Span::new(token.start + s, token.start + s);
                    (Edit { span, text: " ".to_owned(), weight: 2 }, "joined-words")
                }));
            }
        }
    }
    edits
}
