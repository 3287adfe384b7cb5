//! Characters that show nothing. Source: Unicode `Default_Ignorable_Code_Point`, general
//! category Cc and Cf; own choice for the blank fillers.

use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_script::{Script, UnicodeScript};

/// True for characters that a reader cannot see and that are no white space.
pub fn is_invisible(c: char) -> bool {
    let code = u32::from(c);
    match code {
        0..=0x1F => !matches!(code, 0x09..=0x0D),
        0x20..=0x7E => false,
        0x7F..=0x9F => code != 0x85,
        0xAD | 0x034F | 0x061C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F => true,
        0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x206F | 0x3164 => true,
        0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB | 0x2800 => true,
        0x1_BCA0..=0x1_BCA3 | 0x1_D173..=0x1_D17A | 0xE_0000..=0xE_0FFF => true,
        0xE000..=0xF8FF | 0xF_0000..=0x10_FFFF => true,
        _ if code < 0x0600 => false,
        _ => get_general_category(c) == GeneralCategory::Format && !shows(code),
    }
}

/// Format characters that are drawn: Arabic number signs, Kaithi and the Egyptian joiners.
fn shows(code: u32) -> bool {
    matches!(code, 0x0600..=0x0605 | 0x06DD | 0x070F | 0x0890 | 0x0891 | 0x08E2 | 0x1_10BD | 0x1_10CD | 0x1_3430..=0x1_343F)
}

/// True for the controls that reorder text (UAX 9).
pub const fn is_bidi(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// The byte a variation selector can carry: VS1 to VS16 are 0 to 15, VS17 to VS256 the rest.
pub fn selector_byte(c: char) -> Option<u8> {
    let code = u32::from(c);
    let value = match code {
        0xFE00..=0xFE0F => code - 0xFE00,
        0xE_0100..=0xE_01EF => code - 0xE_0100 + 16,
        _ => return None,
    };
    u8::try_from(value).ok()
}

/// The ASCII character a tag character stands for.
pub fn tag_ascii(c: char) -> Option<char> {
    let code = u32::from(c);
    matches!(code, 0xE_0020..=0xE_007E | 0xE_000A).then(|| char::from_u32(code - 0xE_0000)).flatten()
}

/// True when an invisible character does honest work where it stands: joiners in scripts and
/// emoji that need them, selectors after a base that has variants, marks of direction beside
/// right-to-left text, a byte order mark at the start, a soft hyphen inside a word.
pub fn is_expected(before: Option<char>, c: char, after: Option<char>, at_start: bool) -> bool {
    let script = |c: Option<char>| c.map_or(Script::Common, |c| c.script());
    let letter = |c: Option<char>| c.is_some_and(char::is_alphabetic);
    match c {
        '\u{FEFF}' => at_start,
        '\u{AD}' => letter(before) && letter(after),
        '\u{200C}' => joins_letters(script(before)),
        '\u{200D}' => joins_letters(script(before)) || (is_pictograph(before) && is_pictograph(after)),
        '\u{200B}' => spaceless(script(before)) && spaceless(script(after)),
        '\u{200E}' | '\u{200F}' | '\u{61C}' => is_rtl(script(before)) || is_rtl(script(after)),
        '\u{FE0E}' | '\u{FE0F}' => before.is_some_and(has_variants),
        '\u{FE00}'..='\u{FE02}' => before.is_some_and(|b| !b.is_ascii() && !is_invisible(b)),
        '\u{E0100}'..='\u{E01EF}' => matches!(script(before), Script::Han | Script::Hiragana | Script::Katakana),
        '\u{180B}'..='\u{180F}' => script(before) == Script::Mongolian,
        '\u{115F}' | '\u{1160}' => script(before) == Script::Hangul || script(after) == Script::Hangul,
        '\u{34F}' => script(before) == Script::Hebrew,
        _ => false,
    }
}

/// True for emoji and symbols that take a joiner.
pub fn is_pictograph(c: Option<char>) -> bool {
    c.is_some_and(|c| {
        matches!(u32::from(c), 0x1_F000..=0x1_FAFF | 0x2190..=0x21FF | 0x2300..=0x27BF | 0x2900..=0x297F | 0x2B00..=0x2BFF
            | 0xFE0F | 0x200D | 0x3030 | 0x303D | 0x3297 | 0x3299 | 0xA9 | 0xAE)
    })
}

fn has_variants(c: char) -> bool {
    is_pictograph(Some(c)) || matches!(c, '0'..='9' | '#' | '*' | '\u{203C}' | '\u{2049}' | '\u{2122}' | '\u{2139}')
}

fn joins_letters(script: Script) -> bool {
    use Script::{
        Arabic, Bengali, Devanagari, Gujarati, Gurmukhi, Inherited, Kannada, Khmer, Malayalam, Mongolian, Myanmar, Nko,
        Oriya, Sinhala, Syriac, Tamil, Telugu, Tibetan,
    };
    matches!(
        script,
        Arabic
            | Bengali
            | Devanagari
            | Gujarati
            | Gurmukhi
            | Kannada
            | Khmer
            | Malayalam
            | Mongolian
            | Myanmar
            | Nko
            | Oriya
            | Sinhala
            | Syriac
            | Tamil
            | Telugu
            | Tibetan
            | Inherited
    )
}

fn spaceless(script: Script) -> bool {
    matches!(script, Script::Thai | Script::Khmer | Script::Lao | Script::Myanmar | Script::Tibetan | Script::Javanese)
}

/// True for scripts written from right to left.
pub fn is_rtl(script: Script) -> bool {
    matches!(script, Script::Arabic | Script::Hebrew | Script::Syriac | Script::Thaana | Script::Nko)
}
