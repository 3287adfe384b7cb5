//! Whole stories through the firewall: writes, dreams, decisions, rollbacks, restarts.
//!
//! One step a line. `a TEXT`, `u TEXT` and `e TEXT` write a memory (an agent's own words, a user's, a page's);
//! `d TEXT` dreams over a session in which a user says it; `r` releases and `x` destroys the worst open item; `b` goes
//! back to version 1; `o` closes and opens again. Whatever the order: nothing is served that was held and not released,
//! nothing of a governed kind is served without a release, and everything verifies at the end.

use std::collections::BTreeSet;

use memgate::auditor;
use memgate::auth::{Principal, Role};
use memgate::detect::kind;
use memgate::domain::{
    Authority, Candidate, Channel, Claim, Digest, MemoryPath, Origin, PrincipalId, Span, Stage, Timestamp,
};
use memgate::firewall::{AcceptMode, Decided, DreamRequest, Env, Firewall, InitRequest};
use memgate::gate::policy::DEFAULT_POLICY;
use memgate::gate::{HeldRecord, HeldState};
use memgate::ingest::{Context, RawInput, read_sessions};
use memgate::notes::Document;

const STEPS: usize = 8;

pub fn body(data: &[u8]) {
    let Some(text) = super::text(data) else { return };
    if text.len() > 2_000 {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let request = InitRequest {
        store: "fuzz".to_owned(),
        operator: "ops".into(),
        reviewers: vec!["ana".into(), "ben".into()],
        policy: DEFAULT_POLICY.to_owned(),
    };
    let env = || Env::dangerous_fixed(Timestamp::from_seconds(1_790_000_000));
    let mut firewall = Firewall::init(&data, request, env()).expect("a new data folder");
    let mut released = BTreeSet::new();
    for (number, line) in text.lines().take(STEPS).enumerate() {
        let (verb, said) = line.split_at_checked(2).unwrap_or((line, ""));
        match verb.trim() {
            "a" => submit(&mut firewall, number, said, Channel::Assistant),
            "u" => submit(&mut firewall, number, said, Channel::User),
            "e" => submit(&mut firewall, number, said, Channel::Tool),
            "d" => dream(&mut firewall, number, said),
            "r" => release(&mut firewall, &mut released),
            "x" => destroy(&mut firewall),
            "b" => drop(firewall.rollback(1, "fuzz")),
            "o" => {
                firewall.close().expect("a sealed folder");
                firewall = Firewall::open(&data, env()).expect("the folder opens again");
            }
            _ => continue,
        }
        check(&firewall, &released);
    }
    firewall.close().expect("a sealed folder");
    let report = auditor::verify(&data, None, env().now).expect("a report");
    assert!(report.is_good(), "{:?}", report.problems);
}

fn submit(firewall: &mut Firewall, number: usize, said: &str, channel: Channel) {
    let store = firewall.config().settings.store.clone();
    let agent = Principal::new("bot".into(), store, [Role::Agent]).expect("an agent");
    let text = format!("{said}\n");
    let span = Span::new(0, text.len());
    let origin = Origin {
        input: "fuzz".to_owned(),
        input_digest: Digest::of(&text),
        session: None,
        event: None,
        span,
        channel,
        principal: "bot".into(),
        authority: channel.authority(),
        at: None,
    };
    let claims = vec![Claim { span, origins: vec![origin], authority: channel.authority() }];
    let path = MemoryPath::parse(&format!("/m{}.md", number % 3)).expect("a path");
    // A refusal is an answer; a half-done write would show in the check.
    drop(firewall.submit(&agent, Candidate { path, text, claims, stage: Stage::Write }));
}

fn dream(firewall: &mut Firewall, number: usize, said: &str) {
    let first = serde_json::json!({ "memgate": 1, "session": format!("s{number}"), "principal": "user" });
    let line = serde_json::json!({ "event": "message", "role": "user", "text": said });
    let raw = RawInput::new("s.jsonl", format!("{first}\n{line}\n").into_bytes());
    let context = Context { principal: PrincipalId::new("user"), memory_authority: Authority::Agent };
    let Ok(sessions) = read_sessions(&raw, None, &context) else { return };
    let request = DreamRequest {
        memories: None,
        sessions,
        raw: Vec::new(),
        instructions: None,
        workspace: None,
        accept: AcceptMode::Proposals,
        ask: None,
        adopt: false,
        dry_run: false,
    };
    drop(firewall.dream(request, &mut |_| {}));
}

fn open_items(firewall: &Firewall) -> Vec<HeldRecord> {
    let held = firewall.held().expect("the quarantine reads back");
    held.into_iter().filter(|record| record.state.is_open()).collect()
}

fn release(firewall: &mut Firewall, released: &mut BTreeSet<Digest>) {
    let Some(record) = open_items(firewall).into_iter().find(|record| record.place.memory().is_some()) else { return };
    for person in ["ana", "ben"] {
        let note = Some("fuzz".to_owned());
        let digest = record.digest.hex();
        let outcome = firewall.release(record.id.as_str(), &person.into(), &digest, "other", note);
        if let Ok(Decided::Released { .. }) = outcome {
            released.insert(record.digest);
            return;
        }
    }
}

fn destroy(firewall: &mut Firewall) {
    if let Some(record) = open_items(firewall).first() {
        let digest = record.digest.hex();
        drop(firewall.destroy(record.id.as_str(), &"ana".into(), &digest, "malicious", None));
    }
}

fn check(firewall: &Firewall, released: &BTreeSet<Digest>) {
    let Some(head) = firewall.head().expect("the head verifies") else { return };
    let held: BTreeSet<Digest> = firewall
        .held()
        .expect("the quarantine reads back")
        .into_iter()
        .filter(|record| record.state != HeldState::Released && record.place.memory().is_some())
        .map(|record| record.digest)
        .collect();
    for memory in firewall.texts(head.sequence).expect("the version verifies") {
        let document = Document::parse(&memory.text);
        for note in document.notes() {
            let digest = document.body_digest(note);
            if released.contains(&digest) {
                continue;
            }
            assert!(!held.contains(&digest), "served though held: {:?}", document.body(note));
            let kind = kind::classify(document.body(note));
            assert!(!kind.is_governed(), "{kind:?} served without a release: {:?}", document.body(note));
        }
    }
}
