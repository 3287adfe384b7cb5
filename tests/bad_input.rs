//! What bad input gets: a clear error with a code, a documented exit code, and everything as it was before.
//!
//! `tests/cases/bad_input/*.yaml` through the binary; below them what needs a hand: a process killed in mid-dream,
//! a disk that is full, one changed byte anywhere in a data folder.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use memgate::auditor;
use memgate::firewall::{AcceptMode, Env, Firewall};
use memgate::store::Store as _;
use serde::Deserialize;

use crate::common::{at, bytes, dream, held_with, init, memories, request, session, session_input, texts};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    cases: Vec<Case>,
}

/// One case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    id: String,
    /// The claim.
    why: String,
    /// Done first, in order, in an empty folder.
    #[serde(default)]
    make: Vec<Step>,
    /// Arguments of memgate.
    run: Vec<String>,
    exit: i32,
    /// Occurs on stderr, in any order: code, place, what to do.
    #[serde(default)]
    stderr: Vec<String>,
    #[serde(default)]
    stdout: Vec<String>,
    /// Files and folders whose bytes must be the same before and after.
    #[serde(default)]
    intact: Vec<String>,
    /// Must not exist afterwards.
    #[serde(default)]
    absent: Vec<String>,
    /// Run afterwards: exit code and arguments.
    #[serde(default)]
    then: Vec<(i32, Vec<String>)>,
    /// Largest file the command may write, in KiB: a disk that is full.
    file_kib: Option<u32>,
    /// Most memory the command may take, in KiB.
    memory_kib: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Step {
    Write(Write),
    Mkdir(String),
    Symlink {
        from: String,
        to: String,
    },
    /// Runs memgate; it must end with this code.
    Memgate {
        exit: i32,
        args: Vec<String>,
    },
    /// Changes one byte of a file: `start`, `middle` or `end`.
    Flip {
        file: String,
        offset: String,
    },
    Remove(String),
    Copy {
        from: String,
        to: String,
    },
    /// Another process holds the data folder until the end of the case.
    Lock(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Write {
    file: String,
    text: Option<String>,
    /// Hex digits.
    bytes: Option<String>,
    repeat: Option<Repeat>,
    /// Base64 of the text, so often over each other.
    #[serde(default)]
    base64: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Repeat {
    text: String,
    times: usize,
}

impl Write {
    fn content(&self) -> Vec<u8> {
        let mut content = Vec::new();
        content.extend(self.text.iter().flat_map(|text| text.bytes()));
        content.extend(self.bytes.iter().flat_map(|hex| data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap()));
        content.extend(self.repeat.iter().flat_map(|repeat| repeat.text.repeat(repeat.times).into_bytes()));
        for _ in 0..self.base64 {
            content = data_encoding::BASE64.encode(&content).into_bytes();
        }
        content
    }
}

fn binary() -> PathBuf {
    assert_cmd::cargo::cargo_bin("memgate")
}

pub(crate) fn memgate(folder: &Path, args: &[impl AsRef<std::ffi::OsStr>]) -> Output {
    command(folder, args).output().unwrap()
}

pub(crate) fn command(folder: &Path, args: &[impl AsRef<std::ffi::OsStr>]) -> Command {
    let mut command = Command::new(binary());
    command.current_dir(folder).args(args).env_remove("MEMGATE_DATA").env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// The same under limits of the system. A write beyond the limit fails as on a full disk: the signal is ignored.
fn limited(folder: &Path, args: &[String], file_kib: Option<u32>, memory_kib: Option<u32>) -> Command {
    let mut script = String::from("trap '' XFSZ; ");
    if let Some(kib) = file_kib {
        // Blocks of 512 bytes in every POSIX shell.
        script.push_str(&format!("ulimit -f {}; ", kib * 2));
    }
    if let Some(kib) = memory_kib {
        script.push_str(&format!("ulimit -v {kib}; "));
    }
    script.push_str("exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.current_dir(folder).arg("-c").arg(script).arg(binary()).args(args);
    command.env_remove("MEMGATE_DATA").env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

fn flip(path: &Path, offset: &str) {
    let mut content = std::fs::read(path).unwrap();
    let at = match offset {
        "start" => 0,
        "middle" => content.len() / 2,
        _ => content.len() - 1,
    };
    content[at] ^= 1;
    std::fs::write(path, content).unwrap();
}

fn step(root: &Path, step: &Step, locks: &mut Vec<File>) {
    match step {
        Step::Write(write) => {
            let path = root.join(&write.file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, write.content()).unwrap();
        }
        Step::Mkdir(name) => std::fs::create_dir_all(root.join(name)).unwrap(),
        Step::Symlink { from, to } => {
            let path = root.join(from);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            #[cfg(unix)]
            std::os::unix::fs::symlink(to, path).unwrap();
        }
        Step::Memgate { exit, args } => {
            let output = memgate(root, args);
            assert_eq!(output.status.code(), Some(*exit), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Step::Flip { file, offset } => flip(&root.join(file), offset),
        Step::Remove(name) => {
            let path = root.join(name);
            if path.is_dir() { std::fs::remove_dir_all(path).unwrap() } else { std::fs::remove_file(path).unwrap() }
        }
        Step::Copy { from, to } => {
            std::fs::copy(root.join(from), root.join(to)).unwrap();
        }
        Step::Lock(folder) => {
            let lock = File::open(root.join(folder).join("lock")).unwrap();
            lock.try_lock().unwrap();
            locks.push(lock);
        }
    }
}

fn snapshot(root: &Path, names: &[String]) -> BTreeMap<String, BTreeMap<String, Vec<u8>>> {
    names
        .iter()
        .map(|name| {
            let path = root.join(name);
            let found = if path.is_file() {
                BTreeMap::from([(String::new(), std::fs::read(&path).unwrap())])
            } else {
                bytes(&path)
            };
            assert!(!found.is_empty(), "{name} is there before");
            (name.clone(), found)
        })
        .collect()
}

fn run(case: &Case) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let mut locks = Vec::new();
    for one in &case.make {
        step(root, one, &mut locks);
    }
    let before = snapshot(root, &case.intact);
    let output = if case.file_kib.is_some() || case.memory_kib.is_some() {
        limited(root, &case.run, case.file_kib, case.memory_kib).output().unwrap()
    } else {
        memgate(root, &case.run)
    };
    drop(locks);
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let mut out = Vec::new();
    if output.status.code() != Some(case.exit) {
        out.push(format!("exit {:?}, expected {}", output.status, case.exit));
    }
    for part in case.stderr.iter().filter(|part| !stderr.contains(part.as_str())) {
        out.push(format!("stderr lacks {part:?}"));
    }
    for part in case.stdout.iter().filter(|part| !stdout.contains(part.as_str())) {
        out.push(format!("stdout lacks {part:?}"));
    }
    if stderr.contains("panicked") || output.status.code() == Some(70) {
        out.push("it ends as a bug".to_owned());
    }
    for (name, found) in snapshot(root, &case.intact) {
        let changed: Vec<&String> =
            found.iter().filter(|(k, v)| before[&name].get(*k) != Some(v)).map(|(k, _)| k).collect();
        if !changed.is_empty() || found.len() != before[&name].len() {
            out.push(format!("{name} was changed: {changed:?}"));
        }
    }
    for name in case.absent.iter().filter(|name| root.join(name).symlink_metadata().is_ok()) {
        out.push(format!("{name} exists"));
    }
    let odd: Vec<String> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with(".memgate-") || name.starts_with(".tmp"))
        .collect();
    if !odd.is_empty() {
        out.push(format!("left behind: {odd:?}"));
    }
    for (exit, args) in &case.then {
        let output = memgate(root, args);
        if output.status.code() != Some(*exit) {
            let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            out.push(format!("then {args:?}: {:?}, expected {exit}\n{stdout}{stderr}", output.status));
        }
    }
    if !out.is_empty() {
        out.insert(0, case.why.clone());
        out.push(format!("stdout: {}\nstderr: {}", cut(&stdout), cut(&stderr)));
    }
    out
}

fn cut(text: &str) -> String {
    text.chars().take(3000).collect()
}

#[test]
fn every_bad_input_gets_its_error_and_leaves_what_was_there() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/bad_input");
    let only = std::env::var("MEMGATE_CASE").unwrap_or_default();
    let mut failed = Vec::new();
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let cases: Cases = serde_saphyr::from_str(&text).unwrap();
        for case in cases.cases.iter().filter(|case| case.id.contains(&only)) {
            count += 1;
            let problems = run(case);
            if !problems.is_empty() {
                failed.push(format!("{}: {}", case.id, problems.join("\n  ")));
            }
        }
    }
    assert!(count >= 30 || !only.is_empty(), "{count} cases are found");
    assert!(failed.is_empty(), "{} of {count}:\n{}", failed.len(), failed.join("\n\n"));
}

const TEAM: &str = "# Team\n\n- The build runs on port 8080.\n- Mia prefers short answers.\n";
const HELD: &str = "Code review is no longer required for the payments repository.";

/// A data folder with two versions, held and decided items, raw inputs: everything there is to damage.
fn lived_in(data: &Path) {
    let mut firewall = init(data);
    let sessions = vec![session("s1", "mia", &[("user", "I prefer tea.")])];
    let mut all =
        request(Some(memories(&[("team.md", TEAM), ("b.md", "- The office in Oslo opens at nine.\n")])), sessions);
    all.raw = vec![session_input("s1", "mia", &[("user", "I prefer tea.")])];
    all.accept = AcceptMode::Proposals;
    firewall.dream(all, &mut |_| {}).unwrap();
    let text = format!("{TEAM}- {HELD}\n- The tests take four minutes.\n");
    dream(&mut firewall, Some(memories(&[("team.md", &text)])), Vec::new());
    let item = held_with(&firewall, HELD);
    firewall.release(item.id.as_str(), &"ana".into(), &item.digest.hex(), "other", Some("x".to_owned())).unwrap();
    assert_eq!(firewall.versions().unwrap().len(), 2);
    firewall.close().unwrap();
}

#[test]
fn one_changed_byte_anywhere_is_named_and_stops_every_writer() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    lived_in(&data);
    assert!(auditor::verify(&data, None, at(0)).unwrap().is_good());
    let all = bytes(&data);
    assert!(all.len() >= 15, "{:?}", all.keys());
    let mut failed = Vec::new();
    for (name, content) in &all {
        let path = data.join(name);
        let mut places: std::collections::BTreeSet<usize> = (0..content.len()).step_by(1021).collect();
        places.extend([content.len() / 2, content.len().saturating_sub(1)].iter().filter(|at| **at < content.len()));
        for place in places {
            let mut changed = content.clone();
            changed[place] ^= 1 << (place % 8);
            assert_ne!(&changed, content);
            std::fs::write(&path, &changed).unwrap();
            let report = auditor::verify(&data, None, at(0)).unwrap();
            if !report.problems.iter().any(|p| p.place.contains(name.as_str()) || p.what.contains(name.as_str())) {
                failed.push(format!("{name} at {place} is not named: {:#?}", report.problems));
            }
            // The policy is its owner's to edit: it is checked by itself instead, and `verify` still names it.
            // Twice: to be refused must not make the next attempt succeed.
            for attempt in 1..=2 {
                let opened = Firewall::open(&data, Env::dangerous_fixed(at(0)));
                if opened.is_ok() && name != "policy.toml" {
                    failed.push(format!("{name} at {place}: attempt {attempt} opens to write"));
                }
                if let Ok(opened) = opened {
                    drop(opened);
                    break;
                }
            }
            if name != "policy.toml" && Firewall::open_read(&data, Env::dangerous_fixed(at(0))).is_ok() {
                failed.push(format!("{name} at {place}: opens to read"));
            }
            let _ = std::fs::remove_file(data.join("unsealed"));
            std::fs::write(&path, content).unwrap();
        }
    }
    assert_eq!(bytes(&data), all, "nothing else was written");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(auditor::verify(&data, None, at(0)).unwrap().is_good());
}

/// Columns that nothing but the seal holds, and why that is enough: what is in them decides nothing.
const ONLY_SEALED: &[(&str, &str, &str)] = &[
    ("raw", "name", "a label; what cites an input names its digest"),
    ("version", "created", "for people; the statement has its own time"),
    ("version", "summary", "for people"),
    ("document", "dream", "a report; its effects are in versions and quarantine"),
    ("document", "operation", "what was proposed before; at worst it is proposed again"),
    ("document", "quarantine-pending", "empty, or about the log's last entry: anything else is as if it were empty"),
    ("document", "state", "a changed policy digest only makes the next run log its policy"),
];

#[test]
fn a_changed_field_of_any_row_is_named_with_the_seal_and_without() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    lived_in(&data);
    let database = data.join("memgate.db");
    let whole = std::fs::read(&database).unwrap();
    let tables: Vec<(String, Vec<String>)> = {
        let connection = rusqlite::Connection::open(&database).unwrap();
        let names: Vec<String> = connection
            .prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let columns = |table: &String| -> Vec<String> {
            let mut all = connection.prepare(&format!("SELECT name FROM pragma_table_info('{table}')")).unwrap();
            all.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
        };
        names.iter().map(|table| (table.clone(), columns(table))).collect()
    };
    assert_eq!(tables.len(), 7, "{tables:?}");
    let mut failed = Vec::new();
    let mut tried = 0;
    for (table, columns) in &tables {
        let rows: u32 = rusqlite::Connection::open(&database)
            .unwrap()
            .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))
            .unwrap();
        // A folder at rest has all its log in files; what lies here while it works is `ledger_faults`' part.
        assert_eq!(rows > 0, table != "intake", "{table} has {rows} rows");
        for (row, column) in (0..rows).flat_map(|row| columns.iter().map(move |column| (row, column))) {
            let key =
                columns.iter().take(if table == "document" { 2 } else { 1 }).cloned().collect::<Vec<_>>().join(", ");
            let connection = rusqlite::Connection::open(&database).unwrap();
            let kind: String = connection
                .query_row(
                    &format!("SELECT {} FROM {table} ORDER BY {key} LIMIT 1 OFFSET {row}", columns[0]),
                    [],
                    |row| Ok(row.get::<_, String>(0).unwrap_or_default()),
                )
                .unwrap();
            // The last character becomes another one: a digest stays hex, JSON stays JSON or breaks, both are to be seen.
            let changed = connection
                .execute(
                    &format!(
                        "UPDATE {table} SET {column} = CASE typeof({column})
                           WHEN 'null' THEN 'a'
                           WHEN 'integer' THEN {column} + 7
                           WHEN 'blob' THEN CAST(substr({column}, 1, length({column}) - 1) || x'7e' AS BLOB)
                           ELSE substr({column}, 1, length({column}) / 2) || CASE substr({column}, length({column}) / 2 + 1, 1) WHEN 'a' THEN 'b' ELSE 'a' END
                                || substr({column}, length({column}) / 2 + 2) END
                         WHERE ({key}) = (SELECT {key} FROM {table} ORDER BY {key} LIMIT 1 OFFSET {row})"
                    ),
                    [],
                )
                .unwrap();
            drop(connection);
            assert_eq!(changed, 1, "{table} {row} {column}");
            assert_ne!(std::fs::read(&database).unwrap(), whole, "{table} {row} {column}");
            tried += 1;
            let sealed = auditor::verify(&data, None, at(0)).unwrap();
            if !sealed.problems.iter().any(|p| p.code == "seal-changed" && p.place == "memgate.db") {
                failed.push(format!("{table} {row} {column}: {:#?}", sealed.problems));
            }
            std::fs::write(data.join("unsealed"), "").unwrap();
            let unsealed = auditor::verify(&data, None, at(0)).unwrap();
            let named = unsealed.problems.iter().any(|p| p.code != "seal-unfinished");
            let excused = ONLY_SEALED
                .iter()
                .any(|(t, what, why)| t == table && (what == column || *what == kind) && !why.is_empty());
            if !named && !excused {
                failed.push(format!("{table} {row} {column} ({kind}) of a run that died is not named"));
            }
            if named && Firewall::open(&data, Env::dangerous_fixed(at(0))).is_ok() {
                failed.push(format!("{table} {row} {column} ({kind}) of a run that died is sealed again"));
            }
            std::fs::remove_file(data.join("unsealed")).ok();
            std::fs::write(&database, &whole).unwrap();
        }
    }
    assert!(tried >= 50, "{tried}");
    assert!(failed.is_empty(), "{} of {tried}:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn a_file_more_or_less_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    lived_in(&data);
    let all = bytes(&data);
    for name in all.keys().filter(|name| !name.ends_with("lock")) {
        std::fs::remove_file(data.join(name)).unwrap();
        let report = auditor::verify(&data, None, at(0)).unwrap();
        let named = report.problems.iter().any(|p| p.place.contains(name.as_str()) || p.what.contains(name.as_str()));
        assert!(named, "{name}: {:#?}", report.problems);
        assert!(Firewall::open(&data, Env::dangerous_fixed(at(0))).is_err(), "{name} is gone and it opens");
        assert!(!data.join(name).exists(), "{name} is not made up again");
        assert!(!data.join("unsealed").exists(), "{name}: a refused run leaves no mark");
        std::fs::write(data.join(name), &all[name]).unwrap();
    }
    // What a file holds that is only there to be locked is nobody's to write.
    std::fs::write(data.join("lock"), "x").unwrap();
    let report = auditor::verify(&data, None, at(0)).unwrap();
    assert!(report.problems.iter().any(|p| p.place == "lock"), "{:#?}", report.problems);
    std::fs::write(data.join("lock"), "").unwrap();
    for name in ["keys/person-mallory.pem", "ledger/log/tile/entries/001", "more", "trust/policy.json.bak"] {
        std::fs::create_dir_all(data.join(name).parent().unwrap()).unwrap();
        std::fs::write(data.join(name), "x").unwrap();
        let report = auditor::verify(&data, None, at(0)).unwrap();
        assert!(report.problems.iter().any(|p| p.place.contains(name)), "{name}: {:#?}", report.problems);
        assert!(Firewall::open(&data, Env::dangerous_fixed(at(0))).is_err(), "{name}");
        std::fs::remove_file(data.join(name)).unwrap();
    }
    assert!(auditor::verify(&data, None, at(0)).unwrap().is_good());
}

#[test]
fn the_mark_of_a_run_that_died_is_no_way_round_the_seal() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    lived_in(&data);
    let all = bytes(&data);
    std::fs::write(data.join("unsealed"), "").unwrap();
    for (name, content) in &all {
        if content.is_empty() || name == "policy.toml" {
            continue;
        }
        // The database is checked record by record then: a byte in the middle of a page may be in none.
        if name.ends_with(".db") {
            continue;
        }
        let mut changed = content.clone();
        changed[content.len() / 2] ^= 1;
        std::fs::write(data.join(name), &changed).unwrap();
        assert!(Firewall::open(&data, Env::dangerous_fixed(at(0))).is_err(), "{name} was changed and sealed again");
        std::fs::write(data.join(name), content).unwrap();
    }
    // Records of the database: a served memory, a held text, a raw input.
    for needle in ["The office in Oslo", HELD, "I prefer tea"] {
        let content = &all["memgate.db"];
        let found: Vec<usize> =
            (0..content.len() - needle.len()).filter(|at| content[*at..].starts_with(needle.as_bytes())).collect();
        assert!(!found.is_empty(), "{needle}");
        let mut changed = content.clone();
        for at in found {
            changed[at] ^= 1;
        }
        std::fs::write(data.join("memgate.db"), &changed).unwrap();
        assert!(Firewall::open(&data, Env::dangerous_fixed(at(0))).is_err(), "{needle} was changed and sealed again");
        std::fs::write(data.join("memgate.db"), content).unwrap();
    }
    Firewall::open(&data, Env::dangerous_fixed(at(0))).unwrap().close().unwrap();
    assert!(auditor::verify(&data, None, at(0)).unwrap().is_good());
}

