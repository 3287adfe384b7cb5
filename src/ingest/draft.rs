//! A session in the making.

use std::collections::{HashMap, VecDeque};

use super::json::{Fault, Node};
use super::{Event, EventKind, RawInput, SKIPPED, Session, cut};
use crate::domain::{Channel, Origin, PrincipalId, SessionId, Span, Timestamp, Untrusted};

/// A session whose events are still arriving.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) id: Option<String>,
    pub(super) principal: Option<String>,
    pub(super) agent: Option<String>,
    pub(super) parent: Option<String>,
    pub(super) started: Option<Timestamp>,
    pub(super) labels: Vec<(String, String)>,
    /// Where the session begins, for errors about the whole of it.
    pub(super) offset: usize,
    events: Vec<Half>,
    skipped: usize,
    /// Names of calls by id.
    calls: HashMap<String, String>,
    /// Calls not answered yet, oldest first: results without an id answer them in order.
    open: VecDeque<(Option<String>, String)>,
}

/// An event before its session's principal is known.
#[derive(Debug)]
struct Half {
    id: Option<String>,
    kind: EventKind,
    channel: Channel,
    span: Span,
    at: Option<Timestamp>,
}

/// What all events made from one item of the input share.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Item<'a> {
    pub(super) id: Option<&'a str>,
    pub(super) at: Option<Timestamp>,
}

impl<'a> Item<'a> {
    /// Reads the id and the time of an item.
    pub(super) fn of(node: &'a Node<'_>, id: &'static str, at: &'static str) -> Result<Self, Fault> {
        Ok(Self { id: node.text(id)?, at: time(node, at)? })
    }
}

/// A time member: absent and `null` are `None`.
pub(super) fn time(node: &Node<'_>, field: &'static str) -> Result<Option<Timestamp>, Fault> {
    let Some(text) = node.text(field)? else { return Ok(None) };
    let fault = || node.some(field).unwrap_or(node).not(field, "an RFC 3339 time");
    text.parse().map(Some).map_err(|_| fault())
}

impl Draft {
    pub(super) const fn len(&self) -> usize {
        self.events.len()
    }

    pub(super) const fn skip(&mut self) {
        self.skipped += 1;
    }

    pub(super) fn label(&mut self, name: &str, value: impl Into<String>) {
        if !name.starts_with("memgate.") {
            self.labels.push((name.to_owned(), value.into()));
        }
    }

    pub(super) fn message(&mut self, item: Item<'_>, channel: Channel, text: impl Into<String>, span: Span) {
        self.push(item, channel, span, EventKind::Message { text: Untrusted::new(text.into()) });
    }

    pub(super) fn tool_use(&mut self, item: Item<'_>, call: Option<&str>, name: &str, arguments: String, span: Span) {
        if let Some(call) = call {
            self.calls.insert(call.to_owned(), name.to_owned());
        }
        self.open.push_back((call.map(str::to_owned), name.to_owned()));
        let kind = EventKind::ToolUse {
            call: call.map(str::to_owned),
            name: Untrusted::new(name.to_owned()),
            arguments: Untrusted::new(arguments),
        };
        self.push(item, Channel::Assistant, span, kind);
    }

    /// A result. The name of its call wins over the name it claims for itself: a result cannot
    /// pass for another tool's.
    pub(super) fn tool_result(&mut self, item: Item<'_>, result: Answer<'_>, text: String, span: Span) {
        let name = match result.call {
            Some(call) => {
                // Usually the oldest open one; a search only when calls overlap.
                if let Some(at) = self.open.iter().take(64).position(|(open, _)| open.as_deref() == Some(call)) {
                    self.open.remove(at);
                }
                self.calls.get(call).cloned()
            }
            None => self.open.pop_front().map(|(_, name)| name),
        };
        let name = name.filter(|name| !name.is_empty()).or(result.name.map(str::to_owned));
        let kind = EventKind::ToolResult {
            call: result.call.map(str::to_owned),
            name: name.map(Untrusted::new),
            text: Untrusted::new(text),
            is_error: result.is_error,
        };
        self.push(item, Channel::Tool, span, kind);
    }

