//! The live path, one function per verb: init, dream, submit, recall, review, roll back.
//!
//! For: wires the rooms together. In: requests. Out: outcome types of its own.
//! May touch: everything below except `report`; clock, randomness, store.
//! Never: makes a decision that the gate did not make, or a version that the ledger did not sign.
#![expect(clippy::disallowed_methods, reason = "the firewall reads the workspace and writes the output folder")]

mod apply;
pub mod artifacts;
mod dream;
mod env;
mod error;
mod gateway;
mod grades;
mod init;
pub mod live;
mod output;
mod proofs;
mod rekey;
mod review;
mod screen;
mod sign;
mod sources;
mod submit;
mod witnesses;
pub mod workspace;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::auth::{Adopt, Granted, Principal, Role};
use crate::config::Config;
use crate::detect::{Scanner, Sources};
use crate::domain::{Digest, HoldId, MemoryPath, PrincipalId, Timestamp, Untrusted};
use crate::gate::decide::only_observed;
use crate::gate::{Adopted, Approved, Basis, HeldNote, HeldRecord, HeldState, Place, Policy, Released};
use crate::ingest::Memory;
use crate::ledger::{LedgerError, Line, SignedMemory, SignedVersion};
use crate::store::records::held_body;
use crate::store::{Access, DATABASE, DataFolder, Difference, SqliteStore, Store as _, evidence, journal};

pub use crate::ledger::cosign::{Asker, Send};
pub use apply::Applied;
pub use dream::{AcceptMode, Ask, DreamReport, DreamRequest, Progress, RefusedNote, disposition_name};
pub use env::{AskPassphrase, Env, Outside, Passphrase, Random, Stopped};
pub use error::FirewallError;
pub use grades::{DriftReport, DriftSettings, NamedAlarm, NamedSuspect};
pub use init::InitRequest;
pub use live::{Actor, Batch, Head, Judged, MemoryRow, MemoryVersionRow, Redacted, VersionOperation, VersionQuery};
pub use output::{VersionDiff, VersionText, check_out, write_out};
pub use proofs::ProvenDecision;
pub use review::{Decided, Decision as ReviewDecision, DecisionRecord, Preview, UNDO_MS};
pub use sign::VersionInfo;
pub use submit::Submitted;
pub use witnesses::{WitnessEntry, Witnessing};

/// One open data folder with everything that works on it.
pub struct Firewall {
    folder: DataFolder,
    store: SqliteStore,
    config: Config,
    policy: Policy,
    scanner: Scanner,
    vault: sign::Vault,
    env: Env,
    policy_changed: bool,
    /// The head, once somebody asked for it; always the last signed version.
    live: Option<Arc<live::Head>>,
    /// What its memories say, kept for judging writes; goes with `live`.
    near: Option<Box<live::Near>>,
    /// What of the quarantine decides about writes, once it was read.
    quarantine: Option<Quarantine>,
    /// On whose behalf versions are made that no batch makes.
    actor: Option<live::Actor>,
}

impl Firewall {
    /// Opens a data folder to write: locks it, compares it with its seal, finishes or drops what an
    /// interrupted run left.
    ///
    /// # Errors
    /// Refused when the folder was changed from outside; unavailable when another process holds it.
    pub fn open(data: &Path, env: Env) -> Result<Self, FirewallError> {
        Self::open_with(data, env, Access::Write)
    }

    /// Opens a data folder to read.
    ///
    /// # Errors
    /// As [`Firewall::open`].
    pub fn open_read(data: &Path, env: Env) -> Result<Self, FirewallError> {
        Self::open_with(data, env, Access::Read)
    }

