//! Whole stories: sign, log, verify, roll back, erase, revoke.

use std::collections::{BTreeMap, BTreeSet};

use super::statement::{AuditEvent, Body};
use super::*;
use crate::domain::{Coded as _, Digest, MemoryPath, PrincipalId, Timestamp};
use crate::gate::Approved;

/// A log in memory, for stories that are not about disks.
#[derive(Debug, Default)]
struct Memory {
    files: BTreeMap<String, Vec<u8>>,
    wal: Vec<u8>,
    head: Option<Vec<u8>>,
    published: Option<Vec<u8>>,
    /// Flips one bit of the file written so many writes from now.
    flip_in: Option<usize>,
}

impl LogStorage for Memory {
    fn read_wal(&self) -> Result<Vec<u8>, StorageError> {
        Ok(self.wal.clone())
    }
    fn append_wal(&mut self, record: &[u8]) -> Result<(), StorageError> {
        self.wal.extend_from_slice(record);
        Ok(())
    }
    fn clear_wal(&mut self) -> Result<(), StorageError> {
        self.wal.clear();
        Ok(())
    }
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.files.get(path).cloned())
    }
    fn write_new(&mut self, path: &str, bytes: &[u8]) -> Result<(), StorageError> {
        let mut bytes = bytes.to_vec();
        let flip = self.flip_in == Some(0);
        self.flip_in = self.flip_in.and_then(|left| left.checked_sub(1));
        if flip {
            bytes[20] ^= 4;
        }
        let old = self.files.insert(path.to_owned(), bytes.clone());
        assert!(old.is_none_or(|old| old == bytes), "{path} was rewritten");
        Ok(())
    }
    fn remove_partial(&mut self, path: &str) -> Result<(), StorageError> {
        self.files.remove(path);
        Ok(())
    }
    fn list(&self) -> Result<Vec<String>, StorageError> {
        Ok(self.files.keys().filter(|path| path.starts_with("tile/")).cloned().collect())
    }
    fn head(&self) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.head.clone())
    }
    fn swap_head(&mut self, expected: Option<&[u8]>, new: &[u8]) -> Result<bool, StorageError> {
        let same = self.head.as_deref() == expected;
        if same {
            self.head = Some(new.to_vec());
        }
        Ok(same)
    }
    fn publish(&mut self, checkpoint: &[u8]) -> Result<(), StorageError> {
        self.published = Some(checkpoint.to_vec());
        Ok(())
    }
    fn published(&self) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.published.clone())
    }
}

const DAY_MS: i64 = 86_400_000;
const PEOPLE: [&str; 4] = ["agent", "ana", "ben", "cem"];

fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32]).unwrap()
}
fn person(name: &str) -> PrincipalId {
    PrincipalId::from(name)
}
fn at(day: i64) -> Timestamp {
    Timestamp(1_800_000_000_000 + day * DAY_MS)
}
fn log_key() -> LogKey {
    LogKey::log(&Namespace::product().log_origin("t"), key(99)).unwrap()
}

/// Two of three reviewers, one agent, one gate, one version signer.
fn parts() -> PolicyParts {
    let principal = |n: u8, roles: &[Role]| Principal { keys: vec![key(n).public().id()], roles: roles.to_vec() };
    let principals = BTreeMap::from([
        (person("agent"), principal(1, &[Role::Proposer])),
        (person("ana"), principal(2, &[Role::Reviewer, Role::Proposer])),
        (person("ben"), principal(3, &[Role::Reviewer])),
        (person("cem"), principal(4, &[Role::Reviewer])),
    ]);
    PolicyParts {
        store: Namespace::product().store("t"),
        keys: (1..=6).map(|n| key(n).public().clone()).collect(),
        principals,
        gates: vec![key(5).public().id()],
        version_signers: (vec![key(6).public().id()], 1),
        approvals: Approvals { genesis: 1, advance: 2, rollback: 2, erase: 2 },
        retired: BTreeMap::new(),
        history: Vec::new(),
    }
}
fn policy(parts: &PolicyParts) -> TrustPolicy {
    let bytes = parts.to_bytes(&Namespace::product(), TestKeys::Refuse).unwrap();
    TrustPolicy::parse(&bytes, &Namespace::product(), TestKeys::Refuse).unwrap()
}
fn trust_with(parts: &PolicyParts, earlier: Vec<TrustPolicy>) -> Trust {
    let tlog = TlogPolicy::unwitnessed(log_key().vkey().clone());
    Trust::new(Namespace::product(), policy(parts), earlier, tlog).unwrap()
}
fn keys() -> KeySet {
    let people = PEOPLE.iter().zip(1..).map(|(name, n)| (person(name), key(n))).collect();
    KeySet { people, gate: key(5), version_signers: vec![key(6)] }
}

