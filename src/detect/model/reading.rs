//! Folded text to sentences, words and features.
//!
//! A sentence ends at a full stop, at a break between blocks, at a line break after some words, and
//! after [`LONG`] words. Its features are hashes of words, of their beginnings, of neighbours, and of the word classes
//! in their order. No feature reaches over the end of a sentence, so the score of a window is the sum of
//! its sentences.

use super::lexicon::{Lexicon, SEED, hash_of, step};

/// Words after which a sentence is cut.
pub const LONG: usize = 48;
/// Words a sentence has at least before a line break ends it, and before anything else does.
const LINE_MIN: usize = 4;
const STOP_MIN: usize = 3;
/// Bytes of a word's beginning in ASCII, in two-byte and in three-byte scripts.
const STEM: [usize; 3] = [5, 10, 9];
/// Words between two class words that still count as neighbours.
const NEAR: usize = 8;
/// Different classes of one sentence that are paired.
const TOGETHER: usize = 14;
/// Stands for every number.
const NUMBER: u64 = 7;

/// One word.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    word: u64,
    stem: u64,
    /// Bytes of the folded text.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Class, or zero.
    pub class: u8,
    /// Nothing before it in the same clause of text.
    fresh: bool,
}

/// One sentence: bytes of the folded text, and its words.
#[derive(Debug)]
pub struct Sentence<'a> {
    /// First byte.
    pub start: usize,
    /// Where its last line begins, when only a few words stand before it: a short line before a planted one is not
    /// part of it.
    pub line: usize,
    /// One past the last byte.
    pub end: usize,
    /// The words.
    pub tokens: &'a [Token],
}

/// Where a feature comes from: positions of words in the sentence, or classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Words from the first to the last position, both included.
    Words(usize, usize),
    /// The beginning of the word.
    Beginning(usize),
    /// The word opens the clause.
    Opens(usize),
    /// A class.
    Class(u8),
    /// Two classes that follow each other.
    Classes(u8, u8),
    /// The class opens the clause.
    ClassOpens(u8),
    /// Both classes stand somewhere in the sentence.
    Together(u8, u8),
}

/// The key of a feature: 32 bits of its hash.
pub type Key = u32;

#[inline]
const fn mix(a: u64, b: u64) -> u64 {
    let x = (a.rotate_left(23) ^ b).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x ^ (x >> 29)
}

#[inline]
#[allow(clippy::cast_possible_truncation, reason = "the key is the upper half")]
const fn key(tag: u64, a: u64, b: u64) -> Key {
    (mix(mix(a, tag), b) >> 32) as u32
}

/// Calls `emit` for every feature of a sentence, in reading order.
#[inline]
pub fn features(sentence: &Sentence<'_>, mut emit: impl FnMut(Key, Origin)) {
    let (mut one, mut two) = (0_u64, 0_u64);
    let mut near = (0, 0_u8);
    let mut seen = [0_u8; TOGETHER];
    let mut kinds = 0;
    for (i, token) in sentence.tokens.iter().enumerate() {
        if token.fresh {
            (one, two) = (0, 0);
        }
        let (word, stem) = (token.word, token.stem);
        emit(key(1, word, 0), Origin::Words(i, i));
        if stem != word {
            emit(key(2, stem, 0), Origin::Beginning(i));
        }
        if one != 0 {
            emit(key(3, one, stem), Origin::Words(i.saturating_sub(1), i));
            if two != 0 {
                emit(key(4, mix(two, one), stem), Origin::Words(i.saturating_sub(2), i));
            }
        }
        if token.fresh {
            emit(key(5, stem, 0), Origin::Opens(i));
        }
        (two, one) = (one, stem);
        let class = token.class;
        if class == 0 {
            continue;
        }
        let wide = u64::from(class);
        emit(key(20, wide, 0), Origin::Class(class));
        if token.fresh {
            emit(key(21, wide, 0), Origin::ClassOpens(class));
        }
        let (at, before) = near;
        if before != 0 && i - at <= NEAR {
            emit(key(22, u64::from(before), wide), Origin::Classes(before, class));
        }
        near = (i, class);
        if kinds < TOGETHER && !seen[..kinds].contains(&class) {
            for &other in &seen[..kinds] {
                let (low, high) = (other.min(class), other.max(class));
                emit(key(24, u64::from(low), u64::from(high)), Origin::Together(low, high));
            }
            seen[kinds] = class;
            kinds += 1;
        }
    }
}

