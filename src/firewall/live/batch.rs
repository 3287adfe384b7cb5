//! Writes that become one signed version together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::auth::{self, Adopt, Granted, Principal, Submit};
use crate::detect::{Coverage, Scanned};
use crate::domain::{
    Authority, Candidate, Channel, Digest, HoldId, Kind, MemoryPath, RuleId, Severity, Span, Stage, Untrusted,
};
use crate::firewall::dream::Beside;
use crate::firewall::gateway::{Whole, whole};
use crate::firewall::sign::Change;
use crate::firewall::{Firewall, FirewallError, Ground, VersionInfo, sources};
use crate::gate::decide::{holds_span, only_observed, yielding};
use crate::gate::{Approved, HeldRecord, Mode, Place};
use crate::ledger::SignedMemory;
use crate::store::Actor;

use super::{Head, Near, Told};

/// What became of one write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// Part of the version that the batch becomes.
    Admitted {
        /// SHA-256 of what is stored.
        sha256: Digest,
        /// Its bytes.
        size: usize,
        /// Rules that masked something in it.
        redacted: Vec<RuleId>,
        /// True when it was only let through because the policy observes.
        observed: bool,
    },
    /// The memory holds exactly this already.
    Unchanged,
    /// Waits for a person; nothing is stored.
    Held {
        /// The quarantine item.
        item: HoldId,
        /// The worst severity in it.
        severity: Severity,
        /// The most governed kind in it.
        kind: Kind,
        /// The rules that fired.
        rules: Vec<RuleId>,
    },
    /// Turned away; nothing is stored.
    Refused {
        /// The rules that fired.
        rules: Vec<RuleId>,
        /// Why, constant texts.
        reasons: Vec<String>,
    },
}

/// Writes that become one signed version together. Dropping it changes nothing.
pub struct Batch<'f> {
    firewall: &'f mut Firewall,
    head: Arc<Head>,
    ground: Ground,
    /// What the memories say, this batch's writes included.
    near: Box<Near>,
    grant: Granted<Adopt>,
    /// Statements of another store that are vouched for while this batch lasts.
    lent: Vec<Digest>,
    approved: BTreeMap<MemoryPath, Approved>,
    removed: BTreeSet<MemoryPath>,
    /// Every path that this batch changed.
    touched: BTreeSet<MemoryPath>,
    told: Told,
    held: Vec<HeldRecord>,
}

impl Firewall {
    /// Begins a batch on the current head.
    ///
    /// # Errors
    /// Refused when the head does not verify; unavailable store.
    pub fn batch(&mut self) -> Result<Batch<'_>, FirewallError> {
        let head = self.live_head()?;
        let near = self.take_near()?;
        let ground = self.ground_alone()?;
        let grant = auth::authorize::<Adopt>(&self.operator()?)?;
        let told = Told::default();
        Ok(Batch {
            firewall: self,
            head,
            ground,
            near,
            grant,
            lent: Vec::new(),
            approved: BTreeMap::new(),
            removed: BTreeSet::new(),
            touched: BTreeSet::new(),
            told,
            held: Vec::new(),
        })
    }
}

