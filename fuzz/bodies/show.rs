//! Hostile text, shown: nothing acts, nothing is hidden, nothing is forged.

use memgate::report::{
    ShowOptions, show_ci, show_csv, show_html, show_json, show_line, show_markdown, show_plain, show_terminal,
};

/// No sink lets a control, format or invisible character through; each keeps its own grammar.
pub fn body(data: &[u8]) {
    let Some(text) = super::text(data) else { return };
    let plain = show_plain(text);
    visible(&plain, "plain");
    let html = show_html(text);
    visible(&html, "html");
    assert!(!html.contains(['<', '>', '"', '\'']), "live markup in {html:?}");
    let json = show_json(text);
    visible(&json, "json");
    assert_eq!(serde_json::from_str::<String>(&json).ok().as_deref(), Some(text), "JSON does not read back");
    let csv = show_csv(text);
    visible(&csv, "csv");
    assert!(!csv.contains('\n'), "a CSV cell of two lines");
    let inner = csv.strip_prefix('"').and_then(|c| c.strip_suffix('"')).expect("a CSV cell has quotes");
    assert!(!inner.replace("\"\"", "").contains('"'), "a quote ends the CSV cell early: {csv:?}");
    assert!(!inner.starts_with(['=', '+', '-', '@']), "a formula: {csv:?}");
    let ci = show_ci(text);
    visible(&ci, "ci");
    assert!(ci.lines().all(|line| line.starts_with("| ")), "a line of the build log is the text's own: {ci:?}");
    assert!(!ci.contains("##["), "a runner command: {ci:?}");
    let markdown = show_markdown(text);
    visible(&markdown, "markdown");
    let fence = markdown.split("text\n").next().expect("split gives one part");
    let lines: Vec<&str> = markdown.lines().collect();
    let closing = lines.iter().skip(1).position(|line| line.trim_start().starts_with(fence));
    assert_eq!(closing, Some(lines.len() - 2), "the fence closes early: {markdown:?}");
    for options in [ShowOptions::default(), ShowOptions { width: 1, max_bytes: 64, color: false, gutter: true }] {
        let shown = show_terminal(text, &options);
        visible(&shown, "terminal");
        assert!(shown.ends_with('\n'));
        assert!(
            shown.lines().all(|l| l.starts_with("| ") || l.starts_with(": ")),
            "a line without its gutter: {shown:?}"
        );
    }
    for columns in [0, 20, 80] {
        let line = show_line(text, columns);
        visible(&line, "line");
        assert!(!line.contains('\n'));
    }
}

/// Only what a person sees: no control but the line feed, none of the known invisible or direction characters.
fn visible(shown: &str, sink: &str) {
    for c in shown.chars() {
        let hidden = matches!(c, '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF9}'..='\u{FFFB}'
            | '\u{E000}'..='\u{F8FF}' | '\u{E0000}'..='\u{E0FFF}' | '\u{F0000}'..='\u{10FFFF}');
        assert!(!hidden && (c == '\n' || !c.is_control()), "{sink} lets {c:?} through");
    }
}
