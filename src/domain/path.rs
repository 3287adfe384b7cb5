//! Paths of memories in a store.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::is_nfc;

/// The path of a memory: absolute (`/notes/a.md`), NFC, at most 1,024 bytes and 20 segments, no
/// empty, `.` or `..` segment, no control or format character, no U+2028/2029.
///
/// Source: the store API's limits and section 3 of the manifest format.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemoryPath(String);

/// Why a path is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadPath {
    /// Does not start with `/`, or is only `/`.
    #[error("a memory path starts with / and names something")]
    NotAbsolute,
    /// More than 1,024 bytes or 20 segments.
    #[error("a memory path has at most 1024 bytes and 20 segments")]
    TooLong,
    /// Empty, `.` or `..` segment.
    #[error("a memory path has no empty, . or .. segment")]
    Segment,
    /// Control, format or line-separator character.
    #[error("a memory path has no control, format or line-separator character")]
    Character,
    /// Not in Unicode normal form C.
    #[error("a memory path is in Unicode normal form C")]
    NotNfc,
}

impl MemoryPath {
    /// Checks and wraps.
    pub fn parse(text: &str) -> Result<Self, BadPath> {
        let Some(rest) = text.strip_prefix('/').filter(|rest| !rest.is_empty()) else {
            return Err(BadPath::NotAbsolute);
        };
        if text.len() > 1024 || rest.split('/').count() > 20 {
            return Err(BadPath::TooLong);
        }
        if rest.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return Err(BadPath::Segment);
        }
        let forbidden = |c: char| {
            matches!(get_general_category(c), GeneralCategory::Control | GeneralCategory::Format)
                || matches!(c, '\u{2028}' | '\u{2029}')
        };
        if text.chars().any(forbidden) {
            return Err(BadPath::Character);
        }
        if !is_nfc(text) {
            return Err(BadPath::NotNfc);
        }
        Ok(Self(text.to_owned()))
    }
    /// The path with its leading slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The path without its leading slash, to be joined to a folder.
    pub fn relative(&self) -> &str {
        &self.0[1..]
    }
}

impl fmt::Display for MemoryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MemoryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl Serialize for MemoryPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for MemoryPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
