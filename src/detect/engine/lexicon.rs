//! Finds the literals of all rules in one pass.
//!
//! Nearly all literals begin a word, so a trie is walked from every beginning of a word: one step a byte, and most words
//! leave it before their end. What may begin inside a word is looked for at every byte, behind a filter that stays in
//! the first-level cache. Own design; the trie is a double array (Aoe 1989), the hash is Fibonacci hashing.

use std::collections::VecDeque;

/// Bits of the filter, by the upper bits of a hash: 8 KiB, so that all of it stays in the first-level cache.
const BITS: u32 = 16;
/// Bytes that are hashed at most before the trie is walked inside of a word.
const OPENING: usize = 3;

/// Where a literal may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Where a word begins.
    Word,
    /// Anywhere.
    Any,
}

/// All literals, by their number.
#[derive(Debug)]
pub(super) struct Lexicon {
    /// The literals behind each other, and where each stands.
    text: Vec<u8>,
    spans: Vec<(u32, u32)>,
    /// By byte: its place among the children of a node; zero stands in no literal.
    codes: [u8; 256],
    units: Vec<Unit>,
    /// By node: the literal that ends there.
    ends: Vec<u32>,
    /// What the literals that may begin inside a word begin with.
    openings: Filter,
}

/// One node of the double array. Children stand at `base` plus their code and name it as their parent.
#[derive(Clone, Copy, Debug)]
struct Unit {
    /// Where the children are, or the only literal left, and the marks [`LEAF`] and [`END`].
    base: u32,
    parent: u32,
}

/// A single literal goes on from here.
const LEAF: u32 = 1 << 31;
/// A literal ends here.
const END: u32 = 1 << 30;
/// Nobody's child.
const FREE: u32 = u32::MAX;

/// Roots: at the beginning of a word, inside of one, at anything else.
const WORDS: u32 = 0;
const INNER: u32 = 1;
const OTHER: u32 = 2;

/// A set of hashes: tells for certain what is not in it.
#[derive(Debug)]
struct Filter(Vec<u64>);

impl Filter {
    fn new() -> Self {
        Self(vec![0; 1 << (BITS - 6)])
    }
    fn add(&mut self, hash: u32) {
        if let Some(bits) = self.0.get_mut((hash >> (32 - BITS + 6)) as usize) {
            *bits |= 1 << (hash >> (32 - BITS) & 63);
        }
    }
    #[inline]
    fn has(&self, hash: u32) -> bool {
        self.0.get((hash >> (32 - BITS + 6)) as usize).is_some_and(|bits| bits >> (hash >> (32 - BITS) & 63) & 1 == 1)
    }
}

/// The hash of the first bytes of a place inside a word.
#[inline]
const fn opening(next: [u8; OPENING]) -> u32 {
    (u32::from_le_bytes([next[0], next[1], next[2], 0])).wrapping_mul(0x9E37_79B1)
}

/// Letters and digits of ASCII, and `_`.
const WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_usize;
    while byte < 256 {
        table[byte] = is_word(byte as u8);
        byte += 1;
    }
    table
};

/// Word characters of ASCII. Others may be anything, so they do not rule a border out.
pub(super) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// A double array under construction.
struct Builder<'a> {
    literals: &'a [(&'a [u8], u32)],
    codes: [u8; 256],
    units: Vec<Unit>,
    ends: Vec<u32>,
    /// Before it hardly any place is free.
    low: usize,
}

/// Free places tried for one node before it is put behind all others: a few bytes lost, and time kept linear.
const TRIES: usize = 32;

impl Builder<'_> {
    /// Hangs literals under `root`: positions of `self.literals`, sorted by their bytes.
    fn hang(&mut self, root: u32, list: &[u32]) {
        let literals = self.literals;
        let bytes = |at: u32| literals.get(at as usize).map_or(&[][..], |l| l.0);
        let number = |at: u32| literals.get(at as usize).map_or(0, |l| l.1);
        // By depth: the nodes that every word passes through stand together.
        let mut waiting = VecDeque::from([(root, list, 0_usize)]);
        let (mut groups, mut codes) = (Vec::new(), Vec::new());
        while let Some((node, mut rest, depth)) = waiting.pop_front() {
            let mut base = 0;
            if let Some((&first, more)) = rest.split_first()
                && bytes(first).len() == depth
            {
                self.ends[node as usize] = number(first);
                base = END;
                rest = more;
            }
            match rest {
                [] => {}
                [only] if base == 0 && depth > 0 => base = LEAF | number(*only),
                rest => {
                    let byte = |at: u32| bytes(at).get(depth).copied().unwrap_or_default();
                    groups.clear();
                    groups.extend(rest.chunk_by(|a, b| byte(*a) == byte(*b)));
                    codes.clear();
                    codes.extend(groups.iter().filter_map(|g| g.first()).map(|a| self.codes[usize::from(byte(*a))]));
                    let at = self.place(&codes);
                    base |= at;
                    for (group, code) in groups.iter().zip(&codes) {
                        let child = at + u32::from(*code);
                        self.units[child as usize].parent = node;
                        waiting.push_back((child, group, depth + 1));
                    }
                }
            }
            self.units[node as usize].base = base;
        }
    }

    /// A base with free places for all these children; room for any child stays behind it.
    fn place(&mut self, codes: &[u8]) -> u32 {
        let lowest = usize::from(codes.iter().copied().min().unwrap_or(1));
        let free = |units: &[Unit], at: usize| units.get(at).is_none_or(|unit| unit.parent == FREE);
        while !free(&self.units, self.low) {
            self.low += 1;
        }
        let mut at = self.low.max(lowest + 3);
        let mut tries = 0;
        let base = loop {
            if tries == TRIES {
                break self.units.len();
            }
            if free(&self.units, at) {
                tries += 1;
                let base = at - lowest;
                if codes.iter().all(|code| free(&self.units, base + usize::from(*code))) {
                    break base;
                }
            }
            at += 1;
        };
        // The place of any child can be looked at without asking whether there is one.
        let need = base + 257;
        if self.units.len() < need {
            self.units.resize(need, Unit { base: 0, parent: FREE });
            self.ends.resize(need, 0);
        }
        if tries == TRIES {
            self.low = self.low.max(base.saturating_sub(4096));
        }
        u32::try_from(base).unwrap_or(0)
    }
}