/// Working memory of one reading.
#[derive(Debug, Default)]
pub struct Scratch {
    tokens: Vec<Token>,
}

/// Calls `visit` for every sentence of a folded text. `soft` are the offsets of single line breaks.
///
/// Cost: one pass.
pub fn sentences(
    text: &str,
    soft: &[usize],
    lexicon: &Lexicon,
    scratch: &mut Scratch,
    visit: impl FnMut(&Sentence<'_>),
) {
    scratch.tokens.clear();
    let tokens = std::mem::take(&mut scratch.tokens);
    let mut reader = Reader { text, bytes: text.as_bytes(), soft, lexicon, tokens, carried: 0, fresh: true, visit };
    reader.run();
    scratch.tokens = std::mem::take(&mut reader.tokens);
}

struct Reader<'a, V> {
    text: &'a str,
    bytes: &'a [u8],
    soft: &'a [usize],
    lexicon: &'a Lexicon,
    tokens: Vec<Token>,
    /// Words before the last break that did not end the sentence.
    carried: usize,
    fresh: bool,
    visit: V,
}

/// By byte: 1 for ASCII letters and the underscore, 2 for digits, 0 for all others.
const KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        if byte.is_ascii_alphabetic() || byte == b'_' {
            kinds[byte as usize] = 1;
        } else if byte.is_ascii_digit() {
            kinds[byte as usize] = 2;
        }
        byte += 1;
    }
    kinds
};

/// What a character outside ASCII is to the reader.
enum Wide {
    Letter,
    /// A character that is a word of its own: scripts without spaces.
    Sign,
    Stop,
    Other,
}

fn wide(c: char) -> Wide {
    match u32::from(c) {
        0x2E80..=0x2FFF
        | 0x3040..=0x9FFF
        | 0xAC00..=0xD7AF
        | 0xF900..=0xFAFF
        | 0x2_0000..=0x3_FFFF
        | 0x0E00..=0x0EFF => Wide::Sign,
        0x3002 | 0xFF01 | 0xFF1F | 0x0964 | 0x061F | 0x06D4 => Wide::Stop,
        // Marks inside words of scripts that write vowels so.
        0x0300..=0x036F | 0x064B..=0x065F | 0x0900..=0x0963 | 0x0966..=0x0DFF => Wide::Letter,
        _ if c.is_alphanumeric() => Wide::Letter,
        _ => Wide::Other,
    }
}

