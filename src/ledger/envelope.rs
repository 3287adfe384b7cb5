//! DSSE envelopes: what is signed, by whom, in the one byte form the log takes.

use data_encoding::BASE64;

use super::{KeyId, LedgerError, PublicKey, SigningKey};
use crate::domain::Digest;
use crate::domain::canonical::{Value, parse_canonical};

/// The payload type of every statement.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// The most bytes an envelope may have: the tile format's length field.
pub const MAX_ENVELOPE: usize = 65_535;

/// DSSE pre-authentication encoding: the bytes a signature covers. Source: DSSE v1.0.2, protocol.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    out.extend_from_slice(payload);
    out
}

/// A well-formed envelope whose signatures nobody has checked yet.
///
/// Shape: canonical JSON, members exactly `payload`, `payloadType`, `signatures`; signatures ascend by key id.
/// The payload is reachable only through [`Envelope::verify`].
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope {
    bytes: Vec<u8>,
    payload_type: String,
    payload: Vec<u8>,
    signatures: Vec<(KeyId, [u8; 64])>,
}

impl std::fmt::Debug for Envelope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Envelope({} bytes, {})", self.bytes.len(), self.statement_id().short())
    }
}

/// A payload under which every signature verified, and who signed it.
#[derive(Debug)]
pub struct VerifiedPayload<'a> {
    payload: &'a [u8],
    signers: Vec<KeyId>,
}

impl VerifiedPayload<'_> {
    /// The very bytes that were verified.
    pub const fn bytes(&self) -> &[u8] {
        self.payload
    }
    /// The keys, ascending; never empty.
    pub fn signers(&self) -> &[KeyId] {
        &self.signers
    }
}

impl Envelope {
    /// Reads an envelope in its one form.
    ///
    /// Errors: refused, [`LedgerError::Envelope`].
    pub fn parse(bytes: &[u8]) -> Result<Self, LedgerError> {
        let refuse = |why| LedgerError::Envelope { why };
        if bytes.len() > MAX_ENVELOPE {
            return Err(refuse("more than 65535 bytes"));
        }
        let value = parse_canonical(bytes).map_err(|_| refuse("not canonical JSON"))?;
        let members = value.as_map().filter(|m| m.len() == 3).ok_or_else(|| refuse("not the three members"))?;
        let text = |name: &str| members.get(name).and_then(Value::as_text);
        let payload = text("payload").ok_or_else(|| refuse("no payload"))?;
        let payload = BASE64.decode(payload.as_bytes()).map_err(|_| refuse("payload is not canonical base64"))?;
        let payload_type = text("payloadType").ok_or_else(|| refuse("no payload type"))?.to_owned();
        let list = members.get("signatures").and_then(Value::as_list).ok_or_else(|| refuse("no signatures"))?;
        let mut signatures: Vec<(KeyId, [u8; 64])> = Vec::with_capacity(list.len());
        for item in list {
            let item = item.as_map().filter(|m| m.len() == 2).ok_or_else(|| refuse("malformed signature"))?;
            let text = |name: &str| item.get(name).and_then(Value::as_text);
            let id: KeyId = text("keyid").and_then(|t| t.parse().ok()).ok_or_else(|| refuse("malformed key id"))?;
            let signature = text("sig").and_then(|t| BASE64.decode(t.as_bytes()).ok());
            let signature = signature.and_then(|s| s.try_into().ok()).ok_or_else(|| refuse("malformed signature"))?;
            if signatures.last().is_some_and(|(last, _)| *last >= id) {
                return Err(refuse("key ids are not ascending and unique"));
            }
            signatures.push((id, signature));
        }
        if signatures.is_empty() {
            return Err(refuse("no signature"));
        }
        Ok(Self { bytes: bytes.to_vec(), payload_type, payload, signatures })
    }
    /// Signs a statement with one or more keys.
    ///
    /// Errors: refused, when a key is given twice, a signature fails, or the envelope gets too large.
    pub fn sign(payload: &[u8], keys: &[&SigningKey]) -> Result<Self, LedgerError> {
        let message = pae(PAYLOAD_TYPE, payload);
        let mut signatures = Vec::new();
        for key in keys {
            signatures.push((key.public().id(), key.sign(&message)?));
        }
        signatures.sort_by_key(|(id, _)| *id);
        let list = signatures.iter().map(|(id, signature)| {
            Value::map([("keyid", Value::text(id.to_string())), ("sig", Value::text(BASE64.encode(signature)))])
        });
        let value = Value::map([
            ("payload", Value::text(BASE64.encode(payload))),
            ("payloadType", Value::text(PAYLOAD_TYPE)),
            ("signatures", Value::List(list.collect())),
        ]);
        Self::parse(&value.to_bytes().map_err(LedgerError::Json)?)
    }
    /// Checks the payload type and **every** signature under the key its id names.
    ///
    /// Errors: refused: [`LedgerError::Type`], [`LedgerError::Signature`].
    pub fn verify<'k>(
        &self,
        key_of: impl Fn(&KeyId) -> Option<&'k PublicKey>,
    ) -> Result<VerifiedPayload<'_>, LedgerError> {
        if self.payload_type != PAYLOAD_TYPE {
            return Err(LedgerError::Type { what: "payloadType" });
        }
        let message = pae(&self.payload_type, &self.payload);
        for (id, signature) in &self.signatures {
            let key = key_of(id).ok_or(LedgerError::Signature { why: "by an unknown key" })?;
            if !key.verifies(&message, signature) {
                return Err(LedgerError::Signature { why: "does not verify" });
            }
        }
        let signers = self.signatures.iter().map(|(id, _)| *id).collect();
        Ok(VerifiedPayload { payload: &self.payload, signers })
    }
    /// The log entry: the exact bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
    /// SHA-256 of the payload, by which statements refer to each other.
    pub fn statement_id(&self) -> Digest {
        Digest::of(&self.payload)
    }
    /// The bytes the signatures cover.
    pub fn signed_bytes(&self) -> Vec<u8> {
        pae(&self.payload_type, &self.payload)
    }
    /// The payload before any signature was checked. For tools that show evidence, never to act on.
    pub fn dangerous_unverified_payload(&self) -> &[u8] {
        &self.payload
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_changed_byte_is_refused(at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let key = SigningKey::from_seed(&[9; 32]).unwrap();
            let envelope = Envelope::sign(br#"{"a":"EXAMPLE"}"#, &[&key]).unwrap();
            let known = |id: &KeyId| (*id == key.public().id()).then_some(key.public());
            prop_assert!(envelope.verify(known).is_ok());
            let mut bytes = envelope.bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let refused = Envelope::parse(&bytes).and_then(|e| e.verify(known).map(|_| ())).is_err();
            prop_assert!(refused);
        }
    }
}
