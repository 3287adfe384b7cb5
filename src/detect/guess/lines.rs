//! What lines do: spell with their first letters, hold one word each, break words.

use super::lexicon::{follows, known, reads, segment};
use crate::detect::decode::Piece;
use crate::detect::escapes::Edit;
use crate::detect::span::SpanMap;
use crate::domain::{Span, View};

/// Longest line that can be one word, bytes.
const WORD: usize = 40;
/// Fewest lines of one word in a row.
const FEWEST: usize = 4;
/// Gain of first letters over those of honest lines, in eighths of a bit: about one honest list in a thousand has it.
const SPELLS: i32 = 90;

/// What one look at the lines of a text found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Runs of lines with one word each: the words.
    pub(super) words: Vec<Vec<Span>>,
    /// Line breaks between two letters, or behind a hyphen.
    pub(super) breaks: Vec<usize>,
    /// Lines that may have their words in reverse order.
    pub(super) backwards: Vec<Span>,
    /// The first sign of each line, and whether a blank line stands before it.
    firsts: Vec<(usize, u8, bool)>,
    /// Where the first signs spell better than those of honest lines.
    spells: Option<(usize, usize)>,
}

/// Looks at every line once. Cost: a few steps a line.
pub(super) fn look(text: &str) -> Found {
    let bytes = text.as_bytes();
    let mut found = Found::default();
    let mut words: Vec<Span> = Vec::new();
    let (mut start, mut blank) = (0, true);
    // Best stretch of first letters so far (sum, from, to), and the one under way (sum, from).
    let (mut best, mut open) = ((0, 0, 0), (0, 0));
    while start < bytes.len() {
        let end = memchr::memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |i| start + i);
        let body = start + marker(&bytes[start..end]);
        let mut last = end;
        while last > body && bytes[last - 1].is_ascii_whitespace() {
            last -= 1;
        }
        if body >= last {
            blank = true;
            start = end + 1;
            continue;
        }
        // First letters.
        let first = bytes[body].to_ascii_lowercase();
        let previous = found.firsts.last().map_or(b' ', |f| f.1);
        found.firsts.push((body, first, blank));
        let gain = if blank || !first.is_ascii() { 0 } else { follows(previous, first) };
        open = if open.0 + gain <= 0 { (0, found.firsts.len() - 1) } else { (open.0 + gain, open.1) };
        if open.0 > best.0 {
            best = (open.0, open.1, found.firsts.len());
        }
        // One word.
        if last - body <= WORD && !bytes[body..last].iter().any(u8::is_ascii_whitespace) {
            words.push(Span::new(body, last));
        } else {
            if words.len() >= FEWEST {
                found.words.push(std::mem::take(&mut words));
            }
            words.clear();
            if may_be_backwards(&bytes[body..last]) {
                found.backwards.push(Span::new(body, last));
            }
        }
        // A break inside a word.
        if end > start
            && end == last
            && (bytes[end - 1].is_ascii_alphabetic() || (bytes[end - 1] == b'-' && end - start > 1))
        {
            found.breaks.push(end);
        }
        blank = false;
        start = end + 1;
    }
    if words.len() >= FEWEST {
        found.words.push(words);
    }
    found.spells = (best.0 >= SPELLS).then_some((best.1, best.2));
    found
}

/// Bytes before the words of a line: indentation, list markers, quote marks, heading marks.
fn marker(line: &[u8]) -> usize {
    let mut at = 0;
    loop {
        while line.get(at).is_some_and(u8::is_ascii_whitespace) {
            at += 1;
        }
        let spaced = |i: usize| line.get(i).is_none_or(u8::is_ascii_whitespace);
        match line.get(at) {
            Some(b'-' | b'*' | b'+' | b'>' | b'#') if spaced(at + 1) && at + 1 < line.len() => at += 1,
            Some(b'0'..=b'9') => {
                let digits = line[at..].iter().take_while(|b| b.is_ascii_digit()).count();
                let stop = at + digits;
                if digits <= 3
                    && matches!(line.get(stop), Some(b'.' | b')'))
                    && spaced(stop + 1)
                    && stop + 1 < line.len()
                {
                    at = stop + 1;
                } else {
                    return at;
                }
            }
            _ => return at,
        }
    }
}

/// Reversed order puts the end of the sentence first and its capital last.
fn may_be_backwards(line: &[u8]) -> bool {
    let first = line.iter().position(|b| *b == b' ').unwrap_or(line.len());
    let last = line.iter().rposition(|b| *b == b' ').map_or(0, |i| i + 1);
    if first < 3 || first == line.len() || line.len() - last < 2 {
        return false;
    }
    let end = line[..first].iter().rposition(|b| !matches!(b, b'"' | b'\'' | b')' | b'`')).unwrap_or(0);
    let stops = matches!(line[end], b'.' | b'!' | b'?' | b';') && !line[0].is_ascii_digit();
    let word =
        line[last..].iter().position(|b| !matches!(b, b'"' | b'\'' | b'(' | b'`')).map_or(line.len(), |i| last + i);
    let rises =
        line.get(word).is_some_and(u8::is_ascii_uppercase) && line[word + 1..].iter().all(u8::is_ascii_lowercase);
    stops || rises
}

