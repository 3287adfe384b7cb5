//! Reads what invisible characters spell.
//!
//! Known encodings: tag characters (one ASCII character each), variation selectors (one byte
//! each), and zero-width characters or invisible operators as binary digits: every choice of
//! two symbols for 0 and 1, 8, 7 or 16 bits a character, other symbols as separators.
//! Source: public descriptions of ASCII smuggling; own design of the search.

use super::decode::{Piece, is_plausible};
use super::normalize::invisible::{selector_byte, tag_ascii};
use super::span::SpanMap;
use crate::domain::{Span, View};

/// A visible character may stand between hidden ones: this many bytes of it at most.
const INTERLEAVE_BYTES: usize = 16;

/// Texts spelled by the invisible characters at the given offsets of `text`.
pub(super) fn pieces(text: &str, dropped: &[usize]) -> Vec<Piece> {
    let chars: Vec<(usize, char)> =
        dropped.iter().filter_map(|&at| text.get(at..)?.chars().next().map(|c| (at, c))).collect();
    let mut pieces = Vec::new();
    tags(text, &chars, &mut pieces);
    selectors(&chars, &mut pieces);
    digits(&chars, &mut pieces);
    pieces
}

/// A flag: black flag, two to six lower-case tag letters or digits, the cancel tag.
fn flag_end(text: &str, at: usize) -> Option<usize> {
    let before = text.get(..at)?.chars().next_back()?;
    if before != '\u{1F3F4}' {
        return None;
    }
    let mut count = 0;
    for (offset, c) in text.get(at..)?.char_indices() {
        match c {
            '\u{E007F}' if (3..=6).contains(&count) => return Some(at + offset + c.len_utf8()),
            '\u{E0030}'..='\u{E0039}' | '\u{E0061}'..='\u{E007A}' => count += 1,
            _ => return None,
        }
    }
    None
}

/// True when the tag character at `at` belongs to a flag emoji.
pub(super) fn in_flag(text: &str, at: usize) -> bool {
    let Some(flag) = text.get(..at).and_then(|head| head.rfind('\u{1F3F4}')) else { return false };
    flag_end(text, flag + '\u{1F3F4}'.len_utf8()).is_some_and(|end| at < end)
}

fn tags(text: &str, chars: &[(usize, char)], pieces: &mut Vec<Piece>) {
    let (mut out, mut map) = (String::new(), SpanMap::default());
    let mut skip = 0;
    for &(at, c) in chars {
        if let Some(end) = flag_end(text, at) {
            skip = end;
        }
        if at < skip {
            continue;
        }
        if let Some(ascii) = tag_ascii(c) {
            out.push(ascii);
            map.push_block(ascii.len_utf8(), at, c.len_utf8());
        }
    }
    // Tags have no other use: even a short text is a message.
    if out.chars().filter(char::is_ascii_graphic).count() >= 2 {
        pieces.push(Piece { view: View::Hidden, step: "tag-characters", text: out, map });
    }
}

fn selectors(chars: &[(usize, char)], pieces: &mut Vec<Piece>) {
    let all: Vec<(usize, char, u8)> =
        chars.iter().filter_map(|&(at, c)| selector_byte(c).map(|byte| (at, c, byte))).collect();
    for group in all.chunk_by(|a, b| b.0 <= a.0 + a.1.len_utf8() + INTERLEAVE_BYTES) {
        if group.len() < 4 {
            continue;
        }
        let bytes: Vec<u8> = group.iter().map(|g| g.2).collect();
        push_bytes(&bytes, span_of(group.iter().map(|g| (g.0, g.1))), "variation-selectors", pieces);
    }
}

fn span_of(mut chars: impl DoubleEndedIterator<Item = (usize, char)>) -> Span {
    let first = chars.next();
    let last = chars.next_back().or(first);
    match (first, last) {
        (Some(a), Some(b)) => Span::new(a.0, b.0 + b.1.len_utf8()),
        _ => Span::default(),
    }
}

fn push_bytes(bytes: &[u8], span: Span, step: &'static str, pieces: &mut Vec<Piece>) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let visible = text.chars().filter(|c| !c.is_control()).count();
    if visible < 2 || !is_plausible(text, 2) {
        return false;
    }
    let map = SpanMap::block(text.len(), span);
    pieces.push(Piece { view: View::Hidden, step, text: text.to_owned(), map });
    true
}

