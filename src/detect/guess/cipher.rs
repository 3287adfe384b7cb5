//! Letter ciphers, Morse, numbers for letters, spelling words.

use super::lexicon::{reads, segment};
use super::line_around;
use crate::detect::decode::Piece;
use crate::detect::disguise::{MORSE, SPELLING};
use crate::detect::span::{SpanMap, on_borders};
use crate::domain::{Span, View};

/// Bytes on each side of the sign of a cipher that are looked at.
const REACH: usize = 1000;
/// Letters of English text in thousandths of a bit of information each, a to z.
/// Source: letter frequencies as published in many places (e 12.7 % … z 0.07 %).
const BITS: [u32; 26] = [
    3608, 6059, 5158, 4540, 2977, 5506, 5644, 4035, 3837, 9381, 7021, 4644, 5381, 3900, 3737, 5718, 10040, 4059, 3989,
    3458, 5158, 6673, 5381, 9381, 5644, 10400,
];

/// Names of the rotations that undo a cipher, by how far its letters were moved.
const ROTATIONS: [&str; 26] = [
    "rot0", "rot1", "rot2", "rot3", "rot4", "rot5", "rot6", "rot7", "rot8", "rot9", "rot10", "rot11", "rot12", "rot13",
    "rot14", "rot15", "rot16", "rot17", "rot18", "rot19", "rot20", "rot21", "rot22", "rot23", "rot24", "rot25",
];

/// Text whose letters fit another alphabet far better than their own: every rotation, and Atbash.
///
/// `cut` tells that there were more of them than are undone.
pub(super) fn rotated(text: &str, signs: &[Span], cost: &mut u64, cut: &mut bool) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut done: Vec<(usize, Span)> = Vec::new();
    for near in signs.chunk_by(|a, b| b.start <= a.end + 200) {
        let (Some(first), Some(last)) = (near.first(), near.last()) else { continue };
        // Decided on the part that shows the signs: the rest of a line may be plain.
        let lines = (line_around(text, first.start, REACH).start, line_around(text, last.end, REACH).end);
        let core = Span::new(first.start.saturating_sub(32).max(lines.0), (last.end + 32).min(lines.1));
        let core = on_borders(text, core);
        *cost += core.len() as u64 * 2;
        let Some(by) = core.slice(text).and_then(shift) else { continue };
        let region = reach(text, core);
        if done.iter().any(|(other, seen)| *other == by && seen.overlaps(&region)) {
            continue;
        }
        if done.len() >= MOST {
            *cut = true;
            break;
        }
        *cost += region.len() as u64 * 2;
        done.push((by, region));
        let step = ROTATIONS.get(by).copied().unwrap_or("atbash");
        pieces.extend(substitute(text, region, step, |b| turn(b, by)));
    }
    pieces
}

/// Ciphers of one text that are undone, and bytes around their signs.
const MOST: usize = 24;
const AROUND: usize = 8192;

/// The lines around a place where a cipher was seen: what it hides may stand on lines that do not show it.
fn reach(text: &str, core: Span) -> Span {
    let start = line_around(text, core.start.saturating_sub(AROUND), REACH).start;
    Span::new(start.min(core.start), line_around(text, (core.end + AROUND).min(text.len()), REACH).end.max(core.end))
}

/// A letter moved back; 26 stands for Atbash.
const fn turn(byte: u8, by: usize) -> u8 {
    let first = match byte {
        b'a'..=b'z' => b'a',
        b'A'..=b'Z' => b'A',
        _ => return byte,
    };
    let place = byte - first;
    first + if by == 26 { 25 - place } else { (place + 26 - by as u8) % 26 }
}

