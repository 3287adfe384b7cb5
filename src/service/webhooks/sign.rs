//! Standard Webhooks signatures, symmetric form `v1`.

use data_encoding::BASE64;
use ring::hmac;

use crate::domain::Timestamp;

/// How a secret begins.
const PREFIX: &str = "whsec_";

/// A secret's text of 32 random bytes.
pub(super) fn secret(bytes: &[u8; 32]) -> String {
    format!("{PREFIX}{}", BASE64.encode(bytes))
}

/// The key of a secret's text: the standard asks for 24 to 64 bytes.
pub(super) fn key(secret: &str) -> Option<Vec<u8>> {
    let bytes = BASE64.decode(secret.strip_prefix(PREFIX)?.as_bytes()).ok()?;
    (24..=64).contains(&bytes.len()).then_some(bytes)
}

/// The value of `webhook-signature`: one signature a secret, so that a receiver may know either during a rotation.
///
/// Source: Standard Webhooks, "Signature scheme".
pub(super) fn signatures<'s>(
    secrets: impl Iterator<Item = &'s str>,
    id: &str,
    at: Timestamp,
    body: &[u8],
) -> Option<String> {
    // Signed content: id, seconds, body as sent, joined by full stops.
    let mut signed = format!("{id}.{}.", at.seconds()).into_bytes();
    signed.extend_from_slice(body);
    let one = |secret: &str| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key(secret)?);
        Some(format!("v1,{}", BASE64.encode(hmac::sign(&key, &signed).as_ref())))
    };
    let all: Vec<String> = secrets.map(one).collect::<Option<_>>()?;
    (!all.is_empty()).then(|| all.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_example_comes_out() {
        // The example that the scheme's documentation and client libraries share.
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let at = Timestamp::from_seconds(1_614_265_330);
        let value =
            signatures([secret].into_iter(), "msg_p5jXN8AQM9LWM0D4loKWxJek", at, br#"{"test": 2432232314}"#).unwrap();
        assert_eq!(value, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_that_is_none_signs_nothing() {
        for bad in ["", "whsec_", "whsec_AAAA", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_not base64"] {
            assert_eq!(key(bad), None, "{bad}");
            assert_eq!(signatures([bad].into_iter(), "id", Timestamp(0), b""), None);
        }
        assert_eq!(key(&secret(&[7; 32])).unwrap(), [7; 32]);
    }
}
