//! The quarantine's verbs: list, show, release, destroy, expire.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::auth::{self, Destroy, Granted, Release};
use crate::detect::{Coverage, Sources};
use crate::domain::{
    Candidate, Claim, Digest, HoldId, MemoryPath, PrincipalId, Severity, Span, Stage, Timestamp, Untrusted,
};
use crate::gate::review::{REASONS, ReleaseStep, check_open, release};
use crate::gate::{HeldRecord, HeldState, Place, ReviewError};
use crate::notes::{Document, Edit};
use crate::store::Store as _;

use super::dream::as_found;
use super::gateway::Passed;
use super::live::{Head, Told};
use super::sign::Change;
use super::{Firewall, FirewallError, VersionInfo, nearest_heading, output};

/// A reviewer's yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Into the store.
    Release,
    /// Never.
    Destroy,
    /// The last decision is taken back: the item waits again.
    Undo,
}

/// What is kept of a decision. Plain record; its digest is in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// The item.
    pub item: HoldId,
    /// Digest of the statement that was decided on.
    pub digest: Digest,
    /// Yes or no.
    pub decision: Decision,
    /// Reason code.
    pub reason: String,
    /// Free note of the reviewer.
    pub note: Option<String>,
    /// Who.
    pub reviewer: PrincipalId,
    /// When.
    pub at: Timestamp,
    /// The policy in force.
    pub policy: Digest,
    /// The rules in force.
    pub ruleset: Digest,
}

/// What a decision led to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Decided {
    /// In a new signed version.
    Released {
        /// The version.
        version: VersionInfo,
    },
    /// A second, different reviewer is needed.
    AwaitsSecond,
    /// Gone for good; the same text is refused from now on.
    Destroyed,
}

/// What a release would change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// The memory.
    pub path: MemoryPath,
    /// Its text now; `None` when there is none. Untrusted: show it escaped.
    pub before: Option<String>,
    /// Its text after a release. Untrusted: show it escaped.
    pub after: String,
}

/// How long a decision can be taken back.
pub const UNDO_MS: i64 = 10 * 60 * 1000;

const SIGNED_SINCE: &str = "the store has changed since: roll it back, or remove the text with a new version";

/// How a release is taken back.
enum Undo {
    /// The memory goes: there was none before.
    Remove(MemoryPath),
    /// Back to the version before.
    Return(u64),
}

impl Firewall {
    /// Held items, worst first; those whose time ran out are marked expired first.
    ///
    /// # Errors
    /// Unavailable store, damaged records.
    pub fn held(&self) -> Result<Vec<HeldRecord>, FirewallError> {
        let now = self.now();
        let mut records = self.store.all_held()?;
        for record in &mut records {
            if record.state.is_open() && now > record.deadline {
                record.state = HeldState::Expired;
            }
        }
        Ok(records)
    }

    /// One held item by its id, or by a unique beginning of it.
    ///
    /// # Errors
    /// Refused when there is none or several.
    pub fn held_item(&self, id: &str) -> Result<HeldRecord, FirewallError> {
        let mut found: Vec<HeldRecord> = self
            .held()?
            .into_iter()
            .filter(|record| record.id.as_str() == id || (id.len() >= 8 && record.id.as_str().starts_with(id)))
            .collect();
        match found.len() {
            1 => Ok(found.remove(0)),
            0 => Err(FirewallError::NoItem { id: id.to_owned() }),
            _ => Err(FirewallError::ManyItems { id: id.to_owned() }),
        }
    }

    /// All decisions, oldest first.
    ///
    /// # Errors
    /// Unavailable store, damaged records.
    pub fn decisions(&self) -> Result<Vec<DecisionRecord>, FirewallError> {
        self.store
            .documents("decision")?
            .into_iter()
            .map(|(_, body)| serde_json::from_str(&body).map_err(FirewallError::encode))
            .collect()
    }

