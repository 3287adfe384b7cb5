//! Untrusted text for a terminal: wrapped, bounded, framed, without a byte that acts.

use unicode_width::UnicodeWidthChar;

use super::pieces::{Piece, pieces};
use crate::domain::Digest;
use crate::report::style::{Paint, Style};

/// How untrusted text is laid out for a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShowOptions {
    /// Columns of a line, frame included. At least 20 are used.
    pub width: usize,
    /// Bytes of text that are shown; the middle of a longer one is cut, with length and digest.
    pub max_bytes: usize,
    /// True to style marks. They are told apart by their brackets without it.
    pub color: bool,
    /// True to start every line with `| ` (`: ` where we wrapped), so that no line of the text can pass
    /// for one of ours.
    pub gutter: bool,
}

impl Default for ShowOptions {
    fn default() -> Self {
        Self { width: 100, max_bytes: 16 * 1024, color: false, gutter: true }
    }
}

/// Shows a text of any size on a terminal.
///
/// Shape: lines that end with a line feed; no other byte below space, no C1 control, and no escape
/// sequence but our own styles when `color` is set. Empty text gives one empty line.
/// Cost: linear in `max_bytes`, plus one digest of the text when it is cut.
pub fn show_terminal(text: &str, options: &ShowOptions) -> String {
    let width = options.width.max(20) - if options.gutter { 2 } else { 0 };
    let mut page = Page {
        out: String::new(),
        paint: Paint::new(options.color),
        gutter: options.gutter,
        width,
        used: 0,
        space: None,
    };
    page.start_line("| ");
    match cut(text, options.max_bytes) {
        None => page.text(text),
        Some((head, notice, tail)) => {
            page.text(head);
            page.mark(&notice);
            page.text(tail);
        }
    }
    page.out.push('\n');
    page.out
}

/// Shows a text on one line of at most about `max_columns` columns; a longer one is cut in the
/// middle, with its length and digest. Line feeds become marks.
pub fn show_line(text: &str, max_columns: usize) -> String {
    // Far more bytes than columns: marks collapse long runs, so a first cut by bytes keeps the work
    // bounded without cutting what would have fitted.
    let budget = max_columns.max(8);
    let whole = if text.len() <= budget.saturating_mul(16) { Some(one_line(text)) } else { None };
    if let Some(line) = whole.filter(|line| columns(line) <= budget) {
        return line;
    }
    let notice = format!("\u{27E6}cut: {} bytes, sha256 {}\u{27E7}", text.len(), Digest::of(text).short());
    let mut room = budget.saturating_sub(columns(&notice)).max(8);
    loop {
        let head = fit(text.chars(), room - room / 3, false);
        let tail = fit(text.chars().rev(), room / 3, true);
        let line = format!("{}{notice}{}", one_line(&head), one_line(&tail));
        // Labels are longer than the characters they stand for; a text of many of them gets less room.
        if columns(&line) <= budget || room <= 8 {
            return line;
        }
        room = (room * 2 / 3).max(8);
    }
}

/// Shows a text in a table cell of at most `max_columns` columns; a longer one ends with the mark `⟦…⟧`.
pub fn show_cell(text: &str, max_columns: usize) -> String {
    const END: &str = "\u{27E6}\u{2026}\u{27E7}";
    let budget = max_columns.max(8);
    let whole = (text.len() <= budget.saturating_mul(16)).then(|| one_line(text));
    if let Some(line) = whole.filter(|line| columns(line) <= budget) {
        return line;
    }
    let mut room = budget - columns(END);
    loop {
        let line = format!("{}{END}", one_line(&fit(text.chars(), room, false)));
        if columns(&line) <= budget || room == 0 {
            return line;
        }
        room = room * 2 / 3;
    }
}

/// The visible form of a text: marks in place, line feeds kept, nothing wrapped, cut or framed.
pub fn show_plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Text(part) => out.push_str(part),
            Piece::Newline => out.push('\n'),
            Piece::Mark(mark) => out.push_str(&mark.label()),
        }
    }
    out
}

/// How many characters of a text a reader would not see.
pub fn hidden_count(text: &str) -> usize {
    pieces(text)
        .iter()
        .map(|piece| match piece {
            Piece::Mark(mark) if mark.class.is_hidden() => mark.count,
            _ => 0,
        })
        .sum()
}

/// One line about a text: bytes, lines, digest and how many characters of it are hidden.
pub fn describe(text: &str) -> String {
    let hidden = hidden_count(text);
    let lines = text.lines().count();
    format!(
        "{} byte{}, {lines} line{}, sha256 {}, {hidden} hidden character{}",
        text.len(),
        plural(text.len()),
        plural(lines),
        Digest::of(text),
        plural(hidden)
    )
}

const fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}

/// Terminal columns of a text that has no control characters.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

fn one_line(text: &str) -> String {
    show_plain(text).replace('\n', "\u{27E6}U+000A LF\u{27E7}")
}

/// The longest start of `chars` whose visible form fits into `room` columns.
fn fit(chars: impl Iterator<Item = char>, room: usize, reversed: bool) -> String {
    let mut kept = Vec::new();
    let mut used = 0;
    for c in chars {
        let width = match super::class_of(c) {
            // A run collapses; count each as a few columns so that long ones end the loop.
            Some(_) => 4,
            None if c == '\n' => 11,
            None => c.width().unwrap_or(0).max(1),
        };
        if used + width > room {
            break;
        }
        used += width;
        kept.push(c);
    }
    if reversed { kept.into_iter().rev().collect() } else { kept.into_iter().collect() }
}

