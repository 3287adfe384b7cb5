//! Parts of HTML and Markdown that a rendered page does not show.
//!
//! The scanner is tolerant on purpose: what no strict parser would accept (an unclosed comment,
//! an unquoted attribute) still reaches a model. Parts are verbatim slices, so their maps are exact.

use unicode_normalization::char::is_combining_mark;

use super::decode::Piece;
use super::escapes::Edit;
use super::span::SpanMap;
use crate::domain::{Span, View};

/// Longest title of a link that is looked at, bytes.
const TITLE: usize = 8192;
/// Shortest value of front matter that is looked at on its own, bytes.
const VALUE: usize = 24;

/// Attributes whose text is not shown, or only on request; any `data-…` as well.
const ATTRIBUTES: [&str; 12] = [
    "alt",
    "title",
    "aria-label",
    "aria-description",
    "content",
    "placeholder",
    "value",
    "summary",
    "data-prompt",
    "data-instructions",
    "label",
    "srcdoc",
];
/// Spellings of styles that hide, white space removed, lower case.
const HIDING: [&str; 22] = [
    "display:none",
    "visibility:hidden",
    "visibility:collapse",
    "font-size:0",
    "font-size:1px",
    "font-size:.",
    "opacity:0",
    "left:-",
    "top:-",
    "right:-",
    "text-indent:-",
    "height:0",
    "width:0",
    "max-height:0",
    "clip:rect(0",
    "clip-path:inset(100%",
    "clip-path:inset(50%",
    "color:transparent",
    "scale(0",
    "z-index:-",
    "content-visibility:hidden",
    "mso-hide:all",
];