impl<V: FnMut(&Sentence<'_>)> Reader<'_, V> {
    fn run(&mut self) {
        let (mut at, mut next_soft) = (0, 0);
        while let Some(&byte) = self.bytes.get(at) {
            if KINDS[usize::from(byte)] != 0 {
                at = self.word(at);
            } else if byte == b' ' {
                while self.soft.get(next_soft).is_some_and(|&s| s < at) {
                    next_soft += 1;
                }
                if self.soft.get(next_soft) == Some(&at) {
                    self.close(at, LINE_MIN);
                    self.fresh = true;
                }
                at += 1;
            } else if byte.is_ascii() {
                at = self.mark(at, byte);
            } else {
                let Some(c) = self.text.get(at..).and_then(|t| t.chars().next()) else { break };
                match wide(c) {
                    Wide::Letter => at = self.word(at),
                    Wide::Sign => at = self.sign(at, c),
                    Wide::Stop => {
                        at += c.len_utf8();
                        self.close(at, STOP_MIN);
                        self.fresh = true;
                    }
                    Wide::Other => at += c.len_utf8(),
                }
            }
        }
        self.close(self.bytes.len(), 1);
    }

    fn mark(&mut self, at: usize, byte: u8) -> usize {
        match byte {
            b'\n' => {
                self.close(at, STOP_MIN);
                self.fresh = true;
            }
            b'.' | b'!' | b'?'
                if self.bytes.get(at + 1).is_none_or(|b| matches!(b, b' ' | b'\n' | b'"' | b'\'' | b'*' | b')')) =>
            {
                self.close(at + 1, STOP_MIN);
                self.fresh = true;
            }
            _ => {}
        }
        at + 1
    }

    /// A word that begins at `start`; returns where it ends.
    fn word(&mut self, start: usize) -> usize {
        let (mut at, mut hash, mut begins) = (start, SEED, 0_u8);
        let first = self.bytes[start];
        let cut = start
            + if first < 0x80 {
                STEM[0]
            } else if first < 0xE0 {
                STEM[1]
            } else {
                STEM[2]
            };
        let (mut stem, mut digits, mut letters) = (0_u64, 0_usize, 0_usize);
        while let Some(&byte) = self.bytes.get(at) {
            let kind = KINDS[usize::from(byte)];
            if kind == 0 {
                if byte == b'\'' {
                    if !self.bytes.get(at + 1).is_some_and(u8::is_ascii_alphabetic) {
                        break;
                    }
                } else if byte >= 0x80 {
                    let Some(c) = self.text.get(at..).and_then(|t| t.chars().next()) else { break };
                    if !matches!(wide(c), Wide::Letter) {
                        break;
                    }
                    letters += 1;
                    for &byte in &self.bytes[at..at + c.len_utf8()] {
                        hash = step(hash, byte);
                        at += 1;
                        if at == cut {
                            stem = hash;
                        }
                    }
                    self.begins(hash, &mut begins);
                    continue;
                } else {
                    break;
                }
            }
            digits += usize::from(kind >> 1);
            letters += usize::from(kind & 1);
            hash = step(hash, byte);
            at += 1;
            if at == cut {
                stem = hash;
            }
            self.begins(hash, &mut begins);
        }
        let end = at;
        // Numbers and identifiers: their digits say nothing.
        if letters == 0 || (digits > 0 && end - start > 12) {
            self.push(Token { word: NUMBER, stem: NUMBER, start, end, class: 0, fresh: self.fresh });
            return end;
        }
        let whole = if self.lexicon.may_have(hash) { self.lexicon.get(hash).0 } else { 0 };
        let class = if whole == 0 { begins } else { whole };
        // A beginning that is the whole word says nothing more than the word.
        let stem = if end > cut { stem ^ 0x55 } else { hash };
        self.push(Token { word: hash, stem, start, end, class, fresh: self.fresh });
        end
    }

    /// Keeps the class of the longest listed beginning so far.
    #[inline]
    fn begins(&self, hash: u64, best: &mut u8) {
        if self.lexicon.may_begin(hash) {
            let (_, class) = self.lexicon.get(hash);
            if class != 0 {
                *best = class;
            }
        }
    }

    /// A character that is a word; its class is that of the longest listed word that begins here.
    fn sign(&mut self, start: usize, c: char) -> usize {
        let end = start + c.len_utf8();
        let (mut hash, mut class) = (SEED, 0);
        for next in self.text.get(start..).unwrap_or_default().chars().take(6) {
            let mut buffer = [0; 4];
            for &byte in next.encode_utf8(&mut buffer).as_bytes() {
                hash = step(hash, byte);
            }
            if self.lexicon.may_have(hash) {
                let (whole, begins) = self.lexicon.get(hash);
                class = if whole != 0 {
                    whole
                } else if begins != 0 {
                    begins
                } else {
                    class
                };
            }
        }
        let word = hash_of(&self.bytes[start..end]);
        self.push(Token { word, stem: word, start, end, class, fresh: self.fresh });
        end
    }

    fn push(&mut self, token: Token) {
        self.fresh = false;
        // Said again and again, a word says nothing more.
        if self.tokens.last().is_some_and(|last| last.word == token.word) {
            return;
        }
        self.tokens.push(token);
        if self.tokens.len() >= LONG {
            self.close(token.end, 1);
        }
    }

    /// Ends the sentence at `at` when it has words enough; otherwise it goes on.
    fn close(&mut self, at: usize, least: usize) {
        if self.tokens.len() < least {
            self.carried = self.tokens.len();
            return;
        }
        let start = self.tokens.first().map_or(at, |t| t.start);
        let few = self.tokens.len() > 3 * self.carried + 1;
        let line = self.tokens.get(self.carried).filter(|_| few).map_or(start, |t| t.start);
        let sentence = Sentence { start, line, end: at, tokens: &self.tokens };
        (self.visit)(&sentence);
        self.tokens.clear();
        self.carried = 0;
        self.fresh = true;
    }
}
