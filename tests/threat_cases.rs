//! Every text-borne threat as data: an attack, its nearest honest text, a known way round, and the same over time.
//!
//! `cases/threats/TNN.yaml`; see [`Fixture`] for the members. Each fixture runs through a firewall of its own: direct writes,
//! sessions that are dreamt over with every proposal accepted, changed folders, restarts. What happened is computed and
//! compared with what the file says. The table of coverage, `golden/threat-coverage.md`, is generated from the files;
//! `MEMGATE_BLESS=1` rewrites it.
//!
//! An open gap (`open`) has to be one: when it closes, the test fails until the file says so. It is never deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use memgate::auth::{Principal, Role};
use memgate::consolidate::plan::Disposition;
use memgate::domain::{Authority, Candidate, Channel, Claim, Digest, MemoryPath, Origin, Span, Stage};
use memgate::firewall::{AcceptMode, Env, Firewall};
use memgate::gate::HeldRecord;
use memgate::ingest::{Session, read_sessions};
use serde::Deserialize;
use tempfile::TempDir;

use crate::common::{at, context, init, later, memories, request, served, session_input};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Threat {
    /// The id, as in the file's name.
    threat: String,
    /// What it is, in a few words.
    about: String,
    /// The memory before, vouched for by the operator: path and text.
    #[serde(default)]
    store: BTreeMap<String, String>,
    fixtures: Vec<Fixture>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
enum FixtureKind {
    /// The scenario, or a variant of it. It is stopped.
    Attack,
    /// The nearest honest text. It comes through.
    NearMiss,
    /// A known way round. It is stopped, or listed as an open gap.
    Evasion,
    /// The attack spread over time or sessions, or again after a restart. It is stopped as if it had come at once.
    Persistence,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    kind: FixtureKind,
    /// The claim, one sentence.
    claim: String,
    steps: Vec<Step>,
    /// Parts of texts that are never served.
    #[serde(default)]
    stopped: Vec<String>,
    /// What stops the parts of `stopped`: see [`By`]. All of these do, or something that ranks higher.
    #[serde(default)]
    by: BTreeSet<By>,
    /// Parts of texts that are served in the end and wait in no quarantine.
    #[serde(default)]
    served: Vec<String>,
    /// Why this way round is open, and what else stands in it. Only for evasions.
    open: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum Step {
    /// A direct write of one memory.
    Write { path: String, from: String, text: String },
    /// A dream over sessions; every proposal is accepted.
    Sessions(Vec<SessionCase>),
    /// A dream over the folder with these memories changed by somebody.
    Folder(BTreeMap<String, String>),
    /// Closed, and opened again so many hours later.
    Later(i64),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionCase {
    id: String,
    by: String,
    /// Role and text of each message.
    lines: Vec<(String, String)>,
}

/// What stopped a text.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
enum By {
    /// A finding that names the threat.
    Finding,
    /// A finding that names other threats only.
    OtherFinding,
    /// It is of a governed kind.
    Kind,
    /// Its only support is external, or there is none.
    Origin,
    /// It could not be examined completely.
    Incomplete,
    /// It was turned away without a place in the quarantine.
    Refused,
    /// What is dangerous in it was masked.
    Masked,
    /// It contradicts what stands there: both are shown, the older is served.
    Dispute,
    /// Nothing was learned from it: too few independent sources, or nothing to learn.
    NotLearned,
}

impl By {
    /// How much it says: a finding of the threat itself says most, learning nothing says least.
    const fn rank(self) -> u8 {
        match self {
            Self::NotLearned => 0,
            Self::Dispute | Self::Masked | Self::Refused | Self::Incomplete => 1,
            Self::Origin => 2,
            Self::Kind => 3,
            Self::OtherFinding => 4,
            Self::Finding => 5,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Finding => "finding",
            Self::OtherFinding => "finding of another threat",
            Self::Kind => "kind",
            Self::Origin => "origin",
            Self::Incomplete => "incomplete scan",
            Self::Refused => "refusal",
            Self::Masked => "masking",
            Self::Dispute => "dispute",
            Self::NotLearned => "nothing learned",
        }
    }
}

fn threats() -> Vec<Threat> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/threats");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            let threat: Threat =
                serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert_eq!(path.file_stem().unwrap().to_string_lossy(), threat.threat, "a file is named after its threat");
            threat
        })
        .collect()
}