/// Hidden parts of `text`, and the marks whose removal joins letters (`ig<b></b>nore`).
pub(super) fn parts(text: &str) -> (Vec<Piece>, Vec<(Edit, &'static str)>) {
    let mut found = Parts { text, pieces: Vec::new(), strips: Vec::new() };
    if memchr::memchr(b'<', text.as_bytes()).is_some() {
        found.html();
    }
    if memchr::memchr(b'[', text.as_bytes()).is_some() {
        found.markdown();
    }
    found.front_matter();
    found.blocks();
    found.emphasis();
    found.strips.sort_by_key(|(edit, _)| edit.span);
    found.strips.dedup_by(|b, a| b.0.span.start < a.0.span.end);
    (found.pieces, found.strips)
}

struct Parts<'a> {
    text: &'a str,
    pieces: Vec<Piece>,
    strips: Vec<(Edit, &'static str)>,
}

impl Parts<'_> {
    fn push(&mut self, span: Span, step: &'static str) {
        let Some(part) = span.slice(self.text) else { return };
        if part.bytes().filter(|b| !b.is_ascii_whitespace()).count() < 3 {
            return;
        }
        self.pieces.push(Piece { view: View::Markup, step, text: part.to_owned(), map: SpanMap::linear(span) });
    }

    /// Notes a mark for removal when letters touch it on both sides.
    fn strip(&mut self, span: Span, step: &'static str) {
        let bytes = self.text.as_bytes();
        let before = span.start.checked_sub(1).and_then(|i| bytes.get(i));
        let joins = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || !b.is_ascii() || *b == b'>');
        let after = bytes.get(span.end);
        if joins(before) && (joins(after) || after == Some(&b'<')) {
            self.strips.push((Edit::new(span, String::new()), step));
        }
    }

    fn html(&mut self) {
        let text = self.text;
        let bytes = text.as_bytes();
        let mut past = 0;
        // Open elements that hide their content: name, depth of equal names, where it starts.
        let mut hiding: Option<(String, usize, usize, &'static str)> = None;
        for at in memchr::memchr_iter(b'<', bytes) {
            if at < past {
                continue;
            }
            let rest = &text[at..];
            if let Some(body) = rest.strip_prefix("<!--") {
                let len = body.find("-->").unwrap_or(body.len());
                self.push(Span::new(at + 4, at + 4 + len), "html-comment");
                past = (at + 4 + len + 3).min(text.len());
                self.strip(Span::new(at, past), "html-strip");
                continue;
            }
            if rest.starts_with("<!") || rest.starts_with("<?") {
                let len = rest.find('>').unwrap_or(rest.len());
                self.push(Span::new(at + 2, at + len), "html-declaration");
                past = at + len;
                continue;
            }
            let Some(tag) = tag(text, at) else { continue };
            past = tag.end;
            self.strip(Span::new(at, tag.end), "html-strip");
            if tag.closing {
                if let Some((name, depth, start, step)) = &mut hiding
                    && *name == tag.name
                {
                    if *depth == 0 {
                        let span = Span::new(*start, at);
                        let step = *step;
                        hiding = None;
                        self.push(span, step);
                    } else {
                        *depth -= 1;
                    }
                }
                continue;
            }
            for (name, value) in &tag.attributes {
                let name = name.slice(text).unwrap_or_default().to_ascii_lowercase();
                if ATTRIBUTES.contains(&name.as_str()) || name.starts_with("data-") {
                    self.push(*value, "html-attribute");
                }
            }
            match &mut hiding {
                Some((name, depth, ..)) if *name == tag.name && !tag.empty => *depth += 1,
                None if !tag.empty => {
                    if let Some(step) = hides(text, &tag) {
                        hiding = Some((tag.name.clone(), 0, tag.end, step));
                    }
                }
                Some(_) | None => {}
            }
        }
        // Never closed: everything after it is hidden.
        if let Some((_, _, start, step)) = hiding {
            self.push(Span::new(start, text.len()), step);
        }
    }

    /// `[x]: # (hidden)`, unused reference definitions, link titles, footnotes, image texts.
    fn markdown(&mut self) {
        let text = self.text;
        let mut offset = 0;
        for line in text.split_inclusive('\n') {
            let start = offset;
            offset += line.len();
            let body = line.trim_start_matches([' ', '\t', '>', '-', '*']);
            if !body.starts_with('[') {
                continue;
            }
            let Some(close) = body.find("]:") else { continue };
            let from = start + (line.len() - body.len());
            let label = &body[1..close];
            let end = start + line.trim_end().len();
            if label.starts_with('^') {
                self.push(Span::new((from + close + 2).min(end), end), "footnote");
            } else if !label.is_empty() {
                // Neither label nor title of a definition is ever shown.
                self.push(Span::new(from + 1, end), "reference-definition");
                let rest = text.get(from + close + 2..end).unwrap_or_default().trim_start();
                if let Some(title) = rest.find([' ', '\t']).map(|i| rest[i..].trim_start()) {
                    let inner = title.trim_matches(['"', '\'', '(', ')']);
                    let open = end - title.len() + (title.len() - title.trim_start_matches(['"', '\'', '(']).len());
                    self.push(Span::new(open.min(end), (open + inner.len()).min(end)), "reference-title");
                }
            }
        }
        let mut past = 0;
        for at in memchr::memmem::find_iter(text.as_bytes(), b"](") {
            if at < past {
                continue;
            }
            let rest = &text[at + 2..];
            // A link is short, its title may be long.
            let near = &rest.as_bytes()[..rest.len().min(TITLE)];
            let blank = near.iter().take(400).position(u8::is_ascii_whitespace);
            let most = if blank.is_some() { near.len() } else { near.len().min(400) };
            let end = memchr::memchr(b'\n', &near[..most]).unwrap_or(most);
            let rest = rest.get(..super::span::floor_char(rest, end)).unwrap_or_default();
            if let Some(open) = rest.find([' ', '\t']) {
                let title = rest[open..].trim_start();
                if let Some(quote) = title.chars().next().filter(|c| matches!(c, '"' | '\'' | '(')) {
                    let from = at + 2 + (rest.len() - title.len()) + 1;
                    let shut = if quote == '(' { ')' } else { quote };
                    let len = title[1..].rfind(shut).unwrap_or(title.len() - 1);
                    self.push(Span::new(from, from + len), "link-title");
                    past = from + len;
                }
            }
            if let Some(open) = text[..at].bytes().rev().take(300).position(|b| b == b'[') {
                let open = at - 1 - open;
                if open > 0 && text.as_bytes()[open - 1] == b'!' {
                    self.push(Span::new(open + 1, at), "image-text");
                }
            }
        }
    }

    /// Values between `---` lines at the very start.
    fn front_matter(&mut self) {
        let Some(rest) = self.text.strip_prefix("---\n").or_else(|| self.text.strip_prefix("---\r\n")) else { return };
        let start = self.text.len() - rest.len();
        if let Some(len) = rest.find("\n---") {
            self.push(Span::new(start, start + len), "front-matter");
            // A long value is a text of its own.
            let mut at = start;
            for line in rest[..len].split_inclusive('\n') {
                let value = line.split_once(": ").map_or("", |pair| pair.1).trim_end();
                if value.len() >= VALUE {
                    let from = at + line.find(": ").map_or(0, |i| i + 2);
                    self.push(Span::new(from, from + value.len()), "front-matter");
                }
                at += line.len();
            }
        }
    }

    /// Blocks of YAML: the indented lines under `key: |`.
    fn blocks(&mut self) {
        let text = self.text;
        let mut past = 0;
        for at in memchr::memmem::find_iter(text.as_bytes(), b"\n ") {
            if at < past {
                continue;
            }
            let before = text[..at].trim_end_matches(['\r', '-', '+']);
            if !before.ends_with(": |") && !before.ends_with(": >") {
                continue;
            }
            let indent = text[at + 1..].bytes().take_while(|b| *b == b' ').count();
            let mut end = at + 1;
            for line in text[at + 1..].split_inclusive('\n') {
                let blank = line.bytes().take_while(|b| *b == b' ').count();
                if blank < indent && !line.trim().is_empty() {
                    break;
                }
                end += line.len();
            }
            past = end;
            self.push(Span::new(at + 1 + indent, end), "yaml-block");
        }
    }

    /// True between two letters of a script that writes words apart, one of them beyond ASCII.
    fn inside_word(&self, start: usize, end: usize) -> bool {
        let part = |c: char| (c.is_alphabetic() || is_combining_mark(c)) && c < '\u{2E80}';
        self.text.get(..start).and_then(|t| t.chars().next_back()).is_some_and(part)
            && self.text.get(end..).and_then(|t| t.chars().next()).is_some_and(part)
    }

    /// Marks of emphasis and code between two letters: `ig**no**re`.
    fn emphasis(&mut self) {
        let bytes = self.text.as_bytes();
        let mut past = 0;
        for at in memchr::memchr3_iter(b'*', b'~', b'`', bytes) {
            if at < past {
                continue;
            }
            let len = bytes[at..].iter().take(4).take_while(|b| matches!(b, b'*' | b'~' | b'`')).count();
            past = at + len;
            let side = |i: Option<usize>| i.and_then(|i| bytes.get(i)).is_some_and(u8::is_ascii_alphabetic);
            if side(at.checked_sub(1)) && side(Some(past)) {
                self.strips.push((Edit::new(Span::new(at, past), String::new()), "markdown-strip"));
            } else if self.inside_word(at, past) {
                let span = Span::new(at, past);
                self.strips.push((Edit { span, text: String::new(), weight: 2 }, "markdown-strip"));
            }
        }
    }
}

