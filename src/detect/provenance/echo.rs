//! Text that came from outside, met again under another name (threat T08).

use std::collections::HashSet;
use std::hash::{Hash as _, Hasher as _};

use crate::detect::normalize::fold_text;

/// Words of one shingle.
const SHINGLE: usize = 5;
/// Shortest note that can be told from chance, words.
const LEAST: usize = 8;
/// Share of a note's shingles that stand in external text, hundredths.
const SHARE: usize = 60;
/// Shingles that are kept; what comes after is not indexed.
const MOST: usize = 4_000_000;

/// Shingles of all external text.
#[derive(Debug, Default)]
pub(super) struct Echo {
    seen: HashSet<u64>,
}

impl Echo {
    pub(super) fn of<'t>(texts: impl Iterator<Item = &'t str>) -> Self {
        let mut seen = HashSet::new();
        for text in texts {
            if seen.len() > MOST {
                break;
            }
            seen.extend(shingles(text));
        }
        Self { seen }
    }
    /// True when most of `text` stands in external text, word for word.
    pub(super) fn holds(&self, text: &str) -> bool {
        if self.seen.is_empty() {
            return false;
        }
        let own = shingles(text);
        own.len() + SHINGLE > LEAST && own.iter().filter(|s| self.seen.contains(s)).count() * 100 >= own.len() * SHARE
    }
}

/// Digests of runs of five words, order of words kept.
fn shingles(text: &str) -> Vec<u64> {
    let folded = fold_text(text);
    let words: Vec<&str> = folded.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
    words
        .windows(SHINGLE)
        .map(|run| {
            // The default hasher with its fixed keys: the same on every machine.
            let mut hasher = std::hash::DefaultHasher::new();
            run.hash(&mut hasher);
            hasher.finish()
        })
        .collect()
}
