//! Contradictions and updates: supersede where recency may decide, contest everywhere else.
//!
//! Attackers like "the newest wins" (threat T13). So recency decides only inside one scope, over
//! ordinary kinds, upward or level in authority, with known past times and nothing found; a later
//! date alone, a forged date, or repetition never retires anything.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Authority, Digest, Timestamp};

use super::build::{Builder, Draft, cite};
use super::frame::Frame;
use super::gate::{self, Mark};
use super::snapshot::{Entry, Snapshot};
use super::steering::Steering;
use super::token::Class;
use super::{Input, OperationKind, Tier, words};

/// A note and the piece that was left out of it.
type Member = (usize, Option<usize>);

/// More members than this are a list, not a contradiction.
const FAMILY: usize = 6;

/// Runs all rules of contradiction over the live notes.
pub(super) fn settle(snapshot: &Snapshot, _steering: &Steering, input: &Input<'_>, builder: &mut Builder<'_>) {
    changes(snapshot, input.now, builder);
    functional(snapshot, input.now, builder);
    safeguards(snapshot, builder);
    differences(snapshot, input.now, builder);
}

/// Why the newer may not replace the older; `Ok` when it may.
fn may_replace(newer: &Entry, older: &Entry, now: Timestamp, explicit: bool) -> Result<(), String> {
    for (which, entry) in [("newer", newer), ("older", older)] {
        match entry.time {
            None if explicit => {}
            None => return Err(format!("the {which} note has no time")),
            Some(time) if time > now => return Err(format!("the {which} note is dated in the future")),
            Some(_) => {}
        }
        // A note cannot know on the day it was written what happened later: the date is forged or a plan.
        if entry
            .key
            .dated
            .is_some_and(|dated| entry.recorded.is_some_and(|recorded| dated > recorded.plus_ms(86_400_000)))
        {
            return Err(format!("the {which} note is dated after it was written"));
        }
        if entry.found {
            return Err(format!("the scan found something in the {which} note"));
        }
        if !entry.ordinary {
            return Err("recency may not decide over this kind of note".to_owned());
        }
    }
    let in_order = match (newer.time, older.time) {
        (Some(new), Some(old)) if explicit => new >= old,
        (Some(new), Some(old)) => new > old,
        _ => explicit,
    };
    if !in_order {
        return Err("the two have the same time".to_owned());
    }
    if newer.authority < older.authority {
        return Err(format!(
            "the newer note has less authority ({} below {})",
            newer.authority.name(),
            older.authority.name()
        ));
    }
    if newer.principal != older.principal && newer.authority == older.authority && newer.authority < Authority::Reviewer
    {
        return Err("the two come from different principals".to_owned());
    }
    if older.pinned {
        return Err("the older note is pinned".to_owned());
    }
    if older.bound {
        return Err("the older note is part of a larger structure".to_owned());
    }
    if newer.key.had_hidden {
        return Err("the newer note carries invisible characters".to_owned());
    }
    Ok(())
}

fn supersede(
    snapshot: &Snapshot,
    builder: &mut Builder<'_>,
    newer: usize,
    older: usize,
    rule: &'static str,
    reason: String,
) {
    let entries = &snapshot.entries;
    builder.retire(Draft {
        kind: OperationKind::Supersede,
        tier: Tier::Propose,
        inputs: vec![newer, older],
        output: None,
        evidence: vec![cite(&entries[newer]), cite(&entries[older])],
        rule,
        reason,
        // The survivor keeps its own words: the older note contributes nothing to it.
        authority: entries[newer].authority,
        warnings: Vec::new(),
    });
}

fn frame_of(entry: &Entry) -> Option<&Frame> {
    entry.frame.as_ref().filter(|_| !entry.generated)
}

