//! memgate's own JSONL; the format is described in the room's front page.

use super::draft::{Answer, Draft, Drafts, Item, scalar, time, unknown};
use super::json::{Fault, Node};
use super::{Problem, blocks, cut};
use crate::domain::Channel;

/// True for a header line.
pub(super) fn is_header(node: &Node<'_>) -> bool {
    node.get("memgate").is_some()
}

/// Reads one line.
pub(super) fn line(raw: &str, drafts: &mut Drafts, node: &Node<'_>) -> Result<(), Fault> {
    if is_header(node) {
        return header(raw, drafts.begin(node.span.start), node);
    }
    match drafts.list.last_mut() {
        Some(draft) => event(raw, draft, node),
        None => Err(Fault::new(node.span.start, Problem::NoHeader)),
    }
}

fn header(raw: &str, draft: &mut Draft, node: &Node<'_>) -> Result<(), Fault> {
    only(node, &["memgate", "session", "principal", "agent", "parent", "started", "labels"])?;
    let version = node.need("memgate")?;
    if version.span.slice(raw) != Some("1") {
        return Err(Fault::new(version.span.start, Problem::UnknownVersion));
    }
    draft.id = Some(node.need_text("session")?.to_owned());
    draft.principal = node.text("principal")?.map(str::to_owned);
    draft.agent = node.text("agent")?.map(str::to_owned);
    draft.parent = node.text("parent")?.map(str::to_owned);
    draft.started = time(node, "started")?;
    if let Some(labels) = node.some("labels") {
        if !labels.is_object() {
            return Err(labels.not("labels", "an object"));
        }
        for member in labels.members() {
            let value = scalar(raw, &member.node);
            draft.label(&member.key, value.ok_or_else(|| member.node.not("labels", "an object of plain values"))?);
        }
    }
    Ok(())
}

fn event(raw: &str, draft: &mut Draft, node: &Node<'_>) -> Result<(), Fault> {
    let item = Item::of(node, "id", "at")?;
    match node.need_text("event")? {
        "message" => {
            only(node, &["event", "role", "text", "at", "id"])?;
            let role = node.need_text("role")?;
            let channel = match role {
                "system" => Channel::System,
                "user" => Channel::User,
                "assistant" => Channel::Assistant,
                "tool" => Channel::Tool,
                "peer" => Channel::Peer,
                _ => {
                    let place = node.get("role").unwrap_or(node);
                    return Err(unknown(place, role, |name| Problem::UnknownRole { name }));
                }
            };
            let text = node.need("text")?;
            draft.message(item, channel, text.expect_str("text")?, text.span);
        }
        "tool_use" => {
            only(node, &["event", "call", "name", "arguments", "at", "id"])?;
            let arguments = node.need("arguments")?;
            blocks::call(raw, draft, item, node.text("call")?, node.need_text("name")?, arguments);
        }
        "tool_result" => {
            only(node, &["event", "call", "name", "text", "is_error", "at", "id"])?;
            let text = node.need("text")?;
            let answer =
                Answer { call: node.text("call")?, name: node.text("name")?, is_error: node.flag("is_error")? };
            draft.tool_result(item, answer, text.expect_str("text")?.to_owned(), text.span);
        }
        kind => {
            let place = node.get("event").unwrap_or(node);
            return Err(unknown(place, kind, |name| Problem::UnknownEvent { name }));
        }
    }
    Ok(())
}

/// Refuses members that the format does not have: a misspelt field must not lose its text.
fn only(node: &Node<'_>, known: &[&str]) -> Result<(), Fault> {
    match node.members().iter().find(|member| !known.contains(&&*member.key)) {
        Some(member) => Err(Fault::new(member.at, Problem::UnknownField { name: cut(&member.key) })),
        None => Ok(()),
    }
}
