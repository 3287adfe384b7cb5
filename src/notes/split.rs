//! The splitter: one pass over the lines.

use memchr::memmem;

use super::line::{self, Content, Line};
use super::{Heading, Note, Piece, Shape};
use crate::domain::Span;

/// What a text was split into.
pub(super) struct Split {
    pub(super) pieces: Vec<Piece>,
    pub(super) headings: Vec<Heading>,
    pub(super) front_matter: Span,
}

/// Splits a text. Total and linear.
pub(super) fn split(text: &str) -> Split {
    let mut splitter = Splitter {
        text,
        at: 0,
        pieces: Vec::new(),
        headings: Vec::new(),
        path: Vec::new(),
        open: None,
        closers: None,
        comments_close: true,
        front_matter: Span::default(),
    };
    splitter.run();
    Split { pieces: splitter.pieces, headings: splitter.headings, front_matter: splitter.front_matter }
}

/// A note that may still grow.
struct Open {
    shape: Shape,
    span: Span,
    /// `None` while an item's marker stands alone.
    body: Option<Span>,
    lines: usize,
    quotes: usize,
    /// Column at which an item's own text starts.
    column: usize,
    /// The last line ends with a colon: `key: value` lines below are notes of their own.
    introduces: bool,
}

struct Splitter<'a> {
    text: &'a str,
    at: usize,
    pieces: Vec<Piece>,
    headings: Vec<Heading>,
    /// Headings above the current line, outermost first.
    path: Vec<(u8, Span)>,
    open: Option<Open>,
    /// Lines that can close a fence; made when the first fence is met.
    closers: Option<Closers>,
    /// False once no `-->` is left, so that many openers cost no more than one search.
    comments_close: bool,
    front_matter: Span,
}

