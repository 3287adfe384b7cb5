//! Folding: the one form of a text that keywords and patterns are written for.
//!
//! Folding does this, in order: drops characters that show nothing; NFKC and case folding per
//! combining sequence; turns each white-space run into one space, or into an empty line (`\n\n`) where the
//! text breaks into another paragraph, list item, heading or table row; turns look-alike letters
//! into ASCII inside words that mix them with Latin letters.
//!
//! ASCII text only changes in case and white space: the UTS 39 skeleton would map `m` to `rn`
//! and `0` to `O`, so it is applied to non-ASCII characters only. A word that is wholly in
//! another script (honest Russian or Greek) stays as it is, although some such words (`сор`)
//! could pass for Latin: those, and Latin letters with marks, are turned into ASCII in a second
//! form, [`Form::Skeleton`], made only where it differs.
//!
//! Source: Unicode UAX 15 (NFKC), UTS 39 (confusables), own design for the mixing rule.

pub mod confusable;
pub mod invisible;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

use super::span::SpanMap;

/// Which of the two folded forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Look-alikes only in words that mix scripts; invisible characters dropped.
    Main,
    /// Marks stripped, whole look-alike words turned into ASCII, invisible characters between
    /// letters turned into a space.
    Skeleton,
}

/// A folded text with its way back.
#[derive(Clone, Debug, Default)]
pub struct Folded {
    /// The folded text.
    pub text: String,
    /// Folded bytes to the bytes of the text that was folded.
    pub map: SpanMap,
    /// Offsets in the folded text of the spaces that were single line breaks.
    pub soft: Vec<usize>,
    /// Raw offsets of the invisible characters that were dropped.
    pub dropped: Vec<usize>,
    /// Raw ranges of words that mix Latin letters with look-alikes of another script.
    pub mixed: Vec<crate::domain::Span>,
    /// True when [`Form::Skeleton`] would differ.
    pub skeleton_differs: bool,
}

/// Folds a text. Cost: linear; near a copy for ASCII.
pub fn fold(text: &str, form: Form) -> Folded {
    let mut folder =
        Folder { src: text, out: Vec::with_capacity(text.len() + 8), form, folded: Folded::default(), gap: None };
    folder.run();
    let Folder { out, mut folded, .. } = folder;
    // The bytes are ASCII or came from `str`s, so this never replaces anything.
    folded.text = String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned());
    folded
}

/// The folded text alone, for keywords and comparisons.
pub fn fold_text(text: &str) -> String {
    fold(text, Form::Main).text
}

/// White space that is waiting for the next visible character.
struct Gap {
    start: usize,
    end: usize,
    newlines: usize,
}

struct Folder<'a> {
    src: &'a str,
    out: Vec<u8>,
    form: Form,
    folded: Folded,
    gap: Option<Gap>,
}

