//! A note and what it cites, written down as text: how rules and case files show these detectors.
//!
//! One line each: `user:`, `agent:`, `web:`, `peer:`, `operator:`, `run ok:`, `run failed:` and `run:` are cited texts,
//! `lost:` a transcript that is not at hand, `aside:` an external text that is not cited. `note:` is the note, `note as user:` a note
//! that claims more than its sources have. A line that begins with `at 2026-01-31T12:00:00Z ` before its label
//! was said then.

use std::str::FromStr as _;

use super::{Cited, Ran, Sources};
use crate::domain::{
    Authority, Candidate, Channel, Claim, Digest, MemoryPath, Origin, SessionId, Span, Stage, Timestamp,
};

/// The candidate and its sources; `None` when a line has no known label or there is no note.
pub fn parse(text: &str) -> Option<(Candidate, Sources<'_>)> {
    let mut sources = Sources::default();
    let mut origins = Vec::new();
    let mut note = None;
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let (at, line) = match line.strip_prefix("at ").and_then(|rest| rest.split_once(' ')) {
            Some((when, rest)) => (Some(Timestamp::from_str(when).ok()?), rest),
            None => (None, line),
        };
        let (label, said) = line.split_once(':')?;
        let said = said.trim();
        let (channel, ran) = match label {
            "user" => (Channel::User, Ran::No),
            "agent" => (Channel::Assistant, Ran::No),
            "operator" => (Channel::System, Ran::No),
            "peer" => (Channel::Peer, Ran::No),
            "web" | "lost" | "aside" => (Channel::Tool, Ran::No),
            "run" => (Channel::Tool, Ran::Unsaid),
            "run ok" => (Channel::Tool, Ran::Well),
            "run failed" => (Channel::Tool, Ran::Badly),
            "note" => {
                note = Some((said, None));
                continue;
            }
            "note as user" => {
                note = Some((said, Some(Authority::User)));
                continue;
            }
            _ => return None,
        };
        let origin = Origin {
            input: "example".to_owned(),
            input_digest: Digest::of(b"example"),
            session: Some(SessionId::new("example")),
            event: Some(number),
            span: Span::new(0, said.len()),
            channel,
            principal: "somebody".into(),
            authority: channel.authority(),
            at,
        };
        if label != "lost" {
            let authority = channel.authority();
            sources.add(&origin, Cited { text: said, context: "", channel, authority, at, ran, held: None });
        }
        if label != "aside" {
            origins.push(origin);
        }
    }
    let (said, claimed) = note?;
    let text = format!("- {said}\n");
    if origins.is_empty() {
        // What cites nothing else cites itself, as an agent's own note does.
        origins.push(Origin {
            input: "example.md".to_owned(),
            input_digest: Digest::of(&text),
            session: None,
            event: None,
            span: Span::new(0, text.len()),
            channel: Channel::Memory,
            principal: "somebody".into(),
            authority: Authority::Agent,
            at: None,
        });
    }
    let authority = claimed.unwrap_or_else(|| Authority::lowest(origins.iter().map(|o| o.authority)));
    let claims = vec![Claim { span: Span::new(0, text.len()), origins, authority }];
    let path = MemoryPath::parse("/example.md").ok()?;
    Some((Candidate { path, text, claims, stage: Stage::Consolidate }, sources))
}