/// How far the letters were moved; 26 for Atbash. `None` for text that reads as it stands or in no other way.
fn shift(text: &str) -> Option<usize> {
    let mut counts = [0_u32; 26];
    for byte in text.bytes().filter(u8::is_ascii_alphabetic) {
        counts[usize::from(byte.to_ascii_lowercase() - b'a')] += 1;
    }
    let letters: u32 = counts.iter().sum();
    if letters < 16 || reads(text).percent() >= 40 {
        return None;
    }
    let bits = |by: usize| -> u32 {
        let place = |i: usize| usize::from(turn(b'a' + i as u8, by) - b'a');
        counts.iter().enumerate().map(|(i, n)| n * (BITS[place(i)] / 8)).sum::<u32>() / letters
    };
    let own = bits(0);
    let mut turns: Vec<(u32, usize)> = (1..=26).map(|by| (bits(by), by)).collect();
    turns.sort_unstable();
    // One of the likeliest reads like language; or the likeliest fits so much better that its words may be
    // in another order or language.
    let reading = turns.iter().take(5).map(|t| t.1).find(|by| {
        let turned: String = text.chars().map(|c| u8::try_from(c).map_or(c, |b| char::from(turn(b, *by)))).collect();
        let sum = reads(&turned);
        sum.words >= 2 && sum.percent() >= 40
    });
    let many = counts.iter().filter(|n| **n > 0).count() >= 12;
    let fits = |t: &&(u32, usize)| many && letters >= 40 && t.0 * 8 <= 4750 && own.saturating_sub(t.0) * 8 >= 450;
    reading.or_else(|| turns.first().filter(fits).map(|t| t.1))
}

/// ASCII letters of `span` replaced one by one.
fn substitute(text: &str, span: Span, step: &'static str, plain: impl Fn(u8) -> u8) -> Option<Piece> {
    let read: String = span
        .slice(text)?
        .chars()
        .map(|c| u8::try_from(c).ok().filter(u8::is_ascii).map_or(c, |b| char::from(plain(b))))
        .collect();
    let mut map = SpanMap::default();
    map.push_groups(read.len(), span.start, span.len(), (1, 1));
    Some(Piece { view: View::Decoded, step, text: read, map })
}

/// Every visible ASCII character 47 places on.
pub(super) fn rot47(text: &str, signs: &[Span], cost: &mut u64, cut: &mut bool) -> Vec<Piece> {
    let turn = |b: u8| if b.is_ascii_graphic() { (b - 33 + 47) % 94 + 33 } else { b };
    let mut pieces = Vec::new();
    let mut past = 0;
    for near in signs.chunk_by(|a, b| b.start <= a.end + 200) {
        let (Some(first), Some(last)) = (near.first(), near.last()) else { continue };
        if last.end <= past {
            continue;
        }
        // A few lines tell.
        let end = (last.end + 20).min(first.start + REACH).min(text.len());
        let core = on_borders(text, Span::new(first.start.saturating_sub(20), end));
        *cost += core.len() as u64 * 4;
        let (Some(piece), Some(body)) = (substitute(text, core, "rot47", turn), core.slice(text)) else { continue };
        let (own, sum) = (reads(body), reads(&piece.text));
        let known = sum.words >= 2 && sum.percent() >= own.percent() + 20;
        // In any language: letters all along, of every kind, where there were hardly any.
        let language =
            || spelling(body).0 <= 60 && matches!(spelling(&piece.text), (82.., 25..=60)) && kinds(&piece.text) >= 14;
        if known || language() {
            if pieces.len() >= MOST {
                *cut = true;
                break;
            }
            let region = reach(text, core);
            let region = Span::new(region.start.max(past), region.end);
            *cost += region.len() as u64 * 2;
            past = region.end;
            pieces.extend(substitute(text, region, "rot47", turn));
        }
    }
    pieces
}

/// Percent of visible ASCII that are letters, and of letters that are vowels: language has most and nearly half.
fn spelling(text: &str) -> (usize, usize) {
    let count = |is: fn(&u8) -> bool| text.bytes().filter(is).count();
    let letters = count(u8::is_ascii_alphabetic);
    let vowels = count(|b| matches!(b.to_ascii_lowercase(), b'a' | b'e' | b'i' | b'o' | b'u'));
    (letters * 100 / count(u8::is_ascii_graphic).max(1), vowels * 100 / letters.max(1))
}