/// Reads the folder's memory as it is served now, with some changed.
fn changed(firewall: &Firewall, changes: &BTreeMap<String, String>) -> Vec<memgate::ingest::Memory> {
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    if let Some(head) = firewall.head().unwrap() {
        for memory in firewall.texts(head.sequence).unwrap() {
            all.insert(memory.path.to_string().trim_start_matches('/').to_owned(), memory.text);
        }
    }
    all.extend(changes.iter().map(|(path, text)| (path.clone(), text.clone())));
    let all: Vec<(&str, &str)> = all.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    memories(&all)
}

fn candidate(path: &str, from: &str, text: &str) -> Candidate {
    let (channel, principal) = match from {
        "system" => (Channel::System, "ops"),
        "agent" => (Channel::Assistant, "helper"),
        "memory" => (Channel::Memory, "helper"),
        "tool" => (Channel::Tool, "helper"),
        "peer" => (Channel::Peer, "other-agent"),
        user => (Channel::User, user),
    };
    let authority: Authority = channel.authority();
    let whole = Span::new(0, text.len());
    let origin = Origin {
        input: path.to_owned(),
        input_digest: Digest::of(text),
        session: None,
        event: None,
        span: whole,
        channel,
        principal: principal.into(),
        authority,
        at: None,
    };
    Candidate {
        path: MemoryPath::parse(&format!("/{path}")).unwrap(),
        text: text.to_owned(),
        claims: vec![Claim { span: whole, origins: vec![origin], authority }],
        stage: Stage::Write,
    }
}

fn sessions(cases: &[SessionCase]) -> Vec<Session> {
    cases
        .iter()
        .map(|case| {
            let lines: Vec<(&str, &str)> = case.lines.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            let mut read = read_sessions(&session_input(&case.id, &case.by, &lines), None, &context()).unwrap();
            assert_eq!(read.len(), 1);
            read.remove(0)
        })
        .collect()
}

/// What one fixture came to.
struct Came {
    /// What stopped the parts of `stopped`.
    by: BTreeSet<By>,
    /// What is wrong, in words.
    wrong: Vec<String>,
}

/// A data folder with the threat's memory in it: made once, copied for every fixture.
fn template(threat: &Threat) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut firewall = init(&folder.path().join("data"));
    let base: Vec<(&str, &str)> = threat.store.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let base =
        if base.is_empty() { vec![("team.md", "# Team\n\n- The office in Oslo opens at nine.\n")] } else { base };
    firewall.dream(request(Some(memories(&base)), Vec::new()), &mut |_| {}).unwrap();
    firewall.close().unwrap();
    folder
}

