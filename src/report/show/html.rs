//! Untrusted text in a web page: the one type that templates take it as.

use std::fmt::{self, Write as _};

use super::pieces::{Piece, pieces};
use super::terminal::{ShowOptions, show_cell, show_line};
use super::{Class, class_of};
use crate::domain::Span;
use crate::report::diff::unified;

/// Spans that are marked in one text: an attacker chooses how many rules fire.
const MAX_SPANS: usize = 200;
/// Bytes on a line of the byte view.
const ROW: usize = 16;

/// Markup that was made here from untrusted text: text nodes and a closed set of elements without attributes from the
/// text. Pages take untrusted text as this type only; there is no way to make one from ready markup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Html(String);

impl fmt::Display for Html {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl askama::filters::HtmlSafe for Html {}

fn escape_into(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
}

fn mark_into(out: &mut String, label: &str) {
    out.push_str("<span class=\"mk\">");
    escape_into(out, label);
    out.push_str("</span>");
}

impl Html {
    /// A short text on one line, cut at the end.
    pub fn cell(text: &str, columns: usize) -> Self {
        let mut out = String::new();
        escape_into(&mut out, &show_cell(text, columns));
        Self(out)
    }

    /// A text on one line, cut in the middle with length and digest.
    pub fn line(text: &str, columns: usize) -> Self {
        let mut out = String::new();
        escape_into(&mut out, &show_line(text, columns));
        Self(out)
    }

    /// A whole text with line breaks, marks in place, each line set apart in its own direction.
    pub fn text(text: &str) -> Self {
        Self::view(text, 0, &[], "<bdi dir=\"auto\">", "</bdi>")
    }

    /// As [`Html::text`], with numbered spans. `from` is the byte of the whole text that `text` begins with; spans are
    /// bytes of the whole.
    pub fn readable(text: &str, from: usize, spans: &[Span]) -> Self {
        Self::view(text, from, spans, "<bdi dir=\"auto\">", "</bdi>")
    }

    /// Every line from left to right in the order of its code points: the order on the screen is the order in memory.
    pub fn logical(text: &str, from: usize, spans: &[Span]) -> Self {
        Self::view(text, from, spans, "<bdo dir=\"ltr\">", "</bdo>")
    }

    fn view(text: &str, from: usize, spans: &[Span], open: &str, close: &str) -> Self {
        // Where what is covered changes, in order. Few spans: a plain list.
        let mut edges: Vec<usize> = Vec::new();
        for span in spans.iter().take(MAX_SPANS) {
            edges.extend([span.start.saturating_sub(from), span.end.saturating_sub(from)]);
        }
        edges.sort_unstable();
        edges.dedup();
        let begins = |at: usize| {
            spans
                .iter()
                .take(MAX_SPANS)
                .enumerate()
                .filter(move |(_, span)| span.start.saturating_sub(from) == at && span.end > from)
                .map(|(number, _)| number + 1)
        };
        let covered = |at: usize| {
            let at = at + from;
            spans.iter().take(MAX_SPANS).any(|span| span.start <= at && at < span.end)
        };
        let mut out = String::with_capacity(text.len() * 2);
        let mut next = edges.iter().peekable();
        let mut at = 0;
        out.push_str(open);
        for piece in pieces(text) {
            let length = match &piece {
                Piece::Text(part) => part.len(),
                Piece::Newline => 1,
                Piece::Mark(mark) => {
                    text.get(at..).unwrap_or_default().chars().take(mark.count).map(char::len_utf8).sum()
                }
            };
            let end = at + length;
            match piece {
                Piece::Text(part) => {
                    let start = at;
                    let mut done = at;
                    while done < end {
                        while next.next_if(|edge| **edge < done).is_some() {}
                        if next.next_if(|edge| **edge == done).is_some() {
                            numbers_into(&mut out, begins(done));
                        }
                        let mut stop = next.peek().map_or(end, |edge| (**edge).min(end));
                        while stop < end && !part.is_char_boundary(stop - start) {
                            stop += 1;
                        }
                        let segment = part.get(done - start..stop - start).unwrap_or_default();
                        let hit = covered(done);
                        out.push_str(if hit { "<mark>" } else { "" });
                        escape_into(&mut out, segment);
                        out.push_str(if hit { "</mark>" } else { "" });
                        done = stop.max(done + 1);
                    }
                }
                Piece::Newline => {
                    out.push_str(close);
                    out.push('\n');
                    out.push_str(open);
                }
                Piece::Mark(mark) => {
                    while let Some(edge) = next.next_if(|edge| **edge < end) {
                        if *edge >= at {
                            numbers_into(&mut out, begins(*edge));
                        }
                    }
                    let hit = covered(at);
                    out.push_str(if hit { "<mark>" } else { "" });
                    mark_into(&mut out, &mark.label());
                    out.push_str(if hit { "</mark>" } else { "" });
                }
            }
            at = end;
        }
        out.push_str(close);
        Self(out)
    }