impl Folder<'_> {
    fn run(&mut self) {
        let bytes = self.src.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let start = at;
            // Fast lane: visible ASCII with single spaces between.
            while let Some(&byte) = bytes.get(at) {
                let plain = byte.is_ascii_graphic()
                    || (byte == b' ' && at > start && bytes.get(at + 1).is_some_and(u8::is_ascii_graphic));
                if !plain {
                    break;
                }
                at += 1;
            }
            // A word that goes on with a non-ASCII character is folded as a whole.
            if bytes.get(at).is_some_and(|b| !b.is_ascii() || is_control(*b)) {
                while at > start && bytes[at - 1] != b' ' {
                    at -= 1;
                }
            }
            if at > start {
                let end = if bytes[at - 1] == b' ' { at - 1 } else { at };
                self.copy(start, end);
                if end < at {
                    self.space(end, at, 0);
                }
            }
            let Some(next) = self.src.get(at..).and_then(|rest| rest.chars().next()) else { break };
            at = if next.is_whitespace() { self.white(at) } else { self.token(at) };
        }
        self.flush_gap();
    }

    /// Copies visible ASCII, lower-cased.
    fn copy(&mut self, start: usize, end: usize) {
        if start == end {
            return;
        }
        self.flush_gap();
        let src = self.src.as_bytes();
        self.out.extend(src[start..end].iter().map(u8::to_ascii_lowercase));
        self.folded.map.push_linear(start, end - start);
    }

    fn space(&mut self, start: usize, end: usize, newlines: usize) {
        match &mut self.gap {
            Some(gap) => {
                gap.end = end;
                gap.newlines += newlines;
            }
            None => self.gap = Some(Gap { start, end, newlines }),
        }
    }

    /// White space, what shows nothing in it, and quote marks that continue a quotation on the next line.
    fn white(&mut self, start: usize) -> usize {
        let (mut at, mut newlines) = (start, 0);
        for c in self.src[start..].chars() {
            match c {
                '\n' | '\u{B}' | '\u{C}' | '\u{85}' | '\u{2028}' => newlines += 1,
                // Alone it ends a line; before a newline it belongs to that.
                '\r' if self.src.as_bytes().get(at + 1) != Some(&b'\n') => newlines += 1,
                '\u{2029}' => newlines += 2,
                c if c.is_whitespace() => {}
                c if invisible::is_invisible(c) => self.folded.dropped.push(at),
                c if newlines > 0 && is_quote(c) && self.quote_ends(at + c.len_utf8()) => {}
                _ => break,
            }
            at += c.len_utf8();
        }
        if newlines == 1 && starts_block(&self.src.as_bytes()[at..]) {
            newlines = 2;
        }
        self.space(start, at, newlines);
        at
    }

    /// True when a quote mark before `at` is not part of a word.
    fn quote_ends(&self, at: usize) -> bool {
        let next = self.src[at..].chars().find(|c| !invisible::is_invisible(*c));
        next.is_none_or(|c| c.is_whitespace() || is_quote(c))
    }

    fn flush_gap(&mut self) {
        let Some(gap) = self.gap.take() else { return };
        let raw_len = gap.end - gap.start;
        if gap.newlines > 1 {
            self.out.extend_from_slice(b"\n\n");
            self.folded.map.push_block(2, gap.start, raw_len);
        } else {
            if gap.newlines == 1 {
                self.folded.soft.push(self.out.len());
            }
            self.out.push(b' ');
            if raw_len == 1 {
                self.folded.map.push_linear(gap.start, 1);
            } else {
                self.folded.map.push_block(1, gap.start, raw_len);
            }
        }
    }

    /// A run without ASCII white space that has non-ASCII or control characters.
    fn token(&mut self, start: usize) -> usize {
        let rest = &self.src[start..];
        let mut word = Word::default();
        let mut parted = false;
        let mut at = start;
        let mut chars = rest.chars().peekable();
        while let Some(c) = chars.next() {
            let end = at + c.len_utf8();
            if c.is_whitespace() {
                break;
            }
            if invisible::is_invisible(c) {
                self.folded.dropped.push(at);
                word.dropped(at, end);
                parted |= at > start && parts_words(c);
                at = end;
                continue;
            } else if word.extends(c) {
                word.push(c, at, end);
            } else {
                self.word(&mut word);
                word.push(c, at, end);
                word.parted = parted;
            }
            parted = false;
            at = end;
            // Long scripts without spaces are cut, so that a word stays small.
            if word.raw.len() > 256 && chars.peek().is_none_or(|c| canonical_combining_class(*c) == 0) {
                self.word(&mut word);
            }
        }
        self.word(&mut word);
        at
    }

    /// Emits a finished word.
    fn word(&mut self, word: &mut Word) {
        if word.raw.is_empty() {
            word.gap_before = None;
            return;
        }
        let clusters = word.clusters();
        let latin = clusters.iter().any(|c| c.text.chars().any(confusable::is_latin));
        let lookalike =
            clusters.iter().any(|c| c.text.chars().any(|ch| confusable::foreign_to_ascii(ch, c.upper).is_some()));
        let mixes = latin && lookalike;
        let odd = clusters.iter().any(|c| {
            c.text.chars().any(|ch| {
                ch.is_alphabetic() && !confusable::is_latin(ch) && confusable::foreign_to_ascii(ch, c.upper).is_none()
            })
        });
        // Every letter can pass for ASCII: a candidate for the second form.
        let whole = !odd && clusters.iter().all(|c| confusable::ascii_form(&c.text, c.upper).is_some());
        let stripped = whole && clusters.iter().any(|c| !c.text.is_ascii());
        if mixes && !odd {
            let (first, last) = (word.raw.first(), word.raw.last());
            if let (Some(first), Some(last)) = (first, last) {
                self.folded.mixed.push(crate::domain::Span::new(first.1, last.2));
            }
        }
        if stripped || word.has_inner_drop || word.parted {
            self.folded.skeleton_differs = true;
        }
        if let Some(first) = word.raw.first().filter(|_| word.parted && self.form == Form::Skeleton) {
            self.space(first.1, first.1, 0);
        }
        for cluster in &clusters {
            let mut text = std::borrow::Cow::Borrowed(cluster.text.as_str());
            if mixes {
                text = confusable::map_foreign(&text, cluster.upper).into();
            }
            if self.form == Form::Skeleton {
                if cluster.after_drop {
                    self.space(cluster.start, cluster.start, 0);
                }
                if let Some(ascii) = whole.then(|| confusable::ascii_form(&text, cluster.upper)).flatten() {
                    text = ascii.into();
                }
            }
            if text.is_empty() {
                continue;
            }
            self.flush_gap();
            let raw = &self.src[cluster.start..cluster.end];
            self.out.extend_from_slice(text.as_bytes());
            if raw == text || (raw.len() == text.len() && raw.is_ascii()) {
                self.folded.map.push_linear(cluster.start, raw.len());
            } else {
                self.folded.map.push_block(text.len(), cluster.start, raw.len());
            }
        }
        *word = Word::default();
    }
}

