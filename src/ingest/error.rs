//! Why an input is refused, and where.

use std::fmt;

use crate::domain::path::BadPath;
use crate::domain::{Coded, Family};

/// Where in an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Byte offset in the raw input, from 0.
    pub offset: usize,
}

/// One reason why an input is refused. A refused input leaves nothing behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngestError {
    /// Name of the input. Untrusted: `Display` escapes it.
    pub input: String,
    /// Where, when it is one place.
    pub place: Option<Place>,
    /// What is wrong.
    pub problem: Problem,
}

/// What can be wrong with an input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// No bytes, or white space only.
    #[error("the input is empty")]
    Empty,
    /// More bytes than an input may have.
    #[error("the input has {bytes} bytes, more than {limit}")]
    TooLarge {
        /// What it has.
        bytes: usize,
        /// What it may have.
        limit: usize,
    },
    /// A NUL byte: not text.
    #[error("a NUL byte: this is a binary file")]
    Binary,
    /// Bytes that are not UTF-8.
    #[error("the bytes are not UTF-8")]
    NotUtf8,
    /// Text that is not JSON.
    #[error("not JSON: {what}")]
    BadJson {
        /// What was expected.
        what: &'static str,
    },
    /// The input ends inside a value.
    #[error("the input ends inside a JSON value")]
    Truncated,
    /// Two equal keys in one object.
    #[error("the key \"{key}\" stands twice in one object")]
    DuplicateKey {
        /// The key, cut and escaped.
        key: String,
    },
    /// Half of a UTF-16 pair.
    #[error("an escape is half of a surrogate pair")]
    LoneSurrogate,
    /// Nesting beyond the limit.
    #[error("JSON values are nested deeper than {limit}")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// More values than one JSON document may have.
    #[error("more than {limit} JSON values in one document or line")]
    TooManyValues {
        /// The limit.
        limit: usize,
    },
    /// A line beyond the limit.
    #[error("a line of more than {limit} bytes")]
    LineTooLong {
        /// The limit.
        limit: usize,
    },
    /// No known format.
    #[error("no known transcript format; tried {tried}")]
    UnknownFormat {
        /// The formats that were tried.
        tried: &'static str,
    },
    /// The value does not have the form of the format.
    #[error("not the form of {format}")]
    WrongFormat {
        /// The format.
        format: &'static str,
    },
    /// An event type that is not known.
    #[error("unknown event type \"{name}\"")]
    UnknownEvent {
        /// The type, cut and escaped.
        name: String,
    },
    /// A role that is not known.
    #[error("unknown role \"{name}\"")]
    UnknownRole {
        /// The role, cut and escaped.
        name: String,
    },
    /// A content block type that is not known.
    #[error("unknown content block type \"{name}\"")]
    UnknownBlock {
        /// The type, cut and escaped.
        name: String,
    },
    /// A field that has to be there.
    #[error("the field `{field}` is missing")]
    MissingField {
        /// The field.
        field: &'static str,
    },
    /// A field of the wrong type.
    #[error("the field `{field}` is not {expected}")]
    BadField {
        /// The field.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// A field that memgate's own format does not have.
    #[error("unknown field \"{name}\"")]
    UnknownField {
        /// The field, cut and escaped.
        name: String,
    },
    /// A version of memgate's own format that is not known.
    #[error("the format version is not 1")]
    UnknownVersion,
    /// An event before the header line that names its session.
    #[error("the first line is no session header")]
    NoHeader,
    /// One page of a longer event list.
    #[error("the event list goes on on another page")]
    IncompleteList,
    /// A memory beyond the limit.
    #[error("the memory has {bytes} bytes, more than {limit}")]
    MemoryTooLarge {
        /// What it has.
        bytes: usize,
        /// What it may have.
        limit: usize,
    },
    /// A path that no memory can have.
    #[error("not a memory path: {0}")]
    BadPath(#[source] BadPath),
    /// Two memories with one path.
    #[error("another input has the same memory path")]
    DuplicatePath,
    /// Two sessions with one id.
    #[error("the session id \"{id}\" stands for two sessions")]
    DuplicateSession {
        /// The id, cut and escaped.
        id: String,
    },
    /// More sessions than one input may have.
    #[error("more than {limit} sessions in one input")]
    TooManySessions {
        /// The limit.
        limit: usize,
    },
}

impl Coded for Problem {
    fn code(&self) -> &'static str {
        match self {
            Self::Empty => "ingest-empty",
            Self::TooLarge { .. } => "ingest-too-large",
            Self::Binary => "ingest-binary",
            Self::NotUtf8 => "ingest-not-utf8",
            Self::BadJson { .. } => "ingest-bad-json",
            Self::Truncated => "ingest-truncated",
            Self::DuplicateKey { .. } => "ingest-duplicate-key",
            Self::LoneSurrogate => "ingest-lone-surrogate",
            Self::TooDeep { .. } => "ingest-too-deep",
            Self::TooManyValues { .. } => "ingest-too-many-values",
            Self::LineTooLong { .. } => "ingest-line-too-long",
            Self::UnknownFormat { .. } => "ingest-unknown-format",
            Self::WrongFormat { .. } => "ingest-wrong-format",
            Self::UnknownEvent { .. } => "ingest-unknown-event",
            Self::UnknownRole { .. } => "ingest-unknown-role",
            Self::UnknownBlock { .. } => "ingest-unknown-block",
            Self::MissingField { .. } => "ingest-missing-field",
            Self::BadField { .. } => "ingest-bad-field",
            Self::UnknownField { .. } => "ingest-unknown-field",
            Self::UnknownVersion => "ingest-unknown-version",
            Self::NoHeader => "ingest-no-header",
            Self::IncompleteList => "ingest-incomplete-list",
            Self::MemoryTooLarge { .. } => "ingest-memory-too-large",
            Self::BadPath(_) => "ingest-bad-path",
            Self::DuplicatePath => "ingest-duplicate-path",
            Self::DuplicateSession { .. } => "ingest-duplicate-session",
            Self::TooManySessions { .. } => "ingest-too-many-sessions",
        }
    }
    fn family(&self) -> Family {
        Family::Refused
    }
    fn remedy(&self) -> &'static str {
        match self {
            Self::Empty => "name a file that holds a transcript, or leave this one out",
            Self::TooLarge { .. } | Self::TooManyValues { .. } => "split the input into smaller files",
            Self::Binary => "leave the file out; only text is read",
            Self::NotUtf8 => "convert the file to UTF-8, or leave it out",
            Self::BadJson { .. } => "export the transcript again, or correct the JSON at this place",
            Self::Truncated => "export the transcript again; the end of it is missing",
            Self::DuplicateKey { .. } => "keep one of the two; readers would disagree on which one counts",
            Self::LoneSurrogate => "export the transcript again with whole characters",
            Self::TooDeep { .. } => "leave the value out; no transcript format nests this deep",
            Self::LineTooLong { .. } => "shorten the line, or leave the event out",
            Self::UnknownFormat { .. } => "name the format with --session-format, or convert to memgate's own JSONL",
            Self::WrongFormat { .. } => "leave the format out to have it detected, or name the right one",
            Self::UnknownEvent { .. } | Self::UnknownRole { .. } | Self::UnknownBlock { .. } => {
                "remove the item, or convert the transcript to memgate's own JSONL"
            }
            Self::MissingField { .. } | Self::BadField { .. } => "correct the field at this place",
            Self::UnknownField { .. } => "check the spelling against the format's description",
            Self::UnknownVersion => "write \"memgate\":1 in the header line",
            Self::NoHeader => "begin the file with a line such as {\"memgate\":1,\"session\":\"s1\"}",
            Self::IncompleteList => "fetch all pages and join their lists",
            Self::MemoryTooLarge { .. } => "split the memory into several files",
            Self::BadPath(_) => "rename the file",
            Self::DuplicatePath => "rename or remove one of the two",
            Self::DuplicateSession { .. } => "remove the copy, or give the session an id of its own",
            Self::TooManySessions { .. } => "split the input into several files",
        }
    }
}

impl fmt::Display for IngestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A file name can hold terminal escapes.
        write!(f, "{}", super::cut_to(&self.input, 256))?;
        if let Some(place) = self.place {
            write!(f, ", line {} (byte {})", place.line, place.offset)?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl std::error::Error for IngestError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.problem)
    }
}

impl Coded for IngestError {
    fn code(&self) -> &'static str {
        self.problem.code()
    }
    fn family(&self) -> Family {
        self.problem.family()
    }
    fn remedy(&self) -> &'static str {
        self.problem.remedy()
    }
}
