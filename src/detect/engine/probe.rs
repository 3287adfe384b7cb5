//! One pattern, and cheaper patterns that match wherever it does.

use std::sync::OnceLock;

use regex::Regex;

use crate::domain::Span;

/// What a probe works for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::detect) enum Target {
    /// A rule of the ruleset, by position.
    Rule(usize),
    /// A secret shape, by position.
    Shape(usize),
    /// A kind cue, by position.
    Cue(usize),
}

/// A regex that waits for its keywords.
#[derive(Clone, Debug)]
pub(in crate::detect) struct Probe {
    pub(in crate::detect) target: Target,
    pub(in crate::detect) regex: Regex,
    /// Runs on the view's own text instead of the folded form.
    pub(in crate::detect) raw: bool,
    /// Sees single line breaks as `\n`.
    pub(in crate::detect) lines: bool,
    /// Cheaper patterns that match wherever `regex` does. Built at the first window, as is the next one: most rules
    /// never see one.
    gate: OnceLock<Gate>,
    /// The same pattern over bytes: on ASCII text it matches the same, with automata a tenth the size.
    ascii: OnceLock<Option<regex::bytes::Regex>>,
}

/// Tells quickly that a pattern has no match in a window.
///
/// A counted repeat (`.{0,60}`) makes a lazy automaton grow a state for every count, and Unicode
/// classes make each of them large: on honest text nearly all time would go into building states.
/// The gate has `*` or `+` for every counted repeat, and for ASCII windows ASCII classes. Both only
/// widen what matches, so the pattern itself has the last word.
#[derive(Clone, Debug, Default)]
struct Gate {
    ascii: Option<regex::bytes::Regex>,
    any: Option<Regex>,
}

impl Gate {
    fn of(pattern: &str) -> Self {
        let ascii = over_bytes(&widen(pattern, true));
        // Borders of words of all scripts are beyond the fast automata: a single dash in the window would
        // send every pattern to the slow machine.
        let wide = widen(pattern, false);
        let any = if wide == pattern { None } else { Regex::new(&wide).ok() };
        Self { ascii, any }
    }
    /// False only when the pattern cannot match.
    fn may_match(&self, window: &str) -> bool {
        match (&self.ascii, &self.any) {
            (Some(ascii), _) if window.is_ascii() => ascii.is_match(window.as_bytes()),
            (_, Some(any)) => any.is_match(window),
            (_, None) => true,
        }
    }
}

impl Probe {
    /// A probe on the folded text, or on the view's own text when `raw`.
    pub(in crate::detect) fn new(target: Target, regex: Regex, raw: bool, lines: bool) -> Self {
        Self { target, regex, raw, lines, gate: OnceLock::new(), ascii: OnceLock::new() }
    }

    /// Every match that begins at `from` or later; what stands before it is seen as context.
    pub(in crate::detect) fn each(&self, window: &str, from: usize, mut found: impl FnMut(Span)) {
        if !self.gate.get_or_init(|| Gate::of(self.regex.as_str())).may_match(window) {
            return;
        }
        let ascii = self.ascii.get_or_init(|| over_bytes(self.regex.as_str())).as_ref().filter(|_| window.is_ascii());
        let mut at = from;
        while at <= window.len() {
            let next = match ascii {
                Some(ascii) => ascii.find_at(window.as_bytes(), at).map(|m| Span::new(m.start(), m.end())),
                None => self.regex.find_at(window, at).map(|m| Span::new(m.start(), m.end())),
            };
            let Some(span) = next else { break };
            found(span);
            at = if span.is_empty() { super::ceil_char(window, span.end + 1) } else { span.end };
            if span.is_empty() && span.end == window.len() {
                break;
            }
        }
    }
}

/// The pattern over bytes, for ASCII text only: there it matches the same. `None` when it has no such form.
fn over_bytes(pattern: &str) -> Option<regex::bytes::Regex> {
    regex::bytes::RegexBuilder::new(&without_foreign_members(pattern)?).unicode(false).build().ok()
}

/// `pattern` without the non-ASCII members of its classes, which byte patterns do not allow and ASCII text never
/// has. `None` for a range that begins in ASCII and ends outside.
fn without_foreign_members(pattern: &str) -> Option<String> {
    let mut out = String::with_capacity(pattern.len());
    let mut class = 0_usize;
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                out.push(c);
                out.extend(chars.next());
                continue;
            }
            '[' => class += 1,
            ']' => class = class.saturating_sub(1),
            _ => {}
        }
        if class > 0 && !c.is_ascii() {
            // A range goes over whole: `а-я`.
            let mut ahead = chars.clone();
            if ahead.next() == Some('-') && ahead.next().is_some_and(|end| !end.is_ascii()) {
                chars.next();
                chars.next();
            }
            continue;
        }
        if class > 0 && c == '-' && chars.peek().is_some_and(|end| !end.is_ascii()) && !out.ends_with(['[', '^']) {
            return None;
        }
        out.push(c);
    }
    Some(out)
}

