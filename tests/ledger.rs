//! The published signing vectors: every case with its exact code.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use data_encoding::{BASE64, HEXLOWER};
use memgate::domain::canonical::{Value as Canonical, parse_canonical};
use memgate::domain::{Digest, StoreName, Timestamp};
use memgate::ledger::key::verify_strict_raw;
use memgate::ledger::proof::parse_consistency;
use memgate::ledger::tree::{self, Tile, Tree, leaf_hash, verify_consistency, verify_inclusion};
use memgate::ledger::{
    Age, Checkpoint, Envelope, LedgerError, LogKey, LogProof, Manifest, Namespace, Note, PublicKey, Salt, SigningKey,
    StoredVersion, TestKeys, TlogPolicy, Trust, TrustPolicy, VKey, VerifiedLog, read_entries, verify_history,
};
use serde_json::Value;

fn vectors() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/signing")
}
fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(vectors().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}
fn text(name: &str) -> String {
    String::from_utf8(bytes(name)).unwrap()
}
fn json(name: &str) -> Value {
    serde_json::from_slice(&bytes(name)).unwrap()
}
fn base64(value: &Value) -> Vec<u8> {
    BASE64.decode(value.as_str().unwrap().as_bytes()).unwrap()
}
fn digest64(value: &Value) -> Option<Digest> {
    BASE64.decode(value.as_str()?.as_bytes()).ok()?.try_into().ok().map(Digest)
}
fn hex(value: &Value) -> Digest {
    value.as_str().unwrap().parse().unwrap()
}
fn code<T>(result: &Result<T, LedgerError>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(error) => error.vector_code().unwrap_or("no vector code"),
    }
}
fn namespace() -> Namespace {
    Namespace::of_host("memfw.example")
}
fn golden_policy() -> TrustPolicy {
    TrustPolicy::parse(&bytes("golden/policy.json"), &namespace(), TestKeys::DangerouslyAllow).unwrap()
}
fn golden_tlog() -> TlogPolicy {
    TlogPolicy::parse(&text("golden/tlog.policy"), TestKeys::DangerouslyAllow).unwrap()
}
fn golden_trust() -> Trust {
    Trust::new(namespace(), golden_policy(), Vec::new(), golden_tlog()).unwrap()
}
fn golden_entries() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for file in ["golden/log/tile/entries/000", "golden/log/tile/entries/001.p/44"] {
        all.extend(read_entries(&bytes(file)).unwrap().into_iter().map(<[u8]>::to_vec));
    }
    all
}
fn golden_leaves() -> Vec<Vec<Digest>> {
    let leaves = |n: u8| Manifest::parse(&bytes(&format!("golden/versions/{n}/manifest"))).unwrap().leaf_hashes();
    (1..=4).map(leaves).collect()
}
fn golden_log() -> VerifiedLog {
    let entries = golden_entries();
    let entries = entries.iter().map(Vec::as_slice);
    VerifiedLog::verify(entries, &text("golden/log/checkpoint"), &golden_trust(), Age::Archive, golden_leaves())
        .unwrap()
}
fn test_keys() -> BTreeMap<String, [u8; 32]> {
    let keys = json("golden/keys.json");
    let seed = |v: &Value| HEXLOWER.decode(v["seed"].as_str().unwrap().as_bytes()).unwrap().try_into().unwrap();
    keys.as_object().unwrap().iter().map(|(name, v)| (name.clone(), seed(v))).collect()
}

#[test]
fn manifest_cases_give_their_codes() {
    let cases = json("manifest-cases.json");
    let store = StoreName::from(cases["store"].as_str().unwrap());
    let manifests = cases["manifests"].as_array().unwrap();
    assert_eq!(manifests.len(), 34);
    for case in manifests {
        let erased: BTreeSet<Digest> = case["erased"].as_array().unwrap().iter().map(hex).collect();
        let head = case["head"].as_str().unwrap().as_bytes();
        let result = Manifest::verify(&base64(&case["manifest"]), head, &store, &erased);
        assert_eq!(code(&result), case["expect"], "{}", case["name"]);
    }
    let commitments = cases["commitments"].as_array().unwrap();
    assert_eq!(commitments.len(), 6);
    for case in commitments {
        let line = format!("{}\n", case["line"].as_str().unwrap());
        let manifest = Manifest::parse(line.as_bytes()).unwrap();
        let salt = HEXLOWER.decode(case["salt"].as_str().unwrap().as_bytes()).unwrap();
        let result = manifest.lines()[0].verify(&salt, &base64(&case["content"]), &base64(&case["provenance"]));
        assert_eq!(code(&result), case["expect"], "{}", case["name"]);
    }
}

