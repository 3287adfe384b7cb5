//! What lines do: spell with their first letters, hold one word each, break words.

use unicode_normalization::char::is_combining_mark;

use super::lexicon::{follows, known, reads, segment};
use crate::detect::decode::Piece;
use crate::detect::escapes::Edit;
use crate::detect::span::SpanMap;
use crate::domain::{Span, View};

/// Longest line that can be one word, bytes; other scripts take up to three bytes a letter.
const WORD: usize = 64;
/// Fewest lines of one word in a row.
const FEWEST: usize = 4;
/// Gain of first letters over those of honest lines, in eighths of a bit: about one honest list in a thousand has it.
const SPELLS: i32 = 90;
/// The gain of a letter of another script than the rest of its line, in eighths of a bit.
const FOREIGN: i32 = 6;
/// Bytes of lines on average where every line is a few letters long.
const NARROW: usize = 24;

/// What one look at the lines of a text found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Runs of lines with one word each: the words.
    pub(super) words: Vec<Vec<Span>>,
    /// Line breaks between two letters, or behind a hyphen, and whether they stand in a column of short lines.
    pub(super) breaks: Vec<(Span, bool)>,
    /// Lines that may have their words in reverse order.
    pub(super) backwards: Vec<Span>,
    /// Lines that begin, or whose last word begins, with the sign that ends a sentence.
    pub(super) stops_first: Vec<Span>,
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
    let plain = text.is_ascii() && memchr::memchr3(b'\r', 0x0B, 0x0C, bytes).is_none();
    while start < bytes.len() {
        let stop = line_break(bytes, start, plain);
        let end = stop.start;
        let body = start + marker(&bytes[start..end]);
        let mut last = end;
        while last > body && bytes[last - 1].is_ascii_whitespace() {
            last -= 1;
        }
        if body >= last {
            blank = true;
            start = stop.end.max(start + 1);
            continue;
        }
        // First letters.
        let first = bytes[body].to_ascii_lowercase();
        let previous = found.firsts.last().map_or(b' ', |f| f.1);
        found.firsts.push((body, first, blank));
        let gain = match (blank, previous.is_ascii(), first.is_ascii()) {
            (true, ..) | (false, false, true) => 0,
            (false, true, true) => follows(previous, first),
            // Letters of another script before lines in this one.
            _ if foreign_initial(text, body, last) => FOREIGN,
            _ => 0,
        };
        open = if open.0 + gain <= 0 { (0, found.firsts.len() - 1) } else { (open.0 + gain, open.1) };
        if open.0 > best.0 {
            best = (open.0, open.1, found.firsts.len());
        }
        // One word.
        if is_word(&bytes[body..last]) {
            words.push(Span::new(body, last));
        } else {
            if words.len() >= FEWEST {
                found.words.push(std::mem::take(&mut words));
            }
            words.clear();
            if may_be_backwards(&bytes[body..last], blank) {
                found.backwards.push(Span::new(body, last));
            }
            if stops_first(text, body, last) {
                found.stops_first.push(Span::new(body, last));
            }
        }
        // A break inside a word.
        if end > start
            && end == last
            && !stop.is_empty()
            && (is_letter(bytes[end - 1]) || (bytes[end - 1] == b'-' && end - start > 1))
        {
            found.breaks.push((stop, false));
        }
        blank = false;
        start = stop.end.max(start + 1);
    }
    // A few letters a line, over several lines: nobody wraps text like that.
    for narrow in found.breaks.chunk_by_mut(|a, b| b.0.start - a.0.end <= 2 * NARROW) {
        let reach = narrow.first().zip(narrow.last()).map_or(0, |(first, last)| last.0.end - first.0.start);
        if narrow.len() >= FEWEST && reach <= NARROW * narrow.len() {
            narrow.iter_mut().for_each(|stop| stop.1 = true);
        }
    }
    if words.len() >= FEWEST {
        found.words.push(words);
    }
    found.spells = (best.0 >= SPELLS).then_some((best.1, best.2));
    found
}

/// The next line break of any kind: empty at the end of the text. `plain` text has no others than the newline.
pub(super) fn line_break(bytes: &[u8], start: usize, plain: bool) -> Span {
    let end = memchr::memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |i| start + i);
    if !plain {
        let mut at = start;
        while let Some(i) = bytes[at..end].iter().position(|b| matches!(b, 0x0B | 0x0C | b'\r' | 0xC2 | 0xE2)) {
            at += i;
            let len = match (bytes[at], bytes.get(at + 1), bytes.get(at + 2)) {
                (b'\r', Some(b'\n'), _) | (0xC2, Some(0x85), _) => 2,
                (0x0B | 0x0C | b'\r', ..) => 1,
                (0xE2, Some(0x80), Some(0xA8 | 0xA9)) => 3,
                _ => 0,
            };
            if len > 0 {
                return Span::new(at, at + len);
            }
            at += 1;
        }
    }
    Span::new(end, (end + 1).min(bytes.len()))
}

/// True for a line in ASCII but for its first letter.
fn foreign_initial(text: &str, body: usize, last: usize) -> bool {
    let mut rest = text.get(body..last).unwrap_or_default().chars();
    rest.next().is_some_and(|c| c.is_alphabetic() || is_combining_mark(c))
        && !rest.as_str().is_empty()
        && rest.as_str().is_ascii()
}

const fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte >= 0x80
}

fn is_word(line: &[u8]) -> bool {
    line.len() <= WORD * 3 && (line.len() <= WORD || !line.is_ascii()) && !line.iter().any(u8::is_ascii_whitespace)
}

