//! The README's commands are run, in the order of the page, in one empty folder.
//!
//! Convention of the page:
//! - A block with `file=NAME` in its info string is written to that file.
//! - A `console` block holds lines `$ memgate …` (and `$ echo $?`, the exit code of the line before), each followed by what it
//!   prints, standard output first. A command whose exit code is not shown must end with 0.
//! - `[..]` in a line stands for anything in that line; a line `[..]` stands for any number of lines, also none.
//! - Times, ids, digests and folders are compared as marks: every run makes new ones.
//!
//! `MEMGATE_BLESS=1` writes what commands print now into blocks that no longer match. Cuts stay where they are when a line
//! next to them is found again; else the test says which block to cut by hand.

use std::path::Path;

use assert_cmd::Command;

const CUT: &str = "[..]";
/// The figure that changes with every rule; the test keeps it.
const RULES_ROW: &str = "| Rules, in families | ";

fn rule_figure() -> String {
    let rules = memgate::ruleset::RuleSet::builtin().unwrap();
    let family = |rule: &memgate::ruleset::Rule| rule.id.as_str().split('.').next().unwrap_or_default().to_owned();
    let families: std::collections::BTreeSet<String> = rules.rules().iter().map(family).collect();
    format!("{} in {}", rules.rules().len(), families.len())
}

/// One fenced block of the page.
struct Block {
    /// Info string, e.g. `console`.
    info: String,
    /// Index of the first line inside, and of the closing fence.
    lines: std::ops::Range<usize>,
}

fn blocks(page: &[&str]) -> Vec<Block> {
    let mut out = Vec::new();
    let mut open: Option<(String, usize)> = None;
    for (number, line) in page.iter().enumerate() {
        if let Some(info) = line.strip_prefix("```") {
            open = match open {
                None => Some((info.to_owned(), number + 1)),
                Some((info, start)) => {
                    out.push(Block { info, lines: start..number });
                    None
                }
            };
        }
    }
    assert!(open.is_none(), "a fence of the README is not closed");
    out
}

/// What is different in every run becomes a mark.
fn scrub(line: &str, folder: &Path) -> String {
    let mut text = line.to_owned();
    for path in [folder.canonicalize().unwrap(), folder.to_owned()] {
        text = text.replace(&*path.to_string_lossy(), "[DIR]");
    }
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(c) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric();
        let word = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
        let time = rest.get(..11).is_some_and(|t| {
            t.bytes().enumerate().all(|(i, b)| match i {
                4 | 7 => b == b'-',
                10 => b == b'T',
                _ => b.is_ascii_digit(),
            })
        });
        if time {
            let end = rest.find(|c: char| !(is_word(c) || "-:.+".contains(c))).unwrap_or(rest.len());
            out.push_str("[TIME]");
            rest = &rest[end..];
        } else if word.len() >= 12 && word.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            out.push_str("[HEX]");
            rest = &rest[word.len()..];
        } else if !word.is_empty() {
            out.push_str(word);
            rest = &rest[word.len()..];
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out.trim_end().to_owned()
}

/// `[..]` in a line stands for anything.
fn line_matches(expected: &str, found: &str) -> bool {
    let mut parts = expected.split(CUT);
    let Some(mut rest) = found.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    false
}

/// Compares lines; a line that is only `[..]` stands for any number of them.
fn matches(expected: &[String], found: &[String]) -> bool {
    match expected.split_first() {
        None => found.is_empty(),
        Some((cut, rest)) if cut.trim() == CUT => (0..=found.len()).any(|skip| matches(rest, &found[skip..])),
        Some((line, rest)) => {
            found.split_first().is_some_and(|(first, more)| line_matches(line, first) && matches(rest, more))
        }
    }
}

/// The new text of an output that no longer matches: the cuts stay, every part between them is looked up by one of its lines.
fn renew(old: &[String], new: &[String], folder: &Path) -> Option<Vec<String>> {
    let scrubbed: Vec<String> = new.iter().map(|line| scrub(line, folder)).collect();
    if !old.iter().any(|line| line.trim() == CUT) {
        return Some(new.to_vec());
    }
    let mut out = Vec::new();
    let mut from = 0;
    let mut parts = old.split(|line| line.trim() == CUT).peekable();
    let mut first = true;
    while let Some(part) = parts.next() {
        if !first {
            out.push(CUT.to_owned());
        }
        if !part.is_empty() {
            let (start, end) = if first {
                (0, part.len())
            } else if parts.peek().is_none() {
                (new.len().saturating_sub(part.len()), new.len())
            } else {
                let (offset, at) = part.iter().enumerate().find_map(|(offset, line)| {
                    let line = scrub(line, folder);
                    let at = (from..new.len()).find(|at| line_matches(&line, &scrubbed[*at]))?;
                    Some((offset, at))
                })?;
                (at.checked_sub(offset)?, at - offset + part.len())
            };
            if start < from || end > new.len() {
                return None;
            }
            // A line that still matches keeps its own cuts.
            for (line, at) in part.iter().zip(start..end) {
                let keeps = line_matches(&scrub(line, folder), &scrubbed[at]);
                out.push(if keeps { line.clone() } else { new[at].clone() });
            }
            from = end;
        }
        first = false;
    }
    Some(out)
}

