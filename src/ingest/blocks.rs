//! Content blocks, as Anthropic, OpenAI and Managed Agents messages share them.

use super::Problem;
use super::draft::{Answer, Draft, Item, unknown};
use super::json::{Fault, Node, Value};
use crate::domain::{Channel, Span};

/// Who speaks in a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Voice {
    pub(super) channel: Channel,
    /// True where a program puts its own text into the speaker's turn; see [`injected`].
    pub(super) mixed: bool,
}

impl From<Channel> for Voice {
    fn from(channel: Channel) -> Self {
        Self { channel, mixed: false }
    }
}

impl Voice {
    fn of(self, text: &str) -> Channel {
        if self.mixed && injected(text) { Channel::Tool } else { self.channel }
    }
}

/// Marks of text that a program puts into a user's turn: output of commands and hooks.
const INJECTED: [&str; 8] = [
    "<local-command-stdout>",
    "<local-command-stderr>",
    "<bash-stdout>",
    "<bash-stderr>",
    "<task-notification>",
    "<command-message>",
    "<command-name>",
    "<user-prompt-submit-hook>",
];

/// True for a text that is, or holds, what a program put in: reminders quote files and hooks and
/// may stand anywhere. A user who types such a mark only loses authority by it.
fn injected(text: &str) -> bool {
    let front = text.trim_start();
    INJECTED.iter().any(|mark| front.starts_with(mark))
        || memchr::memmem::find(text.as_bytes(), b"<system-reminder>").is_some()
}

/// Text that is being collected from neighbouring blocks of one speaker.
#[derive(Default)]
struct Run {
    text: String,
    span: Option<Span>,
    channel: Option<Channel>,
}

impl Run {
    fn add(&mut self, text: &str, span: Span) {
        if self.span.is_some() {
            self.text.push('\n');
        }
        self.text.push_str(text);
        self.span = Some(self.span.map_or(span, |known| known.cover(&span)));
    }

    /// Adds what a speaker says; a change of speaker ends the run.
    fn say(&mut self, draft: &mut Draft, item: Item<'_>, voice: Voice, text: &str, span: Span) {
        let channel = voice.of(text);
        if self.channel.is_some_and(|known| known != channel) {
            self.flush(draft, item);
        }
        self.channel = Some(channel);
        self.add(text, span);
    }

    fn flush(&mut self, draft: &mut Draft, item: Item<'_>) {
        let run = std::mem::take(self);
        if let Some(span) = run.span {
            draft.message(item, run.channel.unwrap_or(Channel::Tool), run.text, span);
        }
    }
}

/// Reads a message's content: a text, or a list of blocks.
pub(super) fn content(
    raw: &str,
    draft: &mut Draft,
    item: Item<'_>,
    voice: impl Into<Voice>,
    content: &Node<'_>,
) -> Result<(), Fault> {
    let voice = voice.into();
    let mut run = Run::default();
    match &content.value {
        Value::Null => {}
        Value::String(text) => run.say(draft, item, voice, text, content.span),
        Value::Array(blocks) => {
            for block in blocks {
                one(raw, draft, item, voice, block, &mut run)?;
            }
        }
        _ => return Err(content.not("content", "a text or a list of blocks")),
    }
    run.flush(draft, item);
    Ok(())
}

fn one(
    raw: &str,
    draft: &mut Draft,
    item: Item<'_>,
    voice: Voice,
    block: &Node<'_>,
    run: &mut Run,
) -> Result<(), Fault> {
    if let Some(text) = block.str() {
        run.say(draft, item, voice, text, block.span);
        return Ok(());
    }
    let kind = block.need_text("type")?;
    match kind {
        "text" | "input_text" | "output_text" => {
            let text = block.need("text")?;
            run.say(draft, item, voice, text.expect_str("text")?, text.span);
        }
        "refusal" => {
            let text = block.need("refusal")?;
            run.say(draft, item, voice, text.expect_str("refusal")?, text.span);
        }
        // A document is data, whoever attached it.
        "document" | "search_result" => {
            run.flush(draft, item);
            let mut found = Run::default();
            passage(draft, block, &mut found)?;
            found.flush(draft, item);
        }
        "tool_use" | "server_tool_use" | "mcp_tool_use" => {
            run.flush(draft, item);
            let input = block.some("input").unwrap_or(block);
            call(raw, draft, item, block.text("id")?, block.need_text("name")?, input);
        }
        _ if is_result(kind) => {
            run.flush(draft, item);
            let answer =
                Answer { call: block.text("tool_use_id")?, name: None, is_error: Some(is_error(block, Some(false))?) };
            result(raw, draft, item, answer, block)?;
        }
        _ if is_silent(kind) => draft.skip(),
        _ => return Err(unknown(block, kind, |name| Problem::UnknownBlock { name })),
    }
    Ok(())
}

fn is_result(kind: &str) -> bool {
    kind == "tool_result" || kind.ends_with("_tool_result")
}

