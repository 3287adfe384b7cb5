//! Every error code has a page, every page a code, and each ends with the exit code its page states.
//!
//! The codes are read from the source: the string literals in every `fn code` and `fn vector_code`, and the names of
//! problems in the auditor. So a new variant without a page fails here, and so does a page that nothing returns any more.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use memgate::cli::{Exit, codes};
use memgate::domain::Family;

fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
}

/// The bodies of all functions of this name, without those of test modules.
fn bodies<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let end = text.find("#[cfg(test)]").unwrap_or(text.len());
    let text = &text[..end];
    let mut out = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find(name).map(|at| at + from) {
        from = at + name.len();
        // A declaration in a trait has no body.
        let Some(open) = text[from..].find(['{', ';']).map(|open| open + from) else { break };
        if text[open..].starts_with(';') {
            continue;
        }
        let mut depth = 0usize;
        let close = text[open..].char_indices().find_map(|(at, c)| {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            (depth == 0).then_some(open + at)
        });
        out.push(&text[open..close.expect("braces are even")]);
    }
    out
}

fn literals(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').skip(1).step_by(2)
}

fn is_code(text: &str) -> bool {
    let kebab = text.contains('-') && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let published = text.strip_prefix("E_").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_uppercase()));
    kebab || published
}

/// Every code of the source, with the files that return it.
fn codes_of_the_source() -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut out: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let name = file.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        let mut found: Vec<&str> = Vec::new();
        for function in ["fn code(&self)", "fn code(self)", "fn vector_code(&self)"] {
            found.extend(bodies(&text, function).into_iter().flat_map(literals).filter(|text| is_code(text)));
        }
        if name.starts_with("auditor") {
            let families = ["seal-", "log-", "database-", "quarantine-", "verify-", "E_"];
            let named = literals(text.split("#[cfg(test)]").next().unwrap());
            found.extend(named.filter(|text| is_code(text) && families.iter().any(|family| text.starts_with(family))));
        }
        for code in found {
            out.entry(code.to_owned()).or_default().insert(name.clone());
        }
    }
    out
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let source = codes_of_the_source();
    assert!(source.len() > 150, "codes are found in the source: {}", source.len());
    for known in
        ["ingest-bad-json", "store-busy", "E_SIG", "seal-changed", "cli-usage", "ruleset-schema", "firewall-random"]
    {
        assert!(source.contains_key(known), "{known} is found in the source");
    }
    let pages: BTreeSet<&str> = codes::all().map(|page| page.code).collect();
    let without_page: Vec<_> = source.iter().filter(|(code, _)| !pages.contains(code.as_str())).collect();
    let without_code: Vec<_> = pages.iter().filter(|code| !source.contains_key(**code)).collect();
    assert!(without_page.is_empty(), "add a page under src/cli/codes/ for {without_page:?}");
    assert!(without_code.is_empty(), "nothing returns these any more, take their pages out: {without_code:?}");
}

#[test]
fn no_code_belongs_to_two_rooms() {
    for (code, files) in codes_of_the_source() {
        // The auditor names checks of the signing format that the ledger defines.
        let rooms: BTreeSet<&str> =
            files.iter().filter_map(|file| file.split('/').next()).filter(|room| *room != "auditor").collect();
        assert!(rooms.len() <= 1, "{code} is returned by {rooms:?}");
    }
}

#[test]
fn every_code_ends_with_the_exit_code_of_its_page() {
    for page in codes::all().filter(|page| !page.code.starts_with("cli-")) {
        let families: &[Family] =
            if page.exit == 70 { &[Family::Bug] } else { &[Family::Refused, Family::Unavailable] };
        for family in families {
            let exit = Exit::of_error(page.code, *family).code(false);
            assert_eq!(exit, page.exit, "{} as {family:?}", page.code);
        }
    }
}

/// The promises of the exit-code table, stated once more where a change of the prefixes cannot move them by accident.
#[test]
fn the_exit_codes_that_scripts_rely_on() {
    for (code, exit) in [
        ("store-busy", 10),
        ("review-other-bytes", 10),
        ("review-not-open", 10),
        ("ledger-signature", 6),
        ("ledger-fork", 6),
        ("E_COMMIT", 6),
        ("store-changed", 6),
        ("store-damaged", 6),
        ("seal-changed", 6),
        ("policy-parse", 4),
        ("config-settings", 4),
        ("ruleset-schema", 4),
        ("grade-bad-yaml", 4),
        ("ingest-truncated", 5),
        ("store-io", 5),
        ("auth-not-allowed", 7),
        ("review-same-person", 7),
        ("firewall-store-held", 7),
        ("grade-bad-anchor", 9),
        ("store-missing", 3),
        ("firewall-unknown-version", 2),
    ] {
        assert_eq!(Exit::of_error(code, Family::Refused).code(false), exit, "{code}");
        assert_eq!(codes::find(code).map(|page| page.exit), Some(exit), "{code}");
    }
}

#[test]
fn the_command_lines_own_errors_end_as_their_pages_say() {
    use memgate::cli::CliError;
    let errors = [
        CliError::Usage(String::new()),
        CliError::Nothing { place: String::new() },
        CliError::read(Path::new("a"), std::io::ErrorKind::NotFound.into()),
        CliError::write(Path::new("a"), std::io::ErrorKind::NotFound.into()),
        CliError::Labelled { file: String::new(), line: 1, why: String::new() },
        CliError::Format { format: "sarif" },
        CliError::NeedsYes { action: String::new() },
        CliError::Unknown { what: "rule", name: String::new(), near: Vec::new() },
        CliError::Refused { bad: 1, files: 1 },
        CliError::Stopped { signal: memgate::cli::Signal::Interrupt },
        CliError::Internal { report: None },
        CliError::Listen { verb: "listen", source: std::io::ErrorKind::AddrInUse.into() },
    ];
    for error in &errors {
        assert_eq!(codes::find(error.code()).map(|page| page.exit), Some(error.exit().code(false)), "{error:?}");
    }
    let pages = codes::all().filter(|page| page.code.starts_with("cli-")).count();
    assert_eq!(pages, errors.len(), "every page of the command line is tried here");
}
