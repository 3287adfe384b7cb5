//! The gate's decisions as data: `tests/cases/gate/*.yaml`, and every way a decision of a person is refused.
//!
//! A case names a text, where it came from, who vouched for what and what must come out. See [`Case`].

use std::path::Path;
use std::sync::{Arc, OnceLock};

use memgate::auth::{Accept, Adopt, Principal, Release, Role, authorize};
use memgate::detect::{Budget, Scanner};
use memgate::domain::{
    Authority, Candidate, Channel, Claim, Coded as _, Confidence, Digest, Finding, Kind, MemoryPath, Origin, Severity,
    Span, Stage, Untrusted, View,
};
use memgate::gate::decide::{HeldNote, Verdict, glue_lines, set_finding};
use memgate::gate::policy::DEFAULT_POLICY;
use memgate::gate::review::{REASONS, ReleaseStep, check_open, release};
use memgate::gate::{Accepted, Adopted, Basis, Decision, HeldRecord, HeldState, Place, Policy, Released, decide};
use memgate::notes::Document;
use memgate::ruleset::RuleSet;
use serde::Deserialize;

use crate::common::at;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    /// What the cases of this file are about.
    about: String,
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// The claim, one sentence.
    claim: String,
    /// The memory's text.
    text: String,
    /// Where all of it came from; `none` for no source at all.
    #[serde(default = "memory")]
    from: String,
    /// Parts that came from elsewhere as well: the lowest authority counts.
    #[serde(default)]
    also: Vec<Part>,
    /// Statements their owner vouches for; `["*"]` for all of the text.
    #[serde(default)]
    adopted: Vec<String>,
    /// Proposals their owner accepted.
    #[serde(default)]
    accepted: Vec<String>,
    /// Statements that were released by a reviewer.
    #[serde(default)]
    released: Vec<String>,
    /// Statements that a reviewer destroyed before.
    #[serde(default)]
    destroyed: Vec<String>,
    /// Statements that are harmful only together.
    #[serde(default)]
    together: Vec<String>,
    /// True when the notes could not all be read beside their neighbours.
    #[serde(default)]
    sets_incomplete: bool,
    /// True on the way round after a redaction.
    #[serde(default)]
    after_redaction: bool,
    /// Changes to the documented default policy: text and what stands there instead.
    #[serde(default)]
    policy: Vec<(String, String)>,
    /// Ceilings of the scan, when they are not the default ones.
    #[serde(default)]
    limits: Limits,
    decision: String,
    /// Everything that is held or refused, in order.
    #[serde(default)]
    held: Vec<Held>,
    /// The text that goes round again, or that is admitted. Not looked at when absent.
    then: Option<String>,
    /// Rules that masked something, one for each place.
    #[serde(default)]
    masked: Vec<String>,
    /// Why the whole memory is refused.
    reason: Option<String>,
    /// By what each note was admitted, in order.
    #[serde(default)]
    by: Vec<String>,
}

fn memory() -> String {
    "memory".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    text: String,
    from: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    steps: Option<u64>,
    depth: Option<usize>,
    text_bytes: Option<usize>,
    findings: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Held {
    text: String,
    /// `hold` unless said otherwise.
    #[serde(default)]
    refused: bool,
    /// Parts of the reasons; each must be there.
    why: Vec<String>,
    kind: Option<Kind>,
    authority: Option<Authority>,
    /// Rules that must have fired.
    #[serde(default)]
    rules: Vec<String>,
    /// True when nothing but kind or origin holds it.
    #[serde(default)]
    no_findings: bool,
}

fn rules() -> Arc<RuleSet> {
    static RULES: OnceLock<Arc<RuleSet>> = OnceLock::new();
    Arc::clone(RULES.get_or_init(|| Arc::new(RuleSet::builtin().unwrap())))
}

fn scanner() -> &'static Scanner {
    static SCANNER: OnceLock<Scanner> = OnceLock::new();
    SCANNER.get_or_init(|| Scanner::new(rules(), Budget::default()))
}

fn channel(name: &str) -> Channel {
    match name {
        "system" => Channel::System,
        "user" => Channel::User,
        "assistant" => Channel::Assistant,
        "tool" => Channel::Tool,
        "peer" => Channel::Peer,
        "memory" => Channel::Memory,
        other => unreachable!("{other} is no channel"),
    }
}

