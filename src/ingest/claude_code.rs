//! Claude Code session JSONL.

use super::Problem;
use super::blocks::{self, Voice};
use super::draft::{Drafts, Item, unknown};
use super::json::{Fault, Node};
use crate::domain::Channel;

/// Line types without a statement of the transcript.
const SILENT: [&str; 13] = [
    "file-history-snapshot",
    "queue-operation",
    "progress",
    "agent-name",
    "agent-color",
    "agent-setting",
    "mode",
    "permission-mode",
    "pr-link",
    "tag",
    "last-prompt",
    "worktree-state",
    "content-replacement",
];

/// Line types with a title or summary that a model or a person wrote.
const TITLES: [(&str, &str); 4] =
    [("summary", "summary"), ("ai-title", "aiTitle"), ("custom-title", "customTitle"), ("task-summary", "summary")];

/// True for a line of this format.
pub(super) fn is_line(node: &Node<'_>) -> bool {
    let Some(kind) = node.get("type").and_then(Node::str) else { return false };
    let turn = matches!(kind, "user" | "assistant" | "system")
        && (node.get("message").is_some_and(Node::is_object) || node.get("sessionId").is_some());
    turn || kind == "attachment" || SILENT.contains(&kind) || TITLES.iter().any(|(known, _)| *known == kind)
}

/// Reads one line.
pub(super) fn line(raw: &str, drafts: &mut Drafts, node: &Node<'_>) -> Result<(), Fault> {
    let kind = node.need_text("type")?;
    let side = node.flag("isSidechain")?.unwrap_or(false);
    let session = node.text("sessionId")?;
    // A side chain is a sub-agent's own transcript, in the same file or in one of its own.
    let (key, parent) = match (session, side) {
        (Some(session), true) => {
            (Some(format!("{session}/{}", node.text("agentId")?.unwrap_or("sidechain"))), Some(session))
        }
        (session, _) => (session.map(str::to_owned), None),
    };
    let draft = match &key {
        Some(key) => drafts.keyed(key, node.span.start),
        // Summaries and snapshots name no session: they belong to whatever is being read.
        None => drafts.last(node.span.start),
    };
    if draft.id.is_none() {
        draft.id = key;
        draft.parent = parent.map(str::to_owned);
    }
    if let Some((_, field)) = TITLES.iter().find(|(known, _)| *known == kind) {
        if let Some(text) = node.some(field) {
            draft.message(Item::default(), Channel::Assistant, text.expect_str("summary")?, text.span);
        }
        return Ok(());
    }
    if SILENT.contains(&kind) {
        draft.skip();
        return Ok(());
    }
    let item = Item::of(node, "uuid", "timestamp")?;
    match kind {
        "assistant" => {
            let message = node.need("message")?;
            if let Some(model) = message.text("model")? {
                draft.agent.get_or_insert_with(|| model.to_owned());
            }
            blocks::content(raw, draft, item, Channel::Assistant, message.need("content")?)
        }
        "user" => {
            let content = node.need("message")?.need("content")?;
            blocks::content(raw, draft, item, user_voice(node, side)?, content)
        }
        // Files, reminders and hook output that the program shows the agent: read as written.
        "attachment" => {
            let shown = node.need("attachment")?;
            draft.message(item, Channel::Tool, shown.span.slice(raw).unwrap_or_default(), shown.span);
            Ok(())
        }
        "system" => match node.some("content") {
            Some(content) => blocks::content(raw, draft, item, Channel::Tool, content),
            None => {
                draft.skip();
                Ok(())
            }
        },
        _ => Err(unknown(node, kind, |name| Problem::UnknownEvent { name })),
    }
}

/// Who wrote a `user` line. Anything but a person's typing claims less than a user.
fn user_voice(node: &Node<'_>, side: bool) -> Result<Voice, Fault> {
    let channel = if side {
        Channel::Peer
    } else if node.flag("isCompactSummary")?.unwrap_or(false) {
        Channel::Assistant
    } else if node.flag("isMeta")?.unwrap_or(false) {
        Channel::Tool
    } else {
        Channel::User
    };
    Ok(Voice { channel, mixed: true })
}
