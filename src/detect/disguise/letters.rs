//! Invisible characters between letters, and letters that look alike.

/// Every character with something behind it, when both it and the next are letters or digits.
fn between(text: &str, with: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        if c.is_alphanumeric() && chars.peek().is_some_and(|n| n.is_alphanumeric()) {
            out.push_str(with);
        }
    }
    out
}

fn each(text: &str, turn: impl Fn(char) -> char) -> String {
    text.chars().map(turn).collect()
}

fn offset(c: char, from: char, to: u32) -> Option<char> {
    char::from_u32(to + (u32::from(c) - u32::from(from)))
}

/// Letters of a list by place in the alphabet; capitals as small letters. Others stay.
fn by_place(text: &str, list: &str) -> String {
    let list: Vec<char> = list.chars().collect();
    each(text, |c| {
        let place = (u32::from(c.to_ascii_lowercase())).wrapping_sub(97) as usize;
        if c.is_ascii_alphabetic() { list.get(place).copied().unwrap_or(c) } else { c }
    })
}

pub(super) fn zero_width(text: &str) -> String {
    between(text, "\u{200B}")
}
pub(super) fn zero_width_for_spaces(text: &str) -> String {
    text.replace(' ', "\u{200B}")
}
pub(super) fn soft_hyphens(text: &str) -> String {
    between(text, "\u{AD}")
}
pub(super) fn word_joiners(text: &str) -> String {
    between(text, "\u{2060}")
}
pub(super) fn selectors_between(text: &str) -> String {
    between(text, "\u{FE01}")
}
pub(super) fn controls(text: &str) -> String {
    between(text, "\u{8}")
}

pub(super) fn zero_width_binary(text: &str) -> String {
    let bits = text.bytes().flat_map(|byte| (0..8).rev().map(move |i| byte >> i & 1));
    format!("notes{}.", bits.map(|bit| if bit == 1 { '\u{200C}' } else { '\u{200B}' }).collect::<String>())
}

pub(super) fn tags(text: &str) -> String {
    let tag = |c: char| if matches!(c, ' '..='~' | '\n') { offset(c, '\0', 0xE_0000).unwrap_or(c) } else { c };
    format!("notes{}.", each(text, tag))
}

pub(super) fn selector_bytes(text: &str) -> String {
    let selector = |byte: u8| {
        let code = u32::from(byte);
        char::from_u32(if code < 16 { 0xFE00 + code } else { 0xE_0100 + code - 16 })
    };
    format!("\u{1F600}{}", text.bytes().filter_map(selector).collect::<String>())
}

pub(super) fn combining(text: &str) -> String {
    text.chars().flat_map(|c| [Some(c), c.is_alphabetic().then_some('\u{336}')]).flatten().collect()
}

pub(super) fn zalgo(text: &str) -> String {
    let marks = ["\u{300}\u{316}\u{334}", "\u{30A}\u{323}\u{33D}\u{35C}", "\u{342}\u{32E}\u{336}\u{308}\u{353}"];
    text.chars()
        .enumerate()
        .map(|(i, c)| if c.is_alphabetic() { format!("{c}{}", marks[i % 3]) } else { c.to_string() })
        .collect()
}

pub(super) fn accents(text: &str) -> String {
    each(text, |c| match c {
        'a' => 'á',
        'e' => 'é',
        'i' => 'ï',
        'o' => 'ö',
        'u' => 'ù',
        'A' => 'Å',
        'E' => 'Ê',
        'I' => 'Î',
        'O' => 'Ô',
        'U' => 'Ü',
        c => c,
    })
}

pub(super) fn fullwidth(text: &str) -> String {
    each(text, |c| if c.is_ascii_graphic() { offset(c, '!', 0xFF01).unwrap_or(c) } else { c })
}

fn mathematical_from(text: &str, capital: u32) -> String {
    each(text, |c| match c {
        'A'..='Z' => offset(c, 'A', capital).unwrap_or(c),
        'a'..='z' => offset(c, 'a', capital + 26).unwrap_or(c),
        c => c,
    })
}
pub(super) fn mathematical(text: &str) -> String {
    mathematical_from(text, 0x1_D400)
}
pub(super) fn script(text: &str) -> String {
    mathematical_from(text, 0x1_D4D0)
}

pub(super) fn cyrillic(text: &str) -> String {
    each(text, |c| match c {
        'a' => 'а',
        'c' => 'с',
        'e' => 'е',
        'i' => 'і',
        'j' => 'ј',
        'o' => 'о',
        'p' => 'р',
        's' => 'ѕ',
        'x' => 'х',
        'y' => 'у',
        'A' => 'А',
        'B' => 'В',
        'C' => 'С',
        'E' => 'Е',
        'H' => 'Н',
        'I' => 'І',
        'K' => 'К',
        'M' => 'М',
        'O' => 'О',
        'P' => 'Р',
        'T' => 'Т',
        'X' => 'Х',
        c => c,
    })
}

