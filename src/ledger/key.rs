//! Ed25519 keys: enrolment rules, strict verification, sign-then-verify (RFC 8032).

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::{Signature, Signer as _, VerifyingKey};
use pkcs8::pkcs5::pbes2;
use zeroize::Zeroizing;

use super::{Envelope, LedgerError};
use crate::domain::Digest;
use crate::domain::canonical::{Value, parse_canonical};

/// Fixed DER in front of a seed: PKCS#8 `PrivateKeyInfo` for Ed25519. Source: RFC 8410, section 7.
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// Fixed DER in front of a public key: `SubjectPublicKeyInfo`. Source: RFC 8410, section 4.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

const ENCRYPTED_BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
const ENCRYPTED_END: &str = "-----END ENCRYPTED PRIVATE KEY-----";

/// True for a key file that needs a passphrase.
pub fn is_encrypted(pem: &str) -> bool {
    pem.starts_with(ENCRYPTED_BEGIN)
}

/// Name of a key: SHA-256 of its canonical TUF form. Text form: 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Digest);

impl KeyId {
    /// The digest.
    pub const fn digest(&self) -> &Digest {
        &self.0
    }
}
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key:{}", self.0.short())
    }
}
impl FromStr for KeyId {
    type Err = crate::domain::digest::BadDigest;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Whether keys whose seeds are published may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestKeys {
    /// They are refused: anybody can sign with them.
    Refuse,
    /// They are accepted. For checking published test evidence only.
    DangerouslyAllow,
}

/// A public key that passed the enrolment rules.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    key: VerifyingKey,
    id: KeyId,
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.id, f)
    }
}

impl PublicKey {
    /// Accepts a key under the enrolment rules: canonical encoding, not of small order, torsion-free,
    /// and (unless allowed) not one whose seed is published.
    ///
    /// Errors: refused, [`LedgerError::Key`].
    pub fn enrol(bytes: &[u8; 32], test_keys: TestKeys) -> Result<Self, LedgerError> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| LedgerError::Key { why: "not a curve point" })?;
        let point = key.to_edwards();
        // dalek decompresses non-canonical y too; two encodings of one key would be two key ids.
        if point.compress().to_bytes() != *bytes {
            return Err(LedgerError::Key { why: "not the canonical encoding" });
        }
        if key.is_weak() {
            return Err(LedgerError::Key { why: "of small order" });
        }
        // A mixed-order key makes verifiers with and without cofactor disagree.
        if !point.is_torsion_free() {
            return Err(LedgerError::Key { why: "not torsion-free" });
        }
        let id = key_id(bytes);
        if test_keys == TestKeys::Refuse && super::test_keys::is_published(&id) {
            return Err(LedgerError::Key { why: "a published test key" });
        }
        Ok(Self { key, id })
    }
    /// [`PublicKey::enrol`] from 64 hex digits.
    pub fn enrol_hex(hex: &str, test_keys: TestKeys) -> Result<Self, LedgerError> {
        let bytes = HEXLOWER.decode(hex.as_bytes()).map_err(|_| LedgerError::Key { why: "not lower-case hex" })?;
        let bytes = bytes.try_into().map_err(|_| LedgerError::Key { why: "not 32 bytes" })?;
        Self::enrol(&bytes, test_keys)
    }
    /// The key id.
    pub const fn id(&self) -> KeyId {
        self.id
    }
    /// The 32 bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }
    /// 64 hex digits.
    pub fn hex(&self) -> String {
        HEXLOWER.encode(self.bytes())
    }
    /// True only when the signature passes strict verification: `S < L`, `R` canonical and not of small
    /// order, no cofactor. Never batched: batch verification disagrees with single verification.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        verifies_strictly(&self.key, message, signature)
    }
    /// `SubjectPublicKeyInfo` in PEM, as OpenSSL reads it.
    pub fn to_pem(&self) -> String {
        let mut der = SPKI_PREFIX.to_vec();
        der.extend_from_slice(self.bytes());
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", BASE64.encode(&der))
    }
}

