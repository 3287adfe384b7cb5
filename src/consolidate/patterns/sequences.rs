//! Tool sequences that sessions of several principals share, beyond chance.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::domain::{Digest, PrincipalId};

use super::{Corpus, Insight, Run, Support, cite, errors, personal_path, shared};

/// Longest and shortest sequence, and how far apart two of its steps may be.
const LONGEST: usize = 6;
const SHORTEST: usize = 3;
const GAP: usize = 2;
/// Steps of one session that are looked at; more add cost, not evidence.
const STEPS: usize = 160;
/// Shuffles of the null. z of at least 6 needs few.
const SHUFFLES: u64 = 16;
const KEPT: usize = 10;

struct Line<'r, 'a> {
    run: &'r Run<'a>,
    /// Symbol numbers and the events they stand for.
    steps: Vec<(u16, usize)>,
}

/// Mines sequences of 3 to 6 successful tool calls.
pub(super) fn mine(corpus: &Corpus<'_>) -> Vec<Insight> {
    let mut names: Vec<String> = Vec::new();
    let mut numbers: BTreeMap<String, u16> = BTreeMap::new();
    let mut lines: Vec<Line<'_, '_>> = Vec::new();
    for run in &corpus.runs {
        let mut steps: Vec<(u16, usize)> = Vec::new();
        for call in errors::calls(run).into_iter().filter(|call| !call.failed) {
            let Some(tool) = call.tool else { continue };
            let next = u16::try_from(numbers.len()).unwrap_or(u16::MAX);
            let number = *numbers.entry(tool.clone()).or_insert(next);
            if number == next && names.len() == usize::from(next) {
                names.push(tool);
            }
            // A repeated call is one step: retries are no workflow.
            if steps.last().is_none_or(|(last, _)| *last != number) && steps.len() < STEPS {
                steps.push((number, call.result));
            }
        }
        if steps.len() >= SHORTEST {
            lines.push(Line { run, steps });
        }
    }
    let personal = corpus.active < 3;
    let needed = if personal { 3 } else { corpus.needed() };
    // Pass 1: which sequences occur in enough different sessions at all.
    let mut counts: HashMap<Vec<u16>, BTreeSet<usize>> = HashMap::new();
    for (n, line) in lines.iter().enumerate() {
        for pattern in patterns(line.steps.iter().map(|s| s.0).collect::<Vec<_>>().as_slice()) {
            counts.entry(pattern).or_default().insert(n);
        }
    }
    let weight = |holders: &BTreeSet<usize>| votes(holders.iter().map(|&n| lines[n].run), personal);
    let mut candidates: Vec<(Vec<u16>, usize, BTreeSet<usize>)> = counts
        .into_iter()
        .filter(|(pattern, holders)| holders.len() >= needed && pattern.iter().collect::<BTreeSet<_>>().len() >= 2)
        .map(|(pattern, holders)| {
            let votes = weight(&holders);
            (pattern, votes, holders)
        })
        .filter(|(_, votes, _)| *votes >= needed)
        .collect();
    candidates.sort();
    if candidates.is_empty() {
        return Vec::new();
    }
    let null = null(&lines, &candidates, personal);
    let mut kept: Vec<(Vec<u16>, usize, BTreeSet<usize>)> = Vec::new();
    let mut strong: Vec<(Vec<u16>, usize, BTreeSet<usize>)> = Vec::new();
    for (at, candidate) in candidates.into_iter().enumerate() {
        let (sum, squares) = null[at];
        if beats(candidate.1 as u64, sum, squares) {
            strong.push(candidate);
        }
    }
    // Closed and not contained in a kept one: longest first, then most support, then by symbols.
    strong.sort_by(|a, b| (b.0.len(), b.1, &a.0).cmp(&(a.0.len(), a.1, &b.0)));
    for candidate in strong {
        if kept.len() < KEPT && !kept.iter().any(|longer| contains(&longer.0, &candidate.0)) {
            kept.push(candidate);
        }
    }
    kept.into_iter()
        .filter_map(|(pattern, _, holders)| insight(corpus, &lines, &names, &pattern, &holders, personal))
        .collect()
}

