//! One pattern that waits for its literals.

use std::sync::OnceLock;

use regex_automata::Input;
use regex_automata::meta::Regex;

use super::forms::Form;
use crate::domain::Span;
use crate::ruleset::Pattern;

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

/// A pattern that waits for its literals.
#[derive(Clone, Debug)]
pub(in crate::detect) struct Probe {
    pub(in crate::detect) target: Target,
    pub(in crate::detect) pattern: Pattern,
    /// Runs on the view's own text instead of the folded form.
    pub(in crate::detect) raw: bool,
    /// Sees single line breaks as `\n`.
    pub(in crate::detect) lines: bool,
    /// Its other forms, made when they are first needed: most rules never see a window.
    gate: OnceLock<Option<Regex>>,
    ascii_gate: OnceLock<Option<Regex>>,
    ascii: OnceLock<Option<Regex>>,
}

impl Probe {
    /// A probe on the folded text, or on the view's own text when `raw`.
    pub(in crate::detect) fn new(target: Target, pattern: Pattern, raw: bool, lines: bool) -> Self {
        let [gate, ascii_gate, ascii] = [const { OnceLock::new() }; 3];
        Self { target, pattern, raw, lines, gate, ascii_gate, ascii }
    }

    /// Every match that begins at `from` or later; what stands before it is seen as context.
    pub(in crate::detect) fn each<'s>(&'s self, window: &str, from: usize, mut found: impl FnMut(Span)) {
        let form = |slot: &'s OnceLock<_>, form: Form| slot.get_or_init(|| form.of(self.pattern.as_str())).as_ref();
        let is_ascii = window.is_ascii();
        let gate = if is_ascii { form(&self.ascii_gate, Form::AsciiGate) } else { form(&self.gate, Form::Gate) };
        if gate.is_some_and(|gate| !gate.is_match(window)) {
            return;
        }
        let ascii = if is_ascii { form(&self.ascii, Form::Ascii) } else { None };
        let mut at = from;
        while at <= window.len() {
            let next = match ascii {
                Some(ascii) => ascii.find(Input::new(window).range(at..)).map(|m| Span::new(m.start(), m.end())),
                None => match self.pattern.regex() {
                    Some(regex) => regex.find_at(window, at).map(|m| Span::new(m.start(), m.end())),
                    // What cannot be looked for is taken for found.
                    None => Some(Span::new(at, window.len())),
                },
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
