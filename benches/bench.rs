//! How fast the house is: `cargo bench`, or `cargo bench -- scan` for one part.
//!
//! Everything is made from a seed or from the demo's own data, so two runs measure the same work.
//! A summary beside the first targets stands at the end.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark fails by panicking, prints its figures and uses its own folders"
)]

mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use memgate::auditor;
use memgate::auth::{Principal, Role};
use memgate::consolidate::{Input, Options, consolidate};
use memgate::detect::{Budget, Scanner};
use memgate::domain::{
    Authority, Candidate, Channel, Claim, Digest, MemoryPath, Origin, PrincipalId, Span, Stage, Timestamp, Untrusted,
};
use memgate::firewall::{AcceptMode, DreamRequest, Env, Firewall, InitRequest};
use memgate::gate::policy::DEFAULT_POLICY;
use memgate::ingest::{Memory, Session};
use memgate::ledger::{sample, verify_history};
use memgate::ruleset::RuleSet;
use memgate::store::{ObjectRecord, SqliteStore, Store as _, VersionRecord, VersionState};

const NOW: Timestamp = Timestamp(1_780_000_000_000);
const SESSIONS: usize = 100;
const NOTES: usize = 10_000;
const VERSIONS: u64 = 1_000;

fn main() {
    divan::main();
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if arguments.is_empty() || arguments == ["scan_summary"] {
        scan_summary();
    }
    if arguments.is_empty() {
        summary();
    }
}

fn scanner() -> &'static Scanner {
    static SCANNER: OnceLock<Scanner> = OnceLock::new();
    SCANNER.get_or_init(|| Scanner::new(Arc::new(RuleSet::builtin().unwrap()), Budget::default()))
}

fn examine(texts: &[Untrusted<String>]) {
    for text in texts {
        let channel = Channel::Tool;
        black_box(scanner().examine(text, Stage::Ingest, channel, channel.authority()));
    }
}

fn candidate(memory: &Memory) -> Candidate {
    let text = memory.text.peek_unscanned().clone();
    let span = Span::new(0, text.len());
    let claims = vec![Claim { span, origins: vec![memory.origin.clone()], authority: memory.origin.authority }];
    Candidate { path: memory.path.clone(), text, claims, stage: Stage::Write }
}

fn scan(memories: &[Memory]) {
    for memory in memories {
        black_box(scanner().scan(Untrusted::new(candidate(memory))));
    }
}

fn bytes_of(texts: &[Untrusted<String>]) -> usize {
    texts.iter().map(Untrusted::len).sum()
}

fn bytes_in(memories: &[Memory]) -> usize {
    memories.iter().map(|m| m.text.len()).sum()
}

mod scan_throughput {
    use super::*;

    /// Plain ASCII prose and lists, 64 KiB a text.
    #[divan::bench(sample_size = 1, max_time = 5, skip_ext_time = true)]
    fn examine_plain_ascii(bencher: Bencher) {
        let texts = text::plain(16, 64 << 10);
        scanner();
        bencher.counter(BytesCount::new(bytes_of(&texts))).bench_local(|| examine(&texts));
    }

    /// The demo's honest transcripts, event by event.
    #[divan::bench(sample_size = 1, max_time = 5, skip_ext_time = true)]
    fn examine_honest_sessions(bencher: Bencher) {
        let texts = text::honest_events();
        scanner();
        bencher.counter(BytesCount::new(bytes_of(&texts))).bench_local(|| examine(&texts));
    }

    /// Plain ASCII notes as candidates, 16 KiB a memory.
    #[divan::bench(sample_size = 1, max_time = 5, skip_ext_time = true)]
    fn scan_plain_ascii(bencher: Bencher) {
        let memories = text::plain_memories(64, 16 << 10);
        scanner();
        bencher.counter(BytesCount::new(bytes_in(&memories))).bench_local(|| scan(&memories));
    }

