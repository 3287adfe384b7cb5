//! Managed Agents event lists.

use super::Problem;
use super::blocks;
use super::draft::{Answer, Draft, Item, scalar, time, unknown};
use super::json::{Fault, Node, Value};
use crate::domain::Channel;

/// True for the type names of this format.
pub(super) fn is_event_type(kind: &str) -> bool {
    ["user.", "agent.", "system.", "session.", "span.", "workflow_run."].iter().any(|head| kind.starts_with(head))
}

/// True for a session object.
pub(super) fn is_session(node: &Node<'_>) -> bool {
    node.get("type").and_then(Node::str) == Some("session")
}

/// Reads a whole document: a list of events, or an object that holds one under `data` or
/// `events`, with or without the session's own fields around it.
pub(super) fn document(raw: &str, draft: &mut Draft, node: &Node<'_>) -> Result<(), Fault> {
    if let Some(events) = node.array() {
        return events.iter().try_for_each(|event| self::event(raw, draft, event));
    }
    // One page of several would leave the rest of the transcript unread without a word.
    let more = node.flag("has_more")?.unwrap_or(false);
    if let Some(place) = node.some("next_page").or_else(|| node.get("has_more").filter(|_| more)) {
        return Err(Fault::new(place.span.start, Problem::IncompleteList));
    }
    match node.some("session") {
        Some(session) if session.is_object() => self::session(raw, draft, session)?,
        _ => session(raw, draft, node)?,
    }
    let field = if node.some("data").is_some() { "data" } else { "events" };
    for event in node.need(field)?.expect_array(field)? {
        self::event(raw, draft, event)?;
    }
    Ok(())
}

/// Reads a session object's id, agent, times, principal and labels.
pub(super) fn session(raw: &str, draft: &mut Draft, node: &Node<'_>) -> Result<(), Fault> {
    let id = match node.text("session_id")?.or(node.text("id")?) {
        Some(id) => Some(id),
        None => node.some("session").and_then(Node::str),
    };
    draft.id = id.map(str::to_owned);
    draft.started = time(node, "created_at")?;
    draft.parent = node.text("parent_session_id")?.map(str::to_owned);
    draft.agent = match node.some("agent").map(|agent| (&agent.value, agent)) {
        None => None,
        Some((Value::String(name), _)) => Some(name.clone().into_owned()),
        Some((_, agent)) => agent.text("name")?.or(agent.text("id")?).map(str::to_owned),
    };
    if let Some(metadata) = node.some("metadata") {
        for member in metadata.members() {
            let Some(value) = scalar(raw, &member.node) else { continue };
            if matches!(&*member.key, "principal" | "user_id" | "user") && draft.principal.is_none() {
                draft.principal = Some(value.clone());
            }
            draft.label(&member.key, value);
        }
    }
    if let Some(title) = node.text("title")? {
        draft.label("title", title);
    }
    Ok(())
}

/// Reads one event.
pub(super) fn event(raw: &str, draft: &mut Draft, node: &Node<'_>) -> Result<(), Fault> {
    let kind = node.need_text("type")?;
    let item = Item::of(node, "id", "processed_at")?;
    match kind {
        "user.message" => {
            draft.turn();
            blocks::content(raw, draft, item, Channel::User, node.need("content")?)
        }
        "agent.message" | "agent.thread_message_sent" => {
            blocks::content(raw, draft, item, Channel::Assistant, node.need("content")?)
        }
        "system.message" => blocks::content(raw, draft, item, Channel::System, node.need("content")?),
        "agent.thread_message_received" => blocks::content(raw, draft, item, Channel::Peer, node.need("content")?),
        "agent.tool_use" | "agent.mcp_tool_use" | "agent.custom_tool_use" => {
            let input = node.some("input").unwrap_or(node);
            blocks::call(raw, draft, item, node.text("id")?, node.need_text("name")?, input);
            Ok(())
        }
        "agent.tool_result" | "user.tool_result" => result(raw, draft, item, node, "tool_use_id"),
        "agent.mcp_tool_result" => result(raw, draft, item, node, "mcp_tool_use_id"),
        "user.custom_tool_result" => result(raw, draft, item, node, "custom_tool_use_id"),
        "user.define_outcome" => outcome(draft, item, node),
        "span.outcome_evaluation_end" => {
            if let Some(result) = node.text("result")? {
                draft.label("outcome_result", result);
            }
            // A grader quotes what it graded: data.
            if let Some(explanation) = node.some("explanation") {
                let text = explanation.expect_str("explanation")?;
                draft.message(item, Channel::Tool, text, explanation.span);
            }
            Ok(())
        }
        _ if passes_through(kind) => {
            draft.skip();
            Ok(())
        }
        _ => Err(unknown(node, kind, |name| Problem::UnknownEvent { name })),
    }
}

fn outcome(draft: &mut Draft, item: Item<'_>, node: &Node<'_>) -> Result<(), Fault> {
    let description = node.need("description")?;
    draft.message(item, Channel::User, description.expect_str("description")?, description.span);
    if let Some(content) = node.some("rubric").and_then(|rubric| rubric.some("content")) {
        draft.message(item, Channel::User, content.expect_str("content")?, content.span);
    }
    Ok(())
}

fn result(raw: &str, draft: &mut Draft, item: Item<'_>, node: &Node<'_>, field: &'static str) -> Result<(), Fault> {
    let is_error = Some(node.flag("is_error")?.unwrap_or(false));
    let answer = Answer { call: node.text(field)?, name: None, is_error };
    blocks::result(raw, draft, item, answer, node)
}

/// Events without a statement of the transcript.
fn passes_through(kind: &str) -> bool {
    matches!(
        kind,
        "user.interrupt"
            | "user.tool_confirmation"
            | "agent.thinking"
            | "agent.thread_context_compacted"
            | "session.error"
            | "session.thread_created"
            | "session.updated"
            | "session.usage"
            | "session.deleted"
            | "span.model_request_start"
            | "span.model_request_end"
            | "span.outcome_evaluation_start"
            | "span.outcome_evaluation_ongoing"
    ) || ["session.status_", "session.thread_status_", "workflow_run."].iter().any(|head| kind.starts_with(head))
}
