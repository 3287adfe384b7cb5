//! Transcripts and memories: every format against its golden listing, and what bad input gets.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use memgate::domain::{Authority, Channel, Coded, PrincipalId};
use memgate::ingest::{
    Context, EventKind, Format, Place, RawInput, Session, detect_format, read_folder, read_memory, read_sessions,
};
use proptest::prelude::*;

fn context() -> Context {
    Context { principal: PrincipalId::from("someone"), memory_authority: Authority::Agent }
}

fn cases(folder: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/ingest").join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension != "txt"));
    files.sort();
    files
}

fn input(path: &Path) -> RawInput {
    RawInput::new(path.file_name().unwrap().to_string_lossy(), std::fs::read(path).unwrap())
}

/// One line an event: what a person checks in review.
fn listing(input: &RawInput, sessions: &[Session]) -> String {
    let mut out = String::new();
    for session in sessions {
        writeln!(
            out,
            "session {} principal={} agent={:?} parent={:?} started={:?} labels={:?}",
            session.id, session.principal, session.agent, session.parent, session.started, session.labels
        )
        .unwrap();
        for event in &session.events {
            let origin = &event.origin;
            let raw = &input.bytes.peek_unscanned()[origin.span.start..origin.span.end];
            let what = match &event.kind {
                EventKind::Message { text } => format!("message {:?}", text.peek_unscanned()),
                EventKind::ToolUse { call, name, arguments } => {
                    format!("tool_use {call:?} {:?} {:?}", name.peek_unscanned(), arguments.peek_unscanned())
                }
                EventKind::ToolResult { call, name, text, is_error } => {
                    let name = name.as_ref().map(|name| name.peek_unscanned());
                    format!("tool_result {call:?} {name:?} error={is_error:?} {:?}", text.peek_unscanned())
                }
            };
            writeln!(
                out,
                "  {} {}/{} id={:?} at={:?} {what} <- {}",
                origin.event.unwrap(),
                origin.channel.name(),
                origin.authority.name(),
                event.id,
                origin.at,
                String::from_utf8_lossy(raw).escape_debug()
            )
            .unwrap();
        }
    }
    out
}

/// `MEMGATE_BLESS=1` rewrites the listings; a changed listing is a changed behaviour.
#[test]
fn every_format_is_detected_and_read_as_its_golden_listing_says() {
    for path in cases("formats") {
        let input = input(&path);
        let format = detect_format(&input).unwrap();
        let sessions = read_sessions(&input, None, &context()).unwrap();
        assert_eq!(sessions, read_sessions(&input, Some(format), &context()).unwrap());
        let got = format!("{}\n{}", format.name(), listing(&input, &sessions));
        let golden = path.with_extension("txt");
        if std::env::var_os("MEMGATE_BLESS").is_some() {
            std::fs::write(&golden, &got).unwrap();
        }
        let want = std::fs::read_to_string(&golden).unwrap_or_default();
        assert!(got == want, "{}:\n{got}", path.display());
    }
}

#[test]
fn one_transcript_reads_the_same_in_all_four_managed_forms() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/ingest/formats");
    let said = |name: &str| {
        let sessions = read_sessions(&input(&folder.join(name)), None, &context()).unwrap();
        assert_eq!(sessions.len(), 1);
        // Arguments keep the blanks they were written with.
        let text = |event: &memgate::ingest::Event| match event.kind {
            EventKind::ToolUse { .. } => event.text().peek_unscanned().replace([' ', '\n'], ""),
            _ => event.text().peek_unscanned().clone(),
        };
        let events = sessions[0].events.iter();
        let said: Vec<_> = events.map(|event| (event.id.clone(), event.origin.channel, text(event))).collect();
        said
    };
    let list = said("managed-list.json");
    assert_eq!(list, said("managed-page.json"));
    assert_eq!(list, said("managed-session.json"));
    assert_eq!(list, said("managed-lines.jsonl"));
}

/// Every event's span is the JSON its text came from: reading that JSON again gives the text.
#[test]
fn spans_lead_back_to_the_bytes_the_text_came_from() {
    for path in cases("formats") {
        let input = input(&path);
        for session in read_sessions(&input, None, &context()).unwrap() {
            for event in session.events {
                let raw: &[u8] = input.bytes.peek_unscanned();
                let raw = std::str::from_utf8(&raw[event.origin.span.start..event.origin.span.end]).unwrap();
                let text = event.text().peek_unscanned();
                match serde_json::from_str::<serde_json::Value>(raw) {
                    Ok(serde_json::Value::String(value)) => assert_eq!(&value, text),
                    Ok(_) => assert!(raw == text || text.is_empty(), "{raw} {text}"),
                    // Several joined blocks: the span covers them all.
                    Err(_) => text.split('\n').for_each(|part| assert!(raw.contains(part), "{raw} {part}")),
                }
            }
        }
    }
}

