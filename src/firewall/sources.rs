//! The texts that claims cite, where they are at hand: what a note may not claim more than.

use std::collections::{BTreeMap, BTreeSet};

use crate::consolidate::plan::Marks;
use crate::detect::{Cited, Ran, Sources};
use crate::domain::{Authority, Candidate, Digest, PrincipalId, SessionId};
use crate::ingest::{Context, EventKind, Memory, RawInput, Session, read_sessions};
use crate::store::Store as _;

use super::screen::event_text;
use super::{Firewall, FirewallError};

/// Every event of some sessions as a text that can be cited. An event without a mark was found clean; with no marks
/// at all nobody looked.
pub(super) fn of<'a>(sessions: &'a [Session], marks: &BTreeMap<(SessionId, usize), Marks>) -> Sources<'a> {
    let mut sources = Sources::default();
    for session in sessions {
        let calls: BTreeMap<&str, &str> = session
            .events
            .iter()
            .filter_map(|event| match &event.kind {
                EventKind::ToolUse { call: Some(call), arguments, .. } => {
                    Some((call.as_str(), arguments.peek_unscanned().as_str()))
                }
                _ => None,
            })
            .collect();
        for (number, event) in session.events.iter().enumerate() {
            let (ran, context) = match &event.kind {
                EventKind::ToolResult { call, is_error, .. } => {
                    let ran = match is_error {
                        Some(true) => Ran::Badly,
                        Some(false) => Ran::Well,
                        None => Ran::Unsaid,
                    };
                    (ran, call.as_deref().and_then(|call| calls.get(call)).copied().unwrap_or_default())
                }
                _ => (Ran::No, ""),
            };
            let mark = marks.get(&(session.id.clone(), number));
            let held = if marks.is_empty() { None } else { Some(mark.is_some_and(|mark| mark.held)) };
            let cited = Cited {
                text: event_text(event).peek_unscanned(),
                context,
                channel: event.origin.channel,
                authority: event.origin.authority,
                at: event.origin.at.or(session.started),
                ran,
                held,
            };
            sources.add(&event.origin, cited);
        }
    }
    sources
}

/// Memories that kept and merged notes cite.
pub(super) fn add_memories<'a>(sources: &mut Sources<'a>, memories: &'a [Memory]) {
    for memory in memories {
        let cited = Cited {
            text: memory.text.peek_unscanned(),
            context: "",
            channel: memory.origin.channel,
            authority: memory.origin.authority,
            at: memory.origin.at,
            ran: Ran::No,
            held: Some(false),
        };
        sources.add(&memory.origin, cited);
    }
}

impl Firewall {
    /// The sessions a candidate cites, read again from the evidence. What is not there, or no longer reads, is left
    /// out: the scan says so of every note that cites it.
    pub(super) fn cited_sessions(&self, candidate: &Candidate) -> Result<Vec<Session>, FirewallError> {
        let origins = candidate.claims.iter().flat_map(|claim| &claim.origins);
        let cited: BTreeMap<Digest, &str> = origins
            .filter(|origin| origin.session.is_some())
            .map(|origin| (origin.input_digest, origin.input.as_str()))
            .collect();
        let mut sessions = Vec::new();
        let mut seen: BTreeSet<Digest> = BTreeSet::new();
        for (digest, name) in cited.into_iter().take(MOST_INPUTS) {
            let Some(bytes) = self.store.raw(&digest)? else { continue };
            let input = RawInput::new(name, bytes);
            if input.digest != digest || !seen.insert(digest) {
                continue;
            }
            let context = Context { principal: PrincipalId::new("unknown"), memory_authority: Authority::External };
            sessions.extend(read_sessions(&input, None, &context).unwrap_or_default());
        }
        Ok(sessions)
    }
}

/// Inputs one write may cite; what is beyond is not read, and the notes that cite it are held.
const MOST_INPUTS: usize = 100;