/// `pattern` with `*` or `+` for every counted repeat outside classes, and without `\b` unless `borders`.
fn widen(pattern: &str, borders: bool) -> String {
    let mut out = String::with_capacity(pattern.len());
    let (mut class, mut at) = (0_usize, 0);
    while let Some(c) = pattern[at..].chars().next() {
        let rest = &pattern[at..];
        if c == '\\' {
            // An escape goes over whole, with the braces of `\x{41}` and `\p{L}`.
            let mut len = 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
            if rest.get(1..2).is_some_and(|e| matches!(e, "x" | "u" | "U" | "p" | "P" | "b"))
                && rest[len..].starts_with('{')
            {
                len += rest[len..].find('}').map_or(0, |i| i + 1);
            }
            if borders || class > 0 || &rest[..len] != r"\b" {
                out.push_str(&rest[..len]);
            }
            at += len;
            continue;
        }
        match c {
            '[' => class += 1,
            ']' => class = class.saturating_sub(1),
            '{' if class == 0 => {
                let close = rest.find('}').unwrap_or(rest.len());
                let count = rest.get(1..close).unwrap_or_default();
                if !count.is_empty() && count.bytes().all(|b| b.is_ascii_digit() || b == b',') {
                    // At least one stays at least one.
                    let none = count.split(',').next().is_none_or(|least| least.trim_start_matches('0').is_empty());
                    out.push(if none { '*' } else { '+' });
                    at += close + 1;
                    continue;
                }
            }
            _ => {}
        }
        out.push(c);
        at += c.len_utf8();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widening_replaces_counts_and_nothing_else() {
        for (pattern, wide) in [
            (r"a{2,3}b.{0,60}?c", r"a+b.*?c"),
            (r"[{2}]\{3\}\x{41}\p{L}{2}", r"[{2}]\{3\}\x{41}\p{L}+"),
            (r"(?:ab){4}\b", r"(?:ab)+\b"),
            (r"a{b}", r"a{b}"),
        ] {
            assert_eq!(widen(pattern, true), wide);
        }
        assert_eq!(widen(r"\bab{2}\b[x\b]\\b", false), r"ab+[x\b]\\b");
    }

    #[test]
    fn a_gate_lets_through_whatever_its_pattern_matches() {
        for (pattern, text) in [
            (r"ignore.{0,9}all", "please ignore it all"),
            (r"\bgr[üu]n\w{2,4}\b", "grünlich"),
            (r"(?m)^\s*system:", "x\nsystem: y"),
            (r"\d{3}-\d{4}", "call 555-0100"),
        ] {
            assert!(Regex::new(pattern).unwrap().is_match(text));
            assert!(Gate::of(pattern).may_match(text), "{pattern}");
        }
        assert!(!Gate::of(r"ignore.{0,9}all").may_match("please ignore it"));
    }

    #[test]
    fn the_byte_form_of_a_pattern_matches_the_same_on_ascii_text() {
        let rules = crate::ruleset::RuleSet::builtin().unwrap();
        let texts: Vec<String> = rules
            .rules()
            .iter()
            .flat_map(|rule| rule.examples.fires.iter().chain(&rule.examples.quiet))
            .map(|text| text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" "))
            .filter(|text| text.is_ascii())
            .collect();
        let patterns = rules.rules().iter().filter_map(|rule| match &rule.matcher {
            crate::ruleset::Matcher::Pattern { regex, .. } => Some(regex.as_str()),
            _ => None,
        });
        let mut forms = 0;
        for pattern in patterns {
            let (Ok(whole), Some(bytes)) = (Regex::new(pattern), over_bytes(pattern)) else { continue };
            forms += 1;
            for text in &texts {
                let expected: Vec<_> = whole.find_iter(text).map(|m| (m.start(), m.end())).collect();
                let got: Vec<_> = bytes.find_iter(text.as_bytes()).map(|m| (m.start(), m.end())).collect();
                assert_eq!(got, expected, "{pattern} on {text}");
            }
        }
        assert!(forms >= 120, "only {forms} patterns have a byte form");
    }

    #[test]
    fn foreign_members_of_classes_go_and_mixed_ranges_stay_whole() {
        for (pattern, expected) in [
            ("[.*\u{2013}\u{2014}|-]x", Some("[.*|-]x")),
            ("[a-z\u{430}-\u{44F}]+", Some("[a-z]+")),
            ("[^\u{2014}.]", Some("[^.]")),
            ("caf\u{E9} [a-z]", Some("caf\u{E9} [a-z]")),
            ("[a-\u{44F}]", None),
            (r"\[\u{44F}\]", Some(r"\[\u{44F}\]")),
        ] {
            assert_eq!(without_foreign_members(pattern).as_deref(), expected, "{pattern}");
        }
    }
}
