//! Signed bytes: one form each, and a changed byte is always noticed.

use memgate::domain::canonical::parse_canonical;
use memgate::ledger::{
    AddCheckpoint, Envelope, ForkEvidence, KeyId, LogProof, Manifest, Namespace, Note, SigningKey, TrustRoot,
};

/// The input as each signed format, then as a payload to sign.
pub fn body(data: &[u8]) {
    if data.len() > 16 * 1024 {
        return;
    }
    // Whatever is read prints back to the same bytes: there is no second form of anything.
    if let Ok(value) = parse_canonical(data) {
        assert_eq!(value.to_bytes().ok().as_deref(), Some(data), "a second form of canonical JSON");
    }
    if let Ok(envelope) = Envelope::parse(data) {
        assert_eq!(envelope.bytes(), data, "a second form of an envelope");
        // No key is known, so nothing verifies.
        assert!(envelope.verify(|_| None).is_err(), "verified without a key");
    }
    if let Ok(manifest) = Manifest::parse(data) {
        assert_eq!(manifest.to_bytes(), data, "a second form of a manifest");
    }
    if let Ok(text) = std::str::from_utf8(data) {
        if let Ok(proof) = LogProof::parse(text) {
            assert_eq!(proof.to_text(), text, "a second form of a log proof");
        }
        if let Ok(request) = AddCheckpoint::parse(data) {
            assert_eq!(request.to_text(), text, "a second form of a request to a witness");
        }
        if let Ok(fork) = ForkEvidence::parse(text) {
            assert_eq!(fork.to_text(), text, "a second form of fork evidence");
        }
        let namespace = Namespace::product();
        if let Ok(root) = TrustRoot::parse(data, &namespace) {
            let printed = root.to_bytes(&namespace).expect("what was read can be written");
            assert_eq!(printed.strip_suffix(b"\n"), Some(data.strip_suffix(b"\n").unwrap_or(data)));
        }
        if let Ok(note) = Note::parse(data) {
            let printed = note.dangerous_unverified_body().text();
            assert!(text.starts_with(&printed), "a second form of a checkpoint");
        }
    }
    sign(data);
}

/// Signed, read back, verified; then with one byte changed.
fn sign(payload: &[u8]) {
    let Ok(key) = SigningKey::from_seed(&[9; 32]) else { return };
    let known = |id: &KeyId| (*id == key.public().id()).then_some(key.public());
    let Ok(envelope) = Envelope::sign(payload, &[&key]) else { return };
    let again = Envelope::parse(envelope.bytes()).expect("what was signed can be read");
    assert_eq!(again, envelope);
    assert_eq!(again.verify(known).expect("what was signed verifies").bytes(), payload);
    // Which bit is changed follows from the input, so the engine can steer it.
    let sum = payload.iter().fold(payload.len(), |sum, &byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
    let mut bytes = envelope.bytes().to_vec();
    let at = sum % bytes.len();
    bytes[at] ^= 1 << (sum / 7 % 8);
    let refused = Envelope::parse(&bytes).and_then(|changed| changed.verify(known).map(|_| ())).is_err();
    assert!(refused, "byte {at} was changed and nobody noticed");
}