/// Characters used as binary digits or separators.
const fn is_digit(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}' | '\u{180E}' | '\u{202A}'..='\u{202E}' | '\u{2800}' | '\u{3164}' | '\u{AD}')
}

fn digits(chars: &[(usize, char)], pieces: &mut Vec<Piece>) {
    let all: Vec<(usize, char)> = chars.iter().copied().filter(|(_, c)| is_digit(*c)).collect();
    // Runs first; then everything together, for digits strewn between visible letters.
    let mut found = false;
    for group in all.chunk_by(|a, b| b.0 <= a.0 + a.1.len_utf8() + INTERLEAVE_BYTES) {
        found |= decode_digits(group, pieces);
    }
    if !found {
        decode_digits(&all, pieces);
    }
}

fn decode_digits(group: &[(usize, char)], pieces: &mut Vec<Piece>) -> bool {
    if group.len() < 14 {
        return false;
    }
    let mut symbols: Vec<char> = group.iter().map(|g| g.1).collect();
    symbols.sort_unstable();
    symbols.dedup();
    if symbols.len() > 6 {
        return false;
    }
    let span = span_of(group.iter().copied());
    for &zero in &symbols {
        for &one in &symbols {
            if zero == one {
                continue;
            }
            let bits: Vec<u8> = group
                .iter()
                .filter_map(|(_, c)| {
                    if *c == zero {
                        Some(0)
                    } else if *c == one {
                        Some(1)
                    } else {
                        None
                    }
                })
                .collect();
            for width in [8, 7, 16] {
                if bits.len() >= 2 * width && bits.len().is_multiple_of(width) && fixed(&bits, width, span, pieces) {
                    return true;
                }
            }
            if bits.len() < group.len() && separated(group, zero, one, span, pieces) {
                return true;
            }
        }
    }
    symbols.len() == 4 && base_four(group, &symbols, span, pieces)
}

fn value(bits: &[u8]) -> u32 {
    bits.iter().fold(0, |sum, bit| (sum << 1) | u32::from(*bit))
}

fn fixed(bits: &[u8], width: usize, span: Span, pieces: &mut Vec<Piece>) -> bool {
    let values: Vec<u32> = bits.chunks_exact(width).map(value).collect();
    push_values(&values, width == 8, span, pieces)
}

/// Groups of digits of any length between separators.
fn separated(group: &[(usize, char)], zero: char, one: char, span: Span, pieces: &mut Vec<Piece>) -> bool {
    let mut values = Vec::new();
    for part in group.split(|(_, c)| *c != zero && *c != one) {
        let bits: Vec<u8> = part.iter().map(|(_, c)| u8::from(*c == one)).collect();
        match bits.len() {
            0 => {}
            1..=21 => values.push(value(&bits)),
            _ => return false,
        }
    }
    values.len() >= 2 && push_values(&values, false, span, pieces)
}

/// Two bits a symbol, the four symbols in code point order.
fn base_four(group: &[(usize, char)], symbols: &[char], span: Span, pieces: &mut Vec<Piece>) -> bool {
    let digit = |c: char| symbols.iter().position(|s| *s == c).unwrap_or_default();
    let bits: Vec<u8> = group
        .iter()
        .flat_map(|(_, c)| {
            let d = digit(*c);
            [u8::from(d & 2 != 0), u8::from(d & 1 != 0)]
        })
        .collect();
    [8, 16].iter().any(|&width| bits.len().is_multiple_of(width) && fixed(&bits, width, span, pieces))
}

fn push_values(values: &[u32], bytes: bool, span: Span, pieces: &mut Vec<Piece>) -> bool {
    if bytes {
        let bytes: Vec<u8> = values.iter().filter_map(|v| u8::try_from(*v).ok()).collect();
        return push_bytes(&bytes, span, "zero-width-binary", pieces);
    }
    let text: Option<String> = values.iter().map(|v| char::from_u32(*v)).collect();
    text.is_some_and(|text| push_bytes(text.as_bytes(), span, "zero-width-binary", pieces))
}
