//! A transcript as the grader sees it.

use std::collections::BTreeMap;

use crate::domain::Untrusted;
use crate::grade::artifact::{Artifacts, Call, MemoryUse, Message};
use crate::ingest::{EventKind, Session};

/// Turns a transcript into artifacts.
///
/// What a transcript cannot know (state, cost, later events) stays absent and leaves criteria open.
/// A transcript is complete, so no call is a fact (an empty list), and an agent that never spoke
/// answered with the empty text: silence must not make a session ungradable. `version` is the label
/// of the memory version the session ran on, from the caller's own records. A label that is given
/// twice with different values is left out.
pub fn from_session(session: &Session, version: Option<&str>) -> Artifacts {
    let text = |text: &Untrusted<String>| text.peek_unscanned().clone();
    let mut messages = Vec::new();
    let mut calls: Vec<Call> = Vec::new();
    let mut ids: Vec<Option<&str>> = Vec::new();
    let mut answer = String::new();
    for event in &session.events {
        match &event.kind {
            EventKind::Message { text: said } => {
                let role = event.origin.channel.name().to_owned();
                if role == "assistant" {
                    answer = text(said);
                }
                messages.push(Message { role, text: text(said) });
            }
            EventKind::ToolUse { call, name, arguments } => {
                let arguments = Artifacts::arguments(arguments.peek_unscanned());
                calls.push(Call { name: text(name), arguments, ..Call::default() });
                ids.push(call.as_deref());
            }
            EventKind::ToolResult { call, text: result, is_error, .. } => {
                // by id, the latest call that still waits; without an id, the earliest that waits
                let waits = |i: &usize| calls[*i].result.is_none();
                let place = match call {
                    Some(id) => (0..calls.len()).rev().find(|i| waits(i) && ids[*i] == Some(id.as_str())),
                    None => (0..calls.len()).find(waits),
                };
                if let Some(call) = place.and_then(|i| calls.get_mut(i)) {
                    call.result = Some(text(result));
                    call.error = *is_error;
                }
            }
        }
    }
    let mut labels: BTreeMap<String, Option<String>> = BTreeMap::new();
    for (key, value) in &session.labels {
        let known = labels.entry(key.clone()).or_insert_with(|| Some(value.clone()));
        if known.as_ref() != Some(value) {
            *known = None;
        }
    }
    let labels: BTreeMap<String, String> = labels.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
    // What does not parse stays absent: its criteria are open, and open is never a pass.
    let known = |name: &str| labels.get(name).map(String::as_str).unwrap_or_default();
    let version = version.map(str::to_owned).or_else(|| labels.get("memory_version").cloned());
    Artifacts {
        state: serde_json::from_str(known("artifacts.state")).unwrap_or_default(),
        task: serde_json::from_str(known("artifacts.task")).unwrap_or_default(),
        trace: serde_json::from_str(known("artifacts.trace")).unwrap_or_default(),
        session: Some(session.id.clone()),
        agent: session.agent.clone(),
        answer: Some(answer),
        messages: Some(messages),
        calls: Some(calls),
        memory: MemoryUse { version, ..MemoryUse::default() },
        labels,
        ..Artifacts::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Authority, Channel, Digest, Origin, Span};
    use crate::ingest::Event;

    fn event(channel: Channel, kind: EventKind) -> Event {
        let origin = Origin {
            input: "x".into(),
            input_digest: Digest::of(""),
            session: None,
            event: None,
            span: Span::default(),
            channel,
            principal: "p".into(),
            authority: Authority::External,
            at: None,
        };
        Event { id: None, kind, origin }
    }

    fn session(events: Vec<Event>) -> Session {
        Session {
            id: "s".into(),
            principal: "p".into(),
            agent: Some("a".into()),
            parent: None,
            started: None,
            input: "x".into(),
            input_digest: Digest::of(""),
            events,
            labels: vec![("r".into(), "1".into()), ("q".into(), "1".into()), ("q".into(), "2".into())],
        }
    }

    fn u(text: &str) -> Untrusted<String> {
        Untrusted::new(text.to_owned())
    }

    #[test]
    fn results_find_their_calls_and_the_last_words_are_the_answer() {
        let call = |id: &str, name: &str, arguments: &str| EventKind::ToolUse {
            call: Some(id.into()),
            name: u(name),
            arguments: u(arguments),
        };
        let result = |id: Option<&str>, text: &str, is_error| EventKind::ToolResult {
            call: id.map(str::to_owned),
            name: None,
            text: u(text),
            is_error,
        };
        let a = from_session(
            &session(vec![
                event(Channel::User, EventKind::Message { text: u("hi") }),
                event(Channel::Assistant, EventKind::Message { text: u("let me see") }),
                event(Channel::Assistant, call("1", "get", "{\"id\": 7}")),
                event(Channel::Assistant, call("2", "pay", "{\"id\": 7, \"id\": 8}")),
                event(Channel::Tool, result(Some("2"), "no", Some(true))),
                event(Channel::Tool, result(None, "ok", None)),
                event(Channel::Tool, result(Some("9"), "stray", None)),
                event(Channel::Assistant, EventKind::Message { text: u("done") }),
                event(Channel::User, EventKind::Message { text: u("thanks") }),
            ]),
            Some("v1"),
        );
        let calls = a.calls.unwrap();
        assert_eq!(a.answer.as_deref(), Some("done"));
        assert_eq!(a.messages.unwrap().len(), 4);
        assert_eq!((calls[0].result.as_deref(), calls[0].error), (Some("ok"), None));
        assert_eq!((calls[1].result.as_deref(), calls[1].error), (Some("no"), Some(true)));
        assert_eq!(calls[0].arguments, serde_json::json!({"id": 7}));
        assert!(calls[1].arguments.is_string(), "repeated keys are not read as JSON");
        assert_eq!(a.labels, BTreeMap::from([("r".to_owned(), "1".to_owned())]));
        assert_eq!(a.memory.version.as_deref(), Some("v1"));
    }

    #[test]
    fn a_silent_agent_answered_with_nothing() {
        let a = from_session(&session(Vec::new()), None);
        assert_eq!((a.answer.as_deref(), a.calls.map(|c| c.len())), (Some(""), Some(0)));
    }
}