struct Tag {
    name: String,
    closing: bool,
    /// `<br/>` and elements that never have content.
    empty: bool,
    end: usize,
    attributes: Vec<(Span, Span)>,
}

/// The tag that starts at `at`. An unclosed one ends at the next `<` or the end of the text.
fn tag(text: &str, at: usize) -> Option<Tag> {
    let bytes = text.as_bytes();
    let closing = bytes.get(at + 1) == Some(&b'/');
    let from = at + 1 + usize::from(closing);
    let len = bytes
        .get(from..)?
        .iter()
        .take(40)
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b':'))
        .count();
    if len == 0 || !bytes[from].is_ascii_alphabetic() {
        return None;
    }
    let name = text.get(from..from + len)?.to_ascii_lowercase();
    let mut tag = Tag { empty: VOID.contains(&name.as_str()), name, closing, end: 0, attributes: Vec::new() };
    let mut i = from + len;
    while let Some(&b) = bytes.get(i) {
        match b {
            b'>' => {
                tag.empty |= bytes[i - 1] == b'/';
                tag.end = i + 1;
                return Some(tag);
            }
            b'<' => return None,
            _ if b.is_ascii_whitespace() || b == b'/' => i += 1,
            _ => {
                let start = i;
                while bytes.get(i).is_some_and(|b| !b.is_ascii_whitespace() && !matches!(b, b'=' | b'>' | b'/' | b'<'))
                {
                    i += 1;
                }
                let key = Span::new(start, i);
                let mut j = i;
                while bytes.get(j).is_some_and(u8::is_ascii_whitespace) {
                    j += 1;
                }
                if bytes.get(j) != Some(&b'=') {
                    tag.attributes.push((key, Span::new(i, i)));
                    i = i.max(start + 1);
                    continue;
                }
                j += 1;
                while bytes.get(j).is_some_and(u8::is_ascii_whitespace) {
                    j += 1;
                }
                let (value, next) = match bytes.get(j) {
                    Some(&quote @ (b'"' | b'\'')) => {
                        let len = memchr::memchr(quote, &bytes[j + 1..])?;
                        (Span::new(j + 1, j + 1 + len), j + 2 + len)
                    }
                    _ => {
                        let len = bytes[j..]
                            .iter()
                            .position(|b| b.is_ascii_whitespace() || matches!(b, b'>' | b'<'))
                            .unwrap_or(bytes.len() - j);
                        (Span::new(j, j + len), j + len)
                    }
                };
                tag.attributes.push((key, value));
                i = next;
            }
        }
    }
    None
}