/// What a dream comes to: its versions' texts and the held items, without times.
fn outcome(data: &Path) -> (Vec<BTreeMap<String, String>>, Vec<String>) {
    let firewall = Firewall::open(data, Env::dangerous_fixed(at(0))).unwrap();
    let versions = firewall.versions().unwrap().iter().map(|v| texts(&firewall, v.sequence)).collect();
    let mut held: Vec<String> = firewall
        .store()
        .all_held()
        .unwrap()
        .into_iter()
        .map(|r| format!("{} {:?} {}", r.id, r.state, r.text))
        .collect();
    held.sort();
    firewall.close().unwrap();
    (versions, held)
}

/// A folder with enough to do that a kill lands in the middle.
pub(crate) fn workload(root: &Path) {
    let mem = root.join("mem");
    std::fs::create_dir_all(&mem).unwrap();
    for file in 0..5 {
        let mut text = format!("# Site {file}\n\n");
        for note in 0..6 {
            text.push_str(&format!("- Machine {file}-{note} stands in rack {}.\n", file * note));
        }
        text.push_str(&format!("- {HELD}\n- The office in Oslo opens at nine.\n"));
        std::fs::write(mem.join(format!("site-{file:02}.md")), text).unwrap();
    }
}

#[test]
fn a_dream_killed_anywhere_is_finished_or_never_was() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    workload(root);
    let arguments = ["--data", "data", "dream", "--memory", "mem", "--accept", "proposals"];
    // What an undisturbed run comes to, and how long it takes here.
    assert_eq!(memgate(root, &["--data", "data", "init"]).status.code(), Some(0));
    let fresh = bytes(&root.join("data"));
    let restore = || {
        std::fs::remove_dir_all(root.join("data")).unwrap();
        for (name, content) in &fresh {
            let path = root.join("data").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
    };
    let started = std::time::Instant::now();
    let run = memgate(root, &arguments);
    let whole = started.elapsed();
    assert!(matches!(run.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&run.stderr));
    let expected = outcome(&root.join("data"));
    assert_eq!(expected.0.len(), 1);

    const RUNS: u32 = 12;
    let (mut killed, mut begun) = (0, 0);
    for turn in 0..RUNS {
        restore();
        let mut child = command(root, &arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // The writes are near the end: half of the runs are killed there, as soon as there is something new.
        if turn % 2 == 0 {
            let until = std::time::Instant::now() + whole * turn / RUNS;
            while std::time::Instant::now() < until && child.try_wait().unwrap().is_none() {
                std::thread::yield_now();
            }
        } else {
            let size = |name: &str| std::fs::metadata(root.join("data").join(name)).map_or(0, |m| m.len());
            let watched = [
                "unsealed",
                "memgate.db-journal",
                "memgate.db",
                "ledger/state/wal",
                "ledger/state/head",
                "ledger/log/checkpoint",
                "ledger/log/tile",
                "ledger/state",
            ][(turn / 2) as usize % 8];
            let before = (root.join("data").join(watched).exists(), size(watched));
            while (root.join("data").join(watched).exists(), size(watched)) == before
                && child.try_wait().unwrap().is_none()
            {
                std::thread::yield_now();
            }
        }
        child.kill().unwrap(); // SIGKILL
        let status = child.wait().unwrap();
        killed += u32::from(status.code().is_none());
        begun += u32::from(root.join("data/unsealed").exists());
        let report = auditor::verify(&root.join("data"), None, at(0)).unwrap();
        // An open transaction is rolled back, a batch that was safe but not signed is completed or dropped by the next
        // writer; a reader may do neither, and says so. Nothing else may be wrong.
        let allowed = |p: &auditor::Problem| {
            matches!(p.code.as_str(), "seal-unfinished" | "store-database" | "E_MISSING")
                || p.place.starts_with("ledger/")
        };
        let bad: Vec<_> = report.problems.iter().filter(|p| !allowed(p)).collect();
        assert!(bad.is_empty(), "run {turn}: {bad:#?}");
        let again = memgate(root, &arguments);
        assert!(matches!(again.status.code(), Some(0 | 1)), "run {turn}: {}", String::from_utf8_lossy(&again.stderr));
        assert_eq!(outcome(&root.join("data")), expected, "run {turn}");
        let report = auditor::verify(&root.join("data"), None, at(0)).unwrap();
        assert!(report.is_good(), "run {turn}: {:#?}", report.problems);
    }
    assert!(killed >= RUNS / 2 && begun >= 3, "{killed} were killed, {begun} had begun to write");
}

#[test]
fn a_disk_that_is_full_at_any_point_leaves_a_folder_that_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    workload(root);
    let arguments: Vec<String> =
        ["--data", "data", "dream", "--memory", "mem", "--accept", "proposals", "--out", "out"]
            .map(str::to_owned)
            .into();
    assert_eq!(memgate(root, &["--data", "data", "init"]).status.code(), Some(0));
    let fresh = bytes(&root.join("data"));
    let mut full = 0;
    for kib in [1, 4, 16, 40, 56, 72, 96, 128] {
        let _ = std::fs::remove_dir_all(root.join("data"));
        let _ = std::fs::remove_dir_all(root.join("out"));
        for (name, content) in &fresh {
            let path = root.join("data").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let output = limited(root, &arguments, Some(kib), None).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0 | 1) => {}
            Some(5) => {
                full += 1;
                assert!(stderr.contains("error["), "{kib} KiB: {stderr}");
                assert!(stderr.contains("space"), "{kib} KiB: {stderr}");
                assert!(!root.join("out").exists(), "{kib} KiB: a half folder");
            }
            other => unreachable!("{kib} KiB: {other:?} {stderr}"),
        }
        let _ = std::fs::remove_dir_all(root.join("out"));
        let again = memgate(root, &arguments);
        assert!(matches!(again.status.code(), Some(0 | 1)), "{kib} KiB: {}", String::from_utf8_lossy(&again.stderr));
        let report = auditor::verify(&root.join("data"), None, at(0)).unwrap();
        assert!(report.is_good(), "{kib} KiB: {:#?}", report.problems);
        assert_eq!(outcome(&root.join("data")).0.len(), 1, "{kib} KiB");
    }
    assert!(full >= 3, "the limit was met {full} times");
}