fn claim(span: Span, text: &str, from: &str) -> Claim {
    let channel = channel(from);
    let origin = Origin {
        input: "case".to_owned(),
        input_digest: Digest::of(text),
        session: None,
        event: None,
        span,
        channel,
        principal: "mallory".into(),
        authority: channel.authority(),
        at: None,
    };
    Claim { span, origins: vec![origin], authority: channel.authority() }
}

fn candidate(case: &Case) -> Candidate {
    let text = &case.text;
    let mut claims = Vec::new();
    if case.from != "none" {
        claims.push(claim(Span::new(0, text.len()), text, &case.from));
    }
    for part in &case.also {
        let start = text.find(&part.text).expect("the part is in the text");
        claims.push(claim(Span::new(start, start + part.text.len()), text, &part.from));
    }
    Candidate { path: MemoryPath::parse("/case.md").unwrap(), text: text.clone(), claims, stage: Stage::Consolidate }
}

fn operator() -> Principal {
    Principal::new("ops".into(), "main".into(), [Role::Operator]).unwrap()
}

fn reviewer(name: &str) -> Principal {
    Principal::new(name.into(), "main".into(), [Role::Reviewer]).unwrap()
}

fn held_note(text: &str, kind: Kind, severity: Severity) -> HeldNote {
    HeldNote {
        verdict: Verdict::Hold,
        text: text.to_owned(),
        span: Span::new(0, text.len()),
        kind,
        authority: Authority::Agent,
        severity,
        reasons: vec!["test".to_owned()],
        findings: Vec::new(),
        origins: Vec::new(),
    }
}

fn record(text: &str, kind: Kind, severity: Severity) -> HeldRecord {
    let place = Place::Memory { path: MemoryPath::parse("/case.md").unwrap(), heading: None };
    let note = held_note(text, kind, severity);
    HeldRecord::open(note, place, "mallory".into(), &Policy::builtin(), Digest::of("rules"), at(0))
}

fn released(text: &str) -> Released {
    let record = record(text, Kind::Fact, Severity::Medium);
    let grant = authorize::<Release>(&reviewer("ana")).unwrap();
    match release(&record, &grant, &record.digest.hex(), "acceptable_risk", at(1)) {
        Ok(ReleaseStep::Released(released)) => released,
        other => unreachable!("{other:?}"),
    }
}

/// What a note's statement and a line of glue are vouched for by.
fn digests(case: &Case, of: &[String]) -> Vec<Digest> {
    let mut digests = Vec::new();
    for text in of {
        if text == "*" {
            let document = Document::parse(&case.text);
            digests.extend(document.notes().map(|note| document.body_digest(note)));
            digests.extend(glue_lines(&case.text));
        } else {
            digests.push(Digest::of(text));
        }
    }
    digests
}

