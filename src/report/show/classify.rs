//! Which characters are shown as marks, and why.

use unicode_general_category::{GeneralCategory as Cat, get_general_category};

/// Why a character is shown as a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// C0, DEL and C1 controls, except the line feed.
    Control,
    /// Line and paragraph separators, and a line feed where one line is wanted.
    Line,
    /// Direction embeddings, overrides, isolates and marks.
    Bidi,
    /// Zero-width and other characters that draw nothing.
    Invisible,
    /// Variation selectors.
    Selector,
    /// The tag block, which mirrors ASCII without being seen.
    Tag,
    /// Private use: draws whatever a font says.
    Private,
    /// A space that is not U+0020.
    Space,
    /// Not assigned to a character.
    Unassigned,
    /// A combining mark without a base, or one too many on the same base.
    Combining,
    /// The brackets of the marks themselves.
    Bracket,
    /// The opening of a command to a build runner, such as `##[`.
    Runner,
}

impl Class {
    /// Short name, as printed in a mark that covers several code points.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Control => "controls",
            Self::Line => "line breaks",
            Self::Bidi => "direction marks",
            Self::Invisible => "invisible",
            Self::Selector => "variation selectors",
            Self::Tag => "tags",
            Self::Private => "private use",
            Self::Space => "spaces",
            Self::Unassigned => "unassigned",
            Self::Combining => "combining marks",
            Self::Bracket => "brackets",
            Self::Runner => "runner command",
        }
    }
    /// True when a reader of the raw text would not have seen the character.
    pub const fn is_hidden(self) -> bool {
        !matches!(self, Self::Bracket | Self::Runner | Self::Line | Self::Combining)
    }
}

/// The class of a character that is shown as a mark wherever it stands; `None` for one that is shown
/// as it is. The line feed has no class: each sink decides what a line break is.
///
/// Source: Unicode general categories; the default-ignorable code points that are letters or marks by
/// category (Hangul fillers, Khmer inherent vowels, the combining grapheme joiner) and the blank
/// Braille pattern are listed by hand, because a category check lets them through.
pub fn class_of(c: char) -> Option<Class> {
    if c == '\n' || (' '..='\u{7E}').contains(&c) {
        return None;
    }
    match c {
        '\u{27E6}' | '\u{27E7}' => return Some(Class::Bracket),
        '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}' | '\u{180B}'..='\u{180D}' | '\u{180F}' => {
            return Some(Class::Selector);
        }
        '\u{E0000}'..='\u{E007F}' => return Some(Class::Tag),
        '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => {
            return Some(Class::Bidi);
        }
        '\u{034F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{3164}' | '\u{FFA0}' | '\u{2800}'
        | '\u{FFFC}' | '\u{1D159}' | '\u{16FE4}' | '\u{13441}' | '\u{13442}' => return Some(Class::Invisible),
        '\u{2028}' | '\u{2029}' => return Some(Class::Line),
        _ => {}
    }
    match get_general_category(c) {
        Cat::Control => Some(Class::Control),
        Cat::Format => Some(Class::Invisible),
        Cat::PrivateUse => Some(Class::Private),
        Cat::SpaceSeparator | Cat::LineSeparator | Cat::ParagraphSeparator => Some(Class::Space),
        Cat::Unassigned | Cat::Surrogate => Some(Class::Unassigned),
        _ => None,
    }
}

/// True for a character that draws onto the one before it.
pub(super) fn is_combining(c: char) -> bool {
    !c.is_ascii() && matches!(get_general_category(c), Cat::NonspacingMark | Cat::EnclosingMark | Cat::SpacingMark)
}

/// The common short name of a character that is shown as a mark, or nothing.
pub(super) const fn short_name(c: char) -> &'static str {
    match c {
        '\0' => "NUL",
        '\u{07}' => "BEL",
        '\u{08}' => "BS",
        '\t' => "TAB",
        '\n' => "LF",
        '\u{0B}' => "VT",
        '\u{0C}' => "FF",
        '\r' => "CR",
        '\u{1B}' => "ESC",
        '\u{7F}' => "DEL",
        '\u{85}' => "NEL",
        '\u{90}' => "DCS",
        '\u{9B}' => "CSI",
        '\u{9C}' => "ST",
        '\u{9D}' => "OSC",
        '\u{A0}' => "NBSP",
        '\u{AD}' => "SHY",
        '\u{034F}' => "CGJ",
        '\u{061C}' => "ALM",
        '\u{180E}' => "MVS",
        '\u{200B}' => "ZWSP",
        '\u{200C}' => "ZWNJ",
        '\u{200D}' => "ZWJ",
        '\u{200E}' => "LRM",
        '\u{200F}' => "RLM",
        '\u{2028}' => "LS",
        '\u{2029}' => "PS",
        '\u{202A}' => "LRE",
        '\u{202B}' => "RLE",
        '\u{202C}' => "PDF",
        '\u{202D}' => "LRO",
        '\u{202E}' => "RLO",
        '\u{202F}' => "NNBSP",
        '\u{2060}' => "WJ",
        '\u{2066}' => "LRI",
        '\u{2067}' => "RLI",
        '\u{2068}' => "FSI",
        '\u{2069}' => "PDI",
        '\u{3000}' => "IDEOGRAPHIC SPACE",
        '\u{3164}' => "HANGUL FILLER",
        '\u{FEFF}' => "BOM",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_that_draws_nothing_has_a_class() {
        for c in ('\0'..=char::MAX).filter(|c| *c != '\n' && *c != ' ') {
            let category = get_general_category(c);
            let must = matches!(
                category,
                Cat::Control
                    | Cat::Format
                    | Cat::PrivateUse
                    | Cat::SpaceSeparator
                    | Cat::LineSeparator
                    | Cat::ParagraphSeparator
                    | Cat::Unassigned
            );
            assert!(!must || class_of(c).is_some(), "U+{:04X}", u32::from(c));
        }
    }

    #[test]
    fn honest_letters_of_many_scripts_are_shown_as_they_are() {
        for c in "Zażółć Straße Ελλάδα Привет שלום مرحبا हिन्दी ไทย 日本語 한국어 ✓→—“”€🙂".chars()
        {
            assert_eq!(class_of(c), None, "{c}");
        }
    }
}