/// Characters of one word: letters with their marks, or one run of anything else.
#[derive(Default)]
struct Word {
    raw: Vec<(char, usize, usize, bool)>,
    letters: bool,
    /// An invisible space stands before it, and other signs before that.
    parted: bool,
    has_inner_drop: bool,
    gap_before: Option<usize>,
}

struct Cluster {
    text: String,
    upper: bool,
    start: usize,
    end: usize,
    after_drop: bool,
}

impl Word {
    fn extends(&self, c: char) -> bool {
        self.raw.is_empty() || canonical_combining_class(c) != 0 || self.letters == is_letter(c)
    }
    fn push(&mut self, c: char, start: usize, end: usize) {
        if self.raw.is_empty() {
            self.letters = is_letter(c);
        }
        let after_drop = self.gap_before.take().is_some() && !self.raw.is_empty() && self.letters;
        self.has_inner_drop |= after_drop;
        self.raw.push((c, start, end, after_drop));
    }
    fn dropped(&mut self, start: usize, _end: usize) {
        if !self.raw.is_empty() {
            self.gap_before = Some(start);
        }
    }
    /// Combining sequences, each in NFKC and lower case.
    fn clusters(&self) -> Vec<Cluster> {
        let mut clusters: Vec<Cluster> = Vec::new();
        let mut at = 0;
        while let Some(&(first, start, mut end, after_drop)) = self.raw.get(at) {
            let mut source = String::from(first);
            at += 1;
            while let Some(&(c, _, e, _)) = self.raw.get(at).filter(|r| joins(r.0)) {
                source.push(c);
                end = e;
                at += 1;
            }
            let upper = first.is_uppercase();
            clusters.push(Cluster { text: compat(&source), upper, start, end, after_drop });
        }
        clusters
    }
}

/// Invisible characters that can stand for a space; marks of emoji and of direction do not.
pub(super) const fn parts_words(c: char) -> bool {
    matches!(c, '\u{200B}' | '\u{200C}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}' | '\u{180E}' | '\u{2800}' | '\u{3164}')
}

/// A letter, or a symbol that NFKC turns into one: words must have the same borders before and after folding.
fn is_letter(c: char) -> bool {
    c.is_alphanumeric() || (!c.is_ascii() && c.nfkc().next().is_some_and(char::is_alphanumeric))
}

/// Characters that NFKC may compose with what stands before: marks, and Hangul vowels and finals.
fn joins(c: char) -> bool {
    canonical_combining_class(c) != 0
        || matches!(c, '\u{1160}'..='\u{11FF}' | '\u{3099}'..='\u{309C}' | '\u{FF9E}' | '\u{FF9F}')
        || unicode_normalization::char::is_combining_mark(c)
}

/// NFKC and lower case, repeated until nothing changes (a few characters need two rounds).
fn compat(source: &str) -> String {
    if source.is_ascii() {
        return source.to_ascii_lowercase();
    }
    let mut text = source.to_owned();
    for _ in 0..4 {
        let lower: String = text.nfkc().flat_map(char::to_lowercase).map(|c| if c == 'ς' { 'σ' } else { c }).collect();
        let next: String = lower.nfkc().collect();
        // A spacing accent becomes space and mark; a space from nowhere would break words apart.
        if next.chars().any(|c| c.is_whitespace() || invisible::is_invisible(c)) {
            return text;
        }
        if next == text {
            break;
        }
        text = next;
    }
    text
}

/// True when the line that starts here is a block of its own: list item, heading, table row, rule.
fn starts_block(rest: &[u8]) -> bool {
    let spaced = |at: usize| rest.get(at).is_none_or(u8::is_ascii_whitespace);
    match rest.first() {
        Some(b'-' | b'*' | b'+') => spaced(1) || rest.starts_with(b"---") || rest.starts_with(b"***"),
        Some(b'#') => {
            let hashes = rest.iter().take_while(|b| **b == b'#').count();
            hashes <= 6 && spaced(hashes)
        }
        Some(b'|') => true,
        Some(b'`' | b'~') => rest.starts_with(b"```") || rest.starts_with(b"~~~"),
        Some(b'0'..=b'9') => {
            let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            digits <= 4 && matches!(rest.get(digits), Some(b'.' | b')')) && spaced(digits + 1)
        }
        _ => false,
    }
}

/// `>`, and what NFKC turns into it.
const fn is_quote(c: char) -> bool {
    matches!(c, '>' | '\u{FF1E}' | '\u{FE65}')
}

fn is_control(byte: u8) -> bool {
    (byte < 0x20 && !byte.is_ascii_whitespace() && byte != 0x0b) || byte == 0x7f
}

#[cfg(test)]
mod tests;