fn run(case: &Case) -> Vec<String> {
    let mut policy = DEFAULT_POLICY.to_owned();
    for (from, to) in &case.policy {
        assert!(policy.contains(from), "{from:?} is not in the default policy");
        policy = policy.replace(from, to);
    }
    let policy = Policy::parse(&policy).unwrap();
    let usual = Budget::default();
    let budget = Budget {
        steps: case.limits.steps.unwrap_or(usual.steps),
        depth: case.limits.depth.unwrap_or(usual.depth),
        text_bytes: case.limits.text_bytes.unwrap_or(usual.text_bytes),
        findings: case.limits.findings.unwrap_or(usual.findings),
        ..usual
    };
    let own;
    let scanner = if budget == usual {
        scanner()
    } else {
        own = Scanner::new(rules(), budget);
        &own
    };
    let adopted = [Adopted::new(&authorize::<Adopt>(&operator()).unwrap(), digests(case, &case.adopted))];
    let accepted = [Accepted::new(&authorize::<Accept>(&operator()).unwrap(), digests(case, &case.accepted))];
    let released: Vec<Released> = case.released.iter().map(|text| released(text)).collect();
    let together = set_finding(&"persistence.fragment-assembly".into(), "Only together", &["T11".to_owned()]);
    let basis = Basis {
        adopted: &adopted,
        accepted: &accepted,
        released: &released,
        tombstones: digests(case, &case.destroyed).into_iter().collect(),
        set_findings: case.together.iter().map(|text| (Digest::of(text), vec![together.clone()])).collect(),
        sets_incomplete: case.sets_incomplete,
        unchanged: None,
        after_redaction: case.after_redaction,
    };
    let scanned = scanner.scan(Untrusted::new(candidate(case)));
    let decision = decide(scanned, &policy, &basis);
    let mut out = Vec::new();
    let (name, held, then, masked, reason, by) = match &decision {
        Decision::Admit(approved) => {
            let provenance: serde_json::Value = serde_json::from_str(approved.provenance()).unwrap();
            let by = provenance["notes"].as_array().unwrap().iter();
            let by = by.map(|note| note["admittedBy"].as_str().unwrap().to_owned()).collect();
            ("admit", &[][..], Some(approved.text().to_owned()), Vec::new(), None, by)
        }
        Decision::Redact(redaction) => {
            let masked = redaction.masked.iter().map(ToString::to_string).collect();
            ("redact", &[][..], Some(redaction.candidate.peek_unscanned().text.clone()), masked, None, Vec::new())
        }
        Decision::Hold(split) => {
            let rest = split.rest.as_ref().map(|rest| rest.peek_unscanned().text.clone());
            ("hold", split.notes.as_slice(), rest, Vec::new(), None, Vec::new())
        }
        Decision::Refuse { reason, .. } => {
            ("refuse", &[][..], None, Vec::new(), Some((*reason).to_owned()), Vec::new())
        }
    };
    if name != case.decision {
        out.push(format!("{name}, expected {}: {decision:#?}", case.decision));
        return out;
    }
    if case.then.is_some() && case.then != then {
        out.push(format!("the text that goes on is {then:?}, expected {:?}", case.then));
    }
    if !case.by.is_empty() && case.by != by {
        out.push(format!("admitted by {by:?}, expected {:?}", case.by));
    }
    if case.masked != masked {
        out.push(format!("masked {masked:?}, expected {:?}", case.masked));
    }
    if case.reason != reason {
        out.push(format!("refused for {reason:?}, expected {:?}", case.reason));
    }
    let texts: Vec<&str> = held.iter().map(|note| note.text.as_str()).collect();
    let expected: Vec<&str> = case.held.iter().map(|held| held.text.as_str()).collect();
    if texts != expected {
        out.push(format!("held {texts:#?}, expected {expected:#?}"));
        return out;
    }
    for (note, expected) in held.iter().zip(&case.held) {
        out.extend(differences(note, expected).into_iter().map(|problem| format!("{:?}: {problem}", note.text)));
    }
    out
}

fn differences(note: &HeldNote, expected: &Held) -> Vec<String> {
    let mut out = Vec::new();
    let verdict = if expected.refused { Verdict::Refuse } else { Verdict::Hold };
    if note.verdict != verdict {
        out.push(format!("{:?}, expected {verdict:?}", note.verdict));
    }
    for why in expected.why.iter().filter(|why| !note.reasons.iter().any(|reason| reason.contains(why.as_str()))) {
        out.push(format!("the reasons {:?} lack {why:?}", note.reasons));
    }
    if expected.kind.is_some_and(|kind| kind != note.kind) {
        out.push(format!("is a {}", note.kind.name()));
    }
    if expected.authority.is_some_and(|authority| authority != note.authority) {
        out.push(format!("has authority {}", note.authority.name()));
    }
    for rule in expected.rules.iter().filter(|rule| !note.findings.iter().any(|f| f.rule.as_str() == rule.as_str())) {
        let fired: Vec<&str> = note.findings.iter().map(|f| f.rule.as_str()).collect();
        out.push(format!("{rule} did not fire, but {fired:?}"));
    }
    if expected.no_findings && !note.findings.is_empty() {
        out.push(format!("has findings: {:?}", note.findings));
    }
    for finding in &note.findings {
        if finding.span.end > note.text.len() {
            out.push(format!("the span of {} lies outside", finding.rule));
        }
    }
    out
}

#[test]
fn every_case_is_decided_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/gate");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let (mut failed, mut count) = (Vec::new(), 0);
    for path in paths {
        let cases: Cases = serde_saphyr::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert!(!cases.about.is_empty());
        for case in &cases.cases {
            count += 1;
            let problems = run(case);
            if !problems.is_empty() {
                let file = path.file_name().unwrap().to_string_lossy();
                failed.push(format!("{file}: {}\n  {}", case.claim, problems.join("\n  ")));
            }
        }
    }
    assert!(count >= 40, "{count} cases are found");
    assert!(failed.is_empty(), "{} of {count}:\n{}", failed.len(), failed.join("\n\n"));
}

