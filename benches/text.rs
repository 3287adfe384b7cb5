//! Harmless text: made from a seed, or the demo's own.

use std::fmt::Write as _;
use std::path::Path;

use memgate::domain::{Authority, PrincipalId, Untrusted};
use memgate::ingest::{Context, Memory, RawInput, Session, read_memory, read_sessions};

/// SplitMix64: small, known, the same everywhere.
struct Seed(u64);

impl Seed {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
    fn one_of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }
}

const NAMES: [&str; 12] =
    ["Mia", "Ivan", "Omar", "Anya", "Sophia", "Yara", "Raj", "Hana", "Noah", "Lucas", "Amelia", "Tomas"];
const THINGS: [&str; 24] = [
    "billing service",
    "north depot",
    "search index",
    "nightly report",
    "seat map",
    "release branch",
    "staging cluster",
    "mobile client",
    "invoice template",
    "warehouse scanner",
    "holiday calendar",
    "support rota",
    "train timetable",
    "payments queue",
    "image cache",
    "customer survey",
    "login page",
    "backup job",
    "translation file",
    "pricing table",
    "meeting room",
    "test suite",
    "parcel label",
    "garden shed",
];
const VERBS: [&str; 14] = [
    "moved to",
    "depends on",
    "was compared with",
    "replaced",
    "sits next to",
    "feeds",
    "waits for",
    "was built after",
    "reads from",
    "is older than",
    "shares a disk with",
    "was measured against",
    "failed together with",
    "inherits from",
];
const STATES: [&str; 14] = [
    "slow on Mondays",
    "green again",
    "larger than planned",
    "stable since spring",
    "painted blue",
    "almost empty",
    "three minutes late",
    "ready for the autumn",
    "covered by tests",
    "easy to read",
    "quiet at night",
    "short of paper",
    "twice as fast",
    "kept for one year",
];
const PLACES: [&str; 10] = [
    "Lisbon",
    "the second floor",
    "Graz",
    "the east wing",
    "Oslo",
    "the old archive",
    "Leeds",
    "hall four",
    "Turin",
    "the yard",
];

/// One plain sentence, without its stop.
fn sentence(seed: &mut Seed) -> String {
    let (a, b) = (seed.one_of(&THINGS), seed.one_of(&THINGS));
    let (name, state, place) = (seed.one_of(&NAMES), seed.one_of(&STATES), seed.one_of(&PLACES));
    let number = seed.below(900) + 10;
    match seed.below(16) {
        0 => format!("The {a} {} the {b}", seed.one_of(&VERBS)),
        1 => format!("{name} said the {a} in {place} is {state}"),
        2 => format!("On average the {a} takes {number} milliseconds, and the {b} a little less"),
        3 => format!("We counted {number} boxes near the {a} before lunch"),
        4 => format!("The flight from {place} to Vienna carries {number} passengers when the {a} is {state}"),
        5 => format!("{name} wrote the first half of the {a} and {} reviewed the {b}", seed.one_of(&NAMES)),
        6 => format!("Nothing changed in the {a} this week, so the {b} stayed {state}"),
        7 => format!("Version {}.{} of the {a} was {state}", seed.below(9) + 1, seed.below(30)),
        8 => format!("The customer asked why the {a} costs {number} euros more than the {b}"),
        9 => format!("It rained in {place}, the {a} was delayed and {name} took the later train"),
        10 => format!("A short summary of the {a}: it is {state}, its owner is {name}, its budget is {number}"),
        11 => format!("The table lists every {a} by weight, colour and shelf number {number}"),
        12 => format!("{name} likes the {a} because the {b} is {state}"),
        13 => format!("Two tests of the {a} were flaky in {place} until the {b} was {state}"),
        14 => format!("The answer was {number}, which is what the {a} had shown on Tuesday"),
        _ => format!("Between May and July the {a} grew by {number} percent while the {b} {} it", "followed"),
    }
}

/// Plain ASCII texts of about `bytes` each: paragraphs, a heading now and then, short lists.
pub(crate) fn plain(texts: u64, bytes: usize) -> Vec<Untrusted<String>> {
    (0..texts).map(|number| Untrusted::new(page(number, bytes))).collect()
}

fn page(number: u64, bytes: usize) -> String {
    let mut seed = Seed(number + 1);
    let mut text = String::with_capacity(bytes + 512);
    while text.len() < bytes {
        match seed.below(8) {
            0 => {
                let _ = write!(text, "## The {}\n\n", seed.one_of(&THINGS));
            }
            1 | 2 => {
                for _ in 0..seed.below(5) + 2 {
                    let _ = writeln!(text, "- {}.", sentence(&mut seed));
                }
                text.push('\n');
            }
            _ => {
                for _ in 0..seed.below(5) + 2 {
                    let end = if seed.below(3) == 0 { '\n' } else { ' ' };
                    let _ = write!(text, "{}.{end}", sentence(&mut seed));
                }
                text.push_str("\n\n");
            }
        }
    }
    assert!(text.is_ascii());
    text
}

fn knows(principal: &str) -> Context {
    Context { principal: PrincipalId::new(principal), memory_authority: Authority::Agent }
}

