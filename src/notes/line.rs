//! What one line looks like, without its neighbours.

use crate::domain::Span;

/// A line by byte offsets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    /// First byte.
    pub(super) start: usize,
    /// First byte of the line break, or the end of the text.
    pub(super) text_end: usize,
    /// One past the line break.
    pub(super) end: usize,
}

/// The line that starts at `start`; `None` at the end of the text.
pub(super) fn line_at(text: &str, start: usize) -> Option<Line> {
    let bytes = text.as_bytes();
    if start >= bytes.len() {
        return None;
    }
    let Some(found) = memchr::memchr2(b'\n', b'\r', &bytes[start..]) else {
        return Some(Line { start, text_end: bytes.len(), end: bytes.len() });
    };
    let text_end = start + found;
    let crlf = bytes[text_end] == b'\r' && bytes.get(text_end + 1) == Some(&b'\n');
    Some(Line { start, text_end, end: text_end + if crlf { 2 } else { 1 } })
}

/// A line without its quote marks and indent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Content {
    /// First byte after quote marks and indent.
    pub(super) start: usize,
    /// One past the last byte that is not trailing white space.
    pub(super) end: usize,
    /// How many `>` stand before it.
    pub(super) quotes: usize,
    /// Columns of white space after the quote marks, a tab reaching to the next multiple of four.
    pub(super) indent: usize,
}

impl Content {
    /// Reads the front and the back of a line.
    pub(super) fn of(text: &str, line: &Line) -> Self {
        let bytes = &text.as_bytes()[..line.text_end];
        let (mut at, mut quotes, mut indent) = (line.start, 0, 0);
        loop {
            match bytes.get(at) {
                Some(b' ') => indent += 1,
                Some(b'\t') => indent += 4 - indent % 4,
                // More than three columns before the first `>` is code in Markdown, but a quote in
                // the eyes of an agent; the statement is a note either way.
                Some(b'>') => {
                    quotes += 1;
                    indent = 0;
                    if bytes.get(at + 1) == Some(&b' ') {
                        at += 1;
                    }
                }
                _ => break,
            }
            at += 1;
        }
        let mut end = line.text_end;
        while end > at && matches!(bytes[end - 1], b' ' | b'\t') {
            end -= 1;
        }
        Self { start: at, end, quotes, indent }
    }
    pub(super) const fn is_blank(&self) -> bool {
        self.start == self.end
    }
    pub(super) const fn span(&self) -> Span {
        Span::new(self.start, self.end)
    }
}

/// `# text`: level and text.
pub(super) fn atx_heading(text: &str, content: &Content) -> Option<(u8, Span)> {
    let body = &text.as_bytes()[content.start..content.end];
    let level = body.iter().take(7).take_while(|&&byte| byte == b'#').count();
    if level == 0 || level > 6 || !matches!(body.get(level), None | Some(b' ' | b'\t')) {
        return None;
    }
    let inner = trim(text, Span::new(content.start + level, content.end));
    // A closing run of # is no text when white space or nothing stands before it.
    let bytes = text.as_bytes();
    let mut end = inner.end;
    while end > inner.start && bytes[end - 1] == b'#' {
        end -= 1;
    }
    let closing = end < inner.end && (end == inner.start || matches!(bytes[end - 1], b' ' | b'\t'));
    let inner = if closing { trim(text, Span::new(inner.start, end)) } else { inner };
    Some((u8::try_from(level).unwrap_or(6), inner))
}

/// `===` or `---` under a line of text: the level.
pub(super) fn setext_level(text: &str, content: &Content) -> Option<u8> {
    let body = &text.as_bytes()[content.start..content.end];
    let level = match body.first() {
        Some(b'=') => 1,
        Some(b'-') => 2,
        _ => return None,
    };
    (content.indent < 4 && body.len() >= 2 && body.iter().all(|byte| *byte == body[0])).then_some(level)
}

/// `---`, `* * *`, `___`.
pub(super) fn is_thematic_break(text: &str, content: &Content) -> bool {
    let body = &text.as_bytes()[content.start..content.end];
    let Some(mark @ (b'-' | b'*' | b'_')) = body.first() else { return false };
    body.iter().all(|byte| byte == mark || matches!(byte, b' ' | b'\t'))
        && body.iter().filter(|byte| *byte == mark).take(3).count() == 3
}

/// A fence line: its character, its length, and whether it could close (nothing follows).
pub(super) fn fence(text: &str, content: &Content) -> Option<(u8, usize, bool)> {
    let body = &text.as_bytes()[content.start..content.end];
    let mark @ (b'`' | b'~') = *body.first()? else { return None };
    let length = body.iter().take_while(|byte| **byte == mark).count();
    let info = &body[length..];
    // ```like this``` is code inside a paragraph.
    let inline = mark == b'`' && memchr::memchr(b'`', info).is_some();
    (length >= 3 && !inline).then_some((mark, length, info.is_empty()))
}