/// Different letters of a text: digits of a code turned into letters are few.
fn kinds(text: &str) -> u32 {
    let bit = |b: u8| 1_u32 << (b.to_ascii_lowercase() - b'a');
    text.bytes().filter(u8::is_ascii_alphabetic).fold(0, |seen, b| seen | bit(b)).count_ones()
}

/// The letter of a Morse sign.
fn morse_letter(sign: &str) -> Option<char> {
    let code: String = sign.chars().map(|c| if c == '_' { '-' } else { c }).collect();
    MORSE.iter().find(|(_, morse)| *morse == code).map(|(letter, _)| *letter)
}

const BLANKS: [char; 4] = [' ', '\n', '\t', '\r'];

/// Dots and dashes. What stands between them on their lines stays as it is.
pub(super) fn morse(text: &str, regions: &[Span], cost: &mut u64) -> Vec<Piece> {
    let mut sure: Vec<Span> = Vec::new();
    for region in regions {
        *cost += region.len() as u64 * 4;
        let (mut good, mut bad, mut kinds) = (0, 0, 0_u32);
        for sign in region.slice(text).unwrap_or_default().split(BLANKS) {
            match morse_letter(sign) {
                Some(letter) => {
                    good += 1;
                    kinds |= 1 << (u32::from(letter) & 31);
                }
                None => bad += usize::from(sign.chars().count() > 2),
            }
        }
        if good >= 6 && good >= bad * 4 && kinds.count_ones() >= 4 {
            sure.push(*region);
        }
    }
    let mut pieces = Vec::new();
    for near in sure.chunk_by(|a, b| b.start <= a.end + REACH) {
        let (Some(first), Some(last)) = (near.first(), near.last()) else { continue };
        let start = line_around(text, first.start, REACH).start.min(first.start);
        let lines = on_borders(text, Span::new(start, line_around(text, last.end, REACH).end.max(last.end)));
        *cost += lines.len() as u64 * 4;
        pieces.push(from_morse(text, lines));
    }
    pieces
}

fn from_morse(text: &str, lines: Span) -> Piece {
    let (mut out, mut map) = (String::new(), SpanMap::default());
    let mut at = lines.start;
    let mut pending = false;
    for token in lines.slice(text).unwrap_or_default().split_inclusive(BLANKS) {
        let sign = token.trim_end_matches(BLANKS);
        let start = at;
        at += token.len();
        let letter = morse_letter(sign);
        let word = letter.is_none() && sign.len() > 1 && sign.chars().count() > 1;
        if letter.is_none() && matches!(sign, "" | "/" | "|" | "//") {
            pending = true;
        } else {
            if (pending || word) && !out.is_empty() {
                out.push(' ');
                map.push_block(1, start, 0);
            }
            pending = word;
            if let Some(letter) = letter {
                out.push(letter);
                map.push_block(letter.len_utf8(), start, sign.len());
            } else {
                out.push_str(sign);
                map.push_linear(start, sign.len());
            }
        }
        if token.contains('\n') {
            out.push('\n');
            map.push_block(1, at - 1, 1);
            pending = false;
        }
    }
    Piece { view: View::Decoded, step: "morse", text: out, map }
}

/// Groups of numbers joined by hyphens that make it certain that they are words.
const CERTAIN: usize = 8;

