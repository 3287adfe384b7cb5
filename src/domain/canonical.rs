//! Canonical JSON: the one byte form of everything that is signed or logged.
//!
//! The parser accepts exactly the bytes the printer writes, so two parsers can never read one
//! signature in two ways.

use std::collections::BTreeMap;

/// Containers may nest this deep. Source: signing format, section 2.3.
pub const MAX_DEPTH: usize = 16;

/// The largest integer that every JSON reader holds exactly (2^53-1). Source: RFC 8785.
pub const MAX_INTEGER: i64 = (1 << 53) - 1;

/// A JSON value of the signable subset: no floats, ASCII member names.
///
/// Shape: member order is the byte order of the names, which is RFC 8785's order for ASCII.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number within ±(2^53-1).
    Int(i64),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Value>),
    /// An object.
    Map(BTreeMap<String, Value>),
}

/// Why bytes are not canonical JSON, with the offset of the first bad byte where there is one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CanonicalError {
    /// Not UTF-8.
    #[error("not UTF-8 at byte {at}")]
    NotUtf8 {
        /// Byte offset.
        at: usize,
    },
    /// Not JSON, or JSON in another than the one allowed form (space, order, escapes, floats).
    #[error("not canonical JSON at byte {at}")]
    Form {
        /// Byte offset.
        at: usize,
    },
    /// A member name appears twice: two readers would keep different ones.
    #[error("duplicate member name at byte {at}")]
    Duplicate {
        /// Byte offset.
        at: usize,
    },
    /// A member name that is not printable ASCII.
    #[error("a member name is not printable ASCII")]
    Name,
    /// A control or bidirectional control character in a string.
    #[error("a control or bidirectional character in a string")]
    Character,
    /// A number with a fraction or exponent, or outside ±(2^53-1).
    #[error("a number that is not a whole number within 2^53-1")]
    Number,
    /// More than 16 containers deep.
    #[error("nested more than 16 deep")]
    Depth,
    /// Bytes after the value.
    #[error("bytes after the value at byte {at}")]
    Trailing {
        /// Byte offset.
        at: usize,
    },
}