    /// A reviewer releases exactly the bytes with this digest. The text is scanned again with today's
    /// rules; what they newly find is shown before anything happens.
    ///
    /// # Errors
    /// Refused: wrong digest, decided, expired, same person, unknown reason, new findings.
    pub fn release(
        &mut self,
        id: &str,
        reviewer: &PrincipalId,
        digest: &str,
        reason: &str,
        note: Option<String>,
    ) -> Result<Decided, FirewallError> {
        let (mut record, grant) = self.begin::<Release>(id, reviewer)?;
        if record.severity >= Severity::High && note.as_deref().is_none_or(|n| n.trim().is_empty()) {
            return Err(FirewallError::NoteRequired { id: record.id });
        }
        let step = release(&record, &grant, digest, reason, self.now())?;
        self.rescan(&mut record)?;
        let decision = self.decision(&record, Decision::Release, reason, note, reviewer);
        let released = match step {
            ReleaseStep::AwaitsSecond => {
                record.state = HeldState::AwaitsSecond;
                record.first_reviewer = Some(reviewer.clone());
                self.journal("review-release", &[record], Some(&decision))?;
                return Ok(Decided::AwaitsSecond);
            }
            ReleaseStep::Released(released) => released,
        };
        let approvers = released.reviewers().to_vec();
        let head = self.live_head()?;
        let (candidate, removed) = applied(&record, &head)?;
        let path = candidate.peek_unscanned().path.clone();
        let (mut ground, near) = self.ground_of(&path)?;
        ground.standing.entry(path.clone()).or_default().push(released);
        let mut passed = Passed::default();
        let mut basis = ground.basis(&path, near.adopted());
        passed.send(&self.scanner, &self.policy, &mut basis, &Sources::default(), candidate);
        self.near = Some(near);
        let approved = passed.all_or_nothing()?;
        self.journal("review-release", &[], Some(&decision))?;
        let action = if ground.base().is_none() { "genesis" } else { "advance" };
        let moves = removed.iter().map(|from| (path.clone(), from.clone())).collect();
        let change = Change::content(action).told(Told { moves, ..Told::default() });
        let version = self.sign_changes(approved, &removed, change, &approvers)?;
        let Some(version) = version else { return Err(FirewallError::NothingChanged) };
        record.state = HeldState::Released;
        self.journal("quarantine-released", &[record], None)?;
        Ok(Decided::Released { version })
    }

    /// A reviewer destroys a held item: its text is refused from now on.
    ///
    /// # Errors
    /// Refused: wrong digest, decided, expired, unknown reason.
    pub fn destroy(
        &mut self,
        id: &str,
        reviewer: &PrincipalId,
        digest: &str,
        reason: &str,
        note: Option<String>,
    ) -> Result<Decided, FirewallError> {
        let (mut record, _grant) = self.begin::<Destroy>(id, reviewer)?;
        check_open(&record, digest, reason, self.now())?;
        let decision = self.decision(&record, Decision::Destroy, reason, note, reviewer);
        record.state = HeldState::Destroyed;
        self.journal("review-destroy", &[record], Some(&decision))?;
        Ok(Decided::Destroyed)
    }

    /// Takes the last decision on an item back, within ten minutes: it waits again. What a release brought into the
    /// store leaves it in a new signed version, as long as nothing was signed since.
    ///
    /// # Errors
    /// Refused: no decision, too late, the item's time ran out, something was signed since.
    pub fn undo(
        &mut self,
        id: &str,
        reviewer: &PrincipalId,
        reason: &str,
        note: Option<String>,
    ) -> Result<HeldRecord, FirewallError> {
        let (mut record, _grant) = self.begin::<Destroy>(id, reviewer)?;
        let now = self.now();
        let refuse = |why| FirewallError::NoUndo { id: record.id.clone(), why };
        if !REASONS.contains(&reason) {
            return Err(ReviewError::Reason { reason: reason.to_owned() }.into());
        }
        let last = self.decisions()?.into_iter().rfind(|decision| decision.item == record.id);
        let last = last.filter(|decision| decision.decision != Decision::Undo);
        let last = last.ok_or_else(|| refuse("nothing was decided"))?;
        if now > last.at.plus_ms(UNDO_MS) {
            return Err(refuse("more than ten minutes have passed"));
        }
        if now > record.deadline || record.state == HeldState::Expired {
            return Err(refuse("its time ran out meanwhile"));
        }
        let released = record.state == HeldState::Released;
        let change =
            if released { Some(self.last_change(&record)?.ok_or_else(|| refuse(SIGNED_SINCE))?) } else { None };
        let decision = self.decision(&record, Decision::Undo, reason, note, reviewer);
        self.journal("review-undo", &[], Some(&decision))?;
        match change {
            Some(Undo::Remove(path)) => {
                let removed = BTreeSet::from([path]);
                self.sign_changes(Vec::new(), &removed, Change::content("advance"), std::slice::from_ref(reviewer))?;
            }
            Some(Undo::Return(sequence)) => {
                self.rollback(sequence, "a release was taken back")?;
            }
            None => {}
        }
        record.state = HeldState::Open;
        record.first_reviewer = None;
        self.journal("quarantine-reopened", std::slice::from_ref(&record), None)?;
        Ok(record)
    }