#[test]
fn rfc6962_proof_cases_agree() {
    let cases = json("rfc6962-proofs.json");
    let proof = |case: &Value| -> Option<Vec<Digest>> {
        case["proof"].as_array().map_or(Some(Vec::new()), |list| list.iter().map(digest64).collect())
    };
    let mut run = 0;
    for case in cases["inclusion"].as_array().unwrap() {
        let (index, size) = (case["leafIdx"].as_u64().unwrap(), case["treeSize"].as_u64().unwrap());
        let ok = match (digest64(&case["leafHash"]), proof(case), digest64(&case["root"])) {
            (Some(leaf), Some(proof), Some(root)) => verify_inclusion(index, size, &leaf, &proof, &root).is_ok(),
            _ => false,
        };
        assert_eq!(ok, !case["wantErr"].as_bool().unwrap(), "{}", case["name"]);
        run += 1;
    }
    for case in cases["consistency"].as_array().unwrap() {
        if case["name"] == "additional/sizes-are-equal-one-and-proof-is-empty" {
            continue;
        }
        let (old, new) = (case["size1"].as_u64().unwrap(), case["size2"].as_u64().unwrap());
        let ok = match (digest64(&case["root1"]), proof(case), digest64(&case["root2"])) {
            (Some(a), Some(proof), Some(b)) => verify_consistency(old, &a, new, &b, &proof).is_ok(),
            _ => false,
        };
        assert_eq!(ok, !case["wantErr"].as_bool().unwrap(), "{}", case["name"]);
        run += 1;
    }
    assert_eq!(run, 195);
}

#[test]
fn checkpoint_cases_give_their_codes() {
    let cases = json("checkpoint-cases.json");
    let notes = cases["notes"].as_array().unwrap();
    assert_eq!(notes.len(), 23);
    for case in notes {
        let name = case["name"].as_str().unwrap();
        let mut policy = format!("log {}\n", cases["logVkeys"][0].as_str().unwrap());
        if name == "ok-both-log-keys-during-rotation" {
            policy += &format!("log {}\n", cases["nextLogVkey"].as_str().unwrap());
        }
        for (at, vkey) in cases["witnessVkeys"].as_array().unwrap().iter().enumerate() {
            policy += &format!("witness w{at} {}\n", vkey.as_str().unwrap());
        }
        policy += &format!("group q {} w0 w1 w2\nquorum q\n", case["quorum"]);
        let policy = TlogPolicy::parse(&policy, TestKeys::DangerouslyAllow).unwrap();
        let now = Timestamp::from_seconds(case["now"].as_i64().unwrap());
        let age = Age::Within { now, max_age_s: case["maxAge"].as_u64().unwrap() };
        let result = Note::parse(case["note"].as_str().unwrap().as_bytes()).and_then(|note| note.verify(&policy, age));
        assert_eq!(code(&result), case["expect"], "{name}");
    }
    let transitions = cases["stateTransitions"].as_array().unwrap();
    assert_eq!(transitions.len(), 10);
    for case in transitions {
        let body = |v: &Value| Checkpoint {
            origin: cases["origin"].as_str().unwrap().to_owned(),
            size: v["size"].as_u64().unwrap(),
            root: digest64(&v["root"]).unwrap(),
        };
        let proof: Vec<Digest> = case["proof"].as_array().unwrap().iter().map(|v| digest64(v).unwrap()).collect();
        let result = body(&case["new"]).follows(&body(&case["old"]), &proof);
        assert_eq!(code(&result), case["expect"], "{}", case["name"]);
    }
}