/// True for characters no signed string may hold: C0, DEL, C1 and bidirectional controls.
const fn is_forbidden(c: char) -> bool {
    matches!(c, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn is_name(name: &str) -> bool {
    name.bytes().all(|b| (0x20..=0x7e).contains(&b))
}

impl Value {
    /// An object from name and value pairs.
    pub fn map<const N: usize>(members: [(&str, Self); N]) -> Self {
        Self::Map(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
    /// A string value.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
    /// The members, when this is an object.
    pub const fn as_map(&self) -> Option<&BTreeMap<String, Self>> {
        if let Self::Map(members) = self { Some(members) } else { None }
    }
    /// The items, when this is an array.
    pub fn as_list(&self) -> Option<&[Self]> {
        if let Self::List(items) = self { Some(items) } else { None }
    }
    /// The text, when this is a string.
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
    /// The number, when this is one.
    pub const fn as_int(&self) -> Option<i64> {
        if let Self::Int(number) = self { Some(*number) } else { None }
    }
    /// The one byte form.
    ///
    /// Errors: refused, when the value itself is outside the signable subset.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CanonicalError> {
        let mut out = Vec::new();
        print(self, 0, &mut out)?;
        Ok(out)
    }
}

fn print(value: &Value, depth: usize, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    if depth > MAX_DEPTH {
        return Err(CanonicalError::Depth);
    }
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Int(number) if number.unsigned_abs() <= MAX_INTEGER.unsigned_abs() => {
            out.extend_from_slice(number.to_string().as_bytes());
        }
        Value::Int(_) => return Err(CanonicalError::Number),
        Value::Text(text) => print_text(text, out)?,
        Value::List(items) => {
            check_depth(depth)?;
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                print(item, depth + 1, out)?;
            }
            out.push(b']');
        }
        Value::Map(members) => {
            check_depth(depth)?;
            out.push(b'{');
            for (at, (name, item)) in members.iter().enumerate() {
                if !is_name(name) {
                    return Err(CanonicalError::Name);
                }
                if at > 0 {
                    out.push(b',');
                }
                print_text(name, out)?;
                out.push(b':');
                print(item, depth + 1, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

const fn check_depth(depth: usize) -> Result<(), CanonicalError> {
    if depth >= MAX_DEPTH { Err(CanonicalError::Depth) } else { Ok(()) }
}

fn print_text(text: &str, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    if text.chars().any(is_forbidden) {
        return Err(CanonicalError::Character);
    }
    out.push(b'"');
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
    Ok(())
}

/// Reads canonical JSON and nothing else.
///
/// Errors: refused, for every input whose bytes are not exactly what [`Value::to_bytes`] prints.
/// Cost: linear; nothing is copied but the strings.
/// Source: RFC 8785, restricted to the subset on which it and OLPC canonical JSON agree.
pub fn parse_canonical(bytes: &[u8]) -> Result<Value, CanonicalError> {
    let text = std::str::from_utf8(bytes).map_err(|e| CanonicalError::NotUtf8 { at: e.valid_up_to() })?;
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    if reader.at < text.len() {
        return Err(CanonicalError::Trailing { at: reader.at });
    }
    Ok(value)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
    const fn form<T>(&self) -> Result<T, CanonicalError> {
        Err(CanonicalError::Form { at: self.at })
    }
    fn eat(&mut self, byte: u8) -> bool {
        let hit = self.peek() == Some(byte);
        self.at += usize::from(hit);
        hit
    }
    fn expect(&mut self, byte: u8) -> Result<(), CanonicalError> {
        if self.eat(byte) { Ok(()) } else { self.form() }
    }
    fn word(&mut self, word: &str, value: Value) -> Result<Value, CanonicalError> {
        if self.text[self.at..].starts_with(word) {
            self.at += word.len();
            Ok(value)
        } else {
            self.form()
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, CanonicalError> {
        match self.peek() {
            Some(b'n') => self.word("null", Value::Null),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'"') => Ok(Value::Text(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'[') => self.list(depth),
            Some(b'{') => self.map(depth),
            _ => self.form(),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, CanonicalError> {
        check_depth(depth)?;
        self.at += 1;
        let mut items = Vec::new();
        if self.eat(b']') {
            return Ok(Value::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.eat(b']') {
                return Ok(Value::List(items));
            }
            self.expect(b',')?;
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, CanonicalError> {
        check_depth(depth)?;
        self.at += 1;
        let mut members: BTreeMap<String, Value> = BTreeMap::new();
        if self.eat(b'}') {
            return Ok(Value::Map(members));
        }
        loop {
            let start = self.at;
            if self.peek() != Some(b'"') {
                return self.form();
            }
            let name = self.string()?;
            if !is_name(&name) {
                return Err(CanonicalError::Name);
            }
            if members.contains_key(&name) {
                return Err(CanonicalError::Duplicate { at: start });
            }
            // Ascending order is part of the one form; an unsorted object has a second reading.
            if members.last_key_value().is_some_and(|(last, _)| *last > name) {
                return Err(CanonicalError::Form { at: start });
            }
            self.expect(b':')?;
            let value = self.value(depth + 1)?;
            members.insert(name, value);
            if self.eat(b'}') {
                return Ok(Value::Map(members));
            }
            self.expect(b',')?;
        }
    }

    fn string(&mut self) -> Result<String, CanonicalError> {
        self.expect(b'"')?;
        let mut out = String::new();
        let mut chars = self.text[self.at..].char_indices();
        while let Some((offset, c)) = chars.next() {
            match c {
                '"' => {
                    self.at += offset + 1;
                    return Ok(out);
                }
                // The only two escapes RFC 8785 writes once control characters are refused.
                '\\' => match chars.next() {
                    Some((_, escaped @ ('"' | '\\'))) => out.push(escaped),
                    _ => return Err(CanonicalError::Form { at: self.at + offset }),
                },
                c if is_forbidden(c) => return Err(CanonicalError::Character),
                c => out.push(c),
            }
        }
        Err(CanonicalError::Form { at: self.text.len() })
    }

    fn number(&mut self) -> Result<Value, CanonicalError> {
        let start = self.at;
        let negative = self.eat(b'-');
        let digits = self.text.as_bytes()[self.at..].iter().take_while(|b| b.is_ascii_digit()).count();
        let first = self.peek();
        self.at += digits;
        if matches!(self.peek(), Some(b'.' | b'e' | b'E')) {
            return Err(CanonicalError::Number);
        }
        // No leading zero, no `-0`: each number has one spelling.
        if digits == 0 || (first == Some(b'0') && (digits > 1 || negative)) {
            return Err(CanonicalError::Form { at: start });
        }
        match self.text[start..self.at].parse::<i64>() {
            Ok(number) if number.unsigned_abs() <= MAX_INTEGER.unsigned_abs() => Ok(Value::Int(number)),
            _ => Err(CanonicalError::Number),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            (-MAX_INTEGER..=MAX_INTEGER).prop_map(Value::Int),
            "[^\\x00-\\x1f\\x7f-\\u{9f}\\u{202a}-\\u{202e}\\u{2066}-\\u{2069}]{0,12}".prop_map(Value::Text),
        ];
        leaf.prop_recursive(5, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::List),
                prop::collection::btree_map("[ -~]{0,6}", inner, 0..5).prop_map(Value::Map),
            ]
        })
    }

    proptest! {
        #[test]
        fn printing_and_reading_are_inverse(value in value()) {
            let bytes = value.to_bytes().unwrap();
            prop_assert_eq!(parse_canonical(&bytes).unwrap(), value);
        }
        #[test]
        fn whatever_is_read_prints_to_the_same_bytes(bytes in prop::collection::vec(
            prop::sample::select(b"{}[]\":,0123456789-.eEtrufalsn \\ab\x00\xc3\xa9".to_vec()), 0..24)) {
            if let Ok(value) = parse_canonical(&bytes) {
                prop_assert_eq!(value.to_bytes().unwrap(), bytes);
            }
        }
        #[test]
        fn a_changed_byte_never_reads_as_the_same_value(value in value(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let mut bytes = value.to_bytes().unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert_ne!(parse_canonical(&bytes), Ok(value));
        }
    }

    #[test]
    fn every_second_spelling_is_refused() {
        for text in [
            "",
            " 1",
            "1 ",
            "1\n",
            "\u{feff}1",
            "01",
            "-0",
            "-",
            "+1",
            "1.0",
            "1e3",
            "9007199254740992",
            "-9007199254740992",
            "99999999999999999999",
            "\"a",
            "\"\\n\"",
            "\"\\u0041\"",
            "\"\\/\"",
            "\"\u{7f}\"",
            "\"\u{9b}\"",
            "\"\u{202e}\"",
            "\"\u{2066}\"",
            "\"\t\"",
            "[1,]",
            "[1 ,2]",
            "[,1]",
            "{\"b\":1,\"a\":2}",
            "{\"a\":1,\"a\":1}",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\" :1}",
            "{\"\u{e9}\":1}",
            "nul",
            "True",
            "[1]]",
            "{}{}",
        ] {
            assert!(parse_canonical(text.as_bytes()).is_err(), "{text:?} was read");
        }
        assert!(parse_canonical(b"\"\xff\"").is_err());
        assert_eq!(parse_canonical(b"9007199254740991"), Ok(Value::Int(MAX_INTEGER)));
    }

    #[test]
    fn depth_sixteen_is_read_and_seventeen_is_not() {
        let nest = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        let value = parse_canonical(nest(16).as_bytes()).unwrap();
        assert_eq!(value.to_bytes().unwrap(), nest(16).as_bytes());
        assert_eq!(parse_canonical(nest(17).as_bytes()), Err(CanonicalError::Depth));
        assert_eq!(Value::List(vec![value]).to_bytes(), Err(CanonicalError::Depth));
        assert!(parse_canonical(nest(100_000).as_bytes()).is_err());
    }
}
