//! The statements a store holds, kept so that a new one can be laid beside them for about what the new one costs.
//!
//! [`Scanner::lay_beside_known`] says what [`Scanner::lay_beside`] says; only the reading of what is known is done once,
//! when it is stored, instead of at each write.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use super::beside::{self, COMPARED, MOST_NOTES, Read};
use super::budget::{Coverage, Limit};
use super::near::hash;
use super::normalize::fold_text;
use super::scan::Scanner;
use super::set::{SetFinding, SetReport};

/// Statements that were approved before.
#[derive(Debug, Default)]
pub struct Known {
    /// Number of each word that is in use, and how often it is.
    words: HashMap<Box<str>, (u32, u32)>,
    /// Numbers of words that are free again.
    free: Vec<u32>,
    /// How often each token is there: what a store that knows a word does not take for a trigger.
    vocabulary: HashMap<u64, u32>,
    notes: HashMap<u32, Note, Plain>,
    next: u32,
    /// Notes by the words they are about, oldest first.
    by_word: HashMap<u32, Vec<u32>, Plain>,
}

/// Hashes the numbers that are given out here in order: nobody chooses them.
type Plain = BuildHasherDefault<PlainHasher>;

#[derive(Debug, Default)]
struct PlainHasher(u64);

impl Hasher for PlainHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }
    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }
}

/// Words as numbers, ascending, and a bit for each number modulo 128: two sets have at most as many in common as their
/// bits allow, which most pairs need not be read to know.
#[derive(Debug)]
struct Words {
    numbers: Box<[u32]>,
    bits: u128,
}

impl Words {
    fn of(mut numbers: Vec<u32>) -> Self {
        numbers.sort_unstable();
        numbers.dedup();
        let bits = numbers.iter().fold(0, |bits, number| bits | 1 << (number % 128));
        Self { numbers: numbers.into_boxed_slice(), bits }
    }
    fn len(&self) -> usize {
        self.numbers.len()
    }
    /// Not less than [`common`] of the two: each bit that the other has not is a word that the other has not.
    fn at_most_common(&self, other: &Self) -> usize {
        let mine = self.len().saturating_sub((self.bits & !other.bits).count_ones() as usize);
        let theirs = other.len().saturating_sub((other.bits & !self.bits).count_ones() as usize);
        mine.min(theirs)
    }
}

/// One statement, in numbers: most comparisons end at a count.
#[derive(Debug)]
struct Note {
    body: Box<str>,
    set: Words,
    subject: Words,
}

impl Known {
    /// Number of statements.
    pub fn len(&self) -> usize {
        self.notes.len()
    }
    /// True before the first statement.
    pub fn is_empty(&self) -> bool {
        self.notes.is_empty()
    }

    /// Adds a statement; the number it gets is what takes it out again.
    pub fn add(&mut self, body: &str) -> u32 {
        let read = Read::of(body);
        let set = Words::of(read.set.iter().map(|word| self.intern(word)).collect());
        let subject = Words::of(read.subject.iter().map(|word| self.intern(word)).collect());
        for token in &read.tokens {
            *self.vocabulary.entry(hash(token)).or_default() += 1;
        }
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        for word in &subject.numbers {
            let list = self.by_word.entry(*word).or_default();
            if let Err(at) = list.binary_search(&number) {
                list.insert(at, number);
            }
        }
        self.notes.insert(number, Note { body: body.into(), set, subject });
        number
    }

    /// Takes a statement out.
    pub fn remove(&mut self, number: u32) {
        let Some(note) = self.notes.remove(&number) else { return };
        for word in &note.subject.numbers {
            if let Some(list) = self.by_word.get_mut(word) {
                if let Ok(at) = list.binary_search(&number) {
                    list.remove(at);
                }
                if list.is_empty() {
                    self.by_word.remove(word);
                }
            }
        }
        let read = Read::of(&note.body);
        for token in &read.tokens {
            if let Some(count) = self.vocabulary.get_mut(&hash(token)) {
                *count -= 1;
                if *count == 0 {
                    self.vocabulary.remove(&hash(token));
                }
            }
        }
        for word in read.set.iter().chain(&read.subject) {
            self.release(word);
        }
    }

    fn intern(&mut self, word: &str) -> u32 {
        if let Some((number, count)) = self.words.get_mut(word) {
            *count += 1;
            return *number;
        }
        // In use or free: every number below their sum has been given out.
        let next = u32::try_from(self.words.len()).unwrap_or(u32::MAX);
        let number = self.free.pop().unwrap_or(next);
        self.words.insert(word.into(), (number, 1));
        number
    }

    fn release(&mut self, word: &str) {
        let Some((number, count)) = self.words.get_mut(word) else { return };
        *count -= 1;
        if *count == 0 {
            let number = *number;
            self.words.remove(word);
            self.free.push(number);
        }
    }

    fn numbers<'a>(&self, words: impl IntoIterator<Item = &'a String>) -> Words {
        let known = |word: &String| self.words.get(word.as_str()).map(|(number, _)| *number);
        Words::of(words.into_iter().filter_map(known).collect())
    }

    /// Notes that share words with a note, its rarest words first, as [`Scanner::lay_beside`] meets them.
    fn neighbours(&self, read: &Read) -> Vec<u32> {
        let lists = read.subject.iter().filter_map(|word| self.by_word.get(&self.words.get(word.as_str())?.0));
        let mut lists: Vec<&Vec<u32>> = lists.collect();
        lists.sort_by_key(|list| list.len());
        let lists = lists.into_iter().take(beside::LISTS);
        let mut numbers: Vec<u32> = lists.flat_map(|list| list.iter().take(COMPARED).copied()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }
}

