//! The house as data: who may name whom, who may look at unscanned text, who may touch the world.
//!
//! The compiler does not mind import cycles inside one crate; this test does. The checker is itself tested
//! with planted violations, plain and nested.

use std::collections::BTreeSet;
use std::path::Path;

/// A room and the rooms it may name. Bottom up: every allowed room stands earlier in the table.
///
/// `cli` names `ingest`, `detect` and `grade` beside what stands in front of it, because `scan`, `decode` and
/// the drift simulation are pure and need no store; everything that changes something goes through `firewall`.
const ROOMS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("notes", &["domain"]),
    ("ingest", &["domain", "notes"]),
    ("auth", &["domain"]),
    ("ruleset", &["domain"]),
    ("detect", &["domain", "notes", "ruleset"]),
    ("gate", &["domain", "auth", "detect"]),
    ("ledger", &["domain", "gate"]),
    ("consolidate", &["domain", "notes", "ingest", "ledger"]),
    ("grade", &["domain", "ingest", "ledger"]),
    ("store", &["domain", "gate", "ledger"]),
    ("witness", &["domain", "ledger", "store"]),
    ("report", &["domain", "notes", "ruleset", "detect", "gate", "ledger", "consolidate", "grade"]),
    ("config", &["domain", "auth", "ruleset", "gate", "ledger", "store"]),
    (
        "firewall",
        &[
            "domain",
            "notes",
            "ingest",
            "auth",
            "ruleset",
            "detect",
            "gate",
            "ledger",
            "consolidate",
            "grade",
            "store",
            "config",
        ],
    ),
    ("service", &["domain", "ingest", "auth", "detect", "gate", "store", "firewall"]),
    // Handlers parse, call one operation, and render what it answers; the console's pages show text through `report`.
    ("http", &["domain", "auth", "witness", "report", "service"]),
    ("auditor", &["domain", "auth", "ruleset", "detect", "ledger", "grade", "store", "config"]),
    // Beside the verbs, `cli` renders plans, held items, findings and grades: their types, nothing that decides.
    (
        "cli",
        &[
            "domain",
            "ingest",
            "auth",
            "ruleset",
            "detect",
            "gate",
            "consolidate",
            "grade",
            "report",
            "config",
            "firewall",
            "service",
            "witness",
            "http",
            "auditor",
        ],
    ),
    ("manual", &[]),
];

/// Rooms that may look at text nobody has scanned.
const LOUD: &[&str] = &["domain", "ingest", "detect", "gate", "consolidate", "report", "firewall", "service"];

/// Types that prove something. They have private fields, one mint, and are never copied or read back.
const PROOFS: &[&str] = &["Scanned", "Approved", "SignedVersion", "Granted"];

/// Traits no proof may have: each would make one out of nothing, or two out of one.
const FORBIDDEN_TRAITS: &[&str] = &["Clone", "Copy", "Default", "Deserialize", "From", "TryFrom"];

/// What touches the world, and the rooms that may.
const WORLD: &[(&str, &[&str])] = &[
    ("std::fs", &["store", "witness", "config", "firewall", "service", "auditor", "cli"]),
    ("std::env", &["config", "cli"]),
    ("std::net", &["http", "cli"]),
    ("std::process::Command", &["firewall", "cli"]),
    ("SystemTime::now", &["firewall", "service", "auditor", "cli"]),
    ("Instant::now", &["firewall", "http", "auditor", "cli"]),
    ("getrandom::", &["firewall", "service", "store"]),
    ("std::io::stdout", &["cli"]),
    ("std::io::stdin", &["cli"]),
    ("println!", &[]),
    ("print!", &[]),
    ("dbg!", &[]),
    ("extern crate", &[]),
];

/// A source file: its path below `src/`, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }
    fn room(&self) -> Option<&str> {
        self.path.split_once('/').map(|(room, _)| room)
    }
    fn line(&self, at: usize) -> usize {
        self.text[..at].matches('\n').count() + 1
    }
}

