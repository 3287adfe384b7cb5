//! Untrusted text for formats other programs read: each with its own escaping.

use super::terminal::show_plain;
use crate::report::json;

/// Text nodes only: no element, no attribute, no entity from the text; marks as plain text.
///
/// Safe as element content and inside a quoted attribute; never inside a script, a style or an URL.
pub fn show_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in show_plain(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// A fenced block whose fence is longer than any run of backticks inside: no mention, link, image or
/// markup of the text is live.
pub fn show_markdown(text: &str) -> String {
    let shown = show_plain(text);
    let (mut longest, mut run) = (0, 0);
    for c in shown.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest.max(2) + 1);
    let end = if shown.ends_with('\n') || shown.is_empty() { "" } else { "\n" };
    format!("{fence}text\n{shown}{end}{fence}\n")
}

/// A JSON string literal with its quotes, which reads back as exactly the text; every invisible,
/// control and format character is a `\u` escape.
pub fn show_json(text: &str) -> String {
    json::to_line(&text)
}

/// One quoted CSV cell (RFC 4180) on one line; a cell that a spreadsheet would run as a formula starts with `'`.
pub fn show_csv(text: &str) -> String {
    let shown = show_plain(text).replace('\n', "\u{27E6}U+000A LF\u{27E7}");
    // The full-width forms count as formula signs in some spreadsheets.
    let formula = |c: char| matches!(c, '=' | '+' | '-' | '@' | '\u{FF1D}' | '\u{FF0B}' | '\u{FF0D}' | '\u{FF20}');
    // A leading tab or carriage return has become a mark, but what follows it might be trimmed to.
    let first = shown.trim_start().chars().next();
    let risky = first.is_some_and(formula) || text.starts_with(['\t', '\r', '\n']);
    format!("\"{}{}\"", if risky { "'" } else { "" }, shown.replace('"', "\"\""))
}

/// Lines for a build log: each starts with `| `, so that none starts a command of the runner, and
/// commands that are obeyed anywhere in a line are broken by a mark.
pub fn show_ci(text: &str) -> String {
    let mut out = String::new();
    for line in show_plain(text).split('\n') {
        out.push_str("| ");
        out.push_str(line);
        out.push('\n');
    }
    out
}