#[test]
fn history_cases_give_their_codes() {
    let cases = json("history-cases.json");
    let trust = golden_trust();
    assert_eq!(trust.policy().digest().hex(), cases["policyDigest"].as_str().unwrap());
    let pool: Vec<Vec<u8>> = cases["pool"].as_array().unwrap().iter().map(base64).collect();
    let list = cases["cases"].as_array().unwrap();
    assert_eq!(list.len(), 59);
    let mut codes = BTreeSet::new();
    for case in list {
        let entries: Vec<&[u8]> = case["entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|at| pool[at.as_u64().unwrap() as usize].as_slice())
            .collect();
        let leaves: Vec<Vec<Digest>> = case["leaves"].as_object().map_or_else(Vec::new, |by_root| {
            by_root.values().map(|list| list.as_array().unwrap().iter().map(hex).collect()).collect()
        });
        let result = verify_history(entries.iter().copied(), &trust, leaves);
        assert_eq!(code(&result), case["expect"], "{}", case["name"]);
        codes.insert(code(&result));
    }
    assert!(codes.len() > 15, "{codes:?}");
}

#[test]
fn ed25519_edge_cases_are_judged_as_published() {
    let expected = json("ed25519-cctv-expected.json");
    let numbers =
        |name: &str| -> Vec<u64> { expected[name].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect() };
    let (mut strict, mut enrolled) = (Vec::new(), Vec::new());
    let cases = json("ed25519-cctv.json");
    let cases = cases.as_array().unwrap();
    assert_eq!(cases.len(), 914);
    for case in cases {
        let field = |name: &str| HEXLOWER.decode(case[name].as_str().unwrap().as_bytes()).unwrap();
        let (key, sig): ([u8; 32], _) = (field("key").try_into().unwrap(), field("sig"));
        let (number, message) = (case["number"].as_u64().unwrap(), case["msg"].as_str().unwrap().as_bytes());
        if verify_strict_raw(&key, message, &sig) {
            strict.push(number);
        }
        if PublicKey::enrol(&key, TestKeys::Refuse).is_ok_and(|key| key.verifies(message, &sig)) {
            enrolled.push(number);
        }
    }
    assert_eq!(strict, numbers("verify_strict_accepts"));
    assert_eq!(enrolled, numbers("accepted_when_key_must_be_canonical_and_torsion_free"));
}

#[test]
fn golden_log_and_every_version_verify() {
    let log = golden_log();
    let index = json("golden/index.json");
    assert_eq!(log.history().len(), 300);
    assert_eq!(log.history().versions().len(), 4);
    for (version, expected) in log.history().versions().iter().zip(index.as_array().unwrap()) {
        assert_eq!(version.id().hex(), expected["id"].as_str().unwrap());
        assert_eq!(version.common().root.hex(), expected["rootHash"].as_str().unwrap());
        assert_eq!(version.index(), expected["logIndex"]["version"].as_u64().unwrap());
        let names: Vec<&str> = version.reviewers().iter().map(|name| name.as_str()).collect();
        assert!(names.len() >= 2 && !names.contains(&"agent-1"));
    }
    // A witnessed checkpoint, at the claimed time and not a week later.
    assert_eq!(log.checkpoint().unwrap().witnesses(), 2);
    let note = Note::parse(&bytes("golden/log/checkpoint")).unwrap();
    let at = i64::try_from(log.checkpoint().unwrap().cosigned_at_s().unwrap()).unwrap();
    let week = Age::Within { now: Timestamp::from_seconds(at + 8 * 86_400), max_age_s: 7 * 86_400 };
    assert_eq!(code(&note.verify(&golden_tlog(), week)), "E_STALE");
    assert!(log.history().version(1).unwrap().check_cosigned_at(at as u64).is_ok());
    assert_eq!(code(&log.history().version(1).unwrap().check_cosigned_at(u64::MAX)), "E_EXPIRED");
}

fn golden_stored(sequence: u64, manifest: &str) -> StoredVersion {
    let parsed = Manifest::parse(&bytes(&format!("golden/versions/{sequence}/{manifest}"))).unwrap();
    let mut memories = Vec::new();
    for line in parsed.lines() {
        let memgate::ledger::Line::Memory { path, .. } = line else { continue };
        let encoded = memgate::ledger::manifest::encode_path(path);
        let name = format!("golden/blobs/{}", encoded[1..].replace('/', "__"));
        memories.push(memgate::ledger::MemoryObject {
            path: path.clone(),
            text: text(&format!("{name}.content")),
            provenance: text(&format!("{name}.provenance")),
            salt: HEXLOWER.decode(text(&format!("{name}.salt.hex")).trim().as_bytes()).unwrap(),
        });
    }
    StoredVersion {
        sequence,
        manifest: bytes(&format!("golden/versions/{sequence}/{manifest}")),
        head: bytes(&format!("golden/versions/{sequence}/manifest.head")),
        memories,
    }
}

#[test]
fn golden_versions_open_with_their_memories_and_a_changed_one_does_not() {
    let log = golden_log();
    for sequence in 1..=4 {
        let version = log.version(golden_stored(sequence, "manifest")).unwrap();
        assert_eq!(version.memories().len() as u64, version.manifest().lines().len() as u64);
        assert_eq!(version.to_stored(), golden_stored(sequence, "manifest"));
    }
    let redacted = log.version(golden_stored(3, "manifest.redacted")).unwrap();
    assert_eq!((redacted.memories().len(), redacted.redacted()), (2, 1));

    let mut changed = golden_stored(2, "manifest");
    changed.memories[1].text.push('!');
    assert_eq!(code(&log.version(changed.clone())), "E_COMMIT");
    let (partly, withheld) = log.version_withholding(changed).unwrap();
    assert_eq!((partly.memories().len(), withheld), (3, vec![2]));

    let mut swapped = golden_stored(1, "manifest");
    let (a, b) = (swapped.memories[0].text.clone(), swapped.memories[1].text.clone());
    (swapped.memories[0].text, swapped.memories[1].text) = (b, a);
    assert_eq!(code(&log.version(swapped)), "E_COMMIT");
    let mut lacking = golden_stored(1, "manifest");
    lacking.memories.pop();
    assert_eq!(code(&log.version(lacking)), "E_COMMIT");
    let mut surplus = golden_stored(1, "manifest");
    surplus.memories.push(golden_stored(2, "manifest").memories[1].clone());
    assert_eq!(code(&log.version(surplus)), "E_COMMIT");
    // A lawful manifest of the same store under another version's number.
    let mut wrong = golden_stored(1, "manifest");
    wrong.sequence = 2;
    assert_eq!(code(&log.version(wrong)), "E_ROOT");
    let mut unknown = golden_stored(1, "manifest");
    unknown.sequence = 9;
    assert_eq!(code(&log.version(unknown)), "E_MISSING");
}

#[test]
fn golden_tiles_proofs_and_checkpoints_are_what_we_compute() {
    let mut log = Tree::default();
    golden_entries().iter().for_each(|entry| log.push(leaf_hash(entry)));
    for tile in Tile::grown(0, 300) {
        assert_eq!(log.tile(tile).unwrap(), bytes(&format!("golden/log/{}", tile.path())), "{}", tile.path());
    }
    for size in [1_u64, 21, 255, 256, 257, 300] {
        let note = Note::parse(&bytes(&format!("golden/checkpoints/{size}"))).unwrap();
        let verified = note.verify(&golden_tlog(), Age::Archive).unwrap();
        assert_eq!(verified.body().size, size);
        assert_eq!(verified.body().root, log.root_at(size).unwrap());
    }
    for (old, new) in [(21, 300), (255, 257)] {
        let proof = parse_consistency(&text(&format!("golden/consistency/{old}-{new}.proof"))).unwrap();
        assert_eq!(log.consistency_proof(old, new).unwrap(), proof);
        verify_consistency(old, &log.root_at(old).unwrap(), new, &log.root_at(new).unwrap(), &proof).unwrap();
    }
    let verified = golden_log();
    for (version, entry) in json("golden/index.json").as_array().unwrap().iter().zip(1..) {
        for (name, index) in version["logIndex"].as_object().unwrap() {
            let file = text(&format!("golden/versions/{entry}/{name}.tlog-proof"));
            let envelope = bytes(&format!("golden/versions/{entry}/{name}.dsse.json"));
            let proof = LogProof::parse(&file).unwrap();
            proof.verify(&envelope, &golden_tlog(), Age::Archive).unwrap();
            assert_eq!(proof.to_text(), file);
            assert_eq!(verified.proof(index.as_u64().unwrap()).unwrap().to_text(), file);
            // The same proof under another entry, or under a neighbouring index, proves nothing.
            let other = bytes(&format!("golden/versions/{}/{name}.dsse.json", entry % 4 + 1));
            assert!(proof.verify(&other, &golden_tlog(), Age::Archive).is_err());
            let moved = LogProof::parse(&file.replace(&format!("index {index}\n"), "index 299\n")).unwrap();
            assert!(moved.verify(&envelope, &golden_tlog(), Age::Archive).is_err());
        }
    }
}

#[test]
fn signing_golden_payloads_again_gives_the_same_bytes() {
    let seeds = test_keys();
    let keys: Vec<SigningKey> =
        seeds.values().map(|seed| SigningKey::dangerous_from_test_seed(seed).unwrap()).collect();
    for entry in golden_entries() {
        let envelope = Envelope::parse(&entry).unwrap();
        let value: Value = serde_json::from_slice(&entry).unwrap();
        let ids: Vec<&str> =
            value["signatures"].as_array().unwrap().iter().map(|s| s["keyid"].as_str().unwrap()).collect();
        let signers: Vec<&SigningKey> =
            keys.iter().filter(|key| ids.contains(&key.public().id().to_string().as_str())).collect();
        assert_eq!(signers.len(), ids.len());
        let again = Envelope::sign(envelope.dangerous_unverified_payload(), &signers).unwrap();
        assert_eq!(again.bytes(), entry);
    }
    let pae = Envelope::parse(&bytes("golden/versions/3/version.dsse.json")).unwrap().signed_bytes();
    assert_eq!(pae, bytes("golden/versions/3/version.pae"));

    let key = |name: &str| SigningKey::dangerous_from_test_seed(&seeds[name]).unwrap();
    let log = LogKey::log("memfw.example/logs/demo", key("log")).unwrap();
    assert_eq!(log.vkey().to_string(), text("golden/log.vkey").trim());
    for size in [1, 21, 255, 256, 257, 300] {
        let file = text(&format!("golden/checkpoints/{size}"));
        let note = Note::parse(file.as_bytes()).unwrap();
        let verified = note.verify(&golden_tlog(), Age::Archive).unwrap();
        let mut again = verified.body().sign(&log).unwrap();
        for n in 1..=2 {
            let name = format!("witness-{n}.example/w");
            let witness = LogKey::witness(&name, key(&format!("witness-{n}"))).unwrap();
            assert_eq!(witness.vkey().to_string(), text(&format!("golden/witness-{n}.vkey")).trim());
            again += &verified.body().cosign(&witness, verified.cosigned_at_s().unwrap()).unwrap();
        }
        assert_eq!(again, file);
    }
}

#[test]
fn golden_statements_read_and_print_to_the_same_bytes() {
    let trust = golden_trust();
    let mut history = memgate::ledger::History::new(trust.clone());
    golden_leaves().into_iter().for_each(|leaves| history.know_leaves(leaves));
    for entry in golden_entries() {
        let statement = history.push(&entry).unwrap().clone();
        let payload = statement.body.payload(&namespace(), &statement.subject).unwrap();
        let envelope = Envelope::parse(&entry).unwrap();
        assert_eq!(payload, envelope.dangerous_unverified_payload());
        assert_eq!(statement.id, envelope.statement_id());
    }
}

#[test]
fn commitments_in_the_golden_blobs_are_what_we_compute() {
    let salt = HEXLOWER.decode(text("golden/blobs/prefs__tone.salt.hex").trim().as_bytes()).unwrap();
    let salt = Salt::from_slice(&salt).unwrap();
    let content = salt.commit(memgate::ledger::Label::Content, &bytes("golden/blobs/prefs__tone.content"));
    assert!(text("golden/versions/1/manifest").contains(&content.hex()));
    assert!(format!("{salt:?}").len() < 12, "a salt prints nothing of itself");
}

#[test]
fn published_test_keys_are_refused_in_product_use() {
    for (name, seed) in test_keys() {
        let public = SigningKey::dangerous_from_test_seed(&seed).unwrap().public().clone();
        assert!(SigningKey::from_seed(&seed).is_err(), "{name}");
        assert!(PublicKey::enrol(public.bytes(), TestKeys::Refuse).is_err(), "{name}");
        assert!(PublicKey::enrol(public.bytes(), TestKeys::DangerouslyAllow).is_ok(), "{name}");
    }
    assert!(TrustPolicy::parse(&bytes("golden/policy.json"), &namespace(), TestKeys::Refuse).is_err());
    assert!(TlogPolicy::parse(&text("golden/tlog.policy"), TestKeys::Refuse).is_err());
}

#[test]
fn key_files_are_standard_pem() {
    let seed = &test_keys()["alice"];
    let alice = SigningKey::dangerous_from_test_seed(seed).unwrap();
    assert_eq!(alice.public().to_pem(), text("golden/pem/alice.pub.pem"));
    let key = SigningKey::from_seed(&[42; 32]).unwrap();
    let pem = key.to_pkcs8_pem();
    assert_eq!(SigningKey::from_pkcs8_pem(&pem).unwrap().public(), key.public());
    assert!(SigningKey::from_pkcs8_pem(&alice.to_pkcs8_pem()).is_err(), "a published key in a file is refused");
    for at in 0..pem.len() {
        let mut broken = pem.as_bytes().to_vec();
        broken[at] ^= 1;
        if let Some(read) = String::from_utf8(broken).ok().and_then(|text| SigningKey::from_pkcs8_pem(&text).ok()) {
            assert_ne!(read.public(), key.public(), "byte {at}");
        }
    }
    assert!(!format!("{key:?}").contains("2a2a"));
}

#[test]
fn the_signed_note_example_of_the_specification_verifies() {
    let vkey = VKey::parse(text("c2sp-signed-note.vkey").trim(), TestKeys::Refuse).unwrap();
    assert_eq!(vkey.to_string(), text("c2sp-signed-note.vkey").trim());
    let note = text("c2sp-signed-note.txt");
    let (body, signature) = note.split_once("\n\n").unwrap();
    let signature = BASE64.decode(signature.trim_end().rsplit(' ').next().unwrap().as_bytes()).unwrap();
    let message = format!("{body}\n");
    assert!(vkey.key().verifies(message.as_bytes(), &signature[4..]));
    assert!(!vkey.key().verifies(body.as_bytes(), &signature[4..]));
    // It is a note, but not a checkpoint.
    assert_eq!(code(&Note::parse(note.as_bytes())), "E_FORMAT");
}

/// The golden policy with one change.
fn policy_with(change: impl FnOnce(&mut BTreeMap<String, Canonical>)) -> Result<TrustPolicy, LedgerError> {
    let Canonical::Map(mut members) = parse_canonical(&bytes("golden/policy.json")).unwrap() else { panic!() };
    change(&mut members);
    let bytes = Canonical::Map(members).to_bytes().unwrap();
    TrustPolicy::parse(&bytes, &namespace(), TestKeys::DangerouslyAllow)
}
fn inside<'a>(members: &'a mut BTreeMap<String, Canonical>, path: &[&str]) -> &'a mut Canonical {
    let mut value = members.get_mut(path[0]).unwrap();
    for name in &path[1..] {
        let Canonical::Map(inner) = value else { panic!() };
        value = inner.get_mut(*name).unwrap();
    }
    value
}

