//! Pages for error codes: what `memgate explain CODE` prints.
//!
//! One page for every code that any room can return, and for every problem that `memgate verify` can name. A test reads
//! the codes from the source and compares both ways.

mod command;
mod deciding;
mod inputs;
mod keeping;
mod rules;
mod serving;
mod signing;

/// The page of one error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The code.
    pub code: &'static str,
    /// The exit code of a command that ends with it.
    pub exit: u8,
    /// What it means.
    pub meaning: &'static str,
    /// Why it happens, or why it is refused.
    pub why: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

const fn page(code: &'static str, exit: u8, meaning: &'static str, why: &'static str, remedy: &'static str) -> Page {
    Page { code, exit, meaning, why, remedy }
}

/// All pages, by topic and then by code.
pub fn all() -> impl Iterator<Item = &'static Page> {
    [command::PAGES, inputs::PAGES, rules::PAGES, deciding::PAGES, keeping::PAGES, serving::PAGES, signing::PAGES]
        .into_iter()
        .flatten()
}

/// The page of a code. Upper and lower case of `E_` codes are the same.
pub fn find(code: &str) -> Option<&'static Page> {
    all().find(|page| page.code.eq_ignore_ascii_case(code))
}

/// The names nearest to a mistyped one, best first, at most three.
pub fn near<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let limit = name.chars().count() / 3 + 1;
    let mut scored: Vec<(usize, &str)> = names
        .filter(|candidate| candidate.len() < 200)
        .map(|candidate| {
            let contained = !name.is_empty() && candidate.contains(name);
            (if contained { 0 } else { distance(name, candidate) }, candidate)
        })
        .filter(|(distance, _)| *distance <= limit)
        .collect();
    scored.sort_unstable();
    scored.into_iter().take(3).map(|(_, candidate)| candidate.to_owned()).collect()
}

/// Edit distance (insert, delete, replace). Cost: product of the lengths; names over 200 characters are cut.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(200).enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let next = (before + usize::from(x != *y)).min(row[j] + 1).min(row[j + 1] + 1);
            before = row[j + 1];
            row[j + 1] = next;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_has_two_pages() {
        let mut codes: Vec<&str> = all().map(|page| page.code).collect();
        let count = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), count);
    }

    #[test]
    fn pages_are_whole_sentences() {
        for page in all() {
            for text in [page.meaning, page.why, page.remedy] {
                assert!(text.ends_with('.') && text.len() > 15 && !text.contains('\n'), "{}: {text}", page.code);
            }
        }
    }

    #[test]
    fn a_typo_finds_its_neighbour() {
        assert_eq!(near("cli-unreadible", all().map(|page| page.code))[0], "cli-unreadable");
        assert!(near("zzzzzzzz", all().map(|page| page.code)).is_empty());
    }
}
