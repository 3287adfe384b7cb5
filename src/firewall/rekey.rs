//! The private keys of a data folder at rest: plain, or encrypted with a passphrase.

use std::fs;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::ledger::SigningKey;
use crate::ledger::key::is_encrypted;
use crate::store::{Access, DataFolder, StoreError, evidence, folder};

use super::sign::{KEYS, Vault};
use super::{Env, Firewall, FirewallError, Outside};

/// One private key from its file.
pub(super) fn read(path: &Path, outside: &Outside) -> Result<SigningKey, FirewallError> {
    let pem = Zeroizing::new(fs::read_to_string(path).map_err(StoreError::io("read", path))?);
    if !is_encrypted(&pem) {
        return Ok(SigningKey::from_pkcs8_pem(&pem)?);
    }
    let Some(passphrase) = &outside.passphrase else {
        return Err(FirewallError::Locked { why: "they are encrypted, and no passphrase is given" });
    };
    let passphrase = (passphrase.0)().map_err(|source| FirewallError::Passphrase { source })?;
    SigningKey::from_encrypted_pem(&pem, passphrase.as_bytes())
        .map_err(|_| FirewallError::Locked { why: "the passphrase is wrong, or a key file is damaged" })
}

/// A key file's bytes: encrypted when there is a passphrase for it.
pub(super) fn to_pem(
    key: &SigningKey,
    passphrase: Option<&str>,
    env: &mut Env,
) -> Result<Zeroizing<String>, FirewallError> {
    let Some(passphrase) = passphrase else { return Ok(key.to_pkcs8_pem()) };
    let mut random = [0_u8; 32];
    (env.random)(&mut random).map_err(|source| FirewallError::Random { source })?;
    Ok(key.to_encrypted_pem(passphrase.as_bytes(), &random)?)
}

fn files(data: &Path) -> Result<Vec<PathBuf>, FirewallError> {
    let keys = data.join(KEYS);
    let mut all = Vec::new();
    for entry in fs::read_dir(&keys).map_err(StoreError::io("list", &keys))? {
        let path = entry.map_err(StoreError::io("list", &keys))?.path();
        if path.extension().is_some_and(|end| end == "pem") {
            all.push(path);
        }
    }
    all.sort();
    Ok(all)
}

impl Firewall {
    /// Private keys of a data folder: how many are encrypted, of how many.
    ///
    /// # Errors
    /// Unavailable files.
    pub fn encrypted_keys(data: &Path) -> Result<(usize, usize), FirewallError> {
        let mut found = (0, 0);
        for path in files(data)? {
            let pem = Zeroizing::new(fs::read_to_string(&path).map_err(StoreError::io("read", &path))?);
            found = (found.0 + usize::from(is_encrypted(&pem)), found.1 + 1);
        }
        Ok(found)
    }

    /// Writes every private key of a data folder anew: encrypted with a passphrase, or plain without one. Keys stay the
    /// same; every one is read before the first is written, and read back and compared after.
    ///
    /// # Errors
    /// Refused for a wrong passphrase or a folder that was changed from outside; unavailable while another process
    /// holds it.
    pub fn rekey(data: &Path, passphrase: Option<&str>, mut env: Env) -> Result<usize, FirewallError> {
        let opened = DataFolder::open_unmarked(data, Access::Write)?;
        let trust = evidence::read_trust(data)?;
        let differences = opened.compare(|bytes| evidence::open_seal(&trust, bytes))?;
        if !differences.is_empty() {
            return Err(StoreError::Changed { differences }.into());
        }
        let mut keys = Vec::new();
        for path in files(data)? {
            keys.push((read(&path, &env.outside)?, path));
        }
        let mut fresh = Vec::new();
        for (key, path) in &keys {
            let pem = to_pem(key, passphrase, &mut env)?;
            // What cannot be opened again must never replace what can.
            let back = match passphrase {
                Some(passphrase) => SigningKey::from_encrypted_pem(&pem, passphrase.as_bytes())?,
                None => SigningKey::from_pkcs8_pem(&pem)?,
            };
            if back.public() != key.public() {
                return Err(FirewallError::Locked { why: "a key did not read back" });
            }
            fresh.push((path, pem));
        }
        let gate = keys.iter().position(|(_, path)| path.ends_with("gate.pem"));
        let Some((gate, _)) = gate.and_then(|at| keys.get(at)) else {
            return Err(FirewallError::Locked { why: "the gate's key is missing" });
        };
        opened.mark()?;
        for (path, pem) in &fresh {
            folder::write_atomic(path, pem.as_bytes())?;
        }
        opened.seal(|inventory| Vault::seal_with(gate, inventory))?;
        Ok(fresh.len())
    }
}
