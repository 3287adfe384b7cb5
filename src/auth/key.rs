//! API keys of machines: made of 32 random bytes, shown once, kept as a digest.

use crate::domain::Digest;

/// How every key begins: what secret scanners look for.
const PREFIX: &str = "mgk_";

/// A key's text, to be shown once.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// A key from 32 random bytes.
    ///
    /// Shape: `mgk_`, 64 hex digits, `_`, 8 hex digits of checksum: a key that was cut or mistyped is told from one
    /// that is unknown.
    pub fn of(random: &[u8; 32]) -> Self {
        let body: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let check = Digest::of(&body).hex();
        Self(format!("{PREFIX}{body}_{}", check.get(..8).unwrap_or_default()))
    }
    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }
    /// What is kept of a key. 256 random bits need no slow hash: there is nothing to guess.
    pub fn digest(text: &str) -> Digest {
        Digest::of_parts([b"memgate api key".as_slice(), text.as_bytes()])
    }
    /// The visible part: which key it was, for people.
    pub fn hint(text: &str) -> String {
        let mut end = text.len().min(PREFIX.len() + 6).min(text.len() / 3);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        format!("{}…", text.get(..end).unwrap_or_default())
    }
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ApiKey({})", Self::hint(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_not_shown_by_debug_and_keeps_a_hint() {
        let key = ApiKey::of(&[7; 32]);
        assert!(key.expose().starts_with(PREFIX));
        assert!(!format!("{key:?}").contains(&key.expose()[16..]));
        assert_eq!(ApiKey::digest(key.expose()), ApiKey::digest(key.expose()));
        assert_ne!(ApiKey::digest(key.expose()), ApiKey::digest("other"));
    }
}