    /// A new turn of someone else: calls left open are not answered any more.
    pub(super) fn turn(&mut self) {
        self.open.clear();
    }

    fn push(&mut self, item: Item<'_>, channel: Channel, span: Span, kind: EventKind) {
        if self.started.is_none() {
            self.started = item.at;
        }
        self.events.push(Half { id: item.id.map(str::to_owned), kind, channel, span, at: item.at });
    }

    /// The session, with its id or else `fallback`, and its principal or else `principal`.
    pub(super) fn finish(self, input: &RawInput, fallback: String, principal: &PrincipalId) -> Session {
        let id = SessionId::new(self.id.unwrap_or(fallback));
        let principal = self.principal.map_or_else(|| principal.clone(), PrincipalId::new);
        let whole = |(number, half): (usize, Half)| Event {
            id: half.id,
            kind: half.kind,
            origin: Origin {
                input: input.name.clone(),
                input_digest: input.digest,
                session: Some(id.clone()),
                event: Some(number),
                span: half.span,
                channel: half.channel,
                principal: principal.clone(),
                authority: half.channel.authority(),
                at: half.at,
            },
        };
        let events = self.events.into_iter().enumerate().map(whole).collect();
        let mut labels = self.labels;
        if self.skipped > 0 {
            labels.push((SKIPPED.to_owned(), self.skipped.to_string()));
        }
        Session {
            id,
            principal,
            agent: self.agent,
            parent: self.parent.map(SessionId::new),
            started: self.started,
            input: input.name.clone(),
            input_digest: input.digest,
            events,
            labels,
        }
    }
}

/// What a tool's result says of itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Answer<'a> {
    pub(super) call: Option<&'a str>,
    pub(super) name: Option<&'a str>,
    pub(super) is_error: Option<bool>,
}

/// Whole sessions of one input, in the order in which they begin.
#[derive(Debug, Default)]
pub(super) struct Drafts {
    pub(super) list: Vec<Draft>,
    by_key: HashMap<String, usize>,
}

impl Drafts {
    /// The session with this key, made when it is new.
    pub(super) fn keyed(&mut self, key: &str, offset: usize) -> &mut Draft {
        let at = match self.by_key.get(key) {
            Some(at) => *at,
            // What came before the first line with an id belongs to that line's session.
            None if self.by_key.is_empty() && self.list.len() == 1 => {
                self.by_key.insert(key.to_owned(), 0);
                0
            }
            None => {
                self.by_key.insert(key.to_owned(), self.list.len());
                self.list.push(Draft { offset, ..Draft::default() });
                self.list.len() - 1
            }
        };
        &mut self.list[at]
    }

    /// The session begun last, made when there is none.
    pub(super) fn last(&mut self, offset: usize) -> &mut Draft {
        if self.list.is_empty() {
            self.begin(offset);
        }
        let last = self.list.len() - 1;
        &mut self.list[last]
    }

    pub(super) fn begin(&mut self, offset: usize) -> &mut Draft {
        self.list.push(Draft { offset, ..Draft::default() });
        let last = self.list.len() - 1;
        &mut self.list[last]
    }
}

/// A member's plain value as a label: texts as they are, numbers and flags as written.
pub(super) fn scalar(text: &str, node: &Node<'_>) -> Option<String> {
    use super::json::Value;
    match &node.value {
        Value::String(value) => Some(value.clone().into_owned()),
        Value::Number | Value::Bool(_) => node.span.slice(text).map(str::to_owned),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The fault "unknown …" with the name made safe to print.
pub(super) fn unknown(node: &Node<'_>, name: &str, problem: fn(String) -> super::Problem) -> Fault {
    Fault::new(node.span.start, problem(cut(name)))
}
