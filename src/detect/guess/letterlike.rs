//! Characters that are drawn like letters or punctuation and are something else; symbols between words.

use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::lexicon::known;
use crate::detect::decode::Piece;
use crate::detect::disguise::BRAILLE;
use crate::detect::escapes::Edit;
use crate::detect::normalize::{invisible::is_invisible, parts_words};
use crate::detect::span::SpanMap;
use crate::domain::{Span, View};

/// Small capitals and other letters that no normal form turns into ASCII.
const SMALL: [(char, char); 30] = [
    ('ᴀ', 'a'),
    ('ʙ', 'b'),
    ('ᴄ', 'c'),
    ('ᴅ', 'd'),
    ('ᴇ', 'e'),
    ('ꜰ', 'f'),
    ('ɢ', 'g'),
    ('ʜ', 'h'),
    ('ɪ', 'i'),
    ('ᴊ', 'j'),
    ('ᴋ', 'k'),
    ('ʟ', 'l'),
    ('ᴍ', 'm'),
    ('ɴ', 'n'),
    ('ᴏ', 'o'),
    ('ᴘ', 'p'),
    ('ꞯ', 'q'),
    ('ʀ', 'r'),
    ('ꜱ', 's'),
    ('ᴛ', 't'),
    ('ᴜ', 'u'),
    ('ᴠ', 'v'),
    ('ᴡ', 'w'),
    ('ʏ', 'y'),
    ('ᴢ', 'z'),
    ('ɑ', 'a'),
    ('ɡ', 'g'),
    ('ı', 'i'),
    ('ȷ', 'j'),
    ('ɩ', 'i'),
];

/// Punctuation that passes for ASCII. Quotation marks and dashes that editors set are left alone.
const PUNCTUATION: [(char, char); 24] = [
    ('\u{2010}', '-'),
    ('\u{2011}', '-'),
    ('\u{2012}', '-'),
    ('\u{2212}', '-'),
    ('\u{2044}', '/'),
    ('\u{2215}', '/'),
    ('\u{29F8}', '/'),
    ('\u{2236}', ':'),
    ('\u{589}', ':'),
    ('\u{A789}', ':'),
    ('\u{201A}', ','),
    ('\u{60C}', ','),
    ('\u{2BC}', '\''),
    ('\u{2B9}', '\''),
    ('\u{2032}', '\''),
    ('\u{2BA}', '"'),
    ('\u{2033}', '"'),
    ('\u{1C3}', '!'),
    ('\u{2217}', '*'),
    ('\u{2768}', '('),
    ('\u{2769}', ')'),
    ('\u{276C}', '<'),
    ('\u{276D}', '>'),
    ('\u{2CD}', '_'),
];

/// The letter that a symbol or a small capital is drawn as.
fn drawn(c: char) -> Option<char> {
    let place = |first: u32| char::from_u32(u32::from(c) - first + 97);
    match u32::from(c) {
        0x1_F150..=0x1_F169 => place(0x1_F150),
        0x1_F170..=0x1_F189 => place(0x1_F170),
        0x1_F1E6..=0x1_F1FF => place(0x1_F1E6),
        0x2801..=0x28FF => {
            BRAILLE.chars().position(|b| b == c).and_then(|i| char::from_u32(97 + u32::try_from(i).ok()?))
        }
        _ => SMALL.iter().find(|(from, _)| *from == c).map(|(_, to)| *to),
    }
}

/// The ASCII letter that a letter of another script passes for, small.
fn skeleton(c: char) -> Option<char> {
    let one = |c: char| {
        let mut buffer = [0_u8; 4];
        let mut parts = unicode_security::skeleton(c.encode_utf8(&mut buffer)).filter(|c| !is_combining_mark(*c));
        match (parts.next(), parts.next()) {
            (Some(ascii), None) if ascii.is_ascii_alphabetic() => Some(ascii),
            _ => None,
        }
    };
    // Capital I is drawn like a small l: what its small letter passes for says more.
    let mut lower = c.to_lowercase();
    let small = lower.next().filter(|_| lower.next().is_none()).and_then(one);
    match (one(c), small) {
        (_, Some(letter)) | (Some(letter), None) => Some(letter.to_ascii_lowercase()),
        (None, None) => None,
    }
}

