//! Cheaper forms of a pattern: over bytes instead of characters, and without counts.
//!
//! A counted repeat (`.{0,60}`) makes a lazy automaton grow a state for every count, and classes of all scripts make
//! each state large: on honest text nearly all time would go into building states. So a pattern is rewritten, part
//! by part, into one that needs few small states.

use regex_automata::meta::{Config, Regex};
use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, ClassUnicode, Hir, HirKind, Look, Repetition};

/// Largest automaton, bytes: the default of the `regex` crate.
const SIZE: usize = 10 << 20;

/// What a form is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::detect) enum Form {
    /// Matches ASCII text exactly as the pattern does.
    Ascii,
    /// Matches wherever the pattern matches ASCII text.
    AsciiGate,
    /// Matches wherever the pattern matches.
    Gate,
}

impl Form {
    /// The form of `pattern`; `None` when it has none, which says nothing about what the pattern matches.
    pub(in crate::detect) fn of(self, pattern: &str) -> Option<Regex> {
        // What these forms read are windows and sentences, which a prefilter does not pay for.
        let config = Config::new().utf8_empty(false).nfa_size_limit(Some(SIZE)).auto_prefilter(false);
        Regex::builder().configure(config).build_from_hir(&self.hir(pattern)?).ok()
    }

    fn hir(self, pattern: &str) -> Option<Hir> {
        Some(self.rewrite(&regex_syntax::parse(pattern).ok()?))
    }

    fn rewrite(self, hir: &Hir) -> Hir {
        let each = |parts: &[Hir]| parts.iter().map(|part| self.rewrite(part)).collect();
        match hir.kind() {
            HirKind::Empty => Hir::empty(),
            HirKind::Literal(literal) if self.is_foreign(&literal.0) => Hir::fail(),
            HirKind::Literal(literal) => Hir::literal(literal.0.clone()),
            HirKind::Class(Class::Unicode(class)) => self.class(class),
            HirKind::Class(class @ Class::Bytes(_)) => Hir::class(class.clone()),
            HirKind::Look(look) => self.look(*look),
            HirKind::Repetition(repetition) => {
                let sub = Box::new(self.rewrite(&repetition.sub));
                let (min, max) = match (self, repetition.min, repetition.max) {
                    (Self::Ascii, min, max) | (_, min @ 0, max @ Some(0 | 1)) | (_, min @ 1, max @ Some(1)) => {
                        (min, max)
                    }
                    (_, min, _) => (min.min(1), None),
                };
                Hir::repetition(Repetition { min, max, greedy: repetition.greedy, sub })
            }
            HirKind::Capture(capture) => self.rewrite(&capture.sub),
            HirKind::Concat(parts) => Hir::concat(each(parts)),
            HirKind::Alternation(parts) => Hir::alternation(each(parts)),
        }
    }

    fn is_foreign(self, bytes: &[u8]) -> bool {
        self != Self::Gate && !bytes.is_ascii()
    }

    /// The ASCII part of a class; in a gate for all text any bytes beyond ASCII stand for any character there.
    fn class(self, class: &ClassUnicode) -> Hir {
        let byte = |c: char| u8::try_from(c).map_or(0x7F, |b| b.min(0x7F));
        let ascii = class.ranges().iter().filter(|r| r.start().is_ascii());
        let mut bytes = ClassBytes::new(ascii.map(|r| ClassBytesRange::new(byte(r.start()), byte(r.end()))));
        if self != Self::Gate || class.is_ascii() {
            return Hir::class(Class::Bytes(bytes));
        }
        let beyond = ClassBytesRange::new(0x80, 0xFF);
        bytes.push(beyond);
        let rest = Hir::class(Class::Bytes(ClassBytes::new([beyond])));
        let rest = Hir::repetition(Repetition { min: 0, max: None, greedy: true, sub: Box::new(rest) });
        Hir::concat(vec![Hir::class(Class::Bytes(bytes)), rest])
    }

