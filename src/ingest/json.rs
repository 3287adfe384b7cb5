//! Strict JSON with byte positions.
//!
//! Not `serde_json`: that keeps the last of two equal keys in silence (so two readers can see two
//! transcripts in one file) and gives no byte range for a value. What is accepted is otherwise
//! the same, which a differential property test checks.

use std::borrow::Cow;

use super::Problem;
use super::limits::{MAX_DEPTH, MAX_VALUES};
use crate::domain::Span;

/// Something wrong at a byte of the raw input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) offset: usize,
    pub(super) problem: Problem,
}

impl Fault {
    pub(super) const fn new(offset: usize, problem: Problem) -> Self {
        Self { offset, problem }
    }
    const fn json(offset: usize, what: &'static str) -> Self {
        Self::new(offset, Problem::BadJson { what })
    }
}

/// A JSON value with its byte range.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node<'a> {
    pub(super) span: Span,
    pub(super) value: Value<'a>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Number,
    String(Cow<'a, str>),
    Array(Vec<Node<'a>>),
    Object(Vec<Member<'a>>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member<'a> {
    pub(super) key: Cow<'a, str>,
    pub(super) at: usize,
    pub(super) node: Node<'a>,
}

impl<'a> Node<'a> {
    /// The member with this key.
    pub(super) fn get(&self, key: &str) -> Option<&Node<'a>> {
        self.members().iter().find(|member| member.key == key).map(|member| &member.node)
    }
    /// The same, with `null` read as absent.
    pub(super) fn some(&self, key: &str) -> Option<&Node<'a>> {
        self.get(key).filter(|node| node.value != Value::Null)
    }
    pub(super) fn members(&self) -> &[Member<'a>] {
        if let Value::Object(members) = &self.value { members } else { &[] }
    }
    pub(super) const fn is_object(&self) -> bool {
        matches!(self.value, Value::Object(_))
    }
    pub(super) fn array(&self) -> Option<&[Node<'a>]> {
        if let Value::Array(items) = &self.value { Some(items) } else { None }
    }
    pub(super) fn str(&self) -> Option<&str> {
        if let Value::String(text) = &self.value { Some(text) } else { None }
    }
    /// A text member: absent and `null` are `None`.
    pub(super) fn text(&self, field: &'static str) -> Result<Option<&str>, Fault> {
        self.some(field).map(|node| node.expect_str(field)).transpose()
    }
    /// A text member that must be there.
    pub(super) fn need_text(&self, field: &'static str) -> Result<&str, Fault> {
        self.need(field)?.expect_str(field)
    }
    pub(super) fn need(&self, field: &'static str) -> Result<&Node<'a>, Fault> {
        self.some(field).ok_or(Fault::new(self.span.start, Problem::MissingField { field }))
    }
    /// A true-or-false member: absent and `null` are `None`.
    pub(super) fn flag(&self, field: &'static str) -> Result<Option<bool>, Fault> {
        self.some(field)
            .map(|node| match node.value {
                Value::Bool(flag) => Ok(flag),
                _ => Err(node.not(field, "true or false")),
            })
            .transpose()
    }
    /// A list member: absent and `null` are empty.
    pub(super) fn list(&self, field: &'static str) -> Result<&[Node<'a>], Fault> {
        self.some(field).map_or(Ok(&[]), |node| node.expect_array(field))
    }
    pub(super) fn expect_str(&self, field: &'static str) -> Result<&str, Fault> {
        self.str().ok_or_else(|| self.not(field, "a text"))
    }
    pub(super) fn expect_array(&self, field: &'static str) -> Result<&[Node<'a>], Fault> {
        self.array().ok_or_else(|| self.not(field, "a list"))
    }
    /// The fault "this is not a …".
    pub(super) const fn not(&self, field: &'static str, expected: &'static str) -> Fault {
        Fault::new(self.span.start, Problem::BadField { field, expected })
    }
}

/// Reads one value from `start`; the offset after it. Reads nothing past `end`.
pub(super) fn value(text: &str, start: usize, end: usize) -> Result<(Node<'_>, usize), Fault> {
    let mut parser = Parser { text, bytes: &text.as_bytes()[..end], at: start, values: 0 };
    parser.blank();
    let node = parser.value(0)?;
    Ok((node, parser.at))
}

/// The first byte from `start` that is not JSON white space.
pub(super) fn skip_blank(text: &str, start: usize) -> usize {
    let rest = &text.as_bytes()[start..];
    start + rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).unwrap_or(rest.len())
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    values: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Result<u8, Fault> {
        self.bytes.get(self.at).copied().ok_or(Fault::new(self.bytes.len(), Problem::Truncated))
    }

    fn blank(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node<'a>, Fault> {
        let start = self.at;
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(Fault::new(start, Problem::TooManyValues { limit: MAX_VALUES }));
        }
        let value = match self.peek()? {
            b'{' => self.object(depth)?,
            b'[' => self.array(depth)?,
            b'"' => Value::String(self.string()?),
            b'-' | b'0'..=b'9' => self.number()?,
            b't' => self.word("true", Value::Bool(true))?,
            b'f' => self.word("false", Value::Bool(false))?,
            b'n' => self.word("null", Value::Null)?,
            _ => return Err(Fault::json(start, "a value was expected")),
        };
        Ok(Node { span: Span::new(start, self.at), value })
    }

    fn word(&mut self, word: &'static str, value: Value<'a>) -> Result<Value<'a>, Fault> {
        for byte in word.bytes() {
            if self.peek()? != byte {
                return Err(Fault::json(self.at, "a value was expected"));
            }
            self.at += 1;
        }
        Ok(value)
    }

    fn deeper(&self, depth: usize) -> Result<usize, Fault> {
        if depth >= MAX_DEPTH {
            return Err(Fault::new(self.at, Problem::TooDeep { limit: MAX_DEPTH }));
        }
        Ok(depth + 1)
    }

    fn array(&mut self, depth: usize) -> Result<Value<'a>, Fault> {
        let depth = self.deeper(depth)?;
        let mut items = Vec::new();
        self.at += 1;
        self.blank();
        if self.peek()? == b']' {
            self.at += 1;
            return Ok(Value::Array(items));
        }
        loop {
            self.blank();
            items.push(self.value(depth)?);
            self.blank();
            match self.peek()? {
                b',' => self.at += 1,
                b']' => break,
                _ => return Err(Fault::json(self.at, "a comma or ] was expected")),
            }
        }
        self.at += 1;
        Ok(Value::Array(items))
    }

    fn object(&mut self, depth: usize) -> Result<Value<'a>, Fault> {
        let depth = self.deeper(depth)?;
        let mut members: Vec<Member<'a>> = Vec::new();
        self.at += 1;
        self.blank();
        if self.peek()? == b'}' {
            self.at += 1;
            return Ok(Value::Object(members));
        }
        loop {
            self.blank();
            let at = self.at;
            if self.peek()? != b'"' {
                return Err(Fault::json(at, "a key in double quotes was expected"));
            }
            let key = self.string()?;
            self.blank();
            if self.peek()? != b':' {
                return Err(Fault::json(self.at, "a colon was expected"));
            }
            self.at += 1;
            self.blank();
            let node = self.value(depth)?;
            members.push(Member { key, at, node });
            self.blank();
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => break,
                _ => return Err(Fault::json(self.at, "a comma or } was expected")),
            }
        }
        self.at += 1;
        unique(&members)?;
        Ok(Value::Object(members))
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Fault> {
        self.at += 1;
        let mut owned: Option<String> = None;
        loop {
            let start = self.at;
            let Some(found) = memchr::memchr2(b'"', b'\\', &self.bytes[start..]) else {
                return Err(Fault::new(self.bytes.len(), Problem::Truncated));
            };
            let chunk = &self.bytes[start..start + found];
            if let Some(control) = chunk.iter().position(|byte| *byte < 0x20) {
                return Err(Fault::json(start + control, "a control character in a text must be written as an escape"));
            }
            let chunk = &self.text[start..start + found];
            self.at = start + found + 1;
            if self.bytes[start + found] == b'"' {
                return Ok(match owned {
                    None => Cow::Borrowed(chunk),
                    Some(text) => Cow::Owned(text + chunk),
                });
            }
            let text = owned.get_or_insert_default();
            text.push_str(chunk);
            text.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let start = self.at - 1;
        let byte = self.peek()?;
        self.at += 1;
        Ok(match byte {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{C}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.hex()?;
                if let Some(c) = char::from_u32(first) {
                    return Ok(c);
                }
                let lone = Fault::new(start, Problem::LoneSurrogate);
                if first >= 0xDC00 || self.peek()? != b'\\' {
                    return Err(lone);
                }
                self.at += 1;
                if self.peek()? != b'u' {
                    return Err(lone);
                }
                self.at += 1;
                let second = self.hex()?;
                if !(0xDC00..0xE000).contains(&second) {
                    return Err(lone);
                }
                char::from_u32(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)).ok_or(lone)?
            }
            _ => return Err(Fault::json(start, "no such escape")),
        })
    }

    fn hex(&mut self) -> Result<u32, Fault> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = char::from(self.peek()?).to_digit(16);
            code = code * 16 + digit.ok_or(Fault::json(self.at, "four hex digits were expected"))?;
            self.at += 1;
        }
        Ok(code)
    }

    fn digits(&mut self) -> Result<(), Fault> {
        if !self.peek()?.is_ascii_digit() {
            return Err(Fault::json(self.at, "a digit was expected"));
        }
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Value<'a>, Fault> {
        if self.peek()? == b'-' {
            self.at += 1;
        }
        if self.peek()? == b'0' {
            self.at += 1;
            if self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
                return Err(Fault::json(self.at, "a number has no leading zero"));
            }
        } else {
            self.digits()?;
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(Value::Number)
    }
}

/// Refuses an object with two equal keys, in time that many keys cannot blow up.
fn unique(members: &[Member<'_>]) -> Result<(), Fault> {
    let fault = |member: &Member<'_>| Fault::new(member.at, Problem::DuplicateKey { key: super::cut(&member.key) });
    if members.len() <= 16 {
        for (number, member) in members.iter().enumerate() {
            if members[..number].iter().any(|other| other.key == member.key) {
                return Err(fault(member));
            }
        }
        return Ok(());
    }
    let mut sorted: Vec<&Member<'_>> = members.iter().collect();
    sorted.sort_by(|a, b| (&a.key, a.at).cmp(&(&b.key, b.at)));
    let twice = sorted.windows(2).filter(|pair| pair[0].key == pair[1].key).map(|pair| pair[1]);
    twice.min_by_key(|member| member.at).map_or(Ok(()), |member| Err(fault(member)))
}
