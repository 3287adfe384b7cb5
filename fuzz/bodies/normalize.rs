//! Folding and the other views: a way back to the raw bytes for every span, and one folded form.

use memgate::detect::normalize::{Form, fold, fold_text};
use memgate::detect::{Budget, SpanMap, views};

/// Every view's spans map back inside the raw text on character borders; folding twice changes nothing.
pub fn body(data: &[u8]) {
    let Some(text) = super::text(data).filter(|text| text.len() <= 8192) else { return };
    for form in [Form::Main, Form::Skeleton] {
        let folded = fold(text, form);
        maps_back(text, &folded.text, &folded.map, "folded");
        for &at in &folded.dropped {
            assert!(text.is_char_boundary(at), "a dropped character at no border");
        }
        for span in &folded.mixed {
            assert!(span.slice(text).is_some(), "a mixed word at no border");
        }
        for &at in &folded.soft {
            assert_eq!(folded.text.as_bytes().get(at), Some(&b' '), "a soft line break that is no space");
        }
    }
    let once = fold_text(text);
    let twice = fold_text(&once);
    assert_eq!(once, twice, "folding is not idempotent on {text:?}");
    let budget = Budget { views: 64, view_bytes: 1 << 20, ..Budget::default() };
    let (list, limits) = views(text, &budget);
    for view in &list {
        maps_back(text, &view.text, &view.map, view.view.name());
        assert!(view.decoding.len() <= 2 * budget.depth + 4, "deeper than the limit: {:?}", view.decoding);
    }
    assert_eq!((list.len(), limits.len()), (views(text, &budget).0.len(), views(text, &budget).1.len()));
}

/// Each character of a view comes from somewhere in the raw text.
fn maps_back(raw: &str, view: &str, map: &SpanMap, name: &str) {
    assert_eq!(map.view_len(), view.len(), "the map of a {name} view covers another length");
    for (at, c) in view.char_indices() {
        let span = memgate::domain::Span::new(at, at + c.len_utf8());
        let back = memgate::detect::span::on_borders(raw, map.to_raw(span));
        assert!(back.start <= back.end && back.end <= raw.len(), "{name}: {span:?} leads outside: {back:?}");
        assert!(back.slice(raw).is_some(), "{name}: {span:?} leads into a character: {back:?}");
        // The skeleton puts a space where invisible characters stood between letters; guesses put a break between pieces
        // that they read as one.
        assert!(!back.is_empty() || matches!(c, ' ' | '\n'), "{name}: {c:?} at {span:?} comes from nothing");
    }
}