    /// The demo's memory folder as candidates.
    #[divan::bench(sample_size = 1, max_time = 5, skip_ext_time = true)]
    fn scan_honest_memory(bencher: Bencher) {
        let memories = text::honest_memory();
        scanner();
        bencher.counter(BytesCount::new(bytes_in(&memories))).bench_local(|| scan(&memories));
    }
}

/// What one dream reads, from one seed.
struct Night {
    memories: Vec<Memory>,
    sessions: Vec<Session>,
}

fn night() -> &'static Night {
    static NIGHT: OnceLock<Night> = OnceLock::new();
    NIGHT.get_or_init(|| Night { memories: text::memories(NOTES), sessions: text::sessions(SESSIONS) })
}

fn consolidate_alone(night: &Night) -> usize {
    let options = Options::default();
    let input = Input {
        memories: &night.memories,
        memory_marks: &BTreeMap::new(),
        note_kinds: &BTreeMap::new(),
        note_authority: &BTreeMap::new(),
        sessions: &night.sessions,
        event_marks: &BTreeMap::new(),
        decided: &BTreeSet::new(),
        probes: None,
        steering: None,
        now: NOW,
        options: &options,
    };
    consolidate(&input).operations.len()
}

fn firewall(folder: &std::path::Path) -> Firewall {
    let request = InitRequest {
        store: "bench".to_owned(),
        operator: PrincipalId::new("olga"),
        reviewers: vec![PrincipalId::new("ana"), PrincipalId::new("ben")],
        policy: DEFAULT_POLICY.to_owned(),
    };
    Firewall::init(&folder.join("data"), request, Env::dangerous_fixed(NOW)).unwrap()
}

fn dream(firewall: &mut Firewall, memories: Vec<Memory>, sessions: Vec<Session>) -> usize {
    let request = DreamRequest {
        memories: Some(memories),
        sessions,
        raw: Vec::new(),
        instructions: None,
        workspace: None,
        accept: AcceptMode::Proposals,
        ask: None,
        adopt: true,
        dry_run: false,
    };
    let report = firewall.dream(request, &mut |_| {}).unwrap();
    assert!(report.version.is_some() && report.notes >= NOTES * 9 / 10, "{} notes", report.notes);
    report.output_notes
}

mod dream_100_sessions_10000_notes {
    use super::*;

    #[divan::bench(sample_count = 3, sample_size = 1)]
    fn consolidate_only(bencher: Bencher) {
        let night = night();
        bencher.counter(ItemsCount::new(NOTES)).bench_local(|| consolidate_alone(night));
    }

    #[divan::bench(sample_count = 2, sample_size = 1)]
    fn firewall_dream(bencher: Bencher) {
        let night = night();
        bencher
            .counter(ItemsCount::new(NOTES))
            .with_inputs(|| {
                let folder = tempfile::tempdir().unwrap();
                let firewall = firewall(folder.path());
                (folder, firewall, night.memories.clone(), night.sessions.clone())
            })
            .bench_local_values(|(folder, mut firewall, memories, sessions)| {
                dream(&mut firewall, memories, sessions);
                (folder, firewall)
            });
    }
}

const SEEDS: sample::Seeds = [[41; 32], [42; 32], [43; 32], [44; 32], [45; 32], [46; 32]];

mod verify_versions {
    use super::*;

    /// Statements, signatures and links of a chain with two approvals a version.
    #[divan::bench(sample_count = 5, sample_size = 1)]
    fn history_of_1000(bencher: Bencher) {
        let (trust, entries) = sample::chain(VERSIONS, &SEEDS).unwrap();
        bencher
            .counter(ItemsCount::new(VERSIONS))
            .bench_local(|| verify_history(entries.iter().map(Vec::as_slice), &trust, []).unwrap().len());
    }