    /// How to take the head back to before this item's release; `None` when the head is not that release.
    fn last_change(&mut self, record: &HeldRecord) -> Result<Option<Undo>, FirewallError> {
        let head = self.live_head()?;
        let (Some(path), Some(version)) = (record.place.memory(), head.version()) else { return Ok(None) };
        let holds = |text: &str| text.contains(record.text.trim_end());
        let Some(after) = version.memory(path).filter(|memory| holds(memory.text())) else { return Ok(None) };
        let before = head.sequence().checked_sub(1).filter(|sequence| *sequence > 0);
        let Some(before) = before else {
            return Ok((version.memories().len() == 1).then(|| Undo::Remove(path.clone())));
        };
        let diff = self.diff(before, head.sequence())?;
        let from = match &record.place {
            Place::Write { moves, .. } => moves.as_ref(),
            _ => None,
        };
        let only = match (diff.added.as_slice(), diff.changed.as_slice(), diff.removed.as_slice()) {
            ([added], [], []) => added.path == *path,
            ([added], [], [removed]) => added.path == *path && from == Some(&removed.path),
            ([], [(_, changed)], []) => changed.path == *path && changed.text == after.text(),
            _ => false,
        };
        if !only {
            return Ok(None);
        }
        // A return to an empty store is a removal; anything else is what was there before.
        let empty = version.memories().len() == 1 && from.is_none() && diff.changed.is_empty();
        Ok(Some(if empty { Undo::Remove(path.clone()) } else { Undo::Return(before) }))
    }

    /// The memory an item would change: its path, its text now, and its text after a release. `None` for a span of a
    /// transcript.
    ///
    /// # Errors
    /// Refused when the memory is no longer what the item was to change.
    pub fn preview(&mut self, record: &HeldRecord) -> Result<Option<Preview>, FirewallError> {
        if record.place.memory().is_none() {
            return Ok(None);
        }
        let head = self.live_head()?;
        let (candidate, removed) = applied(record, &head)?;
        let candidate = candidate.peek_unscanned();
        let source = removed.first().unwrap_or(&candidate.path);
        let before = head.version().and_then(|version| version.memory(source)).map(|memory| memory.text().to_owned());
        Ok(Some(Preview { path: candidate.path.clone(), before, after: candidate.text.clone() }))
    }

    /// Marks items whose time ran out. Returns how many.
    ///
    /// # Errors
    /// Unavailable store.
    pub fn expire(&mut self) -> Result<usize, FirewallError> {
        let now = self.now();
        if self.quarantine.as_ref().is_some_and(|quarantine| quarantine.next.is_none_or(|next| now <= next)) {
            return Ok(0);
        }
        let mut expired = self.store.all_held()?;
        expired.retain(|record| record.state.is_open() && now > record.deadline);
        for record in &mut expired {
            record.state = HeldState::Expired;
        }
        if !expired.is_empty() {
            self.journal("quarantine-expired", &expired, None)?;
        }
        Ok(expired.len())
    }

    /// The item that a reviewer wants to decide on, and their right to.
    fn begin<A: auth::Action>(
        &self,
        id: &str,
        reviewer: &PrincipalId,
    ) -> Result<(HeldRecord, Granted<A>), FirewallError> {
        let record = self.held_item(id)?;
        Ok((record, auth::authorize::<A>(&self.reviewer(reviewer)?)?))
    }

