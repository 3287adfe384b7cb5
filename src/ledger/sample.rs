//! A chain of versions made from given keys, for benchmarks and fuzzing: evidence only, no content.
//!
//! It goes through no gate, so it yields bytes and never a `SignedVersion`.

use std::collections::BTreeMap;

use super::statement::{Approval, Body, Proposal, Subject, Verdict, VersionStatement};
use super::{
    Action, Approvals, Common, Envelope, LedgerError, LogKey, Namespace, PolicyParts, Principal, Role, SigningKey,
    TestKeys, TlogPolicy, Trust, TrustPolicy,
};
use crate::domain::{Digest, PrincipalId, Timestamp};

/// Six seeds: proposer, two reviewers, gate, version signer, log.
pub type Seeds = [[u8; 32]; 6];

/// Trust and log entries of a chain of `versions` versions with two approvals each.
///
/// Errors: refused, when a seed is a published test seed.
pub fn chain(versions: u64, seeds: &Seeds) -> Result<(Trust, Vec<Vec<u8>>), LedgerError> {
    let [proposer, ana, ben, gate, signer, log] = seeds;
    let key = SigningKey::from_seed;
    let (proposer, ana, ben, gate, signer) = (key(proposer)?, key(ana)?, key(ben)?, key(gate)?, key(signer)?);
    let namespace = Namespace::product();
    let person = |name: &str, key: &SigningKey, role| {
        (PrincipalId::from(name), Principal { keys: vec![key.public().id()], roles: vec![role] })
    };
    let parts = PolicyParts {
        store: namespace.store("sample"),
        keys: [&proposer, &ana, &ben, &gate, &signer].into_iter().map(|key| key.public().clone()).collect(),
        principals: BTreeMap::from([
            person("agent", &proposer, Role::Proposer),
            person("ana", &ana, Role::Reviewer),
            person("ben", &ben, Role::Reviewer),
        ]),
        gates: vec![gate.public().id()],
        version_signers: (vec![signer.public().id()], 1),
        approvals: Approvals { genesis: 2, advance: 2, rollback: 2, erase: 2 },
        retired: BTreeMap::new(),
        history: Vec::new(),
    };
    let policy = TrustPolicy::parse(&parts.to_bytes(&namespace, TestKeys::Refuse)?, &namespace, TestKeys::Refuse)?;
    let log = LogKey::log(&namespace.log_origin("sample"), key(log)?)?;
    let (digest, store) = (*policy.digest(), policy.store().clone());
    let trust = Trust::new(namespace.clone(), policy, Vec::new(), TlogPolicy::unwitnessed(log.vkey().clone()))?;

    let now = Timestamp::from_seconds(1_800_000_000);
    let mut entries = Vec::new();
    let mut parent = None;
    for sequence in 1..=versions {
        let action = if sequence == 1 { Action::Genesis } else { Action::Advance };
        let root = Digest::of(sequence.to_be_bytes());
        let common = Common { store: store.clone(), sequence, parent, action, root, size: 1, policy: digest };
        let subject = common.subject();
        let mut sign = |body: Body, key: &SigningKey| -> Result<Digest, LedgerError> {
            let envelope = sign_one(&body, &namespace, &subject, key)?;
            entries.push(envelope.bytes().to_vec());
            Ok(envelope.statement_id())
        };
        let agent = PrincipalId::from("agent");
        let body = Proposal { common: common.clone(), restores: None, proposer: agent, proposed_at: now };
        let proposal = sign(Body::Proposal(body), &proposer)?;
        let mut approvals = Vec::new();
        for (name, key) in [("ana", &ana), ("ben", &ben)] {
            let body = Approval {
                common: common.clone(),
                proposal,
                reviewer: PrincipalId::from(name),
                approve: true,
                reviewed_at: now,
                expires_at: now,
                notes: None,
            };
            approvals.push(sign(Body::Approval(body), key)?);
        }
        approvals.sort_unstable();
        let levels = Vec::new();
        let body = Verdict { proposal, policy: digest, passed: true, levels, verified_at: now };
        let verdict = sign(Body::Verdict(body), &gate)?;
        let body = VersionStatement { common, restores: None, proposal, approvals, verdict, created_at: now };
        parent = Some(sign(Body::Version(body), &signer)?);
    }
    Ok((trust, entries))
}

fn sign_one(body: &Body, namespace: &Namespace, subject: &Subject, key: &SigningKey) -> Result<Envelope, LedgerError> {
    Envelope::sign(&body.payload(namespace, subject)?, &[key])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_chain_verifies_and_stops_at_a_missing_entry() {
        let seeds = [31, 32, 33, 34, 35, 36].map(|n| [n; 32]);
        let (trust, mut entries) = chain(3, &seeds).unwrap();
        let verify = |entries: &[Vec<u8>]| crate::ledger::verify_history(entries.iter().map(Vec::as_slice), &trust, []);
        assert_eq!(verify(&entries).unwrap().len(), 3);
        entries.remove(6);
        assert_eq!(verify(&entries).unwrap_err().vector_code(), Some("E_MISSING"));
    }
}