/// Statements that name what is over: "moved from A to B", "no longer uses A".
fn changes(snapshot: &Snapshot, now: Timestamp, builder: &mut Builder<'_>) {
    let entries = &snapshot.entries;
    let live = builder.live();
    let mut by_value: BTreeMap<(&str, &str, String), Vec<usize>> = BTreeMap::new();
    for &at in &live {
        let e = &entries[at];
        let Some(frame) = frame_of(e).filter(|f| f.ended.is_none() && !f.temporary && !e.event) else { continue };
        let product = frame.attribute.strip_prefix("version of ").or_else(|| frame.attribute.strip_prefix("version "));
        let full = product.map(|product| format!("{product} {}", frame.value));
        let named = format!("{} {}", frame.attribute, frame.value);
        for value in [Some(frame.value.clone()), full, Some(named)].into_iter().flatten() {
            by_value.entry((e.scope.as_str(), frame.subject.as_str(), value)).or_default().push(at);
        }
    }
    for &at in &live {
        let e = &entries[at];
        let Some(frame) = frame_of(e) else { continue };
        let Some(over) = &frame.ended else { continue };
        let found = by_value.get(&(e.scope.as_str(), frame.subject.as_str(), over.clone()));
        let mut attributes: BTreeSet<&str> = BTreeSet::new();
        for &old in found.into_iter().flatten().take(FAMILY) {
            if old == at || !builder.is_live(old) {
                continue;
            }
            let attribute = entries[old].frame.as_ref().map_or("", |f| f.attribute.as_str());
            if frame.temporary || !attributes.insert(attribute) {
                continue;
            }
            match may_replace(e, &entries[old], now, true) {
                Ok(()) => supersede(
                    snapshot,
                    builder,
                    at,
                    old,
                    "supersede.change-statement",
                    "the newer note says that the older one's value is over".to_owned(),
                ),
                Err(why) => builder.contest(
                    vec![at, old],
                    "contest.change-statement",
                    format!("one note says that the other's value is over, but {why}"),
                ),
            }
        }
    }
}

/// Different values of an attribute that holds one value at a time.
fn functional(snapshot: &Snapshot, now: Timestamp, builder: &mut Builder<'_>) {
    let entries = &snapshot.entries;
    let mut slots: BTreeMap<(&str, &str, &str, &str), Vec<usize>> = BTreeMap::new();
    for at in builder.live() {
        let e = &entries[at];
        let Some(frame) = frame_of(e) else { continue };
        if frame.functional && !frame.temporary && frame.ended.is_none() && !e.event {
            slots.entry((&e.scope, &frame.subject, &frame.attribute, &frame.qualifier)).or_default().push(at);
        }
    }
    let value = |at: usize| entries[at].frame.as_ref().map_or("", |f| f.value.as_str());
    for (slot, mut members) in slots {
        let distinct: BTreeSet<&str> = members.iter().map(|&at| value(at)).collect();
        if distinct.len() < 2 {
            continue;
        }
        members.sort_by(|&a, &b| (entries[a].time, &entries[a].note).cmp(&(entries[b].time, &entries[b].note)));
        // One new value retires at most one older note; so every step must stand alone.
        let steps: Vec<Result<(), String>> = members
            .windows(2)
            .map(|pair| {
                if value(pair[0]) == value(pair[1]) {
                    Err("several notes hold one of the values".to_owned())
                } else {
                    may_replace(&entries[pair[1]], &entries[pair[0]], now, false)
                }
            })
            .collect();
        let name =
            if slot.1 == "*" { slot.2.to_owned() } else { format!("{} of {}", slot.2, slot.1.replace('\u{1}', " ")) };
        match steps.iter().find_map(|step| step.as_ref().err()) {
            None => {
                for pair in members.windows(2) {
                    supersede(
                        snapshot,
                        builder,
                        pair[1],
                        pair[0],
                        "supersede.functional-slot",
                        format!("a later value for {:?}", name.trim()),
                    );
                }
            }
            Some(why) => builder.contest(
                members,
                "contest.functional-slot",
                format!("different values for {:?}, and {why}", name.trim()),
            ),
        }
    }
}

/// "One approval is enough" against "production deploys need two approvals": a count without a
/// subject contradicts every other count of that safeguard, whatever the words.
fn safeguards(snapshot: &Snapshot, builder: &mut Builder<'_>) {
    let entries = &snapshot.entries;
    let mut counts: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for at in builder.live() {
        let e = &entries[at];
        if let Some(frame) = frame_of(e).filter(|f| words::SAFEGUARDS.contains(&f.attribute.as_str())) {
            counts.entry((&e.scope, &frame.attribute)).or_default().push(at);
        }
    }
    let is_open = |at: usize| entries[at].frame.as_ref().is_some_and(|f| f.subject == "*");
    let value = |at: usize| entries[at].frame.as_ref().map_or("", |f| f.value.as_str());
    for ((_, name), members) in counts {
        for &open in members.iter().filter(|&&at| is_open(at)).take(FAMILY) {
            for &other in members.iter().filter(|&&at| !is_open(at)).take(FAMILY) {
                if value(open) != value(other) {
                    builder.contest(
                        vec![open, other],
                        "contest.safeguard-count",
                        format!("two notes ask for different counts of {name:?}"),
                    );
                }
            }
        }
    }
}

