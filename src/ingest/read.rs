//! From bytes to sessions: checks, detection, lines.

use std::collections::BTreeSet;

use super::draft::Drafts;
use super::json::{self, Fault, Node};
use super::{
    Context, Format, IngestError, Place, Problem, RawInput, Session, claude_code, cut, managed, messages, own,
};
use super::{MAX_ERRORS, MAX_INPUT_BYTES, MAX_LINE_BYTES, MAX_SESSIONS};

/// Says how a transcript is written down.
///
/// Reads the first JSON value only: the first line of a JSONL, the whole of anything else.
///
/// Errors: refused: not text, not JSON, or none of the known formats.
pub fn detect_format(input: &RawInput) -> Result<Format, IngestError> {
    let text = text(input)?;
    let shape = shape(text).map_err(|fault| fault.at(input))?;
    detect(&shape).ok_or_else(|| unknown_format(shape.first.span.start).at(input))
}

/// Reads all sessions of one input, in the given format or the detected one.
///
/// Errors: refused: everything found wrong, up to [`MAX_ERRORS`] places; nothing is imported then.
/// Cost: linear in the bytes (times the logarithm of the members of a JSON object).
pub fn read_sessions(
    input: &RawInput,
    format: Option<Format>,
    context: &Context,
) -> Result<Vec<Session>, Vec<IngestError>> {
    let text = text(input).map_err(|error| vec![error])?;
    let shape = shape(text).map_err(|fault| vec![fault.at(input)])?;
    let format = match format.or_else(|| detect(&shape)) {
        Some(format) => format,
        None => return Err(vec![unknown_format(shape.first.span.start).at(input)]),
    };
    let mut reader = Reader { text, format, drafts: Drafts::default() };
    let mut faults = Vec::new();
    let Shape { first, next, lines } = shape;
    faults.extend(reader.value(&first).err());
    drop(first);
    if lines {
        reader.lines(next, &mut faults);
    }
    if faults.is_empty() {
        reader.finish(input, context).map_err(|faults| located(input, faults))
    } else {
        Err(located(input, faults))
    }
}

/// The input as text. Raw NUL bytes are in no text format; everything else that is UTF-8 is
/// left as it is, for the scan to judge.
pub(super) fn text(input: &RawInput) -> Result<&str, IngestError> {
    let bytes: &[u8] = input.bytes.peek_unscanned();
    if bytes.len() > MAX_INPUT_BYTES {
        let problem = Problem::TooLarge { bytes: bytes.len(), limit: MAX_INPUT_BYTES };
        return Err(IngestError { input: input.name.clone(), place: None, problem });
    }
    if let Some(offset) = memchr::memchr(0, bytes) {
        return Err(Fault::new(offset, Problem::Binary).at(input));
    }
    std::str::from_utf8(bytes).map_err(|error| Fault::new(error.valid_up_to(), Problem::NotUtf8).at(input))
}

impl Fault {
    /// With the input's name and the line.
    pub(super) fn at(self, input: &RawInput) -> IngestError {
        located(input, vec![self]).swap_remove(0)
    }
}

/// Line numbers for all faults in one pass.
fn located(input: &RawInput, mut faults: Vec<Fault>) -> Vec<IngestError> {
    faults.sort_by_key(|fault| fault.offset);
    let bytes: &[u8] = input.bytes.peek_unscanned();
    let (mut line, mut counted) = (1, 0);
    let place = |fault: Fault| {
        let offset = fault.offset.min(bytes.len());
        line += memchr::memchr_iter(b'\n', &bytes[counted..offset]).count();
        counted = offset;
        let place = (fault.problem != Problem::Empty).then_some(Place { line, offset });
        IngestError { input: input.name.clone(), place, problem: fault.problem }
    };
    faults.into_iter().map(place).collect()
}

fn unknown_format(offset: usize) -> Fault {
    let tried = "memgate, managed-json, managed-jsonl, claude-code, anthropic, openai";
    Fault::new(offset, Problem::UnknownFormat { tried })
}

/// The first value, and whether more lines follow it.
struct Shape<'a> {
    first: Node<'a>,
    /// Where the first value's line ends.
    next: usize,
    lines: bool,
}

fn shape(text: &str) -> Result<Shape<'_>, Fault> {
    let mark = if text.starts_with('\u{FEFF}') { 3 } else { 0 };
    let start = json::skip_blank(text, mark);
    match text.as_bytes().get(start) {
        None => return Err(Fault::new(start, Problem::Empty)),
        Some(b'{' | b'[') => {}
        Some(_) => return Err(unknown_format(start)),
    }
    let (first, after) = json::value(text, start, text.len())?;
    let rest = json::skip_blank(text, after);
    if rest == text.len() {
        return Ok(Shape { first, next: rest, lines: false });
    }
    // Another value on a line of its own: JSONL. Anything else is rubbish after a document.
    if !text[after..rest].contains('\n') || first.array().is_some() {
        return Err(Fault::new(rest, Problem::BadJson { what: "something follows the value" }));
    }
    if first.span.len() > MAX_LINE_BYTES {
        return Err(Fault::new(start, Problem::LineTooLong { limit: MAX_LINE_BYTES }));
    }
    if let Some(found) = memchr::memchr(b'\n', &text.as_bytes()[start..after]) {
        return Err(Fault::new(start + found, Problem::BadJson { what: "a value of a JSONL is one line" }));
    }
    Ok(Shape { first, next: after, lines: true })
}