/// What the first letters of lines spell.
pub(super) fn acrostic(text: &str, found: &Found, cost: &mut u64) -> Option<Piece> {
    let (from, to) = found.spells?;
    *cost += found.firsts.len() as u64 * 20;
    let (mut out, mut map, mut words, mut letters) = (String::new(), SpanMap::default(), 0, 0);
    // Where some lines spell, all are read; those that showed it decide.
    let firsts = &found.firsts;
    let mut done = 0;
    let verses: Vec<&[(usize, u8, bool)]> = firsts.chunk_by(|_, next| !next.2).collect();
    // With verses for words, only a verse far too long for one is cut.
    let longest = if verses.len() >= 3 && firsts.len() <= verses.len() * 12 { 24 } else { 6 };
    for verse in verses {
        let chars: Vec<(usize, char)> = verse
            .iter()
            .filter_map(|(at, ..)| text.get(*at..)?.chars().next().map(|c| (*at, c.to_ascii_lowercase())))
            .collect();
        let read: String = chars.iter().map(|(_, c)| if c.is_ascii() { *c } else { '?' }).collect();
        let whole = read.len() < longest || known(read.trim_matches(|c: char| !c.is_ascii_alphabetic()));
        let (starts, sum) = if whole { (vec![0], reads(&read)) } else { segment(&read) };
        if (from..to).contains(&done) {
            words += sum.known;
            letters += read.len();
        }
        done += verse.len();
        for (i, (at, c)) in chars.into_iter().enumerate() {
            if starts.contains(&i) && !out.is_empty() {
                out.push(' ');
                map.push_block(1, at, 0);
            }
            out.push(c);
            map.push_block(c.len_utf8(), at, c.len_utf8());
        }
    }
    let well = letters >= 10 && words * 100 >= letters * 70 && text.len() > letters;
    (well && map.view_len() == out.len()).then(|| Piece { view: View::Decoded, step: "acrostic", text: out, map })
}

/// Lines of one word each as one line. Where nothing but a line break stands between, folding does the same.
pub(super) fn word_lines(text: &str, runs: &[Vec<Span>]) -> Vec<(Edit, &'static str)> {
    let mut edits = Vec::new();
    for run in runs {
        let gaps = run.windows(2).map(|w| Span::new(w[0].end, w[1].start));
        edits.extend(gaps.map(|span| {
            let weight = if span.slice(text) == Some("\n") { 0 } else { 2 };
            (Edit { span, text: " ".to_owned(), weight }, "word-lines")
        }));
    }
    edits
}

/// Words that a line break cuts: with a hyphen, or where only both halves together are a word.
pub(super) fn broken(text: &str, breaks: &[usize]) -> Vec<(Edit, &'static str)> {
    let bytes = text.as_bytes();
    let mut edits = Vec::new();
    let mut word = String::new();
    for &at in breaks {
        let Some(after) = bytes.get(at + 1..) else { continue };
        let next = at + 1 + after.iter().take(40).take_while(|b| matches!(b, b' ' | b'\t' | b'>')).count();
        let hyphen = at > 0 && bytes[at - 1] == b'-';
        let end = at - usize::from(hyphen);
        let (Some(before), Some(rest)) = (text.get(..end), text.get(next..)) else { continue };
        let (Some(last), Some(first)) = (before.chars().next_back(), rest.chars().next()) else { continue };
        // The rest of a word has no capital of its own.
        if !last.is_alphabetic() || !first.is_alphabetic() || (first.is_uppercase() && !last.is_uppercase()) {
            continue;
        }
        let head: usize = before.chars().rev().take(24).take_while(|c| c.is_alphabetic()).map(char::len_utf8).sum();
        let tail: usize = rest.chars().take(24).take_while(|c| c.is_alphabetic()).map(char::len_utf8).sum();
        word.clear();
        word.extend(before[end - head..].chars().flat_map(char::to_lowercase));
        let middle = word.len();
        word.extend(rest[..tail].chars().flat_map(char::to_lowercase));
        // Nobody knows either half: then nobody would know the whole of a rarer word either.
        let strange = || {
            !known(&word[..middle])
                && !known(&word[middle..])
                && word.len() >= 6
                && head.min(tail) >= 2
                && head + tail <= 24
        };
        let joins = hyphen || known(&word) || strange();
        if joins {
            let step = if hyphen { "hyphenation" } else { "broken-words" };
            edits.push((Edit::new(Span::new(end, next), String::new()), step));
        }
    }
    edits
}