#[test]
fn a_policy_that_bends_the_rules_on_keys_is_refused() {
    assert!(policy_with(|_| {}).is_ok());
    let first =
        |members: &mut BTreeMap<String, Canonical>, path: &[&str]| inside(members, path).as_list().unwrap()[0].clone();
    let refused: Vec<(&str, Result<TrustPolicy, LedgerError>)> = vec![
        (
            "a key of two people",
            policy_with(|m| {
                let key = first(m, &["principals", "alice", "keys"]);
                *inside(m, &["principals", "bob", "keys"]) = Canonical::List(vec![key]);
            }),
        ),
        (
            "a gate that reviews",
            policy_with(|m| {
                let key = first(m, &["principals", "alice", "keys"]);
                *inside(m, &["gates"]) = Canonical::List(vec![key]);
            }),
        ),
        (
            "a gate that releases",
            policy_with(|m| {
                let key = first(m, &["gates"]);
                *inside(m, &["versionSigners", "keys"]) = Canonical::List(vec![key]);
            }),
        ),
        ("a threshold of none", policy_with(|m| *inside(m, &["approvals", "advance"]) = Canonical::Int(0))),
        ("a threshold nobody can meet", policy_with(|m| *inside(m, &["approvals", "advance"]) = Canonical::Int(4))),
        ("no version signer needed", policy_with(|m| *inside(m, &["versionSigners", "threshold"]) = Canonical::Int(0))),
        ("more signers than keys", policy_with(|m| *inside(m, &["versionSigners", "threshold"]) = Canonical::Int(2))),
        (
            "an unknown member",
            policy_with(|m| {
                m.insert("more".into(), Canonical::Null);
            }),
        ),
        (
            "a missing member",
            policy_with(|m| {
                m.remove("gates");
            }),
        ),
        (
            "a key id that names another key",
            policy_with(|m| {
                let Canonical::Map(keys) = inside(m, &["keys"]) else { panic!() };
                let names: Vec<String> = keys.keys().cloned().collect();
                let value = keys[&names[1]].clone();
                keys.insert(names[0].clone(), value);
            }),
        ),
        (
            "a role nobody knows",
            policy_with(|m| {
                *inside(m, &["principals", "bob", "roles"]) = Canonical::List(vec![Canonical::text("admin")]);
            }),
        ),
        (
            "overlapping history",
            policy_with(|m| {
                let item = |from, to| {
                    Canonical::map([
                        ("fromSequence", Canonical::Int(from)),
                        ("policy", Canonical::text("0".repeat(64))),
                        ("toSequence", Canonical::Int(to)),
                    ])
                };
                m.insert("history".into(), Canonical::List(vec![item(1, 3), item(3, 4)]));
            }),
        ),
    ];
    for (what, result) in refused {
        assert!(result.is_err(), "{what}");
    }
    // A log key that also signs statements: the same bytes under another name.
    let gate = TrustPolicy::parse(&bytes("golden/policy.json"), &namespace(), TestKeys::DangerouslyAllow).unwrap();
    let log =
        LogKey::log("x.example/log", SigningKey::dangerous_from_test_seed(&test_keys()["gate"]).unwrap()).unwrap();
    let tlog = TlogPolicy::unwitnessed(log.vkey().clone());
    assert!(Trust::new(namespace(), gate, Vec::new(), tlog).is_err());
}