/// Members of two ascending lists that are the same.
fn common(one: &[u32], other: &[u32]) -> usize {
    let (mut a, mut b, mut same) = (0, 0, 0);
    while let (Some(x), Some(y)) = (one.get(a), other.get(b)) {
        same += usize::from(x == y);
        a += usize::from(x <= y);
        b += usize::from(y <= x);
    }
    same
}

impl Scanner {
    /// Lays new notes beside those that are known: what [`Scanner::lay_beside`] finds.
    ///
    /// Members are the numbers of the new notes. Cost: linear in the new notes; each is compared with at most 64 notes of
    /// each of its rarest words.
    ///
    /// `replaced` are numbers of known notes that the new ones stand instead of: those are not compared with.
    pub fn lay_beside_known(&self, new: &[&str], known: &Known, replaced: &BTreeSet<u32>) -> SetReport {
        let limits = if new.len() > MOST_NOTES { vec![Limit::Views] } else { Vec::new() };
        let mut findings = Vec::new();
        for (number, text) in new.iter().take(MOST_NOTES).enumerate() {
            let read = Read::of(text);
            let (set, subject) = (known.numbers(&read.set), known.numbers(&read.subject));
            let mut add = |slug: &str| {
                let members = vec![number.to_string()];
                findings.push(SetFinding { rule: self.set_rule(slug), members, kind: None });
            };
            let (mut changes, mut copied, mut overruled) = (None, false, false);
            let stays = |at: &&u32| !replaced.contains(*at);
            for other in known.neighbours(&read).iter().filter(stays).filter_map(|at| known.notes.get(at)) {
                let all = read.set.len().max(other.set.len());
                let shares = |common| beside::shares(common, read.subject.len(), other.subject.len());
                // More words in common never make either answer a no: what the bits exclude need not be read.
                let may_copy = !copied && beside::is_close(set.at_most_common(&other.set), all);
                let may_overrule =
                    !overruled && changes != Some(false) && shares(subject.at_most_common(&other.subject));
                if !may_copy && !may_overrule {
                    continue;
                }
                let same = common(&set.numbers, &other.set.numbers);
                if same == read.set.len() && same == other.set.len() {
                    continue;
                }
                if may_copy && beside::is_close(same, all) && beside::is_mutation(&read, &Read::of(&other.body)) {
                    add("mutated-copy");
                    copied = true;
                }
                if may_overrule
                    && shares(common(&subject.numbers, &other.subject.numbers))
                    && *changes.get_or_insert_with(|| beside::changes(&fold_text(text)))
                {
                    add("overrides-approved");
                    overruled = true;
                }
            }
            if beside::has_trigger(text, |word| known.vocabulary.contains_key(&word)) {
                add("trigger-token");
            }
            if beside::is_bait(text, &read) {
                add("broad-anchor");
            }
        }
        findings.sort();
        findings.dedup();
        let coverage = if limits.is_empty() { Coverage::Full } else { Coverage::Partial { limits } };
        SetReport { findings, coverage, aliases: 0 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn word() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "the", "upload", "limit", "is", "no", "longer", "now", "10", "20", "MB", "Berlin", "office", "opens", "at",
            "nine", "enabled", "disabled", "review", "required", "optional", "zxqv", "qjqk", "vxzq", "host", "a.test",
            "b.test", "deploys", "on", "Tuesdays", "must", "not", "printer,", "garden,", "archive,", "library,",
        ])
    }

    fn notes(most: usize) -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec(prop::collection::vec(word(), 1..12).prop_map(|words| words.join(" ")), 0..most)
    }

    proptest! {
        #[test]
        fn bits_never_say_less_than_the_words(
            one in prop::collection::vec(0_u32..400, 0..30), other in prop::collection::vec(0_u32..400, 0..30),
        ) {
            let (one, other) = (Words::of(one), Words::of(other));
            let common = common(&one.numbers, &other.numbers);
            prop_assert!(one.at_most_common(&other) >= common);
            prop_assert_eq!(one.at_most_common(&other), other.at_most_common(&one));
            prop_assert_eq!(one.at_most_common(&one), one.len());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]
        #[test]
        fn what_is_kept_says_what_reading_everything_says(all in notes(24), gone in notes(12), new in notes(6)) {
            let scanner = Scanner::builtin(crate::detect::Levels::default()).unwrap();
            let mut known = Known::default();
            // Statements come and go in any order, and leave nothing behind.
            let mut numbers = Vec::new();
            for (at, text) in gone.iter().enumerate() {
                numbers.push(known.add(text));
                if at % 2 == 1 {
                    known.remove(numbers.remove(0));
                }
            }
            for text in &all {
                known.add(text);
            }
            numbers.into_iter().for_each(|number| known.remove(number));
            prop_assert_eq!(known.len(), all.len());
            let refs = |list: &'_ [String]| list.iter().map(|text| text.as_str().to_owned()).collect::<Vec<_>>();
            let (all, new) = (refs(&all), refs(&new));
            let (all, new): (Vec<&str>, Vec<&str>) =
                (all.iter().map(String::as_str).collect(), new.iter().map(String::as_str).collect());
            prop_assert_eq!(scanner.lay_beside_known(&new, &known, &BTreeSet::new()), scanner.lay_beside(&new, &all));
            for number in known.notes.keys().copied().collect::<Vec<_>>() {
                known.remove(number);
            }
            prop_assert!(known.words.is_empty() && known.vocabulary.is_empty() && known.by_word.is_empty());
        }
    }
}