const VOID: [&str; 14] =
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"];

/// Why the content of this element does not show, when it does not.
fn hides(text: &str, tag: &Tag) -> Option<&'static str> {
    match tag.name.as_str() {
        "template" | "noscript" | "script" | "style" | "title" | "head" | "object" | "noframes" | "textarea" => {
            return Some("html-unrendered");
        }
        "details" => return Some("html-details"),
        _ => {}
    }
    for (name, value) in &tag.attributes {
        let name = name.slice(text).unwrap_or_default().to_ascii_lowercase();
        let value = value.slice(text).unwrap_or_default();
        match name.as_str() {
            "hidden" => return Some("html-hidden"),
            "aria-hidden" if value.eq_ignore_ascii_case("true") => return Some("html-hidden"),
            "style" => {
                let style: String =
                    value.chars().filter(|c| !c.is_whitespace()).take(2000).map(|c| c.to_ascii_lowercase()).collect();
                if HIDING.iter().any(|h| style.contains(h)) || same_colour(&style) {
                    return Some("html-hidden-style");
                }
            }
            "color" if matches!(value.to_ascii_lowercase().as_str(), "white" | "#fff" | "#ffffff" | "transparent") => {
                return Some("html-hidden-style");
            }
            "class"
                if ["sr-only", "visually-hidden", "d-none", "hidden", "invisible"]
                    .iter()
                    .any(|c| value.split_whitespace().any(|v| v == *c)) =>
            {
                return Some("html-hidden");
            }
            _ => {}
        }
    }
    None
}

/// Text colour equal to the background, or white with no background (white on white).
fn same_colour(style: &str) -> bool {
    let value = |key: &str| {
        style.split(';').find_map(|d| d.strip_prefix(key)).map(|v| match v.trim_end_matches("!important") {
            "#fff" | "#ffffff" | "rgb(255,255,255)" | "rgba(255,255,255,1)" => "white".to_owned(),
            "#000" | "#000000" | "rgb(0,0,0)" => "black".to_owned(),
            other => other.to_owned(),
        })
    };
    let background = value("background:").or_else(|| value("background-color:"));
    match (value("color:"), background) {
        (Some(c), Some(b)) => c == b,
        (Some(c), None) => c == "white" || c.ends_with(",0)"),
        _ => false,
    }
}
