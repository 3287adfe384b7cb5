//! A small path language, and equality of values.

use serde::Serialize;
use serde_json::Value;

use super::decimal::Decimal;

/// The exact number of a JSON value.
pub(crate) fn number(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(n) => Decimal::parse(&n.to_string()),
        _ => None,
    }
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Mode {
    /// The same value; 1 and 1.0 are one number, key order does not matter.
    Exact,
    /// Every expected key is there with its value; arrays as long as expected.
    Subset,
    /// As exact, but arrays are bags.
    Unordered,
}

/// Compares an actual value with an expected one.
pub(crate) fn matches(actual: &Value, expected: &Value, mode: Mode) -> bool {
    match (actual, expected) {
        (Value::Number(a), Value::Number(b)) => match (number(actual), number(expected)) {
            (Some(a), Some(b)) => a == b,
            _ => a == b,
        },
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len()
                && match mode {
                    Mode::Exact | Mode::Subset => a.iter().zip(b).all(|(a, b)| matches(a, b, mode)),
                    Mode::Unordered => {
                        // Equality up to order is an equivalence, so greedy pairing finds a pairing if there is one.
                        let mut used = vec![false; a.len()];
                        b.iter().all(|want| {
                            let hit = a.iter().enumerate().find(|(i, have)| !used[*i] && matches(have, want, mode));
                            hit.map(|(i, _)| used[i] = true).is_some()
                        })
                    }
                }
        }
        (Value::Object(a), Value::Object(b)) => {
            (mode == Mode::Subset || a.len() == b.len())
                && b.iter().all(|(key, want)| a.get(key).is_some_and(|have| matches(have, want, mode)))
        }
        _ => actual == expected,
    }
}

/// A path: `$.a.b[0]["odd key"][*]`, `a.b.*`. Dots before plain names, brackets for numbers,
/// quoted names and `*`. Nothing else: no filters, no recursion, no slices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Path {
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
enum Step {
    Key(String),
    Index(usize),
    Every,
}

impl Path {
    /// The whole value.
    pub(crate) const fn root() -> Self {
        Self { steps: Vec::new() }
    }
    /// Reads a path; says what is wrong otherwise.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut rest = text.strip_prefix('$').unwrap_or(text);
        let mut steps = Vec::new();
        let mut first = !text.starts_with('$');
        while !rest.is_empty() {
            if let Some(inner) = rest.strip_prefix('[') {
                let (step, after) = Self::bracket(inner)?;
                steps.push(step);
                rest = after;
            } else {
                let name = match rest.strip_prefix('.') {
                    Some(name) => name,
                    None if first => rest,
                    None => return Err("expected `.` or `[`"),
                };
                let end = name.find(['.', '[']).unwrap_or(name.len());
                match &name[..end] {
                    "" => return Err("a name between dots is empty"),
                    "*" => steps.push(Step::Every),
                    key if key.contains([']', '"', '\'']) => return Err("odd names go in brackets and quotes"),
                    key => steps.push(Step::Key(key.to_owned())),
                }
                rest = &name[end..];
            }
            first = false;
            if steps.len() > 32 {
                return Err("a path has at most 32 steps");
            }
        }
        Ok(Self { steps })
    }
    fn bracket(inner: &str) -> Result<(Step, &str), &'static str> {
        if let Some(after) = inner.strip_prefix("*]") {
            return Ok((Step::Every, after));
        }
        for quote in ['"', '\''] {
            if let Some(body) = inner.strip_prefix(quote) {
                let end = body.find(quote).ok_or("a quote is not closed")?;
                let after = body[end + 1..].strip_prefix(']').ok_or("a bracket is not closed")?;
                return Ok((Step::Key(body[..end].to_owned()), after));
            }
        }
        let (digits, after) = inner.split_once(']').ok_or("a bracket is not closed")?;
        let index = digits.parse().map_err(|_| "brackets hold a number, a quoted name or *")?;
        Ok((Step::Index(index), after))
    }
    /// All values at this path, in document order.
    pub(crate) fn find<'v>(&self, root: &'v Value) -> Vec<&'v Value> {
        let mut found = vec![root];
        for step in &self.steps {
            found = found
                .into_iter()
                .flat_map(|value| -> Vec<&'v Value> {
                    match (step, value) {
                        (Step::Key(key), Value::Object(map)) => map.get(key).into_iter().collect(),
                        (Step::Index(index), Value::Array(items)) => items.get(*index).into_iter().collect(),
                        (Step::Every, Value::Array(items)) => items.iter().collect(),
                        (Step::Every, Value::Object(map)) => map.values().collect(),
                        _ => Vec::new(),
                    }
                })
                .collect();
        }
        found
    }
}

/// Every leaf of a value under its `/`-path (`~` and `/` in keys as `~0` and `~1`, RFC 6901).
/// Empty objects and arrays are leaves too, so that nothing vanishes unseen.
pub(crate) fn leaves<'v>(value: &'v Value, path: &str, out: &mut Vec<(String, &'v Value)>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, item) in map {
                leaves(item, &format!("{path}/{}", key.replace('~', "~0").replace('/', "~1")), out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                leaves(item, &format!("{path}/{index}"), out);
            }
        }
        leaf => out.push((path.to_owned(), leaf)),
    }
}

/// Every text in a value, keys included, with escapes resolved.
pub(crate) fn strings<'v>(value: &'v Value, out: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => out.push(text),
        Value::Array(items) => items.iter().for_each(|item| strings(item, out)),
        Value::Object(map) => {
            for (key, item) in map {
                out.push(key);
                strings(item, out);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_find_what_they_name_and_refuse_what_they_do_not_understand() {
        let value = json!({"a": [{"b": 1}, {"b": 2}], "odd key": {"x": 3}});
        for (path, want) in [
            ("$.a[0].b", json!([1])),
            ("a[*].b", json!([1, 2])),
            ("$[\"odd key\"].x", json!([3])),
            ("['odd key'].*", json!([3])),
            ("$", json!([value.clone()])),
            ("a.b", json!([])),
        ] {
            let found: Vec<_> = Path::parse(path).unwrap().find(&value).into_iter().cloned().collect();
            assert_eq!(Value::Array(found), want, "{path}");
        }
        for bad in ["$..a", "a[", "a[-1]", "a[?(@.b)]", "a[1:2]", "$a", "a]b", "a[\"x]"] {
            assert!(Path::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn equality_knows_numbers_subsets_and_bags() {
        let m = |a: Value, b: Value, mode| matches(&a, &b, mode);
        assert!(m(json!({"n": 1.0, "m": 2}), json!({"m": 2, "n": 1}), Mode::Exact));
        assert!(!m(json!({"n": 1, "m": 2}), json!({"n": 1}), Mode::Exact));
        assert!(m(json!({"n": 1, "m": 2}), json!({"n": 1}), Mode::Subset));
        assert!(!m(json!([1, 2]), json!([2, 1]), Mode::Exact));
        assert!(m(json!([1, 2, 2]), json!([2, 1, 2]), Mode::Unordered));
        assert!(!m(json!([1, 1, 2]), json!([2, 1, 2]), Mode::Unordered));
        assert!(!m(json!("1"), json!(1), Mode::Exact));
        assert!(!m(json!(9_007_199_254_740_993_u64), json!(9_007_199_254_740_992_u64), Mode::Exact));
    }
}