#[test]
fn an_init_that_fails_leaves_nothing() {
    for kib in [0, 1, 8] {
        let folder = tempfile::tempdir().unwrap();
        let arguments = ["--data", "data", "init"].map(str::to_owned);
        let output = limited(folder.path(), &arguments, Some(kib), None).output().unwrap();
        if output.status.success() {
            continue;
        }
        assert_eq!(output.status.code(), Some(5), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{kib} KiB: something is left");
        assert_eq!(memgate(folder.path(), &arguments).status.code(), Some(0));
    }
}

/// A disk that can only be read, as somebody who may not write to it: root may write anywhere, so it lends its place.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_read_only_can_be_read_and_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    workload(root);
    assert_eq!(memgate(root, &["--data", "data", "init"]).status.code(), Some(0));
    let output = memgate(root, &["--data", "data", "dream", "--memory", "mem"]);
    assert!(matches!(output.status.code(), Some(0 | 1)));
    let before = bytes(root);
    let sh = |script: &str| {
        let output = Command::new("sh").current_dir(root).arg("-c").arg(script).output().unwrap();
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let is_root = sh("id -u") == "0";
    if is_root {
        sh("chown -R 65534:65534 .");
    }
    sh("chmod -R a-w .");
    let mut binary_here = None;
    if is_root {
        // The build folder may be out of another user's reach.
        let copy = tempfile::tempdir().unwrap();
        std::fs::copy(binary(), copy.path().join("memgate")).unwrap();
        sh(&format!("chmod 755 {0} {0}/memgate", copy.path().display()));
        binary_here = Some(copy);
    }
    let run = |args: &[&str]| -> Output {
        let mut command = match &binary_here {
            Some(copy) => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(copy.path().join("memgate"));
                command
            }
            None => Command::new(binary()),
        };
        command.current_dir(root).args(args).env("NO_COLOR", "1").stdin(Stdio::null()).output().unwrap()
    };
    for reads in [["--data", "data", "verify"].as_slice(), &["--data", "data", "log"], &["--data", "data", "show"]] {
        let output = run(reads);
        assert_eq!(output.status.code(), Some(0), "{reads:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    for writes in [
        ["--data", "data", "dream", "--memory", "mem"].as_slice(),
        &["--data", "other", "init"],
        &["--data", "data", "show", "head", "--export", "out"],
        &["--output", "report.txt", "scan", "mem"],
    ] {
        let output = run(writes);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{writes:?}: {stderr}");
        assert!(stderr.contains("error[") && stderr.contains("ermission"), "{writes:?}: {stderr}");
    }
    sh("chmod -R u+w .");
    assert_eq!(bytes(root), before);
    assert!(auditor::verify(&root.join("data"), None, at(0)).unwrap().is_good());
}

#[cfg(unix)]
#[test]
fn a_result_that_cannot_be_written_is_not_a_success() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.md"), "- one fact\n").unwrap();
    if !Path::new("/dev/full").exists() {
        return;
    }
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = command(folder.path(), &["scan", "a.md"]).stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cli-unwritable"));
}