fn sources() -> Vec<Source> {
    fn collect(folder: &Path, root: &Path, out: &mut Vec<Source>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, root, out);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
                out.push(Source::new(&name, &std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut out = Vec::new();
    collect(&root, &root, &mut out);
    out.sort_by(|a, b| a.path.cmp(&b.path));
    out
}

/// The source with comments, strings and character literals blanked; every byte keeps its place.
fn code(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let blank = |out: &mut Vec<u8>, from: usize, to: usize| {
        for byte in &mut out[from..to.min(bytes.len())] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    };
    let find =
        |from: usize, what: &[u8]| (from..bytes.len()).find(|at| bytes[*at..].starts_with(what)).unwrap_or(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let word_before = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
        let end = if rest.starts_with(b"//") {
            find(at, b"\n")
        } else if rest.starts_with(b"/*") {
            let (mut depth, mut end) = (1, at + 2);
            while depth > 0 && end < bytes.len() {
                if bytes[end..].starts_with(b"/*") {
                    (depth, end) = (depth + 1, end + 2);
                } else if bytes[end..].starts_with(b"*/") {
                    (depth, end) = (depth - 1, end + 2);
                } else {
                    end += 1;
                }
            }
            end
        } else if let Some(hashes) = raw_string(rest).filter(|_| !word_before) {
            let open = at + rest.iter().position(|byte| *byte == b'"').unwrap() + 1;
            let close = [b"\"".as_slice(), "#".repeat(hashes).as_bytes()].concat();
            find(open, &close) + close.len()
        } else if rest[0] == b'"' {
            let mut end = at + 1;
            while end < bytes.len() && bytes[end] != b'"' {
                end += if bytes[end] == b'\\' { 2 } else { 1 };
            }
            end + 1
        } else if rest[0] == b'\'' {
            // A character literal closes; a lifetime does not.
            let literal = if rest.get(1) == Some(&b'\\') {
                rest.iter().skip(3).position(|byte| *byte == b'\'').map(|n| n + 4)
            } else {
                text[at + 1..]
                    .chars()
                    .next()
                    .map(char::len_utf8)
                    .filter(|n| rest.get(n + 1) == Some(&b'\''))
                    .map(|n| n + 2)
            };
            match literal {
                Some(length) => at + length,
                None => {
                    at += 1;
                    continue;
                }
            }
        } else {
            at += 1;
            continue;
        };
        blank(&mut out, at, end);
        at = end;
    }
    String::from_utf8(out).unwrap()
}

fn raw_string(rest: &[u8]) -> Option<usize> {
    let rest = rest.strip_prefix(b"b").unwrap_or(rest).strip_prefix(b"r")?;
    let hashes = rest.iter().take_while(|byte| **byte == b'#').count();
    (rest.get(hashes) == Some(&b'"')).then_some(hashes)
}

/// Blanks every item that is compiled for tests only.
fn without_tests(code: &str) -> String {
    let mut out = code.as_bytes().to_vec();
    for mark in ["#[cfg(test)]", "#[cfg(all(test,"] {
        let mut from = 0;
        while let Some(found) = code[from..].find(mark) {
            let start = from + found;
            let end = block_end(code, start + mark.len());
            for byte in &mut out[start..end] {
                if *byte != b'\n' {
                    *byte = b' ';
                }
            }
            from = end;
        }
    }
    String::from_utf8(out).unwrap()
}

/// The end of the item that starts at `from`: its closing brace, or its semicolon.
fn block_end(code: &str, from: usize) -> usize {
    let mut depth = 0usize;
    for (at, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth <= 1 => return at + 1,
            b'}' => depth -= 1,
            b';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

/// Places where `word` stands as a whole word.
fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let bytes = code.as_bytes();
        let joined_before =
            part(word.as_bytes().first()) && part(at.checked_sub(1).and_then(|before| bytes.get(before)));
        let joined_after = part(word.as_bytes().last()) && part(bytes.get(at + word.len()));
        !joined_before && !joined_after
    })
}

/// First names after a path start such as `crate`, also inside braces: `crate::{a::b, c::{d}}` gives `a` and `c`.
fn first_names(code: &str, start: &str) -> Vec<(usize, String)> {
    let mut out = Vec::new();
    for at in words(code, start) {
        let Some(rest) = code[at + start.len()..].trim_start().strip_prefix("::") else { continue };
        let rest = rest.trim_start();
        if let Some(group) = rest.strip_prefix('{') {
            let (mut depth, mut current) = (1, String::new());
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => {}
                }
                if depth == 0 || (depth == 1 && c == ',') {
                    out.push((at, name_of(&current)));
                    current.clear();
                } else {
                    current.push(c);
                }
                if depth == 0 {
                    break;
                }
            }
        } else {
            out.push((at, name_of(rest)));
        }
    }
    out.retain(|(_, name)| !name.is_empty());
    out
}