impl Batch<'_> {
    /// Vouches for the statements of a signed version of another store of this deployment: its gate admitted them.
    pub(in crate::firewall) fn adopt(&mut self, copy: &crate::ledger::SignedVersion) {
        let digests: Vec<Digest> = copy.memories().iter().flat_map(crate::firewall::vouched).collect();
        self.near.lend(&self.grant, &digests);
        self.lent.extend(digests);
    }

    /// The store's name in statements: whose principals may write here.
    pub const fn store_name(&self) -> &crate::domain::StoreName {
        &self.firewall.config.settings.store
    }

    /// Judges a write that was scanned already; `moves` is the path that it is renamed from. All or nothing: one held
    /// note holds the whole write.
    ///
    /// # Errors
    /// Refused when the principal may not submit, when this batch changed a path of the write already (begin a new
    /// batch), when another memory is in the way, when there is nothing at `moves`. Unavailable store.
    pub fn put(
        &mut self,
        who: &Principal,
        actor: Actor,
        scanned: Scanned,
        moves: Option<&MemoryPath>,
    ) -> Result<Judged, FirewallError> {
        auth::authorize::<Submit>(who)?;
        let path = scanned.candidate().path.clone();
        self.check_free(&path, moves)?;
        if moves.is_none() && self.current(&path) == Some(scanned.candidate().text.as_str()) {
            return Ok(Judged::Unchanged);
        }
        if let Some(rules) = self.ordering_path(&path) {
            let reasons = vec!["its path reads like an attempt to order, not like a name".to_owned()];
            return Ok(Judged::Refused { rules, reasons });
        }
        let basis_path = moves.unwrap_or(&path);
        let released = self.firewall.standing_at(&self.head, basis_path)?;
        let mut basis = self.ground.basis(basis_path, self.near.adopted());
        basis.released = &released;
        basis.unchanged = basis.unchanged.filter(|_| moves.is_none());
        // Each write sees the batch's earlier ones as its neighbours: two may join into what neither says.
        let elsewhere = self.near.beside(&scanned.candidate().text, basis_path);
        let known = Beside::Known(self.near.known(), self.replaced(basis_path, scanned.candidate()));
        self.firewall.set_findings(&scanned.candidate().text, &elsewhere, &known, &mut basis);
        let evidence = self.firewall.cited_sessions(scanned.candidate())?;
        let sources = sources::of(&evidence, &BTreeMap::new());
        let outcome = whole(&self.firewall.scanner, &self.firewall.policy, &mut basis, &sources, scanned);
        match outcome {
            Whole::Admitted { approved, redacted } => {
                let sha256 = approved.digest();
                let size = approved.text().len();
                let observed = !only_observed(approved.text(), approved.provenance()).is_empty();
                if moves.is_some() || self.current(&path) != Some(approved.text()) {
                    self.touched.insert(path.clone());
                    self.told.actors.insert(path.clone(), actor);
                    if let Some(from) = moves.filter(|from| **from != path) {
                        self.touched.insert(from.clone());
                        self.removed.insert(from.clone());
                        self.told.moves.insert(path.clone(), from.clone());
                        self.near.put(&self.grant, from, None);
                    }
                    self.near.put(&self.grant, &path, Some((approved.text(), approved.provenance())));
                    self.approved.insert(path, approved);
                }
                Ok(Judged::Admitted { sha256, size, redacted, observed })
            }
            Whole::Held { note, spans } => {
                let base = self.head.at(basis_path).map(|row| row.sha256);
                let place = Place::Write { path, base, moves: moves.cloned(), notes: spans };
                let firewall = &*self.firewall;
                let rules = rules_of(&note.findings);
                let ruleset = firewall.scanner.rules().digest();
                // Who writes it cannot release it, whatever its origins say.
                let record = HeldRecord::open(note, place, who.id().clone(), &firewall.policy, ruleset, firewall.now());
                let (item, severity, kind) = (record.id.clone(), record.severity, record.kind);
                self.held.push(record);
                Ok(Judged::Held { item, severity, kind, rules })
            }
            Whole::Refused { rules, reasons } => Ok(Judged::Refused { rules, reasons }),
        }
    }

    /// The rules that fire on a new path. Agents read listings: an order for a name needs no content at all.
    fn ordering_path(&self, path: &MemoryPath) -> Option<Vec<RuleId>> {
        let (firewall, text) = (&*self.firewall, path.as_str());
        if self.head.at(path).is_some() || firewall.policy.mode == Mode::Observe {
            return None;
        }
        // As it stands, and as the words that a reader makes of it.
        let words = text.replace(['/', '-', '_', '.', '+'], " ");
        let look = |text: &str| {
            let text = Untrusted::new(text);
            let examined = firewall.scanner.examine(&text, Stage::Write, Channel::Assistant, Authority::Agent);
            let unread = *examined.coverage() != Coverage::Full;
            let held = unread || holds_span(examined.findings(), &firewall.policy);
            held.then(|| rules_of(examined.findings()))
        };
        look(text).or_else(|| look(words.trim()))
    }

    /// What a new text of a memory stands instead of.
    fn replaced(&self, own: &MemoryPath, candidate: &Candidate) -> BTreeSet<u32> {
        let Some(old) = self.head.version().and_then(|version| version.memory(own)) else { return BTreeSet::new() };
        let whole = Span::new(0, candidate.text.len());
        let yields = yielding(old.text(), old.provenance(), candidate.authority_of(&whole));
        self.near.replaced(own, old.text(), &candidate.text, &yields.into_iter().collect())
    }

    /// Removes a memory; false when there is none. What a deletion leaves out needs no judgement.
    ///
    /// # Errors
    /// Refused when this batch changed the path already.
    pub fn delete(&mut self, actor: Actor, path: &MemoryPath) -> Result<bool, FirewallError> {
        if self.touched.contains(path) {
            return Err(FirewallError::InBatch { path: path.clone() });
        }
        if self.head.at(path).is_none() {
            return Ok(false);
        }
        self.touched.insert(path.clone());
        self.removed.insert(path.clone());
        self.near.put(&self.grant, path, None);
        self.told.actors.insert(path.clone(), actor);
        Ok(true)
    }

    /// True while nothing was admitted.
    pub fn is_empty(&self) -> bool {
        self.approved.is_empty() && self.removed.is_empty()
    }

    /// Signs one version for everything that was admitted, stores and logs it; held writes are in the quarantine
    /// before that. `None` when nothing was admitted.
    ///
    /// # Errors
    /// Unavailable store or log: nothing was admitted then, whatever [`Batch::put`] said.
    pub fn commit(self) -> Result<Option<VersionInfo>, FirewallError> {
        let Self { firewall, head, mut near, grant, lent, approved, removed, told, held, .. } = self;
        near.take_back(&grant, &lent);
        if !held.is_empty() {
            firewall.expire()?;
            firewall.put_held(&held)?;
        }
        if approved.is_empty() && removed.is_empty() {
            firewall.near = Some(near);
            return Ok(None);
        }
        firewall.store.keep_log()?;
        let change = Change::content(if head.sequence() == 0 { "genesis" } else { "advance" }).told(told);
        let operator = firewall.config.settings.operator.clone();
        let version = firewall.sign_changes(approved.into_values().collect(), &removed, change, &[operator])?;
        firewall.near = Some(near);
        Ok(version)
    }

    /// The text at a path, this batch's writes included.
    fn current(&self, path: &MemoryPath) -> Option<&str> {
        if let Some(approved) = self.approved.get(path) {
            return Some(approved.text());
        }
        if self.removed.contains(path) {
            return None;
        }
        self.head.version()?.memory(path).map(SignedMemory::text)
    }

    /// A write must not meet this batch's other writes, nor stand in another memory's way.
    fn check_free(&self, path: &MemoryPath, moves: Option<&MemoryPath>) -> Result<(), FirewallError> {
        if let Some(touched) = [Some(path), moves].into_iter().flatten().find(|path| self.touched.contains(*path)) {
            return Err(FirewallError::InBatch { path: touched.clone() });
        }
        let source = moves.unwrap_or(path);
        if moves.is_some() && self.head.at(source).is_none() {
            return Err(FirewallError::NoMemory { path: source.clone() });
        }
        if moves.is_some_and(|from| from != path) && self.head.at(path).is_some() {
            return Err(FirewallError::PathTaken { path: path.clone(), by: path.clone() });
        }
        match blocker(&self.head, &self.approved, path).filter(|by| *by != source && !self.removed.contains(*by)) {
            Some(by) => Err(FirewallError::PathTaken { path: path.clone(), by: by.clone() }),
            None => Ok(()),
        }
    }
}

/// A memory that is an ancestor or a descendant of a path: the two cannot both exist.
fn blocker<'h>(
    head: &'h Head,
    approved: &'h BTreeMap<MemoryPath, Approved>,
    path: &MemoryPath,
) -> Option<&'h MemoryPath> {
    let text = path.as_str();
    for (slash, _) in text.match_indices('/').skip(1) {
        if let Some(ancestor) = text.get(..slash).and_then(|prefix| MemoryPath::parse(prefix).ok()) {
            let at_head = head.at(&ancestor).map(|row| &row.path);
            if let Some(found) = at_head.or_else(|| approved.get_key_value(&ancestor).map(|(path, _)| path)) {
                return Some(found);
            }
        }
    }
    let below = format!("{text}/");
    let at_head = head.from(&below).next().map(|row| &row.path).filter(|other| other.as_str().starts_with(&below));
    at_head.or_else(|| approved.keys().find(|other| other.as_str().starts_with(&below)))
}

pub(super) fn rules_of(findings: &[crate::domain::Finding]) -> Vec<RuleId> {
    let rules: BTreeSet<&RuleId> = findings.iter().map(|finding| &finding.rule).collect();
    rules.into_iter().cloned().collect()
}