impl Splitter<'_> {
    fn run(&mut self) {
        if self.text.starts_with('\u{FEFF}') {
            self.at = '\u{FEFF}'.len_utf8();
            self.glue(Span::new(0, self.at));
        }
        self.front_matter();
        while let Some(line) = line::line_at(self.text, self.at) {
            self.at = line.end;
            self.line(line);
        }
        self.close();
    }

    fn line(&mut self, line: Line) {
        let content = Content::of(self.text, &line);
        let whole = Span::new(line.start, line.end);
        if content.is_blank() {
            return self.glue_line(whole);
        }
        let inside_item = self.open.as_ref().is_some_and(|open| {
            open.shape == Shape::ListItem && content.indent >= open.column && content.quotes == open.quotes
        });
        if content.quotes == 0 && self.fence(&line, &content, inside_item) {
            return;
        }
        if content.quotes == 0 && !inside_item && content.indent < 4 {
            if let Some((level, title)) = line::atx_heading(self.text, &content) {
                self.glue_line(whole);
                return self.heading(level, title, whole);
            }
            if self.setext(&content, whole) {
                return;
            }
        }
        if line::is_thematic_break(self.text, &content) {
            return self.glue_line(whole);
        }
        if self.comment(&line, &content) || self.table(&line, &content) {
            return;
        }
        if let Some(marker) = line::list_marker(self.text, &content)
            && self.may_start_item(&marker, &content)
        {
            self.close();
            let body = Span::new(marker.text, content.end);
            self.open = Some(Open {
                shape: Shape::ListItem,
                span: whole,
                body: (!body.is_empty()).then_some(body),
                lines: 1,
                quotes: content.quotes,
                column: marker.column,
                introduces: false,
            });
            return;
        }
        self.plain(&content, whole, inside_item);
    }

    /// Inside a paragraph a number starts a list only when it is 1 ("born in\n1986. A good
    /// year"), and a marker needs text, as in CommonMark.
    fn may_start_item(&self, marker: &line::Marker, content: &Content) -> bool {
        let Some(open) = &self.open else { return true };
        let in_text = matches!(open.shape, Shape::Paragraph | Shape::KeyValue) && content.quotes <= open.quotes;
        !in_text || (marker.text < content.end && marker.number.is_none_or(|number| number == 1))
    }

    fn plain(&mut self, content: &Content, whole: Span, inside_item: bool) {
        // "7) x: y" below a paragraph starts no list, and must not become one when the paragraph goes.
        let marked = line::list_marker(self.text, content).is_some();
        let key_value = !inside_item && !marked && line::is_key_value(self.text, content);
        let introduces = self.text[..content.end].ends_with([':', '\u{FF1A}']);
        if let Some(open) = &mut self.open {
            let interrupts = match open.shape {
                Shape::Paragraph => key_value && open.introduces,
                // "Settings:" below a key is no part of that key's value.
                Shape::KeyValue => key_value || (introduces && !marked),
                Shape::ListItem => key_value,
                Shape::TableRow => true,
            };
            if !interrupts && content.quotes <= open.quotes {
                open.span.end = whole.end;
                open.body = Some(Span::new(open.body.map_or(content.start, |body| body.start), content.end));
                open.lines += 1;
                open.introduces = introduces;
                return;
            }
        }
        self.close();
        self.open = Some(Open {
            shape: if key_value { Shape::KeyValue } else { Shape::Paragraph },
            span: whole,
            body: Some(content.span()),
            lines: 1,
            quotes: content.quotes,
            column: 0,
            introduces,
        });
    }

    /// Fenced code. Inside an item it belongs to the item, so that a command hidden there is held
    /// with it; elsewhere it is glue when it is closed, and one line of glue when it is not.
    fn fence(&mut self, line: &Line, content: &Content, inside_item: bool) -> bool {
        let Some((mark, length, _)) = line::fence(self.text, content) else { return false };
        let closes = |content: &Content, text: &str| {
            content.quotes == 0
                && line::fence(text, content).is_some_and(|(m, l, bare)| m == mark && l >= length && bare)
        };
        if inside_item {
            let Some(mut open) = self.open.take() else { return false };
            let mut body = open.body.unwrap_or(content.span());
            (open.span.end, body.end) = (line.end, content.end);
            // The item's fence ends with the item at the latest.
            while let Some(next) = line::line_at(self.text, self.at) {
                let inner = Content::of(self.text, &next);
                if !inner.is_blank() && (inner.indent < open.column || inner.quotes != open.quotes) {
                    break;
                }
                self.at = next.end;
                if !inner.is_blank() {
                    (open.span.end, body.end) = (next.end, inner.end);
                }
                if closes(&inner, self.text) {
                    break;
                }
            }
            self.at = open.span.end;
            open.body = Some(body);
            open.lines += 1;
            open.introduces = false;
            self.open = Some(open);
            return true;
        }
        let closers = self.closers.get_or_insert_with(|| Closers::of(self.text));
        let closed = closers.any_after(line.end, mark, length);
        self.glue_line(Span::new(line.start, line.end));
        while closed && let Some(next) = line::line_at(self.text, self.at) {
            self.at = next.end;
            self.glue(Span::new(next.start, next.end));
            if closes(&Content::of(self.text, &next), self.text) {
                break;
            }
        }
        true
    }

    /// `===` or `---` turns the one line above into a heading. (Under several lines it is taken
    /// for a thematic break: a paragraph must not lose its address to the line below it.)
    fn setext(&mut self, content: &Content, whole: Span) -> bool {
        let Some(level) = line::setext_level(self.text, content) else { return false };
        let one_line = |open: &Open| open.shape == Shape::Paragraph && open.lines == 1 && open.quotes == 0;
        let Some(open) = self.open.take_if(|open| one_line(open)) else { return false };
        let span = open.span.cover(&whole);
        self.glue(span);
        self.heading(level, open.body.unwrap_or(open.span), span);
        true
    }

    /// An HTML comment is a paragraph of its own, up to its end: blank lines do not end it, so
    /// that text nobody sees rendered is one addressable statement.
    fn comment(&mut self, line: &Line, content: &Content) -> bool {
        let rest = &self.text.as_bytes()[content.start..];
        if !rest.starts_with(b"<!--") || !self.comments_close {
            return false;
        }
        let Some(found) = memmem::find(&rest[4..], b"-->") else {
            self.comments_close = false;
            return false;
        };
        self.close();
        let last_byte = content.start + 4 + found + 2;
        let (mut end, mut body_end) = (line.end, content.end);
        while end <= last_byte
            && let Some(next) = line::line_at(self.text, end)
        {
            (end, body_end) = (next.end, Content::of(self.text, &next).end);
        }
        self.at = end;
        self.note(Shape::Paragraph, Span::new(line.start, end), Span::new(content.start, body_end));
        true
    }

    /// A header row with a delimiter row below it, then rows while lines have cell borders.
    fn table(&mut self, line: &Line, content: &Content) -> bool {
        if !line::has_pipe(self.text, content) {
            return false;
        }
        let next = line::line_at(self.text, line.end).map(|next| (next, Content::of(self.text, &next)));
        let Some((delimiter, below)) = next else { return false };
        if below.quotes != content.quotes || !line::is_table_delimiter(self.text, &below) {
            return false;
        }
        self.glue_line(Span::new(line.start, delimiter.end));
        self.at = delimiter.end;
        while let Some(row) = line::line_at(self.text, self.at) {
            let cells = Content::of(self.text, &row);
            let ends = cells.quotes != content.quotes || !line::has_pipe(self.text, &cells);
            if ends || cells.is_blank() || line::fence(self.text, &cells).is_some() {
                break;
            }
            self.at = row.end;
            let (whole, body) = (Span::new(row.start, row.end), line::row_body(self.text, &cells));
            // A row of empty cells says nothing.
            let cells = &self.text.as_bytes()[body.start..body.end];
            if cells.iter().all(|byte| matches!(byte, b'|' | b' ' | b'\t')) {
                self.glue(whole);
            } else {
                self.note(Shape::TableRow, whole, body);
            }
        }
        true
    }

    fn heading(&mut self, level: u8, text: Span, span: Span) {
        self.path.retain(|(above, _)| *above < level);
        self.path.push((level, text));
        self.headings.push(Heading { text, span, level });
    }

    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        match open.body.filter(|body| !body.is_empty()) {
            Some(body) => self.note(open.shape, open.span, body),
            None => self.glue(open.span),
        }
    }

    fn note(&mut self, shape: Shape, span: Span, body: Span) {
        let headings = self.path.iter().map(|(_, text)| *text).collect();
        self.pieces.push(Piece::Note(Note { span, body, shape, headings }));
    }

    fn glue_line(&mut self, span: Span) {
        self.close();
        self.glue(span);
    }

    fn glue(&mut self, span: Span) {
        match self.pieces.last_mut() {
            Some(Piece::Glue(last)) => last.end = span.end,
            _ => self.pieces.push(Piece::Glue(span)),
        }
    }

    /// Front matter: `---`, keys, `---` or `...`, at the very start. A first line that is no key
    /// means that the `---` is a thematic break.
    fn front_matter(&mut self) {
        let start = self.at;
        let is = |line: &Line, marks: &[&str]| marks.contains(&self.text[line.start..line.text_end].trim_end());
        let Some(first) = line::line_at(self.text, start).filter(|line| is(line, &["---"])) else { return };
        let Some(second) = line::line_at(self.text, first.end) else { return };
        let content = Content::of(self.text, &second);
        let comment = self.text[content.start..content.end].starts_with('#');
        if content.indent > 0 || (line::yaml_key(self.text, &content).is_none() && !comment) {
            return;
        }
        let mut end = first.end;
        let last = loop {
            let Some(line) = line::line_at(self.text, end) else { return };
            if is(&line, &["---", "..."]) {
                break line;
            }
            end = line.end;
        };
        self.glue(Span::new(first.start, first.end));
        self.at = first.end;
        while self.at < last.start
            && let Some(line) = line::line_at(self.text, self.at)
        {
            self.at = line.end;
            self.front_matter_line(line, last.start);
        }
        self.close();
        self.glue(Span::new(last.start, last.end));
        self.at = last.end;
        self.front_matter = Span::new(start, last.end);
    }

    fn front_matter_line(&mut self, line: Line, limit: usize) {
        let content = Content::of(self.text, &line);
        let whole = Span::new(line.start, line.end);
        // A bare `#` says nothing; an edit leaves it where the last key of a front matter stood.
        if content.is_blank() || &self.text[content.start..content.end] == "#" {
            return self.glue_line(whole);
        }
        let mut open = Open {
            shape: Shape::Paragraph,
            span: whole,
            body: Some(content.span()),
            lines: 1,
            quotes: 0,
            column: content.indent,
            introduces: false,
        };
        if let Some(marker) = line::list_marker(self.text, &content).filter(|marker| marker.number.is_none()) {
            let body = Span::new(marker.text, content.end);
            open.shape = Shape::ListItem;
            open.body = (!body.is_empty()).then_some(body);
        } else if let Some(value) = line::yaml_key(self.text, &content) {
            open.shape = Shape::KeyValue;
            if self.text[value.start..value.end].starts_with(['|', '>']) {
                self.block_scalar(&mut open, limit);
            }
        } else if let Some(above) = &mut self.open
            && (content.indent > above.column || above.shape == Shape::Paragraph)
        {
            above.span.end = whole.end;
            above.body = Some(Span::new(above.body.map_or(content.start, |body| body.start), content.end));
            return;
        }
        self.close();
        self.open = Some(open);
    }

    /// The deeper lines below `key: |` are the key's value, whatever they look like.
    fn block_scalar(&mut self, open: &mut Open, limit: usize) {
        let mut at = self.at;
        while at < limit
            && let Some(line) = line::line_at(self.text, at)
        {
            at = line.end;
            let content = Content::of(self.text, &line);
            if content.is_blank() {
                continue;
            }
            if content.indent <= open.column {
                break;
            }
            self.at = line.end;
            open.span.end = line.end;
            open.body = open.body.map(|body| Span::new(body.start, content.end));
        }
    }
}

