//! Exact merges, near merges, subsumption.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use regex::Regex;

use crate::domain::Authority;

use super::build::{Builder, Draft, cite};
use super::snapshot::{Entry, Snapshot};
use super::steering::Steering;
use super::{OperationKind, Tier, words};

/// Scope, key, context, authority, principal, date of an event: all equal, or no automatic merge.
type Spot<'e> = (&'e str, &'e str, &'e str, Authority, &'e str, &'e str);

/// Equal canonical keys.
///
/// Automatic only where nothing at all can be lost: same scope, same headings (a statement that
/// leans on its place: same memory as well), same authority, letters and dates in agreement.
pub(super) fn exact(snapshot: &Snapshot, steering: &Steering, builder: &mut Builder<'_>) {
    let entries = &snapshot.entries;
    let mergeable = |at: &usize| {
        let entry = &entries[*at];
        !entry.key.key.is_empty()
            && entry.note.digest != crate::domain::Digest::of("")
            && !steering.forbids_merge(&entry.body)
    };
    let mut same_place: BTreeMap<Spot<'_>, Vec<usize>> = BTreeMap::new();
    for at in builder.live().into_iter().filter(|at| mergeable(at)) {
        let e = &entries[at];
        // Said again on another day may be another day's event: automatic only when the dates agree.
        let date = e.key.date_text.as_deref().unwrap_or("");
        let key = (e.scope.as_str(), e.key.key.as_str(), e.context.as_str(), e.authority, e.principal.as_str(), date);
        same_place.entry(key).or_default().push(at);
    }
    for group in same_place.values().filter(|group| group.len() > 1) {
        let (survivor, others) = split(entries, group);
        let members: Vec<usize> =
            others.into_iter().filter(|&at| entries[survivor].key.case_agrees(&entries[at].key)).collect();
        if !members.is_empty() {
            let hidden = members.iter().filter(|&&at| entries[at].key.had_hidden).count();
            let mut warnings = Vec::new();
            if hidden > 0 {
                warnings.push(format!("{hidden} merged copies carry invisible characters"));
            }
            builder.retire(draft(
                snapshot,
                OperationKind::MergeExact,
                Tier::Automatic,
                survivor,
                &members,
                "merge.canonical-key",
                format!("{} notes say the same, letter for letter after folding", members.len() + 1),
                warnings,
            ));
        }
    }
    let mut same_text: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for at in builder.live().into_iter().filter(|at| mergeable(at) && entries[*at].self_contained) {
        same_text.entry((entries[at].scope.as_str(), entries[at].key.key.as_str())).or_default().push(at);
    }
    for group in same_text.values().filter(|group| group.len() > 1) {
        let (survivor, others) = split(entries, group);
        let kept = &entries[survivor];
        for at in others {
            let e = &entries[at];
            let mut warnings = Vec::new();
            if e.event
                && e.key.date_text != kept.key.date_text
                && e.key.date_text.is_some()
                && kept.key.date_text.is_some()
            {
                continue; // Two events on two days.
            }
            if !kept.key.case_agrees(&e.key) {
                let ambiguous = e
                    .key
                    .tokens
                    .iter()
                    .zip(&kept.key.tokens)
                    .any(|(a, b)| a.raw != b.raw && words::AMBIGUOUS_CASE.contains(a.fold.as_str()));
                if ambiguous {
                    continue;
                }
                warnings.push("letters differ in case".to_owned());
            }
            if e.context != kept.context {
                warnings.push("the two stand in different places".to_owned());
            }
            if e.authority != kept.authority {
                warnings.push("the two have different authority; the result has the lower one".to_owned());
            }
            if e.event && e.key.date_text != kept.key.date_text {
                warnings.push("only one of the two is dated".to_owned());
            }
            builder.retire(draft(
                snapshot,
                OperationKind::MergeExact,
                Tier::Propose,
                survivor,
                &[at],
                "merge.canonical-key-elsewhere",
                "two notes say the same, letter for letter after folding".to_owned(),
                warnings,
            ));
        }
    }
}

/// Equal folded sequences: no protected difference, only fillers, synonyms and turned clauses.
pub(super) fn near(snapshot: &Snapshot, steering: &Steering, builder: &mut Builder<'_>) {
    let entries = &snapshot.entries;
    let mut groups: BTreeMap<(&str, String), Vec<usize>> = BTreeMap::new();
    for at in builder.live() {
        let e = &entries[at];
        if e.generated || steering.forbids_merge(&e.body) {
            continue;
        }
        if let Some(key) = e.gist.near_key() {
            groups.entry((e.scope.as_str(), key)).or_default().push(at);
        }
    }
    for group in groups.values().filter(|group| group.len() > 1) {
        let (survivor, others) = split(entries, group);
        let kept = &entries[survivor];
        for at in others {
            let e = &entries[at];
            if (e.event || kept.event) && e.key.date_text != kept.key.date_text {
                continue;
            }
            // A statement that leans on its place meets only its neighbours.
            if !(e.self_contained && kept.self_contained) && e.place != kept.place {
                continue;
            }
            // Equal keys were judged by the exact stage; what it left apart stays apart.
            if e.key.key == kept.key.key {
                continue;
            }
            let mut warnings = Vec::new();
            if e.authority != kept.authority {
                warnings.push("the two have different authority; the result has the lower one".to_owned());
            }
            if e.context != kept.context {
                warnings.push("the two stand in different places".to_owned());
            }
            let score = similarity(kept, e);
            builder.retire(draft(
                snapshot,
                OperationKind::MergeNear,
                Tier::Propose,
                survivor,
                &[at],
                "merge.no-protected-difference",
                format!("the two differ only in wording; weighted overlap {score} of 1000"),
                warnings,
            ));
        }
    }
}

