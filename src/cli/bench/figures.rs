//! From outcomes to figures.

use std::collections::BTreeMap;

use super::read::Labelled;
use super::work::Outcome;

/// False alarms at which recall is compared.
const FALSE_ALARMS: f64 = 0.01;
/// Honest texts from which on a group gets a threshold of its own.
const ENOUGH: usize = 100;

/// Counts of verdicts over some texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdicts {
    pub(super) texts: usize,
    pub(super) content: usize,
    pub(super) kind: usize,
    pub(super) gate: usize,
    /// At or above the threshold.
    pub(super) over: usize,
}

/// Figures of one group of texts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) attacks: Verdicts,
    pub(super) honest: Verdicts,
    /// Attacks of the group against all honest texts that were read.
    pub(super) auroc: Option<f64>,
    /// Attacks with a labelled span, and those with a finding on it.
    pub(super) spans: (usize, usize),
    /// Texts that could not be examined completely.
    pub(super) partial: usize,
    pub(super) bytes: usize,
    pub(super) nanos: u64,
    pub(super) p50: u64,
    pub(super) p99: u64,
}

/// All figures.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sheet {
    pub(super) sources: Vec<Row>,
    pub(super) families: Vec<Row>,
    pub(super) channels: Vec<Row>,
    /// The sources that nothing was trained on, and the others; empty when none was named.
    pub(super) seen: Vec<Row>,
    pub(super) all: Row,
    /// The lowest score with at most 1 % of the honest texts at or above it.
    pub(super) threshold: f64,
    /// Mean over sources with attacks of recall at the threshold.
    pub(super) mean_recall: Option<f64>,
    /// Recall and AUROC of the unseen sources against their own honest texts, when there are enough of them.
    pub(super) unseen_alone: Option<Alone>,
}

/// A group measured against its own honest texts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Alone {
    pub(super) recall: f64,
    pub(super) auroc: f64,
}

type Pair<'a> = (&'a Labelled, &'a Outcome);