/// Blocks without a statement of the transcript: pictures, sounds, files by id, thinking.
fn is_silent(kind: &str) -> bool {
    matches!(
        kind,
        "image"
            | "image_url"
            | "input_image"
            | "input_audio"
            | "audio"
            | "file"
            | "input_file"
            | "container_upload"
            | "thinking"
            | "redacted_thinking"
            | "redacted"
            | "tool_reference"
            | "fallback"
    )
}

fn is_error(block: &Node<'_>, absent: Option<bool>) -> Result<bool, Fault> {
    Ok(block.flag("is_error")?.or(absent).unwrap_or(false))
}

/// A tool call: its arguments as they are written.
pub(super) fn call(raw: &str, draft: &mut Draft, item: Item<'_>, id: Option<&str>, name: &str, arguments: &Node<'_>) {
    // OpenAI writes the arguments as a text that holds JSON: what the tool saw is that text.
    let text = match arguments.str() {
        Some(text) => text.to_owned(),
        None => arguments.span.slice(raw).unwrap_or_default().to_owned(),
    };
    draft.tool_use(item, id, name, text, arguments.span);
}

/// A tool's result: all its text in one event.
pub(super) fn result(
    raw: &str,
    draft: &mut Draft,
    item: Item<'_>,
    answer: Answer<'_>,
    holder: &Node<'_>,
) -> Result<(), Fault> {
    let mut run = Run::default();
    let content = holder.some("content");
    match content.map(|node| &node.value) {
        None | Some(Value::Null) => {}
        Some(Value::Array(blocks)) => {
            for block in blocks {
                result_block(raw, draft, block, &mut run)?;
            }
        }
        Some(Value::String(text)) => run.add(text, content.map_or(holder.span, |node| node.span)),
        // Structured results (search hits, command output) are read as they are written.
        Some(_) => whole(raw, content.unwrap_or(holder), &mut run),
    }
    let span = run.span.unwrap_or_else(|| content.map_or(holder.span, |node| node.span));
    draft.tool_result(item, answer, run.text, span);
    Ok(())
}

fn whole(raw: &str, node: &Node<'_>, run: &mut Run) {
    run.add(node.span.slice(raw).unwrap_or_default(), node.span);
}

fn result_block(raw: &str, draft: &mut Draft, block: &Node<'_>, run: &mut Run) -> Result<(), Fault> {
    if let Some(text) = block.str() {
        run.add(text, block.span);
        return Ok(());
    }
    match block.text("type")? {
        Some("text" | "input_text" | "output_text") => {
            let text = block.need("text")?;
            run.add(text.expect_str("text")?, text.span);
        }
        Some("document" | "search_result") => passage(draft, block, run)?,
        Some(kind) if is_silent(kind) => draft.skip(),
        // Tools invent block types; their text is read as it is written.
        _ => whole(raw, block, run),
    }
    Ok(())
}

/// All text of a document or search result.
fn passage(draft: &mut Draft, block: &Node<'_>, run: &mut Run) -> Result<(), Fault> {
    for field in ["title", "context"] {
        if let Some(node) = block.some(field) {
            run.add(node.expect_str(field)?, node.span);
        }
    }
    if let Some(source) = block.some("source") {
        match &source.value {
            Value::String(text) => run.add(text, source.span),
            _ => source_text(draft, source, run)?,
        }
    }
    for part in block.list("content")? {
        nested_text(draft, part, run)?;
    }
    Ok(())
}

fn source_text(draft: &mut Draft, source: &Node<'_>, run: &mut Run) -> Result<(), Fault> {
    match source.need_text("type")? {
        "text" => {
            let data = source.some("data").or_else(|| source.some("text"));
            let data = data.ok_or(Fault::new(source.span.start, Problem::MissingField { field: "data" }))?;
            run.add(data.expect_str("data")?, data.span);
        }
        "content" => match source.some("content") {
            Some(content) if content.str().is_some() => run.add(content.expect_str("content")?, content.span),
            Some(content) => {
                for part in content.expect_array("content")? {
                    nested_text(draft, part, run)?;
                }
            }
            None => {}
        },
        "url" => {
            let url = source.need("url")?;
            run.add(url.expect_str("url")?, url.span);
        }
        "base64" | "file" => draft.skip(),
        kind => return Err(unknown(source, kind, |name| Problem::UnknownBlock { name })),
    }
    Ok(())
}

fn nested_text(draft: &mut Draft, part: &Node<'_>, run: &mut Run) -> Result<(), Fault> {
    match part.need_text("type")? {
        "text" => {
            let text = part.need("text")?;
            run.add(text.expect_str("text")?, text.span);
            Ok(())
        }
        kind if is_silent(kind) => {
            draft.skip();
            Ok(())
        }
        kind => Err(unknown(part, kind, |name| Problem::UnknownBlock { name })),
    }
}