/// All lines that can close a fence, with the longest that follows, so that asking whether a
/// fence is ever closed takes no search: a thousand unclosed fences are as cheap as one.
struct Closers {
    /// Start of the line; longest closer from here on of back ticks and of tildes.
    lines: Vec<(usize, usize, usize)>,
}

impl Closers {
    fn of(text: &str) -> Self {
        let mut lines = Vec::new();
        let mut at = 0;
        while let Some(line) = line::line_at(text, at) {
            at = line.end;
            let content = Content::of(text, &line);
            match line::fence(text, &content).filter(|_| content.quotes == 0) {
                Some((b'`', length, true)) => lines.push((line.start, length, 0)),
                Some((_, length, true)) => lines.push((line.start, 0, length)),
                _ => {}
            }
        }
        let (mut ticks, mut tildes) = (0, 0);
        for line in lines.iter_mut().rev() {
            (ticks, tildes) = (line.1.max(ticks), line.2.max(tildes));
            (line.1, line.2) = (ticks, tildes);
        }
        Self { lines }
    }

    fn any_after(&self, offset: usize, mark: u8, length: usize) -> bool {
        let next = self.lines.partition_point(|(start, _, _)| *start < offset);
        self.lines.get(next).is_some_and(|(_, ticks, tildes)| length <= if mark == b'`' { *ticks } else { *tildes })
    }
}