#[test]
fn a_log_policy_that_bends_the_rules_is_refused() {
    let good = text("golden/tlog.policy");
    let parse = |text: &str| TlogPolicy::parse(text, TestKeys::DangerouslyAllow);
    assert!(parse(&good).is_ok());
    for (what, changed) in [
        ("no quorum line", good.replace("quorum q\n", "")),
        ("no log", good.lines().skip(1).map(|line| format!("{line}\n")).collect()),
        ("an impossible group", good.replace("group q 2", "group q 4")),
        ("a group of none", good.replace("group q 2", "group q 0")),
        ("a member twice", good.replace("w1 w2 w3", "w1 w1 w3")),
        ("an unknown member", good.replace("w1 w2 w3", "w1 w2 w9")),
        ("a group before its members", good.replace("quorum q", "quorum r")),
        ("one witness under two names", {
            let line = good.lines().find(|line| line.starts_with("witness w1")).unwrap();
            format!("{}\n{good}", line.replace("w1 ", "w0 "))
        }),
        ("a wrong key id", good.replace("+40d5e12e+", "+40d5e12f+")),
        ("an unknown word", format!("{good}allow all\n")),
    ] {
        assert_ne!(changed, good, "{what}");
        assert!(parse(&changed).is_err(), "{what}");
    }
}

#[test]
fn a_flipped_bit_anywhere_in_the_evidence_is_refused() {
    let entries = golden_entries();
    let trust = golden_trust();
    let note = text("golden/log/checkpoint");
    // Each of the first 21 entries, one flipped bit each at a stride: the tree alone must notice.
    for index in 0..21 {
        let mut changed = entries.clone();
        let at = (index * 131) % changed[index].len();
        changed[index][at] ^= 1 << (index % 8);
        let result = VerifiedLog::verify(changed.iter().map(Vec::as_slice), &note, &trust, Age::Archive, []);
        assert_eq!(code(&result), "E_FORK");
        assert!(Envelope::parse(&changed[index]).map_or(true, |e| e.verify(|id| trust.key(id)).is_err()));
    }
    let missing = VerifiedLog::verify(entries[1..].iter().map(Vec::as_slice), &note, &trust, Age::Archive, []);
    assert_eq!(code(&missing), "E_SHRINK");
    let root = tree::root_of(entries.iter().map(|entry| leaf_hash(entry)));
    assert_eq!(Note::parse(note.as_bytes()).unwrap().dangerous_unverified_body().root, root);
}
