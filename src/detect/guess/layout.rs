//! Letters that stand apart, and words that stand together.

use unicode_normalization::char::{canonical_combining_class, is_combining_mark};

use super::lexicon::{known, reads, segment};
use super::lines::is_stop;
use crate::detect::escapes::Edit;
use crate::detect::span::{ceil_char, floor_char};
use crate::domain::Span;

/// Letters of a run without spaces that are cut into words.
const GLUED: usize = 1500;
/// Bytes between two letters that belong to one spaced-out text.
const GAP: usize = 48;
/// Bytes around words that surely stand joined in which others are taken apart at the same sign.
const AROUND: usize = 4096;

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
    // Marks of a script may stand alone as well: they are spaced out like letters.
    let part = |c: char| c.is_alphanumeric() || (!c.is_ascii() && (is_combining_mark(c) || is_stop(c)));
    let alone = |start: usize| -> Option<Span> {
        let mut chars = text.get(start..)?.char_indices();
        let (_, first) = chars.next().filter(|c| part(c.1))?;
        // A virama binds the next letter to its own.
        let mut bound = false;
        let next = chars.find(|c| {
            let goes_on = !is_combining_mark(first) && (bound || is_combining_mark(c.1));
            bound = canonical_combining_class(c.1) == 9;
            !goes_on
        });
        (!next.is_some_and(|c| part(c.1))).then(|| Span::new(start, next.map_or(text.len(), |(i, _)| start + i)))
    };
    let before = text.get(floor..at)?.chars().next_back();
    let first = alone(at).filter(|_| !before.is_some_and(part))?;
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
        // Where each letter begins in the word.
        let mut word = String::new();
        let offsets: Vec<usize> = letters[start..=end]
            .iter()
            .map(|letter| {
                let at = word.len();
                word.extend(letter.slice(text).unwrap_or_default().chars().flat_map(char::to_lowercase));
                at
            })
            .collect();
        if word.len() >= if closed { 6 } else { 20 } && word.len() < 4096 && !known(&word) {
            let (starts, sum) = segment(&word);
            // With no gap left at all, a cut in some wrong places is better than none.
            if sum.percent() >= if closed { 50 } else { 70 } {
                for cut in starts.into_iter().filter(|s| *s > 0) {
                    let letter = offsets.partition_point(|offset| *offset < cut);
                    if let Some(one) = fill.get_mut((start + letter).saturating_sub(1)).filter(|_| letter > 0) {
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
    // Codes of one sign for each letter part words with a stroke.
    if matches!(out.trim(), "/" | "|" | "//") { " ".to_owned() } else { out }
}

/// `ignore_all_previous`, `ignoreAllPrevious` and long words nobody knows: spaces come back between words.
///
/// Also tells how many bytes around them belong to them: more where whole sentences are written so.
pub(super) fn joined(text: &str, tokens: &[Span], cost: &mut u64) -> (Vec<(Edit, &'static str)>, usize) {
    let mut edits = Vec::new();
    // Where words surely stand joined, and by which sign.
    let mut sure: Vec<(Span, u8)> = Vec::new();
    let foreign = if text.is_ascii() { Vec::new() } else { foreign_tokens(text, cost) };
    let mut all: Vec<Span> = tokens.iter().map(|token| whole(text, *token)).chain(foreign).collect();
    all.sort_unstable();
    all.dedup_by(|next, last| next.start < last.end);
    for token in all {
        *cost += token.len() as u64;
        let part = token.slice(text).unwrap_or_default();
        // Links and paths are made of words, and everywhere.
        let link = part.contains("://") || part.contains("](");
        let bytes = part.as_bytes();
        // One sign stands for the space.
        let signs = if link { "_" } else { "_-.+/|~:=" };
        let count = |sign: u8| memchr::memchr_iter(sign, bytes).count();
        let sign = signs.bytes().max_by_key(|sign| (count(*sign), *sign == b'_')).unwrap_or(b'_');
        let sentence = sign == b'_' && reads_as_sentence(part);
        if !sentence && (part.starts_with(['/', '.']) || part.starts_with("http")) {
            continue;
        }
        let (mut found, spaced) = parted(token, part, sign);
        if !sentence {
            let humps =
                bytes.windows(2).enumerate().filter(|(_, w)| w[0].is_ascii_lowercase() && w[1].is_ascii_uppercase());
            found.extend(humps.map(|(i, _)| blank(token.start + i + 1, 0)));
        }
        found.sort_by_key(|edit| edit.span);
        let sum = reads(&camel(&spaced));
        if found.len() >= if sentence { 3 } else { 4 } && (sentence || (sum.words >= 4 && sum.percent() >= 60)) {
            if sentence || (found.len() >= 6 && sign != b'.') {
                sure.push((token, sign));
            }
            edits.extend(found.into_iter().map(|edit| (edit, "joined-words")));
        } else if found.len() < 3 && bytes.iter().filter(|b| b.is_ascii_alphabetic()).count() * 10 >= bytes.len() * 9 {
            glued(token, part, cost, &mut edits);
        }
    }
    if sure.is_empty() {
        return (edits, 24);
    }
    beside(text, &sure, cost, &mut edits);
    (edits, 160)
}

/// A space at this offset instead of so many bytes.
fn blank(at: usize, len: usize) -> Edit {
    Edit { span: Span::new(at, at + len), text: " ".to_owned(), weight: 2 }
}

/// With a space before every capital behind a small letter.
fn camel(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut small = false;
    for c in text.chars() {
        if small && c.is_ascii_uppercase() {
            out.push(' ');
        }
        small = c.is_ascii_lowercase();
        out.push(c);
    }
    out
}

/// The token without white space around a part of one.
fn whole(text: &str, token: Span) -> Span {
    if text.is_ascii() {
        return token;
    }
    let before = text.get(..token.start).unwrap_or_default();
    let back: usize = before.chars().rev().take(2 * GAP).take_while(|c| !c.is_whitespace()).map(char::len_utf8).sum();
    let after = text.get(token.end..).unwrap_or_default();
    let ahead: usize = after.chars().take(GLUED).take_while(|c| !c.is_whitespace()).map(char::len_utf8).sum();
    Span::new(token.start - back, token.end + ahead)
}

/// Long tokens with letters outside ASCII, which no hint tells of, that hold a sign between letters.
fn foreign_tokens(text: &str, cost: &mut u64) -> Vec<Span> {
    *cost += text.len() as u64;
    let mut list = Vec::new();
    let mut at = 0;
    for token in text.split_inclusive(char::is_whitespace) {
        let body = token.trim_end_matches(char::is_whitespace);
        if body.len() >= 20 && !body.is_ascii() && memchr::memchr_iter(b'_', body.as_bytes()).count() >= 3 {
            list.push(Span::new(at, at + body.len()));
        }
        at += token.len();
    }
    list
}

/// True for a token with the stops of sentences before its underscores: no name is written like that.
fn reads_as_sentence(part: &str) -> bool {
    let mut stops = 0;
    let mut signs = 0;
    let mut before = ' ';
    for c in part.chars() {
        if c == '_' {
            signs += 1;
            stops += match before {
                '_' => 0,
                '.' | ':' => 1,
                c if is_stop(c) => 2,
                _ => 0,
            };
        }
        before = c;
    }
    // Names are hardly ever written in other letters than ASCII.
    let foreign = signs >= 4 && part.chars().any(|c| !c.is_ascii() && c.is_alphabetic());
    (signs >= 5 && stops >= 2) || stops >= 4 || signs >= 9 || foreign
}

/// The edits that take a token apart at a sign, and the result.
fn parted(token: Span, part: &str, sign: u8) -> (Vec<Edit>, String) {
    let bytes = part.as_bytes();
    let side =
        |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(|b| b.is_ascii_alphanumeric() || *b >= 0x80);
    let mut spaced = String::with_capacity(part.len() + 8);
    let mut found = Vec::new();
    for (i, c) in part.char_indices() {
        let between = i > 0 && i + 1 < bytes.len() && (c == '_' || side(i.checked_sub(1)) && side(Some(i + 1)));
        if c == char::from(sign) && between {
            found.push(blank(token.start + i, 1));
            spaced.push(' ');
        } else {
            spaced.push(c);
        }
    }
    (found, spaced)
}

/// Letters without anything between words. The first words of a run tell whether the rest is worth it.
fn glued(token: Span, part: &str, cost: &mut u64, edits: &mut Vec<(Edit, &'static str)>) {
    let mut from = 0;
    while from < part.len() {
        let end = floor_char(part, from + GLUED);
        let piece = &part[from..end];
        *cost += piece.len() as u64 * 18;
        let (mut starts, sum) = segment(&piece.to_ascii_lowercase());
        if !piece.is_ascii() || sum.words < if from == 0 { 4 } else { 1 } || sum.percent() < 85 {
            return;
        }
        let next = match starts.last() {
            // The last word may go on behind the end.
            Some(last) if end < part.len() && *last > 0 => from + last,
            _ => end,
        };
        starts.retain(|start| from + start < next || next == end);
        let cuts = starts.into_iter().map(|start| from + start).chain((next < end).then_some(next));
        edits.extend(cuts.filter(|at| *at > 0).map(|at| (blank(token.start + at, 0), "joined-words")));
        from = next;
    }
}

/// Other tokens near those that surely are joined, taken apart at the same sign.
fn beside(text: &str, sure: &[(Span, u8)], cost: &mut u64, edits: &mut Vec<(Edit, &'static str)>) {
    let (Some(first), Some(last)) = (sure.first(), sure.last()) else { return };
    let start = floor_char(text, first.0.start.saturating_sub(AROUND));
    let end = ceil_char(text, last.0.end.saturating_add(AROUND));
    *cost += (end - start) as u64 * 2;
    let mut done = edits.iter().map(|edit| edit.0.span).collect::<Vec<_>>();
    done.sort_unstable();
    let mut more = Vec::new();
    let mut at = start;
    for token in text.get(start..end).unwrap_or_default().split_inclusive(char::is_whitespace) {
        let body = token.trim_end_matches(char::is_whitespace);
        let span = Span::new(at, at + body.len());
        at += token.len();
        let known = done.partition_point(|edit| edit.start < span.start);
        if body.len() < 3 || done.get(known).is_some_and(|edit| edit.start < span.end) {
            continue;
        }
        let near = sure.partition_point(|(other, _)| other.start <= span.start).saturating_sub(1);
        let Some((_, sign)) = sure.get(near) else { continue };
        more.extend(parted(span, body, *sign).0.into_iter().map(|edit| (edit, "joined-words")));
    }
    edits.extend(more);
    edits.sort_by_key(|edit| edit.0.span);
}
