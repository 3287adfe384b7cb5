//! Page cursors: sealed, so that they leak no path and no caller can make one.

use data_encoding::BASE64URL_NOPAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ServiceError, ids};

/// The sealing key of one server.
pub(super) struct Cursors {
    key: LessSafeKey,
}

impl std::fmt::Debug for Cursors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cursors")
    }
}

impl Cursors {
    pub(super) fn new(key: &[u8; 32]) -> Result<Self, ServiceError> {
        let bug = |_| ServiceError::Bug { what: "a cursor key" };
        Ok(Self { key: LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).map_err(bug)?) })
    }

    /// A cursor of one list (`list` names it with everything that must not change between pages).
    pub(super) fn seal(&self, list: &str, place: &impl Serialize) -> Result<String, ServiceError> {
        let bug = ServiceError::Bug { what: "a cursor" };
        let mut nonce = [0_u8; NONCE_LEN];
        ids::random(&mut nonce)?;
        let Ok(mut bytes) = serde_json::to_vec(place) else { return Err(bug) };
        let sealed =
            self.key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(list), &mut bytes);
        if sealed.is_err() {
            return Err(bug);
        }
        let whole = [nonce.as_slice(), &bytes].concat();
        Ok(format!("page_{}", BASE64URL_NOPAD.encode(&whole)))
    }

    /// The place a cursor names.
    pub(super) fn open<T: DeserializeOwned>(&self, list: &str, cursor: &str) -> Result<T, ServiceError> {
        let bad = || ServiceError::invalid("page: not a cursor of this list");
        let text = cursor.strip_prefix("page_").filter(|text| text.len() <= 8192).ok_or_else(bad)?;
        let whole = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| bad())?;
        let (nonce, sealed) = whole.split_at_checked(NONCE_LEN).ok_or_else(bad)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| bad())?;
        let mut bytes = sealed.to_vec();
        let plain = self.key.open_in_place(nonce, Aad::from(list), &mut bytes).map_err(|_| bad())?;
        serde_json::from_slice(plain).map_err(|_| bad())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_in_its_own_list_only_and_shows_nothing() {
        let cursors = Cursors::new(&[3; 32]).unwrap();
        let cursor = cursors.seal("memories", &"/secret/path").unwrap();
        assert!(!cursor.contains("secret"));
        assert_eq!(cursors.open::<String>("memories", &cursor).unwrap(), "/secret/path");
        assert!(cursors.open::<String>("versions", &cursor).is_err());
        assert!(Cursors::new(&[4; 32]).unwrap().open::<String>("memories", &cursor).is_err());
        for cut in 0..cursor.len() {
            assert!(cursors.open::<String>("memories", &cursor[..cut]).is_err(), "{cut}");
        }
    }
}