fn memory(path: &str, text: String) -> Memory {
    read_memory(path, &RawInput::new(path, text.into_bytes()), &knows("olga")).unwrap()
}

/// Plain ASCII memories of about `bytes` each.
pub(crate) fn plain_memories(count: u64, bytes: usize) -> Vec<Memory> {
    (0..count).map(|number| memory(&format!("plain/{number}.md"), page(number + 1000, bytes))).collect()
}

/// `notes` notes in memories of fifty: facts, preferences, steps; one in ten repeats another word for
/// word, one in ten nearly, some give a new value for an old slot.
pub(crate) fn memories(notes: usize) -> Vec<Memory> {
    let mut seed = Seed(77);
    let mut told: Vec<String> = Vec::new();
    let mut list = Vec::new();
    for number in 0..notes.div_ceil(50) {
        let mut text = format!("# {} {number}\n", seed.one_of(&THINGS));
        for row in 0..50.min(notes - number * 50) {
            if row % 10 == 0 {
                let _ = write!(text, "\n## {}\n\n", seed.one_of(&THINGS));
            }
            let note = match seed.below(10) {
                0 if !told.is_empty() => told[seed.below(told.len())].clone(),
                1 if !told.is_empty() => format!("{} as of today", told[seed.below(told.len())]),
                2 => format!("{} limit: {}", seed.one_of(&THINGS), seed.below(500)),
                3 => format!(
                    "{} prefers the {} {}",
                    seed.one_of(&NAMES),
                    seed.one_of(&["window", "aisle", "morning", "evening"]),
                    seed.one_of(&["seat", "slot", "train", "shift"])
                ),
                _ => sentence(&mut seed),
            };
            let _ = writeln!(text, "- {note}.");
            told.push(note);
        }
        list.push(memory(&format!("notes/{number}.md"), text));
    }
    list
}

/// `count` sessions of some forty events: talk, tool calls, answers, errors that recur with what mended them.
pub(crate) fn sessions(count: usize) -> Vec<Session> {
    let mut seed = Seed(99);
    let mut list = Vec::new();
    for number in 0..count {
        let mut lines = String::new();
        let mut line = |value: serde_json::Value| {
            lines.push_str(&value.to_string());
            lines.push('\n');
        };
        let principal = format!("{}-{}", seed.one_of(&NAMES).to_lowercase(), number % 17);
        line(serde_json::json!({
            "memgate": 1, "session": format!("night-{number}"), "principal": principal,
            "started": format!("2026-05-{:02}T{:02}:00:00Z", number % 28 + 1, number % 24),
        }));
        for turn in 0..8 {
            let call = format!("c{turn}");
            line(serde_json::json!({ "event": "message", "role": "user", "text": paragraph(&mut seed, 2) }));
            line(serde_json::json!({
                "event": "tool_use", "call": call, "name": seed.one_of(&["find_parcel", "read_rota", "list_seats"]),
                "arguments": { "id": seed.below(5000), "place": seed.one_of(&PLACES) },
            }));
            if seed.below(5) == 0 {
                let text = format!("Error: unknown id {}; ids have the form P-0000", seed.below(5000));
                line(serde_json::json!({ "event": "tool_result", "call": call, "text": text, "is_error": true }));
                line(serde_json::json!({
                    "event": "tool_use", "call": format!("r{turn}"), "name": "find_parcel",
                    "arguments": { "id": format!("P-{:04}", seed.below(5000)) },
                }));
                let text = paragraph(&mut seed, 6);
                line(serde_json::json!({ "event": "tool_result", "call": format!("r{turn}"), "text": text }));
            } else {
                let text = paragraph(&mut seed, 20);
                line(serde_json::json!({ "event": "tool_result", "call": call, "text": text, "is_error": false }));
            }
            line(serde_json::json!({ "event": "message", "role": "assistant", "text": paragraph(&mut seed, 4) }));
        }
        let input = RawInput::new(format!("night-{number}.jsonl"), lines.into_bytes());
        list.extend(read_sessions(&input, None, &knows("olga")).unwrap());
    }
    list
}

fn paragraph(seed: &mut Seed, sentences: usize) -> String {
    (0..sentences).map(|_| sentence(seed) + ".").collect::<Vec<_>>().join(" ")
}

fn demo(folder: &str) -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/demo_data").join(folder);
    let mut files: Vec<_> = walkdir::WalkDir::new(&root)
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| entry.into_path())
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
            (name, std::fs::read(&path).unwrap())
        })
        .collect()
}

/// Every event of the demo's honest sessions.
pub(crate) fn honest_events() -> Vec<Untrusted<String>> {
    demo("sessions/honest")
        .into_iter()
        .flat_map(|(name, bytes)| read_sessions(&RawInput::new(name, bytes), None, &knows("olga")).unwrap())
        .flat_map(|session| session.events.into_iter().map(|event| event.text().clone()))
        .collect()
}

/// The demo's honest memory folder.
pub(crate) fn honest_memory() -> Vec<Memory> {
    demo("memory")
        .into_iter()
        .filter(|(name, _)| name.ends_with(".md"))
        .map(|(name, bytes)| read_memory(&name, &RawInput::new(&*name, bytes), &knows("olga")).unwrap())
        .collect()
}
