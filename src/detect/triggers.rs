//! Where a guess might be worth its cost: one cheap pass over a text, most of it over every eighth byte.
//!
//! Honest text leaves no hints, or few; every hint is looked at closely by the view that asked for it.

use std::sync::OnceLock;

use aho_corasick::AhoCorasick;
use aho_corasick::packed::{self, Searcher};

use crate::domain::Span;

/// Bytes between two looks.
const STRIDE: usize = 8;

/// Codes in decimal or binary digits.
const DIGITS: u8 = 1;
/// Lists of hexadecimal bytes.
const HEX: u8 = 2;
/// Dots and dashes.
const MORSE: u8 = 4;
/// No white space.
const TOKEN: u8 = 8;

const CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let b = at as u8;
        let blank = matches!(b, b' ' | b'\n' | b'\r' | b'\t');
        let mut class = 0;
        if b.is_ascii_digit() || blank || matches!(b, b',' | b'-' | b':' | b';' | b'[' | b']' | b'.' | b'|') {
            class |= DIGITS;
        }
        if b.is_ascii_hexdigit() || blank || matches!(b, b',' | b'-' | b':' | b';' | b'x' | b'[' | b']' | b'{' | b'}') {
            class |= HEX;
        }
        if blank || matches!(b, b'.' | b'-' | b'/' | b'|' | b'_') {
            class |= MORSE;
        }
        if b > b' ' && b < 0x7F {
            class |= TOKEN;
        }
        table[at] = class;
        at += 1;
    }
    table
};

/// Regions of a text that may be written in some code.
#[derive(Debug, Default)]
pub(super) struct Hints {
    pub(super) digits: Vec<Span>,
    pub(super) hex: Vec<Span>,
    pub(super) morse: Vec<Span>,
    pub(super) tokens: Vec<Span>,
    /// Offsets near which single letters stand apart.
    pub(super) apart: Vec<usize>,
    /// Offsets near which a digit or sign stands between letters.
    pub(super) leet: Vec<usize>,
}

/// Regions by class of byte, and places where letters stand apart or mix with digits.
pub(super) fn hints(text: &str) -> Hints {
    let bytes = text.as_bytes();
    let mut hints = Hints::default();
    regions(bytes, &mut hints);
    letters(bytes, &mut hints);
    if !text.is_ascii() {
        foreign_letters(bytes, &mut hints);
    }
    hints
}

/// Places where every second or third character of a script beyond ASCII is a blank or a sign.
fn foreign_letters(bytes: &[u8], hints: &mut Hints) {
    for (i, chunk) in bytes.chunks(CHUNK).enumerate() {
        // Bytes that begin a character, those beyond ASCII, and those of ASCII that are no letters.
        let (mut wide, mut signs) = (0_u8, 0_u8);
        for b in chunk {
            wide += u8::from(*b >= 0xC0);
            signs += u8::from(*b < 0x80 && !b.is_ascii_alphanumeric());
        }
        if wide >= 6 && signs >= 6 && signs * 3 >= wide * 2 {
            hints.apart.push(i * CHUNK);
        }
    }
    hints.apart.sort_unstable();
    hints.apart.dedup();
}

/// All of `mask` in each of the last samples.
const fn every(mask: u8, samples: u32) -> u64 {
    (mask as u64) * (0x0101_0101_0101_0101_u64 >> (64 - 8 * samples))
}

fn regions(bytes: &[u8], hints: &mut Hints) {
    const NEED: [(u8, u32); 4] = [(DIGITS, 4), (HEX, 7), (MORSE, 4), (TOKEN, 3)];
    let mut past = [0_usize; 4];
    let mut seen = 0_u64;
    let mut at = 0;
    while at < bytes.len() {
        seen = (seen << 8) | u64::from(CLASS[usize::from(bytes[at])]);
        // Three samples of one class: the least that any region asks for.
        if seen & (seen >> 8) & (seen >> 16) & 0xFF != 0 {
            for (place, (mask, samples)) in NEED.into_iter().enumerate() {
                if at < past[place] || seen & every(mask, samples) != every(mask, samples) {
                    continue;
                }
                let inside = |b: &u8| CLASS[usize::from(*b)] & mask != 0;
                let low = at.saturating_sub(STRIDE * 8).max(past[place]);
                let start = at - bytes[low..at].iter().rev().take_while(|b| inside(b)).count();
                let end = at + bytes[at..].iter().take_while(|b| inside(b)).count();
                past[place] = end + 1;
                if start + 3 * STRIDE - (STRIDE - 1) > end {
                    continue;
                }
                let list = match mask {
                    DIGITS => &mut hints.digits,
                    HEX => &mut hints.hex,
                    MORSE => &mut hints.morse,
                    _ => &mut hints.tokens,
                };
                match list.last_mut() {
                    // A few foreign signs do not end a list of codes.
                    Some(last) if mask != TOKEN && start <= last.end + 16 => last.end = end,
                    _ => list.push(Span::new(start, end)),
                }
            }
        }
        at += STRIDE;
    }
}

/// Bytes looked at together: written so that the compiler makes vector code of it.
const CHUNK: usize = 64;

