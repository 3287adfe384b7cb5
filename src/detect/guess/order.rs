//! Letters and words in reverse order.

use unicode_normalization::char::is_combining_mark;

use super::lexicon::{Reads, reads};
use super::line_around;
use super::lines::{LEADING, is_stop};
use crate::detect::decode::Piece;
use crate::detect::span::{SpanMap, floor_char};
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

/// Signs of the direction of a text that are the same in all languages: where capitals, stops and marks stand in words.
/// The first number counts words that read from left to right, the second those that read from right to left.
fn directions(text: &str) -> (usize, usize) {
    let (mut plain, mut turned) = (0, 0);
    for word in text.split_whitespace() {
        let (mut chars, mut back) = (word.chars(), word.chars().rev());
        let (Some(first), Some(last)) = (chars.next(), back.next()) else { continue };
        let (second, before) = (chars.next(), back.next());
        let (Some(second), Some(before)) = (second, before) else { continue };
        if is_combining_mark(first) || (is_stop(first) && second.is_alphabetic()) {
            turned += 1;
        } else if is_stop(last) && (before.is_alphabetic() || is_combining_mark(before)) {
            plain += 1;
        }
        match (first.is_uppercase(), last.is_uppercase()) {
            (true, false) if last.is_alphabetic() || is_stop(last) => plain += 1,
            (false, true) if first.is_lowercase() || is_stop(first) => turned += 1,
            _ => {}
        }
    }
    (plain, turned)
}

