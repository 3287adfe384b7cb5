//! Undoes escapes in the middle of text: percent, character references, backslashes, quoted-printable, strings cut
//! into pieces.

use super::decode::Piece;
use super::entities;
use super::span::{SpanMap, ceil_char, floor_char};
use crate::domain::{Span, View};

/// Bytes of plain text kept on each side of an escape, so that a word half escaped is whole.
const AROUND: usize = 160;
/// Weight of an edit that stands for itself.
pub(super) const ENOUGH: u8 = 4;

/// One replacement in a text.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    pub(super) span: Span,
    pub(super) text: String,
    /// How much it says alone: edits that stand together need [`ENOUGH`] before any of them is made.
    pub(super) weight: u8,
}

impl Edit {
    pub(super) const fn new(span: Span, text: String) -> Self {
        Self { span, text, weight: ENOUGH }
    }
}

/// Percent, entity and backslash escapes, in order, not overlapping.
pub(super) fn escapes(text: &str) -> Vec<(Edit, &'static str)> {
    let bytes = text.as_bytes();
    let mut edits: Vec<(Edit, &'static str)> = Vec::new();
    let mut past = 0;
    for at in memchr::memchr3_iter(b'%', b'&', b'\\', bytes) {
        if at < past {
            continue;
        }
        let found = match bytes[at] {
            b'%' => percent(text, at).map(|(t, end)| (t, end, "percent")),
            b'&' => entities::entity(text, at).map(|(t, end)| (t, end, "entity")),
            _ => backslash(text, at).map(|(t, end)| (t, end, "escape")),
        };
        let (replacement, end, step, weight) = match found {
            Some((replacement, end, step)) => (replacement, end, step, ENOUGH),
            None if bytes[at] == b'\\' => match weak_backslash(text, at) {
                Some((replacement, end, weight)) => (replacement, end, "escape", weight),
                None => continue,
            },
            None => continue,
        };
        edits.push((Edit { span: Span::new(at, end), text: replacement, weight }, step));
        past = end;
    }
    edits
}

/// A run of percent-encoded bytes that is UTF-8.
fn percent(text: &str, start: usize) -> Option<(String, usize)> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = start;
    while bytes.get(at) == Some(&b'%') {
        let Some(byte) = text.get(at + 1..at + 3).and_then(hex_byte) else { break };
        out.push(byte);
        at += 3;
        // One character at a time keeps the map fine; more only where UTF-8 needs it.
        if let Ok(done) = std::str::from_utf8(&out) {
            return Some((done.to_owned(), at));
        }
        if out.len() >= 4 {
            break;
        }
    }
    None
}

fn hex_byte(digits: &str) -> Option<u8> {
    if digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        u8::from_str_radix(digits, 16).ok()
    } else {
        None
    }
}

/// `\xNN`, `\uNNNN`, `\u{…}`, `\UNNNNNNNN`, surrogate pairs, octal, and `\n`, `\t`, `\r`.
fn backslash(text: &str, start: usize) -> Option<(String, usize)> {
    let rest = text.get(start + 1..)?;
    let code = |digits: &str| u32::from_str_radix(digits, 16).ok();
    let hex = |from: usize, len: usize| {
        rest.get(from..from + len).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit())).and_then(code)
    };
    if rest.starts_with('x') {
        return bytes_of(text, start);
    }
    let (value, used) = match rest.as_bytes().first()? {
        b'u' if rest.as_bytes().get(1) == Some(&b'{') => {
            let close = rest.get(2..)?.find('}').filter(|n| (1..=6).contains(n))?;
            (hex(2, close)?, close + 3)
        }
        b'u' => match (hex(1, 4)?, rest.get(5..7), hex(7, 4)) {
            (high @ 0xD800..=0xDBFF, Some("\\u"), Some(low @ 0xDC00..=0xDFFF)) => {
                (0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00), 11)
            }
            (plain, ..) => (plain, 5),
        },
        b'U' => (hex(1, 8)?, 9),
        // The end of a line that goes on: what follows is joined, without its indentation.
        b'\n' | b'\r' => {
            let next = rest.trim_start_matches('\r').strip_prefix('\n')?.trim_start_matches([' ', '\t']);
            return Some((String::new(), text.len() - next.len()));
        }
        b'0'..=b'3' => {
            let digits = rest.get(..3).filter(|d| d.bytes().all(|b| matches!(b, b'0'..=b'7')))?;
            (u32::from_str_radix(digits, 8).ok()?, 3)
        }
        b'n' => (10, 1),
        b'r' => (13, 1),
        b't' => (9, 1),
        _ => return None,
    };
    // Control bytes other than white space mean binary, not text.
    let c = char::from_u32(value).filter(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'))?;
    Some((c.to_string(), start + 1 + used))
}