/// Splits a command line: blanks separate, single quotes hold together.
fn words(line: &str) -> Vec<String> {
    let mut out = Vec::new();
    for (number, part) in line.split('\'').enumerate() {
        if number % 2 == 1 {
            out.push(part.to_owned());
        } else {
            out.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    out
}

#[test]
fn the_readme_shows_what_the_program_prints() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let page: Vec<&str> = text.lines().collect();
    let bless = std::env::var_os("MEMGATE_BLESS").is_some();
    let folder = tempfile::tempdir().unwrap();
    let mut output: Vec<String> = Vec::new();
    let mut problems = Vec::new();
    let (mut copied, mut commands) = (0, 0);
    for block in blocks(&page) {
        if let Some(name) = block.info.split_whitespace().find_map(|word| word.strip_prefix("file=")) {
            let file = folder.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, page[block.lines.clone()].join("\n") + "\n").unwrap();
        }
        if block.info != "console" {
            continue;
        }
        output.extend(page[copied..block.lines.start].iter().map(|line| (*line).to_owned()));
        copied = block.lines.end;
        let mut lines = page[block.lines.clone()].iter().copied().peekable();
        let mut last = 0;
        while let Some(line) = lines.next() {
            let command = line.strip_prefix("$ ").unwrap_or_else(|| panic!("a console block begins with {line:?}"));
            output.push(line.to_owned());
            let mut expected: Vec<String> = Vec::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with("$ ")) {
                expected.push(line.to_owned());
            }
            let found: Vec<String> = if command == "echo $?" {
                vec![std::mem::take(&mut last).to_string()]
            } else {
                let arguments = words(command);
                assert_eq!(arguments[0], "memgate", "only memgate is run: {command}");
                commands += 1;
                let mut run = Command::cargo_bin("memgate").unwrap();
                run.current_dir(folder.path()).args(&arguments[1..]);
                for name in ["MEMGATE_DATA", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "CI"] {
                    run.env_remove(name);
                }
                let result = run.output().unwrap();
                last = result.status.code().unwrap_or(-1);
                let shows_code = lines.peek() == Some(&"$ echo $?");
                if last != 0 && !shows_code {
                    problems.push(format!("`{command}` ends with {last}, and the page does not show it"));
                }
                let all = [result.stdout, result.stderr].concat();
                String::from_utf8(all).unwrap().lines().map(str::to_owned).collect()
            };
            let scrubbed =
                |lines: &[String]| -> Vec<String> { lines.iter().map(|l| scrub(l, folder.path())).collect() };
            if matches(&scrubbed(&expected), &scrubbed(&found)) {
                output.extend(expected);
                continue;
            }
            match renew(&expected, &found, folder.path()).filter(|_| bless) {
                Some(renewed) => output.extend(renewed.iter().map(|line| line.trim_end().to_owned())),
                None => {
                    problems.push(format!(
                        "`{command}` prints something else (MEMGATE_BLESS=1 rewrites it, or cut it by hand):\n{}",
                        found.join("\n")
                    ));
                    output.extend(expected);
                }
            }
        }
    }
    output.extend(page[copied..].iter().map(|line| (*line).to_owned()));
    for line in output.iter_mut().filter(|line| line.starts_with(RULES_ROW)) {
        let row = format!("{RULES_ROW}{} | `memgate rules list` |", rule_figure());
        if *line != row && !bless {
            problems.push(format!("the figure is now: {row}"));
        }
        *line = row;
    }
    let renewed = output.join("\n") + "\n";
    if bless && renewed != text {
        std::fs::write(&path, renewed).unwrap();
    }
    assert!(commands >= 8, "the page's commands are found: {commands}");
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}

#[test]
fn a_cut_stands_for_lines_and_a_changed_line_is_seen() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(matches(&lines("a\n[..]\nd"), &lines("a\nb\nc\nd")));
    assert!(matches(&lines("a\n[..]\nd"), &lines("a\nd")));
    assert!(matches(&lines("[..] of [..] kept"), &lines("48 of 49 kept")));
    assert!(!matches(&lines("[..] of [..] kept"), &lines("48 of 49 lost")));
    assert!(!matches(&lines("a\n[..]\nd"), &lines("a\nb\nc")));
    assert!(!matches(&lines("a"), &lines("a\nb")));
    let folder = tempfile::tempdir().unwrap();
    let same = |a: &str, b: &str| scrub(a, folder.path()) == scrub(b, folder.path());
    assert!(same("id hold_0123456789ab at 2026-01-02T03:04:05.678Z,", "id hold_ba9876543210 at 2027-01-02T03:04:05Z,"));
    assert!(!same("4 notes", "5 notes"));
    assert!(!same("held 2026-01-02", "held 2026-01-03"));
}

#[test]
fn a_renewed_block_keeps_its_cuts() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let folder = tempfile::tempdir().unwrap();
    let renewed =
        renew(&lines("a 1\n[..]\nmiddle\nm 2\n[..]\nz"), &lines("a 2\nx\ny\nmiddle\nm 3\nw\nz"), folder.path());
    assert_eq!(renewed, Some(lines("a 2\n[..]\nmiddle\nm 3\n[..]\nz")));
    assert_eq!(renew(&lines("a\n[..]\nmiddle\n[..]\nz"), &lines("a\nb\nz"), folder.path()), None);
}

/// The page states the same exit codes as the program.
#[test]
fn the_readme_has_every_exit_code() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let output =
        Command::cargo_bin("memgate").unwrap().current_dir(&folder).args(["explain", "exit-codes"]).output().unwrap();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let (code, meaning) = line.trim().split_once("  ").unwrap();
        let in_range = (11..=15).contains(&code.parse::<u32>().unwrap());
        let row = text.lines().find(|row| row.starts_with(&format!("| {code} | ")));
        let signal = matches!(code, "130" | "143");
        assert!(row.is_some() || in_range || signal, "no row for exit code {code}");
        if let Some(row) = row {
            let first = meaning.split([':', ';', '(']).next().unwrap().trim();
            assert!(row.contains(first), "{row:?} does not say {first:?}");
        }
    }
}
