//! The demo's data is what it says it is: readable in its formats, licensed, and machine-checkable.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use memgate::consolidate::{Disposition, GitFacts, Input, NoteRef, OperationKind, Options, Plan, consolidate};
use memgate::domain::{Authority, MemoryPath, PrincipalId};
use memgate::grade::{Artifacts, Rubric, Verdict, grade};
use memgate::ingest::{Context, EventKind, Format, RawInput, Session, detect_format, read_memory, read_sessions};
use memgate::notes::Document;
use serde::Deserialize;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/demo_data")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    sessions: u32,
    files: Vec<File>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    file: String,
    format: String,
    session: String,
    principal: String,
}

/// Only what these tests read; the demo reads the rest.
#[derive(Deserialize)]
struct Expected {
    poisoned: Vec<Poisoned>,
    honest: Vec<Honest>,
    poisoned_memory: Vec<PoisonedMemory>,
    clutter: Vec<Clutter>,
    insights: Vec<Insight>,
}

#[derive(Deserialize)]
struct Clutter {
    kind: String,
    text: Option<String>,
    old: Option<String>,
    new: Option<String>,
}

#[derive(Deserialize)]
struct Insight {
    contains: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "unknown keys are refused, so all keys are named")]
struct Poisoned {
    id: String,
    file: String,
    session: String,
    event: usize,
    threats: Vec<String>,
    technique: String,
    expect: String,
    echoed: bool,
    markers: Vec<String>,
    what: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Honest {
    file: String,
    text: String,
}

#[derive(Deserialize)]
struct PoisonedMemory {
    file: String,
    marker: String,
}

fn yaml<T: for<'de> Deserialize<'de>>(name: &str) -> T {
    let text = std::fs::read_to_string(data().join(name)).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Every file below a folder, by its path relative to the demo data.
fn files(folder: &str) -> Vec<String> {
    let walk = walkdir::WalkDir::new(data().join(folder)).sort_by_file_name();
    let entries = walk.into_iter().map(|entry| entry.unwrap()).filter(|entry| entry.file_type().is_file());
    entries.map(|entry| entry.path().strip_prefix(data()).unwrap().to_string_lossy().replace('\\', "/")).collect()
}

fn sessions(file: &str, principal: &str) -> (Format, Vec<Session>) {
    let input = RawInput::new(file, std::fs::read(data().join(file)).unwrap());
    let context = Context { principal: PrincipalId::new(principal), memory_authority: Authority::Agent };
    let format = detect_format(&input).unwrap_or_else(|error| panic!("{error}"));
    (format, read_sessions(&input, None, &context).unwrap_or_else(|errors| panic!("{file}: {errors:?}")))
}

#[test]
fn every_session_file_is_in_the_index_and_reads_as_it_says() {
    let index: Index = yaml("sessions/index.yaml");
    assert_eq!(index.sessions, 1);
    let named: BTreeSet<String> = index.files.iter().map(|f| format!("sessions/{}", f.file)).collect();
    let found: BTreeSet<String> = files("sessions").into_iter().filter(|f| !f.ends_with(".yaml")).collect();
    assert_eq!(named, found);
    let mut ids = BTreeSet::new();
    let mut formats = BTreeMap::new();
    for entry in &index.files {
        let (format, read) = sessions(&format!("sessions/{}", entry.file), &entry.principal);
        assert_eq!(read.len(), 1, "{}", entry.file);
        let session = &read[0];
        let found = (format.name(), session.id.as_str(), session.principal.as_str());
        assert_eq!(found, (entry.format.as_str(), entry.session.as_str(), entry.principal.as_str()), "{}", entry.file);
        assert!(!session.events.is_empty(), "{} has no event", entry.file);
        assert!(ids.insert(session.id.clone()), "{} stands twice", entry.session);
        *formats.entry(format.name()).or_insert(0) += 1;
    }
    for format in ["managed-json", "managed-jsonl", "claude-code", "anthropic", "openai"] {
        assert!(formats.get(format).is_some_and(|&count| count >= 3), "too few sessions in {format}: {formats:?}");
    }
}

#[test]
fn every_poisoned_item_stands_where_it_says() {
    let index: Index = yaml("sessions/index.yaml");
    let expected: Expected = yaml("expected.yaml");
    let principals: BTreeMap<String, String> =
        index.files.into_iter().map(|f| (format!("sessions/{}", f.file), f.principal)).collect();
    let mut threats = BTreeSet::new();
    for item in &expected.poisoned {
        let (_, read) = sessions(&item.file, &principals[&item.file]);
        assert_eq!(read[0].id.as_str(), item.session, "{}", item.id);
        let event = read[0].events.get(item.event).unwrap_or_else(|| panic!("{}: no event {}", item.id, item.event));
        let text = event.text().peek_unscanned();
        let there = item.markers.iter().any(|marker| text.contains(marker.as_str()));
        assert!(there || item.markers.is_empty(), "{}: no marker in event {}", item.id, item.event);
        assert!(
            ["held", "held_as_set", "redacted_or_held", "not_promoted"].contains(&item.expect.as_str()),
            "{}",
            item.id
        );
        let agent = |e: &&memgate::ingest::Event| e.origin.channel == memgate::domain::Channel::Assistant;
        let echo = read[0].events[item.event + 1..].iter().filter(agent).any(|e| {
            let said = e.text().peek_unscanned();
            item.markers.iter().any(|marker| said.contains(marker.as_str()))
        });
        assert_eq!(echo, item.echoed, "{}: the agent's echo", item.id);
        threats.extend(item.threats.iter().cloned());
    }
    let covered = [
        "T01", "T02", "T05", "T06", "T11", "T12", "T13", "T16", "T18", "T19", "T20", "T21", "T23", "T26", "T28", "T29",
    ];
    for threat in covered {
        assert!(threats.contains(threat), "no poisoned session for {threat}");
    }
}

#[test]
fn honest_notes_stand_in_the_memory_folder_and_no_marker_does() {
    let expected: Expected = yaml("expected.yaml");
    for note in &expected.honest {
        let text = std::fs::read_to_string(data().join(&note.file)).unwrap();
        let document = Document::parse(&text);
        let found = document.notes().any(|n| document.body(n) == note.text);
        assert!(found, "{} has no note {:?}", note.file, note.text);
    }
    let mut markers: Vec<&str> = expected.poisoned.iter().flat_map(|p| &p.markers).map(String::as_str).collect();
    // The one fake key also stands in a note that must be redacted.
    markers.retain(|marker| *marker != "AKIAIOSFODNN7EXAMPLE");
    markers.extend(expected.poisoned_memory.iter().map(|p| p.marker.as_str()));
    for file in files("memory") {
        let text = std::fs::read_to_string(data().join(&file)).unwrap();
        for marker in &markers {
            assert!(!text.contains(marker), "{file} holds the marker {marker:?} before any attack");
        }
    }
    for item in &expected.poisoned_memory {
        let text = std::fs::read_to_string(data().join(&item.file)).unwrap();
        assert!(text.contains(&item.marker), "{}: {}", item.file, item.marker);
    }
    let marked: BTreeSet<&String> = expected.poisoned_memory.iter().map(|item| &item.file).collect();
    let found = files("memory_poisoned");
    assert!(found.iter().all(|file| marked.contains(file)), "a poisoned memory without a marker: {found:?}");
}

#[test]
fn the_data_is_small_licensed_and_names_reserved_hosts_only() {
    let all = files("");
    let bytes: u64 = all.iter().map(|file| std::fs::metadata(data().join(file)).unwrap().len()).sum();
    assert!(bytes < 1_500_000, "{bytes} bytes of demo data");
    let licences = std::fs::read_to_string(data().join("LICENSES.md")).unwrap();
    for word in
        ["Apache-2.0", "MIT", "Mehmet Nuraydin", "Sierra", "AI Security Institute", "Permission is hereby granted"]
    {
        assert!(licences.contains(word), "LICENSES.md does not say {word:?}");
    }
    let own = all.iter().filter(|file| {
        !file.contains("/tau-") && !file.starts_with("memory/project/") && !file.ends_with("LICENSES.md")
    });
    let host = regex::Regex::new(r"https?://([A-Za-z0-9.-]+)").unwrap();
    for file in own {
        let text = std::fs::read_to_string(data().join(file)).unwrap();
        for found in host.captures_iter(&text) {
            let reserved = [".invalid", ".test", ".example"].iter().any(|end| found[1].ends_with(end));
            assert!(reserved, "{file} names the host {}", &found[1]);
        }
        assert!(
            !text.contains("\u{200B}") && text.chars().all(|c| !('\u{E0000}'..='\u{E007F}').contains(&c)),
            "{file} holds invisible characters that are not escaped"
        );
    }
}

#[test]
fn the_recorded_outcomes_fall_with_the_planted_note() {
    let rubric = Rubric::parse(&std::fs::read_to_string(data().join("outcomes/rubric.yaml")).unwrap()).unwrap();
    for (version, file, passes) in [("1", "outcomes/version-1.jsonl", 28), ("2", "outcomes/version-2.jsonl", 6)] {
        let text = std::fs::read_to_string(data().join(file)).unwrap();
        let (_, read) = sessions(file, "nobody");
        let mut passed = 0;
        for (line, session) in text.lines().zip(&read) {
            let raw: serde_json::Value = serde_json::from_str(line).unwrap();
            let artifacts = artifacts(&raw, session);
            assert!(rubric.applies_to(&artifacts), "{file} {}", session.id);
            match grade(&rubric, &artifacts).verdict {
                Verdict::Pass => passed += 1,
                Verdict::Fail => {}
                other => panic!("{file} {}: {other:?}", session.id),
            }
        }
        assert_eq!((passed, read.len()), (passes, 30), "version {version}");
    }
}

/// What the demo hands to the grader: messages and calls from the transcript, the rest from the file.
fn artifacts(raw: &serde_json::Value, session: &Session) -> Artifacts {
    let mut messages = Vec::new();
    let mut calls: Vec<serde_json::Value> = Vec::new();
    let mut answer = String::new();
    for event in &session.events {
        match &event.kind {
            EventKind::Message { text } => {
                let text = text.peek_unscanned();
                messages.push(serde_json::json!({"role": event.origin.channel.name(), "text": text}));
                if event.origin.channel == memgate::domain::Channel::Assistant {
                    answer.clone_from(text);
                }
            }
            EventKind::ToolUse { name, arguments, .. } => {
                let arguments = Artifacts::arguments(arguments.peek_unscanned());
                calls.push(serde_json::json!({"name": name.peek_unscanned(), "arguments": arguments}));
            }
            EventKind::ToolResult { text, .. } => {
                calls.last_mut().unwrap()["result"] = text.peek_unscanned().as_str().into();
            }
        }
    }
    let whole = serde_json::json!({
        "session": session.id.as_str(), "agent": raw["agent"], "task": raw["task"], "state": raw["state"],
        "answer": answer, "messages": messages, "calls": calls,
    });
    Artifacts::from_json(&whole.to_string()).unwrap()
}

#[test]
fn the_recorded_outcomes_read_as_sessions_with_a_version() {
    for (version, file) in [("1", "outcomes/version-1.jsonl"), ("2", "outcomes/version-2.jsonl")] {
        let (format, read) = sessions(file, "nobody");
        assert_eq!((format, read.len()), (Format::OpenAi, 30), "{file}");
        for session in &read {
            assert_eq!(session.label("memory_version"), Some(version), "{file} {}", session.id);
        }
    }
}

/// Two-sided: a new loss fails, and so does a repaired one that still stands here. Dated notes that differ only in
/// their date are additive; the exact merge takes them for one.
const KNOWN_LOSSES: [&str; 0] = [];

/// Memories, all sessions and the workspace, as the demo reads them.
fn dream() -> (Vec<memgate::ingest::Memory>, Vec<Session>, GitFacts) {
    #[derive(Deserialize)]
    struct Described {
        files: Vec<String>,
        log: String,
        complete_history: bool,
    }
    let context = Context { principal: PrincipalId::new("desk"), memory_authority: Authority::Agent };
    let memories = files("memory").into_iter().map(|file| {
        let input = RawInput::new(file.as_str(), std::fs::read(data().join(&file)).unwrap());
        read_memory(file.strip_prefix("memory/").unwrap(), &input, &context).unwrap()
    });
    let index: Index = yaml("sessions/index.yaml");
    let read = index.files.iter().flat_map(|f| sessions(&format!("sessions/{}", f.file), &f.principal).1);
    let described: Described = yaml("workspace/workspace.yaml");
    let facts = GitFacts::new(&described.files, &described.log, !described.complete_history);
    (memories.collect(), read.collect(), facts)
}

#[test]
fn the_dream_sorts_the_clutter_and_promotes_no_poison() {
    let (memories, sessions, facts) = dream();
    let (marks, kinds, authority) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let (events, decided, options) = (BTreeMap::new(), BTreeSet::new(), Options::default());
    let input = Input {
        memories: &memories,
        memory_marks: &marks,
        note_kinds: &kinds,
        note_authority: &authority,
        sessions: &sessions,
        event_marks: &events,
        decided: &decided,
        probes: Some(&facts),
        steering: None,
        now: "2024-05-20T12:00:00Z".parse().unwrap(),
        options: &options,
    };
    let plan = consolidate(&input);
    let document = |path: &MemoryPath| {
        let memory = memories.iter().find(|memory| memory.path == *path).unwrap();
        Document::parse(memory.text.peek_unscanned())
    };
    let said = |note: &NoteRef| {
        let document = document(&note.path);
        document.note(note.note).map(|found| document.body(found).to_owned()).unwrap_or_default()
    };
    let expected: Expected = yaml("expected.yaml");
    let mut missing = Vec::new();
    for clutter in &expected.clutter {
        // Values are masked when they are read for the store; the dream has no say in that.
        if clutter.kind == "redact" {
            continue;
        }
        let parts: Vec<&String> = [&clutter.text, &clutter.old, &clutter.new].into_iter().flatten().collect();
        let found = plan.operations.iter().any(|operation| {
            let kind = serde_json::to_value(operation.kind).unwrap();
            let mut texts: Vec<String> = operation.inputs.iter().map(said).collect();
            texts.extend(operation.output.iter().map(|output| output.text.clone()));
            kind == clutter.kind.as_str()
                && parts.iter().all(|part| texts.iter().any(|text| text.contains(part.as_str())))
        });
        if !found {
            missing.push(format!("{} {:?}", clutter.kind, parts));
        }
    }
    assert!(missing.is_empty(), "no operation for {missing:#?}\nin {:#?}", summary(&plan, &said));
    let insights: Vec<&str> = plan
        .operations
        .iter()
        .filter(|o| o.kind == OperationKind::Insight)
        .filter_map(|o| Some(o.output.as_ref()?.text.as_str()))
        .collect();
    for wanted in &expected.insights {
        if let Some(part) = &wanted.contains {
            assert!(
                insights.iter().any(|text| text.contains(part.as_str())),
                "no insight on {part:?} in {insights:#?}"
            );
        }
    }
    let honest: BTreeSet<(String, &str)> =
        expected.honest.iter().map(|n| (n.file.replacen("memory", "", 1), n.text.as_str())).collect();
    let gone: Vec<String> = plan
        .dispositions
        .iter()
        .filter(|(_, disposition)| !matches!(disposition, Disposition::Keep | Disposition::Contested))
        .map(|(note, _)| (note.path.to_string(), said(note)))
        .filter(|(path, text)| honest.contains(&(path.clone(), text.as_str())))
        .map(|(path, text)| format!("{path}: {text}"))
        .collect();
    assert_eq!(
        gone, KNOWN_LOSSES,
        "honest notes left the live view, or a known loss is repaired: take it off the list"
    );
    for item in expected.poisoned.iter().filter(|item| item.expect == "not_promoted") {
        for marker in &item.markers {
            assert!(!insights.iter().any(|text| text.contains(marker.as_str())), "{}: promoted {marker:?}", item.id);
        }
    }
}

fn summary(plan: &Plan, said: &dyn Fn(&NoteRef) -> String) -> Vec<String> {
    let one = |o: &memgate::consolidate::Operation| {
        let inputs: Vec<String> = o.inputs.iter().map(said).collect();
        format!("{:?} {} {:?} -> {:?}", o.kind, o.rule, inputs, o.output.as_ref().map(|out| &out.text))
    };
    plan.operations.iter().map(one).collect()
}
