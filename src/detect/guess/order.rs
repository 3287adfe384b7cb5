//! Letters and words in reverse order.

use super::lexicon::{Reads, reads};
use super::line_around;
use crate::detect::decode::Piece;
use crate::detect::span::SpanMap;
use crate::domain::{Span, View};

/// Bytes around the first and last line that reads from right to left in which other lines are turned as well.
const AROUND: usize = 4096;
/// Bytes of a line on each side of a sign that are looked at.
const REACH: usize = 2000;

fn turn(text: &str) -> String {
    text.chars().rev().collect()
}

/// True when the turned text is language and the text is not.
fn better(plain: Reads, turned: Reads) -> bool {
    turned.words >= 1 && turned.percent() >= 50 && turned.percent() >= plain.percent() + 25
}

/// Stretches that read from right to left: as a whole (letters turned), and word by word.
pub(super) fn turned(text: &str, signs: &[Span], cost: &mut u64) -> Vec<Piece> {
    let mut parts: Vec<Span> = Vec::new();
    let mut seen = 0;
    for sign in signs {
        if sign.start < seen {
            continue;
        }
        let line = line_around(text, sign.start, REACH);
        seen = line.end;
        parts.extend(stretch(text, line, cost));
    }
    // Lines beside those may be too short to show a sign of their own.
    if let (Some(first), Some(last)) = (parts.first().copied(), parts.last().copied()) {
        let mut at = line_around(text, first.start.saturating_sub(AROUND), REACH).start;
        let end = (last.end + AROUND).min(text.len());
        let mut all = Vec::new();
        while at < end {
            let line = line_around(text, at, REACH);
            at = line.end.max(at) + 1;
            match parts.iter().find(|part| part.overlaps(&line)) {
                Some(part) => all.push(*part),
                None if reads(line.slice(text).unwrap_or_default()).percent() < 40 => all.push(line),
                None => {}
            }
        }
        *cost += (end - first.start) as u64;
        all.dedup();
        parts = all;
    }
    if parts.is_empty() {
        return Vec::new();
    }
    *cost += parts.iter().map(|p| p.len() as u64).sum::<u64>() * 4;
    let mut whole = Builder::default();
    let mut words = Builder::default();
    for part in &parts {
        whole.mirror(text, *part);
        whole.line(part.end);
        let mut at = part.start;
        for word in part.slice(text).unwrap_or_default().split_inclusive(char::is_whitespace) {
            let body = word.trim_end_matches(char::is_whitespace);
            words.mirror(text, Span::new(at, at + body.len()));
            words.text.push_str(&word[body.len()..]);
            words.map.push_linear(at + body.len(), word.len() - body.len());
            at += word.len();
        }
        words.line(part.end);
    }
    vec![whole.piece("reversed"), words.piece("mirrored-words")]
}

/// The part of a line that reads from right to left: between the first and the last word that does.
fn stretch(text: &str, line: Span, cost: &mut u64) -> Option<Span> {
    let body = line.slice(text)?;
    *cost += body.len() as u64 * 4;
    let (plain, turned) = (reads(body), reads(&turn(body)));
    if better(plain, turned) {
        return Some(line);
    }
    // Inside a line that is mostly something else.
    let mut words: Vec<(Span, i32)> = Vec::new();
    let mut at = line.start;
    for word in body.split_inclusive(char::is_whitespace) {
        let trimmed = word.trim_end_matches(char::is_whitespace);
        let (a, b) = (reads(trimmed), reads(&turn(trimmed)));
        let score = match (a.known > 1, b.known > 1) {
            (false, true) => 2,
            (true, false) => -2,
            _ => 0,
        };
        words.push((Span::new(at, at + trimmed.len()), score));
        at += word.len();
    }
    let (mut best, mut open) = ((0, 0, 0), (0, 0));
    for (i, (_, score)) in words.iter().enumerate() {
        open = if open.0 + score <= 0 { (0, i + 1) } else { (open.0 + score, open.1) };
        if open.0 > best.0 {
            best = (open.0, open.1, i + 1);
        }
    }
    let (score, from, to) = best;
    let first = words.get(from..to)?.first()?.0;
    let last = words.get(..to)?.last()?.0;
    let part = Span::new(first.start, last.end);
    let inner = part.slice(text)?;
    (score >= 6 && better(reads(inner), reads(&turn(inner)))).then_some(part)
}

