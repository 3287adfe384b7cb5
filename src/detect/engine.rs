//! The prefilter and what it starts: one Aho-Corasick automaton over the literals of every rule,
//! secret shape and kind cue, then the regexes of those that were hit, on a window.
//!
//! The window of a hit is the text around it up to the next break between blocks (empty line,
//! list item, heading, table row), 400 bytes on each side at most. Windows of one rule that
//! touch are joined before its regex runs, so a match is never cut by a window border that a
//! nearer keyword would have moved, and each byte is read once per rule at most.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use aho_corasick::automaton::Automaton;
use aho_corasick::dfa::DFA;
use aho_corasick::{Anchored, MatchKind};
use regex::Regex;

use super::needs;
use super::normalize::{self, Folded};
use super::span::{ceil_char, floor_char};
use crate::domain::Span;

/// Bytes on each side of a keyword. The longest honest pattern spans about 250 bytes.
const WINDOW: usize = 400;

/// Bytes of a long block between two looks at what waits.
const CHUNK: usize = 1024;

/// A probe without a window.
const NOTHING: (usize, usize) = (usize::MAX, 0);

/// What a probe works for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    /// A rule of the ruleset, by position.
    Rule(usize),
    /// A secret shape, by position.
    Shape(usize),
    /// A kind cue, by position.
    Cue(usize),
}

/// A regex that waits for its keywords.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    pub(super) target: Target,
    pub(super) regex: Regex,
    /// Runs on the view's own text instead of the folded form.
    pub(super) raw: bool,
    /// Sees single line breaks as `\n`.
    pub(super) lines: bool,
    /// Cheaper patterns that match wherever `regex` does.
    gate: Gate,
    /// The same pattern over bytes: on ASCII text it matches the same, with automata a tenth the size.
    /// Built at the first window that passes the gate.
    ascii: OnceLock<Option<regex::bytes::Regex>>,
}

/// Tells quickly that a pattern has no match in a window.
///
/// A counted repeat (`.{0,60}`) makes a lazy automaton grow a state for every count, and Unicode
/// classes make each of them large: on honest text nearly all time would go into building states.
/// The gate has `*` for every counted repeat, and for ASCII windows ASCII classes. Both only
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
    pub(super) fn new(target: Target, regex: Regex, raw: bool, lines: bool) -> Self {
        let gate = Gate::of(regex.as_str());
        Self { target, regex, raw, lines, gate, ascii: OnceLock::new() }
    }

    /// Every match in a window that passed the gate.
    fn each(&self, window: &str, mut found: impl FnMut(Span)) {
        match self.ascii.get_or_init(|| over_bytes(self.regex.as_str())).as_ref().filter(|_| window.is_ascii()) {
            Some(ascii) => ascii.find_iter(window.as_bytes()).for_each(|m| found(Span::new(m.start(), m.end()))),
            None => self.regex.find_iter(window).for_each(|m| found(Span::new(m.start(), m.end()))),
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

/// `pattern` with `*` for every counted repeat outside classes, and without `\b` unless `borders`.
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
                    out.push('*');
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

/// A match, in bytes of the view's own text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit {
    pub(super) target: Target,
    pub(super) span: Span,
    /// The folded form differs from the text here in more than case and white space.
    pub(super) changed: bool,
}

/// All probes behind one automaton.
#[derive(Debug)]
pub(super) struct Engine {
    dfa: Option<DFA>,
    literals: Vec<Entry>,
    probes: Vec<Probe>,
    /// By probe: the sets of which one literal each has to stand in a window.
    needs: Vec<Vec<u32>>,
    sets: usize,
    /// Bytes of the longest literal.
    longest: usize,
    /// Probes whose keywords all begin words (kind cues do): `use` in `because` wakes none.
    at_word_start: Vec<bool>,
}

/// One literal of the automaton.
#[derive(Debug, Default)]
struct Entry {
    len: usize,
    /// Probes it wakes.
    targets: Vec<u32>,
    /// Sets it belongs to, with the word borders it needs on its left and right for that.
    sets: Vec<(u32, bool, bool)>,
}

/// Working memory of one scan.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pending: Vec<(usize, usize)>,
    touched: Vec<u32>,
    /// Windows that more text cannot change.
    ready: Vec<(u32, (usize, usize))>,
    /// By set: one more than where a literal of it was last seen to begin.
    seen: Vec<usize>,
    line: String,
}

