//! Strict reading of JSON bodies: every key known, every type right, every problem named by its key.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::service::{Metadata, MetadataPatch, ServiceError};

/// An object whose keys are taken out one by one.
#[derive(Debug)]
pub(super) struct Fields {
    map: Map<String, Value>,
    place: String,
}

fn bad(place: &str, key: &str, what: &str) -> ServiceError {
    ServiceError::invalid(format!("{place}{key}: {what}"))
}

/// A key of a caller for a message: cut, and without anything that could change how the message looks.
fn quoted(key: &str) -> String {
    let plain: String = key.chars().take(40).map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect();
    format!("`{plain}`")
}

impl Fields {
    /// The members of an object; refused when it is none or has a key that nobody reads.
    pub(super) fn of(value: Value, place: &str, known: &[&str]) -> Result<Self, ServiceError> {
        let Value::Object(map) = value else {
            let name = if place.is_empty() { "the body" } else { place };
            return Err(ServiceError::invalid(format!("{name}: a JSON object is expected")));
        };
        if let Some(key) = map.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(ServiceError::invalid(format!("{place}{}: unknown key", quoted(key))));
        }
        let place = if place.is_empty() { String::new() } else { format!("{place}.") };
        Ok(Self { map, place })
    }

    /// The value of a key, `null` included.
    pub(super) fn raw(&mut self, key: &str) -> Option<Value> {
        self.map.remove(key)
    }

    /// The value of a key, `null` read as absent.
    pub(super) fn some(&mut self, key: &str) -> Option<Value> {
        self.map.remove(key).filter(|value| !value.is_null())
    }

    pub(super) fn text(&mut self, key: &str) -> Result<Option<String>, ServiceError> {
        match self.some(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(bad(&self.place, key, "a text is expected")),
        }
    }

    pub(super) fn need_text(&mut self, key: &str) -> Result<String, ServiceError> {
        self.text(key)?.ok_or_else(|| bad(&self.place, key, "is needed"))
    }

    pub(super) fn number(&mut self, key: &str) -> Result<Option<i64>, ServiceError> {
        match self.some(key) {
            None => Ok(None),
            Some(value) => value.as_i64().map(Some).ok_or_else(|| bad(&self.place, key, "a whole number is expected")),
        }
    }

    pub(super) fn list(&mut self, key: &str) -> Result<Option<Vec<Value>>, ServiceError> {
        match self.some(key) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(_) => Err(bad(&self.place, key, "a list is expected")),
        }
    }

    pub(super) fn texts(&mut self, key: &str) -> Result<Option<Vec<String>>, ServiceError> {
        let Some(items) = self.list(key)? else { return Ok(None) };
        let texts: Option<Vec<String>> = items.into_iter().map(|item| item.as_str().map(str::to_owned)).collect();
        texts.map(Some).ok_or_else(|| bad(&self.place, key, "a list of texts is expected"))
    }

    pub(super) fn metadata(&mut self, key: &str) -> Result<Metadata, ServiceError> {
        let patch = self.metadata_patch(key)?;
        let whole: Option<BTreeMap<_, _>> = patch.into_iter().map(|(key, value)| Some((key, value?))).collect();
        whole.ok_or_else(|| bad(&self.place, key, "values are texts"))
    }

    pub(super) fn metadata_patch(&mut self, key: &str) -> Result<MetadataPatch, ServiceError> {
        let pairs = match self.some(key) {
            None => return Ok(MetadataPatch::new()),
            Some(Value::Object(pairs)) => pairs,
            Some(_) => return Err(bad(&self.place, key, "an object of texts is expected")),
        };
        pairs
            .into_iter()
            .map(|(name, value)| match value {
                Value::String(text) => Ok((name, Some(text))),
                Value::Null => Ok((name, None)),
                _ => Err(bad(&self.place, key, "values are texts")),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_unknown_key_is_named_and_cannot_write_into_the_message() {
        let error = Fields::of(json!({ "a\u{1b}[2J\u{202e}b": 1 }), "", &["name"]).unwrap_err();
        assert_eq!(error.to_string(), "`a?[2J?b`: unknown key");
        assert!(Fields::of(json!([]), "", &[]).is_err());
    }

    #[test]
    fn null_is_absent_and_types_are_checked() {
        let mut fields = Fields::of(json!({ "a": null, "b": 3, "m": { "k": null } }), "", &["a", "b", "m"]).unwrap();
        assert_eq!(fields.text("a").unwrap(), None);
        assert_eq!(fields.text("b").unwrap_err().to_string(), "b: a text is expected");
        assert_eq!(fields.metadata("m").unwrap_err().to_string(), "m: values are texts");
    }
}