/// Strict verification under 32 raw key bytes, without the enrolment rules.
///
/// Only for comparing with published edge cases; keys that decide anything are [`PublicKey`]s.
pub fn verify_strict_raw(key: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    VerifyingKey::from_bytes(key).is_ok_and(|key| verifies_strictly(&key, message, signature))
}

fn verifies_strictly(key: &VerifyingKey, message: &[u8], signature: &[u8]) -> bool {
    Signature::from_slice(signature).is_ok_and(|signature| key.verify_strict(message, &signature).is_ok())
}

/// The TUF key id: SHA-256 of the canonical `{"keytype":…,"keyval":…,"scheme":…}`.
fn key_id(bytes: &[u8; 32]) -> KeyId {
    KeyId(Digest::of(format!(
        r#"{{"keytype":"ed25519","keyval":{{"public":"{}"}},"scheme":"ed25519"}}"#,
        HEXLOWER.encode(bytes)
    )))
}

/// A private key. Wiped on drop; has no `Clone`, `Serialize` or revealing `Debug`.
pub struct SigningKey {
    key: ed25519_dalek::SigningKey,
    public: PublicKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?})", self.public)
    }
}

impl SigningKey {
    /// From 32 bytes of the operating system's generator, passed in.
    ///
    /// Errors: refused, when the seed is a published test seed.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, LedgerError> {
        Self::from_seed_under(seed, TestKeys::Refuse)
    }
    /// From a published test seed: such a key protects nothing.
    pub fn dangerous_from_test_seed(seed: &[u8; 32]) -> Result<Self, LedgerError> {
        Self::from_seed_under(seed, TestKeys::DangerouslyAllow)
    }
    fn from_seed_under(seed: &[u8; 32], test_keys: TestKeys) -> Result<Self, LedgerError> {
        let key = ed25519_dalek::SigningKey::from_bytes(seed);
        let public = PublicKey::enrol(key.verifying_key().as_bytes(), test_keys)?;
        Ok(Self { key, public })
    }
    /// The public half.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }
    /// Signs, verifies the result strictly, and only then lets it go: a faulty processor's wrong
    /// signature can give the key away.
    ///
    /// Errors: refused, when the fresh signature does not verify.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; 64], LedgerError> {
        let signature = self.key.sign(message).to_bytes();
        if self.public.verifies(message, &signature) {
            Ok(signature)
        } else {
            Err(LedgerError::Signature { why: "a fresh signature did not verify; do not trust this machine" })
        }
    }
    /// PKCS#8 in PEM, unencrypted, as OpenSSL reads it. For owner-only files.
    pub fn to_pkcs8_pem(&self) -> Zeroizing<String> {
        let der = self.to_der();
        let body = Zeroizing::new(BASE64.encode(der.as_slice()));
        Zeroizing::new(format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", body.as_str()))
    }
    /// Reads what [`SigningKey::to_pkcs8_pem`] or `openssl genpkey -algorithm ed25519` writes.
    ///
    /// Errors: refused, [`LedgerError::Key`].
    pub fn from_pkcs8_pem(pem: &str) -> Result<Self, LedgerError> {
        let bad = |why| LedgerError::Key { why };
        let body = pem
            .trim_end_matches(['\n', '\r'])
            .strip_prefix("-----BEGIN PRIVATE KEY-----")
            .and_then(|rest| rest.strip_suffix("-----END PRIVATE KEY-----"))
            .ok_or_else(|| bad("not an unencrypted PKCS#8 PEM file"))?;
        let body = Zeroizing::new(body.chars().filter(|c| !matches!(c, '\n' | '\r')).collect::<String>());
        let der = Zeroizing::new(BASE64.decode(body.as_bytes()).map_err(|_| bad("not base64"))?);
        Self::from_der(&der)
    }
    /// PKCS#8 in PEM, encrypted with a passphrase: PBES2 with scrypt (N = 16384, r = 8, p = 1) and AES-256-CBC, which
    /// OpenSSL opens. `random` is fresh for every call: salt and initialisation vector.
    ///
    /// Errors: refused, [`LedgerError::Key`]. Cost: about 60 milliseconds and 16 MiB. Source: RFC 5958, RFC 8018, RFC 7914.
    pub fn to_encrypted_pem(&self, passphrase: &[u8], random: &[u8; 32]) -> Result<Zeroizing<String>, LedgerError> {
        let bad = LedgerError::Key { why: "could not be encrypted" };
        let (salt, iv) = random.split_at(16);
        let (Ok(params), Ok(iv)) = (scrypt::Params::new(14, 8, 1), iv.try_into()) else { return Err(bad) };
        let der = self.to_der();
        let encrypted = pbes2::Parameters::generate_scrypt_aes256cbc(params, salt, iv).ok().and_then(|params| {
            let info = pkcs8::PrivateKeyInfoRef::try_from(der.as_slice()).ok()?;
            info.encrypt_with_params(params, passphrase).ok()
        });
        let body = BASE64.encode(encrypted.ok_or(bad)?.as_bytes());
        let mut pem = Zeroizing::new(format!("{ENCRYPTED_BEGIN}\n"));
        for line in body.as_bytes().chunks(64) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem.push_str(ENCRYPTED_END);
        pem.push('\n');
        Ok(pem)
    }
    /// Reads what [`SigningKey::to_encrypted_pem`] or `openssl pkcs8 -topk8` writes.
    ///
    /// Errors: refused, [`LedgerError::Key`]: a wrong passphrase and a damaged file look the same.
    pub fn from_encrypted_pem(pem: &str, passphrase: &[u8]) -> Result<Self, LedgerError> {
        let bad = |why| LedgerError::Key { why };
        let body = pem
            .trim_end_matches(['\n', '\r'])
            .strip_prefix(ENCRYPTED_BEGIN)
            .and_then(|rest| rest.strip_suffix(ENCRYPTED_END))
            .ok_or_else(|| bad("not an encrypted PKCS#8 PEM file"))?;
        let body: String = body.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
        let der = BASE64.decode(body.as_bytes()).map_err(|_| bad("not base64"))?;
        let info = pkcs8::EncryptedPrivateKeyInfoRef::try_from(der.as_slice());
        let info = info.map_err(|_| bad("not an encrypted PKCS#8 file"))?;
        // What a file asks for before its passphrase is known must not cost more than a key is worth.
        let affordable = match &info.encryption_algorithm {
            pkcs8::pkcs5::EncryptionScheme::Pbes2(params) => match &params.kdf {
                pbes2::Kdf::Scrypt(cost) => {
                    cost.cost_parameter <= 1 << 17 && cost.block_size <= 16 && cost.parallelization <= 4
                }
                pbes2::Kdf::Pbkdf2(cost) => cost.iteration_count <= 10_000_000,
                _ => false,
            },
            _ => false,
        };
        if !affordable {
            return Err(bad("encrypted in a way that is not PBES2, or costs too much to open"));
        }
        let der = info.decrypt(passphrase).map_err(|_| bad("the passphrase is wrong, or the file is damaged"))?;
        Self::from_der(der.as_bytes())
    }
    fn to_der(&self) -> Zeroizing<[u8; 48]> {
        let mut der = Zeroizing::new([0_u8; 48]);
        der[..16].copy_from_slice(&PKCS8_PREFIX);
        der[16..].copy_from_slice(self.key.as_bytes());
        der
    }
    fn from_der(der: &[u8]) -> Result<Self, LedgerError> {
        let bad = |why| LedgerError::Key { why };
        let seed = der.strip_prefix(&PKCS8_PREFIX).ok_or_else(|| bad("not an Ed25519 private key"))?;
        let seed: Zeroizing<[u8; 32]> = Zeroizing::new(seed.try_into().map_err(|_| bad("not 32 bytes"))?);
        Self::from_seed(&seed)
    }
    /// The statement with which a holder proves possession at enrolment.
    ///
    /// Shape: canonical JSON `{"principal","public","purpose":"enrol"}` in a DSSE envelope.
    pub fn enrolment(&self, principal: &str) -> Result<Envelope, LedgerError> {
        let body = Value::map([
            ("principal", Value::text(principal)),
            ("public", Value::text(self.public.hex())),
            ("purpose", Value::text("enrol")),
        ]);
        Envelope::sign(&body.to_bytes().map_err(LedgerError::Json)?, &[self])
    }
}

