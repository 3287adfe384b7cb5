//! `on:` says which texts of a session a criterion reads.

use std::borrow::Cow;

use serde::Serialize;

use super::artifact::{Artifacts, Call, Message};
use super::error::GradeError;
use super::json;
use super::rubric::Rubric;
use super::run::{Evidence, Missing};
use super::yaml::Fields;

/// Which texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Target {
    Answer,
    Messages,
    User,
    Assistant,
    System,
    Tool,
    Calls,
    Results,
    Records,
    Reference,
    Item,
    ItemName,
    ItemArguments,
    ItemResult,
}

const WORDS: [(&str, Target); 14] = [
    ("answer", Target::Answer),
    ("messages", Target::Messages),
    ("messages.user", Target::User),
    ("messages.assistant", Target::Assistant),
    ("messages.system", Target::System),
    ("messages.tool", Target::Tool),
    ("calls", Target::Calls),
    ("calls.results", Target::Results),
    ("state.records", Target::Records),
    ("task.reference", Target::Reference),
    ("item", Target::Item),
    ("item.name", Target::ItemName),
    ("item.arguments", Target::ItemArguments),
    ("item.result", Target::ItemResult),
];

/// What a criterion is evaluated on.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) artifacts: &'a Artifacts,
    pub(crate) rubric: &'a Rubric,
    /// The element an `each` stands at.
    pub(crate) item: Option<Item<'a>>,
    /// What missing input means.
    pub(crate) missing: Missing,
}

/// An element an `each` stands at.
#[derive(Clone, Copy)]
pub(crate) enum Item<'a> {
    Call(usize, &'a Call),
    Message(usize, &'a Message),
}

/// One text with its place.
pub(crate) struct Piece<'a> {
    pub(crate) text: Cow<'a, str>,
    pub(crate) at: Evidence,
}

impl Target {
    /// Reads `on`, the answer when absent.
    pub(crate) fn take(fields: &mut Fields<'_>) -> Result<Self, GradeError> {
        let on = fields.choice("on", &WORDS)?;
        match on.needs_item() && !fields.in_each {
            true => Err(fields.bad("on", "`item` means something only inside `each`")),
            false => Ok(on),
        }
    }
    /// True when it makes sense only inside `each`.
    const fn needs_item(self) -> bool {
        matches!(self, Self::Item | Self::ItemName | Self::ItemArguments | Self::ItemResult)
    }
    /// The texts; `None` when nobody supplied them. For calls: names and every text in the
    /// arguments with escapes resolved, one piece each.
    pub(crate) fn pieces<'a>(self, cx: &Context<'a>) -> Option<Vec<Piece<'a>>> {
        let a = cx.artifacts;
        let one = |text: &'a str, at| vec![Piece { text: Cow::Borrowed(text), at }];
        let said = |role: Option<&str>| {
            let messages = a.messages.as_ref()?;
            let wanted = messages.iter().enumerate().filter(|(_, m)| role.is_none_or(|role| m.role == role));
            Some(
                wanted
                    .map(|(i, m)| Piece { text: Cow::Borrowed(m.text.as_str()), at: Evidence::at("messages", i) })
                    .collect(),
            )
        };
        match self {
            Self::Answer => a.answer.as_deref().map(|text| one(text, Evidence::whole("answer"))),
            Self::Messages => said(None),
            Self::User => said(Some("user")),
            Self::Assistant => said(Some("assistant")),
            Self::System => said(Some("system")),
            Self::Tool => said(Some("tool")),
            Self::Calls => {
                let calls = a.calls.as_ref()?;
                Some(calls.iter().enumerate().flat_map(|(i, call)| call_texts(i, call, true)).collect())
            }
            Self::Results => {
                let calls = a.calls.as_ref()?;
                let results = calls.iter().enumerate().filter_map(|(i, call)| Some((i, call.result.as_deref()?)));
                Some(
                    results
                        .map(|(i, text)| Piece { text: Cow::Borrowed(text), at: Evidence::at("calls", i) })
                        .collect(),
                )
            }
            Self::Records => {
                let after = a.state.after.as_ref()?;
                Some(vec![Piece { text: Cow::Owned(after.records.to_string()), at: Evidence::whole("state.after") }])
            }
            Self::Reference => a.task.reference.as_deref().map(|text| one(text, Evidence::whole("task"))),
            Self::Item => match cx.item? {
                Item::Call(i, call) => Some(call_texts(i, call, true)),
                Item::Message(i, message) => Some(one(&message.text, Evidence::at("messages", i))),
            },
            Self::ItemName => match cx.item? {
                Item::Call(i, call) => Some(one(&call.name, Evidence::at("calls", i))),
                Item::Message(i, message) => Some(one(&message.role, Evidence::at("messages", i))),
            },
            Self::ItemArguments => match cx.item? {
                Item::Call(i, call) => {
                    Some(vec![Piece { text: Cow::Owned(call.arguments.to_string()), at: Evidence::at("calls", i) }])
                }
                Item::Message(..) => None,
            },
            Self::ItemResult => match cx.item? {
                Item::Call(i, call) => call.result.as_deref().map(|text| one(text, Evidence::at("calls", i))),
                Item::Message(..) => None,
            },
        }
    }
}

fn call_texts(index: usize, call: &Call, with_name: bool) -> Vec<Piece<'_>> {
    let mut texts = Vec::new();
    if with_name {
        texts.push(call.name.as_str());
    }
    json::strings(&call.arguments, &mut texts);
    texts.into_iter().map(|text| Piece { text: Cow::Borrowed(text), at: Evidence::at("calls", index) }).collect()
}
