//! The trust root: the one small file a verifier gets by other means than the evidence.

use super::{LedgerError, Namespace, TestKeys, TlogPolicy, Trust, TrustPolicy};
use crate::domain::canonical::{Value, parse_canonical};
use crate::domain::{Digest, StoreName};

/// Names exactly one pair of trust files by their digests, and with them every key that counts.
///
/// Shape: canonical JSON `{"log":{"origin","policy"},"policy","schema","store"}`; both `policy` members are the SHA-256
/// of a file in lower-case hex: `trust/tlog.policy` and `trust/policy.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustRoot {
    /// The store.
    pub store: StoreName,
    /// Name of its log.
    pub origin: String,
    /// SHA-256 of `policy.json`.
    pub policy: Digest,
    /// SHA-256 of `tlog.policy`.
    pub tlog: Digest,
}

impl TrustRoot {
    /// The root of these trust files.
    ///
    /// Errors: refused, when they do not check.
    pub fn of(policy: &[u8], tlog: &[u8], namespace: &Namespace) -> Result<Self, LedgerError> {
        let trust = read(policy, tlog, namespace)?;
        let (store, origin) = (trust.policy().store().clone(), trust.tlog().origin().to_owned());
        Ok(Self { store, origin, policy: Digest::of(policy), tlog: Digest::of(tlog) })
    }
    /// The file's bytes, with a line feed at the end.
    ///
    /// Errors: refused, when a name cannot stand in canonical JSON.
    pub fn to_bytes(&self, namespace: &Namespace) -> Result<Vec<u8>, LedgerError> {
        let log = Value::map([("origin", Value::text(self.origin.as_str())), ("policy", Value::text(self.tlog.hex()))]);
        let value = Value::map([
            ("log", log),
            ("policy", Value::text(self.policy.hex())),
            ("schema", Value::text(schema(namespace))),
            ("store", Value::text(self.store.as_str())),
        ]);
        let mut bytes = value.to_bytes().map_err(LedgerError::Json)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
    /// Reads the file; one line feed at the end may be missing.
    ///
    /// Errors: refused, [`LedgerError::Format`].
    pub fn parse(bytes: &[u8], namespace: &Namespace) -> Result<Self, LedgerError> {
        let refuse = |why| LedgerError::Format { what: "trust root", why };
        let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let value = parse_canonical(body).map_err(|_| refuse("not canonical JSON"))?;
        let members = value.as_map().filter(|members| members.len() == 4);
        let members = members.ok_or_else(|| refuse("not exactly its four members"))?;
        let text = |members: &std::collections::BTreeMap<String, Value>, name: &str| {
            members.get(name).and_then(Value::as_text).map(str::to_owned)
        };
        let digest = |found: Option<String>| found.and_then(|hex| hex.parse::<Digest>().ok());
        if text(members, "schema") != Some(schema(namespace)) {
            return Err(refuse("another schema"));
        }
        let log = members.get("log").and_then(Value::as_map).filter(|log| log.len() == 2);
        let log = log.ok_or_else(|| refuse("log is not an origin and a policy"))?;
        Ok(Self {
            store: StoreName::new(text(members, "store").ok_or_else(|| refuse("no store"))?),
            origin: text(log, "origin").ok_or_else(|| refuse("no log origin"))?,
            policy: digest(text(members, "policy")).ok_or_else(|| refuse("policy is not a SHA-256"))?,
            tlog: digest(text(log, "policy")).ok_or_else(|| refuse("the log's policy is not a SHA-256"))?,
        })
    }
    /// The trust that follows from this root and files that came with the evidence.
    ///
    /// Errors: refused: [`LedgerError::OtherTrust`] for a file that is not the one named here, and what reading it says.
    pub fn admit(&self, policy: &[u8], tlog: &[u8], namespace: &Namespace) -> Result<Trust, LedgerError> {
        if Digest::of(policy) != self.policy {
            return Err(LedgerError::OtherTrust { file: "trust/policy.json" });
        }
        if Digest::of(tlog) != self.tlog {
            return Err(LedgerError::OtherTrust { file: "trust/tlog.policy" });
        }
        let trust = read(policy, tlog, namespace)?;
        if *trust.policy().store() != self.store {
            return Err(LedgerError::OtherTrust { file: "trust/policy.json" });
        }
        if trust.tlog().origin() != self.origin {
            return Err(LedgerError::Origin);
        }
        Ok(trust)
    }
}

fn schema(namespace: &Namespace) -> String {
    namespace.root_schema()
}

fn read(policy: &[u8], tlog: &[u8], namespace: &Namespace) -> Result<Trust, LedgerError> {
    let policy = TrustPolicy::parse(policy, namespace, TestKeys::Refuse)?;
    let text = std::str::from_utf8(tlog).map_err(|_| LedgerError::Policy { why: "tlog.policy is not UTF-8" })?;
    Trust::new(namespace.clone(), policy, Vec::new(), TlogPolicy::parse(text, TestKeys::Refuse)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> TrustRoot {
        let namespace = Namespace::product();
        TrustRoot {
            store: namespace.store("t"),
            origin: namespace.log_origin("t"),
            policy: Digest::of(b"p"),
            tlog: Digest::of(b"t"),
        }
    }

    #[test]
    fn a_root_reads_back_and_no_other_form_does() {
        let namespace = Namespace::product();
        let bytes = root().to_bytes(&namespace).unwrap();
        assert_eq!(TrustRoot::parse(&bytes, &namespace).unwrap(), root());
        let text = String::from_utf8(bytes.clone()).unwrap();
        for bad in [
            text.replace("\"log\"", "\"lag\""),
            text.replace("trust-root/v1", "trust-root/v2"),
            text.replace(',', ", "),
            format!("{text}\n"),
            text.replace("\"origin\"", "\"0rigin\""),
            text.replace(&root().policy.hex(), &root().policy.hex().to_uppercase()),
            text.replace("\"store\"", "\"extra\":1,\"store\""),
        ] {
            assert_ne!(bad, text);
            assert!(TrustRoot::parse(bad.as_bytes(), &namespace).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_the_named_files_are_admitted() {
        let refused = root().admit(b"other", b"t", &Namespace::product()).unwrap_err();
        assert!(matches!(refused, LedgerError::OtherTrust { file: "trust/policy.json" }), "{refused}");
        let refused = root().admit(b"p", b"other", &Namespace::product()).unwrap_err();
        assert!(matches!(refused, LedgerError::OtherTrust { file: "trust/tlog.policy" }), "{refused}");
    }
}