    /// A whole data folder: seal, log, statements, database, every memory of every version.
    #[divan::bench(sample_count = 5, sample_size = 1)]
    fn data_folder_of_20(bencher: Bencher) {
        let folder = tempfile::tempdir().unwrap();
        let mut firewall = firewall(folder.path());
        for number in 0..20 {
            submit(&mut firewall, number);
        }
        firewall.close().unwrap();
        let data = folder.path().join("data");
        bencher.counter(ItemsCount::new(20_usize)).bench_local(|| {
            let report = auditor::verify(&data, None, NOW).unwrap();
            assert!(report.is_good(), "{:?}", report.problems);
        });
    }
}

/// One write that the gate admits: a fact of the agent's own, in its own memory.
fn write(number: u64) -> Candidate {
    let text = format!("# Queue {number}\n\n- Batch {number} of the north depot holds {} crates.\n", number % 90 + 10);
    let path = MemoryPath::parse(&format!("/queues/{}.md", number % 8)).unwrap();
    let span = Span::new(0, text.len());
    let origin = Origin {
        input: "desk".to_owned(),
        input_digest: Digest::of(&text),
        session: None,
        event: None,
        span,
        channel: Channel::Assistant,
        principal: PrincipalId::new("desk"),
        authority: Authority::Agent,
        at: None,
    };
    let claims = vec![Claim { span, origins: vec![origin], authority: Authority::Agent }];
    Candidate { path, text, claims, stage: Stage::Write }
}

fn submit(firewall: &mut Firewall, number: u64) {
    let settings = &firewall.config().settings;
    let who = Principal::new(PrincipalId::new("desk"), settings.store.clone(), [Role::Agent]).unwrap();
    let done = firewall.submit(&who, write(number)).unwrap();
    assert!(done.version.is_some() && done.held.is_empty() && done.refused == 0);
}

/// The same write without any gate: one row for the memory, one for its version, one transaction.
fn insert(store: &mut SqliteStore, number: u64) {
    let candidate = write(number);
    let object = ObjectRecord {
        commit: Digest::of(number.to_be_bytes()),
        path: candidate.path,
        content: candidate.text.into_bytes(),
        salt: [7; 32],
        provenance: "{}".to_owned(),
    };
    let version = VersionRecord {
        sequence: number + 1,
        statement: Digest::of(number.to_be_bytes()),
        action: "advance".to_owned(),
        manifest: Vec::new(),
        head: Vec::new(),
        created: NOW,
        state: VersionState::Pending,
        summary: "{}".to_owned(),
    };
    store.put_pending(&version, &[object]).unwrap();
}

mod write_latency {
    use super::*;

    #[divan::bench(sample_count = 30, sample_size = 1)]
    fn plain_insert(bencher: Bencher) {
        let folder = tempfile::tempdir().unwrap();
        let mut store = SqliteStore::open(&folder.path().join("plain.sqlite")).unwrap();
        let mut number = 0;
        bencher.bench_local(|| {
            insert(&mut store, number);
            number += 1;
        });
    }

    #[divan::bench(sample_count = 30, sample_size = 1)]
    fn gated_submit(bencher: Bencher) {
        let folder = tempfile::tempdir().unwrap();
        let mut firewall = firewall(folder.path());
        let mut number = 0;
        bencher.bench_local(|| {
            submit(&mut firewall, number);
            number += 1;
        });
    }
}

/// Median time of some runs.
fn median(runs: usize, mut run: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

/// Time this thread has had on a core: on a machine with other work, wall time is not the work's.
fn on_core() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(stat.split_whitespace().next()?.parse().ok()?))
}

