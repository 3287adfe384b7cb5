//! Look-alikes of ASCII letters. Source: Unicode UTS 39, section 4.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_script::{Script, UnicodeScript};

/// True for letters of the Latin script, ASCII or not.
pub fn is_latin(c: char) -> bool {
    c.is_ascii_alphabetic() || (!c.is_ascii() && c.is_alphabetic() && c.script() == Script::Latin)
}

/// The ASCII look-alike, lower case, of a letter of another script; `None` when it has none.
///
/// Both the letter and its upper case are tried: Cyrillic `Н` passes for `H`, `н` does not.
pub fn foreign_to_ascii(c: char) -> Option<char> {
    if c.is_ascii() || !may_confuse(c) || !c.is_alphabetic() || is_latin(c) {
        return None;
    }
    single_ascii(c).or_else(|| {
        let mut upper = c.to_uppercase();
        match (upper.next(), upper.next()) {
            (Some(u), None) if u != c => single_ascii(u),
            _ => None,
        }
    })
}

/// `text` with letters of other scripts replaced by their ASCII look-alikes, composed again.
pub fn map_foreign(text: &str) -> String {
    text.chars().map(|c| foreign_to_ascii(c).unwrap_or(c)).nfc().collect()
}

/// The all-ASCII form of a combining sequence: marks stripped, look-alikes mapped. `None` when a
/// letter has no ASCII form.
pub fn ascii_form(text: &str) -> Option<String> {
    if text.is_ascii() {
        return Some(text.to_owned());
    }
    let mut out = String::new();
    for c in text.nfd() {
        if c.is_ascii() {
            out.push(c);
        } else if is_combining_mark(c) {
        } else if let Some(ascii) = foreign_to_ascii(c).or_else(|| latin_to_ascii(c)) {
            out.push(ascii);
        } else {
            return None;
        }
    }
    Some(out)
}

fn latin_to_ascii(c: char) -> Option<char> {
    if is_latin(c) && may_confuse(c) { single_ascii(c) } else { None }
}

fn single_ascii(c: char) -> Option<char> {
    let mut buffer = [0_u8; 4];
    let mut skeleton = unicode_security::skeleton(c.encode_utf8(&mut buffer)).filter(|c| !is_combining_mark(*c));
    match (skeleton.next(), skeleton.next()) {
        (Some(ascii), None) if ascii.is_ascii_alphabetic() => Some(ascii.to_ascii_lowercase()),
        _ => None,
    }
}

/// Blocks without ASCII look-alikes that matter are left out, for speed and for honest text:
/// Hebrew to Georgian, Ethiopic to Khmer, and the East Asian blocks.
fn may_confuse(c: char) -> bool {
    let code = u32::from(c);
    !matches!(code, 0x0590..=0x109F | 0x1100..=0x139F | 0x1400..=0x1CFF | 0x2E80..=0xA4CF | 0xA500..=0xA63F | 0xA800..=0xAB2F | 0xABC0..=0xFAFF | 0x1_F000..=0x3_FFFF)
}
