//! Views of disguised text: exact ways back, the same each time, and the plain text again where the disguise loses nothing.
//!
//! Input: optionally a first line with names of disguises, the innermost first, then a line `---`; then the text.

use memgate::detect::disguise::{self, Layer, Transform};
use memgate::detect::normalize::fold_text;
use memgate::detect::{Budget, ViewText, views};
use memgate::domain::Span;

/// Ceilings that a small text reaches.
const TIGHT: Budget = Budget { text_bytes: 4096, depth: 2, views: 8, view_bytes: 8192, findings: 8, steps: 40_000 };

/// The text in its disguises through all views.
pub fn body(data: &[u8]) {
    let Some(input) = super::text(data).filter(|text| text.len() <= 4096) else { return };
    let (names, text) = match input.split_once("\n---\n") {
        Some((head, text)) if !head.contains('\n') => (head, text),
        _ => ("", input),
    };
    let stack: Vec<&Transform> = names.split(' ').filter_map(disguise::get).take(3).collect();
    let shown = disguise::apply_nested(&stack, text);
    if shown.len() > 64 * 1024 {
        return;
    }
    let (list, limits) = views(&shown, &Budget::default());
    exact(&shown, &list);
    let (again, same) = views(&shown, &Budget::default());
    assert_eq!(limits, same, "the same text reached other limits");
    assert!(list.iter().map(key).eq(again.iter().map(key)), "the same text has other views");
    // With less room: fewer views, and a limit that says so.
    let (few, said) = views(&shown, &TIGHT);
    exact(&shown, &few);
    assert!(!said.is_empty() || few.len() == list.len(), "views are missing and no limit says so");
    undone(&stack, text);
}

fn key(view: &ViewText) -> (&str, &[String], &str) {
    (view.view.name(), &view.decoding, &view.text)
}

/// Every character of every view comes from a place in the text.
fn exact(raw: &str, list: &[ViewText]) {
    for view in list {
        assert_eq!(view.map.view_len(), view.text.len(), "{:?}: the map covers another length", view.decoding);
        for (at, c) in view.text.char_indices() {
            let back = view.map.to_raw(Span::new(at, at + c.len_utf8()));
            assert!(back.start <= back.end && back.end <= raw.len(), "{:?}: {at} leads to {back:?}", view.decoding);
        }
        let whole = view.map.to_raw(Span::new(0, view.text.len()));
        assert!(whole.end <= raw.len());
    }
}

/// Words made of the input, encoded and put among others: some view reads them.
fn undone(stack: &[&Transform], text: &str) {
    let [encoding] = stack else { return };
    if encoding.layer != Layer::Encoding {
        return;
    }
    const WORDS: [&str; 16] = [
        "send", "the", "report", "to", "every", "member", "before", "friday", "and", "keep", "a", "copy", "of", "all",
        "old", "notes",
    ];
    let words: Vec<&str> = text.bytes().take(40).map(|b| WORDS[usize::from(b % 16)]).collect();
    let plain = words.join(" ");
    if plain.len() < 32 {
        return;
    }
    let shown = format!("First line.\n\n{}\n\nLast line.\n", encoding.apply(&plain));
    let (list, limits) = views(&shown, &Budget::default());
    let found = list.iter().any(|view| fold_text(&view.text).contains(&plain));
    assert!(found || !limits.is_empty(), "{} hides {plain:?}: no view reads it", encoding.slug);
}