    fn decision(
        &self,
        record: &HeldRecord,
        decision: Decision,
        reason: &str,
        note: Option<String>,
        reviewer: &PrincipalId,
    ) -> DecisionRecord {
        DecisionRecord {
            item: record.id.clone(),
            digest: record.digest,
            decision,
            reason: reason.to_owned(),
            note,
            reviewer: reviewer.clone(),
            at: self.now(),
            policy: self.policy.digest(),
            ruleset: self.scanner.rules().digest(),
        }
    }

    /// Today's rules over the held text: a finding the reviewer was not shown stops the release.
    fn rescan(&mut self, record: &mut HeldRecord) -> Result<(), FirewallError> {
        let authority = record.authority;
        let channel = record.origins.first().map_or(crate::domain::Channel::Memory, |o| o.channel);
        let text = Untrusted::new(record.text.as_str());
        let examined = self.scanner.examine(&text, Stage::Write, channel, authority);
        if *examined.coverage() != Coverage::Full {
            return Err(FirewallError::StoreHeld {
                digest: record.digest,
                reasons: vec!["it could not be fully scanned".to_owned()],
            });
        }
        let new: Vec<String> = examined
            .findings()
            .iter()
            .filter(|f| !record.findings.iter().any(|seen| seen.rule == f.rule))
            .map(|f| f.rule.to_string())
            .collect();
        if new.is_empty() || record.ruleset == self.scanner.rules().digest() {
            return Ok(());
        }
        record
            .findings
            .extend(examined.findings().iter().filter(|f| new.iter().any(|rule| rule == f.rule.as_str())).cloned());
        record.ruleset = self.scanner.rules().digest();
        self.journal("quarantine-rescanned", std::slice::from_ref(record), None)?;
        Err(FirewallError::NewFindings { id: record.id.clone(), rules: new })
    }
}

/// The memory as it will be once the record is in its place, and the path it leaves. Everything else stays.
fn applied(record: &HeldRecord, head: &Head) -> Result<(Untrusted<Candidate>, BTreeSet<MemoryPath>), FirewallError> {
    let Some(path) = record.place.memory() else {
        return Err(FirewallError::NoItem { id: record.id.to_string() });
    };
    let old = head.version().and_then(|version| version.memory(path));
    if let Place::Write { base, moves, .. } = &record.place {
        let source = moves.as_ref().unwrap_or(path);
        let taken = moves.as_ref().is_some_and(|from| from != path) && old.is_some();
        if head.at(source).map(|row| row.sha256) != *base || taken {
            return Err(FirewallError::WriteOutdated { id: record.id.clone(), path: source.clone() });
        }
        let text = record.text.clone();
        let span = Span::new(0, text.len());
        let claims = vec![Claim { span, origins: record.origins.clone(), authority: record.authority }];
        let candidate = Candidate { path: path.clone(), text, claims, stage: Stage::Write };
        let removed = moves.iter().filter(|from| *from != path).cloned().collect();
        return Ok((Untrusted::new(candidate), removed));
    }
    let Some(old) = old else {
        let mut text = record.text.clone();
        if !text.ends_with('\n') {
            text.push('\n');
        }
        let span = Span::new(0, text.len());
        let claims = vec![Claim { span, origins: record.origins.clone(), authority: record.authority }];
        let candidate = Candidate { path: path.clone(), text, claims, stage: Stage::Write };
        return Ok((Untrusted::new(candidate), BTreeSet::new()));
    };
    let mut candidate = as_found(&output::as_memory(old));
    let edit = Edit::Append { heading: nearest_heading(&record.place), text: record.text.clone() };
    let edited = Document::parse(&candidate.text).apply(&[edit])?;
    let notes = edited.notes().filter(|note| edited.body_digest(note) == record.digest);
    let span = notes.last().map_or(Span::new(0, edited.text().len()), |note| note.span);
    for claim in &mut candidate.claims {
        claim.span = Span::new(0, edited.text().len());
    }
    candidate.claims.push(Claim { span, origins: record.origins.clone(), authority: record.authority });
    candidate.text = edited.text().to_owned();
    Ok((Untrusted::new(candidate), BTreeSet::new()))
}
