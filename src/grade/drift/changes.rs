//! Which change did it: the first two rungs of the evidence ladder.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::Digest;

/// What a version consists of, as far as outcomes may depend on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionSummary {
    /// Its label.
    pub label: String,
    /// Notes (or memories) by name, with the digest of their text. Names are untrusted: show them escaped.
    pub notes: BTreeMap<String, Digest>,
    /// What else the agent ran with: `model`, `tools`, `prompt`, `retrieval`, each as a digest or name.
    pub context: BTreeMap<String, String>,
}

/// How something changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It was not there before.
    Added,
    /// Another text under the same name.
    Changed,
    /// It is gone.
    Removed,
}

/// How strong the case is, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    /// It changed: a candidate, nothing more.
    Changed,
    /// Sessions that recalled it did worse. Not proof: a hard task recalls different notes.
    Associated,
}

/// Something that changed between two versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspect {
    /// The note's name, or `model`, `tools`, … for a suspect outside memory. Untrusted: show it escaped.
    pub name: String,
    /// True when it is not a note: rolling the memory back does not undo it.
    pub outside_memory: bool,
    /// How it changed.
    pub change: ChangeKind,
    /// Digest of a note's text before.
    pub before: Option<Digest>,
    /// Digest of a note's text after.
    pub after: Option<Digest>,
    /// How strong the case is.
    pub rung: Rung,
    /// What exposure says, when it was compared.
    pub association: Option<Association>,
}

/// Outcomes with and without a note, within task slice and period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Association {
    /// Sessions that recalled it.
    pub with: u64,
    /// Sessions of the same slices and periods that did not.
    pub without: u64,
    /// Mean outcome without minus with, in permille; positive means sessions with it did worse.
    pub loss_permille: i32,
    /// Lower end of an approximate 95 % interval.
    pub low_permille: i32,
    /// Upper end.
    pub high_permille: i32,
}

/// One session for the exposure comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// Task slice.
    pub slice: String,
    /// Period, e.g. the version's label or the week.
    pub period: String,
    /// Names of the notes it recalled.
    pub recalled: BTreeSet<String>,
    /// Its outcome in permille.
    pub value: u16,
}

/// Everything that changed between two versions: the only candidates. Suspects outside memory
/// come first, because rolling back the memory would not help against them; then notes by name.
pub fn explain_changes(before: &VersionSummary, after: &VersionSummary) -> Vec<Suspect> {
    fn changes<'m, V: PartialEq>(
        before: &'m BTreeMap<String, V>,
        after: &'m BTreeMap<String, V>,
    ) -> impl Iterator<Item = (&'m String, ChangeKind)> {
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        names.into_iter().filter_map(move |name| match (before.get(name), after.get(name)) {
            (None, Some(_)) => Some((name, ChangeKind::Added)),
            (Some(_), None) => Some((name, ChangeKind::Removed)),
            (Some(old), Some(new)) if old != new => Some((name, ChangeKind::Changed)),
            _ => None,
        })
    }
    let suspect = |name: &String, change, outside_memory| Suspect {
        name: name.clone(),
        outside_memory,
        change,
        before: before.notes.get(name).copied().filter(|_| !outside_memory),
        after: after.notes.get(name).copied().filter(|_| !outside_memory),
        rung: Rung::Changed,
        association: None,
    };
    let outside = changes(&before.context, &after.context).map(|(name, change)| suspect(name, change, true));
    let notes = changes(&before.notes, &after.notes).map(|(name, change)| suspect(name, change, false));
    outside.chain(notes).collect()
}

/// Compares outcomes with and without each suspect within slice and period, and sorts the worst
/// first: by the lower end of the loss, so that a few unlucky sessions do not lead. A suspect
/// whose interval lies above zero is *associated*. Suspects outside memory keep their place in
/// front; notes nobody recalled come last.
pub fn rank_by_exposure(mut suspects: Vec<Suspect>, sessions: &[Exposure]) -> Vec<Suspect> {
    for suspect in suspects.iter_mut().filter(|suspect| !suspect.outside_memory) {
        suspect.association = associate(&suspect.name, sessions);
        if suspect.association.as_ref().is_some_and(|a| a.low_permille > 0) {
            suspect.rung = Rung::Associated;
        }
    }
    suspects.sort_by_key(|s| {
        let low = s.association.as_ref().map(|a| a.low_permille);
        (!s.outside_memory, low.is_none(), low.map(|low| -low), s.name.clone())
    });
    suspects
}

#[derive(Default)]
struct Arm {
    n: u64,
    sum: u64,
    squares: u64,
}

impl Arm {
    fn mean(&self) -> f64 {
        self.sum as f64 / self.n as f64
    }
    /// Variance of the mean, as if two more sessions (one bad, one good) had been seen: three
    /// equal outcomes are not certainty.
    fn variance_of_mean(&self) -> f64 {
        let n = self.n as f64 + 2.0;
        let mean = (self.sum as f64 + 1000.0) / n;
        let variance = (self.squares as f64 + 1_000_000.0) / n - mean * mean;
        variance / self.n as f64
    }
}

fn associate(name: &str, sessions: &[Exposure]) -> Option<Association> {
    let mut strata: BTreeMap<(&str, &str), [Arm; 2]> = BTreeMap::new();
    for session in sessions {
        let arms = strata.entry((&session.slice, &session.period)).or_default();
        let arm = &mut arms[usize::from(session.recalled.contains(name))];
        let value = u64::from(session.value.min(1000));
        arm.n += 1;
        arm.sum += value;
        arm.squares += value * value;
    }
    let (mut weight, mut loss, mut variance, mut with, mut without) = (0.0, 0.0, 0.0, 0, 0);
    for [no, yes] in strata.values().filter(|[no, yes]| no.n > 0 && yes.n > 0) {
        // Source: Mantel and Haenszel 1959, weights for a common difference.
        let w = (no.n * yes.n) as f64 / (no.n + yes.n) as f64;
        weight += w;
        loss += w * (no.mean() - yes.mean());
        variance += w * w * (no.variance_of_mean() + yes.variance_of_mean());
        with += yes.n;
        without += no.n;
    }
    if with == 0 {
        return None;
    }
    let (loss, half) = (loss / weight, 1.96 * libm::sqrt(variance) / weight);
    let permille = |x: f64| libm::floor(x) as i32;
    Some(Association {
        with,
        without,
        loss_permille: permille(loss),
        low_permille: permille(loss - half),
        high_permille: permille(loss + half) + 1,
    })
}