    /// Every byte, with offsets, as hexadecimal digits and as escaped characters. `from` is the first byte's offset.
    pub fn bytes(text: &str, from: usize) -> Self {
        let mut out = String::new();
        for (row, bytes) in text.as_bytes().chunks(ROW).enumerate() {
            let _ = write!(out, "{:08x}  ", from + row * ROW);
            for at in 0..ROW {
                match bytes.get(at) {
                    Some(byte) => {
                        let _ = write!(out, "{byte:02x} ");
                    }
                    None => out.push_str("   "),
                }
                if at == ROW / 2 - 1 {
                    out.push(' ');
                }
            }
            out.push_str(" |");
            for byte in bytes {
                let c = char::from(*byte);
                let shown = if (' '..='~').contains(&c) { c } else { '.' };
                escape_into(&mut out, shown.encode_utf8(&mut [0; 4]));
            }
            out.push_str("|\n");
        }
        Self(out)
    }

    /// The text as a string literal: everything beyond plain ASCII is an escape. What the copy button copies.
    pub fn escapes(text: &str) -> Self {
        let mut out = String::new();
        for c in text.chars() {
            match c {
                '\n' => out.push_str("\\n\n"),
                '\\' => out.push_str("\\\\"),
                ' '..='~' => escape_into(&mut out, c.encode_utf8(&mut [0; 4])),
                other => {
                    let _ = write!(out, "\\u{{{:x}}}", u32::from(other));
                }
            }
        }
        Self(out)
    }

    /// The reviewer's own words, back in their field as they were typed but for what nobody sees.
    pub fn escaped_field(text: &str) -> Self {
        let seen: String = text.chars().filter(|c| *c == '\n' || class_of(*c).is_none()).collect();
        let mut out = String::new();
        escape_into(&mut out, &seen);
        Self(out)
    }

    /// What changes between two texts, an element a line: removed ones in `<del>`, new ones in `<ins>`.
    pub fn diff(old: &str, new: &str) -> Self {
        let layout = ShowOptions { width: 100_000, max_bytes: 256 * 1024, color: false, gutter: false };
        let mut out = String::new();
        for line in unified("", "", old, new, &layout).lines().skip(2) {
            let (open, close) = match line.as_bytes().first() {
                Some(b'+') => ("<ins>", "</ins>"),
                Some(b'-') => ("<del>", "</del>"),
                Some(b'@') => ("<i>", "</i>"),
                _ => ("<span>", "</span>"),
            };
            out.push_str(open);
            escape_into(&mut out, line);
            out.push_str(close);
        }
        Self(out)
    }