/// Takes the marks of one letter away when it does not take all of them.
fn loose(marks: &mut (Vec<Span>, bool), found: &mut Vec<Edit>) {
    let (spans, strange) = std::mem::take(marks);
    if strange {
        found.extend(spans.into_iter().map(|span| Edit { span, text: String::new(), weight: 2 }));
    }
}

/// Marks that compose with letters of many scripts, or are drawn over any.
const fn is_loose_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36F}' | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}' | '\u{20D0}'..='\u{20FF}')
}

/// Letters in every word that can be read as ASCII as a whole, and punctuation.
///
/// Where many words mix scripts, words wholly of look-alikes are read as well.
pub(super) fn edits(text: &str) -> Vec<(Edit, &'static str)> {
    let (edits, mixed, foreign) = edits_with(text, false);
    if mixed >= 4 && mixed * 4 >= foreign { edits_with(text, true).0 } else { edits }
}

/// The edits, the words that mix scripts, and all words beyond ASCII.
fn edits_with(text: &str, all: bool) -> (Vec<(Edit, &'static str)>, usize, usize) {
    let mut edits = Vec::new();
    let (mut mixed, mut beyond) = (0, 0);
    let mut offset = 0;
    for word in text.split_inclusive(char::is_whitespace) {
        let start = offset;
        offset += word.len();
        if word.is_ascii() {
            continue;
        }
        let mut found: Vec<Edit> = Vec::new();
        let (mut certain, mut guessed, mut foreign, mut latin) = (0, 0, false, false);
        let mut read = String::new();
        let mut base = None;
        let mut marks: (Vec<Span>, bool) = (Vec::new(), false);
        for (i, c) in word.char_indices() {
            let at = Span::new(start + i, start + i + c.len_utf8());
            if !is_loose_mark(c) {
                loose(&mut marks, &mut found);
                base = Some(c).filter(|c| !c.is_whitespace());
            }
            if c.is_ascii() {
                latin |= c.is_ascii_alphabetic();
                read.push(c.to_ascii_lowercase());
            } else if let Some(letter) = drawn(c) {
                certain += 1;
                read.push(letter);
                found.push(Edit { span: at, text: letter.to_string(), weight: 2 });
            } else if let Some((_, sign)) = PUNCTUATION.iter().find(|(from, _)| *from == c) {
                found.push(Edit { span: at, text: sign.to_string(), weight: 2 });
                read.push(*sign);
                certain += usize::from(matches!(c, '\u{1C3}'));
            } else if is_loose_mark(c) {
                // Marks that no letter takes in its script.
                marks.0.push(at);
                match base.and_then(|b| unicode_normalization::char::compose(b, c)) {
                    Some(whole) => base = Some(whole),
                    None => marks.1 |= base.is_some(),
                }
                continue;
            } else if c.is_alphabetic() && c.nfd().next().is_some_and(|n| n.is_ascii()) {
                // A letter with an accent: the skeleton has it without, and here it may be honest.
                latin = true;
                read.extend(c.nfd().next().map(|n| n.to_ascii_lowercase()));
            } else if c.is_alphabetic() && !c.nfkc().next().is_some_and(|n| n.is_ascii()) {
                match skeleton(c) {
                    Some(letter) => {
                        guessed += 1;
                        read.push(letter);
                        found.push(Edit { span: at, text: letter.to_string(), weight: 1 });
                    }
                    None => foreign = true,
                }
            }
        }
        loose(&mut marks, &mut found);
        // A word of another script that happens to look like ASCII is a word of that script, unless it is also
        // a common word here.
        let words: String = read.chars().filter(char::is_ascii_alphabetic).collect();
        let fixed: String = words.replace('l', "i");
        beyond += 1;
        mixed += usize::from(!foreign && guessed > 0 && latin);
        let keep = !foreign
            && (all || guessed == 0 || latin || certain > 0 || (words.len() >= 3 && (known(&words) || known(&fixed))));
        if !keep {
            found.retain(|edit| edit.weight > 1);
        } else if guessed > 0 && !known(&words) {
            // A stroke is an i as well as an l: the choice that makes a word.
            let choices: Vec<usize> =
                found.iter().enumerate().filter(|(_, e)| e.text == "l").map(|(i, _)| i).take(4).collect();
            let letters: Vec<char> = read.chars().collect();
            let spots: Vec<usize> = letters.iter().enumerate().filter(|(_, c)| **c == 'l').map(|(i, _)| i).collect();
            if !choices.is_empty() && spots.len() == choices.len() {
                for pick in 1..1_usize << choices.len() {
                    let mut other = letters.clone();
                    for (bit, spot) in spots.iter().enumerate() {
                        if pick >> bit & 1 == 1 {
                            other[*spot] = 'i';
                        }
                    }
                    if known(&other.iter().filter(|c| c.is_ascii_alphabetic()).collect::<String>()) {
                        for (bit, choice) in choices.iter().enumerate() {
                            if pick >> bit & 1 == 1 {
                                found[*choice].text = "i".to_owned();
                            }
                        }
                        break;
                    }
                }
            }
        }
        edits.extend(found.into_iter().map(|edit| (edit, "look-alike")));
    }
    (edits, mixed, beyond)
}

/// Symbols and emoji between words, and foreign punctuation between letters, as spaces.
pub(super) fn symbols(text: &str) -> Vec<(Edit, &'static str)> {
    let mut edits: Vec<(Edit, &'static str)> = Vec::new();
    let mut before: Option<char> = None;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let end = at + c.len_utf8();
        let after = chars.peek().map(|(_, c)| *c);
        let weight = if is_drawing(c)
            || c.is_ascii()
            || is_invisible(c)
            || drawn(c).is_some()
            || c.nfkc().next().is_some_and(char::is_alphanumeric)
        {
            0
        } else {
            match get_general_category(c) {
                GeneralCategory::OtherSymbol | GeneralCategory::ModifierSymbol
                    if before.is_some_and(char::is_alphanumeric) || after.is_some_and(char::is_alphanumeric) =>
                {
                    2
                }
                GeneralCategory::OtherSymbol => 1,
                GeneralCategory::MathSymbol | GeneralCategory::DashPunctuation | GeneralCategory::OtherPunctuation
                    if before.is_some_and(char::is_alphanumeric) && after.is_some_and(char::is_alphanumeric) =>
                {
                    1
                }
                _ => 0,
            }
        };
        // A joiner or selector behind a symbol goes with it.
        if is_invisible(c) && edits.last().is_some_and(|(last, _)| last.span.end == at) {
            if let Some((last, _)) = edits.last_mut() {
                last.span.end = end;
            }
        } else if weight > 0 {
            match edits.last_mut() {
                Some((last, _)) if last.span.end == at => last.span.end = end,
                _ => edits.push((Edit { span: Span::new(at, end), text: " ".to_owned(), weight }, "symbols")),
            }
        }
        if !is_invisible(c) {
            before = Some(c);
        }
    }
    edits
}

/// Invisible characters where spaces would be, in letters that the skeleton does not keep.
pub(super) fn hidden_spaces(text: &str, dropped: &[usize]) -> Vec<(Edit, &'static str)> {
    let spaces: Vec<Span> = dropped
        .iter()
        .filter_map(|&at| text.get(at..)?.chars().next().map(|c| (at, c)))
        .filter(|(_, c)| parts_words(*c))
        .map(|(at, c)| Span::new(at, at + c.len_utf8()))
        .collect();
    let (Some(first), Some(last)) = (spaces.first(), spaces.last()) else { return Vec::new() };
    let between = text.get(first.start..last.end).unwrap_or_default().chars().count();
    if spaces.len() < 3 || between < spaces.len() * 3 {
        return Vec::new();
    }
    spaces.into_iter().map(|span| (Edit { span, text: " ".to_owned(), weight: 2 }, "hidden-spaces")).collect()
}

/// Lines and boxes of diagrams, and signs that stand beside words and numbers everywhere.
const fn is_drawing(c: char) -> bool {
    matches!(c, '\u{2190}'..='\u{21FF}' | '\u{2500}'..='\u{259F}' | '\u{A9}' | '\u{AE}' | '\u{B0}' | '\u{2122}' | '\u{25CF}' | '\u{25CB}')
}

/// Turned letters, in the order of the alphabet; letters that look the same turned stand for themselves.
const TURNED: [(char, char); 40] = [
    ('ɐ', 'a'),
    ('ɔ', 'c'),
    ('ǝ', 'e'),
    ('ɟ', 'f'),
    ('ƃ', 'g'),
    ('ɓ', 'g'),
    ('ɥ', 'h'),
    ('ᴉ', 'i'),
    ('ı', 'i'),
    ('ɾ', 'j'),
    ('ſ', 'j'),
    ('ʞ', 'k'),
    ('ʅ', 'l'),
    ('ɯ', 'm'),
    ('ɹ', 'r'),
    ('ʇ', 't'),
    ('ʌ', 'v'),
    ('ʍ', 'w'),
    ('ʎ', 'y'),
    ('∀', 'a'),
    ('Ɐ', 'a'),
    ('Ɔ', 'c'),
    ('Ǝ', 'e'),
    ('Ⅎ', 'f'),
    ('⅁', 'g'),
    ('Ɯ', 'm'),
    ('ᴚ', 'r'),
    ('⊥', 't'),
    ('┴', 't'),
    ('∩', 'u'),
    ('Λ', 'v'),
    ('⅄', 'y'),
    ('˙', '.'),
    ('¡', '!'),
    ('¿', '?'),
    ('‾', '_'),
    ('⅋', '&'),
    ('؛', ';'),
    ('„', '"'),
    ('ʁ', 'r'),
];

/// Lines of turned letters, read from right to left.
pub(super) fn upside_down(text: &str) -> Option<Piece> {
    let turned = |c: char| TURNED.iter().find(|(from, _)| *from == c).map(|(_, to)| *to);
    let (mut out, mut map) = (String::new(), SpanMap::default());
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let start = offset;
        offset += line.len();
        let body = line.trim_end_matches('\n');
        // A sentence that opens with a sign that has no partner ends there.
        let opens = |sign: char, partner: char| body.starts_with(sign) && !body.contains(partner);
        let alone = opens('\u{BF}', '?') || opens('\u{A1}', '!') || opens('\u{2D9}', '.');
        if !alone && body.chars().filter(|c| !c.is_ascii() && turned(*c).is_some()).count() < 3 {
            continue;
        }
        for (i, c) in body.char_indices().rev() {
            let plain = match c {
                'b' => 'q',
                'q' => 'b',
                'd' => 'p',
                'p' => 'd',
                'n' => 'u',
                'u' => 'n',
                '\'' => ',',
                ',' => '\'',
                '(' => ')',
                ')' => '(',
                c => turned(c).unwrap_or(c),
            };
            out.push(plain);
            map.push_block(plain.len_utf8(), start + i, c.len_utf8());
        }
        out.push('\n');
        map.push_block(1, start + body.len(), line.len() - body.len());
    }
    (!out.is_empty()).then_some(Piece { view: View::Decoded, step: "upside-down", text: out, map })
}