fn letters(bytes: &[u8], hints: &mut Hints) {
    let mut from = 0;
    while from < bytes.len() {
        // With the byte before: a letter at the border stands alone or not.
        let mut part = [0_u8; CHUNK + 8];
        let end = bytes.len().min(from + CHUNK + 7);
        let start = from.saturating_sub(1);
        part[usize::from(from == 0)..][..end - start].copy_from_slice(&bytes[start..end]);
        let mut letter = [0_u8; CHUNK + 8];
        let mut sign = [0_u8; CHUNK + 8];
        for i in 0..CHUNK + 8 {
            let b = part[i];
            letter[i] = u8::from((b | 0x20).wrapping_sub(b'a') < 26);
            sign[i] =
                u8::from(b.wrapping_sub(b'0') < 10) | u8::from(b == b'@') | u8::from(b == b'$') | u8::from(b == b'!');
        }
        let (mut apart, mut mixed) = (0_u8, 0_u8);
        for i in 0..CHUNK + 6 {
            // Letters with no letter on either side; English has one or two in so many bytes.
            apart += !letter[i] & letter[i + 1] & !letter[i + 2] & 1;
        }
        for i in 0..CHUNK {
            mixed |= (letter[i] & sign[i + 1] & letter[i + 2]) | (sign[i] & letter[i + 1] & sign[i + 2]);
        }
        if apart >= 4 {
            hints.apart.push(from);
        }
        if mixed != 0 {
            hints.leet.push(from);
        }
        from += CHUNK;
    }
}

/// Pieces of words that stand in turned or rotated text and hardly ever in any other.
///
/// Common words and endings of several languages from right to left, in ROT47, and spelling words.
const SIGNS: [&str; 64] = [
    " eht ",
    " dna ",
    " gni",
    " ot ",
    " fo ",
    " uoy ",
    " ruoy",
    " lla ",
    " siht",
    " taht",
    " htiw",
    " morf",
    " evah",
    " yna ",
    " lliw",
    " tsum",
    "dluohs",
    "erongi",
    "syawla",
    " reven",
    "metsys",
    "noit",
    "suoiverp",
    "egassem",
    " dnes ",
    " atad ",
    " esu ",
    "esaelp",
    "yromem",
    "liame",
    "drowssap",
    "terces",
    " elif",
    " yek ",
    "nekot",
    "tegrof",
    "eteled",
    " dnu ",
    "thcin",
    " hci ",
    " euq ",
    " arap ",
    "n\u{F3}ic",
    "o\u{E3}\u{E7}",
    " snad",
    " ruop",
    " suov",
    "enoiz",
    "tnem",
    "\u{43E}\u{442}\u{44D}",
    "e96 ",
    " e@ ",
    "2?5 ",
    " @7 ",
    " 2== ",
    "e:@?",
    ":?8 ",
    "november ",
    "oscar ",
    "romeo ",
    "tango ",
    "sierra ",
    " the of ",
    " the to ",
];

/// The vector search, or the automaton where the machine has no vectors.
enum Signs {
    Packed(Searcher),
    Automaton(AhoCorasick),
    None,
}

fn signs() -> &'static Signs {
    static SEARCHER: OnceLock<Signs> = OnceLock::new();
    SEARCHER.get_or_init(|| {
        let mut builder = packed::Config::new().match_kind(packed::MatchKind::LeftmostFirst).builder();
        match builder.extend(SIGNS).build() {
            Some(searcher) => Signs::Packed(searcher),
            None => AhoCorasick::new(SIGNS).map_or(Signs::None, Signs::Automaton),
        }
    })
}

/// Places in folded text where something common stands in an uncommon order or alphabet.
pub(super) fn turned(folded: &str) -> Vec<Span> {
    match signs() {
        Signs::Packed(searcher) => searcher.find_iter(folded).map(|m| Span::new(m.start(), m.end())).collect(),
        Signs::Automaton(searcher) => searcher.find_iter(folded).map(|m| Span::new(m.start(), m.end())).collect(),
        Signs::None => Vec::new(),
    }
}

/// Stretches of folded text in which rare letters are frequent: a letter cipher moves `e`, `t` and `a` onto them.
pub(super) fn rare_letters(folded: &str) -> Vec<Span> {
    const NEAR: usize = 28;
    let mut list: Vec<Span> = Vec::new();
    let mut last: Option<usize> = None;
    for at in memchr::memchr3_iter(b'q', b'x', b'z', folded.as_bytes()) {
        if let Some(before) = last.filter(|before| at - before <= NEAR) {
            match list.last_mut() {
                Some(span) if before <= span.end => span.end = at + 1,
                _ => list.push(Span::new(before, at + 1)),
            }
        }
        last = Some(at);
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_of_codes_are_found_at_every_offset_and_prose_leaves_none() {
        let code = "01101001 01100111 01101110 01101111 01110010";
        for lead in 0..40 {
            let text = format!("{}word {code} word", "a b".repeat(lead));
            let hints = hints(&text);
            assert!(hints.digits.iter().any(|s| s.slice(&text).is_some_and(|t| t.contains(code))), "{lead}");
        }
        let prose = "The team met on Monday and agreed to move the weekly build to Friday, because nobody \
                     wants to wait for it. The report is in the shared folder, as always.";
        let hints = hints(prose);
        assert!(hints.digits.is_empty() && hints.hex.is_empty() && hints.morse.is_empty() && hints.tokens.is_empty());
        assert!(hints.apart.is_empty() && hints.leet.is_empty());
        assert!(turned(prose).is_empty() && rare_letters(prose).is_empty());
    }

    #[test]
    fn letters_that_stand_apart_are_seen_at_every_offset() {
        for lead in 0..140 {
            let text = format!("{}s e n d it", "ab ".repeat(lead));
            assert!(!hints(&text).apart.is_empty(), "{lead}");
            let text = format!("{}p4ss it", "ab ".repeat(lead));
            assert!(!hints(&text).leet.is_empty(), "{lead}");
        }
    }
}