#[test]
fn nobody_gains_authority_by_a_claim_in_a_transcript() {
    for path in cases("formats") {
        for session in read_sessions(&input(&path), None, &context()).unwrap() {
            for event in session.events {
                assert_eq!(event.origin.authority, event.origin.channel.authority());
                match event.kind {
                    EventKind::ToolUse { .. } => assert_eq!(event.origin.authority, Authority::Agent),
                    EventKind::ToolResult { .. } => assert_eq!(event.origin.authority, Authority::External),
                    EventKind::Message { .. } => {}
                }
            }
        }
    }
}

/// What, the bytes, the code, and the line and offset where it is found.
type Bad = (&'static str, Vec<u8>, &'static str, Option<(usize, usize)>);

fn bad_inputs() -> Vec<Bad> {
    let message = "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}";
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        ("no bytes", vec![], "ingest-empty", None),
        ("white space only", text(" \r\n\n"), "ingest-empty", None),
        ("a byte order mark only", text("\u{FEFF}"), "ingest-empty", None),
        ("a binary file", b"\x7fELF\x02\x00\x01".to_vec(), "ingest-binary", Some((1, 5))),
        ("UTF-16", b"\xff\xfe[\x00".to_vec(), "ingest-binary", Some((1, 3))),
        ("bytes that are not UTF-8", b"[\n\"\xc3(\"]".to_vec(), "ingest-not-utf8", Some((2, 3))),
        ("no JSON", text("hello"), "ingest-unknown-format", Some((1, 0))),
        ("an unknown object", text("{\"a\":1}"), "ingest-unknown-format", Some((1, 0))),
        ("an empty list", text("[]"), "ingest-unknown-format", Some((1, 0))),
        ("a truncated document", text("[{\"role\":\"user\""), "ingest-truncated", Some((1, 15))),
        ("a truncated last line", format!("{message}\n{{\"mess").into_bytes(), "ingest-truncated", Some((2, 52))),
        (
            "a line that ends too early",
            format!("{message}\n{{\"mess\n{message}\n").into_bytes(),
            "ingest-bad-json",
            Some((2, 52)),
        ),
        ("rubbish after a document", text("[1] x"), "ingest-bad-json", Some((1, 4))),
        ("rubbish after a line", format!("{message}\n{message},\n").into_bytes(), "ingest-bad-json", Some((2, 91))),
        ("a trailing comma", text("[{\"role\":\"user\",}]"), "ingest-bad-json", Some((1, 16))),
        (
            "equal keys",
            text("[{\"role\":\"user\",\"content\":\"a\",\"content\":\"b\"}]"),
            "ingest-duplicate-key",
            Some((1, 30)),
        ),
        (
            "equal keys, one escaped",
            text("[{\"role\":\"user\",\"content\":\"a\",\"c\\u006fntent\":\"b\"}]"),
            "ingest-duplicate-key",
            Some((1, 30)),
        ),
        (
            "equal keys deep down",
            text("[{\"role\":\"user\",\"content\":\"\",\"x\":[[{\"y\":{\"z\":1,\n\"z\":2}}]]}]"),
            "ingest-duplicate-key",
            Some((2, 48)),
        ),
        (
            "a lone surrogate",
            text("[{\"role\":\"user\",\"content\":\"\\ud800\"}]"),
            "ingest-lone-surrogate",
            Some((1, 27)),
        ),
        ("a raw NUL", b"[{\"role\":\"user\",\"content\":\"\x00\"}]".to_vec(), "ingest-binary", Some((1, 27))),
        (
            "a raw control character",
            text("[{\"role\":\"user\",\"content\":\"\u{1}\"}]"),
            "ingest-bad-json",
            Some((1, 27)),
        ),
        ("deep nesting", text(&"[".repeat(500)), "ingest-too-deep", Some((1, 127))),
        ("an unknown role", text("[{\"role\":\"root\",\"content\":\"\"}]"), "ingest-unknown-role", Some((1, 9))),
        ("no role", text("{\"messages\":[{\"content\":\"\"}]}"), "ingest-missing-field", Some((1, 13))),
        ("a content that is a number", text("[{\"role\":\"user\",\"content\":7}]"), "ingest-bad-field", Some((1, 26))),
        (
            "an unknown block",
            text("[{\"role\":\"user\",\"content\":[{\"type\":\"hologram\"}]}]"),
            "ingest-unknown-block",
            Some((1, 27)),
        ),
        (
            "an unknown event",
            text("[{\"type\":\"user.message\",\"content\":[]},\n{\"type\":\"agent.dance\"}]"),
            "ingest-unknown-event",
            Some((2, 39)),
        ),
        (
            "a bad time",
            text("[{\"type\":\"user.message\",\"content\":[],\"processed_at\":\"soon\"}]"),
            "ingest-bad-field",
            Some((1, 52)),
        ),
        ("one page of a list", text("{\"data\":[],\"next_page\":\"p2\"}"), "ingest-incomplete-list", Some((1, 23))),
        (
            "a field of our own format misspelt",
            text("{\"memgate\":1,\"session\":\"a\",\"principle\":\"b\"}"),
            "ingest-unknown-field",
            Some((1, 27)),
        ),
        (
            "a version of our own format",
            text("{\"memgate\":2,\"session\":\"a\"}"),
            "ingest-unknown-version",
            Some((1, 11)),
        ),
        (
            "an unknown line of Claude Code",
            text("{\"type\":\"summary\",\"summary\":\"\"}\n{\"type\":\"dance\"}\n"),
            "ingest-unknown-event",
            Some((2, 32)),
        ),
        (
            "two sessions with one id",
            format!("{0}\n{0}\n", "{\"id\":\"a\",\"messages\":[]}").into_bytes(),
            "ingest-duplicate-session",
            Some((2, 25)),
        ),
        (
            "a JSONL value over several lines",
            format!("{{\n\"messages\":[]}}\n{message}\n").into_bytes(),
            "ingest-bad-json",
            Some((1, 1)),
        ),
    ]
}