pub(super) fn greek(text: &str) -> String {
    each(text, |c| match c {
        'a' => 'α',
        'i' => 'ι',
        'o' => 'ο',
        'p' => 'ρ',
        'u' => 'υ',
        'v' => 'ν',
        'A' => 'Α',
        'B' => 'Β',
        'E' => 'Ε',
        'H' => 'Η',
        'I' => 'Ι',
        'K' => 'Κ',
        'M' => 'Μ',
        'N' => 'Ν',
        'O' => 'Ο',
        'P' => 'Ρ',
        'T' => 'Τ',
        'X' => 'Χ',
        'Y' => 'Υ',
        'Z' => 'Ζ',
        c => c,
    })
}

/// Cyrillic, Greek, Armenian and Cherokee letters, the odd ones as well.
pub(super) fn confusable(text: &str) -> String {
    each(text, |c| match c {
        'a' => 'а',
        'c' => 'ϲ',
        'd' => 'ԁ',
        'e' => 'е',
        'g' => 'ց',
        'h' => 'һ',
        'i' => 'і',
        'j' => 'ϳ',
        'l' => 'ӏ',
        'n' => 'ո',
        'o' => 'օ',
        'p' => 'р',
        'q' => 'ԛ',
        's' => 'ѕ',
        'u' => 'ս',
        'v' => 'ѵ',
        'w' => 'ԝ',
        'x' => 'х',
        'y' => 'у',
        'A' => 'Ꭺ',
        'B' => 'Β',
        'E' => 'Ꭼ',
        'I' => 'І',
        'S' => 'Ѕ',
        'W' => 'Ꮃ',
        c => c,
    })
}

pub(super) fn small_capitals(text: &str) -> String {
    by_place(text, "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡxʏᴢ")
}
pub(super) fn superscript(text: &str) -> String {
    by_place(text, "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖ𐞥ʳˢᵗᵘᵛʷˣʸᶻ")
}
pub(super) fn circled(text: &str) -> String {
    each(text, |c| match c {
        'A'..='Z' => offset(c, 'A', 0x24B6).unwrap_or(c),
        'a'..='z' => offset(c, 'a', 0x24D0).unwrap_or(c),
        c => c,
    })
}
fn capitals_from(text: &str, first: u32) -> String {
    each(text, |c| if c.is_ascii_alphabetic() { offset(c.to_ascii_uppercase(), 'A', first).unwrap_or(c) } else { c })
}
pub(super) fn negative_squared(text: &str) -> String {
    capitals_from(text, 0x1_F170)
}
pub(super) fn regional(text: &str) -> String {
    capitals_from(text, 0x1_F1E6)
}

pub(super) fn upside_down(text: &str) -> String {
    let turned = by_place(text, "ɐqɔpǝɟƃɥᴉɾʞlɯuodbɹsʇnʌʍxʎz");
    let sign = |c: char| match c {
        '.' => '˙',
        ',' => '\'',
        '\'' => ',',
        '!' => '¡',
        '?' => '¿',
        '(' => ')',
        ')' => '(',
        '_' => '‾',
        '&' => '⅋',
        c => c,
    };
    let line = |line: &str| line.chars().rev().map(sign).collect::<String>();
    turned.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

pub(super) fn mixed_case(text: &str) -> String {
    text.chars()
        .enumerate()
        .map(|(i, c)| if i % 2 == 0 { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() })
        .collect()
}

pub(super) fn punctuation(text: &str) -> String {
    each(text, |c| match c {
        ' ' => '\u{2004}',
        '.' => '\u{2024}',
        ',' => '\u{201A}',
        ':' => '\u{2236}',
        ';' => '\u{37E}',
        '-' => '\u{2010}',
        '/' => '\u{2215}',
        '\'' => '\u{2BC}',
        '"' => '\u{2BA}',
        '!' => '\u{1C3}',
        '*' => '\u{2217}',
        '(' => '\u{2768}',
        ')' => '\u{2769}',
        '_' => '\u{FF3F}',
        '@' => '\u{FF20}',
        c => c,
    })
}

pub(super) fn leet(text: &str) -> String {
    each(text, |c| match c.to_ascii_lowercase() {
        'a' => '4',
        'e' => '3',
        'i' => '1',
        'o' => '0',
        's' => '5',
        't' => '7',
        _ => c,
    })
}

pub(super) fn leet_heavy(text: &str) -> String {
    each(text, |c| match c.to_ascii_lowercase() {
        'a' => '@',
        'b' => '8',
        'e' => '3',
        'g' => '9',
        'i' => '!',
        'l' => '1',
        'o' => '0',
        's' => '$',
        't' => '7',
        'z' => '2',
        _ => c,
    })
}