fn name_of(path: &str) -> String {
    let path = path.trim_start();
    let raw = path.strip_prefix("r#").unwrap_or(path);
    if raw.starts_with('*') {
        return "*".to_owned();
    }
    raw.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Everything that is wrong with these sources.
fn violations(files: &[Source]) -> Vec<String> {
    let mut out = Vec::new();
    for file in files {
        let Some(room) = file.room() else { continue };
        let whole = code(&file.text);
        let live = without_tests(&whole);
        let mut say = |at: usize, what: String| out.push(format!("src/{}:{}: {what}", file.path, file.line(at)));
        let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            say(0, format!("room `{room}` is not in the table"));
            continue;
        };
        for (at, name) in first_names(&whole, "crate") {
            if name == "*" || name == "self" {
                say(at, "imports the whole crate".to_owned());
            } else if name != room && ROOMS.iter().any(|(other, _)| *other == name) && !allowed.contains(&name.as_str())
            {
                say(at, format!("`{room}` may not name `{name}`"));
            }
        }
        for at in words(&whole, "use crate as").chain(words(&whole, "use super as")) {
            say(at, "gives a path a new name".to_owned());
        }
        for (at, name) in first_names(&whole, "super") {
            if name == "super" {
                say(at, "`super::super` hides which room is named".to_owned());
            }
            // In a room's own mod.rs, `super` is the crate.
            let own_child = files.iter().any(|other| {
                other.path == format!("{room}/{name}.rs") || other.path == format!("{room}/{name}/mod.rs")
            });
            if file.path == format!("{room}/mod.rs") && ROOMS.iter().any(|(other, _)| *other == name) && !own_child {
                say(at, format!("`{room}` reaches `{name}` through `super`"));
            }
        }
        for accessor in ["peek_unscanned", "take_unscanned"] {
            for at in words(&live, accessor) {
                if !LOUD.contains(&room) {
                    say(at, format!("`{room}` may not call `{accessor}`"));
                }
            }
        }
        for (call, rooms) in WORLD {
            for at in words(&live, call) {
                if !rooms.contains(&room) {
                    say(at, format!("`{room}` may not use `{call}`"));
                }
            }
        }
        // `use std::{fs, …}` names them without the path the list above looks for.
        for (at, name) in first_names(&live, "std") {
            let listed = WORLD.iter().find(|(call, _)| call.strip_prefix("std::") == Some(&name));
            if listed.is_some_and(|(_, rooms)| !rooms.contains(&room)) {
                say(at, format!("`{room}` may not use `std::{name}`"));
            }
        }
        for proof in PROOFS {
            proof_rules(&live, proof, &mut say);
        }
    }
    out
}

fn proof_rules(live: &str, proof: &str, say: &mut impl FnMut(usize, String)) {
    for at in words(live, &format!("struct {proof}")).chain(words(live, &format!("enum {proof}"))) {
        // Attributes stand between the item before and this one.
        let before = &live[..at];
        let attributes = &before[before.rfind(['}', ';']).map_or(0, |end| end + 1)..];
        for name in FORBIDDEN_TRAITS {
            if attributes.contains("derive") && words(attributes, name).next().is_some() {
                say(at, format!("proof `{proof}` derives `{name}`"));
            }
        }
        let body = &live[at..block_end(live, at)];
        let inside = body.find(['{', '(']).map_or("", |open| &body[open..]);
        if words(inside, "pub").next().is_some() {
            say(at, format!("proof `{proof}` has a field that is not private"));
        }
    }
    for at in words(live, "impl") {
        let block = &live[at..block_end(live, at)];
        let head = &block[..block.find('{').unwrap_or(block.len())];
        let target = head.rsplit(" for ").next().unwrap_or(head);
        if words(target, proof).next().is_none() {
            continue;
        }
        if let Some((interface, _)) = head.split_once(" for ") {
            for name in FORBIDDEN_TRAITS {
                // `From<Scanned> for Other` is fine; `From<Other> for Scanned` is a second mint.
                let owner = interface.trim_start_matches("impl");
                if words(owner, name).next().is_some()
                    && words(target.split('<').next().unwrap_or(target), proof).next().is_some()
                {
                    say(at, format!("proof `{proof}` implements `{name}`"));
                }
            }
            continue;
        }
        for visible in
            ["pub fn new", "pub const fn new", "pub(crate) fn new", "pub(crate) const fn new", "pub(super) fn new"]
        {
            for place in words(block, visible) {
                say(at + place, format!("proof `{proof}` has a constructor that others can call"));
            }
        }
        for place in words(block, "pub(crate) fn").chain(words(block, "pub(crate) const fn")) {
            let signature = &block[place..block[place..].find('{').map_or(block.len(), |end| place + end)];
            let answer = signature.split_once("->").map_or("", |(_, answer)| answer);
            if words(answer, "Self").next().is_some() || words(answer, proof).next().is_some() {
                say(at + place, format!("proof `{proof}` can be made by the whole crate"));
            }
        }
    }
}