impl Lexicon {
    /// Of different literals that are not empty, each with the place it may begin at.
    pub(super) fn new(literals: impl IntoIterator<Item = (String, Place)>) -> Self {
        let literals: Vec<(String, Place)> = literals.into_iter().collect();
        let (mut text, mut spans) = (Vec::new(), Vec::new());
        for (literal, _) in &literals {
            let from = u32::try_from(text.len()).unwrap_or(u32::MAX);
            text.extend_from_slice(literal.as_bytes());
            spans.push((from, u32::try_from(literal.len()).unwrap_or(u32::MAX)));
        }
        let mut sorted: Vec<(&[u8], u32)> = (0_u32..).zip(&literals).map(|(n, (l, _))| (l.as_bytes(), n)).collect();
        sorted.sort_unstable();
        // Frequent bytes get near places.
        let mut often = [(0_usize, 0_u8); 256];
        for (byte, count) in (0_u8..=255).zip(&mut often) {
            *count = (text.iter().filter(|b| **b == byte).count(), byte);
        }
        often.sort_by_key(|(count, byte)| (std::cmp::Reverse(*count), *byte));
        let mut codes = [0_u8; 256];
        for (code, (_, byte)) in (1_u8..=255).zip(often.iter().filter(|(count, _)| *count > 0)) {
            codes[usize::from(*byte)] = code;
        }
        let (mut words, mut inner, mut other) = (Vec::new(), Vec::new(), Vec::new());
        let mut openings = Filter::new();
        for (at, (bytes, number)) in (0_u32..).zip(&sorted) {
            let place = literals.get(*number as usize).map_or(Place::Any, |l| l.1);
            match bytes.first() {
                Some(first) if is_word(*first) => {
                    words.push(at);
                    if place == Place::Any {
                        inner.push(at);
                        match *bytes {
                            [a, b, c, ..] => openings.add(opening([*a, *b, *c])),
                            // Too short to be told by their opening: any one may be theirs.
                            short => (0..=u16::MAX).for_each(|more| {
                                let [x, y] = more.to_le_bytes();
                                let next = [short.first().copied().unwrap_or(x), short.get(1).copied().unwrap_or(x), y];
                                openings.add(opening(next));
                            }),
                        }
                    }
                }
                Some(_) => other.push(at),
                None => {}
            }
        }
        let start = vec![Unit { base: 0, parent: FREE - 1 }; 3];
        let mut builder = Builder { literals: &sorted, codes, units: start, ends: vec![0; 3], low: 3 };
        for (root, list) in [(WORDS, &words), (INNER, &inner), (OTHER, &other)] {
            builder.hang(root, list);
        }
        let Builder { mut units, mut ends, .. } = builder;
        let need = units.len() + 257;
        units.resize(need, Unit { base: 0, parent: FREE });
        ends.resize(need, 0);
        Self { text, spans, codes, units, ends, openings }
    }

    /// Calls `found` with the number, beginning and end of every literal in `from..to`, by where they begin.
    pub(super) fn find(&self, bytes: &[u8], (from, to): (usize, usize), mut found: impl FnMut(u32, usize, usize)) {
        let block = &bytes[..to];
        let mut at = from;
        while let Some(&byte) = block.get(at) {
            if WORD[usize::from(byte)] {
                self.walk(WORDS, block, at, &mut found);
                at += 1;
                while let Some(&byte) = block.get(at).filter(|b| WORD[usize::from(**b)]) {
                    let next = match block.get(at..at + OPENING) {
                        Some(next) => [next[0], next[1], next[2]],
                        None => [byte, block.get(at + 1).copied().unwrap_or_default(), 0],
                    };
                    if self.openings.has(opening(next)) {
                        self.walk(INNER, block, at, &mut found);
                    }
                    at += 1;
                }
            } else {
                if byte != b' ' {
                    self.walk(OTHER, block, at, &mut found);
                }
                at += 1;
            }
        }
    }

    /// Every literal that begins at `start`, the shortest first.
    #[inline]
    fn walk(&self, root: u32, block: &[u8], start: usize, found: &mut impl FnMut(u32, usize, usize)) {
        let (mut node, mut at) = (root, start);
        while let Some(unit) = self.units.get(node as usize) {
            if unit.base & LEAF != 0 {
                let number = unit.base & !LEAF;
                let (from, length) = self.spans[number as usize];
                let (from, length) = (from as usize, length as usize);
                let rest = &self.text[from + (at - start)..from + length];
                // Nearly always the next byte is another one.
                if rest.first().is_none_or(|first| block.get(at) == Some(first))
                    && block.get(at..start + length) == Some(rest)
                {
                    found(number, start, start + length);
                }
                return;
            }
            if unit.base & END != 0 {
                found(self.ends[node as usize], start, at);
            }
            let Some(&byte) = block.get(at) else { return };
            let next = (unit.base & !END) + u32::from(self.codes[usize::from(byte)]);
            if self.units.get(next as usize).is_none_or(|child| child.parent != node) {
                return;
            }
            node = next;
            at += 1;
        }
    }
}
