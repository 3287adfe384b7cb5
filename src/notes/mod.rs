//! Splits a memory into notes and glue, and prints it back byte for byte.
//!
//! For: the unit that is scanned, compared, traced, held and merged.
//! In: text. Out: [`Document`].
//! May touch: `domain`.
//! Never: changes a byte of a note that nobody edited.
//!
//! # The note model
//!
//! A memory is cut at line borders into *pieces* that follow each other without gap or overlap;
//! joined again they are the text. The cut is memgate's own and not a Markdown tree: a tree knows
//! no `key: value` lines, nests items into one another, and lets an unclosed fence or comment
//! swallow the rest of a file. Here a statement must never lose its address, because what has no
//! address cannot be held or removed alone. So, beside what Markdown says:
//!
//! - **Notes** are list items (nested ones each their own), `key: value` lines, paragraphs, table
//!   rows. A blank line ends every note. Lazy continuation lines belong to the note above.
//! - **Front matter**: the delimiters are glue; every `key: value` line in it is a note, list
//!   entries are list items, a block scalar belongs to its key, comments are paragraphs.
//! - **Glue** is blank lines, headings, thematic breaks, closed fenced code, table header and
//!   delimiter rows, empty list items, a byte order mark. Glue is scanned with the memory, but
//!   only notes can be edited.
//! - HTML blocks and comments, quoted and indented text, link definitions are notes, since each
//!   can carry hidden statements. Fenced code indented into a list item is part of that item.
//! - A fence that is never closed is one line of glue; what follows is split as usual.
//! - Line ends are LF, CRLF and lone CR, as in CommonMark.
//!
//! Cost: linear in the bytes, whatever they are.

mod edit;
mod error;
mod line;
mod split;

pub use error::NotesError;

use crate::domain::{Digest, Span};

/// The form a note has in its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// A list item with its continuation lines.
    ListItem,
    /// A `key: value` line.
    KeyValue,
    /// A paragraph.
    Paragraph,
    /// A table row.
    TableRow,
}

/// One statement inside a memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// All its bytes: marker, text, continuation lines and the final line break.
    pub span: Span,
    /// The statement itself, without marker, indent and final line break.
    pub body: Span,
    /// Its form.
    pub shape: Shape,
    /// The headings above it, outermost first, as spans of their texts.
    pub headings: Vec<Span>,
}

/// A piece of a document. Pieces follow each other without gap or overlap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Headings, blank lines, fences, front matter delimiters, code: kept as they are.
    Glue(Span),
    /// A note.
    Note(Note),
}

impl Piece {
    /// All its bytes.
    pub const fn span(&self) -> Span {
        match self {
            Self::Glue(span) => *span,
            Self::Note(note) => note.span,
        }
    }
}

/// A heading of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heading {
    /// The heading's text.
    pub text: Span,
    /// Its line or lines, with the line break.
    pub span: Span,
    /// 1 to 6.
    pub level: u8,
}

/// A memory's text, split without loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    text: String,
    pieces: Vec<Piece>,
    /// Positions of the notes in `pieces`.
    index: Vec<usize>,
    headings: Vec<Heading>,
    front_matter: Span,
}

/// One change to a document, by note number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// The note's bytes (whole `span`) go away. Where that would join what stood before and
    /// after it (two harmless halves of one order), an empty line stays in its place.
    Remove(usize),
    /// The note's body becomes this text; its marker and line break stay.
    Replace(usize, String),
    /// A new list item or paragraph (as the neighbours are) after the last note under this
    /// heading text, or at the end under a new heading when there is none.
    Append {
        /// Heading text without `#`. Empty: the part above the first heading.
        heading: String,
        /// The statement, one paragraph.
        text: String,
    },
}

impl Document {
    /// Splits `text`. Total: every text is a document.
    ///
    /// Cost: linear in the bytes.
    pub fn parse(text: &str) -> Self {
        let split = split::split(text);
        let notes = split.pieces.iter().enumerate().filter(|(_, piece)| matches!(piece, Piece::Note(_)));
        let index = notes.map(|(position, _)| position).collect();
        Self {
            text: text.to_owned(),
            pieces: split.pieces,
            index,
            headings: split.headings,
            front_matter: split.front_matter,
        }
    }
    /// The exact text.
    pub fn text(&self) -> &str {
        &self.text
    }
    /// The pieces joined again: equal to [`Document::text`], which a property test checks.
    pub fn print(&self) -> String {
        self.pieces.iter().filter_map(|piece| piece.span().slice(&self.text)).collect()
    }
    /// The pieces in order.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }
    /// The headings in order.
    pub fn headings(&self) -> &[Heading] {
        &self.headings
    }
    /// The front matter with its delimiters; empty when there is none.
    pub const fn front_matter(&self) -> Span {
        self.front_matter
    }
    /// The notes in order; a note's number is its position here.
    pub fn notes(&self) -> impl Iterator<Item = &Note> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Note(note) => Some(note),
            Piece::Glue(_) => None,
        })
    }
    /// How many notes there are.
    pub fn note_count(&self) -> usize {
        self.index.len()
    }
    /// The note with this number.
    pub fn note(&self, number: usize) -> Option<&Note> {
        match self.pieces.get(*self.index.get(number)?)? {
            Piece::Note(note) => Some(note),
            Piece::Glue(_) => None,
        }
    }
    /// The number of the note whose span covers this byte; `None` in glue or past the end.
    ///
    /// Cost: logarithmic in the notes.
    pub fn note_at(&self, offset: usize) -> Option<usize> {
        let after = self.index.partition_point(|&position| self.pieces[position].span().start <= offset);
        let number = after.checked_sub(1)?;
        (offset < self.note(number)?.span.end).then_some(number)
    }
    /// The numbers of all notes that share a byte with `span`.
    ///
    /// Cost: logarithmic in the notes, plus the answer.
    pub fn notes_in(&self, span: &Span) -> std::ops::Range<usize> {
        let first = self.index.partition_point(|&position| self.pieces[position].span().end <= span.start);
        let last = self.index.partition_point(|&position| self.pieces[position].span().start < span.end);
        if span.is_empty() { first..first } else { first..last.max(first) }
    }
    /// The statement of a note.
    pub fn body(&self, note: &Note) -> &str {
        note.body.slice(&self.text).unwrap_or_default()
    }
    /// Digest of a note's statement: its identity across places.
    pub fn body_digest(&self, note: &Note) -> Digest {
        Digest::of(self.body(note))
    }
    /// The texts of the headings above a note, outermost first.
    pub fn heading_path(&self, note: &Note) -> Vec<&str> {
        note.headings.iter().filter_map(|span| span.slice(&self.text)).collect()
    }
    /// The document with all edits made, or none.
    ///
    /// Numbers are those of `self`. Bytes that no edit names stay as they are, and every note
    /// that no edit names is a note of the result with the same bytes; this is checked by
    /// splitting the result again, so no edit can turn its neighbours into something else.
    ///
    /// Errors: refused: [`NotesError`], when a number names no note or is named twice, a text is
    /// empty or has line breaks where its shape has none, or the result would be split otherwise.
    /// Cost: linear in the text and the edits.
    pub fn apply(&self, edits: &[Edit]) -> Result<Self, NotesError> {
        edit::apply(self, edits)
    }
}

#[cfg(test)]
mod tests;