#[test]
fn the_table_is_bottom_up() {
    let mut earlier = BTreeSet::new();
    for (room, allowed) in ROOMS {
        for name in *allowed {
            assert!(earlier.contains(name), "`{room}` may name `{name}`, which does not come earlier");
        }
        assert!(earlier.insert(room), "`{room}` stands twice");
    }
}

#[test]
fn the_table_and_the_source_have_the_same_rooms() {
    let files = sources();
    let there: BTreeSet<&str> = files.iter().filter_map(Source::room).collect();
    let table: BTreeSet<&str> = ROOMS.iter().map(|(room, _)| *room).collect();
    assert_eq!(there, table);
    let top: Vec<&str> = files.iter().map(|file| file.path.as_str()).filter(|path| !path.contains('/')).collect();
    assert_eq!(top, ["lib.rs", "main.rs"]);
}

#[test]
fn no_room_reaches_where_it_may_not() {
    let found = violations(&sources());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_room_says_what_it_is_for() {
    for file in sources().iter().filter(|file| file.path.ends_with("/mod.rs") && file.path.matches('/').count() == 1) {
        let header: String = file.text.lines().take_while(|line| line.starts_with("//!")).collect();
        for part in ["For:", "In:", "Out:", "May touch:", "Never:"] {
            // A room that is only a place yet has one line.
            assert!(header.contains(part) || header.len() < 40, "src/{} has no `{part}`", file.path);
        }
    }
}

#[test]
fn error_codes_never_repeat() {
    let mut seen = std::collections::BTreeMap::<String, String>::new();
    for file in sources() {
        let live = without_tests(&code(&file.text));
        for at in words(&live, "fn code") {
            // Codes are string literals, which `code` blanked: read them from the text at the same place.
            let body = &file.text[at..block_end(&live, at)];
            for literal in body.split('"').skip(1).step_by(2) {
                assert!(
                    literal
                        .split('-')
                        .all(|part| !part.is_empty()
                            && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())),
                    "src/{}: code {literal:?} is not kebab-case",
                    file.path
                );
                if let Some(other) = seen.insert(literal.to_owned(), file.path.clone()) {
                    assert_eq!(other, file.path, "code {literal} stands in two files");
                }
            }
        }
    }
    assert!(seen.keys().any(|code| code.starts_with("cli-")), "the search finds codes");
}

#[test]
fn every_code_of_the_command_line_has_a_page() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/error.rs")).unwrap();
    let start = text.find("pub const fn code").unwrap();
    let body = &text[start..block_end(&code(&text), start)];
    let mut codes: Vec<&str> = body.split('"').skip(1).step_by(2).collect();
    codes.sort_unstable();
    let pages: Vec<&str> =
        memgate::cli::codes::all().map(|page| page.code).filter(|code| code.starts_with("cli-")).collect();
    assert_eq!(codes, pages);
}

// The checker itself, against planted violations.

fn planted(path: &str, text: &str) -> String {
    violations(&[Source::new(path, text)]).join("\n")
}

#[test]
fn a_planted_upward_import_is_found_plain_nested_and_qualified() {
    for text in [
        "use crate::gate::Decision;",
        "use crate::{domain::Digest, gate::{self, Decision}};",
        "use crate::{\n    domain::{Digest, Span},\n    r#gate,\n};",
        "fn f() { let x = crate :: gate :: decide(); }",
        "fn f() -> crate::gate::Decision { todo() }",
        "macro_rules! m { () => { $crate::gate::x() } }",
        "pub use crate::gate as door;",
        "#[cfg(test)] mod tests { use crate::gate; }",
    ] {
        assert!(planted("detect/scan.rs", text).contains("`detect` may not name `gate`"), "{text}");
    }
    assert!(planted("detect/mod.rs", "use super::gate::Decision;").contains("through `super`"));
    assert!(planted("detect/a/b.rs", "use super::super::super::gate::x;").contains("super::super"));
    assert!(planted("detect/a.rs", "use crate::*;").contains("whole crate"));
    assert!(planted("detect/a.rs", "use crate as c;").contains("new name"));
    assert!(planted("cellar/mod.rs", "fn f() {}").contains("not in the table"));
}