struct World {
    writer: LogWriter<Memory>,
    signer: Signer,
    salt: u8,
}

impl World {
    fn new() -> Self {
        Self::with(trust_with(&parts(), Vec::new()), Memory::default(), keys(), 0)
    }
    fn with(trust: Trust, storage: Memory, keys: KeySet, salt: u8) -> Self {
        let writer = LogWriter::open(storage, log_key(), trust.clone(), OpenOptions::default()).unwrap();
        Self { writer, signer: Signer::new(trust, keys).unwrap(), salt }
    }
    fn request<'a>(&mut self, base: Option<&'a SignedVersion>, restores: Option<&'a SignedVersion>) -> SignRequest<'a> {
        let mut salts = Vec::new();
        for _ in 0..4 {
            self.salt += 1;
            salts.push(Salt::new([self.salt; 32]));
        }
        SignRequest {
            restores,
            base,
            reattributed: BTreeSet::new(),
            now: at(1),
            expires_at: None,
            proposer: person("agent"),
            reviewers: vec![person("ana"), person("ben")],
            salts,
        }
    }
    fn draft(
        &mut self,
        memories: &[(&str, &str)],
        base: Option<&SignedVersion>,
        restores: Option<&SignedVersion>,
    ) -> Result<Draft, LedgerError> {
        let request = self.request(base, restores);
        self.writer.sign_version(&self.signer, approved(memories), &request)
    }
    fn log(&mut self, memories: &[(&str, &str)], base: Option<&SignedVersion>) -> SignedVersion {
        let draft = self.draft(memories, base, None).unwrap();
        self.writer.append_version(draft).unwrap().0
    }
}

