//! Splits a memory into notes and glue, and prints it back byte for byte.
//!
//! For: the unit that is scanned, compared, traced, held and merged.
//! In: text. Out: [`Document`].
//! May touch: `domain`.
//! Never: changes a byte of a note that nobody edited.

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

/// A memory's text, split without loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    text: String,
    pieces: Vec<Piece>,
}

/// One change to a document, by note number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// The note's bytes (whole `span`) go away.
    Remove(usize),
    /// The note's body becomes this text; its marker and line break stay.
    Replace(usize, String),
    /// A new list item or paragraph (as the neighbours are) after the last note under this
    /// heading text, or at the end under a new heading when there is none.
    Append {
        /// Heading text without `#`.
        heading: String,
        /// The statement, one paragraph.
        text: String,
    },
}

impl Document {
    /// Splits `text`. Total: every text is a document.
    pub fn parse(text: &str) -> Self {
        Self { text: text.to_owned(), pieces: vec![Piece::Glue(Span::new(0, text.len()))] }
    }
    /// The exact text.
    pub fn text(&self) -> &str {
        &self.text
    }
    /// The pieces in order.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }
    /// The notes in order; a note's number is its position here.
    pub fn notes(&self) -> impl Iterator<Item = &Note> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Note(note) => Some(note),
            Piece::Glue(_) => None,
        })
    }
    /// The statement of a note.
    pub fn body(&self, note: &Note) -> &str {
        note.body.slice(&self.text).unwrap_or_default()
    }
    /// Digest of a note's statement: its identity across places.
    pub fn body_digest(&self, note: &Note) -> Digest {
        Digest::of(self.body(note))
    }
}
