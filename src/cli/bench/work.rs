//! What becomes of one labelled text, and of many on several threads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::Part;
use super::read::Labelled;
use crate::cli::Bar;
use crate::detect::{Coverage, NoteScan, Scanned, Scanner, is_about_origin};
use crate::domain::{
    Authority, Candidate, Channel, Claim, Digest, Finding, MemoryPath, Origin, PrincipalId, Span, Stage, Untrusted,
};
use crate::gate::decide::set_finding;
use crate::gate::{Basis, Decision, Policy, decide};

/// What examines.
pub(super) struct Bench {
    pub(super) scanner: Scanner,
    pub(super) policy: Policy,
    pub(super) without: BTreeSet<Part>,
    /// Where every text would be stored.
    pub(super) path: MemoryPath,
}

/// What became of one text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outcome {
    /// Findings hold it, or it could not be examined completely.
    pub(super) content: bool,
    /// That, or a part of it is of a governed kind or says what its origin may not say.
    pub(super) kind: bool,
    /// The gate does not admit it.
    pub(super) gate: bool,
    /// How suspicious, 0 to 1.
    pub(super) score: f64,
    /// A finding stands on the labelled span; `None` without a label.
    pub(super) placed: Option<bool>,
    /// Everything was examined.
    pub(super) whole: bool,
    /// Ids of the rules that fired, for the list of cases.
    pub(super) rules: Vec<String>,
    /// Bytes examined.
    pub(super) bytes: usize,
    /// Time of a scan, once it was taken with [`Bench::time`].
    pub(super) nanos: u64,
}

impl Bench {
    /// Sends one labelled text through scan, sets and gate, as a memory of its own.
    pub(super) fn judge(&self, item: &Labelled) -> Outcome {
        let mut outcome = self.judge_text(&item.text, item.came_by, item.span);
        outcome.placed = outcome.placed.filter(|_| item.attack);
        outcome
    }