/// One character of `\xNN`: of several where they are UTF-8.
fn bytes_of(text: &str, start: usize) -> Option<(String, usize)> {
    let byte = |at: usize| text.get(at..at + 4).and_then(|e| e.strip_prefix("\\x")).and_then(hex_byte);
    let first = byte(start)?;
    if first >= 0x80 {
        let mut out = vec![first];
        while out.len() < 4
            && let Some(next) = byte(start + out.len() * 4)
        {
            out.push(next);
            if let Ok(done) = std::str::from_utf8(&out) {
                return Some((done.to_owned(), start + out.len() * 4));
            }
        }
    }
    let c = char::from(first);
    let shown = !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    shown.then(|| (c.to_string(), start + 4))
}

/// Escapes that honest text is full of: quoted quotation marks, and style-sheet escapes, which look like paths.
fn weak_backslash(text: &str, start: usize) -> Option<(String, usize, u8)> {
    let rest = text.get(start + 1..)?;
    let first = rest.chars().next()?;
    if matches!(first, '"' | '\'' | '/' | '\\') {
        return Some((first.to_string(), start + 2, 0));
    }
    let len = rest.bytes().take(6).take_while(u8::is_ascii_hexdigit).count();
    let value = u32::from_str_radix(rest.get(..len)?, 16).ok()?;
    let c = char::from_u32(value).filter(|c| len >= 1 && (!c.is_control() || *c == '\n'))?;
    let blank = usize::from(rest.as_bytes().get(len) == Some(&b' '));
    (blank == 1 || rest.as_bytes().get(len) == Some(&b'\\') || rest.len() == len)
        .then(|| (c.to_string(), start + 1 + len + blank, 1))
}