/// A person's yes or no, and why it does not count.
#[test]
fn a_decision_that_does_not_name_what_was_seen_or_comes_from_the_wrong_person_is_refused() {
    struct Row {
        claim: &'static str,
        change: fn(&mut HeldRecord),
        by: &'static str,
        digest: fn(&HeldRecord) -> String,
        reason: &'static str,
        hours: i64,
        code: Option<&'static str>,
        /// Also for destroying.
        both: bool,
    }
    let row = Row {
        claim: "",
        change: |_| {},
        by: "ana",
        digest: |record| record.digest.hex(),
        reason: "acceptable_risk",
        hours: 1,
        code: None,
        both: true,
    };
    let rows = [
        Row { claim: "everything right", ..row },
        Row { claim: "12 digits are enough", digest: |r| r.digest.hex()[..12].to_owned(), ..row },
        Row { claim: "the algorithm may stand before it", digest: |r| format!("sha256:{}", r.digest.hex()), ..row },
        Row {
            claim: "11 digits could be a look-alike's",
            digest: |r| r.digest.hex()[..11].to_owned(),
            code: Some("review-other-bytes"),
            ..row
        },
        Row { claim: "no digits", digest: |_| String::new(), code: Some("review-other-bytes"), ..row },
        Row {
            claim: "only the name of the algorithm",
            digest: |_| "sha256:".to_owned(),
            code: Some("review-other-bytes"),
            ..row
        },
        Row {
            claim: "the digest of other text",
            digest: |_| Digest::of("other").hex(),
            code: Some("review-other-bytes"),
            ..row
        },
        Row {
            claim: "more than the digest",
            digest: |r| r.digest.hex() + "00",
            code: Some("review-other-bytes"),
            ..row
        },
        Row {
            claim: "the end instead of the beginning",
            digest: |r| r.digest.hex()[20..].to_owned(),
            code: Some("review-other-bytes"),
            ..row
        },
        Row { claim: "an unknown reason", reason: "because", code: Some("review-reason"), ..row },
        Row { claim: "no reason", reason: "", code: Some("review-reason"), ..row },
        Row {
            claim: "the text was changed under its digest",
            change: |r| r.text.push('!'),
            code: Some("review-tampered"),
            ..row
        },
        Row {
            claim: "released before",
            change: |r| r.state = HeldState::Released,
            code: Some("review-not-open"),
            ..row
        },
        Row {
            claim: "destroyed before",
            change: |r| r.state = HeldState::Destroyed,
            code: Some("review-not-open"),
            ..row
        },
        Row { claim: "expired before", change: |r| r.state = HeldState::Expired, code: Some("review-not-open"), ..row },
        Row { claim: "the last moment counts", hours: 72, ..row },
        Row { claim: "after the last moment it is no", hours: 73, code: Some("review-expired"), ..row },
        Row { claim: "who submitted it", by: "mallory", code: Some("review-same-person"), both: false, ..row },
        Row {
            claim: "who gave the first yes",
            change: |r| {
                r.needs_two = true;
                r.first_reviewer = Some("ana".into());
                r.state = HeldState::AwaitsSecond;
            },
            code: Some("review-same-person"),
            both: false,
            ..row
        },
        Row {
            claim: "who submitted it cannot be the second one either",
            change: |r| {
                r.needs_two = true;
                r.first_reviewer = Some("ben".into());
                r.state = HeldState::AwaitsSecond;
            },
            by: "mallory",
            code: Some("review-same-person"),
            both: false,
            ..row
        },
        Row {
            claim: "a span of a transcript has no place in a memory",
            change: |r| r.place = Place::Session { session: "s1".into(), event: 0 },
            code: Some("review-no-place"),
            both: false,
            ..row
        },
    ];
    for row in rows {
        let mut item = record("The office in Oslo opens at nine.", Kind::Fact, Severity::Medium);
        (row.change)(&mut item);
        let grant = authorize::<Release>(&reviewer(row.by)).unwrap();
        let digest = (row.digest)(&item);
        let outcome = release(&item, &grant, &digest, row.reason, at(row.hours));
        assert_eq!(outcome.as_ref().err().map(|e| e.code()), row.code, "{}: {outcome:?}", row.claim);
        let outcome = check_open(&item, &digest, row.reason, at(row.hours));
        assert_eq!(outcome.err().map(|e| e.code()), row.code.filter(|_| row.both), "destroying: {}", row.claim);
    }
}