/// `9-7-14-15-18-5 1-12-12`: numbers that hyphens join are a word, one alone is a word of one letter.
fn hyphen_words(text: &str, regions: &[Span], cost: &mut u64) -> Option<Piece> {
    let first = regions.iter().find(|region| region.slice(text).is_some_and(|part| part.contains('-')))?;
    let last = regions.last()?;
    let start = line_around(text, first.start.saturating_sub(AROUND), REACH).start.min(first.start);
    let end = line_around(text, (last.end + AROUND).min(text.len()), REACH).end.max(last.end);
    let range = on_borders(text, Span::new(start, end));
    *cost += range.len() as u64 * 2;
    let bytes = text.as_bytes();
    let (mut out, mut map, mut groups) = (String::new(), SpanMap::default(), 0);
    let (mut pairs, mut long) = (0, 0);
    let (mut at, mut from) = (range.start, range.start);
    let mut numbers: Vec<(Span, u8)> = Vec::new();
    while at < range.end {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        numbers.clear();
        let (mut next, mut good) = (at, true);
        loop {
            let digits = bytes[next..range.end].iter().take_while(|b| b.is_ascii_digit()).count();
            let number = Span::new(next, next + digits);
            let value = number.slice(text).filter(|n| n.len() <= 2 && !n.starts_with('0')).and_then(|n| n.parse().ok());
            let value: u8 = value.filter(|v| (1..=26).contains(v)).unwrap_or(0);
            good &= value > 0;
            numbers.push((number, value));
            next = number.end;
            if bytes.get(next) != Some(&b'-') || next + 1 >= range.end || !bytes[next + 1].is_ascii_digit() {
                break;
            }
            next += 1;
        }
        // A number alone is a letter only where it can be no other number.
        let sign = |i: Option<usize>| i.and_then(|i| bytes.get(i)).is_some_and(|b| b".:%$#/=+".contains(b));
        let digit = |i: Option<usize>| i.and_then(|i| bytes.get(i)).is_some_and(u8::is_ascii_digit);
        let number = numbers.len() == 1
            && (sign(at.checked_sub(1)) && digit(at.checked_sub(2)) || sign(Some(next)) && digit(Some(next + 1)));
        if good && !number {
            let plain = Span::new(from, at);
            out.push_str(plain.slice(text).unwrap_or_default());
            map.push_linear(plain.start, plain.len());
            for (number, value) in &numbers {
                out.push(char::from(b'a' + value - 1));
                map.push_block(1, number.start, number.len());
            }
            from = next;
            groups += usize::from(numbers.len() >= 3);
            pairs += usize::from(numbers.len() >= 2);
            long += if numbers.len() >= 4 { numbers.len() } else { 0 };
        }
        at = next;
    }
    let plain = Span::new(from, range.end);
    out.push_str(plain.slice(text).unwrap_or_default());
    map.push_linear(plain.start, plain.len());
    let sum = reads(&out);
    let certain = groups >= CERTAIN || pairs >= CERTAIN + CERTAIN / 2 || long >= CERTAIN * 2;
    (certain || groups >= CERTAIN / 2 && sum.words >= 2 && sum.percent() >= 40).then_some(Piece {
        view: View::Decoded,
        step: "letter-numbers",
        text: out,
        map,
    })
}

/// Places in the alphabet: `9-7-14-15-18-5 1-12-12`.
pub(super) fn letter_numbers(text: &str, regions: &[Span], cost: &mut u64) -> Vec<Piece> {
    if let Some(piece) = hyphen_words(text, regions, cost) {
        return vec![piece];
    }
    let bytes = text.as_bytes();
    let mut pieces = Vec::new();
    for region in regions {
        *cost += region.len() as u64 * 2;
        // Numbers and what stands behind each.
        let mut list: Vec<(Span, Option<u8>, Span)> = Vec::new();
        let mut at = region.start;
        while at < region.end {
            let digits = bytes[at..region.end].iter().take_while(|b| b.is_ascii_digit()).count();
            let number = Span::new(at, at + digits);
            let gap = bytes[number.end..region.end].iter().take_while(|b| !b.is_ascii_digit()).count();
            let value =
                number.slice(text).and_then(|n| n.parse::<u8>().ok()).filter(|v| (1..=26).contains(v) && digits <= 2);
            at = number.end + gap;
            if digits > 0 {
                list.push((number, value, Span::new(number.end, at)));
            }
        }
        let letters = list.iter().filter(|n| n.1.is_some()).count();
        if letters < 8 || letters * 10 < list.len() * 6 {
            continue;
        }
        let slice = |span: Span| span.slice(text).unwrap_or_default();
        let hyphens = list.iter().filter(|n| slice(n.2) == "-").count();
        let close = if hyphens * 3 >= list.len() { "-" } else { " " };
        let (mut out, mut map) = (String::new(), SpanMap::default());
        for (number, value, gap) in &list {
            match value {
                Some(value) => {
                    out.push(char::from(b'a' + value - 1));
                    map.push_block(1, number.start, number.len());
                }
                None => {
                    out.push_str(slice(*number));
                    map.push_linear(number.start, number.len());
                }
            }
            if slice(*gap) != close && !gap.is_empty() {
                let kept = slice(*gap).trim_matches(['-', ' ', '/', '|']);
                out.push_str(kept);
                map.push_block(kept.len(), gap.start, gap.len());
                if slice(*gap).contains([' ', '\n']) || kept.is_empty() {
                    out.push(' ');
                    map.push_block(1, gap.start, gap.len());
                }
            }
        }
        let glued: String = out.chars().filter(char::is_ascii_lowercase).take(400).collect();
        let sum = reads(&out);
        if sum.words >= 2 && sum.percent() >= 40 || segment(&glued).1.percent() >= 80 && sum.words >= 1 {
            pieces.push(Piece { view: View::Decoded, step: "letter-numbers", text: out, map });
        }
    }
    pieces
}

