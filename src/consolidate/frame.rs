//! Frames: subject, attribute, qualifier, value of the statements whose form is plain enough.
//!
//! A statement without a frame is never superseded; similar topic is never enough.

use std::sync::LazyLock;

use regex::Regex;

use super::gate::Gist;
use super::key::Key;
use super::words;

/// What a statement says, in slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) subject: String,
    pub(super) attribute: String,
    pub(super) qualifier: String,
    /// Folded value, for comparison.
    pub(super) value: String,
    /// One value at a time.
    pub(super) functional: bool,
    /// Holds for a while only: never retires a base value.
    pub(super) temporary: bool,
    /// The value it says is over, folded.
    pub(super) ended: Option<String>,
}

fn regex(pattern: &str) -> Option<Regex> {
    Regex::new(&format!("(?i){pattern}")).ok()
}

macro_rules! pattern {
    ($name:ident, $text:expr) => {
        static $name: LazyLock<Option<Regex>> = LazyLock::new(|| regex($text));
    };
}

pattern!(KEY_VALUE, r"^([a-z][\w .\-]{0,48}?)\s*(?:=|:\s)\s*(\S.*)$");
pattern!(
    TEMPORARY,
    r"\b(?:for (?:this|the) (?:week|month|day|sprint|moment|time being)|for now|temporarily|until|while|this week|today|during|in tests?|for the time being)\b"
);
pattern!(
    CHANGE,
    r"^(.{2,60}?)\s+(?:has\s+|have\s+|was\s+|were\s+)?(?:been\s+)?(?:moved|migrated|switched|changed|upgraded|renamed)(?:\s+(?:its|the|their|his|her)\s+([\w ]{2,24}?))?\s+from\s+(.{1,60}?)\s+to\s+(.{1,60}?)$"
);
pattern!(
    INSTEAD,
    r"^(.{2,60}?)\s+(?:now\s+)?(?:uses|use|runs on|runs|prefers)\s+(.{1,60}?)\s+instead of\s+(.{1,60}?)(?:\s+now)?$"
);
pattern!(REPLACED, r"^(.{2,60}?)\s+replaced\s+(.{1,60}?)\s+(?:with|by)\s+(.{1,60}?)$");
pattern!(
    NO_LONGER,
    r"^(.{2,60}?)\s+(?:no longer|does not|do not)\s+(?:uses?|runs? on|runs?|requires?|needs?|lives? in|depends? on|works? (?:at|for))\s+(.{1,60}?)(?:\s+any ?more)?$"
);
pattern!(
    COUNT_ENOUGH,
    r"(?:^|,\s+)(?:only\s+|just\s+|at least\s+)?(\w+)\s+(?:\w+\s+)?(\w+?)s?\s+(?:is|are)\s+(?:now\s+)?(?:enough|sufficient|needed|required|necessary)\b"
);
pattern!(
    COUNT_NEEDS,
    r"^(.{2,60}?)\s+(?:must have|needs?|requires?|takes?)\s+(?:only\s+|at least\s+|just\s+)?(\w+)\s+(?:\w+\s+)?(\w+?)s?$"
);
pattern!(PREFERS_OVER, r"^(.{1,60}?)\s+prefers?\s+(.{1,40}?)\s+(?:over|rather than|instead of)\s+(.{1,40}?)$");
pattern!(
    PORT,
    r"^(?:the )?(.{2,60}?)\s+(?:listens?|runs?|is (?:served|exposed|reachable)|answers?)\s+on\s+(?:tcp |udp )?port\s+(\S+)$"
);
pattern!(OWNED_BY, r"^(?:the )?(.{2,60}?)\s+(?:is|are)\s+owned by\s+(.{2,60}?)$");
pattern!(OWNER_IS, r"^(.{2,60}?)\s+(?:is|are)\s+the\s+owners?\s+of\s+(?:the )?(.{2,60}?)$");
pattern!(OWNS, r"^(.{2,40}?)\s+owns\s+(?:the )?(.{2,60}?)$");
pattern!(
    POSSESSIVE,
    r"^(?:the )?(.{1,60}?)'s\s+([\w \-]{2,40}?)\s+(?:is|are)\s+(?:now\s+|currently\s+)?(?:set to\s+|named\s+|called\s+)?(.+)$"
);
pattern!(
    OF,
    r"^(?:the )?([\w \-]{2,32}?)\s+(?:of|for)\s+(?:the )?(.{2,60}?)\s+(?:is|are)\s+(?:now\s+|currently\s+)?(?:set to\s+)?(.+)$"
);
pattern!(IS, r"^(?:the |my |our |their )?(.{2,80}?)\s+(?:is|are)\s+(?:now\s+|currently\s+)?(?:set to\s+)?(.+)$");
pattern!(
    LIVES,
    r"^(?:the )?(.{1,60}?)\s+(lives in|resides in|works at|works for|is hosted in|is deployed in|is located in|is based in)\s+(.+)$"
);
pattern!(
    USES,
    r"^(?:the )?(.{1,60}?)\s+(uses?|runs? on|runs?|requires?|targets?|depends? on|is on|is pinned to|needs?)\s+(.+)$"
);
pattern!(VERSIONED, r"^(.{2,32}?)\s+(?:version\s+)?v?(\d[\w.\-]*)$");
pattern!(QUALIFIER, r"\s+((?:in|for|on|during|when|while|at|under|with)\s+.+)$");