/// Median core time of some runs, wall time where the system does not tell.
fn median_core(runs: usize, mut run: impl FnMut()) -> Duration {
    let Some(_) = on_core() else { return median(runs, run) };
    let mut times: Vec<Duration> = (0..runs)
        .filter_map(|_| {
            let start = on_core()?;
            run();
            Some(on_core()? - start)
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

fn megabytes_per_second(bytes: usize, time: Duration) -> f64 {
    bytes as f64 / 1e6 / time.as_secs_f64()
}

/// Forgets the peak so far, where the system allows it.
fn reset_peak() -> bool {
    std::fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// Peak resident memory, MiB.
fn peak() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<f64>().ok()? / 1024.0)
}

fn line(what: &str, figure: String, target: &str) {
    println!("  {what:<44} {figure:>14}   {target}");
}

/// Scan rates, in time on a core: `cargo bench -- scan_summary`.
fn scan_summary() {
    println!("\nScans ({} rules, every view; time on a core)", scanner().rules().rules().len());
    let rate = |bytes: usize, time| format!("{:.1} MB/s", megabytes_per_second(bytes, time));
    let texts = text::plain(16, 64 << 10);
    let time = median_core(5, || examine(&texts));
    line("examine, plain ASCII", rate(bytes_of(&texts), time), "target: at least 100 MB/s");
    let memories = text::plain_memories(64, 16 << 10);
    let time = median_core(5, || scan(&memories));
    line("scan, plain ASCII memories", rate(bytes_in(&memories), time), "");
    let texts = text::honest_events();
    let time = median_core(5, || examine(&texts));
    line("examine, honest transcripts", rate(bytes_of(&texts), time), "");
    let memories = text::honest_memory();
    let time = median_core(5, || scan(&memories));
    line("scan, honest memory folder", rate(bytes_in(&memories), time), "");
}

/// Every other figure once more on one line each, beside its target.
fn summary() {
    println!("\nSummary (wall time)");
    let night = night();
    let events: usize = night.sessions.iter().map(|s| s.events.len()).sum();
    let bytes: usize = night.sessions.iter().flat_map(|s| &s.events).map(|e| e.text().len()).sum();
    println!(
        "  a night: {} memories of {:.1} MB, {} sessions with {events} events of {:.1} MB",
        night.memories.len(),
        bytes_in(&night.memories) as f64 / 1e6,
        night.sessions.len(),
        bytes as f64 / 1e6,
    );
    let own = reset_peak();
    let time = median(1, || {
        black_box(consolidate_alone(night));
    });
    let memory = peak();
    line("consolidate alone", format!("{:.2} s", time.as_secs_f64()), "");
    let shown = |peak: Option<f64>| peak.map_or("unknown".to_owned(), |mib| format!("{mib:.0} MiB"));
    let whose = if own { "VmHWM of this step" } else { "VmHWM of the whole run" };
    line("  its peak memory", shown(memory), whose);
    let folder = tempfile::tempdir().unwrap();
    let mut wall = firewall(folder.path());
    let (memories, sessions) = (night.memories.clone(), night.sessions.clone());
    reset_peak();
    let start = Instant::now();
    dream(&mut wall, memories, sessions);
    let time = start.elapsed();
    let memory = peak();
    line("firewall dream", format!("{:.2} s", time.as_secs_f64()), "target: under 5 s");
    line("  its peak memory", shown(memory), &format!("target: under 1 GiB; {whose}"));

    let (trust, entries) = sample::chain(VERSIONS, &SEEDS).unwrap();
    let time = median(3, || {
        black_box(verify_history(entries.iter().map(Vec::as_slice), &trust, []).unwrap().len());
    });
    line("verify, per 1,000 versions", format!("{:.0} ms", time.as_secs_f64() * 1e3), "");

    let mut number = 0;
    let mut store = SqliteStore::open(&folder.path().join("plain.sqlite")).unwrap();
    let plain = median(30, || {
        insert(&mut store, number);
        number += 1;
    });
    let other = tempfile::tempdir().unwrap();
    let mut wall = firewall(other.path());
    number = 0;
    let gated = median(30, || {
        submit(&mut wall, number);
        number += 1;
    });
    line("plain insert", format!("{:.2} ms", plain.as_secs_f64() * 1e3), "");
    line("gated submit: scanned, signed, logged", format!("{:.2} ms", gated.as_secs_f64() * 1e3), "");
    line("  ratio", format!("{:.1}", gated.as_secs_f64() / plain.as_secs_f64()), "");
}
