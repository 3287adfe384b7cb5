//! The classifier: windows in order and on borders, the same each time; weights that are not the pinned ones are refused.
//!
//! The input is judged as a text, and read as a file of weights.

use memgate::detect::model::{Model, Parts};
use memgate::domain::{Channel, Digest};

/// The input as a text, then as weights.
pub fn body(data: &[u8]) {
    as_weights(data);
    let Some(text) = super::text(data).filter(|text| text.len() <= 16 * 1024) else { return };
    let model = Model::builtin().expect("the built-in weights are the pinned ones");
    let windows = model.windows(text, Channel::User);
    assert_eq!(windows, model.windows(text, Channel::User), "judged twice, differently");
    let mut past = 0;
    for window in &windows {
        assert!(window.span.slice(text).is_some(), "{:?} is not on borders", window.span);
        assert!((0.0..=1.0).contains(&window.probability), "{} is no probability", window.probability);
        assert!(window.span.start >= past, "windows are not in order of place");
        assert!(window.top.windows(2).all(|pair| pair[0].weight.abs() >= pair[1].weight.abs()), "reasons out of order");
        past = window.span.start;
    }
    // The likeliest window is listed, and is what the whole text is judged by.
    let best = windows.iter().map(|window| window.probability).fold(0.0, f64::max);
    let whole = model.probability(text);
    assert!((best - whole).abs() < f64::EPSILON, "the text is judged {whole}, its windows at most {best}");
    // Case and the width of blanks say nothing.
    if !text.is_ascii() {
        return;
    }
    let wide = text.to_ascii_uppercase().replace(' ', "  ");
    let again = model.probability(&wide);
    assert!((again - whole).abs() < f64::EPSILON, "{whole} became {again} by capitals and wider blanks");
}

/// Any file is read to the end or refused; what is read is written back byte for byte; no other digest passes.
fn as_weights(data: &[u8]) {
    let lexicon = Model::lexicon_text();
    let own = *Digest::of(data).bytes();
    let mut other = own;
    other[0] ^= 1;
    assert!(Model::from_bytes(data, lexicon, &other).is_err(), "weights passed under another digest");
    if let Ok(parts) = Parts::from_bytes(data, &own) {
        assert_eq!(parts.to_bytes(), data, "weights were read as something else than they say");
    }
}