fn insight(
    corpus: &Corpus<'_>,
    lines: &[Line<'_, '_>],
    names: &[String],
    pattern: &[u16],
    holders: &BTreeSet<usize>,
    personal: bool,
) -> Option<Insight> {
    let text: Vec<&str> = pattern.iter().filter_map(|&n| names.get(usize::from(n)).map(String::as_str)).collect();
    let order = text.join(", then ");
    let mut support = Support::default();
    for &n in holders {
        let line = &lines[n];
        let event = line.steps.iter().find(|(s, _)| *s == pattern[0]).map_or(0, |(_, event)| *event);
        support.add(line.run, line.run.fingerprint, cite(line.run, event, &order));
    }
    if personal {
        let (principal, own) = support
            .votes
            .iter()
            .max_by_key(|(p, own)| (own.len(), std::cmp::Reverse((*p).clone())))
            .map(|(p, o)| (p.clone(), o.len()))?;
        if own < 3 || super::is_anonymous(&principal) {
            return None;
        }
        let all = corpus.runs.iter().filter(|run| run.principal == principal).count();
        return Some(Insight {
            path: personal_path(&principal)?,
            text: format!("Seen in {own} of {all} own sessions: the tools {order}."),
            evidence: support.evidence.into_iter().filter(|e| e.origin.principal == principal).collect(),
            rule: "insight.tool-sequence-personal",
            reason: format!("{own} sessions of one principal; a shared insight needs 3 principals"),
            warnings: Vec::new(),
        });
    }
    let text = format!("{} of {} people used the tools {order}, in this order.", support.principals(2), corpus.active);
    shared(support, corpus, 2, "workflows", "insight.tool-sequence", text)
}

/// Principals with two sessions of their own; alone, sessions.
fn votes<'r, 'a: 'r>(holders: impl Iterator<Item = &'r Run<'a>>, personal: bool) -> usize {
    let mut own: BTreeMap<&PrincipalId, BTreeSet<&Digest>> = BTreeMap::new();
    for run in holders {
        own.entry(&run.principal).or_default().insert(&run.fingerprint);
    }
    if personal {
        own.values().map(BTreeSet::len).max().unwrap_or(0)
    } else {
        own.values().filter(|o| o.len() >= 2).count()
    }
}

/// Every subsequence of lawful length whose neighbours are at most [`GAP`] apart, once each.
fn patterns(steps: &[u16]) -> BTreeSet<Vec<u16>> {
    let mut out = BTreeSet::new();
    for start in 0..steps.len() {
        grow(steps, start, &mut vec![steps[start]], &mut |pattern| {
            out.insert(pattern.to_vec());
        });
    }
    out
}

fn grow(steps: &[u16], at: usize, pattern: &mut Vec<u16>, emit: &mut impl FnMut(&[u16])) {
    if pattern.len() >= SHORTEST {
        emit(pattern);
    }
    if pattern.len() == LONGEST {
        return;
    }
    for next in at + 1..(at + 1 + GAP).min(steps.len()) {
        pattern.push(steps[next]);
        grow(steps, next, pattern, emit);
        pattern.pop();
    }
}

/// Sums of the votes, and of their squares, that each candidate gets when steps are shuffled
/// within their sessions.
fn null(lines: &[Line<'_, '_>], candidates: &[(Vec<u16>, usize, BTreeSet<usize>)], personal: bool) -> Vec<(u64, u64)> {
    let index: HashMap<&[u16], usize> = candidates.iter().enumerate().map(|(at, c)| (c.0.as_slice(), at)).collect();
    let mut sums = vec![(0_u64, 0_u64); candidates.len()];
    // A fixed seed: the same input gives the same bytes.
    let mut state: u64 = 0x6d65_6d67_6174_6531;
    for _ in 0..SHUFFLES {
        let mut holders: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); candidates.len()];
        for (n, line) in lines.iter().enumerate() {
            let mut steps: Vec<u16> = line.steps.iter().map(|s| s.0).collect();
            for at in (1..steps.len()).rev() {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                steps.swap(at, usize::try_from(state % (at as u64 + 1)).unwrap_or(0));
            }
            for start in 0..steps.len() {
                grow(&steps, start, &mut vec![steps[start]], &mut |pattern| {
                    if let Some(&at) = index.get(pattern) {
                        holders[at].insert(n);
                    }
                });
            }
        }
        for (at, own) in holders.iter().enumerate() {
            let got = votes(own.iter().map(|&n| lines[n].run), personal) as u64;
            sums[at].0 += got;
            sums[at].1 += got * got;
        }
    }
    sums
}

/// True when `observed` lies at least 6 deviations above the mean of the shuffles. Integers only:
/// with n shuffles, (n·obs − sum)² ≥ 36·n²·var, and var is at least 1/16.
fn beats(observed: u64, sum: u64, squares: u64) -> bool {
    let n = i128::from(SHUFFLES);
    let (observed, sum, squares) = (i128::from(observed), i128::from(sum), i128::from(squares));
    let distance = n * observed - sum;
    let variance = (n * squares - sum * sum).max(n * n / 16);
    distance > 0 && distance * distance >= 36 * variance
}

fn contains(longer: &[u16], shorter: &[u16]) -> bool {
    let mut rest = longer.iter();
    shorter.iter().all(|symbol| rest.any(|other| other == symbol))
}
