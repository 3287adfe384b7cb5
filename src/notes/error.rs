//! Why an edit is refused.

use crate::domain::{Coded, Family};

/// Why an edit of a document is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotesError {
    /// No note has this number.
    #[error("there is no note number {note}: the document has {count}")]
    NoSuchNote {
        /// The number asked for.
        note: usize,
        /// How many notes there are.
        count: usize,
    },
    /// Two edits name one note.
    #[error("two edits name note {note}")]
    EditedTwice {
        /// The note.
        note: usize,
    },
    /// A text is empty or only white space.
    #[error("the new text is empty")]
    EmptyText,
    /// A line break where the shape has one line only.
    #[error("the new text has a line break, and a {shape} has none")]
    LineBreak {
        /// The shape, for people.
        shape: &'static str,
    },
    /// A heading with a line break, or one that would not be a heading.
    #[error("the heading is not one line of plain text")]
    BadHeading,
    /// The result would be split into other notes than the edits say.
    #[error("the edits would change the structure around note {note}")]
    WouldRestructure {
        /// The first note of the result that would differ.
        note: usize,
    },
}

impl Coded for NotesError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoSuchNote { .. } => "notes-no-such-note",
            Self::EditedTwice { .. } => "notes-edited-twice",
            Self::EmptyText => "notes-empty-text",
            Self::LineBreak { .. } => "notes-line-break",
            Self::BadHeading => "notes-bad-heading",
            Self::WouldRestructure { .. } => "notes-would-restructure",
        }
    }
    fn family(&self) -> Family {
        Family::Refused
    }
    fn remedy(&self) -> &'static str {
        match self {
            Self::NoSuchNote { .. } => "split the text again and use the numbers of that split",
            Self::EditedTwice { .. } => "make one edit of a note at a time",
            Self::EmptyText => "remove the note instead of emptying it",
            Self::LineBreak { .. } => "write the statement in one line",
            Self::BadHeading => "name a heading by its text alone, without # and line breaks",
            Self::WouldRestructure { .. } => {
                "write the statement as plain text, without headings, list markers, fences or blank lines"
            }
        }
    }
}
