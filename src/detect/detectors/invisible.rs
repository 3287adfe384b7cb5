//! Invisible characters, direction controls and words that mix scripts.

use super::Spot;
use crate::detect::hidden;
use crate::detect::normalize::Folded;
use crate::detect::normalize::invisible::{is_bidi, is_expected, is_rtl};
use crate::domain::Span;
use unicode_script::UnicodeScript;

/// Spots of one text; adjacent invisible characters are one spot.
pub(in crate::detect) fn spots(text: &str, folded: &Folded) -> Vec<Spot> {
    let mut spots: Vec<Spot> = Vec::new();
    let mut add = |slug: &'static str, span: Span, what: &'static str| match spots.last_mut() {
        Some(last) if last.slug == slug && last.span.end == span.start => last.span.end = span.end,
        _ => spots.push(Spot { slug, span, what }),
    };
    let has_rtl = !folded.dropped.is_empty() && text.chars().any(|c| is_rtl(c.script()));
    let balanced = bidi_balance(text, &folded.dropped);
    let mut previous: Option<(usize, Option<char>)> = None;
    for &at in &folded.dropped {
        let Some(c) = text.get(at..).and_then(|t| t.chars().next()) else { continue };
        let span = Span::new(at, at + c.len_utf8());
        // A joiner after a selector stands after the selector's base.
        let before = match previous {
            Some((end, base)) if end == at && !matches!(c, '\u{FE00}'..='\u{FE0F}') => base,
            _ => text.get(..at).and_then(|t| t.chars().next_back()),
        };
        let after = text.get(span.end..).and_then(|t| t.chars().next());
        previous = Some((span.end, before));
        if is_bidi(c) {
            let overrides = matches!(c, '\u{202D}' | '\u{202E}');
            if overrides || !balanced || !has_rtl {
                add("bidi-controls", span, if overrides { "direction override" } else { "direction control" });
            }
        } else if is_private(c) || is_expected(before, c, after, at == 0) || hidden::in_flag(text, at) {
        } else {
            add("invisible-characters", span, "invisible character");
        }
    }
    for &span in &folded.mixed {
        spots.push(Spot { slug: "mixed-script", span, what: "word of mixed scripts" });
    }
    spots
}

/// Private use: icon fonts draw them, so they are not hidden, only unknown.
fn is_private(c: char) -> bool {
    matches!(u32::from(c), 0xE000..=0xF8FF)
}

/// True when every opened embedding or isolate is closed again.
fn bidi_balance(text: &str, dropped: &[usize]) -> bool {
    let mut open = 0_i64;
    for &at in dropped {
        match text.get(at..).and_then(|t| t.chars().next()) {
            Some('\u{202A}'..='\u{202B}' | '\u{202D}' | '\u{202E}' | '\u{2066}'..='\u{2068}') => open += 1,
            Some('\u{202C}' | '\u{2069}') => open -= 1,
            _ => {}
        }
        if open < 0 {
            return false;
        }
    }
    open == 0
}

/// Text inside a right-to-left override, turned round: what a reader sees.
pub(in crate::detect) fn overridden(text: &str) -> Vec<(Span, String)> {
    let mut found = Vec::new();
    for (at, mark) in text.match_indices('\u{202E}') {
        let start = at + mark.len();
        let rest = text.get(start..).unwrap_or_default();
        let len = rest.find(['\u{202C}', '\u{2069}', '\n', '\u{202E}']).unwrap_or(rest.len());
        let inner = &rest[..len];
        if inner.chars().count() >= 4 {
            found.push((Span::new(start, start + len), inner.chars().rev().collect()));
        }
    }
    found
}
