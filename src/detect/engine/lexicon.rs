//! Finds the literals of all rules in one pass.
//!
//! Nearly all literals begin a word, so only beginnings of words are looked at: one hash of the next
//! four bytes, one bit of a table that stays in the first-level cache. What may begin inside a word is
//! looked for at every byte, by a table of its own. Own design; the hash is Fibonacci hashing.

/// Bits of the hash: a table of 8 KiB.
const BITS: u32 = 16;
/// Slots of the second table, by the upper bits of the same hash.
const SLOTS: u32 = 13;

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
    /// The literals behind each other.
    text: Vec<u8>,
    entries: Vec<Entry>,
    /// Where a word begins.
    words: Table,
    /// At any word character.
    inner: Table,
    /// At anything else that is not a space.
    other: Table,
}

/// One literal: its first eight bytes, and where all of them are.
#[derive(Clone, Copy, Debug)]
struct Entry {
    head: u64,
    mask: u64,
    from: u32,
    length: u32,
}

#[derive(Debug)]
struct Table {
    /// The keys in use: a mask, and the length it leaves, of 1..=4.
    keys: Vec<(u32, u32)>,
    filter: Vec<u64>,
    /// By hash: the range of its literals.
    slots: Vec<(u32, u32)>,
    literals: Vec<u32>,
}

const fn hash(key: u32) -> u32 {
    key.wrapping_mul(0x9E37_79B1)
}

/// The first `length` bytes of a key of four.
const fn mask(length: u32) -> u32 {
    if length >= 4 { u32::MAX } else { (1 << (8 * length)) - 1 }
}

/// The next eight bytes, zeros behind the end.
fn eight(bytes: &[u8], at: usize) -> u64 {
    let mut key = [0_u8; 8];
    match bytes.get(at..at + 8) {
        Some(all) => key.copy_from_slice(all),
        None => {
            let rest = bytes.get(at..).unwrap_or_default();
            key[..rest.len()].copy_from_slice(rest);
        }
    }
    u64::from_le_bytes(key)
}

/// The lower four of eight bytes.
const fn four(eight: u64) -> u32 {
    (eight & 0xFFFF_FFFF) as u32
}

impl Entry {
    fn of(text: &[u8], from: usize) -> Self {
        let mask = if text.len() >= 8 { u64::MAX } else { (1 << (8 * text.len())) - 1 };
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        Self { head: eight(text, 0), mask, from: u32::try_from(from).unwrap_or(u32::MAX), length }
    }
}

impl Table {
    fn new(entries: &[Entry], members: &[u32]) -> Self {
        let of = |&i: &u32| &entries[i as usize];
        let mut lengths: Vec<u32> = members.iter().map(|i| of(i).length.min(4)).collect();
        lengths.sort_unstable();
        lengths.dedup();
        let keys = lengths.iter().map(|&l| (mask(l), l)).collect();
        let key = |i: &u32| hash(four(of(i).head) & mask(of(i).length));
        let mut filter = vec![0_u64; 1 << (BITS - 6)];
        let mut literals = members.to_vec();
        literals.sort_by_key(|i| (key(i) >> (32 - SLOTS), *i));
        let mut slots = vec![(0, 0); 1 << SLOTS];
        for (at, i) in (0_u32..).zip(&literals) {
            let bit = key(i) >> (32 - BITS);
            filter[(bit >> 6) as usize] |= 1 << (bit & 63);
            let slot = &mut slots[(key(i) >> (32 - SLOTS)) as usize];
            *slot = if slot.0 == slot.1 { (at, at + 1) } else { (slot.0, at + 1) };
        }
        Self { keys, filter, slots, literals }
    }

    /// True when a literal may stand where these bytes do.
    #[inline]
    fn may_stand(&self, next: u32) -> bool {
        self.keys.iter().any(|&(mask, _)| {
            let bit = hash(next & mask) >> (32 - BITS);
            self.filter[(bit >> 6) as usize] >> (bit & 63) & 1 != 0
        })
    }
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

impl Lexicon {
    /// Of literals that are not empty, each with the place it may begin at.
    pub(super) fn new(literals: impl IntoIterator<Item = (String, Place)>) -> Self {
        let (mut text, mut entries) = (Vec::new(), Vec::new());
        let (mut words, mut inner, mut other) = (Vec::new(), Vec::new(), Vec::new());
        for (number, (literal, place)) in (0_u32..).zip(literals) {
            let literal = literal.as_bytes();
            match place {
                _ if !literal.first().is_some_and(|b| is_word(*b)) => &mut other,
                Place::Word => &mut words,
                Place::Any => &mut inner,
            }
            .push(number);
            entries.push(Entry::of(literal, text.len()));
            text.extend_from_slice(literal);
        }
        let [words, inner, other] = [words, inner, other].map(|members| Table::new(&entries, &members));
        Self { text, entries, words, inner, other }
    }

    /// Calls `found` with the number, beginning and end of every literal in `from..to`, by where they begin.
    pub(super) fn find(&self, bytes: &[u8], (from, to): (usize, usize), mut found: impl FnMut(u32, usize, usize)) {
        let block = &bytes[..to];
        let mut before = false;
        for (at, &byte) in block.iter().enumerate().skip(from) {
            let word = WORD[byte as usize];
            if byte != b' ' {
                let next = eight(block, at);
                if word {
                    if !before && self.words.may_stand(four(next)) {
                        self.look(&self.words, block, at, next, &mut found);
                    }
                    if self.inner.may_stand(four(next)) {
                        self.look(&self.inner, block, at, next, &mut found);
                    }
                } else if self.other.may_stand(four(next)) {
                    self.look(&self.other, block, at, next, &mut found);
                }
            }
            before = word;
        }
    }

    /// Every literal of a table that stands at `at`.
    fn look(&self, table: &Table, block: &[u8], at: usize, next: u64, found: &mut impl FnMut(u32, usize, usize)) {
        for &(mask, length) in &table.keys {
            let (from, to) = table.slots[(hash(four(next) & mask) >> (32 - SLOTS)) as usize];
            for &number in &table.literals[from as usize..to as usize] {
                let entry = &self.entries[number as usize];
                // A short literal is found by the key of its own length only.
                if (next ^ entry.head) & entry.mask == 0
                    && entry.length.min(4) == length
                    && self.stands(entry, block, at)
                {
                    found(number, at, at + entry.length as usize);
                }
            }
        }
    }

    /// The whole literal, where its first eight bytes stand.
    fn stands(&self, entry: &Entry, block: &[u8], at: usize) -> bool {
        let (from, length) = (entry.from as usize, entry.length as usize);
        at + length <= block.len() && (length <= 8 || block[at + 8..at + length] == self.text[from + 8..from + length])
    }
}