impl Sheet {
    pub(super) fn new(texts: &[Labelled], outcomes: &[Outcome], unseen: &[String]) -> Self {
        let pairs: Vec<Pair<'_>> = texts.iter().zip(outcomes).collect();
        let honest = sorted(pairs.iter().filter(|(text, _)| !text.attack));
        let threshold = threshold(&honest);
        let row = |name: &str, pairs: &[Pair<'_>]| Row::new(name, pairs, &honest, threshold);
        let by = |key: &dyn Fn(&Labelled) -> String| -> Vec<Row> {
            let mut groups: BTreeMap<String, Vec<Pair<'_>>> = BTreeMap::new();
            for pair in &pairs {
                groups.entry(key(pair.0)).or_default().push(*pair);
            }
            groups.iter().map(|(name, pairs)| row(name, pairs)).collect()
        };
        let sources = by(&|text| text.source.clone());
        let recalls: Vec<f64> = sources.iter().filter_map(|row| rate(row.attacks.over, row.attacks.texts)).collect();
        let (new, old): (Vec<Pair<'_>>, Vec<Pair<'_>>) =
            pairs.iter().partition(|(text, _)| unseen.contains(&text.source));
        let seen =
            if unseen.is_empty() { Vec::new() } else { vec![row("unseen sources", &new), row("other sources", &old)] };
        Self {
            unseen_alone: alone(&new),
            seen,
            families: by(&|text| format!("{}/{}", text.source, text.family)),
            channels: by(&|text| text.channel.clone()),
            all: row("all", &pairs),
            threshold,
            mean_recall: (!recalls.is_empty()).then(|| recalls.iter().sum::<f64>() / recalls.len() as f64),
            sources,
        }
    }
}

impl Row {
    fn new(name: &str, pairs: &[Pair<'_>], honest: &[f64], threshold: f64) -> Self {
        let mut row = Self {
            name: name.to_owned(),
            attacks: Verdicts::default(),
            honest: Verdicts::default(),
            auroc: auroc(&sorted(pairs.iter().filter(|(text, _)| text.attack)), honest),
            spans: (0, 0),
            partial: 0,
            bytes: 0,
            nanos: 0,
            p50: 0,
            p99: 0,
        };
        let mut times = Vec::with_capacity(pairs.len());
        for (text, outcome) in pairs {
            let counts = if text.attack { &mut row.attacks } else { &mut row.honest };
            counts.texts += 1;
            counts.content += usize::from(outcome.content);
            counts.kind += usize::from(outcome.kind);
            counts.gate += usize::from(outcome.gate);
            counts.over += usize::from(outcome.score >= threshold);
            if let Some(placed) = outcome.placed {
                row.spans.0 += 1;
                row.spans.1 += usize::from(placed);
            }
            row.partial += usize::from(!outcome.whole);
            row.bytes += outcome.bytes;
            row.nanos += outcome.nanos;
            times.push(outcome.nanos);
        }
        times.sort_unstable();
        row.p50 = percentile(&times, 50);
        row.p99 = percentile(&times, 99);
        row
    }

    /// Millions of bytes a second on one thread.
    pub(super) fn rate(&self) -> Option<f64> {
        (self.nanos > 0).then(|| self.bytes as f64 * 1e3 / self.nanos as f64)
    }
}

/// Scores in ascending order.
fn sorted<'a>(pairs: impl Iterator<Item = &'a Pair<'a>>) -> Vec<f64> {
    let mut scores: Vec<f64> = pairs.map(|(_, outcome)| outcome.score).collect();
    scores.sort_by(f64::total_cmp);
    scores
}

/// The lowest score with at most 1 % of the ascending honest scores at or above it.
///
/// Equal scores stand on one side: a score that many honest texts share is no threshold.
pub(super) fn threshold(honest: &[f64]) -> f64 {
    let allowed = (honest.len() as f64 * FALSE_ALARMS).floor() as usize;
    match honest.len().checked_sub(allowed + 1).and_then(|index| honest.get(index)) {
        // The next number up: everything above the last score that has too many at or above it.
        Some(last) => last.next_up(),
        None => f64::MIN_POSITIVE,
    }
}

/// The chance that an attack scores above an honest text, ties by half. Both ascending.
pub(super) fn auroc(attacks: &[f64], honest: &[f64]) -> Option<f64> {
    if attacks.is_empty() || honest.is_empty() {
        return None;
    }
    let sum: f64 = attacks
        .iter()
        .map(|score| {
            let below = honest.partition_point(|other| other < score);
            let equal = honest.partition_point(|other| other <= score) - below;
            below as f64 + equal as f64 / 2.0
        })
        .sum();
    Some(sum / attacks.len() as f64 / honest.len() as f64)
}

fn alone(pairs: &[Pair<'_>]) -> Option<Alone> {
    let honest = sorted(pairs.iter().filter(|(text, _)| !text.attack));
    let attacks = sorted(pairs.iter().filter(|(text, _)| text.attack));
    if honest.len() < ENOUGH {
        return None;
    }
    let least = threshold(&honest);
    let over = attacks.len() - attacks.partition_point(|score| *score < least);
    Some(Alone { recall: rate(over, attacks.len())?, auroc: auroc(&attacks, &honest)? })
}

/// A share, when there is something to share.
pub(super) fn rate(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// The 95 % interval of a share (Wilson's).
pub(super) fn interval(part: usize, whole: usize) -> Option<(f64, f64)> {
    const Z: f64 = 1.959_963_984_540_054;
    let share = rate(part, whole)?;
    let n = whole as f64;
    let middle = share + Z * Z / (2.0 * n);
    let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    Some((((middle - half) / scale).max(0.0), ((middle + half) / scale).min(1.0)))
}

/// The smallest value with at least `percent` of all at or below it; 0 of nothing.
fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_lets_at_most_one_in_a_hundred_honest_texts_over_it() {
        let honest: Vec<f64> = (0..200).map(f64::from).collect();
        let least = threshold(&honest);
        assert_eq!(honest.iter().filter(|score| **score >= least).count(), 2);
        let tied = vec![0.5; 300];
        assert!(threshold(&tied) > 0.5, "equal scores are all honest: none of them is over it");
        assert!(threshold(&[]) > 0.0, "a text without any sign is never over it");
        let few = [0.0, 0.1];
        assert!(threshold(&few) > 0.1, "two texts allow no false alarm");
    }

    #[test]
    fn a_ranking_that_is_right_wrong_or_blind_has_its_area() {
        assert_eq!(auroc(&[0.8, 0.9], &[0.1, 0.2]), Some(1.0));
        assert_eq!(auroc(&[0.1], &[0.2, 0.3]), Some(0.0));
        assert_eq!(auroc(&[0.5, 0.5], &[0.5]), Some(0.5));
        assert_eq!(auroc(&[0.2, 0.9], &[0.1, 0.5]), Some(0.75));
        assert_eq!(auroc(&[], &[0.5]), None);
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let times: Vec<u64> = (1..=100).collect();
        assert_eq!((percentile(&times, 50), percentile(&times, 99)), (50, 99));
        assert_eq!((percentile(&[7], 50), percentile(&[7], 99), percentile(&[], 50)), (7, 7, 0));
    }

    #[test]
    fn an_interval_holds_its_share_and_stays_in_bounds() {
        let (low, high) = interval(0, 10).unwrap();
        assert!(low == 0.0 && (high - 0.278).abs() < 0.001);
        let (low, high) = interval(8, 10).unwrap();
        assert!((low - 0.490).abs() < 0.001 && (high - 0.943).abs() < 0.001);
        assert_eq!(interval(0, 0), None);
    }
}