#[test]
fn every_reason_code_is_taken_and_none_twice() {
    let item = record("The office in Oslo opens at nine.", Kind::Fact, Severity::Medium);
    for reason in REASONS {
        assert!(check_open(&item, &item.digest.hex(), reason, at(0)).is_ok(), "{reason}");
        assert_eq!(REASONS.iter().filter(|other| other == &reason).count(), 1, "{reason}");
    }
}

#[test]
fn two_people_are_needed_for_rights_identity_and_critical_findings_and_both_are_named() {
    for kind in Kind::ALL {
        for severity in [Severity::Info, Severity::Low, Severity::Medium, Severity::High, Severity::Critical] {
            let mut item = record("The office in Oslo opens at nine.", kind, severity);
            let two = matches!(kind, Kind::Permission | Kind::Identity) || severity == Severity::Critical;
            assert_eq!(item.needs_two, two, "{kind:?} {severity:?}");
            let grant = |name| authorize::<Release>(&reviewer(name)).unwrap();
            let digest = item.digest.hex();
            let first = release(&item, &grant("ana"), &digest, "other", at(1)).unwrap();
            if !two {
                assert!(matches!(first, ReleaseStep::Released(_)));
                continue;
            }
            assert!(matches!(first, ReleaseStep::AwaitsSecond));
            item.first_reviewer = Some("ana".into());
            item.state = HeldState::AwaitsSecond;
            let Ok(ReleaseStep::Released(done)) = release(&item, &grant("ben"), &digest, "other", at(1)) else {
                unreachable!("two different people said yes")
            };
            assert_eq!(done.reviewers().iter().map(|p| p.as_str()).collect::<Vec<_>>(), ["ana", "ben"]);
            assert_eq!(*done.digest(), item.digest);
        }
    }
}

#[test]
fn the_deadline_is_the_policys_and_worse_items_wait_less() {
    let hours = |severity| {
        let item = record("The office in Oslo opens at nine.", Kind::Fact, severity);
        (item.deadline.0 - item.created.0) / 3_600_000
    };
    assert_eq!([Severity::Critical, Severity::High, Severity::Medium, Severity::Low].map(hours), [4, 24, 72, 168]);
}

#[test]
fn an_item_is_named_by_its_bytes_and_its_place() {
    let one = record("The office in Oslo opens at nine.", Kind::Fact, Severity::Medium);
    let again = record("The office in Oslo opens at nine.", Kind::Permission, Severity::High);
    let other = record("The office in Oslo opens at ten.", Kind::Fact, Severity::Medium);
    assert_eq!(one.id, again.id);
    assert_ne!(one.id, other.id);
    assert_eq!(one.digest, Digest::of(&one.text));
    let place = Place::Memory { path: MemoryPath::parse("/other.md").unwrap(), heading: None };
    let note = held_note(&one.text, Kind::Fact, Severity::Medium);
    let moved = HeldRecord::open(note, place, "mallory".into(), &Policy::builtin(), Digest::of("rules"), at(0));
    assert_ne!(one.id, moved.id);
}

#[test]
fn no_finding_of_any_strength_makes_a_decision_milder() {
    // I6 as far as this cut has models: more findings never admit what fewer held.
    let policy = Policy::builtin();
    let finding = |severity, confidence| Finding {
        rule: "test.rule".into(),
        title: String::new(),
        severity,
        confidence,
        span: Span::new(0, 1),
        view: View::Raw,
        decoding: Vec::new(),
        threats: Vec::new(),
        excerpt: String::new(),
        level: Finding::FIRST_LEVEL,
    };
    let all: Vec<Finding> = [Severity::Info, Severity::Low, Severity::Medium, Severity::High, Severity::Critical]
        .into_iter()
        .flat_map(|s| [Confidence::Low, Confidence::Medium, Confidence::High].map(|c| finding(s, c)))
        .collect();
    for (i, one) in all.iter().enumerate() {
        for other in &all[i..] {
            let alone = policy.holds([one].into_iter());
            assert!(!alone || policy.holds([one, other].into_iter()));
        }
    }
    assert!(
        policy.holds([&finding(Severity::Critical, Confidence::Low)].into_iter()),
        "critical holds at any confidence"
    );
}