#[derive(Default)]
struct Builder {
    text: String,
    map: SpanMap,
}

impl Builder {
    /// Adds a part from its end to its start.
    fn mirror(&mut self, text: &str, part: Span) {
        let body = part.slice(text).unwrap_or_default();
        for (i, c) in body.char_indices().rev() {
            self.text.push(c);
            let at = Span::new(part.start + i, part.start + i + c.len_utf8());
            if c.is_ascii() {
                self.map.push_mirror(at);
            } else {
                self.map.push_block(c.len_utf8(), at.start, at.len());
            }
        }
    }
    /// A line break that stands for none.
    fn line(&mut self, at: usize) {
        self.text.push('\n');
        self.map.push_block(1, at, 0);
    }
    fn piece(self, step: &'static str) -> Piece {
        Piece { view: View::Decoded, step, text: self.text, map: self.map }
    }
}

/// Pairs of words that stand in this order in nearly every English sentence, and in the other in none.
const PAIRS: [(&str, &str); 30] = [
    ("of", "the"),
    ("to", "the"),
    ("in", "the"),
    ("on", "the"),
    ("for", "the"),
    ("with", "the"),
    ("from", "the"),
    ("at", "the"),
    ("by", "the"),
    ("and", "the"),
    ("all", "the"),
    ("to", "be"),
    ("will", "be"),
    ("must", "be"),
    ("should", "be"),
    ("can", "be"),
    ("is", "a"),
    ("as", "a"),
    ("with", "a"),
    ("to", "a"),
    ("in", "a"),
    ("do", "not"),
    ("your", "own"),
    ("such", "as"),
    ("it", "is"),
    ("this", "is"),
    ("has", "been"),
    ("to", "your"),
    ("of", "your"),
    ("if", "you"),
];

/// Lines with their words in reverse order.
pub(super) fn reversed_words(text: &str, lines: &[Span], cost: &mut u64) -> Option<Piece> {
    let mut out = Builder::default();
    let mut past = 0;
    let mut surely = false;
    for line in lines {
        let body = line.slice(text).unwrap_or_default();
        if line.start < past || body.len() > 2 * REACH {
            continue;
        }
        past = line.end;
        *cost += body.len() as u64;
        let words: Vec<&str> = body.split(' ').collect();
        let capitals = words.iter().filter(|w| w.starts_with(|c: char| c.is_uppercase())).count();
        let lower: Vec<String> =
            words.iter().map(|w| w.trim_matches(|c: char| !c.is_alphabetic()).to_lowercase()).collect();
        let pairs = |a: usize, b: usize| {
            lower.windows(2).filter(|w| PAIRS.iter().any(|(x, y)| *x == w[a] && *y == w[b])).count()
        };
        let (plain, turned) = (pairs(0, 1), pairs(1, 0));
        surely |= turned > plain;
        // In order: nothing to turn. Neither: the capital at the end decides.
        let unsure = !surely && turned == 0;
        if words.len() < 4 || plain > turned || (unsure && (capitals * 2 > words.len() || reads(body).percent() < 60)) {
            continue;
        }
        let mut end = line.end;
        for (i, word) in words.iter().rev().enumerate() {
            if i > 0 {
                out.text.push(' ');
                out.map.push_linear(end, 1);
            }
            let start = end - word.len();
            out.text.push_str(word);
            out.map.push_linear(start, word.len());
            end = start.saturating_sub(1);
        }
        out.line(line.end);
    }
    (!out.text.is_empty()).then(|| out.piece("reversed-words"))
}
