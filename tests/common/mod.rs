//! What several topics need: a data folder with people in it, inputs written in one line, folders as bytes.

pub(crate) mod claims;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use memgate::detect::{Budget, Scanner};
use memgate::domain::{Authority, PrincipalId, Timestamp};
use memgate::firewall::{AcceptMode, DreamReport, DreamRequest, Env, Firewall, FirewallError, InitRequest};
use memgate::gate::HeldRecord;
use memgate::gate::policy::DEFAULT_POLICY;
use memgate::ingest::{Context, Memory, RawInput, Session, read_memory, read_sessions};
use memgate::ruleset::RuleSet;

/// The built-in rules, compiled once for all topics.
pub(crate) fn scanner() -> &'static Scanner {
    static SHARED: OnceLock<Scanner> = OnceLock::new();
    SHARED.get_or_init(|| Scanner::new(Arc::new(RuleSet::builtin().unwrap()), Budget::default()))
}

/// A fixed time, so many hours after the first one.
pub(crate) fn at(hours: i64) -> Timestamp {
    Timestamp::from_seconds(1_790_000_000 + hours * 3600)
}

/// A new data folder: `ops` runs it, `ana` and `ben` review.
pub(crate) fn init(data: &Path) -> Firewall {
    init_with(data, DEFAULT_POLICY)
}

/// The same under another policy.
pub(crate) fn init_with(data: &Path, policy: &str) -> Firewall {
    let request = InitRequest {
        store: "main".to_owned(),
        operator: "ops".into(),
        reviewers: vec!["ana".into(), "ben".into()],
        policy: policy.to_owned(),
    };
    Firewall::init(data, request, Env::dangerous_fixed(at(0))).unwrap()
}

/// Closes and opens again, so many hours later.
pub(crate) fn later(firewall: Firewall, data: &Path, hours: i64) -> Firewall {
    firewall.close().unwrap();
    Firewall::open(data, Env::dangerous_fixed(at(hours))).unwrap()
}

pub(crate) fn context() -> Context {
    Context { principal: PrincipalId::new("ops"), memory_authority: Authority::Agent }
}

/// One memory of a folder.
pub(crate) fn memory(path: &str, text: &str) -> Memory {
    read_memory(path, &RawInput::new(path, text.as_bytes().to_vec()), &context()).unwrap()
}

/// A folder of memories: path and text.
pub(crate) fn memories(all: &[(&str, &str)]) -> Vec<Memory> {
    let mut memories: Vec<Memory> = all.iter().map(|(path, text)| memory(path, text)).collect();
    memories.sort_by(|a, b| a.path.cmp(&b.path));
    memories
}

/// The bytes of a session in memgate's own form: role and text of each message.
pub(crate) fn session_input(id: &str, principal: &str, lines: &[(&str, &str)]) -> RawInput {
    let mut text = serde_json::json!({ "memgate": 1, "session": id, "principal": principal }).to_string();
    for (role, said) in lines {
        text.push('\n');
        text.push_str(&serde_json::json!({ "event": "message", "role": role, "text": said }).to_string());
    }
    text.push('\n');
    RawInput::new(format!("{id}.jsonl"), text.into_bytes())
}

/// A session: role and text of each message.
pub(crate) fn session(id: &str, principal: &str, lines: &[(&str, &str)]) -> Session {
    let mut sessions = read_sessions(&session_input(id, principal, lines), None, &context()).unwrap();
    assert_eq!(sessions.len(), 1);
    sessions.remove(0)
}

/// A dream over a folder, or over the store's current version.
pub(crate) fn request(memories: Option<Vec<Memory>>, sessions: Vec<Session>) -> DreamRequest<'static> {
    DreamRequest {
        memories,
        sessions,
        raw: Vec::new(),
        instructions: None,
        workspace: None,
        accept: AcceptMode::None,
        ask: None,
        adopt: false,
        dry_run: false,
    }
}

pub(crate) fn try_dream(
    firewall: &mut Firewall,
    memories: Option<Vec<Memory>>,
    sessions: Vec<Session>,
) -> Result<DreamReport, FirewallError> {
    firewall.dream(request(memories, sessions), &mut |_| {})
}

pub(crate) fn dream(firewall: &mut Firewall, memories: Option<Vec<Memory>>, sessions: Vec<Session>) -> DreamReport {
    try_dream(firewall, memories, sessions).unwrap()
}

/// Path and text of every memory of a version.
pub(crate) fn texts(firewall: &Firewall, sequence: u64) -> BTreeMap<String, String> {
    let texts = firewall.texts(sequence).unwrap();
    texts.into_iter().map(|text| (text.path.to_string(), text.text)).collect()
}

/// Everything that is served now, as one string.
pub(crate) fn served(firewall: &Firewall) -> String {
    let Some(head) = firewall.head().unwrap() else { return String::new() };
    texts(firewall, head.sequence).into_values().collect::<Vec<_>>().join("\n")
}

/// The held item whose text contains `part`.
pub(crate) fn held_with(firewall: &Firewall, part: &str) -> HeldRecord {
    let mut found: Vec<HeldRecord> =
        firewall.held().unwrap().into_iter().filter(|record| record.text.contains(part)).collect();
    assert_eq!(found.len(), 1, "items with {part:?}: {found:#?}");
    found.remove(0)
}

/// Every file below a folder: bytes and time of the last change.
pub(crate) fn files(root: &Path) -> BTreeMap<String, (Vec<u8>, SystemTime)> {
    let mut files = BTreeMap::new();
    for entry in walkdir::WalkDir::new(root) {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            let name = entry.path().strip_prefix(root).unwrap().to_string_lossy().into_owned();
            let changed = entry.metadata().unwrap().modified().unwrap();
            files.insert(name, (std::fs::read(entry.path()).unwrap(), changed));
        }
    }
    files
}

/// Only the bytes.
pub(crate) fn bytes(root: &Path) -> BTreeMap<String, Vec<u8>> {
    files(root).into_iter().map(|(name, (bytes, _))| (name, bytes)).collect()
}

/// Compares with a golden file, or rewrites it when `MEMGATE_BLESS` is set.
pub(crate) fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("MEMGATE_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    let first = committed.lines().zip(text.lines()).find(|(a, b)| a != b);
    assert!(committed == text, "tests/golden/{name} is stale (MEMGATE_BLESS=1 rewrites it); first: {first:?}");
}
