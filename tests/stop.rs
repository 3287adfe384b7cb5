//! Asked to stop: a clean end, its own exit code, nothing half-done. Signals are sent to real processes, at moments that
//! the process itself makes known.

#![cfg(unix)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use memgate::auditor;

use crate::bad_input::{command, memgate, workload};
use crate::common::{at, bytes};

/// As a terminal or a service manager does.
fn send(child: &Child, signal: &str) {
    let status = Command::new("sh").arg("-c").arg(format!("kill -{signal} {}", child.id())).status().unwrap();
    assert!(status.success(), "{signal} could not be sent");
}

/// A dream that has opened the data folder and has not begun to write: its mark is there, its scanner is not yet.
fn dreaming(root: &Path) -> Child {
    let arguments = ["--data", "data", "dream", "--memory", "mem", "--accept", "proposals", "--out", "out"];
    let mut child = command(root, &arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    while !root.join("data/unsealed").exists() {
        assert!(child.try_wait().unwrap().is_none(), "the dream ended by itself");
        std::thread::yield_now();
    }
    child
}

#[test]
fn a_dream_that_is_stopped_leaves_everything_as_it_was_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    workload(root);
    assert_eq!(memgate(root, &["--data", "data", "init"]).status.code(), Some(0));
    let before = (bytes(&root.join("data")), bytes(&root.join("mem")));
    for (signal, code, word) in [("INT", 130, "interrupted"), ("TERM", 143, "terminated")] {
        let child = dreaming(root);
        send(&child, signal);
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{signal}: {stderr}");
        assert!(stderr.contains("error[cli-stopped]") && stderr.contains(word), "{signal}: {stderr}");
        assert_eq!((bytes(&root.join("data")), bytes(&root.join("mem"))), before, "{signal}");
        assert!(!root.join("out").exists(), "{signal}");
        let report = auditor::verify(&root.join("data"), None, at(0)).unwrap();
        assert!(report.is_good(), "{signal}: {:#?}", report.problems);
    }
    // The same dream, left alone, does its work.
    let output = memgate(root, &["--data", "data", "dream", "--memory", "mem", "--out", "out"]);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(root.join("out").exists());
}

#[test]
fn a_second_signal_does_not_wait_and_loses_nothing_either() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    workload(root);
    assert_eq!(memgate(root, &["--data", "data", "init"]).status.code(), Some(0));
    let mut child = dreaming(root);
    send(&child, "INT");
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(line.contains("put in order first"), "{line}");
    send(&child, "TERM");
    let code = child.wait().unwrap().code();
    // It may have left off in time by itself.
    assert!(matches!(code, Some(130 | 143)), "{code:?}");
    let report = auditor::verify(&root.join("data"), None, at(0)).unwrap();
    assert!(report.problems.iter().all(|p| p.code == "seal-unfinished"), "{:#?}", report.problems);
    let output = memgate(root, &["--data", "data", "dream", "--memory", "mem"]);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(auditor::verify(&root.join("data"), None, at(0)).unwrap().is_good());
}

#[test]
fn a_command_that_only_reads_ends_on_the_spot() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let folder = tempfile::tempdir().unwrap();
        let mut scan = command(folder.path(), &["scan", "-"]);
        let mut child = scan.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // More than a pipe holds: when all is written, somebody reads, and waits for more.
        let mut input = child.stdin.take().unwrap();
        input.write_all(&b"- The office in Oslo opens at nine.\n".repeat(20_000)).unwrap();
        send(&child, signal);
        let code_found = child.wait().unwrap().code();
        drop(input);
        assert_eq!(code_found, Some(code), "{signal}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "something is left");
    }
}