    /// True when there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn numbers_into(out: &mut String, numbers: impl Iterator<Item = usize>) {
    for number in numbers {
        let _ = write!(out, "<a class=\"n\" href=\"#finding-{number}\">{number}</a>");
    }
}

/// True for a text whose order on a screen may differ from its order in memory: it has a direction control, or letters
/// of both directions.
pub fn has_mixed_direction(text: &str) -> bool {
    let (mut right, mut left) = (false, false);
    for c in text.chars() {
        if class_of(c) == Some(Class::Bidi) {
            return true;
        }
        match u32::from(c) {
            0x0590..=0x08FF | 0xFB1D..=0xFDFF | 0xFE70..=0xFEFC | 0x1_0800..=0x1_0FFF | 0x1_E800..=0x1_EFFF => {
                right = true;
            }
            _ => left = left || c.is_alphabetic(),
        }
    }
    right && left
}

/// A finished page in which nothing acts that nobody sees: a character that has a mark and came in without one is
/// written as its code point. Pages are made so that this changes nothing; it is the second wall.
pub fn scrubbed(page: String) -> String {
    let acts = |c: char| !matches!(c, '\n' | '\u{27E6}' | '\u{27E7}') && class_of(c).is_some();
    if !page.chars().any(acts) {
        return page;
    }
    let mut out = String::with_capacity(page.len());
    for c in page.chars() {
        if acts(c) {
            let _ = write!(out, "[U+{:04X}]", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_makes_no_element_of_its_own() {
        let hostile = "<script>alert(1)</script>\"'><img src=x onerror=a>\u{202E}abc\u{200B}\u{E0041}";
        for shown in [
            Html::cell(hostile, 400),
            Html::line(hostile, 400),
            Html::text(hostile),
            Html::readable(hostile, 0, &[Span::new(0, 9), Span::new(3, 60)]),
            Html::logical(hostile, 0, &[Span::new(1, 2)]),
            Html::bytes(hostile, 0),
            Html::escapes(hostile),
            Html::diff(hostile, &format!("{hostile}\nmore")),
        ] {
            let markup = shown.to_string();
            assert!(!markup.contains("<script") && !markup.contains("<img"), "{markup}");
            assert_eq!(scrubbed(markup.clone()), markup);
        }
    }

    #[test]
    fn spans_are_numbered_where_they_begin_and_marked_as_far_as_they_go() {
        let shown = Html::readable("ab cd\nef", 0, &[Span::new(3, 7), Span::new(4, 5)]).to_string();
        assert_eq!(
            shown,
            "<bdi dir=\"auto\">ab <a class=\"n\" href=\"#finding-1\">1</a><mark>c</mark>\
             <a class=\"n\" href=\"#finding-2\">2</a><mark>d</mark></bdi>\n\
             <bdi dir=\"auto\"><mark>e</mark>f</bdi>"
        );
        // A later part of the whole text.
        let shown = Html::readable("cd\nef", 3, &[Span::new(0, 4)]).to_string();
        assert!(shown.contains("<mark>c</mark>d"), "{shown}");
    }

    #[test]
    fn no_byte_of_a_text_is_lost_whatever_the_spans() {
        let text = "plain \u{200B} a\u{301}\u{301} \u{5E9}\u{5DC} <b> & \"q\"\n\n\u{1F642} end";
        for start in 0..text.len() {
            let shown = Html::readable(text, 0, &[Span::new(start, text.len().min(start + 5))]).to_string();
            let mut plain = String::new();
            let mut rest = shown.as_str();
            while let Some(at) = rest.find('<') {
                plain.push_str(&rest[..at]);
                let end = rest[at..].find('>').unwrap();
                // The number of a finding is ours.
                let skip = if rest[at..].starts_with("<a ") { rest[at..].find("</a>").unwrap() + 3 } else { end };
                rest = &rest[at + skip + 1..];
            }
            plain.push_str(rest);
            let plain = plain.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
            assert_eq!(plain, crate::report::show_plain(text), "{start}");
        }
    }

    #[test]
    fn mixed_directions_are_known() {
        assert!(has_mixed_direction("pay \u{5E9}\u{5DC}\u{5D5}\u{5DD}"));
        assert!(has_mixed_direction("a\u{202E}b"));
        assert!(!has_mixed_direction("\u{5E9}\u{5DC}\u{5D5}\u{5DD} 12"));
        assert!(!has_mixed_direction("plain"));
    }

    #[test]
    fn the_second_wall_writes_code_points() {
        assert_eq!(scrubbed("a\u{202E}b \u{27E6}x\u{27E7}\n".to_owned()), "a[U+202E]b \u{27E6}x\u{27E7}\n");
    }
}