#[test]
fn bad_input_gets_a_code_a_place_and_a_remedy() {
    let mut wrong = Vec::new();
    for (what, bytes, code, place) in bad_inputs() {
        let input = RawInput::new("bad.jsonl", bytes);
        let format = what.contains("role").then_some(Format::OpenAi);
        let errors = read_sessions(&input, format, &context()).expect_err(what);
        let place = place.map(|(line, offset)| Place { line, offset });
        if (errors[0].code(), errors[0].place) != (code, place) || errors[0].remedy().is_empty() {
            wrong.push(format!("{what}: {} {}", errors[0].code(), errors[0]));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_event_before_its_header_is_refused() {
    let input = RawInput::new("a.jsonl", b"{\"event\":\"message\",\"role\":\"user\",\"text\":\"\"}\n".to_vec());
    let errors = read_sessions(&input, Some(Format::Memgate), &context()).unwrap_err();
    assert_eq!(errors[0].code(), "ingest-no-header");
}

#[test]
fn all_bad_lines_are_reported_and_nothing_is_imported() {
    let good = "{\"id\":\"ID\",\"messages\":[]}";
    let lines: Vec<String> =
        (0..6).map(|n| if n % 2 == 0 { good.replace("ID", &n.to_string()) } else { "{".to_owned() }).collect();
    let input = RawInput::new("a.jsonl", lines.join("\n").into_bytes());
    let errors = read_sessions(&input, None, &context()).unwrap_err();
    let lines: Vec<usize> = errors.iter().map(|error| error.place.unwrap().line).collect();
    assert_eq!(lines, [2, 4, 6]);
}

#[test]
fn a_huge_line_is_read_up_to_the_limit_and_refused_beyond_it() {
    let line = |size: usize| {
        let mut bytes = b"{\"messages\":[]}\n{\"messages\":[{\"role\":\"user\",\"content\":\"".to_vec();
        bytes.resize(bytes.len() + size, b'a');
        bytes.extend(b"\"}]}\n");
        RawInput::new("huge.jsonl", bytes)
    };
    let sessions = read_sessions(&line((64 << 20) - 100), None, &context()).unwrap();
    assert_eq!(sessions[1].events[0].text().len(), (64 << 20) - 100);
    let errors = read_sessions(&line(64 << 20), None, &context()).unwrap_err();
    assert_eq!(errors[0].code(), "ingest-line-too-long");
    assert_eq!(errors[0].place.unwrap().line, 2);
}

#[test]
fn too_many_sessions_are_refused() {
    let line = "{\"messages\":[]}\n".repeat(10_001);
    let errors = read_sessions(&RawInput::new("a.jsonl", line.into_bytes()), None, &context()).unwrap_err();
    assert_eq!(errors[0].code(), "ingest-too-many-sessions");
}

#[test]
fn a_memory_keeps_its_bytes_and_says_where_it_came_from() {
    let text = "\u{FEFF}# Notes\r\n\r\n- a\tb\r\n- no final newline";
    let input = RawInput::new("notes/team.md", text.as_bytes());
    let vouched = Context { memory_authority: Authority::Operator, ..context() };
    let memory = read_memory("notes/team.md", &input, &vouched).unwrap();
    assert_eq!(memory.path.as_str(), "/notes/team.md");
    assert_eq!(memory.text.peek_unscanned(), text);
    assert_eq!(memory.text.digest(), input.digest);
    assert_eq!((memory.origin.channel, memory.origin.authority), (Channel::Memory, Authority::Operator));
    assert_eq!(memory.origin.span.len(), text.len());
}

#[test]
fn a_memory_that_cannot_be_stored_is_refused() {
    let read =
        |path: &str, bytes: &[u8]| read_memory(path, &RawInput::new(path, bytes), &context()).map_err(|e| e.code());
    assert_eq!(read("../a.md", b""), Err("ingest-bad-path"));
    assert_eq!(read("a/../../b.md", b""), Err("ingest-bad-path"));
    assert_eq!(read("/etc/a.md", b""), Err("ingest-bad-path"));
    assert_eq!(read("a\u{202E}.md", b""), Err("ingest-bad-path"));
    assert_eq!(read("a.md", b"x\0"), Err("ingest-binary"));
    assert_eq!(read("a.md", b"x\xff"), Err("ingest-not-utf8"));
    assert_eq!(read("a.md", &[b'x'; 102_401]), Err("ingest-memory-too-large"));
    assert!(read("a.md", &[b'x'; 102_400]).is_ok());
    assert!(read("a.md", b"").is_ok());
}

#[test]
fn a_folder_with_bad_files_reports_all_of_them_and_imports_nothing() {
    let good = RawInput::new("ok.md", b"- fine\n".to_vec());
    let inputs = [
        RawInput::new("b.md", b"\xff".to_vec()),
        good.clone(),
        RawInput::new("picture.png", b"\x89PNG\0".to_vec()),
        RawInput::new("chat/a.jsonl", b"{".to_vec()),
        RawInput::new("../c.md", b"x".to_vec()),
    ];
    let errors = read_folder(&inputs, None, &context()).unwrap_err();
    let found: Vec<(&str, &str)> = errors.iter().map(|error| (error.input.as_str(), error.code())).collect();
    assert_eq!(
        found,
        [("../c.md", "ingest-bad-path"), ("b.md", "ingest-not-utf8"), ("chat/a.jsonl", "ingest-truncated")]
    );

    let chat = |name: &str| RawInput::new(name, b"[{\"role\":\"user\",\"content\":\"hi\"}]".to_vec());
    let inputs = [chat("z/chat.json"), inputs[2].clone(), good.clone(), chat("a/chat.json")];
    let imported = read_folder(&inputs, None, &context()).unwrap();
    assert_eq!(imported.ignored, ["picture.png"]);
    assert_eq!(imported.memories.len(), 1);
    let ids: Vec<&str> = imported.sessions.iter().map(|session| session.id.as_str()).collect();
    assert_eq!(ids, ["a/chat", "z/chat"]);

    let errors = read_folder(&[good.clone(), good], None, &context()).unwrap_err();
    assert_eq!(errors[0].code(), "ingest-duplicate-path");
}

#[test]
fn a_byte_order_mark_does_no_harm_and_shifts_no_span() {
    let bytes = "\u{FEFF}[{\"role\":\"user\",\"content\":\"hi\"}]".as_bytes().to_vec();
    let sessions = read_sessions(&RawInput::new("a.json", bytes.clone()), None, &context()).unwrap();
    let span = sessions[0].events[0].origin.span;
    assert_eq!(&bytes[span.start..span.end], b"\"hi\"");
}

#[test]
fn no_input_can_set_memgates_own_labels() {
    let text = "{\"messages\":[],\"memgate.skipped\":9,\"site\":\"north\"}";
    let sessions = read_sessions(&RawInput::new("a.json", text.as_bytes()), None, &context()).unwrap();
    assert_eq!(sessions[0].labels, [("site".to_owned(), "north".to_owned())]);
    assert_eq!(sessions[0].skipped(), 0);
}

#[test]
fn more_values_than_the_limit_are_refused_before_memory_runs_out() {
    let text = format!("[{}0]", "0,".repeat(4_000_000));
    let errors = read_sessions(&RawInput::new("a.json", text.into_bytes()), None, &context()).unwrap_err();
    assert_eq!(errors[0].code(), "ingest-too-many-values");
}

#[test]
fn a_claude_code_line_the_user_did_not_type_never_has_the_users_authority() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/ingest/formats/claude-code.jsonl");
    let sessions = read_sessions(&input(&path), None, &context()).unwrap();
    let users: Vec<&String> = sessions
        .iter()
        .flat_map(|session| &session.events)
        .filter(|event| event.origin.authority >= Authority::User)
        .map(|event| event.text().peek_unscanned())
        .collect();
    assert_eq!(users, ["Fix the build, please.", "And the docs."]);
}

proptest! {
    /// Damaged transcripts end in an error or a reading, never in a panic, and a reading's spans
    /// stay inside the input.
    #[test]
    fn damaged_transcripts_never_panic(
        pick in any::<prop::sample::Index>(),
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3usize), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let files = cases("formats");
        let mut bytes = std::fs::read(pick.get(&files)).unwrap();
        for (at, byte, how) in hits {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => { bytes.remove(at); }
            }
        }
        if cut.index(4) == 0 {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        let length = bytes.len();
        let input = RawInput::new("damaged.jsonl", bytes);
        if let Ok(sessions) = read_sessions(&input, None, &context()) {
            for event in sessions.iter().flat_map(|session| &session.events) {
                prop_assert!(event.origin.span.end <= length);
            }
        }
    }
}

fn corpora(name: &str) -> Option<Vec<PathBuf>> {
    let Some(folder) = std::env::var_os("MEMGATE_CORPORA") else {
        eprintln!("SKIPPED {name}: MEMGATE_CORPORA names no folder of JSONL corpora");
        return None;
    };
    let files = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().map(|entry| entry.unwrap().into_path());
    Some(files.filter(|path| path.extension().is_some_and(|extension| extension == "jsonl")).collect())
}

#[test]
fn real_transcripts_are_read_whole() {
    let Some(files) = corpora("real_transcripts_are_read_whole") else { return };
    for (name, count) in [("tau_airline_sessions.jsonl", 50), ("tau_fewshot_dialogues.jsonl", 88)] {
        let path = files.iter().find(|path| path.ends_with(name)).unwrap();
        let input = input(path);
        let sessions = read_sessions(&input, None, &context()).unwrap();
        let seconds = (0..10).map(|_| {
            let started = std::time::Instant::now();
            std::hint::black_box(read_sessions(&input, None, &context()).unwrap());
            started.elapsed().as_secs_f64()
        });
        let best = seconds.fold(f64::INFINITY, f64::min);
        eprintln!("{name}: {:.0} MB/s", input.bytes.len() as f64 / 1e6 / best);
        assert_eq!(sessions.len(), count);
        // Nothing said is lost: every text of the file is some event's text.
        let raw: &[u8] = input.bytes.peek_unscanned();
        for (line, session) in std::str::from_utf8(raw).unwrap().lines().zip(&sessions) {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            let mut wanted = Vec::new();
            for message in value["messages"].as_array().unwrap() {
                wanted.extend(message["content"].as_str());
                for call in message["tool_calls"].as_array().unwrap_or(&vec![]) {
                    wanted.push(Box::leak(call["arguments"].as_str().unwrap().to_owned().into_boxed_str()));
                }
            }
            let got: Vec<&str> = session.events.iter().map(|event| event.text().peek_unscanned().as_str()).collect();
            assert_eq!(got, wanted);
            for event in &session.events {
                if let EventKind::ToolResult { name, .. } = &event.kind {
                    assert!(name.is_some() || path.ends_with("tau_fewshot_dialogues.jsonl"), "{}", session.id);
                }
            }
        }
    }
}