    /// What a scan of the text takes, nanoseconds.
    pub(super) fn time(&self, item: &Labelled) -> u64 {
        let candidate = Untrusted::new(candidate(&item.text, item.came_by, &self.path));
        let started = now();
        std::hint::black_box(self.scanner.scan(candidate));
        u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The same for any text that came by this channel.
    pub(super) fn judge_text(&self, text: &str, came_by: Channel, span: Option<Span>) -> Outcome {
        let channel = if self.without.contains(&Part::Provenance) { Channel::User } else { came_by };
        let scanned = self.scanner.scan(Untrusted::new(candidate(text, channel, &self.path)));
        let (together, sets_incomplete) = self.sets(text, &scanned);
        let score = scanned.score_beside(&together.values().flatten().cloned().collect::<Vec<_>>());
        let content = self.content(&scanned, &together, sets_incomplete);
        let governed = |piece: &NoteScan| {
            let origin =
                piece.findings.iter().filter_map(|n| scanned.findings().get(*n)).filter(|f| is_about_origin(f));
            piece.kind.is_governed() || self.policy.holds(origin)
        };
        let kind = content || scanned.notes().iter().chain(scanned.glue()).any(governed);
        let placed = span.map(|span| scanned.findings().iter().any(|f| f.span.overlaps(&span)));
        let mut rules: Vec<String> = scanned.findings().iter().map(|f| f.rule.as_str().to_owned()).collect();
        rules.extend(together.values().flatten().map(|f| f.rule.as_str().to_owned()));
        rules.sort();
        rules.dedup();
        let whole = scanned.coverage().is_full();
        let basis = Basis { set_findings: together, sets_incomplete, ..Basis::default() };
        let gate = self.held(scanned, basis);
        Outcome { content, kind, gate, score, placed, whole, rules, bytes: text.len(), nanos: 0 }
    }

    /// Findings over notes together, by digest of the member, as a write gets them.
    fn sets(&self, text: &str, scanned: &Scanned) -> (BTreeMap<Digest, Vec<Finding>>, bool) {
        let mut found: BTreeMap<Digest, Vec<Finding>> = BTreeMap::new();
        if self.without.contains(&Part::Sets) {
            return (found, false);
        }
        let bodies: Vec<&str> = scanned.notes().iter().map(|note| note.body.slice(text).unwrap_or_default()).collect();
        let names: Vec<String> = (0..bodies.len()).map(|number| number.to_string()).collect();
        let members: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(bodies.iter().copied()).collect();
        let report = self.scanner.scan_set(&members);
        // As a write into an empty store: nothing was approved before.
        let beside = self.scanner.lay_beside(&bodies, &[]);
        for set in report.findings.iter().chain(&beside.findings) {
            let rule = self.scanner.rules().get(set.rule.as_str());
            let mut finding = set_finding(&set.rule, "", &rule.map(|rule| rule.threats.clone()).unwrap_or_default());
            if let Some(rule) = rule.filter(|rule| rule.id.as_str().starts_with("sets.")) {
                (finding.severity, finding.confidence) = (rule.severity, rule.confidence);
            }
            for body in set.members.iter().filter_map(|name| bodies.get(name.parse::<usize>().ok()?)) {
                found.entry(Digest::of(body)).or_default().push(finding.clone());
            }
        }
        (found, report.coverage != Coverage::Full || beside.coverage != Coverage::Full)
    }

    /// True when findings alone hold a part of the text, as the gate counts them: piece by piece.
    fn content(&self, scanned: &Scanned, together: &BTreeMap<Digest, Vec<Finding>>, sets_incomplete: bool) -> bool {
        let policy = &self.policy;
        if !scanned.coverage().is_full() || sets_incomplete {
            return true;
        }
        let all = scanned.findings();
        let mut loose = vec![true; all.len()];
        let text = &scanned.candidate().text;
        let holds = |findings: &[&Finding]| {
            // What is said of its origin is no judgement of its wording.
            let wording = findings.iter().copied().filter(|f| !is_about_origin(f));
            policy.holds(wording.clone()) || wording.clone().any(|f| policy.refuses(f))
        };
        let mut piece_holds = |piece: &NoteScan| {
            let mut here: Vec<&Finding> = Vec::new();
            for number in &piece.findings {
                if let (Some(finding), Some(loose)) = (all.get(*number), loose.get_mut(*number)) {
                    *loose = false;
                    here.push(finding);
                }
            }
            if let Some(set) = piece.body.slice(text).and_then(|body| together.get(&Digest::of(body))) {
                here.extend(set);
            }
            holds(&here)
        };
        let mut held = false;
        for piece in scanned.notes().iter().chain(scanned.glue()) {
            // All pieces are looked at: what none of them has is loose.
            held |= piece_holds(piece);
        }
        let rest: Vec<&Finding> = all.iter().zip(&loose).filter(|(_, loose)| **loose).map(|(f, _)| f).collect();
        held || holds(&rest)
    }

    /// True when the gate does not admit the whole text; masked secrets are no refusal.
    fn held(&self, scanned: Scanned, mut basis: Basis<'_>) -> bool {
        match decide(scanned, &self.policy, &basis) {
            Decision::Admit(_) => false,
            Decision::Redact(redaction) => {
                basis.after_redaction = true;
                !matches!(decide(self.scanner.scan(redaction.candidate), &self.policy, &basis), Decision::Admit(_))
            }
            Decision::Hold(_) | Decision::Refuse { .. } => true,
        }
    }
}

/// The text as a memory of its own, all of it from one place.
fn candidate(text: &str, channel: Channel, path: &MemoryPath) -> Candidate {
    let whole = Span::new(0, text.len());
    let authority: Authority = channel.authority();
    let origin = Origin {
        input: "bench.md".to_owned(),
        input_digest: Digest::of(text),
        session: None,
        event: None,
        span: whole,
        channel,
        principal: PrincipalId::new("bench"),
        authority,
        at: None,
    };
    let claims = vec![Claim { span: whole, origins: vec![origin], authority }];
    Candidate { path: path.clone(), text: text.to_owned(), claims, stage: Stage::Write }
}

#[expect(clippy::disallowed_methods, reason = "a bench reads the clock")]
fn now() -> Instant {
    Instant::now()
}

/// Does `count` pieces of work on `threads` threads. The answers are in the order of the work, whoever did it.
pub(super) fn all<T: Send>(count: usize, threads: usize, bar: &Bar, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done = AtomicUsize::new(0);
    let shared: Mutex<Vec<(usize, T)>> = Mutex::new(Vec::with_capacity(count));
    std::thread::scope(|scope| {
        for _ in 0..threads.min(count) {
            scope.spawn(|| {
                let mut mine = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        break;
                    }
                    mine.push((number, work(number)));
                    // Seldom: a bar is for people.
                    if done.fetch_add(1, Ordering::Relaxed) % 64 == 63 {
                        bar.step(64);
                    }
                }
                if let Ok(mut all) = shared.lock() {
                    all.append(&mut mine);
                }
            });
        }
    });
    let mut all = shared.into_inner().unwrap_or_default();
    all.sort_by_key(|(number, _)| *number);
    all.into_iter().map(|(_, answer)| answer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_in_order_for_every_number_of_threads() {
        let global = crate::cli::Bar::hidden();
        let one = all(1000, 1, &global, |number| number * number);
        for threads in [2, 7, 64] {
            assert_eq!(all(1000, threads, &global, |number| number * number), one);
        }
        assert_eq!(all(0, 4, &global, |number| number), [0_usize; 0]);
    }
}