impl Engine {
    /// Builds the automaton. `None` when the literals are too many for it.
    pub(super) fn new(items: impl IntoIterator<Item = (Probe, Vec<String>)>) -> Option<Self> {
        let (mut probes, mut needs) = (Vec::new(), Vec::new());
        let mut literals: BTreeMap<String, Entry> = BTreeMap::new();
        let mut sets: BTreeMap<needs::Set, u32> = BTreeMap::new();
        for (probe, keywords) in items {
            let number = u32::try_from(probes.len()).ok()?;
            for keyword in keywords {
                let entry = literals.entry(normalize::fold_text(&keyword)).or_default();
                if entry.targets.last() != Some(&number) {
                    entry.targets.push(number);
                }
            }
            // The automaton reads the folded text; what a pattern needs of the raw text it cannot tell.
            let own = if probe.raw { Vec::new() } else { needs::of(probe.regex.as_str()) };
            let mut numbers = Vec::new();
            for set in own {
                let next = u32::try_from(sets.len()).ok()?;
                numbers.push(*sets.entry(set).or_insert(next));
            }
            needs.push(numbers);
            probes.push(probe);
        }
        for (set, number) in &sets {
            for literal in set {
                let entry = literals.entry(literal.text.clone()).or_default();
                entry.sets.push((*number, literal.left, literal.right));
            }
        }
        literals.remove("");
        let patterns: Vec<&String> = literals.keys().collect();
        let dfa = if patterns.is_empty() {
            None
        } else {
            let start = aho_corasick::StartKind::Unanchored;
            Some(
                DFA::builder()
                    .match_kind(MatchKind::Standard)
                    .start_kind(start)
                    .prefilter(false)
                    .build(&patterns)
                    .ok()?,
            )
        };
        let at_word_start = probes.iter().map(|probe| matches!(probe.target, Target::Cue(_))).collect();
        let (sets, longest) = (sets.len(), patterns.iter().map(|p| p.len()).max().unwrap_or(0));
        let literals = literals.into_iter().map(|(text, entry)| Entry { len: text.len(), ..entry }).collect();
        Some(Self { dfa, literals, probes, needs, sets, longest, at_word_start })
    }

    pub(super) fn probes(&self) -> &[Probe] {
        &self.probes
    }

    /// Runs every active probe that a keyword wakes and whose needs are met. `steps` is charged with
    /// bytes looked at.
    ///
    /// Cost: one table step a byte, plus the windows of the rules that are hit.
    pub(super) fn run(
        &self,
        text: &str,
        folded: &Folded,
        active: &[bool],
        scratch: &mut Scratch,
        steps: &mut u64,
        found: &mut impl FnMut(Hit),
    ) {
        let Some(dfa) = &self.dfa else { return };
        let Ok(root) = dfa.start_state(Anchored::No) else { return };
        // Only touched entries are put back, so a short text does not pay for every probe.
        scratch.pending.resize(self.probes.len(), NOTHING);
        scratch.seen.clear();
        scratch.seen.resize(self.sets, 0);
        let bytes = folded.text.as_bytes();
        *steps += bytes.len() as u64;
        let mut from = 0;
        while from < bytes.len() {
            // No literal holds a line break, so each block begins anew.
            let to = memchr::memchr(b'\n', &bytes[from..]).map_or(bytes.len(), |i| from + i);
            let mut state = root;
            let mut at = from;
            while at < to {
                let stop = to.min(at + CHUNK);
                for (here, &byte) in bytes.iter().enumerate().take(stop).skip(at) {
                    state = dfa.next_state(Anchored::No, state, byte);
                    if dfa.is_special(state) && dfa.is_match(state) {
                        for index in 0..dfa.match_len(state) {
                            let literal = &self.literals[dfa.match_pattern(state, index).as_usize()];
                            self.literal(literal, bytes, (from, to), here + 1, active, scratch);
                        }
                    }
                }
                at = stop;
                // What no later keyword can reach is looked at while its needs are fresh.
                let done = if stop == to { usize::MAX } else { stop.saturating_sub(WINDOW + self.longest) };
                self.settle(done, text, folded, scratch, steps, found);
            }
            from = to + 1;
        }
    }

