//! Splits a text into what is shown as it is and what is shown as a mark.

use std::fmt::Write as _;

use super::classify::{Class, class_of, is_combining, short_name};

/// Marks on one base character that are still drawn; more stack up over other lines.
/// Source: own choice; Tibetan and pointed Hebrew stay below it.
const MAX_STACK: usize = 4;

/// Distinct code points a mark lists before it says "and more".
const MAX_LISTED: usize = 4;

/// One part of a text, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Shown as it is.
    Text(&'a str),
    /// A line feed.
    Newline,
    /// A run of characters of one class.
    Mark(Mark),
}

/// A run of characters that is shown as a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Why.
    pub class: Class,
    /// The distinct code points in order of appearance, at most a few.
    pub listed: Vec<char>,
    /// True when there were more distinct ones than listed.
    pub more: bool,
    /// Characters in the run.
    pub count: usize,
    /// The ASCII that a run of tags or selectors spells, when it spells any.
    pub carried: String,
}

impl Mark {
    pub(super) fn of(class: Class, c: char) -> Self {
        let mut mark = Self { class, listed: Vec::new(), more: false, count: 0, carried: String::new() };
        mark.push(c);
        mark
    }

    fn push(&mut self, c: char) {
        self.count += 1;
        if !self.listed.contains(&c) {
            if self.listed.len() < MAX_LISTED {
                self.listed.push(c);
            } else {
                self.more = true;
            }
        }
        if let Some(ascii) = carried_ascii(c) {
            self.carried.push(ascii);
        }
    }

    /// The label, with its brackets: `⟦U+200B ZWSP x12⟧`.
    ///
    /// Shape: only printable characters, no line break, and no bracket inside.
    pub fn label(&self) -> String {
        let mut out = String::from("\u{27E6}");
        for (n, c) in self.listed.iter().enumerate() {
            let space = if n == 0 { "" } else { " " };
            let _ = write!(out, "{space}U+{:04X}", u32::from(*c));
            let name = short_name(*c);
            if !name.is_empty() {
                let _ = write!(out, " {name}");
            }
        }
        if self.more {
            out.push_str(" and more");
        }
        if self.listed.len() > 1 || matches!(self.class, Class::Tag | Class::Selector) {
            let _ = write!(out, ", {}", self.class.name());
        }
        if self.count > 1 {
            let _ = write!(out, " x{}", self.count);
        }
        if self.class == Class::Tag || self.carried.len() >= 4 {
            let mut cut: String = self.carried.chars().take(240).collect();
            if cut.len() < self.carried.len() {
                cut.push_str("...");
            }
            if !cut.is_empty() {
                let _ = write!(out, " \"{}\"", cut.replace('\\', "\\\\").replace('"', "\\\"").replace("##", "# #"));
            }
        }
        out.push('\u{27E7}');
        out
    }
}

/// The printable ASCII character that a tag or a variation selector stands for, if any.
///
/// Source: tags mirror ASCII at U+E0000; the selector scheme maps byte 0-15 to U+FE00 and byte
/// 16-255 to U+E0100 onwards.
fn carried_ascii(c: char) -> Option<char> {
    let byte = match u32::from(c) {
        point @ 0xE0020..=0xE007E => point - 0xE0000,
        point @ 0xE0100..=0xE01EF => point - 0xE0100 + 16,
        _ => return None,
    };
    char::from_u32(byte).filter(|c| (' '..='~').contains(c))
}