/// Head, notice and tail of a text that is longer than `max` bytes.
fn cut(text: &str, max: usize) -> Option<(&str, String, &str)> {
    if text.len() <= max {
        return None;
    }
    let head_end = (0..=max - max / 3).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let tail_start = (text.len() - max / 3..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    let notice = format!(
        "\u{27E6}cut: {} of {} bytes not shown, sha256 of the whole {}\u{27E7}",
        tail_start - head_end,
        text.len(),
        Digest::of(text)
    );
    Some((&text[..head_end], notice, &text[tail_start..]))
}

struct Page {
    out: String,
    paint: Paint,
    gutter: bool,
    width: usize,
    used: usize,
    /// Behind the last space of the line: bytes of `out` and columns of the line before it.
    space: Option<(usize, usize)>,
}

impl Page {
    fn start_line(&mut self, gutter: &str) {
        if self.gutter {
            self.out.push_str(gutter);
        }
        self.used = 0;
        self.space = None;
    }

    fn wrap(&mut self) {
        self.out.push('\n');
        self.start_line(": ");
    }

    /// Wraps between words when that leaves no more than half of the line empty, else right here.
    fn wrap_words(&mut self) {
        let Some((at, before)) = self.space.filter(|(_, before)| *before > self.width / 2) else { return self.wrap() };
        let rest = self.out.split_off(at);
        let moved = self.used - before;
        self.wrap();
        self.out.push_str(&rest);
        self.used = moved;
    }

    fn text(&mut self, text: &str) {
        for piece in pieces(text) {
            match piece {
                Piece::Newline => {
                    self.out.push('\n');
                    self.start_line("| ");
                }
                Piece::Mark(mark) => self.mark(&mark.label()),
                Piece::Text(part) => {
                    for c in part.chars() {
                        self.put(c);
                    }
                }
            }
        }
    }

    fn put(&mut self, c: char) {
        let width = c.width().unwrap_or(0);
        if self.used + width > self.width {
            if c == ' ' { self.wrap() } else { self.wrap_words() }
        }
        self.out.push(c);
        self.used += width;
        if c == ' ' {
            self.space = Some((self.out.len(), self.used));
        }
    }

    /// A mark stays on one line when it fits on one.
    fn mark(&mut self, label: &str) {
        let width = columns(label);
        if self.used > 0 && self.used + width > self.width && width <= self.width {
            self.wrap();
        }
        if self.used + width <= self.width {
            self.out.push_str(&self.paint.wrap(Style::Mark, label));
            self.used += width;
            return;
        }
        for c in label.chars() {
            self.put(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_in_the_middle_with_length_and_digest() {
        let text = format!("{}END", "a".repeat(5000));
        let shown = show_terminal(&text, &ShowOptions { max_bytes: 300, ..ShowOptions::default() });
        assert!(shown.contains("of 5003 bytes not shown"), "{shown}");
        assert!(shown.replace("\n: ", "").contains(&Digest::of(&text).hex()), "{shown}");
        assert!(shown.trim_end().ends_with("END"));
        let line = show_line(&text, 80);
        assert!(columns(&line) <= 80 && line.contains("5003 bytes") && line.ends_with("END"), "{line}");
    }

    #[test]
    fn lines_wrap_and_our_wraps_differ_from_the_texts_lines() {
        let shown =
            show_terminal(&format!("{}\nnext", "x".repeat(50)), &ShowOptions { width: 30, ..Default::default() });
        assert_eq!(shown, format!("| {}\n: {}\n| next\n", "x".repeat(28), "x".repeat(22)));
    }

    #[test]
    fn words_stay_whole_and_no_byte_is_lost() {
        let text = "one two three four five six seven eight nine ten eleven";
        let shown = show_terminal(text, &ShowOptions { width: 24, ..Default::default() });
        assert_eq!(shown, "| one two three four \n: five six seven eight \n: nine ten eleven\n");
        assert_eq!(shown.trim_end().replace("\n: ", ""), format!("| {text}"));
        // A word that is most of a line is broken: hostile text does not choose how long a page gets.
        let text = format!("a b {}", "x".repeat(60));
        let shown = show_terminal(&text, &ShowOptions { width: 24, ..Default::default() });
        assert_eq!(shown.lines().next(), Some("| a b xxxxxxxxxxxxxxxxxx"));
        assert_eq!(shown.lines().count(), 3);
    }

    #[test]
    fn wide_letters_count_two_columns() {
        let shown = show_terminal(&"\u{65E5}".repeat(20), &ShowOptions { width: 22, ..Default::default() });
        assert!(shown.lines().all(|line| columns(line) <= 22), "{shown}");
        assert_eq!(shown.lines().count(), 2);
    }

    #[test]
    fn a_text_cannot_print_a_line_of_ours() {
        let shown = show_terminal("ok\nDecision: admitted\rDecision: admitted", &ShowOptions::default());
        assert!(shown.lines().all(|line| line.starts_with("| ")), "{shown}");
    }
}
