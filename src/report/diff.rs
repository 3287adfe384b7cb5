//! The difference of two untrusted texts, line by line.

use similar::{ChangeTag, TextDiff};

use super::show::{ShowOptions, show_line, show_terminal};
use super::style::{Paint, Style};

/// Lines that differ between the two texts beyond which no alignment is searched: the search grows with
/// the square of it, and an attacker chooses the texts.
const MAX_ALIGNED: usize = 2_000;

/// Lines of unchanged text around a change.
const CONTEXT: usize = 3;

/// A unified difference, every line of it shown safely; empty when the texts are equal.
///
/// Shape: `--- old`, `+++ new`, `@@ -a,b +c,d @@` and lines that start with space, `-` or `+`. Two lines
/// that differ only in invisible characters look different, because marks are in place.
pub fn unified(old_name: &str, new_name: &str, old: &str, new: &str, options: &ShowOptions) -> String {
    if old == new {
        return String::new();
    }
    let paint = Paint::new(options.color);
    let mut out = format!(
        "{}\n{}\n",
        paint.wrap(Style::Removed, &format!("--- {}", show_line(old_name, options.width.saturating_sub(4)))),
        paint.wrap(Style::Added, &format!("+++ {}", show_line(new_name, options.width.saturating_sub(4))))
    );
    let (a, b): (Vec<&str>, Vec<&str>) = (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let head = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let tail = a[head..].iter().rev().zip(b[head..].iter().rev()).take_while(|(x, y)| x == y).count();
    let (a_mid, b_mid) = (&a[head..a.len() - tail], &b[head..b.len() - tail]);
    let mut changes: Vec<(ChangeTag, &str)> = a[..head].iter().map(|line| (ChangeTag::Equal, *line)).collect();
    if a_mid.len().max(b_mid.len()) > MAX_ALIGNED {
        changes.extend(a_mid.iter().map(|line| (ChangeTag::Delete, *line)));
        changes.extend(b_mid.iter().map(|line| (ChangeTag::Insert, *line)));
    } else {
        let aligned = TextDiff::from_slices(a_mid, b_mid);
        for change in aligned.iter_all_changes() {
            let line = match change.tag() {
                ChangeTag::Equal | ChangeTag::Delete => change.old_index().and_then(|at| a_mid.get(at)),
                ChangeTag::Insert => change.new_index().and_then(|at| b_mid.get(at)),
            };
            changes.extend(line.map(|line| (change.tag(), *line)));
        }
    }
    changes.extend(a[a.len() - tail..].iter().map(|line| (ChangeTag::Equal, *line)));
    hunks(&changes, &mut out, paint, options);
    out
}

fn hunks(changes: &[(ChangeTag, &str)], out: &mut String, paint: Paint, options: &ShowOptions) {
    let changed: Vec<usize> =
        (0..changes.len()).filter(|at| changes.get(*at).is_some_and(|(tag, _)| *tag != ChangeTag::Equal)).collect();
    let mut groups: Vec<(usize, usize)> = Vec::new();
    for at in changed {
        let (from, to) = (at.saturating_sub(CONTEXT), (at + CONTEXT + 1).min(changes.len()));
        match groups.last_mut() {
            Some((_, end)) if from <= *end => *end = to,
            _ => groups.push((from, to)),
        }
    }
    let (mut old_line, mut new_line, mut done) = (1, 1, 0);
    for (from, to) in groups {
        count(&changes[done..from], &mut old_line, &mut new_line);
        let (mut old_end, mut new_end) = (old_line, new_line);
        count(&changes[from..to], &mut old_end, &mut new_end);
        let header = format!("@@ -{old_line},{} +{new_line},{} @@", old_end - old_line, new_end - new_line);
        out.push_str(&paint.wrap(Style::Dim, &header));
        out.push('\n');
        for (tag, line) in &changes[from..to] {
            push_line(out, *tag, line, paint, options);
        }
        (old_line, new_line, done) = (old_end, new_end, to);
    }
}

fn count(changes: &[(ChangeTag, &str)], old: &mut usize, new: &mut usize) {
    for (tag, _) in changes {
        match tag {
            ChangeTag::Equal => (*old, *new) = (*old + 1, *new + 1),
            ChangeTag::Delete => *old += 1,
            ChangeTag::Insert => *new += 1,
        }
    }
}

fn push_line(out: &mut String, tag: ChangeTag, line: &str, paint: Paint, options: &ShowOptions) {
    let (sign, style) = match tag {
        ChangeTag::Equal => (' ', None),
        ChangeTag::Delete => ('-', Some(Style::Removed)),
        ChangeTag::Insert => ('+', Some(Style::Added)),
    };
    let body = line.strip_suffix('\n').unwrap_or(line);
    let layout = ShowOptions {
        width: options.width.saturating_sub(1).max(20),
        max_bytes: options.max_bytes,
        color: false,
        gutter: false,
    };
    // Wrapped parts carry the sign again, so that no part of a line can pass for a line of another kind.
    for part in show_terminal(body, &layout).lines() {
        let text = format!("{sign}{part}");
        out.push_str(&style.map_or_else(|| text.clone(), |style| paint.wrap(style, &text)));
        out.push('\n');
    }
    if !line.ends_with('\n') {
        out.push_str("\\ no line end\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_have_context_and_numbers() {
        let old: String = (1..=12).map(|n| format!("line {n}\n")).collect();
        let new = old.replace("line 6\n", "line six\n");
        let text = unified("a", "b", &old, &new, &ShowOptions::default());
        assert_eq!(
            text,
            "--- a\n+++ b\n@@ -3,7 +3,7 @@\n line 3\n line 4\n line 5\n-line 6\n+line six\n line 7\n line 8\n line 9\n"
        );
    }

    #[test]
    fn an_invisible_change_is_seen() {
        let text = unified("a", "b", "pay me\n", "pay\u{200B} me", &ShowOptions::default());
        assert!(text.contains("-pay me\n+pay\u{27E6}U+200B ZWSP\u{27E7} me\n\\ no line end\n"), "{text}");
    }

    #[test]
    fn a_carriage_return_does_not_make_a_line_of_its_own() {
        let text = unified("a", "b", "x\n", "y\r+fake\n", &ShowOptions::default());
        assert!(text.contains("+y\u{27E6}U+000D CR\u{27E7}+fake\n"), "{text}");
    }

    #[test]
    fn very_different_texts_do_not_search_for_an_alignment() {
        let old: String = (0..6_000).map(|n| format!("a{n}\n")).collect();
        let new: String = (0..6_000).map(|n| format!("b{n}\n")).collect();
        let text = unified("a", "b", &old, &new, &ShowOptions::default());
        assert_eq!(text.lines().count(), 12_003);
    }

    #[test]
    fn equal_texts_have_no_difference() {
        assert_eq!(unified("a", "b", "x", "x", &ShowOptions::default()), "");
    }
}