/// First letters of spelling words: `india golf november`.
pub(super) fn spelled(text: &str, signs: &[Span], cost: &mut u64) -> Vec<Piece> {
    let letter = |word: &str| {
        let lower = word.trim_matches([',', '.', ';', '-']).to_ascii_lowercase();
        let spelled =
            SPELLING.contains(&lower.as_str()) || matches!(lower.as_str(), "alpha" | "juliet" | "x-ray" | "whisky");
        spelled.then(|| lower.chars().next()).flatten()
    };
    // Lines with several of them, and how many of their words are.
    let (mut lines, mut seen): (Vec<Span>, usize) = (Vec::new(), 0);
    let (mut count, mut all) = (0, 0);
    for sign in signs {
        let word = sign.slice(text).map(str::trim).unwrap_or_default();
        if sign.start < seen || letter(word).is_none() {
            continue;
        }
        let line = line_around(text, sign.start, REACH * 8);
        seen = line.end;
        *cost += line.len() as u64 * 4;
        let words = line.slice(text).unwrap_or_default().split(' ').filter(|w| w.len() > 1);
        let (found, of) = words.fold((0, 0), |sum, w| (sum.0 + usize::from(letter(w).is_some()), sum.1 + 1));
        if found >= 4 {
            (count, all) = (count + found, all + of);
            lines.push(line);
        }
    }
    let (Some(first), Some(last)) = (lines.first(), lines.last()) else { return Vec::new() };
    if count < 6 {
        return Vec::new();
    }
    let (mut out, mut map) = (String::new(), SpanMap::default());
    let (mut at, end) = (line_around(text, first.start.saturating_sub(AROUND), REACH).start, last.end + AROUND);
    let mut listed = lines.iter().peekable();
    while at < end.min(text.len()) {
        let beside = line_around(text, at, REACH * 8);
        // Beside such lines also those that hold only one or two.
        while listed.next_if(|line| line.end < at).is_some() {}
        let line = listed.peek().filter(|line| line.start <= at).map_or(beside, |line| **line);
        let line = Span::new(line.start.max(at), line.end.max(at));
        let body = line.slice(text).unwrap_or_default();
        *cost += body.len() as u64 * 4;
        at = line.end + 1;
        if !body.split(' ').any(|w| letter(w).is_some()) {
            continue;
        }
        let mut here = line.start;
        for word in body.split(' ') {
            match letter(word) {
                Some(c) => {
                    out.push(c);
                    map.push_block(1, here, word.len());
                }
                None if matches!(word, "/" | "|" | "" | "-" | "space") => {
                    out.push(' ');
                    map.push_block(1, here, word.len());
                }
                None => {
                    out.push_str(word);
                    map.push_linear(here, word.len());
                }
            }
            here += word.len() + 1;
        }
        out.push('\n');
        map.push_block(1, line.end, 0);
    }
    let well = reads(&out).well() || reads(&out).words >= 1 || count * 2 >= all;
    if well { vec![Piece { view: View::Decoded, step: "spelling-words", text: out, map }] } else { Vec::new() }
}