    fn open_with(data: &Path, env: Env, access: Access) -> Result<Self, FirewallError> {
        // Nothing is written before the folder has been compared with its seal.
        let folder = DataFolder::open_unmarked(data, access)?;
        let config = Config::load(data)?;
        let trust = evidence::read_trust(data)?;
        let differences = folder.compare(|bytes| evidence::open_seal(&trust, bytes))?;
        // The policy is the owner's to edit: a new one is checked by itself and recorded by its digest.
        let is_policy = |d: &Difference| matches!(d, Difference::Changed(name) if name == crate::config::POLICY_FILE);
        let foreign: Vec<_> =
            differences.into_iter().filter(|d| !is_policy(d)).filter(|d| *d != Difference::Unfinished).collect();
        if !foreign.is_empty() {
            return Err(crate::store::StoreError::Changed { differences: foreign }.into());
        }
        if access == Access::Write {
            // A wrong passphrase is refused before anything says that a run began.
            rekey::read(&data.join(sign::KEYS).join("gate.pem"), &env.outside)?;
        }
        folder.mark()?;
        let database = data.join(DATABASE);
        let store = match access {
            Access::Write => SqliteStore::open(&database)?,
            Access::Read => SqliteStore::open_read(&database)?,
        };
        let leaves = evidence::leaves(&store)?;
        let vault = sign::Vault::open(data, &config, access, leaves, store.intake()?, &env.outside)?;
        let policy = config.policy.clone();
        let scanner = Scanner::builtin(policy.levels())?;
        let known = store.document("state", "policy")?;
        let policy_changed = known.as_ref().is_some_and(|known| *known != policy.digest().hex());
        let mut firewall = Self {
            folder,
            store,
            config,
            policy,
            scanner,
            vault,
            env,
            policy_changed,
            live: None,
            near: None,
            quarantine: None,
            actor: None,
        };
        if access == Access::Write {
            // Opening laid out what an interrupted run had not.
            firewall.lay_out()?;
            firewall.recover()?;
            firewall.finish_redaction()?;
            firewall.fill_rows()?;
            if policy_changed {
                // I10: a loosened policy is in the log before it decides anything.
                firewall.log_event("policy-changed", &firewall.policy.digest())?;
            }
            if policy_changed || known.is_none() {
                firewall.store.put_document("state", "policy", &firewall.policy.digest().hex())?;
            }
            if firewall.folder.was_unfinished() {
                firewall.reverify()?;
            }
            if let Some(pending) = journal::pending(&firewall.store, firewall.vault.log()?)? {
                firewall.apply(&pending)?;
            }
        }
        Ok(firewall)
    }

    /// After a run that died there is no seal over database and log: every record is verified before the
    /// next seal covers them, or a change from outside would be sealed as our own.
    fn reverify(&self) -> Result<(), FirewallError> {
        let problems = self.store.integrity()?;
        if let Some(problem) = problems.into_iter().next() {
            let key = "structure".to_owned();
            return Err(crate::store::StoreError::Damaged { table: DATABASE, key, problem }.into());
        }
        let data = self.folder.root();
        let damage = crate::ledger::fsck(
            &evidence::log_folder(data),
            &evidence::read_trust(data)?,
            evidence::leaves(&self.store)?,
        )?;
        if let Some(one) = damage.into_iter().next() {
            return Err(crate::ledger::LedgerError::ReadOnly { file: one.file, why: one.why }.into());
        }
        let mut seen: BTreeSet<Digest> = BTreeSet::new();
        for version in self.versions()? {
            self.recheck(version.sequence, &mut seen)?;
        }
        self.store.all_held()?;
        self.decisions()?;
        let checked = journal::check(&self.store, self.vault.log()?)?;
        if let Some((key, problem)) = checked.problems.into_iter().next() {
            return Err(crate::store::StoreError::Damaged { table: "held", key, problem: problem.to_owned() }.into());
        }
        let checked = crate::store::rows::check(&self.store, self.vault.log()?)?;
        if let Some((key, problem)) = checked.problems.into_iter().next() {
            let problem = problem.to_owned();
            return Err(crate::store::StoreError::Damaged { table: "memory_version", key, problem }.into());
        }
        for digest in self.store.raw_digests()? {
            self.store.raw(&digest)?;
        }
        Ok(())
    }

    /// One version's manifest against the log, and each memory that was not seen before against its line.
    fn recheck(&self, sequence: u64, seen: &mut BTreeSet<Digest>) -> Result<(), FirewallError> {
        let record = self.store.version(sequence)?.ok_or(FirewallError::UnknownVersion { sequence })?;
        let manifest = self.vault.log()?.manifest(sequence, &record.manifest, &record.head)?;
        for line in manifest.lines() {
            let Line::Memory { path, content, .. } = line else { continue };
            if !seen.insert(line.leaf_hash()) {
                continue;
            }
            let object = self.store.object(content)?.filter(|object| object.path == *path);
            let object = object.ok_or(LedgerError::Missing { what: "a memory of a version" })?;
            line.verify(&object.salt, &object.content, object.provenance.as_bytes())?;
        }
        Ok(())
    }