/// Statements that are equal but for one protected piece.
fn differences(snapshot: &Snapshot, now: Timestamp, builder: &mut Builder<'_>) {
    let entries = &snapshot.entries;
    let mut buckets: BTreeMap<(&str, Digest), Vec<Member>> = BTreeMap::new();
    for at in builder.live() {
        let e = &entries[at];
        if e.generated || e.event || e.frame.as_ref().is_some_and(|f| f.temporary) {
            continue;
        }
        for (digest, skipped) in e.gist.contest_keys() {
            buckets.entry((&e.scope, digest)).or_default().push((at, skipped));
        }
    }
    // Buckets in the order of their notes, so that the outcome does not follow from digests.
    let mut groups: Vec<Vec<Member>> = buckets.into_values().filter(|g| g.len() > 1).collect();
    groups.sort();
    for mut group in groups {
        // One note may meet itself through two equal pieces.
        group.dedup_by_key(|(at, _)| *at);
        if group.len() < 2 || group.len() > FAMILY || group.iter().any(|&(at, _)| !builder.is_live(at)) {
            continue;
        }
        let mut touched: BTreeSet<usize> = BTreeSet::new();
        for (n, &left) in group.iter().enumerate() {
            for &right in &group[n + 1..] {
                if builder.is_live(left.0) && builder.is_live(right.0) && judge(snapshot, now, builder, left, right) {
                    touched.extend([left.0, right.0]);
                }
            }
        }
        touched.retain(|&at| builder.is_live(at));
        if touched.len() > 1 {
            let members: Vec<usize> = touched.into_iter().collect();
            if members.windows(2).any(|pair| !builder.is_contested(pair[0], pair[1])) {
                builder.contest(
                    members,
                    "contest.protected-difference",
                    "equal statements but for one protected part".to_owned(),
                );
            }
        }
    }
}

/// True when the two contradict and nobody here may decide. A flip of polarity under the
/// conditions of an update is proposed as one.
fn judge(snapshot: &Snapshot, now: Timestamp, builder: &mut Builder<'_>, left: Member, right: Member) -> bool {
    let (a, b) = (&snapshot.entries[left.0], &snapshot.entries[right.0]);
    let same_place = a.context == b.context || (a.self_contained && b.self_contained);
    if !same_place || a.key.key == b.key.key {
        return false;
    }
    match (left.1, right.1) {
        (None, None) => false,
        (Some(at), None) | (None, Some(at)) => {
            let longer = if left.1.is_some() { a } else { b };
            if longer.gist.pieces[at].mark != Mark::Negator {
                return false;
            }
            let ((newer, new), (older, old)) =
                if a.time > b.time { ((left.0, a), (right.0, b)) } else { ((right.0, b), (left.0, a)) };
            if may_replace(new, old, now, false).is_ok() {
                supersede(
                    snapshot,
                    builder,
                    newer,
                    older,
                    "supersede.polarity",
                    "a later note says the opposite".to_owned(),
                );
                return false;
            }
            true
        }
        (Some(i), Some(j)) => {
            let (p, q) = (&a.gist.pieces[i], &b.gist.pieces[j]);
            if p.fold == q.fold || !gate::contradicts(p, q) {
                return false;
            }
            let alike = gate::look_alike(&p.fold, &q.fold);
            let values = matches!((p.mark, q.mark), (Mark::Value(_), Mark::Value(_)));
            // Another subject is another statement, unless an eye would take one for the other.
            if a.gist.is_subject(i) || b.gist.is_subject(j) {
                let names = matches!(p.mark, Mark::Value(Class::Url | Class::Path | Class::Name | Class::Code));
                return values && alike && names;
            }
            match (&a.frame, &b.frame) {
                (Some(x), Some(y)) if x.functional && y.functional => {
                    // The slot stage has judged equal slots; different slots do not meet.
                    x.subject == y.subject && x.attribute == y.attribute && x.qualifier == y.qualifier
                }
                (Some(x), Some(y)) if x.attribute == y.attribute => {
                    alike || !matches!(p.mark, Mark::Value(Class::Name | Class::Ident | Class::Code | Class::Path))
                }
                _ => true,
            }
        }
    }
}
