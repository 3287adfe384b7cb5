//! How often literals stand in honest text, roughly: which of several to look for first.
//!
//! Only speed depends on it, never what is found.

use std::sync::OnceLock;

use super::chain::Literal;

/// Words and how many of a million they are, sorted.
fn table() -> &'static [(&'static str, u64)] {
    static TABLE: OnceLock<Vec<(&str, u64)>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let lines = include_str!("common_words.txt").lines().filter(|line| !line.starts_with('#'));
        let mut list: Vec<_> = lines
            .filter_map(|line| line.split_once(' '))
            .filter_map(|(word, n)| Some((word, n.parse().ok()?)))
            .collect();
        list.sort_unstable();
        list
    })
}

/// How often one of these is found in a million words.
pub(super) fn frequency(set: &[Literal]) -> u64 {
    set.iter().map(of).sum()
}

fn of(literal: &Literal) -> u64 {
    let text = literal.text.as_str();
    match text.as_bytes().first() {
        None => 1_000_000,
        Some(first) if !first.is_ascii() => 3,
        Some(first) if !first.is_ascii_alphanumeric() => match text.len() {
            1 => 1_000,
            2 => 400,
            _ => 100,
        },
        Some(_) => words(literal),
    }
}

/// Each further word makes a phrase ten times rarer than its rarest word.
fn words(literal: &Literal) -> u64 {
    let text = literal.text.as_str();
    let mut rarest = u64::MAX;
    let mut count = 0_u32;
    for word in text.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty()) {
        count += 1;
        let ends = !text.ends_with(word) || literal.right;
        let begins = !text.starts_with(word) || literal.left;
        let known = if ends { exactly(word) } else { beginning(word) };
        rarest = rarest.min(if begins { known } else { 2 * known + 40 });
    }
    if count == 0 { 500 } else { rarest / 10_u64.pow((count - 1).min(4)) }
}

fn exactly(word: &str) -> u64 {
    let table = table();
    table.binary_search_by_key(&word, |entry| entry.0).map_or(10, |at| table[at].1)
}

fn beginning(word: &str) -> u64 {
    let table = table();
    let from = table.partition_point(|entry| entry.0 < word);
    20 + table[from..].iter().take_while(|entry| entry.0.starts_with(word)).map(|entry| entry.1).sum::<u64>()
}
