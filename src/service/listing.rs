//! Lists of memgate's own API: stable order, sealed cursors, counts; entity tags.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::domain::Digest;

use super::{Service, ServiceError};

/// Counts are exact up to here, and a floor beyond.
const COUNTED: usize = 10_000;

/// What is asked of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// Items on a page.
    pub limit: usize,
    /// Where the last page ended.
    pub cursor: Option<String>,
}

/// One page of a list, and how many items there are.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// The items.
    pub data: Vec<Value>,
    /// The cursor of the next page.
    pub next: Option<String>,
    /// How many items the whole list has, when that is known.
    pub count: Option<usize>,
}

impl Listed {
    /// The page as the wire shows it.
    pub fn shown(self) -> Value {
        let total = self.count.map(|count| json!({ "count": count.min(COUNTED), "exact": count <= COUNTED }));
        json!({ "data": self.data, "next_cursor": self.next, "total": total })
    }
}

/// The entity tag of an object: any change of it is another tag. Shape: RFC 9110, a strong one, with its quotes.
pub fn etag_of(value: &Value) -> String {
    let digest = Digest::of(value.to_string()).hex();
    format!("\"{}\"", digest.get(..32).unwrap_or(&digest))
}

impl Service {
    /// Where the last page of a list ended.
    pub(super) fn at<T: DeserializeOwned>(&self, list: &str, ask: &Ask) -> Result<Option<T>, ServiceError> {
        let open = |cursor: &str| self.cursors.open(list, cursor);
        ask.cursor.as_deref().map(open).transpose().map_err(|error| match error {
            // The hosted API calls it a page.
            ServiceError::Invalid { .. } => ServiceError::invalid("cursor: not one of this list"),
            other => other,
        })
    }

    /// A page of items with their places: texts whose order is the order of the list. A place is an item's own for
    /// good, so what comes or goes meanwhile moves nothing else.
    pub(super) fn listed(
        &self,
        list: &str,
        mut items: Vec<(String, Value)>,
        ask: &Ask,
    ) -> Result<Listed, ServiceError> {
        let after: Option<String> = self.at(list, ask)?;
        items.sort_by(|a, b| a.0.cmp(&b.0));
        let count = items.len();
        let mut rest = items.into_iter().filter(|(place, _)| after.as_ref().is_none_or(|after| place > after));
        let page: Vec<(String, Value)> = rest.by_ref().take(ask.limit).collect();
        let more = rest.next().is_some();
        let next = match page.last() {
            Some((place, _)) if more => Some(self.cursors.seal(list, place)?),
            _ => None,
        };
        Ok(Listed { data: page.into_iter().map(|(_, value)| value).collect(), next, count: Some(count) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_of_the_content_and_counts_have_a_floor() {
        assert_eq!(etag_of(&json!({ "a": 1, "b": 2 })), etag_of(&json!({ "b": 2, "a": 1 })));
        assert_ne!(etag_of(&json!({ "a": 1 })), etag_of(&json!({ "a": 2 })));
        let listed = |count| Listed { data: Vec::new(), next: None, count: Some(count) }.shown();
        assert_eq!(listed(10_000)["total"], json!({ "count": 10_000, "exact": true }));
        assert_eq!(listed(10_001)["total"], json!({ "count": 10_000, "exact": false }));
    }
}