fn detect(shape: &Shape<'_>) -> Option<Format> {
    let first = &shape.first;
    let kind = |node: &Node<'_>| node.get("type").and_then(Node::str).is_some_and(managed::is_event_type);
    if let Some(items) = first.array() {
        let item = items.first()?;
        if kind(item) {
            return Some(Format::ManagedJson);
        }
        return item.get("role").map(|_| messages::dialect(items).unwrap_or(Format::Anthropic));
    }
    if own::is_header(first) {
        return Some(Format::Memgate);
    }
    if let Some(items) = first.get("messages").and_then(Node::array) {
        let anthropic = first.get("system").is_some();
        let plain = if anthropic { Format::Anthropic } else { Format::OpenAi };
        return Some(messages::dialect(items).unwrap_or(plain));
    }
    let list = |key: &str| first.get(key).and_then(Node::array);
    if list("data").is_some() || list("events").is_some() {
        return Some(Format::ManagedJson);
    }
    if kind(first) || managed::is_session(first) {
        return Some(Format::ManagedJsonl);
    }
    claude_code::is_line(first).then_some(Format::ClaudeCode)
}

struct Reader<'a> {
    text: &'a str,
    format: Format,
    drafts: Drafts,
}

impl Reader<'_> {
    fn value(&mut self, node: &Node<'_>) -> Result<(), Fault> {
        let (raw, start) = (self.text, node.span.start);
        let wrong = |format| Err(Fault::new(start, Problem::WrongFormat { format }));
        match self.format {
            Format::ManagedJson if node.array().is_some() || node.is_object() => {
                managed::document(raw, self.drafts.begin(start), node)
            }
            Format::ManagedJsonl if managed::is_session(node) => {
                let draft = self.drafts.begin(start);
                managed::session(raw, draft, node)
            }
            Format::ManagedJsonl if node.is_object() => managed::event(raw, self.drafts.last(start), node),
            Format::ClaudeCode if node.is_object() => claude_code::line(raw, &mut self.drafts, node),
            Format::Memgate if node.is_object() => own::line(raw, &mut self.drafts, node),
            Format::Anthropic | Format::OpenAi => {
                let draft = self.drafts.begin(start);
                match node.array() {
                    Some(items) => messages::list(raw, draft, items, self.format),
                    None if node.is_object() => messages::document(raw, draft, node, self.format),
                    None => wrong("a message list"),
                }
            }
            Format::ManagedJson => wrong("a Managed Agents event list"),
            Format::ManagedJsonl => wrong("a Managed Agents event"),
            Format::ClaudeCode => wrong("a Claude Code line"),
            Format::Memgate => wrong("memgate's own JSONL"),
        }
    }

    /// Reads line after line from `next`; a bad one does not hide the bad ones after it.
    fn lines(&mut self, next: usize, faults: &mut Vec<Fault>) {
        let bytes = self.text.as_bytes();
        let mut at = next;
        while at < bytes.len() && faults.len() < MAX_ERRORS {
            let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |found| at + found);
            let start = json::skip_blank(&self.text[..end], at);
            if start < end {
                faults.extend(self.line(start, end).err());
            }
            at = end + 1;
        }
    }

    fn line(&mut self, start: usize, end: usize) -> Result<(), Fault> {
        if end - start > MAX_LINE_BYTES {
            return Err(Fault::new(start, Problem::LineTooLong { limit: MAX_LINE_BYTES }));
        }
        let last = json::skip_blank(self.text, end) == self.text.len();
        let (node, after) = json::value(self.text, start, end).map_err(|fault| match fault.problem {
            Problem::Truncated if !last => {
                Fault::new(fault.offset, Problem::BadJson { what: "the line ends inside a value" })
            }
            _ => fault,
        })?;
        let rest = json::skip_blank(&self.text[..end], after);
        if rest < end {
            return Err(Fault::new(rest, Problem::BadJson { what: "something follows the value" }));
        }
        self.value(&node)?;
        if self.drafts.list.len() > MAX_SESSIONS {
            return Err(Fault::new(start, Problem::TooManySessions { limit: MAX_SESSIONS }));
        }
        Ok(())
    }

    fn finish(self, input: &RawInput, context: &Context) -> Result<Vec<Session>, Vec<Fault>> {
        let stem = stem(&input.name);
        let many = self.drafts.list.len() > 1;
        let mut sessions = Vec::with_capacity(self.drafts.list.len());
        let mut ids = BTreeSet::new();
        let mut faults = Vec::new();
        for (number, draft) in self.drafts.list.into_iter().enumerate() {
            let fallback = if many { format!("{stem}#{number}") } else { stem.to_owned() };
            let offset = draft.offset;
            let session = draft.finish(input, fallback, &context.principal);
            if !ids.insert(session.id.clone()) && faults.len() < MAX_ERRORS {
                faults.push(Fault::new(offset, Problem::DuplicateSession { id: cut(session.id.as_str()) }));
            }
            sessions.push(session);
        }
        if faults.is_empty() { Ok(sessions) } else { Err(faults) }
    }
}

/// An input's name without its last extension: the id of a session that has none. Folders stay,
/// so that `a/chat.json` and `b/chat.json` are two sessions.
fn stem(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, extension)) if !extension.contains('/') && !stem.is_empty() && !stem.ends_with('/') => stem,
        _ => name,
    }
}