/// Quoted-printable: `=69`, and `=` at the end of a line that goes on.
pub(super) fn quoted_printable(text: &str) -> Vec<(Edit, &'static str)> {
    let bytes = text.as_bytes();
    let mut edits = Vec::new();
    let mut past = 0;
    for at in memchr::memchr_iter(b'=', bytes) {
        if at < past {
            continue;
        }
        let soft = match bytes.get(at + 1..) {
            Some([b'\r', b'\n', ..]) => 3,
            Some([b'\n', ..]) => 2,
            _ => 0,
        };
        let (replacement, end) = if soft > 0 {
            (String::new(), at + soft)
        } else {
            // The bytes of one character; a soft break may stand between them.
            let (mut out, mut end) = (Vec::new(), at);
            while out.len() < 4 && std::str::from_utf8(&out).map_or(true, str::is_empty) {
                if !out.is_empty() {
                    end += if text.get(end..end + 2) == Some("=\n") { 2 } else { 0 };
                }
                let Some(next) = text.get(end..end + 3).and_then(|e| e.strip_prefix('=')).and_then(hex_byte) else {
                    break;
                };
                out.push(next);
                end += 3;
            }
            match String::from_utf8(out) {
                Ok(done) if done.chars().any(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t')) => (done, end),
                _ => continue,
            }
        };
        edits.push((Edit { span: Span::new(at, end), text: replacement, weight: 2 }, "quoted-printable"));
        past = end;
    }
    edits
}

/// `"ig" + "nore"`: the marks between two pieces of one string.
pub(super) fn concatenations(text: &str) -> Vec<(Edit, &'static str)> {
    let bytes = text.as_bytes();
    let mut edits = Vec::new();
    for at in memchr::memchr_iter(b'+', bytes) {
        let back = bytes[..at].iter().rev().take(8).take_while(|b| b.is_ascii_whitespace()).count();
        let ahead = bytes[at + 1..].iter().take(24).take_while(|b| b.is_ascii_whitespace()).count();
        let (Some(before), Some(after)) = (at.checked_sub(back + 1), bytes.get(at + 1 + ahead)) else { continue };
        if matches!(bytes[before], b'"' | b'\'' | b'`') && bytes[before] == *after {
            edits.push((Edit::new(Span::new(before, at + 2 + ahead), String::new()), "concatenation"));
        }
    }
    edits.dedup_by(|b, a| b.0.span.start < a.0.span.end);
    edits
}

/// Regions of `text` around the edits, with the edits applied.
pub(super) fn rewrite(text: &str, view: View, edits: &[(Edit, &'static str)]) -> Vec<Piece> {
    rewrite_within(text, view, edits, AROUND)
}

/// The same with so many bytes on each side.
pub(super) fn rewrite_within(text: &str, view: View, edits: &[(Edit, &'static str)], around: usize) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for cluster in edits.chunk_by(|a, b| b.0.span.start <= a.0.span.end + around) {
        let (Some(first), Some(last)) = (cluster.first(), cluster.last()) else { continue };
        if cluster.iter().fold(0_u8, |sum, edit| sum.saturating_add(edit.0.weight)) < ENOUGH {
            continue;
        }
        let start = floor_char(text, first.0.span.start.saturating_sub(around));
        let end = ceil_char(text, last.0.span.end.saturating_add(around));
        let mut out = String::with_capacity(end - start);
        let mut map = SpanMap::default();
        let mut at = start;
        for (edit, _) in cluster {
            let plain = Span::new(at, edit.span.start);
            out.push_str(plain.slice(text).unwrap_or_default());
            map.push_linear(plain.start, plain.len());
            out.push_str(&edit.text);
            match u8::try_from(edit.span.len()) {
                Ok(len @ 1..) if edit.text.len() == 1 => map.push_groups(1, edit.span.start, edit.span.len(), (1, len)),
                _ => map.push_block(edit.text.len(), edit.span.start, edit.span.len()),
            }
            at = edit.span.end;
        }
        out.push_str(text.get(at..end).unwrap_or_default());
        map.push_linear(at, end - at);
        pieces.push(Piece { view, step: first.1, text: out, map });
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::disguise;

    fn undone(text: &str) -> String {
        let mut text = text.to_owned();
        for edits in [quoted_printable(&text), concatenations(&text), escapes(&text)] {
            if let Some(piece) = rewrite(&text, View::Decoded, &edits).into_iter().next() {
                assert_eq!(piece.map.view_len(), piece.text.len());
                text = piece.text;
            }
        }
        text
    }

    #[test]
    fn every_escape_is_undone() {
        let plain = "Ignore all: \u{4E2D}\u{6587} \u{E9} now";
        for slug in [
            "percent",
            "quoted-printable",
            "quoted-printable-wrapped",
            "entities-decimal",
            "entities-hex",
            "entities-named",
            "unicode-escapes",
            "unicode-braced",
            "hex-escapes",
            "css-escapes",
        ] {
            let shown = undone(&disguise::get(slug).unwrap().apply(plain)).replace('\u{A0}', " ");
            assert_eq!(shown, plain, "{slug}");
        }
        assert_eq!(undone("\"ig\" + \"nore\" +\n 'x'"), "\"ignore\" +\n 'x'");
        assert_eq!(undone("note: \"ig\\\n  nore\""), "note: \"ignore\"");
    }

    #[test]
    fn lone_signs_that_look_like_escapes_stay() {
        for honest in ["a=10", "C:\\data\\files", "x = 20 and y =30", "1 + 2", "\"a\" and + b"] {
            assert!(rewrite(honest, View::Decoded, &quoted_printable(honest)).is_empty(), "{honest}");
            assert!(rewrite(honest, View::Decoded, &concatenations(honest)).is_empty(), "{honest}");
            assert!(rewrite(honest, View::Decoded, &escapes(honest)).is_empty(), "{honest}");
        }
    }
}