fn copy(template: &TempDir, to: &Path) {
    let from = template.path().join("data");
    for entry in walkdir::WalkDir::new(&from) {
        let entry = entry.unwrap();
        let target = to.join(entry.path().strip_prefix(&from).unwrap());
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}

fn run(threat: &Threat, fixture: &Fixture, template: &TempDir) -> Came {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    copy(template, &data);
    let mut firewall = Firewall::open(&data, Env::dangerous_fixed(at(0))).unwrap();
    let (mut refused, mut masked, mut contested, mut hours) = (0, 0, 0, 0);
    let mut served_before = Vec::new();
    for step in &fixture.steps {
        match step {
            Step::Write { path, from, text } => {
                let agent = Principal::new("helper".into(), "main".into(), [Role::Agent]).unwrap();
                let done = firewall.submit(&agent, candidate(path, from, text)).unwrap();
                refused += done.refused;
                masked += done.redacted.len();
            }
            Step::Sessions(_) | Step::Folder(_) => {
                let (memories, sessions) = match step {
                    Step::Folder(changes) => (Some(changed(&firewall, changes)), Vec::new()),
                    Step::Sessions(cases) => (None, sessions(cases)),
                    Step::Write { .. } | Step::Later(_) => unreachable!(),
                };
                let mut all = request(memories, sessions);
                all.accept = AcceptMode::Proposals;
                let report = firewall.dream(all, &mut |_| {}).unwrap();
                refused += report.refused.len();
                masked += report.redacted.len();
                contested += report.dispositions.iter().filter(|(_, d)| *d == Disposition::Contested).count();
            }
            Step::Later(more) => {
                hours += more;
                firewall = later(firewall, &data, hours);
            }
        }
        served_before.push(served(&firewall));
    }
    let mut came = Came { by: BTreeSet::new(), wrong: Vec::new() };
    let held = firewall.held().unwrap();
    let items = |part: &str| held.iter().filter(|record| record.text.contains(part)).collect::<Vec<&HeldRecord>>();
    let end = served_before.last().cloned().unwrap_or_default();
    for part in &fixture.stopped {
        let through = served_before.iter().any(|text| text.contains(part.as_str()));
        let items = items(part);
        let mut by = BTreeSet::new();
        for record in &items {
            if record.findings.iter().any(|f| f.threats.contains(&threat.threat)) {
                by.insert(By::Finding);
            } else if !record.findings.is_empty() {
                by.insert(By::OtherFinding);
            }
            for reason in &record.reasons {
                if reason.contains("governed kind") {
                    by.insert(By::Kind);
                } else if reason.contains("external content") || reason.contains("no source") {
                    by.insert(By::Origin);
                } else if reason.contains("not everything") || reason.contains("not be fully") {
                    by.insert(By::Incomplete);
                }
            }
        }
        if items.is_empty() && !through {
            by.insert(match (masked, refused, contested) {
                (1.., _, _) => By::Masked,
                (_, 1.., _) => By::Refused,
                (_, _, 1..) => By::Dispute,
                _ => By::NotLearned,
            });
        }
        if through && fixture.open.is_none() {
            came.wrong.push(format!("{part:?} is served"));
        }
        if !through && fixture.open.is_some() {
            came.wrong.push(format!("{part:?} is stopped ({by:?}): the gap is closed, say so"));
        }
        if !through {
            came.by.extend(by);
        }
    }
    if fixture.kind == FixtureKind::NearMiss && !held.is_empty() {
        let items: Vec<String> = held.iter().map(|r| format!("{:?} {:?}", r.text, r.reasons)).collect();
        came.wrong.push(format!("honest text waits in the quarantine: {items:#?}"));
    }
    for part in &fixture.served {
        if !end.contains(part.as_str()) {
            let why: Vec<String> = items(part).iter().flat_map(|record| record.reasons.clone()).collect();
            let rules: Vec<String> =
                items(part).iter().flat_map(|r| r.findings.iter().map(|f| f.rule.to_string())).collect();
            came.wrong.push(format!("{part:?} is not served: {why:?} {rules:?}"));
        }
        if fixture.kind == FixtureKind::NearMiss && !items(part).is_empty() {
            came.wrong.push(format!("{part:?} waits in the quarantine"));
        }
    }
    let met = |expected: &By| came.by.iter().any(|by| by == expected || (by.rank() > expected.rank()));
    if fixture.open.is_none() && !fixture.by.iter().all(met) {
        let items: Vec<String> = fixture
            .stopped
            .iter()
            .flat_map(|part| items(part))
            .map(|r| {
                format!(
                    "{:?} {:?} {:?}",
                    r.kind,
                    r.reasons,
                    r.findings.iter().map(|f| f.rule.as_str()).collect::<Vec<_>>()
                )
            })
            .collect();
        came.wrong.push(format!("stopped by {:?}, the file says {:?}: {items:#?}", came.by, fixture.by));
    }
    firewall.close().unwrap();
    came
}

/// Runs the fixtures of some threats; a part of the files each, so that parts run beside each other.
fn part(number: usize, of: usize) {
    let only = std::env::var("MEMGATE_CASE").unwrap_or_default();
    let mut wrong = String::new();
    for threat in threats().iter().filter(|threat| threat.threat.contains(&only)) {
        let numbers = threat.threat.trim_start_matches('T').parse::<usize>().unwrap();
        if numbers % of != number {
            continue;
        }
        let template = template(threat);
        for fixture in &threat.fixtures {
            for problem in run(threat, fixture, &template).wrong {
                let _ = writeln!(wrong, "{} {:?}: {}\n    {problem}", threat.threat, fixture.kind, fixture.claim);
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn fixtures_end_as_they_say_first_part() {
    part(0, 4);
}

#[test]
fn fixtures_end_as_they_say_second_part() {
    part(1, 4);
}

#[test]
fn fixtures_end_as_they_say_third_part() {
    part(2, 4);
}

#[test]
fn fixtures_end_as_they_say_fourth_part() {
    part(3, 4);
}

#[test]
fn every_threat_of_text_has_all_four_kinds() {
    let all = threats();
    let ids: Vec<&str> = all.iter().map(|threat| threat.threat.as_str()).collect();
    let expected: Vec<String> = (1..=32).map(|number| format!("T{number:02}")).collect();
    assert_eq!(ids, expected);
    for threat in &all {
        let kinds: BTreeSet<FixtureKind> = threat.fixtures.iter().map(|fixture| fixture.kind).collect();
        assert_eq!(kinds.len(), 4, "{}: {kinds:?}", threat.threat);
        let claims: BTreeSet<&str> = threat.fixtures.iter().map(|fixture| fixture.claim.as_str()).collect();
        assert_eq!(claims.len(), threat.fixtures.len(), "{}: a claim stands there twice", threat.threat);
        for fixture in &threat.fixtures {
            let name = format!("{} {:?}: {}", threat.threat, fixture.kind, fixture.claim);
            let near_miss = fixture.kind == FixtureKind::NearMiss;
            assert_eq!(fixture.stopped.is_empty(), near_miss, "{name}: an attack has something to stop");
            assert!(!near_miss || !fixture.served.is_empty(), "{name}: an honest text comes through");
            assert!(fixture.open.is_none() || fixture.kind == FixtureKind::Evasion, "{name}: only ways round are gaps");
            assert_eq!(fixture.by.is_empty(), near_miss || fixture.open.is_some(), "{name}: say what stops it");
            if fixture.kind == FixtureKind::Persistence {
                let moments = fixture.steps.iter().filter(|step| !matches!(step, Step::Later(_))).count();
                let spread = fixture.steps.iter().any(|step| matches!(step, Step::Sessions(all) if all.len() > 1));
                assert!(moments > 1 || spread, "{name}: it comes once");
            }
        }
    }
}

/// Hosts are reserved names, so that no fixture can reach anybody.
#[test]
fn fixtures_name_reserved_hosts_only() {
    let host = regex::Regex::new(r"(?:https?://|@)([a-z0-9.-]+\.[a-z]{2,})").unwrap();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/threats")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap().to_lowercase();
        for found in host.captures_iter(&text) {
            let reserved = [".invalid", ".test", ".example", "example.com", ".internal"];
            assert!(reserved.iter().any(|end| found[1].ends_with(end)), "{}", &found[1]);
        }
    }
}

#[test]
fn the_table_of_coverage_is_the_one_the_fixtures_give() {
    let mut out = String::from(
        "# Coverage of the threats of text\n\n\
         Generated from `tests/cases/threats/` (`MEMGATE_BLESS=1 cargo test --test main threat_cases::` rewrites it). A \
         threat is covered\nwhen an attack, its nearest honest text, a known way round and the same over time all end as they \
         should. Numbers are fixtures;\nevery one runs in `cargo test`. They say nothing about attacks that nobody wrote down \
         here.\n\n\
         | Threat | What it is | Attack | Near miss | Evasion | Persistence | Stopped by | Open |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    let mut gaps = String::new();
    let (mut covered, mut fixtures, mut open) = (0, 0, 0);
    let all = threats();
    for threat in &all {
        let count = |kind| threat.fixtures.iter().filter(|f| f.kind == kind && f.open.is_none()).count();
        let counts =
            [FixtureKind::Attack, FixtureKind::NearMiss, FixtureKind::Evasion, FixtureKind::Persistence].map(count);
        let by: BTreeSet<By> = threat.fixtures.iter().flat_map(|fixture| fixture.by.iter().copied()).collect();
        let by: Vec<&str> = by.into_iter().map(By::words).collect();
        let listed: Vec<(&str, &str)> =
            threat.fixtures.iter().filter_map(|f| Some((f.claim.as_str(), f.open.as_deref()?))).collect();
        covered += usize::from(counts.iter().all(|count| *count > 0));
        fixtures += threat.fixtures.len();
        open += listed.len();
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            threat.threat,
            threat.about,
            counts[0],
            counts[1],
            counts[2],
            counts[3],
            by.join(", "),
            listed.len()
        );
        for (claim, why) in listed {
            let _ = writeln!(gaps, "- {}: {claim} {why}", threat.threat);
        }
    }
    let _ = writeln!(
        out,
        "\n{covered} of {} threats have all four kinds passing; {fixtures} fixtures, {open} of them open gaps.",
        all.len()
    );
    if !gaps.is_empty() {
        let _ = write!(out, "\n## Open gaps\n\n{gaps}");
    }
    crate::common::golden("threat-coverage.md", &out);
}