#[test]
fn comments_strings_and_allowed_names_are_quiet() {
    for text in [
        "// crate::gate::x\n/* crate::gate /* nested crate::gate */ */ fn f() {}",
        "const A: &str = \"crate::gate\"; const B: &str = r#\"crate::gate \" x\"#; const C: char = '\"';",
        "use crate::{domain::gate_like, notes::Document, ruleset::RuleSet};",
        "fn f<'a>(x: &'a str) -> &'a str { x } use crate::detect::scan;",
        "//! ```\n//! use memgate::gate;\n//! ```",
    ] {
        assert_eq!(planted("detect/scan.rs", text), "", "{text}");
    }
}

#[test]
fn a_planted_loud_accessor_is_found_outside_the_listed_rooms() {
    assert!(planted("ledger/x.rs", "fn f(u: U) { u.peek_unscanned(); }").contains("peek_unscanned"));
    assert!(planted("cli/x.rs", "fn f(u: U) { U::take_unscanned(u); }").contains("take_unscanned"));
    assert_eq!(planted("detect/x.rs", "fn f(u: U) { u.peek_unscanned(); }"), "");
    assert_eq!(planted("ledger/x.rs", "#[cfg(all(test, unix))]\nmod t { fn f(u: U) { u.peek_unscanned(); } }"), "");
    assert_eq!(planted("ledger/x.rs", "#[cfg(test)]\nmod tests { fn f(u: U) { u.peek_unscanned(); } }"), "");
}

#[test]
fn a_planted_hole_in_a_proof_is_found() {
    for (text, expected) in [
        ("#[derive(Debug, Clone)]\npub struct Approved { a: u8 }", "derives `Clone`"),
        ("#[derive(serde::Deserialize)]\n#[serde(x)]\npub struct SignedVersion(u8);", "derives `Deserialize`"),
        ("pub struct Scanned { pub text: String }", "not private"),
        ("pub struct Granted<A>(pub A);", "not private"),
        ("impl Default for Approved { fn default() -> Self { x() } }", "implements `Default`"),
        ("impl<A> Clone for Granted<A> { fn clone(&self) -> Self { x() } }", "implements `Clone`"),
        ("impl<'de> serde::Deserialize<'de> for Scanned { }", "implements `Deserialize`"),
        ("impl From<String> for Scanned { fn from(x: String) -> Self { y(x) } }", "implements `From`"),
        ("impl Approved { pub(crate) fn new() -> Self { x() } }", "constructor"),
        ("impl Approved { pub fn new() -> Self { x() } }", "constructor"),
        ("impl<A> Granted<A> { pub(crate) fn wave_through(a: A) -> Result<Self, E> { x(a) } }", "whole crate"),
    ] {
        assert!(planted("gate/x.rs", text).contains(expected), "{text}: {}", planted("gate/x.rs", text));
    }
    for text in [
        "#[derive(Debug)]\npub struct Approved { text: String }\nimpl Approved { fn new() -> Self { x() } pub fn text(&self) -> &str { &self.text } }",
        "#[derive(Clone, Default)]\npub struct Other { pub a: u8 }\npub struct Approved { a: u8 }",
        "impl From<Scanned> for Other { fn from(x: Scanned) -> Self { y(x) } }",
        "#[cfg(test)]\nimpl Approved { pub(crate) fn new() -> Self { x() } }",
    ] {
        assert_eq!(planted("gate/x.rs", text), "", "{text}");
    }
}

#[test]
fn a_planted_call_to_the_world_is_found() {
    for text in [
        "fn f() { std::fs::read(x); }",
        "use std::fs;",
        "use std::{fmt, fs};",
        "use std::{collections::BTreeMap, env::{self, var}};",
        "fn f() { std::time::SystemTime::now(); }",
        "fn f() { println!(); }",
        "fn f() { getrandom::fill(x); }",
        "fn f() { std::env::var(x); }",
    ] {
        assert!(planted("detect/x.rs", text).contains("may not use"), "{text}");
    }
    assert_eq!(planted("cli/x.rs", "use std::fs; fn f() { std::time::SystemTime::now(); }"), "");
}