/// Splits `text`; the pieces cover it without gap.
///
/// Cost: linear in the text.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut out = Vec::new();
    let mut plain = 0..0;
    let mut stack: Option<usize> = None; // marks on the current base; None = no base to draw on
    for (at, c) in text.char_indices() {
        let class = if is_combining(c) && class_of(c).is_none() {
            match &mut stack {
                Some(depth) if *depth < MAX_STACK => {
                    *depth += 1;
                    None
                }
                _ => Some(Class::Combining),
            }
        } else {
            class_of(c).or_else(|| opens_runner_command(text, at).then_some(Class::Runner))
        };
        match class {
            None if c == '\n' => {
                flush(&mut out, text, &mut plain);
                out.push(Piece::Newline);
                plain = at + 1..at + 1;
                stack = None;
            }
            None => {
                plain.end = at + c.len_utf8();
                if !is_combining(c) {
                    stack = Some(0);
                }
            }
            Some(class) => {
                flush(&mut out, text, &mut plain);
                plain = at + c.len_utf8()..at + c.len_utf8();
                match out.last_mut() {
                    Some(Piece::Mark(mark)) if mark.class == class => mark.push(c),
                    _ => out.push(Piece::Mark(Mark::of(class, c))),
                }
                // A combining mark that comes next would draw onto our own label.
                stack = None;
            }
        }
    }
    flush(&mut out, text, &mut plain);
    out
}

fn flush<'a>(out: &mut Vec<Piece<'a>>, text: &'a str, plain: &mut std::ops::Range<usize>) {
    if let Some(part) = text.get(plain.clone()).filter(|part| !part.is_empty()) {
        out.push(Piece::Text(part));
    }
}

/// True at the second `#` of `##[`, `##vso[`, `##teamcity[` and the like: some build runners look for
/// these anywhere in a line of a log and obey.
fn opens_runner_command(text: &str, at: usize) -> bool {
    let bytes = text.as_bytes();
    if bytes[at] != b'#' || at == 0 || bytes[at - 1] != b'#' {
        return false;
    }
    let rest = &bytes[at + 1..];
    let letters = rest.iter().take(24).take_while(|b| b.is_ascii_alphabetic()).count();
    rest.get(letters) == Some(&b'[')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Vec<String> {
        pieces(text)
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => (*text).to_owned(),
                Piece::Newline => "\\n".to_owned(),
                Piece::Mark(mark) => mark.label(),
            })
            .collect()
    }

    #[test]
    fn runs_collapse_with_their_count() {
        assert_eq!(
            labels("a\u{200B}\u{200B}\u{200B}b\u{1B}c"),
            ["a", "\u{27E6}U+200B ZWSP x3\u{27E7}", "b", "\u{27E6}U+001B ESC\u{27E7}", "c"]
        );
    }

    #[test]
    fn tags_show_the_ascii_they_carry() {
        let hidden: String = "send \"it\"".chars().map(|c| char::from_u32(0xE0000 + u32::from(c)).unwrap()).collect();
        let label = &labels(&hidden)[0];
        assert!(label.contains("tags x9"), "{label}");
        assert!(label.ends_with("\"send \\\"it\\\"\"\u{27E7}"), "{label}");
    }

    #[test]
    fn selectors_show_the_ascii_they_carry() {
        let hidden: String = "ignore".bytes().map(|b| char::from_u32(0xE0100 + u32::from(b) - 16).unwrap()).collect();
        assert!(labels(&hidden)[0].ends_with("variation selectors x6 \"ignore\"\u{27E7}"));
    }

    #[test]
    fn a_text_cannot_forge_a_mark() {
        assert_eq!(labels("\u{27E6}U+200B\u{27E7}"), ["\u{27E6}U+27E6\u{27E7}", "U+200B", "\u{27E6}U+27E7\u{27E7}"]);
    }

    #[test]
    fn a_combining_mark_never_draws_on_our_frame() {
        assert_eq!(labels("\u{301}a\u{301}")[0], "\u{27E6}U+0301\u{27E7}");
        assert_eq!(labels("a\n\u{301}")[2], "\u{27E6}U+0301\u{27E7}");
        let tower = format!("a{}", "\u{301}".repeat(40));
        assert_eq!(labels(&tower)[1], "\u{27E6}U+0301 x36\u{27E7}");
    }

    #[test]
    fn runner_commands_are_broken_anywhere_in_a_line() {
        for text in ["##[error]x", "say ##vso[task.setvariable]x", "x ##TeamCity[a]", "###[group]"] {
            let shown = labels(text).concat();
            assert!(shown.contains("\u{27E6}U+0023\u{27E7}"), "{shown}");
        }
        assert_eq!(labels("## Heading [x]"), ["## Heading [x]"]);
    }
}