/// Checks an enrolment statement and gives the key to put into the policy.
///
/// Errors: refused: a key that breaks the rules, a signature by another key, another principal's statement.
pub fn verify_enrolment(envelope: &Envelope, principal: &str, test_keys: TestKeys) -> Result<PublicKey, LedgerError> {
    let refuse = |why| LedgerError::Key { why };
    // The key is in the payload itself, so it is read first; nothing else of it is used before the check.
    let value = parse_canonical(envelope.dangerous_unverified_payload()).map_err(LedgerError::Json)?;
    let members = value.as_map().filter(|m| m.len() == 3).ok_or_else(|| refuse("not an enrolment statement"))?;
    let text = |name: &str| members.get(name).and_then(Value::as_text).unwrap_or_default();
    let key = PublicKey::enrol_hex(text("public"), test_keys)?;
    envelope.verify(|id| (*id == key.id()).then_some(&key))?;
    if text("purpose") != "enrol" || text("principal") != principal {
        return Err(refuse("not this principal's enrolment statement"));
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encrypted_key_opens_with_its_passphrase_alone() {
        let key = SigningKey::from_seed(&[23; 32]).unwrap();
        let pem = key.to_encrypted_pem(b"EXAMPLE passphrase", &[7; 32]).unwrap();
        assert!(is_encrypted(&pem) && !is_encrypted(&key.to_pkcs8_pem()));
        assert!(pem.lines().all(|line| line.len() <= 64));
        let back = SigningKey::from_encrypted_pem(&pem, b"EXAMPLE passphrase").unwrap();
        assert_eq!(back.public(), key.public());
        for wrong in [b"EXAMPLE passphras".as_slice(), b"", b"EXAMPLE passphrase "] {
            assert!(SigningKey::from_encrypted_pem(&pem, wrong).is_err());
        }
        // Another salt and vector, another file.
        assert_ne!(*key.to_encrypted_pem(b"EXAMPLE passphrase", &[8; 32]).unwrap(), *pem);
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let der = BASE64.decode(body.as_bytes()).unwrap();
        for at in 0..der.len() {
            let mut bad = der.clone();
            bad[at] ^= 1;
            let bad = format!("{ENCRYPTED_BEGIN}\n{}\n{ENCRYPTED_END}\n", BASE64.encode(&bad));
            // A flipped bit gives no key, or at least not this one: CBC knows no integrity, the policy knows the key.
            // Bits of the cost parameters would only take long here.
            if !(30..80).contains(&at)
                && let Ok(other) = SigningKey::from_encrypted_pem(&bad, b"EXAMPLE passphrase")
            {
                assert_ne!(other.public(), key.public(), "byte {at}");
            }
        }
    }

    #[test]
    fn an_enrolment_proves_possession_by_that_principal() {
        let key = SigningKey::from_seed(&[21; 32]).unwrap();
        let envelope = key.enrolment("ana").unwrap();
        assert_eq!(verify_enrolment(&envelope, "ana", TestKeys::Refuse).unwrap(), *key.public());
        assert!(verify_enrolment(&envelope, "ben", TestKeys::Refuse).is_err());
        // Somebody else's key claimed under one's own signature.
        let thief = SigningKey::from_seed(&[22; 32]).unwrap();
        let stolen = Envelope::sign(envelope.dangerous_unverified_payload(), &[&thief]).unwrap();
        assert!(verify_enrolment(&stolen, "ana", TestKeys::Refuse).is_err());
    }
}