static NARROWS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(?:but|except|unless|only|if|when|not|no|never|until|while|during|temporarily|instead|however|although|though|or|was|were|used to|formerly|n't|maybe|perhaps|might|may|should|must|former|deprecated|outdated|wrong|longer|anymore)\b|n't|\?").ok()
});
static JOINT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"[,;.(]| (?:and|with|because|so that|which|including|plus|together with|as well as|who) | - ").ok()
});

/// One note is the beginning of another that adds, and does not narrow.
pub(super) fn subsume(snapshot: &Snapshot, steering: &Steering, builder: &mut Builder<'_>) {
    let (Some(joint), Some(narrows)) = (JOINT.as_ref(), NARROWS.as_ref()) else { return };
    let entries = &snapshot.entries;
    let plain = |e: &Entry| e.key.text.trim_end_matches(['.', '!', ' ']).to_lowercase();
    let usable = |e: &Entry| {
        !e.generated
            && e.self_contained
            && !e.gist.foreign
            && e.key.content_words() >= 3
            && e.key.text.len() <= 2000
            && !steering.forbids_merge(&e.body)
    };
    let live: Vec<usize> = builder.live().into_iter().filter(|&at| usable(&entries[at])).collect();
    let mut by_text: HashMap<(&str, String), Vec<usize>> = HashMap::new();
    for &at in &live {
        by_text.entry((entries[at].scope.as_str(), plain(&entries[at]))).or_default().push(at);
    }
    // Every larger note looks up its own beginnings: linear, however many notes there are.
    let mut into: BTreeMap<usize, usize> = BTreeMap::new();
    for &large in &live {
        let e = &entries[large];
        let text = plain(e);
        for found in joint.find_iter(&text).take(24) {
            let (head, tail) = (text[..found.start()].trim_end(), &text[found.start()..]);
            if narrows.is_match(tail) || head.len() < 8 {
                continue;
            }
            for &small in by_text.get(&(e.scope.as_str(), head.to_owned())).into_iter().flatten() {
                let s = &entries[small];
                let blocked = small == large
                    || s.pinned
                    || s.bound
                    || s.event != e.event
                    || s.context != e.context
                    || same_slot(s, e)
                    || s.found
                    || e.found
                    || s.authority > e.authority;
                let longer = |&now: &usize| entries[now].key.text.len() >= e.key.text.len();
                if !blocked && !into.get(&small).is_some_and(longer) {
                    into.insert(small, large);
                }
            }
        }
    }
    let small: BTreeSet<usize> = into.keys().copied().collect();
    for (&at, &target) in &into {
        let mut target = target;
        // The largest stays: follow to a note that is not itself swallowed. Lengths only grow.
        while small.contains(&target) {
            match into.get(&target) {
                Some(&next) => target = next,
                None => break,
            }
        }
        builder.retire(draft(
            snapshot,
            OperationKind::Subsume,
            Tier::Propose,
            target,
            &[at],
            "subsume.beginning-of-larger",
            "the larger note says all that the smaller one says".to_owned(),
            Vec::new(),
        ));
    }
}

fn same_slot(left: &Entry, right: &Entry) -> bool {
    match (&left.frame, &right.frame) {
        (Some(a), Some(b)) => a.functional && b.functional && a.subject == b.subject && a.attribute == b.attribute,
        _ => false,
    }
}

/// The note that stays, and those that may go.
///
/// Pinned first, then highest authority, nothing hidden, most content words, latest time, smallest id.
fn split(entries: &[Entry], group: &[usize]) -> (usize, Vec<usize>) {
    let rank = |at: usize| {
        let e = &entries[at];
        (
            e.pinned,
            e.authority,
            e.bound,
            !e.key.had_hidden,
            e.key.content_words(),
            e.time,
            std::cmp::Reverse((e.note.path.clone(), e.note.note)),
        )
    };
    let survivor = group.iter().copied().max_by(|&a, &b| rank(a).cmp(&rank(b))).unwrap_or(group[0]);
    let others =
        group.iter().copied().filter(|&at| at != survivor && !entries[at].pinned && !entries[at].bound).collect();
    (survivor, others)
}

/// Weighted overlap of two statements. Units: permille, integer arithmetic only.
fn similarity(left: &Entry, right: &Entry) -> u64 {
    let weigh = |e: &Entry| {
        let mut bag: BTreeMap<String, u64> = BTreeMap::new();
        for token in &e.key.tokens {
            let weight = match words::sort(&token.fold) {
                words::Sort::Filler => 1,
                _ => 4,
            };
            *bag.entry(token.fold.clone()).or_insert(0) += weight;
        }
        bag
    };
    let (a, b) = (weigh(left), weigh(right));
    let common: u64 = a.iter().filter_map(|(token, weight)| b.get(token).map(|other| (*weight).min(*other))).sum();
    let total: u64 = a.values().sum::<u64>().saturating_add(b.values().sum());
    common.saturating_mul(2000).checked_div(total).unwrap_or(0)
}

#[allow(clippy::too_many_arguments, reason = "one place builds all merge drafts")]
fn draft(
    snapshot: &Snapshot,
    kind: OperationKind,
    tier: Tier,
    survivor: usize,
    others: &[usize],
    rule: &'static str,
    reason: String,
    warnings: Vec<String>,
) -> Draft {
    let entries = &snapshot.entries;
    let inputs: Vec<usize> = std::iter::once(survivor).chain(others.iter().copied()).collect();
    Draft {
        kind,
        tier,
        output: None,
        evidence: inputs.iter().take(12).map(|&at| cite(&entries[at])).collect(),
        authority: Authority::lowest(inputs.iter().map(|&at| entries[at].authority)),
        rule,
        reason,
        warnings,
        inputs,
    }
}
