//! Private keys at rest: under a passphrase they open with it alone, and the keys stay the same.

use std::path::Path;
use std::sync::Arc;

use memgate::auditor;
use memgate::domain::Coded as _;
use memgate::firewall::{Env, Firewall, FirewallError, InitRequest, Outside, Passphrase};
use memgate::gate::policy::DEFAULT_POLICY;
use zeroize::Zeroizing;

use crate::common::{at, dream, memories};

fn env(passphrase: Option<&'static str>, hours: i64) -> Env {
    let ask = |text: &'static str| Passphrase(Arc::new(move || Ok(Zeroizing::new(text.to_owned()))));
    let outside = Outside { passphrase: passphrase.map(ask), ..Outside::default() };
    Env { outside, ..Env::dangerous_fixed(at(hours)) }
}

fn init(data: &Path, encrypt: bool) -> Result<Firewall, FirewallError> {
    let request = InitRequest {
        store: "main".to_owned(),
        operator: "ops".into(),
        reviewers: vec!["ana".into()],
        policy: DEFAULT_POLICY.to_owned(),
    };
    let mut env = env(encrypt.then_some("EXAMPLE first"), 0);
    env.outside.encrypt = encrypt;
    Firewall::init(data, request, env)
}

#[test]
fn encrypted_keys_open_with_their_passphrase_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut firewall = init(&data, true).unwrap();
    dream(&mut firewall, Some(memories(&[("a.md", "# A\n\nTea is green.\n")])), vec![]);
    firewall.close().unwrap();
    assert_eq!(Firewall::encrypted_keys(&data).unwrap(), (6, 6));
    for entry in std::fs::read_dir(data.join("keys")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), "{text}");
    }
    // Reading and verifying need no key.
    assert!(auditor::verify(&data, None, at(1)).unwrap().is_good());
    assert_eq!(Firewall::open_read(&data, env(None, 1)).unwrap().versions().unwrap().len(), 1);
    for wrong in [None, Some("EXAMPLE second"), Some("")] {
        assert_eq!(Firewall::open(&data, env(wrong, 1)).map(drop).unwrap_err().code(), "firewall-locked");
    }
    let failing = || -> std::io::Result<Zeroizing<String>> { Err(std::io::Error::other("nobody there")) };
    let outside = Outside { passphrase: Some(Passphrase(Arc::new(failing))), ..Outside::default() };
    let refused = Firewall::open(&data, Env { outside, ..Env::dangerous_fixed(at(1)) }).map(drop);
    assert_eq!(refused.unwrap_err().code(), "firewall-passphrase");
    Firewall::open(&data, env(Some("EXAMPLE first"), 2)).unwrap().close().unwrap();
    assert!(auditor::verify(&data, None, at(3)).unwrap().is_good());
}

#[test]
fn rekeying_keeps_the_keys_and_a_refusal_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    init(&data, false).unwrap().close().unwrap();
    let plain = crate::common::bytes(&data.join("keys"));
    let policy = std::fs::read(data.join("trust/policy.json")).unwrap();
    assert_eq!(Firewall::rekey(&data, Some("EXAMPLE first"), env(None, 1)).unwrap(), 6);
    let first = crate::common::bytes(&data.join("keys"));
    // A wrong passphrase: not one file is written.
    assert_eq!(Firewall::rekey(&data, None, env(Some("EXAMPLE other"), 2)).unwrap_err().code(), "firewall-locked");
    assert_eq!(crate::common::bytes(&data.join("keys")), first);
    Firewall::rekey(&data, Some("EXAMPLE second"), env(Some("EXAMPLE first"), 3)).unwrap();
    assert!(Firewall::open(&data, env(Some("EXAMPLE first"), 4)).is_err());
    assert!(auditor::verify(&data, None, at(4)).unwrap().is_good());
    Firewall::rekey(&data, None, env(Some("EXAMPLE second"), 5)).unwrap();
    assert_eq!(crate::common::bytes(&data.join("keys")), plain, "the keys are the same");
    assert_eq!(std::fs::read(data.join("trust/policy.json")).unwrap(), policy);
    // A folder that somebody changed is not sealed again on the way.
    std::fs::write(data.join("trust/policy.json"), b"{}").unwrap();
    assert!(Firewall::rekey(&data, Some("EXAMPLE first"), env(None, 6)).is_err());
    assert_eq!(crate::common::bytes(&data.join("keys")), plain);
}
