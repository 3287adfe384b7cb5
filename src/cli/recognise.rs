//! What an input is: by content first, by name where content cannot tell.

use crate::ingest::{self, FileKind, Format, IngestError, Problem, RawInput};

/// Files that agents load as instructions, by name in lower case. Source: the documentation of the agents that
/// read them; a file of another name is examined like any memory.
const INSTRUCTIONS: [&str; 14] = [
    "agents.md",
    "agent.md",
    "claude.md",
    "claude.local.md",
    "gemini.md",
    "qwen.md",
    "skill.md",
    "copilot-instructions.md",
    ".cursorrules",
    ".windsurfrules",
    ".clinerules",
    ".goosehints",
    ".rules",
    "memory.md",
];

/// Bytes at the start of a file in which a NUL byte makes it binary.
const SNIFF_BYTES: usize = 8 * 1024;

/// What an input is read as.
#[derive(Debug)]
pub(super) enum Kind {
    /// A text that an agent reads as memory or instructions, or any other text.
    Text(&'static str),
    /// A transcript.
    Transcript(Format),
    /// A transcript by its name, with what is wrong with it. Its bytes are examined as text.
    Broken(Vec<IngestError>),
    /// Binary: not examined, and why.
    Binary(String),
    /// Not looked at by rule: what it is, in the plural.
    PassedOver(&'static str),
}

/// Says what an input is. `named` is true when the user named it; `all` when every text file is wanted.
pub(super) fn recognise(name: &str, bytes: &[u8], named: bool, all: bool) -> Kind {
    let file = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    let instructions = INSTRUCTIONS.contains(&file.as_str()) || file.ends_with(".mdc");
    if instructions {
        return Kind::Text("instructions");
    }
    match ingest::file_kind(name) {
        // A NUL byte must not be a way out of the scan: what is a memory by name is always examined.
        FileKind::Memory => Kind::Text("memory"),
        FileKind::Transcript => transcript(&file, bytes, named || all),
        FileKind::Other if named || all => {
            if let Some(why) = binary(bytes) {
                return Kind::Binary(why);
            }
            match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
                Some(b'{' | b'[') => match ingest::detect_format(&input(name, bytes)) {
                    Ok(format) => Kind::Transcript(format),
                    Err(_) => Kind::Text("text"),
                },
                _ => Kind::Text("text"),
            }
        }
        FileKind::Other => {
            Kind::PassedOver("files that are no memory, instructions or transcript; --all examines every text file")
        }
    }
}

fn transcript(file: &str, bytes: &[u8], wanted: bool) -> Kind {
    match ingest::detect_format(&input(file, bytes)) {
        Ok(format) => Kind::Transcript(format),
        Err(IngestError { problem: Problem::UnknownFormat { .. }, .. }) if wanted => Kind::Text("text"),
        Err(IngestError { problem: Problem::UnknownFormat { .. }, .. }) => {
            Kind::PassedOver("JSON files that are no transcript; --all examines them as text")
        }
        // JSON with comments and the like is common in workspaces: its bytes are examined as they are.
        Err(_) if file.ends_with(".json") && !wanted => Kind::Text("text"),
        Err(problem) => Kind::Broken(vec![problem]),
    }
}

pub(super) fn input(name: &str, bytes: &[u8]) -> RawInput {
    RawInput::new(name, bytes.to_vec())
}

fn binary(bytes: &[u8]) -> Option<String> {
    if matches!(bytes, [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..]) {
        return None;
    }
    let head = &bytes[..bytes.len().min(SNIFF_BYTES)];
    head.iter().position(|byte| *byte == 0).map(|at| format!("a binary file (a NUL byte at {at})"))
}

/// Bytes as text, and what had to be done to get it.
#[derive(Debug)]
pub(super) struct Readable {
    /// The text. Offsets are those of the bytes, unless `gap` says otherwise.
    pub(super) text: String,
    /// Why the text is not exactly the bytes.
    pub(super) gap: Option<String>,
}

/// Reads bytes as text. Total: what is not UTF-8 is replaced byte by byte, and said.
pub(super) fn readable(bytes: Vec<u8>) -> Readable {
    let utf16 = match bytes.as_slice() {
        [0xFF, 0xFE, rest @ ..] => Some((rest, u16::from_le_bytes as fn([u8; 2]) -> u16)),
        [0xFE, 0xFF, rest @ ..] => Some((rest, u16::from_be_bytes as fn([u8; 2]) -> u16)),
        _ => None,
    };
    if let Some((rest, read)) = utf16 {
        let units = rest.chunks_exact(2).map(|pair| read([pair[0], pair[1]]));
        let text: String = char::decode_utf16(units).map(|one| one.unwrap_or('\u{FFFD}')).collect();
        let gap = "the file is UTF-16: it was examined as such, and places are those of the converted text";
        return Readable { text, gap: Some(gap.to_owned()) };
    }
    match String::from_utf8(bytes) {
        Ok(text) => Readable { text, gap: None },
        Err(problem) => {
            let at = problem.utf8_error().valid_up_to();
            let bytes = problem.into_bytes();
            let mut text = String::with_capacity(bytes.len());
            for chunk in bytes.utf8_chunks() {
                text.push_str(chunk.valid());
                // One byte for one byte: every other place in the text stays where it was.
                text.extend(chunk.invalid().iter().map(|_| '\u{1A}'));
            }
            let gap =
                format!("not UTF-8 at byte {at}: bytes that are no text were replaced before the rest was examined");
            Readable { text, gap: Some(gap) }
        }
    }
}

/// Turns byte offsets into lines and columns, both from 1; columns count characters.
///
/// Cost: one pass over the bytes, then a search per offset; offsets on one line that ascend share its column count.
#[derive(Debug)]
pub(super) struct Locator<'a> {
    bytes: &'a [u8],
    starts: Vec<usize>,
    last: (usize, usize, usize),
}