    /// Ends the run: seals the folder when it was opened to write.
    ///
    /// # Errors
    /// Unavailable when the seal cannot be written; the folder then says that a run did not finish.
    pub fn close(mut self) -> Result<(), FirewallError> {
        self.lay_out()?;
        let Self { folder, store, vault, .. } = self;
        store.close()?;
        folder.seal(|inventory| vault.sign_seal(inventory))
    }

    /// Scans with other rules than today's from here on: a test of what rules of another year held.
    pub fn dangerous_scanner(&mut self, scanner: Scanner) {
        self.scanner = scanner;
    }

    /// True when the policy means something else than at the last run. Whoever runs the deployment should
    /// know of the edit: it may have been somebody else's.
    pub const fn policy_changed(&self) -> bool {
        self.policy_changed
    }

    /// The store's settings and policy.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The scanner with the built-in rules.
    pub const fn scanner(&self) -> &Scanner {
        &self.scanner
    }

    /// The store.
    pub const fn store(&self) -> &SqliteStore {
        &self.store
    }

    fn now(&self) -> Timestamp {
        self.env.now
    }

    /// Leaves off when somebody wants the run to end. Called between steps that change nothing.
    fn go_on(&self) -> Result<(), FirewallError> {
        if (self.env.stopped)() { Err(FirewallError::Stopped) } else { Ok(()) }
    }

    fn operator(&self) -> Result<Principal, FirewallError> {
        let settings = &self.config.settings;
        Ok(Principal::new(settings.operator.clone(), settings.store.clone(), [Role::Operator])?)
    }

    fn reviewer(&self, name: &PrincipalId) -> Result<Principal, FirewallError> {
        let settings = &self.config.settings;
        let roles = settings.reviewers.contains(name).then_some(Role::Reviewer);
        Ok(Principal::new(name.clone(), settings.store.clone(), roles)?)
    }

    /// New quarantine records for what a dream holds.
    fn records(&self, passed: &gateway::Passed, operator: &PrincipalId) -> Vec<HeldRecord> {
        self.records_of(passed, |note| proposer(note, operator))
    }

    fn records_of(&self, passed: &gateway::Passed, by: impl Fn(&HeldNote) -> PrincipalId) -> Vec<HeldRecord> {
        passed
            .held
            .iter()
            .map(|(note, place)| {
                HeldRecord::open(
                    note.clone(),
                    place.clone(),
                    by(note),
                    &self.policy,
                    self.scanner.rules().digest(),
                    self.now(),
                )
            })
            .collect()
    }

    /// Puts new items into the quarantine; one that is there keeps its first time and deadline, and what was decided
    /// on it. Returns how many are new.
    fn put_held(&mut self, records: &[HeldRecord]) -> Result<usize, FirewallError> {
        let mut seen: BTreeSet<HoldId> = BTreeSet::new();
        let mut fresh: Vec<HeldRecord> = Vec::new();
        for record in records {
            if seen.insert(record.id.clone()) && self.store.held(&record.id)?.is_none() {
                fresh.push(record.clone());
            }
        }
        if !fresh.is_empty() {
            self.journal("quarantine-held", &fresh, None)?;
        }
        Ok(fresh.len())
    }

