//! Memories, and folders of memories and transcripts.

use std::collections::BTreeMap;

use super::{Context, Format, IngestError, MAX_MEMORY_BYTES, Memory, Problem, RawInput, Session, read};
use crate::domain::{Channel, MemoryPath, Origin, Span, Untrusted};

/// What a file in a folder is, by its name alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// `.md`, `.markdown`, `.txt`.
    Memory,
    /// `.json`, `.jsonl`, `.ndjson`.
    Transcript,
    /// Neither: counted, not read.
    Other,
}

/// What a file with this name is read as; upper and lower case are alike.
pub fn file_kind(name: &str) -> FileKind {
    let file = name.rsplit('/').next().unwrap_or(name);
    match file.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).as_deref() {
        Some("md" | "markdown" | "txt") => FileKind::Memory,
        Some("json" | "jsonl" | "ndjson") => FileKind::Transcript,
        _ => FileKind::Other,
    }
}

/// True when a walk should look into a folder of this name: version control and memgate's own
/// data are no memories. Other hidden folders (`.claude`) are where agents keep theirs.
pub fn enters_folder(name: &str) -> bool {
    !matches!(name, ".git" | ".hg" | ".svn" | ".jj" | ".memgate" | "node_modules")
}

/// Everything a folder holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Memories by path, ascending.
    pub memories: Vec<Memory>,
    /// Sessions in the order of the inputs' names.
    pub sessions: Vec<Session>,
    /// Names of inputs that are neither, ascending.
    pub ignored: Vec<String>,
}

/// Reads one memory document.
///
/// `path` is relative to the store's root, with `/` between its parts. The origin covers the
/// whole text; its channel is memory and its authority what the context says.
///
/// Errors: refused: not UTF-8 text, too large, or a path no memory can have.
pub fn read_memory(path: &str, input: &RawInput, context: &Context) -> Result<Memory, IngestError> {
    let whole = |problem| IngestError { input: input.name.clone(), place: None, problem };
    let path = MemoryPath::parse(&format!("/{path}")).map_err(|error| whole(Problem::BadPath(error)))?;
    let bytes = input.bytes.len();
    if bytes > MAX_MEMORY_BYTES {
        return Err(whole(Problem::MemoryTooLarge { bytes, limit: MAX_MEMORY_BYTES }));
    }
    let text = read::text(input)?;
    let origin = Origin {
        input: input.name.clone(),
        input_digest: input.digest,
        session: None,
        event: None,
        span: Span::new(0, bytes),
        channel: Channel::Memory,
        principal: context.principal.clone(),
        authority: context.memory_authority,
        at: None,
    };
    Ok(Memory { path, text: Untrusted::new(text.to_owned()), origin })
}

/// Reads a folder's files: all of them, or nothing with every bad file named.
///
/// Inputs' names are paths relative to the folder. The format, where given, is that of all
/// transcripts. The order of the inputs does not matter.
///
/// Errors: refused: what [`read_memory`] and [`super::read_sessions`] refuse, and two memories or
/// sessions with one name.
pub fn read_folder(
    inputs: &[RawInput],
    format: Option<Format>,
    context: &Context,
) -> Result<Imported, Vec<IngestError>> {
    let mut sorted: Vec<&RawInput> = inputs.iter().collect();
    sorted.sort_by(|a, b| (&a.name, a.digest).cmp(&(&b.name, b.digest)));
    let mut imported = Imported::default();
    let mut errors = Vec::new();
    for input in sorted {
        match file_kind(&input.name) {
            FileKind::Memory => match read_memory(&input.name, input, context) {
                Ok(memory) => imported.memories.push(memory),
                Err(error) => errors.push(error),
            },
            FileKind::Transcript => match read::read_sessions(input, format, context) {
                Ok(sessions) => imported.sessions.extend(sessions),
                Err(found) => errors.extend(found),
            },
            FileKind::Other => imported.ignored.push(input.name.clone()),
        }
    }
    imported.memories.sort_by(|a, b| a.path.cmp(&b.path));
    for pair in imported.memories.windows(2) {
        if pair[0].path == pair[1].path {
            let input = pair[1].origin.input.clone();
            errors.push(IngestError { input, place: None, problem: Problem::DuplicatePath });
        }
    }
    let mut seen = BTreeMap::new();
    for session in &imported.sessions {
        if seen.insert(&session.id, ()).is_some() {
            let problem = Problem::DuplicateSession { id: super::cut(session.id.as_str()) };
            errors.push(IngestError { input: session.input.clone(), place: None, problem });
        }
    }
    if errors.is_empty() { Ok(imported) } else { Err(errors) }
}