/// The statement's frame, when its form is one of those known here.
///
/// `key_value` and `place` are for lines such as `port: 80`, whose subject is where they stand.
pub(super) fn parse(key: &Key, key_value: bool, place: &str) -> Option<Frame> {
    let text = key.text.trim_end_matches(['.', '!', ' ']);
    // Long text is not one statement; questions state nothing.
    if text.len() > 240 || text.ends_with('?') || text.contains(". ") {
        return None;
    }
    let temporary = TEMPORARY.as_ref()?.is_match(text);
    let frame = |subject: &str, attribute: &str, qualifier: &str, value: &str, functional: bool| {
        let (subject, value) = (fold(subject), fold(value));
        (!value.is_empty()).then(|| Frame {
            subject,
            attribute: fold(attribute),
            qualifier: fold(qualifier),
            value,
            functional,
            temporary,
            ended: None,
        })
    };
    let ended = |found: Option<Frame>, over: &str| found.map(|f| Frame { ended: Some(fold(over)), ..f });

    if let Some(c) = CHANGE.as_ref()?.captures(text) {
        let attribute = c.get(2).map_or("changed", |m| m.as_str());
        return ended(frame(&c[1], attribute, "", &c[4], false), &c[3]);
    }
    if let Some(c) = REPLACED.as_ref()?.captures(text) {
        return ended(frame(&c[1], "replaced", "", &c[3], false), &c[2]);
    }
    if let Some(c) = INSTEAD.as_ref()?.captures(text) {
        return ended(frame(&c[1], "uses", "", &c[2], false), &c[3]);
    }
    if let Some(c) = NO_LONGER.as_ref()?.captures(text) {
        return ended(frame(&c[1], "ended", "", &c[2], false), &c[2]);
    }
    // Every other negation belongs to the gate, which sees the pair.
    if key.tokens.iter().any(|t| matches!(words::sort(&t.fold), words::Sort::Negator)) {
        return None;
    }
    if let Some(c) = COUNT_ENOUGH.as_ref()?.captures(text)
        && words::SAFEGUARDS.contains(&c[2].to_lowercase().as_str())
    {
        return frame("*", &c[2], "", &c[1], true);
    }
    if let Some(c) = COUNT_NEEDS.as_ref()?.captures(text)
        && words::SAFEGUARDS.contains(&c[3].to_lowercase().as_str())
    {
        return frame(&c[1], &c[3], "", &c[2], true);
    }
    if key_value && let Some(c) = KEY_VALUE.as_ref()?.captures(text) {
        return frame(place, &c[1], "", &c[2], is_functional(&c[1]));
    }
    if let Some(c) = PREFERS_OVER.as_ref()?.captures(text) {
        let (winner, loser) = (c[2].to_owned(), split_qualifier(&c[3]));
        let mut pair = [fold(&winner), fold(&loser.0)];
        pair.sort();
        return frame(&c[1], &format!("prefers {}", pair.join(" or ")), &loser.1, &winner, true);
    }
    if let Some(c) = PORT.as_ref()?.captures(text) {
        return frame(&c[1], "port", "", &c[2], true);
    }
    for (pattern, subject, value) in [(&OWNED_BY, 1, 2), (&OWNER_IS, 2, 1), (&OWNS, 2, 1)] {
        if let Some(c) = pattern.as_ref()?.captures(text) {
            return frame(&c[subject], "owner", "", &c[value], true);
        }
    }
    for (pattern, subject, attribute) in [(&POSSESSIVE, 1, 2), (&OF, 2, 1)] {
        if let Some(c) = pattern.as_ref()?.captures(text)
            && is_functional(&c[attribute])
        {
            let (value, qualifier) = split_qualifier(&c[3]);
            return frame(&c[subject], &c[attribute], &qualifier, &value, true);
        }
    }
    if let Some(c) = LIVES.as_ref()?.captures(text) {
        let (value, qualifier) = split_qualifier(&c[3]);
        return frame(&c[1], &c[2], &qualifier, &value, true);
    }
    if let Some(c) = IS.as_ref()?.captures(text)
        && is_functional(&c[1])
    {
        let (value, qualifier) = split_qualifier(&c[2]);
        let name = c[1].to_owned();
        let cut = name.rfind(' ').map_or(0, |at| at + 1);
        return frame(&name[..cut], &name[cut..], &qualifier, &value, true);
    }
    if let Some(c) = USES.as_ref()?.captures(text) {
        let (value, qualifier) = split_qualifier(&c[3]);
        if let Some(v) = VERSIONED.as_ref()?.captures(&value) {
            return frame(&c[1], &format!("version of {}", &v[1]), &qualifier, &v[2], true);
        }
        return frame(&c[1], "uses", &qualifier, &value, false);
    }
    None
}

/// True for an attribute that holds one value at a time.
fn is_functional(attribute: &str) -> bool {
    let last = attribute.rsplit([' ', '_', '-', '.']).next().unwrap_or(attribute).to_lowercase();
    words::FUNCTIONAL.contains(last.as_str())
}

fn split_qualifier(value: &str) -> (String, String) {
    match QUALIFIER.as_ref().and_then(|lazy| lazy.captures(value)) {
        Some(c) => {
            let start = c.get(0).map_or(value.len(), |m| m.start());
            (value[..start].to_owned(), c[1].to_owned())
        }
        None => (value.to_owned(), String::new()),
    }
}

/// Folds a slot's text so that spellings of one thing meet.
pub(super) fn fold(text: &str) -> String {
    if text == "*" {
        return text.to_owned();
    }
    let key = Key::of(text.trim().trim_matches(['"', '\'']));
    let gist = Gist::of(&key);
    let folded = gist.pieces.iter().map(|p| p.fold.as_str()).collect::<Vec<_>>().join(" ");
    if folded.is_empty() { key.key } else { folded }
}