    /// Notes one literal that ends at `end` in the block `from..to`.
    fn literal(
        &self,
        literal: &Entry,
        bytes: &[u8],
        (from, to): (usize, usize),
        end: usize,
        active: &[bool],
        scratch: &mut Scratch,
    ) {
        let start = end - literal.len;
        let before = start.checked_sub(1).map_or(b' ', |i| bytes[i]);
        for &(set, left, right) in &literal.sets {
            let stands = (!left || !is_word(before)) && (!right || !bytes.get(end).is_some_and(|b| is_word(*b)));
            if stands {
                scratch.seen[set as usize] = start + 1;
            }
        }
        if literal.targets.is_empty() {
            return;
        }
        let inside_word = bytes[start].is_ascii_alphanumeric() && before.is_ascii_alphanumeric();
        let low = start.saturating_sub(WINDOW).max(from);
        let high = (end + WINDOW).min(to);
        for &number in &literal.targets {
            if !active[number as usize] || (inside_word && self.at_word_start[number as usize]) {
                continue;
            }
            let pending = &mut scratch.pending[number as usize];
            if pending.0 == usize::MAX {
                *pending = (low, high);
                scratch.touched.push(number);
            } else if low <= pending.1 {
                pending.0 = pending.0.min(low);
                pending.1 = pending.1.max(high);
            } else {
                let window = std::mem::replace(pending, (low, high));
                if self.met(number, window, &scratch.seen) {
                    scratch.ready.push((number, window));
                }
            }
        }
    }

    /// True when a literal of every set the probe needs was seen in the window or after it.
    fn met(&self, number: u32, window: (usize, usize), seen: &[usize]) -> bool {
        self.needs[number as usize].iter().all(|&set| seen[set as usize] > window.0)
    }

    /// Looks at the windows that end before `done`.
    fn settle(
        &self,
        done: usize,
        text: &str,
        folded: &Folded,
        scratch: &mut Scratch,
        steps: &mut u64,
        found: &mut impl FnMut(Hit),
    ) {
        let Scratch { pending, touched, ready, seen, line } = scratch;
        for (number, window) in ready.drain(..) {
            self.search(number, window, text, folded, line, steps, found);
        }
        touched.retain(|&number| {
            let waiting = &mut pending[number as usize];
            if waiting.1 >= done {
                return true;
            }
            let window = std::mem::replace(waiting, NOTHING);
            if self.met(number, window, seen) {
                self.search(number, window, text, folded, line, steps, found);
            }
            false
        });
    }

    #[allow(clippy::too_many_arguments, reason = "the inner step of one loop; a struct would only rename them")]
    fn search(
        &self,
        number: u32,
        (low, high): (usize, usize),
        text: &str,
        folded: &Folded,
        line: &mut String,
        steps: &mut u64,
        found: &mut impl FnMut(Hit),
    ) {
        let probe = &self.probes[number as usize];
        let window = Span::new(floor_char(&folded.text, low), ceil_char(&folded.text, high));
        *steps += window.len() as u64;
        if probe.raw {
            let part = super::span::on_borders(text, folded.map.to_raw(window));
            let slice = part.slice(text).unwrap_or_default();
            if !probe.gate.may_match(slice) {
                return;
            }
            probe.each(slice, |m| found(Hit { target: probe.target, span: m.shifted(part.start), changed: false }));
            return;
        }
        let slice = window.slice(&folded.text).unwrap_or_default();
        let slice = if probe.lines { with_breaks(slice, window.start, folded, line) } else { slice };
        if !probe.gate.may_match(slice) {
            return;
        }
        probe.each(slice, |m| {
            let at = m.shifted(window.start);
            let span = super::span::on_borders(text, folded.map.to_raw(at));
            let changed = folded.map.is_changed(at) && !span.slice(text).is_some_and(is_plain);
            found(Hit { target: probe.target, span, changed });
        });
    }
}

/// The window with its single line breaks put back; they are one byte, like the space.
fn with_breaks<'a>(slice: &'a str, start: usize, folded: &Folded, line: &'a mut String) -> &'a str {
    let from = folded.soft.partition_point(|&at| at < start);
    let to = folded.soft.partition_point(|&at| at < start + slice.len());
    if from == to {
        return slice;
    }
    line.clear();
    let mut at = 0;
    for &soft in &folded.soft[from..to] {
        let soft = soft - start;
        line.push_str(slice.get(at..soft).unwrap_or_default());
        line.push('\n');
        at = soft + 1;
    }
    line.push_str(slice.get(at..).unwrap_or_default());
    line
}

/// Word characters of ASCII. Others may be anything, so they do not rule a border out.
const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Visible ASCII and white space: folding changed no more than case and spacing.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widening_replaces_counts_and_nothing_else() {
        for (pattern, wide) in [
            (r"a{2,3}b.{0,60}?c", r"a*b.*?c"),
            (r"[{2}]\{3\}\x{41}\p{L}{2}", r"[{2}]\{3\}\x{41}\p{L}*"),
            (r"(?:ab){4}\b", r"(?:ab)*\b"),
            (r"a{b}", r"a{b}"),
        ] {
            assert_eq!(widen(pattern, true), wide);
        }
        assert_eq!(widen(r"\bab{2}\b[x\b]\\b", false), r"ab*[x\b]\\b");
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
