//! Pages for error codes: what `memgate explain CODE` prints.

/// The page of one error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The code.
    pub code: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

const fn page(code: &'static str, meaning: &'static str, remedy: &'static str) -> Page {
    Page { code, meaning, remedy }
}

/// Every code that has a page, sorted. A test keeps it equal to the codes in the source.
const PAGES: &[Page] = &[
    page("cli-format", "The command has no result in the form asked for.", "Use --format text or --format json."),
    page(
        "cli-internal",
        "Something happened that cannot happen. A report file was written and named; nothing was sent anywhere.",
        "Please report it with that file. Look through the file first: it may quote what was examined.",
    ),
    page(
        "cli-needs-yes",
        "The command changes something and there was nobody to ask.",
        "Look with --dry-run, then say --yes.",
    ),
    page(
        "cli-not-in-this-build",
        "The command exists, but this build does not carry it out.",
        "Use a build that has it.",
    ),
    page(
        "cli-nothing-to-examine",
        "What was named holds no memory, instruction file or transcript. That is not a pass: exit code 3.",
        "Name a file, or use --all to examine every text file of a folder.",
    ),
    page(
        "cli-unknown-name",
        "There is no rule, code or item of that name.",
        "Check the spelling; the list command shows all names.",
    ),
    page("cli-unreadable", "An input could not be opened or read.", "Check that it exists and may be read."),
    page(
        "cli-unwritable",
        "A result could not be written. Results are written whole or not at all, so what was there before is unchanged.",
        "Check the folder, its permissions and the free space.",
    ),
    page("cli-usage", "The arguments do not make sense together.", "See --help for the arguments and examples."),
];

/// All pages, sorted by code.
pub fn all() -> impl Iterator<Item = &'static Page> {
    PAGES.iter()
}

/// The page of a code.
pub fn find(code: &str) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.code == code)
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
    fn pages_are_sorted_and_unique() {
        assert!(PAGES.windows(2).all(|pair| pair[0].code < pair[1].code));
    }

    #[test]
    fn a_typo_finds_its_neighbour() {
        assert_eq!(near("cli-unreadible", all().map(|page| page.code))[0], "cli-unreadable");
        assert!(near("zzzzzzzz", all().map(|page| page.code)).is_empty());
    }
}
