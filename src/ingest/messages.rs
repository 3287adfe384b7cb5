//! Anthropic and OpenAI message arrays.

use super::blocks;
use super::draft::{Answer, Draft, Item, scalar, time, unknown};
use super::json::{Fault, Node};
use super::{Format, Problem};
use crate::domain::{Channel, Timestamp};

/// Which of the two message formats a value is, by what only one of them has. `None` when it
/// could be either; both read the same then.
pub(super) fn dialect(messages: &[Node<'_>]) -> Option<Format> {
    for message in messages {
        match message.get("role").and_then(Node::str) {
            Some("system" | "developer" | "tool" | "function") => return Some(Format::OpenAi),
            _ if message.get("tool_calls").is_some() || message.get("function_call").is_some() => {
                return Some(Format::OpenAi);
            }
            _ => {}
        }
        for block in message.get("content").and_then(Node::array).unwrap_or(&[]) {
            match block.get("type").and_then(Node::str) {
                Some("image_url" | "input_text" | "output_text" | "refusal" | "input_audio") => {
                    return Some(Format::OpenAi);
                }
                Some("text") | None => {}
                Some(_) => return Some(Format::Anthropic),
            }
        }
    }
    None
}

/// Reads an object with `messages` and, around them, the session's own fields.
pub(super) fn document(raw: &str, draft: &mut Draft, node: &Node<'_>, format: Format) -> Result<(), Fault> {
    let messages = node.need("messages")?.expect_array("messages")?;
    for member in node.members() {
        let value = || scalar(raw, &member.node);
        match &*member.key {
            "messages" | "system" | "tools" => {}
            "id" | "session_id" if draft.id.is_none() => draft.id = value(),
            "user" | "user_id" | "principal" if draft.principal.is_none() => draft.principal = value(),
            "model" | "agent" if draft.agent.is_none() => draft.agent = value(),
            "parent" => draft.parent = value(),
            "metadata" => {
                for member in member.node.members() {
                    let Some(value) = scalar(raw, &member.node) else { continue };
                    if member.key == "user_id" && draft.principal.is_none() {
                        draft.principal = Some(value.clone());
                    }
                    draft.label(&member.key, value);
                }
            }
            // What the harness knows beyond the words, as JSON text: read by the grader only.
            key @ ("state" | "task" | "trace") if !member.node.members().is_empty() => {
                draft.label(&format!("artifacts.{key}"), member.node.span.slice(raw).unwrap_or_default());
            }
            key => {
                if let Some(value) = value() {
                    draft.label(key, value);
                }
            }
        }
    }
    for field in ["created_at", "started_at"] {
        if draft.started.is_none() {
            draft.started = claimed_time(node, field);
        }
    }
    if let Some(system) = node.some("system") {
        blocks::content(raw, draft, Item::default(), Channel::System, system)?;
    }
    list(raw, draft, messages, format)
}

/// Reads the messages.
pub(super) fn list(raw: &str, draft: &mut Draft, messages: &[Node<'_>], format: Format) -> Result<(), Fault> {
    messages.iter().try_for_each(|message| self::message(raw, draft, message, format))
}

/// A time that an export added in a way of its own: the format has none, so other spellings
/// (seconds, local times) are no error and no claim either.
fn claimed_time(node: &Node<'_>, field: &'static str) -> Option<Timestamp> {
    time(node, field).ok().flatten()
}

fn message(raw: &str, draft: &mut Draft, node: &Node<'_>, format: Format) -> Result<(), Fault> {
    let item = Item { id: node.text("id")?, at: claimed_time(node, "timestamp") };
    let role = node.need_text("role")?;
    let empty = Node { span: node.span, value: super::json::Value::Null };
    let content = node.get("content").unwrap_or(&empty);
    match (role, format) {
        ("user", _) => blocks::content(raw, draft, item, Channel::User, content),
        ("assistant", _) => {
            draft.turn();
            let before = draft.len();
            blocks::content(raw, draft, item, Channel::Assistant, content)?;
            if let Some(refusal) = node.some("refusal") {
                draft.message(item, Channel::Assistant, refusal.expect_str("refusal")?, refusal.span);
            }
            for call in node.list("tool_calls")? {
                self::call(
                    raw,
                    draft,
                    item,
                    call.text("id")?,
                    call.some("function").or_else(|| call.some("custom")).unwrap_or(call),
                )?;
            }
            if let Some(call) = node.some("function_call") {
                self::call(raw, draft, item, None, call)?;
            }
            // A turn that says and calls nothing: the export left its calls out.
            if draft.len() == before {
                draft.skip();
            }
            Ok(())
        }
        ("system" | "developer", Format::OpenAi) | ("system", _) => {
            blocks::content(raw, draft, item, Channel::System, content)
        }
        ("tool" | "function", Format::OpenAi) => {
            let answer =
                Answer { call: node.text("tool_call_id")?, name: node.text("name")?, is_error: node.flag("is_error")? };
            blocks::result(raw, draft, item, answer, node)
        }
        _ => Err(unknown(node.get("role").unwrap_or(node), role, |name| Problem::UnknownRole { name })),
    }
}

fn call(raw: &str, draft: &mut Draft, item: Item<'_>, id: Option<&str>, node: &Node<'_>) -> Result<(), Fault> {
    let arguments = node.some("arguments").or_else(|| node.some("input")).unwrap_or(node);
    blocks::call(raw, draft, item, id, node.need_text("name")?, arguments);
    Ok(())
}