    /// Changes the quarantine. I10: the log knows what each record will be before the database does.
    fn journal(
        &mut self,
        event: &str,
        records: &[HeldRecord],
        decision: Option<&DecisionRecord>,
    ) -> Result<(), FirewallError> {
        // The log only grows: no two entries get one number.
        let mut entry = journal::Entry { number: self.vault.log()?.history().len(), ..Default::default() };
        for record in records {
            entry.items.insert(record.id.clone(), Digest::of(held_body(record)?));
        }
        let mut documents = Vec::new();
        let number = journal::name(entry.number);
        if let Some(decision) = decision {
            let body = serde_json::to_string(decision).map_err(FirewallError::encode)?;
            entry.decision = Some(Digest::of(&body));
            documents.push((journal::DECISIONS.to_owned(), number.clone(), body));
        }
        let body = serde_json::to_string(&entry).map_err(FirewallError::encode)?;
        let digest = Digest::of(&body);
        documents.push((journal::ENTRIES.to_owned(), number, body));
        // Kept beside the log first: a run that dies in between is finished by the next one, not forgotten.
        let pending = journal::Pending { entry: digest, records: records.to_vec(), documents };
        let body = serde_json::to_string(&pending).map_err(FirewallError::encode)?;
        self.store.put_document(journal::PENDING, journal::PENDING_ID, &body)?;
        self.log_event(event, &digest)?;
        self.apply(&pending)
    }

    /// Makes a change of the quarantine that the log has.
    fn apply(&mut self, pending: &journal::Pending) -> Result<(), FirewallError> {
        let mut documents: Vec<(&str, String, String)> =
            pending.documents.iter().map(|(kind, id, body)| (kind.as_str(), id.clone(), body.clone())).collect();
        documents.push((journal::PENDING, journal::PENDING_ID.to_owned(), String::new()));
        self.quarantine = None;
        Ok(self.store.put_held(&pending.records, &documents)?)
    }

    fn save_dream(&mut self, report: &DreamReport) -> Result<(), FirewallError> {
        let number = self.store.documents("dream")?.len() + 1;
        let body = serde_json::to_string(report).map_err(FirewallError::encode)?;
        self.store.put_document("dream", &format!("{number:08}"), &body)?;
        Ok(())
    }

    /// Statements of the current version: their owner signed them.
    fn adopted_from(&self, base: Option<&SignedVersion>) -> Result<Adopted, FirewallError> {
        let grant = crate::auth::authorize::<crate::auth::Adopt>(&self.operator()?)?;
        let memories = base.map(SignedVersion::memories).unwrap_or_default();
        Ok(Adopted::new(&grant, memories.iter().flat_map(vouched)))
    }

    /// What every memory is judged on: what reviewers destroyed, and the current version.
    fn ground(&self) -> Result<Ground, FirewallError> {
        let mut ground = self.ground_alone()?;
        let grant = crate::auth::authorize::<crate::auth::Adopt>(&self.operator()?)?;
        ground.standing = ground.base().map(|base| standing(&grant, base)).unwrap_or_default();
        Ok(ground)
    }

    /// The same without what reviewers released before: a write needs that of its own memory only.
    fn ground_alone(&self) -> Result<Ground, FirewallError> {
        let tombstones = match &self.quarantine {
            Some(quarantine) => quarantine.tombstones.clone(),
            None => Quarantine::of(&self.store.all_held()?).tombstones,
        };
        let head = match &self.live {
            Some(head) => Arc::clone(head),
            None => Arc::new(self.load_head()?),
        };
        Ok(Ground { tombstones, head, standing: BTreeMap::new() })
    }

    /// What a write is judged on: the ground for one memory, and what the store's memories say.
    fn ground_of(&mut self, path: &MemoryPath) -> Result<(Ground, Box<live::Near>), FirewallError> {
        let near = self.take_near()?;
        let mut ground = self.ground_alone()?;
        let standing = self.standing_at(&ground.head, path)?;
        ground.standing.insert(path.clone(), standing);
        Ok((ground, near))
    }

    /// What reviewers released into one memory of the head.
    fn standing_at(&self, head: &live::Head, path: &MemoryPath) -> Result<Vec<Released>, FirewallError> {
        let grant = crate::auth::authorize::<crate::auth::Adopt>(&self.operator()?)?;
        let memory = head.version().and_then(|version| version.memory(path));
        Ok(memory.map(|memory| Released::standing(&grant, memory.text(), memory.provenance())).unwrap_or_default())
    }

    /// The kept statements, taken out: whoever makes a version puts back what goes with it.
    fn take_near(&mut self) -> Result<Box<live::Near>, FirewallError> {
        let head = self.live_head()?;
        if self.quarantine.is_none() {
            self.quarantine = Some(Quarantine::of(&self.store.all_held()?));
        }
        if let Some(near) = self.near.take() {
            return Ok(near);
        }
        let grant = crate::auth::authorize::<crate::auth::Adopt>(&self.operator()?)?;
        Ok(Box::new(live::Near::of(&grant, head.version())))
    }