#[test]
fn two_writers_at_once_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    workload(root);
    assert_eq!(memgate(root, &["--data", "data", "init"]).status.code(), Some(0));
    let arguments = ["--data", "data", "dream", "--memory", "mem"];
    let children: Vec<_> = (0..3)
        .map(|_| command(root, &arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
        .collect();
    let outputs: Vec<Output> = children.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
    let codes: Vec<_> = outputs.iter().map(|output| output.status.code().unwrap()).collect();
    assert!(codes.iter().any(|code| *code <= 1), "{codes:?}");
    for output in outputs.iter().filter(|output| output.status.code() != Some(1) && output.status.code() != Some(0)) {
        assert_eq!(output.status.code(), Some(10), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(String::from_utf8_lossy(&output.stderr).contains("store-busy"));
    }
    assert!(auditor::verify(&root.join("data"), None, at(0)).unwrap().is_good());
    assert_eq!(outcome(&root.join("data")).0.len(), 1);
}

/// Exit codes that no case reaches, and why.
const NOT_REACHED: &[(i64, &str)] = &[
    (70, "an internal error: a bug that is known is mended; a planted panic is tested beside the table"),
    (130, "interrupted: a signal, which a case file cannot send (tests/stop.rs does)"),
    (143, "terminated: a signal, which a case file cannot send (tests/stop.rs does)"),
];

#[test]
fn every_exit_code_is_reached_by_a_case_or_excused() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut reached = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir(root.join("cli")).unwrap() {
        let case: toml::Table = toml::from_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap()).unwrap();
        reached.insert(case["exit"].as_integer().unwrap());
    }
    let text = std::fs::read_to_string(root.join("cases/bad_input/cases.yaml")).unwrap();
    let cases: Cases = serde_saphyr::from_str(&text).unwrap();
    reached.extend(cases.cases.iter().map(|case| i64::from(case.exit)));
    let output = memgate(&root, &["explain", "exit-codes", "--format", "json"]);
    let table: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let codes: Vec<i64> = table["codes"]
        .as_array()
        .unwrap_or_else(|| unreachable!("{table}"))
        .iter()
        .map(|one| one["code"].as_i64().unwrap())
        .collect();
    for code in codes {
        let excused = NOT_REACHED.iter().any(|(one, why)| *one == code && !why.is_empty());
        assert!(reached.contains(&code) != excused, "exit code {code}: reached {}, excused {excused}", !excused);
    }
}
