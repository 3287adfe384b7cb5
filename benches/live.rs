//! What a batch of writes costs: `cargo bench --bench live`, or `cargo bench --bench live -- 1000` for one size.
//!
//! Batches of 64 writes of about 2 KiB into stores of 100, 1,000 and 10,000 memories, half of them new memories and half
//! changes. The scans are counted apart: a server makes them on other threads.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints its figures"
)]

mod plain;

use std::time::{Duration, Instant};

use memgate::auth::{Principal, Role};
use memgate::detect::Scanned;
use memgate::domain::{
    Authority, Candidate, Channel, Claim, Digest, MemoryPath, Origin, Span, Stage, Timestamp, Untrusted,
};
use memgate::firewall::{Actor, Env, Firewall, InitRequest, Judged};

const BATCH: usize = 64;

fn scan(firewall: &Firewall, path: &str, text: String) -> Scanned {
    let span = Span::new(0, text.len());
    let origin = Origin {
        input: path.to_owned(),
        input_digest: Digest::of(&text),
        session: None,
        event: None,
        span,
        channel: Channel::Assistant,
        principal: "bot".into(),
        authority: Authority::Agent,
        at: None,
    };
    let claims = vec![Claim { span, origins: vec![origin], authority: Authority::Agent }];
    let candidate = Candidate { path: MemoryPath::parse(path).unwrap(), text, claims, stage: Stage::Write };
    firewall.scanner().scan(Untrusted::new(candidate))
}

#[derive(Default)]
struct Cost {
    scan: Duration,
    begin: Duration,
    judge: Duration,
    commit: Duration,
    held: usize,
    writes: usize,
}

fn one(firewall: &mut Firewall, writes: &[(String, String)], cost: &mut Cost) {
    let who = Principal::new("bot".into(), "main".into(), [Role::Agent]).unwrap();
    let start = Instant::now();
    let scanned: Vec<Scanned> = writes.iter().map(|(path, text)| scan(firewall, path, text.clone())).collect();
    cost.scan += start.elapsed();
    let start = Instant::now();
    let mut batch = firewall.batch().unwrap();
    cost.begin += start.elapsed();
    let start = Instant::now();
    for scanned in scanned {
        let judged = batch.put(&who, Actor::ApiKey("k".to_owned()), scanned, None).unwrap();
        if !matches!(judged, Judged::Admitted { .. }) {
            if cost.held == 0 {
                println!("not admitted: {judged:?}");
            }
            cost.held += 1;
        }
        cost.writes += 1;
    }
    cost.judge += start.elapsed();
    let start = Instant::now();
    batch.commit().unwrap();
    cost.commit += start.elapsed();
}

fn main() {
    let arguments: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if arguments.is_empty() { vec![100, 1_000, 10_000] } else { arguments };
    println!(
        "{:>8} {:>9} {:>8} {:>9} {:>9} {:>9} {:>9} {:>6}",
        "memories", "writes/s", "ms/batch", "scan", "begin", "judge", "commit", "held"
    );
    for size in sizes {
        let folder =
            tempfile::tempdir_in(std::env::var_os("MEMGATE_BENCH_DIR").map_or_else(std::env::temp_dir, Into::into))
                .unwrap();
        let request = InitRequest {
            store: "main".to_owned(),
            operator: "ops".into(),
            reviewers: vec!["ana".into()],
            policy: memgate::gate::policy::DEFAULT_POLICY.to_owned(),
        };
        let data = folder.path().join("data");
        let mut firewall = Firewall::init(&data, request, Env::dangerous_fixed(Timestamp(1_790_000_000_000))).unwrap();
        let mut number = 0;
        let mut fill = Cost::default();
        while number < size {
            let until = (number + 1_000).min(size);
            let writes: Vec<_> = (number..until).map(|n| (format!("/m/{n:06}.md"), plain::note(n))).collect();
            one(&mut firewall, &writes, &mut fill);
            number = until;
        }
        let mut cost = Cost::default();
        let rounds = 10;
        for round in 0..rounds {
            let writes: Vec<_> = (0..BATCH)
                .map(|n| {
                    let fresh = size + round * BATCH + n;
                    let at = if n % 2 == 0 { fresh } else { (round * 7919 + n * 101) % size };
                    (format!("/m/{at:06}.md"), plain::note(1_000_000 + fresh))
                })
                .collect();
            one(&mut firewall, &writes, &mut cost);
        }
        let ms = |duration: Duration| duration.as_secs_f64() * 1000.0 / rounds as f64;
        let batch = cost.begin + cost.judge + cost.commit;
        println!(
            "{size:>8} {:>9.0} {:>8.1} {:>9.1} {:>9.1} {:>9.1} {:>9.1} {:>6}",
            cost.writes as f64 / batch.as_secs_f64(),
            ms(batch),
            ms(cost.scan),
            ms(cost.begin),
            ms(cost.judge),
            ms(cost.commit),
            cost.held
        );
        let start = Instant::now();
        firewall.close().unwrap();
        let closed = start.elapsed();
        let start = Instant::now();
        let mut firewall = Firewall::open(&data, Env::dangerous_fixed(Timestamp(1_790_000_000_000))).unwrap();
        firewall.live_head().unwrap();
        println!("{:>8} closed in {:.0?}, opened in {:.0?}", "", closed, start.elapsed());
    }
}
