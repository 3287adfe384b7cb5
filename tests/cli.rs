//! The binary as a user runs it: case files under `tests/cli/`, help texts, streams.
//!
//! A case file says what it is for, which files lie in the folder, which arguments are given and what must come
//! out. See [`Case`] for its members. `MEMGATE_BLESS=1` rewrites the golden help texts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// The claim, one sentence.
    about: String,
    /// Arguments after the program's name. `[DIR]` is the case's folder.
    args: Vec<String>,
    /// Standard input.
    #[serde(default)]
    stdin: Content,
    /// The exit code.
    exit: i32,
    /// Environment variables.
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// Files in the folder the command runs in.
    #[serde(default)]
    files: BTreeMap<String, Content>,
    #[serde(default)]
    stdout: Expect,
    #[serde(default)]
    stderr: Expect,
    /// Files after the run.
    #[serde(default)]
    after: BTreeMap<String, Expect>,
    /// True when the command may use colours, so escape sequences of ours are allowed.
    #[serde(default)]
    colored: bool,
}

/// A file's content.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Hex { hex: String },
    Repeat { repeat: String, times: usize },
    Link { link: String },
    Folder { folder: bool },
}

impl Default for Content {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl Content {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Hex { hex } => data_encoding::HEXLOWER.decode(hex.as_bytes()).expect("hex"),
            Self::Repeat { repeat, times } => repeat.repeat(*times).into_bytes(),
            Self::Link { .. } | Self::Folder { .. } => Vec::new(),
        }
    }
    fn place(&self, path: &Path) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        match self {
            #[cfg(unix)]
            Self::Link { link } => std::os::unix::fs::symlink(link, path).unwrap(),
            Self::Folder { folder } => {
                assert!(*folder);
                std::fs::create_dir_all(path).unwrap();
            }
            _ => std::fs::write(path, self.bytes()).unwrap(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    /// The whole text.
    equals: Option<String>,
    /// Parts, in any order.
    #[serde(default)]
    contains: Vec<String>,
    /// Parts that must not be there.
    #[serde(default)]
    lacks: Vec<String>,
    /// JSON pointers and the values they must have.
    #[serde(default)]
    json: BTreeMap<String, toml::Value>,
    /// Nothing at all.
    #[serde(default)]
    empty: bool,
}

impl Expect {
    fn check(&self, name: &str, text: &str, out: &mut Vec<String>) {
        if let Some(whole) = &self.equals
            && whole != text
        {
            out.push(format!("{name} differs, expected:\n{whole}"));
        }
        for part in self.contains.iter().filter(|part| !text.contains(part.as_str())) {
            out.push(format!("{name} lacks {part:?}"));
        }
        for part in self.lacks.iter().filter(|part| text.contains(part.as_str())) {
            out.push(format!("{name} contains {part:?}"));
        }
        if self.empty && !text.is_empty() {
            out.push(format!("{name} is not empty"));
        }
        if !self.json.is_empty() {
            match serde_json::from_str::<serde_json::Value>(text) {
                Err(problem) => out.push(format!("{name} is not JSON: {problem}")),
                Ok(value) => {
                    for (pointer, expected) in &self.json {
                        let expected = serde_json::to_value(expected).unwrap();
                        let found = value.pointer(pointer);
                        if found != Some(&expected) {
                            out.push(format!("{name}{pointer} is {found:?}, expected {expected}"));
                        }
                    }
                }
            }
        }
    }
}

fn memgate(folder: &Path) -> Command {
    let mut command = Command::cargo_bin("memgate").unwrap();
    command.current_dir(folder);
    for name in
        ["MEMGATE_DATA", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "CI", "RUST_BACKTRACE"]
    {
        command.env_remove(name);
    }
    command
}

fn scrub(text: &[u8], folder: &Path) -> String {
    let text = String::from_utf8(text.to_vec()).expect("output is UTF-8");
    let real = folder.canonicalize().unwrap();
    text.replace(&*real.to_string_lossy(), "[DIR]").replace(&*folder.to_string_lossy(), "[DIR]")
}

/// Characters that would act on a terminal, or change the order of what is read.
fn acting(text: &str) -> Option<char> {
    text.chars().find(|c| {
        *c != '\n' && (c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{e0000}'..='\u{e01ef}'))
    })
}

fn run_case(path: &Path) -> Vec<String> {
    let case: Case = match toml::from_str(&std::fs::read_to_string(path).unwrap()) {
        Ok(case) => case,
        Err(problem) => return vec![format!("not a case: {problem}")],
    };
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in &case.files {
        content.place(&folder.path().join(name));
    }
    let args = case.args.iter().map(|arg| arg.replace("[DIR]", &folder.path().to_string_lossy()));
    let Output { status, stdout, stderr } =
        memgate(folder.path()).args(args).envs(&case.env).write_stdin(case.stdin.bytes()).output().unwrap();
    let (stdout, stderr) = (scrub(&stdout, folder.path()), scrub(&stderr, folder.path()));
    let mut out = Vec::new();
    if status.code() != Some(case.exit) {
        out.push(format!("exit code {:?}, expected {}", status.code(), case.exit));
    }
    case.stdout.check("stdout", &stdout, &mut out);
    case.stderr.check("stderr", &stderr, &mut out);
    for (name, expect) in &case.after {
        match std::fs::read(folder.path().join(name)) {
            Ok(bytes) => expect.check(name, &scrub(&bytes, folder.path()), &mut out),
            Err(problem) => out.push(format!("{name}: {problem}")),
        }
    }
    for (name, text) in [("stdout", &stdout), ("stderr", &stderr)] {
        if let Some(c) = acting(text).filter(|_| !case.colored) {
            out.push(format!("{name} holds U+{:04X}", u32::from(c)));
        }
    }
    if !out.is_empty() {
        out.insert(0, case.about);
        out.push(format!("stdout:\n{stdout}\nstderr:\n{stderr}"));
    }
    out
}

fn case_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    paths
}

#[test]
fn every_case_file_comes_out_as_it_says() {
    let paths = case_files();
    assert!(paths.len() >= 10, "case files are found");
    let only = std::env::var("MEMGATE_CASE").unwrap_or_default();
    let mut failed = Vec::new();
    for path in paths.iter().filter(|path| path.to_string_lossy().contains(&only)) {
        let problems = run_case(path);
        if !problems.is_empty() {
            failed.push(format!("{}: {}", path.file_name().unwrap().to_string_lossy(), problems.join("\n  ")));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[test]
fn help_texts_are_what_was_reviewed() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = String::new();
    let mut pending = vec![Vec::<String>::new()];
    while let Some(path) = pending.pop() {
        let output = memgate(folder.path()).args(&path).arg("--help").output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{path:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("Examples:") || text.contains("example"), "{path:?} has no examples");
        all.push_str(&format!("===== memgate {}\n{text}\n", path.join(" ")));
        let mut node = memgate::cli::command_tree();
        for name in &path {
            node = node.find_subcommand(name).unwrap().clone();
        }
        let mut children: Vec<String> = node.get_subcommands().map(|child| child.get_name().to_owned()).collect();
        children.reverse();
        pending.extend(children.into_iter().filter(|name| name != "help").map(|name| {
            let mut path = path.clone();
            path.push(name);
            path
        }));
    }
    golden("help.txt", &all);
}

/// Compares with a golden file, or rewrites it when `MEMGATE_BLESS` is set.
fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("MEMGATE_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    let line = golden.lines().zip(text.lines()).position(|(a, b)| a != b);
    assert!(
        golden == text,
        "tests/golden/{name} differs (first at line {:?}); MEMGATE_BLESS=1 rewrites it",
        line.map(|n| n + 1)
    );
}

#[test]
fn the_command_tree_is_consistent() {
    memgate::cli::command_tree().debug_assert();
}

#[test]
fn a_closed_pipe_is_a_quiet_end() {
    use std::process::{Command as Plain, Stdio};
    let mut child = Plain::new(assert_cmd::cargo::cargo_bin("memgate"))
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A program that reads `memgate/NAME/1` has to know what it gets.
#[test]
fn a_schema_name_stands_for_one_form() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli");
    let mut homes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in walkdir::WalkDir::new(&root) {
        let entry = entry.unwrap();
        if entry.path().extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = std::fs::read_to_string(entry.path()).unwrap();
        let name = entry.path().strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        for part in text.split("\"schema\": \"").skip(1) {
            let schema = part.split('"').next().unwrap().to_owned();
            let list = homes.entry(schema).or_default();
            if !list.contains(&name) {
                list.push(name.clone());
            }
        }
    }
    assert!(homes.len() > 15, "{homes:?}");
    let twice: Vec<_> = homes.iter().filter(|(_, homes)| homes.len() > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}