/// True for text whose words have their capitals and stops on the wrong side.
fn looks_turned(text: &str) -> bool {
    // Signs inside words are those of a code or a cipher.
    let (letters, visible) = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .fold((0, 0), |sum, c| (sum.0 + usize::from(c.is_alphabetic() || is_combining_mark(c)), sum.1 + 1));
    if letters * 10 < visible * 7 {
        return false;
    }
    let (plain, turned) = directions(text);
    (turned >= 2 && turned > plain * 4) || (turned == 1 && plain == 0 && text.split_whitespace().count() >= 4)
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
        let mut known = parts.iter().copied().peekable();
        while at < end {
            let line = line_around(text, at, REACH);
            at = line.end.max(at) + 1;
            while known.next_if(|part| part.end <= line.start).is_some() {}
            match known.peek().filter(|part| part.overlaps(&line)) {
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
    // Where one of the two has its words in order, the other has not.
    let (a, b) = (ordered(&whole.text), ordered(&words.text));
    let mut pieces = Vec::new();
    if a + 1 >= b {
        pieces.push(whole.piece("reversed"));
    }
    if b + 1 >= a {
        pieces.push(words.piece("mirrored-words"));
    }
    pieces
}

/// The part of a line that reads from right to left: between the first and the last word that does.
fn stretch(text: &str, line: Span, cost: &mut u64) -> Option<Span> {
    let body = line.slice(text)?;
    *cost += body.len() as u64 * 4;
    let (plain, turned) = (reads(body), reads(&turn(body)));
    if better(plain, turned) || (plain.percent() < 40 && looks_turned(body)) {
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
const PAIRS: [(&str, &str); 64] = [
    ("i", "will"),
    ("i", "am"),
    ("you", "will"),
    ("you", "must"),
    ("you", "should"),
    ("give", "me"),
    ("tell", "me"),
    ("send", "me"),
    ("show", "me"),
    ("do", "you"),
    ("don't", "know"),
    ("when", "you"),
    ("into", "the"),
    ("is", "the"),
    ("was", "the"),
    ("are", "the"),
    ("use", "the"),
    ("that", "the"),
    ("the", "same"),
    ("the", "first"),
    ("the", "next"),
    ("the", "user"),
    ("for", "a"),
    ("of", "a"),
    ("of", "this"),
    ("in", "this"),
    ("for", "this"),
    ("of", "all"),
    ("from", "now"),
    ("have", "been"),
    ("it", "was"),
    ("there", "is"),
    ("without", "any"),
    ("the", "following"),
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

/// Pairs of words in their usual order, less those in the other, in the first part of a text.
fn ordered(text: &str) -> i32 {
    let head = &text[..floor_char(text, REACH)];
    let lower = head.to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    words
        .windows(2)
        .map(|w| {
            let is = |a: usize, b: usize| i32::from(PAIRS.iter().any(|(x, y)| *x == w[a] && *y == w[b]));
            is(0, 1) - is(1, 0)
        })
        .sum()
}

/// How a line tells the order of its words.
fn word_order(body: &str) -> (usize, usize) {
    let lower: Vec<String> =
        body.split(' ').map(|w| w.trim_matches(|c: char| !c.is_alphabetic()).to_lowercase()).collect();
    let pairs =
        |a: usize, b: usize| lower.windows(2).filter(|w| PAIRS.iter().any(|(x, y)| *x == w[a] && *y == w[b])).count();
    (pairs(0, 1), pairs(1, 0))
}

/// True for a line that begins with the end of a sentence and ends with the beginning of one.
fn ends_first(body: &str) -> bool {
    let mut words = body.split(' ').filter(|w| w.contains(char::is_alphabetic));
    let (Some(first), Some(last)) = (words.next(), words.next_back()) else { return false };
    let quote = |c: char| matches!(c, '"' | '\'' | ')' | '(' | '`' | '*' | '_');
    let stops = |w: &str| w.trim_end_matches(quote).ends_with(is_stop);
    let rises = |w: &str| w.trim_start_matches(quote).starts_with(char::is_uppercase);
    // Scripts without capitals: any letter may begin a sentence.
    let rises = |w: &str| rises(w) || w.chars().find(|c| c.is_alphabetic()).is_some_and(|c| !c.is_lowercase());
    let long = |w: &&str| w.chars().filter(|c| c.is_alphabetic()).count() >= 3;
    let (some, ends) = (words.filter(long).count() >= 2, !stops(last));
    let capital = stops(first) && !(rises(first) && first.is_ascii()) && rises(last);
    let opens = LEADING.contains(&last.to_lowercase().as_str());
    let marker = body.trim_end().rsplit(' ').next().is_some_and(|w| matches!(w, "-" | "*" | "#" | "##" | "###" | ">"));
    some && ends && (capital || marker || (opens && first.len() > 1 && !rises(first)))
}

/// A line in parts of bounded length, cut between words.
fn parts(text: &str, line: Span) -> Vec<Span> {
    let mut list = Vec::new();
    let mut at = line.start;
    while line.end - at > 2 * REACH {
        let most = floor_char(text, at + 2 * REACH);
        let cut = memchr::memrchr(b' ', &text.as_bytes()[at..most]).map_or(most, |i| at + i);
        let cut = if cut > at { cut } else { most };
        list.push(Span::new(at, cut));
        at = (cut + usize::from(text.as_bytes().get(cut) == Some(&b' '))).max(at + 1);
    }
    list.push(Span::new(at.min(line.end), line.end));
    list
}

/// Lines with their words in reverse order. Where one surely has, those around it have as well.
pub(super) fn reversed_words(text: &str, lines: &[Span], cost: &mut u64) -> Option<Piece> {
    // (line, in order, in reverse order, stands on the list)
    let mut list: Vec<(Span, usize, usize, bool)> = Vec::new();
    let mut past = 0;
    let (mut low, mut high) = (usize::MAX, 0);
    let mut strong = false;
    for line in lines.iter().flat_map(|line| parts(text, *line)) {
        let body = line.slice(text).unwrap_or_default();
        if line.start < past {
            continue;
        }
        past = line.end;
        *cost += body.len() as u64;
        let (plain, turned) = word_order(body);
        let ends = plain == 0 && ends_first(body);
        if turned > plain || ends {
            strong |= turned > plain + 1 || (turned > plain && ends);
            (low, high) = (low.min(line.start), high.max(line.end));
        }
        list.push((line, plain, turned, true));
    }
    if high > 0 {
        let start = line_around(text, low.saturating_sub(AROUND), 2 * REACH).start.min(low);
        let end = (high + AROUND).min(text.len());
        *cost += (end - start) as u64 * 2;
        let mut all = Vec::new();
        let mut at = start;
        while at < end {
            let line = line_around(text, at, 2 * REACH);
            at = line.end.max(at) + 1;
            let (plain, turned) = word_order(line.slice(text).unwrap_or_default());
            all.push((line, plain, turned, true));
        }
        // As a whole the neighbourhood has to read better in reverse order: one odd line proves nothing.
        let (plain, turned) = all.iter().fold((0, 0), |sum, line| (sum.0 + line.1, sum.1 + line.2));
        if strong || turned >= plain {
            list = all;
        } else {
            high = 0;
        }
    }
    let mut out = Builder::default();
    for (line, plain, turned, listed) in list {
        let body = line.slice(text).unwrap_or_default();
        let words: Vec<&str> = body.split(' ').collect();
        let capitals = words.iter().filter(|w| w.starts_with(|c: char| c.is_uppercase())).count();
        // Neither order shows: the capital at the end decides.
        let unsure = high == 0 && turned == 0;
        let unlikely = words.len() < 4 || capitals * 2 > words.len() || reads(body).percent() < 60;
        // Among lines that are turned one pair of words in order proves little.
        if plain > turned + usize::from(high > 0) || (unsure && (!listed || unlikely)) {
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
    (out.text.len() > 16).then(|| out.piece("reversed-words"))
}
