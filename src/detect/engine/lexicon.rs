//! Finds the literals of all rules in one pass.
//!
//! Nearly all literals begin a word, so only beginnings of words are looked at: one hash of the next
//! four bytes, one bit of a table that stays in the first-level cache. What may begin inside a word is
//! looked for at every byte, by a table of its own. Own design; the hash is Fibonacci hashing.

/// Bits of a filter, by the upper bits of a hash: 8 KiB, so that all of them stay in the first-level cache.
const BITS: u32 = 16;
/// Slots of the second table, by the upper bits of the same hash.
const SLOTS: u32 = 14;
/// Bytes that are hashed before any key, where a word begins and elsewhere.
const WORD_OPENING: u32 = 4;
const OPENING: u32 = 3;
/// Bytes that are hashed where a word begins: the most that a literal has.
const WORD_KEYS: [u32; 6] = [8, 6, 4, 3, 2, 1];
/// The same inside of words, where literals are longer, and where anything else begins.
const INNER_KEYS: [u32; 4] = [4, 3, 2, 1];
const OTHER_KEYS: [u32; 4] = [4, 3, 2, 1];

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
    /// Where a word begins.
    words: Table,
    /// At any word character.
    inner: Table,
    /// At anything else that is not a space.
    other: Table,
}

/// One literal: its first eight bytes, its number, and where all of it is.
#[derive(Clone, Copy, Debug)]
struct Entry {
    head: u64,
    mask: u64,
    number: u32,
    key: u32,
    from: u32,
    length: u32,
}

#[derive(Debug)]
struct Table {
    /// The bytes that tell most places apart from all longer literals.
    opening: u64,
    openings: Filter,
    /// The keys in use: a mask, and how many bytes it leaves. First those shorter than an opening.
    short: Vec<(u64, u32)>,
    long: Vec<(u64, u32)>,
    filter: Filter,
    /// By hash: the range of its entries.
    slots: Vec<(u32, u32)>,
    entries: Vec<Entry>,
}

/// A set of hashes: tells for certain what is not in it.
#[derive(Debug)]
struct Filter(Vec<u64>);

impl Filter {
    fn of(hashes: impl Iterator<Item = u32>) -> Self {
        let mut bits = vec![0_u64; 1 << (BITS - 6)];
        for hash in hashes {
            bits[(hash >> (32 - BITS + 6)) as usize] |= 1 << (hash >> (32 - BITS) & 63);
        }
        Self(bits)
    }
    #[inline]
    fn has(&self, hash: u32) -> bool {
        self.0.get((hash >> (32 - BITS + 6)) as usize).is_some_and(|bits| bits >> (hash >> (32 - BITS) & 63) & 1 == 1)
    }
}

const fn hash(key: u64) -> u32 {
    (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32
}

/// The first `length` bytes of eight.
const fn mask(length: u32) -> u64 {
    if length >= 8 { u64::MAX } else { (1 << (8 * length)) - 1 }
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

impl Table {
    fn new(mut entries: Vec<Entry>, keys: &[u32], opening: u32) -> Self {
        for entry in &mut entries {
            entry.key = keys.iter().copied().find(|&key| key <= entry.length).unwrap_or(1);
        }
        let used = |key: &u32| entries.iter().any(|entry| entry.key == *key);
        let keys = keys.iter().copied().filter(used).map(|key| (mask(key), key));
        let (short, long) = keys.partition(|(_, key)| *key < opening);
        let of = |entry: &Entry| hash(entry.head & mask(entry.key));
        entries.sort_by_key(|entry| (of(entry) >> (32 - SLOTS), entry.number));
        let filter = Filter::of(entries.iter().map(of));
        let begins = entries.iter().filter(|entry| entry.key >= opening).map(|entry| hash(entry.head & mask(opening)));
        let openings = Filter::of(begins);
        let mut slots = vec![(0, 0); 1 << SLOTS];
        for (at, entry) in (0_u32..).zip(&entries) {
            let slot = &mut slots[(of(entry) >> (32 - SLOTS)) as usize];
            *slot = if slot.0 == slot.1 { (at, at + 1) } else { (slot.0, at + 1) };
        }
        Self { opening: mask(opening), openings, short, long, filter, slots, entries }
    }

    /// Every literal that stands where `next` begins, by its entry.
    #[inline]
    fn look(&self, next: u64, mut found: impl FnMut(&Entry)) {
        for &(mask, key) in &self.short {
            self.look_by(next, mask, key, &mut found);
        }
        if self.openings.has(hash(next & self.opening)) {
            for &(mask, key) in &self.long {
                self.look_by(next, mask, key, &mut found);
            }
        }
    }

    #[inline]
    fn look_by(&self, next: u64, mask: u64, key: u32, found: &mut impl FnMut(&Entry)) {
        let hash = hash(next & mask);
        if !self.filter.has(hash) {
            return;
        }
        let (from, to) = self.slots[(hash >> (32 - SLOTS)) as usize];
        for entry in &self.entries[from as usize..to as usize] {
            // Each literal is found by the key of its own.
            if (next ^ entry.head) & entry.mask == 0 && entry.key == key {
                found(entry);
            }
        }
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
        let (mut text, mut words, mut inner, mut other) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (number, (literal, place)) in (0_u32..).zip(literals) {
            let literal = literal.as_bytes();
            let length = u32::try_from(literal.len()).unwrap_or(u32::MAX);
            let from = u32::try_from(text.len()).unwrap_or(u32::MAX);
            text.extend_from_slice(literal);
            match place {
                _ if !literal.first().is_some_and(|b| is_word(*b)) => &mut other,
                Place::Word => &mut words,
                Place::Any => &mut inner,
            }
            .push(Entry { head: eight(literal, 0), mask: mask(length), number, key: 0, from, length });
        }
        let words = Table::new(words, &WORD_KEYS, WORD_OPENING);
        let [inner, other] =
            [(inner, INNER_KEYS), (other, OTHER_KEYS)].map(|(list, keys)| Table::new(list, &keys, OPENING));
        Self { text, words, inner, other }
    }

    /// Calls `found` with the number, beginning and end of every literal in `from..to`, by where they begin.
    pub(super) fn find(&self, bytes: &[u8], (from, to): (usize, usize), mut found: impl FnMut(u32, usize, usize)) {
        let block = &bytes[..to];
        let mut before = false;
        for (at, &byte) in block.iter().enumerate().skip(from) {
            let word = WORD[byte as usize];
            if byte != b' ' {
                let next = eight(block, at);
                let mut check = |entry: &Entry| {
                    if let Some(end) = self.end(entry, block, at) {
                        found(entry.number, at, end);
                    }
                };
                if word {
                    if !before {
                        self.words.look(next, &mut check);
                    }
                    self.inner.look(next, &mut check);
                } else {
                    self.other.look(next, &mut check);
                }
            }
            before = word;
        }
    }

    /// Where the whole literal ends, when it begins at `at` as its first eight bytes do.
    fn end(&self, entry: &Entry, block: &[u8], at: usize) -> Option<usize> {
        let (from, length) = (entry.from as usize, entry.length as usize);
        let all = block.get(at..at + length)?;
        (length <= 8 || all[8..] == self.text[from + 8..from + length]).then_some(at + length)
    }
}