/// What ends a sentence, in several scripts.
pub(super) const fn is_stop(c: char) -> bool {
    matches!(
        c,
        '.' | ',' | '!' | '?' | ';' | ':' | '\u{61F}' | '\u{60C}' | '\u{61B}' | '\u{6D4}' | '\u{964}' | '\u{3002}'
    )
}

/// True for a line whose first or last word has the sign that ends a sentence in front.
fn stops_first(text: &str, body: usize, last: usize) -> bool {
    let first = |at: usize| {
        let mut chars = text.get(at..last).unwrap_or_default().chars();
        chars.next().is_some_and(is_stop) && chars.next().is_some_and(char::is_alphabetic)
    };
    let sign = |at: usize| text.as_bytes().get(at).is_some_and(|b| !b.is_ascii_alphanumeric());
    let word = memchr::memrchr(b' ', &text.as_bytes()[body..last]).map_or(body, |i| body + i + 1);
    (sign(body) && first(body)) || (sign(word) && first(word))
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

/// Reversed order puts the end of the sentence first and its capital last; the first line of a paragraph then begins
/// small and ends with a word that opens sentences.
fn may_be_backwards(line: &[u8], opens: bool) -> bool {
    let word = memchr::memrchr(b' ', line).map_or(0, |i| i + 1);
    let last = &line[word..];
    if matches!(last, b"I" | b"A" | b"-" | b"*" | b"#" | b"##" | b"###" | b">") && word > 8 {
        return !line[0].is_ascii_uppercase();
    }
    if opens && word > 8 && line[0].is_ascii_lowercase() && last.len() <= 8 {
        let known = |w: &&str| w.as_bytes().eq_ignore_ascii_case(last);
        if LEADING.iter().any(known) {
            return true;
        }
    }
    let first = line.iter().position(|b| *b == b' ').unwrap_or(line.len());
    let last = line.iter().rposition(|b| *b == b' ').map_or(0, |i| i + 1);
    if first < 2 || first == line.len() || line.len() - last < 2 {
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

/// Words that open sentences and hardly ever end one, unless a line is wrapped behind them.
pub(super) const LEADING: [&str; 26] = [
    "the", "a", "an", "i", "if", "when", "please", "and", "or", "but", "your", "my", "we", "never", "always", "don't",
    "do", "this", "these", "every", "from", "whenever", "then", "there", "how", "what",
];

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
    // Verses of several lengths are words already; letters that were cut into words have to be words.
    let well =
        letters >= 10 && (words * 100 >= letters * 70 || firsts.len() >= 16 && longest > 6) && text.len() > letters;
    let fits = well && map.view_len() == out.len();
    fits.then_some(Piece { view: View::Decoded, step: "acrostic", text: out, map })
}

/// Lines of one word each as one line. Where another break than the usual one stands, the line ends.
pub(super) fn word_lines(text: &str, runs: &[Vec<Span>]) -> Vec<(Edit, &'static str)> {
    let mut edits = Vec::new();
    for run in runs {
        let gaps: Vec<Span> = run.windows(2).map(|w| Span::new(w[0].end, w[1].start)).collect();
        let breaks = |gap: &Span| -> String {
            gap.slice(text)
                .unwrap_or_default()
                .chars()
                .filter(|c| c.is_whitespace() && *c != ' ' && *c != '\r')
                .collect()
        };
        let mut kinds: Vec<(String, usize)> = Vec::new();
        for gap in &gaps {
            let kind = breaks(gap);
            if let Some(known) = kinds.iter_mut().find(|(known, _)| *known == kind) {
                known.1 += 1;
            } else if kinds.len() < 8 {
                kinds.push((kind, 1));
            }
        }
        let usual = kinds.iter().max_by_key(|kind| kind.1).map(|kind| kind.0.clone()).unwrap_or_default();
        edits.extend(gaps.into_iter().map(|span| {
            let kind = breaks(&span);
            let text = match () {
                () if kind == usual || kind.chars().count() < usual.chars().count() => " ",
                () if kind.chars().count() > 1 => "\n\n",
                () => "\n",
            };
            (Edit { span, text: text.to_owned(), weight: 2 }, "word-lines")
        }));
    }
    edits
}

/// Words that a line break cuts: with a hyphen, or where only both halves together are a word.
pub(super) fn broken(text: &str, breaks: &[(Span, bool)]) -> Vec<(Edit, &'static str)> {
    let bytes = text.as_bytes();
    let mut edits = Vec::new();
    let mut word = String::new();
    for &(stop, narrow) in breaks {
        let at = stop.start;
        let Some(after) = bytes.get(stop.end..) else { continue };
        let next = stop.end + after.iter().take(40).take_while(|b| matches!(b, b' ' | b'\t' | b'>')).count();
        let hyphen = at > 0 && bytes[at - 1] == b'-';
        let end = at - usize::from(hyphen);
        let (Some(before), Some(rest)) = (text.get(..end), text.get(next..)) else { continue };
        let (Some(last), Some(first)) = (before.chars().next_back(), rest.chars().next()) else { continue };
        // The rest of a word has no capital of its own.
        let part = |c: char| c.is_alphabetic() || is_combining_mark(c);
        if !part(last) || !part(first) || (first.is_uppercase() && !last.is_uppercase()) {
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
            word.is_ascii()
                && !known(&word[..middle])
                && !known(&word[middle..])
                && word.len() >= 6
                && head.min(tail) >= 2
                && head + tail <= 24
        };
        // In a column of short lines only two words that are known stay apart.
        let apart = || known(&word[..middle]) && known(&word[middle..]);
        let joins = hyphen || known(&word) || strange() || (narrow && !apart());
        if joins {
            let step = if hyphen { "hyphenation" } else { "broken-words" };
            edits.push((Edit::new(Span::new(end, next), String::new()), step));
        }
    }
    edits
}