impl<'a> Locator<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let starts = std::iter::once(0).chain(memchr::memchr_iter(b'\n', bytes).map(|at| at + 1)).collect();
        Self { bytes, starts, last: (0, 0, 1) }
    }

    pub(super) fn locate(&mut self, offset: usize) -> (usize, usize) {
        let offset = offset.min(self.bytes.len());
        let line = self.starts.partition_point(|start| *start <= offset);
        let (last_line, last_offset, last_column) = self.last;
        let (from, column) = if line == last_line && last_offset <= offset {
            (last_offset, last_column)
        } else {
            (self.starts.get(line.wrapping_sub(1)).copied().unwrap_or(0), 1)
        };
        let column = column + self.bytes[from..offset].iter().filter(|byte| **byte & 0xC0 != 0x80).count();
        self.last = (line, offset, column);
        (line, column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_start_at_one() {
        let text = "ab\nz\u{E9}\u{65E5}x\n";
        let mut locator = Locator::new(text.as_bytes());
        assert_eq!(locator.locate(0), (1, 1));
        assert_eq!(locator.locate(text.find('x').unwrap()), (2, 4));
        assert_eq!(locator.locate(1), (1, 2));
        assert_eq!(locator.locate(2), (1, 3));
        assert_eq!(locator.locate(3), (2, 1));
        assert_eq!(locator.locate(999), (3, 1));
    }

    #[test]
    fn bytes_that_are_no_text_keep_every_other_place() {
        let read = readable(b"ab\xFF\xFEcd".to_vec());
        assert_eq!(read.text, "ab\u{1A}\u{1A}cd");
        assert!(read.gap.unwrap().contains("byte 2"));
        let read = readable(b"\xFF\xFEh\0i\0".to_vec());
        assert_eq!(read.text, "hi");
    }

    #[test]
    fn a_nul_byte_is_no_way_out_for_a_memory() {
        assert!(matches!(recognise("notes/CLAUDE.md", b"x\0y", false, false), Kind::Text("instructions")));
        assert!(matches!(recognise("notes/a.md", b"x\0y", false, false), Kind::Text("memory")));
        assert!(matches!(recognise("a.png", b"x\0y", true, false), Kind::Binary(_)));
        assert!(matches!(recognise("a.png", b"x\0y", false, false), Kind::PassedOver(_)));
        assert!(matches!(recognise("a.sh", b"echo", true, false), Kind::Text("text")));
        assert!(matches!(recognise("a.jsonl", b"{\"type\":", false, false), Kind::Broken(_)));
        assert!(matches!(recognise("package.json", b"{\"name\":\"x\"}", false, false), Kind::PassedOver(_)));
    }
}
