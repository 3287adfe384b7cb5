//! Word classes: what a word does in an order to an agent, in twelve languages.
//!
//! The lists are data (`lexicon.txt`), one class a line. A word ends in `*` where it stands for all
//! words that begin so. Classes carry over what n-grams cannot: `ignorez les consignes` and
//! `forget the rules` are the same two classes.

/// Longest word in the lists, bytes. Longer prefixes of a word are not looked up.
const LONGEST: usize = 40;
/// Bits of the filter in front of the table.
const FILTER_BITS: usize = 1 << 16;

/// Starting value of a word's hash (FNV-1a, 64 bit).
pub(super) const SEED: u64 = 0xcbf2_9ce4_8422_2325;

/// One step of a word's hash.
#[inline]
pub(super) const fn step(hash: u64, byte: u8) -> u64 {
    (hash ^ byte as u64).wrapping_mul(0x0100_0000_01b3)
}

/// The hash of a whole word.
pub(super) fn hash_of(word: &[u8]) -> u64 {
    word.iter().fold(SEED, |hash, &byte| step(hash, byte))
}

/// The classes of words, behind a filter.
#[derive(Debug)]
pub struct Lexicon {
    names: Vec<String>,
    /// Open addressing: hash, class of the word, class of words that begin with it.
    slots: Vec<(u64, u8, u8)>,
    /// Hashes of anything in the lists.
    filter: Vec<u64>,
    /// Hashes of listed beginnings.
    beginnings: Vec<u64>,
}

impl Default for Lexicon {
    fn default() -> Self {
        Self::parse("")
    }
}

impl Lexicon {
    /// Reads the lists: `name: word word* …`, one class a line, at most 250 classes.
    ///
    /// A word that stands in two lists belongs to the first. Lines without a colon are skipped.
    pub fn parse(text: &str) -> Self {
        let mut words: Vec<(u64, u8, u8)> = Vec::new();
        let mut names = Vec::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((name, list)) = line.split_once(':') else { continue };
            let Ok(class) = u8::try_from(names.len() + 1) else { break };
            names.push(name.trim().to_owned());
            for word in list.split_whitespace().filter(|word| word.len() <= LONGEST) {
                match word.strip_suffix('*') {
                    Some(stem) => words.push((hash_of(stem.as_bytes()), 0, class)),
                    None => words.push((hash_of(word.as_bytes()), class, 0)),
                }
            }
        }
        let size = (words.len() * 4).next_power_of_two().max(16);
        let mut lexicon = Self {
            names,
            slots: vec![(0, 0, 0); size],
            filter: vec![0; FILTER_BITS / 64],
            beginnings: vec![0; FILTER_BITS / 64],
        };
        for (hash, whole, begins) in words {
            lexicon.insert(hash, whole, begins);
        }
        lexicon
    }

    /// The name of a class.
    pub fn name(&self, class: u8) -> &str {
        class.checked_sub(1).and_then(|i| self.names.get(usize::from(i))).map_or("", String::as_str)
    }

    fn insert(&mut self, hash: u64, whole: u8, begins: u8) {
        let mask = self.slots.len() - 1;
        let mut at = place(hash) & mask;
        while self.slots[at].0 != 0 && self.slots[at].0 != hash {
            at = (at + 1) & mask;
        }
        let slot = &mut self.slots[at];
        slot.0 = hash;
        slot.1 = if slot.1 == 0 { whole } else { slot.1 };
        slot.2 = if slot.2 == 0 { begins } else { slot.2 };
        let bit = filter_bit(hash);
        self.filter[bit / 64] |= 1 << (bit % 64);
        if begins != 0 {
            self.beginnings[bit / 64] |= 1 << (bit % 64);
        }
    }

    /// False only for hashes that are in no list.
    #[inline]
    pub(super) fn may_have(&self, hash: u64) -> bool {
        let bit = filter_bit(hash);
        self.filter.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    /// False only for hashes with which no listed beginning ends.
    #[inline]
    pub(super) fn may_begin(&self, hash: u64) -> bool {
        let bit = filter_bit(hash);
        self.beginnings.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    /// The class of a whole word and of words that begin so; zero where there is none.
    #[inline]
    pub(super) fn get(&self, hash: u64) -> (u8, u8) {
        let mask = self.slots.len() - 1;
        let mut at = place(hash) & mask;
        loop {
            match self.slots.get(at) {
                Some(slot) if slot.0 == hash => return (slot.1, slot.2),
                Some(slot) if slot.0 != 0 => at = (at + 1) & mask,
                _ => return (0, 0),
            }
        }
    }
}

#[allow(clippy::cast_possible_truncation, reason = "a place in a table takes the low bits")]
const fn place(hash: u64) -> usize {
    (hash ^ (hash >> 29)) as usize
}

#[allow(clippy::cast_possible_truncation, reason = "below FILTER_BITS")]
const fn filter_bit(hash: u64) -> usize {
    ((hash ^ (hash >> 32)) as usize) % FILTER_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_and_beginnings_have_their_class() {
        let lexicon = Lexicon::parse("# note\na: ignore vergiss\nb: regel* ignore\n");
        assert_eq!(lexicon.get(hash_of(b"ignore")), (1, 0));
        assert_eq!(lexicon.get(hash_of(b"regel")), (0, 2));
        assert_eq!(lexicon.get(hash_of(b"rege")), (0, 0));
        assert_eq!(lexicon.name(2), "b");
        assert_eq!(lexicon.name(0), "");
    }
}