    /// The memories of a version once more through scan and gate; one held note refuses all.
    fn readmit(&self, version: &SignedVersion) -> Result<Vec<Approved>, FirewallError> {
        let grant = crate::auth::authorize::<crate::auth::Adopt>(&self.operator()?)?;
        let adopted = [Adopted::new(&grant, version.memories().iter().flat_map(vouched))];
        let mut ground = self.ground()?;
        ground.standing = standing(&grant, version);
        let mut passed = gateway::Passed::default();
        for memory in version.memories() {
            self.go_on()?;
            let mut basis = ground.basis(memory.path(), &adopted);
            basis.unchanged = Some((Digest::of(memory.text()), memory.provenance().to_owned()));
            let candidate = dream::as_found(&output::as_memory(memory));
            passed.send(&self.scanner, &self.policy, &mut basis, &Sources::default(), Untrusted::new(candidate));
        }
        passed.all_or_nothing()
    }

    /// The store's current memories as a dream reads them.
    fn current_memories(&self) -> Result<Vec<Memory>, FirewallError> {
        let Some(head) = self.head()? else { return Err(FirewallError::NoVersion) };
        Ok(self.recall(head.sequence)?.memories().iter().map(output::as_memory).collect())
    }
}

/// What of the quarantine decides about writes.
struct Quarantine {
    tombstones: BTreeSet<Digest>,
    /// When the first open item runs out.
    next: Option<Timestamp>,
}

impl Quarantine {
    fn of(records: &[HeldRecord]) -> Self {
        let destroyed = records.iter().filter(|record| record.state == HeldState::Destroyed);
        Self {
            tombstones: destroyed.flat_map(HeldRecord::tombstones).collect(),
            next: records.iter().filter(|record| record.state.is_open()).map(|record| record.deadline).min(),
        }
    }
}

/// What every memory is judged on, read once a verb.
struct Ground {
    tombstones: BTreeSet<Digest>,
    head: Arc<live::Head>,
    /// What reviewers released into each memory before.
    standing: BTreeMap<MemoryPath, Vec<Released>>,
}

impl Ground {
    fn base(&self) -> Option<&SignedVersion> {
        self.head.version()
    }

    fn basis<'a>(&'a self, path: &MemoryPath, adopted: &'a [Adopted]) -> Basis<'a> {
        let unchanged = Firewall::provenance_of(self.base(), path);
        let released = self.standing.get(path).map(Vec::as_slice).unwrap_or_default();
        Basis { adopted, released, tombstones: self.tombstones.clone(), unchanged, ..Basis::default() }
    }
}

/// What reviewers released into the memories of a version. What one destroyed elsewhere since is not among it.
fn standing(grant: &Granted<Adopt>, version: &SignedVersion) -> BTreeMap<MemoryPath, Vec<Released>> {
    let of = |memory: &SignedMemory| Released::standing(grant, memory.text(), memory.provenance());
    version.memories().iter().map(|memory| (memory.path().clone(), of(memory))).collect()
}

/// Statements of a memory that its owner signed, without those that were only observed.
fn vouched(memory: &SignedMemory) -> Vec<Digest> {
    vouched_in(memory.text(), memory.provenance())
}

fn vouched_in(text: &str, provenance: &str) -> Vec<Digest> {
    let observed = only_observed(text, provenance);
    dream::statements(text).into_iter().filter(|digest| !observed.contains(digest)).collect()
}

/// On whose behalf a held note was proposed: the principal of its first cited session, else the caller.
fn proposer(note: &HeldNote, caller: &PrincipalId) -> PrincipalId {
    note.origins
        .iter()
        .find(|origin| origin.session.is_some())
        .map_or_else(|| PrincipalId::new(format!("dream for {caller}")), |origin| origin.principal.clone())
}

fn nearest_heading(place: &Place) -> String {
    match place {
        Place::Memory { heading: Some(heading), .. } => heading.clone(),
        _ => "Released".to_owned(),
    }
}