fn approved(memories: &[(&str, &str)]) -> Vec<Approved> {
    memories.iter().map(|(path, text)| Approved::for_tests(path, text, r#"{"origin":"test"}"#)).collect()
}
fn code<T>(result: &Result<T, LedgerError>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(error) => error.vector_code().unwrap_or(error.code()),
    }
}

#[test]
fn a_draft_is_no_version_until_it_is_logged() {
    let mut world = World::new();
    let draft = world.draft(&[("/a", "one")], None, None).unwrap();
    let stored = draft.to_stored();
    assert_eq!(world.writer.log().unwrap().history().len(), 0, "signing logs nothing");
    assert_eq!(code(&world.writer.log().unwrap().version(stored.clone())), "E_MISSING");
    let id = *draft.id();
    let (version, receipt) = world.writer.append_version(draft).unwrap();
    assert_eq!((version.sequence(), *version.id()), (1, id));
    assert_eq!(version.to_stored(), stored);
    assert_eq!(receipt.proofs.len(), 5, "proposal, two approvals, verdict, version");
    // What a stranger needs: the files, not our process.
    let storage = world.writer.into_storage();
    let trust = trust_with(&parts(), Vec::new());
    let log = read_log(&storage, &trust, Age::Archive, Vec::new()).unwrap();
    assert_eq!(log.version(stored).unwrap().reference(), version.reference());
    assert_eq!(log.checkpoint().unwrap().witnesses(), 0);
    assert_eq!(fsck(&storage, &trust, Vec::new()).unwrap(), []);
    for (proof, entry) in receipt.proofs.iter().zip(read_entries(&storage.files["tile/entries/000.p/5"]).unwrap()) {
        proof.verify(entry, trust.tlog(), Age::Archive).unwrap();
    }
}

#[test]
fn unchanged_memories_keep_their_lines_and_changed_ones_get_fresh_salts() {
    let mut world = World::new();
    let one = world.log(&[("/a", "one"), ("/b", "two")], None);
    let two = world.log(&[("/b", "TWO"), ("/a", "one")], Some(&one));
    assert_eq!(one.manifest().lines()[0], two.manifest().lines()[0]);
    assert_ne!(one.manifest().lines()[1], two.manifest().lines()[1]);
    let (a, b) = (one.memories(), two.memories());
    assert_ne!(a[1].salt(), b[1].salt());
    // Nothing changed: there is nothing to sign.
    assert_eq!(code(&world.draft(&[("/a", "one"), ("/b", "TWO")], Some(&two), None)), "E_ROLLBACK");
    // A changed provenance is recorded when the caller says so.
    let mut request = world.request(Some(&two), None);
    request.reattributed.insert(MemoryPath::parse("/a").unwrap());
    let items = approved(&[("/a", "one"), ("/b", "TWO")]);
    let draft = world.writer.sign_version(&world.signer, items, &request).unwrap();
    assert_ne!(draft.manifest().lines()[0], two.manifest().lines()[0]);
}

#[test]
fn removing_what_was_added_is_new_content_and_not_a_hidden_rollback() {
    let mut world = World::new();
    let one = world.log(&[("/a", "one")], None);
    let two = world.log(&[("/a", "one"), ("/b", "two")], Some(&one));
    let three = world.log(&[("/a", "one")], Some(&two));
    assert_ne!(three.manifest(), one.manifest(), "one fresh salt makes the root new");
    assert_eq!(three.memories()[0].text(), "one");
}

#[test]
fn a_rollback_is_a_new_version_with_exactly_the_old_content() {
    let mut world = World::new();
    let one = world.log(&[("/a", "one"), ("/b", "two")], None);
    let _two = world.log(&[("/a", "planted")], Some(&one));
    let other = world.draft(&[("/a", "one"), ("/b", "other")], None, Some(&one));
    assert_eq!(code(&other), "E_ROLLBACK", "a rollback must not smuggle in other content");
    let less = world.draft(&[("/a", "one")], None, Some(&one));
    assert_eq!(code(&less), "E_ROLLBACK");
    let draft = world.draft(&[("/b", "two"), ("/a", "one")], None, Some(&one)).unwrap();
    let (three, _) = world.writer.append_version(draft).unwrap();
    assert_eq!(three.sequence(), 3);
    assert_eq!(three.manifest(), one.manifest());
    assert_eq!(three.evidence().restores().unwrap().id, *one.id());
    assert_eq!(three.evidence().common().action, Action::Rollback);
}

#[test]
fn a_rollback_never_brings_erased_content_back() {
    let mut world = World::new();
    let one = world.log(&[("/a", "one"), ("/b", "Jane EXAMPLE")], None);
    let two = world.log(&[("/a", "one")], Some(&one));
    let leaf = one.manifest().lines()[1].leaf_hash();
    let destroyed = ["content", "salt"];
    let alone = world.signer.sign_erasure(leaf, "data-subject-request", &destroyed, &[person("ana")], at(2)).unwrap();
    assert_eq!(code(&world.writer.append(&[alone])), "E_THRESHOLD");
    let two_people = [person("ana"), person("cem")];
    let erasure = world.signer.sign_erasure(leaf, "data-subject-request", &destroyed, &two_people, at(2)).unwrap();
    world.writer.append(std::slice::from_ref(&erasure)).unwrap();
    assert_eq!(code(&world.writer.append(&[erasure])), "ledger-already-logged");

    // The stored copy: its line is redacted, its object gone; root and signatures still hold.
    let mut stored = one.to_stored();
    let erased = world.writer.log().unwrap().history().erased();
    stored.manifest = one.manifest().redacted(&erased).to_bytes();
    stored.memories.pop();
    let old = world.writer.log().unwrap().version(stored.clone()).unwrap();
    assert_eq!((old.memories().len(), old.redacted()), (1, 1));
    // A line redacted without an erasure is a server that hides something.
    let mut hidden = two.to_stored();
    hidden.manifest = two.manifest().redacted(&two.manifest().leaf_hashes().into_iter().collect()).to_bytes();
    hidden.memories.clear();
    assert_eq!(code(&world.writer.log().unwrap().version(hidden)), "E_REDACTION");

    let back = world.draft(&[("/a", "one"), ("/b", "Jane EXAMPLE")], None, Some(&one));
    assert_eq!(code(&back), "E_ROLLBACK");
    let draft = world.draft(&[("/a", "one")], None, Some(&old));
    // Two already has that very content, so going back over the erasure gives the same root; it is declared.
    let (three, _) = world.writer.append_version(draft.unwrap()).unwrap();
    assert_eq!(three.evidence().restores().unwrap().omitted, vec![leaf]);
    let storage = world.writer.into_storage();
    let trust = trust_with(&parts(), Vec::new());
    assert_eq!(code(&read_log(&storage, &trust, Age::Archive, Vec::new())), "E_ROLLBACK", "needs the old leaves");
    let log = read_log(&storage, &trust, Age::Archive, vec![one.manifest().leaf_hashes()]).unwrap();
    assert_eq!(log.history().versions().len(), 3);
    // No byte of the erased text or its salt is anywhere in the log.
    let all: Vec<u8> = storage.files.values().flatten().copied().collect();
    assert!(!all.windows(4).any(|w| w == b"Jane"));
    assert!(!all.windows(32).any(|w| w == one.memories()[1].salt().bytes()));
}

#[test]
fn people_are_counted_without_the_proposer_and_only_once() {
    let mut world = World::new();
    let one = world.log(&[("/a", "one")], None);
    for (proposer, reviewers, expected) in [
        ("agent", vec!["ana"], "E_THRESHOLD"),
        ("agent", vec!["ana", "ana"], "E_THRESHOLD"),
        ("ana", vec!["ana", "ben"], "E_THRESHOLD"),
        ("ana", vec!["cem", "ben"], "ok"),
        ("ben", vec!["ana", "cem"], "E_ROLE"),
        ("agent", vec!["agent", "ana"], "E_ROLE"),
        ("agent", vec!["nobody", "ana"], "ledger-cannot-sign"),
    ] {
        let mut request = world.request(Some(&one), None);
        request.proposer = person(proposer);
        request.reviewers = reviewers.iter().map(|name| person(name)).collect();
        let result = world.writer.sign_version(&world.signer, approved(&[("/a", "new")]), &request);
        assert_eq!(code(&result), expected, "{proposer} {reviewers:?}");
    }
    let mut request = world.request(Some(&one), None);
    request.expires_at = Some(at(0));
    let result = world.writer.sign_version(&world.signer, approved(&[("/a", "new")]), &request);
    assert_eq!(code(&result), "E_EXPIRED");
    request.expires_at = None;
    request.salts.clear();
    let result = world.writer.sign_version(&world.signer, approved(&[("/a", "new")]), &request);
    assert_eq!(code(&result), "ledger-cannot-sign");
}

#[test]
fn a_rejection_blocks_its_proposal() {
    let mut world = World::new();
    let draft = world.draft(&[("/a", "one")], None, None).unwrap();
    world.writer.append(&draft.envelopes()[..1]).unwrap();
    let proposal = world.writer.log().unwrap().history().statement(0).unwrap().clone();
    let reject = world.signer.sign_rejection(&proposal, &person("cem"), at(1)).unwrap();
    world.writer.append(&[reject]).unwrap();
    assert_eq!(code(&world.writer.append(&draft.envelopes()[1..])), "E_REJECTED");
    assert_eq!(world.writer.log().unwrap().history().len(), 2, "a refused batch leaves nothing behind");
    // A draft of something else is a new proposal and goes through.
    let draft = world.draft(&[("/a", "better")], None, None).unwrap();
    world.writer.append_version(draft).unwrap();
}

#[test]
fn a_rejection_blocks_even_when_it_was_logged_before_its_proposal() {
    let mut world = World::new();
    let one = world.log(&[("/a", "one")], None);
    let mut other = World::new();
    other.log(&[("/a", "one")], None);
    let draft = world.draft(&[("/a", "two")], Some(&one), None).unwrap();
    // The reviewer saw the proposal elsewhere and rejects it before it reaches this log.
    other.writer.append(&draft.envelopes()[..1]).unwrap();
    let proposal = other.writer.log().unwrap().history().statement(5).unwrap().clone();
    let reject = world.signer.sign_rejection(&proposal, &person("cem"), at(1)).unwrap();
    world.writer.append(&[reject]).unwrap();
    assert_eq!(code(&world.writer.append_version(draft)), "E_REJECTED");
    assert_eq!(world.writer.log().unwrap().history().len(), 6);
    let draft = world.draft(&[("/a", "three")], Some(&one), None).unwrap();
    world.writer.append_version(draft).unwrap();
}

#[test]
fn a_refused_batch_leaves_the_history_as_it_was() {
    let mut world = World::new();
    let one = world.log(&[("/a", "one")], None);
    let mut batch = world.draft(&[("/a", "two")], Some(&one), None).unwrap().envelopes().to_vec();
    let good = batch.clone();
    // The version twice: the second is refused, and the first with it.
    batch.push(good[4].clone());
    assert_eq!(code(&world.writer.append(&batch)), "ledger-already-logged");
    assert_eq!(world.writer.log().unwrap().history().versions().len(), 1);
    world.writer.append(&good).unwrap();
    assert_eq!(world.writer.log().unwrap().history().versions().len(), 2);
}

#[test]
fn two_checkpoints_that_cannot_both_be_true_are_a_fork() {
    let mut a = World::new();
    let mut b = World::new();
    a.log(&[("/a", "one")], None);
    b.log(&[("/a", "other")], None);
    let (a, b) = (a.writer.log().unwrap(), b.writer.log().unwrap());
    let (x, y) = (a.checkpoint().unwrap(), b.checkpoint().unwrap());
    assert_eq!(code(&checkpoint::compare(x, y, &[])), "E_FORK");
    assert!(checkpoint::compare(x, x, &[]).is_ok());
    let evidence = ForkEvidence::new(a.note(), b.note(), y.body().root, Vec::new());
    evidence.verify(a.history().trust().tlog()).unwrap();
    let honest = ForkEvidence::new(a.note(), a.note(), x.body().root, Vec::new());
    assert_eq!(code(&honest.verify(a.history().trust().tlog())), "E_FORMAT");
}

#[test]
fn two_drafts_on_one_parent_cannot_both_be_logged() {
    let mut world = World::new();
    let a = world.draft(&[("/a", "one")], None, None).unwrap();
    let b = world.draft(&[("/a", "two")], None, None).unwrap();
    world.writer.append_version(a).unwrap();
    assert_eq!(code(&world.writer.append_version(b)), "E_SEQUENCE");
}

#[test]
fn a_key_revoked_by_index_takes_its_versions_out_of_service() {
    let mut world = World::new();
    let one = world.log(&[("/a", "one")], None);
    let two = world.log(&[("/a", "two")], Some(&one));
    let storage = world.writer.into_storage();

    // ben's key was stolen after the first version (entries 0 to 4).
    let mut parts = parts();
    parts.retired.insert(key(3).public().id(), Reach { from: 0, to: 4 });
    parts.history = vec![(*policy(&self::parts()).digest(), Reach { from: 1, to: 2 })];
    let trust = trust_with(&parts, vec![policy(&self::parts())]);
    let log = read_log(&storage, &trust, Age::Archive, Vec::new()).unwrap();
    assert_eq!(log.history().version(1).unwrap().standing(), Standing::Good);
    assert_eq!(log.history().version(2).unwrap().standing(), Standing::Revoked);
    assert!(log.version(one.to_stored()).is_ok());
    assert_eq!(code(&log.version(two.to_stored())), "E_MISSING");

    // The same content needs a new approval under the new policy; ben's key is not even accepted for signing.
    assert_eq!(code(&Signer::new(trust.clone(), keys())), "ledger-cannot-sign");
    let mut keys = keys();
    keys.people.remove(&person("ben"));
    let mut world = World::with(trust, storage, keys, 100);
    let mut request = world.request(None, None);
    request.reviewers = vec![person("ana"), person("cem")];
    let draft = world.writer.sign_version(&world.signer, approved(&[("/a", "two")]), &request).unwrap();
    assert_eq!(world.writer.append_version(draft).unwrap().0.sequence(), 3);
}

#[test]
fn a_retired_key_signs_nothing_new() {
    let mut world = World::new();
    let _one = world.log(&[("/a", "one")], None);
    let storage = world.writer.into_storage();
    let mut parts = parts();
    parts.retired.insert(key(5).public().id(), Reach { from: 0, to: 4 });
    parts.history = vec![(*policy(&self::parts()).digest(), Reach { from: 1, to: 1 })];
    let trust = trust_with(&parts, vec![policy(&self::parts())]);
    let mut writer = LogWriter::open(storage, log_key(), trust, OpenOptions::default()).unwrap();
    let event = Body::AuditEvent(AuditEvent {
        store: Namespace::product().store("t"),
        kind: "test".to_owned(),
        serial: 1,
        digest: Digest::of(b"x"),
    });
    let payload = event.payload(&Namespace::product(), &event.own_subject().unwrap()).unwrap();
    let envelope = Envelope::sign(&payload, &[&key(5)]).unwrap();
    assert_eq!(code(&writer.append(&[envelope])), "E_SIG");
}

#[test]
fn an_earlier_policy_governs_only_its_own_versions() {
    let mut world = World::new();
    let _one = world.log(&[("/a", "one")], None);
    let stale = world.draft(&[("/a", "stale")], None, None).unwrap();
    let storage = world.writer.into_storage();
    let mut parts = parts();
    parts.approvals.advance = 3;
    parts.history = vec![(*policy(&self::parts()).digest(), Reach { from: 1, to: 1 })];
    let trust = trust_with(&parts, vec![policy(&self::parts())]);
    let mut world = World::with(trust, storage, keys(), 100);
    // Signed and approved under the old policy, logged after the change.
    assert_eq!(code(&world.writer.append_version(stale)), "E_BINDING");
    assert_eq!(code(&world.draft(&[("/a", "new")], None, None)), "E_THRESHOLD");
    let mut request = world.request(None, None);
    request.reviewers.push(person("cem"));
    let draft = world.writer.sign_version(&world.signer, approved(&[("/a", "new")]), &request).unwrap();
    world.writer.append_version(draft).unwrap();
    // Without the earlier file nothing is believed.
    let tlog = TlogPolicy::unwitnessed(log_key().vkey().clone());
    assert!(Trust::new(Namespace::product(), policy(&parts), Vec::new(), tlog).is_err());
}

#[test]
fn an_unsigned_batch_that_a_new_policy_refuses_is_dropped_and_not_in_the_way() {
    let mut world = World::new();
    world.log(&[("/a", "one")], None);
    let stale = world.draft(&[("/a", "stale")], None, None).unwrap();
    let mut storage = world.writer.into_storage();
    let entries: Vec<Vec<u8>> = stale.envelopes().iter().map(|e| e.bytes().to_vec()).collect();
    storage.wal = super::bundle::write_record(5, &entries);
    let mut parts = parts();
    parts.approvals.rollback = 3;
    parts.history = vec![(*policy(&self::parts()).digest(), Reach { from: 1, to: 1 })];
    let trust = trust_with(&parts, vec![policy(&self::parts())]);
    let mut world = World::with(trust.clone(), storage, keys(), 100);
    assert_eq!(world.writer.log().unwrap().history().len(), 5);
    world.log(&[("/a", "new")], None);
    let storage = world.writer.into_storage();
    assert!(storage.wal.is_empty());
    assert_eq!(fsck(&storage, &trust, Vec::new()).unwrap(), []);
}

#[test]
fn a_log_put_back_from_a_backup_is_not_continued() {
    let mut world = World::new();
    let one = world.log(&[("/a", "one")], None);
    let trust = trust_with(&parts(), Vec::new());
    let body = world.writer.log().unwrap().checkpoint().unwrap().body().clone();
    let old_head = world.writer.storage_for_tests().head.clone();
    let _two = world.log(&[("/a", "two")], Some(&one));
    let newer = world.writer.log().unwrap().checkpoint().unwrap().body().clone();
    let mut storage = world.writer.into_storage();

    // Only the head record is old: the published checkpoint tells.
    let new_head = std::mem::replace(&mut storage.head, old_head.clone());
    let result = LogWriter::open(storage, log_key(), trust.clone(), OpenOptions::default());
    assert_eq!(code(&result.map(|_| ())), "ledger-read-only");

    // Head and checkpoint are old: the tiles tell.
    let mut world = World::new();
    let one = world.log(&[("/a", "one")], None);
    let _two = world.log(&[("/a", "two")], Some(&one));
    let mut storage = world.writer.into_storage();
    storage.head.clone_from(&old_head);
    storage.published = old_head;
    let result = LogWriter::open(storage, log_key(), trust.clone(), OpenOptions::default());
    assert_eq!(code(&result.map(|_| ())), "ledger-read-only");

    // Everything is old: only a checkpoint kept elsewhere tells.
    let mut world = World::new();
    world.log(&[("/a", "one")], None);
    let storage = world.writer.into_storage();
    let floor = |body| OpenOptions { floor: Some(body), ..OpenOptions::default() };
    let result = LogWriter::open(storage, log_key(), trust.clone(), floor(newer));
    assert_eq!(code(&result.map(|_| ())), "ledger-read-only");
    let mut world = World::new();
    world.log(&[("/a", "one")], None);
    let storage = world.writer.into_storage();
    LogWriter::open(storage, log_key(), trust.clone(), floor(body)).unwrap();

    // No head record at all.
    let mut world = World::new();
    world.log(&[("/a", "one")], None);
    let mut storage = world.writer.into_storage();
    storage.head = None;
    let result = LogWriter::open(storage, log_key(), trust, OpenOptions::default());
    assert_eq!(code(&result.map(|_| ())), "ledger-read-only");
    assert!(new_head.is_some());
}

#[test]
fn a_bit_that_flips_between_memory_and_disk_is_never_signed() {
    for at in 0..2 {
        let mut world = World::new();
        let one = world.log(&[("/a", "one")], None);
        let head = world.writer.storage_for_tests().head.clone();
        let draft = world.draft(&[("/a", "two")], Some(&one), None).unwrap();
        world.writer.storage_mut_for_tests().flip_in = Some(at);
        assert_eq!(code(&world.writer.append_version(draft)), "ledger-read-only");
        assert_eq!(code(&world.writer.log()), "ledger-poisoned");
        assert_eq!(world.writer.storage_for_tests().head, head);
        assert_eq!(world.writer.storage_for_tests().published, head);
    }
}

#[test]
fn a_second_writer_stops_at_the_head_record() {
    let mut world = World::new();
    let one = world.log(&[("/a", "one")], None);
    let draft = world.draft(&[("/a", "two")], Some(&one), None).unwrap();
    world.writer.storage_mut_for_tests().head = Some(b"another writer's".to_vec());
    assert_eq!(code(&world.writer.append_version(draft)), "ledger-head-moved");
    assert_eq!(code(&world.writer.log()), "ledger-poisoned");
    assert_eq!(code(&world.writer.append(&[])), "ledger-poisoned");
}

#[test]
fn every_error_code_is_its_own_and_kebab_case() {
    let list = all_errors();
    let codes: BTreeSet<&str> = list.iter().map(|error| error.code()).collect();
    assert_eq!(codes.len(), list.len());
    for error in &list {
        assert!(error.code().starts_with("ledger-"));
        assert!(error.code().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
        assert!(!error.remedy().is_empty());
    }
    let vector: BTreeSet<&str> = list.iter().filter_map(LedgerError::vector_code).collect();
    assert_eq!(vector.len(), 26);
}

fn all_errors() -> Vec<LedgerError> {
    use LedgerError as E;
    let why = "x";
    vec![
        E::Envelope { why },
        E::Type { what: why },
        E::Signature { why },
        E::Json(crate::domain::canonical::CanonicalError::Depth),
        E::Field { member: why },
        E::Subject { why },
        E::Role { what: why },
        E::Threshold { what: why, found: 0, needed: 1 },
        E::Binding { what: why, member: why },
        E::Sequence { expected: 1, found: 2 },
        E::Parent,
        E::Missing { what: why },
        E::Verdict,
        E::Rejected,
        E::Expired,
        E::Rollback { why },
        E::Manifest { line: 1, why },
        E::Root,
        E::Redaction { line: 1 },
        E::Commit { line: 1 },
        E::Format { what: why, why },
        E::Origin,
        E::Quorum,
        E::Stale,
        E::Shrink { old: 2, new: 1 },
        E::Fork { size: 1 },
        E::Proof { why },
        E::Key { why },
        E::Policy { why },
        E::AlreadyLogged { index: 0 },
        E::CannotSign { why },
        E::HeadMoved,
        E::ReadOnly { file: String::new(), why },
        E::Poisoned,
        E::Storage(StorageError { step: why, file: String::new(), source: why.into() }),
    ]
}
