//! YAML into a small tree with positions, and a reader of mappings that refuses unknown keys.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::Spanned;

use super::error::{GradeError, Place};
use super::json;

/// A value with its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) at: Place,
    pub(crate) value: Yaml,
}

/// What a YAML node can be.
#[derive(Clone, Debug)]
pub(crate) enum Yaml {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Place, String, Node)>),
}

fn place<T>(spanned: &Spanned<T>) -> Place {
    Place { line: spanned.referenced.line(), column: spanned.referenced.column() }
}

impl<'de> Deserialize<'de> for Yaml {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tree;
        impl<'de> Visitor<'de> for Tree {
            type Value = Yaml;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a YAML value")
            }
            fn visit_unit<E>(self) -> Result<Yaml, E> {
                Ok(Yaml::Null)
            }
            fn visit_none<E>(self) -> Result<Yaml, E> {
                Ok(Yaml::Null)
            }
            fn visit_some<D: de::Deserializer<'de>>(self, d: D) -> Result<Yaml, D::Error> {
                Yaml::deserialize(d)
            }
            fn visit_bool<E>(self, v: bool) -> Result<Yaml, E> {
                Ok(Yaml::Bool(v))
            }
            fn visit_i64<E>(self, v: i64) -> Result<Yaml, E> {
                Ok(Yaml::Int(v))
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Yaml, E> {
                i64::try_from(v).map(Yaml::Int).map_err(|_| E::custom("the number is too large"))
            }
            fn visit_f64<E>(self, v: f64) -> Result<Yaml, E> {
                Ok(Yaml::Float(v))
            }
            fn visit_str<E>(self, v: &str) -> Result<Yaml, E> {
                Ok(Yaml::Text(v.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Yaml, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element::<Spanned<Yaml>>()? {
                    items.push(Node { at: place(&item), value: item.value });
                }
                Ok(Yaml::List(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Yaml, A::Error> {
                let mut entries: Vec<(Place, String, Node)> = Vec::new();
                while let Some((key, item)) = map.next_entry::<Spanned<String>, Spanned<Yaml>>()? {
                    if entries.iter().any(|(_, seen, _)| *seen == key.value) {
                        return Err(de::Error::custom(format!("the key `{}` is given twice", key.value)));
                    }
                    let at = place(&key);
                    entries.push((at, key.value, Node { at: place(&item), value: item.value }));
                }
                Ok(Yaml::Map(entries))
            }
        }
        deserializer.deserialize_any(Tree)
    }
}

/// Reads one YAML document.
pub(crate) fn parse(text: &str) -> Result<Node, GradeError> {
    const LIMIT: usize = 1 << 20;
    if text.len() > LIMIT {
        return Err(GradeError::TooLarge { place: Place::default(), what: "bytes in a rubric file", limit: LIMIT });
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_aliases: 0, max_anchors: 0, max_depth: 64, max_events: 200_000 },
        with_snippet: false,
        strict_booleans: true,
    };
    match serde_saphyr::from_str_with_options::<Spanned<Yaml>>(text, options) {
        Ok(root) => Ok(Node { at: place(&root), value: root.value }),
        Err(error) => {
            let at = error.location().map(|l| Place { line: l.line(), column: l.column() }).unwrap_or_default();
            let problem = error.to_string().lines().next().unwrap_or_default().to_owned();
            Err(GradeError::Syntax { place: at, problem })
        }
    }
}

impl Node {
    /// The node as JSON, for expected values. Numbers that JSON cannot hold are refused.
    pub(crate) fn to_json(&self, key: &str, within: &str) -> Result<Value, GradeError> {
        Ok(match &self.value {
            Yaml::Null => Value::Null,
            Yaml::Bool(b) => Value::Bool(*b),
            Yaml::Int(n) => Value::from(*n),
            Yaml::Float(n) => Value::Number(
                serde_json::Number::from_f64(*n).ok_or_else(|| self.bad(key, within, "must be a finite number"))?,
            ),
            Yaml::Text(s) => Value::String(s.clone()),
            Yaml::List(items) => {
                Value::Array(items.iter().map(|item| item.to_json(key, within)).collect::<Result<_, _>>()?)
            }
            Yaml::Map(entries) => {
                let mut map = serde_json::Map::new();
                for (_, name, node) in entries {
                    map.insert(name.clone(), node.to_json(key, within)?);
                }
                Value::Object(map)
            }
        })
    }
    /// An error at this node.
    pub(crate) fn bad(&self, key: &str, within: &str, problem: impl Into<String>) -> GradeError {
        GradeError::BadValue { place: self.at, key: key.to_owned(), within: within.to_owned(), problem: problem.into() }
    }
}

/// A mapping that is read key by key; keys nobody asked for are refused at the end.
pub(crate) struct Fields<'a> {
    pub(crate) at: Place,
    pub(crate) within: String,
    /// True inside `each`, where `item` means something.
    pub(crate) in_each: bool,
    entries: Vec<(&'a (Place, String, Node), bool)>,
    asked: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// Starts on a mapping.
    pub(crate) fn of(node: &'a Node, within: impl Into<String>) -> Result<Self, GradeError> {
        let within = within.into();
        match &node.value {
            Yaml::Map(entries) => Ok(Self {
                at: node.at,
                within,
                in_each: false,
                entries: entries.iter().map(|entry| (entry, false)).collect(),
                asked: Vec::new(),
            }),
            _ => Err(node.bad("this", &within, "must be a mapping of keys and values")),
        }
    }
    /// Takes a key's node; `null` counts as absent.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<&'a Node> {
        self.asked.push(key);
        let (entry, taken) = self.entries.iter_mut().find(|(entry, _)| entry.1 == key)?;
        *taken = true;
        Some(&entry.2).filter(|node| !matches!(node.value, Yaml::Null))
    }
    /// Looks at a key without taking it.
    pub(crate) fn peek(&self, key: &str) -> Option<&'a Node> {
        self.entries.iter().find(|(entry, _)| entry.1 == key).map(|(entry, _)| &entry.2)
    }
    /// Takes a key that must be there.
    pub(crate) fn need(&mut self, key: &'static str) -> Result<&'a Node, GradeError> {
        self.take(key).ok_or_else(|| GradeError::MissingKey { place: self.at, key, within: self.within.clone() })
    }
    /// Text, or `None`.
    pub(crate) fn text(&mut self, key: &'static str) -> Result<Option<String>, GradeError> {
        self.take(key).map(|node| text_of(node, key, &self.within)).transpose()
    }
    /// Text that must be there.
    pub(crate) fn need_text(&mut self, key: &'static str) -> Result<String, GradeError> {
        let node = self.need(key)?;
        text_of(node, key, &self.within)
    }
    /// A yes or no, default no.
    pub(crate) fn flag(&mut self, key: &'static str) -> Result<bool, GradeError> {
        match self.take(key) {
            None => Ok(false),
            Some(Node { value: Yaml::Bool(b), .. }) => Ok(*b),
            Some(node) => Err(node.bad(key, &self.within, "must be true or false")),
        }
    }
    /// A whole number within a range, or `None`.
    pub(crate) fn int(&mut self, key: &'static str, low: i64, high: i64) -> Result<Option<i64>, GradeError> {
        match self.take(key) {
            None => Ok(None),
            Some(Node { value: Yaml::Int(n), .. }) if (low..=high).contains(n) => Ok(Some(*n)),
            Some(node) => Err(node.bad(key, &self.within, format!("must be a whole number from {low} to {high}"))),
        }
    }
    /// A count from zero, or `None`.
    pub(crate) fn count(&mut self, key: &'static str) -> Result<Option<u64>, GradeError> {
        Ok(self.int(key, 0, i64::MAX)?.map(i64::unsigned_abs))
    }
    /// One text or a list of texts; empty when absent.
    pub(crate) fn texts(&mut self, key: &'static str) -> Result<Vec<String>, GradeError> {
        match self.take(key) {
            None => Ok(Vec::new()),
            Some(Node { value: Yaml::List(items), .. }) => {
                items.iter().map(|item| text_of(item, key, &self.within)).collect()
            }
            Some(node) => Ok(vec![text_of(node, key, &self.within)?]),
        }
    }
    /// At least one text.
    pub(crate) fn need_texts(&mut self, key: &'static str) -> Result<Vec<String>, GradeError> {
        self.need(key)?;
        let texts = self.texts(key)?;
        if texts.is_empty() || texts.iter().any(String::is_empty) {
            return Err(self.bad(key, "needs at least one text, none of them empty"));
        }
        Ok(texts)
    }
    /// A list of nodes; empty when absent.
    pub(crate) fn list(&mut self, key: &'static str) -> Result<&'a [Node], GradeError> {
        match self.take(key) {
            None => Ok(&[]),
            Some(Node { value: Yaml::List(items), .. }) => Ok(items),
            Some(node) => Err(node.bad(key, &self.within, "must be a list")),
        }
    }
    /// Any value as JSON, or `None` when the key is not there. An explicit `null` is a value here.
    pub(crate) fn json(&mut self, key: &'static str) -> Result<Option<Value>, GradeError> {
        let node = self.peek(key);
        self.take(key);
        node.map(|node| node.to_json(key, &self.within)).transpose()
    }
    /// A number as exact decimal text, or `None`.
    pub(crate) fn decimal(&mut self, key: &'static str) -> Result<Option<super::decimal::Decimal>, GradeError> {
        let Some(node) = self.take(key) else { return Ok(None) };
        let number = match &node.value {
            Yaml::Int(_) | Yaml::Float(_) => json::number(&node.to_json(key, &self.within)?),
            Yaml::Text(text) => super::decimal::Decimal::parse(text),
            _ => None,
        };
        number.map(Some).ok_or_else(|| node.bad(key, &self.within, "must be a number of at most 21 digits"))
    }
    /// One of some words; the first when absent.
    pub(crate) fn choice<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Result<T, GradeError> {
        let list = || words.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        let found = match self.text(key)? {
            None => words.first(),
            Some(word) => words.iter().find(|(name, _)| *name == word),
        };
        found.map(|(_, value)| *value).ok_or_else(|| self.bad(key, format!("must be one of {}", list())))
    }
    /// An error at a key (or at the mapping, when the key is not there).
    pub(crate) fn bad(&self, key: &str, problem: impl Into<String>) -> GradeError {
        GradeError::BadValue {
            place: self.peek(key).map_or(self.at, |node| node.at),
            key: key.to_owned(),
            within: self.within.clone(),
            problem: problem.into(),
        }
    }
    /// Ends: refuses the first key nobody asked for.
    pub(crate) fn finish(self) -> Result<(), GradeError> {
        for (entry, taken) in &self.entries {
            if !taken {
                return Err(GradeError::UnknownKey {
                    place: entry.0,
                    key: entry.1.clone(),
                    within: self.within,
                    suggestion: nearest(&entry.1, self.asked.iter().copied()),
                });
            }
        }
        Ok(())
    }
}

fn text_of(node: &Node, key: &str, within: &str) -> Result<String, GradeError> {
    match &node.value {
        Yaml::Text(text) => Ok(text.clone()),
        // Ids and labels such as `7` or `true` are texts to their author.
        Yaml::Int(n) => Ok(n.to_string()),
        Yaml::Bool(b) => Ok(b.to_string()),
        _ => Err(node.bad(key, within, "must be text")),
    }
}

/// The nearest known word, when it is near enough to be meant.
pub(crate) fn nearest<'w>(word: &str, known: impl Iterator<Item = &'w str>) -> Option<String> {
    let short: Vec<char> = word.chars().take(64).collect();
    known
        .map(|candidate| (super::kinds::levenshtein(&short, &candidate.chars().collect::<Vec<_>>()), candidate))
        .filter(|(distance, candidate)| *distance * 3 <= candidate.chars().count().max(3))
        .min()
        .map(|(_, candidate)| candidate.to_owned())
}