/// A list marker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marker {
    /// First byte of the item's text.
    pub(super) text: usize,
    /// Column at which the item's text starts, from the quote marks on.
    pub(super) column: usize,
    /// The number of an ordered item.
    pub(super) number: Option<u32>,
}

/// `- `, `* `, `+ `, `1. `, `1) `, or the same at the end of a line.
pub(super) fn list_marker(text: &str, content: &Content) -> Option<Marker> {
    let body = &text.as_bytes()[content.start..content.end];
    let (width, number) = match body.first()? {
        b'-' | b'*' | b'+' => (1, None),
        b'0'..=b'9' => {
            let digits = body.iter().take(10).take_while(|byte| byte.is_ascii_digit()).count();
            if digits > 9 || !matches!(body.get(digits), Some(b'.' | b')')) {
                return None;
            }
            (digits + 1, text.get(content.start..content.start + digits)?.parse().ok())
        }
        _ => return None,
    };
    let mut column = content.indent + width;
    let mut at = width;
    while let Some(byte @ (b' ' | b'\t')) = body.get(at) {
        column += if *byte == b' ' { 1 } else { 4 - column % 4 };
        at += 1;
    }
    if at == width && at < body.len() {
        return None;
    }
    // Five columns or more after the marker are the item's own indent, not the marker's.
    if at == width || column - content.indent - width > 4 {
        column = content.indent + width + 1;
    }
    Some(Marker { text: content.start + at, column, number })
}

/// `key: value` with a short key.
///
/// Source: own design. A key is at most 64 bytes and five words, without sentence punctuation;
/// bold and code marks around it are allowed, and so are link definitions (`[name]: target`).
pub(super) fn is_key_value(text: &str, content: &Content) -> bool {
    const KEY_BYTES: usize = 64;
    const KEY_WORDS: usize = 5;
    let Some(body) = content.span().slice(text) else { return false };
    if body.starts_with(['<', '|', '#']) {
        return false;
    }
    let (mut words, mut in_word) = (0, false);
    for (at, c) in body.char_indices() {
        if at > KEY_BYTES {
            return false;
        }
        let rest = &body[at + c.len_utf8()..];
        match c {
            ':' | '\u{FF1A}' => {
                let value = rest.trim_start_matches(['*', '_', '`']);
                if c == '\u{FF1A}' || value.starts_with([' ', '\t']) {
                    return (1..=KEY_WORDS).contains(&words) && !value.trim_start().is_empty();
                }
            }
            '.' | ',' | ';' | '!' | '?' if rest.starts_with([' ', '\t']) => return false,
            '|' => return false,
            _ => {}
        }
        let space = matches!(c, ' ' | '\t');
        words += usize::from(!space && !in_word);
        in_word = !space;
    }
    false
}

/// `key:` with or without a value, as in front matter: where the value stands.
pub(super) fn yaml_key(text: &str, content: &Content) -> Option<Span> {
    const KEY_BYTES: usize = 128;
    let body = &text.as_bytes()[content.start..content.end];
    if matches!(body.first(), None | Some(b'#' | b'-' | b'<')) {
        return None;
    }
    let colon = body
        .iter()
        .take(KEY_BYTES)
        .enumerate()
        .position(|(at, byte)| *byte == b':' && matches!(body.get(at + 1), None | Some(b' ' | b'\t')))?;
    (colon > 0).then(|| trim(text, Span::new(content.start + colon + 1, content.end)))
}

/// The delimiter row of a table, `| --- | :-: |`.
pub(super) fn is_table_delimiter(text: &str, content: &Content) -> bool {
    let body = &text.as_bytes()[content.start..content.end];
    matches!(body.first(), Some(b'|' | b'-' | b':'))
        && body.iter().all(|byte| matches!(byte, b'|' | b'-' | b':' | b' ' | b'\t'))
        && memchr::memchr(b'|', body).is_some()
        && memchr::memchr(b'-', body).is_some()
}

/// True when the line has a cell border.
pub(super) fn has_pipe(text: &str, content: &Content) -> bool {
    memchr::memchr(b'|', &text.as_bytes()[content.start..content.end]).is_some()
}

/// A table row's text without its outer borders.
pub(super) fn row_body(text: &str, content: &Content) -> Span {
    let body = &text.as_bytes()[content.start..content.end];
    let start = content.start + usize::from(body.first() == Some(&b'|'));
    let escaped = body.len() >= 2 && body[body.len() - 2] == b'\\';
    let end = content.end - usize::from(body.last() == Some(&b'|') && !escaped);
    trim(text, Span::new(start, end))
}

/// The range without spaces and tabs at its ends.
pub(super) fn trim(text: &str, span: Span) -> Span {
    let bytes = text.as_bytes();
    let (mut start, mut end) = (span.start, span.end);
    while start < end && matches!(bytes[start], b' ' | b'\t') {
        start += 1;
    }
    while end > start && matches!(bytes[end - 1], b' ' | b'\t') {
        end -= 1;
    }
    Span::new(start, end)
}