    /// Borders of words are those of ASCII. In a gate for all text there are none: those of all scripts would send every
    /// pattern to the slow machine at the first dash.
    fn look(self, look: Look) -> Hir {
        let ascii = match look {
            Look::WordUnicode | Look::WordAscii => Look::WordAscii,
            Look::WordUnicodeNegate | Look::WordAsciiNegate => Look::WordAsciiNegate,
            Look::WordStartUnicode | Look::WordStartAscii => Look::WordStartAscii,
            Look::WordEndUnicode | Look::WordEndAscii => Look::WordEndAscii,
            Look::WordStartHalfUnicode | Look::WordStartHalfAscii => Look::WordStartHalfAscii,
            Look::WordEndHalfUnicode | Look::WordEndHalfAscii => Look::WordEndHalfAscii,
            line => return Hir::look(line),
        };
        if self == Self::Gate { Hir::empty() } else { Hir::look(ascii) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ruleset::{Matcher, RuleSet};

    #[test]
    fn gates_have_no_counts_and_forms_over_bytes_no_foreign_letters() {
        for (pattern, gate, ascii) in [
            (r"a{2,3}b[xy]{0,60}?c", "a+b[xy]*?c", "a{2,3}b[xy]{0,60}?c"),
            (r"(?:ab){4}\b", "(?:ab)+", r"(?:ab){4}\b"),
            (r"(?:d{0,9})?e?", "(?:d*)?e?", "(?:d{0,9})?e?"),
            ("x(?:яя|y)", "x(?:яя|y)", r"x(?:[a&&b]|y)"),
            ("x[а-яy]z", r"x[y\x80-\xFF][\x80-\xFF]*z", "xyz"),
        ] {
            let bytes = |text: &str| {
                regex_syntax::ParserBuilder::new().utf8(false).unicode(text.contains('я')).build().parse(text).unwrap()
            };
            assert_eq!(Form::Gate.hir(pattern).unwrap(), bytes(gate));
            assert_eq!(Form::Ascii.hir(pattern).unwrap(), bytes(ascii));
        }
    }

    #[test]
    fn a_gate_lets_through_whatever_its_pattern_matches() {
        for (pattern, text) in [
            (r"ignore.{0,9}all", "please ignore it all"),
            (r"\bgr[üu]n\w{2,4}\b", "grünlich"),
            (r"(?m)^\s*system:", "x\nsystem: y"),
            (r"\d{3}-\d{4}", "call 555-0100"),
            (r"(?i)\bkelvin\b", "in \u{212A}elvin"),
            (r"a[^b]c.d", "aяc\u{1F600}d"),
        ] {
            assert!(regex::Regex::new(pattern).unwrap().is_match(text));
            assert!(Form::Gate.of(pattern).unwrap().is_match(text.as_bytes()), "{pattern}");
            assert!(!text.is_ascii() || Form::AsciiGate.of(pattern).unwrap().is_match(text.as_bytes()), "{pattern}");
        }
        assert!(!Form::Gate.of(r"ignore.{0,9}all").unwrap().is_match(b"please ignore it"));
    }

    #[test]
    fn forms_of_every_rule_match_where_the_rule_does() {
        let rules = RuleSet::builtin().unwrap();
        let texts: Vec<String> = rules
            .rules()
            .iter()
            .flat_map(|rule| rule.examples.fires.iter().chain(&rule.examples.quiet))
            .map(|text| text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" "))
            .flat_map(|text| [format!("\u{E9}{text}\u{2014}"), text.replace(' ', " \u{1F600} "), text])
            .collect();
        let patterns = rules.rules().iter().filter_map(|rule| match &rule.matcher {
            Matcher::Pattern { pattern, .. } => Some(pattern),
            _ => None,
        });
        let (mut foreign, mut plain) = (0, 0);
        for pattern in patterns {
            let whole = pattern.regex().unwrap();
            let forms = [Form::Ascii, Form::AsciiGate, Form::Gate];
            let [bytes, ascii_gate, gate] = forms.map(|form| form.of(pattern.as_str()).unwrap());
            for text in &texts {
                let expected: Vec<_> = whole.find_iter(text).map(|m| (m.start(), m.end())).collect();
                assert!(expected.is_empty() || gate.is_match(text.as_bytes()), "{whole} on {text}");
                if text.is_ascii() {
                    assert!(expected.is_empty() || ascii_gate.is_match(text.as_bytes()), "{whole} on {text}");
                    let got: Vec<_> = bytes.find_iter(text.as_bytes()).map(|m| (m.start(), m.end())).collect();
                    assert_eq!(got, expected, "{whole} on {text}");
                    plain += got.len();
                } else {
                    foreign += expected.len();
                }
            }
        }
        assert!(plain > 500 && foreign > 100, "only {plain} and {foreign} matches");
    }
}
